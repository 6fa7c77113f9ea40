"""The query of a request: which resources, which page of them, which attributes (RFC 7644 §3.4.2, §3.4.3, §3.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scim2_models import SearchRequest

from rolebridge.core import filters
from rolebridge.core.filters import (
    And,
    AttributeTable,
    AttrPath,
    Compare,
    Filter,
    FilteredPath,
    FilterError,
    FilterSyntaxError,
    Not,
    Or,
    Present,
    ResolvedFilter,
    ValuePath,
    check,
    parse_filter,
    tolerances,
)
from rolebridge.scim.answers import Projection, read_projection
from rolebridge.scim.errors import invalid_filter, invalid_syntax, invalid_value
from rolebridge.scim.limits import DEFAULT_PAGE, MAX_PAGE
from rolebridge.scim.schemas import ResourceSchema
from rolebridge.scim.tolerances import Reading, Tolerance

SEARCH_SCHEMA: Final = str(SearchRequest.__schema__)

# Beyond this every page is empty, and every database can count so far.
_MAX_OFFSET: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Query:
    """A question for resources. `start_index` counts from 1 and is echoed; `count` is at most `MAX_PAGE`."""

    wanted: ResolvedFilter | None
    start_index: int
    count: int
    projection: Projection

    @property
    def offset(self) -> int:
        """Return how many resources come before the page."""
        return min(self.start_index - 1, _MAX_OFFSET)


def read_query(parameters: Mapping[str, str], schema: ResourceSchema, table: AttributeTable, reading: Reading) -> Query:
    """Read query parameters by lower-case name. Raises `ScimError` (invalidFilter, invalidValue).

    Parameters that are not RFC 7644's (`aadOptscim062020`) are passed over, and `sortBy` too: sorting is announced as
    not supported, and an order of ours is not a wrong answer (§3.4.2.3).
    """
    filter_text = parameters.get("filter")
    return Query(
        wanted=None if filter_text is None else read_filter(filter_text, table, reading),
        start_index=max(1, _whole(parameters, "startindex", 1)),
        count=min(MAX_PAGE, max(0, _whole(parameters, "count", DEFAULT_PAGE))),
        projection=projection_of(parameters, schema, reading),
    )


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


def _whole(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise invalid_value(f"`{name}` is not a whole number") from error


# --- filters -------------------------------------------------------------------------------------------------


def read_filter(text: str, table: AttributeTable, reading: Reading) -> ResolvedFilter:
    """Read a filter; it is applied or refused (invalidFilter), never passed over."""
    try:
        parsed = _parsed(text, reading)
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


def _parsed(text: str, reading: Reading) -> Filter:
    try:
        return parse_filter(text)
    except FilterSyntaxError:
        parsed = parse_filter(text, unquoted_values=True)
        reading.forgive(Tolerance.UNQUOTED_VALUE, invalid_filter, "a string in the filter lacks its quotes")
        return parsed


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
