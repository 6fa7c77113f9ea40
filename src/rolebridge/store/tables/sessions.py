"""Who is signed in with a browser, and logins that are under way at an identity provider."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, Table, UniqueConstraint

from rolebridge.store.tables.columns import metadata, organization, text

# No foreign keys: a session outlives nothing, whoever finds one looks at its user and connection in the same question.
# `hash` is an HMAC of the secret in the browser's cookie; it finds the organization. `logout_hint` is sealed.
sessions: Final = Table(
    "sessions",
    metadata,
    organization(),
    text("id"),
    text("user_id"),
    text("connection_id"),
    Column("hash", LargeBinary, nullable=False),
    text("protocol"),
    text("issuer"),
    text("subject"),
    text("idp_session", null=True),
    text("context", null=True),
    text("authenticated_at", null=True),
    text("begun_at"),
    text("seen_at"),
    text("agent"),
    text("address"),
    Column("logout_hint", LargeBinary, nullable=True),
    text("ends_at", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("hash"),
    Index(None, "organization_id", "user_id", "begun_at"),
    Index(None, "organization_id", "connection_id", "subject"),
    # Those that have been idle, or lasted, for too long, or longer than at the identity provider.
    Index(None, "organization_id", "ends_at"),
    Index(None, "organization_id", "seen_at"),
    Index(None, "organization_id", "begun_at"),
)

# `browser` is an HMAC of the secret in the cookie of the browser that went to the identity provider; `sealed` is what
# the login needs when it comes back: nonce, PKCE verifier, where to go then.
login_flows: Final = Table(
    "login_flows",
    metadata,
    organization(),
    text("id"),
    text("connection_id"),
    Column("browser", LargeBinary, nullable=False),
    text("begun_at"),
    text("expires_at"),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("organization_id", "id"),
    Index(None, "organization_id", "browser", "begun_at"),
    Index(None, "organization_id", "expires_at"),
)
