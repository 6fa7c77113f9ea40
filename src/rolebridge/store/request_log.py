"""The request log: what clients asked and what became of it, redacted before it comes here.

Rows are written in batches, some seconds late, and are lost in a crash: this is a record for whoever has to find out
what an identity provider sends, not the audit. Rows of nobody's organization (no credential that we know) stand under
the organization "".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, delete, func, literal_column, select, tuple_

from rolebridge.store.documents import moment, stamp
from rolebridge.store.links import Row
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, insert_into, storable
from rolebridge.store.tables.record import request_log as log

NOBODY: Final = ""
"""The organization of requests without a credential that we know, and the connection of those without one."""

DELETED_AT_ONCE: Final = 500
"""Rows that one transaction of retention takes away: others need not wait long for their turn."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request and its answer, without any value that tells of a person.

    `path` is relative to the door and keeps ids only, `query` keeps names and operators, `detail` our own words.
    `duration_us` are microseconds in the application, `answer_bytes` is None for a streamed body. `credential_id` is
    the token that was shown, also a revoked one; `resource_id` the user or group that the request was about. `shape`
    is JSON text: the names and types of a refused body. A row with `lost` stands for that many requests which could
    not be logged, and for no request of its own.
    """

    organization_id: str
    connection_id: str
    at: datetime
    request_id: str
    method: str
    path: str
    status: int
    query: str = ""
    scim_type: str | None = None
    detail: str = ""
    duration_us: int = 0
    credential_id: str = ""
    resource_id: str = ""
    peer: str = ""
    user_agent: str = ""
    tolerances: str = ""
    unknown_members: int = 0
    request_bytes: int = 0
    answer_bytes: int | None = None
    shape: str | None = None
    lost: int = 0

    @property
    def refused(self) -> bool:
        """Return whether the answer was an error."""
        return self.status >= 400


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a log: those of a connection (None: of any), since a moment, by status, path and resource.

    `path` is a part of the path or the query, without regard to ASCII case.
    """

    connection_id: str | None = None
    since: datetime | None = None
    statuses: tuple[int, int] = (0, 999)
    path: str | None = None
    resource_id: str | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one connection sent since some moment; `lost` requests are counted nowhere else."""

    requests: int = 0
    refused: int = 0
    failed: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class TriedCredential:
    """A token that was shown and did not open: revoked or expired."""

    connection_id: str
    credential_id: str
    times: int
    last: datetime


_NAMES: Final = tuple(field.name for field in fields(LoggedRequest))
_fields = attrgetter(*_NAMES)
_COLUMNS: Final = tuple(log.c[name] for name in _NAMES)
_ORGANIZATION: Final = log.c.organization_id == given("organization_id")
_SINCE: Final = log.c.at >= given("since")

# Two requests of one id can only be one request told twice.
INSERT: Final = Statement(lambda db: insert_into(db, log, unless_taken=True))


@lru_cache(maxsize=32)
def listing(shape: frozenset[str]) -> Statement:
    """Return the statement that lists rows, newest first, under the conditions that `shape` names."""
    return Statement(lambda database: _listing(shape, database))


def _listing(shape: frozenset[str], database: Database) -> Select[Any]:
    conditions = [log.c[name] == given(name) for name in ("connection_id", "resource_id") if name in shape]
    if "path" in shape:
        place = func.instr if database is Database.SQLITE else func.strpos
        conditions.append(place(func.lower(log.c.path.concat("?").concat(log.c.query)), given("path")) > 0)
    return (
        select(*_COLUMNS)
        .where(
            _ORGANIZATION,
            *conditions,
            _SINCE,
            tuple_(log.c.at, log.c.request_id) < tuple_(given("before_at"), given("before_id")),
            log.c.status.between(given("least", log.c.status), given("most", log.c.status)),
        )
        .order_by(log.c.at.desc(), log.c.request_id.desc())
        .limit(given("limit", log.c.status))
    )


BY_ID: Final = Statement(
    lambda _: select(*_COLUMNS).where(_ORGANIZATION, log.c.request_id == given("request_id")).order_by(log.c.at)
)
TRAFFIC: Final = Statement(
    lambda _: (
        select(
            log.c.connection_id,
            func.sum(case((log.c.status > 0, 1), else_=0)),
            func.sum(case((log.c.status >= 400, 1), else_=0)),
            func.sum(case((log.c.status >= 500, 1), else_=0)),
            func.sum(log.c.lost),
        )
        .where(_ORGANIZATION, _SINCE)
        .group_by(log.c.connection_id)
    )
)
TOLERANCES: Final = Statement(
    lambda _: (
        select(log.c.connection_id, log.c.tolerances, func.count())
        .where(_ORGANIZATION, _SINCE, log.c.tolerances != literal_column("''"))
        .group_by(log.c.connection_id, log.c.tolerances)
    )
)
TRIED: Final = Statement(
    lambda _: (
        select(log.c.connection_id, log.c.credential_id, func.count(), func.max(log.c.at))
        .where(_ORGANIZATION, _SINCE, log.c.status == 401, log.c.credential_id != literal_column("''"))
        .group_by(log.c.connection_id, log.c.credential_id)
    )
)


def _last(*conditions: ColumnElement[bool]) -> Statement:
    return Statement(
        lambda _: (
            select(*_COLUMNS)
            .where(_ORGANIZATION, log.c.connection_id == given("connection_id"), *conditions)
            .order_by(log.c.at.desc(), log.c.request_id.desc())
            .limit(1)
        )
    )


LAST_ACCEPTED: Final = _last(log.c.status > 0, log.c.status != 401)
LAST_REFUSED: Final = _last(log.c.status >= 400)


def _key(chosen: Select[Any]) -> Statement:
    """Return the statement that deletes rows by their key."""
    key = (log.c.organization_id, log.c.connection_id, log.c.at, log.c.request_id)
    return Statement(lambda _: delete(log).where(tuple_(*key).in_(chosen.with_only_columns(*key))))


DELETE_OLD: Final = _key(
    select(log).where(_ORGANIZATION, log.c.at < given("until")).order_by(log.c.at).limit(DELETED_AT_ONCE)
)
DELETE_SURPLUS: Final = _key(
    select(log)
    .where(
        _ORGANIZATION,
        log.c.connection_id == given("connection_id"),
        tuple_(log.c.at, log.c.request_id) <= tuple_(given("until"), given("until_id")),
    )
    .order_by(log.c.at, log.c.request_id)
    .limit(DELETED_AT_ONCE)
)
NEWEST_SURPLUS: Final = Statement(
    lambda _: (
        select(log.c.at, log.c.request_id)
        .where(_ORGANIZATION, log.c.connection_id == given("connection_id"))
        .order_by(log.c.at.desc(), log.c.request_id.desc())
        .limit(1)
        .offset(given("rows", log.c.status))
    )
)

_AFTER_ALL: Final = ("~", "")
"""A place after every row: moments begin with a digit."""


class RequestLogRows(Scope):
    """The request log of one organization, or with "" of those who showed no credential that we know."""

    __slots__ = ()

    def add(self, rows: Iterable[LoggedRequest]) -> None:
        """Add rows of any organization, each once."""
        self._link.run_many(INSERT, map(_values, rows))

    def newest(
        self, wanted: Wanted, *, before: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[LoggedRequest]:
        """Return up to `limit` rows, newest first, those that come before the place `before` (moment, request id)."""
        chosen = {"connection_id": wanted.connection_id, "resource_id": wanted.resource_id, "path": wanted.path}
        values: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        if any(not storable(value) for value in values.values()):
            return []
        shape = frozenset(values)
        if wanted.path is not None:
            values["path"] = wanted.path.lower()
        least, most = wanted.statuses
        place = (stamp(before[0]), before[1]) if before else _AFTER_ALL
        values |= {"least": least, "most": most, "before_at": place[0], "before_id": place[1], "limit": limit}
        values["since"] = stamp(wanted.since) if wanted.since else ""
        return [_row(row) for row in self._link.all(listing(shape), organization_id=self._organization_id, **values)]

    def by_id(self, request_id: str) -> LoggedRequest | None:
        """Return the row of a request."""
        if not storable(request_id):
            return None
        row = self._link.one(BY_ID, organization_id=self._organization_id, request_id=request_id)
        return _row(row) if row else None

    def last(self, connection_id: str, *, refused: bool) -> LoggedRequest | None:
        """Return a connection's last request that was refused, or the last with a credential that works."""
        statement = LAST_REFUSED if refused else LAST_ACCEPTED
        row = self._link.one(statement, organization_id=self._organization_id, connection_id=connection_id)
        return _row(row) if row else None

    def traffic(self, since: datetime) -> Mapping[str, Traffic]:
        """Return what each connection sent, by connection id."""
        rows = self._link.all(TRAFFIC, organization_id=self._organization_id, since=stamp(since))
        return {row[0]: Traffic(*map(int, row[1:])) for row in rows}

    def tolerances(self, since: datetime) -> Mapping[str, Mapping[str, int]]:
        """Return in how many requests each tolerance was used, by connection id and name."""
        found: dict[str, dict[str, int]] = {}
        for connection_id, names, times in self._link.all(
            TOLERANCES, organization_id=self._organization_id, since=stamp(since)
        ):
            counted = found.setdefault(connection_id, {})
            for name in names.split():
                counted[name] = counted.get(name, 0) + times
        return found

    def tried(self, since: datetime) -> Sequence[TriedCredential]:
        """Return the credentials that were shown though they do not work any more."""
        rows = self._link.all(TRIED, organization_id=self._organization_id, since=stamp(since))
        return [
            TriedCredential(connection, credential, times, moment(at)) for connection, credential, times, at in rows
        ]

    def delete_before(self, until: datetime) -> int:
        """Delete some of the rows from before a moment; return how many, `DELETED_AT_ONCE` when there may be more."""
        return self._link.run(DELETE_OLD, organization_id=self._organization_id, until=stamp(until))

    def surplus(self, connection_id: str, rows: int) -> tuple[str, str] | None:
        """Return the place of the newest row beyond a connection's newest `rows`, None when there are no more."""
        scope = {"organization_id": self._organization_id, "connection_id": connection_id}
        found = self._link.one(NEWEST_SURPLUS, **scope, rows=rows)
        return (found[0], found[1]) if found else None

    def delete_through(self, connection_id: str, place: tuple[str, str]) -> int:
        """Delete some of a connection's rows up to a place, like `delete_before`."""
        scope = {"organization_id": self._organization_id, "connection_id": connection_id}
        return self._link.run(DELETE_SURPLUS, **scope, until=place[0], until_id=place[1])


def _values(row: LoggedRequest) -> dict[str, Any]:
    values: dict[str, Any] = dict(zip(_NAMES, _fields(row), strict=True))
    values["at"] = stamp(row.at)
    return values


def _row(row: Row) -> LoggedRequest:
    values = dict(zip(_NAMES, row, strict=True))
    return LoggedRequest(**{**values, "at": moment(values["at"])})
