"""Explaining one person's roles: the scope, the locks and the ways out of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rolebridge.core.assignment import LockKind, ManualAssignment, Reason
from rolebridge.core.directory import Group, Membership, User
from rolebridge.core.explanation import Case, ReleaseKind, explain
from rolebridge.core.program import Program
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile.catalogue import shipped_catalogues
from rolebridge.mapfile.mapping import load_mapping_set

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MAPPING = """\
workspace: vision
platform: labelbox
projects: {cityscapes: {name: Cityscapes}, retail: {name: Retail}}
defaults: {default_role: labeler}
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
  - id: named
    users: [ben@acme.example]
    projects: retail
    grant: {project_role: reviewer}
"""


@pytest.fixture(scope="module")
def program() -> Program:
    mappings, problems = load_mapping_set(
        {"vision.yaml": MAPPING}, shipped_catalogues(), table=USER_TABLE, connections=["okta"]
    )
    assert mappings is not None, problems
    return Program(shipped_catalogues()["labelbox"], mappings.mappings[0])


def case(program: Program, *groups: str, name: str = "ana@acme.example", by_hand: str = "") -> Case:
    user = User("u1", name, True, "okta", {"userName": name})
    manual = ManualAssignment("m1", "u1", "vision", "project_role", "cityscapes", by_hand, "mia", NOW)
    memberships = tuple(Membership(Group(f"g-{group}", group, "okta"), NOW) for group in groups)
    return Case(program, user, memberships, (manual,) if by_hand else (), NOW)


def test_leaving_the_group_gives_back_what_was_assigned_by_hand(program: Program) -> None:
    """The group lock names the group and the rule as ways out, each with what the person then is."""
    explanation = explain(case(program, "lbx-cityscapes-reviewers", by_hand="labeler"), "cityscapes")
    (locked,) = explanation.locks
    assert locked.lock.kind is LockKind.GROUP
    assert [(way.do, way.group.display if way.group else way.rule, way.then) for way in locked.releases] == [
        (ReleaseKind.LEAVE_GROUP, "lbx-cityscapes-reviewers", ("labeler",)),
        (ReleaseKind.CHANGE_RULE, "teams", ("labeler",)),
    ]
    assert [(lost.assignment.role, lost.reason) for lost in explanation.lost] == [("labeler", Reason.SHADOWED)]


def test_each_way_out_is_taken_alone(program: Program) -> None:
    """Whoever leaves one of two groups is still what the other one makes them; without the rule, nothing is left."""
    explanation = explain(case(program, "lbx-cityscapes-reviewers", "lbx-cityscapes-labelers"), "cityscapes")
    (locked,) = explanation.locks
    assert [way.then for way in locked.releases] == [("labeler",), ()]


def test_a_workspace_wide_role_locks_every_project(program: Program) -> None:
    """An admin's project is locked workspace-wide, though they hold nothing there; the group that makes them admin is
    the way out, and shows the project role that comes back."""
    explanation = explain(case(program, "Admins", "lbx-cityscapes-reviewers"), "cityscapes")
    (locked,) = explanation.locks
    assert locked.lock.kind is LockKind.WORKSPACE_WIDE
    assert explanation.roles == ()
    assert [role.role for role in explanation.from_above if role.slot == "workspace_role"] == ["admin"]
    assert locked.releases[0].group is not None
    assert locked.releases[0].group.display == "Admins"
    assert locked.releases[0].then == ("reviewer",)
    assert [lost.reason for lost in explanation.lost] == [Reason.OVERRULED]


def test_a_rule_that_names_the_user_locks_as_a_rule(program: Program) -> None:
    """Without a group there is only the rule to change."""
    explanation = explain(case(program, name="ben@acme.example"), "retail")
    (locked,) = explanation.locks
    assert locked.lock.kind is LockKind.RULE
    assert [way.do for way in locked.releases] == [ReleaseKind.CHANGE_RULE]


def test_another_project_s_roles_are_left_out(program: Program) -> None:
    """An explanation of one project speaks of that project and of what comes from above."""
    explanation = explain(case(program, "lbx-cityscapes-reviewers"), "retail")
    assert explanation.roles == ()
    assert explanation.locks == ()
    assert [role.slot for role in explanation.from_above] == ["default_role"]


def test_without_a_project_the_whole_workspace_is_explained(program: Program) -> None:
    """Every project's roles and locks are there."""
    explanation = explain(case(program, "lbx-cityscapes-reviewers", name="ben@acme.example"), None)
    assert {(role.project, role.role) for role in explanation.roles} == {
        ("cityscapes", "reviewer"),
        ("retail", "reviewer"),
        (None, "labeler"),
    }
    assert {locked.lock.project for locked in explanation.locks} == {"cityscapes", "retail"}


OUTSIDE = """\
workspace: text
platform: label_studio
projects: {p: {name: P}}
outside: {org_role: {owner: [ana@acme.example]}}
rules:
  - {id: reviewers, groups: [R], projects: p, grant: {project_role: reviewer}}
"""


def test_what_is_held_on_the_platform_is_released_there() -> None:
    """A lock that an outside role holds has the platform as its way out, and says what the person then is."""
    mappings, problems = load_mapping_set(
        {"text.yaml": OUTSIDE}, shipped_catalogues(), table=USER_TABLE, connections=["okta"]
    )
    assert mappings is not None, problems
    program = Program(shipped_catalogues()["label_studio"], mappings.mappings[0])
    (locked,) = explain(case(program, "R"), "p").locks
    assert [(way.do, way.then) for way in locked.releases] == [(ReleaseKind.CHANGE_ON_PLATFORM, ())]
