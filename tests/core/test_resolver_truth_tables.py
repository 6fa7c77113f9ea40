"""The four sentences of the resolver, one row per situation: who wins, under which lock, and why each loser lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.core.models import (
    CONTRACT_END,
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

from rolebridge.core.assignment import FindingKind, ManualAssignment, Reason, Resolution, Source
from rolebridge.core.catalogue import Catalogue, Merge, Need, Prerequisite
from rolebridge.core.directory import Membership
from rolebridge.core.mapping import (
    AccountRule,
    DenyTerm,
    GroupRef,
    MergeRule,
    OutsideRole,
    Project,
    ProjectSelector,
    RoleTerm,
    Rule,
    SelectorKind,
)
from rolebridge.core.program import Program
from rolebridge.core.resolver import lock_at

# --- rules that the tables are made of -----------------------------------------------------------------------------


def grant(rule: str, group: str | None, **roles: str) -> Rule:
    """A rule through one group, or for everyone; its project roles are for p1."""
    return Rule(rule, PLACE, groups=named(group) if group else (), grant=give(**roles), projects=at("p1"))


def deny(group: str, slot: str | None = None, *roles: str, projects: tuple[ProjectSelector, ...] = ()) -> Rule:
    terms = (DenyTerm(slot, frozenset(roles)),) if slot else ()
    return Rule("no", PLACE, groups=named(group), deny=terms, deny_all=slot is None, projects=projects)


def outside(slot: str, role: str) -> tuple[OutsideRole, ...]:
    return (OutsideRole(slot, role, frozenset({"ana.ruiz"}), PLACE),)


ADMINS = grant("admins", "Admins", workspace_role="admin")
LEADS = grant("leads", "Leads", project_role="project_lead")
REVIEWERS = grant("reviewers", "Reviewers", project_role="reviewer")
LABELERS = grant("labelers", "Labelers", project_role="labeler")
MORE_LABELERS = grant("more-labelers", "More", project_role="labeler")
VISITORS = grant("visitors", "Visitors", project_role="inherit")
EVERYONE = grant("everyone", None, project_role="labeler")
BY_NAME = replace(grant("by-name", None, project_role="reviewer"), users=frozenset({"ana.ruiz"}))
RANK = MergeRule(Merge.HIGHEST, ("project_lead", "team_manager", "reviewer", "labeler"))


@dataclass(frozen=True)
class Row:
    """One situation: what is written and given, and what must come of the slot at p1 (or in the workspace).

    `role` is what holds ("" for nothing), `by` the winning rules, hands or `outside`, `lost` is claim → reason, where
    a claim is known by its rule, its manual id or `outside`.
    """

    title: str
    catalogue: Catalogue
    rules: tuple[Rule, ...] = ()
    groups: tuple[str, ...] = ()
    manual: tuple[ManualAssignment, ...] = ()
    role: str = ""
    lock: str | None = None
    by: tuple[str, ...] = ()
    lost: dict[str, str] | None = None
    slot: str = "project_role"
    project: str | None = "p1"
    acts_as: str | None = None
    active: bool = True
    attributes: dict[str, Any] | None = None
    more: dict[str, Any] | None = None

    def case(self) -> Case:
        user = ana(active=self.active, **(self.attributes or {}))
        written = mapping(*self.rules, **(self.more or {}))
        return Case(self.catalogue, written, user, member(*self.groups), self.manual)


LBX, LSE, ITAG, TEAMS = labelbox(), label_studio(), itag(), teams()
LSE_NEEDING_WORK = replace(
    LSE, prerequisites=(Prerequisite("project_role", (Need("org_role", frozenset({"annotator"})),)),)
)

HAND = by_hand("project_role", "p1", "labeler")
LATER_HAND = by_hand("project_role", "p1", "reviewer", 2)
ORG_MANAGER = grant("managers", "Managers", org_role="manager")
ORG_ADMIN = grant("org-admins", "Org Admins", org_role="administrator")
ORG_ANNOTATOR = grant("annotators", "Annotators", org_role="annotator")
LS_REVIEWER = grant("ls-reviewers", "Reviewers", project_role="reviewer")
LS_ANNOTATOR = grant("ls-annotators", "Labelers", project_role="annotator")
PAI = grant("pai", "PAI", pai_role="labeling_administrator")
PAI_MEMBER = grant("pai-member", "PAI Members", pai_role="pai_member")
ITAG_ADMIN = grant("itag-admin", "iTAG", itag_role="administrator")
ITAG_LEADER = grant("itag-leader", "iTAG Leaders", itag_role="leader")
NODE = grant("node", "Nodes", node_role="annotate")
EXTERNAL = {"accounts": (AccountRule("external_account", IS_CONTRACTOR),)}

WHAT_COUNTS = [
    Row(
        "an inactive user holds nothing, whoever gave it",
        LBX,
        (REVIEWERS,),
        ("Reviewers",),
        (HAND,),
        active=False,
        lost={"reviewers": "inactive", "m1": "inactive"},
    ),
    Row(
        "inactive is looked at before denied",
        LBX,
        (REVIEWERS, deny("Suspended")),
        ("Reviewers", "Suspended"),
        active=False,
        lost={"reviewers": "inactive"},
    ),
    Row(
        "a deny of everything beats grant and hand",
        LBX,
        (REVIEWERS, deny("Suspended")),
        ("Reviewers", "Suspended"),
        (HAND,),
        lost={"reviewers": "denied", "m1": "denied"},
    ),
    Row(
        "a deny of one role leaves the others",
        LBX,
        (REVIEWERS, LABELERS, deny("Trainees", "project_role", "reviewer")),
        ("Reviewers", "Labelers", "Trainees"),
        role="labeler",
        lock="group",
        by=("labelers",),
        lost={"reviewers": "denied"},
    ),
    Row(
        "a deny in another project is not a deny here",
        LBX,
        (REVIEWERS, deny("Trainees", "project_role", projects=at("p2"))),
        ("Reviewers", "Trainees"),
        role="reviewer",
        lock="group",
        by=("reviewers",),
    ),
    Row(
        "a deny that names no project is for every project",
        LBX,
        (REVIEWERS, deny("Trainees", "project_role")),
        ("Reviewers", "Trainees"),
        lost={"reviewers": "denied"},
    ),
    Row(
        "a deny whose condition is false denies nobody",
        LBX,
        (REVIEWERS, replace(deny("Suspended"), when=IS_CONTRACTOR)),
        ("Reviewers", "Suspended"),
        role="reviewer",
        lock="group",
        by=("reviewers",),
    ),
    Row(
        "a role held outside survives a deny",
        LBX,
        (deny("Suspended"),),
        ("Suspended",),
        slot="workspace_role",
        project=None,
        role="tenant_admin",
        lock="outside",
        by=("outside",),
        more={"outside": outside("workspace_role", "tenant_admin")},
    ),
    Row(
        "a role held outside gives an inactive user nothing",
        LBX,
        slot="workspace_role",
        project=None,
        active=False,
        lost={"outside": "inactive"},
        more={"outside": outside("workspace_role", "tenant_admin")},
    ),
    Row(
        "a role held outside is left alone by rules and hands",
        LBX,
        (ADMINS,),
        ("Admins",),
        (by_hand("workspace_role", None, "labeler"),),
        slot="workspace_role",
        project=None,
        role="tenant_admin",
        lock="outside",
        by=("outside",),
        lost={"admins": "held outside", "m1": "held outside"},
        more={"outside": outside("workspace_role", "tenant_admin")},
    ),
    Row(
        "a grant whose prerequisite is missing is blocked",
        ITAG,
        (ITAG_ADMIN,),
        ("iTAG",),
        slot="itag_role",
        project=None,
        lost={"itag-admin": "blocked"},
    ),
    Row(
        "a prerequisite wants one of its roles, not any role of the slot",
        ITAG,
        (ITAG_ADMIN, PAI_MEMBER),
        ("iTAG", "PAI Members"),
        slot="itag_role",
        project=None,
        lost={"itag-admin": "blocked"},
    ),
    Row(
        "a grant whose prerequisite holds counts",
        ITAG,
        (ITAG_ADMIN, PAI),
        ("iTAG", "PAI"),
        slot="itag_role",
        project=None,
        role="administrator",
        lock="group",
        by=("itag-admin",),
    ),
    Row(
        "a chain of prerequisites breaks at its first link",
        ITAG,
        (NODE, ITAG_ADMIN),
        ("iTAG", "Nodes"),
        slot="node_role",
        lost={"itag-admin": "blocked", "node": "blocked"},
    ),
    Row(
        "a chain of prerequisites holds from end to end",
        ITAG,
        (NODE, ITAG_ADMIN, PAI),
        ("iTAG", "Nodes", "PAI"),
        slot="node_role",
        role="annotate",
        lock="group",
        by=("node",),
    ),
    Row(
        "a prerequisite of one account kind does not ask another",
        ITAG,
        (ITAG_LEADER,),
        ("iTAG Leaders",),
        slot="itag_role",
        project=None,
        role="leader",
        lock="group",
        by=("itag-leader",),
        attributes={"userType": "Contractor"},
        more=EXTERNAL,
    ),
    Row(
        "a role that is not for the account's kind is blocked",
        ITAG,
        (ITAG_ADMIN, PAI),
        ("iTAG", "PAI"),
        slot="itag_role",
        project=None,
        attributes={"userType": "Contractor"},
        more=EXTERNAL,
        lost={"itag-admin": "blocked"},
    ),
    Row(
        "of several things that would do, one is enough",
        TEAMS,
        (grant("owners", "Owners", team_role="owner"), grant("seats", "Seats", seat="free")),
        ("Owners", "Seats"),
        slot="seat",
        project=None,
        role="free",
        lock="group",
        by=("seats",),
    ),
    Row(
        "a role held outside needs nothing from us",
        ITAG,
        slot="itag_role",
        project=None,
        role="administrator",
        lock="outside",
        by=("outside",),
        more={"outside": outside("itag_role", "administrator")},
    ),
    Row(
        "a blocked grant outranks nobody",
        ITAG,
        (ITAG_ADMIN, replace(ITAG_LEADER, grant=give(itag_role="worker"))),
        ("iTAG", "iTAG Leaders"),
        slot="itag_role",
        project=None,
        role="worker",
        lock="group",
        by=("itag-leader",),
        lost={"itag-admin": "blocked"},
    ),
]

FROM_ABOVE = [
    Row(
        "a role that applies everywhere overrules project roles, by rule and by hand",
        LBX,
        (ADMINS, REVIEWERS),
        ("Admins", "Reviewers"),
        (HAND,),
        lock="workspace-wide",
        lost={"reviewers": "overruled", "m1": "overruled"},
    ),
    Row(
        "it does so when given by hand, too",
        LBX,
        (REVIEWERS,),
        ("Reviewers",),
        (by_hand("workspace_role", None, "admin"),),
        lock="workspace-wide",
        lost={"reviewers": "overruled"},
    ),
    Row(
        "deny is looked at before overruling",
        LBX,
        (ADMINS, REVIEWERS, deny("Trainees", "project_role")),
        ("Admins", "Reviewers", "Trainees"),
        lock="workspace-wide",
        lost={"reviewers": "denied"},
    ),
    Row(
        "overruling is looked at before prerequisites",
        TEAMS,
        (grant("owners", "Owners", team_role="owner"), grant("pens", "Pens", tool_role="pen")),
        ("Owners", "Pens"),
        slot="tool_role",
        lock="workspace-wide",
        lost={"pens": "overruled"},
    ),
    Row(
        "so a role that would be blocked still makes a project one's own",
        LSE_NEEDING_WORK,
        (ORG_MANAGER, LS_REVIEWER),
        ("Managers", "Reviewers"),
        role="inherit",
        lock="workspace-wide",
        by=("ls-reviewers",),
        acts_as="manager",
        lost={"ls-reviewers": "overruled"},
    ),
    Row(
        "a manager is manager where they belong; their project role there is overruled",
        LSE,
        (ORG_MANAGER, LS_ANNOTATOR),
        ("Managers", "Labelers"),
        role="inherit",
        lock="workspace-wide",
        by=("ls-annotators",),
        acts_as="manager",
        lost={"ls-annotators": "overruled"},
    ),
    Row(
        "a manager has nothing where they do not belong",
        LSE,
        (ORG_MANAGER,),
        ("Managers",),
    ),
    Row(
        "belonging by hand is belonging",
        LSE,
        (ORG_MANAGER,),
        ("Managers",),
        (by_hand("project_role", "p1", "inherit"),),
        role="inherit",
        lock="workspace-wide",
        by=("m1",),
        acts_as="manager",
    ),
    Row(
        "where a rule makes a manager belong, a hand that does so as well is shadowed",
        LSE,
        (ORG_MANAGER, VISITORS),
        ("Managers", "Visitors"),
        (by_hand("project_role", "p1", "inherit"),),
        role="inherit",
        lock="workspace-wide",
        by=("visitors",),
        acts_as="manager",
        lost={"m1": "shadowed"},
    ),
    Row(
        "a role that yields leaves the project role",
        LSE,
        (ORG_ANNOTATOR, LS_REVIEWER),
        ("Annotators", "Reviewers"),
        role="reviewer",
        lock="group",
        by=("ls-reviewers",),
    ),
    Row(
        "a role that stands beside leaves the project role",
        TEAMS,
        (grant("auditors", "Auditors", team_role="auditor"), grant("work", "Work", task_role="worker")),
        ("Auditors", "Work"),
        slot="task_role",
        role="worker",
        lock="group",
        by=("work",),
    ),
    Row(
        "of two overruling roles the wider reach decides",
        TEAMS,
        (
            grant("z-leads", "Leads", team_role="lead"),
            grant("a-owners", "Owners", team_role="owner"),
            grant("work", "Work", task_role="worker"),
        ),
        ("Leads", "Owners", "Work"),
        slot="task_role",
        lock="workspace-wide",
        lost={"work": "overruled"},
    ),
    Row(
        "a slot that the role does not govern is not overruled",
        TEAMS,
        (grant("owners", "Owners", team_role="owner"), grant("rounds", "Rounds", round_role="first")),
        ("Owners", "Rounds"),
        slot="round_role",
        role="first",
        lock="group",
        by=("rounds",),
    ),
    Row(
        "a default does not come back where project roles are overruled",
        TEAMS,
        (grant("owners", "Owners", team_role="owner"), grant("rounds", "Rounds", round_role="first")),
        ("Owners", "Rounds"),
        slot="task_role",
        lock="workspace-wide",
        more={"defaults": (("task_role", "worker"),)},
    ),
]

THROUGH_RULES = [
    Row(
        "a role given through a group is locked by it",
        LBX,
        (REVIEWERS,),
        ("Reviewers",),
        role="reviewer",
        lock="group",
        by=("reviewers",),
    ),
    Row(
        "a role given to everyone is locked by the rule",
        LBX,
        (EVERYONE,),
        role="labeler",
        lock="rule",
        by=("everyone",),
    ),
    Row("a role given by name is locked by the rule", LBX, (BY_NAME,), role="reviewer", lock="rule", by=("by-name",)),
    Row(
        "a role given by name and through a group is locked by the group",
        LBX,
        (BY_NAME, REVIEWERS),
        ("Reviewers",),
        role="reviewer",
        lock="group",
        by=("by-name", "reviewers"),
    ),
    Row(
        "rules that agree win together, though nothing ranks",
        LBX,
        (LABELERS, MORE_LABELERS),
        ("Labelers", "More"),
        role="labeler",
        lock="group",
        by=("labelers", "more-labelers"),
    ),
    Row(
        "without a declared merge, rules that disagree conflict; the slot is empty and a hand does not fill it",
        LBX,
        (REVIEWERS, LABELERS),
        ("Reviewers", "Labelers"),
        (HAND,),
        lost={"reviewers": "conflict", "labelers": "conflict", "m1": "shadowed"},
    ),
    Row(
        "under `error` they conflict even where the platform ranks",
        LSE,
        (ORG_ANNOTATOR, LS_REVIEWER, LS_ANNOTATOR),
        ("Annotators", "Reviewers", "Labelers"),
        lost={"ls-reviewers": "conflict", "ls-annotators": "conflict"},
        more={"conflicts": {"project_role": MergeRule(Merge.ERROR)}},
    ),
    Row(
        "the mapping's list is the rank",
        LBX,
        (REVIEWERS, LABELERS, LEADS),
        ("Reviewers", "Labelers", "Leads"),
        role="project_lead",
        lock="group",
        by=("leads",),
        lost={"reviewers": "outranked", "labelers": "outranked"},
        more={"conflicts": {"project_role": RANK}},
    ),
    Row(
        "the mapping's list goes before the platform's rank",
        LSE,
        (ORG_ANNOTATOR, LS_REVIEWER, LS_ANNOTATOR),
        ("Annotators", "Reviewers", "Labelers"),
        role="annotator",
        lock="group",
        by=("ls-annotators",),
        lost={"ls-reviewers": "outranked"},
        more={"conflicts": {"project_role": MergeRule(Merge.HIGHEST, ("annotator", "reviewer"))}},
    ),
    Row(
        "the platform's rank serves where the mapping is silent",
        LSE,
        (ORG_ANNOTATOR, LS_REVIEWER, LS_ANNOTATOR),
        ("Annotators", "Reviewers", "Labelers"),
        role="reviewer",
        lock="group",
        by=("ls-reviewers",),
        lost={"ls-annotators": "outranked"},
    ),
    Row(
        "a rank that leaves a role out does not decide about it",
        LBX,
        (REVIEWERS, LABELERS),
        ("Reviewers", "Labelers"),
        lost={"reviewers": "conflict", "labelers": "conflict"},
        more={"conflicts": {"project_role": MergeRule(Merge.HIGHEST, ("project_lead", "reviewer"))}},
    ),
    Row(
        "a role outranks mere access without a rank",
        LBX,
        (VISITORS, LABELERS),
        ("Visitors", "Labelers"),
        role="labeler",
        lock="group",
        by=("labelers",),
        lost={"visitors": "outranked"},
    ),
    Row(
        "mere access is locked where the catalogue says so, and shadows a hand",
        LBX,
        (VISITORS, grant("profile", "Profile", default_role="reviewer")),
        ("Visitors", "Profile"),
        (HAND,),
        role="inherit",
        lock="group",
        by=("visitors",),
        acts_as="reviewer",
        lost={"m1": "shadowed"},
    ),
    Row(
        "mere access is open where the catalogue does not lock it",
        LSE,
        (ORG_ANNOTATOR, VISITORS),
        ("Annotators", "Visitors"),
        role="inherit",
        by=("visitors",),
        acts_as="annotator",
    ),
    Row(
        "a hand gives the role where access is open",
        LSE,
        (ORG_ANNOTATOR, VISITORS),
        ("Annotators", "Visitors"),
        (LATER_HAND,),
        role="reviewer",
        by=("m2",),
        lost={"visitors": "outranked"},
    ),
    Row(
        "access without anything to inherit is access as nothing",
        LBX,
        (VISITORS,),
        ("Visitors",),
        role="inherit",
        lock="group",
        by=("visitors",),
    ),
    Row(
        "access becomes the first of its sources that is filled",
        TEAMS,
        (
            grant("access", "Access", task_role="inherit"),
            grant("guests", "Guests", team_role="guest"),
            grant("seats", "Seats", seat="paid"),
        ),
        ("Access", "Guests", "Seats"),
        slot="task_role",
        role="inherit",
        by=("access",),
        acts_as="paid",
    ),
    Row(
        "access becomes the second where the first is empty",
        TEAMS,
        (grant("access", "Access", task_role="inherit"), grant("guests", "Guests", team_role="guest")),
        ("Access", "Guests"),
        slot="task_role",
        role="inherit",
        by=("access",),
        acts_as="guest",
    ),
    Row(
        "a condition that is false gives nothing",
        LBX,
        (replace(REVIEWERS, when=IS_CONTRACTOR),),
        ("Reviewers",),
        attributes={"userType": "Employee"},
        lost={"reviewers": "condition false"},
    ),
    Row(
        "an undeclared project grants nothing",
        LBX,
        (replace(REVIEWERS, projects=at("gone")),),
        ("Reviewers",),
    ),
    Row(
        "a pattern that fits in two ways grants nothing and says so",
        LBX,
        (
            Rule(
                "twice",
                PLACE,
                groups=(pattern("t-{team}*", team={"a": "reviewer", "ab": "labeler"}),),
                grant=(RoleTerm("project_role", capture="team"),),
                projects=at("p1"),
            ),
        ),
        ("t-ab",),
        lost={"twice": "ambiguous-capture"},
    ),
]

BY_HAND = [
    Row("an assignment by hand holds, and locks nothing", LBX, manual=(HAND,), role="labeler", by=("m1",)),
    Row(
        "a hand is shadowed by a rule of the same role",
        LBX,
        (LABELERS,),
        ("Labelers",),
        (HAND,),
        role="labeler",
        lock="group",
        by=("labelers",),
        lost={"m1": "shadowed"},
    ),
    Row(
        "of two by hand the later holds",
        LBX,
        manual=(LATER_HAND, HAND),
        role="reviewer",
        by=("m2",),
        lost={"m1": "outranked"},
    ),
    Row(
        "where the mapping forbids hands, they give nothing",
        LBX,
        manual=(HAND,),
        more={"manual_forbidden": frozenset({"project_role"})},
        lost={"m1": "manual-forbidden"},
    ),
    Row(
        "a role that cannot be assigned is not assigned by hand",
        LBX,
        manual=(by_hand("workspace_role", None, "tenant_admin"),),
        slot="workspace_role",
        project=None,
        lost={"m1": "not-assignable"},
    ),
    Row(
        "a role that the catalogue no longer has is not assigned",
        LBX,
        manual=(by_hand("project_role", "p1", "captain"),),
        lost={"m1": "not-assignable"},
    ),
    Row(
        "a project role without a project, or a workspace role in one, has no scope",
        LBX,
        manual=(by_hand("project_role", None, "labeler"), by_hand("workspace_role", "p1", "admin", 2)),
        lost={"m1": "unknown-scope", "m2": "unknown-scope"},
    ),
    Row(
        "in a project that is gone nothing is assigned",
        LBX,
        manual=(by_hand("project_role", "gone", "labeler"),),
        lost={"m1": "unknown-scope"},
    ),
    Row(
        "an assignment by hand of another workspace is not looked at",
        LBX,
        manual=(replace(HAND, workspace="elsewhere"),),
    ),
    Row(
        "an assignment by hand needs what a rule's grant needs",
        ITAG,
        manual=(by_hand("itag_role", None, "leader"),),
        slot="itag_role",
        project=None,
        lost={"m1": "blocked"},
    ),
]

DEFAULTS = [
    Row(
        "a default fills an empty slot of someone who holds something",
        LBX,
        (REVIEWERS,),
        ("Reviewers",),
        slot="default_role",
        project=None,
        role="labeler",
        by=("default",),
        more={"defaults": (("default_role", "labeler"),)},
    ),
    Row(
        "an assignment by hand goes before a default",
        LBX,
        manual=(by_hand("default_role", None, "reviewer"),),
        slot="default_role",
        project=None,
        role="reviewer",
        by=("m1",),
        more={"defaults": (("default_role", "labeler"),)},
    ),
    Row(
        "a default gives nothing to someone who holds nothing",
        LBX,
        slot="default_role",
        project=None,
        more={"defaults": (("default_role", "labeler"),)},
    ),
    Row(
        "a default gives nothing to someone whose only grant conflicts",
        LBX,
        (REVIEWERS, LABELERS),
        ("Reviewers", "Labelers"),
        slot="default_role",
        project=None,
        lost={"reviewers": "conflict", "labelers": "conflict"},
        more={"defaults": (("default_role", "labeler"),)},
    ),
    Row(
        "a default is no prerequisite: it would give access",
        ITAG,
        (ITAG_ADMIN,),
        ("iTAG",),
        slot="itag_role",
        project=None,
        lost={"itag-admin": "blocked"},
        more={"defaults": (("pai_role", "labeling_administrator"),)},
    ),
    Row(
        "a default may build on a default of someone who holds something",
        TEAMS,
        (grant("work", "Work", task_role="worker"),),
        ("Work",),
        slot="seat",
        project=None,
        role="paid",
        by=("default",),
        more={"defaults": (("team_role", "guest"), ("seat", "paid"))},
    ),
    Row(
        "a default that lacks its prerequisite does not fill",
        TEAMS,
        (grant("work", "Work", task_role="worker"),),
        ("Work",),
        slot="seat",
        project=None,
        lost={"default": "blocked"},
        more={"defaults": (("seat", "paid"),)},
    ),
    Row(
        "a denied default does not fill",
        LBX,
        (REVIEWERS, deny("Trainees", "default_role")),
        ("Reviewers", "Trainees"),
        slot="default_role",
        project=None,
        lost={"default": "denied"},
        more={"defaults": (("default_role", "labeler"),)},
    ),
    Row(
        "a default does not fill a slot that a conflict locks",
        TEAMS,
        (
            grant("bosses", "Bosses", task_role="boss"),
            grant("workers", "Workers", task_role="worker"),
            grant("rounds", "Rounds", round_role="first"),
        ),
        ("Bosses", "Workers", "Rounds"),
        slot="task_role",
        lost={"bosses": "conflict", "workers": "conflict"},
        more={"defaults": (("task_role", "worker"),)},
    ),
    Row(
        "a project default fills where the person already is",
        TEAMS,
        (grant("rounds", "Rounds", round_role="first"),),
        ("Rounds",),
        slot="task_role",
        role="worker",
        by=("default",),
        more={"defaults": (("task_role", "worker"),)},
    ),
    Row(
        "a project default fills nowhere else",
        TEAMS,
        (grant("rounds", "Rounds", round_role="first"),),
        ("Rounds",),
        slot="task_role",
        project="p2",
        more={"defaults": (("task_role", "worker"),)},
    ),
]


def check(row: Row) -> None:
    case = row.case()
    resolution = case.resolve()
    held = resolution.at(row.slot, row.project)
    assert [role.role for role in held] == ([row.role] if row.role else [])
    assert tuple(name for role in held for winner in role.winners for name in [name_of(winner)]) == row.by
    assert [role.acts_as.role if role.acts_as else None for role in held] == ([row.acts_as] if row.role else [])
    locks = lock_at(Program(case.catalogue, case.mapping), resolution, row.slot, row.project)
    assert [str(lock.kind) for lock in locks] == ([row.lock] if row.lock else [])
    assert {name_of(lost.assignment): str(lost.reason) for lost in resolution.lost} == (row.lost or {})


def name_of(claim: Any) -> str:
    return claim.rule or (claim.manual.id if claim.manual else str(claim.source))


def titled(row: Row) -> str:
    return row.title


@pytest.mark.parametrize("row", WHAT_COUNTS, ids=titled)
def test_what_counts(row: Row) -> None:
    """1. Who is inactive or denied holds nothing, a blocked grant does not count, what is held outside stays."""
    check(row)


@pytest.mark.parametrize("row", FROM_ABOVE, ids=titled)
def test_from_above(row: Row) -> None:
    """2. A workspace role overrules project roles where it reaches, stands beside them or yields."""
    check(row)


@pytest.mark.parametrize("row", THROUGH_RULES, ids=titled)
def test_through_rules(row: Row) -> None:
    """3. A role given by a rule is locked; several merge by the slot's strategy."""
    check(row)


