"""Telling applications that somebody's session ended (OpenID Connect Back-Channel Logout 1.0), until they have heard.

A notice is written in the transaction that ends the session; the worker delivers it afterwards. It may arrive twice,
when a worker dies between sending and recording; it carries the same id then (`jti`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from rolebridge.store.engine import Store
from rolebridge.store.logout_notices import LogoutNotice
from rolebridge.store.provider_records import Application

logger = logging.getLogger("rolebridge.bridge")

FIRST_PAUSE: Final = timedelta(seconds=10)
"""How long after a failed attempt the second one is made; each later pause is three times as long as the one before."""
LONGEST_PAUSE: Final = timedelta(hours=6)
GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""How long a notice is worth delivering: an application that heard nothing for a day has looked at its tokens since."""
KEPT: Final = timedelta(days=30)
"""For how long what came of a notice can be looked up."""

RUN_SECONDS: Final = 10.0
"""For how long a run begins to send notices; what is being sent then takes as long as one exchange may take."""

_LEASE: Final = timedelta(minutes=2)  # longer than an exchange may take: nobody else sends the notice meanwhile
_AT_ONCE: Final = 50
_LINES: Final = 8  # applications that are told at the same time


class Fate(StrEnum):
    """What came of an attempt to deliver a notice."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of an attempt; `problem` says why it was none, in words of ours that name no person."""

    fate: Fate
    problem: str = ""


Deliver = Callable[[str, LogoutNotice], Attempt]
"""Sends a notice of an organization to its application. What it raises is a defect."""


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failed attempts, at least one."""
    # Beyond the eighth the power would only be cut off again, and at some number overflow.
    factor: int = 3 ** min(attempts - 1, 8)
    return min(FIRST_PAUSE * factor, LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class _Queue:
    """What waits for one application of an organization, longest first."""

    organization_id: str
    notices: list[LogoutNotice]


class LogoutDelivery:
    """Delivers the notices of an installation."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        deliver: Deliver,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`deliver` is called by several threads at once; `timer` tells seconds that nobody sets back."""
        self._store = store
        self._clock = clock
        self._deliver = deliver
        self._timer = timer

    def run(self, organizations: Iterable[str], go_on: Callable[[], bool]) -> int:
        """Deliver what is due in organizations, what waits longest first; return how many notices were heard.

        Applications are told beside each other, so that one that does not answer delays no other; it is asked once in
        a run, however many notices wait for it. A run ends after `RUN_SECONDS`: the worker has other things to do, and
        what is left is due in the next one. Raises at the end what went wrong first.
        """
        until = self._timer() + RUN_SECONDS
        told, silent = tuple(organizations), dict[str, LogoutNotice]()
        heard, failed = 0, list[BaseException]()
        with ThreadPoolExecutor(_LINES, "logout-notices") as pool:
            while not failed and self._timer() < until and go_on():
                queues = self._due(told, silent)
                if not queues:
                    break
                asked = []
                for queue in queues:
                    if not go_on():
                        break
                    asked.append(pool.submit(self._tell, queue, until))
                for one in asked:
                    if (error := one.exception()) is not None:
                        failed.append(error)
                        continue
                    count, unheard = one.result()
                    heard += count
                    silent |= {unheard.application_id: unheard} if unheard else {}
        if failed:
            raise failed[0]
        return heard

    def _due(self, organizations: Iterable[str], silent: Mapping[str, LogoutNotice]) -> list[_Queue]:
        """Return what is due, by application; who was silent in this run is not asked again, and the notice waits."""
        queues: dict[str, _Queue] = {}
        for organization_id in organizations:
            with self._store.read() as unit:
                due = unit.logout_notices(organization_id).due(self._clock(), _AT_ONCE)
            for notice in due:
                if notice.application_id in silent:
                    self._postpone(organization_id, notice, silent[notice.application_id])
                    continue
                queues.setdefault(notice.application_id, _Queue(organization_id, [])).notices.append(notice)
        return sorted(queues.values(), key=lambda queue: (str(queue.notices[0].next_at), queue.notices[0].id))

    def _tell(self, queue: _Queue, until: float) -> tuple[int, LogoutNotice | None]:
        """Send an application its notices until one is not heard; return how many were, and the one that was not.

        What was tried most is tried first: so the pauses of an application that is down grow, and do not begin anew
        with each notice.
        """
        heard, notices = 0, sorted(queue.notices, key=lambda one: -one.attempts)
        for place, notice in enumerate(notices):
            if self._timer() >= until:
                break
            done = self._attempt(queue.organization_id, notice)
            if done is None:
                continue
            after, fate = done
            heard += fate is Fate.DELIVERED
            if fate is Fate.FAILED:
                for waiting in notices[place + 1 :]:
                    self._postpone(queue.organization_id, waiting, after)
                return heard, after
        return heard, None

    def _attempt(self, organization_id: str, notice: LogoutNotice) -> tuple[LogoutNotice, Fate] | None:
        """Send a notice once and record what came of it; None when somebody else is sending it."""
        until = self._clock() + _LEASE
        if not self._store.transact(lambda unit: unit.logout_notices(organization_id).take(notice, until)):
            return None
        attempt = self._deliver(organization_id, notice)
        after = outcome(replace(notice, attempts=notice.attempts + 1), attempt, self._clock())
        self._store.transact(lambda unit: unit.logout_notices(organization_id).record(after))
        if attempt.fate is not Fate.DELIVERED:
            told = (notice.id, notice.application_id, attempt.fate, attempt.problem)
            logger.warning("logout notice %s to application %s %s: %s", *told)
        return after, attempt.fate

    def _postpone(self, organization_id: str, notice: LogoutNotice, like: LogoutNotice) -> None:
        """Have a notice wait as long as one to the same application that just failed, or would if not given up."""
        again = like.next_at or self._clock() + pause_after(like.attempts)
        after = replace(notice, next_at=again, problem=like.problem)
        if again - notice.created > GIVEN_UP_AFTER:
            after = replace(after, next_at=None, given_up_at=self._clock())
        self._store.transact(lambda unit: unit.logout_notices(organization_id).record(after))


def outcome(notice: LogoutNotice, attempt: Attempt, now: datetime) -> LogoutNotice:
    """Return a notice after an attempt, which its `attempts` counts already."""
    if attempt.fate is Fate.DELIVERED:
        return replace(notice, next_at=None, delivered_at=now, problem=None)
    again = now + pause_after(notice.attempts)
    if attempt.fate is Fate.REFUSED or again - notice.created > GIVEN_UP_AFTER:
        return replace(notice, next_at=None, given_up_at=now, problem=attempt.problem)
    return replace(notice, next_at=again, problem=attempt.problem)


class Logouts:
    """What came of notices, for those who administer applications."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(
        self, application: Application, limit: int, after: tuple[datetime, str] | None = None
    ) -> list[LogoutNotice]:
        """Return an application's notices, newest first; `after` is the moment and id of the last one seen."""
        with self._store.read() as unit:
            return unit.logout_notices(application.organization_id).page(application.id, limit, after)
