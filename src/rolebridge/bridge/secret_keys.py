"""The installation's secret keys: which credentials and sealed secrets are still stored under which of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rolebridge.bridge.administration import record_act
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.resealing import Resealing
from rolebridge.bridge.vault import Vault
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError
from rolebridge.store.engine import Store
from rolebridge.store.records import StoredUnder
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret key and what hangs on it. `known` is False for one that credentials name and the ring lacks.

    `sealed` counts secrets that the bridge itself uses (signing keys, secrets of connections) and are sealed under it.
    """

    id: str
    present: bool
    known: bool
    credentials: StoredUnder
    sealed: int = 0


class KeyInUse(RolebridgeError):
    """That a secret key cannot be retired: credentials that work would stop working."""

    def __init__(self, key: SecretKey) -> None:
        super().__init__(f"{key.credentials.all} credentials that work are stored under the key `{key.id}`")
        self.key = key


class SecretKeys:
    """Tells of the keys of a ring. The ring itself is a setting: whoever keeps it changes it."""

    def __init__(self, store: Store, hasher: Hasher, clock: Callable[[], datetime], vault: Vault) -> None:
        """`hasher` and `vault` have the same ring."""
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._resealing = Resealing(store, vault)
        # Each derives from a secret key what it works with, and names that; the ring has one order.
        self._sealed_ids = dict(zip(vault.key_ids, hasher.key_ids, strict=True))

    def listing(self) -> list[SecretKey]:
        """Return the keys of the ring, the present one first, and then those that credentials name and it lacks."""
        with self._store.read() as unit:
            stored = unit.accounts.stored_under(self._clock())
        sealed = {self._sealed_ids.get(id_, id_): count for id_, count in self._resealing.counts().items()}
        ring = self._hasher.key_ids
        unknown = sorted((stored.keys() | sealed.keys()) - set(ring))
        return [
            SecretKey(
                id_,
                id_ == self._hasher.key_id,
                id_ in ring,
                stored.get(id_, StoredUnder(0, 0, 0)),
                sealed.get(id_, 0),
            )
            for id_ in (*ring, *unknown)
        ]

    def retirable(self, id_: str, *, force: bool = False) -> SecretKey:
        """Return the key whose id begins with `id_`, if it can leave the ring. What is sealed under it is sealed anew.

        Raises NotFound, Invalid for the present key or an ambiguous beginning, and, unless `force`, KeyInUse.
        """
        ring = [key for key in self.listing() if key.known]
        found = [key for key in ring if key.id.startswith(id_)] if id_ else []
        if not found:
            raise NotFound("secret key", id_)
        if len(found) > 1:
            raise Invalid(f"several secret keys begin with `{id_}`", "key_id")
        key = found[0]
        if key.present:
            raise Invalid(f"`{key.id}` is the present key; rotate first", "key_id")
        if key.credentials.all and not force:
            raise KeyInUse(key)
        self._resealing.run()
        return key

    def record(self, operator: Operator, kind: str, key_id: str, reason: str) -> None:
        """Record in every organization that the ring is about to change: `secret_key.rotated` or `.retired`."""

        def work(unit: Unit) -> None:
            for organization in unit.accounts.organizations():
                record_act(unit, operator, organization.id, kind, key_id, reason=reason, now=self._clock())

        self._store.transact(work)
