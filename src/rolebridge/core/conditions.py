"""Filters against a table of attributes: every name found, every value typed, in the few shapes that are evaluated.

What a filter means (RFC 7644 §3.4.2.2), stated once for evaluation here and for SQL in the store:

- A path has the values found along it; absent, `null`, `""`, `[]`, `{}` and lists or objects of only those are no
  value for `pr`, and a comparison never holds for an absent or null value.
- On several values a comparison holds when it holds for any of them. A value filter (`emails[…]`) holds when one
  element satisfies all of it.
- `x ne v` is `not (x eq v)`: true when `x` is absent, and on several values true when none of them equals `v`. The
  RFC says only "not identical" for `ne` and "any value" for several; read together literally, `groups ne "a"` would
  hold for everyone in `a` and one other group, which is useless as a filter and dangerous as a condition. That an
  absent attribute differs from a value follows RFC 7643 §2.5, where unassigned and null are one state.
- `x eq null` is `not (x pr)`, `x ne null` is `x pr`.
- Inside brackets the same rules hold for the element, so `emails[type eq "work"].value ne "x"` is
  `not (emails[type eq "work" and value eq "x"])`.
- Text compares casefolded unless the attribute is caseExact, in code point order; binary always exactly. dateTimes
  compare as instants, without a zone as UTC, and a date alone is its midnight.

So `ne`, null and compared value filters do not exist in a `ResolvedFilter`. Its logic has two values: who compiles
it to SQL must make sure that a missing row or NULL counts as false before `Not` turns it around.

Import from `rolebridge.core.filters`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, TypeAlias

from rolebridge.core.attributes import (
    Attribute,
    AttributeTable,
    AttributeType,
    ResolvedPath,
    UnknownAttribute,
    resolve_in_element,
)
from rolebridge.core.diagnostics import did_you_mean
from rolebridge.core.filter_tree import (
    And,
    AttrPath,
    Compare,
    Filter,
    FilteredPath,
    FilterError,
    Not,
    Operand,
    OperandKind,
    Operator,
    Or,
    Path,
    Present,
    Scalar,
    SchemaPath,
    ValuePath,
    json_text,
    shown,
    to_text,
)


class InvalidComparison(FilterError):
    """An operator or a value does not fit the type of its attribute (RFC 7644 §3.12 `invalidFilter`)."""


class Tolerance(StrEnum):
    """What a filter was forgiven, for the caller to count."""

    UNQUOTED_VALUE = "unquoted-value"
    BOOLEAN_STRING = "boolean-string"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One value of `path` stands in the relation `op` (never `ne`) to `value`.

    `value` has the attribute's type: casefolded text unless it compares exactly, an aware UTC datetime, a bool, an
    int or a float. `written` is the same as JSON has it, with its upper case.
    """

    path: ResolvedPath
    op: Operator
    value: str | int | float | datetime
    written: Scalar = field(compare=False)
    tolerance: Tolerance | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Presence:
    """`path` has a value that is not empty."""

    path: ResolvedPath


@dataclass(frozen=True, slots=True)
class Element:
    """One element of `path` satisfies `filter`, whose paths begin at the element. `text` is the filter as text."""

    path: ResolvedPath
    filter: ResolvedFilter
    text: str = field(compare=False)


ResolvedFilter: TypeAlias = (
    "Comparison | Presence | Element | And[ResolvedFilter] | Or[ResolvedFilter] | Not[ResolvedFilter]"
)


@dataclass(frozen=True, slots=True)
class WholeSchema:
    """A PATCH path that names all of an extension (or the core schema) by its URN."""

    schema: str


@dataclass(frozen=True, slots=True)
class Selection:
    """A PATCH path that selects elements of `path`, or one sub-attribute of each of them."""

    path: ResolvedPath
    filter: ResolvedFilter
    sub: Attribute | None


Target: TypeAlias = WholeSchema | ResolvedPath | Selection


class AttributeRef(NamedTuple):
    """An attribute that a filter looks at, all lower case; `schema` is None for the core schema."""

    schema: str | None
    name: str
    sub: str | None


