"""Everybody of an organization, a block at a time and in bare rows: what a plan reads to tell who fares alike.

A block is a range of ids, so that each statement reads a piece of an index and none names the people one by one.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, func, literal_column, select

from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, among, given
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import group_children, memberships, users
from rolebridge.store.tables.grants import grants, manual_assignments, rechecks

_OWNER: Final = (connections.c.organization_id == users.c.organization_id) & (connections.c.id == users.c.connection_id)
# Between the columns of a grant in one text: no id holds it.
_BETWEEN: Final[ColumnElement[str]] = literal_column("'|'")
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


PEOPLE: Final = Statement(
    lambda _: (
        select(users.c.id, users.c.user_name, users.c.user_key, users.c.active, connections.c.name, users.c.body)
        .join(connections, _OWNER)
        .where(users.c.organization_id == given("organization_id"), users.c.id > given("after"))
        .order_by(users.c.id)
        .limit(given("limit", users.c.version))
    )
)


def _memberships(database: Database) -> Select[Any]:
    found = (
        select(memberships.c.user_id, memberships.c.group_id, memberships.c.since, memberships.c.source)
        .where(*_within(memberships))
        .order_by(memberships.c.user_id, memberships.c.group_id)
    )
    if database is Database.POSTGRES:  # which would go through the whole list of groups for each row
        return found
    # No index understands the column put so: the range of people is to be read, not the groups.
    return found.where(among(memberships.c.group_id.concat(literal_column("''")), given("groups")))


MEMBERSHIPS: Final = Statement(_memberships)
GRANTS: Final = Statement(
    lambda _: (
        select(grants.c.user_id, _shape(), grants.c.because, grants.c.held_since)
        .where(*_within(grants))
        .order_by(*(grants.c[name] for name in ("user_id", "workspace", "slot", "project", "role")))
    )
)
BY_HAND: Final = Statement(
    lambda _: (
        select(manual_assignments.c.user_id)
        .distinct()
        .where(*_within(manual_assignments), manual_assignments.c.ended_at.is_(None))
    )
)
RECHECKS: Final = Statement(
    lambda _: (
        select(rechecks.c.user_id, rechecks.c.workspace, rechecks.c.due)
        .where(*_within(rechecks))
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

    def people(self, after: str, limit: int) -> list[Passer]:
        """Return the users whose ids follow `after`, in the order of their ids."""
        rows = self._link.all(PEOPLE, organization_id=self._organization_id, after=after, limit=limit)
        return [Passer(*row) for row in rows]

    def memberships(
        self, after: str, last: str, groups: frozenset[str], listed: str
    ) -> dict[str, list[tuple[str, str, str]]]:
        """Return (group id, since, source) of the direct memberships of the users after one id and up to another.

        Only those in `groups`, which are given a second time as `listed`, the JSON array of them.
        """
        found: dict[str, list[tuple[str, str, str]]] = {}
        for user_id, group_id, since, source in self._link.all(MEMBERSHIPS, **self._range(after, last), groups=listed):
            if group_id in groups:
                found.setdefault(user_id, []).append((group_id, since, source))
        return found

    def grants(self, after: str, last: str) -> dict[str, list[tuple[str, str, str | None]]]:
        """Return (what is shown of it, because, held since) of the grants of the users in that range."""
        found: dict[str, list[tuple[str, str, str | None]]] = {}
        for user_id, shape, because, held in self._link.all(GRANTS, **self._range(after, last)):
            found.setdefault(user_id, []).append((shape, because, held))
        return found

    def by_hand(self, after: str, last: str) -> set[str]:
        """Return the ids of the users in that range to whom a hand has given something."""
        return {user_id for (user_id,) in self._link.all(BY_HAND, **self._range(after, last))}

    def rechecks(self, after: str, last: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """Return (workspace, day) of the rechecks of the users in that range."""
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        for user_id, workspace, due in self._link.all(RECHECKS, **self._range(after, last)):
            found[user_id] = (*found.get(user_id, ()), (workspace, due))
        return found

    def nested(self) -> set[str]:
        """Return the ids of the groups that are in other groups."""
        return {group_id for (group_id,) in self._link.all(NESTED, organization_id=self._organization_id)}

    def _range(self, after: str, last: str) -> dict[str, str]:
        return {"organization_id": self._organization_id, "after": after, "last": last}
