"""What holds on platforms that nobody has thought of: generated catalogues, mappings and people."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core import models, oracle
from tests.core.generated import catalogues
from tests.core.models import PLACE
from tests.core.strategies import cases
from tests.core.test_resolver_laws import as_decision

from rolebridge.core.assignment import Resolution
from rolebridge.core.cases import ExpectedConflict, ExpectedLoss, ExpectedRole, MappingCase, evaluate
from rolebridge.core.directory import Membership
from rolebridge.core.explanation import Case as Asked
from rolebridge.core.explanation import explain
from rolebridge.core.grants import Grant, GrantState, grants_of
from rolebridge.core.plan import applied, diff
from rolebridge.core.program import Program
from rolebridge.core.resolver import lock_at

generated = cases(catalogues)
several = settings(max_examples=settings().max_examples * 4)


def program_of(case: models.Case) -> Program:
    return Program(case.catalogue, case.mapping)


def grants(case: models.Case) -> frozenset[Grant]:
    return frozenset(grants_of(program_of(case), case.resolve(), revision=1))


@several
@given(generated)
def test_the_resolver_agrees_with_the_naive_oracle(case: models.Case) -> None:
    """Whatever slots, ranks, reaches, prerequisites and account kinds a catalogue has."""
    expected = oracle.decide(case.catalogue, case.mapping, case.user, case.memberships, case.manual, case.day)
    assert as_decision(case.resolve()) == expected


@given(generated)
def test_what_is_recorded_is_what_was_resolved(case: models.Case) -> None:
    """Each effective role is one grant in force, and none is in force beside them."""
    in_force = {(row.slot, row.project, row.role) for row in grants(case) if row.state is GrantState.EFFECTIVE}
    assert in_force == {role.key for role in case.resolve().roles}


@given(generated, st.data())
def test_a_difference_between_two_resolutions_can_be_carried_out(case: models.Case, data: st.DataObject) -> None:
    """From what holds in some groups to what holds in all of them and back, and nothing from a to a."""
    kept = data.draw(st.lists(st.sampled_from(case.memberships), unique_by=id)) if case.memberships else []
    before, after = grants(replace(case, memberships=tuple(kept))), grants(case)
    assert diff(after, after) == ()
    assert applied(before, diff(before, after)) == after
    assert applied(after, diff(after, before)) == before


@given(generated, st.data())
def test_leaving_one_group_and_returning_restores_every_grant(case: models.Case, data: st.DataObject) -> None:
    """Rows, locks and provenance: nothing remembers that somebody was away."""
    if not case.memberships:
        return
    left = data.draw(st.sampled_from(case.memberships))
    away = replace(case, memberships=tuple(one for one in case.memberships if one is not left))
    there_again = replace(away, memberships=(*away.memberships, Membership(left.group)))
    program = program_of(case)
    grants_of(program, away.resolve(), revision=1)
    assert grants(there_again) == grants(case)


@given(generated, st.sampled_from((None, "p1", "p3")))
def test_an_explanation_says_what_the_resolver_says(case: models.Case, project: str | None) -> None:
    """Roles, what is lost, conflicts and locks in a scope; each way out leads where it says."""
    program = program_of(case)
    asked = Asked(program, case.user, case.memberships, case.manual, case.moment)
    resolution, explanation = case.resolve(), explain(asked, project)
    assert explanation.roles == tuple(role for role in resolution.roles if project in (None, role.project))
    assert set(explanation.lost) <= set(resolution.lost)
    if project is None:
        assert (explanation.lost, explanation.conflicts) == (resolution.lost, resolution.conflicts)
    scopes = [(slot.id, project) for slot in program.project_slots] if project else _scopes(resolution)
    locks = [lock for at in scopes for lock in lock_at(program, resolution, *at)]
    assert [locked.lock for locked in explanation.locks] == locks
    for locked in explanation.locks:
        for way in locked.releases:
            if way.group is not None:
                then = asked.without_group(way.group).resolve().at(locked.lock.slot, locked.lock.project)
                assert way.then == tuple(role.acts_as.role if role.acts_as else role.role for role in then)


def _scopes(resolution: Resolution) -> list[tuple[str, str | None]]:
    return sorted({(role.slot, role.project) for role in resolution.roles}, key=lambda at: (at[0], at[1] or ""))


def expecting(case: models.Case) -> MappingCase:
    """Return the case file's case that says of a person just what the resolver says."""
    resolution = case.resolve()
    roles = [
        ExpectedRole(
            PLACE,
            role.slot,
            role.project,
            role.role,
            lock=role.lock.kind.value if role.lock else "",
            rule=role.winners[0].rule,
            source=role.source.value,
            acts_as=role.acts_as.role if role.acts_as else "",
        )
        for role in resolution.roles
    ]
    lost = [
        ExpectedLoss(PLACE, one.slot, one.project, one.role, why.reason.value, one.rule)
        for why in resolution.lost
        for one in [why.assignment]
    ]
    conflicts = [ExpectedConflict(PLACE, one.slot, one.project) for one in resolution.conflicts]
    return MappingCase(
        "acme", "one", PLACE, case.user, case.memberships, case.manual, case.moment, tuple(roles), tuple(lost),
        tuple(conflicts),
    )  # fmt: skip


@given(generated, st.data())
def test_a_case_made_from_a_resolution_passes_and_no_other_does(case: models.Case, data: st.DataObject) -> None:
    """What the resolver says is what a case may say; with a role, a loss or a conflict more or less it fails."""
    program, made = program_of(case), expecting(case)
    assert evaluate(program, made).mismatches == ()
    wrong = [replace(made, roles=(*made.roles[:at], *made.roles[at + 1 :])) for at in range(len(made.roles))]
    wrong += [
        replace(made, conflicts=(*made.conflicts[:at], *made.conflicts[at + 1 :])) for at in range(len(made.conflicts))
    ]
    wrong.append(replace(made, conflicts=(*made.conflicts, ExpectedConflict(PLACE, "nowhere", None))))
    wrong.append(replace(made, roles=(*made.roles, ExpectedRole(PLACE, "nowhere", None, "ant"))))
    wrong.append(replace(made, lost=(*made.lost, ExpectedLoss(PLACE, "nowhere", None, "ant", "denied"))))
    assert not evaluate(program, data.draw(st.sampled_from(wrong))).passed
