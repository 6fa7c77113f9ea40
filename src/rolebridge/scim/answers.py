"""Stored text → the bytes that go out: joined, not built (RFC 7644 §3.4.2, §3.9).

A stored body is the whole resource without `groups`, `members` and `meta.location`, and ends in `meta`. Only an answer
with other attributes than the default ones is ever parsed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from scim2_models import ListResponse

from rolebridge.scim.errors import ScimError, invalid_value
from rolebridge.scim.paths import UnknownPath, Where, resolve
from rolebridge.scim.schemas import ResourceSchema
from rolebridge.scim.tolerances import Reading, Tolerance

LIST_SCHEMA: Final = str(ListResponse.__schema__)

# (schema or None, attribute or None) → the sub-attributes named, None for all of it.
_Named = Mapping[tuple[str | None, str | None], frozenset[str] | None]


# --- projection ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Projection:
    """Which attributes an answer holds: those `named` and what is always returned, or all but those (`excluded`).

    `specified` are attributes that are returned on request, and that the request asked for by sending them.
    """

    schema: ResourceSchema
    named: _Named
    excluded: bool
    specified: frozenset[tuple[str, str]] = frozenset()

    @property
    def stored_whole(self) -> bool:
        """Return whether the stored text is answered as it is."""
        if not self.excluded or (self.named and self.named.keys() - _RELATED):
            return False
        return not self.schema.requested or not self.schema.requested - self.specified

    def with_specified(self, reading: Reading) -> Projection:
        """Return the projection of the answer to a write, which also tells what the write itself held."""
        return replace(self, specified=frozenset(reading.specified)) if reading.specified else self

    def related(self, name: str) -> bool:
        """Return whether the answer holds `groups` or `members`, at least in part."""
        if (None, name) not in self.named:
            return self.excluded
        return not self.excluded or self.named[None, name] is not None

    def applied(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Return a resource with what the answer holds of it."""
        answer: dict[str, Any] = {}
        for name, value in resource.items():
            if name in ("schemas", "id"):  # returned: always (RFC 7643 §3.1)
                kept = value
            elif name.lower() in self.schema.extensions:
                kept = self._extension(name, value)
            else:
                kept = self._attribute(None, name, value)
            if kept is not None:
                answer[name] = kept
        return answer

    def _extension(self, urn: str, value: Mapping[str, Any]) -> dict[str, Any] | None:
        kept = {name: self._extended(urn, name, item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item is not None} or None

    def _extended(self, urn: str, name: str, value: Any) -> Any:
        if (urn, name) in self.schema.always:
            return value
        if (urn, name) in self.schema.requested and (urn, name) not in self.specified:
            return None if self.excluded else self._attribute(urn, name, value)
        if (urn, None) in self.named:
            return None if self.excluded else value
        return self._attribute(urn, name, value)

    def _attribute(self, schema: str | None, name: str, value: Any) -> Any:
        if (schema, name) not in self.named:
            return value if self.excluded else None
        subs = self.named[schema, name]
        if subs is None:
            return None if self.excluded else value
        if isinstance(value, list):
            return [kept for item in value if (kept := self._object(subs, item))] or None
        return self._object(subs, value) or None

    def _object(self, subs: frozenset[str], value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: item for name, item in value.items() if (name in subs) is not self.excluded}


_RELATED: Final = frozenset({(None, "groups"), (None, "members")})


def read_projection(
    schema: ResourceSchema, attributes: str | None, excluded: str | None, reading: Reading
) -> Projection:
    """Read `attributes` and `excludedAttributes` (RFC 7644 §3.9), which exclude each other."""
    if not attributes and not excluded:
        return _everything(schema)
    if attributes and excluded:
        detail = "`attributes` and `excludedAttributes` exclude each other"
        reading.forgive(Tolerance.BOTH_PROJECTIONS, invalid_value, detail)
    text = attributes or excluded or ""
    named: dict[tuple[str | None, str | None], frozenset[str] | None] = {}
    for name in _names(text):
        where = _named(schema, name, reading)
        if where is None:
            continue
        key = (where.schema, where.attribute.name if where.attribute else None)
        known = named.get(key, frozenset())
        alone = where.sub is None or known is None
        named[key] = None if alone or known is None or where.sub is None else known | {where.sub.name}
    return Projection(schema, named, excluded=not attributes)


@lru_cache(maxsize=512)
def _everything(schema: ResourceSchema) -> Projection:
    return Projection(schema, {}, excluded=True)


def known_names(schema: ResourceSchema, others: Iterable[ResourceSchema], text: str, reading: Reading) -> str:
    """Return a list of attributes without those that only other types of resource have."""
    return ",".join(
        name
        for name in _names(text)
        if _is_known(schema, name, reading) or not any(_is_known(other, name, reading) for other in others)
    )


def _is_known(schema: ResourceSchema, name: str, reading: Reading) -> bool:
    try:
        resolve(schema, name, Reading(reading.profile, frozenset(Tolerance)))
    except UnknownPath:
        return False
    except ScimError:
        return True  # not for want of an attribute: who reads it says what is wrong
    return True


def _names(text: str) -> Iterator[str]:
    """Yield what stands between the commas of a list of attributes; a comma in brackets separates nothing."""
    start = depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "[") - (sign == "]")
        if sign == "," and depth <= 0:
            yield from _word(text[start:place])
            start = place + 1
    yield from _word(text[start:])


