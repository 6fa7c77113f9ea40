"""Grants, and the days on which a user is to be resolved again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, delete, distinct, func, literal_column, select, tuple_, union_all, update

from rolebridge.core.assignment import Source
from rolebridge.core.grants import Grant, GrantKey, GrantState
from rolebridge.store.documents import day_or_none, day_text, moment_or_none, stamp_or_none
from rolebridge.store.links import Row, in_batches
from rolebridge.store.manual import SHAPES, ByHand
from rolebridge.store.records import GrantCounts, HeldGrant
from rolebridge.store.statements import Database, Statement, among, given, insert_into, json_list, storable
from rolebridge.store.tables.directory import users
from rolebridge.store.tables.grants import grants, rechecks

_COLUMNS: Final = tuple(column for column in grants.columns if column.name != "organization_id")
_KEY: Final = ("user_id", "workspace", "slot", "project", "role")
_CHANGING: Final = tuple(column for column in _COLUMNS if column.name not in _KEY)

_SAME: Final = (
    grants.c.organization_id == given("organization_id"),
    *(grants.c[name] == given(f"of_{name}") for name in _KEY),
)
INSERT: Final = Statement(lambda db: insert_into(db, grants))
DELETE: Final = Statement(lambda _: delete(grants).where(*_SAME))
UPDATE: Final = Statement(
    lambda _: update(grants).where(*_SAME).values({column.name: given(column.name, column) for column in _CHANGING})
)
OF_USERS: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(grants.c.organization_id == given("organization_id"), among(grants.c.user_id, given("ids")))
        .order_by(*(grants.c[name] for name in _KEY))
    )
)
OF_USERS_IN: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(
            grants.c.organization_id == given("organization_id"),
            among(grants.c.user_id, given("ids")),
            grants.c.workspace == given("workspace"),
        )
        .order_by(*(grants.c[name] for name in _KEY))
    )
)


def _through_rule(database: Database) -> Select[Any]:
    # The column names the first of several rules; the others stand in the provenance, where no text of a client can
    # spell a key. Two selects, each over a range: with OR, or with an equality beside what the index does not hold,
    # SQLite would rather read the organization.
    place = func.strpos if database is Database.POSTGRES else func.instr
    first = _people_of(grants.c.rule.between(given("rule"), given("rule")))
    beside = place(grants.c.because, given("named")) > literal_column("0")
    people = union_all(first, _people_of(grants.c.rule > literal_column("''"), beside))
    return select(func.count(distinct(people.subquery().c.user_id)))


def _people_of(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(grants.c.user_id).where(
        grants.c.organization_id == given("organization_id"),
        grants.c.workspace == given("workspace"),
        *conditions,
        grants.c.state == literal_column(f"'{GrantState.EFFECTIVE}'"),
        grants.c.user_id != given("except_user"),
    )


THROUGH_RULE: Final = Statement(_through_rule)
HOLDERS: Final = Statement(
    lambda _: (
        select(grants.c.user_id)
        .distinct()
        .where(grants.c.organization_id == given("organization_id"), grants.c.workspace == given("workspace"))
        .order_by(grants.c.user_id)
    )
)
HOLDERS_IN: Final = Statement(
    lambda _: (
        select(grants.c.user_id)
        .distinct()
        .where(
            grants.c.organization_id == given("organization_id"),
            grants.c.workspace == given("workspace"),
            grants.c.project == given("project"),
        )
        .order_by(grants.c.user_id)
    )
)
HOLD_ROLE: Final = Statement(
    lambda _: select(func.count(distinct(grants.c.user_id))).where(
        grants.c.organization_id == given("organization_id"),
        grants.c.workspace == given("workspace"),
        grants.c.project == given("project"),
        grants.c.slot == given("slot"),
        grants.c.role == given("role"),
        grants.c.state == GrantState.EFFECTIVE.value,
    )
)
COUNTS: Final = Statement(
    lambda _: (
        select(grants.c.state, func.count(), func.count(distinct(grants.c.user_id)))
        .where(grants.c.organization_id == given("organization_id"), grants.c.workspace == given("workspace"))
        .group_by(grants.c.state)
    )
)
WORKSPACES: Final = Statement(
    lambda _: (
        select(grants.c.workspace)
        .distinct()
        .where(grants.c.organization_id == given("organization_id"))
        .order_by(grants.c.workspace)
    )
)

INSERT_RECHECK: Final = Statement(lambda db: insert_into(db, rechecks))
DELETE_RECHECK: Final = Statement(
    lambda _: delete(rechecks).where(
        rechecks.c.organization_id == given("organization_id"),
        rechecks.c.user_id == given("user_id"),
        rechecks.c.workspace == given("workspace"),
    )
)
RECHECKS_OF: Final = Statement(
    lambda _: select(rechecks.c.user_id, rechecks.c.workspace, rechecks.c.due).where(
        rechecks.c.organization_id == given("organization_id"), among(rechecks.c.user_id, given("ids"))
    )
)
DUE: Final = Statement(
    lambda _: (
        select(rechecks.c.user_id)
        .where(rechecks.c.organization_id == given("organization_id"), rechecks.c.due <= given("day"))
        .order_by(rechecks.c.due)
        .limit(given("limit", grants.c.revision))
    )
)


class Grants(ByHand):
    """Grants and assignments by hand of one organization."""

    __slots__ = ()

    # --- grants

    def of_users(self, user_ids: Iterable[str], workspace: str | None = None) -> dict[str, list[Grant]]:
        """Return the grants of each of the users (in one workspace), in the order of their keys."""
        ids = sorted(set(user_ids))
        found: dict[str, list[Grant]] = {id_: [] for id_ in ids}
        scope = {"organization_id": self._organization_id}
        if workspace is not None:
            scope["workspace"] = workspace
        statement = OF_USERS if workspace is None else OF_USERS_IN
        for batch in in_batches(ids):
            for row in self._link.all(statement, **scope, ids=json_list(batch)):
                found[row[0]].append(_grant(row))
        return found

    def replace_for_user(self, user_id: str, before: Iterable[Grant], after: Iterable[Grant]) -> None:
        """Make `after` of the user's grants out of `before`, as they were read; writes only what differs."""
        self.replace([(user_id, before, after)])

    def replace(self, users: Iterable[tuple[str, Iterable[Grant], Iterable[Grant]]]) -> None:
        """Do for each (user id, before, after) what `replace_for_user` does, in sets."""
        gone: list[tuple[str, ...]] = []
        changed: list[Grant] = []
        added: list[Grant] = []
        for user_id, before, after in users:
            old = {grant.key: grant for grant in before}
            new = {grant.key: grant for grant in after}
            if any(key[0] != user_id for key in (*old, *new)):
                raise ValueError(f"a grant of somebody else among those of `{user_id}`")
            gone.extend(key for key in old if key not in new)
            changed.extend(grant for key, grant in new.items() if key in old and old[key] != grant)
            added.extend(grant for key, grant in new.items() if key not in old)
        self._link.run_many(DELETE, map(self._of, gone))
        self._link.run_many(UPDATE, (self._of(grant.key) | _changing(grant) for grant in changed))
        self._link.run_many(INSERT, map(self._row, added))

    def listing(
        self,
        *,
        workspace: str | None = None,
        project: str | None = None,
        user_id: str | None = None,
        after: Grant | GrantKey | None = None,
        limit: int = 100,
    ) -> list[HeldGrant]:
        """Return grants in the order of (workspace, project, user, slot, role), the next ones after `after`.

        `project` "" means the workspace itself, None any.
        """
        wanted = {"workspace": workspace, "project": project, "user_id": user_id}
        shape = tuple(name for name, value in wanted.items() if value is not None)
        values: dict[str, Any] = {name: wanted[name] for name in shape}
        if any(not storable(value) for value in values.values()):
            return []
        if after is not None:
            values |= {f"after_{name}": getattr(after, name) for name in _LISTED}
        statement = LISTINGS[shape, after is not None]
        rows = self._link.all(statement, organization_id=self._organization_id, limit=limit, **values)
        return [HeldGrant(_grant(row[:-3]), row[-3], row[-2] or "", bool(row[-1])) for row in rows]

    def counts(self, workspace: str) -> GrantCounts:
        """Return how much there is in a workspace. `people` hold something that is in force."""
        rows = self._link.all(COUNTS, organization_id=self._organization_id, workspace=workspace)
        found = {state: (grants_, people) for state, grants_, people in rows}
        effective, people = found.get(GrantState.EFFECTIVE, (0, 0))
        blocked, _ = found.get(GrantState.BLOCKED, (0, 0))
        conflicts, _ = found.get(GrantState.CONFLICT, (0, 0))
        return GrantCounts(people, effective, blocked, conflicts)

    def workspaces(self) -> list[str]:
        """Return the workspaces in which there are grants."""
        return [name for (name,) in self._link.all(WORKSPACES, organization_id=self._organization_id)]

    def holders(self, workspace: str, project: str | None = None) -> list[str]:
        """Return the ids of the users with any grant in a workspace, or in one of its projects, in order."""
        scope = {"organization_id": self._organization_id, "workspace": workspace}
        if project is None:
            rows = self._link.all(HOLDERS, **scope)
        else:
            rows = self._link.all(HOLDERS_IN, **scope, project=project)
        return [user_id for (user_id,) in rows]

    def people_with(self, workspace: str, project: str, slot: str, role: str) -> int:
        """Return how many people hold a role in a workspace ("" as project) or in one of its projects."""
        place = {"workspace": workspace, "project": project, "slot": slot, "role": role}
        row = self._link.one(HOLD_ROLE, organization_id=self._organization_id, **place)
        return int(row[0]) if row else 0

    def people_through_rule(self, workspace: str, rule: str, *, except_user: str) -> int:
        """Return how many other people hold something in force that a rule gives, alone or beside other rules."""
        values = {"workspace": workspace, "rule": rule, "except_user": except_user}
        values["named"] = f'"rule":{json.dumps(rule, ensure_ascii=False)}'
        row = self._link.one(THROUGH_RULE, organization_id=self._organization_id, **values)
        return int(row[0]) if row else 0

    # --- days to look again

    def set_rechecks(self, days_of: Mapping[str, Mapping[str, str | date]]) -> None:
        """Set, by user and workspace, the only days on which each of the users is to be resolved again."""
        old = _by_key(self.rechecks(days_of))
        new = _by_key(days_of)
        scope = {"organization_id": self._organization_id}
        gone = [key for key in old if old[key] != new.get(key)]
        self._link.run_many(DELETE_RECHECK, ({**scope, "user_id": key[0], "workspace": key[1]} for key in gone))
        added = [key for key in new if new[key] != old.get(key)]
        rows = ({**scope, "user_id": key[0], "workspace": key[1], "due": new[key]} for key in added)
        self._link.run_many(INSERT_RECHECK, rows)

    def rechecks(self, user_ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return by user and workspace the days on which users are to be resolved again, for those who have any."""
        found: dict[str, dict[str, str]] = {}
        for batch in in_batches(sorted(user_ids)):
            rows = self._link.all(RECHECKS_OF, organization_id=self._organization_id, ids=json_list(batch))
            for user_id, workspace, due in rows:
                found.setdefault(user_id, {})[workspace] = due
        return found

    def due(self, day: date, limit: int = 1_000) -> list[str]:
        """Return the ids of users whose day has come, of the `limit` days that came first."""
        rows = self._link.all(DUE, organization_id=self._organization_id, day=day.isoformat(), limit=limit)
        return list(dict.fromkeys(user_id for (user_id,) in rows))

    def _of(self, key: tuple[str, ...]) -> dict[str, Any]:
        named = {f"of_{name}": value for name, value in zip(_KEY, key, strict=True)}
        return {"organization_id": self._organization_id, **named}

    def _row(self, grant: Grant) -> dict[str, Any]:
        named = dict(zip(_KEY, grant.key, strict=True))
        return {"organization_id": self._organization_id, **named, **_changing(grant)}


# --- listings: one statement for each set of conditions

_LISTED: Final = ("workspace", "project", "user_id", "slot", "role")


def _listing(shape: Sequence[str], *, after: bool) -> Statement:
    place = tuple_(*(grants.c[name] for name in _LISTED))
    conditions: list[ColumnElement[bool]] = [grants.c[name] == given(name) for name in shape]
    if after:
        conditions.append(place > tuple_(*(given(f"after_{name}") for name in _LISTED)))
    return Statement(
        lambda _: (
            select(*_COLUMNS, users.c.user_name, users.c.display_name, users.c.active)
            .join(users, (users.c.organization_id == grants.c.organization_id) & (users.c.id == grants.c.user_id))
            .where(grants.c.organization_id == given("organization_id"), *conditions)
            .order_by(*(grants.c[name] for name in _LISTED))
            .limit(given("limit", grants.c.revision))
        )
    )


LISTINGS: Final[Mapping[tuple[tuple[str, ...], bool], Statement]] = {
    (shape, after): _listing(shape, after=after) for shape in SHAPES for after in (False, True)
}


# --- rows


def _changing(grant: Grant) -> dict[str, Any]:
    """Return the columns of a grant beside its key."""
    return {
        "state": str(grant.state),
        "source": str(grant.source),
        "rule": grant.rule,
        "lock": str(grant.lock),
        "reach": str(grant.reach),
        "override": str(grant.override),
        "acts_as_slot": grant.acts_as_slot,
        "acts_as_role": grant.acts_as_role,
        "valid_from": day_text(grant.valid_from),
        "valid_until": day_text(grant.valid_until),
        "revision": grant.revision,
        "because": grant.because,
        "held_since": stamp_or_none(grant.held_since),
    }


def _grant(row: Row) -> Grant:
    user_id, workspace, slot, project, role, state, source, *texts = row
    rule, lock, reach, override, acts_as_slot, acts_as_role, starts, ends, revision, because, held = texts
    return Grant(
        user_id=user_id,
        workspace=workspace,
        slot=slot,
        project=project,
        role=role,
        state=GrantState(state),
        source=Source(source),
        rule=rule,
        lock=lock,
        reach=reach,
        override=override,
        acts_as_slot=acts_as_slot,
        acts_as_role=acts_as_role,
        valid_from=day_or_none(starts),
        valid_until=day_or_none(ends),
        revision=revision,
        because=because,
        held_since=moment_or_none(held),
    )


def _by_key(days_of: Mapping[str, Mapping[str, str | date]]) -> dict[tuple[str, str], str]:
    return {(user_id, workspace): str(day) for user_id, days in days_of.items() for workspace, day in days.items()}
