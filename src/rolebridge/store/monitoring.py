"""What waits in a database, over all organizations: numbers for monitoring, and nothing about anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, func, literal, select

from rolebridge.store.documents import moment
from rolebridge.store.links import Link
from rolebridge.store.statements import Statement, given
from rolebridge.store.tables.accounts import organizations
from rolebridge.store.tables.holds import chores, holds
from rolebridge.store.tables.record import audit, outbox
from rolebridge.store.tables.sealing import audit_progress

MOST: Final = 100_000
"""Counting ends here: a backlog of that size needs no better number, and counting must not become a load."""


@dataclass(frozen=True, slots=True)
class Chore:
    """How a chore of the worker went last: when it last succeeded, and how often it has failed since."""

    succeeded: datetime | None
    failures: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits; no number is above `MOST`."""

    unsealed_audit_rows: int
    unnumbered_outbox_rows: int
    held_outbox_rows: int
    open_holds: int
    oldest_hold: datetime | None
    chores: Mapping[str, Chore]


def _counted(rows: Select[Any]) -> Select[Any]:
    return select(func.count()).select_from(rows.limit(given("most", audit.c.sequence)).subquery())


def _each(rows: FromClause, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Return the rows of every organization, found through the keys that begin with it."""
    return (
        select(literal(1))
        .select_from(organizations.join(rows, rows.c.organization_id == organizations.c.id))
        .where(*conditions)
    )


def _unsealed() -> Select[Any]:
    settled = (
        select(audit_progress.c.settled).where(audit_progress.c.organization_id == organizations.c.id).scalar_subquery()
    )
    return _counted(_each(audit, audit.c.sequence > func.coalesce(settled, 0)))


UNSEALED: Final = Statement(lambda _: _unsealed())
UNNUMBERED: Final = Statement(lambda _: _counted(_each(outbox, outbox.c.position.is_(None))))
HELD: Final = Statement(lambda _: _counted(_each(outbox, outbox.c.hold_id.is_not(None))))
HOLDS: Final = Statement(lambda _: _counted(_each(holds)))
OLDEST_HOLD: Final = Statement(lambda _: select(func.min(holds.c.since)))
CHORES: Final = Statement(
    lambda _: select(chores.c.name, chores.c.succeeded, chores.c.failures).where(chores.c.organization_id == "")
)


def backlog(link: Link) -> Backlog:
    """Return what waits in the database behind a link."""
    oldest = link.one(OLDEST_HOLD)
    return Backlog(
        unsealed_audit_rows=_number(link, UNSEALED),
        unnumbered_outbox_rows=_number(link, UNNUMBERED),
        held_outbox_rows=_number(link, HELD),
        open_holds=_number(link, HOLDS),
        oldest_hold=moment(oldest[0]) if oldest and oldest[0] else None,
        chores={
            name: Chore(moment(succeeded) if succeeded else None, failures)
            for name, succeeded, failures in link.all(CHORES)
        },
    )


def _number(link: Link, statement: Statement) -> int:
    row = link.one(statement, most=MOST)
    return int(row[0]) if row else 0
