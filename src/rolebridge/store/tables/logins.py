"""Single sign-on: how connections log people in, who they are there, what their logins say, and how logins went."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from rolebridge.store.tables.columns import metadata, organization, text

# How a connection logs people in; its id alone stands in URLs, and finds the organization.
sso_connections: Final = Table(
    "sso_connections",
    metadata,
    organization(),
    text("connection_id"),
    text("protocol"),
    Column("enabled", Boolean, nullable=False),
    text("settings"),
    text("rules"),
    Column("version", Integer, nullable=False),
    text("changed"),
    PrimaryKeyConstraint("organization_id", "connection_id"),
    UniqueConstraint("connection_id"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
)

# Secrets that the bridge uses towards an identity provider, sealed; `public` is what others may see of one.
sso_secrets: Final = Table(
    "sso_secrets",
    metadata,
    organization(),
    text("connection_id"),
    text("id"),
    text("kind"),
    Column("sealed", LargeBinary, nullable=False),
    text("public"),
    text("created"),
    PrimaryKeyConstraint("organization_id", "connection_id", "id"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
)

# Domains whose people a connection may speak for: one connection of the whole installation for each.
login_domains: Final = Table(
    "login_domains",
    metadata,
    organization(),
    text("domain"),
    text("connection_id"),
    text("declared"),
    text("declared_by"),
    PrimaryKeyConstraint("organization_id", "domain"),
    UniqueConstraint("domain"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
)

# Who somebody is at an identity provider: `key` is a digest of issuer and subject. A row outlives its user, so that
# nobody whom SCIM has deleted is made again by logging in. `stated` are the groups that were last stated, as JSON;
# what `login_memberships` has of the user ends at `stated_until`.
identities: Final = Table(
    "identities",
    metadata,
    organization(),
    text("connection_id"),
    text("key"),
    text("issuer"),
    text("subject"),
    text("user_id"),
    Column("made_user", Boolean, nullable=False),
    text("created"),
    text("last_login"),
    text("stated", null=True),
    text("stated_at", null=True),
    text("stated_until", null=True),
    text("overage_at", null=True),
    PrimaryKeyConstraint("organization_id", "connection_id", "key"),
    UniqueConstraint("organization_id", "connection_id", "user_id"),
    Index(None, "organization_id", "user_id"),
    Index(None, "organization_id", "stated_until"),
)

# Groups that a user is in because their last login said so. Beside `memberships`, which are SCIM's: what SCIM reads
# and writes never meets them.
login_memberships: Final = Table(
    "login_memberships",
    metadata,
    organization(),
    text("group_id"),
    text("user_id"),
    text("connection_id"),
    text("since"),
    text("source"),
    PrimaryKeyConstraint("organization_id", "group_id", "user_id"),
    Index(None, "organization_id", "user_id", "group_id"),
    sqlite_with_rowid=False,
)

# Assertions that have logged somebody in, by a digest, for as long as they would be accepted.
login_assertions: Final = Table(
    "login_assertions",
    metadata,
    organization(),
    text("connection_id"),
    Column("digest", LargeBinary, nullable=False),
    text("usable_until"),
    PrimaryKeyConstraint("organization_id", "connection_id", "digest"),
    Index(None, "organization_id", "usable_until"),
    sqlite_with_rowid=False,
)

# How logins went: the last ones of each connection, accepted and refused, without any value of an attribute.
login_log: Final = Table(
    "login_log",
    metadata,
    organization(),
    text("connection_id"),
    text("at"),
    text("request_id"),
    text("outcome"),
    text("code"),
    text("user_id", null=True),
    text("detail"),
    text("checks"),
    PrimaryKeyConstraint("organization_id", "connection_id", "at", "request_id"),
    Index(None, "organization_id", "connection_id", "outcome", "at"),
    Index(None, "organization_id", "user_id"),
)