@pytest.mark.parametrize("row", BY_HAND, ids=titled)
def test_by_hand(row: Row) -> None:
    """4. Otherwise an assignment by hand holds, when it may."""
    check(row)


@pytest.mark.parametrize("row", DEFAULTS, ids=titled)
def test_then_default(row: Row) -> None:
    """4. A default fills an empty slot of someone who already holds something, and never gives access."""
    check(row)


# --- slots that hold many ------------------------------------------------------------------------------------------


def test_a_slot_that_holds_many_locks_each_value_and_not_the_slot() -> None:
    """What a rule gives is locked, what a hand adds beside it is not, and what both give is the rule's."""
    rounds = grant("rounds", "Rounds", round_role="first")
    hands = (by_hand("round_role", "p1", "first"), by_hand("round_role", "p1", "second", 2))
    resolution = Case(TEAMS, mapping(rounds), ana(), member("Rounds"), hands).resolve()
    found = {role.role: (str(role.source), role.lock.kind if role.lock else None) for role in resolution.roles}
    assert found == {"first": ("rule", "group"), "second": ("manual", None)}
    assert [(name_of(lost.assignment), str(lost.reason)) for lost in resolution.lost] == [("m1", "shadowed")]


def test_values_of_a_slot_that_holds_many_never_conflict() -> None:
    """Two rules that give different values give both, also where the catalogue declares no merge."""
    rules = (grant("one", "One", node_role="annotate"), grant("two", "Two", node_role="check"))
    needed = (by_hand("itag_role", None, "worker"),)
    resolution = Case(ITAG, mapping(*rules), ana(), member("One", "Two"), needed).resolve()
    assert [role.role for role in resolution.at("node_role", "p1")] == ["annotate", "check"]
    assert resolution.conflicts == ()


