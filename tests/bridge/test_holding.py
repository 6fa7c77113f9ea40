"""Holds listed, released and discarded; and acts that take two people."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.bridge.worlds import MAPPING, OPERATOR, World, add, remove

from rolebridge.bridge.approvals import Act, ApprovalNeeded, Approvals, SamePerson
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.holding import Chosen, HeldRole, Holds, NotKept
from rolebridge.bridge.planning import GuardTripped, Planning
from rolebridge.core.assignment import Source
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.store.unit import Unit

GUARDED = MAPPING + "guard: {hold_revocations: {over: 25%, and_at_least: 4}}\n"
REVIEWER = ("project_role", "cityscapes", "reviewer")
NOA = Operator("os:noa", "command-2")
EVERYTHING = Chosen(everything=True)


def holds_of(world: World, *, four_eyes: bool = False) -> Holds:
    return Holds(world.store, world.rulebooks, world.clock, approvals_of(world, four_eyes=four_eyes))


def approvals_of(world: World, *, four_eyes: bool = True) -> Approvals:
    return Approvals(world.store, world.clock, needed=four_eyes)


@pytest.fixture
def emptied(world: World) -> list[str]:
    """Ten people whose group was emptied at once, so that all of them are held; their group is the last."""
    world.apply(GUARDED)
    people = world.users(10)
    group = world.group("lbx-cityscapes-reviewers", people)
    world.change(group, remove(*people))
    return [*people, group]


def test_a_listing_tells_whose_roles_are_held(world: World, emptied: list[str]) -> None:
    """Page by page, in the order of their ids, each with what is held."""
    holds = holds_of(world)
    first = holds.listing(world.id, limit=6)
    rest = holds.listing(world.id, limit=6, after=first.after)
    rows = [*first.rows, *rest.rows]
    assert rest.after is None
    assert [row.hold.user_id for row in rows] == sorted(emptied[:-1])
    assert {row.roles for row in rows} == {(HeldRole("project_role", "cityscapes", "reviewer"),)}
    assert holds.hold(world.id, rows[0].hold.id) == rows[0]


def test_a_listing_can_be_of_one_person_or_workspace(world: World, emptied: list[str]) -> None:
    """By the name that people use; who is unknown is told, a workspace without holds is empty."""
    holds = holds_of(world)
    (row,) = holds.listing(world.id, user="person004").rows
    assert row.user_name == "person004@acme.example"
    assert len(holds.listing(world.id, workspace="vision").rows) == 10
    assert holds.listing(world.id, workspace="elsewhere").rows == ()
    with pytest.raises(NotFound, match="no user `nobody`"):
        holds.listing(world.id, user="nobody")
    with pytest.raises(NotFound, match="no hold `x`"):
        holds.hold(world.id, "x")


def test_nobody_sees_or_settles_holds_of_another_organization(world: World, emptied: list[str]) -> None:
    """The same ids mean nothing there."""
    other = World(world.store)
    (row, *_) = holds_of(world).listing(world.id).rows
    assert holds_of(other).listing(other.id).rows == ()
    with pytest.raises(NotFound, match="no hold"):
        holds_of(other).release(OPERATOR, other.id, Chosen(ids=(row.hold.id,)), reason="mine")
    assert len(holds_of(world).listing(world.id).rows) == 10


def test_released_the_revocation_takes_effect(world: World, emptied: list[str]) -> None:
    """The role goes, and the record says who let it go and why."""
    settled = holds_of(world).release(OPERATOR, world.id, Chosen(user="person000"), reason="they did leave")
    assert [one.hold.user_id for one in settled.holds] == [emptied[0]]
    assert {change.kind for change in settled.changes} == {"lose"}
    assert world.roles(emptied[0]) == set()
    assert len(holds_of(world).listing(world.id).rows) == 9
    kinds = {entry.kind: entry for entry in reversed(world.audit(emptied[0]))}
    assert (kinds["hold.released"].actor, kinds["hold.released"].reason) == ("os:mia", "they did leave")
    assert kinds["grants.changed"].reason == "hold released: they did leave"
    assert [row.kind for row in world.outbox()[-2:]] == ["grant.lose", "grant.lose"]
    assert world.differing() == []


def test_all_can_be_released_and_count_for_nothing(world: World, emptied: list[str]) -> None:
    """A person's decision is no mass mistake: the next removal is not held because of it."""
    holds_of(world).release(OPERATOR, world.id, EVERYTHING, reason="the team is dissolved")
    assert [world.roles(person) for person in emptied[:-1]] == [set()] * 10
    others = [world.user(f"other{number}") for number in range(8)]
    group = world.group("lbx-retail-labelers", others)
    world.change(group, remove(others[0]))
    assert holds_of(world).listing(world.id).rows == ()


