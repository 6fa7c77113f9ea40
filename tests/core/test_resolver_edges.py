"""Edges of the resolver that no law looks at: what it says beside roles, and what it does not say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from tests.core.models import (
    EVERYWHERE,
    IN_BETA,
    IS_CONTRACTOR,
    NOON,
    PLACE,
    Case,
    ana,
    at,
    by_hand,
    give,
    itag,
    label_studio,
    labelbox,
    mapping,
    member,
    named,
    pattern,
    teams,
)

from rolebridge.core.assignment import Assignment, FindingKind, Reason, Source
from rolebridge.core.claims import Subject
from rolebridge.core.mapping import AccountRule, Condition, DenyTerm, OutsideRole, Project, RoleTerm, Rule, ValueFrom
from rolebridge.core.program import Program
from rolebridge.core.resolver import resolve

ADMINS = Rule("admins", PLACE, groups=named("admins"), grant=give(workspace_role="admin"))
NO_PROJECTS = Rule("no-projects", PLACE, groups=named("barred"), deny=(DenyTerm("project_role"),))


def test_only_what_the_platform_gave_remains_of_an_inactive_person() -> None:
    """A role by rule goes without a word; one that is held outside is told, since we cannot take it."""
    tenant = OutsideRole("workspace_role", "tenant_admin", frozenset({"ana.ruiz"}), PLACE)
    by_rule = Case(labelbox(), mapping(ADMINS), ana(active=False), member("admins")).resolve()
    both = Case(labelbox(), mapping(ADMINS, outside=(tenant,)), ana(active=False), member("admins")).resolve()
    assert by_rule.findings == ()
    assert [(one.kind, one.slot) for one in both.findings] == [(FindingKind.OUTSIDE_REMAINS, "workspace_role")]


def test_what_is_missing_is_named() -> None:
    """One of some roles, or any role of a slot."""
    leader = Rule("leaders", PLACE, groups=named("leaders"), grant=give(itag_role="leader"))
    lost = Case(itag(), mapping(leader), ana(), member("leaders")).resolve().lost
    assert [one.detail for one in lost] == ["needs pai_administrator or labeling_administrator"]
    reviewer = Rule("team", PLACE, groups=named("team"), projects=at("p1"), grant=give(project_role="reviewer"))
    lost = Case(label_studio(), mapping(reviewer), ana(), member("team")).resolve().lost
    assert [one.detail for one in lost] == ["needs a org_role"]


def test_a_default_is_not_even_lost_by_somebody_who_holds_nothing() -> None:
    """No default is thought of for people who have nothing here, so that none can be denied to them."""
    denied = Rule("no-default", PLACE, groups=named("barred"), deny=(DenyTerm("default_role"),))
    case = Case(labelbox(), mapping(denied, defaults=(("default_role", "labeler"),)), ana(), member("barred"))
    assert case.resolve().lost == ()


def test_a_denial_can_be_carried_out_where_a_workspace_role_reaches_ones_own_projects_only() -> None:
    """A manager is kept out by not belonging; an administrator, who is everywhere, cannot be."""
    managers = Rule("managers", PLACE, groups=named("managers"), grant=give(org_role="manager"))
    everywhere = Rule("administrators", PLACE, groups=named("chiefs"), grant=give(org_role="administrator"))
    given = mapping(managers, everywhere, NO_PROJECTS)
    assert Case(label_studio(), given, ana(), member("managers", "barred")).resolve().findings == ()
    found = Case(label_studio(), given, ana(), member("chiefs", "barred")).resolve().findings
    assert [one.kind for one in found] == [FindingKind.DENY_NOT_CARRIED_OUT]


def test_a_role_by_hand_that_is_overruled_is_not_shadowed_as_well() -> None:
    """A manager with a role by hand in a project where a rule gives access: overruled, once."""
    managers = Rule("managers", PLACE, groups=named("managers"), grant=give(org_role="manager"))
    access = Rule("access", PLACE, groups=named("team"), projects=EVERYWHERE, grant=give(project_role="inherit"))
    manual = (by_hand("project_role", "p1", "reviewer"), by_hand("project_role", "p2", "inherit", 2))
    case = Case(label_studio(), mapping(managers, access), ana(), member("managers", "team"), manual)
    assert {(one.assignment.role, one.reason) for one in case.resolve().lost} == {
        ("reviewer", Reason.OVERRULED),
        ("inherit", Reason.SHADOWED),
    }


# --- gathering ---------------------------------------------------------------------------------------------------


def test_an_ambiguous_pattern_is_told_with_the_group_and_what_it_might_have_given() -> None:
    """A captured role is told as the capture, one that the rule names is told as it is."""
    twice = pattern("t-{team}*", team={"a": "reviewer", "ab": "labeler"})
    terms = (RoleTerm("project_role", capture="team"), RoleTerm("default_role", "labeler"))
    rule = Rule("twice", PLACE, groups=(twice,), projects=EVERYWHERE, grant=terms)
    lost = Case(labelbox(), mapping(rule), ana(), member("t-ab")).resolve().lost
    assert {(one.assignment.slot, one.assignment.role) for one in lost} == {
        ("project_role", "{team}"),
        ("default_role", "labeler"),
    }
    assert {one.detail for one in lost} == {"`t-ab` fits the pattern in two ways"}


def test_a_condition_that_cannot_say_why_is_quoted() -> None:
    """Whoever asks is told at least which condition was false."""
    silent = Condition("nobody pr", PLACE, lambda _: False, lambda _: None, frozenset())
    rule = Rule("never", PLACE, groups=named("team"), when=silent, grant=give(workspace_role="admin"))
    (lost,) = Case(labelbox(), mapping(rule), ana(), member("team")).resolve().lost
    assert (lost.reason, lost.detail) == (Reason.CONDITION_FALSE, "nobody pr")


def test_conditions_read_groups_in_one_order_and_only_where_one_asks() -> None:
    """The resource is made once; without a condition on groups it is the user's own attributes."""
    rule = Rule("beta", PLACE, groups=named("a"), when=IN_BETA, grant=give(workspace_role="admin"))
    reading = Program(labelbox(), mapping(rule))
    subject = Subject(reading, ana(), member("zeta", "beta", "alpha"))
    assert [group["display"] for group in subject.resource["groups"]] == ["alpha", "beta", "zeta"]
    assert subject.resource is subject.resource
    user = ana(userType="Employee")
    assert Subject(Program(labelbox(), mapping(ADMINS)), user, member("beta")).resource is user.attributes


