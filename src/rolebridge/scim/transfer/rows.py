"""Rows: what a source holds, one resource at a time, each with its place and, if it is none, what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from rolebridge.bridge.import_entries import Named, Reference
from rolebridge.core.schemas import CORE_GROUP, CORE_USER
from rolebridge.scim.bodies import parse_body
from rolebridge.scim.errors import ScimError

MAX_LINE: Final = 64 * 1024 * 1024
"""Bytes of one line: a group with half a million members fits."""

_SKIPPED_AT_ONCE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source: the number of the row (a line, or the index of a resource) and where the next one begins.

    `token` is what a source needs beside these to find the place again, in its own words.
    """

    row: int = 0
    offset: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One resource of a source.

    `raw` is the row as it stands there, for the file of rejected rows; `after` is where the next row begins. Either
    `resource` is what was read, or `problem` says why nothing was. `named` says whether it is a user or a group, and is
    EITHER where that cannot be told. `groups` are those that the row of a table puts a
    user into.
    """

    place: str
    raw: bytes
    after: Mark
    resource: dict[str, Any] | None = None
    problem: str = ""
    named: Named = Named.EITHER
    groups: tuple[str, ...] = ()


def kind_of(resource: dict[str, Any]) -> Named:
    """Return whether a resource is a user or a group; EITHER when it does not say."""
    listed = resource.get("schemas")
    if type(listed) is list and listed and listed[0] == CORE_USER:
        return Named.USER
    schemas = {text.lower() for text in _texts(listed)}
    meta = resource.get("meta")
    kind = meta.get("resourceType") if isinstance(meta, dict) else None
    if CORE_USER.lower() in schemas or kind == "User":
        return Named.USER
    if CORE_GROUP.lower() in schemas or kind == "Group":
        return Named.GROUP
    keys = {key.lower() for key in resource}
    if "username" in keys:
        return Named.USER
    return Named.GROUP if "displayname" in keys else Named.EITHER


class Source(Protocol):
    """Something that users and groups are read from, as often as needed.

    `name` is for people. `mixed` says that users and groups come in one sequence, whichever of them is asked for;
    `header` stands at the beginning of a file of rejected rows. `size` is in the unit of `Mark.offset`, None when it
    is not known.
    """

    name: str
    mixed: bool
    header: bytes
    size: int | None

    def rows(self, kind: Named, after: Mark) -> Iterator[Row]:
        """Yield the rows after a place; those of another kind than `kind` may be left out."""

    def stands(self, kind: Named, after: Mark) -> bool:
        """Return whether a place of an earlier run, while rows of `kind` were read, is still what it was."""


@dataclass(slots=True)
class Lines:
    """The lines of a file, bounded: a line that is too long is None, and is passed over without being held."""

    stream: BinaryIO
    number: int = 0
    offset: int = 0

    def __iter__(self) -> Iterator[bytes | None]:
        return self

    def __next__(self) -> bytes | None:
        line = self.stream.readline(MAX_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.offset += len(line)
        if len(line) <= MAX_LINE:
            return line
        while not line.endswith(b"\n") and (line := self.stream.readline(_SKIPPED_AT_ONCE)):
            self.offset += len(line)
        return None


@dataclass(slots=True)
class JsonLines:
    """A file with one resource in each line (RFC 7643 resources, users and groups in any order)."""

    path: Path
    name: str
    mixed: bool = True
    header: bytes = b""
    size: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.size = os.path.getsize(self.path)

    def rows(self, kind: Named, after: Mark) -> Iterator[Row]:
        """Yield the lines after a place that are not empty."""
        with self.path.open("rb") as stream:
            stream.seek(after.offset)
            lines = Lines(stream, after.row, after.offset)
            for line in lines:
                place, mark = f"{self.name}:{lines.number}", Mark(lines.number, lines.offset)
                if line is None:
                    yield Row(place, b"", mark, problem=f"the line is longer than {MAX_LINE:,} bytes")
                elif line.strip():
                    yield _row(place, line, mark)

    def stands(self, kind: Named, after: Mark) -> bool:
        """Return True: an import is known again by what is in its files."""
        return True


def _row(place: str, line: bytes, mark: Mark) -> Row:
    try:
        resource = parse_body(line)
    except ScimError as error:
        return Row(place, line, mark, problem=str(error).replace("the body", "the line", 1))
    if not isinstance(resource, dict):
        return Row(place, line, mark, problem="the line is not a JSON object")
    return Row(place, line, mark, resource, named=kind_of(resource))


def references(members: Any) -> tuple[Reference, ...]:
    """Return the members of a group as a source names them; what names nobody is left out."""
    found = {}
    for item in members if isinstance(members, list) else [members]:
        value = item.get("value") if isinstance(item, dict) else item
        if isinstance(value, str) and value:
            found[value] = Reference(value, _named(item))
    return tuple(found.values())


def _named(item: Any) -> Named:
    if not isinstance(item, dict):
        return Named.EITHER
    reference = item.get("$ref")
    if item.get("type") == "Group" or (isinstance(reference, str) and "/Groups/" in reference):
        return Named.GROUP
    return Named.USER if item.get("type") == "User" else Named.EITHER


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [text for text in listed if isinstance(text, str)]
