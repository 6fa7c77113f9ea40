"""Why not: every way that is told gives the role, as the resolver says, and what stands in the way is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.core import models
from tests.core.strategies import GROUPS, cases

from rolebridge.core.assignment import Reason
from rolebridge.core.catalogue import Level
from rolebridge.core.directory import Group, Membership, User
from rolebridge.core.explanation import Case
from rolebridge.core.program import Program
from rolebridge.core.schemas import USER_TABLE
from rolebridge.core.whynot import Step, StepKind, Target, WhyNot, after, why_not
from rolebridge.mapfile.catalogue import shipped_catalogues
from rolebridge.mapfile.mapping import load_mapping_set

several = settings(max_examples=settings().max_examples * 3)
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MAPPING = """\
workspace: vision
platform: labelbox
projects: {cityscapes: {name: Cityscapes}, retail: {name: Retail}}
defaults: {default_role: labeler}
manual: {workspace_role: forbid}
conflicts: {project_role: [reviewer, labeler]}
rules:
  - id: admins
    groups: [Admins]
    grant: {workspace_role: admin}
  - id: teams
    groups: {match: "lbx-{project}-{team}"}
    values: {team: {reviewers: reviewer, labelers: labeler}}
    projects: "{project}"
    grant: {project_role: "{team}"}
  - id: contractors
    groups: [Contractors]
    when: userType eq "Contractor"
    projects: [retail]
    grant: {project_role: reviewer}
    until: 2026-01-31
  - id: suspended
    groups: [Suspended]
    deny: all
