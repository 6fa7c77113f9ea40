"""What may be kept of a request: names, operators, types and ids, and no value that tells of a person.

An administrator who looks for the reason of a refusal needs to know *which* attribute an identity provider sent, not
what it said. So a filter keeps its names and operators, a body becomes the names and types that it had, and of our own
words about it those in backticks are kept only where they are words of ours or names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final

from rolebridge.core.attributes import Attribute
from rolebridge.core.schemas import GROUP_TABLE, USER_TABLE
from rolebridge.scim.tolerances import Tolerance
from rolebridge.web.requests import Request

HIDDEN: Final = "…"
"""What stands where a value was."""

LONGEST_SHAPE: Final = 3_000
"""Characters of a body's shape, about."""
_READ_BODY: Final = 128 * 1024  # bytes: a larger body is told by its size alone
_LONGEST_TEXT: Final = 500
_LONGEST_PATH: Final = 200
_DEPTH: Final = 8
_ELEMENTS: Final = 3
_TYPES: Final = frozenset({"work", "home", "other", "mobile", "fax", "pager", "photo", "thumbnail", "direct"})
_OPERATIONS: Final = frozenset({"add", "replace", "remove"})
_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SECRET: Final = re.compile(r"password|secret|token|credential", re.IGNORECASE)

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URN: Final = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9:._-]{0,120}")
_NAME: Final = re.compile(r"[A-Za-z$][A-Za-z0-9$_.:-]{0,119}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}")

# --- filters and paths -----------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[()\[\],]|[^\s()\[\]",]+')
_COMPARISONS: Final = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
# Nearly every filter that is sent; the rest is read token by token.
_PLAIN_FILTER: Final = re.compile(r'([A-Za-z][A-Za-z0-9.]{0,60} (?:eq|ne|co|sw|ew|gt|ge|lt|le)) "[^"\\]*"')
_OPERATORS: Final = _COMPARISONS | {"pr", "and", "or", "not"}
_LITERALS: Final = frozenset({"true", "false", "null"})


def redacted_filter(text: str, *, path: bool = False) -> str:
    """Return a filter, or with `path` a path or a list of them, with its names and operators and without its values.

    What looks like neither is a value. A name counts where a filter has one: before an operator or a bracket.
    """
    plain = _PLAIN_FILTER.fullmatch(text)
    if plain:
        return f"{plain[1]} {HIDDEN}"
    tokens = _TOKEN.findall(text[: _LONGEST_TEXT * 2])
    kept: list[str] = []
    for at, token in enumerate(tokens):
        before = tokens[at - 1].lower() if at else ""
        after = tokens[at + 1].lower() if at + 1 < len(tokens) else ""
        kept.append(_token(token, before, after, path))
    shown = " ".join(kept)
    for tight, loose in (
        ("[", r" ?\[ ?"),
        ("]", r" ?\]"),
        (",", r" ?, ?"),
        ("(", r"\( "),
        (")", r" \)"),
        ("].", r"\] \."),
    ):
        shown = re.sub(loose, tight, shown)
    return re.sub(rf"{HIDDEN}(?: {HIDDEN})+", HIDDEN, shown)[:_LONGEST_TEXT]


def _token(token: str, before: str, after: str, path: bool) -> str:
    low = token.lower()
    if token in {"(", ")", "[", "]", ","}:
        return token
    if before in _COMPARISONS:
        word = low.strip('"')
        return token if low in _LITERALS or word in _TYPES else HIDDEN
    if low in _OPERATORS:
        return low if low in _COMPARISONS else token
    sub = token.startswith(".") and before == "]"
    is_name = _NAME.fullmatch(token[1:] if sub else token) is not None
    placed = after in _COMPARISONS or after in {"pr", "["} or (path and (sub or before in {"", ","}))
    return token if is_name and placed else HIDDEN


# --- paths and queries of requests -----------------------------------------------------------------------------

