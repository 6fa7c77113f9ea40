"""The outbox as a feed that can be followed without missing a row.

The `sequence` of a row is given when it is inserted, and on PostgreSQL rows are committed in another order: whoever
remembered the last sequence seen would miss a lower one that is committed later. So readers go by `position`, which is
given to rows that are committed already, by one transaction at a time: it holds the organization's row of `feeds`
until its numbers are committed too. When a position can be seen, all lower ones can.

Two changes of one user are in the order in which they happened: the second one's rows are inserted after the first
one's commit, since both lock the user.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Update, delete, func, select, update

from rolebridge.store.documents import moment, stamp
from rolebridge.store.records import FeedEntry, FeedState
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, insert_into
from rolebridge.store.tables.api import feeds
from rolebridge.store.tables.record import outbox

_MINE: Final = outbox.c.organization_id == given("organization_id")

BEGIN: Final = Statement(lambda db: insert_into(db, feeds, unless_taken=True))
STATE: Final = Statement(
    lambda _: select(feeds.c.last_position, feeds.c.purged_position).where(
        feeds.c.organization_id == given("organization_id")
    )
)
LOCKED_STATE: Final = Statement(
    lambda _: (
        select(feeds.c.last_position, feeds.c.purged_position)
        .where(feeds.c.organization_id == given("organization_id"))
        .with_for_update()
    )
)
WAITING: Final = Statement(lambda _: select(outbox.c.sequence).where(_MINE, outbox.c.position.is_(None)).limit(1))


def _numbering(_: Database) -> Update:
    """Return the statement that gives the oldest rows without a position the next ones."""
    order: ColumnElement[int] = func.row_number().over(order_by=outbox.c.sequence)
    waiting = (
        select(outbox.c.sequence.label("sequence"), order.label("nth"))
        .where(_MINE, outbox.c.position.is_(None))
        .order_by(outbox.c.sequence)
        .limit(given("limit", outbox.c.sequence))
        .subquery("waiting")
    )
    return (
        update(outbox)
        .where(_MINE, outbox.c.sequence == waiting.c.sequence)
        .values(position=given("last", outbox.c.position) + waiting.c.nth)
    )


NUMBER: Final = Statement(_numbering)
SET_LAST: Final = Statement(
    lambda _: (
        update(feeds)
        .where(feeds.c.organization_id == given("organization_id"))
        .values(last_position=given("to", feeds.c.last_position))
    )
)
SET_PURGED: Final = Statement(
    lambda _: (
        update(feeds)
        .where(feeds.c.organization_id == given("organization_id"))
        .values(purged_position=given("to", feeds.c.purged_position))
    )
)
PAGE: Final = Statement(
    lambda _: (
        select(outbox.c.position, outbox.c.at, outbox.c.kind, outbox.c.payload, outbox.c.hold_id.is_not(None))
        .where(_MINE, outbox.c.position > given("above", outbox.c.position))
        .order_by(outbox.c.position)
        .limit(given("limit", outbox.c.position))
    )
)
AT: Final = Statement(
    lambda _: select(outbox.c.at).where(_MINE, outbox.c.position == given("position", outbox.c.position))
)
# Rows of one moment or of none that is later lie together at the feed's beginning, up to some clocks' differences.
OLDEST: Final = Statement(
    lambda _: (
        select(outbox.c.position, outbox.c.at)
        .where(_MINE, outbox.c.position > given("above", outbox.c.position))
        .order_by(outbox.c.position)
        .limit(given("limit", outbox.c.position))
    )
)
# What a guard rail keeps from being delivered stays, though nobody reads of it here any more.
PURGE: Final = Statement(
    lambda _: delete(outbox).where(
        _MINE, outbox.c.position <= given("to", outbox.c.position), outbox.c.hold_id.is_(None)
    )
)


class FeedRows(Scope):
    """The feed of changes of one organization."""

    __slots__ = ()

    def state(self) -> FeedState:
        """Return how far the feed goes."""
        row = self._link.one(STATE, organization_id=self._organization_id)
        return FeedState(*row) if row else FeedState(0, 0)

    def waiting(self) -> bool:
        """Return whether there are committed rows without a position."""
        return self._link.one(WAITING, organization_id=self._organization_id) is not None

    def number(self, limit: int) -> int:
        """Give up to `limit` committed rows their positions and return how many there were."""
        last = self._lock().last
        numbered = self._link.run(NUMBER, organization_id=self._organization_id, last=last, limit=limit)
        if numbered:
            self._link.run(SET_LAST, organization_id=self._organization_id, to=last + numbered)
        return numbered

    def page(self, after: int, limit: int) -> list[FeedEntry]:
        """Return rows after a position, in order."""
        rows = self._link.all(PAGE, organization_id=self._organization_id, above=after, limit=limit)
        return [FeedEntry(place, moment(at), kind, payload, bool(held)) for place, at, kind, payload, held in rows]

    def at(self, position: int) -> datetime | None:
        """Return when the row at a position was written, None if it is not there (any more)."""
        row = self._link.one(AT, organization_id=self._organization_id, position=position)
        return moment(row[0]) if row else None

    def purge(self, before: datetime, limit: int) -> int:
        """Take away rows at the feed's beginning that were written before a moment; of `limit` rows at most.

        Returns how many places the feed begins later. Rows without one stay: nobody can have read them.
        """
        purged = self._lock().purged
        oldest, bound = purged, stamp(before)
        scope = {"organization_id": self._organization_id}
        for position, at in self._link.all(OLDEST, **scope, above=purged, limit=limit):
            if at >= bound:
                break
            oldest = position
        if oldest == purged:
            return 0
        self._link.run(SET_PURGED, organization_id=self._organization_id, to=oldest)
        self._link.run(PURGE, organization_id=self._organization_id, to=oldest)
        return oldest - purged

    def _lock(self) -> FeedState:
        """Wait until nobody else numbers or purges, until the transaction ends, and return how far the feed goes."""
        scope = {"organization_id": self._organization_id}
        self._link.run(BEGIN, **scope, last_position=0, purged_position=0)
        row = self._link.one(LOCKED_STATE, **scope)
        assert row is not None  # just inserted, or there before
        return FeedState(*row)
