"""Tables of who holds which role today: CSV as people have it, read into rows, every problem with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rolebridge.core.errors import RolebridgeError

MAX_ROWS: Final = 500_000
MAX_TOLD: Final = 1_000
"""How many problems are kept; whoever has more has one problem many times."""

_COLUMNS: Final[Mapping[str, str]] = {
    "user": "user", "username": "user", "email": "user", "mail": "user", "login": "user", "member": "user",
    "person": "user", "upn": "user",
    "project": "project", "projectid": "project",
    "slot": "slot",
    "role": "role", "roleid": "role",
    "workspace": "workspace", "workspaceid": "workspace",
}  # fmt: skip
_SEPARATORS: Final = (",", ";", "\t")
_NO_PROJECT: Final = {"", "-"}


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One row: names as the file has them. `project` None means the workspace's own slots, `slot` "" whichever fits."""

    line: int
    user: str
    project: str | None
    slot: str
    role: str
    workspace: str = ""


@dataclass(frozen=True, slots=True)
class TableProblem:
    """What is wrong with a line, and what to do about it."""

    line: int
    problem: str
    help: str = ""


class TableRefused(RolebridgeError):
    """That a table has problems; nothing of it was taken. `problems` are the first of them, `count` is how many."""

    def __init__(self, problems: Sequence[TableProblem], count: int) -> None:
        super().__init__(f"{count:,} problem{'s' * (count != 1)} in the table; nothing was imported")
        self.problems = tuple(problems)
        self.count = count


def read_role_table(text: str) -> tuple[tuple[RoleRow, ...], tuple[TableProblem, ...]]:
    """Return the rows of a CSV text, and what is wrong with its lines.

    The header names the columns in any order and case: `user` and `role`, and where there are any `project`, `slot` and
    `workspace`; other columns are passed over. Commas, semicolons or tabs separate.
    """
    text = text.removeprefix("\ufeff")
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(_SEPARATORS, key=head.count), strict=True)
    rows: list[RoleRow] = []
    problems: list[TableProblem] = []
    try:
        columns, missing = _columns(next(reader, []))
        if missing:
            return (), (missing,)
        for line, cells in _lines(reader):
            if len(rows) >= MAX_ROWS:
                problems.append(TableProblem(line, f"more than {MAX_ROWS:,} rows", "import it in parts"))
                break
            _take(line, cells, columns, rows, problems)
    except csv.Error as error:
        problems.append(TableProblem(reader.line_num, f"not CSV: {error}"))
    return tuple(rows), tuple(problems)


def _lines(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that hold anything, each with the line it begins on."""
    before = reader.line_num  # type: ignore[attr-defined]  # csv.reader's own, which typeshed hides behind Iterator
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield before + 1, [_bare(cell) for cell in cells]
        before = reader.line_num  # type: ignore[attr-defined]


def _columns(head: Sequence[str]) -> tuple[dict[str, int], TableProblem | None]:
    found: dict[str, int] = {}
    for at, title in enumerate(head):
        name = _COLUMNS.get("".join(letter for letter in title.casefold() if letter.isalnum()))
        if name is not None and name in found:
            return {}, TableProblem(1, f"two columns name the {name}", "leave one")
        if name is not None:
            found[name] = at
    missing = [name for name in ("user", "role") if name not in found]
    if missing:
        help_ = "the first line names the columns: user, project, slot, role"
        return {}, TableProblem(1, f"no column `{missing[0]}`", help_)
    return found, None


def _take(
    line: int,
    cells: Sequence[str],
    columns: Mapping[str, int],
    rows: list[RoleRow],
    problems: list[TableProblem],
) -> None:
    named = {name: cells[at] if at < len(cells) else "" for name, at in columns.items()}
    empty = [name for name in ("user", "role") if not named[name]]
    if empty:
        problems.append(TableProblem(line, f"no {empty[0]}"))
        return
    project = named.get("project", "")
    rows.append(
        RoleRow(
            line,
            named["user"],
            None if project in _NO_PROJECT else project,
            named.get("slot", ""),
            named["role"],
            named.get("workspace", ""),
        )
    )


def _bare(cell: str) -> str:
    """Return a cell without the quote that keeps spreadsheets from reading it as a formula."""
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in {"=", "+", "-", "@"} else cell
