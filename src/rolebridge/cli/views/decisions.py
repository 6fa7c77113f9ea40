"""Decisions for people: the answer, the cell it is read from, and the role it came through."""

from __future__ import annotations

from collections.abc import Iterator

from rolebridge.bridge.deciding import Decided
from rolebridge.cli.terminal import bad, doubtful, good, one_line, strong
from rolebridge.cli.views.roles import because_words, role_name
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.permissions import Answer, Cell, CellValue, Finding, permissions_of

_WORDS = {
    CellValue.ALLOW: "yes",
    CellValue.DENY: "no",
    CellValue.OWN: "their own only",
    CellValue.OWN_ASSETS: "on their own assets only",
    CellValue.OWN_TEAM: "their own team's only",
    CellValue.ASSIGNED: "what is assigned to them",
    CellValue.PARTIAL: "in part",
    CellValue.CONDITIONAL: "if a setting says so",
    CellValue.OTHER_AXIS: "the role on the other axis decides",
    CellValue.ELSEWHERE: "another system decides",
    CellValue.UNKNOWN: "unknown",
}
_COLOURS = {Answer.ALLOWED: good, Answer.DENIED: bad, Answer.QUALIFIED: doubtful, Answer.UNKNOWN: doubtful}


def text(decided: Decided) -> str:
    """Return an answer as people read it."""
    return "\n".join(_lines(decided))


def cell_words(catalogue: Catalogue, cell: Cell) -> str:
    """Return a cell in words, with what it hangs on: `in part: can modify`."""
    more = [catalogue.settings[cell.setting].name] if cell.setting in catalogue.settings else []
    more += [cell.note] if cell.note else []
    return ": ".join([_WORDS[cell.value], *map(one_line, more)])


def _lines(decided: Decided) -> Iterator[str]:
    decision, program = decided.decision, decided.program
    name = permissions_of(program.catalogue)[decision.permission]
    where = f"{decided.project} ({program.workspace})" if decided.project else program.workspace
    answer = _COLOURS[decision.answer](cell_words(program.catalogue, decision.cell))
    yield f"{strong(one_line(decided.user_name))}, {one_line(name)}, in {where} ({program.catalogue.name}): {answer}"
    if decision.reason:
        yield f"  because   {decision.reason}"
    for found in decision.found:
        yield from _finding(decided, found)


def _finding(decided: Decided, found: Finding) -> Iterator[str]:
    catalogue = decided.program.catalogue
    matrix = next((one for one in catalogue.matrices if one.id == found.matrix), None)
    columns = {one.id: one.name for one in matrix.columns} if matrix else {}
    column = columns.get(found.column, found.column)
    table = matrix.name if matrix else "the list that custom roles are made from"
    yield f"  {table}, {column}: {cell_words(catalogue, found.cell)}"
    for role in found.through:
        grant = decided.grants[role]
        yield f"    as {role_name(catalogue, role.slot, role.role)}: {because_words(catalogue, grant)}"
