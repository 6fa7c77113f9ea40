"""A naive oracle of decisions and delegation: what the tables and rules of a catalogue say, in the most literal way.

It shares nothing with `permissions` and `delegation` but the value types, and asks every question again of everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rolebridge.core.catalogue import Assignable, Catalogue
from rolebridge.core.delegation import Act, Delegation, Request
from rolebridge.core.permissions import Answer, Cell, CellValue, Column, HeldRole, Matrix

_FROM_THE_STRONGEST = (
    {CellValue.ALLOW},
    {CellValue.PARTIAL, CellValue.OWN_TEAM, CellValue.ASSIGNED, CellValue.OWN, CellValue.OWN_ASSETS},
    {CellValue.CONDITIONAL},
    {CellValue.ELSEWHERE},
    {CellValue.UNKNOWN},
    {CellValue.DENY},
)
_ANSWERS = {
    CellValue.ALLOW: Answer.ALLOWED,
    CellValue.DENY: Answer.DENIED,
    CellValue.UNKNOWN: Answer.UNKNOWN,
    CellValue.ELSEWHERE: Answer.UNKNOWN,
}

Said = tuple[str, str, Cell]
"""A table, its column, and what the cell says there once the known settings are looked at."""


def decided(
    made: Catalogue, permission: str, held: Sequence[HeldRole], settings: Mapping[str, bool]
) -> tuple[Answer, frozenset[Said]]:
    """Return the answer, and every cell that speaks."""
    if not held:
        return Answer.DENIED, frozenset()
    first = [one for table in made.matrices if table.decides_first for one in row(table, permission, held, settings)]
    rest = [one for table in made.matrices if not table.decides_first for one in row(table, permission, held, settings)]
    final = any(cell.value is CellValue.ALLOW or cell.value is CellValue.DENY for _, _, cell in first)
    said = first if final or not rest else rest
    said += listed(made, permission, held)
    for values in _FROM_THE_STRONGEST:
        for _, _, cell in said:
            if cell.value in values:
                return _ANSWERS.get(cell.value, Answer.QUALIFIED), frozenset(said)
    return Answer.UNKNOWN, frozenset(said)


def row(table: Matrix, permission: str, held: Sequence[HeldRole], settings: Mapping[str, bool]) -> Iterator[Said]:
    """Yield what a table says: of a column that a broader one repeats with a further role, only the broader."""
    if permission not in table.rows:
        return
    for column in table.columns:
        mine = through(column.holds, held)
        broader = [
            other for other in table.columns if width(other) > width(column) and mine <= through(other.holds, held)
        ]
        if mine and not broader:
            cell = table.rows[permission].cells.get(column.id, Cell(CellValue.UNKNOWN))
            if cell.value is CellValue.CONDITIONAL and cell.setting in settings:
                value = CellValue.ALLOW if settings[cell.setting] else CellValue.DENY
                cell = Cell(value, cell.note, cell.setting)
            yield table.id, column.id, cell


def width(column: Column) -> int:
    return max(len(way) for way in column.holds)


def through(holds: Sequence[Mapping[str, frozenset[str]]], held: Sequence[HeldRole]) -> set[HeldRole]:
    """Return the roles with which somebody stands where one of `holds` is wanted."""
    found: set[HeldRole] = set()
    for way in holds:
        fitting = {slot: {one for one in held if one.slot == slot and fits(one, roles)} for slot, roles in way.items()}
        if all(fitting.values()):
            found = found.union(*fitting.values())
    return found


def fits(one: HeldRole, roles: frozenset[str]) -> bool:
    return one.role in roles or any(part in roles for part in one.parts)


def listed(made: Catalogue, permission: str, held: Sequence[HeldRole]) -> Iterator[Said]:
    """Yield what custom roles list; of the slot's own roles no source says what they have of the list."""
    if made.custom_roles is None or permission not in made.custom_roles.permissions:
        return
    for one in held:
        if one.granted is not None:
            value = CellValue.ALLOW if permission in one.granted else CellValue.DENY
            yield "custom_roles", one.role, Cell(value)
        elif one.slot == made.custom_roles.slot:
            yield "custom_roles", one.role, Cell(CellValue.UNKNOWN)


# --- who may give what -------------------------------------------------------------------------------------------


def permitted(made: Catalogue, request: Request) -> Answer:
    """Return whether the catalogue lets the actor do it: one rule that says yes is enough, but for the impossible."""
    if impossible(made, request):
        return Answer.DENIED
    answers = {one for rule in made.delegations for one in said_of(made, rule, request)}
    return next((one for one in (Answer.ALLOWED, Answer.UNKNOWN) if one in answers), Answer.DENIED)


def impossible(made: Catalogue, request: Request) -> bool:
    slot, holders = made.slots[request.slot], request.holders
    role = slot.roles[request.role]
    if request.act in (Act.GRANT, Act.REVOKE) and role.assignable is not Assignable.YES:
        return True
    if request.act is Act.REVOKE:
        return role.least > 0 and holders is not None and holders <= role.least
    if request.act is not Act.GRANT:
        return False
    if role.id == slot.neutral or (role.most > 0 and holders is not None and holders >= role.most):
        return True
    if role.account_kinds and request.target_kind not in role.account_kinds:
        return True
    return any(
        not any(
            one.slot == need.slot and (one.role in need.roles or not need.roles)
            for need in rule.needs
            for one in request.target
        )
        for rule in made.prerequisites
        if rule.slot == request.slot
        and (not rule.roles or request.role in rule.roles)
        and (not rule.account_kinds or request.target_kind in rule.account_kinds)
    )


def said_of(made: Catalogue, rule: Delegation, request: Request) -> Iterator[Answer]:
    """Yield what one rule says; nothing when it does not speak of this."""
    entitled = Answer.ALLOWED if through(rule.by, request.actor) else Answer.DENIED
    if rule.permission:
        entitled = decided(made, rule.permission, request.actor, {})[0]
    if request.act not in rule.acts or (rule.slots and request.slot not in rule.slots) or entitled is Answer.DENIED:
        return
    if rule.only_holders and not among(request.target, rule.only_holders):
        return
    excepted = (
        (rule.roles and request.role not in rule.roles)
        or request.role in rule.except_roles
        or among(request.target, rule.except_holders)
        or (rule.phases and request.phase and request.phase not in rule.phases)
    )
    open_ = rule.unknown or entitled is Answer.UNKNOWN or (rule.phases and not request.phase)
    yield Answer.DENIED if excepted else Answer.UNKNOWN if open_ else Answer.ALLOWED


def among(held: Sequence[HeldRole], wanted: Mapping[str, frozenset[str]]) -> bool:
    return any(one.slot == slot and one.role in roles for one in held for slot, roles in wanted.items())
