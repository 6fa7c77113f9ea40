"""Which losses of the directory are held: tables of the bounds, and laws over any order of losses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.guardrails import GuardKind, Losses, Window, judge
from rolebridge.core.mapping import Guard, HoldLimit

ADMIN = ("workspace_role", "admin")
NO_PAIRS: frozenset[tuple[str, str]] = frozenset()
GUARD = Guard(HoldLimit(0.25, 10))
KEEPING = Guard(None, (("workspace_role", "admin", 2),))


def leaving(count: int, first: int = 0) -> Losses:
    """Return active people who lose something, all of it holdable."""
    people = {f"u{number}": NO_PAIRS for number in range(first, first + count)}
    return Losses(people, holdable=frozenset(people))


@pytest.mark.parametrize(
    ("holders", "lost", "losing", "held"),
    [
        (100, 0, 25, False),  # exactly the share
        (100, 0, 26, True),
        (100, 25, 1, True),  # the one that crosses
        (100, 24, 1, False),
        (100, 24, 2, True),  # a request that crosses is held as a whole
        (20, 8, 1, False),  # 45 %, fewer than ten
        (20, 9, 1, True),
        (1000, 100, 100, False),
        (5, 0, 5, False),  # everybody of five: fewer than ten
        (10, 0, 10, True),
    ],
)
def test_a_request_is_held_when_it_goes_past_both_bounds(holders: int, lost: int, losing: int, held: bool) -> None:
    """The share is of those who held something at the window's start; what was lost before counts."""
    verdict = judge("w", GUARD, Window(holders, lost, lost), leaving(losing))
    assert len(verdict.held) == (losing if held else 0)
    assert {trip.kind for trip in verdict.held.values()} <= {GuardKind.HOLD_REVOCATIONS}


def test_who_is_counted_already_counts_once() -> None:
    """A person who loses a second role takes no further place."""
    window = Window(100, 25, 25, known_lost=frozenset({"u0"}), known=frozenset({"u0"}))
    assert judge("w", GUARD, window, leaving(1)).held == {}
    assert set(judge("w", GUARD, window, leaving(2)).held) == {"u0", "u1"}


def test_what_cannot_be_held_counts_and_passes() -> None:
    """Of thirty who lose something, only the two whose loss can be held are."""
    people = {f"u{number}": NO_PAIRS for number in range(30)}
    verdict = judge("w", GUARD, Window(100), Losses(people, holdable=frozenset({"u1", "u2"})))
    assert set(verdict.held) == {"u1", "u2"}


def test_a_workspace_without_a_limit_holds_nothing() -> None:
    """No guard, no hold."""
    assert judge("w", Guard(), Window(10), leaving(10)).held == {}


@pytest.mark.parametrize(
    ("gone", "lost", "people", "withheld"),
    [(25, 0, 0, False), (26, 0, 0, True), (1, 0, 25, True), (1, 20, 25, True), (1, 20, 24, False)],
)
def test_deliveries_of_the_gone_wait_past_the_limit_of_all_who_lost(
    gone: int, lost: int, people: int, withheld: bool
) -> None:
    """Their roles go in any case; those who lost something while active count together with them."""
    losses = Losses(gone={f"g{number}": NO_PAIRS for number in range(gone)})
    verdict = judge("w", GUARD, Window(100, lost, people), losses)
    assert verdict.held == {}
    assert len(verdict.withheld) == (gone if withheld else 0)


@pytest.mark.parametrize(
    ("present", "active", "gone", "held", "told"),
    [
        (3, 1, 0, 0, 0),
        (3, 2, 0, 2, 0),  # one too few: both are held
        (2, 1, 0, 1, 0),
        (3, 0, 2, 0, 1),  # never held, but told
        (3, 1, 1, 1, 0),  # the account goes, the removal beside it waits
        (1, 1, 0, 1, 0),  # what had too few already is not made worse
    ],
)
def test_the_last_holders_of_a_kept_role(present: int, active: int, gone: int, held: int, told: int) -> None:
    """Two admins must remain."""
    people = {f"u{number}": frozenset({ADMIN}) for number in range(active)}
    losses = Losses(people, {f"g{number}": frozenset({ADMIN}) for number in range(gone)}, frozenset(people))
    verdict = judge("w", KEEPING, Window(0, kept={ADMIN: present}), losses)
    assert (len(verdict.held), len(verdict.told)) == (held, told)
    assert {trip.kind for trip in verdict.held.values()} <= {GuardKind.KEEP}


