"""Plans: what an apply would do, bound to it by a digest; rollbacks; revisions. On both databases."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.bridge.worlds import MAPPING, OPERATOR, World, add, remove

from rolebridge.bridge.planning import Applied, DigestNeeded, GuardTripped, PlanMoved, Planned, Planning
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.guardrails import GuardKind
from rolebridge.core.plan import ChangeKind, Counts, FileFate, Moved, OnDay, Turn, Undeclared

NAME = "mappings/vision.yaml"
LABELER = ("project_role", "cityscapes", "labeler")
REVIEWER = ("project_role", "cityscapes", "reviewer")
GUARDED = MAPPING + "guard: {hold_revocations: {over: 25%, and_at_least: 3}}\n"
ENDING = """\
  - id: season
    groups: [Season]
    projects: [cityscapes]
    grant: {project_role: labeler}
    until: 2026-11-30
"""
SWAPPED = MAPPING.replace("reviewers: reviewer, labelers: labeler", "reviewers: labeler, labelers: labeler")


def plan(world: World, mapping: str = MAPPING, **files: str) -> Planned:
    return world.planning.plan(world.id, {NAME: mapping, **files})


def apply(world: World, mapping: str, digest: str | None, force: str = "") -> Applied:
    return world.planning.apply(OPERATOR, world.id, {NAME: mapping}, digest=digest, force_reason=force)


def test_a_plan_writes_nothing_and_an_apply_does_what_it_said(world: World) -> None:
    """The plan of an apply and the apply have one digest and the same changes."""
    people = world.users(3)
    world.group("lbx-cityscapes-reviewers", people)
    world.apply()
    recorded = len(world.audit())
    planned = plan(world, SWAPPED).plan
    assert planned.counts == Counts(change=3, people=3)
    assert planned.new
    assert (world.roles(people[0]), len(world.audit())) == ({REVIEWER}, recorded)
    applied = apply(world, SWAPPED, planned.digest)
    assert applied.plan == planned
    assert [world.roles(person) for person in people] == [{LABELER}] * 3
    assert world.differing() == []


def test_a_plan_tells_rules_people_and_reasons(world: World) -> None:
    """Every change has the rule with its place; a rule its turns."""
    ana, ben = world.user("ana"), world.user("ben")
    world.group("lbx-cityscapes-reviewers", [ana])
    world.group("Admins", [ben])
    world.apply()
    changed = SWAPPED.replace("[Admins]", "[Chiefs]")
    found = plan(world, changed).plan
    (workspace,) = found.workspaces
    assert [(rule.rule, rule.place) for rule in workspace.rules] == [
        ("", ""),
        ("admins", f"{NAME}:8:5"),
        ("teams", f"{NAME}:11:5"),
    ]
    assert workspace.rules[2].turns == (Turn("project_role", "reviewer", "labeler", 1),)
    told = {
        (one.user_name, one.change.kind, one.change.slot, one.place, one.change.cause)
        for one in found.changes
        if one.change.slot != "default_role"
    }
    assert told == {
        (
            "ana@acme.example",
            ChangeKind.CHANGE,
            "project_role",
            f"{NAME}:11:5",
            "rule teams, group lbx-cityscapes-reviewers",
        ),
        (
            "ben@acme.example",
            ChangeKind.LOSE,
            "workspace_role",
            f"{NAME}:8:5",
            "rule admins does not give it any more",
        ),
    }


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("  - id: teams", '  - id: teams\n    when: userType eq "Employee"', "rule teams: condition false"),
        ("  - id: teams", "  - id: teams\n    from: 2026-12-01", "rule teams: not yet: begins on 2026-12-01"),
        ("[Suspended]", "[lbx-cityscapes-reviewers]", f"rule teams: denied: rule suspended ({NAME}:21:5)"),
        ("  - id: teams", "  - id: teams\n    until: 2026-11-20", "rule teams: expired: ended with 2026-11-20"),
    ],
)
def test_a_loss_has_its_reason(world: World, old: str, new: str, cause: str) -> None:
    """Why somebody loses a role: the claim's own reason, or that the rule is gone."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    world.apply()
    changes = plan(world, MAPPING.replace(old, new)).plan.changes
    assert [one.change.cause for one in changes if one.change.slot == "project_role" and one.on is None] == [cause]


