"""Guard rails while the directory changes: what is past the limit is held, whoever is gone is not."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.bridge.worlds import MAPPING, OPERATOR, World, add, remove, rename

from rolebridge.bridge import resolving
from rolebridge.bridge.adopting import Adopting, Selection
from rolebridge.core.directory import GroupChange, MemberAction, MemberStep
from rolebridge.core.guardrails import GuardKind
from rolebridge.store.holds import HoldKind, OpenHold

GUARD = "guard: {hold_revocations: {over: 25%, and_at_least: 4}, keep: {workspace_role: {admin: 1}}}\n"
GUARDED = MAPPING + GUARD
REVIEWER = ("project_role", "cityscapes", "reviewer")
ADMIN = ("workspace_role", "", "admin")


def team(world: World, count: int, display: str = "lbx-cityscapes-reviewers") -> tuple[list[str], str]:
    """Return people and the group that they are all in."""
    people = world.users(count)
    return people, world.group(display, people)


def holds(world: World) -> list[OpenHold]:
    with world.store.read() as unit:
        return unit.holds(world.id).listing(limit=10_000)


def held(world: World) -> set[str]:
    return {one.hold.user_id for one in holds(world) if one.hold.kind is HoldKind.REVOCATION}


def reviewers(world: World, people: Sequence[str]) -> list[str]:
    return [person for person in people if REVIEWER in world.roles(person)]


def kinds(world: World, subject: str | None = None) -> list[str]:
    return [entry.kind for entry in world.audit(subject)]


def test_a_group_emptied_person_by_person_is_held_past_the_limit(world: World) -> None:
    """Of twenty people the first five lose their role (a quarter); the others keep it, and so does the record."""
    world.apply(GUARDED)
    people, group = team(world, 20)
    for person in people:
        world.change(group, remove(person))
    assert reviewers(world, people) == people[5:]
    assert held(world) == set(people[5:])
    since = [grant.held_since for grant in world.grants(people[5]) if grant.slot == "project_role"]
    assert since != [None]
    assert world.differing() == []


def test_a_hold_says_what_brought_it_about(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The limit, the request and its cause are in the hold; the log and the workspace's audit are told once."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    with caplog.at_level(logging.WARNING, "rolebridge.bridge"):
        for person in people[:6]:
            world.change(group, remove(person))
    first = min(holds(world), key=lambda one: one.hold.since)
    assert first.hold.guard is GuardKind.HOLD_REVOCATIONS
    assert first.hold.actual == "4 of 10 people (40.0%) lose a role"
    assert first.hold.limit == "25%, or fewer than 4 people"
    assert (first.hold.actor, first.hold.request_id) == ("connection:okta", "request-okta")
    assert first.hold.cause == "group `lbx-cityscapes-reviewers`: 1 removed"
    assert first.user_name == "person003@acme.example"
    assert kinds(world).count("guard.tripped") == 1
    assert kinds(world).count("hold.began") == 3
    (record,) = caplog.records
    assert record.getMessage() == (
        "guard rail: vision: 4 of 10 people (40.0%) lose a role; hold_revocations allows 25%, or fewer than 4 people; "
        "what goes past it is held (request request-okta)"
    )


def test_when_the_membership_returns_everything_is_as_before(world: World) -> None:
    """Every grant is what it was but for the new membership's date, and no hold is left."""
    world.apply(GUARDED)
    people, group = team(world, 20)
    before = [world.roles(person) for person in people]
    for person in people:
        world.change(group, remove(person))
    for person in people:
        world.change(group, add(person))
    assert [world.roles(person) for person in people] == before
    assert holds(world) == []
    assert not [grant for person in people for grant in world.grants(person) if grant.held_since]
    ended = [entry for entry in world.audit(people[19]) if entry.kind == "hold.ended"]
    assert [entry.reason for entry in ended] == ["what was held is given again"]
    assert world.differing() == []


