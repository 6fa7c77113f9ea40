"""`ETag`, `If-Match` and `If-None-Match` (RFC 7644 §3.14, RFC 9110 §13.1): tags to versions and back.

An entity tag is the `meta.version` of the resource: `W/"4"`, the version that every change of it counts up. A user is
answered with the groups they are in, which change without the user; a user in groups has `W/"4.51c0a94e02f3"`, where
what follows the dot stands for the groups. So the tags of two answers are equal when the answers are (up to which
attributes were asked for), and a 304 is never wrong.

Choices where the RFCs leave one:

- Tags are compared weakly, as RFC 7644 §3.14 prefers weak ones, which `If-Match` would never match otherwise.
- `If-Match` looks at the version, not at the groups: a change of memberships is no change of the user that a write to
  the user could undo.
- What is not there answers 404, with or without conditions (RFC 9110 §13.2.1: a condition is looked at only where the
  request would succeed without it).
- An empty header is no header. A tag that is none of ours matches nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from rolebridge.core.versions import ANY_VERSION, Versions

IF_MATCH: Final = "if-match"
IF_NONE_MATCH: Final = "if-none-match"

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"', re.IGNORECASE)
_OURS: Final = re.compile(r"([0-9]{1,18})(?:\.[0-9a-f]+)?")


def entity_tag(version: int, groups: str | None = None) -> str:
    """Return the tag of a version; `groups` is the JSON text of the groups that are answered with a user."""
    return f'W/"{version}.{_stamp(groups)}"' if groups else f'W/"{version}"'


def tagged(body: str, groups: str | None) -> str:
    """Return a stored user's body whose `meta.version` is the tag of the answer with `groups`."""
    # A stored body ends in the version: `…,"version":"W/\"4\""}}`.
    return f"{body[:-5]}.{_stamp(groups)}{body[-5:]}" if groups else body


def wanted_versions(headers: Mapping[str, str]) -> Versions:
    """Return which versions a request wants to change. `headers` are found by lower-case names."""
    match = headers.get(IF_MATCH, "").strip()
    none_match = headers.get(IF_NONE_MATCH, "").strip()
    if not match and not none_match:
        return ANY_VERSION
    among = None if match in ("", "*") else _versions(match)
    return Versions(among, _versions(none_match), never=none_match == "*")


def is_known(headers: Mapping[str, str], tag: str) -> bool:
    """Return whether the client of a GET has the answer with this tag already."""
    text = headers.get(IF_NONE_MATCH)
    if text is None:
        return False
    return text.strip() == "*" or _opaque(tag) in _TAG.findall(text)


def _stamp(groups: str) -> str:
    return hashlib.blake2b(groups.encode(), digest_size=6).hexdigest()


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/").strip('"')


def _versions(text: str) -> frozenset[int]:
    found = (_OURS.fullmatch(opaque) for opaque in _TAG.findall(text))
    return frozenset(int(tag[1]) for tag in found if tag)
