"""What is given by hand: every lock refuses it, and whatever is accepted holds or waits for what it needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from tests.core.models import PROJECTS
from tests.core.models import Case as World
from tests.core.strategies import cases

from rolebridge.core.assignment import LockKind, ManualAssignment, Reason
from rolebridge.core.by_hand import find_roles, refusal_of, refusal_to_end, standing
from rolebridge.core.catalogue import Level, Slot
from rolebridge.core.explanation import Case
from rolebridge.core.program import Program
from rolebridge.core.resolver import lock_at
from rolebridge.mapfile.catalogue import shipped_catalogues

several = settings(max_examples=settings().max_examples * 2)


def case_of(world: World) -> Case:
    program = Program(world.catalogue, world.mapping)
    return Case(program, world.user, world.memberships, world.manual, world.moment)


def slots_of(case: Case) -> list[Slot]:
    return list(case.program.catalogue.slots.values())


@st.composite
def attempts(draw: st.DrawFn) -> tuple[Case, ManualAssignment, frozenset[str]]:
    """A world, something that somebody tries to give there, and what it would take the place of."""
    case = case_of(draw(cases()))
    slot = draw(st.sampled_from(slots_of(case)))
    project = draw(st.sampled_from(sorted(PROJECTS))) if slot.level is Level.PROJECT else None
    role = draw(st.sampled_from(sorted(slot.roles)))
    moment = datetime(2026, 10, 9, tzinfo=UTC)
    record = ManualAssignment("new", "u1", "acme", slot.id, project, role, "mia", moment)
    replaced = frozenset(
        one.id
        for one in case.manual
        if (one.workspace, one.slot, one.project) == ("acme", slot.id, project)
        and (not slot.holds_many or one.role == role)
    )
    return case, record, replaced


def left(case: Case, replaced: frozenset[str]) -> Case:
    return replace(case, manual=tuple(one for one in case.manual if one.id not in replaced))


@several
@given(attempts())
def test_every_lock_refuses(attempt: tuple[Case, ManualAssignment, frozenset[str]]) -> None:
    """Where a place is locked no role is accepted; mere access may be where the person belongs only through it."""
    case, record, replaced = attempt
    slot = case.program.catalogue.slots[record.slot]
    locks = lock_at(case.program, left(case, replaced).resolve(), record.slot, record.project)
    if slot.holds_many:
        locks = tuple(one for one in locks if one.kind is LockKind.WORKSPACE_WIDE or one.role == record.role)
    assume(locks and not slot.roles[record.role].is_access)
    refusal = refusal_of(case, record, replaced)
    event(f"{locks[0].kind}: {refusal.reason if refusal else 'accepted'}")
    assert refusal is not None


@several
@given(attempts())
def test_what_is_accepted_holds_or_waits(attempt: tuple[Case, ManualAssignment, frozenset[str]]) -> None:
    """Accepted, it is in force or blocked; refused, it says why, and a lock comes with who holds it."""
    case, record, replaced = attempt
    others = left(case, replaced)
    made = replace(others, manual=(*others.manual, record)).resolve()
    stood = standing(case.program, made, record)
    refusal = refusal_of(case, record, replaced)
    event(str(refusal.reason) if refusal else stood.state)
    if refusal is None:
        assert stood.in_force or stood.state == Reason.BLOCKED
        return
    assert not stood.in_force
    if isinstance(refusal.reason, LockKind):
        assert refusal.lock is not None
        assert refusal.lock.kind is refusal.reason
        assert refusal.claims == refusal.lock.by != ()
    if refusal.reason in {LockKind.GROUP, LockKind.RULE, LockKind.OUTSIDE}:
        before = others.resolve().at(record.slot, record.project)
        assert {role.key for role in made.at(record.slot, record.project)} == {role.key for role in before}


@several
@given(attempts())
def test_only_what_is_locked_is_not_a_hands_to_end(attempt: tuple[Case, ManualAssignment, frozenset[str]]) -> None:
    """Taking a role that no hand gave is refused exactly where a lock or a conflict holds the place."""
    case, record, replaced = attempt
    here = left(case, replaced)
    resolution = here.resolve()
    locks = lock_at(here.program, resolution, record.slot, record.project)
    conflicts = [one for one in resolution.conflicts if (one.slot, one.project) == (record.slot, record.project)]
    refused = refusal_to_end(here, record.slot, record.project, None)
    assert (refused is not None) == bool(locks or conflicts)


def test_roles_are_found_as_people_write_them() -> None:
    """An id goes before a name; blanks, hyphens and case do not matter; a level and a slot narrow it down."""
    catalogue = shipped_catalogues()["labelbox"]

    def found(text: str, level: Level = Level.PROJECT, slot: str | None = None) -> list[tuple[str, str]]:
        return [(one.id, role.id) for one, role in find_roles(catalogue, level, text, slot)]

    assert found("reviewer", slot="project_role") == [("project_role", "reviewer")]
    assert found("Project-based reviewer") == [("project_role", "reviewer")]
    assert found("Project Lead", slot="project_role") == [("project_role", "project_lead")]
    assert found("project-lead", slot="project_role") == [("project_role", "project_lead")]
    assert found("Data Admin", Level.WORKSPACE) == [("workspace_role", "data_admin")]
    assert found("nobody") == []
