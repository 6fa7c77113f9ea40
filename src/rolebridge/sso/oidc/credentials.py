"""With what a connection proves to its provider which client it is: a secret that the provider gave, or a key of ours.

A key is made here, sealed, and shown by its public half alone: as a JSON Web Key for providers that fetch or take one,
and as a certificate for those that want it so. The certificate proves nothing beyond the key, and signs itself.
"""

from __future__ import annotations

import hashlib
import ssl
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from joserfc.jwk import RSAKey

from rolebridge.bridge.certificates import load_certificate
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.bridge.vault import Locked
from rolebridge.core import base64url
from rolebridge.core.login import LoginRefused
from rolebridge.core.oidc_settings import ClientAuthentication, OidcSettings, read_oidc_settings
from rolebridge.sso.key_pairs import KeyPair
from rolebridge.sso.oidc.client import SigningKey
from rolebridge.sso.oidc.login import Client

SECRET: Final = "client-secret"  # noqa: S105 - a kind of secret
KEY: Final = "client-key"

_ALGORITHM: Final = "RS256"


def client_of(connections: SsoConnections, found: SsoConnection, base_url: str) -> Client:
    """Return what a connection is at its provider. Raises LoginRefused when it has nothing to prove itself with."""
    settings = read_oidc_settings(found.settings)
    return Client(found.id, settings, _credential(connections, found, settings), callback_url(base_url, found.id))


def callback_url(base_url: str, connection_id: str) -> str:
    """Return the redirect URI of a connection, the only one that it has."""
    return f"{base_url}/sso/{connection_id}/callback"


def logout_url(base_url: str, connection_id: str) -> str:
    """Return where the provider tells a connection that somebody was signed out (`backchannel_logout_uri`)."""
    return f"{base_url}/sso/{connection_id}/backchannel-logout"


def key_set_url(base_url: str, connection_id: str) -> str:
    """Return where the provider finds the public keys of a connection (`jwks_uri`)."""
    return f"{base_url}/sso/{connection_id}/jwks"


def signed_out_url(base_url: str) -> str:
    """Return where a provider sends browsers after signing out (`post_logout_redirect_uri`)."""
    return f"{base_url}/sign-in"


def public_keys(connections: SsoConnections, found: SsoConnection) -> list[Mapping[str, Any]]:
    """Return the public keys of a connection as JSON Web Keys (RFC 7517), the oldest first."""
    return [public_key(one.public) for one in connections.secrets(found.connection, KEY)]


def public_key(certificate: str) -> Mapping[str, Any]:
    """Return the public key in a certificate (base64) as a JSON Web Key, named by its thumbprint (RFC 7638)."""
    key = RSAKey.import_key(_rsa(certificate))
    key.ensure_kid()
    return {**key.as_dict(private=False), "use": "sig", "alg": _ALGORITHM}


def as_pem(certificate: str) -> str:
    """Return a certificate (base64) as a file has it."""
    return ssl.DER_cert_to_PEM_cert(b64decode(certificate))


def _rsa(certificate: str) -> Any:
    return load_certificate(certificate).public_key()


def _credential(connections: SsoConnections, found: SsoConnection, settings: OidcSettings) -> str | SigningKey:
    wanted = KEY if settings.authentication is ClientAuthentication.KEY else SECRET
    held = connections.secrets(found.connection, wanted)
    if not held:
        what = "key" if wanted == KEY else "client secret"
        raise LoginRefused("oidc-client-credential", f"the connection has no {what} yet")
    try:
        content = connections.open(held[-1])
    except Locked as locked:
        raise LoginRefused("oidc-client-credential", str(locked)) from None
    return content.decode() if wanted == SECRET else _signing_key(content, held[-1].public)


def _signing_key(private: bytes, certificate: str) -> SigningKey:
    pair = KeyPair.read(private, certificate)
    thumbprint = base64url.encode(hashlib.sha256(b64decode(certificate)).digest())
    header = {"kid": public_key(certificate)["kid"], "x5t#S256": thumbprint}
    return SigningKey(RSAKey.import_key(pair.key), _ALGORITHM, header)