def _word(text: str) -> Iterator[str]:
    if word := text.strip():
        yield word


def _named(schema: ResourceSchema, name: str, reading: Reading) -> Where | None:
    try:
        where = resolve(schema, name, reading)
    except UnknownPath as error:
        reading.forgive(Tolerance.UNKNOWN_ATTRIBUTE, invalid_value, str(error))
        return None
    except ScimError as error:
        raise invalid_value(error.detail) from error
    if where.selects is not None:
        detail = "`attributes` and `excludedAttributes` hold names, not filters"
        reading.forgive(Tolerance.FILTER_IN_ATTRIBUTES, invalid_value, detail)
    return where


# --- text ----------------------------------------------------------------------------------------------------


def opened(body: str, location: str, projection: Projection) -> str:
    """Return the text of a resource up to its final brace, before which `groups` or `members` may come.

    `location` is a URL, which holds nothing that JSON would escape (RFC 3986 §2).
    """
    if projection.stored_whole:
        return f'{body[:-2]},"location":"{location}"}}'
    resource = json.loads(body)
    resource["meta"]["location"] = location
    return _text(projection.applied(resource))[:-1]


def resource_text(body: str, location: str, projection: Projection, name: str = "", related: str | None = None) -> str:
    """Return the text of a resource; `related` are the elements of its `groups` or `members`, comma-separated."""
    head = opened(body, location, projection)
    if not related:
        return head + "}"
    return f'{head},"{name}":[{related_text(related, name, projection)}]}}'


def streamed(body: str, location: str, projection: Projection, name: str, blocks: Iterable[str]) -> Iterator[bytes]:
    """Yield a resource whose related elements come in blocks, each a comma-separated text."""
    before = f'{opened(body, location, projection)},"{name}":['
    for block in blocks:
        yield (before + related_text(block, name, projection)).encode()
        before = ","
    yield b"]}" if before == "," else f"{opened(body, location, projection)}}}".encode()


def related_text(related: str, name: str, projection: Projection) -> str:
    """Return related elements with the sub-attributes that the answer holds."""
    subs = projection.named.get((None, name))
    if subs is None:
        return related
    elements = projection.applied({name: json.loads(f"[{related}]")}).get(name, [])
    return _text(elements)[1:-1]


def list_response(total: int, start_index: int, resources: list[str]) -> bytes:
    """Return a ListResponse (RFC 7644 §3.4.2) of resource texts."""
    return (
        f'{{"schemas":["{LIST_SCHEMA}"],"totalResults":{total},"startIndex":{start_index},'
        f'"itemsPerPage":{len(resources)},"Resources":[{",".join(resources)}]}}'
    ).encode()


def cursor_response(total: int, resources: list[str], following: str | None) -> bytes:
    """Return a ListResponse of a page by cursor (RFC 9865 §2); `following` is the cursor of the next one, if any."""
    more = "" if following is None else f',"nextCursor":"{following}"'
    return (
        f'{{"schemas":["{LIST_SCHEMA}"],"totalResults":{total},"itemsPerPage":{len(resources)}{more},'
        f'"Resources":[{",".join(resources)}]}}'
    ).encode()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
