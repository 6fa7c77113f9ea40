"""Secrets that we hand out: how they are made, and the only form in which they are kept.

A secret has 256 random bits, so no slow hash is needed to protect it. What is stored is its HMAC under a key derived
from the installation's secret key: a stolen database gives no secret away, and whoever can write to the database but
does not have the key cannot mint one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

TOKEN_PREFIX = "rbt_"  # noqa: S105 - what every token begins with, not a token
"""Begins every SCIM bearer token, so that secret scanners and people recognise one."""
KEY_PREFIX = "rbk_"
"""Begins every API key."""
CLIENT_PREFIX = "rbc_"
"""Begins the id of every OAuth client, which is no secret."""
SECRET_PREFIX = "rbs_"  # noqa: S105 - what every client secret begins with, not a secret
"""Begins every secret of an OAuth client."""
ACCESS_PREFIX = "rba_"
"""Begins every access token that an OAuth client is given."""

_SECRET_BYTES = 32
_HINT_LENGTH = 4
_PURPOSE = b"rolebridge credential hash v1"


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret just made: `text` is shown once and never stored, `hash` is stored, `hint` is its last characters."""

    text: str = field(repr=False)
    hash: bytes
    hint: str


class Hasher:
    """Turns secrets into what is stored of them."""

    def __init__(self, secret_key: bytes) -> None:
        """Derive the hashing key, so that the installation's key itself is used for nothing else."""
        key = hmac.digest(secret_key, _PURPOSE, "sha256")
        # Begun once, and copied for each secret: `hmac.digest` has OpenSSL look its algorithms up at every call, which
        # under load took 45 µs on average instead of 6.
        self._begun = hmac.new(key, digestmod="sha256")
        self.key_id = hashlib.sha256(key).hexdigest()[:16]

    def hash(self, text: str) -> bytes:
        """Return what is stored of a secret: 32 bytes."""
        mac = self._begun.copy()
        mac.update(text.encode("utf-8", "surrogatepass"))
        return mac.digest()

    def new(self, prefix: str) -> NewSecret:
        """Return a new secret that begins with `prefix`."""
        text = prefix + secrets.token_urlsafe(_SECRET_BYTES)
        return NewSecret(text, self.hash(text), text[-_HINT_LENGTH:])