# --- the example that the product shows first ----------------------------------------------------------------------


def experience() -> Case:
    """Ana, reviewer of Cityscapes through a group, labeler there by hand, and no contractor."""
    teams_of = {"leads": "project_lead", "reviewers": "reviewer", "labelers": "labeler"}
    projects = {
        "cityscapes": Project("cityscapes", "Cityscapes 2026", frozenset({"street"})),
        "lane-marking": Project("lane-marking", "lane-marking", frozenset({"street"}), container="mobility"),
    }
    by_name = pattern("lbx-{project}-{team}", project={name: name for name in projects}, team=teams_of)
    written = mapping(
        grant("admins", "LBX Admins", workspace_role="admin"),
        Rule(
            "project-teams",
            PLACE,
            groups=(by_name,),
            grant=(RoleTerm("project_role", capture="team"),),
            projects=(ProjectSelector(SelectorKind.CAPTURE, "project"),),
        ),
        Rule(
            "street-contractors",
            PLACE,
            groups=named("Vision Contractors"),
            when=IS_CONTRACTOR,
            projects=(ProjectSelector(SelectorKind.TAG, "street"),),
            grant=give(project_role="inherit"),
            starts=date(2026, 12, 1),
        ),
        projects=projects,
        defaults=(("default_role", "labeler"),),
        conflicts={"project_role": RANK},
    )
    groups = member("lbx-cityscapes-reviewers", "Vision Contractors")
    hand = by_hand("project_role", "cityscapes", "labeler")
    return Case(LBX, written, ana(userType="Employee"), groups, (hand,))


