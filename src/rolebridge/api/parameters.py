"""The query of an API request: each parameter once, known, and read as what it is; and cursors."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rolebridge.store.statements import storable
from rolebridge.web.problems import Kind, Problem
from rolebridge.web.requests import Request

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
_LONGEST: Final = 2_000  # characters of a cursor: names have at most some hundred each


def invalid(name: str, why: str) -> Problem:
    """Return the refusal of a parameter."""
    return Problem(Kind.INVALID, f"the parameter `{name}` {why}", more={"parameter": name})


class Parameters:
    """The parameters of one request. Names that the endpoint does not have are refused: they may be misspelt."""

    def __init__(self, request: Request, known: Sequence[str]) -> None:
        """Read the query. Raises Problem."""
        self._values: dict[str, str] = {}
        for name, value in request.query:
            if name not in known:
                raise invalid(name[:60], f"is not known here; there are {', '.join(f'`{one}`' for one in known)}")
            if name in self._values:
                raise invalid(name, "is given twice")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """Return a text, None where it is not given. An empty one is refused: it may be a variable that was not set."""
        value = self._values.get(name)
        if value == "":
            raise invalid(name, "is empty")
        return value

    def required(self, name: str) -> str:
        """Return a text that must be given."""
        value = self.text(name)
        if value is None:
            raise invalid(name, "is missing")
        return value

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
        value = self.text(name)
        if value is None:
            return None
        try:
            read = datetime.fromisoformat(value)
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise invalid(name, "is not a moment such as `2026-11-20T09:14:00Z`") from None

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

    def cursor(self, parts: int) -> tuple[str, ...] | None:
        """Return the place that `next_cursor` of the page before said, in so many parts."""
        value = self._values.get("cursor")
        if value is None:
            return None
        found = _decoded(value) if len(value) <= _LONGEST else None
        if not isinstance(found, list) or len(found) != parts or not all(map(_is_place, found)):
            raise invalid("cursor", "is not the `next_cursor` of a page of this list")
        return tuple(found)


def next_cursor(place: Sequence[str] | None) -> str | None:
    """Return a place as the cursor that `Parameters.cursor` reads.

    It is opaque and no secret: whoever makes one up can only ask for another page of what their key may see.
    """
    if place is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode().rstrip("=")


def _is_place(part: object) -> bool:
    return isinstance(part, str) and storable(part)


def _decoded(text: str) -> object:
    try:
        found: object = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found
