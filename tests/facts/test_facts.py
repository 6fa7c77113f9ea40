"""The catalogues agree with the facts: every slot, role, rank and way of being assigned, compared both ways."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rolebridge.core.catalogue import Assignable, Catalogue, ProjectOverride, Reach, Slot
from rolebridge.core.permissions import Cell
from rolebridge.mapfile import shipped_catalogues

HERE = Path(__file__).parent
FACTS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in HERE.glob("*.yaml")}
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
    special = {role: frozenset(of) for role, of in facts.get("account_kinds_of", {}).items()}
    assert {role.id: role.account_kinds for role in roles} == {role.id: special.get(role.id, kinds) for role in roles}
    beside = {r.id for r in roles if r.reach is not Reach.NONE and r.project_override is ProjectOverride.BOTH}
    assert beside == set(facts.get("beside", ()))
    assert {role.id: list(role.parts) for role in roles if role.parts} == facts.get("parts", {})


@pytest.mark.parametrize("platform", FACTS)
def test_an_account_kind_requires_what_the_platform_asks_for(platform: str) -> None:
    """What a mapping must supply for accounts of a kind."""
    required = {kind.id: list(kind.requires) for kind in shipped_catalogues()[platform].account_kinds if kind.requires}
    assert required == FACTS[platform].get("required_of_accounts", {})


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
        {
            "slot": rule.slot,
            "roles": rule.roles,
            "account_kinds": rule.account_kinds,
            "needs": {need.slot: need.roles for need in rule.needs},
        }
        for rule in catalogue.prerequisites
    ]
    expected = [
        {
            "slot": rule["slot"],
            "roles": frozenset(rule.get("roles", ())),
            "account_kinds": frozenset(rule.get("account_kinds", ())),
            "needs": {slot: frozenset(roles) for slot, roles in rule["needs"].items()},
        }
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


# --- cells -----------------------------------------------------------------------------------------------------


def _cells(platform: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield (matrix, permission, column) with (words, value, qualifier) as looked up, a line for each cell."""
    with (HERE / f"{platform}.cells.csv").open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            place = (line["matrix"], line["permission"], line["column"])
            yield place, (line["words"], line["value"], line["qualifier"])


@pytest.mark.parametrize("platform", FACTS)
def test_every_cell_is_as_the_platform_says(platform: str) -> None:
    """Every cell of every table, both ways: none is missing, none is made up, and each carries the page's qualifier."""
    found = {
        (matrix.id, row.id, column.id): (row.name, row.cell(column.id).value.value, _qualifier(row.cell(column.id)))
        for matrix in shipped_catalogues()[platform].matrices
        for row in matrix.rows.values()
        for column in matrix.columns
    }
    assert found == dict(_cells(platform))


def _qualifier(cell: Cell) -> str:
    return cell.setting or cell.note


@pytest.mark.parametrize(
    ("platform", "counts"),
    [
        ("basicai", {"other_axis": 38, "deny": 33, "allow": 32, "unknown": 6, "own": 3, "partial": 2}),
        ("datasaur", {"deny": 93, "allow": 112, "assigned": 12, "own": 4, "partial": 2, "conditional": 5}),
        ("itag", {"allow": 10, "deny": 4, "unknown": 2, "elsewhere": 2}),
        ("label_studio", {"allow": 76, "deny": 39, "conditional": 4, "partial": 6, "own": 5}),
        ("labelbox", {"unknown": 316, "allow": 27, "own": 3, "own_assets": 1, "deny": 3}),
    ],
)
def test_the_cells_are_as_many_as_on_the_pages(platform: str, counts: dict[str, int]) -> None:
    """Counted by hand from the research, so that a table that lost its last rows on both sides is noticed."""
    assert Counter(value for _, (_, value, _) in _cells(platform)) == counts