def test_ana_is_reviewer_in_cityscapes_through_her_group() -> None:
    """Her hand-given labeler is shadowed, the contractors' rule does not mean her, and leaving the group frees her."""
    case = experience()
    resolution = case.resolve()
    (here,) = resolution.at("project_role", "cityscapes")
    assert (here.role, here.lock and here.lock.kind) == ("reviewer", "group")
    assert [(winner.rule, winner.group and winner.group.display) for winner in here.winners] == [
        ("project-teams", "lbx-cityscapes-reviewers")
    ]
    lost = {(name_of(one.assignment), one.assignment.project): (str(one.reason), one.detail) for one in resolution.lost}
    assert lost["m1", "cityscapes"][0] == "shadowed"
    assert lost["street-contractors", "cityscapes"] == ("condition false", 'not: userType eq "Contractor"')
    assert [(role.slot, role.project, role.role) for role in resolution.roles] == [
        ("default_role", None, "labeler"),
        ("project_role", "cityscapes", "reviewer"),
    ]
    (left,) = replace(case, memberships=()).resolve().at("project_role", "cityscapes")
    assert (left.role, left.lock, left.source) == ("labeler", None, Source.MANUAL)


def test_ana_as_a_contractor_gets_access_to_the_other_street_project() -> None:
    """The role of mere access is her default role; in Cityscapes her real role outranks it."""
    resolution = replace(experience(), user=ana(userType="Contractor")).resolve()
    (other,) = resolution.at("project_role", "lane-marking")
    assert (other.role, other.acts_as and other.acts_as.role) == ("inherit", "labeler")
    assert {str(one.reason) for one in resolution.lost if one.assignment.rule == "street-contractors"} == {"outranked"}


