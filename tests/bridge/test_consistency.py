"""Whatever happens in whatever order, recorded grants are what the resolver says."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.bridge.worlds import MAPPING, World, add, remove, rename

from rolebridge.core.errors import NotFound, Taken

NAMES = ("Admins", "lbx-cityscapes-reviewers", "lbx-cityscapes-labelers", "Contractors", "Suspended", "Book club")
VARIANTS = (
    MAPPING,
    MAPPING.replace("reviewers: reviewer", "reviewers: labeler"),
    MAPPING.replace("deny: all", "deny: {project_role: all}\n    projects: all"),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_grants_are_always_what_the_resolver_says(world: World, seed: int) -> None:
    """Thirty random changes of users, groups, members and mappings leave no row that a fresh resolution disputes."""
    fresh = World(world.store)
    random = Random(seed)
    fresh.apply()
    people = [fresh.user(f"p{number}", userType=random.choice(["Contractor", "Employee"])) for number in range(5)]
    groups = [fresh.group(name) for name in NAMES[:4]]
    for _ in range(30):
        person, group = random.choice(people), random.choice(groups)
        step = random.randrange(7)
        try:
            if step <= 1:
                fresh.change(group, add(person, random.choice(people)))
            elif step == 2:
                fresh.change(group, remove(person))
            elif step == 3:
                fresh.activate(person, random.random() < 0.6)
            elif step == 4:
                fresh.change(group, rename(random.choice(NAMES)))
            elif step == 5:
                fresh.apply(random.choice(VARIANTS) + f"# {random.random()}\n")
            else:
                fresh.provisioning.delete_user(fresh.okta, person)
        except (NotFound, Taken):
            continue  # deleted before, or a name in use: refused whole, which `differing` confirms
    assert fresh.differing() == []


@pytest.mark.parametrize("display", ["lbx-cityscapes-reviewers", "LBX-Cityscapes-REVIEWERS"])
def test_names_match_without_regard_to_case(world: World, display: str) -> None:
    """A pattern reads a displayName casefolded, as rules do."""
    world.apply()
    ana = world.user("ana")
    world.group(display, [ana])
    assert ("project_role", "cityscapes", "reviewer") in world.roles(ana)