@pytest.mark.parametrize(
    ("ends", "roles", "reasons"),
    [
        (None, ["reviewer"], []),
        (date(2026, 12, 1), ["reviewer"], []),
        (date(2026, 11, 30), [], [Reason.EXPIRED]),
    ],
)
def test_a_held_claim_stands_until_its_own_last_day(ends: date | None, roles: list[str], reasons: list[Reason]) -> None:
    """A guard rail keeps a revocation from taking effect, not a contract from ending."""
    claim = Assignment("project_role", "p1", "reviewer", Source.RULE, rule="team", ends=ends, held_since=NOON)
    resolution = resolve(Program(labelbox(), mapping()), ana(), (), (), NOON, held=[claim])
    assert [role.role for role in resolution.roles] == roles
    assert [lost.reason for lost in resolution.lost] == reasons


def test_an_assignment_by_hand_of_what_the_platform_does_not_have_is_told_so() -> None:
    """A slot, or a role, of an older catalogue, and the role that means none."""
    manual = (by_hand("gone_slot", None, "admin"), by_hand("workspace_role", None, "gone_role", 2))
    lost = Case(labelbox(), mapping(), ana(), (), manual).resolve().lost
    assert {one.detail for one in lost} == {
        "`gone_slot` has no role `admin`",
        "`workspace_role` has no role `gone_role`",
    }


@pytest.mark.parametrize(("contract", "reasons"), [("2026-12-31", []), (None, [Reason.BLOCKED])])
def test_an_account_without_what_its_kind_requires_holds_nothing(contract: str | None, reasons: list[Reason]) -> None:
    """On a platform without prerequisites too: an external account needs its id before it can be given anything."""
    account = AccountRule(
        "external_account", IS_CONTRACTOR, (("uid", ValueFrom("contractEnd", lambda user: user.get("contractEnd"))),)
    )
    user = ana(userType="Contractor", contractEnd=contract)
    lost = Case(labelbox(), mapping(ADMINS, accounts=(account,)), user, member("admins")).resolve().lost
    assert [one.reason for one in lost] == reasons
    employee = Case(labelbox(), mapping(ADMINS, accounts=(account,)), ana(), member("admins")).resolve()
    assert [role.role for role in employee.roles] == ["admin"]


def test_access_becomes_the_same_one_of_several_roles_whatever_the_order_of_groups() -> None:
    """Of a slot that holds many, the first by its id."""
    guests = Rule("guests", PLACE, groups=named("guests"), grant=give(team_role="guest"))
    auditors = Rule("auditors", PLACE, groups=named("auditors"), grant=give(team_role="auditor"))
    access = Rule("access", PLACE, groups=named("guests"), projects=at("p1"), grant=give(task_role="inherit"))
    for groups in (("guests", "auditors"), ("auditors", "guests")):
        (role,) = (
            Case(teams(), mapping(guests, auditors, access), ana(), member(*groups)).resolve().at("task_role", "p1")
        )
        assert role.acts_as is not None
        assert role.acts_as.role == "auditor"


def test_access_that_becomes_a_role_is_told_only_when_there_is_none() -> None:
    """With a default role there is nothing to say; without one, that access is worth nothing."""
    access = Rule("access", PLACE, groups=named("team"), projects=at("p1"), grant=give(project_role="inherit"))
    default = Rule("default", PLACE, groups=named("team"), grant=give(default_role="labeler"))
    assert Case(labelbox(), mapping(access, default), ana(), member("team")).resolve().findings == ()
    found = Case(labelbox(), mapping(access), ana(), member("team")).resolve().findings
    assert [one.kind for one in found] == [FindingKind.INHERITS_NOTHING]