# --- time ------------------------------------------------------------------------------------------------------------

FIRST, LAST = date(2026, 12, 1), date(2026, 12, 10)


def moment(day: int, hour: int = 12, minute: int = 0, zone: timezone = UTC) -> datetime:
    return (
        datetime(2026, 12, day, hour, minute, tzinfo=zone) if day else datetime(2026, 11, 30, hour, minute, tzinfo=zone)
    )


@pytest.mark.parametrize(
    ("when", "fate", "next_change"),
    [
        pytest.param(moment(0, 23, 59), "not yet", FIRST, id="the minute before the first day"),
        pytest.param(moment(1, 0), "won", date(2026, 12, 11), id="the first minute of the first day"),
        pytest.param(moment(10, 23, 59), "won", date(2026, 12, 11), id="the last minute of the last day"),
        pytest.param(moment(11, 0), "expired", None, id="the minute after the last day"),
        pytest.param(moment(1, 1, 0, timezone(timedelta(hours=2))), "not yet", FIRST, id="the day is UTC, to the east"),
        pytest.param(moment(0, 23, 0, timezone(-timedelta(hours=2))), "won", date(2026, 12, 11), id="and to the west"),
    ],
)
def test_days_are_utc_and_both_ends_are_included(when: datetime, fate: str, next_change: date | None) -> None:
    """A rule holds from the first minute of its first day to the last of its last, in UTC."""
    rule = replace(REVIEWERS, starts=FIRST, ends=LAST)
    resolution = Case(LBX, mapping(rule), ana(), member("Reviewers"), (), when).resolve()
    found = [str(lost.reason) for lost in resolution.lost] or ["won"]
    assert (found, resolution.next_change) == ([fate], next_change)


