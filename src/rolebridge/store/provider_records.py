"""Rows of the OpenID Provider as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rolebridge.core.applications import AppKind, AppSettings


@dataclass(frozen=True, slots=True)
class Application:
    """An application that people of an organization sign in to; `id` is its `client_id`."""

    organization_id: str
    id: str
    name: str
    kind: AppKind
    settings: AppSettings
    created: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one sign-in gives one application: the thing on which its code, refresh and access tokens hang.

    `scope` is as granted, words between spaces. `authenticated_at` is when the identity provider saw the person
    (None where it does not say), `context` how (`acr`). `expires_at` is when the last thing of it ends; `ended_at` is
    set when all ended sooner.
    """

    organization_id: str
    id: str
    application_id: str
    user_id: str
    session_id: str
    scope: str
    authenticated_at: datetime | None
    context: str | None
    created: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    ended_why: str | None = None

    def lives(self, now: datetime) -> bool:
        """Return whether what hangs on it works at `now`, if it has not expired itself."""
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code; `hash` is an HMAC of it, `challenge` the PKCE challenge by S256 (RFC 7636 §4.2)."""

    authorization: Authorization
    hash: bytes = field(repr=False)
    redirect_uri: str
    challenge: str
    nonce: str | None
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token; `hash` is an HMAC of it under the secret key `key_id`."""

    authorization: Authorization
    hash: bytes = field(repr=False)
    key_id: str
    created: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens; `id` is its `kid`, `public` the JWK as JSON text, `private` PKCS #8 bytes, sealed.

    It is next while `active_at` is None, then active until `retired_at`, and published until `gone_at`.
    """

    id: str
    algorithm: str
    public: str
    private: bytes = field(repr=False)
    created: datetime
    active_at: datetime | None = None
    retired_at: datetime | None = None
    gone_at: datetime | None = None

    @property
    def state(self) -> str:
        """Return `next`, `active` or `retired`."""
        if self.active_at is None:
            return "next"
        return "active" if self.retired_at is None else "retired"

    def published(self, now: datetime) -> bool:
        """Return whether whoever verifies tokens is told of it."""
        return self.gone_at is None or now < self.gone_at
