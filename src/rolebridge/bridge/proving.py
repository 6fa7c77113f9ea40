"""What clients of connections and applications have in common: secrets, keys, and assertions that count once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import uuid4

from rolebridge.bridge.credentials import Hashed, Hasher
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError
from rolebridge.store.engine import Store
from rolebridge.store.records import Credential


class _Holder(Protocol):
    """Whoever can hold credentials: a client of a connection, or an application."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def revoked_at(self) -> datetime | None: ...


H = TypeVar("H", bound=_Holder)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A client's public key.

    `jwk` is JSON text (RFC 7517), `thumbprint` its SHA-256 (RFC 7638), `hint` the end of that, `kid` its name or "".
    """

    jwk: str
    thumbprint: bytes
    hint: str
    kid: str = ""


class AssertionReused(RolebridgeError):
    """That an assertion was used before: whoever copied it has nothing."""

    def __init__(self) -> None:
        super().__init__("the assertion was used before")


class Prover:
    """What may be compared with stored secrets."""

    def __init__(self, store: Store, hasher: Hasher, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self.clock = clock

    def hashes(self, text: str) -> Mapping[str, bytes]:
        """Return what may be stored of a secret, by the id of the key."""
        return self._hasher.hashes(text)

    def moved(self, text: str, key_id: str) -> Hashed | None:
        """Return what to store of a secret that is stored under `key_id`; None when that is the present key."""
        return self._hasher.moved(text, key_id)


def assertion_digest(jti: str) -> bytes:
    """Return what is kept of the id of an assertion that was used."""
    return hashlib.sha256(jti.encode("utf-8", "surrogatepass")).digest()


def key_credential(key: PublicKey, name: str, expires_at: datetime | None, now: datetime) -> Credential:
    """Return what is stored of a public key. Raises Invalid for an end in the past."""
    if expires_at is not None and expires_at <= now:
        raise Invalid("what expires must do so in the future", "expires_at")
    return Credential(str(uuid4()), name, key.thumbprint, key.kid, key.hint, now, expires_at)


def one_of(known: Sequence[H], id_: str, kind: str, field: str) -> H:
    """Return the one whose id is or begins with `id_`, or which alone is named so.

    Raises NotFound, and Invalid (of `field`) when it may be several. Revoked ones are found by their whole id only.
    """
    found = [one for one in known if one.id == id_] or [
        one for one in known if id_ and one.revoked_at is None and (one.id.startswith(id_) or one.name == id_)
    ]
    if not found:
        raise NotFound(kind, id_)
    if len(found) > 1:
        raise Invalid(f"several {kind}s are named `{id_}` or begin so; say the id", field)
    return found[0]
