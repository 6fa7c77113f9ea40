"""Stored bytes: the canonical answer of a resource as JSON text, made once, when it is written.

A body is the complete resource without `groups` (of a user), `members` (of a group) and `meta.location`, and its last
member is `meta`: whoever answers splices those in before the final `}}` and never parses. `meta` ends in what changes
most, so that a group whose members change gets a new end (`restamped`) and keeps the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from rolebridge.core.directory import GroupDraft, UserDraft
from rolebridge.core.errors import Invalid
from rolebridge.core.schemas import CORE_GROUP, CORE_USER, ENTERPRISE_USER

# What a body holds beside the attributes of a draft.
_OWN: Final = ("schemas", "id", "meta")
# A NUL in JSON text: an escape whose backslash is not itself escaped.
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
# Beyond this a key ends in a digest: an index entry of PostgreSQL holds 2,704 bytes, and a value may have any length.
LONGEST_KEY: Final = 200
PREFIX: Final = 135
"""Characters that every key begins with as its text does, so that a range of keys finds what begins alike."""
# Stands before a digest. A text that holds it has a digest, too, so that no short text has the key of a long one.
_DIGEST: Final = "\x1f"

INDEXED: Final = ("emails", "phoneNumbers", "roles", "entitlements")
"""Multi-valued attributes whose values a filter finds through an index."""
EMPLOYEE_NUMBER: Final = f"{ENTERPRISE_USER}:employeeNumber"
_INDEXED_IN: Final = (*INDEXED, ENTERPRISE_USER)

# --- moments ---------------------------------------------------------------------------------------------------


def stamp(moment: datetime) -> str:
    """Return a moment as it is stored and answered: UTC, milliseconds, `2026-11-30T09:00:00.000Z`."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone")
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def exact_stamp(moment: datetime) -> str:
    """Return a moment in UTC to the microsecond, as filters compare moments that clients wrote."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def stamp_or_none(moment: datetime | None) -> str | None:
    """Return `stamp(moment)`, None for None."""
    return None if moment is None else stamp(moment)


def moment(text: str) -> datetime:
    """Return the moment that `stamp` wrote."""
    return datetime.fromisoformat(text)


def moment_or_none(text: str | None) -> datetime | None:
    """Return `moment(text)`, None for None."""
    return None if text is None else datetime.fromisoformat(text)


def day_text(day: date | None) -> str | None:
    """Return a day as it is stored, None for None."""
    return None if day is None else day.isoformat()


def day_or_none(text: str | None) -> date | None:
    """Return the day that `day_text` wrote."""
    return None if text is None else date.fromisoformat(text)


# --- keys ------------------------------------------------------------------------------------------------------


def exact_key(text: str) -> str:
    """Return what an index holds of a text that is compared as it is; shorter than `LONGEST_KEY` it is the text."""
    if len(text) < LONGEST_KEY and _DIGEST not in text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    # A text that is short and holds the sign is filled up: the length of a key tells whether it is the text.
    return f"{text[:PREFIX]:{_DIGEST}<{PREFIX}}{_DIGEST}{digest}"


def folded_key(text: str) -> str:
    """Return what an index holds of a text that is compared without case (RFC 7643 §2.2, casefolded)."""
    return exact_key(text.casefold())


def text_json(text: str) -> str:
    """Return a text as JSON."""
    return json.dumps(text, ensure_ascii=False)


# --- bodies ----------------------------------------------------------------------------------------------------


def user_body(id: str, draft: UserDraft, active: bool, version: int, created: str, modified: str) -> str:
    """Return the body of a user. Raises `Invalid` for text that no database can hold."""
    told = None if draft.attributes.get("active", active) is None else active
    own = {"userName": draft.user_name, "externalId": draft.external_id, "active": told}
    return _body(CORE_USER, id, {**draft.attributes, **own}, _meta("User", version, created, modified))


def group_body(id: str, draft: GroupDraft, version: int, created: str, modified: str) -> str:
    """Return the body of a group. Raises `Invalid` for text that no database can hold."""
    own = {"displayName": draft.display, "externalId": draft.external_id}
    return _body(CORE_GROUP, id, {**draft.attributes, **own}, _meta("Group", version, created, modified))


# Made once: `json.dumps` makes one for every call whose options are not its own.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _body(schema: str, id: str, attributes: Mapping[str, Any], meta: str) -> str:
    extensions = [name for name, value in attributes.items() if name.startswith("urn:") and value is not None]
    kept = {name: value for name, value in attributes.items() if value is not None and name not in _OWN}
    resource: dict[str, Any] = {"schemas": [schema, *extensions], "id": id, **kept}
    try:
        text = _ENCODER.encode(resource)
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("a text holds half a character (a lone surrogate), which cannot be stored") from None
    except ValueError:
        raise Invalid("a number is infinite or not a number, which JSON cannot hold") from None
    if "\\u0000" in text and _NUL.search(text):
        raise Invalid("a text holds the character U+0000, which cannot be stored")
    return f'{text[:-1]},"meta":{meta}}}'


def _meta(kind: str, version: int, created: str, modified: str) -> str:
    return f'{{"resourceType":"{kind}","created":"{created}"{_end(version, modified)}'


def _end(version: int, modified: str) -> str:
    return f',"lastModified":"{modified}","version":"W/\\"{version}\\""}}'


def version_tag(version: int) -> str:
    """Return the ETag of a version (RFC 7644 §3.14, weak: answers may be ordered differently)."""
    return f'W/"{version}"'


def restamped(body: str, version: int, modified: str) -> str:
    """Return a body with another version and time of change."""
    # Nothing that a client wrote comes after the last of these words.
    kept = body[: body.rindex(',"lastModified":')]
    return f"{kept}{_end(version, modified)}}}"


def folded(body: str) -> str | None:
    """Return a body, without `meta`, whose text values are casefolded; None where the database can do that itself.

    That is for text in ASCII, whose case `lower()` takes away on both databases, and on neither for any other.
    """
    if body.isascii():
        return None
    read = json.loads(body)
    del read["meta"]
    return json.dumps(_folded(read), ensure_ascii=False, separators=(",", ":"))


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, dict):
        return {name: _folded(item) for name, item in value.items()}
    return [_folded(item) for item in value] if isinstance(value, list) else value


def attributes(body: str) -> dict[str, Any]:
    """Return the attributes of a body, as a draft has them."""
    read: dict[str, Any] = json.loads(body)
    for name in _OWN:
        read.pop(name, None)
    return read


def indexed_values(attributes: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return what `user_values` holds of a user: (attribute, folded value)."""
    return frozenset((name, folded_key(value)) for name, value in _indexed(attributes))


def indexed_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether what `indexed_values` reads of two users is the same."""
    return all(one.get(name) == other.get(name) for name in _INDEXED_IN)


def _indexed(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in INDEXED:
        held = attributes.get(name)
        for element in held if isinstance(held, list) else ():
            value = element.get("value") if isinstance(element, dict) else element
            if isinstance(value, str):
                yield name, value
    enterprise = attributes.get(ENTERPRISE_USER)
    number = enterprise.get("employeeNumber") if isinstance(enterprise, dict) else None
    if isinstance(number, str):
        yield EMPLOYEE_NUMBER, number
