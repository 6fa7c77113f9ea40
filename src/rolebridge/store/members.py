"""Who is in an organization, a workspace or a project, page by page; and one question about one role."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, literal_column, or_, select, union

from rolebridge.core.catalogue import Reach
from rolebridge.core.grants import GrantState
from rolebridge.store.documents import folded_key
from rolebridge.store.links import Row
from rolebridge.store.records import Person
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, among, given, json_list, storable
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import users
from rolebridge.store.tables.grants import grants

_OWNER: Final = and_(
    connections.c.organization_id == users.c.organization_id, connections.c.id == users.c.connection_id
)
_LAST_CHARACTER: Final = "\U0010ffff"
_EFFECTIVE: Final = grants.c.state == literal_column(f"'{GrantState.EFFECTIVE}'")
_ROWS: Final = given("limit", grants.c.revision)


def _people() -> Select[Any]:
    return (
        select(users.c.id, users.c.user_name, users.c.display_name, users.c.active, connections.c.name)
        .join(connections, _OWNER)
        .where(users.c.organization_id == given("organization_id"))
    )


def _holds_in_workspace() -> ColumnElement[bool]:
    """Return that the user has a role in the workspace: a look into the grants' primary key."""
    return exists(
        select(literal_column("1")).where(
            grants.c.organization_id == given("organization_id"),
            grants.c.user_id == users.c.id,
            grants.c.workspace == given("workspace"),
            _EFFECTIVE,
        )
    )


def _named(_: Database, *, within: bool) -> Select[Any]:
    found = _people().where(
        users.c.user_key > given("after"),
        users.c.user_key >= given("from_key"),
        users.c.user_key < given("to_key"),
    )
    found = found.where(_holds_in_workspace()) if within else found
    return found.add_columns(users.c.user_key).order_by(users.c.user_key).limit(_ROWS)


NAMED: Final = {within: Statement(partial(_named, within=within)) for within in (False, True)}
PEOPLE: Final = Statement(lambda _: _people().where(among(users.c.id, given("ids"))).order_by(users.c.id))
# At most two: whose userName it is, and whose id. Both are found in an index.
CALLED: Final = Statement(
    lambda _: (
        _people()
        .where(or_(users.c.user_key == given("user_key"), users.c.id == given("id")))
        .add_columns(users.c.user_key)
    )
)
# In the order of users, of whom every one is looked up in the grants: whatever part of them is in the workspace, all
# pages together cost no more than one look for each.
IN_WORKSPACE: Final = Statement(
    lambda _: (
        select(users.c.id)
        .where(users.c.organization_id == given("organization_id"), users.c.id > given("after"), _holds_in_workspace())
        .order_by(users.c.id)
        .limit(_ROWS)
    )
)


def _in_project(_: Database) -> Select[Any]:
    """Return the statement of who has a role in the project, and who has one that reaches every project."""
    mine = (
        grants.c.organization_id == given("organization_id"),
        grants.c.workspace == given("workspace"),
        grants.c.user_id > given("after"),
        _EFFECTIVE,
    )
    inside = select(grants.c.user_id).where(*mine, grants.c.project == given("project"))
    reaching = select(grants.c.user_id).where(
        *mine, grants.c.project == literal_column("''"), grants.c.reach == literal_column(f"'{Reach.ALL}'")
    )
    parts = [
        part.distinct().order_by(grants.c.user_id).limit(_ROWS).subquery(name)
        for part, name in ((inside, "inside"), (reaching, "reaching"))
    ]
    both = union(*(select(part.c.user_id) for part in parts)).subquery("members")
    return select(both.c.user_id).order_by(both.c.user_id).limit(_ROWS)


IN_PROJECT: Final = Statement(_in_project)
HOLDS: Final = Statement(
    lambda _: (
        select(literal_column("1"))
        .where(
            grants.c.organization_id == given("organization_id"),
            grants.c.user_id == given("user_id"),
            grants.c.workspace == given("workspace"),
            grants.c.project == given("project"),
            or_(
                and_(grants.c.slot == given("slot"), grants.c.role == given("role")),
                and_(grants.c.acts_as_slot == given("slot"), grants.c.acts_as_role == given("role")),
            ),
            _EFFECTIVE,
            or_(grants.c.valid_until.is_(None), grants.c.valid_until >= given("today")),
        )
        .limit(literal_column("1"))
    )
)


class Members(Scope):
    """The people of one organization, as members."""

    __slots__ = ()

    def named(self, prefix: str, after: str, limit: int, workspace: str | None = None) -> list[tuple[Person, str]]:
        """Return people whose userName begins with `prefix`, apart from case, each with the place to go on after.

        With `workspace`, only people who hold something there. In the order of userNames, apart from case.
        """
        begins = folded_key(prefix)
        values: dict[str, Any] = {
            "after": after,
            "from_key": begins,
            "to_key": begins + _LAST_CHARACTER,
            "limit": limit,
        }
        if workspace is not None:
            values["workspace"] = workspace
        statement = NAMED[workspace is not None]
        rows = self._link.all(statement, organization_id=self._organization_id, **values)
        return [(_person(row[:-1]), row[-1]) for row in rows]

    def called(self, name: str) -> Person | None:
        """Return the user with this userName, apart from case, else the one with this id."""
        if not storable(name):
            return None
        key = folded_key(name)
        rows = self._link.all(CALLED, organization_id=self._organization_id, user_key=key, id=name)
        rows.sort(key=lambda row: row[-1] != key)
        return _person(rows[0][:-1]) if rows else None

    def people(self, ids: Sequence[str]) -> dict[str, Person]:
        """Return those of the users that there are, by id."""
        rows = self._link.all(PEOPLE, organization_id=self._organization_id, ids=json_list(ids))
        return {row[0]: _person(row) for row in rows}

    def in_workspace(self, workspace: str, after: str, limit: int) -> list[str]:
        """Return the ids of users who hold something in a workspace, in their order, those after `after`."""
        values = {"workspace": workspace, "after": after, "limit": limit}
        return [id_ for (id_,) in self._link.all(IN_WORKSPACE, organization_id=self._organization_id, **values)]

    def in_project(self, workspace: str, project: str, after: str, limit: int) -> list[str]:
        """Return the ids of users who hold something in a project, or something that reaches every project."""
        values = {"workspace": workspace, "project": project, "after": after, "limit": limit}
        return [id_ for (id_,) in self._link.all(IN_PROJECT, organization_id=self._organization_id, **values)]

    def holds(self, user_id: str, workspace: str, project: str, slot: str, role: str, today: date) -> bool:
        """Return whether a user holds a role in one scope, under its own name or as what `inherit` acts as."""
        if not storable(user_id + workspace + project + slot + role):
            return False
        row = self._link.one(
            HOLDS,
            organization_id=self._organization_id,
            user_id=user_id,
            workspace=workspace,
            project=project,
            slot=slot,
            role=role,
            today=today.isoformat(),
        )
        return row is not None


def _person(row: Row) -> Person:
    id_, user_name, display_name, active, connection = row
    return Person(id_, user_name, display_name or "", bool(active), connection)
