"""Lists as CSV (RFC 4180 but for the line ends) that a spreadsheet opens without harm: the one writer of it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rolebridge.core.moments import stamp

# Where a cell of a formula could begin: at the beginning, or, for a spreadsheet whose separator is not the comma (that
# of a German one is the semicolon), after what it takes for the end of a cell. East Asian ones take wide signs, too.
_FORMULA: Final = re.compile(
    r"^(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])|(?<=[;\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])"
)


class _Lines(list[str]):
    """What a writer writes, line by line.

    A writer puts a cell in quotes for what its own line end has: with both, a carriage return in a userName cannot
    begin a row. The lines end as those of every other text do.
    """

    def write(self, line: str) -> None:
        self.append(line.removesuffix("\r\n") + "\n")


def text_of(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as lines of CSV, each with its line end."""
    lines = _Lines()
    csv.writer(lines, lineterminator="\r\n").writerows([harmless(cell(value)) for value in row] for row in rows)
    return "".join(lines)


def cell(value: object) -> str:
    """Return a value as it stands in a cell: nothing for None, `true` and `false`, moments in UTC, lists with `; `."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, list | tuple):
        return "; ".join(map(cell, value))
    return str(value)


def harmless(text: str) -> str:
    """Return the cell so that no spreadsheet takes it for a formula: a userName is what an identity provider sent."""
    return _FORMULA.sub("'", text)
