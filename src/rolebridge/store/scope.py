"""What the parts of the directory share: the link, the organization, its locks, and the counters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, delete, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from rolebridge.store.links import Link, in_batches
from rolebridge.store.statements import Database, Statement, among, given, json_list
from rolebridge.store.tables.directory import counts, users


def owned(table: Table) -> ColumnElement[bool]:
    """Return the condition that a row found by its id is the connection's.

    Put so that no index understands it: between the index of ids and the one that begins with the connection a
    database without statistics may choose the wrong one, and read the whole connection.
    """
    return table.c.connection_id.concat(literal_column("''")) == given("connection_id")


USER: Final = "user"
GROUP: Final = "group"

# How many counter rows PostgreSQL may gather before an insert sums them up.
FOLD_EVERY: Final = 256


def _count(database: Database) -> ClauseElement:
    """Return the statement that counts ±1: SQLite's one writer keeps one row, PostgreSQL's many add rows."""
    values: dict[str, Any] = {c.name: given(c.name, c) for c in counts.columns if c.name != "sequence"}
    if database is Database.POSTGRES:
        return postgresql.insert(counts).values(values).returning(counts.c.sequence)
    insert = sqlite.insert(counts).values(sequence=0, **values)
    return insert.on_conflict_do_update(
        index_elements=list(counts.primary_key.columns),
        set_={"delta": counts.c.delta + insert.excluded.delta},
    ).returning(counts.c.sequence)


def _fold(_: Database) -> ClauseElement:
    """Return the statement that takes the counter rows away that nobody else is taking (PostgreSQL).

    By their places in the table: a join would be at the mercy of statistics, which a young table does not have.
    """
    mine = counts.alias("mine")
    free = (
        select(literal_column("mine.ctid"))
        .select_from(mine)
        .where(*(mine.c[name] == given(name) for name in ("organization_id", "connection_id", "kind")))
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return delete(counts).where(literal_column("counts.ctid") == func.any(func.array(free))).returning(counts.c.delta)


def total_of(_: Database) -> Select[Any]:
    """Return the select of how many users or groups a connection has."""
    return select(func.coalesce(func.sum(counts.c.delta), literal_column("0"))).where(
        counts.c.organization_id == given("organization_id"),
        counts.c.connection_id == given("connection_id"),
        counts.c.kind == given("kind"),
    )


COUNT: Final = Statement(_count)
FOLD: Final = Statement(_fold)
TOTAL: Final = Statement(total_of)


def _lock_users(_: Database) -> Select[Any]:
    # Not FOR UPDATE: who adds a membership of the user (FOR KEY SHARE) need not wait.
    return (
        select(users.c.id)
        .where(users.c.organization_id == given("organization_id"), among(users.c.id, given("ids")))
        .order_by(users.c.id)
        .with_for_update(key_share=True)
    )


LOCK_USERS: Final = Statement(_lock_users)
LOCK_EXCLUSIVE: Final = Statement(lambda _: select(func.pg_advisory_xact_lock(given("key", counts.c.delta))))
LOCK_SHARED: Final = Statement(lambda _: select(func.pg_advisory_xact_lock_shared(given("key", counts.c.delta))))


class Scope:
    """One organization on one link."""

    __slots__ = ("_link", "_organization_id")

    def __init__(self, link: Link, organization_id: str) -> None:
        self._link = link
        self._organization_id = organization_id

    def lock_organization(self, *, exclusive: bool) -> None:
        """Wait until nobody applies a mapping (shared) or until nobody else changes the directory (exclusive).

        Lasts until the transaction ends. On SQLite there is never anybody else.
        """
        if self._link.database is Database.POSTGRES:
            statement = LOCK_EXCLUSIVE if exclusive else LOCK_SHARED
            self._link.all(statement, key=_advisory_key(self._organization_id))

    def lock_users(self, ids: Iterable[str]) -> None:
        """Lock users' rows in the order of their ids until the transaction ends: see "Locks" in docs/design.md."""
        if self._link.database is Database.POSTGRES:
            # Batches of sorted ids keep one order over all of them.
            for batch in in_batches(sorted(set(ids))):
                self._link.all(LOCK_USERS, organization_id=self._organization_id, ids=json_list(batch))

    def _count(self, connection_id: str, kind: str, delta: int) -> None:
        scope = {"organization_id": self._organization_id, "connection_id": connection_id, "kind": kind}
        row = self._link.one(COUNT, **scope, delta=delta)
        if row:
            self._fold(connection_id, kind, row[0])

    def _fold(self, connection_id: str, kind: str, sequence: int) -> None:
        """Sum up the counter rows, if the one just written is the one in so many that does.

        Once in a transaction at most: what it has taken away stays in its way until it ends.
        """
        if sequence % FOLD_EVERY == FOLD_EVERY - 1 and not self._link.folded:
            self._link.folded = True
            scope = {"organization_id": self._organization_id, "connection_id": connection_id, "kind": kind}
            folded = sum(taken for (taken,) in self._link.all(FOLD, **scope))
            self._link.run(COUNT, **scope, delta=folded)

    def _total(self, connection_id: str, kind: str) -> int:
        row = self._link.one(TOTAL, organization_id=self._organization_id, connection_id=connection_id, kind=kind)
        assert row is not None  # a sum has a row
        return int(row[0])


def _advisory_key(organization_id: str) -> int:
    digest = hashlib.sha256(f"rolebridge organization {organization_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def update_unless_taken(link: Link, statement: Statement, values: dict[str, Any], *, refusable: bool) -> bool:
    """Run an update of one row; return whether it was done. A unique index's refusal leaves the transaction usable."""
    if not refusable:
        return link.run(statement, **values) > 0
    link.savepoint()
    try:
        done = link.run(statement, **values) > 0
    except Exception as error:
        if not link.is_duplicate(error):
            raise
        link.undo()
        return False
    link.release()
    return done
