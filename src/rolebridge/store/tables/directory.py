"""Users, groups, memberships, and what finds and counts them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from rolebridge.store.tables.columns import metadata, organization, sequence, text

users: Final = Table(
    "users",
    metadata,
    organization(),
    text("id"),
    text("connection_id"),
    sequence(),
    text("user_name"),
    text("user_key"),
    text("external_id", null=True),
    text("external_key", null=True),
    text("display_name", null=True),
    text("display_key", null=True),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    text("created"),
    text("last_modified"),
    text("body"),
    text("folded", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "user_key"),
    UniqueConstraint("organization_id", "connection_id", "external_key"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
    Index(None, "organization_id", "connection_id", "sequence"),
    Index(None, "organization_id", "connection_id", "display_key"),
    # For orders by these, and for those who ask what has changed since.
    Index(None, "organization_id", "connection_id", "created", "sequence"),
    Index(None, "organization_id", "connection_id", "last_modified", "sequence"),
)

# What multi-valued (and a few other) attributes of a user are matched on; `documents.indexed_values` says which. No
# foreign key: written in the same statement as the user, and PostgreSQL would keep checking it by a plan from when the
# tables were empty (0.6 ms after 5,000 users).
user_values: Final = Table(
    "user_values",
    metadata,
    organization(),
    text("user_id"),
    text("attribute"),
    text("value"),
    PrimaryKeyConstraint("organization_id", "user_id", "attribute", "value"),
    Index(None, "organization_id", "attribute", "value", "user_id"),
    sqlite_with_rowid=False,
)

groups: Final = Table(
    "groups",
    metadata,
    organization(),
    text("id"),
    text("connection_id"),
    sequence(),
    text("display"),
    text("display_key"),
    text("display_json"),
    text("external_id", null=True),
    text("external_key", null=True),
    Column("version", Integer, nullable=False),
    text("created"),
    text("last_modified"),
    text("body"),
    text("folded", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "connection_id", "display_key"),
    UniqueConstraint("organization_id", "connection_id", "external_key"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
    Index(None, "organization_id", "connection_id", "sequence"),
    Index(None, "organization_id", "display_key"),
)

# No foreign keys: they cost more than the row itself on PostgreSQL. `members` locks what it refers to instead.
memberships: Final = Table(
    "memberships",
    metadata,
    organization(),
    text("group_id"),
    text("user_id"),
    text("source"),
    text("since"),
    PrimaryKeyConstraint("organization_id", "group_id", "user_id"),
    Index(None, "organization_id", "user_id", "group_id"),
    sqlite_with_rowid=False,
)

# Groups in groups, of one connection and never in a circle: `nesting` sees to that.
group_children: Final = Table(
    "group_children",
    metadata,
    organization(),
    text("parent_id"),
    text("child_id"),
    text("since"),
    PrimaryKeyConstraint("organization_id", "parent_id", "child_id"),
    Index(None, "organization_id", "child_id", "parent_id"),
    sqlite_with_rowid=False,
)

# All that a group is in, through however many groups: what `group_children` says, followed to its end.
group_ancestors: Final = Table(
    "group_ancestors",
    metadata,
    organization(),
    text("group_id"),
    text("ancestor_id"),
    PrimaryKeyConstraint("organization_id", "group_id", "ancestor_id"),
    Index(None, "organization_id", "ancestor_id", "group_id"),
    sqlite_with_rowid=False,
)

# What is left of a deleted user or group: its id is never given again, and audit can still name it.
departed: Final = Table(
    "departed",
    metadata,
    organization(),
    text("id"),
    text("kind"),
    text("connection_id"),
    text("name"),
    text("external_id", null=True),
    text("deleted"),
    text("name_key", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    # By which a login finds out that its user was deleted.
    Index(None, "organization_id", "kind", "name_key"),
)

# How many users or groups a connection has, as a sum of rows: one counter row would queue every writer of PostgreSQL.
counts: Final = Table(
    "counts",
    metadata,
    organization(),
    text("connection_id"),
    text("kind"),
    sequence(),
    Column("delta", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "connection_id", "kind", "sequence"),
    sqlite_with_rowid=False,
)

# How far an import is, until it is finished: `id` is a digest of what is imported into which connection.
imports: Final = Table(
    "imports",
    metadata,
    organization(),
    text("id"),
    text("connection_id"),
    text("touched"),
    text("progress"),
    PrimaryKeyConstraint("organization_id", "id"),
)

# Which resources an unfinished import made or found for the ids of its source, by which members are named there.
import_ids: Final = Table(
    "import_ids",
    metadata,
    organization(),
    text("import_id"),
    text("source_key"),
    text("resource_id"),
    PrimaryKeyConstraint("organization_id", "import_id", "source_key"),
    sqlite_with_rowid=False,
)
