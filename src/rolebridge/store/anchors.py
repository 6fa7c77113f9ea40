"""Anchors: where in the order of creation every n-th resource of a connection stands, kept by each process.

`OFFSET` walks all that comes before a page: 50 ms for the millionth user. An anchor says which number (`sequence`) the
resource at an offset has, so that a page begins at most `STEP` steps of the index away.

Anchors are only believed when they are proved, for each page anew: as many resources as have come since the last of
them was set must stand after it. That holds as long as only new ones came; after a deletion, or when a slower
transaction of PostgreSQL made a lower number visible, it does not, and they are set anew, which costs what one `OFFSET`
to the end costs. A deletion and a late arrival may make up for each other in the proof; so anchors live for `LIFE`
seconds at most, and until then a page may begin a row early or late, as pages by offset do under such changes anyway.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, func, literal_column, select
from sqlalchemy.sql import ClauseElement

from rolebridge.store.links import Link
from rolebridge.store.scope import GROUP, USER, total_of
from rolebridge.store.statements import Database, Statement, given
from rolebridge.store.tables.directory import groups, users

STEP: Final = 256
"""Resources from one anchor to the next: 5 µs of walking on the average."""
LIFE: Final = 60.0
"""Seconds that anchors are believed at most."""
KEPT: Final = 64
"""Connections (users and groups apart) whose anchors a process keeps, 16 kB for each 100,000 resources."""


def _of_connection(table: Table) -> tuple[Any, ...]:
    return table.c.organization_id == given("organization_id"), table.c.connection_id == given("connection_id")


def _first(_: Database, *, table: Table) -> ClauseElement:
    """Return the select of the number that is so many steps after `first`: it reads the index only."""
    return (
        select(table.c.sequence)
        .where(*_of_connection(table), table.c.sequence >= given("first", table.c.sequence))
        .order_by(table.c.sequence)
        .limit(literal_column("1"))
        .offset(given("offset", table.c.sequence))
    )


def _proof(database: Database, *, table: Table) -> ClauseElement:
    """Return the select of how many resources there are, and how many after a number, both of one moment."""
    after = select(func.count()).where(*_of_connection(table), table.c.sequence > given("last", table.c.sequence))
    return select(total_of(database).scalar_subquery(), after.scalar_subquery())


FIRST: Final = {table.name: Statement(partial(_first, table=table)) for table in (users, groups)}
PROOF: Final = {table.name: Statement(partial(_proof, table=table)) for table in (users, groups)}


@dataclass(slots=True)
class _Anchors:
    """The anchors of one connection: `numbers[i]` is that of the resource at the offset `i * STEP`."""

    numbers: list[int]
    made: float


_kept: OrderedDict[tuple[str, str, str], _Anchors] = OrderedDict()
_guard: Final = threading.Lock()


class Found(NamedTuple):
    """The number of a resource, None past the end, and the total of them all where the proof told it."""

    number: int | None
    total: int | None


def number_at(link: Link, table: Table, organization_id: str, connection_id: str, offset: int) -> Found:
    """Return the number of a connection's resource at an offset (from 0) by creation."""
    scope = {"organization_id": organization_id, "connection_id": connection_id}
    if offset < STEP:
        return Found(_step(link, table, scope, 0, offset), None)
    key = (table.name, organization_id, connection_id)
    with _guard:
        held = _kept.get(key)
    total = None if held is None else _proved(link, table, scope, held)
    if held is None or total is None:
        held = _set_anew(link, table, scope)
        with _guard:
            _kept[key] = held
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
    with _guard:
        _kept.move_to_end(key)
    place = min(offset // STEP, len(held.numbers) - 1)
    if place < 0:
        return Found(None, total)
    return Found(_step(link, table, scope, held.numbers[place], offset - place * STEP), total)


def forget() -> None:
    """Forget all anchors."""
    with _guard:
        _kept.clear()


def _step(link: Link, table: Table, scope: dict[str, str], first: int, offset: int) -> int | None:
    row = link.one(FIRST[table.name], **scope, first=first, offset=offset)
    return None if row is None else int(row[0])


def _proved(link: Link, table: Table, scope: dict[str, str], held: _Anchors) -> int | None:
    """Prove anchors, and set those that new resources call for; return the total, None for no proof."""
    if not held.numbers or time.monotonic() - held.made > LIFE:
        return None
    last = len(held.numbers) - 1
    kind = USER if table is users else GROUP
    row = link.one(PROOF[table.name], **scope, kind=kind, last=held.numbers[last])
    assert row is not None  # a select of two numbers
    total, after = row
    if last * STEP + 1 + after != total:
        return None
    if after >= STEP:
        held.numbers.extend(_walk(link, table, scope, held.numbers[last]))
    return int(total)


def _set_anew(link: Link, table: Table, scope: dict[str, str]) -> _Anchors:
    first = _step(link, table, scope, 0, 0)
    made = time.monotonic()
    return _Anchors([] if first is None else [first, *_walk(link, table, scope, first)], made)


def _walk(link: Link, table: Table, scope: dict[str, str], number: int) -> list[int]:
    """Return the numbers of every `STEP`-th resource after one."""
    found = []
    while (after := _step(link, table, scope, number, STEP)) is not None:
        found.append(number := after)
    return found
