"""Organizations, their connections and schemas, and what proves a caller."""

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

from rolebridge.store.tables.columns import credential, metadata, organization, text

organizations: Final = Table(
    "organizations",
    metadata,
    text("id"),
    text("name"),
    text("name_key"),
    text("created"),
    Column("schemas_version", Integer, nullable=False),
    # Changes of registered projects and of how workspaces are run.
    Column("registry_version", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("name_key"),
)

# Schema extensions that an organization defines; a change of them counts up its `schemas_version`.
extension_schemas: Final = Table(
    "extension_schemas",
    metadata,
    organization(),
    text("urn_key"),
    text("extends"),
    Column("required", Boolean, nullable=False),
    text("document"),
    text("created"),
    PrimaryKeyConstraint("organization_id", "urn_key"),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)

connections: Final = Table(
    "connections",
    metadata,
    organization(),
    text("id"),
    text("name"),
    text("name_key"),
    text("profile"),
    text("created"),
    text("rate_limit", null=True),
    text("allowed"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name_key"),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


# user_id is whom `/Me` means; it stays when that user is deleted, and then finds nobody.
tokens: Final = Table(
    "tokens",
    metadata,
    organization(),
    text("connection_id"),
    text("user_id", null=True),
    *credential(),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("hash"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
)

# organization_id is "" for a key of the whole installation: a key column cannot be null.
keys: Final = Table(
    "keys",
    metadata,
    organization(),
    *credential(),
    text("role"),
    text("workspace", null=True),
    text("made_by", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("hash"),
)

# OAuth 2.0 clients of a connection; the id is public, and finds the organization.
clients: Final = Table(
    "clients",
    metadata,
    organization(),
    text("connection_id"),
    text("id"),
    text("name"),
    Column("token_minutes", Integer, nullable=False),
    text("created"),
    text("revoked_at", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("id"),
    ForeignKeyConstraint(["organization_id", "connection_id"], ["connections.organization_id", "connections.id"]),
)

# What a client proves itself with: a secret (`jwk` is null, `hash` an HMAC) or a public key (`hash` its thumbprint).
client_credentials: Final = Table(
    "client_credentials",
    metadata,
    organization(),
    text("client_id"),
    *credential(),
    text("jwk", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "client_id", "hash"),
    ForeignKeyConstraint(["organization_id", "client_id"], ["clients.organization_id", "clients.id"]),
)

# Tokens that clients were given. No foreign keys: rows come and go, clients and credentials are only ever revoked.
access_tokens: Final = Table(
    "access_tokens",
    metadata,
    organization(),
    text("client_id"),
    text("expires_at"),
    Column("hash", LargeBinary, nullable=False),
    text("credential_id"),
    PrimaryKeyConstraint("organization_id", "client_id", "expires_at", "hash"),
    UniqueConstraint("hash"),
    sqlite_with_rowid=False,
)

# Assertions (RFC 7523) that clients have used, by a digest of their `jti`, for as long as they would be accepted.
used_assertions: Final = Table(
    "used_assertions",
    metadata,
    organization(),
    text("client_id"),
    Column("jti", LargeBinary, nullable=False),
    text("expires_at"),
    PrimaryKeyConstraint("organization_id", "client_id", "jti"),
    Index(None, "organization_id", "client_id", "expires_at"),
    sqlite_with_rowid=False,
)
