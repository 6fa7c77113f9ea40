"""`fsck`: silent on a healthy organization, and it finds each thing that can be wrong."""

from __future__ import annotations

from typing import Any

import pytest
from tests.bridge.worlds import OPERATOR, World, add, remove

from rolebridge.bridge.consistency import Consistency
from rolebridge.core.plan import ChangeKind

PERSON = "user_key = 'person003@acme.example'"


@pytest.fixture
def busy(world: World) -> World:
    """An organization in which something happened."""
    world.apply()
    people = world.users(5)
    for person in people:
        world.assign_by_hand(person, "labeler", "retail")
    group = world.group("lbx-cityscapes-reviewers", people)
    world.change(group, remove(people[0]))
    world.activate(people[1], False)
    world.provisioning.delete_user(world.okta, people[2])
    world.change(world.group("Admins"), add(people[3]))
    world.user("eve", world.entra)
    world.change(world.group("Everyone"), add(world.group("Crew", [people[4]])))
    return world


def consistency(world: World) -> Consistency:
    return Consistency(world.store, world.rulebooks, world.clock)


def execute(world: World, sql: str) -> None:
    """Do to the database what no code of ours does."""
    world.store.transact(lambda unit: unit.link.execute(sql.replace("$org", f"'{world.id}'"), ()))


def test_a_healthy_organization_has_no_problems(busy: World) -> None:
    """After changes of every kind neither grants nor rows disagree."""
    assert list(consistency(busy).grant_problems(busy.id)) == []
    assert list(consistency(busy).row_problems(busy.id)) == []


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (f"DELETE FROM users WHERE organization_id = $org AND {PERSON}", "users that are not there"),
        ("DELETE FROM groups WHERE organization_id = $org", "groups that are not there"),
        ("UPDATE users SET active = NOT active WHERE organization_id = $org", "disagree on active"),
        ("UPDATE users SET user_key = user_key || 'x' WHERE organization_id = $org", "disagree on key"),
        ("UPDATE users SET version = version + 1 WHERE organization_id = $org", "disagree on version"),
        ("UPDATE groups SET display = 'x' || display WHERE organization_id = $org", "disagree on displayName"),
        ("DELETE FROM group_ancestors WHERE organization_id = $org", "does not follow from who is in whom"),
        ("UPDATE group_children SET parent_id = child_id WHERE organization_id = $org", "the group is in itself"),
        ("UPDATE counts SET delta = delta + 3 WHERE organization_id = $org", "but has"),
        (f"DELETE FROM users WHERE organization_id = $org AND {PERSON}", "1 assignments by hand are of users"),
    ],
)
def test_each_damage_is_found(busy: World, sql: str, problem: str) -> None:
    """Rows that refer to nothing, columns that disagree with their body, and counts that are off are all told."""
    execute(busy, sql)
    assert any(problem in found.problem for found in consistency(busy).row_problems(busy.id))


def test_grants_that_are_wrong_are_found_and_repaired(busy: World) -> None:
    """A row that nobody has a right to and one that is missing: both told, and both put right with an audit row."""
    # Somebody without a project role, so that one is left to be made wrong.
    victim = next(person for person in granted(busy) if all(g.slot != "project_role" for g in busy.grants(person)))
    execute(busy, f"DELETE FROM grants WHERE organization_id = $org AND user_id = '{victim}'")
    execute(
        busy,
        "UPDATE grants SET role = 'project_lead' WHERE organization_id = $org AND slot = 'project_role'",
    )
    found = {problem.user_id: problem for problem in consistency(busy).grant_problems(busy.id)}
    assert any(change.kind is ChangeKind.GAIN for change in found[victim].changes)
    assert any(change.kind is ChangeKind.CHANGE for problem in found.values() for change in problem.changes)
    assert consistency(busy).repair_grants(OPERATOR, busy.id) == len(found)
    assert list(consistency(busy).grant_problems(busy.id)) == []
    assert busy.audit(victim)[0].reason == "grants computed again by fsck"


def granted(world: World) -> list[Any]:
    with world.store.read() as unit:
        return unit.grants(world.id).holders("vision")
