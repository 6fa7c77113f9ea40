"""Requests that carry an idempotency key are carried out once, however often they arrive.

The key is claimed first, by one of those who arrive with it; the transaction that carries the request out says so
itself, so that neither a crash nor a lost answer lets it happen twice; the answer is kept for a day and given again.
A request that was refused has changed nothing: its key is free again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rolebridge.core.errors import RolebridgeError
from rolebridge.store.engine import Store
from rolebridge.store.idempotency import SEALED, Claim, KeyPlace
from rolebridge.store.unit import Unit

KEPT: Final = timedelta(hours=24)
"""How long an answer is kept."""
LAPSES: Final = timedelta(minutes=2)
"""How long a claim stands whose request has neither been carried out nor refused: its process was ended."""


class KeyInUse(RolebridgeError):
    """That the first request with the key is still at work."""

    def __init__(self) -> None:
        super().__init__("the first request with this idempotency key is still being carried out")


class KeyReused(RolebridgeError):
    """That the key came before, with another request."""

    def __init__(self) -> None:
        super().__init__("this idempotency key came with another request before; every request has a key of its own")


class AnswerLost(RolebridgeError):
    """That the request was carried out, but the process ended before its answer was kept."""

    def __init__(self) -> None:
        super().__init__("the request with this idempotency key was carried out; its answer is lost")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it is kept; `replayed` when it is that of an earlier request."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request with an idempotency key: whose, a digest of everything it says, and its own id."""

    organization_id: str
    place: KeyPlace
    digest: bytes
    attempt: str


class Idempotency:
    """Carries out requests with idempotency keys."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def once(self, keyed: Keyed, work: Callable[[], Kept]) -> Kept:
        """Return the answer of `work`, or the one kept. Raises KeyInUse, KeyReused, AnswerLost, and what it raises."""
        earlier = self._claim(keyed)
        if earlier is not None:
            return earlier
        try:
            with self._store.attended(after=lambda unit: self._seal(unit, keyed)):
                answer = work()
        except BaseException:
            self._store.transact(
                lambda unit: unit.idempotency(keyed.organization_id).release(keyed.place, keyed.attempt)
            )
            raise
        self._store.transact(
            lambda unit: unit.idempotency(keyed.organization_id).answer(
                keyed.place, keyed.attempt, answer.status, answer.headers, answer.body
            )
        )
        return answer

    def _claim(self, keyed: Keyed) -> Kept | None:
        """Claim the key; return the answer that is kept under it."""
        now = self._clock()

        def work(unit: Unit) -> Kept | None:
            rows = unit.idempotency(keyed.organization_id)
            rows.expire(now - KEPT)
            found = rows.claim(keyed.place, keyed.digest, keyed.attempt, now)
            if found is None:
                return None
            if found.digest != keyed.digest:
                raise KeyReused
            if found.status is not None:
                return _answer(found)
            if now - found.at < LAPSES or not rows.take_over(keyed.place, found.attempt, keyed.attempt, now):
                raise KeyInUse
            return None

        return self._store.transact(work)

    def _seal(self, unit: Unit, keyed: Keyed) -> None:
        if not unit.idempotency(keyed.organization_id).seal(keyed.place, keyed.attempt):
            raise KeyInUse


def _answer(found: Claim) -> Kept:
    if found.status in {None, SEALED}:
        raise AnswerLost
    assert found.status is not None
    return Kept(found.status, found.headers, found.body, replayed=True)