def test_only_those_who_hold_a_kept_role_are_held_for_it() -> None:
    """Of three who leave, one is an admin; another limit that was passed already keeps its own word."""
    people = {"u0": frozenset({ADMIN}), "u1": NO_PAIRS, "u2": NO_PAIRS}
    verdict = judge("w", KEEPING, Window(0, kept={ADMIN: 2}), Losses(people, {"g0": NO_PAIRS}, frozenset(people)))
    assert set(verdict.held) == {"u0"}
    assert verdict.held["u0"].count == 1
    both = Guard(HoldLimit(0.1, 1), (("workspace_role", "admin", 2), ("workspace_role", "admin", 3)))
    losses = Losses(people, {"g0": frozenset({ADMIN})}, frozenset(people))
    verdict = judge("w", both, Window(10, kept={ADMIN: 3}), losses)
    assert {trip.kind for trip in verdict.held.values()} == {GuardKind.HOLD_REVOCATIONS}
    assert [trip.limit for trip in verdict.told] == ["no fewer than 3"]


def test_the_first_limit_that_holds_somebody_is_the_one_that_is_told() -> None:
    """Two kept roles of one person: the loss is held once, by the limit that was asked first."""
    owner = ("workspace_role", "owner")
    keeping = Guard(None, (("workspace_role", "admin", 2), ("workspace_role", "owner", 3)))
    losses = Losses({"u0": frozenset({ADMIN, owner})}, {"g0": frozenset({owner})}, frozenset({"u0"}))
    verdict = judge("w", keeping, Window(0, kept={ADMIN: 2, owner: 3}), losses)
    assert [trip.limit for trip in verdict.held.values()] == ["no fewer than 2"]
    assert [trip.limit for trip in verdict.told] == ["no fewer than 3"]  # the owner who is gone is not held


def test_a_role_that_nobody_loses_and_nobody_holds_trips_nothing() -> None:
    """Too few already, and not made worse: silence. A kept role that nobody counted is held by nobody."""
    verdict = judge("w", KEEPING, Window(0, kept={ADMIN: 1}), leaving(1))
    assert (verdict.held, verdict.told) == ({}, ())
    losses = Losses({"u0": frozenset({ADMIN})}, holdable=frozenset({"u0"}))
    assert [trip.count for trip in judge("w", KEEPING, Window(0), losses).held.values()] == [-1]


# --- laws


@given(
    holders=st.integers(1, 300),
    share=st.floats(0.01, 1),
    least=st.integers(1, 40),
    requests=st.lists(st.integers(1, 30), max_size=40),
)
def test_what_is_let_through_never_goes_past_the_limit(
    holders: int, share: float, least: int, requests: list[int]
) -> None:
    """However many requests of whatever size: those who lost something are never past both bounds."""
    guard, lost, seen = Guard(HoldLimit(share, least)), 0, 0
    for size in requests:
        verdict = judge("w", guard, Window(holders, lost, lost), leaving(size, seen))
        assert len(verdict.held) in {0, size}
        lost, seen = lost + size - len(verdict.held), seen + size
        assert lost / holders <= share or lost < least


@given(holders=st.integers(1, 300), share=st.floats(0, 1), least=st.integers(1, 40))
def test_one_by_one_as_many_go_as_the_limit_allows(holders: int, share: float, least: int) -> None:
    """Nobody is held while the bounds allow one more."""
    guard, lost = Guard(HoldLimit(share, least)), 0
    for number in range(holders):
        held = judge("w", guard, Window(holders, lost, lost), leaving(1, number)).held
        allowed = (lost + 1) / holders <= share or lost + 1 < least
        assert bool(held) is not allowed
        lost += not held


_PEOPLE = st.dictionaries(st.text("abc", max_size=2), st.sampled_from([NO_PAIRS, frozenset({ADMIN})]), max_size=6)


@given(
    active=_PEOPLE,
    gone=_PEOPLE,
    holdable=st.sets(st.text("abc", max_size=2)),
    window=st.builds(Window, st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), kept=st.just({ADMIN: 3})),
)
def test_only_what_can_be_held_is_and_the_gone_never_are(
    active: dict[str, frozenset[tuple[str, str]]],
    gone: dict[str, frozenset[tuple[str, str]]],
    holdable: set[str],
    window: Window,
) -> None:
    """Whatever the guard rails and numbers: no deactivated person's role is ever kept."""
    gone = {f"gone-{person}": pairs for person, pairs in gone.items()}
    guard = Guard(HoldLimit(0.1, 1), (("workspace_role", "admin", 2),))
    verdict = judge("w", guard, window, Losses(active, gone, frozenset(holdable & active.keys())))
    assert verdict.held.keys() <= holdable & active.keys()
    assert verdict.withheld.keys() <= gone.keys()
