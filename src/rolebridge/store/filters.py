"""Filters as SQL, as far as an index helps; what is left is asked of the stored bodies.

A filter's terms (joined by `and`) that an index answers become conditions: they narrow the rows. Whatever else a
filter says is evaluated by `core.filters` on the body of each row that is left, so that every operator means here
what it means everywhere, case included, and no term is ever ignored. What a body does not hold (`groups`, `members`,
`meta.location`) can only be asked for by an index; another question about it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, literal_column, select

from rolebridge.core.errors import Invalid
from rolebridge.core.filters import And, Comparison, Element, Operator, ResolvedFilter, referenced_attributes
from rolebridge.core.schemas import ENTERPRISE_USER
from rolebridge.store.documents import EMPLOYEE_NUMBER, INDEXED, exact_key
from rolebridge.store.statements import given
from rolebridge.store.tables import memberships, user_values, users


class UnsupportedFilter(Invalid):
    """That a filter is well formed and cannot be answered (RFC 7644 §3.12 `invalidFilter`)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "filter")


# How a term is answered: by a column, by the values index, or by the memberships index.
_USER_COLUMNS: Final = {
    ("id",): "id",
    ("userName",): "user_key",
    ("externalId",): "external_key",
    ("displayName",): "display_key",
    ("active",): "active",
}
_GROUP_COLUMNS: Final = {("id",): "id", ("displayName",): "display_key", ("externalId",): "external_key"}
_VALUES: Final = {(name, "value"): name for name in INDEXED} | {(ENTERPRISE_USER, "employeeNumber"): EMPLOYEE_NUMBER}
_ELEMENTS: Final = {(name,): name for name in INDEXED}
_VALUE: Final = "value"
_MEMBER: Final = "member"

# An index on these has no connection in it. SQLite, which keeps no statistics here, would rather walk the connection in
# the order of creation; told the connection in a way that no index understands, it takes the index of the term.
_WITHOUT_CONNECTION: Final = frozenset({"id", "user_key", _VALUE, _MEMBER})
# These name at most a few rows, which are then sorted, whatever the index.
_NAMING: Final = _WITHOUT_CONNECTION | {"external_key", "display_key"}


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A filter, taken apart: which indexes answer it with which values, and what is left to ask of each body.

    `shape` alone decides the SQL, so that one statement serves all filters of a kind.
    """

    shape: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    rest: ResolvedFilter | None = None


def narrow(table: Table, wanted: ResolvedFilter | None) -> Narrowed:
    """Take a filter on users or groups apart. Raises `UnsupportedFilter`."""
    if wanted is None:
        return Narrowed()
    shape: list[str] = []
    values: dict[str, Any] = {}
    rest: list[ResolvedFilter] = []
    for term in _terms(wanted):
        found = _indexed(table, term)
        if found is not None:
            kind, *keys = found
            values |= {f"f{len(shape)}_{place}": key for place, key in enumerate(keys)}
            shape.append(kind)
        if found is None or isinstance(term, Element):
            rest.append(_evaluable(table, term))
    return Narrowed(tuple(shape), values, _conjunction(rest))


def _terms(wanted: ResolvedFilter) -> Iterator[ResolvedFilter]:
    if isinstance(wanted, And):
        for term in wanted.terms:
            yield from _terms(term)
    else:
        yield wanted


def _conjunction(terms: list[ResolvedFilter]) -> ResolvedFilter | None:
    if len(terms) <= 1:
        return terms[0] if terms else None
    return And(tuple(terms))


def _indexed(table: Table, term: ResolvedFilter) -> tuple[Any, ...] | None:
    """Return the kind of index that answers a term (for an `Element`: narrows it) and its values."""
    columns = _USER_COLUMNS if table is users else _GROUP_COLUMNS
    if isinstance(term, Comparison) and term.op is Operator.EQ:
        keys = term.path.keys
        value = exact_key(term.value) if isinstance(term.value, str) else term.value
        if keys in columns:
            return columns[keys], term.value if keys == ("id",) else value
        if table is users and keys in _VALUES:
            return _VALUE, _VALUES[keys], value
        if keys == (("groups", "value") if table is users else ("members", "value")):
            return _MEMBER, term.value
    if isinstance(term, Element) and table is users and term.path.keys in _ELEMENTS:
        for inner in _terms(term.filter):
            if isinstance(inner, Comparison) and inner.op is Operator.EQ and inner.path.keys == ("value",):
                return _VALUE, _ELEMENTS[term.path.keys], exact_key(str(inner.value))
    return None


def _evaluable(table: Table, term: ResolvedFilter) -> ResolvedFilter:
    """Return a term that bodies can answer. Raises `UnsupportedFilter` for another."""
    absent = "groups" if table is users else "members"
    for schema, name, sub in referenced_attributes(term):
        if schema is None and name == absent:
            raise UnsupportedFilter(f'`{absent}` can only be asked for as `{absent}.value eq "…"`, joined by `and`')
        if schema is None and (name, sub) == ("meta", "location"):
            raise UnsupportedFilter("`meta.location` cannot be filtered by; ask for the `id`")
    return term


def conditions(table: Table, shape: tuple[str, ...]) -> list[ColumnElement[bool]]:
    """Return the WHERE of a shape: the organization, the connection, and a condition for each of its kinds."""
    connection: ColumnElement[Any] = table.c.connection_id
    if _WITHOUT_CONNECTION.intersection(shape):
        connection = connection.concat(literal_column("''"))
    found = [table.c.organization_id == given("organization_id"), connection == given("connection_id")]
    for place, kind in enumerate(shape):
        found.append(_condition(table, kind, f"f{place}_"))
    return found


def _condition(table: Table, kind: str, prefix: str) -> ColumnElement[bool]:
    if kind == _VALUE:
        return table.c.id.in_(
            select(user_values.c.user_id).where(
                user_values.c.organization_id == given("organization_id"),
                user_values.c.attribute == given(f"{prefix}0"),
                user_values.c.value == given(f"{prefix}1"),
            )
        )
    if kind == _MEMBER:
        asked, told = ("group_id", "user_id") if table is users else ("user_id", "group_id")
        return table.c.id.in_(
            select(memberships.c[told]).where(
                memberships.c.organization_id == given("organization_id"),
                memberships.c[asked] == given(f"{prefix}0"),
            )
        )
    return table.c[kind] == given(f"{prefix}0", table.c[kind])


def in_creation_order(table: Table, shape: tuple[str, ...]) -> ColumnElement[Any]:
    """Return what rows are ordered by; kept from choosing the index where another one names the row."""
    naming = _NAMING.intersection(shape)
    return table.c.sequence + literal_column("0") if naming else table.c.sequence
