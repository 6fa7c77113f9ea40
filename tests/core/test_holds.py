"""Held grants in the resolver: what stands only by a hold, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.core.models import (
    EVERYWHERE,
    NOON,
    PLACE,
    Case,
    ana,
    by_hand,
    give,
    label_studio,
    labelbox,
    mapping,
    member,
    named,
)
from tests.core.strategies import cases

from rolebridge.core.directory import User
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.holds import holdable
from rolebridge.core.mapping import Rule, WorkspaceMapping
from rolebridge.core.outcome import outcome_of
from rolebridge.core.program import Program

SINCE = datetime(2026, 11, 30, 9, tzinfo=UTC)
several = settings(max_examples=settings().max_examples * 3)


def rows(case: Case, recorded: tuple[Grant, ...] = (), **changes: object) -> tuple[Grant, ...]:
    """Return the grants of a case, of which some may be held."""
    changed = replace(case, **changes)  # type: ignore[arg-type]
    program = Program(changed.catalogue, changed.mapping)
    people = (changed.user, changed.memberships, changed.manual)
    return outcome_of([program], 7, *people, changed.moment, recorded=recorded).grants


def held(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
    """Return what is recorded once the loss of all of it is held."""
    return tuple(replace(one, held_since=SINCE) if holdable(one) else one for one in grants)


def brief(grants: tuple[Grant, ...]) -> set[tuple[str, str, str]]:
    return {(one.slot, one.project, one.role) for one in grants if one.state is GrantState.EFFECTIVE}


TEAM = named("reviewers")
REVIEWERS = Rule("reviewers", PLACE, groups=TEAM, projects=EVERYWHERE, grant=give(project_role="reviewer"))
ADMINS = Rule("admins", PLACE, groups=named("admins"), grant=give(workspace_role="admin"))


def case(given_mapping: WorkspaceMapping, *groups: str) -> Case:
    return Case(labelbox(), given_mapping, ana(), member(*groups))


def test_what_is_held_keeps_its_provenance_and_its_lock() -> None:
    """The row is the one that was recorded, with the moment since when it is held."""
    before = rows(case(mapping(REVIEWERS), "reviewers"))
    after = rows(case(mapping(REVIEWERS)), held(before))
    assert after == held(before)
    assert {one.lock for one in after} == {"group"}


def test_a_default_comes_back_with_the_held_role_and_is_not_held_itself() -> None:
    """Defaults fill a slot beside what is held as beside anything else."""
    given_mapping = mapping(REVIEWERS, defaults=(("default_role", "labeler"),))
    before = rows(case(given_mapping, "reviewers"))
    after = rows(case(given_mapping), held(before))
    assert brief(after) == brief(before)
    assert {one.held_since for one in after if one.slot == "default_role"} == {None}


def test_a_held_workspace_role_overrules_what_comes_below_it() -> None:
    """Somebody who is held as an admin and put into a team is an admin, not a reviewer."""
    given_mapping = mapping(REVIEWERS, ADMINS)
    before = rows(case(given_mapping, "admins"))
    after = rows(case(given_mapping, "reviewers"), held(before))
    assert brief(after) == {("workspace_role", "", "admin")}


def test_a_role_by_hand_in_the_same_place_ends_a_hold() -> None:
    """Somebody has decided what the person is there."""
    before = rows(case(mapping(REVIEWERS), "reviewers"))
    project = before[0].project
    manual = (by_hand("project_role", project, "labeler"),)
    after = rows(case(mapping(REVIEWERS)), held(before), manual=manual)
    assert ("project_role", project, "labeler") in brief(after)
    assert ("project_role", project, "reviewer") not in brief(after)
    assert len(brief(after)) == len(before)  # the other projects stay held


def test_a_denial_ends_a_hold() -> None:
    """Deny beats everything."""
    given_mapping = mapping(REVIEWERS, Rule("suspended", PLACE, groups=named("suspended"), deny_all=True))
    before = rows(case(given_mapping, "reviewers"))
    assert rows(case(given_mapping, "suspended"), held(before)) == ()


def test_an_inactive_person_is_held_nothing() -> None:
    """Deactivation empties roles whatever a guard rail says."""
    before = rows(case(mapping(REVIEWERS), "reviewers"))
    assert rows(case(mapping(REVIEWERS)), held(before), user=ana(active=False)) == ()


def test_a_hold_ends_with_the_roles_own_last_day() -> None:
    """What would have ended anyhow ends, and the day on which it does is looked at again."""
    given_mapping = mapping(replace(REVIEWERS, ends=date(2026, 12, 3)))
    before = rows(case(given_mapping, "reviewers"))
    after = rows(case(given_mapping), held(before))
    assert brief(after) == brief(before)
    program = Program(labelbox(), given_mapping)
    outcome = outcome_of([program], 7, ana(), (), (), NOON, recorded=held(before))
    assert outcome.next_change == date(2026, 12, 4)
    assert rows(case(given_mapping), held(before), moment=datetime(2026, 12, 4, 1, tzinfo=UTC)) == ()


def test_a_rule_project_or_role_that_is_gone_holds_nothing() -> None:
    """What the mapping cannot give any more is not kept."""
    before = rows(case(mapping(REVIEWERS), "reviewers"))
    assert rows(case(mapping(ADMINS)), held(before)) == ()
    assert rows(case(mapping(REVIEWERS, projects={})), held(before)) == ()
    other = Case(label_studio(), mapping(), ana())
    assert rows(other, held(before)) == ()


@several
@given(cases())
def test_when_memberships_return_nothing_shows_that_there_was_a_hold(one: Case) -> None:
    """The grants of a person who is back in their groups are exactly what they were, whatever was held of them."""
    before = rows(one)
    away = rows(one, held(before), memberships=())
    event("something is held" if any(grant.held_since for grant in away) else "nothing is held")
    assert rows(one, away) == before


@several
@given(cases())
def test_a_hold_lets_nobody_be_resolved_twice(one: Case) -> None:
    """What is recorded under a hold is what resolving it again says: rows = resolve + holds."""
    away = rows(one, held(rows(one)), memberships=())
    assert rows(one, away, memberships=()) == away


@several
@given(cases())
def test_what_is_held_was_given_by_a_rule_before(one: Case) -> None:
    """A hold invents nothing, keeps nothing of the inactive, and leaves no trace of what it does not keep."""
    before = rows(one)
    away = rows(one, held(before), memberships=())
    kept = [grant for grant in away if grant.held_since]
    assert {grant.key for grant in kept} <= {grant.key for grant in before if holdable(grant)}
    assert rows(one, held(before), memberships=(), user=_inactive(one.user)) == rows(
        one, memberships=(), user=_inactive(one.user)
    )
    if not kept:
        assert away == rows(one, memberships=())


@given(cases(), st.booleans())
def test_without_holds_nothing_changes(one: Case, there: bool) -> None:
    """Recorded grants that are not held are not looked at."""
    memberships = one.memberships if there else ()
    assert rows(one, rows(one), memberships=memberships) == rows(one, memberships=memberships)


def _inactive(user: User) -> User:
    return replace(user, active=False)