@pytest.mark.parametrize(
    ("value", "fate", "next_change"),
    [
        ("2026-12-01", "won", date(2026, 12, 2)),
        ("2026-12-01T00:00:00Z", "won", date(2026, 12, 2)),
        ("2026-11-30", "expired", None),
        ("9999-12-31", "won", None),
        (None, "no date", None),
        ("", "no date", None),
        ("soon", "no date", None),
        ("2026-13-01", "no date", None),
    ],
)
def test_a_day_that_the_user_brings_along_is_read_or_grants_nothing(
    value: str | None, fate: str, next_change: date | None
) -> None:
    """An absent or unreadable date means not granted; the last day that a calendar has means no end."""
    rule = replace(REVIEWERS, ends=CONTRACT_END)
    user = ana(contractEnd=value) if value is not None else ana()
    resolution = Case(LBX, mapping(rule), user, member("Reviewers")).resolve()
    found = [str(lost.reason) for lost in resolution.lost] or ["won"]
    assert (found, resolution.next_change) == ([fate], next_change)


def test_an_assignment_by_hand_ends_with_its_last_day() -> None:
    """It holds on the day itself, is expired on the next, and says so in advance."""
    hand = by_hand("project_role", "p1", "labeler", until=date(2026, 12, 1))
    case = Case(LBX, mapping(), ana(), (), (hand,))
    assert [role.role for role in case.resolve().roles] == ["labeler"]
    assert case.resolve().next_change == date(2026, 12, 2)
    after = case.resolve(NOON + timedelta(days=1))
    assert ([str(lost.reason) for lost in after.lost], after.roles, after.next_change) == (["expired"], (), None)


# --- what is reported ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("catalogue", "above"),
    [
        pytest.param(LBX, ADMINS, id="a role that overrules everywhere"),
        pytest.param(TEAMS, grant("admins", "Admins", team_role="auditor"), id="a role that stands beside everywhere"),
    ],
)
def test_a_project_deny_of_someone_who_is_in_every_project_is_reported(catalogue: Catalogue, above: Rule) -> None:
    """The platform has no way to keep them out, so nobody may assume that it does."""
    slot = "project_role" if catalogue is LBX else "task_role"
    rules = (above, deny("Trainees", slot, projects=at("p1")))
    resolution = Case(catalogue, mapping(*rules), ana(), member("Admins", "Trainees")).resolve()
    found = [(finding.kind, finding.slot, finding.project) for finding in resolution.findings]
    assert found == [(FindingKind.DENY_NOT_CARRIED_OUT, slot, "p1")]