def test_people_who_have_back_what_they_lost_do_not_count_any_more(world: World) -> None:
    """After an emptied group is full again, a single person can leave it at once."""
    world.apply(GUARDED)
    people, group = team(world, 20)
    for change in (remove, add):
        for person in people:
            world.change(group, change(person))
    for person in people[:5]:
        world.change(group, remove(person))
    assert holds(world) == []
    assert reviewers(world, people) == people[5:]


def test_one_request_that_crosses_the_limit_is_held_as_a_whole(world: World) -> None:
    """Whoever replaces all members by nobody takes nothing from anybody."""
    world.apply(GUARDED)
    people, group = team(world, 20)
    world.change(group, GroupChange(steps=(MemberStep(MemberAction.REPLACE, ()),)))
    assert reviewers(world, people) == people
    assert held(world) == set(people)
    assert world.differing() == []


def test_a_request_larger_than_what_is_read_at_once_is_judged_as_a_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No part of a large request is written before all of it was seen."""
    monkeypatch.setattr(resolving, "_CHUNK", 3)
    world.apply(GUARDED)
    people, group = team(world, 20)
    world.change(group, remove(*people))
    assert held(world) == set(people)
    assert world.differing() == []


@pytest.mark.parametrize("how", ["delete", "rename"])
def test_a_deleted_or_renamed_group_takes_nothing_away_past_the_limit(world: World, how: str) -> None:
    """What a group gave its members stays, though there is no such group any more."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    if how == "delete":
        world.provisioning.delete_group(world.okta, group)
    else:
        world.change(group, rename("Book club"))
    assert reviewers(world, people) == people
    assert held(world) == set(people)
    assert world.differing() == []


def test_up_to_the_limit_everything_takes_effect(world: World) -> None:
    """Three of twelve are a quarter, and fewer than four."""
    world.apply(GUARDED)
    people, group = team(world, 12)
    world.change(group, remove(*people[:3]))
    assert reviewers(world, people) == people[3:]
    assert holds(world) == []


def test_the_window_slides(world: World) -> None:
    """After an hour what was lost is forgotten, and the next ones may go; what is held stays held."""
    world.apply(GUARDED)
    people, group = team(world, 20)
    for person in people[:7]:
        world.change(group, remove(person))
    assert held(world) == set(people[5:7])
    world.now += timedelta(minutes=61)
    for person in people[7:10]:
        world.change(group, remove(person))
    assert held(world) == set(people[5:7])
    assert reviewers(world, people) == [*people[5:7], *people[10:]]


def test_whoever_is_deactivated_or_deleted_loses_everything_at_once(world: World) -> None:
    """Past the limit, too, the roles of those who are gone are empty; only telling the platform waits."""
    world.apply(GUARDED)
    people, _ = team(world, 20)
    for person in people[:6]:
        world.activate(person, False)
    for person in people[6:8]:
        world.provisioning.delete_user(world.okta, person)
    assert [world.grants(person) for person in people[:8]] == [[]] * 8
    found = [one.hold for one in holds(world)]
    assert [hold.user_id for hold in found] == sorted(people[5:8])
    assert {hold.kind for hold in found} == {HoldKind.DELIVERY}
    with world.store.read() as unit:
        waiting = [unit.holds(world.id).withheld(hold.id) for hold in found]
    assert [len(one) for one in waiting] == [2, 2, 2]  # the role, and the default beside it


def test_whoever_is_gone_does_not_make_others_held(world: World) -> None:
    """A wave of leavers is no reason to hold somebody's move to another team."""
    world.apply(GUARDED)
    people, group = team(world, 20)
    for person in people[:10]:
        world.activate(person, False)
    world.change(group, remove(people[19]))
    assert held(world) == set()
    assert REVIEWER not in world.roles(people[19])