def test_discarded_the_role_is_kept_by_hand(world: World, emptied: list[str]) -> None:
    """The person keeps it in the name of who decided that, to the day that was said; a group decides again later."""
    until = date(2026, 12, 31)
    holds_of(world).discard(OPERATOR, world.id, Chosen(user="person000"), reason="Okta's mistake", until=until)
    (grant,) = [grant for grant in world.grants(emptied[0]) if grant.role == "reviewer"]
    assert (grant.source, grant.held_since, grant.valid_until) == (Source.MANUAL, None, until)
    with world.store.read() as unit:
        (record,) = unit.grants(world.id).manual_of_users([emptied[0]])[emptied[0]]
    assert (record.by, record.reason) == ("os:mia", "Okta's mistake")
    assert "hold.discarded" in {entry.kind for entry in world.audit(emptied[0])}
    world.change(emptied[-1], add(emptied[0]))
    (grant,) = [grant for grant in world.grants(emptied[0]) if grant.role == "reviewer"]
    assert grant.source is Source.RULE
    assert world.differing() == []


def test_what_cannot_be_given_by_hand_is_not_discarded(world: World) -> None:
    """All or nothing: the refusal says whose role and why, and the holds are as before."""
    world.apply(GUARDED + "manual: {project_role: forbid}\n")
    people = world.users(10)
    world.change(world.group("lbx-cityscapes-reviewers", people), remove(*people))
    with pytest.raises(NotKept) as refused:
        holds_of(world).discard(OPERATOR, world.id, EVERYTHING, reason="Okta's mistake")
    assert len(refused.value.roles) == 10
    assert refused.value.roles[0] == (
        "reviewer of `person000@acme.example` in vision/cityscapes "
        "(manual-forbidden: the mapping forbids assignments by hand in `project_role`)"
    )
    assert str(refused.value).endswith("; and 5 more")
    assert len(holds_of(world).listing(world.id).rows) == 10
    with world.store.read() as unit:
        assert unit.grants(world.id).manual_of_users(people[:1])[people[0]] == []


@pytest.mark.parametrize(
    ("chosen", "reason", "complaint"),
    [
        (Chosen(), "why", "say which holds"),
        (EVERYTHING, " ", "say why"),
        (Chosen(ids=("",)), "why", "no hold ``"),
        (Chosen(ids=("zz",)), "why", "no hold `zz`"),
        (Chosen(workspace="elsewhere"), "why", "no workspace `elsewhere`"),
        (Chosen(workspace="elsewhere", user="person000"), "why", "no workspace `elsewhere`"),
        (Chosen(user="bystander"), "why", "no open hold of user `bystander`"),
        (Chosen(user="bystander", workspace="vision"), "why", "no open hold of user `bystander`"),
    ],
)
def test_a_choice_of_nothing_is_refused(
    world: World, emptied: list[str], chosen: Chosen, reason: str, complaint: str
) -> None:
    """Nothing is settled that nobody named, and nothing without a reason."""
    world.user("bystander")
    with pytest.raises((Invalid, NotFound), match=complaint):
        holds_of(world).release(OPERATOR, world.id, chosen, reason=reason)
    assert len(holds_of(world).listing(world.id).rows) == 10


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [(EVERYTHING, "nothing is held"), (Chosen(workspace="vision"), "no open hold of workspace `vision`")],
)
def test_where_nothing_is_held_nothing_is_settled(world: World, chosen: Chosen, complaint: str) -> None:
    """It is told as what it is, not as a hold of a strange name."""
    world.apply(GUARDED)
    with pytest.raises((Invalid, NotFound), match=complaint):
        holds_of(world).release(OPERATOR, world.id, chosen, reason="why")


def test_a_day_in_the_past_keeps_nothing(world: World, emptied: list[str]) -> None:
    """`until` is checked before anything is written."""
    with pytest.raises(Invalid, match="lies in the past"):
        holds_of(world).discard(OPERATOR, world.id, EVERYTHING, reason="why", until=date(2026, 1, 1))


@pytest.mark.parametrize("act", ["release", "discard"])
def test_held_deliveries_are_let_go_or_dropped(world: World, act: str) -> None:
    """Released they can be delivered, discarded never; the person's roles are gone in both cases."""
    world.apply(GUARDED)
    people = world.users(10)
    world.group("lbx-cityscapes-reviewers", people)
    for person in people[:4]:
        world.activate(person, False)
    holds = holds_of(world)
    (row,) = holds.listing(world.id).rows
    assert (row.hold.user_id, row.hold.kind) == (people[3], "delivery")
    assert {role.role for role in row.roles} == {"reviewer", "labeler"}
    settled = getattr(holds, act)(OPERATOR, world.id, EVERYTHING, reason="layoffs")
    assert settled.changes == ()
    assert world.grants(people[3]) == []
    with world.store.read() as unit:
        assert len(unit.holds(world.id).withheld(row.hold.id)) == (0 if act == "release" else 2)
        assert unit.holds(world.id).listing() == []


