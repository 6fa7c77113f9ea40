"""Telling applications that somebody's session ended (OpenID Connect Back-Channel Logout 1.0), until they have heard.

A notice is written in the transaction that ends the session; the worker delivers it afterwards. It may arrive twice,
when a worker dies between sending and recording; it carries the same id then (`jti`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
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

_LEASE: Final = timedelta(minutes=2)  # longer than an exchange may take: nobody else sends the notice meanwhile
_AT_ONCE: Final = 50


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


class LogoutDelivery:
    """Delivers the notices of an installation."""

    def __init__(self, store: Store, clock: Callable[[], datetime], deliver: Deliver) -> None:
        self._store = store
        self._clock = clock
        self._deliver = deliver

    def run(self, organization_id: str, go_on: Callable[[], bool]) -> int:
        """Deliver what is due in an organization; return how many notices were heard.

        An application that does not answer is asked once in a run, however many notices wait for it: it must not keep
        the others waiting.
        """
        heard, silent = 0, dict[str, LogoutNotice]()
        while go_on():
            with self._store.read() as unit:
                due = unit.logout_notices(organization_id).due(self._clock(), _AT_ONCE)
            if not due:
                break
            for notice in due:
                if not go_on():
                    break
                if notice.application_id in silent:
                    self._postpone(organization_id, notice, silent[notice.application_id])
                    continue
                after = self._attempt(organization_id, notice)
                if after is None:
                    continue
                heard += after.delivered_at is not None
                if after.next_at is not None:
                    silent[notice.application_id] = after
        return heard

    def _attempt(self, organization_id: str, notice: LogoutNotice) -> LogoutNotice | None:
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
        return after

    def _postpone(self, organization_id: str, notice: LogoutNotice, like: LogoutNotice) -> None:
        """Have a notice wait as long as one to the same application that just failed."""
        after = replace(notice, next_at=like.next_at, problem=like.problem)
        if like.next_at is not None and like.next_at - notice.created > GIVEN_UP_AFTER:
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