"""


@pytest.fixture(scope="module")
def program() -> Program:
    mappings, problems = load_mapping_set(
        {"vision.yaml": MAPPING}, shipped_catalogues(), table=USER_TABLE, connections=["okta"]
    )
    assert mappings is not None, problems
    return Program(shipped_catalogues()["labelbox"], mappings.mappings[0])


def group(name: str) -> Group:
    return Group(f"g-{name}", name, "okta")


THERE = [group(name) for name in ("Admins", "lbx-retail-reviewers", "Contractors", "Suspended", "Lunch")]


def case(program: Program, *groups: str, active: bool = True, **attributes: str) -> Case:
    user = User("u1", "ana@acme.example", active, "okta", {"userName": "ana@acme.example", **attributes})
    return Case(program, user, tuple(Membership(group(name), NOW) for name in groups), (), NOW)


def asked(case: Case, role: str, project: str | None, groups: Iterable[Group] = THERE) -> WhyNot:
    slot = "workspace_role" if project is None else "project_role"
    found = why_not(case, Target(slot, role, project), groups)
    for way in found.ways:
        assert found.target.is_held(after(case, way).resolve())
    return found


def told(way: tuple[Step, ...]) -> list[tuple[str, str]]:
    return [(step.do, step.group.display if step.group else step.rule or step.detail) for step in way]


def test_entering_a_group_that_is_there(program: Program) -> None:
    """The group, the rule and its place are named, and the way by hand beside it."""
    found = asked(case(program), "reviewer", "retail")
    [(step,), (hand,), *_] = found.ways
    assert {step.do, hand.do} == {StepKind.JOIN_GROUP, StepKind.ASSIGN}
    join = step if step.do is StepKind.JOIN_GROUP else hand
    assert (join.group, join.rule, str(join.place)) == (group("lbx-retail-reviewers"), "teams", "vision.yaml:11:5")


def test_a_group_that_would_have_to_be_made(program: Program) -> None:
    """Where no group gives it, the name that a rule would listen to is told."""
    found = asked(case(program), "reviewer", "cityscapes", [])
    assert [("create_group", "lbx-cityscapes-reviewers")] in [told(way) for way in found.ways]


def test_what_keeps_a_rule_from_speaking(program: Program) -> None:
    """A false condition and a day that has passed are steps on the way, in words."""
    found = asked(case(program, "Contractors", userType="Employee"), "reviewer", "retail", [group("Contractors")])
    way = next(way for way in found.ways if way[0].do is StepKind.FULFIL_CONDITION)
    assert [step.do for step in way] == [StepKind.FULFIL_CONDITION, StepKind.CHANGE_DATES]
    assert "userType" in way[0].detail
    assert "2026-01-31" in way[1].detail
    assert found.lost[0].assignment.rule == "contractors"


def test_denials_locks_and_inactivity_are_steps(program: Program) -> None:
    """Each is taken away before the role holds: reactivate, leave the group that denies, and the one that overrules."""
    found = asked(case(program, "Suspended", "Admins", active=False), "reviewer", "retail")
    way = next(way for way in found.ways if way[0].do is StepKind.JOIN_GROUP)
    assert [step.do for step in way[:2]] == [StepKind.JOIN_GROUP, StepKind.REACTIVATE]
    assert ("leave_group", "Suspended") in told(way)
    assert ("leave_group", "Admins") in told(way)


def test_by_hand_where_the_mapping_forbids_it(program: Program) -> None:
    """The mapping would have to allow it."""
    found = asked(case(program), "admin", None, [])
    assert [StepKind.ASSIGN, StepKind.ALLOW_BY_HAND] in [[step.do for step in way] for way in found.ways]


def test_a_project_that_nobody_declared(program: Program) -> None:
    """It has to be declared first."""
    found = asked(case(program), "reviewer", "nightdrive")
    assert found.ways
    assert {way[0].do for way in found.ways} == {StepKind.DECLARE_PROJECT}


def test_a_role_that_cannot_be_assigned(program: Program) -> None:
    """It is said that no way leads there."""
    found = asked(case(program), "tenant_admin", None)
    assert found.ways == ()
    assert any("cannot be assigned" in obstacle for obstacle in found.obstacles)


def test_a_role_that_is_held(program: Program) -> None:
    """There is nothing to change."""
    assert asked(case(program, "lbx-retail-reviewers"), "reviewer", "retail").held


@several
@given(cases(), st.data())
def test_every_way_gives_the_role(world: models.Case, data: st.DataObject) -> None:
    """In any world, for any role: after the steps of a way the resolver says that it holds."""
    program = Program(world.catalogue, world.mapping)
    slot = data.draw(st.sampled_from([*program.workspace_slots, *program.project_slots]))
    role = data.draw(st.sampled_from(sorted(slot.roles)))
    project = data.draw(st.sampled_from([*program.projects, "another"])) if slot.level is Level.PROJECT else None
    there = Case(program, world.user, world.memberships, world.manual, world.moment)
    target = Target(slot.id, role, project)
    found = why_not(there, target, [replace(one, connection=world.user.connection) for one in GROUPS])
    assert found.held == target.is_held(there.resolve())
    event(f"ways: {min(len(found.ways), 3)}, longest {max(map(len, found.ways), default=0)}")
    for way in found.ways:
        assert target.is_held(after(there, way).resolve())


NEEDING = """\
workspace: hz
platform: itag
projects: {signs: {name: Signs}}
accounts: {external_account: {when: userType eq "Guest", uid: employeeNumber, alias: displayName}}
outside: {pai_role: {administrator: [ana@acme.example]}}
rules:
  - {id: heads, groups: [Heads], grant: {itag_role: administrator}}
"""


def test_a_need_that_is_met_while_something_else_is_lacking() -> None:
    """No role that is needed gives an external account its UID: the search comes to an end and says what is lacking."""
    mappings, problems = load_mapping_set(
        {"hz.yaml": NEEDING}, shipped_catalogues(), table=USER_TABLE, connections=["okta"]
    )
    assert mappings is not None, problems
    program = Program(shipped_catalogues()["itag"], mappings.mappings[0])
    there = case(program, "Heads", userType="Guest", displayName="Ana")
    found = why_not(there, Target("itag_role", "administrator", None), [group("Heads")])
    assert [one.reason for one in found.lost] == [Reason.BLOCKED]
    assert found.ways == ()
    assert found.obstacles == ("blocked: an account of kind external_account needs uid (`employeeNumber`)",)
