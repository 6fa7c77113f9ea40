"""Roles given and taken by hand: at every door the same, refused where a lock holds, kept where one comes later."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from tests.bridge.worlds import MAPPING, OPERATOR, World, add, remove

from rolebridge.bridge.assigning import Assigned, Assigning, Unassigned, Wanted
from rolebridge.bridge.callers import Operator
from rolebridge.core.assignment import LockKind, Reason
from rolebridge.core.by_hand import AssignmentRefused
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.explanation import ReleaseKind
from rolebridge.store.manual import ManualKey

LABELER = ("project_role", "cityscapes", "labeler")
REVIEWER = ("project_role", "cityscapes", "reviewer")
MIA = Operator("os:mia", "command-7")


@pytest.fixture
def hands(world: World) -> Assigning:
    """The use case, on a world whose mapping is in force."""
    world.apply()
    return Assigning(world.store, world.rulebooks, world.clock)


@pytest.fixture
def give(world: World, hands: Assigning) -> Callable[..., Assigned]:
    """Give a project role in cityscapes, unless something else is said."""

    def work(user: str, role: str = "labeler", project: str | None = "cityscapes", **more: object) -> Assigned:
        reason = str(more.pop("reason", "trial"))
        return hands.assign(MIA, world.id, Wanted(user, role, project=project, **more), reason)  # type: ignore[arg-type]

    return work


@pytest.fixture
def take(world: World, hands: Assigning) -> Callable[..., Unassigned]:
    """End a project role in cityscapes, unless something else is said."""

    def work(user: str, project: str | None = "cityscapes", **more: object) -> Unassigned:
        return hands.unassign(MIA, world.id, Wanted(user, project=project, **more), "over")  # type: ignore[arg-type]

    return work


Give = Callable[..., Assigned]
Take = Callable[..., Unassigned]


def states(world: World, hands: Assigning, **which: object) -> list[tuple[str, str]]:
    rows = hands.rows(world.id, **which)  # type: ignore[arg-type]
    return [(row.listed.assignment.role, row.standing.state) for row in rows]


def test_a_role_given_by_hand_holds_at_once(world: World, give: Give) -> None:
    """The grant, two audit rows with actor, request and reason, and the delivery, in one transaction."""
    ana = world.user("ana")
    given = give("ana", reason="SEC-1")
    assert (given.new, given.standing.in_force, given.ended) == (True, True, ())
    assert world.roles(ana) == {LABELER}
    changed, made, _ = world.audit(ana)
    assert (made.kind, made.actor, made.request_id, made.reason) == ("assignment.made", "os:mia", "command-7", "SEC-1")
    assert json.loads(made.after or "")["assignment"]["role"] == "labeler"
    assert (changed.kind, changed.actor, changed.reason) == ("grants.changed", "os:mia", "labeler given by hand")
    assert [json.loads(entry.payload)["after"] for entry in world.outbox()] == ["labeler", "labeler"]
    assert world.differing() == []


def test_giving_the_same_again_changes_nothing(world: World, give: Give) -> None:
    """A repeated request writes no row at all."""
    ana = world.user("ana")
    first = give("ana")
    recorded = len(world.audit())
    again = give("ana")
    assert (again.new, again.assignment.id, again.changes) == (False, first.assignment.id, ())
    assert len(world.audit()) == recorded
    assert world.roles(ana) == {LABELER}


def test_a_second_role_takes_the_place_of_the_first(world: World, give: Give) -> None:
    """A slot that holds one role has one assignment by hand; the replaced one stays on record."""
    ana = world.user("ana")
    first = give("ana")
    second = give("ana", "reviewer")
    assert [one.id for one in second.ended] == [first.assignment.id]
    assert world.roles(ana) == {REVIEWER}
    kinds = [entry.kind for entry in world.audit(ana)]
    assert kinds[:3] == ["grants.changed", "assignment.made", "assignment.ended"]


def test_an_end_takes_effect_on_the_day_after(world: World, give: Give) -> None:
    """`until` is the last whole day; the day to look again is set, and an end in the past is refused."""
    ana = world.user("ana")
    give("ana", until=date(2026, 11, 30))
    with world.store.read() as unit:
        granted = unit.grants(world.id)
        assert granted.due(date(2026, 11, 30)) == []
        assert granted.due(date(2026, 12, 1)) == [ana]
        assert {grant.valid_until for grant in granted.of_users([ana])[ana] if grant.slot == "project_role"} == {
            date(2026, 11, 30)
        }
    with pytest.raises(Invalid, match="`until` 2026-11-20 lies in the past"):
        give("ana", "reviewer", until=date(2026, 11, 20))


def test_a_group_lock_refuses_and_says_the_ways_out(world: World, hands: Assigning, give: Give) -> None:
    """Kind, rule with place and revision, group, what the person would become on each way, how many others it hits."""
    ana, bo = world.user("ana"), world.user("bo")
    give("ana")
    world.group("lbx-cityscapes-reviewers", [ana, bo])
    with pytest.raises(AssignmentRefused, match="locked by group"):  # though it was given before
        give("ana")
    recorded = len(world.audit())
    with pytest.raises(AssignmentRefused) as refused:
        give("ana", "reviewer")
    refusal, context = refused.value.refusal, refused.value.context
    assert str(refused.value) == "locked by group `lbx-cityscapes-reviewers` (rule teams, mappings/vision.yaml:11:5)"
    assert refusal.reason is LockKind.GROUP
    assert refusal.lock is not None
    assert (refusal.lock.role, refusal.lock.by[0].rule) == ("reviewer", "teams")
    ways = [(way.do, way.then, way.rule) for way in refusal.releases]
    assert ways == [
        (ReleaseKind.LEAVE_GROUP, ("labeler",), ""),
        (ReleaseKind.CHANGE_RULE, ("labeler",), "teams"),
    ]
    assert (context.revision, context.affects) == (1, {"teams": 1})
    assert len(world.audit()) == recorded
    assert states(world, hands) == [("labeler", "shadowed")]


def test_a_workspace_wide_lock_names_the_role_above(world: World, give: Give) -> None:
    """Where an admin's role overrules, no project role can be given; the rule and group of the admin are to blame."""
    ben = world.user("ben")
    world.group("Admins", [ben])
    with pytest.raises(AssignmentRefused) as refused:
        give("ben")
    assert refused.value.refusal.reason is LockKind.WORKSPACE_WIDE
    assert str(refused.value) == (
        "locked workspace-wide: Admin applies in every project and cannot be overridden in one "
        "(group `Admins` (rule admins, mappings/vision.yaml:8:5))"
    )


