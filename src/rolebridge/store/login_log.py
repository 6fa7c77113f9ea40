"""The log of logins: how each went, with the verdict of every check; the last ones of each connection and outcome."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Select, delete, func, literal_column, select, tuple_, update

from rolebridge.core.login import Check, Verdict
from rolebridge.store.documents import moment, moment_or_none, stamp
from rolebridge.store.links import Row
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, insert_into, storable
from rolebridge.store.tables.directory import users
from rolebridge.store.tables.logins import login_log as log

DELETED_AT_ONCE: Final = 500
"""Rows that one transaction of retention takes away."""


@dataclass(frozen=True, slots=True)
class LoggedLogin:
    """One login. `outcome` is `accepted` or `refused`, `code` the check that refused, "" for none.

    `detail` is for the administrator. `user_id` is whom it logged in, or who it found when it was refused.
    """

    connection_id: str
    at: datetime
    request_id: str
    outcome: str
    code: str
    user_id: str | None
    detail: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class LoginCounts:
    """How many logins of a connection had an outcome since some moment, and when the last one was."""

    count: int
    last: datetime | None


_NAMES: Final = ("connection_id", "at", "request_id", "outcome", "code", "user_id", "detail", "checks")
_COLUMNS: Final = tuple(log.c[name] for name in _NAMES)
_OF: Final = (log.c.organization_id == given("organization_id"), log.c.connection_id == given("connection_id"))
_BEFORE: Final = tuple_(log.c.at, log.c.request_id) < tuple_(given("before_at"), given("before_id"))
_AFTER_ALL: Final = ("~", "")

# One request makes one login; the same one told twice is one.
INSERT: Final = Statement(lambda db: insert_into(db, log, unless_taken=True))


def _newest(_: Database, *, outcome: bool) -> Select[Any]:
    found = select(*_COLUMNS).where(*_OF, _BEFORE)
    if outcome:
        found = found.where(log.c.outcome == given("outcome"))
    return found.order_by(log.c.at.desc(), log.c.request_id.desc()).limit(given("limit", users.c.version))


NEWEST: Final = {which: Statement(partial(_newest, outcome=which)) for which in (False, True)}
BY_ID: Final = Statement(lambda _: select(*_COLUMNS).where(*_OF, log.c.request_id == given("request_id")))
COUNTS: Final = Statement(
    lambda _: (
        select(log.c.connection_id, func.count(), func.max(log.c.at))
        .where(
            log.c.organization_id == given("organization_id"),
            log.c.outcome == given("outcome"),
            log.c.at >= given("since"),
        )
        .group_by(log.c.connection_id)
    )
)
SURPLUS: Final = Statement(
    lambda _: (
        select(log.c.at)
        .where(*_OF, log.c.outcome == given("outcome"))
        .order_by(log.c.at.desc())
        .limit(literal_column("1"))
        .offset(given("rows", users.c.version))
    )
)
_KEY: Final = (log.c.organization_id, log.c.connection_id, log.c.at, log.c.request_id)
PRUNE: Final = Statement(
    lambda _: delete(log).where(
        tuple_(*_KEY).in_(
            select(*_KEY)
            .where(*_OF, log.c.outcome == given("outcome"), log.c.at <= given("until"))
            .order_by(log.c.at)
            .limit(literal_column(str(DELETED_AT_ONCE)))
        )
    )
)
FORGET_USER: Final = Statement(
    lambda _: (
        update(log)
        .where(log.c.organization_id == given("organization_id"), log.c.user_id == given("of"))
        .values(user_id=literal_column("NULL"))
    )
)


class LoginLogRows(Scope):
    """The log of logins of one organization."""

    __slots__ = ()

    def add(self, login: LoggedLogin) -> None:
        """Add one login."""
        told = [[check.code, check.verdict.value, check.detail] for check in login.checks]
        self._link.run(
            INSERT,
            organization_id=self._organization_id,
            connection_id=login.connection_id,
            at=stamp(login.at),
            request_id=login.request_id,
            outcome=login.outcome,
            code=login.code,
            user_id=login.user_id,
            detail=login.detail,
            checks=json.dumps(told, ensure_ascii=False),
        )

    def newest(
        self,
        connection_id: str,
        *,
        outcome: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 20,
    ) -> list[LoggedLogin]:
        """Return a connection's logins, newest first, those before a place (moment, request id)."""
        place = (stamp(before[0]), before[1]) if before else _AFTER_ALL
        values: dict[str, Any] = {"before_at": place[0], "before_id": place[1], "limit": limit}
        if outcome is not None:
            values["outcome"] = outcome
        return list(self._all(NEWEST[outcome is not None], connection_id=connection_id, **values))

    def by_id(self, connection_id: str, request_id: str) -> LoggedLogin | None:
        """Return the login of a request."""
        if not storable(request_id):
            return None
        return next(iter(self._all(BY_ID, connection_id=connection_id, request_id=request_id)), None)

    def counts(self, outcome: str, since: datetime) -> dict[str, LoginCounts]:
        """Return by connection id how many logins had an outcome since a moment, as far as is kept."""
        rows = self._link.all(COUNTS, organization_id=self._organization_id, outcome=outcome, since=stamp(since))
        return {id_: LoginCounts(int(count), moment_or_none(last)) for id_, count, last in rows}

    def prune(self, connection_id: str, outcome: str, keep: int) -> int:
        """Delete some of the logins beyond the newest `keep`; return how many, DELETED_AT_ONCE if there may be more."""
        scope = {"organization_id": self._organization_id, "connection_id": connection_id, "outcome": outcome}
        row = self._link.one(SURPLUS, **scope, rows=keep)
        return self._link.run(PRUNE, **scope, until=row[0]) if row else 0

    def forget_user(self, user_id: str) -> int:
        """Take a person out of the log; return from how many logins."""
        return self._link.run(FORGET_USER, organization_id=self._organization_id, of=user_id)

    def _all(self, statement: Statement, **values: Any) -> Iterable[LoggedLogin]:
        return map(_login, self._link.all(statement, organization_id=self._organization_id, **values))


def _login(row: Row) -> LoggedLogin:
    connection_id, at, request_id, outcome, code, user_id, detail, checks = row
    read = tuple(Check(name, Verdict(verdict), words) for name, verdict, words in json.loads(checks))
    return LoggedLogin(connection_id, moment(at), request_id, outcome, code, user_id, detail, read)
