"""The past: whatever happened since, the record tells who held what at a moment, and explains it as it was then."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.bridge.worlds import MAPPING, OPERATOR, World, add, remove, rename, user_draft

from rolebridge.bridge.access_then import AccessThen
from rolebridge.bridge.adopting import Adopting, Selection
from rolebridge.bridge.assigning import Assigning, Wanted
from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.sealing import SealKeys
from rolebridge.core.by_hand import AssignmentRefused
from rolebridge.core.errors import Invalid, NotFound

Held = set[tuple[str, str, str, str]]


def held_now(world: World, user_id: str) -> Held:
    return {(one.slot, one.project, one.role, one.state) for one in world.grants(user_id)}


def recorded_at(world: World, user_id: str, at: datetime) -> Held:
    rows = AccessThen(world.store, world.clock).rows(world.id, at, user_id=user_id)
    return {(one.role.slot, one.role.project, one.role.role, one.role.state) for one in rows}


def explained_at(world: World, user_id: str, at: datetime) -> Held:
    """Return what the past, resolved again, says; it must not differ from what was recorded."""
    try:
        found = world.explaining.explain_then(world.id, user_id, at)
    except Invalid:
        return set()
    assert all(one.differs == () for one in found)
    return {
        (role.slot, role.project or "", role.role, "effective") for one in found for role in one.explanation.roles
    } | {(one.assignment.slot, one.assignment.project or "", one.assignment.role, "blocked")
         for each in found for one in each.explanation.lost if one.reason == "blocked"}  # fmt: skip


def test_every_moment_is_told_as_it_was(world: World) -> None:
    """After a random life of an organization each moment of it is recorded and explained as it was then."""
    chosen = random.Random(7)
    world.apply()
    world.provisioning.delete_user(world.okta, world.user("before-the-beginning"))
    people = [world.user(f"person{number}", userType="Contractor") for number in range(3)]
    groups = [world.group(name) for name in ("Admins", "lbx-cityscapes-reviewers", "Contractors")]
    names = ["Admins", "Lunch", "lbx-retail-labelers", "Suspended", "Contractors", "Other", "Yet another"]

    def retitle(draft: Any) -> Any:
        return replace(draft, attributes={**draft.attributes, "userType": chosen.choice(["Contractor", "Employee"])})

    assigning = Assigning(world.store, world.rulebooks, world.clock)

    def give(user: str) -> None:
        with suppress(AssignmentRefused):
            assigning.assign(OPERATOR, world.id, Wanted(user, "labeler", project="retail"), "trial")

    acts: list[Callable[[str, str], object]] = [
        lambda user, group: world.change(group, add(user)),
        lambda user, group: world.change(group, add(user)),
        lambda user, group: world.change(group, remove(user)),
        lambda user, group: world.provisioning.change_user(world.okta, user, retitle),
        lambda user, group: world.activate(user, chosen.random() < 0.6),
        lambda user, group: give(user),
        lambda user, group: world.apply(MAPPING + f"# {chosen.random()}\n", force="x"),
        lambda user, group: world.apply(MAPPING.replace("reviewers: reviewer", "reviewers: labeler"), force="x"),
    ]
    gone = people[0]
    moments: list[tuple[datetime, dict[str, Held]]] = []
    for step in range(40):
        world.now += timedelta(minutes=5)
        if step == 15:
            world.change(groups[1], rename("lbx-retail-reviewers"))
        elif step == 22:
            world.provisioning.delete_group(world.okta, groups[0])
            groups[0] = world.group(names[3])
        elif step == 30:
            world.provisioning.delete_user(world.okta, people[0])
            people[0] = world.user("newcomer", userType="Contractor")
        else:
            chosen.choice(acts)(chosen.choice(people), chosen.choice(groups))
        moments.append((world.now, {id_: held_now(world, id_) for id_ in people}))
    assert any(held for _, seen in moments for held in seen.values())
    for at, seen in moments:
        for user_id, held in seen.items():
            assert recorded_at(world, user_id, at) == held, at
            assert explained_at(world, user_id, at) == held, at
    assert recorded_at(world, gone, moments[10][0]) == moments[10][1][gone]


def test_groups_in_groups_are_told_as_they_were(world: World) -> None:
    """A membership through a group that was taken out, renamed and deleted since is explained with its way."""
    world.apply()
    user = world.user("ana")
    team = world.group("Team", [user])
    above = world.group("lbx-cityscapes-reviewers", [team])
    before = world.now
    world.now += timedelta(days=2)
    world.change(above, remove(team))
    world.change(team, rename("Former team"))
    world.provisioning.delete_group(world.okta, team)
    [found] = world.explaining.explain_then(world.id, user, before, project="cityscapes")
    [role] = found.explanation.roles
    membership = role.winners[0].membership
    assert membership is not None
    assert (membership.group.display, [one.display for one in membership.via]) == ("lbx-cityscapes-reviewers", ["Team"])
    assert found.differs == ()
    assert world.roles(user) == set()


def test_who_was_adopted_since_belonged_to_their_old_connection(world: World) -> None:
    """Rules trust connections: the one of then counts."""
    world.apply()
    user = world.user("ana")
    world.group("Admins", [user])
    before = world.now
    connections = {one.name: one for one in world.administration.connections(world.organization)}
    adopting = Adopting(world.store, world.rulebooks, world.clock)
    adopting.adopt(OPERATOR, connections["okta"], connections["entra"], Selection(everything=True), reason="moved")
    assert world.roles(user) == set()
    [found] = world.explaining.explain_then(world.id, user, before)
    assert found.explanation.user.connection == "okta"
    assert {role.role for role in found.explanation.roles} >= {"admin"}


def test_a_sample_of_people_at_a_day(world: World) -> None:
    """Everybody who held anything is listed, those deleted since by their last name."""
    world.apply()
    ana, ben = world.user("ana"), world.user("ben")
    world.group("Admins", [ana])
    world.group("lbx-cityscapes-reviewers", [ben])
    at = world.now
    world.provisioning.delete_user(world.okta, ana)
    then = AccessThen(world.store, world.clock)
    rows = [row for row in then.rows(world.id, at) if row.role.slot != "default_role"]
    assert {(row.user_name, row.deleted, row.role.role) for row in rows} == {
        ("ana@acme.example", True, "admin"),
        ("ben@acme.example", False, "reviewer"),
    }
    in_project = [row for row in then.rows(world.id, at, project="cityscapes") if row.role.slot != "default_role"]
    assert {row.role.role for row in in_project} == {"admin", "reviewer"}
    assert list(then.rows(world.id, at, workspace="elsewhere")) == []


def test_who_was_deleted_is_found_by_the_names_people_use(world: World) -> None:
    """A userName in any case, or what stands before its @: of one name who was deleted last, of several none."""
    world.apply()
    first = world.user("ana")
    world.provisioning.delete_user(world.okta, first)
    world.now += timedelta(days=1)
    again, other = world.user("ana"), world.user("ben")
    world.group("Admins", [again])
    at = world.now
    world.now += timedelta(days=1)
    for gone in (again, other):
        world.provisioning.delete_user(world.okta, gone)
    for name in (again, "ana@acme.example", "Ana@Acme.example", "ana", "ANA"):
        [found] = world.explaining.explain_then(world.id, name, at)
        assert {role.role for role in found.explanation.roles} >= {"admin"}, name
    for nobody in ("an", "ana@", "", "@acme.example"):
        with pytest.raises(NotFound, match="no user"):
            world.explaining.explain_then(world.id, nobody, at)
    draft = user_draft("ben@other.example")
    world.provisioning.delete_user(world.okta, world.provisioning.create_user(world.okta, draft).id)
    with pytest.raises(Invalid, match=r"`ben` may be any of `ben@acme\.example`, `ben@other\.example`"):
        world.explaining.explain_then(world.id, "ben", at)


def test_a_name_means_who_had_it_then(world: World) -> None:
    """Somebody who was deleted and came back under the same name: at a day before that it is the former account."""
    world.apply()
    former = world.user("ana")
    world.group("Admins", [former])
    at = world.now
    world.now += timedelta(days=1)
    world.provisioning.delete_user(world.okta, former)
    world.now += timedelta(days=1)
    between = world.now - timedelta(hours=1)
    present = world.user("ana")
    for name in ("ana@acme.example", "ana"):
        [found] = world.explaining.explain_then(world.id, name, at)
        assert found.explanation.user.id == former
        [found] = world.explaining.explain_then(world.id, name, world.now)
        assert found.explanation.user.id == present
        with pytest.raises(Invalid, match=f"there was no user `{name}` at "):
            world.explaining.explain_then(world.id, name, between)


def test_moments_beyond_the_record_are_refused(world: World) -> None:
    """Before it begins, and still to come; and who was not there then."""
    world.apply()
    before = world.now
    world.now += timedelta(hours=2)
    user = world.user("ana")
    with pytest.raises(Invalid, match="does not reach back"):
        world.explaining.explain_then(world.id, user, before - timedelta(days=400))
    with pytest.raises(Invalid, match="still to come"):
        world.explaining.explain_then(world.id, user, world.now + timedelta(days=1))
    with pytest.raises(Invalid, match="there was no user"):
        world.explaining.explain_then(world.id, user, before)
    with pytest.raises(NotFound):
        world.explaining.explain_then(world.id, "nobody", world.now)


def test_who_was_erased_is_told_as_erased(world: World) -> None:
    """Attributes are gone, so nothing is explained; what was held stays recorded."""
    world.apply()
    ana = world.user("ana")
    world.group("Admins", [ana])
    at = world.now
    world.provisioning.delete_user(world.okta, ana)
    Auditing(world.store, world.clock, SealKeys()).erase(OPERATOR, world.id, ana, reason="x")
    with pytest.raises(Invalid, match="was erased"):
        world.explaining.explain_then(world.id, ana, at)
    assert "admin" in {role for _, _, role, _ in recorded_at(world, ana, at)}


def test_what_was_recorded_otherwise_is_told(world: World) -> None:
    """A grant that was recorded and does not follow from what was known is not passed over."""
    world.apply()
    ana = world.user("ana")
    world.group("Admins", [ana])
    sql = "DELETE FROM memberships WHERE organization_id = ?"
    if world.store.dialect == "postgresql":
        sql = sql.replace("?", "%s")
    world.store.transact(lambda unit: unit.link.execute(sql, (world.id,)))
    [found] = world.explaining.explain_then(world.id, ana, world.now)
    assert {(one.role, one.recorded) for one in found.differs} >= {("admin", True)}


def test_what_is_past_is_pruned_with_the_audit(world: World) -> None:
    """Ended memberships go as the audit goes."""
    world.apply()
    ana = world.user("ana")
    group = world.group("Admins", [ana])
    at = world.now
    world.change(group, remove(ana))
    with world.store.read() as unit:
        assert unit.history(world.id).memberships_at([ana], at) != {}
    world.store.transact(lambda unit: unit.history(world.id).prune(world.now + timedelta(days=1)))
    with world.store.read() as unit:
        assert unit.history(world.id).memberships_at([ana], at) == {}


def test_retention_keeps_what_the_record_reaches(world: World) -> None:
    """As far back as the audit is kept, the past is told as it was; further back is refused."""
    world.apply()
    ana = world.user("ana")
    group = world.group("Admins", [ana])
    auditing = Auditing(world.store, world.clock, SealKeys(), days=30)
    auditing.seal(world.id)
    gone = world.now
    world.now += timedelta(days=20)
    world.user("ben")
    at = world.now
    world.now += timedelta(days=5)
    world.change(group, remove(ana))
    auditing.seal(world.id)
    world.now += timedelta(days=20)
    assert auditing.retain(OPERATOR, world.id) > 0
    assert explained_at(world, ana, at) == recorded_at(world, ana, at) != set()
    with pytest.raises(Invalid, match="does not reach back"):
        world.explaining.explain_then(world.id, ana, gone)
    assert auditing.verify(world.id).whole
