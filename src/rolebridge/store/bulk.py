"""Many rows at once: what imports and exports read and write, in sets instead of row by row.

SQLite runs one prepared statement for all rows, PostgreSQL takes the rows in one go: one round trip either way.
An insert leaves out what a unique index refuses and says which rows it wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Table

from rolebridge.core.batches import batches
from rolebridge.core.directory import UserDraft
from rolebridge.store.bulk_statements import (
    ANALYSE,
    BEGUN,
    BY_EXTERNAL,
    BY_NAME,
    CHILD_NAMES,
    CONNECTION_NAME,
    COPIED,
    FORGET,
    FORGET_IDS,
    GROUPS_AFTER,
    GROUPS_BY_EXTERNAL,
    GROUPS_BY_NAME,
    INSERT,
    LAST,
    MEMBER_NAMES,
    OWNED_GROUPS,
    OWNED_USERS,
    PROGRESS,
    SAMPLE_LESS,
    SOURCE_IDS,
    STORED_USERS,
    UNTOUCHED,
    USERS_AFTER,
)
from rolebridge.store.documents import exact_key, folded_key, indexed_values, stamp, user_body
from rolebridge.store.links import BLOCK, in_batches
from rolebridge.store.postgres import PostgresLink
from rolebridge.store.records import StoredUser
from rolebridge.store.scope import GROUP, USER, Scope
from rolebridge.store.statements import Database, Statement, json_list
from rolebridge.store.tables.directory import import_ids, user_values, users
from rolebridge.store.tables.record import audit
from rolebridge.store.users import stored_user, user_row


@dataclass(frozen=True, slots=True)
class NameHolder:
    """Who has a userName: the user's id, and that of their connection."""

    id: str
    connection_id: str


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made, with everything computed that the row will hold."""

    id: str
    row: dict[str, Any]
    values: frozenset[tuple[str, str]]

    @property
    def body(self) -> str:
        """Return the stored answer."""
        text: str = self.row["body"]
        return text

    @property
    def active(self) -> bool:
        """Return whether the user will be active."""
        return bool(self.row["active"])


@dataclass(frozen=True, slots=True)
class ExportedGroup:
    """A group's body, the userNames of its members and the displayNames of the groups in it, each in order."""

    body: str
    members: tuple[str, ...]
    children: tuple[str, ...]


def new_user(draft: UserDraft, id: str, now: datetime) -> NewUser:
    """Return the rows of a user to be made. Raises `Invalid` for text that cannot be stored."""
    created = stamp(now)
    active = draft.active is not False
    body = user_body(id, draft, active, 1, created, created)
    return NewUser(id, {"id": id, **user_row(draft, active, created, body)}, indexed_values(draft.attributes))


def _copied(link: PostgresLink, table: Table, rows: Sequence[dict[str, Any]], alike: Mapping[str, Any]) -> bool:
    """Insert all rows by COPY, or none: False where an index refused one, or the table is not for it."""
    columns = COPIED.get(table.name)
    if columns is None:
        return False
    pick = itemgetter(*columns)
    link.savepoint()
    try:
        link.copy(table.name, columns, (pick({**alike, **row}) for row in rows))
    except Exception as error:
        if not link.is_duplicate(error):
            raise
        link.undo()
        return False
    link.release()
    return True


GROUPS_AT_ONCE: Final = 20
"""Groups whose members an export reads in one statement."""


