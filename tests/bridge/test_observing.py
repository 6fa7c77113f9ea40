"""Workspaces in use: today's roles are imported, rules are only compared with them, and enforcing is an act of its own.

Nobody may lose access on the first day.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.bridge.worlds import OPERATOR, World, remove

from rolebridge.bridge.approvals import ApprovalNeeded, Approvals
from rolebridge.bridge.assigning import Assigning, Wanted
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.observing import Enforced, Enforcement, Observing
from rolebridge.bridge.planning import GuardTripped, PlanMoved
from rolebridge.bridge.role_import import RoleImport, RolesImported
from rolebridge.bridge.role_table import TableRefused
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.plan import ChangeKind, Plan
from rolebridge.core.registry import Mode

MAPPING = """\
workspace: vision
platform: labelbox
connections: [okta]
outside: {workspace_role: {tenant_admin: [dana@acme.example]}}
projects: {cityscapes: {name: Cityscapes}, retail: {name: Retail}}
defaults: {default_role: labeler}
conflicts: {project_role: [reviewer, labeler], workspace_role: [admin, data_admin]}
manual: {workspace_role: forbid}
rules:
  - {id: admins, groups: [Admins], grant: {workspace_role: admin}}
  - id: teams
    groups: {match: "lbx-{project}-{team}"}
    values: {team: {reviewers: reviewer, labelers: labeler}}
    projects: "{project}"
    grant: {project_role: "{team}"}
  - {id: suspended, groups: [Suspended], deny: all}
