"""Many rows at once: what an import writes, in sets instead of row by row, under the same constraints.

SQLite runs one prepared statement for all rows, PostgreSQL takes the rows as one JSON text: one round trip either way.
An insert leaves out what a unique index refuses and says which rows it wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Select,
    Table,
    Text,
    cast,
    column,
    delete,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.sql import ClauseElement

from rolebridge.core.directory import UserDraft
from rolebridge.store.documents import exact_key, folded_key, indexed_values, stamp, user_body
from rolebridge.store.links import BLOCK, in_batches
from rolebridge.store.records import StoredUser
from rolebridge.store.scope import GROUP, USER, Scope, owned
from rolebridge.store.statements import (
    Database,
    Statement,
    among,
    given,
    insert_for,
    insert_into,
    json_list,
)
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import (
    group_children,
    groups,
    import_ids,
    imports,
    memberships,
    user_values,
    users,
)
from rolebridge.store.tables.record import audit
from rolebridge.store.users import USER_COLUMNS, stored_user, user_row

_ALIKE: Final[Mapping[str, frozenset[str]]] = {
    "users": frozenset({"organization_id", "connection_id", "version", "created", "last_modified"}),
    "user_values": frozenset({"organization_id"}),
    "audit": frozenset({"organization_id", "at", "kind", "actor", "request_id", "subject_kind", "before", "reason"}),
    "import_ids": frozenset({"organization_id", "import_id"}),
}
"""The columns that have one value in all rows of an insert."""


def _varying(table: Table) -> list[str]:
    alike = _ALIKE[table.name]
    return [c.name for c in table.columns if c.name not in alike and c.name != "sequence"]


def _insert(database: Database, *, table: Table) -> ClauseElement:
    """Return the insert of many rows; on SQLite `sequence` is given, as nobody else counts meanwhile."""
    names = [c.name for c in table.columns if c.name != "sequence"]
    if database is Database.SQLITE:
        insert = insert_for(database, table).values({c.name: given(c.name, c) for c in table.columns})
        return insert.on_conflict_do_nothing()
    varying = _varying(table)
    types = {name: Boolean() if name == "active" else Text() for name in varying}
    # One JSON text: psycopg takes four times as long to write arrays of texts.
    new = func.json_to_recordset(cast(given("rows"), JSON)).table_valued(*(column(n, types[n]) for n in varying))
    new = new.render_derived(name="new", with_types=True)
    values = (new.c[name] if name in types else cast(given(name, table.c[name]), table.c[name].type) for name in names)
    rows = select(*values).select_from(new)
    made = insert_for(database, table).from_select(names, rows).on_conflict_do_nothing()
    return made.returning(*(table.c[name] for name in ("id",) if table is users))


INSERT: Final = {
    table.name: Statement(partial(_insert, table=table)) for table in (users, user_values, audit, import_ids)
}


def _last(_: Database, *, table: Table) -> Select[Any]:
    found = select(func.coalesce(func.max(table.c.sequence), 0)).where(
        table.c.organization_id == given("organization_id")
    )
    return found.where(table.c.connection_id == given("connection_id")) if table is users else found


LAST: Final = {table.name: Statement(partial(_last, table=table)) for table in (users, audit)}


def _by_key(
    database: Database, *, table: Table, key: str, of_connection: bool, columns: tuple[str, ...]
) -> ClauseElement:
    """Return the select of the rows with the given values of a unique key: the key, then the columns.

    PostgreSQL takes the values one by one, so that it needs no more than the unique index.
    """
    wanted = [table.c.organization_id == given("organization_id")]
    if of_connection:
        wanted.append(table.c.connection_id == given("connection_id"))
    listed = [table.c[name] for name in (key, *columns)]
    if database is Database.SQLITE:
        return select(*listed).where(*wanted, among(table.c[key], given("keys")))
    value = func.each_text(given("keys")).table_valued("value", name="wanted")
    found = select(*listed).where(*wanted, table.c[key] == value.c.value).limit(literal_column("1")).lateral("found")
    return select(*(found.c[name] for name in (key, *columns))).select_from(value.join(found, true()))


def _unique(table: Table, key: str, *columns: str, of_connection: bool = True) -> Statement:
    return Statement(partial(_by_key, table=table, key=key, of_connection=of_connection, columns=columns))


BY_NAME: Final = _unique(users, "user_key", "id", "connection_id", of_connection=False)
BY_EXTERNAL: Final = _unique(users, "external_key", "id")
GROUPS_BY_NAME: Final = _unique(groups, "display_key", "id")
GROUPS_BY_EXTERNAL: Final = _unique(groups, "external_key", "id")
CONNECTION_NAME: Final = Statement(
    lambda _: select(connections.c.name).where(
        connections.c.organization_id == given("organization_id"), connections.c.id == given("connection_id")
    )
)
OWNED_USERS: Final = Statement(
    lambda _: select(users.c.id).where(
        users.c.organization_id == given("organization_id"), among(users.c.id, given("keys")), owned(users)
    )
)
OWNED_GROUPS: Final = Statement(
    lambda _: select(groups.c.id).where(
        groups.c.organization_id == given("organization_id"), among(groups.c.id, given("keys")), owned(groups)
    )
)
STORED_USERS: Final = Statement(
    lambda _: select(*USER_COLUMNS).where(
        users.c.organization_id == given("organization_id"), among(users.c.id, given("keys")), owned(users)
    )
)
SOURCE_IDS: Final = Statement(
    lambda _: select(import_ids.c.source_key, import_ids.c.resource_id).where(
        import_ids.c.organization_id == given("organization_id"),
        import_ids.c.import_id == given("import_id"),
        among(import_ids.c.source_key, given("keys")),
    )
)

# --- what an export reads


def _after(table: Table) -> Select[Any]:
    state = [table.c.active] if table is users else []
    return (
        select(table.c.sequence, table.c.id, table.c.body, *state)
        .where(
            table.c.organization_id == given("organization_id"),
            table.c.connection_id == given("connection_id"),
            table.c.sequence > given("past", table.c.sequence),
        )
        .order_by(table.c.sequence)
        .limit(literal_column(str(BLOCK)))
    )


USERS_AFTER: Final = Statement(lambda _: _after(users))
GROUPS_AFTER: Final = Statement(lambda _: _after(groups))
MEMBER_NAMES: Final = Statement(
    lambda _: (
        select(memberships.c.group_id, users.c.user_name)
        .join(
            users,
            (users.c.organization_id == memberships.c.organization_id) & (users.c.id == memberships.c.user_id),
        )
        .where(memberships.c.organization_id == given("organization_id"), among(memberships.c.group_id, given("keys")))
        .order_by(users.c.user_key)
    )
)
CHILD_NAMES: Final = Statement(
    lambda _: (
        select(group_children.c.parent_id, groups.c.display)
        .join(
            groups,
            (groups.c.organization_id == group_children.c.organization_id) & (groups.c.id == group_children.c.child_id),
        )
        .where(
            group_children.c.organization_id == given("organization_id"),
            among(group_children.c.parent_id, given("keys")),
        )
        .order_by(groups.c.display_key)
    )
)

ANALYSE: Final = Statement(lambda _: text("ANALYZE (SKIP_LOCKED) users, user_values, groups, memberships"))

# --- how far imports are

_THIS: Final = (imports.c.organization_id == given("organization_id"), imports.c.id == given("id"))
PROGRESS: Final = Statement(lambda _: select(imports.c.progress).where(*_THIS))
FORGET: Final = Statement(lambda _: delete(imports).where(*_THIS))
FORGET_IDS: Final = Statement(
    lambda _: delete(import_ids).where(
        import_ids.c.organization_id == given("organization_id"), import_ids.c.import_id == given("id")
    )
)
BEGUN: Final = Statement(lambda db: insert_into(db, imports))
UNTOUCHED: Final = Statement(
    lambda _: select(imports.c.id).where(
        imports.c.organization_id == given("organization_id"), imports.c.touched < given("before")
    )
)


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


GROUPS_AT_ONCE: Final = 20
"""Groups whose members an export reads in one statement."""


def _grouped(rows: Iterator[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(islice(rows, size)):
        yield batch


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
        for batch in _grouped(self._sequence(GROUPS_AFTER, connection_id), GROUPS_AT_ONCE):
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
        if self._link.database is Database.POSTGRES:
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
