"""The query of an API request: each parameter once, known, and read as what it is; and cursors."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from rolebridge.api.shapes import DAY, FLAG, GIVEN_TEXT, MOMENT, Schema, read_moment
from rolebridge.core import base64url
from rolebridge.store.statements import storable
from rolebridge.web.problems import Kind, Problem
from rolebridge.web.requests import Request

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
_MOST_DIGITS: Final = 18  # of a number in a cursor: a database counts no further
_LONGEST: Final = 2_000  # characters of a cursor: names have at most some hundred each


def invalid(name: str, why: str) -> Problem:
    """Return the refusal of a parameter."""
    return Problem(Kind.INVALID, f"the parameter `{name}` {why}", more={"parameter": name})


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter that an endpoint has: its name, what it means, and the schema that it is read by."""

    name: str
    meaning: str
    schema: Schema
    required: bool = False


def word(name: str, meaning: str, *, required: bool = False) -> Query:
    """Return a parameter that is a text."""
    return Query(name, meaning, GIVEN_TEXT, required)


def choice(name: str, meaning: str, values: Sequence[str], *, required: bool = False) -> Query:
    """Return a parameter that is one of some words."""
    return Query(name, meaning, {"type": "string", "enum": list(values)}, required)


def day(name: str, meaning: str) -> Query:
    """Return a parameter that is a day."""
    return Query(name, meaning, DAY)


def moment(name: str, meaning: str, *, required: bool = False) -> Query:
    """Return a parameter that is a moment."""
    return Query(name, meaning, MOMENT, required)


def flag(name: str, meaning: str) -> Query:
    """Return a parameter that is `true` or `false`, which it is when it is not given."""
    return Query(name, meaning, {**FLAG, "default": False})


LIMIT: Final = Query(
    "limit",
    "Entries of a page.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR: Final = Query("cursor", "The `next_cursor` of the page before.", {"type": "string", "maxLength": _LONGEST})
PAGED: Final = (LIMIT, CURSOR)


def not_a_cursor(name: str = "cursor") -> Problem:
    """Return the refusal of a cursor that is none."""
    return invalid(name, "is not the `next_cursor` of a page of this list")


class Parameters:
    """The parameters of one request. Names that the endpoint does not have are refused: they may be misspelt."""

    def __init__(self, request: Request, known: Sequence[Query]) -> None:
        """Read the query. Raises Problem."""
        self._values: dict[str, str] = {}
        self._known = {one.name: one for one in known}
        for name, value in request.query:
            if name not in self._known:
                there = ", ".join(f"`{one}`" for one in self._known)
                raise invalid(name[:60], f"is not known here; there {f'are {there}' if there else 'is none'}")
            if name in self._values:
                raise invalid(name, "is given twice")
            self._values[name] = value
        for one in known:
            self._check(one)

    def _check(self, one: Query) -> None:
        """Hold a parameter against its schema, as far as every kind of them has one."""
        value = self._values.get(one.name)
        if value is None:
            if one.required:
                raise invalid(one.name, "is missing")
            return
        if value == "":
            raise invalid(one.name, "is empty")
        if not storable(value) or len(value) > one.schema.get("maxLength", len(value)):
            raise invalid(one.name, "is too long or holds what is no character")
        choices = one.schema.get("enum")
        if choices and value not in choices:
            raise invalid(one.name, "is none of " + ", ".join(f"`{choice}`" for choice in choices))
        match one.schema:
            case {"format": "date"}:
                self.day(one.name)
            case {"format": "date-time"}:
                self.moment(one.name)
            case {"type": "boolean"}:
                self.flag(one.name)

    def text(self, name: str) -> str | None:
        """Return a text, None where it is not given."""
        assert name in self._known, name
        return self._values.get(name)

    def text_if_known(self, name: str) -> str | None:
        """Return a text where the endpoint has that parameter."""
        return self._values.get(name)

    def required(self, name: str) -> str:
        """Return a text that must be given."""
        return self._values[name]

    def flag(self, name: str) -> bool:
        """Return whether `true` is said."""
        value = self._values.get(name, "false")
        if value not in {"true", "false"}:
            raise invalid(name, "is neither `true` nor `false`")
        return value == "true"

    def limit(self) -> int:
        """Return how many entries a page may have."""
        value = self._values.get("limit", str(DEFAULT_LIMIT))
        if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= MAX_LIMIT:
            raise invalid("limit", f"is not a whole number from 1 to {MAX_LIMIT}")
        return int(value)

    def moment(self, name: str) -> datetime | None:
        """Return a moment (RFC 3339); without an offset it is UTC."""
        return None if self.text(name) is None else self.required_moment(name)

    def required_moment(self, name: str) -> datetime:
        """Return a moment that must be given."""
        try:
            return read_moment(self.required(name))
        except ValueError:
            raise invalid(name, "is not a moment such as `2026-11-20T09:14:00Z`") from None

    def day(self, name: str) -> date | None:
        """Return a day."""
        value = self.text(name)
        try:
            return None if value is None else date.fromisoformat(value)
        except ValueError:
            raise invalid(name, "is not a day such as `2026-11-30`") from None

    def statuses(self) -> tuple[int, int]:
        """Return the least and greatest status of `status`, a number or a class such as `4xx`."""
        value = self._values.get("status", "")
        if not value:
            return (0, 999)
        if re.fullmatch(r"[1-5]xx", value):
            return (int(value[0]) * 100, int(value[0]) * 100 + 99)
        if re.fullmatch(r"[1-5][0-9]{2}", value):
            return (int(value), int(value))
        raise invalid("status", "is neither a status (`409`) nor a class of them (`4xx`)")

    def cursor(self, parts: int, name: str = "cursor") -> tuple[str, ...] | None:
        """Return the place that `next_cursor` of the page before said, in so many parts."""
        value = self._values.get(name)
        if value is None:
            return None
        found = _decoded(value)
        if not isinstance(found, list) or len(found) != parts or not all(map(_is_place, found)):
            raise not_a_cursor(name)
        return tuple(found)

    def cursor_number(self) -> int | None:
        """Return the place that `next_cursor` of the page before said, in a list that goes by numbers."""
        found = self.cursor(1)
        return None if found is None else number_of_cursor(found[0])

    def cursor_moment(self) -> tuple[datetime, str] | None:
        """Return the place that `next_cursor` of the page before said, in a list that goes by moments, and then ids."""
        found = self.cursor(2)
        if found is None:
            return None
        try:
            return datetime.fromisoformat(found[0]).astimezone(UTC), found[1]
        except (ValueError, OverflowError):
            raise not_a_cursor() from None


def number_of_cursor(part: str, name: str = "cursor") -> int:
    """Return a part of a cursor that is a whole number. Raises Problem."""
    if not (part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS):
        raise not_a_cursor(name)
    return int(part)


def next_cursor(place: Sequence[str] | None) -> str | None:
    """Return a place as the cursor that `Parameters.cursor` reads.

    It is opaque and no secret: whoever makes one up can only ask for another page of what their key may see.
    """
    if place is None:
        return None
    return base64url.encode(json.dumps(list(place)).encode())


def _is_place(part: object) -> bool:
    return isinstance(part, str) and storable(part)


def _decoded(text: str) -> object:
    try:
        found: object = json.loads(base64url.decode(text))
    except (ValueError, RecursionError):
        return None
    return found
