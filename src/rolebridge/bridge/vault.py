"""Secrets that the bridge itself has to use, such as private keys: kept encrypted under the installation's secret key.

AES-256-GCM under a key derived for this purpose alone. What a secret belongs to is bound to it as associated data, so
that whoever can write to the database cannot give one connection the key of another.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rolebridge.core.base64url import decode, encode
from rolebridge.core.errors import RolebridgeError

_PURPOSE: Final = b"rolebridge vault v1"
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 8


class Locked(RolebridgeError):
    """That no key of the ring opens a secret: its key is gone, or it was made for something else."""

    def __init__(self) -> None:
        super().__init__("a sealed secret opens with no secret key of this installation")


class Vault:
    """Seals and opens secrets under a ring of keys, the present one first. `key_id` names that, `key_ids` all."""

    def __init__(self, secret_key: bytes, previous: Iterable[bytes] = ()) -> None:
        ring = {_derived_id(key): AESGCM(key) for key in map(_derive, (secret_key, *previous))}
        self.key_id = next(iter(ring)).hex()
        self.key_ids = tuple(id_.hex() for id_ in ring)
        self._ring = ring

    def seal(self, secret: bytes, belongs_to: str) -> bytes:
        """Return `secret` as it may be stored: key id, nonce and ciphertext. `belongs_to` says whose and what it is."""
        id_, cipher = next(iter(self._ring.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return id_ + nonce + cipher.encrypt(nonce, secret, belongs_to.encode())

    def open(self, sealed: bytes, belongs_to: str) -> bytes:
        """Return a secret. Raises Locked."""
        id_, rest = sealed[:_ID_BYTES], sealed[_ID_BYTES:]
        cipher = self._ring.get(id_)
        if cipher is None:
            raise Locked
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], belongs_to.encode())
        except (InvalidTag, ValueError):
            raise Locked from None

    def seal_document(self, document: object, belongs_to: str) -> str:
        """Return what JSON can say as text that travels through a browser, which can neither read nor change it."""
        return encode(self.seal(json.dumps(document, separators=(",", ":")).encode(), belongs_to))

    def open_document(self, text: str, belongs_to: str) -> Any:
        """Return what `seal_document` sealed. Raises Locked for any other text."""
        try:
            sealed = decode(text)
        except ValueError:
            raise Locked from None
        return json.loads(self.open(sealed, belongs_to))

    def sealed_under(self, sealed: bytes) -> str:
        """Return the id of the key under which a secret is sealed, of the ring or not."""
        return sealed[:_ID_BYTES].hex()

    def is_present(self, sealed: bytes) -> bool:
        """Return whether a secret is sealed under the present key."""
        return self.sealed_under(sealed) == self.key_id


def _derive(secret_key: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(secret_key)


def _derived_id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_ID_BYTES]