@pytest.mark.parametrize(
    ("groups", "change", "role", "reason", "sentence"),
    [
        ([], "users", "labeler", LockKind.RULE, "locked by rule named, mappings/vision.yaml:8:5"),
        (["Suspended"], "", "labeler", Reason.DENIED, "denied by group `Suspended` (rule suspended"),
        ([], "forbid", "labeler", Reason.MANUAL_FORBIDDEN, "manual-forbidden: the mapping forbids assignments by hand"),
        ([], "", "inactive", Reason.INACTIVE, "the user is inactive and holds nothing"),
        (["lbx-cityscapes-labelers", "Chiefs"], "conflict", "labeler", Reason.CONFLICT, "rules are in conflict here"),
    ],
)
def test_each_refusal_has_its_own_reason(
    world: World, give: Give, groups: list[str], change: str, role: str, reason: object, sentence: str
) -> None:
    """Never just locked: by a rule that names nobody's group, denied, forbidden, inactive, or rules in conflict."""
    ana = world.user("ana")
    for display in groups:
        world.group(display, [ana])
    head, rules = MAPPING.split("rules:\n")
    named = "  - {id: named, users: [ana@acme.example], projects: all, grant: {project_role: reviewer}}\n"
    leads = "  - {id: leads, groups: [Chiefs], projects: all, grant: {project_role: team_manager}}\n"
    texts = {
        "users": f"{head}rules:\n{named}{rules}",
        "forbid": f"{head}manual: {{project_role: forbid}}\nrules:\n{rules}",
        "conflict": f"{head.replace('project_role: [reviewer, labeler]', 'project_role: error')}rules:\n{rules}{leads}",
    }
    if change:
        world.apply(texts[change])
    if role == "inactive":
        world.activate(ana, False)
    before = world.grants(ana)
    with pytest.raises(AssignmentRefused) as refused:
        give("ana", "labeler")
    assert refused.value.refusal.reason is reason
    assert str(refused.value).startswith(sentence)
    assert world.grants(ana) == before


