"""Secrets that we hand out: how they are made, and the only form in which they are kept.

A secret has 256 random bits, so no slow hash is needed to protect it. What is stored is its HMAC under a key derived
from the installation's secret key: a stolen database gives no secret away, and whoever can write to the database but
does not have the key cannot mint one.

The secret key changes now and then. What was made under one before still works while that key is in the ring, and is
kept under the present one as soon as it is used: then the old key can be retired.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

TOKEN_PREFIX = "rbt_"  # noqa: S105 - what every token begins with, not a token
"""Begins every SCIM bearer token, so that secret scanners and people recognise one."""
KEY_PREFIX = "rbk_"
"""Begins every API key."""
CLIENT_PREFIX = "rbc_"
"""Begins the id of every OAuth client, which is no secret."""
SECRET_PREFIX = "rbs_"  # noqa: S105 - what every client secret begins with, not a secret
"""Begins every secret of an OAuth client."""
APP_PREFIX = "rbapp_"
"""Begins the id of every application that people sign in to, which is no secret."""
CODE_PREFIX = "rbcode_"
"""Begins every authorization code."""
REFRESH_PREFIX = "rbr_"
"""Begins every refresh token of an application."""
ACCESS_PREFIX = "rba_"
"""Begins every access token that an OAuth client is given."""

_SECRET_BYTES = 32
_HINT_LENGTH = 4
_PURPOSE = b"rolebridge credential hash v1"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret just made: `text` is shown once and never stored, `hash` is stored, `hint` is its last characters."""

    text: str = field(repr=False)
    hash: bytes
    hint: str


@dataclass(frozen=True, slots=True)
class Hashed:
    """What is stored of a secret: 32 bytes, and the id of the key under which they were made."""

    hash: bytes = field(repr=False)
    key_id: str


class _Key:
    """One key of the ring, derived, so that the installation's key itself is used for nothing else."""

    __slots__ = ("_begun", "id")

    def __init__(self, secret_key: bytes) -> None:
        key = hmac.digest(secret_key, _PURPOSE, "sha256")
        # Begun once, and copied for each secret: `hmac.digest` has OpenSSL look its algorithms up at every call, which
        # under load took 45 µs on average instead of 6.
        self._begun = hmac.new(key, digestmod="sha256")
        self.id = hashlib.sha256(key).hexdigest()[:16]

    def hash(self, text: str) -> bytes:
        mac = self._begun.copy()
        mac.update(text.encode("utf-8", "surrogatepass"))
        return mac.digest()


class Hasher:
    """Turns secrets into what is stored of them. `key_id` names the present key, `key_ids` the ring, present first."""

    def __init__(self, secret_key: bytes, previous: Iterable[bytes] = ()) -> None:
        """Begin with the present key, and those whose secrets still work."""
        self._present = _Key(secret_key)
        self._previous = tuple(_Key(key) for key in previous)
        self.key_id = self._present.id
        self.key_ids = (self.key_id, *(key.id for key in self._previous))

    def hash(self, text: str) -> bytes:
        """Return what is stored of a secret: 32 bytes."""
        return self._present.hash(text)

    def hashes(self, text: str) -> Mapping[str, bytes]:
        """Return what may be stored of a secret, by the id of the key."""
        return {key.id: key.hash(text) for key in (self._present, *self._previous)}

    def find(self, text: str, by_hash: Callable[[bytes], T | None]) -> T | None:
        """Return what `by_hash` finds of a secret, under whichever key it is stored."""
        found = by_hash(self._present.hash(text))
        if found is not None or not self._previous:
            return found
        # The present key once more at the end: another process may have moved the secret to it in between.
        for key in (*self._previous, self._present):
            found = by_hash(key.hash(text))
            if found is not None:
                return found
        return None

    def moved(self, text: str, key_id: str) -> Hashed | None:
        """Return what to store of a secret that is stored under `key_id`; None when that is the present key."""
        return None if key_id == self.key_id else Hashed(self.hash(text), self.key_id)

    def new(self, prefix: str) -> NewSecret:
        """Return a new secret that begins with `prefix`."""
        text = prefix + secrets.token_urlsafe(_SECRET_BYTES)
        return NewSecret(text, self.hash(text), text[-_HINT_LENGTH:])
