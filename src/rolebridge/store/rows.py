"""The rows of users and groups as sources of values: columns, bodies, and what is kept as memberships."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Table, Text, case, cast, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import FromClause, Select

from rolebridge.store.documents import LONGEST_KEY
from rolebridge.store.places import (
    ONE,
    Documents,
    Elements,
    Keys,
    Place,
    Related,
    Source,
    TextPlace,
    lowered,
    reference,
    said,
)
from rolebridge.store.statements import Database
from rolebridge.store.tables.directory import group_ancestors, group_children, groups, memberships, users

# What is asked often and stands in a column of its own, beside its key.
_NAMES: Final[dict[Keys, tuple[str, str]]] = {
    ("userName",): ("user_name", "user_key"),
    ("displayName",): ("display_name", "display_key"),
}
_GROUP_NAMES: Final[dict[Keys, tuple[str, str]]] = {("displayName",): ("display", "display_key")}


class Row(Source):
    """A user's or group's row. `rows` is what to select from: PostgreSQL reads each JSON text once for all terms."""

    def __init__(self, database: Database, table: Table) -> None:
        self.database = database
        self._table = table
        self._kind, self._related = ("User", "groups") if table is users else ("Group", "members")
        self._names = _NAMES if table is users else _GROUP_NAMES
        self._read: FromClause | None = None

    @property
    def rows(self) -> FromClause:
        """Return what to select from."""
        return self._table if self._read is None else self._table.join(self._read, true())

    def place(self, keys: Keys) -> Place:
        """Return where a value is."""
        table = self._table
        if keys == ("id",):
            return TextPlace(table.c.id, table.c.id)
        if keys in self._names:
            return self._named(keys)
        if keys == ("active",) and table is users:
            return _Flag(table.c.active)
        if keys == ("externalId",):
            return TextPlace(table.c.external_id, lowered(self.database, table.c.external_id))
        if keys == ("meta", "location"):
            return reference(self.database, f"/{self._kind}s/", table.c.id)
        if keys[0] == "meta":
            return self._meta().place(keys)
        return self._documents().place(keys)

    def elements(self, keys: Keys, name: str, *, exact: bool) -> list[Elements]:
        """Return the elements of a list."""
        if self.is_relation(keys):
            return self._groups_of_user(name) if self._table is users else self._members_of_group(name)
        return self._documents().elements(keys, name, exact=exact)

    def chosen(self, keys: Keys, *, exact: bool) -> tuple[Select[Any], Source, ColumnElement[Any]]:
        """Return a select of the elements of the list at `keys`, one as a source, and its place in the list."""
        return self._documents().chosen(keys, exact=exact)

    def is_relation(self, keys: Keys) -> bool:
        """Return whether the attribute is kept as memberships."""
        return keys == (self._related,)

    def _named(self, keys: Keys) -> Place:
        column, key = (self._table.c[name] for name in self._names[keys])
        whole = func.length(key) < literal_column(str(LONGEST_KEY))
        long = Documents(self.database, *_documents(self.database, self._table)).place(keys)
        return TextPlace(column, case((whole, key), else_=long.text(exact=False)))

    def _documents(self) -> Documents:
        if self.database is Database.SQLITE:
            return Documents(self.database, *_documents(self.database, self._table))
        if self._read is None:
            exact, folding = _documents(self.database, self._table)
            # OFFSET keeps the planner from reading the text anew for each term.
            read = select(exact.label("exact"), folding.label("folding")).offset(literal_column("0"))
            self._read = read.correlate(self._table).lateral("documents")
        return Documents(self.database, self._read.c.exact, self._read.c.folding)

    def _meta(self) -> Documents:
        exact = self._documents().exact
        return Documents(self.database, exact, exact)

    def _members_of_group(self, name: str) -> list[Elements]:
        """Return a group's members: users, and groups."""
        held, nested = memberships.alias(name), group_children.alias(f"{name}n")
        people = select(ONE).where(held.c.organization_id == groups.c.organization_id, held.c.group_id == groups.c.id)
        teams = select(ONE).where(
            nested.c.organization_id == groups.c.organization_id, nested.c.parent_id == groups.c.id
        )
        return [(people, self._member(held.c.user_id, "User")), (teams, self._member(nested.c.child_id, "Group"))]

    def _member(self, id_: ColumnElement[str], kind: str) -> Related:
        return Related(
            self.database,
            {
                "value": TextPlace(id_, id_),
                "$ref": reference(self.database, f"/{kind}s/", id_),
                "type": said(self.database, kind),
                "display": _Nothing(id_, id_),
            },
        )

    def _groups_of_user(self, name: str) -> list[Elements]:
        """Return a user's groups: those that have the user, and those that have one of these without the user."""
        held, group = memberships.alias(name), groups.alias(f"{name}g")
        owns = (group.c.organization_id == held.c.organization_id) & (group.c.id == held.c.group_id)
        direct = select(ONE).select_from(held.join(group, owns))
        direct = direct.where(held.c.organization_id == users.c.organization_id, held.c.user_id == users.c.id)
        through, nested, above = (
            memberships.alias(f"{name}m"),
            group_ancestors.alias(f"{name}a"),
            groups.alias(f"{name}h"),
        )
        leads = (nested.c.organization_id == through.c.organization_id) & (nested.c.group_id == through.c.group_id)
        ends = (above.c.organization_id == nested.c.organization_id) & (above.c.id == nested.c.ancestor_id)
        itself = memberships.alias(f"{name}i")
        known = select(ONE).where(
            itself.c.organization_id == above.c.organization_id,
            itself.c.group_id == above.c.id,
            itself.c.user_id == users.c.id,
        )
        indirect = (
            select(ONE)
            .select_from(through.join(nested, leads).join(above, ends))
            .where(through.c.organization_id == users.c.organization_id, through.c.user_id == users.c.id)
            .where(~known.correlate(above, users).exists())
        )
        return [(direct, self._group(group, "direct")), (indirect, self._group(above, "indirect"))]

    def _group(self, group: FromClause, kind: str) -> Related:
        return Related(
            self.database,
            {
                "value": TextPlace(group.c.id, group.c.id),
                "$ref": reference(self.database, "/Groups/", group.c.id),
                "type": said(self.database, kind),
                "display": Documents(self.database, *_documents(self.database, group)).place(("displayName",)),
            },
        )


class _Flag(Place):
    """A boolean that every row has."""

    def __init__(self, column: ColumnElement[bool]) -> None:
        self._column = column

    def text(self, *, exact: bool) -> ColumnElement[str]:
        return literal_column("NULL", Text())

    def truth(self) -> ColumnElement[bool]:
        return self._column

    def present(self) -> ColumnElement[bool]:
        return self._column.isnot(None)


class _Nothing(TextPlace):
    """An attribute that no answer holds."""

    def text(self, *, exact: bool) -> ColumnElement[str]:
        return literal_column("NULL", Text())

    def present(self) -> ColumnElement[bool]:
        return literal_column("(1 = 0)")


def _documents(database: Database, table: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return a row's body as it is, and folded as far as `places` says."""
    folding = func.coalesce(table.c.folded, table.c.body)
    if database is Database.SQLITE:
        return table.c.body, folding
    return cast(table.c.body, JSONB), cast(folding, JSONB)
