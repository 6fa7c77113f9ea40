"""What a source says, in batches that one transaction takes: rows, the entries that they are, and which are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rolebridge.bridge.import_entries import GroupEntry, Named, UserEntry
from rolebridge.scim.canonical import read_resource
from rolebridge.scim.errors import ScimError
from rolebridge.scim.limits import MAX_USER_BODY
from rolebridge.scim.tolerances import Reading
from rolebridge.scim.transfer.rows import Mark, Row, Source, references

USERS_AT_ONCE: Final = 1_000
GROUPS_AT_ONCE: Final = 100
MEMBERS_AT_ONCE: Final = 5_000
BYTES_AT_ONCE: Final = 8 * 1024 * 1024
"""Rows, members and bytes of one transaction, the last of which may pass the bound: others wait for a tenth of a
second."""


@dataclass(slots=True)
class UserRows:
    """Rows about users, in their order.

    `entries` are those that can be read, `refused` says by place in `rows` why one cannot. `used` counts tolerances.
    `groups` is where the first row about a group begins, if it was met. Only the last batch may have no rows.
    """

    rows: list[Row] = field(default_factory=list)
    entries: list[UserEntry] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    groups: Mark | None = None


def user_batches(source: Source, after: Mark, reading: Callable[[], Reading]) -> Iterator[UserRows]:
    """Yield what a source says of users after a place; where groups begin, too."""
    first: list[Mark] = []
    batch = UserRows()
    for rows in in_batches(_user_rows(source, after, first), USERS_AT_ONCE):
        batch = UserRows(rows, groups=first[0] if first else None)
        for place, row in enumerate(rows):
            if row.problem or row.named is Named.EITHER:
                batch.refused[place] = row.problem or "neither a user nor a group: no `schemas` and no `userName`"
                continue
            try:
                batch.entries.append(_user(row, reading(), batch.used))
            except ScimError as error:
                batch.refused[place] = str(error)
        yield batch
    if first and batch.groups is None:  # groups, and nobody after them
        yield UserRows(groups=first[0])


def _user_rows(source: Source, before: Mark, first: list[Mark]) -> Iterator[Row]:
    """Yield the rows about users; `first` receives where the first one about a group begins."""
    for row in source.rows(Named.USER, before):
        if not first and not row.problem and (row.groups or row.named is Named.GROUP):
            first.append(before)
        before = row.after
        if row.problem or row.named is not Named.GROUP:  # a group may be large, and its turn comes later
            yield row


def _user(row: Row, reading: Reading, used: Counter[str]) -> UserEntry:
    if len(row.raw) > MAX_USER_BODY:
        raise ScimError(413, None, f"the user has {len(row.raw):,} bytes, the limit is {MAX_USER_BODY:,}")
    attributes = read_resource(reading.schemas.user, row.resource, reading)
    name = _named(attributes, "userName")
    if reading.used:
        used.update(map(str, reading.used))
    return UserEntry(name, attributes.get("externalId"), attributes, _source_id(row))


def read_group(row: Row, reading: Reading) -> GroupEntry:
    """Return what a row says of a group and its members. Raises ScimError."""
    members: list[Any] = []
    attributes = read_resource(reading.schemas.group, row.resource, reading, members)
    name = _named(attributes, "displayName")
    named = references(members[-1]) if members else ()
    return GroupEntry(name, attributes.get("externalId"), attributes, named, _source_id(row))


def _named(attributes: Mapping[str, Any], attribute: str) -> str:
    name: str = attributes.get(attribute, "")
    if not name.strip():
        raise ScimError(400, "invalidValue", f"`{attribute}` is required and must not be empty")
    return name


def _source_id(row: Row) -> str | None:
    id_ = (row.resource or {}).get("id")
    return id_ if isinstance(id_, str) and id_ else None


def _members(row: Row) -> int:
    members = (row.resource or {}).get("members")
    return len(members) if isinstance(members, list) else 1


def in_batches(rows: Iterable[Row], most: int) -> Iterator[list[Row]]:
    """Yield rows in batches, bounded in number, in members and in bytes."""
    batch: list[Row] = []
    members = held = 0
    for row in rows:
        batch.append(row)
        members += _members(row)
        held += len(row.raw)
        if len(batch) >= most or members >= MEMBERS_AT_ONCE or held >= BYTES_AT_ONCE:
            yield batch
            batch, members, held = [], 0, 0
    if batch:
        yield batch
