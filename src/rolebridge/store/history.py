"""What was true before: memberships and nestings that have ended, and who is no longer there.

Each is written by the statement's own transaction that ends it. What goes on is in its own table, with its `since`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, func, literal_column, select, update
from sqlalchemy.sql import ClauseElement

from rolebridge.core.directory import MembershipSource
from rolebridge.store.documents import folded_key, moment, stamp
from rolebridge.store.links import Link, Row, in_batches
from rolebridge.store.records import Departed
from rolebridge.store.scope import USER, Scope
from rolebridge.store.statements import Database, Statement, among, given, insert_for, json_list, storable
from rolebridge.store.tables.directory import departed, group_children, memberships
from rolebridge.store.tables.grants import manual_assignments
from rolebridge.store.tables.logins import login_memberships
from rolebridge.store.tables.record import outbox
from rolebridge.store.tables.sealing import past_children, past_memberships

_Which = Sequence[ColumnElement[bool]]

PRUNED_AT_ONCE: Final = 2_000
"""Rows of each kind that one transaction of retention takes away."""


@dataclass(frozen=True, slots=True)
class HeldMembership:
    """That a user was in a group directly, since when and by whose word."""

    group_id: str
    since: datetime
    source: MembershipSource


@dataclass(frozen=True, slots=True)
class HeldNesting:
    """That a group was in another directly, and since when."""

    child_id: str
    parent_id: str
    since: datetime


class Ending:
    """Ends rows of a table: deletes them, remembers that they have held until now, and tells which they were.

    One statement on PostgreSQL. SQLite, where a statement is a call and no journey, takes two.
    """

    __slots__ = ("deleting", "remembering")

    def __init__(self, present: Table, past: Table, told: str, which: Callable[[Database], _Which]) -> None:
        """`which` gives the conditions of the rows that end, `told` is the column that tells of them."""
        names = [column.name for column in past.columns if column.name != "until"]

        def forget(database: Database) -> ClauseElement:
            deleting = delete(present).where(*which(database))
            if database is Database.SQLITE:
                return deleting.returning(present.c[told])
            gone = deleting.returning(*(present.c[name] for name in names)).cte("gone")
            rows = select(*(gone.c[name] for name in names), given("until"))
            kept = insert_for(database, past).from_select([*names, "until"], rows).on_conflict_do_nothing()
            return select(gone.c[told]).add_cte(kept.cte("kept"))

        def remember(database: Database) -> ClauseElement:
            rows = select(*(present.c[name] for name in names), given("until")).where(*which(database))
            return insert_for(database, past).from_select([*names, "until"], rows).on_conflict_do_nothing()

        self.deleting = Statement(forget)
        self.remembering = Statement(remember)

    def end(self, link: Link, now: datetime, **values: Any) -> list[str]:
        """End what the conditions hold for, and return the column that tells of it."""
        if link.database is Database.SQLITE:
            link.run(self.remembering, until=stamp(now), **values)
            return [row[0] for row in link.all(self.deleting, **values)]
        return [row[0] for row in link.all(self.deleting, until=stamp(now), **values)]


_DEPARTED: Final = ("id", "kind", "connection_id", "name", "external_id", "deleted")
DEPARTED_NAMED: Final = Statement(
    lambda _: (
        select(*(departed.c[name] for name in _DEPARTED))
        .where(
            departed.c.organization_id == given("organization_id"),
            departed.c.kind == given("kind"),
            departed.c.name_key == given("name_key"),
        )
        .order_by(departed.c.deleted.desc())
        .limit(literal_column("20"))
    )
)
DEPARTED_BETWEEN: Final = Statement(
    lambda _: (
        select(*(departed.c[name] for name in _DEPARTED))
        .where(
            departed.c.organization_id == given("organization_id"),
            departed.c.kind == given("kind"),
            departed.c.name_key >= given("from_key"),
            departed.c.name_key < given("to_key"),
        )
        .order_by(departed.c.deleted.desc())
        .limit(literal_column("20"))
    )
)
DEPARTED_AFTER: Final = Statement(
    lambda _: (
        select(departed.c.id, departed.c.name)
        .where(
            departed.c.organization_id == given("organization_id"),
            departed.c.kind == given("kind"),
            departed.c.deleted > given("at"),
            departed.c.id > given("after"),
        )
        .order_by(departed.c.id)
        .limit(given("limit", outbox.c.sequence))
    )
)


def _at(past: Table, present: Table, who: str, *names: str) -> tuple[Statement, Statement]:
    """Return the statements that list what held of some at a moment: what goes on, and what has ended since."""
    of = given("organization_id")
    going_on = (present.c.organization_id == of, among(present.c[who], given("ids")), present.c.since <= given("at"))
    ended = (
        past.c.organization_id == of,
        among(past.c[who], given("ids")),
        past.c.until > given("at"),
        past.c.since <= given("at"),
    )
    return (
        Statement(lambda _: select(*(present.c[name] for name in names)).where(*going_on).order_by(present.c[who])),
        Statement(lambda _: select(*(past.c[name] for name in names)).where(*ended).order_by(past.c[who])),
    )


_MEMBERSHIP: Final = ("group_id", "since", "source", "user_id")
# SCIM's after those of logins: of two that say the same, it is the one that is told.
MEMBERSHIPS_AT: Final = (
    _at(past_memberships, login_memberships, "user_id", *_MEMBERSHIP)[0],
    *_at(past_memberships, memberships, "user_id", *_MEMBERSHIP),
)
NESTINGS_AT: Final = _at(past_children, group_children, "child_id", "child_id", "parent_id", "since")


def _old(table: Table, who: str, where: str) -> Statement:
    key = (who, "until", where, "since")

    def build(database: Database) -> ClauseElement:
        old = (
            select(*(table.c[name] for name in key))
            .where(table.c.organization_id == given("organization_id"), table.c.until < given("at"))
            .limit(literal_column(str(PRUNED_AT_ONCE)))
        )
        found = old.subquery("old")
        same = [table.c[name] == found.c[name] for name in key]
        of = table.c.organization_id == given("organization_id")
        if database is Database.POSTGRES:
            return delete(table).where(of, *same)
        one_of_them = select(literal_column("1")).select_from(found).where(*same).correlate(table).exists()
        return delete(table).where(of, table.c.until < given("at"), one_of_them)

    return Statement(build)


PRUNE: Final = (
    _old(past_memberships, "user_id", "group_id"),
    _old(past_children, "child_id", "parent_id"),
)

FORGET_NAME: Final = Statement(
    lambda _: (
        update(departed)
        .where(departed.c.organization_id == given("organization_id"), departed.c.id == given("of"))
        .values(name=literal_column("''"), external_id=literal_column("NULL"), name_key=literal_column("NULL"))
    )
)
FORGET_ASSIGNMENTS: Final = Statement(
    lambda _: (
        update(manual_assignments)
        .where(
            manual_assignments.c.organization_id == given("organization_id"),
            manual_assignments.c.user_id == given("of"),
        )
        .values(reason=literal_column("''"), ended_reason=literal_column("''"))
    )
)
TOLD: Final = Statement(
    lambda database: select(outbox.c.sequence, outbox.c.payload).where(
        outbox.c.organization_id == given("organization_id"),
        (_instr(database, outbox.c.payload) > literal_column("0")),
    )
)
TELL_AGAIN: Final = Statement(
    lambda _: (
        update(outbox)
        .where(
            outbox.c.organization_id == given("organization_id"), outbox.c.sequence == given("of", outbox.c.sequence)
        )
        .values(payload=given("text"))
    )
)


def _instr(database: Database, column: Any) -> Any:
    return (func.instr if database is Database.SQLITE else func.strpos)(column, given("user_id"))


class History(Scope):
    """The past of one organization's directory."""

    __slots__ = ()

    def memberships_at(self, user_ids: Iterable[str], at: datetime) -> dict[str, list[HeldMembership]]:
        """Return in which groups each of the users was directly at a moment, as far as is kept."""
        found: dict[str, dict[str, HeldMembership]] = {}
        for batch in in_batches(sorted(set(user_ids))):
            rows = [row for one in MEMBERSHIPS_AT for row in self._all(one, ids=json_list(batch), at=stamp(at))]
            for group_id, since, source, user_id in rows:
                held = HeldMembership(group_id, moment(since), MembershipSource(source))
                found.setdefault(user_id, {})[group_id] = held
        return {user_id: [held[id_] for id_ in sorted(held)] for user_id, held in found.items()}

    def nestings_at(self, child_ids: Iterable[str], at: datetime) -> list[HeldNesting]:
        """Return what each of the groups was in directly at a moment."""
        rows = [
            row
            for batch in in_batches(sorted(set(child_ids)))
            for one in NESTINGS_AT
            for row in self._all(one, ids=json_list(batch), at=stamp(at))
        ]
        return [HeldNesting(child_id, parent_id, moment(since)) for child_id, parent_id, since in rows]

    def departed_users(self, name: str) -> list[Departed]:
        """Return users who had this userName, in any case, whoever was deleted last first (at most 20)."""
        if not storable(name) or not name:
            return []
        return list(map(_departed, self._all(DEPARTED_NAMED, kind=USER, name_key=folded_key(name))))

    def departed_before_at(self, name: str) -> list[Departed]:
        """Return users whose userName had `name` before its `@`, whoever was deleted last first (at most 20)."""
        if not storable(name) or not name:
            return []
        key = folded_key(name)
        return list(map(_departed, self._all(DEPARTED_BETWEEN, kind=USER, from_key=f"{key}@", to_key=f"{key}A")))

    def departed_after(self, at: datetime, *, after: str, limit: int) -> list[tuple[str, str]]:
        """Return (id, userName) of users deleted after a moment, in the order of their ids."""
        rows = self._all(DEPARTED_AFTER, kind=USER, at=stamp(at), after=after, limit=limit)
        return [(id_, name) for id_, name in rows]

    def forget_person(self, user_id: str) -> int:
        """Take a deleted user's name, and what people wrote of them, out of what is kept beside the audit.

        Returns how many rows of the outbox told of a cause; they keep the change and lose the cause.
        """
        scope = {"organization_id": self._organization_id}
        self._link.run(FORGET_NAME, **scope, of=user_id)
        self._link.run(FORGET_ASSIGNMENTS, **scope, of=user_id)
        rows: list[dict[str, Any]] = []
        for sequence, text in self._all(TOLD, user_id=user_id):
            payload = json.loads(text)
            if payload.get("user_id") == user_id and payload.get("cause"):
                rows.append({**scope, "of": sequence, "text": json.dumps({**payload, "cause": ""}, ensure_ascii=False)})
        self._link.run_many(TELL_AGAIN, rows)
        return len(rows)

    def prune(self, until: datetime) -> bool:
        """Delete some of what ended before a moment; return whether there may be more."""
        scope = {"organization_id": self._organization_id, "at": stamp(until)}
        gone = [self._link.run(statement, **scope) for statement in PRUNE]
        return max(gone) >= PRUNED_AT_ONCE

    def _all(self, statement: Statement, **values: Any) -> list[Row]:
        return self._link.all(statement, organization_id=self._organization_id, **values)


def _departed(row: Row) -> Departed:
    id_, kind, connection_id, name, external_id, deleted = row
    return Departed(id_, kind, connection_id, name, external_id, moment(deleted))