_ENDPOINTS: Final = frozenset(
    {"Users", "Groups", "Me", "Bulk", ".search", "Schemas", "ResourceTypes", "ServiceProviderConfig", "User", "Group"}
)
_PLAIN_PATH: Final = re.compile(rf"/(?:Users|Groups)(?:/({_UUID.pattern}))?/?")
_NUMBERS: Final = frozenset({"startindex", "count"})
_PATHS: Final = frozenset({"attributes", "excludedattributes", "sortby"})
_ORDERS: Final = frozenset({"ascending", "descending"})


def redacted_path(path: str) -> str:
    """Return a request's path with its endpoints and ids; anything else that stands there may be somebody's name."""
    return logged_path(path)[0]


def logged_path(path: str) -> tuple[str, str]:
    """Return `redacted_path`, and the id in it of a user or group, "" where there is none."""
    plain = _PLAIN_PATH.fullmatch(path)
    if plain:
        return path, plain[1] or ""
    return "/".join(map(_segment, path[:1_000].split("/")))[:_LONGEST_PATH], ""


def _segment(segment: str) -> str:
    known = not segment or segment in _ENDPOINTS or _UUID.fullmatch(segment) or _URN.fullmatch(segment)
    return segment if known else HIDDEN


def redacted_query(query: Iterable[tuple[str, str]]) -> str:
    """Return a request's query: names, page, filter and attributes without values."""
    return "&".join(_parameter(name, value) for name, value in islice(query, 20))[:_LONGEST_TEXT]


def _parameter(name: str, value: str) -> str:
    low = name.lower()
    if low == "filter":
        return f"{name}={redacted_filter(value)}"
    if low in _PATHS:
        return f"{name}={redacted_filter(value, path=True)}"
    plain = (low in _NUMBERS and _NUMBER.fullmatch(value)) or (low == "sortorder" and value.lower() in _ORDERS)
    return f"{name if _NAME.fullmatch(name) else HIDDEN}={value if plain else HIDDEN}"


# --- bodies ----------------------------------------------------------------------------------------------------


