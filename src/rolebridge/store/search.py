"""Questions for users or groups of one connection: which part of those that a filter holds for, in which order.

A part begins at an offset, or after a position: keys of an order and of creation, which stay true whatever is created
and deleted meanwhile. Unfiltered, totals come from counters, and offsets from `anchors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, TypedDict

from sqlalchemy import ColumnElement, Table, bindparam, func, literal_column, or_, select
from sqlalchemy.sql import ClauseElement, Select

from rolebridge.core.filters import ResolvedFilter
from rolebridge.store.anchors import number_at
from rolebridge.store.filters import Narrowed, Shape, finding, in_creation_order, narrow
from rolebridge.store.links import Link, Row
from rolebridge.store.orders import Order, check_order, key_of, key_type
from rolebridge.store.records import Position
from rolebridge.store.statements import Database, Statement, given

# A statement of so many terms is compiled for its one question: the cache holds what is asked again.
_CACHED_TERMS: Final = 16

Extra = Callable[[Database], ColumnElement[Any]]
"""Makes a further column of a resource, such as the text of a user's groups."""


class Sequel(TypedDict, total=False):
    """What a part may say beside its offset and its limit; see `Part`."""

    order: Order | None
    after: Position | None
    resumable: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Which of the resources that are found: `limit` of them from an offset (from 0), or after a position.

    `resumable` asks for the position at which the next part begins.
    """

    limit: int
    offset: int = 0
    order: Order | None = None
    after: Position | None = None
    resumable: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """How many resources there are, the columns of those in the part, and where the next part begins."""

    total: int
    rows: list[Row]
    next: Position | None = None


# --- statements


def _page(
    database: Database, *, table: Table, shape: Shape | None, extra: Extra | None, order: Order | None, cut: str
) -> ClauseElement:
    """Return the select of a part. `cut` says where it begins: `_Asked` has the words."""
    if order is not None:
        return _sorted_page(database, table, shape, extra, order, cut)
    found = finding(database, table, shape)
    columns = [*_columns(database, table, extra), table.c.sequence, literal_column("NULL")]
    made = select(*columns).select_from(found.row.rows).where(*found.conditions)
    made = _cut_unsorted(made, table, cut).order_by(in_creation_order(table, shape))
    return made.limit(given("limit", table.c.sequence))


def _columns(database: Database, table: Table, extra: Extra | None) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = [table.c.id, table.c.body, table.c.version]
    return columns if extra is None else [*columns, extra(database)]


def _sorted_page(
    database: Database, table: Table, shape: Shape | None, extra: Extra | None, order: Order, cut: str
) -> ClauseElement:
    """Return the select of a sorted part: first who is in it, then what is read of them; bodies are not sorted."""
    found = finding(database, table, shape)
    key = key_of(found.row, table, order)
    named = [table.c.id.label("id"), table.c.sequence.label("sequence"), key.label("key")]
    who = select(*named).select_from(found.row.rows).where(*found.conditions)
    who = _cut_sorted(who, table, order, key, cut).limit(given("limit", table.c.sequence))
    chosen = who.subquery("chosen")
    theirs = (table.c.organization_id == given("organization_id")) & (table.c.id == chosen.c.id)
    return (
        select(*_columns(database, table, extra), chosen.c.sequence, chosen.c.key)
        .select_from(chosen.join(table, theirs))
        .order_by(_turned(chosen.c.key, order), chosen.c.sequence)
    )


def _turned(key: ColumnElement[Any], order: Order) -> ColumnElement[Any]:
    return key.desc().nulls_first() if order.descending else key.asc().nulls_last()


def _cut_unsorted(made: Select[Any], table: Table, cut: str) -> Select[Any]:
    if cut == "from":
        return made.where(table.c.sequence >= given("first", table.c.sequence))
    if cut == "after":
        return made.where(table.c.sequence > given("sequence", table.c.sequence))
    return made.offset(given("offset", table.c.sequence))


def _cut_sorted(made: Select[Any], table: Table, order: Order, key: ColumnElement[Any], cut: str) -> Select[Any]:
    """Return the part of a sorted select. What has a key and what has none are two stretches, one after the other."""
    sequence = table.c.sequence
    if cut == "offset":
        return made.order_by(_turned(key, order), sequence).offset(given("offset", sequence))
    later = sequence > given("sequence", sequence)
    if cut == "without key":
        return made.where(key.is_(None), later).order_by(sequence)
    made = made.order_by(key.desc() if order.descending else key.asc(), sequence)
    if cut == "with key":
        return made.where(key.isnot(None))
    last: ColumnElement[Any] = bindparam("key", type_=key_type(order), required=True)
    reached, passed = (key <= last, key < last) if order.descending else (key >= last, key > last)
    return made.where(reached, or_(passed, later))


def _count(database: Database, *, table: Table, shape: Shape | None) -> ClauseElement:
    found = finding(database, table, shape)
    return select(func.count()).select_from(found.row.rows).where(*found.conditions)


def _statement(terms: int, build: Callable[..., ClauseElement], **how: Any) -> Statement:
    return _kept(build, **how) if terms <= _CACHED_TERMS else Statement(partial(build, **how))


@lru_cache(maxsize=512)
def _kept(build: Callable[..., ClauseElement], **how: Any) -> Statement:
    return Statement(partial(build, **how))


# --- questions


class Search:
    """The resources of one connection in one table; `total` counts all of them."""

    def __init__(
        self, link: Link, table: Table, organization_id: str, connection_id: str, total: Callable[[], int]
    ) -> None:
        self._link = link
        self._table = table
        self._scope = {"organization_id": organization_id, "connection_id": connection_id}
        self._total = total
        self._known: int | None = None

    def find(
        self, wanted: ResolvedFilter | None, part: Part, base: str, extra: Extra | None, more: Mapping[str, Any]
    ) -> Answered:
        """Return a part of the resources for which the filter holds.

        `base` is what every location begins with; `extra` is a further column, and `more` what it needs.
        Raises `Unsortable`.
        """
        if part.order is not None:
            check_order(part.order)
        narrowed = narrow(wanted)
        asked = _Asked(self, narrowed, part, extra, {**self._scope, **narrowed.values, **more, "base": base})
        rows = asked.rows(part.limit + part.resumable) if part.limit else []
        further = len(rows) > part.limit
        del rows[part.limit :]
        total = self._counted(asked, part, rows, further)
        last = Position(rows[-1][-1], rows[-1][-2]) if further else None
        return Answered(total, [row[:-2] for row in rows], last)

    def _counted(self, asked: _Asked, part: Part, rows: list[Row], further: bool) -> int:
        if asked.shape is None:
            return self._total() if self._known is None else self._known
        if part.after is None and not further and len(rows) < part.limit and (rows or not part.offset):
            return part.offset + len(rows)  # the last page says how many there are
        ((total,),) = asked.run(_count)
        return int(total)

    def number_at(self, offset: int) -> int | None:
        """Return the number with which a page of everything begins."""
        found = number_at(self._link, self._table, **self._scope, offset=offset)
        self._known = found.total
        return found.number


_NOTHING: Final[Mapping[str, Any]] = {}


class _Asked:
    """One question while it is answered."""

    def __init__(
        self,
        search: Search,
        narrowed: Narrowed,
        part: Part,
        extra: Extra | None,
        values: Mapping[str, Any],
    ) -> None:
        self.shape = narrowed.shape
        self._search = search
        self._terms = narrowed.terms
        self._part = part
        self._extra = extra
        self._values = values

    def run(self, build: Callable[..., ClauseElement], values: Mapping[str, Any] = _NOTHING, **how: Any) -> list[Row]:
        search = self._search
        statement = _statement(self._terms, build, table=search._table, shape=self.shape, **how)  # noqa: SLF001
        return search._link.all(statement, **self._values, **values)  # noqa: SLF001

    def _cut(self, cut: str, limit: int, **values: Any) -> list[Row]:
        return self.run(_page, {"limit": limit, **values}, extra=self._extra, order=self._part.order, cut=cut)

    def rows(self, limit: int) -> list[Row]:
        """Return at most `limit` rows of the part."""
        part = self._part
        if part.after is not None:
            return self._after(part.after, limit)
        if self.shape is None and part.order is None:
            first = self._search.number_at(part.offset)
            return [] if first is None else self._cut("from", limit, first=first)
        return self._cut("offset", limit, offset=part.offset)

    def _after(self, after: Position, limit: int) -> list[Row]:
        order = self._part.order
        if order is None:
            return self._cut("after", limit, sequence=after.sequence)
        if after.key is not None:
            rows = self._cut("after", limit, key=after.key, sequence=after.sequence)
            if len(rows) < limit and not order.descending:
                rows += self._cut("without key", limit - len(rows), sequence=-1)
            return rows
        rows = self._cut("without key", limit, sequence=after.sequence)
        if len(rows) < limit and order.descending:
            rows += self._cut("with key", limit - len(rows))
        return rows
