"""Meters: rate and burst, waiting, and memory shared by processes."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from rolebridge.core.errors import Invalid
from rolebridge.core.limits import RateLimit, read_rate_limit
from rolebridge.web.rates import Memory, Meters


class Clock:
    """A clock that stands still until it is told."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_and_then_the_rate(clock: Clock) -> None:
    """So many at once are admitted, then as many as the rate says, and what is refused costs nothing."""
    meters, limit = Meters(clock=clock), RateLimit(25, 50)
    assert [meters.take("okta", limit) for _ in range(50)] == [0.0] * 50
    assert [meters.take("okta", limit) for _ in range(3)] == [pytest.approx(0.04)] * 3
    clock.now += 1
    assert sum(meters.take("okta", limit) == 0.0 for _ in range(40)) == 25
    clock.now += 3600
    assert sum(meters.take("okta", limit) == 0.0 for _ in range(60)) == 50


@pytest.mark.parametrize("limit", [RateLimit(25, 25), RateLimit(1 / 6, 20), RateLimit(1000, 30_000), RateLimit(3, 1)])
def test_a_steady_client_at_the_rate_is_never_refused(clock: Clock, limit: RateLimit) -> None:
    """Whoever keeps to the rate is admitted for ever."""
    meters = Meters(clock=clock)
    for _ in range(500):
        assert meters.take("okta", limit) == 0.0
        clock.now += 1.0001 / limit.rate


def test_after_the_wait_it_is_admitted(clock: Clock) -> None:
    """The seconds that are told are enough, and not many too many."""
    meters, limit = Meters(clock=clock), RateLimit(4, 2)
    while not (wait := meters.take("okta", limit)):
        pass
    assert wait == meters.wait("okta", limit) == pytest.approx(0.25)
    clock.now += wait - 0.01
    assert meters.take("okta", limit) > 0
    clock.now += 0.01
    assert meters.wait("okta", limit) == pytest.approx(0)
    assert meters.take("okta", limit) == 0.0


def test_names_do_not_share(clock: Clock) -> None:
    """One name's use is not another's."""
    meters, limit = Meters(clock=clock), RateLimit(1, 1)
    assert [meters.take(f"connection {number}", limit) for number in range(1_000)] == [0.0] * 1_000
    assert all(meters.take(f"connection {number}", limit) for number in range(1_000))


def test_memory_is_bounded(clock: Clock) -> None:
    """With more names than places, those that have been quiet for longest are forgotten; a busy one is not."""
    meters, limit = Meters(Memory(64), clock), RateLimit(1, 100)
    for _ in range(100):
        meters.take("busy", limit)
    for number in range(5_000):
        assert meters.take(f"passer-by {number}", limit) == 0.0
    assert meters.take("busy", limit) > 0


def _child(memory: Memory, connection: object) -> None:
    limit = RateLimit(0.001, 30)
    taken = sum(Meters(memory).take("okta", limit) == 0.0 for _ in range(20))
    connection.send(taken)  # type: ignore[attr-defined]


def test_processes_share_a_limit() -> None:
    """Two spawned processes together get what one would."""
    spawn = multiprocessing.get_context("spawn")
    memory, taken = Memory(), []
    for _ in range(2):
        mine, theirs = spawn.Pipe()
        process = spawn.Process(target=_child, args=(memory, theirs))
        process.start()
        assert mine.poll(60)
        taken.append(mine.recv())
        process.join(60)
    assert taken == [20, 10]


def test_counting_is_cheap() -> None:
    """A request's count costs microseconds of CPU: less than a hundredth of the request."""
    meters, limit = Meters(), RateLimit(1e6, 10**6)
    best = min(_seconds(meters, limit) for _ in range(5))
    assert best / 10_000 < 5e-6  # 0.6 µs measured


def _seconds(meters: Meters, limit: RateLimit) -> float:
    begun = time.thread_time()
    for _ in range(10_000):
        meters.take("requests 5f0c", limit)
    return time.thread_time() - begun


@pytest.mark.parametrize(("text", "limit"), [("25", RateLimit(25, 50)), ("25/100", RateLimit(25, 100)), ("none", None)])
def test_a_limit_is_written(text: str, limit: RateLimit | None) -> None:
    """A rate alone has a burst of two seconds; `none` is no limit."""
    assert read_rate_limit(text) == limit
    assert limit is None or read_rate_limit(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "0", "25/0", "-1", "2.5", "25/", "1e3", "٢٥", "9999999", "None"])
def test_what_is_no_limit(text: str) -> None:
    """What is no rate says how one is written."""
    with pytest.raises(Invalid, match="write `25`"):
        read_rate_limit(text)
