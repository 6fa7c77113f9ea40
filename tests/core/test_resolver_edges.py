"""Edges of the resolver that no law looks at: what it says beside roles, and what it does not say."""

from __future__ import annotations

from tests.core.models import (
    EVERYWHERE,
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
)

from rolebridge.core.assignment import FindingKind, Reason
from rolebridge.core.mapping import DenyTerm, OutsideRole, Rule

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