def test_two_roles_held_outside_in_a_slot_of_one_are_a_conflict() -> None:
    """A mapping that says both cannot be right, and nothing says which is."""
    both = tuple(
        OutsideRole("workspace_role", role, frozenset({"ana.ruiz"}), PLACE) for role in ("admin", "tenant_admin")
    )
    resolution = Case(labelbox(), mapping(outside=both), ana()).resolve()
    assert [(one.slot, one.project) for one in resolution.conflicts] == [("workspace_role", None)]
    assert resolution.roles == ()


def test_conflicts_are_told_by_slot_and_project() -> None:
    """Whichever slot is decided first."""
    one = give(workspace_role="admin", default_role="reviewer", project_role="reviewer")
    other = give(workspace_role="labeler", default_role="labeler", project_role="labeler")
    rules = (
        Rule("one", PLACE, groups=named("team"), projects=at("p2", "p1"), grant=one),
        Rule("other", PLACE, groups=named("team"), projects=at("p1", "p2"), grant=other),
    )
    conflicts = Case(labelbox(), mapping(*rules), ana(), member("team")).resolve().conflicts
    assert [(found.slot, found.project) for found in conflicts] == [
        ("default_role", None),
        ("project_role", "p1"),
        ("project_role", "p2"),
        ("workspace_role", None),
    ]


def test_findings_are_told_by_slot_and_project() -> None:
    """Denials that somebody who is everywhere escapes: those of every project first."""
    owners = Rule("owners", PLACE, groups=named("owners"), grant=give(team_role="owner"))
    denials = (
        Rule("tools", PLACE, groups=named("owners"), deny=(DenyTerm("tool_role"),), projects=at("a1")),
        Rule("tasks", PLACE, groups=named("owners"), deny=(DenyTerm("task_role"),), projects=at("p2")),
        Rule("no-tools", PLACE, groups=named("owners"), deny=(DenyTerm("tool_role"),)),
    )
    projects = {"a1": Project("a1", "A"), "p2": Project("p2", "Two")}
    case = Case(teams(), mapping(owners, *denials, projects=projects), ana(), member("owners"))
    assert [(one.slot, one.project) for one in case.resolve().findings] == [
        ("task_role", "p2"),
        ("tool_role", None),
        ("tool_role", "a1"),
    ]


def test_findings_are_told_by_kind_before_slot() -> None:
    """What a deny cannot take stands before what access lacks, though its slot has the later name."""
    zone = replace(labelbox().slots["default_role"], id="zone")
    catalogue = replace(labelbox(), slots={**labelbox().slots, "zone": zone})
    outside = OutsideRole("zone", "labeler", frozenset({"ana.ruiz"}), PLACE)
    rules = (
        Rule("access", PLACE, groups=named("team"), projects=at("p1"), grant=give(project_role="inherit")),
        Rule("no-zone", PLACE, groups=named("team"), deny=(DenyTerm("zone"),)),
    )
    found = Case(catalogue, mapping(*rules, outside=(outside,)), ana(), member("team")).resolve().findings
    assert [(one.kind, one.slot) for one in found] == [
        (FindingKind.DENY_NOT_CARRIED_OUT, "zone"),
        (FindingKind.INHERITS_NOTHING, "project_role"),
    ]


def test_a_role_of_another_kind_of_account_is_blocked_without_prerequisites_too() -> None:
    """On a platform that asks for nothing else, under a mapping without accounts: everybody is of the first kind."""
    slot = itag().slots["itag_role"]
    worker = replace(slot.roles["worker"], account_kinds=frozenset({"external_account"}))
    slots = {**itag().slots, "itag_role": replace(slot, roles={**slot.roles, "worker": worker})}
    catalogue = replace(itag(), slots=slots, prerequisites=())
    for role, lost in (
        ("worker", ["only for accounts of kind external_account"]),
        ("leader", []),
        ("administrator", []),
    ):
        rule = Rule("team", PLACE, groups=named("team"), grant=give(itag_role=role))
        resolution = Case(catalogue, mapping(rule), ana(), member("team")).resolve()
        assert [one.detail for one in resolution.lost if one.reason is Reason.BLOCKED] == lost
        assert [held.role for held in resolution.roles] == ([] if lost else [role])


def test_the_claims_through_which_somebody_belongs_stand_in_one_order() -> None:
    """A manager in a project by two groups."""
    managers = Rule("managers", PLACE, groups=named("a", "b"), grant=give(org_role="manager"))
    team = Rule("team", PLACE, groups=named("a", "b"), projects=at("p1"), grant=give(project_role="reviewer"))
    found = [
        Case(label_studio(), mapping(managers, team), ana(), member(*groups)).resolve().at("project_role", "p1")
        for groups in (("a", "b"), ("b", "a"))
    ]
    assert found[0] == found[1]
    assert [winner.group and winner.group.display for winner in found[0][0].winners] == ["a", "b"]