# --- four eyes


def test_with_four_eyes_the_first_call_only_proposes(world: World, emptied: list[str]) -> None:
    """Nothing happens; the same person asking again gets the same proposal, and cannot approve it."""
    holds, approvals = holds_of(world, four_eyes=True), approvals_of(world)
    for _ in range(2):
        with pytest.raises(ApprovalNeeded, match=r"release 10 holds of 10 people in vision\): nothing was done"):
            holds.release(OPERATOR, world.id, EVERYTHING, reason="the team is dissolved")
    (proposal,) = approvals.listing(world.id)
    assert (proposal.actor, proposal.reason) == ("os:mia", "the team is dissolved")
    with pytest.raises(SamePerson):
        approvals.approve(OPERATOR, world.id, proposal.id)
    assert len(holds.listing(world.id).rows) == 10


def test_a_second_person_who_asks_for_the_same_carries_it_out(world: World, emptied: list[str]) -> None:
    """Two people have decided; the proposal is used up."""
    holds = holds_of(world, four_eyes=True)
    with pytest.raises(ApprovalNeeded):
        holds.release(OPERATOR, world.id, EVERYTHING, reason="the team is dissolved")
    holds.release(NOA, world.id, EVERYTHING, reason="I agree")
    assert holds.listing(world.id).rows == ()
    assert approvals_of(world).listing(world.id) == []
    kinds = [entry.kind for entry in world.audit() if entry.kind.startswith("proposal.")]
    assert kinds == ["proposal.carried_out", "proposal.approved", "proposal.made"]


def test_an_approved_proposal_is_carried_out_once(world: World, emptied: list[str]) -> None:
    """After the approval the first person's call goes through, and the next act needs its own."""
    holds, approvals = holds_of(world, four_eyes=True), approvals_of(world)
    one = Chosen(user="person000")
    with pytest.raises(ApprovalNeeded) as needed:
        holds.release(OPERATOR, world.id, one, reason="left")
    approved = approvals.approve(NOA, world.id, needed.value.proposal.id[:8])
    assert approved.approved_by == "os:noa"
    assert approvals.approve(NOA, world.id, approved.id) == approved
    holds.release(OPERATOR, world.id, one, reason="left")
    assert world.roles(emptied[0]) == set()
    with pytest.raises(ApprovalNeeded):
        holds.release(OPERATOR, world.id, Chosen(user="person001"), reason="left")


@pytest.mark.parametrize("other", [Chosen(user="person001"), EVERYTHING])
def test_a_second_person_who_asks_for_something_else_proposes_that(
    world: World, emptied: list[str], other: Chosen
) -> None:
    """A proposal is bound to exactly its holds."""
    holds = holds_of(world, four_eyes=True)
    with pytest.raises(ApprovalNeeded):
        holds.release(OPERATOR, world.id, Chosen(user="person000"), reason="left")
    with pytest.raises(ApprovalNeeded):
        holds.release(NOA, world.id, other, reason="left")
    with pytest.raises(ApprovalNeeded):
        holds.discard(NOA, world.id, Chosen(user="person000"), reason="left")
    assert len(approvals_of(world).listing(world.id)) == 3
    assert len(holds.listing(world.id).rows) == 10


def test_the_day_to_which_roles_are_kept_takes_two_people(world: World, emptied: list[str]) -> None:
    """Who agreed to a discard until a day has not agreed to another day, nor to keep the roles for ever."""
    holds, approvals = holds_of(world, four_eyes=True), approvals_of(world)
    one, day = Chosen(user="person000"), date(2026, 12, 31)
    with pytest.raises(ApprovalNeeded, match="discard 1 hold of 1 person in vision, kept by hand until 2026-12-31"):
        holds.discard(OPERATOR, world.id, one, reason="Okta's mistake", until=day)
    (proposal,) = approvals.listing(world.id)
    approvals.approve(NOA, world.id, proposal.id)
    for other in (None, date(2027, 12, 31)):
        with pytest.raises(ApprovalNeeded):
            holds.discard(OPERATOR, world.id, one, reason="Okta's mistake", until=other)
    assert len(holds.listing(world.id).rows) == 10
    holds.discard(OPERATOR, world.id, one, reason="Okta's mistake", until=day)
    assert len(holds.listing(world.id).rows) == 9


