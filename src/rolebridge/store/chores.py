"""How the worker's chores went, and what some of them do to rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select

from rolebridge.store.documents import moment, moment_or_none, stamp, stamp_or_none
from rolebridge.store.links import Link, Row
from rolebridge.store.scope import COUNT, FOLD, Scope
from rolebridge.store.statements import Statement, given, insert_into
from rolebridge.store.tables.accounts import access_tokens, used_assertions
from rolebridge.store.tables.directory import counts
from rolebridge.store.tables.holds import chores

_INSTALLATION: Final = ""
_NAMES: Final = ("name", "began", "ended", "succeeded", "done", "failures", "error", "worker")


@dataclass(frozen=True, slots=True)
class ChoreRun:
    """How a chore went last: when it began and ended, and when it last succeeded.

    `done` counts what the last run did, `failures` the runs that have failed since the last success, `error` what the
    last one died of, `worker` who ran it.
    """

    name: str
    began: datetime
    ended: datetime
    succeeded: datetime | None
    done: int
    failures: int
    error: str
    worker: str


ALL: Final = Statement(
    lambda _: (
        select(*(chores.c[name] for name in _NAMES))
        .where(chores.c.organization_id == given("organization_id"))
        .order_by(chores.c.name)
    )
)
DELETE: Final = Statement(
    lambda _: delete(chores).where(chores.c.organization_id == given("organization_id"), chores.c.name == given("name"))
)
INSERT: Final = Statement(lambda db: insert_into(db, chores))


class ChoreRuns:
    """How the chores of the installation went."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def all(self) -> list[ChoreRun]:
        """Return the last run of each chore that ever ran, by name."""
        return [_run(row) for row in self._link.all(ALL, organization_id=_INSTALLATION)]

    def put(self, run: ChoreRun) -> None:
        """Record how a chore went, in place of the time before."""
        row: dict[str, Any] = {name: getattr(run, name) for name in _NAMES}
        row |= {"began": stamp(run.began), "ended": stamp(run.ended)}
        row["succeeded"] = stamp_or_none(run.succeeded)
        self._link.run(DELETE, organization_id=_INSTALLATION, name=run.name)
        self._link.run(INSERT, organization_id=_INSTALLATION, **row)


UNFOLDED: Final = Statement(
    lambda _: (
        select(counts.c.connection_id, counts.c.kind)
        .where(counts.c.organization_id == given("organization_id"))
        .group_by(counts.c.connection_id, counts.c.kind)
        .having(func.count() > 1)
    )
)
EXPIRED_TOKENS: Final = Statement(
    lambda _: delete(access_tokens).where(
        access_tokens.c.organization_id == given("organization_id"), access_tokens.c.expires_at <= given("now")
    )
)
EXPIRED_ASSERTIONS: Final = Statement(
    lambda _: delete(used_assertions).where(
        used_assertions.c.organization_id == given("organization_id"), used_assertions.c.expires_at <= given("now")
    )
)


class Upkeep(Scope):
    """What is tidied up in one organization."""

    __slots__ = ()

    def unfolded(self) -> list[tuple[str, str]]:
        """Return connection and kind of the counters that are spread over several rows."""
        rows = self._link.all(UNFOLDED, organization_id=self._organization_id)
        return [(connection_id, kind) for connection_id, kind in rows]

    def fold(self, connection_id: str, kind: str) -> int:
        """Sum up the rows of a counter that nobody else is summing up; return how many there were."""
        scope = {"organization_id": self._organization_id, "connection_id": connection_id, "kind": kind}
        taken = [delta for (delta,) in self._link.all(FOLD, **scope)]
        if taken:
            self._link.run(COUNT, **scope, delta=sum(taken))
        return len(taken)

    def expire_tokens(self, now: datetime) -> int:
        """Delete access tokens and used assertions that nobody would accept any more; return how many there were."""
        values = {"organization_id": self._organization_id, "now": stamp(now)}
        return self._link.run(EXPIRED_TOKENS, **values) + self._link.run(EXPIRED_ASSERTIONS, **values)


def _run(row: Row) -> ChoreRun:
    name, began, ended, succeeded, done, failures, error, worker = row
    return ChoreRun(
        name,
        moment(began),
        moment(ended),
        moment_or_none(succeeded),
        int(done),
        int(failures),
        error,
        worker,
    )
