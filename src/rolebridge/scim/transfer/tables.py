"""Tables: CSV (RFC 4180) with SCIM paths as heads, read and written."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rolebridge.bridge.exporting import Snapshot
from rolebridge.bridge.import_entries import Named
from rolebridge.core.errors import Invalid
from rolebridge.scim.errors import ScimError
from rolebridge.scim.schemas import ResourceSchema, SchemaSet
from rolebridge.scim.transfer.columns import Column, cells_of, guarded, listed, read_head, unguarded, unlisted
from rolebridge.scim.transfer.rows import Lines, Mark, Row

MAX_CELL: Final = 16 * 1024 * 1024
"""Characters of a cell: a group with half a million members fits."""
MAX_COLUMNS: Final = 1_000

_GROUPS: Final = "groups"
_MEMBERS: Final = "members"
_NESTED: Final = "members[group]"
_SEPARATORS: Final = (",", ";", "\t")


@dataclass(slots=True)
class CsvTable:
    """A file of users (it has a column `userName`) or of groups (`displayName`)."""

    path: Path
    name: str
    delimiter: str
    schemas: SchemaSet
    mixed: bool = True
    header: bytes = field(init=False)
    size: int | None = field(init=False)
    kind: Named = field(init=False)
    _separator: str = field(init=False)
    _columns: list[Column | str] = field(init=False)
    _begin: Mark = field(init=False)

    def __post_init__(self) -> None:
        if not self.delimiter:
            raise Invalid("the delimiter of several values is empty", "delimiter")
        self.size = os.path.getsize(self.path)
        with self.path.open("rb") as stream:
            lines = Lines(stream)
            line = next(lines, None)
            self._begin = Mark(lines.number, lines.offset)
        try:
            text = (line or b"").decode("utf-8-sig")
            self._separator = max(_SEPARATORS, key=text.count)
            heads = next(csv.reader([text], delimiter=self._separator, strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise Invalid(f"{self.name}:1: the header cannot be read: {error}", "header") from error
        self.header = (line or b"").rstrip(b"\r\n") + b"\n"
        self._read_heads(heads)

    def _read_heads(self, heads: list[str]) -> None:
        names = {head.strip().lower() for head in heads}
        self.kind = Named.USER if "username" in names else Named.GROUP
        if self.kind is Named.GROUP and "displayname" not in names:
            raise Invalid(f"{self.name}:1: a table has a column `userName` (users) or `displayName` (groups)", "header")
        if len(heads) > MAX_COLUMNS:
            raise Invalid(f"{self.name}:1: {len(heads)} columns, the limit is {MAX_COLUMNS}", "header")
        schema = self._schema
        special = {_GROUPS} if self.kind is Named.USER else {_MEMBERS, _NESTED}
        try:
            self._columns = [
                name if (name := head.strip().lower()) in special else read_head(head, schema) for head in heads
            ]
        except Invalid as error:
            raise Invalid(f"{self.name}:1: {error}", "header") from error
        seen = set()
        for head, column in zip(heads, self._columns, strict=True):
            key = column if isinstance(column, str) else column.key
            if key in seen:
                raise Invalid(f"{self.name}:1: the column `{head[:100]}` is there twice", "header")
            seen.add(key)

    @property
    def _schema(self) -> ResourceSchema:
        return self.schemas.user if self.kind is Named.USER else self.schemas.group

    def rows(self, kind: Named, after: Mark) -> Iterator[Row]:
        """Yield the records after a place; no users in the phase of groups unless they say which they are in."""
        if kind is not Named.USER and self.kind is Named.USER and _GROUPS not in self._columns:
            return
        after = max(after, self._begin, key=lambda mark: mark.offset)
        csv.field_size_limit(MAX_CELL)
        with self.path.open("rb") as stream:
            stream.seek(after.offset)
            feed = _Feed(Lines(stream, after.row, after.offset))
            reader = csv.reader(feed, delimiter=self._separator, strict=True)
            while (row := self._next(feed, reader)) is not None:
                if row.raw.strip() or row.problem:
                    yield row

    def stands(self, kind: Named, after: Mark) -> bool:
        """Return True: an import is known again by what is in its files."""
        return True

    def _next(self, feed: _Feed, reader: Iterator[list[str]]) -> Row | None:
        feed.begin()
        place = f"{self.name}:{feed.lines.number + 1}"
        problem = ""
        cells: list[str] = []
        try:
            cells = next(reader)
        except StopIteration:
            return None
        except csv.Error as error:
            problem = f"not CSV: {error}"
        raw, mark = b"".join(feed.raw), Mark(feed.lines.number, feed.lines.offset)
        problem = feed.problem or problem
        if not problem and cells and len(cells) != len(self._columns):
            problem = f"{len(cells)} cells under {len(self._columns)} heads"
        if problem or not cells:
            return Row(place, raw, mark, problem=problem, named=self.kind)
        try:
            resource, groups = self._resource(cells)
        except ScimError as error:
            return Row(place, raw, mark, problem=str(error), named=self.kind)
        return Row(place, raw, mark, resource, named=self.kind, groups=groups)

    def _resource(self, cells: list[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
        resource: dict[str, Any] = {}
        groups: tuple[str, ...] = ()
        members: list[dict[str, str]] = []
        for column, text in zip(self._columns, cells, strict=True):
            cell = unguarded(text)
            if not cell:
                continue
            if not isinstance(column, str):
                column.assign(resource, cell, self.delimiter)
            elif column == _GROUPS:
                groups = unlisted(cell, self.delimiter)
            else:
                kind = "User" if column == _MEMBERS else "Group"
                members += ({"value": name, "type": kind} for name in unlisted(cell, self.delimiter))
        schema = self._schema
        resource["schemas"] = [schema.urn, *(name for name in resource if name.lower() in schema.extensions)]
        if members:
            resource["members"] = members
        return resource, groups


class _Feed:
    """The lines of a table for the CSV reader, and what went by since `begin`."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.raw: list[bytes] = []
        self.problem = ""
        self._held = 0

    def begin(self) -> None:
        self.raw, self.problem, self._held = [], "", 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        if line is None:
            self.problem = "the line is too long"
            return "\n"
        self._held += len(line)
        if self._held <= MAX_CELL:
            self.raw.append(line)
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self.problem = f"not UTF-8 at byte {error.start} of the line"
            return line.decode(errors="replace")


