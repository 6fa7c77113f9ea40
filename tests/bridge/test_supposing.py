"""What if the directory were otherwise: asked of the mapping in force, nothing written. On both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from tests.bridge.worlds import MAPPING, World, add, remove, rename

from rolebridge.bridge.supposing import MOST, Supposing
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.plan import Counts, Plan

ENDING = """\
  - id: season
    groups: [Season]
    projects: [cityscapes]
    grant: {project_role: labeler}
    until: 2026-11-30
"""
GUARD = "guard: {hold_revocations: {over: 25%, and_at_least: 3}, keep: {workspace_role: {admin: 1}}}\n"


def suppose(world: World, *sentences: str) -> Plan:
    return Supposing(world.store, world.rulebooks, world.clock).plan(world.id, sentences).planned.plan


def told(plan: Plan) -> set[tuple[str, str, str, str]]:
    """Return (who, slot, before, after) of what happens now."""
    return {
        (
            one.user_name.partition("@")[0],
            one.change.slot,
            one.change.before.role if one.change.before else "",
            one.change.after.role if one.change.after else "",
        )
        for one in plan.changes
        if one.on is None and one.change.slot != "default_role"
    }


def test_joining_a_group_gives_what_its_rule_gives(world: World) -> None:
    """The person would have the role, through the group; nothing is written."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers")
    world.apply()
    recorded = len(world.audit())
    plan = suppose(world, "user ana joins group LBX-cityscapes-Reviewers")
    assert told(plan) == {("ana", "project_role", "", "reviewer")}
    assert plan.changes[-1].change.cause == "rule teams, group lbx-cityscapes-reviewers"
    assert (plan.counts, plan.differs, plan.new) == (Counts(gain=2, people=1), True, False)
    assert (world.roles(ana), len(world.audit())) == (set(), recorded)


def test_leaving_deactivation_and_deletion_take(world: World) -> None:
    """Each way to lose everything, by name, by id and with quotation marks."""
    ana = world.user("ana")
    world.group("Admins", [ana])
    world.apply()
    lost = {("ana", "workspace_role", "admin", "")}
    assert told(suppose(world, 'user "ana@acme.example" leaves group "Admins"')) == lost
    assert told(suppose(world, f"user {ana} is deactivated")) == lost
    assert told(suppose(world, "user ana has active = false")) == lost
    assert told(suppose(world, "User ana IS deleted")) == lost
    assert told(suppose(world, "user ana is active")) == set()


def test_an_attribute_may_decide(world: World) -> None:
    """A condition sees the supposed value, of a core attribute or of an extension's."""
    ana = world.user("ana", userType="Employee")
    world.group("Contractors", [ana])
    world.apply(MAPPING.replace('userType eq "Contractor"', 'userType eq "Contractor" and department eq "Ops"'))
    assert told(suppose(world, "user ana has userType = Contractor")) == set()
    both = ("user ana has userType = Contractor", 'user ana has department = "Ops"')
    assert told(suppose(world, *both)) == {("ana", "project_role", "", "inherit")}


def test_a_group_deleted_or_renamed_concerns_its_members(world: World) -> None:
    """All of them and nobody else; a new name may mean another rule."""
    people = world.users(3)
    world.group("lbx-cityscapes-reviewers", people[:2])
    world.group("Admins", people[2:])
    world.apply()
    gone = {(f"person00{n}", "project_role", "reviewer", "") for n in range(2)}
    assert told(suppose(world, "group lbx-cityscapes-reviewers is deleted")) == gone
    plan = suppose(world, "group lbx-cityscapes-reviewers is renamed to lbx-cityscapes-labelers")
    assert told(plan) == {(f"person00{n}", "project_role", "reviewer", "labeler") for n in range(2)}


def test_groups_in_groups_are_followed(world: World) -> None:
    """Who joins a group is in those above it; who leaves it, in none of them."""
    world.user("ana")
    ben = world.user("ben")
    inner = world.group("Inner", [ben])
    outer = world.group("Admins")
    world.change(outer, add(inner))
    world.apply()
    assert told(suppose(world, "user ana joins group Inner")) == {("ana", "workspace_role", "", "admin")}
    assert told(suppose(world, "user ben leaves group Inner")) == {("ben", "workspace_role", "admin", "")}
    assert told(suppose(world, "group Admins is deleted")) == {("ben", "workspace_role", "admin", "")}
    assert told(suppose(world, "group Inner is deleted")) == {("ben", "workspace_role", "admin", "")}


