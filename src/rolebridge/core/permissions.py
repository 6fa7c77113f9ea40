"""What roles permit: a platform's permission matrices as values, and what they say of one person and one permission.

A cell is what the platform's own table says, no more: `unknown` where the source is lost stays unknown, and a decision
that hangs on it answers unknown, never allow or deny.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rolebridge.core.catalogue import Catalogue


class CellValue(StrEnum):
    """What a matrix says of a permission and a role.

    `own` things of one's own, `own_assets` things on one's own assets, `own_team` things of one's own team, `assigned`
    what is assigned to one, `partial` a part that the note names, `conditional` if a setting says so, `elsewhere`
    another system decides, `other_axis` the role on the other axis decides ("-" on the page), `unknown` a lost cell.
    """

    ALLOW = "allow"
    DENY = "deny"
    OWN = "own"
    OWN_ASSETS = "own_assets"
    OWN_TEAM = "own_team"
    ASSIGNED = "assigned"
    PARTIAL = "partial"
    CONDITIONAL = "conditional"
    OTHER_AXIS = "other_axis"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


_STRENGTH = {
    CellValue.ALLOW: 6,
    CellValue.PARTIAL: 5,
    CellValue.OWN_TEAM: 5,
    CellValue.ASSIGNED: 5,
    CellValue.OWN: 5,
    CellValue.OWN_ASSETS: 5,
    CellValue.CONDITIONAL: 4,
    CellValue.ELSEWHERE: 3,
    CellValue.UNKNOWN: 2,
    CellValue.DENY: 1,
}
"""Of the cells of several roles the strongest counts: roles add up. `other_axis` says nothing, and is left out."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `note` is the page's own qualification ("own only"), `setting` what a `conditional` hangs on."""

    value: CellValue
    note: str = ""
    setting: str = ""


UNKNOWN = Cell(CellValue.UNKNOWN)
"""What is said of a column that a row does not name."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that a tenant can switch on the platform and that permissions hang on."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a matrix: whoever holds all of one of `holds`, each slot → the roles of which one is meant.

    Most columns have one entry with one slot; a composite one ("Reviewer with the Admin workspace role") has two slots.
    """

    id: str
    name: str
    holds: tuple[Mapping[str, frozenset[str]], ...] = field(hash=False)

    def matched_by(self, held: Iterable[HeldRole]) -> tuple[HeldRole, ...]:
        """Return the roles through which somebody with `held` stands in this column; nothing if they do not."""
        roles = tuple(held)
        found: list[HeldRole] = []
        for alternative in self.holds:
            meant = [
                [role for role in roles if role.slot == slot and wanted & {role.role, *role.parts}]
                for slot, wanted in alternative.items()
            ]
            if all(meant):
                found += [role for group in meant for role in group]
        return tuple(dict.fromkeys(found))

    @property
    def breadth(self) -> int:
        """Return how many slots a holder must fill: of two columns that fit one person the broader one is meant."""
        return max(len(alternative) for alternative in self.holds)


