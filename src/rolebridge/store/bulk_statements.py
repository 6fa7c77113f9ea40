"""The statements of imports and exports: many rows at once, under the same constraints as one by one.

An insert leaves out what a unique index refuses. SQLite runs one for each row. PostgreSQL takes the rows by COPY, at
two thirds of the cost, and as JSON text where an index may refuse some of them, which COPY does not survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
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

from rolebridge.store.links import BLOCK
from rolebridge.store.scope import owned
from rolebridge.store.statements import (
    Database,
    Statement,
    among,
    given,
    insert_for,
    insert_into,
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
from rolebridge.store.users import USER_COLUMNS

_ALIKE: Final[Mapping[str, frozenset[str]]] = {
    "users": frozenset({"organization_id", "connection_id", "version", "created", "last_modified"}),
    "user_values": frozenset({"organization_id"}),
    "audit": frozenset({"organization_id", "at", "kind", "actor", "request_id", "subject_kind", "before", "reason"}),
    "import_ids": frozenset({"organization_id", "import_id"}),
}
"""The columns that have one value in all rows of an insert."""
COPIED: Final[Mapping[str, tuple[str, ...]]] = {
    table.name: tuple(c.name for c in table.columns if c.name != "sequence") for table in (users, user_values, audit)
}
"""The columns that COPY fills, of the tables whose rows no index refuses, but for a race about a user's name."""


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

# Only what statements look things up by, in a tenth of the usual sample: a third of a second else, at 100,000 users.
SAMPLE_LESS: Final = Statement(lambda _: select(func.set_config("default_statistics_target", "10", true())))
ANALYSE: Final = Statement(
    lambda _: text(
        "ANALYZE (SKIP_LOCKED) users (organization_id, id, connection_id, user_key, external_key, sequence), "
        "user_values (organization_id, user_id, attribute, value), groups (organization_id, id, connection_id), "
        "memberships (organization_id, group_id, user_id)"
    )
)

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