def test_a_held_person_who_is_deactivated_has_nothing(world: World) -> None:
    """Deactivation ends a hold; when they are back the hold is not."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    world.change(group, remove(*people))
    world.activate(people[0], False)
    assert world.grants(people[0]) == []
    assert held(world) == set(people[1:])
    world.activate(people[0], True)
    assert world.roles(people[0]) == set()
    assert world.differing() == []


def test_deliveries_about_somebody_who_is_back_are_dropped_unless_still_true(world: World) -> None:
    """Nothing tells the platform to take away what they have again; what they lost for good is told."""
    mapping = GUARDED.replace("4}", "1}").replace("25%", "1%")
    world.apply(mapping)
    people, _ = team(world, 2)
    labelers = world.group("lbx-retail-labelers", people)
    world.activate(people[0], False)
    (hold,) = [one.hold for one in holds(world)]
    with world.store.read() as unit:
        assert len(unit.holds(world.id).withheld(hold.id)) == 3
    world.change(labelers, remove(people[0]))  # inactive: nothing changes yet
    world.activate(people[0], True)
    assert holds(world) == []
    with world.store.read() as unit:
        never = [json.loads(payload)["before"] for _, payload in unit.holds(world.id).withheld(hold.id)]
    assert sorted(never) == ["labeler", "reviewer"]  # the default role and the team; labeler in retail is told


def test_a_denial_is_never_held(world: World) -> None:
    """Whoever is put into a group that a deny rule names loses everything, also what is held."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    suspended = world.group("Suspended")
    world.change(group, remove(*people))
    world.change(suspended, add(*people))
    assert reviewers(world, people) == []
    assert holds(world) == []
    assert world.differing() == []


def test_a_role_given_otherwise_ends_the_hold(world: World) -> None:
    """A new group that fills the slot decides, as it would without the hold."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    world.change(group, remove(*people))
    world.group("lbx-cityscapes-labelers", people[:1])
    assert world.roles(people[0]) == {("project_role", "cityscapes", "labeler")}
    assert held(world) == set(people[1:])


def test_a_held_admin_stays_an_admin_everywhere(world: World) -> None:
    """A workspace-wide role that is held overrules project roles as before."""
    world.apply(GUARDED)
    people, admins = team(world, 6, "Admins")
    world.group("lbx-cityscapes-reviewers", people[:1])
    before = {person: world.roles(person) for person in people}
    assert before[people[0]] == {ADMIN}
    world.change(admins, remove(*people))
    assert {person: world.roles(person) for person in people} == before


def test_the_last_admin_is_kept(world: World) -> None:
    """`keep` holds the removal that would leave nobody, below any share of people."""
    world.apply(GUARDED)
    team(world, 40)
    people = [world.user("ana"), world.user("ben")]
    admins = world.group("Admins", people)
    world.change(admins, remove(people[0]))
    world.change(admins, remove(people[1]))
    assert [ADMIN in world.roles(person) for person in people] == [False, True]
    (hold,) = [one.hold for one in holds(world)]
    assert (hold.guard, hold.user_id) == (GuardKind.KEEP, people[1])
    assert hold.actual == "0 of 1 holders of admin in workspace_role remain"


def test_keep_alerts_where_it_may_not_hold(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The last admin's account is deactivated: the role goes, and the log and the audit say what that means."""
    world.apply(GUARDED)
    team(world, 40)
    ana = world.user("ana")
    world.group("Admins", [ana])
    with caplog.at_level(logging.WARNING, "rolebridge.bridge"):
        world.activate(ana, False)
    assert world.grants(ana) == []
    assert "0 of 1 holders of admin in workspace_role remain; keep allows no fewer than 1" in caplog.text
    (entry,) = [entry for entry in world.audit() if entry.kind == "guard.passed"]
    assert (entry.subject_kind, entry.subject_id) == ("workspace", "vision")


def test_attributes_that_change_count_and_take_effect(world: World) -> None:
    """Only what takes people out of groups is held; but who lost something by other ways counts."""
    world.apply(GUARDED)
    contractors = [world.user(f"c{number}", userType="Contractor") for number in range(4)]
    world.group("Contractors", contractors)
    people, group = team(world, 8)
    for person in contractors:
        world.provisioning.change_user(
            world.okta,
            person,
            lambda draft: type(draft)(
                draft.user_name, None, None, {"userName": draft.user_name, "userType": "Employee"}
            ),
        )
    assert [world.roles(person) for person in contractors] == [set()] * 4
    world.change(group, remove(people[0]))
    assert held(world) == {people[0]}


