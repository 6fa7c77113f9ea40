"""Whatever happens in whatever order: rows are what the resolver says with the holds, and holds keep what they say."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.bridge.worlds import MAPPING, OPERATOR, World, add, remove, rename

from rolebridge.bridge.approvals import Approvals
from rolebridge.bridge.holding import Chosen, Holds, NotKept
from rolebridge.core.errors import NotFound, Taken

NAMES = ("Admins", "lbx-cityscapes-reviewers", "lbx-cityscapes-labelers", "Contractors", "Suspended", "Book club")
GUARDED = MAPPING + "guard: {hold_revocations: {over: 10%, and_at_least: 2}, keep: {workspace_role: {admin: 1}}}\n"
VARIANTS = (
    GUARDED,
    GUARDED.replace("reviewers: reviewer", "reviewers: labeler"),
    GUARDED.replace("  - id: teams\n", "  - id: crews\n"),
    MAPPING,
)


class Story:
    """One organization to which things happen by chance."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = World(world.store)
        self.random = Random(seed)
        self.world.apply(GUARDED)
        approvals = Approvals(world.store, self.world.clock, needed=False)
        self.holds = Holds(world.store, self.world.rulebooks, self.world.clock, approvals)
        kinds = ["Contractor", "Employee"]
        self.people = [self.world.user(f"p{n}", userType=self.random.choice(kinds)) for n in range(6)]
        self.groups = [self.world.group(name, self.random.sample(self.people, 4)) for name in NAMES[:4]]

    def step(self) -> None:
        """Let something happen."""
        world, random = self.world, self.random
        person, group = random.choice(self.people), random.choice(self.groups)
        match random.randrange(9):
            case 0:
                world.change(group, add(person, random.choice(self.people)))
            case 1 | 2:
                world.change(group, remove(*random.sample(self.people, random.randint(1, 4))))
            case 3:
                world.activate(person, random.random() < 0.6)
            case 4:
                world.change(group, rename(random.choice(NAMES)))
            case 5:
                world.apply(random.choice(VARIANTS) + f"# {random.random()}\n", force="by chance")
            case 6:
                settle = random.choice([self.holds.release, self.holds.discard])
                settle(OPERATOR, world.id, Chosen(user=person), reason="by chance")
            case 7:
                world.now += timedelta(minutes=random.randint(1, 50))
            case _:
                world.provisioning.delete_user(world.okta, person)

    def assert_sound(self) -> None:
        """Assert what is always true."""
        assert self.world.differing() == []
        with self.world.store.read(snapshot=True) as unit:
            assert list(unit.checks(self.world.id).problems()) == []
            for user in unit.directory(self.world.id).all_core_users():
                assert user.active or unit.grants(self.world.id).of_users([user.id])[user.id] == []
        for row in self.holds.listing(self.world.id).rows:
            event(f"{row.hold.kind} by {row.hold.guard}")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_rows_are_what_the_resolver_says_with_the_holds(world: World, seed: int) -> None:
    """Thirty chances of users, groups, mappings and decisions: sound after each of them."""
    story = Story(world, seed)
    for _ in range(30):
        try:
            story.step()
        except (NotFound, NotKept, Taken):
            continue  # nothing of it was done, which the end confirms
        story.assert_sound()
    story.assert_sound()
