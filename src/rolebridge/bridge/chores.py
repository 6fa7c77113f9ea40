"""What the worker does in the background, each chore in short transactions of its own.

Every chore may be cut off between two of them and begun again: what it did is done, and doing it twice does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.feed import Feed
from rolebridge.bridge.idempotency import KEPT
from rolebridge.bridge.login_upkeep import LoginUpkeep
from rolebridge.bridge.request_log import RequestLog
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

logger = logging.getLogger("rolebridge.bridge")

ACTOR: Final = "worker"
"""How audit rows name the worker."""
TIDY: Final = timedelta(minutes=5)

_BATCH: Final = 200  # people of one transaction: SQLite's one writer is given back after some tens of milliseconds

GoOn = Callable[[], bool]
"""Whether a chore may begin another transaction."""


@dataclass(frozen=True, slots=True)
class Chore:
    """One thing that is done again and again: how often, by what, and whether also when a day (UTC) begins.

    `run` is asked with whether it may go on, and returns how much it did.
    """

    name: str
    every: timedelta
    run: Callable[[GoOn], int]
    at_midnight: bool = False


class Chores:
    """The chores of an installation."""

    def __init__(
        self,
        store: Store,
        rulebooks: Rulebooks,
        clock: Callable[[], datetime],
        request_log: RequestLog,
        auditing: Auditing,
        hold_window: timedelta,
        *,
        changes_kept: timedelta,
        further: Iterable[Chore] = (),
    ) -> None:
        """`further` are chores of those who have some of their own."""
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock
        self._request_log = request_log
        self._auditing = auditing
        self._hold_window = hold_window
        self._changes_kept = changes_kept
        self._feed = Feed(store)
        self._logins = LoginUpkeep(store, rulebooks, clock)
        self._further = tuple(further)

    def all(self) -> tuple[Chore, ...]:
        """Return the chores, the one that people wait for first."""
        return (
            Chore("time-bound", timedelta(minutes=1), self.take_effect, at_midnight=True),
            Chore("login-groups", timedelta(minutes=1), self.end_statements),
            Chore("seal", timedelta(seconds=5), self.seal),
            Chore("counters", timedelta(minutes=1), self.fold),
            Chore("hold-windows", TIDY, self.forget_losses),
            Chore("tokens", TIDY, self.expire_tokens),
            Chore("idempotency", TIDY, self.expire_keys),
            Chore("request-log", timedelta(minutes=15), self.retain_requests),
            Chore("logins", timedelta(minutes=15), self.tidy_logins),
            Chore("changes", timedelta(hours=1), self.retain_changes),
            Chore("audit", timedelta(hours=1), self.retain_audit),
            *self._further,
        )

    def take_effect(self, go_on: GoOn) -> int:
        """Resolve again whose rules or assignments began or ended with a day; return how many people that were."""
        return self._in_each(go_on, partial(self._take_effect, go_on=go_on))

    def _take_effect(self, organization_id: str, go_on: GoOn) -> int:
        resolved = 0
        before: list[str] = []
        while go_on():
            now = self._clock()
            with self._store.read() as unit:
                due = unit.grants(organization_id).due(now.date(), _BATCH)
            if not due:
                break
            if due == before:  # resolving them takes them off the list
                raise RuntimeError(f"{len(due)} people of organization {organization_id} stay due")
            self._store.transact(partial(self._resolve, organization_id=organization_id, people=due, now=now))
            resolved, before = resolved + len(due), due
        return resolved

    def _resolve(self, unit: Unit, *, organization_id: str, people: list[str], now: datetime) -> None:
        unit.directory(organization_id).lock_organization(exclusive=False)
        rulebook = self._rulebooks.current(unit, organization_id)
        cause = Cause(ACTOR, uuid4().hex, f"a rule or an assignment began or ended by {now.date()}")
        recompute(unit, organization_id, rulebook, people, cause, now)

    def end_statements(self, go_on: GoOn) -> int:
        """End memberships that a login stated too long ago; return of how many people."""
        return self._in_each(go_on, lambda id_: self._logins.end_due(ACTOR, id_, go_on))

    def tidy_logins(self, go_on: GoOn) -> int:
        """Forget used assertions that have ended, and logins beyond those that the log keeps."""
        return self._in_each(go_on, lambda id_: self._logins.tidy(id_, go_on))

    def seal(self, go_on: GoOn) -> int:
        """Chain the audit rows that were committed; return how many."""
        return self._in_each(go_on, self._auditing.seal)

    def fold(self, go_on: GoOn) -> int:
        """Sum up counters that are spread over many rows; return how many rows that were."""
        return self._in_each(go_on, partial(self._fold, go_on=go_on))

    def _fold(self, organization_id: str, go_on: GoOn) -> int:
        folded = 0
        with self._store.read() as unit:
            spread = unit.upkeep(organization_id).unfolded()
        for connection_id, kind in spread:
            if go_on():
                folded += self._store.transact(partial(_fold, organization_id, connection_id, kind))
        return folded

    def forget_losses(self, go_on: GoOn) -> int:
        """Delete what no guard rail counts any more."""
        start = self._clock() - self._hold_window
        return self._written(go_on, lambda id_, unit: unit.holds(id_).forget_before(start))

    def expire_tokens(self, go_on: GoOn) -> int:
        """Delete access tokens and assertions that have expired."""
        now = self._clock()
        return self._written(go_on, lambda id_, unit: unit.upkeep(id_).expire_tokens(now))

    def expire_keys(self, go_on: GoOn) -> int:
        """Delete answers that were kept for idempotency keys."""
        before = self._clock() - KEPT
        return self._written(go_on, lambda id_, unit: unit.idempotency(id_).expire(before))

    def retain_requests(self, _: GoOn) -> int:
        """Delete rows of the request log that are too old or too many, also where nobody asks anything any more."""
        self._request_log.retain()
        return 0

    def retain_changes(self, go_on: GoOn) -> int:
        """Take from the feed of changes what is older than is kept."""
        before = self._clock() - self._changes_kept
        return self._in_each(go_on, lambda id_: self._feed.purge(id_, before))

    def retain_audit(self, go_on: GoOn) -> int:
        """Prune the audit, where it is kept for so many days only."""
        operator = Operator(ACTOR, uuid4().hex)
        return self._in_each(go_on, partial(self._auditing.retain, operator))

    def _written(self, go_on: GoOn, work: Callable[[str, Unit], int]) -> int:
        return self._in_each(go_on, lambda id_: self._store.transact(partial(work, id_)))

    def _in_each(self, go_on: GoOn, work: Callable[[str], int]) -> int:
        return in_each_organization(self._store, go_on, work)


def in_each_organization(store: Store, go_on: GoOn, work: Callable[[str], int]) -> int:
    """Do something in every organization and return how much altogether; raise at the end what went wrong first."""
    with store.read() as unit:
        organizations = [one.id for one in unit.accounts.organizations()]
    done, failed = 0, list[Exception]()
    for organization_id in organizations:
        if not go_on():
            break
        try:
            done += work(organization_id)
        except Exception as error:  # noqa: BLE001 - one organization's trouble must not keep the others waiting
            logger.warning("organization %s: %s", organization_id, type(error).__name__)
            failed.append(error)
    if failed:
        raise failed[0]
    return done


def _fold(organization_id: str, connection_id: str, kind: str, unit: Unit) -> int:
    return unit.upkeep(organization_id).fold(connection_id, kind)
