"""How a connection logs people in by OpenID Connect, as JSON: the same from the command line and the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rolebridge.core.moments import stamp
from rolebridge.core.oidc_settings import OidcSettings
from rolebridge.sso.oidc.credentials import (
    KEY,
    as_pem,
    callback_url,
    key_set_url,
    logout_url,
    public_key,
    signed_out_url,
)
from rolebridge.store.sso import SsoSecret


def client_document(base_url: str, connection_id: str) -> dict[str, str]:
    """Return what the provider is told."""
    return {
        "redirect_uri": callback_url(base_url, connection_id),
        "backchannel_logout_uri": logout_url(base_url, connection_id),
        "post_logout_redirect_uri": signed_out_url(base_url),
        "jwks_uri": key_set_url(base_url, connection_id),
    }


def settings_document(settings: OidcSettings) -> dict[str, Any]:
    """Return the settings, which hold no secret."""
    return {**settings.document(), "discovery_url": settings.discovery_url}


def credential_documents(secrets: Sequence[SsoSecret]) -> list[dict[str, Any]]:
    """Return what a connection proves itself with, the oldest first; of a key the public half, of a secret nothing."""
    return [_credential(one, used=one is secrets[-1]) for one in secrets]


def _credential(secret: SsoSecret, *, used: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": secret.kind, "created": stamp(secret.created), "used": used}
    if secret.kind == KEY:
        shown |= {"jwk": dict(public_key(secret.public)), "certificate": as_pem(secret.public)}
    return shown
