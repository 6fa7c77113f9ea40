"""Users: rows, the values they are found by, and what refuses two of one name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import JSON, Integer, Select, cast, delete, func, insert, literal_column, select, true, update
from sqlalchemy.sql import ClauseElement

from rolebridge.core.directory import UserDraft
from rolebridge.core.errors import Taken, Unavailable
from rolebridge.store.answers import groups_reference, groups_text
from rolebridge.store.documents import (
    exact_key,
    folded,
    folded_key,
    indexed_alike,
    indexed_values,
    moment,
    stamp,
    user_body,
)
from rolebridge.store.groups import bump_groups, lock_groups
from rolebridge.store.history import Ending
from rolebridge.store.links import Row
from rolebridge.store.records import StoredUser, UserAnswer
from rolebridge.store.scope import USER, Scope, owned, update_unless_taken
from rolebridge.store.statements import Database, Statement, given, insert_for, insert_into, storable
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import counts, departed, memberships, user_values, users
from rolebridge.store.tables.logins import login_memberships
from rolebridge.store.tables.sealing import past_memberships

USER_COLUMNS: Final = (
    users.c.id,
    users.c.connection_id,
    users.c.user_name,
    users.c.external_id,
    users.c.active,
    users.c.version,
    users.c.created,
    users.c.last_modified,
    users.c.body,
)
_CHANGING: Final = (
    "user_name", "user_key", "external_id", "external_key", "display_name", "display_key",
    "active", "last_modified", "body", "folded",
)  # fmt: skip
_UNNAMED: Final = ("active", "last_modified", "body", "folded")


def _by_id(_: Database, *, of_connection: bool, lock: bool) -> Select[Any]:
    found = select(*USER_COLUMNS).where(users.c.organization_id == given("organization_id"))
    found = found.where(users.c.id == given("id"))
    if of_connection:
        found = found.where(owned(users))
    return found.with_for_update(key_share=True) if lock else found


BY_ID: Final = {
    (of_connection, lock): Statement(partial(_by_id, of_connection=of_connection, lock=lock))
    for of_connection in (False, True)
    for lock in (False, True)
}
INSERT: Final = Statement(lambda db: insert_into(db, users, unless_taken=True))


def _insert_at_once(database: Database) -> ClauseElement:
    """Return the insert of a user, their values and the count as one statement: one round trip instead of three.

    It returns the number of the counter row, and nothing when a unique index refused the user. (PostgreSQL.)
    """
    made = insert_for(database, users).values({c.name: given(c.name, c) for c in users.columns if c.name != "sequence"})
    made_id = made.on_conflict_do_nothing().returning(users.c.id).cte("made")
    pair = func.json_array_elements(cast(given("values"), JSON)).table_valued("value")
    held = (
        insert(user_values)
        .from_select(
            ["organization_id", "user_id", "attribute", "value"],
            select(
                given("organization_id"), made_id.c.id, pair.c.value.op("->>")(FIRST), pair.c.value.op("->>")(SECOND)
            ).select_from(made_id.join(pair, true())),
        )
        .cte("held")
    )
    counted = insert(counts).from_select(
        ["organization_id", "connection_id", "kind", "delta"],
        select(given("organization_id"), given("connection_id"), literal_column(f"'{USER}'"), FIRST + 1).select_from(
            made_id
        ),
    )
    return counted.returning(counts.c.sequence).add_cte(held)


FIRST: Final = literal_column("0", Integer)
SECOND: Final = literal_column("1", Integer)
INSERT_AT_ONCE: Final = Statement(_insert_at_once)
INSERT_VALUE: Final = Statement(lambda db: insert_into(db, user_values))
DELETE_VALUE: Final = Statement(
    lambda _: delete(user_values).where(*(column == given(column.name) for column in user_values.columns))
)
DELETE_VALUES: Final = Statement(
    lambda _: delete(user_values).where(
        user_values.c.organization_id == given("organization_id"), user_values.c.user_id == given("user_id")
    )
)


def _update(database: Database, *, columns: Iterable[str], told: bool = False) -> ClauseElement:
    """Return the update of one user, one version later; `told`: which tells the text of their groups (PostgreSQL)."""
    made = update(users).where(
        users.c.organization_id == given("organization_id"),
        users.c.id == given("of"),
        users.c.version == given("known", users.c.version),
    )
    changing = {name: given(name, users.c[name]) for name in columns}
    made = made.values(version=given("known", users.c.version) + 1, **changing)
    return made.returning(groups_text(database)) if told else made


UPDATE: Final = Statement(partial(_update, columns=_CHANGING))
# SQLite writes every index anew whose columns a statement names, whatever their values: names mostly stay.
UPDATE_UNNAMED: Final = Statement(partial(_update, columns=_UNNAMED))
UPDATE_TELLING: Final = Statement(partial(_update, columns=_UNNAMED, told=True))
DELETE: Final = Statement(
    lambda _: delete(users).where(users.c.organization_id == given("organization_id"), users.c.id == given("id"))
)
LOCK_FOR_DELETE: Final = Statement(
    lambda _: (
        select(users.c.id)
        .where(users.c.organization_id == given("organization_id"), users.c.id == given("id"))
        .with_for_update()
    )
)
GROUPS_TEXT: Final = Statement(
    lambda database: select(groups_text(database)).where(
        users.c.organization_id == given("organization_id"), users.c.id == given("id")
    )
)
GROUPS_OF: Final = Statement(
    lambda _: (
        select(memberships.c.group_id)
        .where(memberships.c.organization_id == given("organization_id"), memberships.c.user_id == given("user_id"))
        .order_by(memberships.c.group_id)
    )
)
LEAVE_GROUPS: Final = Ending(
    memberships,
    past_memberships,
    "group_id",
    lambda _: (memberships.c.organization_id == given("organization_id"), memberships.c.user_id == given("user_id")),
)
END_LOGINS: Final = Ending(
    login_memberships,
    past_memberships,
    "group_id",
    lambda _: (
        login_memberships.c.organization_id == given("organization_id"),
        login_memberships.c.user_id == given("user_id"),
    ),
)
INSERT_DEPARTED: Final = Statement(lambda db: insert_into(db, departed))
NAME_OWNER: Final = Statement(
    lambda _: (
        select(users.c.id, users.c.connection_id, connections.c.name)
        .join(
            connections,
            (connections.c.organization_id == users.c.organization_id) & (connections.c.id == users.c.connection_id),
        )
        .where(users.c.organization_id == given("organization_id"), users.c.user_key == given("user_key"))
    )
)
EXTERNAL_OWNER: Final = Statement(
    lambda _: select(users.c.id).where(
        users.c.organization_id == given("organization_id"),
        users.c.connection_id == given("connection_id"),
        users.c.external_key == given("external_key"),
    )
)


class Users(Scope):
    """The writing of users."""

    __slots__ = ()

    def insert_user(self, connection_id: str, draft: UserDraft, id: str, now: datetime) -> StoredUser:
        """Create a user, active unless the draft says otherwise.

        Raises `Taken` when the organization has the userName (in any case) or the connection the externalId, and
        `Invalid` for text that cannot be stored.
        """
        created = stamp(now)
        active = draft.active is not False
        body = user_body(id, draft, active, 1, created, created)
        row = user_row(draft, active, created, body)
        row |= {"organization_id": self._organization_id, "id": id, "connection_id": connection_id}
        row |= {"version": 1, "created": created}
        if not self._inserted(row, indexed_values(draft.attributes)):
            raise self._taken(connection_id, draft, id)
        values = (id, connection_id, draft.user_name, draft.external_id, active, 1, created, created, body)
        return stored_user(self._organization_id, values)

    def user(self, connection_id: str | None, id: str, *, lock: bool = False) -> StoredUser | None:
        """Return a user of the connection (None: of any), on PostgreSQL locked until the transaction ends."""
        if not storable(id):
            return None
        values = {"organization_id": self._organization_id, "id": id}
        if connection_id is not None:
            values["connection_id"] = connection_id
        row = self._link.one(BY_ID[connection_id is not None, lock], **values)
        return stored_user(self._organization_id, row) if row else None

    def update_user(
        self, stored: StoredUser, draft: UserDraft, now: datetime, *, was: UserDraft | None = None
    ) -> StoredUser:
        """Make a user what the draft says, one version later; `active` None keeps it.

        `was` is `stored.draft()`, if the caller has it: a body is not read twice.
        Raises `Taken` and `Invalid` as `insert_user` does, with nothing changed, and `Unavailable` when the user has
        changed since `stored` was read without a lock.
        """
        return self._updated(stored, draft, now, was, None)[0]

    def update_and_answer(
        self, stored: StoredUser, draft: UserDraft, now: datetime, *, was: UserDraft, prefix: str
    ) -> tuple[StoredUser, UserAnswer]:
        """Make a user what the draft says, as `update_user` does, and return the answer that tells of it, too.

        `prefix` is what references begin with, as for `Answers.user_answer`, which would answer the same.
        """
        new, groups = self._updated(stored, draft, now, was, prefix)
        return new, UserAnswer(new.id, new.body, new.version, groups)

    def _updated(
        self, stored: StoredUser, draft: UserDraft, now: datetime, was: UserDraft | None, prefix: str | None
    ) -> tuple[StoredUser, str | None]:
        """Update a user; return them and, with a prefix, the text of their groups."""
        active = stored.active if draft.active is None else draft.active
        before = was.attributes if was else stored.resource()
        version, modified, created = stored.version + 1, stamp(now), stamp(stored.created)
        body = user_body(stored.id, draft, active, version, created, modified)
        values = {"organization_id": self._organization_id, "of": stored.id, "known": stored.version}
        keys_stay = draft.user_name == stored.user_name and draft.external_id == stored.external_id
        if keys_stay and draft.attributes.get("displayName") == before.get("displayName"):
            values |= {"active": active, "last_modified": modified, "body": body, "folded": folded(body)}
            groups = self._update_unnamed(values, prefix)
        else:
            values |= user_row(draft, active, modified, body)
            if not update_unless_taken(self._link, UPDATE, values, refusable=not keys_stay):
                if keys_stay or not self._is_taken(stored.connection_id, draft, stored.id):
                    raise _changed(stored.id)
                raise self._taken(stored.connection_id, draft, stored.id)
            groups = None if prefix is None else self._groups_text(stored.id, prefix)
        if not indexed_alike(before, draft.attributes):
            self._change_values(stored.id, indexed_values(before), indexed_values(draft.attributes))
        keys = (stored.id, stored.connection_id, draft.user_name, draft.external_id)
        return stored_user(self._organization_id, (*keys, active, version, created, modified, body)), groups

    def _update_unnamed(self, values: dict[str, Any], prefix: str | None) -> str | None:
        """Update what is no name of a user; return the text of their groups, with a prefix."""
        if prefix is not None and self._link.database is Database.POSTGRES:
            told = self._link.one(UPDATE_TELLING, **values, reference=groups_reference(prefix))
            if told is None:
                raise _changed(values["of"])
            return str(told[0])
        if not self._link.run(UPDATE_UNNAMED, **values):
            raise _changed(values["of"])
        return None if prefix is None else self._groups_text(values["of"], prefix)

    def _groups_text(self, id: str, prefix: str) -> str:
        row = self._link.one(
            GROUPS_TEXT, organization_id=self._organization_id, id=id, reference=groups_reference(prefix)
        )
        if row is None:
            raise _changed(id)
        return str(row[0])

    def user_to_delete(self, connection_id: str | None, id: str) -> StoredUser | None:
        """Return a user, on PostgreSQL locked after their groups: the order in which those who add members lock."""
        lock_groups(self._link, self._organization_id, self._groups_of(id))
        return self.user(connection_id, id, lock=True)

    def delete_user(self, stored: StoredUser, now: datetime) -> tuple[str, ...]:
        """Delete a user and what made them a member; return the ids of the groups that lost them.

        Those groups get a new version. The id is never free again, the userName is. Whoever deletes while others
        change groups reads `stored` by `user_to_delete`.
        """
        scope = {"organization_id": self._organization_id}
        lock_groups(self._link, self._organization_id, self._groups_of(stored.id))
        # From here on nobody adds the user to another group.
        self._link.all(LOCK_FOR_DELETE, **scope, id=stored.id)
        left = sorted(LEAVE_GROUPS.end(self._link, now, **scope, user_id=stored.id))
        bump_groups(self._link, self._organization_id, left, now)
        END_LOGINS.end(self._link, now, **scope, user_id=stored.id)
        self._link.run(DELETE_VALUES, **scope, user_id=stored.id)
        if not self._link.run(DELETE, **scope, id=stored.id):
            raise Unavailable(f"the user `{stored.id}` was deleted at the same time")
        self._link.run(
            INSERT_DEPARTED,
            **scope,
            id=stored.id,
            kind=USER,
            connection_id=stored.connection_id,
            name=stored.user_name,
            name_key=folded_key(stored.user_name),
            external_id=stored.external_id,
            deleted=stamp(now),
        )
        self._count(stored.connection_id, USER, -1)
        return tuple(left)

    def _groups_of(self, id: str) -> list[str]:
        if self._link.database is not Database.POSTGRES or not storable(id):
            return []
        rows = self._link.all(GROUPS_OF, organization_id=self._organization_id, user_id=id)
        return [group_id for (group_id,) in rows]

    def _inserted(self, row: dict[str, Any], values: Iterable[tuple[str, str]]) -> bool:
        """Insert a user's rows; return False, with nothing inserted, when a unique index refuses them."""
        if self._link.database is Database.POSTGRES:
            counted = self._link.one(INSERT_AT_ONCE, **row, values=json.dumps(sorted(values)))
            if counted is not None:
                self._fold(row["connection_id"], USER, counted[0])
            return counted is not None
        if not self._link.run(INSERT, **row):
            return False
        self._add_values(row["id"], values)
        self._count(row["connection_id"], USER, 1)
        return True

    # --- values that users are found by

    def _add_values(self, user_id: str, values: Iterable[tuple[str, str]]) -> None:
        self._link.run_many(INSERT_VALUE, self._value_rows(user_id, values))

    def _change_values(self, user_id: str, old: frozenset[tuple[str, str]], new: frozenset[tuple[str, str]]) -> None:
        if old != new:
            self._link.run_many(DELETE_VALUE, self._value_rows(user_id, old - new))
            self._add_values(user_id, new - old)

    def _value_rows(self, user_id: str, values: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        return [
            {"organization_id": self._organization_id, "user_id": user_id, "attribute": attribute, "value": value}
            for attribute, value in sorted(values)
        ]

    # --- refusals

    def _is_taken(self, connection_id: str, draft: UserDraft, id: str) -> bool:
        return self._taken(connection_id, draft, id).attribute != "id"

    def _taken(self, connection_id: str, draft: UserDraft, id: str) -> Taken:
        """Return what a unique index refused, as the winner of a race may have changed again: at worst the id."""
        scope = {"organization_id": self._organization_id}
        owner = self._link.one(NAME_OWNER, **scope, user_key=folded_key(draft.user_name))
        if owner and owner[0] != id:
            return Taken("user", "userName", draft.user_name, None if owner[1] == connection_id else owner[2])
        if draft.external_id is not None:
            key = exact_key(draft.external_id)
            other = self._link.one(EXTERNAL_OWNER, **scope, connection_id=connection_id, external_key=key)
            if other and other[0] != id:
                return Taken("user", "externalId", draft.external_id)
        return Taken("user", "id", id)


def _changed(id: str) -> Unavailable:
    return Unavailable(f"the user `{id}` was changed at the same time")


def user_row(draft: UserDraft, active: bool, modified: str, body: str) -> dict[str, Any]:
    """Return the columns that a draft decides. The body has proved that its texts can be stored."""
    display = draft.attributes.get("displayName")
    return {
        "user_name": draft.user_name,
        "user_key": folded_key(draft.user_name),
        "external_id": draft.external_id,
        "external_key": None if draft.external_id is None else exact_key(draft.external_id),
        "display_name": display if isinstance(display, str) else None,
        "display_key": folded_key(display) if isinstance(display, str) else None,
        "active": active,
        "last_modified": modified,
        "body": body,
        "folded": folded(body),
    }


def stored_user(organization_id: str, row: Row) -> StoredUser:
    """Return the record of a row of `USER_COLUMNS`."""
    id_, connection_id, user_name, external_id, active, version, created, modified, body = row
    state = (bool(active), version, moment(created), moment(modified))
    return StoredUser(organization_id, id_, connection_id, user_name, external_id, *state, body)