def test_a_rule_or_a_workspace_that_is_gone_is_the_reason(world: World) -> None:
    """What only the old files had is told with its place there."""
    world.group("Admins", [world.user("ben")])
    world.apply()
    start, end = MAPPING.index("  - id: admins"), MAPPING.index("  - id: teams")
    (lost,) = (one for one in plan(world, MAPPING[:start] + MAPPING[end:]).plan.changes if one.change.rule)
    assert (lost.change.cause, lost.place) == ("rule admins is gone", f"{NAME}:8:5 of revision 1")
    (lost,) = (one for one in world.planning.plan(world.id, {}).plan.changes if one.change.rule)
    assert lost.change.cause == "no mapping file speaks of the workspace"


def test_the_same_inputs_give_the_same_plan(world: World) -> None:
    """Digest and all else are equal, also in another process; the clock is in none of it but for the day."""
    people = world.users(5)
    world.group("lbx-cityscapes-reviewers", people)
    world.apply()
    world.now += timedelta(hours=3)
    first = plan(world, SWAPPED).plan
    assert plan(World.of(world), SWAPPED).plan == first


def test_nothing_to_do_is_said(world: World) -> None:
    """The files in force are no plan; a comment is one, though it changes nobody."""
    world.apply()
    found = plan(world).plan
    assert (found.new, found.differs, found.base_revision) == (False, False, 1)
    commented = plan(world, "# why\n" + MAPPING).plan
    assert (commented.new, commented.differs, commented.counts) == (True, True, Counts())
    assert commented.files == ((NAME, FileFate.CHANGED),)


def test_an_apply_refuses_when_the_directory_has_moved(world: World) -> None:
    """Somebody who joined after the plan was made stops it; nothing is written."""
    ana, ben = world.user("ana"), world.user("ben")
    group = world.group("lbx-cityscapes-reviewers", [ana])
    world.apply()
    digest = plan(world, SWAPPED).plan.digest
    world.change(group, add(ben))
    with pytest.raises(PlanMoved) as refused:
        apply(world, SWAPPED, digest)
    assert refused.value.moved == (Moved.DIRECTORY,)
    assert refused.value.digest == plan(world, SWAPPED).plan.digest
    assert world.roles(ana) == {REVIEWER}
    world.change(group, remove(ben))
    assert apply(world, SWAPPED, digest).revision == 2


def test_an_apply_refuses_other_files_and_another_base(world: World) -> None:
    """What moved is told: the files, the revision in force, or both."""
    world.apply()
    digest = plan(world, SWAPPED).plan.digest
    with pytest.raises(PlanMoved) as refused:
        apply(world, SWAPPED + "# more\n", digest)
    assert refused.value.moved == (Moved.FILES,)
    world.apply("# another\n" + MAPPING)
    with pytest.raises(PlanMoved) as refused:
        apply(world, SWAPPED, digest)
    assert refused.value.moved == (Moved.REVISION,)
    with pytest.raises(PlanMoved) as refused:
        apply(world, MAPPING, digest)
    assert refused.value.moved == (Moved.FILES, Moved.REVISION)


