"""Guard rails: when too many lose too much, and when nobody would be left."""

from __future__ import annotations

import pytest

from rolebridge.core.assignment import Source
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.guardrails import GuardKind, holders, last_holders, revocations, short_of
from rolebridge.core.mapping import Guard, HoldLimit


def grant(user: str, role: str = "labeler", state: GrantState = GrantState.EFFECTIVE) -> Grant:
    return Grant(
        user_id=user,
        workspace="w",
        slot="project_role",
        project="p",
        role=role,
        state=state,
        source=Source.RULE,
        rule="r",
        lock="",
        reach="",
        override="",
        acts_as_slot="",
        acts_as_role="",
        valid_from=None,
        valid_until=None,
        revision=1,
        because="",
    )


def grants(people: range, role: str = "labeler") -> list[Grant]:
    return [grant(f"u{n:03}", role) for n in people]


GUARD = Guard(HoldLimit(0.25, 10), (("project_role", "labeler", 2),))


@pytest.mark.parametrize(
    ("holders_before", "losing", "trips"),
    [
        (100, 25, False),  # exactly the share: not over it
        (100, 26, True),
        (20, 9, False),  # 45 %, but fewer than ten people
        (20, 10, True),  # ten people: at least ten
        (1000, 200, False),  # many people, a small share
        (10, 10, True),
        (0, 20, False),  # nobody held anything: no share of them is lost
    ],
)
def test_a_mass_revocation_trips_only_past_both_bounds(holders_before: int, losing: int, trips: bool) -> None:
    """`over` is a share that must be exceeded, `and_at_least` a number that must be reached."""
    trip = revocations("w", GUARD, losing, holders_before)
    assert (trip is not None) is trips
    if trip is not None:
        assert trip.kind is GuardKind.HOLD_REVOCATIONS
        assert trip.count == losing


def test_without_a_limit_nothing_is_held() -> None:
    """A mapping without `hold_revocations` lets everything pass."""
    assert revocations("w", Guard(), 40, 40) is None


@pytest.mark.parametrize(
    ("had", "has", "trips"), [(3, 1, True), (3, 2, False), (1, 1, False), (1, 0, True), (0, 0, False), (1, 3, False)]
)
def test_the_last_holders_of_a_role_are_kept(had: int, has: int, trips: bool) -> None:
    """Fewer than the kept number trips, unless it was no better before."""
    found = last_holders("w", GUARD, holders(grants(range(had))), holders(grants(range(has))))
    assert [trip.kind for trip in found] == ([GuardKind.KEEP] if trips else [])


def test_blocked_rows_are_no_holders() -> None:
    """Only what is in force counts."""
    assert holders([grant("u1", state=GrantState.BLOCKED)]) == {}


def test_a_trip_says_how_many_of_how_many_and_what_is_allowed() -> None:
    """The share is of those who held something before."""
    trip = revocations("w", GUARD, 26, 100)
    assert trip is not None
    assert trip.actual == "26 of 100 people (26.0%) lose a role"


@pytest.mark.parametrize(("present", "short"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_kept_role_with_too_few_holders_is_told(present: int, short: bool) -> None:
    """However that came about, with how many there are; nobody at all counts as none."""
    found = short_of("w", GUARD, holders(grants(range(present))))
    assert [(trip.kind, trip.workspace, trip.count) for trip in found] == (
        [(GuardKind.KEEP, "w", present)] if short else []
    )


def test_a_role_that_nobody_holds_is_short_of_one() -> None:
    """A kept number of one, and nobody counted."""
    (trip,) = short_of("w", Guard(None, (("workspace_role", "admin", 1),)), {})
    assert trip.count == 0
