"""Groups in groups: effective memberships are what the graph says, with a way for each that somebody can check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.directory import Group, Membership
from rolebridge.core.nesting import Circle, Nested, closure, effective, ways_up

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
GROUPS = [Group(f"g{number}", f"Group {number}", "okta") for number in range(8)]
Edges = set[tuple[int, int]]

# Only from a lower number to a higher one: no circle.
edges = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1]), max_size=16)


def parents_of(found: Edges) -> dict[str, Sequence[Nested]]:
    parents: dict[str, list[Nested]] = {}
    for child, parent in sorted(found):
        since = BEGIN + timedelta(days=child * 10 + parent)
        parents.setdefault(GROUPS[child].id, []).append(Nested(GROUPS[parent], since))
    return {id_: tuple(held) for id_, held in parents.items()}


def reached(found: Edges, start: int) -> set[int]:
    """Return all that a group is in, found by going everywhere until nothing new comes."""
    above = {parent for child, parent in found if child == start}
    while more := {parent for child, parent in found if child in above} - above:
        above |= more
    return above


@given(edges, st.sets(st.integers(0, 7), min_size=1))
def test_effective_memberships_are_the_closure_of_the_graph(found: Edges, direct: set[int]) -> None:
    """Somebody is in a group exactly when one of their groups is, or leads to, it; from each direct one it is told."""
    parents = parents_of(found)
    ways = {group.id: ways_up(group, parents) for group in GROUPS}
    held = effective([Membership(GROUPS[number], BEGIN) for number in sorted(direct)], ways)
    told = {(one.entered.id, one.group.id) for one in held}
    wanted = {(GROUPS[start].id, GROUPS[end].id) for start in direct for end in {start, *reached(found, start)}}
    assert told == wanted
    assert len(held) == len(wanted)
    assert [one.group.id for one in held] == sorted(one.group.id for one in held)


@given(edges, st.integers(0, 7))
def test_every_way_can_be_walked(found: Edges, start: int) -> None:
    """`via` goes from group to group along nestings that are there, by a shortest way, and begins with the last."""
    parents = parents_of(found)
    for way in ways_up(GROUPS[start], parents):
        steps = [*way.via, way.group]
        assert steps[0] == GROUPS[start]
        sinces = []
        for below, above in pairwise(steps):
            (since,) = [nested.since for nested in parents[below.id] if nested.parent == above]
            sinces.append(since)
        assert way.since == max(sinces)
        assert len(set(steps)) == len(steps)


@given(edges)
def test_the_kept_closure_is_the_graphs(found: Edges) -> None:
    """What is stored of every group is what a walk would find."""
    parents: dict[str, list[str]] = {}
    for child, parent in found:
        parents.setdefault(GROUPS[child].id, []).append(GROUPS[parent].id)
    kept = closure(parents, [group.id for group in GROUPS])
    assert kept == {
        GROUPS[number].id: {GROUPS[above].id for above in reached(found, number)} for number in range(len(GROUPS))
    }


def test_a_long_circle_is_told_short() -> None:
    """A refusal stays one readable line."""
    assert str(Circle(["A", "B", "A"])) == "a group cannot be in itself: `A` in `B` in `A`"
    told = str(Circle([f"G{number}" for number in range(16)]))
    assert told == "a group cannot be in itself: `G0` in `G1` in `G2` in `G3` in `…` in `G15`"
