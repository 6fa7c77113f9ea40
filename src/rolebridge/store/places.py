"""Places of values as SQL: in a row's columns and bodies, in the elements of a list, in related rows.

A `Source` is what paths begin at; it leads to a `Place`, which gives one value in the form that a comparison wants,
NULL where there is none of that type, or to elements, each a `Source` again. Text without case is the column `folded`
(`documents.folded`), or the body where that is NULL, with what `lower()` makes of it: of what Python has casefolded,
and of ASCII, that is the casefolded text on both databases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Float,
    Numeric,
    Text,
    case,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import FromClause, Select

from rolebridge.store.statements import Database, given

Keys = tuple[str, ...]
Elements: TypeAlias = "tuple[Select[Any], Source]"
"""A select of some elements of a list, and one of them as a source."""

ONE: Final[ColumnElement[int]] = literal_column("1")


def constant(text: str) -> ColumnElement[str]:
    """Return a text that is part of the statement: a name from a schema, never a client's value."""
    return literal_column("'" + text.replace("'", "''") + "'", Text())


def lowered(database: Database, text: ColumnElement[str]) -> ColumnElement[str]:
    """Return a text without the upper case of ASCII, compared as bytes."""
    return func.lower(as_bytes(database, text), type_=Text())


def as_bytes(database: Database, text: ColumnElement[str]) -> ColumnElement[str]:
    """Return a text that compares in the order of code points, which is that of its bytes."""
    return text.collate("C") if database is Database.POSTGRES else text


class Place(ABC):
    """Where one value is."""

    @abstractmethod
    def text(self, *, exact: bool) -> ColumnElement[str]:
        """Return the text, casefolded unless `exact`; NULL for what is no text."""

    @abstractmethod
    def present(self) -> ColumnElement[bool]:
        """Return whether there is a value that is not empty (`conditions`)."""

    def truth(self) -> ColumnElement[bool]:
        """Return the boolean; NULL for what is none."""
        return literal_column("NULL", Boolean())

    def number(self, *, fractional: bool) -> ColumnElement[Any]:
        """Return the number, on PostgreSQL as a double if `fractional`; NULL for what is none."""
        del fractional
        return literal_column("NULL", BigInteger())

    def assigned(self) -> ColumnElement[bool]:
        """Return whether there is a value at all, empty or not."""
        return self.present()


@dataclass(frozen=True, slots=True)
class TextPlace(Place):
    """A text that is at hand as SQL: as it is, and casefolded."""

    exact: ColumnElement[str]
    folded: ColumnElement[str]

    def text(self, *, exact: bool) -> ColumnElement[str]:
        """Return the text."""
        return self.exact if exact else self.folded

    def present(self) -> ColumnElement[bool]:
        """Return whether it is there and not empty."""
        return self.exact != constant("")


class Source(ABC):
    """What a path begins at: a row, or an element of a list."""

    database: Database

    @abstractmethod
    def place(self, keys: Keys) -> Place:
        """Return where the value at the end of `keys` is; none of them leads to a list."""

    @abstractmethod
    def elements(self, keys: Keys, name: str, *, exact: bool) -> list[Elements]:
        """Return where the elements of the list at `keys` come from.

        `name` is for what a statement calls them; `exact` says whether any of their text is to be compared as it is.
        """


@dataclass(frozen=True, slots=True)
class Below(Source):
    """A source seen from a complex value in it."""

    source: Source
    prefix: Keys

    @property
    def database(self) -> Database:  # type: ignore[override]
        """Return the kind of database."""
        return self.source.database

    def place(self, keys: Keys) -> Place:
        """Return the kind of database."""
        """Return where a value is."""
        return self.source.place((*self.prefix, *keys))

    def elements(self, keys: Keys, name: str, *, exact: bool) -> list[Elements]:
        """Return the elements of a list."""
        return self.source.elements((*self.prefix, *keys), name, exact=exact)


