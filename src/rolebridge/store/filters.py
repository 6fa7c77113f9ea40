"""Filters as SQL: all of a filter, on both databases, with the meaning that `core.conditions` states.

A filter is first taken apart into its *shape*, which alone decides the SQL, and the values that it compares with, which
are parameters of a run: one statement serves all filters of a kind. In a shape `not` stands before single terms only,
where `IS NOT TRUE` makes two values of SQL's three; everywhere else NULL and false are the same.

What an index answers is asked of the index: `eq` of ids, names and of the values in `user_values`, `sw` of names,
membership. Every other term is asked of columns and stored bodies (`places`), in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    Table,
    Text,
    and_,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)

from rolebridge.core.filters import (
    And,
    AttributeType,
    Comparison,
    Element,
    Not,
    Operator,
    Or,
    Presence,
    ResolvedFilter,
    ResolvedPath,
)
from rolebridge.core.schemas import ENTERPRISE_USER
from rolebridge.store.documents import EMPLOYEE_NUMBER, INDEXED, PREFIX, exact_key, exact_stamp, stamp
from rolebridge.store.places import Below, Keys, Place, Source, as_bytes
from rolebridge.store.rows import Row
from rolebridge.store.statements import Database, given
from rolebridge.store.tables.directory import group_ancestors, group_children, memberships, user_values, users

# --- shapes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison without its value: `name` begins the names of the parameters that carry it."""

    path: ResolvedPath
    how: str
    name: str


Shape: TypeAlias = "Test | Presence | Element | And[Shape] | Or[Shape] | Not[Shape]"
"""A filter whose comparisons are `Test`s and whose `not`s stand before single terms; an `Element` holds a shape."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A filter, taken apart: what it asks, and the values that it asks with."""

    shape: Shape | None = None
    values: dict[str, Any] = field(default_factory=dict)
    terms: int = 0


def narrow(wanted: ResolvedFilter | None) -> Narrowed:
    """Take a filter apart."""
    if wanted is None:
        return _EVERYTHING
    apart = _Apart()
    shape = apart.shape(wanted, holds=True)
    return Narrowed(shape, apart.values, apart.terms)


_EVERYTHING: Final = Narrowed()


class _Apart:
    """One taking apart."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.terms = 0

    def shape(self, node: Any, *, holds: bool) -> Any:
        """Return the shape of a filter, or of its opposite."""
        match node:
            case Not(term):
                return self.shape(term, holds=not holds)
            case And(terms) | Or(terms):
                kind = And if isinstance(node, And) is holds else Or
                return kind(_deepest_first(tuple(self._joined(kind, terms, holds))))
            case Element(path, inner):
                found: Any = Element(path, self.shape(inner, holds=True), "")
            case Presence():
                found = node
            case _:
                found = self._test(node)
        self.terms += 1
        return found if holds else Not(found)

    def _joined(self, kind: type[Any], terms: tuple[Any, ...], holds: bool) -> Iterator[Any]:
        """Yield terms; what is joined in the same way inside of them stands beside them: SQLite counts depth."""
        for term in terms:
            shape = self.shape(term, holds=holds)
            if isinstance(shape, kind):
                yield from shape.terms
            else:
                yield shape

    def _test(self, node: Comparison) -> Test:
        name = f"f{self.terms}"
        value = node.value
        how = str(node.op)
        if isinstance(value, bool):
            how = "true" if value else "false"
        elif isinstance(value, datetime):
            self._instant(name, node.op, value)
        elif isinstance(value, str):
            how = self._text(name, node.op, value)
        else:
            how += " fraction" if isinstance(value, float) else ""
            self.values[name] = value
        return Test(node.path, how, name)

    def _text(self, name: str, op: Operator, value: str) -> str:
        if not value and op in (Operator.CO, Operator.SW, Operator.EW):
            return "text"
        self.values[name] = value
        if op is Operator.EQ:
            self.values[f"{name}key"] = exact_key(value)
        elif op is Operator.EW:
            self.values[f"{name}length"] = len(value)
        elif op is Operator.SW:
            self.values[f"{name}length"] = len(value)
            beyond = _beyond(value[:PREFIX])
            if beyond is None:
                return "sw anywhere"
            self.values |= {f"{name}from": value[:PREFIX], f"{name}to": beyond}
        return str(op)

    def _instant(self, name: str, op: Operator, value: datetime) -> None:
        self.values[name] = exact_stamp(value)
        self.values[f"{name}stamp"] = _stamp_bound(op, value)


# Below this depth terms stand in the order in which they were written.
_SHALLOW: Final = 6


def _deepest_first(terms: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return terms so that SQLite can read them, whose parser before 3.46 has a stack of 100.

    A bracket at the beginning of an expression takes one place of it, one after `a AND` takes three.
    """
    depths = {id(term): _depth(term) for term in terms}
    if max(depths.values()) <= _SHALLOW:
        return terms
    return tuple(sorted(terms, key=lambda term: -depths[id(term)]))