def test_a_denial_tells_its_ways_out(world: World, give: Give) -> None:
    """Leaving the group or changing the rule; what then holds is what holds without it."""
    ana = world.user("ana")
    give("ana")
    world.group("Suspended", [ana])
    with pytest.raises(AssignmentRefused) as refused:
        give("ana", "reviewer")
    ways = [(way.do, way.then) for way in refused.value.refusal.releases]
    assert ways == [(ReleaseKind.LEAVE_GROUP, ("labeler",)), (ReleaseKind.CHANGE_RULE, ("labeler",))]


def test_a_role_that_nobody_may_assign_is_refused(world: World, give: Give) -> None:
    """The platform's own words say how it is given instead."""
    world.user("ana")
    with pytest.raises(AssignmentRefused, match="not-assignable: Tenant Admin") as refused:
        give("ana", "tenant_admin", None)
    assert refused.value.refusal.reason is Reason.NOT_ASSIGNABLE


def test_an_earlier_assignment_is_shadowed_and_comes_back(world: World, hands: Assigning, give: Give) -> None:
    """A lock never erases what a hand gave: it is listed as shadowed, by what, and holds again when the lock goes."""
    ana = world.user("ana")
    give("ana")
    team = world.group("lbx-cityscapes-reviewers", [ana])
    assert world.roles(ana) == {REVIEWER}
    (row,) = hands.rows(world.id)
    assert row.standing.state == "shadowed"
    assert row.standing.lock is not None
    assert (row.standing.lock.kind, row.standing.lock.role) == (LockKind.GROUP, "reviewer")
    world.change(team, remove(ana))
    assert world.roles(ana) == {LABELER}
    assert states(world, hands) == [("labeler", "in force")]
    assert world.differing() == []


def test_it_survives_deactivation_and_ends_with_deletion(world: World, hands: Assigning, give: Give) -> None:
    """An inactive user holds nothing and keeps the record; a deleted one has none that could ever hold again."""
    ana = world.user("ana")
    give("ana")
    world.activate(ana, False)
    assert (world.roles(ana), states(world, hands)) == (set(), [("labeler", "inactive")])
    world.activate(ana, True)
    assert (world.roles(ana), states(world, hands)) == ({LABELER}, [("labeler", "in force")])
    world.provisioning.delete_user(world.okta, ana)
    assert states(world, hands) == []
    assert states(world, hands, ended=True) == [("labeler", "ended")]


def test_ending_takes_the_role_and_keeps_the_record(world: World, hands: Assigning, give: Give, take: Take) -> None:
    """Who ended it and why stays; ending again has nothing to do."""
    ana = world.user("ana")
    given = give("ana")
    ended = take("ana")
    assert [(one.id, stood.state) for one, stood in ended.ended] == [(given.assignment.id, "in force")]
    assert world.roles(ana) == set()
    (row,) = hands.rows(world.id, ended=True)
    assert (row.listed.ended_by, row.listed.ended_reason, row.standing.state) == ("os:mia", "over", "ended")
    recorded = len(world.audit())
    assert take("ana").ended == ()
    assert len(world.audit()) == recorded