guard: {hold_revocations: {over: 25%, and_at_least: 3}, keep: {workspace_role: {admin: 1}}}
"""

# Four are as the groups say, one is more than they say, one less, two are unknown to groups, one is inactive.
TODAY = """\
User Name;Project;Slot;Role
ana@acme.example;cityscapes;project_role;Reviewer
bo@acme.example;cityscapes;;labeler
cy@acme.example;cityscapes;project_role;reviewer
di@acme.example;cityscapes;project_role;labeler
ed@acme.example;retail;project_role;Project Lead
fay@acme.example;retail;project_role;labeler
ben@acme.example;;workspace_role;admin
gus@acme.example;;workspace_role;data_admin
hal@acme.example;retail;project_role;labeler
dana@acme.example;;workspace_role;tenant_admin
"""
NAMES = ("ana", "bo", "cy", "di", "ed", "fay", "ben", "gus", "hal", "dana", "kim")

Roles = dict[str, set[tuple[str, str, str]]]


@pytest.fixture
def observing(world: World) -> Observing:
    """The use case."""
    return Observing(world.store, world.rulebooks, world.clock)


@pytest.fixture
def people(world: World) -> dict[str, str]:
    """A directory in use: eleven people and their groups, which say nearly what they hold on the platform."""
    ids = {name: world.user(name) for name in NAMES}
    world.group("lbx-cityscapes-reviewers", [ids["ana"], ids["di"]])
    world.group("lbx-cityscapes-labelers", [ids["bo"], ids["cy"], ids["kim"]])
    world.group("Admins", [ids["ben"]])
    world.activate(ids["hal"], False)
    return ids


@pytest.fixture
def bring(world: World, observing: Observing) -> Callable[..., RolesImported]:
    """Import a table into the workspace `vision`."""

    def work(text: str = TODAY, *, dry_run: bool = False, **more: object) -> RolesImported:
        wanted = RoleImport("vision", "roles.csv", **more)  # type: ignore[arg-type]
        return observing.import_roles(OPERATOR, world.id, wanted, text, dry_run=dry_run)

    return work


Bring = Callable[..., RolesImported]


def turns(plan: Plan) -> set[tuple[object, ...]]:
    """What a plan changes of whom, in short."""
    return {
        (
            one.user_name,
            one.change.kind,
            one.change.project,
            *(side and side.role for side in (one.change.before, one.change.after)),
        )
        for one in plan.changes
        if one.change.kind is not ChangeKind.PROVENANCE
    }


def held(world: World, people: dict[str, str]) -> Roles:
    return {name: world.roles(id_) for name, id_ in people.items()}


def enforce(world: World, observing: Observing, found: Enforcement, **more: object) -> Enforced:
    digest = found.plan.digest
    return observing.enforce(OPERATOR, world.id, "vision", digest=digest, **more)  # type: ignore[arg-type]


TODAYS: Roles = {
    "ana": {("project_role", "cityscapes", "reviewer")},
    "bo": {("project_role", "cityscapes", "labeler")},
    "cy": {("project_role", "cityscapes", "reviewer")},
    "di": {("project_role", "cityscapes", "labeler")},
    "ed": {("project_role", "retail", "project_lead")},
    "fay": {("project_role", "retail", "labeler")},
    "ben": {("workspace_role", "", "admin")},
    "gus": {("workspace_role", "", "data_admin")},
    "hal": set(),
    "dana": {("workspace_role", "", "tenant_admin")},
    "kim": set(),
}


def test_nobody_loses_access_on_the_first_day(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """Import, first apply, a day of changes: everybody holds what they held, and nobody more."""
    done = bring(platform="labelbox", register_projects=True, text=TODAY.rpartition("dana")[0])
    assert (done.people, done.imported, done.inactive, done.observed) == (9, 9, 1, True)
    applied = world.apply(MAPPING)
    assert held(world, people) == TODAYS
    assert applied.forced == ()
    # The directory goes on: a group is emptied, somebody joins one, somebody new comes.
    team = world.group("lbx-retail-reviewers", [people["kim"]])
    world.change(team, remove(people["kim"]))
    world.group("Suspended", [people["fay"]])
    world.user("newcomer")
    assert held(world, people) == TODAYS
    assert world.differing() == []
    # Somebody who leaves does lose everything, on any day.
    world.activate(people["ana"], False)
    assert held(world, people)["ana"] == set()
    world.activate(people["ana"], True)
    assert held(world, people) == TODAYS
    # A later apply keeps observing.
    world.apply(
        MAPPING.replace("labelers: labeler", "labelers: project_lead").replace("[reviewer,", "[project_lead, reviewer,")
    )
    assert held(world, people) == TODAYS


def test_the_first_plan_compares_with_what_people_hold_today(
    world: World, people: dict[str, str], bring: Bring
) -> None:
    """Before the first apply too an imported role is what its person has, no gain; and afterwards."""
    bring(platform="labelbox", register_projects=True, text=TODAY.rpartition("dana")[0])
    first = world.planning.plan(world.id, {"vision.yaml": MAPPING}).plan
    changed = {str(name).partition("@")[0] for name, _, project, before, _ in turns(first) if project or before}
    assert changed == {"cy", "di", "gus", "kim"}  # all others gain the default alone, which nobody imported
    assert held(world, people) == {name: set() for name in people}
    world.apply(MAPPING)
    second = world.planning.plan(world.id, {"mappings/vision.yaml": MAPPING}).plan
    assert turns(second) == turns(first)


def test_enforcing_does_what_its_plan_said(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """Rules take over: raised, lowered and new people as planned; what no rule speaks of a hand goes on giving."""
    world.apply("workspace: other\nplatform: labelbox\nconnections: [okta]\nrules: []\n")
    observing.observe(OPERATOR, world.id, "vision", "SEC-9")
    world.apply(MAPPING)
    bring()
    found = observing.enforcement(world.id, "vision")
    assert found.imported == {
        "inactive": 1, "kept": 2, "manual-forbidden": 1, "redundant": 3, "shadowed": 2,
    }  # fmt: skip
    now = found.plan.counts
    assert (now.gain > 0, now.change, now.lose) == (True, 2, 1)
    done = enforce(world, observing, found, reason="reviewed")
    assert (done.new, done.forced) == (True, ())
    after = held(world, people)
    assert after["cy"] == {("project_role", "cityscapes", "labeler")}
    assert after["di"] == {("project_role", "cityscapes", "reviewer")}
    assert after["ed"] == TODAYS["ed"]
    assert after["gus"] == set()
    assert after["kim"] == {("project_role", "cityscapes", "labeler")}
    assert after["dana"] == TODAYS["dana"]
    assert world.differing() == []
    (entry,) = [entry for entry in world.audit("vision") if entry.kind == "workspace.enforced"]
    told = json.loads(entry.after or "")
    assert (entry.reason, told["plan"], told["imported"]) == ("reviewed", found.plan.digest, found.imported)
    assert not enforce(world, observing, found).new


def test_enforcing_is_bound_to_the_digest(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """What moved since the review stops the switch, and nothing has changed."""
    world.apply("workspace: other\nplatform: labelbox\nconnections: [okta]\nrules: []\n")
    observing.observe(OPERATOR, world.id, "vision")
    world.apply(MAPPING)
    bring()
    found = observing.enforcement(world.id, "vision")
    assert observing.enforcement(world.id, "vision").plan.digest == found.plan.digest
    world.group("lbx-retail-reviewers", [people["kim"]])
    with pytest.raises(PlanMoved) as refused:
        enforce(world, observing, found)
    assert refused.value.digest != found.plan.digest
    assert held(world, people) == TODAYS
    assert [one.mode for one in observing.workspaces(world.id) if one.workspace == "vision"] == [Mode.OBSERVE]


def test_guard_rails_stop_a_switch_that_takes_too_much(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """Past the limit it needs a reason, which is recorded with the limits that were passed."""
    observing.observe(OPERATOR, world.id, "vision")
    world.apply(
        MAPPING.replace("manual: {workspace_role: forbid}", "manual: {workspace_role: forbid, project_role: forbid}")
    )
    bring()
    found = observing.enforcement(world.id, "vision")
    assert [trip.kind for trip in found.plan.trips] == ["hold_revocations"]
    with pytest.raises(GuardTripped):
        enforce(world, observing, found)
    assert held(world, people) == TODAYS
    done = enforce(world, observing, found, force_reason="SEC-10")
    assert len(done.forced) == 1
    (entry,) = [entry for entry in world.audit("vision") if entry.kind == "workspace.enforced"]
    assert entry.reason == "SEC-10"
    assert json.loads(entry.after or "")["forced"]


def test_imported_roles_that_rules_replace_can_be_retired(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """They stay by default and come back when the rule stops; retired ones do not."""
    observing.observe(OPERATOR, world.id, "vision")
    world.apply(MAPPING)
    bring()
    done = enforce(world, observing, observing.enforcement(world.id, "vision"), retire_imported=True)
    assert done.retired == 5
    hands = Assigning(world.store, world.rulebooks, world.clock)
    left = {row.listed.user_name.partition("@")[0]: row.standing.state for row in hands.rows(world.id)}
    assert left == {"ed": "in force", "fay": "in force", "gus": "manual-forbidden", "hal": "inactive"}
    assert world.differing() == []


def test_an_import_says_everything_that_is_wrong_at_once(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """Each line with its number and what to do; nothing is half imported."""
    observing.observe(OPERATOR, world.id, "vision")
    world.apply(MAPPING)
    text = """\
