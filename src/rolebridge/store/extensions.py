"""The schema extensions of an organization: rows, their version, and which resources hold values of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, func, literal_column, select, update
from sqlalchemy.sql import ClauseElement

from rolebridge.core.extensions import ExtensionSchema, Resource, read_extension
from rolebridge.store.documents import stamp, text_json
from rolebridge.store.links import BLOCK
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, insert_into
from rolebridge.store.tables.accounts import extension_schemas, organizations
from rolebridge.store.tables.directory import groups, users

_OF: Final = (
    extension_schemas.c.organization_id == given("organization_id"),
    extension_schemas.c.urn_key == given("urn_key"),
)

ALL: Final = Statement(
    lambda _: (
        select(extension_schemas.c.extends, extension_schemas.c.required, extension_schemas.c.document)
        .where(extension_schemas.c.organization_id == given("organization_id"))
        .order_by(extension_schemas.c.urn_key)
    )
)
VERSION: Final = Statement(
    lambda _: select(organizations.c.schemas_version).where(organizations.c.id == given("organization_id"))
)
INSERT: Final = Statement(lambda db: insert_into(db, extension_schemas))
DELETE: Final = Statement(lambda _: delete(extension_schemas).where(*_OF))
COUNT_UP: Final = Statement(
    lambda _: (
        update(organizations)
        .where(organizations.c.id == given("organization_id"))
        .values(schemas_version=organizations.c.schemas_version + literal_column("1"))
    )
)


def _holds(database: Database, table: Table) -> ColumnElement[bool]:
    """Return the condition that a body holds an extension: its URN as a key, which no value of a client can spell."""
    place = func.strpos if database is Database.POSTGRES else func.instr
    return place(table.c.body, given("key")) > literal_column("0")


def _holders(database: Database, table: Table) -> ClauseElement:
    return (
        select(table.c.id)
        .where(
            table.c.organization_id == given("organization_id"), table.c.id > given("after"), _holds(database, table)
        )
        .order_by(table.c.id)
        .limit(literal_column(str(BLOCK)))
    )


_TABLES: Final = {Resource.USER: users, Resource.GROUP: groups}
HOLDERS: Final = {kind: Statement(partial(_holders, table=table)) for kind, table in _TABLES.items()}


class ExtensionRows(Scope):
    """The schema extensions of one organization. Who changes them holds the organization's exclusive lock."""

    __slots__ = ()

    def all(self) -> tuple[ExtensionSchema, ...]:
        """Return the schemas in the order of their URNs."""
        rows = self._link.all(ALL, organization_id=self._organization_id)
        return tuple(
            read_extension(document, Resource(extends), required=bool(required)) for extends, required, document in rows
        )

    def version(self) -> int:
        """Return how often the schemas have changed; 0 when there never were any."""
        row = self._link.one(VERSION, organization_id=self._organization_id)
        return int(row[0]) if row else 0

    def put(self, schema: ExtensionSchema, now: datetime) -> None:
        """Define a schema, in the place of the one with its URN if there is one."""
        self._link.run(DELETE, organization_id=self._organization_id, urn_key=schema.key)
        self._link.run(
            INSERT,
            organization_id=self._organization_id,
            urn_key=schema.key,
            extends=str(schema.extends),
            required=schema.required,
            document=schema.text(),
            created=stamp(now),
        )
        self._link.run(COUNT_UP, organization_id=self._organization_id)

    def remove(self, schema: ExtensionSchema) -> None:
        """Take a schema away; values of it are not looked at."""
        self._link.run(DELETE, organization_id=self._organization_id, urn_key=schema.key)
        self._link.run(COUNT_UP, organization_id=self._organization_id)

    def holders(self, schema: ExtensionSchema) -> Iterator[str]:
        """Yield the ids of the users (groups) that hold values of a schema, in order, read in blocks."""
        after = ""
        while rows := self._link.all(HOLDERS[schema.extends], **self._asked(schema), after=after):
            yield from (id_ for (id_,) in rows)
            after = rows[-1][0]

    def _asked(self, schema: ExtensionSchema) -> dict[str, Any]:
        return {"organization_id": self._organization_id, "key": f"{text_json(schema.urn)}:{{"}
