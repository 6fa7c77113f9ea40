"""Statements written in SQLAlchemy Core and compiled once for each database.

Core says what a statement is; at run time only its SQL and the order of its parameters are left, and they go straight
to the driver: a tenth of what `Connection.execute` costs (docs/adr/0002-storage-layout.md has the measurements).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final, cast

from sqlalchemy import BindParameter, Table, Text, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement, GenericFunction


class Database(StrEnum):
    """The two kinds of database that a store can be in."""

    SQLITE = "sqlite"
    POSTGRES = "postgresql"

    __hash__ = str.__hash__  # an enumeration's own is a call of Python, for every statement that runs


# Positional parameters on both: a tuple is the cheapest thing that a driver takes.
_DIALECTS: Final[Mapping[Database, Dialect]] = {
    Database.SQLITE: SQLiteDialect_pysqlite(paramstyle="qmark"),
    Database.POSTGRES: PGDialect_psycopg(paramstyle="format"),  # type: ignore[no-untyped-call]
}

Parameters = tuple[Any, ...]


class Compiled:
    """SQL in one database's words; `parameters` puts named values into its order."""

    __slots__ = ("_constants", "_pick", "sql")

    def __init__(self, sql: str, names: Sequence[str], constants: Mapping[str, Any]) -> None:
        self.sql = sql
        self._constants = dict(constants)
        self._pick = _picker(names)

    def parameters(self, values: Mapping[str, Any]) -> Parameters:
        """Return `values` in the order of the placeholders. Raises `KeyError` for one that is missing."""
        return self._pick({**self._constants, **values} if self._constants else values)


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Parameters]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        only = names[0]
        return lambda values: (values[only],)
    return cast("Callable[[Mapping[str, Any]], Parameters]", itemgetter(*names))


class Statement:
    """A Core statement that is compiled when a database first needs it.

    `build` is called with the database once for each, so that a statement may be written differently for them.
    """

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Callable[[Database], ClauseElement]) -> None:
        self._build = build
        self._compiled: dict[Database, Compiled] = {}

    def on(self, database: Database) -> Compiled:
        """Return the statement as `database` understands it."""
        compiled = self._compiled.get(database)
        if compiled is None:
            compiled = self._compiled[database] = compile_for(database, self._build(database))
        return compiled


def compile_for(database: Database, statement: ClauseElement) -> Compiled:
    """Compile one Core statement. Values without a place of their own in the call become constants."""
    compiled = cast("SQLCompiler", statement.compile(dialect=_DIALECTS[database]))
    names = compiled.positiontup or []
    required = {name for name, bind in compiled.binds.items() if bind.required}
    constants = {name: value for name, value in compiled.params.items() if name not in required}
    return Compiled(compiled.string, names, constants)


def given(name: str, like: Any = None) -> BindParameter[Any]:
    """Return the place of a value that every run gives; `like` is the column whose type it has."""
    return bindparam(name, type_=Text() if like is None else like.type, required=True)


# --- what the two databases say differently --------------------------------------------------------------------


class each_text(GenericFunction[Any]):  # noqa: N801 - a function in SQL
    """The strings of a JSON array given as text, as rows with the one column `value`."""

    inherit_cache = True
    name = "each_text"


@compiles(each_text, "sqlite")
def _each_text_sqlite(element: each_text, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(each_text, "postgresql")
def _each_text_postgres(element: each_text, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS JSON))"


class among(FunctionElement[bool]):  # noqa: N801 - an operator in SQL
    """That a column is one of the strings that a run gives as `json_list(…)`: `among(column, given("ids"))`.

    PostgreSQL gets them as an array, which it can only look up in an index; given rows it would, by its statistics,
    rather read all members of a group to remove one. (No Boolean to Core, who would compare it with 1 on SQLite, where
    the comparison keeps the index out.)
    """

    inherit_cache = True
    name = "among"


@compiles(among, "sqlite")
def _among_sqlite(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"  # noqa: S608 - clauses that Core compiled


@compiles(among, "postgresql")
def _among_postgres(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY (ARRAY(SELECT json_array_elements_text(CAST({texts} AS JSON))))"


def json_list(texts: Iterable[str]) -> str:
    """Return strings as the JSON array that `among` and `each_text` read.

    Strings that no database here can hold (NUL, half a surrogate pair) are left out: nothing stored equals them.
    """
    listed = list(texts)
    text = json.dumps(listed)
    if "\\u0000" in text or "\\ud" in text:  # either, or what only looks like it
        return json.dumps([text for text in listed if storable(text)])
    return text


def storable(text: str) -> bool:
    """Return whether both databases can hold `text`: PostgreSQL has no NUL, and UTF-8 no half characters."""
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def insert_for(database: Database, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert in one database's own words, which know ON CONFLICT."""
    return sqlite.insert(table) if database is Database.SQLITE else postgresql.insert(table)


def insert_into(database: Database, table: Table, *, unless_taken: bool = False) -> ClauseElement:
    """Return an insert of one row, every column given by name; `sequence` counts itself.

    With `unless_taken`, a row that a unique index refuses is left out silently.
    """
    values: dict[str, Any] = {c.name: given(c.name, c) for c in table.columns if c.name != "sequence"}
    if "sequence" in table.columns and database is Database.SQLITE:
        values["sequence"] = next_sequence(table)
    statement = insert_for(database, table).values(values)
    return statement.on_conflict_do_nothing() if unless_taken else statement


def next_sequence(table: Table) -> Any:
    """Return the next number in a table on SQLite, where nobody else writes meanwhile."""
    earlier = table.alias("earlier")
    last = select(func.coalesce(func.max(earlier.c.sequence), 0) + 1)
    last = last.where(earlier.c.organization_id == given("organization_id"))
    if "connection_id" in table.columns:
        last = last.where(earlier.c.connection_id == given("connection_id"))
    return last.scalar_subquery()