def _depth(shape: Any) -> int:
    match shape:
        case And(terms) | Or(terms):
            return 1 + max(map(_depth, terms))
        case Element(_, inner) | Not(Element(_, inner)):
            return 1 + _depth(inner)
        case _:
            return 0


# The last character before the surrogates, which UTF-8 does not have, and the last one of all.
_BEFORE_GAP: Final = 0xD7FF
_LAST: Final = 0x10FFFF


def _beyond(prefix: str) -> str | None:
    """Return the first text after all that begin with `prefix`; None where a range of keys does not say that."""
    if "\x1f" in prefix or ord(prefix[-1]) == _LAST:
        return None
    last = ord(prefix[-1])
    return prefix[:-1] + chr(0xE000 if last == _BEFORE_GAP else last + 1)


_MILLISECOND: Final = timedelta(milliseconds=1)


def _stamp_bound(op: Operator, value: datetime) -> str:
    """Return what stamps, which end at milliseconds, compare with as they would with an instant."""
    floor = stamp(value)
    if value.microsecond % 1000 == 0:
        return floor
    if op is Operator.EQ:
        return ""  # no stamp equals it
    if op in (Operator.GT, Operator.LE):
        return floor
    try:
        return stamp(value + _MILLISECOND)
    except OverflowError:
        return "~"  # after every stamp


# --- what an index answers -----------------------------------------------------------------------------------------

_USER_KEYS: Final[dict[Keys, str]] = {
    ("id",): "id",
    ("userName",): "user_key",
    ("externalId",): "external_key",
    ("displayName",): "display_key",
}
_GROUP_KEYS: Final[dict[Keys, str]] = {("id",): "id", ("displayName",): "display_key", ("externalId",): "external_key"}
_VALUES: Final[dict[Keys, str]] = {
    **{(name, "value"): name for name in INDEXED},
    (ENTERPRISE_USER, "employeeNumber"): EMPLOYEE_NUMBER,
}
_STAMPS: Final[dict[Keys, str]] = {("meta", "created"): "created", ("meta", "lastModified"): "last_modified"}

# An index on these has no connection in it. SQLite, which keeps no statistics here, would rather walk the connection in
# the order of creation; told the connection in a way that no index understands, it takes the index of the term.
_WITHOUT_CONNECTION: Final = frozenset({"id", "user_key", "value", "member"})


def _index_of(table: Table, term: Any) -> str | None:
    """Return what kind of index answers a term with a few rows, None for none."""
    if isinstance(term, Element):
        inner = term.filter.terms if isinstance(term.filter, And) else (term.filter,)
        path = term.path.keys
        found = table is users and path[0] in INDEXED and any(_is_value(test) for test in inner)
        return "value" if found else None
    if not isinstance(term, Test) or term.how not in ("eq", "sw"):
        return None
    keys = term.path.keys
    column = (_USER_KEYS if table is users else _GROUP_KEYS).get(keys)
    if column is not None or term.how == "sw":
        return column
    if keys == (related_name(table), "value"):
        return "member"
    return "value" if table is users and keys in _VALUES else None


def _is_value(test: Any) -> bool:
    return isinstance(test, Test) and test.how == "eq" and test.path.keys == ("value",)


def related_name(table: Table) -> str:
    """Return the attribute that is kept as memberships."""
    return "groups" if table is users else "members"


def _names_few(table: Table, shape: Any, kinds: frozenset[str] | None = None) -> bool:
    """Return whether an index (of these kinds) answers a shape with a few rows."""
    match shape:
        case And(terms):
            return any(_names_few(table, term, kinds) for term in terms)
        case Or(terms):
            return all(_names_few(table, term, kinds) for term in terms)
        case _:
            kind = _index_of(table, shape)
            return kind is not None and (kinds is None or kind in kinds)