def test_a_hold_that_grew_since_it_was_proposed_takes_two_people_again(world: World, emptied: list[str]) -> None:
    """A hold is all that one person would lose in a workspace: the second person has agreed to what it was."""
    people = emptied[:-1]
    second = world.group("lbx-retail-labelers", people)
    holds, approvals = holds_of(world, four_eyes=True), approvals_of(world)
    one = Chosen(user="person000")
    with pytest.raises(ApprovalNeeded) as needed:
        holds.release(OPERATOR, world.id, one, reason="left the team")
    approvals.approve(NOA, world.id, needed.value.proposal.id)
    world.change(second, remove(*people))
    assert len(holds.listing(world.id, user="person000").rows[0].roles) == 2
    with pytest.raises(ApprovalNeeded) as again:
        holds.release(OPERATOR, world.id, one, reason="left the team")
    assert again.value.proposal.id != needed.value.proposal.id


def test_a_proposal_lasts_a_day(world: World, emptied: list[str]) -> None:
    """After 24 hours a second person finds nothing to agree to."""
    holds, approvals = holds_of(world, four_eyes=True), approvals_of(world)
    with pytest.raises(ApprovalNeeded) as needed:
        holds.release(OPERATOR, world.id, EVERYTHING, reason="left")
    world.now += timedelta(hours=24)
    assert approvals.listing(world.id) == []
    with pytest.raises(NotFound, match="no open proposal"):
        approvals.approve(NOA, world.id, needed.value.proposal.id)
    with pytest.raises(ApprovalNeeded):
        holds.release(NOA, world.id, EVERYTHING, reason="left")


def test_what_is_undone_after_the_demand_uses_nothing_up(world: World) -> None:
    """An act that fails after its approval can be tried again with it."""
    approvals = approvals_of(world)
    act = Act("test.act", ("x",), "an act")

    def fail(unit: Unit) -> None:
        approvals.demand(unit, NOA, world.id, act, "")
        raise RuntimeError("disk full")

    def succeed(unit: Unit) -> str:
        approvals.demand(unit, NOA, world.id, act, "")
        return "done"

    with pytest.raises(ApprovalNeeded):
        approvals.transact(OPERATOR, world.id, lambda unit: approvals.demand(unit, OPERATOR, world.id, act, ""))
    with pytest.raises(RuntimeError, match="disk full"):
        approvals.transact(NOA, world.id, fail)
    assert approvals.transact(NOA, world.id, succeed) == "done"


def test_organizations_do_not_approve_for_each_other(world: World) -> None:
    """The same act elsewhere is another act."""
    other, approvals = World(world.store), approvals_of(world)
    act = Act("test.act", ("x",), "an act")
    with pytest.raises(ApprovalNeeded) as needed:
        approvals.transact(OPERATOR, world.id, lambda unit: approvals.demand(unit, OPERATOR, world.id, act, ""))
    with pytest.raises(NotFound):
        approvals.approve(NOA, other.id, needed.value.proposal.id)
    with pytest.raises(ApprovalNeeded):
        approvals.transact(NOA, other.id, lambda unit: approvals.demand(unit, NOA, other.id, act, ""))


def test_a_guard_rail_of_a_plan_is_passed_by_two_people(world: World) -> None:
    """The first one's --force proposes exactly that plan; a second one's carries it out, another plan needs its own."""
    world.apply(GUARDED)
    people = world.users(10)
    world.group("lbx-cityscapes-reviewers", people)
    approvals = approvals_of(world)
    planning = Planning(world.store, world.rulebooks, world.clock, approvals=approvals)
    without = {"mappings/vision.yaml": GUARDED.replace("reviewers: reviewer, ", "")}
    with pytest.raises(GuardTripped):
        planning.apply(OPERATOR, world.id, without)
    assert approvals.listing(world.id) == []
    with pytest.raises(ApprovalNeeded, match="pass guard rails with plan"):
        planning.apply(OPERATOR, world.id, without, force_reason="meant")
    other = {"mappings/vision.yaml": "# another\n" + without["mappings/vision.yaml"]}
    with pytest.raises(ApprovalNeeded):
        planning.apply(NOA, world.id, other, force_reason="meant")
    assert world.roles(people[0]) == {REVIEWER}
    assert planning.apply(NOA, world.id, without, force_reason="meant").new
    assert world.roles(people[0]) == set()


def test_an_apply_within_its_guard_rails_takes_one_person(world: World) -> None:
    """Also with --force: where nothing is passed there is nothing to agree to."""
    planning = Planning(world.store, world.rulebooks, world.clock, approvals=approvals_of(world))
    assert planning.apply(OPERATOR, world.id, {"mappings/vision.yaml": GUARDED}, force_reason="to be sure").new
