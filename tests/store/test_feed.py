"""The feed of changes: positions are given after commits, so that nobody who follows misses a row."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from tests.store.worlds import NOW, World, together

from rolebridge.core.errors import Unavailable
from rolebridge.store.engine import Store
from rolebridge.store.records import FeedState
from rolebridge.store.unit import Unit

MANY = 1_000


def tell(world: World, *payloads: str) -> None:
    world.store.transact(
        lambda unit: unit.record(world.organization).outbox_many([("k", one) for one in payloads], NOW)
    )


def number(world: World, limit: int = MANY) -> int:
    return world.store.transact(lambda unit: unit.feed(world.organization).number(limit))


def follow(world: World, after: int = 0) -> list[tuple[int, str]]:
    with world.store.read() as unit:
        return [(row.position, row.payload) for row in unit.feed(world.organization).page(after, MANY)]


def state(world: World) -> FeedState:
    with world.store.read() as unit:
        return unit.feed(world.organization).state()


def test_a_row_is_in_the_feed_once_it_is_numbered(world: World) -> None:
    """Positions count from 1 in the order of insertion; numbering again changes nothing."""
    tell(world, "a", "b")
    with world.store.read() as unit:
        assert unit.feed(world.organization).waiting()
    assert follow(world) == []
    assert number(world) == 2
    assert follow(world) == [(1, "a"), (2, "b")]
    assert number(world) == 0
    tell(world, "c")
    number(world)
    assert follow(world, 2) == [(3, "c")]
    assert state(world) == FeedState(3, 0)


def test_numbers_are_given_in_blocks(world: World) -> None:
    """A long outbox is numbered a block at a time, oldest first."""
    tell(world, *"abcde")
    assert [number(world, 2), number(world, 2), number(world, 2)] == [2, 2, 1]
    assert follow(world) == [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]


# SQLite has one writer at a time: there, sequences are committed in their order.
@pytest.mark.parametrize("url", ["postgresql"], indirect=True, scope="module")
def test_a_row_that_commits_later_with_a_lower_sequence_is_not_missed(world: World) -> None:
    """A first transaction inserts, a second one inserts and commits, a reader reads, the first one commits."""
    inserted, seen = threading.Event(), threading.Event()

    def slow(unit: Unit) -> None:
        unit.record(world.organization).outbox("k", "early", NOW)
        inserted.set()
        assert seen.wait(30)

    first = threading.Thread(target=lambda: world.store.transact(slow))
    first.start()
    assert inserted.wait(30)
    tell(world, "late")
    number(world)
    assert follow(world) == [(1, "late")]
    seen.set()
    first.join()
    number(world)
    assert follow(world, 1) == [(2, "early")]


def test_followers_among_writers_see_every_row_once(world: World) -> None:
    """Writers and followers at once: each follower's rows are all that were written, each once, in one order."""
    done = threading.Event()
    seen: list[list[tuple[int, str]]] = [[] for _ in range(3)]

    def play(part: int) -> None:
        if part < 5:
            for turn in range(20):
                tell(world, f"{part}-{turn}-first", f"{part}-{turn}-second")
            return
        mine = seen[part - 5]
        while True:
            finished = done.is_set()
            number(world, 7)
            mine += follow(world, mine[-1][0] if mine else 0)
            if finished and len(mine) == 200:
                return

    def finish(part: int) -> None:
        try:
            play(part)
        finally:
            if part < 5:
                with lock:
                    left.pop()
                    if not left:
                        done.set()

    lock, left = threading.Lock(), list(range(5))
    assert together(finish, 8) == [None] * 8
    assert seen[0] == seen[1] == seen[2]
    assert [position for position, _ in seen[0]] == list(range(1, 201))
    told = [payload for _, payload in seen[0]]
    assert len(set(told)) == 200
    for part in range(5):
        mine = [payload for payload in told if payload.startswith(f"{part}-")]
        assert mine == [f"{part}-{turn}-{half}" for turn in range(20) for half in ("first", "second")]


def test_what_is_old_is_taken_away_from_the_beginning(world: World) -> None:
    """Rows before a moment go, with a note of how far; positions go on after the last one ever given."""
    tell(world, "a", "b")
    number(world)
    world.store.transact(lambda unit: unit.record(world.organization).outbox("k", "c", NOW + timedelta(days=2)))
    number(world)
    tell(world, "waiting")
    before = NOW + timedelta(days=1)
    assert world.store.transact(lambda unit: unit.feed(world.organization).purge(before, MANY)) == 2
    assert state(world) == FeedState(3, 2)
    assert follow(world) == [(3, "c")]
    assert world.store.transact(lambda unit: unit.feed(world.organization).purge(before, MANY)) == 0
    number(world)
    assert follow(world, 3) == [(4, "waiting")]


def test_organizations_have_feeds_of_their_own(store: Store) -> None:
    """Each counts for itself."""
    one, two = World(store).begin(), World(store).begin()
    tell(one, "a")
    tell(two, "b")
    number(one)
    assert (follow(one), follow(two)) == ([(1, "a")], [])
    number(two)
    assert follow(two) == [(1, "b")]


# --- what attends a transaction --------------------------------------------------------------------------------


def test_what_attends_a_transaction_is_part_of_it(world: World) -> None:
    """Before the work and after it, in the one transaction that commits; what comes later is alone."""
    heard: list[str] = []

    def before(unit: Unit) -> None:
        heard.append("before")

    def after(unit: Unit) -> None:
        heard.append("after")
        unit.record(world.organization).outbox("k", "witness", NOW)

    with world.store.attended(before=before, after=after):
        tell(world, "work")
        tell(world, "more")
    tell(world, "outside")
    number(world)
    assert [payload for _, payload in follow(world)] == ["work", "witness", "more", "outside"]
    assert heard == ["before", "after"]


def test_what_attends_can_undo_the_transaction(world: World) -> None:
    """What it raises is raised, nothing is written, and the next transaction is attended instead."""
    calls: list[int] = []

    def refuse_once(unit: Unit) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise Unavailable("not now")

    with world.store.attended(after=refuse_once):
        with pytest.raises(Unavailable, match="not now"):
            tell(world, "undone")
        tell(world, "done")
        tell(world, "done too")
    number(world)
    assert [payload for _, payload in follow(world)] == ["done", "done too"]
    assert len(calls) == 2