def test_suppositions_come_true_one_after_the_other(world: World) -> None:
    """Joining and being deactivated leaves nothing; leaving and joining again changes nothing."""
    world.group("Admins", [world.user("ana")])
    world.apply()
    world.user("ben")
    assert told(suppose(world, "user ben joins group Admins", "user ben is deactivated")) == set()
    assert told(suppose(world, "user ana leaves group Admins", "user ana joins group Admins")) == set()


def test_later_days_seats_and_guard_rails_are_told(world: World) -> None:
    """What would end later, how many seats it takes of all, and what guard rails would hold."""
    people = world.users(4)
    world.group("lbx-cityscapes-labelers", people)
    world.group("Admins", people[:1])
    world.user("ana")
    world.group("Season")
    world.apply(MAPPING + ENDING + GUARD + "seats: 4\n")
    plan = suppose(world, "user ana joins group Season")
    seats = plan.workspaces[0].seats
    assert (seats.before, seats.after, seats.limit, seats.days) == (4, 5, 4, ((date(2026, 12, 1), 4),))
    assert plan.trips == ()
    trips = suppose(world, "group lbx-cityscapes-labelers is deleted", "user person000 is deactivated").trips
    assert [str(trip) for trip in trips] == [
        "vision: 4 of 4 people (100.0%) lose a role; hold_revocations allows 25%, or fewer than 3 people",
        "vision: 0 of 1 holders of admin in workspace_role remain; keep allows no fewer than 1",
    ]


@pytest.mark.parametrize(
    ("sentence", "act"),
    [
        ("user person000 leaves group lbx-cityscapes-labelers", lambda w, g, p: w.change(g, remove(p[0]))),
        ("user person003 joins group lbx-cityscapes-labelers", lambda w, g, p: w.change(g, add(p[3]))),
        ("group lbx-cityscapes-labelers is renamed to Admins", lambda w, g, p: w.change(g, rename("Admins"))),
        ("user person001 is deactivated", lambda w, g, p: w.activate(p[1], False)),
    ],
)
def test_what_is_foreseen_is_what_happens(
    world: World, sentence: str, act: Callable[[World, str, list[str]], object]
) -> None:
    """The plan of a supposition tells exactly what the directory's change then does."""
    people = world.users(4)
    group = world.group("lbx-cityscapes-labelers", people[:3])
    world.apply()
    plan = suppose(world, sentence)
    before = {person: world.roles(person) for person in people}
    foreseen = told(plan)
    act(world, group, people)
    happened = {
        (f"person{number:03}", slot)
        for number, person in enumerate(people)
        for slot, _, _ in before[person] ^ world.roles(person)
    }
    assert {(who, slot) for who, slot, _, _ in foreseen} == happened


@pytest.mark.parametrize(
    ("sentence", "refusal"),
    [
        ("ana joins Admins", "is nothing that can be supposed: write user NAME joins group NAME"),
        ("user nobody is deactivated", "there is no user `nobody`"),
        ("user ana joins group Nobody", "there is no group `Nobody`"),
        ("user ana joins group Twins", "several groups are called `Twins`"),
        ("user ana has colour = red", "unknown attribute"),
        ("user ana has emails = x", "holds several values"),
        ("user ana has active = maybe", "neither `true` nor `false`"),
        ("user ana has userType eq x = y", "is nothing that can be supposed"),
        ("user ana joins group " + "x" * 5_000, "too long"),
    ],
)
def test_what_cannot_be_understood_is_refused(world: World, sentence: str, refusal: str) -> None:
    """Each with its own words."""
    world.user("ana")
    world.group("Twins")
    world.group("Twins", (), world.entra)
    with pytest.raises((Invalid, NotFound)) as refused:
        suppose(world, sentence)
    assert refusal in str(refused.value)


def test_not_too_much_is_supposed_at_once(world: World) -> None:
    """Nothing, or more than twenty sentences, is refused."""
    world.user("ana")
    for sentences in ((), ("user ana is deleted",) * (MOST + 1)):
        with pytest.raises(Invalid, match="suppose between 1 and 20"):
            suppose(world, *sentences)


def test_another_organization_s_people_are_not_found(world: World) -> None:
    """Names mean users and groups of the organization alone."""
    other = World(world.store)
    other.user("eve")
    with pytest.raises(NotFound):
        suppose(world, "user eve is deleted")
