"""Whole platforms that nobody wrote: catalogues with everything that the format can say, each made from a number.

Made by chance from one drawn number and not draw by draw: a catalogue takes some hundred choices, and what a failing
example must show small is the mapping and the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from rolebridge.core.catalogue import (
    AccountKind,
    Assignable,
    Cardinality,
    Catalogue,
    Level,
    Merge,
    Need,
    Prerequisite,
    ProjectOverride,
    Reach,
    Role,
    Slot,
)

# The ids of both levels meet, so that a name means a role on several axes; `none` is the neutral one.
ROLES = ("ant", "bee", "cat", "dog")
ACCESS = "inherit"
NEUTRAL = "none"
WORKSPACE_SLOTS = ("north", "east", "west")
PROJECT_SLOTS = ("sun", "moon")
_Value = TypeVar("_Value")

KINDS = (AccountKind("plain", "Plain"), AccountKind("external_account", "External", ("uid",)))


@lru_cache(maxsize=4_096)
def catalogue(number: int) -> Catalogue:
    """Return the catalogue of a number: slots on both levels in any order, and no circle of what needs what."""
    return _Maker(Random(number)).catalogue(number)


catalogues: st.SearchStrategy[Catalogue] = st.integers(0, 9_999_999).map(catalogue)


class _Maker:
    """Makes one catalogue."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.kinds = random.choice(((), KINDS))

    def catalogue(self, number: int) -> Catalogue:
        above = self.some(WORKSPACE_SLOTS, 1, 3)
        below = self.some(PROJECT_SLOTS, 1, 2)
        slots = [self.slot(name, Level.WORKSPACE, above[:at], below) for at, name in enumerate(above)]
        slots += [self.slot(name, Level.PROJECT, above, below) for name in below]
        slots = [replace(slot, governs=self.governed(slot, slots)) for slot in slots]
        needs = tuple(self.prerequisite(slots, above) for _ in range(self.random.randint(0, 3)))
        shown = {slot.id: slot for slot in self.some(slots, len(slots), len(slots))}
        return Catalogue(f"generated-{number}", "Generated", shown, needs, self.kinds)

    def slot(self, name: str, level: Level, sources: Sequence[str], below: Sequence[str]) -> Slot:
        """Return a slot; `sources` are the workspace slots that mere access in it may become a role of."""
        # The first two can always be given, so that rules have something to disagree about.
        roles = [self.role(name, id_, level, given=at < 2) for at, id_ in enumerate(self.some(ROLES, 2, 4))]
        if len(roles) > 2 and self.one_in(4):
            roles[2] = Role(roles[2].id, roles[2].name, name, parts=(roles[0].id, roles[1].id))
        if sources and self.one_in(2 if level is Level.PROJECT else 4):
            roles.append(Role(ACCESS, ACCESS, name, inherits=tuple(self.some(sources, 1, 2))))
        neutral = NEUTRAL if self.one_in(4) else None
        if neutral:
            roles.append(Role(NEUTRAL, NEUTRAL, name, Assignable.NO))
        holds = self.random.choice(list(Cardinality))
        merge = Merge.UNION if holds is Cardinality.MANY else self.random.choice((Merge.HIGHEST, Merge.ERROR))
        ranked = [role.id for role in roles if role.assignable is Assignable.YES and not role.is_access]
        rank = tuple(self.some(ranked, len(ranked), len(ranked))) if merge is Merge.HIGHEST or self.one_in(2) else ()
        governs = tuple(self.some(below, 0, 2)) if level is Level.WORKSPACE else ()
        shown = {role.id: role for role in self.some(roles, len(roles), len(roles))}
        return Slot(name, name, level, holds, shown, merge, rank, governs, self.one_in(2), neutral)

    @staticmethod
    def governed(slot: Slot, slots: Sequence[Slot]) -> tuple[str, ...]:
        """Return what a slot governs: where it overrules in one's own projects, only slots that keep one in them."""
        own = any(role.overrules and role.reach is Reach.OWN for role in slot.roles.values())
        with_access = {other.id for other in slots if other.access_role}
        return tuple(name for name in slot.governs if not own or name in with_access)

    def role(self, slot: str, id_: str, level: Level, *, given: bool) -> Role:
        reach = self.random.choice(list(Reach)) if level is Level.WORKSPACE else Reach.NONE
        reaches = reach is not Reach.NONE
        override = self.random.choice(list(ProjectOverride)) if reaches else ProjectOverride.YIELDS
        assignable = Assignable.YES if given or not self.one_in(4) else self.random.choice(list(Assignable))
        only = self.some([kind.id for kind in self.kinds], 1, 1) if self.kinds and self.one_in(4) else ()
        return Role(
            id_,
            id_,
            slot,
            assignable,
            reach,
            override,
            needs_work=self.one_in(2),
            account_kinds=frozenset(only),
            least=self.random.randint(0, 2),
            most=self.random.choice((0, 0, 1, 3)),
        )

    def prerequisite(self, slots: Sequence[Slot], above: Sequence[str]) -> Prerequisite:
        """Return that something in one slot needs a role of a workspace slot that stands before it."""
        needy = self.random.choice([slot for slot in slots if slot.id != above[0]])
        before = above[: list(above).index(needy.id)] if needy.id in above else above
        roles_of = {slot.id: sorted(slot.roles) for slot in slots}
        needs = tuple(Need(name, frozenset(self.some(roles_of[name], 0, 2))) for name in self.some(before, 1, 2))
        kinds = self.some([kind.id for kind in self.kinds], 1, 1) if self.one_in(3) else ()
        return Prerequisite(needy.id, needs, frozenset(self.some(sorted(needy.roles), 0, 2)), frozenset(kinds))

    def some(self, values: Sequence[_Value], least: int, most: int) -> list[_Value]:
        """Return from `least` to `most` of the values, where there are so many, in any order."""
        count = self.random.randint(least, most)
        return self.random.sample(list(values), min(count, len(values)))

    def one_in(self, many: int) -> bool:
        return self.random.randrange(many) == 0