@dataclass(frozen=True, slots=True)
class Permission:
    """A row of a matrix; `cells` by column id."""

    id: str
    name: str
    section: str
    cells: Mapping[str, Cell] = field(hash=False)
    note: str = ""

    def cell(self, column: str) -> Cell:
        """Return the cell of a column, unknown where the row does not name it."""
        return self.cells.get(column, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Matrix:
    """One table of permissions.

    `decides_first` says that its `allow` and `deny` are final; what it qualifies (`assigned`) the other tables decide
    for whoever stands in one of their columns.
    """

    id: str
    name: str
    columns: tuple[Column, ...]
    rows: Mapping[str, Permission] = field(hash=False)
    decides_first: bool = False

    def with_cells(self, cells: Mapping[tuple[str, str], Cell]) -> Matrix:
        """Return the matrix with a tenant's own cells, by (permission, column), in the place of the platform's."""
        rows = {
            id_: replace(
                row, cells={**row.cells, **{column: cell for (of, column), cell in cells.items() if of == id_}}
            )
            for id_, row in self.rows.items()
        }
        return replace(self, rows=rows)


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that somebody acts with in the scope that is asked about.

    `project` is where it is held, None for the workspace. `parts` are the roles that a combined value is made of.
    `granted` are the permissions of a custom role, None for a role of the platform.
    """

    slot: str
    role: str
    project: str | None = None
    parts: tuple[str, ...] = ()
    granted: frozenset[str] | None = field(default=None, hash=False)


class Answer(StrEnum):
    """What a decision comes to. `qualified` means allowed as far as the cell's value and note say."""

    ALLOWED = "allowed"
    QUALIFIED = "qualified"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One cell that speaks of the person: where it stands, and the role through which it applies."""

    matrix: str
    column: str
    cell: Cell
    through: tuple[HeldRole, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a permission is held, and why. `found` are all the cells that speak; the deciding ones stand first."""

    permission: str
    answer: Answer
    cell: Cell
    found: tuple[Finding, ...] = ()
    reason: str = ""
    """In one line, where no cell says it: holds nothing here, not a permission of a custom role."""

    @property
    def deciding(self) -> tuple[Finding, ...]:
        """Return the cells that are as strong as the answer."""
        return tuple(found for found in self.found if found.cell.value is self.cell.value)


def permissions_of(catalogue: Catalogue) -> dict[str, str]:
    """Return every permission of a platform by id, with its words: rows of its matrices, and what custom roles list."""
    listed = dict(catalogue.custom_roles.permissions) if catalogue.custom_roles else {}
    return {row.id: row.name for matrix in catalogue.matrices for row in matrix.rows.values()} | listed


def decide(
    catalogue: Catalogue, permission: str, held: Sequence[HeldRole], settings: Mapping[str, bool] | None = None
) -> Decision:
    """Return what the platform's matrices say of `permission` for somebody who acts with the roles `held`.

    `settings` are those of the tenant that are known: with one, a `conditional` cell that hangs on it becomes allow or
    deny. KeyError for a permission that the platform does not have (`permissions_of`).
    """
    if permission not in permissions_of(catalogue):
        raise KeyError(permission)
    if not held:
        return Decision(permission, Answer.DENIED, Cell(CellValue.DENY), reason="holds no role here")
    found = _cells(catalogue, permission, held, settings or {})
    speaking = [one for one in found if one.cell.value is not CellValue.OTHER_AXIS]
    if not speaking:
        reason = "the roles on the other axis decide, and none is held" if found else "no matrix speaks of these roles"
        return Decision(permission, Answer.UNKNOWN, UNKNOWN, tuple(found), reason)
    ordered = sorted(speaking, key=lambda one: -_STRENGTH[one.cell.value])
    silent = [one for one in found if one.cell.value is CellValue.OTHER_AXIS]
    cell = ordered[0].cell
    return Decision(permission, _answer(cell.value), cell, (*ordered, *silent))


def _cells(
    catalogue: Catalogue, permission: str, held: Sequence[HeldRole], settings: Mapping[str, bool]
) -> list[Finding]:
    matrices = [matrix for matrix in catalogue.matrices if permission in matrix.rows]
    first = [one for matrix in matrices if matrix.decides_first for one in _row(matrix, permission, held, settings)]
    rest = [one for matrix in matrices if not matrix.decides_first for one in _row(matrix, permission, held, settings)]
    listed = list(_listed(catalogue, permission, held))
    if any(one.cell.value in {CellValue.ALLOW, CellValue.DENY} for one in first):
        return [*listed, *first]
    return [*listed, *(rest or first)]


def _row(matrix: Matrix, permission: str, held: Sequence[HeldRole], settings: Mapping[str, bool]) -> Iterator[Finding]:
    row = matrix.rows[permission]
    for column, through in _columns(matrix, held):
        yield Finding(matrix.id, column.id, _settled(row.cell(column.id), settings), through)


def _columns(matrix: Matrix, held: Sequence[HeldRole]) -> Iterator[tuple[Column, tuple[HeldRole, ...]]]:
    """Yield the columns in which somebody stands; one that a broader one repeats with a further role is left out."""
    matched = [(column, through) for column in matrix.columns if (through := column.matched_by(held))]
    for column, through in matched:
        broader = (other for other, roles in matched if other.breadth > column.breadth and set(through) <= set(roles))
        if next(broader, None) is None:
            yield column, through


def _listed(catalogue: Catalogue, permission: str, held: Sequence[HeldRole]) -> Iterator[Finding]:
    """Yield what custom roles say: they permit what they list, and nothing else of the list they are made from."""
    custom = catalogue.custom_roles
    if custom is None or permission not in custom.permissions:
        return
    for role in held:
        if role.granted is not None:
            value = CellValue.ALLOW if permission in role.granted else CellValue.DENY
            yield Finding("custom_roles", role.role, Cell(value), (role,))
        elif role.slot == custom.slot:
            # The list is what custom roles are made of; what built-in roles have of it, no source says.
            yield Finding("custom_roles", role.role, UNKNOWN, (role,))


def _settled(cell: Cell, settings: Mapping[str, bool]) -> Cell:
    if cell.value is not CellValue.CONDITIONAL or cell.setting not in settings:
        return cell
    return replace(cell, value=CellValue.ALLOW if settings[cell.setting] else CellValue.DENY)


def _answer(value: CellValue) -> Answer:
    match value:
        case CellValue.ALLOW:
            return Answer.ALLOWED
        case CellValue.DENY:
            return Answer.DENIED
        case CellValue.UNKNOWN | CellValue.ELSEWHERE:
            return Answer.UNKNOWN
        case _:
            return Answer.QUALIFIED
