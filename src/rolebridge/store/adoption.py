"""Adoption: users and groups of one connection become another's, with everything that hangs on them.

A membership joins a user and a group of one connection. So where only one of the two moves, it ends; and a group in
another group likewise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, func, or_, select, update
from sqlalchemy.sql import ClauseElement

from rolebridge.store.documents import restamped, stamp
from rolebridge.store.groups import bump_groups
from rolebridge.store.history import Ending
from rolebridge.store.links import in_batches
from rolebridge.store.scope import GROUP, USER, Scope
from rolebridge.store.statements import Database, Statement, among, given, json_list, next_sequence
from rolebridge.store.tables.directory import group_children, groups, memberships, users
from rolebridge.store.tables.logins import login_memberships
from rolebridge.store.tables.sealing import past_children, past_memberships

_TABLES: Final = {USER: users, GROUP: groups}


@dataclass(frozen=True, slots=True)
class Collision:
    """Why a resource cannot move: the target has another one with the same value of an attribute.

    `kind` is "user" or "group", `name` the resource's userName or displayName, `other` that of the one in its way.
    """

    kind: str
    name: str
    attribute: str
    other: str


@dataclass(frozen=True, slots=True)
class Parting:
    """A membership that ends: of the user or group `member_id` in the group `group_id`."""

    group_id: str
    member_id: str
    kind: str


def _name(table: Table) -> Any:
    return table.c.user_name if table is users else table.c.display


def _all_of(_: Database, *, table: Table) -> Select[Any]:
    return (
        select(table.c.id, _name(table))
        .where(table.c.organization_id == given("organization_id"), table.c.connection_id == given("connection_id"))
        .order_by(table.c.sequence, table.c.id)
    )


def _moving(_: Database, *, table: Table) -> Select[Any]:
    return (
        select(table.c.id, table.c.version, table.c.body)
        .where(table.c.organization_id == given("organization_id"), among(table.c.id, given("ids")))
        .with_for_update()
    )


def _move(database: Database, *, table: Table) -> ClauseElement:
    """Return the update that makes a row the target's; it comes last there, in the order of the moves."""
    if database is Database.SQLITE:
        sequence: Any = next_sequence(table)
    else:
        sequence = func.nextval(func.pg_get_serial_sequence(table.name, "sequence"))
    return (
        update(table)
        .where(table.c.organization_id == given("organization_id"), table.c.id == given("of"))
        .values(
            connection_id=given("connection_id"),
            sequence=sequence,
            version=given("new_version", table.c.version),
            last_modified=given("at"),
            body=given("text"),
        )
    )


def _colliding(_: Database, *, table: Table, key: str) -> Select[Any]:
    other = table.alias("other")
    return (
        select(_name(table), other.c.user_name if table is users else other.c.display)
        .join(
            other,
            (other.c.organization_id == table.c.organization_id)
            & (other.c[key] == table.c[key])
            & (other.c.connection_id == given("connection_id")),
        )
        .where(table.c.organization_id == given("organization_id"), among(table.c.id, given("ids")))
        .order_by(_name(table))
    )


def _crossing(_: Database, *, by: str) -> Select[Any]:
    """Return the memberships of these users (or groups) whose user and group are of different connections."""
    return (
        select(memberships.c.group_id, memberships.c.user_id)
        .join(users, (users.c.organization_id == memberships.c.organization_id) & (users.c.id == memberships.c.user_id))
        .join(
            groups,
            (groups.c.organization_id == memberships.c.organization_id) & (groups.c.id == memberships.c.group_id),
        )
        .where(memberships.c.organization_id == given("organization_id"), among(memberships.c[by], given("ids")))
        .where(users.c.connection_id != groups.c.connection_id)
    )


def _nested_apart(_: Database) -> Select[Any]:
    parent, child = groups.alias("parent"), groups.alias("child")
    return (
        select(group_children.c.parent_id, group_children.c.child_id)
        .join(
            parent,
            (parent.c.organization_id == group_children.c.organization_id)
            & (parent.c.id == group_children.c.parent_id),
        )
        .join(
            child,
            (child.c.organization_id == group_children.c.organization_id) & (child.c.id == group_children.c.child_id),
        )
        .where(
            group_children.c.organization_id == given("organization_id"),
            or_(among(group_children.c.parent_id, given("ids")), among(group_children.c.child_id, given("ids"))),
            parent.c.connection_id != child.c.connection_id,
        )
    )