def test_a_shadowed_assignment_may_be_ended(world: World, give: Give, take: Take) -> None:
    """That changes nothing now, and says so; when the lock goes, nothing comes back."""
    ana = world.user("ana")
    give("ana")
    team = world.group("lbx-cityscapes-reviewers", [ana])
    ended = take("ana")
    assert [stood.state for _, stood in ended.ended] == ["shadowed"]
    assert ended.changes == ()
    assert take("ana").ended == ()
    world.change(team, remove(ana))
    assert world.roles(ana) == set()


def test_a_rules_role_is_not_a_hands_to_take(world: World, take: Take) -> None:
    """Ending what only a rule gives is refused with the lock, not passed over."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    with pytest.raises(AssignmentRefused) as refused:
        take("ana")
    assert refused.value.refusal.reason is LockKind.GROUP
    assert world.roles(ana) == {REVIEWER}
    assert take("ana", "retail").ended == ()


def test_a_workspace_role_names_no_project(world: World, give: Give, take: Take) -> None:
    """Without a project the workspace's slots are meant, and only they are ended."""
    ana = world.user("ana")
    give("ana")
    give("ana", "Data Admin", None)
    assert ("workspace_role", "", "data_admin") in world.roles(ana)
    assert [one.role for one, _ in take("ana", None).ended] == ["data_admin"]
    assert world.roles(ana) == {LABELER}


@pytest.mark.parametrize(
    ("wanted", "message", "field"),
    [
        (Wanted("ana", "labeller", project="cityscapes"), "have no role `labeller`; did you mean `labeler`?", "role"),
        (Wanted("ana", "data_admin", project="cityscapes"), "is a role of `workspace_role`, which is held per", "role"),
        (Wanted("ana", "inherit"), "`inherit` is a role of `project_role`, which is held per project", "role"),
        (Wanted("ana", "labeler", project="cityscapes", slot="projekt_role"), "no slot `projekt_role`", "slot"),
        (Wanted("ana", "admin", slot="project_role"), "held per project: say in which project", "slot"),
    ],
)
def test_names_that_mean_nothing_are_invalid(
    world: World, hands: Assigning, wanted: Wanted, message: str, field: str
) -> None:
    """Each says which part is wrong and what may have been meant."""
    world.user("ana")
    with pytest.raises(Invalid) as refused:
        hands.assign(MIA, world.id, wanted, "x")
    assert message in str(refused.value)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        (Wanted("nobody", "labeler", project="cityscapes"), "user"),
        (Wanted("ana", "labeler", project="nowhere"), "project"),
        (Wanted("ana", "labeler", workspace="nowhere"), "workspace"),
    ],
)
def test_what_is_not_there_is_not_found(world: World, hands: Assigning, wanted: Wanted, kind: str) -> None:
    """A user, project or workspace that nobody knows."""
    world.user("ana")
    with pytest.raises(NotFound) as refused:
        hands.assign(MIA, world.id, wanted, "x")
    assert refused.value.kind == kind


def test_a_slot_that_holds_many_adds_each_role(world: World, hands: Assigning) -> None:
    """Each value is an assignment of its own, a rule locks only its own value, and ending needs to know which."""
    text = """\
workspace: wild
platform: basicai
connections: [okta]
projects: {p1: {}}
rules:
  - {id: team, groups: [Annotators], grant: {team_role: [worker]}}
  - {id: annotators, groups: [Annotators], projects: all, grant: {task_role: [annotator]}}
"""
    world.apply(**{"mappings/wild.yaml": text})
    with world.store.read() as unit:
        program = world.rulebooks.current(unit, world.id).program("wild")
    assert program is not None
    (slot,) = (slot for slot in program.project_slots if slot.holds_many)
    roles = [role.id for role in slot.roles.values() if role.assignable == "yes" and role.id != "annotator"][:2]
    ana = world.user("ana")
    world.group("Annotators", [ana])
    for role in roles:
        assert hands.assign(MIA, world.id, Wanted("ana", role, project="p1"), "x").ended == ()
    assert {role for _, _, role in world.roles(ana)} >= {"annotator", *roles}
    with pytest.raises(AssignmentRefused) as refused:
        hands.assign(MIA, world.id, Wanted("ana", "annotator", project="p1"), "x")
    assert refused.value.refusal.reason is LockKind.GROUP
    with pytest.raises(Invalid, match="several roles are given by hand"):
        hands.unassign(MIA, world.id, Wanted("ana", project="p1"), "x")
    assert len(hands.unassign(MIA, world.id, Wanted("ana", roles[0], project="p1"), "x").ended) == 1
    assert states(world, hands) == [(roles[1], "in force")]