# --- SQL -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What finds the rows of a shape: the conditions on them, and the row as a source.

    `row.rows` is what to select from, once all that reads the row is made.
    """

    conditions: list[ColumnElement[bool]]
    row: Row


def finding(database: Database, table: Table, shape: Shape | None) -> Found:
    """Return what finds the rows of a connection for which a shape holds."""
    row = Row(database, table)
    connection: ColumnElement[Any] = table.c.connection_id
    if shape is not None and _names_few(table, shape, _WITHOUT_CONNECTION):
        connection = connection.concat(literal_column("''"))
    found = [table.c.organization_id == given("organization_id"), connection == given("connection_id")]
    if shape is not None:
        builder = _Builder(database, table, row)
        terms = shape.terms if isinstance(shape, And) else (shape,)
        found += [builder.condition(term, row) for term in terms]
    return Found(found, row)


def in_creation_order(table: Table, shape: Shape | None) -> ColumnElement[Any]:
    """Return what rows are ordered by; kept from choosing the index where another one names the row."""
    few = shape is not None and _names_few(table, shape)
    return table.c.sequence + literal_column("0") if few else table.c.sequence


class _Builder:
    """Makes one condition; counts the subqueries that it names."""

    def __init__(self, database: Database, table: Table, row: Row) -> None:
        self._database = database
        self._table = table
        self._row = row
        self._named = 0

    def condition(self, shape: Any, source: Source) -> ColumnElement[bool]:
        match shape:
            case And(terms):
                return and_(*(self.condition(term, source) for term in terms))
            case Or(terms):
                return or_(*(self.condition(term, source) for term in terms))
            case Not(term):
                return self.condition(term, source).isnot(literal_column("TRUE"))
            case Presence(path):
                return self._along(path.levels, source, _is_present, through_last=False)
            case Element(path, inner):
                return self._element(shape, path, inner, source)
            case _:
                return self._test(shape, source)

    def _element(self, shape: Element, path: ResolvedPath, inner: Any, source: Source) -> ColumnElement[bool]:
        exact = _is_exact(inner)

        def holds(at: Source, keys: Keys) -> ColumnElement[bool]:
            below = Below(at, keys) if keys else at
            inside = self.condition(inner, below)
            return and_(at.place(keys).assigned(), inside) if keys else inside

        found = self._along(path.levels, source, holds, exact=exact)
        if source is self._row and _index_of(self._table, shape) == "value":
            tests = inner.terms if isinstance(inner, And) else (inner,)
            test = next(test for test in tests if _is_value(test))
            return and_(self._in_values(path.keys[0], test.name), found)
        return found

    def _test(self, test: Test, source: Source) -> ColumnElement[bool]:
        if source is self._row:
            found = self._indexed(test)
            if found is not None:
                return found
        exact = test.path.target.case_exact or test.path.target.type is AttributeType.BINARY
        compared = _comparison(self._database, test, exact=exact)
        return self._along(test.path.levels, source, lambda at, keys: compared(at.place(keys)), exact=exact)

    def _along(
        self,
        levels: tuple[tuple[str, bool], ...],
        source: Source,
        test: Callable[[Source, Keys], ColumnElement[bool]],
        *,
        exact: bool = False,
        through_last: bool = True,
    ) -> ColumnElement[bool]:
        """Return whether the test holds for any of the values along a path.

        Without `through_last` a list at the end of the path is a value like another.
        """
        keys: Keys = ()
        for place, (key, many) in enumerate(levels):
            keys = (*keys, key)
            last = place == len(levels) - 1
            if many and (through_last or not last or self._is_relation(source, keys)):
                self._named += 1
                rest = levels[place + 1 :]
                found = [
                    elements.where(self._along(rest, element, test, exact=exact, through_last=through_last)).exists()
                    for elements, element in source.elements(keys, f"e{self._named}", exact=exact)
                ]
                return or_(*found) if len(found) > 1 else found[0]
        return test(source, keys)

    def _is_relation(self, source: Source, keys: Keys) -> bool:
        return source is self._row and self._row.is_relation(keys)

    # --- by index

    def _indexed(self, test: Test) -> ColumnElement[bool] | None:
        kind = _index_of(self._table, test)
        keys = test.path.keys
        if kind == "value":
            return self._in_values(_VALUES[keys], test.name)
        if kind == "member":
            return self._in_memberships(test.name)
        if kind == "id" and test.how == "eq":
            return self._table.c.id == given(test.name)
        if kind is not None and kind != "id":
            column = self._table.c[kind]
            if test.how == "eq":
                return column == given(f"{test.name}key")
            within = and_(column >= given(f"{test.name}from"), column < given(f"{test.name}to"))
            exact = test.path.target.case_exact
            return and_(within, _comparison(self._database, test, exact=exact)(self._row.place(keys)))
        if keys in _STAMPS:
            return _RELATIONS[test.how](self._table.c[_STAMPS[keys]], given(f"{test.name}stamp"))
        return None

    def _in_values(self, attribute: str, name: str) -> ColumnElement[bool]:
        return self._table.c.id.in_(
            select(user_values.c.user_id).where(
                user_values.c.organization_id == given("organization_id"),
                user_values.c.attribute == literal_column("'" + attribute.replace("'", "''") + "'", Text()),
                user_values.c.value == given(f"{name}key"),
            )
        )

    def _in_memberships(self, name: str) -> ColumnElement[bool]:
        """Return whether the row belongs to the group, or has the member, of an id; through other groups, too."""
        member = memberships.c
        scope = member.organization_id == given("organization_id")
        if self._table is users:
            above = group_ancestors.c
            below = select(above.group_id).where(
                above.organization_id == given("organization_id"), above.ancestor_id == given(name)
            )
            direct = select(member.user_id).where(scope, member.group_id == given(name))
            indirect = select(member.user_id).where(scope, member.group_id.in_(below))
            return self._table.c.id.in_(union_all(direct, indirect))
        nested = group_children.c
        parents = select(nested.parent_id).where(
            nested.organization_id == given("organization_id"), nested.child_id == given(name)
        )
        holders = select(member.group_id).where(scope, member.user_id == given(name))
        return self._table.c.id.in_(union_all(holders, parents))


def _is_present(source: Source, keys: Keys) -> ColumnElement[bool]:
    return source.place(keys).present()


def _is_exact(shape: Any) -> bool:
    """Return whether any text in a shape compares as it is."""
    match shape:
        case And(terms) | Or(terms):
            return any(map(_is_exact, terms))
        case Not(term):
            return _is_exact(term)
        case Test(path):
            return path.target.case_exact or path.target.type is AttributeType.BINARY
        case _:
            return False


_RELATIONS: Final[dict[str, Callable[[Any, Any], ColumnElement[bool]]]] = {
    "eq": lambda value, wanted: value == wanted,
    "gt": lambda value, wanted: value > wanted,
    "ge": lambda value, wanted: value >= wanted,
    "lt": lambda value, wanted: value < wanted,
    "le": lambda value, wanted: value <= wanted,
}


def _comparison(database: Database, test: Test, *, exact: bool) -> Callable[[Place], ColumnElement[bool]]:
    """Return the comparison of one value; NULL or false where it has not the attribute's type."""
    how, _, kind = test.how.partition(" ")
    match test.path.target.type:
        case AttributeType.BOOLEAN:
            return lambda place: place.truth().is_(literal_column(how.upper()))
        case AttributeType.INTEGER | AttributeType.DECIMAL:
            fraction = kind == "fraction"
            wanted = given(test.name, _FLOAT if fraction else _INTEGER)
            return lambda place: _RELATIONS[how](place.number(fractional=fraction), wanted)
        case AttributeType.DATE_TIME:
            instant = given(test.name)
            return lambda place: _RELATIONS[how](func.rolebridge_instant(place.text(exact=True), type_=Text()), instant)
        case _:
            return lambda place: _text_test(database, how, test.name, place.text(exact=exact))


class _Like:
    """Stands for a column where only its type is asked for."""

    def __init__(self, type_: Any) -> None:
        self.type = type_


_INTEGER: Final = _Like(BigInteger())
_FLOAT: Final = _Like(Float(53))
_LENGTH: Final = _Like(Integer())


def _text_test(database: Database, how: str, name: str, text: ColumnElement[str]) -> ColumnElement[bool]:
    if how == "text":
        return not_(text.is_(None))
    wanted = as_bytes(database, given(name))
    if how in _RELATIONS:
        return _RELATIONS[how](text, wanted)
    if how == "co":
        places = func.instr if database is Database.SQLITE else func.strpos
        return places(text, wanted) > literal_column("0")
    length = given(f"{name}length", _LENGTH)
    if how == "sw":
        return func.substr(text, literal_column("1"), length) == wanted
    # The end of a text that is shorter than wanted is all of it, and not equal.
    end = func.substr(text, -length) if database is Database.SQLITE else func.right(text, length)
    return end == wanted
