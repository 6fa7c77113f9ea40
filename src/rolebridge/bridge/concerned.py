"""Whom a change of the mapping can concern: those to whom rules say something else than before.

What is recorded of everybody is what the resolver makes of them under the rulebook in force, since every change of the
directory writes it (`fsck` proves it). So a candidate leaves somebody as they are, now and on later days, when it
weighs everything as before, says the same to every group they are in, by name and to everyone, and nothing of them
waits for a day: then the resolver is given the same. Where that cannot be told of anybody, everybody is concerned.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rolebridge.bridge.rulebooks import Rulebook
from rolebridge.core.directory import Group
from rolebridge.core.program import Program
from rolebridge.store.crowd import Crowd
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Concern:
    """Whom to look at: everybody, or the members of groups (a JSON array of ids), people by id in order, and others.

    With `by_hand` whoever was given something by hand. Who waits for a day or has a grant that is held is always
    looked at.
    """

    everybody: bool
    groups: str = "[]"
    people: Sequence[str] = ()
    by_hand: bool = False

    def blocks(self, crowd: Crowd, size: int) -> Iterator[str]:
        """Yield the ids of whom to look at, in their order, as JSON arrays of `size` to twice as many."""
        found: list[str] = []
        after = ""
        while everyone := crowd.ids(after, size):
            found += everyone if self.everybody else self._between(crowd, after, everyone[-1])
            after = everyone[-1]
            if len(found) >= size:
                yield json.dumps(found)
                found = []
        if found:
            yield json.dumps(found)

    def _between(self, crowd: Crowd, after: str, last: str) -> list[str]:
        named = self.people[bisect_right(self.people, after) : bisect_right(self.people, last)]
        return sorted({*crowd.concerned(after, last, self.groups, by_hand=self.by_hand), *named})


def concern_of(unit: Unit, organization_id: str, base: Rulebook, candidate: Rulebook) -> Concern:
    """Return whom a candidate can concern, intended or in force, where everybody is as `base` has it in force."""
    pairs = [*_pairs(base.programs, candidate.intended), *_pairs(base.programs, candidate.programs)]
    both = [(before, after) for before, after in pairs if before is not None and after is not None]
    if not base.is_as_applied or not all(before.weighs_alike(after) for before, after in both):
        return Concern(everybody=True)
    if not all(_alike_to_everyone(before, after) for before, after in pairs):
        return Concern(everybody=True)
    directory, crowd = unit.directory(organization_id), unit.crowd(organization_id)
    groups = {
        group.id
        for group in directory.all_core_groups()
        if not all(_alike_to_group(before, after, group) for before, after in pairs)
    }
    named = {name for before, after in pairs for name in _named_otherwise(before, after)}
    return Concern(
        everybody=False,
        groups=json.dumps(sorted(groups | crowd.below(groups))),
        people=sorted(set(directory.ids_named(named).values())),
        by_hand=any(
            before is None or after is None or before.projects.keys() != after.projects.keys()
            for before, after in pairs
        ),
    )


def _pairs(before: Sequence[Program], after: Sequence[Program]) -> Iterator[tuple[Program | None, Program | None]]:
    """Yield the programs of each workspace on either side; None where nothing speaks of it."""
    old = {program.workspace: program for program in before}
    new = {program.workspace: program for program in after}
    for workspace in sorted(old.keys() | new.keys()):
        yield old.get(workspace), new.get(workspace)


def _alike_to_group(before: Program | None, after: Program | None, group: Group) -> bool:
    if before is not None and after is not None:
        return before.speaks_alike(after, group)
    return not any(one.for_group(group) for one in (before, after) if one is not None)


def _alike_to_everyone(before: Program | None, after: Program | None) -> bool:
    if before is not None and after is not None:
        return before.everyone_alike(after)
    return not any(one.for_everyone for one in (before, after) if one is not None)


def _named_otherwise(before: Program | None, after: Program | None) -> frozenset[str]:
    if before is not None and after is not None:
        return before.named_otherwise(after)
    return frozenset(name for one in (before, after) if one is not None for name in one.named_users)