# --- writing -------------------------------------------------------------------------------------------------

_FIRST: Final = ("userName", "displayName", "externalId", "active")


def user_table(snapshot: Snapshot, delimiter: str) -> Iterator[str]:
    """Yield the lines of a table of users. They are read twice: first for the columns that there are."""
    return _table(lambda: (cells_of(user, delimiter) for user in snapshot.users()), "userName")


def group_table(snapshot: Snapshot, delimiter: str) -> Iterator[str]:
    """Yield the lines of a table of groups."""

    def rows() -> Iterator[dict[str, str]]:
        for group in snapshot.groups():
            cells = cells_of(group.resource, delimiter)
            if group.members:
                cells["members"] = listed(group.members, delimiter)
            if group.children:
                cells["members[Group]"] = listed(group.children, delimiter)
            yield cells

    return _table(rows, "displayName")


def _table(rows: Callable[[], Iterable[dict[str, str]]], key: str) -> Iterator[str]:
    heads: dict[str, None] = {key: None}
    for cells in rows():
        heads.update(dict.fromkeys(cells))
        if len(heads) > MAX_COLUMNS:
            raise Invalid(f"a table would have more than {MAX_COLUMNS} columns; JSON lines hold everything", "format")
    ordered = sorted(heads, key=lambda head: (_FIRST.index(head) if head in _FIRST else len(_FIRST), head))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")

    def line(cells: Iterable[str]) -> str:
        writer.writerow([guarded(cell) for cell in cells])
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    yield line(ordered)
    for cells in rows():
        yield line(cells.get(head, "") for head in ordered)