def check(node: Filter, table: AttributeTable, *, boolean_strings: bool = False) -> ResolvedFilter:
    """Find every attribute of a filter in the table and give every value its attribute's type.

    `boolean_strings` accepts `primary eq "True"`. Raises the first `UnknownAttribute` or `InvalidComparison`.
    """
    return _Checker(boolean_strings).filter(node, table.resolve)


def check_path(path: Path, table: AttributeTable, *, boolean_strings: bool = False) -> Target:
    """Find what the path of a PATCH operation means. Raises `UnknownAttribute` or `InvalidComparison`."""
    if isinstance(path, SchemaPath):
        schema = table.schema_spelt(path.schema)
        if schema is None:
            help = did_you_mean(path.schema, (table.schema, *table.extensions))
            raise UnknownAttribute(f"unknown schema {shown(path.schema)}", path.offset, path.length, help)
        return WholeSchema(schema)
    if isinstance(path, AttrPath):
        named = table.schema_named_by(path)
        return WholeSchema(named) if named else table.resolve(path)
    inner = ValuePath(path.path, path.filter, path.offset, path.length)
    element = _Checker(boolean_strings).value_path(inner, table.resolve)
    sub = None
    if path.sub is not None:
        sub = resolve_in_element(element.path.attribute, _sub_path(path, path.sub)).attribute
    return Selection(element.path, element.filter, sub)


def problems(node: Filter, table: AttributeTable) -> list[FilterError]:
    """Return everything that `check` would refuse, in the order of the text."""
    found: dict[tuple[int, str], FilterError] = {}
    for leaf in _leaves(node):
        try:
            check(leaf, table)
        except FilterError as error:
            found.setdefault((error.offset, error.message), error)
    return list(found.values())


def referenced_attributes(resolved: ResolvedFilter) -> frozenset[AttributeRef]:
    """Return every attribute that decides the filter; an unnamed sub-attribute is None."""
    return frozenset(
        _ref(node.path, inside) for node, inside in _nodes(resolved, None) if not isinstance(node, Element)
    )


def tolerances(resolved: ResolvedFilter) -> tuple[Tolerance, ...]:
    """Return what the filter was forgiven, once per comparison, in the order of the text."""
    return tuple(
        node.tolerance
        for node, _ in _nodes(resolved, None)
        if isinstance(node, Comparison) and node.tolerance is not None
    )


def parse_datetime(text: str) -> datetime | None:
    """Read an RFC 7643 §2.3.5 dateTime as an instant in UTC; None when it is none.

    No zone means UTC, a date alone its midnight, and digits beyond microseconds are dropped.
    """
    if not _DATE_TIME.fullmatch(text):
        return None
    try:
        read = datetime.fromisoformat(text.upper())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):  # the 31st of February; year 1 east of Greenwich
        return None


