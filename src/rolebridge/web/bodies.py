"""The bytes of a request → JSON values that can be stored and answered: bounded, unambiguous, UTF-8 without NUL.

The bytes themselves are capped by whoever read them from the socket. Each face turns `BodyRefused` into its own form.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from enum import StrEnum
from typing import Any, Final, NoReturn

# A SCIM message has six levels. As many brackets as this cannot be nested deeper, so most bodies are never walked.
MAX_DEPTH: Final = 64

MAX_CONTAINERS: Final = 500_000
"""Objects and lists of a body: more than the largest body has members, and what can be read in a second."""

_SUSPICIOUS_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_NUL_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Fault(StrEnum):
    """What is wrong with a body: it is no JSON, holds what cannot be stored, or is too much."""

    SYNTAX = "syntax"
    VALUE = "value"
    SIZE = "size"


class BodyRefused(Exception):
    """That a body is refused; the text is one line for people."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault
        self.detail = detail


def read_json(body: bytes | str) -> Any:
    """Read one JSON value. Raises BodyRefused for everything that is not I-JSON.

    Refused beside bad syntax: keys given twice (RFC 8259 §4: which one counts is anybody's guess), NaN and infinity,
    more than `MAX_DEPTH` levels or `MAX_CONTAINERS` objects and lists, NUL and half surrogate pairs (PostgreSQL and
    UTF-8 cannot hold them).
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    brackets = raw.count(b"{") + raw.count(b"[")
    if brackets > MAX_CONTAINERS:
        detail = f"the body has {brackets} objects and lists, the limit is {MAX_CONTAINERS}"
        raise BodyRefused(Fault.SIZE, detail)
    try:
        value = _DECODER.decode(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _syntax(f"the body is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise _syntax(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise _syntax(_TOO_DEEP) from error
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise _syntax("the body holds a number that is too long") from error
    if brackets > MAX_DEPTH:
        _check_depth(value)
    if _SUSPICIOUS_ESCAPE.search(raw):
        _check_text(raw, value)
    return value


_TOO_DEEP: Final = f"the body is nested more than {MAX_DEPTH} levels deep"


def _syntax(detail: str) -> BodyRefused:
    return BodyRefused(Fault.SYNTAX, detail)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise _syntax(f"the body has the key `{twice[:60]}` twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _syntax(f"`{name}` is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)


def _check_depth(value: Any) -> None:
    containers = [value]
    for _ in range(MAX_DEPTH):
        containers = [
            item
            for node in containers
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, dict | list)
        ]
        if not containers:
            return
    raise _syntax(_TOO_DEEP)


def _check_text(raw: bytes, value: Any) -> None:
    """Refuse what only a `\\u` escape can smuggle in."""
    if _NUL_ESCAPE.search(raw):
        raise BodyRefused(Fault.VALUE, "the body holds the NUL character, which cannot be stored")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BodyRefused(Fault.VALUE, "the body holds half of a surrogate pair, which is no character") from error
