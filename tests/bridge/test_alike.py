"""A plan is the same as if everybody had been looked at alone.

Though people who fare alike are worked out once, and only those are looked at whom the candidate can concern.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.bridge.worlds import MAPPING, World, add

from rolebridge.bridge import surveying
from rolebridge.bridge.alike import Likeness
from rolebridge.bridge.concerned import Concern, concern_of
from rolebridge.bridge.planning import Planned
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import compile_rulebook, read_mappings
from rolebridge.bridge.surveying import Comparison, Touched, survey
from rolebridge.core import holds, outcome
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.plan import PlannedChange
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

NAME = "mappings/vision.yaml"
SEASON = """\
  - id: season
    groups: [Season]
    projects: [retail]
    grant: {project_role: labeler}
    until: 2026-11-30
  - id: own-end
    groups: [Guests]
    when: groups.display sw "G" or userType eq "Guest"
    projects: [retail]
    grant: {project_role: reviewer}
    until: {attribute: costCenter}
  - id: named
    users: [person003@acme.example]
    projects: [retail]
    grant: {project_role: labeler}
"""
GROUPS = (
    "lbx-cityscapes-reviewers",
    "lbx-cityscapes-labelers",
    "Admins",
    "Contractors",
    "Suspended",
    "Season",
    "Guests",
)
CANDIDATES = (
    MAPPING,
    MAPPING.replace("labelers: labeler", "labelers: reviewer"),
    MAPPING.replace("[Contractors]", "[Season]"),
    MAPPING + SEASON,
    MAPPING + SEASON.replace("2026-11-30", "2026-12-24"),
    MAPPING.replace("    grant: {project_role: inherit}", "    grant: {project_role: inherit}\n    note: SEC-1"),
    MAPPING.replace("{name: Retail}}", "{name: Retail}, later: {name: Later}}"),
    MAPPING.replace("retail: {name: Retail}", "sales: {name: Sales}"),
    MAPPING.replace("default_role: labeler", "default_role: reviewer"),
    MAPPING.replace("[reviewer, labeler]", "[labeler, reviewer]"),
    MAPPING.replace("deny: all", "projects: [retail]\n    deny: {project_role: all}"),
    MAPPING.replace("[okta]", "[okta, entra]"),
    MAPPING.replace("workspace: vision", "workspace: sound"),
    MAPPING.partition("rules:")[0]
    + "rules:\n"
    + "".join("  - id:" + rule for rule in reversed(MAPPING.partition("rules:\n")[2].split("  - id:")[1:])),
    MAPPING.replace('userType eq "Contractor"', 'department eq "Ops" and not (groups.display eq "Admins")'),
)


@contextmanager
def everybody_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nobody be like anybody, and a change concern everybody."""
    with monkeypatch.context() as patch:
        patch.setattr(surveying, "concern_of", lambda *_: Concern(everybody=True))
        patch.setattr(Likeness, "of_block", lambda _, people, ids, *, due: [None] * len(people))
        yield


def fill(world: World, dice: Random) -> None:
    """Make people of a few kinds, and some who are like nobody."""
    people = [
        world.user(
            f"person{number:03}",
            world.entra if number % 5 == 4 else world.okta,
            userType=dice.choice(["Contractor", "Employee", "Guest"]),
            **({"costCenter": "2026-12-01"} if dice.random() < 0.2 else {}),
        )
        for number in range(24)
    ]
    world.now += timedelta(seconds=1)
    groups = {name: world.group(name, [one for one in people if dice.random() < 0.3]) for name in GROUPS}
    inner = world.group("Inner", people[:2])
    world.change(groups["Season"], add(inner))
    world.apply(dice.choice(CANDIDATES))
    for number in dice.sample(range(4), 2):
        world.activate(people[number], False)
    hand = (people[5], "vision", "project_role", dice.choice(["retail", "later"]), "labeler", "mia", world.clock())

    def assign(unit: Unit) -> None:
        unit.grants(world.id).add_manual(ManualAssignment(str(uuid4()), *hand))
        recompute(unit, world.id, world.rulebooks.current(unit, world.id), people[5:6], Cause("mia", "", ""), world.now)

    world.store.transact(assign)