user,project,slot,role
nobody@acme.example,cityscapes,,labeler
ana@acme.example,cityscape,,labeler
ana@acme.example,cityscapes,,labeller
bo@acme.example,,workspace_role,tenant_admin
cy@acme.example,retail,,labeler
cy@acme.example,retail,,reviewer
,retail,,labeler
di@acme.example,retail,nonsense,labeler
"""
    with pytest.raises(TableRefused) as refused:
        bring(text)
    problems = {(one.line, one.problem) for one in refused.value.problems}
    assert {line for line, _ in problems} == {2, 3, 4, 5, 7, 8, 9}
    assert (2, "there is no user `nobody@acme.example`") in problems
    assert (3, "there is no project `cityscape`; did you mean `cityscapes`?") in problems
    assert (5, "`tenant_admin` cannot be given by hand (support_ticket)") in problems
    helps = {one.line: one.help for one in refused.value.problems}
    assert "outside: {workspace_role: {tenant_admin: [bo@acme.example]}}" in helps[5]
    assert (7, "`cy@acme.example` has `labeler` in the same place (line 6)") in problems
    assert held(world, people) == {name: set() for name in people} | {"dana": TODAYS["dana"]}
    assert list(Assigning(world.store, world.rulebooks, world.clock).rows(world.id)) == []


def test_an_import_can_be_repeated_and_tried_out(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """A dry run writes nothing; the same file again changes nothing; another imported role takes the first's place."""
    observing.observe(OPERATOR, world.id, "vision")
    world.apply(MAPPING)
    tried = bring(dry_run=True)
    assert (tried.imported, tried.outside, held(world, people)["ana"]) == (9, 1, set())
    assert tried.changes != ()
    first = bring()
    assert (first.imported, first.unchanged) == (9, 0)
    (entry,) = [entry for entry in world.audit("vision") if entry.kind == "workspace.imported"]
    assert (entry.actor, json.loads(entry.after or "")["imported"]) == ("os:mia", 9)
    assert [entry.kind for entry in world.audit(people["gus"])][:2] == ["grants.changed", "assignment.made"]
    recorded = len(world.audit())
    again = bring()
    assert (again.imported, again.unchanged, again.changes) == (0, 9, ())
    assert len(world.audit()) == recorded
    changed = bring(TODAY.replace("bo@acme.example;cityscapes;;labeler", "bo@acme.example;cityscapes;;reviewer"))
    assert (changed.imported, changed.replaced) == (1, 1)
    assert world.roles(people["bo"]) == {("project_role", "cityscapes", "reviewer")}


