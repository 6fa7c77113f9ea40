"""The keys that sign ID and access tokens: published before they are used, and after, until what they signed has ended.

There is always one *active* key, which signs, and one *next*, which is published so that applications know it before
the first token that it signs. A rotation makes the next key active and the active one *retired*. Private halves are
kept sealed (`bridge.vault`). The keys are the installation's: all organizations have one issuer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rolebridge.bridge.administration import record_act
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.vault import Vault
from rolebridge.core import base64url
from rolebridge.core.applications import ACCESS_MINUTES
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError
from rolebridge.store.engine import Store
from rolebridge.store.provider_records import SigningKey
from rolebridge.store.unit import Unit

ALGORITHM: Final = "RS256"
"""What every OpenID Connect client must be able to verify (OpenID Connect Core §15.1)."""
PUBLISHED_FOR: Final = timedelta(hours=1)
"""For how long applications may remember the published keys."""
KNOWN_FIRST: Final = 2 * PUBLISHED_FOR
"""For how long a key is published before it may sign, or some applications would not know it."""
KEPT: Final = timedelta(minutes=ACCESS_MINUTES[-1] + 5)
"""For how long a retired key is published: as long as the longest token lives, and clocks are off."""

_BITS: Final = 2_048
_EXPONENT: Final = 65_537
_EVERY_ORGANIZATION: Final = ""


class TooSoon(RolebridgeError):
    """That the next key has not been published for long enough to sign."""

    def __init__(self, key: SigningKey, ready: datetime) -> None:
        super().__init__(
            f"the next key `{key.id}` was published at {key.created:%Y-%m-%d %H:%M} UTC; applications may not know it "
            f"before {ready:%Y-%m-%d %H:%M} UTC"
        )
        self.ready = ready


@dataclass(frozen=True, slots=True)
class Signing:
    """The key that signs now: its `kid`, its algorithm, and its private half (PKCS #8, DER)."""

    kid: str
    algorithm: str
    private: bytes = field(repr=False)


class SigningKeys:
    """The keys of an installation."""

    def __init__(
        self, store: Store, vault: Vault, clock: Callable[[], datetime], longest_session: timedelta = timedelta()
    ) -> None:
        """`longest_session` is how long somebody may be signed in, and show an ID token of the beginning as a hint."""
        self._store = store
        self._vault = vault
        self._clock = clock
        self._kept = max(KEPT, longest_session)
        self._opened: dict[str, tuple[bytes, Signing]] = {}

    # --- signing and verifying

    def signing(self) -> Signing:
        """Return the key that signs now. Where there is none yet the first two are made: not for a transaction."""
        active = _active(self._all())
        if active is None:
            active = _active(self.ensure())
        assert active is not None  # `ensure` sees to it
        return self._open(active)

    def published(self) -> list[dict[str, str]]:
        """Return the public keys by which tokens verify, as JSON Web Keys: the active, the next and the retired."""
        now = self._clock()
        return [json.loads(key.public) for key in self._all() or self.ensure() if key.published(now)]

    def ensure(self) -> Sequence[SigningKey]:
        """Make an active and a next key where there are none; return all keys."""
        made = self._new(), self._new()  # before the transaction: it takes a while

        def work(unit: Unit) -> Sequence[SigningKey]:
            unit.directory(_EVERY_ORGANIZATION).lock_organization(exclusive=True)
            held = unit.signing_keys.all()
            if _active(held) is not None and _next(held) is not None:
                return held
            now = self._clock()
            if _active(held) is None:
                unit.signing_keys.add(replace(made[0], active_at=now))
            if _next(held) is None:
                unit.signing_keys.add(made[1])
            return unit.signing_keys.all()

        return self._store.transact(work)

    # --- rotation

    def listing(self) -> list[SigningKey]:
        """Return the keys that are published, oldest first."""
        now = self._clock()
        return [key for key in self._all() if key.published(now)]

    def rotate(self, operator: Operator, *, reason: str = "", force: bool = False) -> list[SigningKey]:
        """Have the next key sign and the active one retire; make another next one. Return all keys.

        Raises TooSoon when the next one has not been published for long enough, unless `force`.
        """
        self.ensure()
        fresh = self._new()

        def work(unit: Unit) -> None:
            unit.directory(_EVERY_ORGANIZATION).lock_organization(exclusive=True)
            held = unit.signing_keys.all()
            active, coming, now = _active(held), _next(held), self._clock()
            assert active is not None  # `ensure` saw to both
            assert coming is not None
            if not force and now < coming.created + KNOWN_FIRST:
                raise TooSoon(coming, coming.created + KNOWN_FIRST)
            unit.signing_keys.forget(now)
            unit.signing_keys.move(replace(active, retired_at=now, gone_at=now + self._kept))
            unit.signing_keys.move(replace(coming, active_at=now))
            unit.signing_keys.add(fresh)
            self._record(unit, operator, "signing_key.rotated", coming.id, reason)

        self._store.transact(work)
        return self.listing()

    def rotate_due(self, operator: Operator, every: timedelta) -> bool:
        """Rotate if a key has signed for so long, and the next one is known; return whether that was so.

        Where no key has signed yet none is made.
        """
        active, now = _active(self._all()), self._clock()
        if active is None or active.active_at is None or now - active.active_at < every:
            return False
        try:
            self.rotate(operator, reason=f"a key signs for {every.days} days")
        except TooSoon:  # another worker was faster, or somebody has just retired the next one
            return False
        return True

    def retire(self, operator: Operator, id_: str, *, reason: str = "") -> SigningKey:
        """Publish a key no more, at once: what it signed verifies no more, and applications sign people in again.

        A next key is replaced by another one. The active key cannot go: rotate first. `id_` may be the beginning of an
        id. Raises NotFound, Invalid.
        """
        fresh = self._new()

        def work(unit: Unit) -> SigningKey:
            unit.directory(_EVERY_ORGANIZATION).lock_organization(exclusive=True)
            key, now = _the_one(unit.signing_keys.all(), id_, self._clock()), self._clock()
            if key.state == "active":
                raise Invalid(f"`{key.id}` signs; rotate first, with --force if it is known to others", "key")
            gone = replace(key, active_at=key.active_at or now, retired_at=key.retired_at or now, gone_at=now)
            unit.signing_keys.move(gone)
            if key.state == "next":
                unit.signing_keys.add(fresh)
            self._record(unit, operator, "signing_key.retired", key.id, reason)
            return gone

        return self._store.transact(work)

    # --- inside

    def _all(self) -> list[SigningKey]:
        with self._store.read() as unit:
            return unit.signing_keys.all()

    def _open(self, key: SigningKey) -> Signing:
        """Return a key with its private half; a process unseals each once, as long as its row is the same."""
        held = self._opened.get(key.id)
        if held is None or held[0] != key.private:
            signing = Signing(key.id, key.algorithm, self._vault.open(key.private, belongs_to(key.id)))
            self._opened = {key.id: (key.private, signing)}
            return signing
        return held[1]

    def _new(self) -> SigningKey:
        pair = generate_private_key(_EXPONENT, _BITS)
        members = _members(pair.public_key())
        id_ = _thumbprint(members)
        public = json.dumps({**members, "kid": id_, "use": "sig", "alg": ALGORITHM})
        private = pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return SigningKey(id_, ALGORITHM, public, self._vault.seal(private, belongs_to(id_)), self._clock())

    def _record(self, unit: Unit, operator: Operator, kind: str, key_id: str, reason: str) -> None:
        """Record in every organization what happened to a key of all of them."""
        for organization in unit.accounts.organizations():
            record_act(unit, operator, organization.id, kind, key_id, reason=reason, now=self._clock())


def _active(keys: Sequence[SigningKey]) -> SigningKey | None:
    return next((key for key in keys if key.state == "active"), None)


def _next(keys: Sequence[SigningKey]) -> SigningKey | None:
    return next((key for key in keys if key.state == "next"), None)


def _the_one(keys: Sequence[SigningKey], id_: str, now: datetime) -> SigningKey:
    found = [key for key in keys if id_ and key.id.startswith(id_) and key.published(now)]
    if not found:
        raise NotFound("signing key", id_)
    if len(found) > 1:
        raise Invalid(f"several signing keys begin with `{id_}`", "key")
    return found[0]


def belongs_to(id_: str) -> str:
    """Return what a key's sealed half belongs to."""
    return f"signing key {id_}"


def _members(public: RSAPublicKey) -> dict[str, str]:
    """Return the members of a JSON Web Key that make it (RFC 7518 §6.3.1), in the order of RFC 7638."""
    numbers = public.public_numbers()
    return {"e": base64url.encode(_bytes(numbers.e)), "kty": "RSA", "n": base64url.encode(_bytes(numbers.n))}


def _thumbprint(members: dict[str, str]) -> str:
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return base64url.encode(hashlib.sha256(text.encode()).digest())


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)
