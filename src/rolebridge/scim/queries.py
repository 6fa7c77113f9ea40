"""The query of a request: which resources, which page of them, which attributes (RFC 7644 §3.4.2, §3.4.3, §3.9)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from scim2_models import SearchRequest

from rolebridge.core import filters
from rolebridge.core.filters import (
    And,
    AttributeTable,
    AttributeType,
    AttrPath,
    Compare,
    Comparison,
    Filter,
    FilteredPath,
    FilterError,
    FilterSyntaxError,
    Not,
    OperandKind,
    Operator,
    Or,
    Present,
    ResolvedFilter,
    ResolvedPath,
    UnknownAttribute,
    ValuePath,
    check,
    parse_filter,
    parse_path,
    tolerances,
)
from rolebridge.scim.answers import Projection, known_names, read_projection
from rolebridge.scim.errors import invalid_count, invalid_filter, invalid_syntax, invalid_value
from rolebridge.scim.limits import DEFAULT_PAGE, MAX_PAGE
from rolebridge.scim.schemas import ResourceSchema
from rolebridge.scim.tolerances import Reading, Tolerance
from rolebridge.store.orders import Order

SEARCH_SCHEMA: Final = str(SearchRequest.__schema__)

# Beyond this every page is empty, and every database can count so far.
_MAX_OFFSET: Final = 2_000_000_000


# Python reads further spellings of a number than a URL should hold: `1_000`, digits of other scripts.
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,4000}")


@dataclass(frozen=True, slots=True)
class Query:
    """A question for resources. `start_index` counts from 1 and is echoed; `count` is at most `MAX_PAGE`.

    `cursor` is None for a page by index, "" for the first page by cursor.
    """

    wanted: ResolvedFilter | None
    order: Order | None
    start_index: int
    count: int
    cursor: str | None
    projection: Projection

    @property
    def offset(self) -> int:
        """Return how many resources come before the page."""
        return min(self.start_index - 1, _MAX_OFFSET)


def read_queries(parameters: Mapping[str, str], resources: Sequence[ResourceSchema], reading: Reading) -> list[Query]:
    """Read query parameters by lower-case name, as they are asked of each type of resource.

    Asked of several, an attribute that only another one has is absent here (RFC 7644 §3.4.3). Parameters that are not
    of RFC 7644 or RFC 9865 (`aadOptscim062020`) are passed over. Raises `ScimError` (invalidFilter, invalidValue,
    invalidCount).
    """
    filter_text, cursor = parameters.get("filter"), parameters.get("cursor")
    start_index = max(1, _whole(parameters, "startindex", 1))
    count = min(MAX_PAGE, max(0, _whole(parameters, "count", DEFAULT_PAGE, paged_by_cursor=cursor is not None)))
    found = []
    for schema in resources:
        others = [other for other in resources if other is not schema]
        tables = [other.table for other in others]
        found.append(
            Query(
                wanted=None if filter_text is None else read_filter(filter_text, schema.table, reading, tables),
                order=read_order(parameters, schema.table, reading, tables),
                start_index=start_index,
                count=count,
                cursor=cursor,
                projection=_projection_among(parameters, schema, others, reading),
            )
        )
    return found


def question_of(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a cursor is good for: the same question, asked for its next page."""
    return tuple(parameters.get(name, "") for name in ("filter", "sortby", "sortorder"))


def _projection_among(
    parameters: Mapping[str, str], schema: ResourceSchema, others: Sequence[ResourceSchema], reading: Reading
) -> Projection:
    """Return which attributes an answer holds where those of other types of resource may be named, too."""
    if not others:
        return projection_of(parameters, schema, reading)
    kept = dict(parameters)
    for name, nothing in (("attributes", "id"), ("excludedattributes", None)):
        text = parameters.get(name)
        if text:
            known = known_names(schema, others, text, reading)
            # Naming only what others have is not naming nothing, which would mean everything.
            kept[name] = known or nothing or ""
    return projection_of(kept, schema, reading)


def projection_of(parameters: Mapping[str, str], schema: ResourceSchema, reading: Reading) -> Projection:
    """Return which attributes the answer is to hold."""
    return read_projection(schema, parameters.get("attributes"), parameters.get("excludedattributes"), reading)


def search_parameters(body: Any) -> dict[str, str]:
    """Return the body of a `POST /.search` as the query parameters that would say the same."""
    if not isinstance(body, dict):
        raise invalid_syntax("the body is not a JSON object")
    if body.get("schemas") != [SEARCH_SCHEMA]:
        raise invalid_syntax(f"`schemas` is not [`{SEARCH_SCHEMA}`]")
    found = {}
    for name, value in body.items():
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            found[name.lower()] = str(value)
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            found[name.lower()] = ",".join(value)
        elif value is not None:
            raise invalid_value(f"`{name[:60]}` is neither a string, a whole number nor a list of strings")
    return found


def _whole(parameters: Mapping[str, str], name: str, default: int, *, paged_by_cursor: bool = False) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not _WHOLE.fullmatch(text.strip()):
        refusal = invalid_count if paged_by_cursor else invalid_value
        raise refusal(f"`{name}` is not a whole number")
    return int(text)


# --- orders --------------------------------------------------------------------------------------------------