def test_a_mapping_without_its_rule_ends_the_hold(world: World) -> None:
    """What no rule of the mapping gives any more is not kept, also for those whose revocation was held."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    world.change(group, remove(*people))
    world.apply(GUARDED.replace("  - id: teams\n", "  - id: crews\n"), force="teams are crews now")
    assert reviewers(world, people) == []
    assert holds(world) == []
    assert world.differing() == []


def test_a_mapping_that_still_has_the_rule_leaves_the_hold(world: World) -> None:
    """An apply is no person's word on what an identity provider did."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    world.change(group, remove(*people))
    world.apply("# reviewed\n" + GUARDED)
    assert held(world) == set(people)
    assert world.differing() == []


def test_without_guard_rails_nothing_is_counted(world: World) -> None:
    """A mapping without `guard` lets everything take effect and keeps no window."""
    world.apply()
    people, group = team(world, 10)
    world.change(group, remove(*people))
    assert reviewers(world, people) == []
    with world.store.read() as unit:
        assert unit.holds(world.id).window("vision") is None


def test_requests_at_the_same_moment_do_not_slip_past(world: World) -> None:
    """Of twenty removals in parallel exactly five take effect, on four threads of two processes' use cases."""
    world.apply(GUARDED)
    people, group = team(world, 20)
    worlds = [World.of(world) for _ in range(4)]

    def leave(numbered: tuple[int, str]) -> None:
        number, person = numbered
        worlds[number % 4].change(group, remove(person))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(leave, enumerate(people)))
    assert len(reviewers(world, people)) == 15
    assert held(world) == set(reviewers(world, people))
    assert world.differing() == []


def test_different_groups_count_together(world: World) -> None:
    """The window is the workspace's: five leave one group and the next one of another group is held."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    others = [world.user(f"other{number}") for number in range(10)]
    labelers = world.group("lbx-retail-labelers", others)
    for person in people[:5]:
        world.change(group, remove(person))
    world.change(labelers, remove(others[0]))
    assert held(world) == {others[0]}


def test_moving_users_to_another_connection_goes_through_the_same_guard_rails(world: World) -> None:
    """Who is adopted by a connection that the mapping does not trust keeps, past the limit, what is held."""
    world.apply(GUARDED)
    people, _ = team(world, 10)
    adopting = Adopting(world.store, world.rulebooks, world.clock)
    source, target = (world.administration.connection(world.organization, name) for name in ("okta", "entra"))
    adopting.adopt(OPERATOR, source, target, Selection(everything=True), reason="merger")
    assert reviewers(world, people) == people
    assert held(world) == set(people)


def test_holds_and_held_grants_belong_together(world: World) -> None:
    """A hold that keeps nothing, and a grant that no hold keeps, are found."""
    world.apply(GUARDED)
    people, group = team(world, 10)
    world.change(group, remove(*people))

    def problems() -> list[str]:
        with world.store.read(snapshot=True) as unit:
            return [found.problem for found in unit.checks(world.id).problems()]

    assert problems() == []
    world.store.transact(lambda unit: unit.holds(world.id).unhold(people[0], "vision"))
    assert problems() == ["1 open holds keep no grant"]
    (hold,) = [one.hold for one in holds(world) if one.hold.user_id == people[1]]
    world.store.transact(lambda unit: unit.holds(world.id).remove(hold.id))
    assert sorted(problems()) == ["1 grants are held without an open hold", "1 open holds keep no grant"]


def test_what_is_undone_is_not_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A preview of a move that would be held leaves no line in the log, and no hold."""
    world.apply(GUARDED)
    team(world, 10)
    adopting = Adopting(world.store, world.rulebooks, world.clock)
    source, target = (world.administration.connection(world.organization, name) for name in ("okta", "entra"))
    with caplog.at_level(logging.WARNING, "rolebridge.bridge"):
        adopting.preview(OPERATOR, source, target, Selection(everything=True))
    assert caplog.records == []
    assert holds(world) == []