def test_what_a_person_gave_is_not_undone_by_a_table(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """A role given by hand on purpose stands against another in the file, and the line says so."""
    observing.observe(OPERATOR, world.id, "vision")
    world.apply(MAPPING)
    hands = Assigning(world.store, world.rulebooks, world.clock)
    hands.assign(OPERATOR, world.id, Wanted("ana", "team_manager", project="cityscapes"), "x")
    with pytest.raises(TableRefused) as refused:
        bring()
    (problem,) = refused.value.problems
    assert (problem.line, problem.problem) == (
        2,
        "`ana@acme.example` was given `team_manager` by hand there (os:mia)",
    )


def test_an_enforced_workspace_is_neither_observed_nor_imported_into(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """Where rules give roles, observing would take them; an import there would do nothing."""
    world.apply(MAPPING)
    before = held(world, people)
    with pytest.raises(Invalid, match="people hold roles in `vision` through rules or defaults"):
        observing.observe(OPERATOR, world.id, "vision")
    with pytest.raises(Invalid, match="workspace `vision` is enforced"):
        bring()
    assert held(world, people) == before
    assert world.differing() == []


def test_before_any_mapping_the_platform_must_be_said(world: World, people: dict[str, str], bring: Bring) -> None:
    """Otherwise nobody could say which roles there are."""
    with pytest.raises(Invalid, match="say which platform it is on") as refused:
        bring()
    assert refused.value.field == "platform"
    with pytest.raises(Invalid, match="did you mean `labelbox`"):
        bring(platform="labelbocks")


def test_workspaces_tell_how_they_are_run(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """Mode, who said so and why, platform, how many hold something and how many roles were imported."""
    observing.observe(OPERATOR, world.id, "vision", "SEC-9")
    (before,) = observing.workspaces(world.id)
    assert (before.mode, before.platform, before.changed_by, before.reason) == (Mode.OBSERVE, "", "os:mia", "SEC-9")
    world.apply(MAPPING)
    bring()
    (state,) = observing.workspaces(world.id)
    assert (state.platform, state.imported, state.people) == ("labelbox", 9, 9)
    with pytest.raises(NotFound):
        observing.enforcement(world.id, "nowhere")


def test_a_workspace_can_be_enforced_before_it_has_a_mapping(world: World, observing: Observing) -> None:
    """Then the first apply onto it decides at once, as onto any other."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-labelers", [ana])
    observing.observe(OPERATOR, world.id, "vision")
    assert enforce(world, observing, observing.enforcement(world.id, "vision")).new
    world.apply(MAPPING)
    assert world.roles(ana) == {("project_role", "cityscapes", "labeler")}


def test_another_process_sees_a_switch_at_once(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """What it does next is decided by the mode of its own transaction."""
    observing.observe(OPERATOR, world.id, "vision")
    world.apply(MAPPING)
    other = World.of(world)
    other.group("lbx-retail-labelers", [people["kim"]])
    assert other.roles(people["kim"]) == set()
    enforce(world, observing, observing.enforcement(world.id, "vision"), force_reason="x")
    other.group("lbx-retail-reviewers", [people["kim"]])
    assert ("project_role", "retail", "reviewer") in other.roles(people["kim"])
    assert other.differing() == []


def test_passing_a_guard_rail_may_take_two_people(
    world: World, observing: Observing, people: dict[str, str], bring: Bring
) -> None:
    """Where the installation asks for it, the first one proposes, and the second one's word carries it out."""
    approvals = Approvals(world.store, world.clock, needed=True)
    both = Observing(world.store, world.rulebooks, world.clock, approvals)
    observing.observe(OPERATOR, world.id, "vision")
    world.apply(MAPPING.replace("{workspace_role: forbid}", "{workspace_role: forbid, project_role: forbid}"))
    bring()
    found = observing.enforcement(world.id, "vision")
    with pytest.raises(ApprovalNeeded, match="pass guard rails by enforcing vision"):
        enforce(world, both, found, force_reason="SEC-10")
    assert held(world, people) == TODAYS
    digest = found.plan.digest
    done = both.enforce(Operator("os:ben", "c2"), world.id, "vision", digest=digest, force_reason="SEC-10")
    assert done.new
