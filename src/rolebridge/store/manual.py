"""Assignments by hand, ended ones included: nothing that somebody once gave is ever forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, or_, select, update

from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.errors import Invalid
from rolebridge.store.documents import day_or_none, day_text, moment, moment_or_none, stamp
from rolebridge.store.links import Row, in_batches
from rolebridge.store.records import ListedManual
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Statement, among, given, insert_into, json_list, storable
from rolebridge.store.tables.directory import users
from rolebridge.store.tables.grants import manual_assignments

_MANUAL: Final = ("id", "user_id", "workspace", "slot", "project", "role", "by", "at", "reason", "until", "imported")
_ENDED: Final = ("ended_at", "ended_by", "ended_reason")
_COLUMNS: Final = tuple(manual_assignments.c[name] for name in _MANUAL)
_OWN: Final = manual_assignments.c.organization_id == given("organization_id")
_LIVE: Final = manual_assignments.c.ended_at.is_(None)

INSERT_MANUAL: Final = Statement(lambda db: insert_into(db, manual_assignments))
MANUAL_OF_USERS: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(_OWN, among(manual_assignments.c.user_id, given("ids")), _LIVE)
        .order_by(manual_assignments.c.user_id, manual_assignments.c.id)
    )
)
MANUAL: Final = Statement(lambda _: select(*_COLUMNS).where(_OWN, manual_assignments.c.id == given("id"), _LIVE))
END_MANUAL: Final = Statement(
    lambda _: (
        update(manual_assignments)
        .where(_OWN, manual_assignments.c.id == given("of"), _LIVE)
        .values(ended_at=given("at"), ended_by=given("actor"), ended_reason=given("why"))
    )
)
MANUAL_AT: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(
            _OWN,
            among(manual_assignments.c.user_id, given("ids")),
            manual_assignments.c.at <= given("moment"),
            or_(_LIVE, manual_assignments.c.ended_at > given("moment")),
        )
        .order_by(manual_assignments.c.user_id, manual_assignments.c.id)
    )
)
ENDED_OF_USER: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(_OWN, manual_assignments.c.user_id == given("user_id"), manual_assignments.c.ended_at.isnot(None))
        .order_by(manual_assignments.c.id)
    )
)
# In no order: by one, SQLite would rather read the organization.
HOLDERS_BY_HAND: Final = Statement(
    lambda _: select(manual_assignments.c.user_id).where(
        _OWN, manual_assignments.c.workspace == given("workspace"), _LIVE
    )
)
HOLDERS_BY_HAND_IN: Final = Statement(
    lambda _: select(manual_assignments.c.user_id).where(
        _OWN,
        manual_assignments.c.workspace == given("workspace"),
        manual_assignments.c.project == given("project"),
        _LIVE,
    )
)
IMPORTED: Final = Statement(
    lambda _: (
        select(manual_assignments.c.workspace, func.count())
        .where(_OWN, _LIVE, manual_assignments.c.imported.is_(True))
        .group_by(manual_assignments.c.workspace)
    )
)


class ManualKey(NamedTuple):
    """The place of an assignment in listings; `project` is "" for the workspace itself."""

    workspace: str
    project: str
    id: str


class ByHand(Scope):
    """The assignments by hand of one organization."""

    __slots__ = ()

    def add_manual(self, assignment: ManualAssignment) -> None:
        """Record an assignment by hand. Raises `Invalid` for a reason that cannot be stored."""
        self.add_manual_many([assignment])

    def add_manual_many(self, assignments: Iterable[ManualAssignment]) -> None:
        """Record assignments by hand. Raises `Invalid` for a reason that cannot be stored."""
        self._link.run_many(INSERT_MANUAL, (self._manual_row(one) for one in assignments))

    def _manual_row(self, assignment: ManualAssignment) -> dict[str, Any]:
        if not storable(assignment.reason):
            raise Invalid("the reason holds a character that cannot be stored", "reason")
        row = {name: getattr(assignment, name) for name in _MANUAL}
        row |= {"at": stamp(assignment.at), "until": day_text(assignment.until)}
        return {"organization_id": self._organization_id, **row, **dict.fromkeys(_ENDED)}

    def end_manual(self, id: str, *, actor: str, reason: str, now: datetime) -> bool:
        """End an assignment by hand; the record stays. Return whether it was in force."""
        if not storable(id):
            return False
        if not storable(reason):
            raise Invalid("the reason holds a character that cannot be stored", "reason")
        values = {"of": id, "actor": actor, "why": reason, "at": stamp(now)}
        return self._link.run(END_MANUAL, organization_id=self._organization_id, **values) > 0

    def manual(self, id: str) -> ManualAssignment | None:
        """Return an assignment by hand that was not ended."""
        row = self._link.one(MANUAL, organization_id=self._organization_id, id=id) if storable(id) else None
        return _manual(row) if row else None

    def manual_of_users(self, user_ids: Iterable[str]) -> dict[str, list[ManualAssignment]]:
        """Return the assignments by hand of each of the users that were not ended, those past `until` included."""
        ids = sorted(set(user_ids))
        found: dict[str, list[ManualAssignment]] = {id_: [] for id_ in ids}
        for batch in in_batches(ids):
            for row in self._link.all(MANUAL_OF_USERS, organization_id=self._organization_id, ids=json_list(batch)):
                found[row[1]].append(_manual(row))
        return found

    def manual_at(self, user_id: str, at: datetime) -> list[ManualAssignment]:
        """Return what was given to a user by hand, and not ended, at a moment."""
        scope = {"organization_id": self._organization_id, "ids": json_list([user_id])}
        return [_manual(row) for row in self._link.all(MANUAL_AT, **scope, moment=stamp(at))]

    def ended_of_user(self, user_id: str) -> list[ManualAssignment]:
        """Return what was once given to a user by hand and was ended."""
        rows = self._link.all(ENDED_OF_USER, organization_id=self._organization_id, user_id=user_id)
        return [_manual(row) for row in rows]

    def holders_by_hand(self, workspace: str, project: str | None = None) -> list[str]:
        """Return, in order, the ids of users to whom a hand gave anything in a workspace, or in one project of it."""
        scope = {"organization_id": self._organization_id, "workspace": workspace}
        if project is not None:
            rows = self._link.all(HOLDERS_BY_HAND_IN, **scope, project=project)
        else:
            rows = self._link.all(HOLDERS_BY_HAND, **scope)
        return sorted({user_id for (user_id,) in rows})

    def imported(self) -> dict[str, int]:
        """Return how many imported assignments were not ended, by workspace."""
        rows = self._link.all(IMPORTED, organization_id=self._organization_id)
        return {workspace: int(count) for workspace, count in rows}

    def list_manual(
        self,
        *,
        workspace: str | None = None,
        project: str | None = None,
        user_id: str | None = None,
        ended: bool = False,
        after: ManualKey | None = None,
        limit: int = 100,
    ) -> list[ListedManual]:
        """Return assignments by hand in the order of (workspace, project, id), the next ones after `after`.

        `project` "" means the workspace itself, None any. With `ended`, those that were ended are among them.
        """
        wanted = {"workspace": workspace, "project": project, "user_id": user_id}
        shape = tuple(name for name, value in wanted.items() if value is not None)
        values: dict[str, Any] = {name: wanted[name] for name in shape}
        if any(not storable(value) for value in values.values()):
            return []
        if after is not None:
            values |= {f"after_{name}": value for name, value in after._asdict().items()}
        statement = LISTINGS[shape, ended, after is not None]
        rows = self._link.all(statement, organization_id=self._organization_id, limit=limit, **values)
        return [_listed(row) for row in rows]


# --- listings: one statement for each set of conditions

_PROJECT: Final = func.coalesce(manual_assignments.c.project, literal_column("''"))
_PLACE: Final[Mapping[str, ColumnElement[Any]]] = {
    "workspace": manual_assignments.c.workspace,
    "project": _PROJECT,
    "id": manual_assignments.c.id,
}


def _listing(shape: Sequence[str], *, ended: bool, after: bool) -> Statement:
    return Statement(lambda _: _select_listing(shape, ended=ended, after=after))


def _select_listing(shape: Sequence[str], *, ended: bool, after: bool) -> Select[Any]:
    columns = {**_PLACE, "user_id": manual_assignments.c.user_id}
    conditions: list[ColumnElement[bool]] = [columns[name] == given(name) for name in shape]
    if not ended:
        conditions.append(_LIVE)
    if after:
        conditions.append(_beyond([(column, given(f"after_{name}")) for name, column in _PLACE.items()]))
    owner = (users.c.organization_id == manual_assignments.c.organization_id) & (
        users.c.id == manual_assignments.c.user_id
    )
    return (
        select(*_COLUMNS, *(manual_assignments.c[name] for name in _ENDED), users.c.user_name, users.c.display_name)
        .select_from(manual_assignments.outerjoin(users, owner))
        .where(_OWN, *conditions)
        .order_by(*_PLACE.values())
        .limit(given("limit", users.c.version))
    )


def _beyond(pairs: Sequence[tuple[ColumnElement[Any], ColumnElement[Any]]]) -> ColumnElement[bool]:
    """Return the condition that columns come after values, the first of them put so that an index serves it."""
    (first, least), *_ = pairs
    ways = [
        and_(*(column == value for column, value in pairs[:at]), pairs[at][0] > pairs[at][1])
        for at in range(len(pairs))
    ]
    return and_(first >= least, or_(*ways))


SHAPES: Final = tuple(shape for size in range(4) for shape in combinations(("workspace", "project", "user_id"), size))
"""What a listing may be narrowed by, in the order of the names: nothing, one column, some, or all of them."""

LISTINGS: Final[Mapping[tuple[tuple[str, ...], bool, bool], Statement]] = {
    (shape, ended, after): _listing(shape, ended=ended, after=after)
    for shape in SHAPES
    for ended in (False, True)
    for after in (False, True)
}


# --- rows


def _manual(row: Row) -> ManualAssignment:
    id_, user_id, workspace, slot, project, role, by, at, reason, until, imported = row
    return ManualAssignment(
        id_,
        user_id,
        workspace,
        slot,
        project,
        role,
        by=by,
        at=moment(at),
        reason=reason,
        until=day_or_none(until),
        imported=bool(imported),
    )


def _listed(row: Row) -> ListedManual:
    ended_at, ended_by, ended_reason, user_name, display_name = row[len(_MANUAL) :]
    return ListedManual(
        _manual(row[: len(_MANUAL)]),
        user_name or "",
        display_name or "",
        moment_or_none(ended_at),
        ended_by or "",
        ended_reason or "",
    )