def test_what_moves_without_touching_the_plan_is_no_reason_to_refuse(world: World) -> None:
    """A user and a group that no rule speaks of change nothing that was reviewed."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    world.apply()
    digest = plan(world, SWAPPED).plan.digest
    world.group("Book club", [world.user("zoe")])
    assert apply(world, SWAPPED, digest).revision == 2


def test_a_digest_that_is_none_is_refused(world: World) -> None:
    """Sixty-four hexadecimal digits, nothing else."""
    with pytest.raises(Invalid, match="64 hexadecimal digits"):
        apply(world, MAPPING, "abc")


def test_an_installation_may_ask_for_a_digest(world: World) -> None:
    """Where only reviewed plans are applied, an apply and a rollback without a digest are refused."""
    strict = Planning(world.store, world.rulebooks, world.clock, needs_digest=True)
    with pytest.raises(DigestNeeded):
        strict.apply(OPERATOR, world.id, {NAME: MAPPING})
    with pytest.raises(DigestNeeded):
        strict.rollback(OPERATOR, world.id)
    digest = strict.plan(world.id, {NAME: MAPPING}).plan.digest
    assert strict.apply(OPERATOR, world.id, {NAME: MAPPING}, digest=digest).revision == 1


def test_a_plan_says_what_later_days_bring(world: World) -> None:
    """A rule that ends: nobody loses anything now, and on the day after its last one its people do."""
    people = world.users(4)
    world.group("Season", people)
    world.apply(MAPPING + ENDING.replace("2026-11-30", "2027-03-31"))
    found = plan(world, GUARDED.replace("guard:", ENDING + "guard:")).plan
    (workspace,) = found.workspaces
    season = next(rule for rule in workspace.rules if rule.rule == "season")
    assert season.now == Counts(provenance=4)
    assert season.days == (OnDay(date(2026, 12, 1), Counts(lose=4, people=4), 0, ("cityscapes",), 0),)
    assert (workspace.seats.before, workspace.seats.after, workspace.seats.days) == (4, 4, ((date(2026, 12, 1), 0),))
    assert [(day, trip.kind, trip.count) for day, trip in found.later_trips] == [
        (date(2026, 12, 1), GuardKind.HOLD_REVOCATIONS, 4)
    ]
    assert found.trips == ()
    assert {(one.on, one.change.cause) for one in found.changes if one.change.rule} == {
        (date(2026, 12, 1), "rule season: expired: ended with 2026-11-30")
    }


def test_what_was_to_come_anyway_is_told_as_such(world: World) -> None:
    """A change of a later day that the revision in force brings too is no doing of the candidate."""
    world.group("Season", world.users(2))
    world.apply(MAPPING + ENDING)
    found = plan(world, "# a comment\n" + MAPPING + ENDING).plan
    (day,) = found.workspaces[0].days
    assert (day.counts.felt, day.known) == (4, 4)
    assert all(one.known for one in found.changes)


def test_an_assignment_by_hand_that_ends_is_foreseen(world: World) -> None:
    """Manual ends belong to the plan as the ends of rules do."""
    held = (world.user("ana"), "vision", "project_role", "cityscapes", "labeler")
    record = ManualAssignment("m1", *held, by="mia", at=world.clock(), until=date(2026, 12, 24))
    world.store.transact(lambda unit: unit.grants(world.id).add_manual(record))
    found = plan(world).plan
    assert found.workspaces[0].days[0].day == date(2026, 12, 25)
    assert found.counts == Counts(gain=2, people=1)


def test_a_guard_rail_shows_in_the_plan_and_stops_the_apply(world: World) -> None:
    """The plan names the trip; with a reason the digest still binds."""
    world.group("lbx-cityscapes-labelers", world.users(4))
    world.apply(GUARDED)
    drastic = GUARDED.replace("labelers: labeler", "labeleers: labeler")
    planned = plan(world, drastic).plan
    assert [trip.count for trip in planned.trips] == [4]
    with pytest.raises(GuardTripped):
        apply(world, drastic, planned.digest)
    assert apply(world, drastic, planned.digest, "season is over").forced == planned.trips


def test_undeclared_projects_are_listed(world: World) -> None:
    """A group whose name fits a pattern but for a project that nobody declared is named, with the rule."""
    world.group("LBX-Dashcam-reviewers")
    world.group("lbx-cityscapes-reviewers")
    world.group("lbx-dashcam-reviewers", (), world.entra)  # a connection that the file does not trust
    world.group("lbx-dashcam-unknown")
    found = plan(world).plan
    assert found.undeclared == (Undeclared("vision", "Dashcam", "LBX-Dashcam-reviewers", "teams", f"{NAME}:11:5"),)


def test_seats_have_the_limit_of_the_file(world: World) -> None:
    """`seats` of a mapping file is what its workspace may hold."""
    world.group("lbx-cityscapes-labelers", world.users(2))
    seats = plan(world, MAPPING + "seats: 1\n").plan.workspaces[0].seats
    assert (seats.before, seats.after, seats.limit) == (0, 2, 1)


def test_a_rollback_applies_the_files_before(world: World) -> None:
    """The revision before the last is in force again, as a new one that says what it restores."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    world.apply()
    world.apply(SWAPPED)
    assert world.roles(ana) == {LABELER}
    planned = world.planning.plan_rollback(world.id, 1).plan
    applied = world.planning.rollback(OPERATOR, world.id, digest=planned.digest, reason="a slip")
    assert (applied.revision, applied.restores, applied.plan.digest) == (3, 1, planned.digest)
    assert world.roles(ana) == {REVIEWER}
    newest, *_ = world.planning.revisions(world.id)
    assert (newest.number, newest.reason, newest.carried_out.restores) == (3, "a slip", 1)
    assert newest.carried_out.counts["change"] == 1
    assert [entry.kind for entry in world.audit() if entry.kind.startswith("mapping.")] == [
        "mapping.rolled-back",
        "mapping.applied",
        "mapping.applied",
    ]