def test_of_two_rules_that_deny_the_first_by_name_is_the_reason() -> None:
    """A loser names one rule, and the same one in whatever order they are written."""
    rules = (replace(deny("Suspended"), id="a"), replace(deny("Suspended"), id="b"))
    for written in (rules, rules[::-1]):
        (lost,) = Case(LBX, mapping(REVIEWERS, *written), ana(), member("Reviewers", "Suspended")).resolve().lost
        assert lost.detail.startswith("rule a ")


def test_findings_stand_once_and_in_an_order_of_their_own() -> None:
    """Two groups that carry one deny, and two rules that deny alike, in whatever order they are written."""
    one = replace(deny("One", "project_role", projects=at("p2", "p1")), id="one", groups=named("One", "Other"))
    two = replace(deny("Two", "project_role", projects=at("p1")), id="two")
    found = [
        Case(LBX, mapping(ADMINS, *rules), ana(), groups).resolve().findings
        for rules in ((one, two), (two, one))
        for groups in (member("Admins", "One", "Other", "Two"), member("Two", "Other", "One", "Admins"))
    ]
    assert [(finding.project, finding.detail.split()[1]) for finding in found[0]] == [
        ("p1", "one"),
        ("p1", "two"),
        ("p2", "one"),
    ]
    assert found == [found[0]] * 4


def test_a_deny_that_can_be_carried_out_is_not_reported() -> None:
    """Findings are for what a person must do themselves."""
    rules = (REVIEWERS, deny("Trainees", "project_role"))
    assert Case(LBX, mapping(*rules), ana(), member("Reviewers", "Trainees")).resolve().findings == ()


@pytest.mark.parametrize(
    ("active", "groups", "kind"),
    [
        (True, ("Suspended",), FindingKind.DENY_NOT_CARRIED_OUT),
        (False, (), FindingKind.OUTSIDE_REMAINS),
    ],
)
def test_what_the_platform_keeps_in_spite_of_us_is_reported(
    active: bool, groups: tuple[str, ...], kind: FindingKind
) -> None:
    """A role held outside is never revoked by us, and nobody is led to believe that it was."""
    written = mapping(deny("Suspended"), outside=outside("workspace_role", "tenant_admin"))
    resolution = Case(LBX, written, ana(active=active), member(*groups)).resolve()
    assert [(finding.kind, finding.slot) for finding in resolution.findings] == [(kind, "workspace_role")]


def test_access_that_becomes_nothing_is_reported() -> None:
    """A member without any role is a gap that an administrator wants to hear of."""
    resolution = Case(LBX, mapping(VISITORS), ana(), member("Visitors")).resolve()
    assert [(one.kind, one.project) for one in resolution.findings] == [(FindingKind.INHERITS_NOTHING, "p1")]


def test_a_conflict_names_the_claims_that_disagree() -> None:
    """Each claim once, in a fixed order; access that a role outranks has no part in it."""
    case = Case(LBX, mapping(REVIEWERS, LABELERS, VISITORS), ana(), member("Reviewers", "Labelers", "Visitors"))
    (conflict,) = case.resolve().conflicts
    assert (conflict.slot, conflict.project) == ("project_role", "p1")
    assert [claim.rule for claim in conflict.claims] == ["labelers", "reviewers"]


# --- whose groups are heard ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        REVIEWERS,
        replace(REVIEWERS, groups=(pattern("{x}s", x={"reviewer": "reviewer"}),)),
        replace(REVIEWERS, groups=(), when=IN_BETA),
    ],
    ids=["by name", "by pattern", "in a condition"],
)
def test_a_group_of_a_connection_that_the_file_does_not_trust_is_not_heard(rule: Rule) -> None:
    """Another connection may call a group what it likes: it gives nothing here, in no way."""
    for connection, expected in (("okta", ["reviewer"]), ("entra", [])):
        groups = member("Reviewers", "Beta", connection=connection)
        case = Case(LBX, mapping(rule, connections=frozenset({"okta"})), ana(), groups)
        assert [role.role for role in case.resolve().roles] == expected
        program = Program(case.catalogue, case.mapping)
        assert any(program.concerns(membership.group) for membership in groups) == bool(expected)


def test_a_reference_with_a_connection_means_that_connections_group() -> None:
    """Two connections may each send a group of one name; a rule can speak of one of them."""
    rule = replace(REVIEWERS, groups=(GroupRef(name="Reviewers", connection="okta"),))
    for connection, expected in (("okta", ["reviewer"]), ("entra", [])):
        resolution = Case(LBX, mapping(rule), ana(), member("Reviewers", connection=connection)).resolve()
        assert [role.role for role in resolution.roles] == expected


def test_a_pattern_that_is_ambiguous_does_not_silence_another_of_the_same_rule() -> None:
    """Whichever of the two is written first, the one that fits in one way speaks."""
    values = {"a": "reviewer", "ab": "labeler"}
    twice, once = pattern("t-{team}*", team=values), pattern("t-{team}", team=values)
    for groups in ((twice, once), (once, twice)):
        rule = Rule("teams", PLACE, groups=groups, grant=(RoleTerm("project_role", capture="team"),), projects=at("p1"))
        resolution = Case(LBX, mapping(rule), ana(), member("t-ab")).resolve()
        assert ([role.role for role in resolution.roles], resolution.lost) == (["labeler"], ())


def test_a_denial_whose_pattern_is_ambiguous_does_not_fail_open() -> None:
    """Which role or project it means cannot be told, so it denies all of the slot, in every project; in any order."""
    twice, once = pattern("t-{team}*", team={"a": "reviewer", "ab": "labeler"}), pattern("t-{team}", team={"ab": "x"})
    grant = Rule(
        "give", PLACE, groups=(GroupRef(name="G"),), grant=(RoleTerm("project_role", "reviewer"),), projects=at("p2")
    )
    for groups in ((twice,), (twice, once), (once, twice)):
        deny = Rule(
            "deny", PLACE, groups=groups, deny=(DenyTerm("project_role", frozenset({"labeler"})),), projects=at("p1")
        )
        resolution = Case(LBX, mapping(grant, deny), ana(), member("G", "t-ab")).resolve()
        assert resolution.roles == ()
        assert [(lost.assignment.rule, lost.reason) for lost in resolution.lost] == [("give", Reason.DENIED)]


