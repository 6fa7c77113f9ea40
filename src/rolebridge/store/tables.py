"""The tables of the store as SQLAlchemy metadata: the one statement of what is stored and how it is found.

The organization stands first in every key and every index, so that a distributed PostgreSQL can place rows by it; only
the hashes of credentials, which *find* the organization, stand alone. Moments are text, `2026-11-30T09:00:00.000Z`:
alike on both databases, in order, readable, and ready to be spliced into an answer. Text is compared as bytes
(collation "C" on PostgreSQL, BINARY on SQLite); whatever compares without case has a column of its own, folded in
Python (`documents.key`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Compared as bytes: the database's locale must decide neither the order of pages nor what is unique.
BYTES: Final = Text().with_variant(Text(collation="C"), "postgresql")


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, BYTES, nullable=null)


def _organization() -> Column[str]:
    return _text("organization_id")


def _sequence() -> Column[int]:
    """Return the order of creation; SQLite, which has one writer, counts in the insert itself."""
    return Column("sequence", BigInteger, Identity(always=False), nullable=False)


# --- accounts --------------------------------------------------------------------------------------------------

organizations: Final = Table(
    "organizations",
    metadata,
    _text("id"),
    _text("name"),
    _text("name_key"),
    _text("created"),
    Column("schemas_version", Integer, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("name_key"),
)

# Schema extensions that an organization defines; a change of them counts up its `schemas_version`.
extension_schemas: Final = Table(
    "extension_schemas",
    metadata,
    _organization(),
    _text("urn_key"),
    _text("extends"),
    Column("required", Boolean, nullable=False),
    _text("document"),
    _text("created"),
    PrimaryKeyConstraint("organization_id", "urn_key"),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)

connections: Final = Table(
    "connections",
    metadata,
    _organization(),
    _text("id"),
    _text("name"),
    _text("name_key"),
    _text("profile"),
    _text("created"),
    _text("rate_limit", null=True),
    _text("allowed"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name_key"),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


def _credential() -> list[Column[str] | Column[bytes]]:
    """Return what a SCIM token and an API key share; of the secret only an HMAC is kept."""
    return [
        _text("id"),
        _text("name"),
        Column("hash", LargeBinary, nullable=False),
        _text("key_id"),
        _text("hint"),
        _text("created"),
        _text("expires_at", null=True),
        _text("revoked_at", null=True),
        _text("last_used_at", null=True),
    ]


# user_id is whom `/Me` means; it stays when that user is deleted, and then finds nobody.
tokens: Final = Table(
    "tokens",
    metadata,
    _organization(),
    _text("connection_id"),
    _text("user_id", null=True),
    *_credential(),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("hash"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
)

# organization_id is "" for a key of the whole installation: a key column cannot be null.
keys: Final = Table(
    "keys",
    metadata,
    _organization(),
    *_credential(),
    _text("role"),
    _text("workspace", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("hash"),
)

# OAuth 2.0 clients of a connection; the id is public, and finds the organization.
clients: Final = Table(
    "clients",
    metadata,
    _organization(),
    _text("connection_id"),
    _text("id"),
    _text("name"),
    Column("token_minutes", Integer, nullable=False),
    _text("created"),
    _text("revoked_at", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("id"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
)

# What a client proves itself with: a secret (`jwk` is null, `hash` an HMAC) or a public key (`hash` its thumbprint).
client_credentials: Final = Table(
    "client_credentials",
    metadata,
    _organization(),
    _text("client_id"),
    *_credential(),
    _text("jwk", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "client_id", "hash"),
    ForeignKeyConstraint(["organization_id", "client_id"], ["clients.organization_id", "clients.id"]),
)

# Tokens that clients were given. No foreign keys: rows come and go, clients and credentials are only ever revoked.
access_tokens: Final = Table(
    "access_tokens",
    metadata,
    _organization(),
    _text("client_id"),
    _text("expires_at"),
    Column("hash", LargeBinary, nullable=False),
    _text("credential_id"),
    PrimaryKeyConstraint("organization_id", "client_id", "expires_at", "hash"),
    UniqueConstraint("hash"),
    sqlite_with_rowid=False,
)

# Assertions (RFC 7523) that clients have used, by a digest of their `jti`, for as long as they would be accepted.
used_assertions: Final = Table(
    "used_assertions",
    metadata,
    _organization(),
    _text("client_id"),
    Column("jti", LargeBinary, nullable=False),
    _text("expires_at"),
    PrimaryKeyConstraint("organization_id", "client_id", "jti"),
    Index(None, "organization_id", "client_id", "expires_at"),
    sqlite_with_rowid=False,
)

# --- directory -------------------------------------------------------------------------------------------------

users: Final = Table(
    "users",
    metadata,
    _organization(),
    _text("id"),
    _text("connection_id"),
    _sequence(),
    _text("user_name"),
    _text("user_key"),
    _text("external_id", null=True),
    _text("external_key", null=True),
    _text("display_name", null=True),
    _text("display_key", null=True),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    _text("created"),
    _text("last_modified"),
    _text("body"),
    _text("folded", null=True),
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
    _organization(),
    _text("user_id"),
    _text("attribute"),
    _text("value"),
    PrimaryKeyConstraint("organization_id", "user_id", "attribute", "value"),
    Index(None, "organization_id", "attribute", "value", "user_id"),
    sqlite_with_rowid=False,
)

groups: Final = Table(
    "groups",
    metadata,
    _organization(),
    _text("id"),
    _text("connection_id"),
    _sequence(),
    _text("display"),
    _text("display_key"),
    _text("display_json"),
    _text("external_id", null=True),
    _text("external_key", null=True),
    Column("version", Integer, nullable=False),
    _text("created"),
    _text("last_modified"),
    _text("body"),
    _text("folded", null=True),
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
    _organization(),
    _text("group_id"),
    _text("user_id"),
    _text("source"),
    _text("since"),
    PrimaryKeyConstraint("organization_id", "group_id", "user_id"),
    Index(None, "organization_id", "user_id", "group_id"),
    sqlite_with_rowid=False,
)

# Groups in groups, of one connection and never in a circle: `nesting` sees to that.
group_children: Final = Table(
    "group_children",
    metadata,
    _organization(),
    _text("parent_id"),
    _text("child_id"),
    _text("since"),
    PrimaryKeyConstraint("organization_id", "parent_id", "child_id"),
    Index(None, "organization_id", "child_id", "parent_id"),
    sqlite_with_rowid=False,
)

# All that a group is in, through however many groups: what `group_children` says, followed to its end.
group_ancestors: Final = Table(
    "group_ancestors",
    metadata,
    _organization(),
    _text("group_id"),
    _text("ancestor_id"),
    PrimaryKeyConstraint("organization_id", "group_id", "ancestor_id"),
    Index(None, "organization_id", "ancestor_id", "group_id"),
    sqlite_with_rowid=False,
)

# What is left of a deleted user or group: its id is never given again, and audit can still name it.
departed: Final = Table(
    "departed",
    metadata,
    _organization(),
    _text("id"),
    _text("kind"),
    _text("connection_id"),
    _text("name"),
    _text("external_id", null=True),
    _text("deleted"),
    PrimaryKeyConstraint("organization_id", "id"),
)

# How many users or groups a connection has, as a sum of rows: one counter row would queue every writer of PostgreSQL.
counts: Final = Table(
    "counts",
    metadata,
    _organization(),
    _text("connection_id"),
    _text("kind"),
    _sequence(),
    Column("delta", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "connection_id", "kind", "sequence"),
    sqlite_with_rowid=False,
)

# How far an import is, until it is finished: `id` is a digest of what is imported into which connection.
imports: Final = Table(
    "imports",
    metadata,
    _organization(),
    _text("id"),
    _text("connection_id"),
    _text("touched"),
    _text("progress"),
    PrimaryKeyConstraint("organization_id", "id"),
)

# Which resources an unfinished import made or found for the ids of its source, by which members are named there.
import_ids: Final = Table(
    "import_ids",
    metadata,
    _organization(),
    _text("import_id"),
    _text("source_key"),
    _text("resource_id"),
    PrimaryKeyConstraint("organization_id", "import_id", "source_key"),
    sqlite_with_rowid=False,
)

# --- grants ----------------------------------------------------------------------------------------------------

grants: Final = Table(
    "grants",
    metadata,
    _organization(),
    _text("user_id"),
    _text("workspace"),
    _text("slot"),
    _text("project"),
    _text("role"),
    _text("state"),
    _text("source"),
    _text("rule"),
    _text("lock"),
    _text("reach"),
    _text("override"),
    _text("acts_as_slot"),
    _text("acts_as_role"),
    _text("valid_from", null=True),
    _text("valid_until", null=True),
    Column("revision", BigInteger, nullable=False),
    _text("because"),
    _text("held_since", null=True),
    PrimaryKeyConstraint("organization_id", "user_id", "workspace", "slot", "project", "role"),
    Index(None, "organization_id", "workspace", "project", "user_id"),
    Index(None, "organization_id", "workspace", "rule", "user_id"),
    sqlite_with_rowid=False,
)

manual_assignments: Final = Table(
    "manual_assignments",
    metadata,
    _organization(),
    _text("id"),
    _text("user_id"),
    _text("workspace"),
    _text("slot"),
    _text("project", null=True),
    _text("role"),
    _text("by"),
    _text("at"),
    _text("reason"),
    _text("until", null=True),
    _text("ended_at", null=True),
    _text("ended_by", null=True),
    _text("ended_reason", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    Index(None, "organization_id", "user_id", "workspace"),
)

# The day on which a user is to be resolved again though nothing else changes.
rechecks: Final = Table(
    "rechecks",
    metadata,
    _organization(),
    _text("user_id"),
    _text("workspace"),
    _text("due"),
    PrimaryKeyConstraint("organization_id", "user_id", "workspace"),
    Index(None, "organization_id", "due", "user_id", "workspace"),
    sqlite_with_rowid=False,
)

# --- revisions -------------------------------------------------------------------------------------------------

revisions: Final = Table(
    "revisions",
    metadata,
    _organization(),
    Column("number", BigInteger, nullable=False, autoincrement=False),
    _text("digest"),
    _text("connections"),
    _text("created"),
    _text("actor"),
    _text("reason"),
    PrimaryKeyConstraint("organization_id", "number"),
)

revision_files: Final = Table(
    "revision_files",
    metadata,
    _organization(),
    Column("number", BigInteger, nullable=False, autoincrement=False),
    _text("name"),
    _text("content"),
    PrimaryKeyConstraint("organization_id", "number", "name"),
    ForeignKeyConstraint(["organization_id", "number"], ["revisions.organization_id", "revisions.number"]),
)

# --- record ----------------------------------------------------------------------------------------------------

audit: Final = Table(
    "audit",
    metadata,
    _organization(),
    _sequence(),
    _text("at"),
    _text("kind"),
    _text("actor"),
    _text("request_id"),
    _text("subject_kind"),
    _text("subject_id"),
    _text("before", null=True),
    _text("after", null=True),
    _text("reason"),
    PrimaryKeyConstraint("organization_id", "sequence"),
    Index(None, "organization_id", "subject_id", "sequence"),
)

outbox: Final = Table(
    "outbox",
    metadata,
    _organization(),
    _sequence(),
    _text("at"),
    _text("kind"),
    _text("payload"),
    PrimaryKeyConstraint("organization_id", "sequence"),
)

# What clients asked, redacted; "" stands for no organization, connection, credential or resource that is known.
request_log: Final = Table(
    "request_log",
    metadata,
    _organization(),
    _text("connection_id"),
    _text("at"),
    _text("request_id"),
    _text("credential_id"),
    _text("resource_id"),
    _text("method"),
    _text("path"),
    _text("query"),
    Column("status", Integer, nullable=False),
    _text("scim_type", null=True),
    _text("detail"),
    Column("duration_us", BigInteger, nullable=False),
    _text("peer"),
    _text("user_agent"),
    _text("tolerances"),
    Column("unknown_members", Integer, nullable=False),
    Column("request_bytes", BigInteger, nullable=False),
    Column("answer_bytes", BigInteger, nullable=True),
    _text("shape", null=True),
    Column("lost", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "connection_id", "at", "request_id"),
    Index(None, "organization_id", "at", "request_id"),
    Index(None, "organization_id", "request_id"),
)