class BodyShape:
    """The shape of a JSON body: `text` is JSON with names, types and SCIM's own words, `names` what was kept how.

    `names` leads from a name as a client wrote it, at the length at which messages show it, to what may be told.
    """

    def __init__(self, body: bytes) -> None:
        """Read a body of any size and content."""
        self.names: dict[str, str] = {}
        self._left = LONGEST_SHAPE
        self.text = self._read(body)

    def _read(self, body: bytes) -> str | None:
        if not body:
            return None
        if len(body) > _READ_BODY:
            return json.dumps(f"{len(body)} bytes")
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return json.dumps(f"{len(body)} bytes that are not JSON")
        return json.dumps(self._shape(value, "", _DEPTH), ensure_ascii=False, separators=(",", ":"))

    def _shape(self, value: Any, key: str, depth: int) -> Any:
        if isinstance(value, dict):
            return dict(self._members(value, depth)) if depth else HIDDEN
        if isinstance(value, list):
            return self._elements(value, key, depth) if depth else HIDDEN
        shape = self._scalar(value, key)
        self._left -= len(shape) + 3
        return shape

    def _members(self, value: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
        for number, (name, member) in enumerate(value.items()):
            if self._left <= 0:
                yield HIDDEN, f"{len(value) - number} more"
                return
            shown = self._name(name)
            self._left -= len(shown) + 5
            yield shown, HIDDEN if _SECRET.search(name) else self._shape(member, name.lower(), depth - 1)

    def _elements(self, value: list[Any], key: str, depth: int) -> list[Any]:
        first = [self._shape(element, key, depth - 1) for element in value[:_ELEMENTS] if self._left > 0]
        more = len(value) - len(first)
        return [*first, f"{more} more"] if more else first

    def _name(self, name: str) -> str:
        shown = name if _NAME.fullmatch(name) else redacted_filter(name, path=True)
        self.names[_as_shown(name)] = shown
        return shown

    def _scalar(self, value: Any, key: str) -> str:
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "boolean"
        if not isinstance(value, str):
            return "number"
        said = self._word(value, key)
        if said is not None:
            self.names[_as_shown(value)] = said
            return said
        if value.lower() in {"true", "false"}:
            return "string (of a boolean)"
        return "string" if value else "string (empty)"

    def _word(self, value: str, key: str) -> str | None:
        """Return a string that says how, and nothing about anybody: what it says is fixed by the RFCs."""
        if key == "path":
            return redacted_path(value) if value.startswith("/") else redacted_filter(value, path=True)
        known = (
            (key == "schemas" and _URN.fullmatch(value))
            or (key == "op" and value.lower() in _OPERATIONS)
            or (key == "method" and value in _METHODS)
            or (key == "type" and value.lower() in _TYPES)
        )
        return value if known else None


# --- our own words ---------------------------------------------------------------------------------------------

_QUOTED: Final = re.compile(r"`([^`]*)`")


def redacted_detail(detail: str, request: Request, names: Mapping[str, str], words: Iterable[str] = ()) -> str:
    """Return a refusal's words without the values that they repeat.

    `names` are those of the body's shape, `words` further ones that may be told. Where the request holds backticks of
    its own, nobody can tell which are ours: all between the first and the last goes.
    """
    if "`" not in detail:
        return detail[:_LONGEST_TEXT]
    if _holds_backticks(request):
        return (detail[: detail.index("`")] + HIDDEN + detail[detail.rindex("`") + 1 :])[:_LONGEST_TEXT]
    tellable = _vocabulary() | frozenset(words)
    return _QUOTED.sub(lambda found: f"`{_quoted(found[1], names, tellable)}`", detail)[:_LONGEST_TEXT]


def _holds_backticks(request: Request) -> bool:
    written = (request.path, *(part for pair in request.query for part in pair), *request.headers.values())
    body = request.body
    return b"`" in body or b"\\u0060" in body or any("`" in text for text in written)


def _quoted(text: str, names: Mapping[str, str], tellable: frozenset[str]) -> str:
    if text in names:
        return names[text]
    if text.lower() in tellable or _UUID.fullmatch(text) or _URN.fullmatch(text):
        return text
    if text.startswith("/"):
        return redacted_path(text)
    parts = text.split(".")
    return text if all(part in names or part.lower() in tellable for part in parts) else HIDDEN


def _as_shown(text: str) -> str:
    """Return a client's text as messages show it (`core.filter_tree.shown`)."""
    cut = text if len(text) <= 60 else text[:59] + "…"
    return cut if cut.isprintable() else ascii(cut)[1:-1]


@cache
def _vocabulary() -> frozenset[str]:
    """Return the words of ours and of the RFCs that messages put into backticks, in lower case."""
    from rolebridge.scim.profile import profiles  # noqa: PLC0415 - reading the profiles is work, done once when needed

    names = {
        name
        for table in (USER_TABLE, GROUP_TABLE)
        for attributes in (table.attributes, *table.extensions.values())
        for name in _names(attributes)
    }
    words = {*_OPERATORS, *_OPERATIONS, *_TYPES, *_LITERALS, *Tolerance, *profiles(), "password", "path", "value", "op"}
    words |= {"operations", "method", "bulkid", "data", "filter", "attributes", "excludedattributes", "startindex"}
    words |= {"count", "sortby", "sortorder", "cursor", "if-match", "if-none-match", "nan", "infinity", "-infinity"}
    words |= {
        "failonerrors",
        "schemas",
        "application/scim+json",
        "application/json",
        "rolebridge connection adopt",
        "bearer",
    }
    return frozenset(word.lower() for word in words | names)


def _names(attributes: Mapping[str, Attribute]) -> Iterator[str]:
    for attribute in attributes.values():
        yield attribute.name
        for sub in attribute.sub.values():
            yield sub.name
            yield f"{attribute.name}.{sub.name}"