def test_a_listing_goes_on_where_it_ended(world: World, hands: Assigning, give: Give) -> None:
    """Pages by key, none twice and none missing, for a workspace, a project or a person."""
    people = world.users(7)
    for person in people:
        give(person)
    give(people[0], "reviewer", "retail")
    seen, after = [], None
    while True:
        page = hands.listing(world.id, workspace="vision", limit=3, after=after)
        seen += [row.listed.assignment.id for row in page.rows]
        after = page.after
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 8
    assert len(list(hands.rows(world.id, project="retail"))) == 1
    assert len(list(hands.rows(world.id, user=people[0]))) == 2
    assert hands.listing(world.id, after=ManualKey("zzz", "", "")).rows == ()


def test_another_organization_is_never_seen(world: World, hands: Assigning, give: Give) -> None:
    """Neither its people nor what they were given."""
    world.user("ana")
    give("ana")
    other = World(world.store)
    other.apply()
    assert list(Assigning(world.store, other.rulebooks, other.clock).rows(other.id)) == []
    with pytest.raises(NotFound):
        hands.assign(MIA, other.id, Wanted("ana", "labeler", project="cityscapes"), "x")


def test_an_expired_assignment_is_told_as_such(world: World, hands: Assigning, give: Give) -> None:
    """It stays listed until somebody ends it."""
    world.user("ana")
    give("ana", until=date(2026, 11, 22))
    world.now += timedelta(days=3)
    assert states(world, hands) == [("labeler", "expired")]


def test_a_forgotten_mapping_leaves_the_record(world: World, hands: Assigning, give: Give, take: Take) -> None:
    """Without a file for its workspace an assignment does not hold, is told so, and can still be ended."""
    world.user("ana")
    give("ana")
    world.planning.apply(OPERATOR, world.id, {})
    assert states(world, hands) == [("labeler", "no mapping")]
    assert [stood.state for _, stood in take("ana", workspace="vision").ended] == ["no mapping"]


def test_a_blocked_assignment_is_recorded_and_says_what_it_needs(world: World, hands: Assigning) -> None:
    """Lacking a prerequisite is no refusal: it holds as soon as the person has what it needs."""
    text = """\
workspace: text
platform: label_studio
connections: [okta]
projects: {contracts: {}}
rules:
  - {id: all, groups: [Annotators], grant: {org_role: annotator}}
"""
    world.apply(**{"mappings/text.yaml": text})
    ana = world.user("ana")
    given = hands.assign(MIA, world.id, Wanted("ana", "reviewer", project="contracts"), "x")
    assert (given.new, given.standing.state) == (True, "blocked")
    group = world.group("Annotators")
    world.change(group, add(ana))
    assert ("project_role", "contracts", "reviewer") in world.roles(ana)


def test_two_hands_at_once_leave_one_role(world: World, hands: Assigning, give: Give) -> None:
    """In a slot that holds one role, whoever comes second takes the place of whoever came first."""
    ana = world.user("ana")
    roles = ["labeler", "reviewer", "team_manager", "project_lead"]
    with ThreadPoolExecutor(len(roles)) as pool:
        list(pool.map(lambda role: give("ana", role), roles))
    ((role, state),) = states(world, hands)
    assert state == "in force"
    assert world.roles(ana) == {("project_role", "cityscapes", role)}
    assert len(states(world, hands, ended=True)) == len(roles)
    assert world.differing() == []
