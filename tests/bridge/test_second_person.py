"""Four eyes against one person with several names: keys made for the purpose, and the command line beside a key."""

from __future__ import annotations

import pytest
from tests.bridge.worlds import OPERATOR, World

from rolebridge.bridge.administration import Administration
from rolebridge.bridge.approvals import Act, ApprovalNeeded, Approvals, SamePerson
from rolebridge.bridge.callers import Operator, key_actor
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.permissions import KeyRole

NOA = Operator("os:noa", "r-noa")


@pytest.fixture
def approvals(world: World) -> Approvals:
    """Approvals that ask for two people."""
    return Approvals(world.store, world.clock, needed=True)


def key(world: World, by: Operator, name: str = "portal") -> Operator:
    """Return who acts by a new key that `by` made."""
    administration = Administration(world.store, Hasher(b"h" * 32), world.clock)
    (organization,) = (one for one in administration.organizations() if one.id == world.id)
    made, _ = administration.add_key(by, organization, name, KeyRole.OWNER)
    return Operator(key_actor(name, made.credential.id), f"r-{made.credential.id}")


def ask(world: World, approvals: Approvals, operator: Operator, what: str) -> bool:
    """Ask for an act; return whether it is done."""
    act = Act("mapping.force", (what,), "force x")
    try:
        approvals.transact(operator, world.id, lambda unit: approvals.demand(unit, operator, world.id, act, "because"))
    except ApprovalNeeded:
        return False
    return True


def refused(world: World, approvals: Approvals, first: Operator, second: Operator) -> bool:
    """Return whether the second is refused as the person who was the first, in both ways of agreeing."""
    assert not ask(world, approvals, first, first.actor)
    (proposal,) = [one for one in approvals.listing(world.id) if one.actor == first.actor]
    done = ask(world, approvals, second, first.actor)
    if done:
        return False
    with pytest.raises(SamePerson, match=r"that takes another person, and `.+` may be the same one"):
        approvals.approve(second, world.id, proposal.id)
    return True


def test_an_owner_does_not_agree_by_a_key_made_for_it(world: World, approvals: Approvals) -> None:
    """Neither directly nor by way of a third key, nor does that key propose and its maker agree."""
    owner = key(world, OPERATOR)
    second = key(world, owner)
    assert refused(world, approvals, owner, second)
    assert refused(world, approvals, key(world, second), owner)


def test_two_keys_that_one_key_made_are_one_person(world: World, approvals: Approvals) -> None:
    """Else an owner would make two."""
    owner = key(world, OPERATOR)
    assert refused(world, approvals, key(world, owner, "one"), key(world, key(world, owner), "two"))


def test_the_command_line_does_not_agree_with_its_own_key(world: World, approvals: Approvals) -> None:
    """Whoever made a key at the machine has seen its secret; both ways around."""
    mine = key(world, OPERATOR)
    assert refused(world, approvals, OPERATOR, mine)


def test_a_key_does_not_agree_with_whoever_made_it_at_the_machine(world: World, approvals: Approvals) -> None:
    """The other way around."""
    assert refused(world, approvals, key(world, OPERATOR), OPERATOR)


def test_keys_that_were_made_at_the_machine_are_two_people(world: World, approvals: Approvals) -> None:
    """And so are a key and somebody else at the machine."""
    assert not refused(world, approvals, key(world, OPERATOR), key(world, OPERATOR))
    assert not refused(world, approvals, key(world, OPERATOR), NOA)
