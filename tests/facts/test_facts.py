"""The catalogues agree with the facts: every slot, role, rank and way of being assigned, compared both ways."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from rolebridge.core.catalogue import Assignable, Catalogue, ProjectOverride, Reach, Slot
from rolebridge.mapfile import shipped_catalogues

FACTS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.glob("*.yaml")}
SLOTS = [(platform, slot) for platform, facts in FACTS.items() for slot in facts["slots"]]


def _slot(platform: str, slot: str) -> tuple[Slot, dict[str, Any]]:
    return shipped_catalogues()[platform].slots[slot], FACTS[platform]["slots"][slot]


def test_every_catalogue_has_its_facts() -> None:
    """No platform is described that nobody looked up, and none that was looked up is missing."""
    assert set(shipped_catalogues()) == set(FACTS)


@pytest.mark.parametrize("platform", FACTS)
def test_a_catalogue_has_the_slots_of_the_platform(platform: str) -> None:
    """The platform's axes, no more and no fewer, and its name as the vendor writes it."""
    catalogue = shipped_catalogues()[platform]
    assert (catalogue.id, catalogue.name) == (platform, FACTS[platform]["name"])
    assert set(catalogue.slots) == set(FACTS[platform]["slots"])
    assert [kind.id for kind in catalogue.account_kinds] == FACTS[platform]["account_kinds"]


@pytest.mark.parametrize(("platform", "slot"), SLOTS)
def test_a_slot_is_as_the_platform_says(platform: str, slot: str) -> None:
    """Level, cardinality, neutral value, merging, rank and what it governs."""
    found, facts = _slot(platform, slot)
    assert found.id == slot
    assert found.level.value == facts["level"]
    assert found.cardinality.value == facts["cardinality"]
    assert found.neutral == facts["neutral"]
    assert (found.merge.value, list(found.rank)) == (facts["merge"], facts["rank"])
    assert list(found.governs) == facts["governs"]
    assert found.locks_access == facts.get("locks_access", False)


@pytest.mark.parametrize(("platform", "slot"), SLOTS)
def test_every_role_can_be_given_as_the_platform_says(platform: str, slot: str) -> None:
    """Each role of the slot, and whether a rule may assign it or who else does."""
    found, facts = _slot(platform, slot)
    expected = dict.fromkeys(facts["assignable"], Assignable.YES)
    expected |= {role: Assignable(how) for role, how in facts["not_assignable"].items()}
    assert {role.id: role.assignable for role in found.roles.values()} == expected
    assert all(role.slot == slot and role.name and not role.custom for role in found.roles.values())


@pytest.mark.parametrize(("platform", "slot"), SLOTS)
def test_every_role_reaches_and_overrules_as_the_platform_says(platform: str, slot: str) -> None:
    """Which roles replace project roles, which yield to them, where they reach, and which need assigned work."""
    found, facts = _slot(platform, slot)
    roles = found.roles.values()
    assert {role.id for role in roles if role.overrules} == set(facts["overruling"])
    yielding = {r.id for r in roles if r.reach is not Reach.NONE and r.project_override is ProjectOverride.YIELDS}
    assert yielding == set(facts["yielding"])
    reach = facts.get("reach", dict.fromkeys(facts["overruling"], "all"))
    assert {role.id: role.reach.value for role in roles if role.reach is not Reach.NONE} == reach
    assert {role.id for role in roles if role.needs_work} == set(facts.get("needs_work", ()))
    assert {role.id: list(role.inherits) for role in roles if role.is_access} == facts.get("access", {})
    kinds = frozenset(facts.get("only_account_kinds", ()))
    assert all(role.account_kinds == kinds for role in roles)


@pytest.mark.parametrize("platform", FACTS)
def test_custom_roles_are_as_the_platform_says(platform: str) -> None:
    """Where custom roles live, how many there may be, and every permission of the platform's list."""
    custom, facts = shipped_catalogues()[platform].custom_roles, FACTS[platform]["custom_roles"]
    if facts is None:
        assert custom is None
        return
    assert custom is not None
    assert (custom.slot, custom.limit) == (facts["slot"], facts["limit"])
    assert Counter(permission.split(".")[0] for permission in custom.permissions) == facts["permissions"]


@pytest.mark.parametrize("platform", FACTS)
def test_prerequisites_are_as_the_platform_says(platform: str) -> None:
    """What must be held in another slot before a role counts."""
    catalogue: Catalogue = shipped_catalogues()[platform]
    found = [
        {"slot": rule.slot, "needs": {need.slot: need.roles for need in rule.needs}} for rule in catalogue.prerequisites
    ]
    expected = [
        {"slot": rule["slot"], "needs": {slot: frozenset(roles) for slot, roles in rule["needs"].items()}}
        for rule in FACTS[platform]["prerequisites"]
    ]
    assert found == expected


def test_a_manager_is_overruled_and_not_blocked() -> None:
    """A project role under a higher organization role lacks nothing: the prerequisite covers those roles too."""
    catalogue = shipped_catalogues()["label_studio"]
    rule = catalogue.prerequisites[0]
    org = catalogue.slots["org_role"]
    assert rule.covers("project_role", "reviewer", "")
    assert {role.id for role in org.roles.values() if role.overrules} <= rule.needs[0].roles
