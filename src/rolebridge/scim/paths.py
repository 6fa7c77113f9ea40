"""What the path of a PATCH operation names, resolved once per spelling and kept in a bounded cache.

A path-less operation's keys are paths too, by tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from rolebridge.core import filters
from rolebridge.core.filters import (
    And,
    AttrPath,
    Comparison,
    FilterError,
    FilterSyntaxError,
    Operator,
    Predicate,
    ResolvedFilter,
    Selection,
    UnknownAttribute,
    WholeSchema,
    check_path,
    compile_filter,
    parse_path,
)
from rolebridge.scim.errors import Refusal, ScimError, invalid_filter, invalid_path
from rolebridge.scim.schemas import Attribute, ResourceSchema
from rolebridge.scim.tolerances import Reading, Tolerance

# Longer ones are not kept, so that the cache stays below half a megabyte whatever is sent.
_MAX_CACHED: Final = 200


@dataclass(frozen=True, slots=True)
class Where:
    """What a path names.

    `schema` is the extension that holds the attribute, None for the core schema; without an `attribute` the whole
    schema is meant. `selects` tells which values of a multi-valued attribute are meant; `described` are the
    sub-attributes that its `eq` comparisons state, None when it states more than that; `filter` is what was checked.
    """

    schema: str | None
    attribute: Attribute | None
    sub: Attribute | None = None
    selects: Predicate | None = None
    described: Mapping[str, Any] | None = None
    filter: ResolvedFilter | None = None


def resolve(schema: ResourceSchema, text: str, reading: Reading) -> Where:
    """Return what a path names.

    Raises `UnknownPath` when no schema has it, else `ScimError`: `invalidPath`, or `invalidFilter` for what stands in
    the brackets (RFC 7644 §3.12).
    """
    found = _cached if len(text) <= _MAX_CACHED else _resolved
    try:
        where, used = found(schema, text)
    except UnknownAttribute as error:
        inside = 0 <= text.find("[") < error.offset and text.find("]") > error.offset
        raise _refused(error, invalid_filter) if inside else UnknownPath(_line(error)) from error
    except FilterError as error:
        inside = 0 <= text.find("[") < error.offset
        raise _refused(error, invalid_filter if inside else invalid_path) from error
    for tolerance, detail in used:
        refusal = invalid_path if tolerance is Tolerance.TOP_LEVEL_EXTENSION else invalid_filter
        reading.forgive(tolerance, refusal, detail)
    return where


class UnknownPath(Exception):
    """That a path is well formed and names nothing in the schemas; `str()` says what was looked for."""


def _refused(error: FilterError, refusal: Refusal) -> ScimError:
    return refusal(_line(error))


def _line(error: FilterError) -> str:
    return f"{error.message} ({error.help})" if error.help else error.message


_Used = tuple[tuple[Tolerance, str], ...]


def _resolved(schema: ResourceSchema, text: str) -> tuple[Where, _Used]:
    """Resolve a path with every tolerance and return those that it needs."""
    used: list[tuple[Tolerance, str]] = []
    try:
        path = parse_path(text)
    except FilterSyntaxError:
        # Either not a path at all, which this raises again, or one whose strings lack their quotes.
        path = parse_path(text, unquoted_values=True)
        used.append((Tolerance.UNQUOTED_VALUE, "a string in the filter lacks its quotes"))
    target = check_path(path, schema.paths, boolean_strings=True)
    if isinstance(target, WholeSchema):
        return Where(None if target.schema == schema.urn else target.schema, None), tuple(used)
    resolved = target.path if isinstance(target, Selection) else target
    written = path if isinstance(path, AttrPath) else getattr(path, "path", None)
    if resolved.schema is not None and isinstance(written, AttrPath) and written.schema is None:
        detail = f"`{resolved.label}` is an attribute of `{resolved.schema}`, its path lacks the URN"
        used.append((Tolerance.TOP_LEVEL_EXTENSION, detail))
    attribute = schema.find(resolved.schema, resolved.attribute.name)
    if not isinstance(target, Selection):
        sub = attribute.sub[resolved.sub.name] if resolved.sub else None
        return Where(resolved.schema, attribute, sub), tuple(used)
    if filters.Tolerance.BOOLEAN_STRING in filters.tolerances(target.filter):
        used.append((Tolerance.STRING_BOOLEAN, "a boolean in the filter is a string"))
    where = Where(
        resolved.schema,
        attribute,
        attribute.sub[target.sub.name] if target.sub else None,
        compile_filter(target.filter),
        _described(target.filter),
        target.filter,
    )
    return where, tuple(used)


_cached = lru_cache(maxsize=1024)(_resolved)


def _described(node: ResolvedFilter) -> dict[str, Any] | None:
    """Return the sub-attributes that a filter states by `eq`, alone or joined by `and`; None when it states more."""
    terms = node.terms if isinstance(node, And) else (node,)
    stated: dict[str, Any] = {}
    for term in terms:
        if not isinstance(term, Comparison) or term.op is not Operator.EQ:
            return None
        stated[term.path.target.name] = term.written
    return stated