# --- JSON ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Documents(Source):
    """A JSON object, with its text values as they are (`exact`) and, elsewhere, without upper case but ASCII's."""

    database: Database
    exact: ColumnElement[Any]
    folding: ColumnElement[Any]

    def place(self, keys: Keys) -> Place:
        """Return where a value is."""
        kind = _SqliteJson if self.database is Database.SQLITE else _PostgresJson
        return kind(self.exact, self.folding, keys)

    def elements(self, keys: Keys, name: str, *, exact: bool) -> list[Elements]:
        """Return the elements of a list."""
        found, element, _ = self._elements(keys, name, twinned=exact and self.exact is not self.folding)
        return [(found, element)]

    def chosen(self, keys: Keys, *, exact: bool) -> tuple[Select[Any], Source, ColumnElement[Any]]:
        """Return a select of the elements of the list at `keys`, one as a source, and its place in the list."""
        return self._elements(keys, "chosen", twinned=exact and self.exact is not self.folding)

    def _elements(self, keys: Keys, name: str, *, twinned: bool) -> tuple[Select[Any], Source, ColumnElement[Any]]:
        if self.database is Database.SQLITE:
            return self._sqlite_elements(keys, name, twinned)
        return self._postgres_elements(keys, name, twinned)

    def _sqlite_elements(self, keys: Keys, name: str, twinned: bool) -> tuple[Select[Any], Source, ColumnElement[Any]]:
        columns = ("key", "value", "type", "atom")
        found = func.json_each(self.folding, _json_path(keys)).table_valued(*columns, name=name)
        if not twinned:
            return _from(found), _SqliteElement(found, found), found.c.key
        twin = func.json_each(self.exact, _json_path(keys)).table_valued(*columns, name=f"{name}x")
        both = select(ONE).select_from(found.join(twin, twin.c.key == found.c.key))
        return both, _SqliteElement(twin, found), found.c.key

    def _postgres_elements(
        self, keys: Keys, name: str, twinned: bool
    ) -> tuple[Select[Any], Source, ColumnElement[Any]]:
        found = _postgres_each(self.folding, keys, name)
        if not twinned:
            return _from(found), Documents(self.database, found.c.value, found.c.value), found.c.n
        twin = _postgres_each(self.exact, keys, f"{name}x")
        both = select(ONE).select_from(found.join(twin, twin.c.n == found.c.n))
        return both, Documents(self.database, twin.c.value, found.c.value), found.c.n


def _from(found: FromClause) -> Select[Any]:
    return select(ONE).select_from(found)


def _json_path(keys: Keys) -> ColumnElement[str]:
    return constant("$" + "".join(f'."{key}"' for key in keys))


class _SqliteElement(Source):
    """A row of `json_each`: an object, or a simple value (`atom`), as it is and folded."""

    database = Database.SQLITE

    def __init__(self, exact: FromClause, folding: FromClause) -> None:
        self._exact = exact
        self._folding = folding

    def place(self, keys: Keys) -> Place:
        if keys:
            return _SqliteJson(_object(self._exact), _object(self._folding), keys)
        return _SqliteAtom(self._exact, self._folding)

    def elements(self, keys: Keys, name: str, *, exact: bool) -> list[Elements]:
        return Documents(self.database, _object(self._exact), _object(self._folding)).elements(keys, name, exact=exact)


def _object(row: FromClause) -> ColumnElement[str]:
    return case((row.c.type == constant("object"), row.c.value))


class _SqliteAtom(Place):
    """The simple value of an element."""

    def __init__(self, exact: FromClause, folding: FromClause) -> None:
        self._exact = exact
        self._folding = folding

    def text(self, *, exact: bool) -> ColumnElement[str]:
        row = self._exact if exact else self._folding
        text: ColumnElement[str] = case((row.c.type == constant("text"), row.c.atom))
        return text if exact else lowered(Database.SQLITE, text)

    def truth(self) -> ColumnElement[bool]:
        return case((self._exact.c.type.in_([constant("true"), constant("false")]), self._exact.c.atom))

    def number(self, *, fractional: bool) -> ColumnElement[Any]:
        return case((self._exact.c.type.in_([constant("integer"), constant("real")]), self._exact.c.atom))

    def present(self) -> ColumnElement[bool]:
        return self._exact.c.atom != constant("")