def test_a_denial_whose_day_is_absent_does_not_fail_open() -> None:
    """A grant without its day is not given; a denial without its day holds."""
    given = Rule(
        "give", PLACE, groups=(GroupRef(name="G"),), grant=(RoleTerm("project_role", "reviewer"),), projects=at("p1")
    )
    denied = Rule("deny", PLACE, groups=(GroupRef(name="G"),), deny_all=True, ends=CONTRACT_END)
    assert reasons(given, replace(denied, ends=date(2020, 1, 1))) == []
    assert reasons(given, denied) == [("give", Reason.DENIED)]
    assert reasons(replace(given, ends=CONTRACT_END)) == [("give", Reason.NO_DATE)]


def reasons(*rules: Rule) -> list[tuple[str | None, Reason]]:
    resolution = Case(LBX, mapping(*rules), ana(), member("G")).resolve()
    return [(lost.assignment.rule, lost.reason) for lost in resolution.lost]


def test_a_rule_without_a_group_means_only_users_of_trusted_connections() -> None:
    """A connection that the mapping does not trust could create a user of any name; denials speak to its users too."""
    admin = Rule("named", PLACE, users=frozenset({"ana.ruiz"}), grant=(RoleTerm("workspace_role", "admin"),))
    everyone = Rule("all", PLACE, grant=(RoleTerm("workspace_role", "admin"),))
    for rule in (admin, everyone):
        for connection, roles in (("okta", ["admin"]), ("entra", [])):
            trusting = replace(mapping(rule), connections=frozenset({"okta"}))
            resolution = Case(LBX, trusting, replace(ana(), connection=connection), ()).resolve()
            assert [role.role for role in resolution.roles] == roles
    hand = ManualAssignment("m", ana().id, mapping().workspace, "project_role", "p1", "labeler", "mia", NOON)
    deny = replace(mapping(replace(everyone, grant=(), deny_all=True)), connections=frozenset({"okta"}))
    resolution = Case(LBX, deny, replace(ana(), connection="entra"), (), (hand,)).resolve()
    assert [lost.reason for lost in resolution.lost] == [Reason.DENIED]


# --- provenance and determinism --------------------------------------------------------------------------------------


def test_a_lock_names_what_holds_it() -> None:
    """A group lock names its own winners, a workspace-wide lock the winners of the role above."""
    case = Case(LSE, mapping(ORG_MANAGER, LS_ANNOTATOR), ana(), member("Managers", "Labelers"))
    by_slot = {role.slot: role.lock for role in case.resolve().roles}
    assert {slot: [claim.rule for claim in lock.by] for slot, lock in by_slot.items() if lock} == {
        "org_role": ["managers"],
        "project_role": ["managers"],
    }


def test_a_role_given_in_every_project_reaches_projects_known_from_elsewhere() -> None:
    """`all` means all that exist: those that the file declares and those that a connector found."""
    program = Program(LBX, mapping(replace(REVIEWERS, projects=EVERYWHERE)), {"p9": Project("p9", "Nine")})
    from rolebridge.core.resolver import resolve

    resolution = resolve(program, ana(), member("Reviewers"), (), NOON)
    assert [role.project for role in resolution.roles] == ["p1", "p2", "p3", "p9"]


def everything_at_once() -> Resolution:
    """A resolution with roles, losers, conflicts and findings, to compare between interpreters."""
    rules = (REVIEWERS, LABELERS, VISITORS, BY_NAME, EVERYONE, deny("Trainees", "project_role", "labeler", "reviewer"))
    everywhere = tuple(replace(rule, projects=EVERYWHERE) for rule in rules[:-1])
    written = mapping(*everywhere, replace(rules[-1], projects=at("p2", "p3")), ADMINS)
    groups: tuple[Membership, ...] = member("Reviewers", "Labelers", "Visitors", "Trainees")
    return Case(LBX, written, ana(), groups, (HAND, LATER_HAND)).resolve()


def outline(resolution: Resolution) -> str:
    return json.dumps(
        [
            [[role.key, [winner.order() for winner in role.winners]] for role in resolution.roles],
            [[lost.assignment.order(), lost.reason, lost.detail] for lost in resolution.lost],
            [[found.slot, found.project, [claim.order() for claim in found.claims]] for found in resolution.conflicts],
            [[found.kind, found.project, found.detail] for found in resolution.findings],
        ]
    )


def test_roles_stand_in_the_order_of_slot_project_and_role() -> None:
    """Not in the order in which they were decided, nor in that of the file."""
    rules = (grant("rounds", "Everyone", round_role="first"), grant("team", "Everyone", team_role="guest"))
    late = replace(grant("work", "Everyone", task_role="worker"), projects=at("p2", "p1"))
    roles = Case(TEAMS, mapping(*rules, late), ana(), member("Everyone")).resolve().roles
    assert [role.key for role in roles] == [
        ("round_role", "p1", "first"),
        ("task_role", "p1", "worker"),
        ("task_role", "p2", "worker"),
        ("team_role", "", "guest"),
    ]


def test_losers_stand_in_the_order_of_slot_project_role_and_rule() -> None:
    """Not in the order in which they lost: by hand first, then by condition, then by merging."""
    rules = (LEADS, LABELERS, replace(MORE_LABELERS, when=IS_CONTRACTOR))
    written = mapping(*rules, conflicts={"project_role": RANK})
    late = by_hand("project_role", "gone", "labeler", 2)
    lost = Case(LBX, written, ana(), member("Leads", "Labelers", "More"), (late, HAND)).resolve().lost
    assert [name_of(one.assignment) for one in lost] == ["m2", "m1", "labelers", "more-labelers"]


def test_the_first_of_two_days_is_the_next_change() -> None:
    """What ends later changes later."""
    rules = (replace(REVIEWERS, ends=date(2026, 12, 20)), replace(LEADS, starts=date(2026, 12, 5)))
    resolution = Case(LBX, mapping(*rules), ana(), member("Reviewers", "Leads")).resolve()
    assert resolution.next_change == date(2026, 12, 5)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_outcome_does_not_depend_on_the_hash_seed(seed: str) -> None:
    """Sets are hashed differently in every process; the resolution's order is its own."""
    script = "from tests.core.test_resolver_truth_tables import *; print(outline(everything_at_once()))"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == outline(everything_at_once())