class Bulk(Scope):
    """The set-wise reading and writing of imports, in one organization."""

    __slots__ = ()

    # --- who is there

    def name_holders(self, user_names: Iterable[str]) -> dict[str, NameHolder]:
        """Return who has these userNames in the organization, by their keys (`documents.folded_key`)."""
        rows = self._found(BY_NAME, map(folded_key, user_names))
        return {key: NameHolder(*holder) for key, *holder in rows}

    def connection_name(self, connection_id: str) -> str:
        """Return the name of a connection of the organization."""
        row = self._link.one(CONNECTION_NAME, organization_id=self._organization_id, connection_id=connection_id)
        assert row is not None  # connections stay
        return str(row[0])

    def users_by_external(self, connection_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return the connection's users with these externalIds: key → id."""
        return dict(self._found(BY_EXTERNAL, map(exact_key, ids), connection_id=connection_id))

    def groups_by_name(self, connection_id: str, names: Iterable[str]) -> dict[str, str]:
        """Return the connection's groups with these displayNames: key → id."""
        return dict(self._found(GROUPS_BY_NAME, map(folded_key, names), connection_id=connection_id))

    def groups_by_external(self, connection_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return the connection's groups with these externalIds: key → id."""
        return dict(self._found(GROUPS_BY_EXTERNAL, map(exact_key, ids), connection_id=connection_id))

    def stored_users(self, connection_id: str, ids: Iterable[str]) -> dict[str, StoredUser]:
        """Return the connection's users with these ids, by id."""
        rows = self._found(STORED_USERS, ids, connection_id=connection_id)
        return {row[0]: stored_user(self._organization_id, row) for row in rows}

    def owned_users(self, connection_id: str, ids: Iterable[str]) -> set[str]:
        """Return which of the ids are users of the connection."""
        return {id_ for (id_,) in self._found(OWNED_USERS, ids, connection_id=connection_id)}

    def owned_groups(self, connection_id: str, ids: Iterable[str]) -> set[str]:
        """Return which of the ids are groups of the connection."""
        return {id_ for (id_,) in self._found(OWNED_GROUPS, ids, connection_id=connection_id)}

    def source_ids(self, import_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return what an import made or found for ids of its source: key → id."""
        return dict(self._found(SOURCE_IDS, map(exact_key, ids), import_id=import_id))

    def _found(self, statement: Statement, keys: Iterable[str], **values: Any) -> list[tuple[Any, ...]]:
        return [
            row
            for batch in in_batches(sorted(set(keys)), BLOCK)
            for row in self._link.all(statement, organization_id=self._organization_id, keys=json_list(batch), **values)
        ]

    # --- what an export reads

    def totals(self, connection_id: str) -> tuple[int, int]:
        """Return how many users and groups the connection has."""
        return self._total(connection_id, USER), self._total(connection_id, GROUP)

    def exported_users(self, connection_id: str) -> Iterator[tuple[str, bool]]:
        """Yield the connection's users, oldest first, read in blocks: the body, and whether they are active."""
        for row in self._sequence(USERS_AFTER, connection_id):
            yield row[2], bool(row[3])

    def exported_groups(self, connection_id: str) -> Iterator[ExportedGroup]:
        """Yield the connection's groups, oldest first, with their members' names in order.

        The members of one group are in memory at a time, or those of several small ones.
        """
        for batch in batches(self._sequence(GROUPS_AFTER, connection_id), GROUPS_AT_ONCE):
            ids = json_list(row[1] for row in batch)
            named: dict[str, list[str]] = {row[1]: [] for row in batch}
            for group_id, name in self._link.all(MEMBER_NAMES, organization_id=self._organization_id, keys=ids):
                named[group_id].append(name)
            nested: dict[str, list[str]] = {row[1]: [] for row in batch}
            for group_id, name in self._link.all(CHILD_NAMES, organization_id=self._organization_id, keys=ids):
                nested[group_id].append(name)
            for row in batch:
                yield ExportedGroup(row[2], tuple(named.pop(row[1])), tuple(nested.pop(row[1])))

    def _sequence(self, statement: Statement, connection_id: str) -> Iterator[tuple[Any, ...]]:
        after = -1
        scope = {"organization_id": self._organization_id, "connection_id": connection_id}
        while rows := self._link.all(statement, **scope, past=after):
            yield from rows
            after = rows[-1][0]

    # --- what is written

    def insert_users(self, connection_id: str, new: Sequence[NewUser], now: datetime) -> set[str]:
        """Create users; return the ids of those that no unique index refused."""
        if not new:
            return set()
        alike = {"connection_id": connection_id, "version": 1, "created": stamp(now), "last_modified": stamp(now)}
        made = self._insert(users, [user.row for user in new], **alike)
        values = [
            {"user_id": user.id, "attribute": attribute, "value": value}
            for user in new
            if user.id in made
            for attribute, value in sorted(user.values)
        ]
        self._insert(user_values, values)
        if made:
            self._count(connection_id, USER, len(made))
        return made

    def audit_many(
        self,
        *,
        kind: str,
        actor: str,
        request_id: str,
        subject_kind: str,
        reason: str,
        rows: Sequence[tuple[str, str]],
        now: datetime,
    ) -> None:
        """Record that the same thing happened to several subjects; `rows` are (id, `after`)."""
        alike = {
            "at": stamp(now), "kind": kind, "actor": actor, "request_id": request_id, "subject_kind": subject_kind,
            "before": None, "reason": reason,
        }  # fmt: skip
        self._insert(audit, [{"subject_id": id_, "after": after} for id_, after in rows], **alike)

    def keep_source_ids(self, import_id: str, pairs: Mapping[str, str]) -> None:
        """Remember for an import which resource each id of its source became."""
        rows = [{"source_key": exact_key(source), "resource_id": id_} for source, id_ in pairs.items()]
        self._insert(import_ids, rows, import_id=import_id)

    def _insert(self, table: Table, rows: Sequence[dict[str, Any]], **alike: Any) -> set[str]:
        """Insert rows and return the ids of those inserted, where the table has ids."""
        if not rows:
            return set()
        alike["organization_id"] = self._organization_id
        statement = INSERT[table.name]
        if isinstance(self._link, PostgresLink):
            if _copied(self._link, table, rows, alike):
                return {row["id"] for row in rows} if table is users else set()
            texts = json.dumps(rows, ensure_ascii=False)
            if table is users:
                return {id_ for (id_,) in self._link.all(statement, **alike, rows=texts)}
            self._link.run(statement, **alike, rows=texts)
            return set()
        inserted = self._link.run_many(statement, self._numbered(table, rows, alike))
        if table is not users:
            return set()
        ids = [row["id"] for row in rows]
        return set(ids) if inserted == len(ids) else self.owned_users(alike["connection_id"], ids)

    def _numbered(
        self, table: Table, rows: Sequence[dict[str, Any]], alike: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield the whole rows, with a `sequence` where the table has one."""
        if table.name not in LAST:
            yield from ({**alike, **row} for row in rows)
            return
        last = self._link.one(LAST[table.name], **alike)
        assert last is not None  # a maximum has a row
        yield from ({**alike, **row, "sequence": number} for number, row in enumerate(rows, int(last[0]) + 1))

    def analyse(self) -> None:
        """Count anew what PostgreSQL plans by: of a table that was empty a minute ago its server knows nothing yet."""
        if self._link.database is Database.POSTGRES:
            self._link.run(SAMPLE_LESS)
            self._link.run(ANALYSE)

    # --- how far imports are

    def import_progress(self, import_id: str) -> str | None:
        """Return what was last kept of an unfinished import."""
        row = self._link.one(PROGRESS, organization_id=self._organization_id, id=import_id)
        return row[0] if row else None

    def keep_import(self, import_id: str, connection_id: str, progress: str, now: datetime) -> None:
        """Keep how far an import is. `progress` is JSON text of the importer's own."""
        scope = {"organization_id": self._organization_id, "id": import_id}
        self._link.run(FORGET, **scope)
        self._link.run(BEGUN, **scope, connection_id=connection_id, touched=stamp(now), progress=progress)

    def forget_import(self, import_id: str) -> None:
        """Forget an import that is finished, or is not wanted any more."""
        scope = {"organization_id": self._organization_id, "id": import_id}
        self._link.run(FORGET_IDS, **scope)
        self._link.run(FORGET, **scope)

    def untouched_imports(self, before: datetime) -> list[str]:
        """Return the unfinished imports that nobody has gone on with since `before`."""
        rows = self._link.all(UNTOUCHED, organization_id=self._organization_id, before=stamp(before))
        return [id_ for (id_,) in rows]
