"""Edges of decisions and delegation that random platforms seldom meet, on a platform of one table each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rolebridge.core.catalogue import Assignable, Cardinality, Catalogue, Level, Need, Prerequisite, Role, Slot
from rolebridge.core.delegation import Act, Delegation, Request, may
from rolebridge.core.permissions import Answer, Cell, CellValue, Column, HeldRole, Matrix, Permission, decide

ALLOW, DENY, OWN, AXIS = (
    Cell(value) for value in (CellValue.ALLOW, CellValue.DENY, CellValue.OWN, CellValue.OTHER_AXIS)
)
CHIEF, MEMBER, EDITOR = HeldRole("site", "chief"), HeldRole("site", "member"), HeldRole("folder", "editor", "p1")


def table(id_: str, slot: str, first: bool = False, **cells: Cell) -> Matrix:
    columns = tuple(Column(role, role, ({slot: frozenset({role})},)) for role in cells)
    rows = {name: Permission(name, name, "s", cells) for name in ("edit", "read")}
    return Matrix(id_, id_, columns, rows, decides_first=first)


def platform(*tables: Matrix, delegations: tuple[Delegation, ...] = ()) -> Catalogue:
    site = {
        "chief": Role("chief", "Chief", "site", least=1),
        "member": Role("member", "Member", "site"),
        "founder": Role("founder", "Founder", "site", Assignable.NO),
    }
    slots = {
        "site": Slot("site", "Site", Level.WORKSPACE, Cardinality.ONE, site),
        "folder": Slot(
            "folder", "Folder", Level.PROJECT, Cardinality.OPTIONAL, {"editor": Role("editor", "Editor", "folder")}
        ),
    }
    needs = (Prerequisite("folder", (Need("site"),)),)
    return Catalogue("own", "Own", slots, needs, matrices=tables, delegations=delegations)


@pytest.mark.parametrize(
    ("first", "then", "answer", "tables"),
    [
        (ALLOW, DENY, Answer.ALLOWED, {"site"}),
        (DENY, ALLOW, Answer.DENIED, {"site"}),
        (OWN, ALLOW, Answer.ALLOWED, {"folder"}),
        (OWN, DENY, Answer.DENIED, {"folder"}),
    ],
)
def test_a_table_that_decides_first(first: Cell, then: Cell, answer: Answer, tables: set[str]) -> None:
    """Its yes and its no are final; what it qualifies the other table decides, for whoever stands in it."""
    made = platform(table("site", "site", first=True, member=first), table("folder", "folder", editor=then))
    decision = decide(made, "edit", [MEMBER, EDITOR])
    assert decision.answer is answer
    assert {one.matrix for one in decision.found} == tables
    assert decide(made, "edit", [MEMBER]).cell == first


def test_why_nothing_decides_is_said() -> None:
    """No role, no column, or only cells that leave it to the other axis; each cell is told once."""
    made = platform(table("site", "site", member=AXIS, chief=ALLOW))
    assert decide(made, "edit", []).cell == DENY
    assert decide(made, "edit", [EDITOR]).reason == "no matrix speaks of these roles"
    assert decide(made, "edit", [MEMBER]).reason == "the roles on the other axis decide, and none is held"
    assert [one.column for one in decide(made, "edit", [MEMBER, CHIEF]).found] == ["chief", "member"]


def test_a_tenants_own_cell_is_its_own_rows_only() -> None:
    """The same column of another permission stays what the platform says."""
    made = platform(table("site", "site", member=DENY)).with_cells({"site": {("edit", "member"): ALLOW}})
    assert decide(made, "edit", [MEMBER]).answer is Answer.ALLOWED
    assert decide(made, "read", [MEMBER]).answer is Answer.DENIED


RULE = Delegation("chiefs", frozenset(Act), frozenset(), by=({"site": frozenset({"chief"})},))


@pytest.mark.parametrize(
    ("act", "slot", "role", "target", "holders", "answer"),
    [
        (Act.GRANT, "site", "founder", (), None, Answer.DENIED),
        (Act.REVOKE, "site", "founder", (), None, Answer.DENIED),
        (Act.ASSIGN_WORK, "site", "founder", (), None, Answer.ALLOWED),
        (Act.MANAGE_MEMBERS, "site", "founder", (), None, Answer.ALLOWED),
        (Act.REVOKE, "site", "chief", (), 1, Answer.DENIED),
        (Act.REVOKE, "site", "chief", (), 2, Answer.ALLOWED),
        (Act.REVOKE, "site", "member", (), 0, Answer.ALLOWED),
        (Act.GRANT, "folder", "editor", (), None, Answer.DENIED),
        (Act.GRANT, "folder", "editor", (EDITOR,), None, Answer.DENIED),
        (Act.GRANT, "folder", "editor", (MEMBER,), None, Answer.ALLOWED),
    ],
)
def test_what_nobody_can_do(
    act: Act, slot: str, role: str, target: tuple[HeldRole, ...], holders: int | None, answer: Answer
) -> None:
    """Giving and taking what is not assignable, taking the last of a role that must be held, giving before its need."""
    made = platform(delegations=(RULE,))
    assert may(made, Request(act, slot, role, (CHIEF,), target, holders=holders)).answer is answer


def test_why_somebody_may_or_may_not_is_said() -> None:
    """Who asks and what for, and the note of the rule where it has one."""
    made = platform(delegations=(RULE,))
    asked = Request(Act.ASSIGN_WORK, "site", "member", ())
    assert may(made, asked).why == "the platform lets nobody assign work no role of `site`"
    many = replace(asked, actor=tuple(HeldRole("site", one) for one in "dbeca"))
    assert may(made, many).why == "the platform lets a and b and c and d and e assign work no role of `site`"
    assert may(made, replace(asked, actor=(CHIEF,))).why == "the platform says so"
    noted = platform(delegations=(replace(RULE, note="see the page"),))
    assert may(noted, replace(asked, actor=(CHIEF,))).why == "the platform says so: see the page"
