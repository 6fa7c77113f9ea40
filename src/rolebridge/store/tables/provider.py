"""The OpenID Provider: applications, what people's sign-ins gave them, signing keys, and notices of logout.

How the rows hang together. Whoever comes to `/oauth/authorize` without a session takes the request along, sealed in a
URL: anonymous visitors leave nothing here. Once somebody is signed in, one transaction writes an *authorization* (what
this sign-in gives this application: person, session, scopes) and a *code* for it. The code is exchanged once; it and
every *refresh token* name their authorization, and so does every access token (its `jti` is the authorization's id, a
dot and something random), so that ending the authorization's row (`ended_at`) ends them all. A code or refresh token
that comes a second time ends the authorization.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
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

# Applications that people of an organization sign in to; the id is public (`client_id`), and finds the organization.
# `kind` is "confidential" or "public", `settings` the JSON of `core.applications.AppSettings`.
applications: Final = Table(
    "applications",
    metadata,
    organization(),
    text("id"),
    text("name"),
    text("name_key"),
    text("kind"),
    text("settings"),
    text("created"),
    text("revoked_at", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("id"),
    Index(None, "organization_id", "name_key"),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)

# What an application proves itself with, as of SCIM's clients: a secret (`jwk` is null) or a public key. The
# assertions that it has used stand in `used_assertions`, where `client_id` is the application's.
application_credentials: Final = Table(
    "application_credentials",
    metadata,
    organization(),
    text("application_id"),
    *credential(),
    text("jwk", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "application_id", "hash"),
    ForeignKeyConstraint(["organization_id", "application_id"], ["applications.organization_id", "applications.id"]),
)

# What a sign-in gave an application. `expires_at` is when the last thing of it has ended; the row is kept till then.
# `ended_why` is a word of `core.applications.EndedWhy`. No foreign keys from here on: rows come and go, applications
# are only ever revoked.
authorizations: Final = Table(
    "authorizations",
    metadata,
    organization(),
    text("id"),
    text("application_id"),
    text("user_id"),
    text("session_id"),
    text("scope"),
    text("authenticated_at", null=True),
    text("context", null=True),
    text("created"),
    text("expires_at"),
    text("ended_at", null=True),
    text("ended_why", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    Index(None, "organization_id", "user_id"),
    Index(None, "organization_id", "session_id"),
    Index(None, "organization_id", "application_id"),
    Index(None, "organization_id", "expires_at"),
)

# Codes; a used one is kept for as long as its authorization, so that a second use is noticed.
authorization_codes: Final = Table(
    "authorization_codes",
    metadata,
    organization(),
    text("authorization_id"),
    Column("hash", LargeBinary, nullable=False),
    text("redirect_uri"),
    text("challenge"),
    text("nonce", null=True),
    text("expires_at"),
    text("used_at", null=True),
    PrimaryKeyConstraint("organization_id", "authorization_id"),
    UniqueConstraint("hash"),
)

# Refresh tokens of an authorization (its family): at most one is unused. `hash` was made under the secret key `key_id`.
refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    organization(),
    text("authorization_id"),
    Column("hash", LargeBinary, nullable=False),
    text("key_id"),
    text("created"),
    text("expires_at"),
    text("used_at", null=True),
    PrimaryKeyConstraint("organization_id", "authorization_id", "hash"),
    UniqueConstraint("hash"),
)

# Signing keys of the installation: organization_id is "", as with its API keys. `id` is the `kid`, `public` the JWK,
# `private` the PKCS #8 bytes as `bridge.vault.Vault` sealed them. A key is next (both null), active, or retired; one
# whose `gone_at` has passed is published no more.
signing_keys: Final = Table(
    "signing_keys",
    metadata,
    organization(),
    text("id"),
    text("algorithm"),
    text("public"),
    Column("private", LargeBinary, nullable=False),
    text("created"),
    text("active_at", null=True),
    text("retired_at", null=True),
    text("gone_at", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
)

# Notices to applications that somebody's session ended (back-channel logout). One waits while `next_at` is set; then
# it was delivered, or given up. `problem` is why the last attempt failed, in words that hold no personal data.
logout_notices: Final = Table(
    "logout_notices",
    metadata,
    organization(),
    text("id"),
    text("application_id"),
    text("user_id"),
    text("session_id"),
    text("created"),
    Column("attempts", Integer, nullable=False),
    text("next_at", null=True),
    text("delivered_at", null=True),
    text("given_up_at", null=True),
    text("problem", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    Index(None, "organization_id", "next_at"),
    Index(None, "organization_id", "application_id", "created"),
)