@pytest.mark.parametrize("seed", range(2))
def test_a_plan_is_what_it_would_be_if_everybody_were_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Digest, sums, the changes that are kept, those that are told and their provenance: all are equal."""
    dice = Random(seed)
    fill(world, dice)
    for candidate in CANDIDATES:

        def plan(shown: int, text: str = candidate) -> tuple[Planned, list[PlannedChange]]:
            told: list[PlannedChange] = []
            hear = told.append if shown > 2 else None
            return world.planning.plan(world.id, {NAME: text}, shown=shown, told=hear), told

        found = [plan(shown) for shown in (0, 2, 100)]
        with everybody_alone(monkeypatch):
            wanted = [plan(shown) for shown in (0, 2, 100)]
        assert found == wanted


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(), st.sampled_from(CANDIDATES))
def test_who_is_written_is_the_same(store: Store, monkeypatch: pytest.MonkeyPatch, seed: int, candidate: str) -> None:
    """An apply touches exactly those whom it would touch if everybody were looked at, in the same order."""
    world = World(store)
    fill(world, Random(seed))
    mappings, _ = read_mappings({NAME: candidate}, ["okta", "entra"])
    assert mappings is not None

    def touched() -> tuple[list[list[str]], str]:
        found = Touched()
        with world.store.read(snapshot=True) as unit:
            base = world.rulebooks.current(unit, world.id)
            comparison = Comparison(base, compile_rulebook(base.revision + 1, mappings, {}), world.now)
            tally = survey(unit, world.id, comparison, shown=0, touched=found)
        return list(found.blocks()), tally.effects

    alike = touched()
    with everybody_alone(monkeypatch):
        assert alike == touched()


def test_many_of_one_kind_are_looked_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thirty people in one group a plan that shows nobody resolves one."""

    world.group("lbx-cityscapes-labelers", world.users(30))
    world.apply()
    resolved: list[str] = []
    plain = holds.resolve_held

    def watched(program, user, *rest):  # type: ignore[no-untyped-def]
        resolved.append(user.id)
        return plain(program, user, *rest)

    monkeypatch.setattr(outcome, "resolve_held", watched)
    found = world.planning.plan(world.id, {NAME: CANDIDATES[1]}, shown=0).plan
    assert found.counts.change == 30
    assert len(set(resolved)) == 1


def test_a_grant_that_tells_another_moment_is_a_kind_of_its_own(world: World) -> None:
    """Where a recorded grant does not tell the membership's own beginning, the person is not like the others."""
    people = world.users(6)
    world.group("lbx-cityscapes-labelers", people)
    world.apply()

    def distort(unit) -> None:  # type: ignore[no-untyped-def]
        grants = unit.grants(world.id)
        (held,) = (one for one in grants.of_users([people[2]])[people[2]] if one.slot == "project_role")
        other = replace(held, because=held.because.replace('"since":"2026', '"since":"2025'))
        before = grants.of_users([people[2]])[people[2]]
        grants.replace_for_user(people[2], before, [other if one == held else one for one in before])

    world.store.transact(distort)
    noted = MAPPING.replace('projects: "{project}"', 'projects: "{project}"\n    when: userName pr')
    found = world.planning.plan(world.id, {NAME: noted}).plan
    assert (found.counts.provenance, found.counts.felt) == (1, 0)


def test_only_those_are_looked_at_whom_a_change_concerns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rule says something new to one group, nobody else is resolved; the sums are still those of everybody."""
    people = world.users(9)
    world.group("lbx-cityscapes-labelers", people)
    world.group("Admins", people[:2])
    world.apply()
    resolved: set[str] = set()
    plain = holds.resolve_held

    def watched(program, user, *rest):  # type: ignore[no-untyped-def]
        resolved.add(user.id)
        return plain(program, user, *rest)

    monkeypatch.setattr(outcome, "resolve_held", watched)
    found = world.planning.plan(
        world.id, {NAME: MAPPING.replace("workspace_role: admin}", "workspace_role: data_admin}")}
    )
    (vision,) = found.plan.workspaces
    assert resolved == set(people[:2])
    assert (found.plan.counts.change, vision.seats.before, vision.seats.after) == (2, 9, 9)


def test_a_platform_described_anew_concerns_everybody(world: World) -> None:
    """When a file means something else than when it was applied, what is recorded may not be what it says."""
    world.apply()
    with world.store.read() as unit:
        base = world.rulebooks.current(unit, world.id)
        assert not concern_of(unit, world.id, base, base).everybody
        assert concern_of(unit, world.id, replace(base, is_as_applied=False), base).everybody