_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt](?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d{1,12})?)?(?:[Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)

# --- checking ------------------------------------------------------------------------------------------------

_EQUALITY: Final = frozenset({Operator.EQ, Operator.NE})
_SUBSTRING: Final = frozenset({Operator.CO, Operator.SW, Operator.EW})
# RFC 7644 §3.4.2.2 refuses ordering for boolean and binary; parts of what is not text have no meaning.
_OPERATORS: Final = {
    AttributeType.STRING: frozenset(Operator),
    AttributeType.REFERENCE: frozenset(Operator),
    AttributeType.BOOLEAN: _EQUALITY,
    AttributeType.BINARY: _EQUALITY,
    AttributeType.DECIMAL: frozenset(Operator) - _SUBSTRING,
    AttributeType.INTEGER: frozenset(Operator) - _SUBSTRING,
    AttributeType.DATE_TIME: frozenset(Operator) - _SUBSTRING,
    AttributeType.COMPLEX: frozenset[Operator](),
}
_HELP: Final = {
    AttributeType.STRING: 'write a string: "…"',
    AttributeType.REFERENCE: 'write a string: "…"',
    AttributeType.BINARY: 'write base64 text: "…"',
    AttributeType.BOOLEAN: "write `true` or `false`",
    AttributeType.DECIMAL: "write a number",
    AttributeType.INTEGER: "write a whole number",
    AttributeType.DATE_TIME: 'write it like "2026-12-01T00:00:00Z"',
}
_MAX_INTEGER: Final = 2**63 - 1


class _Resolve(Protocol):
    """How a path is found where a node stands: in the table, or in the element of a value filter."""

    def __call__(self, path: AttrPath, *, compared: bool = False) -> ResolvedPath: ...


class _Checker:
    """One check, with its tolerances."""

    def __init__(self, boolean_strings: bool) -> None:
        self.boolean_strings = boolean_strings

    def filter(self, node: Filter, resolve: _Resolve) -> ResolvedFilter:
        match node:
            case And(terms):
                return And(tuple(self.filter(term, resolve) for term in terms))
            case Or(terms):
                return Or(tuple(self.filter(term, resolve) for term in terms))
            case Not(term):
                return Not(self.filter(term, resolve))
            case ValuePath():
                return self.value_path(node, resolve)
            case Present(path) | Compare(path):
                if isinstance(path, FilteredPath):
                    return self.filter(_correlated(node, path), resolve)
                return Presence(resolve(path)) if isinstance(node, Present) else self.compare(node, path, resolve)

    def value_path(self, node: ValuePath, resolve: _Resolve) -> Element:
        path = resolve(node.path)
        holder = path.attribute
        if holder.type is not AttributeType.COMPLEX and not holder.multi_valued:
            message = f"{shown(holder.name)} holds one simple value, there is nothing to select with `[…]`"
            raise InvalidComparison(message, node.path.offset, node.path.length)

        def resolve_inside(path: AttrPath, *, compared: bool = False) -> ResolvedPath:
            del compared  # a sub-attribute is never complex (RFC 7643 §2.3.8), so no `.value` is implied
            return resolve_in_element(holder, path)

        return Element(path, self.filter(node.filter, resolve_inside), to_text(node.filter))

    def compare(self, node: Compare, written: AttrPath, resolve: _Resolve) -> ResolvedFilter:
        if node.operand.kind is OperandKind.NULL:
            if node.op not in _EQUALITY:
                raise InvalidComparison(f"`{node.op}` cannot compare with null", node.op_offset, 2)
            presence = Presence(resolve(written))
            return Not(presence) if node.op is Operator.EQ else presence
        path = resolve(written, compared=True)
        type_ = path.target.type
        if type_ is AttributeType.COMPLEX:
            raise _complex_compared(path)
        if node.op not in _OPERATORS[type_]:
            message = f"`{node.op}` cannot compare {shown(path.label)}, which is of type {type_}"
            raise InvalidComparison(message, node.op_offset, 2)
        op = Operator.EQ if node.op is Operator.NE else node.op
        comparison = self.comparison(path, op, node.operand)
        return Not(comparison) if node.op is Operator.NE else comparison

    def comparison(self, path: ResolvedPath, op: Operator, operand: Operand) -> Comparison:
        written, tolerance = self.written(path.target.type, operand)
        value = _typed(path.target, written)
        if value is None:
            text = shown(operand.bare or json_text(operand.value))
            message = f"{text} does not compare with {shown(path.label)}, which is of type {path.target.type}"
            help = _HELP[path.target.type]
            raise InvalidComparison(message, operand.offset, operand.length, help)
        return Comparison(path, op, value, written, tolerance)

    def written(self, type_: AttributeType, operand: Operand) -> tuple[Scalar, Tolerance | None]:
        """Return the value that was meant, as JSON would have it, and what that forgives."""
        if operand.bare is not None and type_ in _TEXT_IN_JSON:
            return operand.bare, Tolerance.UNQUOTED_VALUE
        if type_ is AttributeType.BOOLEAN and isinstance(operand.value, str):
            meant = {"true": True, "false": False}.get(operand.value.casefold())
            if meant is not None and operand.bare is not None:
                return meant, Tolerance.UNQUOTED_VALUE
            if meant is not None and self.boolean_strings:
                return meant, Tolerance.BOOLEAN_STRING
        return operand.value, None


_TEXT_IN_JSON: Final = frozenset(
    {AttributeType.STRING, AttributeType.REFERENCE, AttributeType.BINARY, AttributeType.DATE_TIME}
)


def _typed(target: Attribute, value: Scalar) -> str | int | float | datetime | None:
    """Return a value as its attribute compares it, None when it is not of the attribute's type."""
    if target.type in _TEXT_IN_JSON:
        if not isinstance(value, str):
            return None
        if target.type is AttributeType.DATE_TIME:
            return parse_datetime(value)
        exact = target.case_exact or target.type is AttributeType.BINARY
        return value if exact else value.casefold()
    if target.type is AttributeType.BOOLEAN:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if target.type is AttributeType.INTEGER and isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _MAX_INTEGER else None
    return value


def _complex_compared(path: ResolvedPath) -> InvalidComparison:
    names = [sub.name for sub in path.target.sub.values()]
    help = "compare " + " or ".join(f"`{path.label}.{name}`" for name in names[:3]) if names else None
    message = f"{shown(path.label)} is complex, only its sub-attributes compare"
    return InvalidComparison(message, path.offset, path.length, help)


def _correlated(node: Compare | Present, path: FilteredPath) -> Filter:
    """Return `emails[type eq "work"].value eq "x"` as `emails[type eq "work" and value eq "x"]`.

    What is negative (`ne`, `eq null`) negates the whole, as it does without brackets.
    """
    assert path.sub is not None  # the parser makes a ValuePath of brackets that nothing follows
    sub = _sub_path(path, path.sub)
    positive: Compare | Present
    negated = False
    if isinstance(node, Present):
        positive = Present(sub)
    elif node.operand.kind is OperandKind.NULL and node.op in _EQUALITY:
        positive, negated = Present(sub), node.op is Operator.EQ
    else:
        negated = node.op is Operator.NE
        positive = replace(node, path=sub, op=Operator.EQ if negated else node.op)
    before = path.filter.terms if isinstance(path.filter, And) else (path.filter,)
    whole = ValuePath(path.path, And((*before, positive)), path.offset, path.length)
    return Not(whole) if negated else whole


def _sub_path(path: FilteredPath, sub: str) -> AttrPath:
    """Return the sub-attribute behind the brackets, where it stands: at the end of the path."""
    return AttrPath(None, sub, None, path.offset + path.length - len(sub), len(sub))


# --- walking -------------------------------------------------------------------------------------------------


def _leaves(node: Filter) -> Iterator[Filter]:
    """Split a filter into the least parts that can be checked apart, each bracket around one comparison."""
    match node:
        case And(terms) | Or(terms):
            for term in terms:
                yield from _leaves(term)
        case Not(term):
            yield from _leaves(term)
        case ValuePath(_, inner):
            for leaf in _leaves(inner):
                yield replace(node, filter=leaf)
        case Present(path) | Compare(path):
            if isinstance(path, FilteredPath):
                yield from _leaves(_correlated(node, path))
            else:
                yield node


def _nodes(
    node: ResolvedFilter, inside: ResolvedPath | None
) -> Iterator[tuple[Comparison | Presence | Element, ResolvedPath | None]]:
    """Walk over everything that looks at an attribute, with the path of the brackets around it."""
    match node:
        case And(terms) | Or(terms):
            for term in terms:
                yield from _nodes(term, inside)
        case Not(term):
            yield from _nodes(term, inside)
        case Element(path, inner):
            yield node, inside
            yield from _nodes(inner, path)
        case Comparison() | Presence():
            yield node, inside


def _ref(path: ResolvedPath, inside: ResolvedPath | None) -> AttributeRef:
    holder, sub = (path, path.sub) if inside is None else (inside, path.attribute if path.keys else None)
    schema = holder.schema.lower() if holder.schema else None
    return AttributeRef(schema, holder.attribute.name.lower(), sub.name.lower() if sub else None)
