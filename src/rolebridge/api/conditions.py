"""`ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8, §13.1): the tag of an answer is a digest of its bytes.

So tags are strong, need nothing stored, and two answers have the same one exactly when they are the same. A write is
held against the tag of what a GET of the same path would answer at that moment.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from rolebridge.web.problems import Kind, Problem

IF_MATCH: Final = "if-match"
IF_NONE_MATCH: Final = "if-none-match"
_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


def tag_of(body: bytes) -> str:
    """Return the entity tag of an answer."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def is_known(headers: Mapping[str, str], tag: str) -> bool:
    """Return whether the client of a GET has the answer with this tag already."""
    text = headers.get(IF_NONE_MATCH, "").strip()
    return text == "*" or tag.strip('"') in _TAG.findall(text)


def has_condition(headers: Mapping[str, str]) -> bool:
    """Return whether a write is to be done in some state only."""
    return bool(headers.get(IF_MATCH, "").strip() or headers.get(IF_NONE_MATCH, "").strip())


def check(headers: Mapping[str, str], current: str | None) -> None:
    """Hold a write against the tag of what there is, None for nothing. Raises Problem."""
    match, none_match = (headers.get(name, "").strip() for name in (IF_MATCH, IF_NONE_MATCH))
    if match and (current is None or not _among(match, current)):
        raise _failed("If-Match", current)
    if none_match and current is not None and _among(none_match, current):
        raise _failed("If-None-Match", current)


def _among(text: str, tag: str) -> bool:
    return text == "*" or tag.strip('"') in _TAG.findall(text)


def _failed(header: str, current: str | None) -> Problem:
    now = "there is nothing there" if current is None else f"its tag is now {current}"
    return Problem(
        Kind.PRECONDITION_FAILED,
        f"`{header}` does not hold: {now}",
        headers=(("ETag", current),) if current else (),
    )