class _SqliteJson(Place):
    """A value inside JSON text."""

    def __init__(self, exact: ColumnElement[Any], folding: ColumnElement[Any], keys: Keys) -> None:
        self._exact = exact
        self._folding = folding
        self._path = _json_path(keys)

    def _value(self, document: ColumnElement[Any], *types: str) -> ColumnElement[Any]:
        kind = func.json_type(document, self._path)
        wanted = [constant(name) for name in types]
        return case((kind.in_(wanted), func.json_extract(document, self._path, type_=Text())))

    def text(self, *, exact: bool) -> ColumnElement[str]:
        if exact:
            return self._value(self._exact, "text")
        return lowered(Database.SQLITE, self._value(self._folding, "text"))

    def truth(self) -> ColumnElement[bool]:
        return self._value(self._folding, "true", "false")

    def number(self, *, fractional: bool) -> ColumnElement[Any]:
        return self._value(self._folding, "integer", "real")

    def present(self) -> ColumnElement[bool]:
        inside = func.json_tree(self._folding, self._path).table_valued("atom", name="inside")
        return _from(inside).where(inside.c.atom != constant("")).exists()

    def assigned(self) -> ColumnElement[bool]:
        return func.json_type(self._folding, self._path) != constant("null")


# Any value in there that is not empty.
_PRESENT: Final = (
    '$.** ? (@.type() == "number" || @.type() == "boolean" || (@.type() == "string" && @ != ""))'  # a JSON path
)


class _PostgresJson(Place):
    """A value inside a jsonb."""

    def __init__(self, exact: ColumnElement[Any], folding: ColumnElement[Any], keys: Keys) -> None:
        self._exact = _postgres_at(exact, keys)
        self._folding = _postgres_at(folding, keys)

    def _typed(self, found: ColumnElement[Any], kind: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
        return case((func.jsonb_typeof(found, type_=Text()) == constant(kind), value))

    def text(self, *, exact: bool) -> ColumnElement[str]:
        found = self._exact if exact else self._folding
        text = self._typed(found, "string", _postgres_text(found))
        return as_bytes(Database.POSTGRES, text) if exact else lowered(Database.POSTGRES, text)

    def truth(self) -> ColumnElement[bool]:
        return self._typed(self._folding, "boolean", cast(_postgres_text(self._folding), Boolean()))

    def number(self, *, fractional: bool) -> ColumnElement[Any]:
        text = _postgres_text(self._folding)
        return self._typed(self._folding, "number", cast(text, Float(53)) if fractional else cast(text, Numeric()))

    def present(self) -> ColumnElement[bool]:
        return func.jsonb_path_exists(self._folding, literal_column(f"'{_PRESENT}'"), type_=Boolean())

    def assigned(self) -> ColumnElement[bool]:
        return func.jsonb_typeof(self._folding, type_=Text()) != constant("null")


def _postgres_at(document: ColumnElement[Any], keys: Keys) -> ColumnElement[Any]:
    for key in keys:
        document = document.op("->", precedence=15, return_type=JSONB())(constant(key))
    return document


def _postgres_text(found: ColumnElement[Any]) -> ColumnElement[str]:
    return found.op("#>>", precedence=15, return_type=Text())(literal_column("'{}'"))


def _postgres_each(document: ColumnElement[Any], keys: Keys, name: str) -> FromClause:
    held = _postgres_at(document, keys)
    listed = case((func.jsonb_typeof(held, type_=Text()) == constant("array"), held))
    rows = func.jsonb_array_elements(listed).table_valued("value", with_ordinality="n", name=name)
    return rows.render_derived()


# --- rows that are related ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Related(Source):
    """A related row as the element that answers show, by the names of its sub-attributes."""

    database: Database
    subs: dict[str, Place]

    def place(self, keys: Keys) -> Place:
        """Return where a value is."""
        return self.subs[keys[0]] if keys else said(self.database, "there")

    def elements(self, keys: Keys, name: str, *, exact: bool) -> list[Elements]:
        """Return the elements of a list."""
        raise AssertionError("no element of a relation holds a list")


def said(database: Database, text: str) -> TextPlace:
    """Return the place of a text that is alike in all elements."""
    return TextPlace(as_bytes(database, constant(text)), as_bytes(database, constant(text.casefold())))


def reference(database: Database, endpoint: str, id_: ColumnElement[str]) -> TextPlace:
    """Return the place of a resource's URL, which compares exactly; a run gives what it begins with as `base`."""
    made = as_bytes(database, given("base").concat(constant(endpoint)).concat(id_))
    return TextPlace(made, made)
