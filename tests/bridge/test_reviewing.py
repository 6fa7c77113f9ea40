"""Access reviews: a row for each role, with what a reviewer asks about it; and what movers took along."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.bridge.worlds import OPERATOR, World

from rolebridge.bridge.assigning import Assigning, Wanted
from rolebridge.bridge.reviewing import Reviewing, ReviewRow
from rolebridge.core.errors import NotFound
from rolebridge.core.schemas import ENTERPRISE_USER


@pytest.fixture
def reviewing(world: World) -> Reviewing:
    """The reviews of a world with a mapping."""
    world.apply()
    return Reviewing(world.store, world.rulebooks, world.clock)


def work(world: World, user_id: str, **enterprise: Any) -> None:
    """Change what the identity provider says of a person's work."""
    world.provisioning.change_user(
        world.okta,
        user_id,
        lambda draft: replace(draft, attributes={**draft.attributes, ENTERPRISE_USER: enterprise}),
    )


def give(world: World, user_id: str, role: str = "labeler", project: str = "retail") -> None:
    assigning = Assigning(world.store, world.rulebooks, world.clock)
    assigning.assign(OPERATOR, world.id, Wanted(user_id, role, project=project), "trial")


def of_projects(rows: list[ReviewRow]) -> list[ReviewRow]:
    return [row for row in rows if row.project]


def test_a_role_through_a_group(world: World, reviewing: Reviewing) -> None:
    """Who, where they work, through which rule and group, since when, and when anything last changed."""
    boss, ana = world.user("boss", displayName="Bo Ss"), world.user("ana", displayName="Ana Ruiz")
    work(world, ana, department="Vision", manager={"value": boss})
    world.group("lbx-cityscapes-reviewers", [ana])
    [row] = of_projects(list(reviewing.review(world.id, "vision")))
    assert (row.person, row.user_name, row.active) == ("Ana Ruiz", "ana@acme.example", True)
    assert (row.department, row.manager) == ("Vision", "Bo Ss")
    assert (row.project, row.slot, row.role, row.lock, row.source) == (
        "cityscapes", "project_role", "reviewer", "group", "rule")  # fmt: skip
    assert (row.rule, row.group, row.given_by) == ("teams", "lbx-cityscapes-reviewers", "")
    assert row.since.startswith("2026-11-21T09:00")
    assert row.person_changed is not None
    assert row.roles_changed is not None
    assert row.roles_changed > row.person_changed


def test_a_role_by_hand(world: World, reviewing: Reviewing) -> None:
    """By whom, and for which reason."""
    ana = world.user("ana")
    give(world, ana)
    [row] = of_projects(list(reviewing.review(world.id, "vision")))
    assert (row.source, row.given_by, row.given_reason) == ("manual", OPERATOR.actor, "trial")


def test_the_review_of_a_day_that_has_passed(world: World, reviewing: Reviewing) -> None:
    """People as they were, those deleted since included; nobody who came later."""
    ana = world.user("ana")
    work(world, ana, department="Vision")
    world.group("lbx-cityscapes-reviewers", [ana])
    at = world.now
    world.now += timedelta(days=1)
    work(world, ana, department="Text")
    world.group("lbx-retail-reviewers", [world.user("ben")])
    now = {(row.user_name, row.department) for row in reviewing.review(world.id, "vision")}
    assert now == {("ana@acme.example", "Text"), ("ben@acme.example", "")}
    world.provisioning.delete_user(world.okta, ana)
    then = {(row.user_name, row.department) for row in reviewing.review(world.id, "vision", at)}
    assert then == {("ana@acme.example", "Vision")}


def test_movers(world: World, reviewing: Reviewing) -> None:
    """Assignments by hand that are older than the last change of department or manager, and what that was."""
    ana, ben, cleo = (world.user(name) for name in ("ana", "ben", "cleo"))
    for user in (ana, ben, cleo):
        work(world, user, department="Vision", manager={"displayName": "Old Boss"})
    give(world, ana)
    give(world, ben)
    work(world, ana, department="Text", manager={"displayName": "Old Boss"})
    work(world, ben, department="Vision", manager={"displayName": "New Boss"}, costCenter="7")
    work(world, ana, department="Text", manager={"displayName": "Old Boss"}, costCenter="7")
    work(world, cleo, department="Text")
    give(world, cleo)
    rows = {row.user_name: row for row in reviewing.movers(world.id, "vision")}
    assert {name: row.moved for name, row in rows.items()} == {
        "ana@acme.example": "department: Vision → Text",
        "ben@acme.example": "manager: Old Boss → New Boss",
    }
    assert all(row.state == "effective" for row in rows.values())
    give(world, ana, "reviewer")  # given again after the move: somebody has looked at it
    assert [row.user_name for row in reviewing.movers(world.id, "vision")] == ["ben@acme.example"]


def test_an_unknown_workspace(world: World, reviewing: Reviewing) -> None:
    """It is told, not reviewed as empty."""
    for rows in (reviewing.review(world.id, "elsewhere"), reviewing.movers(world.id, "elsewhere")):
        with pytest.raises(NotFound, match="workspace"):
            list(rows)
