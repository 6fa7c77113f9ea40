"""Notices to applications that somebody's session ended: what waits, what was delivered, what was given up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, delete, func, select, tuple_, update

from rolebridge.store.documents import moment, moment_or_none, stamp, stamp_or_none
from rolebridge.store.links import Row
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, insert_into
from rolebridge.store.tables.provider import logout_notices as notices


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """One notice. It waits while `next_at` is set; `problem` is why the last attempt failed, in words of ours."""

    id: str
    application_id: str
    user_id: str
    session_id: str
    created: datetime
    attempts: int = 0
    next_at: datetime | None = None
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    problem: str | None = None


class NoticeCounts(NamedTuple):
    """How the notices of an application fare: waiting after a failed attempt, and given up since a moment."""

    application_id: str
    failing: int
    given_up: int
    problem: str


_NAMES: Final = (
    "id", "application_id", "user_id", "session_id", "created", "attempts", "next_at", "delivered_at", "given_up_at",
    "problem",
)  # fmt: skip
_ROW: Final = tuple(notices.c[name] for name in _NAMES)
_OURS: Final = notices.c.organization_id == given("organization_id")


def _page(_: Database, *, after: bool) -> Select[Any]:
    found = select(*_ROW).where(_OURS, notices.c.application_id == given("application_id"))
    if after:
        earlier = tuple_(notices.c.created, notices.c.id) < tuple_(given("created"), given("id"))
        found = found.where(earlier)
    return found.order_by(notices.c.created.desc(), notices.c.id.desc()).limit(given("limit", notices.c.attempts))


INSERT: Final = Statement(lambda db: insert_into(db, notices))
DUE: Final = Statement(
    lambda _: (
        select(*_ROW)
        .where(_OURS, notices.c.next_at <= given("now"))
        .order_by(notices.c.next_at, notices.c.id)
        .limit(given("limit", notices.c.attempts))
    )
)
# Whoever moves the moment has the notice: of two workers that led for an instant only one sends it.
TAKE: Final = Statement(
    lambda _: (
        update(notices)
        .where(_OURS, notices.c.id == given("of"), notices.c.next_at == given("known"))
        .values(next_at=given("until"), attempts=notices.c.attempts + 1)
    )
)
RECORD: Final = Statement(
    lambda _: (
        update(notices)
        .where(_OURS, notices.c.id == given("of"))
        .values(
            next_at=given("next_at"),
            delivered_at=given("delivered_at"),
            given_up_at=given("given_up_at"),
            problem=given("problem"),
        )
    )
)
PAGE: Final = {after: Statement(partial(_page, after=after)) for after in (False, True)}
COUNTS: Final = Statement(
    lambda _: (
        select(
            notices.c.application_id,
            func.sum((notices.c.next_at.is_not(None)).cast(notices.c.attempts.type)),
            func.sum((notices.c.given_up_at.is_not(None)).cast(notices.c.attempts.type)),
            func.max(notices.c.problem),
        )
        .where(_OURS, notices.c.created >= given("since"), notices.c.problem.is_not(None))
        .where(notices.c.delivered_at.is_(None))
        .group_by(notices.c.application_id)
        .order_by(notices.c.application_id)
    )
)
EXPIRE: Final = Statement(
    lambda _: delete(notices).where(_OURS, notices.c.created < given("before"), notices.c.next_at.is_(None))
)


class LogoutNotices(Scope):
    """The notices of one organization."""

    __slots__ = ()

    def add(self, added: Iterable[LogoutNotice]) -> None:
        """Add notices that wait to be delivered."""
        self._link.run_many(INSERT, [{"organization_id": self._organization_id, **_values(one)} for one in added])

    def due(self, now: datetime, limit: int) -> list[LogoutNotice]:
        """Return the notices whose turn has come, those that wait longest first."""
        values = {"now": stamp(now), "limit": limit}
        return [_notice(row) for row in self._link.all(DUE, organization_id=self._organization_id, **values)]

    def take(self, notice: LogoutNotice, until: datetime) -> bool:
        """Count an attempt, and let nobody else make one before `until`; return whether nobody was faster."""
        known = stamp_or_none(notice.next_at)
        values = {"of": notice.id, "known": known, "until": stamp(until)}
        return self._link.run(TAKE, organization_id=self._organization_id, **values) > 0

    def record(self, notice: LogoutNotice) -> None:
        """Keep what came of a notice: when it is tried again, was delivered, or was given up, and why."""
        kept = {name: value for name, value in _values(notice).items() if name in _OUTCOME}
        self._link.run(RECORD, organization_id=self._organization_id, of=notice.id, **kept)

    def page(self, application_id: str, limit: int, after: tuple[datetime, str] | None = None) -> list[LogoutNotice]:
        """Return an application's notices, newest first; `after` is the moment and id of the last one seen."""
        values: dict[str, Any] = {"application_id": application_id, "limit": limit}
        if after is not None:
            values |= {"created": stamp(after[0]), "id": after[1]}
        found = self._link.all(PAGE[after is not None], organization_id=self._organization_id, **values)
        return [_notice(row) for row in found]

    def troubles(self, since: datetime) -> list[NoticeCounts]:
        """Return, by application, how many notices since a moment have failed and not been delivered."""
        rows = self._link.all(COUNTS, organization_id=self._organization_id, since=stamp(since))
        return [NoticeCounts(id_, int(failing), int(given_up), problem) for id_, failing, given_up, problem in rows]

    def expire(self, before: datetime) -> int:
        """Delete notices of before a moment that wait no more; return how many there were."""
        return self._link.run(EXPIRE, organization_id=self._organization_id, before=stamp(before))


_OUTCOME: Final = ("next_at", "delivered_at", "given_up_at", "problem")


def _values(notice: LogoutNotice) -> dict[str, Any]:
    values = {name: getattr(notice, name) for name in _NAMES}
    times = {name: stamp_or_none(values[name]) for name in ("created", "next_at", "delivered_at", "given_up_at")}
    return values | times


def _notice(row: Row) -> LogoutNotice:
    id_, application_id, user_id, session_id, created, attempts, *rest = row
    next_at, delivered_at, given_up_at, problem = rest
    moments = (moment_or_none(next_at), moment_or_none(delivered_at), moment_or_none(given_up_at))
    return LogoutNotice(id_, application_id, user_id, session_id, moment(created), int(attempts), *moments, problem)
