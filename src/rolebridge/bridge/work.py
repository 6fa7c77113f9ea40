"""The worker: one process of an installation that does the chores; the others wait to take over.

Whoever leads holds a lock that ends with its process, so that another takes over however the first one went. Two
that led for a moment would do no harm: each chore is made of transactions that stand by themselves.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from threading import Event
from typing import Final

from rolebridge.bridge.chores import Chore
from rolebridge.store.chores import ChoreRun
from rolebridge.store.engine import Store
from rolebridge.store.leadership import Leadership

logger = logging.getLogger("rolebridge.bridge")

LEAD_SECONDS: Final = 5.0
"""How often a worker that does not lead looks whether it may, in seconds: so long nobody works when a leader dies."""
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""How long a chore that keeps failing waits at most."""

_FIRST_PAUSE: Final = timedelta(seconds=5)
_RECORD_EVERY: Final = timedelta(minutes=1)  # a chore that found nothing to do is not worth a write each time
_NAP_SECONDS: Final = 5.0
_ERROR_LENGTH: Final = 300


@dataclass(slots=True)
class _Plan:
    """When a chore runs next, and how it went."""

    chore: Chore
    next: datetime
    failures: int = 0
    succeeded: datetime | None = None
    recorded: datetime | None = None
    done: int = 0


class Worker:
    """Does chores while it leads, until it is told to stop."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], chores: Iterable[Chore], leadership: Leadership
    ) -> None:
        self._store = store
        self._clock = clock
        self._leadership = leadership
        self._plans = [_Plan(chore, datetime.min.replace(tzinfo=UTC)) for chore in chores]
        self._leads = False
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def run(self, stop: Event) -> None:
        """Work until `stop` is set; what is under way ends with its present transaction."""
        try:
            while not stop.is_set():
                if self._may_lead():
                    self._work(stop)
                    stop.wait(self._nap())
                else:
                    stop.wait(LEAD_SECONDS)
        finally:
            self._leadership.close()

    def once(self) -> tuple[ChoreRun, ...] | None:
        """Do every chore once and return how each went; None when another worker leads."""
        try:
            if not self._may_lead():
                return None
            self._work(Event())
            with self._store.read() as unit:
                names = {plan.chore.name for plan in self._plans}
                return tuple(run for run in unit.chore_runs.all() if run.name in names)
        finally:
            self._leadership.close()

    def _may_lead(self) -> bool:
        try:
            leads = self._leadership.take()
        except Exception as error:  # noqa: BLE001 - whatever keeps the database away, the worker outlasts it
            leads = False
            logger.warning("the worker cannot ask whether it leads: %s", error)
        if leads != self._leads:
            logger.info("worker %s %s", self._name, "leads" if leads else "does not lead any more")
            self._leads = leads
        return leads

    def _work(self, stop: Event) -> None:
        for plan in self._plans:
            if stop.is_set() or not self._may_lead():
                return
            now = self._clock()
            # A clock that was set back must not make a chore wait until the old time comes again.
            if plan.next <= now or plan.next - now > max(plan.chore.every, LONGEST_PAUSE):
                self._do(plan, now, lambda: not stop.is_set() and self._may_lead())

    def _do(self, plan: _Plan, began: datetime, go_on: Callable[[], bool]) -> None:
        error = ""
        try:
            plan.done = plan.chore.run(go_on)
        except Exception as problem:  # a chore that fails must stop neither itself for ever nor the others
            plan.failures, plan.done = plan.failures + 1, 0
            error = f"{type(problem).__name__}: {problem}"[:_ERROR_LENGTH]
            pause = min(_FIRST_PAUSE * 2 ** min(plan.failures - 1, 10), LONGEST_PAUSE)
            plan.next = self._clock() + pause
            logger.exception(
                "chore `%s` failed (%d in a row); again in %d s", plan.chore.name, plan.failures, pause.total_seconds()
            )
        else:
            worth_telling = plan.done > 0 or plan.failures > 0
            plan.failures, plan.succeeded = 0, self._clock()
            plan.next = _next_time(plan.chore, plan.succeeded)
            if worth_telling:
                logger.debug("chore `%s`: %d done", plan.chore.name, plan.done)
            elif plan.recorded is not None and plan.succeeded - plan.recorded < _RECORD_EVERY:
                return
        self._record(plan, began, error)

    def _record(self, plan: _Plan, began: datetime, error: str) -> None:
        ended = self._clock()
        run = ChoreRun(plan.chore.name, began, ended, plan.succeeded, plan.done, plan.failures, error, self._name)
        try:
            self._store.transact(lambda unit: unit.chore_runs.put(run))
            plan.recorded = ended
        except Exception as problem:  # noqa: BLE001 - the log has told what went wrong; this only repeats it
            logger.warning("how chore `%s` went cannot be recorded: %s", plan.chore.name, problem)

    def _nap(self) -> float:
        """Return for how many seconds there is nothing to do; never long, so that who lost the lead sees it."""
        now = self._clock()
        soonest = min((plan.next for plan in self._plans), default=now + LONGEST_PAUSE)
        return min(max((soonest - now).total_seconds(), 0.05), _NAP_SECONDS)


def _next_time(chore: Chore, now: datetime) -> datetime:
    """Return when a chore is to run again: after its interval, or when the day begins (UTC) if that comes first."""
    at = now + chore.every
    if chore.at_midnight:
        today = now.astimezone(UTC).date()
        at = min(at, datetime.combine(today + timedelta(days=1), time(), UTC))
    return at
