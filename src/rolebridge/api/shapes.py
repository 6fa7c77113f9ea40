"""What bodies and parameters look like: JSON Schemas that the OpenAPI document publishes and requests are held to.

One description for both, so that they cannot differ. Only the keywords below are used, and `check` knows all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Final

from rolebridge.web.problems import Kind, Problem

Schema = dict[str, Any]

LONGEST: Final = 1_000
"""Characters of a text in a body or parameter that says nothing else: names and reasons are shorter."""

TEXT: Final[Schema] = {"type": "string"}
GIVEN_TEXT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": LONGEST}
MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
MAYBE_MOMENT: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
DAY: Final[Schema] = {"type": "string", "format": "date"}
OBJECT: Final[Schema] = {"type": "object"}


def list_of(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """Return the schema of something or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(properties: Schema, *, optional: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an object that has these members and no others."""
    required = [name for name in properties if name not in optional]
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return found | {"required": required} if required else found


def check(schema: Schema, value: Any, place: str = "") -> None:
    """Hold a value of a body against a schema. Raises Problem, naming the member that does not fit."""
    types = schema.get("type")
    known = [types] if isinstance(types, str) else types or []
    if known and not any(_IS[one](value) for one in known):
        raise _wrong(place, f"is not {' or '.join(_CALLED[one] for one in known)}")
    if value is None:
        return
    if "enum" in schema and value not in schema["enum"]:
        raise _wrong(place, "is none of " + ", ".join(f"`{one}`" for one in schema["enum"]))
    if isinstance(value, str):
        _check_text(schema, value, place)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(schema, value, place)
    elif isinstance(value, list):
        _check_list(schema, value, place)
    elif isinstance(value, dict):
        _check_object(schema, value, place)


def _check_text(schema: Schema, value: str, place: str) -> None:
    if len(value) < schema.get("minLength", 0):
        raise _wrong(place, "is empty")
    if len(value) > schema.get("maxLength", len(value)):
        raise _wrong(place, f"has {len(value)} characters, the limit is {schema['maxLength']}")
    if "format" in schema:
        reader, example = _FORMATS[schema["format"]]
        try:
            reader(value)
        except ValueError:
            raise _wrong(place, f"is not such as `{example}`") from None


def _check_number(schema: Schema, value: float, place: str) -> None:
    if value < schema.get("minimum", value) or value > schema.get("maximum", value):
        least, most = schema.get("minimum"), schema.get("maximum")
        raise _wrong(place, f"is not from {least} to {most}" if most is not None else f"is less than {least}")


def _check_list(schema: Schema, value: list[Any], place: str) -> None:
    if len(value) > schema.get("maxItems", len(value)):
        raise _wrong(place, f"has {len(value)} entries, the limit is {schema['maxItems']}")
    for index, item in enumerate(value):
        check(schema.get("items", {}), item, f"{place}[{index}]")


def _check_object(schema: Schema, value: Mapping[str, Any], place: str) -> None:
    properties = schema.get("properties", {})
    more = schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            raise _wrong(_below(place, name), "is missing")
    if len(value) < schema.get("minProperties", 0):
        raise _wrong(place, "is empty")
    if len(value) > schema.get("maxProperties", len(value)):
        raise _wrong(place, f"has {len(value)} members, the limit is {schema['maxProperties']}")
    for name, item in value.items():
        if name in properties:
            check(properties[name], item, _below(place, name))
        elif more is False:
            known = ", ".join(f"`{one}`" for one in properties)
            raise _wrong(_below(place, name[:60]), f"is not known here; there are {known}")
        elif isinstance(more, dict):
            check(schema.get("propertyNames", {}), name, f"name of {_below(place, name[:60])}")
            check(more, item, _below(place, name[:60]))


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _wrong(place: str, why: str) -> Problem:
    named = f"the member `{place}`" if place else "the body"
    return Problem(Kind.INVALID, f"{named} {why}", more={"field": place} if place else {})


def read_moment(text: str) -> datetime:
    """Return a moment of RFC 3339, in UTC; without an offset it is that. Raises ValueError."""
    if len(text) < len("2026-11-20T09:14"):
        raise ValueError(text)
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None


def read_moment_or_none(text: str | None) -> datetime | None:
    """Return a moment that was held against its schema."""
    return read_moment(text) if text else None


def read_day(text: str | None) -> date | None:
    """Return a day that was held against its schema."""
    return None if text is None else date.fromisoformat(text)


_IS: Final[Mapping[str, Callable[[Any], bool]]] = MappingProxyType(
    {
        "string": lambda value: isinstance(value, str),
        "boolean": lambda value: isinstance(value, bool),
        "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
        "array": lambda value: isinstance(value, list),
        "object": lambda value: isinstance(value, dict),
        "null": lambda value: value is None,
    }
)
_CALLED: Final = MappingProxyType(
    {
        "string": "a string",
        "boolean": "`true` or `false`",
        "integer": "a whole number",
        "array": "a list",
        "object": "an object",
        "null": "null",
    }
)
_FORMATS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = MappingProxyType(
    {"date": (date.fromisoformat, "2026-11-30"), "date-time": (read_moment, "2026-11-20T09:14:00Z")}
)