ALL_OF: Final = {kind: Statement(partial(_all_of, table=table)) for kind, table in _TABLES.items()}
MOVING: Final = {kind: Statement(partial(_moving, table=table)) for kind, table in _TABLES.items()}
MOVE: Final = {kind: Statement(partial(_move, table=table)) for kind, table in _TABLES.items()}
COLLIDING: Final = {
    (USER, "externalId"): Statement(partial(_colliding, table=users, key="external_key")),
    (GROUP, "displayName"): Statement(partial(_colliding, table=groups, key="display_key")),
    (GROUP, "externalId"): Statement(partial(_colliding, table=groups, key="external_key")),
}
CROSSING: Final = {
    USER: Statement(partial(_crossing, by="user_id")),
    GROUP: Statement(partial(_crossing, by="group_id")),
}
NESTED_APART: Final = Statement(_nested_apart)
END_MEMBERSHIP: Final = Ending(
    memberships,
    past_memberships,
    "user_id",
    lambda _: (
        memberships.c.organization_id == given("organization_id"),
        memberships.c.group_id == given("group_id"),
        memberships.c.user_id == given("member_id"),
    ),
)


def _of_moving(_: Database, *, by: str) -> tuple[ColumnElement[bool], ...]:
    own = login_memberships.c
    return (own.organization_id == given("organization_id"), among(own[by], given("ids")))


END_LOGINS: Final = {
    kind: Ending(login_memberships, past_memberships, "user_id", partial(_of_moving, by=by))
    for kind, by in ((USER, "user_id"), (GROUP, "group_id"))
}
END_NESTING: Final = Ending(
    group_children,
    past_children,
    "child_id",
    lambda _: (
        group_children.c.organization_id == given("organization_id"),
        group_children.c.parent_id == given("group_id"),
        group_children.c.child_id == given("member_id"),
    ),
)


class Adoption(Scope):
    """Moves within one organization. Who calls has locked the organization exclusively."""

    __slots__ = ()

    def all_of(self, kind: str, connection_id: str) -> list[tuple[str, str]]:
        """Return id and name of every user or group of a connection, in the order of their creation."""
        scope = {"organization_id": self._organization_id, "connection_id": connection_id}
        return [(row[0], row[1]) for row in self._link.all(ALL_OF[kind], **scope)]

    def collisions(self, kind: str, ids: Sequence[str], target_id: str) -> list[Collision]:
        """Return what of these users or groups cannot become the target connection's, and why."""
        found = []
        for (of_kind, attribute), statement in COLLIDING.items():
            for batch in in_batches(ids if of_kind == kind else ()):
                scope = {"organization_id": self._organization_id, "connection_id": target_id}
                rows = self._link.all(statement, **scope, ids=json_list(batch))
                found += [Collision(kind, name, attribute, other) for name, other in rows]
        return found

    def move(self, kind: str, ids: Sequence[str], source_id: str, target_id: str, now: datetime) -> None:
        """Make users or groups of the source connection the target's, each one version later, in this order."""
        at, scope = stamp(now), {"organization_id": self._organization_id}
        for batch in in_batches(ids):
            found = {row[0]: row[1:] for row in self._link.all(MOVING[kind], **scope, ids=json_list(batch))}
            rows = [
                {
                    **scope,
                    "of": id_,
                    "connection_id": target_id,
                    "new_version": found[id_][0] + 1,
                    "at": at,
                    "text": restamped(found[id_][1], found[id_][0] + 1, at),
                }
                for id_ in batch
            ]
            self._link.run_many(MOVE[kind], rows)
        self._count(source_id, kind, -len(ids))
        self._count(target_id, kind, len(ids))

    def part(self, user_ids: Sequence[str], group_ids: Sequence[str], now: datetime) -> list[Parting]:
        """End the memberships between what has moved and what has stayed; the groups get new versions."""
        crossing = {pair for batch in in_batches(user_ids) for pair in self._pairs(CROSSING[USER], batch)}
        crossing |= {pair for batch in in_batches(group_ids) for pair in self._pairs(CROSSING[GROUP], batch)}
        nested = {pair for batch in in_batches(group_ids) for pair in self._pairs(NESTED_APART, batch)}
        partings = [Parting(*pair, USER) for pair in sorted(crossing)] + [
            Parting(*pair, GROUP) for pair in sorted(nested)
        ]
        scope = {"organization_id": self._organization_id}
        for parting in partings:
            ending = END_MEMBERSHIP if parting.kind == USER else END_NESTING
            ending.end(self._link, now, **scope, group_id=parting.group_id, member_id=parting.member_id)
        bump_groups(self._link, self._organization_id, sorted({parting.group_id for parting in partings}), now)
        return partings

    def end_logins(self, user_ids: Sequence[str], group_ids: Sequence[str], now: datetime) -> list[str]:
        """End what logins state of those who move, or are in what moves; return of whom something ended."""
        scope = {"organization_id": self._organization_id}
        ended: set[str] = set()
        for kind, ids in ((USER, user_ids), (GROUP, group_ids)):
            for batch in in_batches(ids):
                ended.update(END_LOGINS[kind].end(self._link, now, **scope, ids=json_list(batch)))
        return sorted(ended)

    def _pairs(self, statement: Statement, ids: Iterable[str]) -> list[tuple[str, str]]:
        rows = self._link.all(statement, organization_id=self._organization_id, ids=json_list(ids))
        return [(row[0], row[1]) for row in rows]
