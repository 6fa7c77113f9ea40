"""Sealed secrets and the keys under which they are sealed: how many there are under each, and sealing them anew.

What is hashed moves to the present secret key when somebody shows it. Nobody shows what is sealed, so it is moved as a
whole, before a secret key leaves the ring.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from rolebridge.bridge.signing_keys import belongs_to
from rolebridge.bridge.vault import Locked, Vault
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit


class _Sealed(NamedTuple):
    """A sealed secret: its bytes, what it belongs to, and how it is stored when it was sealed anew."""

    sealed: bytes
    belongs_to: str
    keep: Callable[[bytes], None]


class Resealing:
    """The sealed secrets of an installation, of all that keep any: signing keys, and secrets of connections."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def counts(self) -> dict[str, int]:
        """Return how many secrets are sealed under which key of the vault, by its id."""
        with self._store.read() as unit:
            return dict(Counter(self._vault.sealed_under(one.sealed) for one in _all(unit)))

    def run(self) -> int:
        """Seal under the present key what is sealed under an earlier one; return how many secrets that were.

        What opens with no key of the ring stays as it is: `counts` tells of it.
        """
        return self._store.transact(self._run)

    def _run(self, unit: Unit) -> int:
        moved = 0
        for one in _all(unit):
            if self._vault.is_present(one.sealed):
                continue
            try:
                secret = self._vault.open(one.sealed, one.belongs_to)
            except Locked:
                continue
            one.keep(self._vault.seal(secret, one.belongs_to))
            moved += 1
        return moved


def _all(unit: Unit) -> Iterator[_Sealed]:
    for key in unit.signing_keys.all():
        yield _Sealed(key.private, belongs_to(key.id), partial(unit.signing_keys.reseal, key.id))
    for secret in unit.sso.every_secret():
        yield _Sealed(secret.sealed, secret.belongs_to, partial(unit.sso.reseal, secret))
