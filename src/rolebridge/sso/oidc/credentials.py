"""With what a connection proves to its provider which client it is: a secret that the provider gave, or a key of ours.

A key is made here, sealed, and shown by its public half alone: as a JSON Web Key for providers that fetch or take one,
and as a certificate for those that want it so. The certificate proves nothing beyond the key and is signed by itself.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc.jwk import RSAKey

from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.bridge.vault import Locked
from rolebridge.core.login import LoginRefused
from rolebridge.core.oidc_settings import ClientAuthentication, OidcSettings, read_oidc_settings
from rolebridge.sso.oidc.client import SigningKey
from rolebridge.sso.oidc.login import Client

SECRET: Final = "client-secret"  # noqa: S105 - a kind of secret
KEY: Final = "client-key"
CERTIFICATE_LIFE: Final = timedelta(days=3 * 365)

_ALGORITHM: Final = "RS256"
_BITS: Final = 3072


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: `private` (PKCS#8, PEM) is to be sealed, `public` is for everybody."""

    private: bytes
    public: str


@dataclass(frozen=True, slots=True)
class PublicHalf:
    """What a provider is given of a key: a JSON Web Key (RFC 7517), a certificate (PEM) and its SHA-256 (base64url)."""

    jwk: Mapping[str, Any]
    certificate: str
    thumbprint: str


def make_key(name: str, now: datetime) -> NewKey:
    """Make a key for a connection of that name, with its certificate."""
    private = rsa.generate_private_key(65537, _BITS)
    certificate = _certificate(private, name, now)
    key = RSAKey.import_key(private.public_key())
    key.ensure_kid()
    document = {
        "jwk": {**key.as_dict(private=False), "use": "sig", "alg": _ALGORITHM},
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "thumbprint": _base64(certificate.fingerprint(hashes.SHA256())),
    }
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return NewKey(pem, json.dumps(document))


def read_public(text: str) -> PublicHalf:
    """Return what `make_key` wrote."""
    return PublicHalf(**json.loads(text))


def public_keys(connections: SsoConnections, found: SsoConnection) -> list[Mapping[str, Any]]:
    """Return the public keys of a connection, for its JSON Web Key Set."""
    return [read_public(one.public).jwk for one in connections.secrets(found.connection, KEY)]


def client_of(connections: SsoConnections, found: SsoConnection, base_url: str) -> Client:
    """Return what a connection is at its provider. Raises LoginRefused when it has nothing to prove itself with."""
    settings = read_oidc_settings(found.settings)
    return Client(found.id, settings, _credential(connections, found, settings), callback_url(base_url, found.id))


def callback_url(base_url: str, connection_id: str) -> str:
    """Return the redirect URI of a connection, the only one that it has."""
    return f"{base_url}/sso/{connection_id}/callback"


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
    return content.decode() if wanted == SECRET else _signing_key(content, read_public(held[-1].public))


def _signing_key(pem: bytes, public: PublicHalf) -> SigningKey:
    return SigningKey(RSAKey.import_key(pem), _ALGORITHM, {"kid": public.jwk["kid"], "x5t#S256": public.thumbprint})


def _certificate(key: rsa.RSAPrivateKey, name: str, now: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Rolebridge {name}"[:64])])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .sign(key, hashes.SHA256())
    )


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
