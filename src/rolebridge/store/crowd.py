"""Everybody of an organization, a block at a time and in bare rows: what a plan reads to tell who fares alike.

The directory is gone through in ranges of ids, so that each statement reads a piece of an index; of a range only those
are read whom the plan can concern.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, distinct, func, literal_column, select, union

from rolebridge.core.directory import MembershipSource
from rolebridge.core.grants import GrantState
from rolebridge.store.asserted import ASSERTED, from_both
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, among, given, json_list
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import group_ancestors, group_children, users
from rolebridge.store.tables.grants import grants, manual_assignments, rechecks

_OWNER: Final = (connections.c.organization_id == users.c.organization_id) & (connections.c.id == users.c.connection_id)
# Between the columns of a grant in one text: no id holds it.
_BETWEEN: Final[ColumnElement[str]] = literal_column("'|'")
_EFFECTIVE: Final = grants.c.state == literal_column(f"'{GrantState.EFFECTIVE}'")
_SHOWN: Final = (
    "workspace", "slot", "project", "role", "state", "source", "rule", "lock", "reach", "override",
    "acts_as_slot", "acts_as_role", "valid_from", "valid_until",
)  # fmt: skip


def _within(table: Table) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.organization_id == given("organization_id"),
        table.c.user_id > given("after"),
        table.c.user_id <= given("last"),
    )


def _shape() -> ColumnElement[str]:
    first, *others = (func.coalesce(grants.c[name], literal_column("''")) for name in _SHOWN)
    text: ColumnElement[str] = first
    for column in others:
        text = text.concat(_BETWEEN).concat(column)
    return text


def _of(table: Table) -> tuple[ColumnElement[bool], ...]:
    return (table.c.organization_id == given("organization_id"), among(table.c.user_id, given("ids")))


def _in_groups(database: Database, table: Table) -> ColumnElement[bool]:
    """That a membership is in one of the groups: by the range of people, not by the groups, if there is a choice."""
    if database is Database.POSTGRES:
        return among(table.c.group_id, given("groups"))
    # No index understands the column put so.
    return among(table.c.group_id.concat(literal_column("''")), given("groups"))


def _memberships(table: Table) -> Select[Any]:
    return select(table.c.user_id, table.c.group_id, table.c.since, table.c.source).where(*_of(table))


IDS: Final = Statement(
    lambda _: (
        select(users.c.id)
        .where(users.c.organization_id == given("organization_id"), users.c.id > given("after"))
        .order_by(users.c.id)
        .limit(given("limit", users.c.version))
    )
)
CONCERNED: Final = Statement(
    lambda database: union(
        *(select(table.c.user_id).where(*_within(table), _in_groups(database, table)) for table in ASSERTED),
        select(rechecks.c.user_id).where(*_within(rechecks)),
        select(grants.c.user_id).where(*_within(grants), grants.c.held_since.is_not(None)),
    )
)
BELOW: Final = Statement(
    lambda _: (
        select(group_ancestors.c.group_id)
        .distinct()
        .where(
            group_ancestors.c.organization_id == given("organization_id"),
            among(group_ancestors.c.ancestor_id, given("groups")),
        )
    )
)
ROLES: Final = Statement(
    lambda _: (
        select(grants.c.workspace, grants.c.slot, grants.c.role, func.count(distinct(grants.c.user_id)))
        .where(grants.c.organization_id == given("organization_id"), _EFFECTIVE)
        .group_by(grants.c.workspace, grants.c.slot, grants.c.role)
    )
)
SEATS: Final = Statement(
    lambda _: (
        select(grants.c.workspace, func.count(distinct(grants.c.user_id)))
        .where(grants.c.organization_id == given("organization_id"), _EFFECTIVE)
        .group_by(grants.c.workspace)
    )
)
PEOPLE: Final = Statement(
    lambda _: (
        select(users.c.id, users.c.user_name, users.c.user_key, users.c.active, connections.c.name, users.c.body)
        .join(connections, _OWNER)
        .where(users.c.organization_id == given("organization_id"), among(users.c.id, given("ids")))
        .order_by(users.c.id)
    )
)
MEMBERSHIPS: Final = Statement(lambda _: from_both(_memberships, 1, 2))
GRANTS: Final = Statement(
    lambda _: (
        select(grants.c.user_id, _shape(), grants.c.because, grants.c.held_since)
        .where(*_of(grants))
        .order_by(*(grants.c[name] for name in ("user_id", "workspace", "slot", "project", "role")))
    )
)
BY_HAND: Final = Statement(
    lambda _: (
        select(manual_assignments.c.user_id)
        .distinct()
        .where(*_of(manual_assignments), manual_assignments.c.ended_at.is_(None))
    )
)
BY_HAND_WITHIN: Final = Statement(
    lambda _: (
        select(manual_assignments.c.user_id)
        .distinct()
        .where(*_within(manual_assignments), manual_assignments.c.ended_at.is_(None))
    )
)
RECHECKS: Final = Statement(
    lambda _: (
        select(rechecks.c.user_id, rechecks.c.workspace, rechecks.c.due)
        .where(*_of(rechecks))
        .order_by(rechecks.c.user_id, rechecks.c.workspace)
    )
)
NESTED: Final = Statement(
    lambda _: (
        select(group_children.c.child_id).distinct().where(group_children.c.organization_id == given("organization_id"))
    )
)


class Passer(NamedTuple):
    """A user as a row."""

    id: str
    user_name: str
    user_key: str
    active: bool
    connection: str
    body: str


class Crowd(Scope):
    """Everybody of one organization."""

    __slots__ = ()

    def ids(self, after: str, limit: int) -> list[str]:
        """Return the ids of the users that follow `after`, in order."""
        rows = self._link.all(IDS, organization_id=self._organization_id, after=after, limit=limit)
        return [user_id for (user_id,) in rows]

    def concerned(self, after: str, last: str, groups: str, *, by_hand: bool) -> set[str]:
        """Return the ids, after one and up to another, of the users whom a change of some groups' meaning can concern.

        Those directly in one of `groups` (a JSON array), those who are to be looked at again on some day, those who
        have a grant that is held, and with `by_hand` those to whom a hand has given something.
        """
        within = {"organization_id": self._organization_id, "after": after, "last": last}
        found = {user_id for (user_id,) in self._link.all(CONCERNED, **within, groups=groups)}
        if by_hand:
            found.update(user_id for (user_id,) in self._link.all(BY_HAND_WITHIN, **within))
        return found

    def below(self, groups: Iterable[str]) -> set[str]:
        """Return the ids of the groups that are in one of `groups`, however deep."""
        rows = self._link.all(BELOW, organization_id=self._organization_id, groups=json_list(groups))
        return {group_id for (group_id,) in rows}

    def holders(self) -> dict[tuple[str, ...], int]:
        """Return how many users hold something in a workspace, and by (workspace, slot, role) how many hold that."""
        found: dict[tuple[str, ...], int] = {}
        for statement in (SEATS, ROLES):
            for *what, number in self._link.all(statement, organization_id=self._organization_id):
                found[tuple(what)] = number
        return found

    def people(self, ids: str) -> list[Passer]:
        """Return users by a JSON array of their ids, in the order of the ids."""
        return [Passer(*row) for row in self._link.all(PEOPLE, **self._of(ids))]

    def memberships(self, ids: str, groups: frozenset[str]) -> dict[str, list[tuple[str, str, str]]]:
        """Return (group id, since, source) of the users' direct memberships in `groups`."""
        found: dict[str, list[tuple[str, str, str]]] = {}
        for user_id, group_id, since, source in self._link.all(MEMBERSHIPS, **self._of(ids)):
            if group_id not in groups:
                continue
            held = found.setdefault(user_id, [])
            if held and held[-1][0] == group_id:  # SCIM and a login say so
                held[-1] = (group_id, since, source) if source == MembershipSource.SCIM else held[-1]
            else:
                held.append((group_id, since, source))
        return found

    def grants(self, ids: str) -> dict[str, list[tuple[str, str, str | None]]]:
        """Return (what is shown of it, because, held since) of the users' grants."""
        found: dict[str, list[tuple[str, str, str | None]]] = {}
        for user_id, shape, because, held in self._link.all(GRANTS, **self._of(ids)):
            found.setdefault(user_id, []).append((shape, because, held))
        return found

    def by_hand(self, ids: str) -> set[str]:
        """Return the ids of those of the users to whom a hand has given something."""
        return {user_id for (user_id,) in self._link.all(BY_HAND, **self._of(ids))}

    def rechecks(self, ids: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """Return (workspace, day) of the users' rechecks."""
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        for user_id, workspace, due in self._link.all(RECHECKS, **self._of(ids)):
            found[user_id] = (*found.get(user_id, ()), (workspace, due))
        return found

    def nested(self) -> set[str]:
        """Return the ids of the groups that are in other groups."""
        return {group_id for (group_id,) in self._link.all(NESTED, organization_id=self._organization_id)}

    def _of(self, ids: str) -> dict[str, str]:
        return {"organization_id": self._organization_id, "ids": ids}