def read_order(
    parameters: Mapping[str, str], table: AttributeTable, reading: Reading, others: Sequence[AttributeTable] = ()
) -> Order | None:
    """Read `sortBy` and `sortOrder` (RFC 7644 §3.4.2.3), None for the order of creation."""
    if "sortby" not in parameters and "sortorder" not in parameters:
        return None
    direction = parameters.get("sortorder", "ascending").lower()
    if direction not in ("ascending", "descending"):
        raise invalid_value("`sortOrder` is neither `ascending` nor `descending`")
    text = parameters.get("sortby", "").strip()
    if not text:
        return None
    try:
        path = parse_path(text)
    except FilterError as error:
        raise invalid_value(f"`sortBy`: {error.message}") from error
    if not isinstance(path, AttrPath):
        raise invalid_value("`sortBy` names an attribute, without a filter")
    try:
        resolved = table.resolve(path, compared=True)
    except UnknownAttribute as error:
        if not any(_knows(other, path) for other in others):
            reading.forgive(Tolerance.UNKNOWN_ATTRIBUTE, invalid_value, f"`sortBy`: {error.message}")
        return None
    if path.schema is None and resolved.schema is not None:
        detail = f"`{path.name}` is an attribute of an extension, `sortBy` lacks the URN"
        reading.forgive(Tolerance.TOP_LEVEL_EXTENSION, invalid_value, detail)
    return Order(resolved, direction == "descending")


def _knows(table: AttributeTable, path: AttrPath) -> bool:
    try:
        table.resolve(path)
    except UnknownAttribute:
        return False
    return True


# --- filters -------------------------------------------------------------------------------------------------


def read_filter(
    text: str, table: AttributeTable, reading: Reading, others: Sequence[AttributeTable] = ()
) -> ResolvedFilter:
    """Read a filter; it is applied or refused (invalidFilter), never passed over.

    What only one of the `others` has is absent here.
    """
    short = None if others else _equality(text, table)
    if short is not None:
        return short
    try:
        parsed = _parsed(text, reading)
        if others:
            parsed = _without_others(parsed, table, others)
        resolved = check(parsed, table, boolean_strings=True)
    except FilterError as error:
        help = f" ({error.help})" if error.help else ""
        raise invalid_filter(f"{error.message}{help}, at character {error.offset + 1} of the filter") from error
    if filters.Tolerance.BOOLEAN_STRING in tolerances(resolved):
        reading.forgive(Tolerance.STRING_BOOLEAN, invalid_filter, "a boolean in the filter is a string")
    for path in _paths(parsed):
        if path.schema is None and table.resolve(path).schema is not None:
            detail = f"`{path.name}` is an attribute of an extension, its path lacks the URN"
            reading.forgive(Tolerance.TOP_LEVEL_EXTENSION, invalid_filter, detail)
    return resolved


# What identity providers ask nearly always: whom a name or an id belongs to. A value that needs no escape is as it
# stands between its quotes.
_EQUALITY: Final = re.compile(r'([A-Za-z][A-Za-z0-9_.:$-]{0,120}) eq "([^"\\]{0,1000})"')


def _equality(text: str, table: AttributeTable) -> Comparison | None:
    """Return the comparison that a filter `attribute eq "text"` is; None for any other filter, and to find out more.

    It is what the grammar and the check make of it, which have looked at the attribute once and not for each value.
    """
    found = _EQUALITY.fullmatch(text)
    if found is None or not found[2].isprintable():
        return None
    path = _text_named(table, found[1])
    if path is None:
        return None
    written = found[2]
    return Comparison(path, Operator.EQ, written if path.target.case_exact else written.casefold(), written)


@lru_cache(maxsize=512)
def _text_named(table: AttributeTable, name: str) -> ResolvedPath | None:
    """Return the text that `name eq "…"` compares; None where that is refused, forgiven, or compares something else."""
    try:
        parsed = parse_filter(f'{name} eq "text"')
        resolved = check(parsed, table)
    except FilterError:
        return None
    if not isinstance(resolved, Comparison) or resolved.path.target.type is not AttributeType.STRING:
        return None
    (written,) = _paths(parsed)
    return resolved.path if written.schema is not None or resolved.path.schema is None else None


def _parsed(text: str, reading: Reading) -> Filter:
    try:
        return parse_filter(text)
    except FilterSyntaxError:
        parsed = parse_filter(text, unquoted_values=True)
        reading.forgive(Tolerance.UNQUOTED_VALUE, invalid_filter, "a string in the filter lacks its quotes")
        return parsed


_ALWAYS: Final = Present(AttrPath(None, "id"))


def _without_others(node: Filter, table: AttributeTable, others: Sequence[AttributeTable]) -> Filter:
    """Return a filter in which what is asked of attributes that only others have is answered: they are absent."""
    match node:
        case And(terms) | Or(terms):
            return type(node)(tuple(_without_others(term, table, others) for term in terms))
        case Not(term):
            return Not(_without_others(term, table, others))
        case _:
            (path,) = _paths(node)
            if _knows(table, path) or not any(_knows(other, path) for other in others):
                return node
            return _ALWAYS if _holds_without_value(node) else Not(_ALWAYS)


def _holds_without_value(node: Filter) -> bool:
    """Return whether a comparison is true of what is absent: `ne` a value, `eq` null (`core.conditions`)."""
    if not isinstance(node, Compare):
        return False
    return node.op is (Operator.EQ if node.operand.kind is OperandKind.NULL else Operator.NE)


def _paths(node: Filter) -> Iterator[AttrPath]:
    """Yield the paths of a filter that begin at the resource."""
    match node:
        case And(terms) | Or(terms):
            yield from _all_paths(terms)
        case Not(term):
            yield from _paths(term)
        case ValuePath(path):
            yield path
        case Compare(path) | Present(path):
            yield path.path if isinstance(path, FilteredPath) else path


def _all_paths(terms: Iterable[Filter]) -> Iterator[AttrPath]:
    for term in terms:
        yield from _paths(term)
