"""Groups in groups (RFC 7643 §4.2): who is a member of what, directly or through other groups.

Whoever is in a group is in every group that it is in, and so on upwards. Groups are never in a circle, and at most
`MAX_DEPTH` deep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rolebridge.core.directory import Group, Membership
from rolebridge.core.errors import Invalid

MAX_DEPTH: Final = 16
"""How many groups may stand one in the other, the outermost not counted."""
MAX_CHILDREN: Final = 500
"""Groups that one group may hold directly."""
MAX_REACH: Final = 100_000
"""Pairs of groups that one new membership may join, directly and indirectly."""


@dataclass(frozen=True, slots=True)
class Nested:
    """That a group is in `parent`, since when."""

    parent: Group
    since: datetime


@dataclass(frozen=True, slots=True)
class Way:
    """That whoever is in the first group of `via` is in `group`, each in the next one; `since` the youngest of them."""

    group: Group
    since: datetime
    via: tuple[Group, ...]


def ways_up(group: Group, parents: Mapping[str, Sequence[Nested]]) -> tuple[Way, ...]:
    """Return a way to every group that `group` is in: the shortest, among those the one whose ids come first.

    `parents` tells of each group that matters what it is in.
    """
    found: dict[str, Way] = {group.id: Way(group, datetime.min.replace(tzinfo=UTC), ())}
    frontier = list(found.values())
    while frontier:
        # Breadth first, and those of one length in order: whichever reaches a group first is its way.
        steps = sorted((step for way in frontier for step in _steps(way, parents)), key=_ids)
        frontier = [step for step in steps if found.setdefault(step.group.id, step) is step]
    del found[group.id]
    return tuple(found.values())


def _steps(way: Way, parents: Mapping[str, Sequence[Nested]]) -> Iterator[Way]:
    for nested in parents.get(way.group.id, ()):
        yield Way(nested.parent, max(way.since, nested.since), (*way.via, way.group))


def _ids(way: Way) -> tuple[str, ...]:
    return tuple(group.id for group in way.via)


def effective(direct: Sequence[Membership], ways: Mapping[str, Sequence[Way]]) -> tuple[Membership, ...]:
    """Return the memberships with those that follow from each of them, in the order of the groups' ids.

    `ways` leads from groups upwards. A group to which two of the direct memberships lead is there for each: who leaves
    one of them stays in it through the other. Somebody is in it since the last membership on the way began.
    """
    found = [*direct]
    for membership in direct:
        for way in ways.get(membership.group.id, ()):
            since = way.since if membership.since is None else max(membership.since, way.since)
            found.append(Membership(way.group, since, membership.source, way.via))
    return tuple(sorted(found, key=lambda one: (one.group.id, [group.id for group in one.via])))


def closure(parents: Mapping[str, Iterable[str]], ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return for each of the groups all that it is in, directly or not."""
    found: dict[str, frozenset[str]] = {}
    for id_ in ids:
        above: set[str] = set()
        frontier = set(parents.get(id_, ()))
        while frontier:
            above |= frontier
            frontier = {higher for one in frontier for higher in parents.get(one, ())} - above
        found[id_] = frozenset(above)
    return found


class Circle(Invalid):
    """That a group would be in itself; `path` are the groups' names around the circle."""

    def __init__(self, path: Sequence[str]) -> None:
        shown = [*path[:4], "…", path[-1]] if len(path) > 6 else path
        super().__init__("a group cannot be in itself: " + " in ".join(f"`{name}`" for name in shown), "members")
        self.path = tuple(path)