def test_a_rollback_to_what_never_was_is_refused(world: World) -> None:
    """There is nothing before the first revision, and no revision with a number not yet given."""
    with pytest.raises(NotFound):
        world.planning.rollback(OPERATOR, world.id)
    world.apply()
    for number in (None, 0, 2, 2**70):
        with pytest.raises(NotFound):
            world.planning.rollback(OPERATOR, world.id, number)


def test_a_rollback_is_guarded(world: World) -> None:
    """Guard rails hold for the way back too."""
    people = world.users(4)
    world.group("lbx-cityscapes-labelers", people)
    world.apply(GUARDED.replace("labelers: labeler", "labeleers: labeler"))
    world.apply(GUARDED)
    with pytest.raises(GuardTripped):
        world.planning.rollback(OPERATOR, world.id)
    assert world.roles(people[0]) == {LABELER}


def test_revisions_are_listed_newest_first_by_pages(world: World) -> None:
    """Each with what it did; a revision of another organization is not among them."""
    World(world.store).apply()
    for number in range(3):
        world.apply(f"# {number}\n" + MAPPING)
    assert [one.number for one in world.planning.revisions(world.id, limit=2)] == [3, 2]
    assert [one.number for one in world.planning.revisions(world.id, before=2)] == [1]
    revision, files = world.planning.revision(world.id, 2)
    assert (revision.number, files) == (2, {NAME: "# 1\n" + MAPPING})
    with pytest.raises(NotFound):
        world.planning.revision(world.id, 4)


def test_files_are_compared_with_the_revision_in_force(world: World) -> None:
    """Which files differ, and from which revision."""
    world.apply()
    found = world.planning.difference(world.id, {NAME: SWAPPED, "mappings/new.yaml": ""})
    assert found.revision == 1
    assert found.differing == (("mappings/new.yaml", FileFate.ADDED), (NAME, FileFate.CHANGED))


def test_a_plan_keeps_as_many_changes_as_are_asked_for(world: World) -> None:
    """A few of each workspace by default, all on demand; `told` hears of every one in the order of ids."""
    world.group("lbx-cityscapes-labelers", world.users(30))
    assert len(plan(world).plan.changes) == 20
    assert plan(world).plan.total == 60
    heard: list[str] = []
    found = world.planning.plan(
        world.id, {NAME: MAPPING}, shown=None, told=lambda one: heard.append(one.change.user_id)
    )
    assert len(found.plan.changes) == len(heard) == 60
    assert heard == sorted(heard)
