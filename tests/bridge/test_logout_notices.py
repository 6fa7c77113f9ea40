"""Telling applications of logouts: once if they hear, again if not, never for ever; and nobody waits for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from uuid import uuid4

import pytest
from tests.bridge.worlds import World

from rolebridge.bridge.logout_notices import (
    GIVEN_UP_AFTER,
    KEPT,
    LONGEST_PAUSE,
    Attempt,
    Fate,
    LogoutDelivery,
    outcome,
    pause_after,
)
from rolebridge.bridge.provider_chores import provider_chores
from rolebridge.store.logout_notices import LogoutNotice

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
HEARD, SILENT = Attempt(Fate.DELIVERED), Attempt(Fate.FAILED, "no answer")


def always() -> bool:
    return True


@dataclass
class Post:
    """Applications that hear notices, or not, by their id."""

    world: World
    deaf: set[str] = field(default_factory=set)
    sent: list[LogoutNotice] = field(default_factory=list)
    during: Callable[[], object] = lambda: None

    def deliver(self, organization_id: str, notice: LogoutNotice) -> Attempt:
        assert organization_id == self.world.id
        self.sent.append(notice)
        self.during()
        return SILENT if notice.application_id in self.deaf else HEARD

    @property
    def delivery(self) -> LogoutDelivery:
        return LogoutDelivery(self.world.store, self.world.clock, self.deliver)

    def add(self, *applications: str) -> None:
        now = self.world.now
        made = [LogoutNotice(str(uuid4()), one, "ana", "s1", now, next_at=now) for one in applications]
        self.world.store.transact(lambda unit: unit.logout_notices(self.world.id).add(made))

    def kept(self, application: str) -> list[LogoutNotice]:
        with self.world.store.read() as unit:
            return unit.logout_notices(self.world.id).page(application, 50)

    def run(self) -> int:
        return self.delivery.run([self.world.id], always)


@pytest.fixture
def post(world: World) -> Post:
    return Post(world)


def test_what_was_heard_is_not_sent_again(post: Post) -> None:
    """A notice that is heard is sent once."""
    post.add("a", "b")
    assert post.run() == 2
    assert post.run() == 0
    assert len(post.sent) == 2
    assert all(one.delivered_at and one.next_at is None for one in (*post.kept("a"), *post.kept("b")))


def test_who_does_not_hear_keeps_nobody_waiting(post: Post) -> None:
    """An application that does not answer is asked once in a run, however many notices wait for it."""
    post.deaf = {"a"}
    post.add("a", "a", "a", "b")
    assert post.run() == 1
    assert sorted(one.application_id for one in post.sent) == ["a", "b"]
    waiting = post.kept("a")
    assert {one.problem for one in waiting} == {"no answer"}
    assert sum(one.attempts for one in waiting) == 1
    assert all(one.next_at is not None and one.next_at > post.world.now for one in waiting)


def test_one_that_takes_its_time_delays_no_other(post: Post) -> None:
    """Applications are told beside each other: one is answering still while another one hears."""
    heard = Event()

    def deliver(_: str, notice: LogoutNotice) -> Attempt:
        if notice.application_id == "slow":
            return HEARD if heard.wait(20) else SILENT
        heard.set()
        return HEARD

    post.add("slow", "quick")
    assert LogoutDelivery(post.world.store, post.world.clock, deliver).run([post.world.id], always) == 2


def test_a_run_ends_in_time(post: Post) -> None:
    """However much there is to tell: what is left waits for the next run, and the worker does something else before."""
    seconds = iter(range(0, 1_000, 3))
    delivery = LogoutDelivery(post.world.store, post.world.clock, post.deliver, lambda: next(seconds))
    post.add(*["a"] * 20)
    heard = delivery.run([post.world.id], always)
    assert 0 < heard < 5
    assert post.run() == 20 - heard


def test_who_waits_longest_is_told_first(post: Post) -> None:
    """Whichever organization or application it is."""
    post.add("late")
    other = Post(World(post.world.store))
    other.world.now = post.world.now - timedelta(hours=1)
    other.add("early")
    told: list[str] = []

    def deliver(_: str, notice: LogoutNotice) -> Attempt:
        told.append(notice.application_id)
        return HEARD

    turns = iter([True, True, False, False])
    delivery = LogoutDelivery(post.world.store, post.world.clock, deliver)
    assert delivery.run([post.world.id, other.world.id], lambda: next(turns)) == 1
    assert told == ["early"]


def test_a_defect_with_one_application_keeps_none_from_hearing(post: Post) -> None:
    """It is raised when the others were told, so that the worker tells of it."""

    def deliver(_: str, notice: LogoutNotice) -> Attempt:
        if notice.application_id == "a":
            raise ZeroDivisionError
        return HEARD

    post.add("a", "b")
    with pytest.raises(ZeroDivisionError):
        LogoutDelivery(post.world.store, post.world.clock, deliver).run([post.world.id], always)
    assert [one.delivered_at is not None for one in post.kept("b")] == [True]


def test_everything_is_heard_in_the_end(post: Post) -> None:
    """Once the application answers again, all that waited for it is delivered."""
    post.deaf = {"a"}
    post.add("a", "a")
    post.run()
    post.deaf = set()
    post.world.now += timedelta(minutes=1)
    assert post.run() == 2
    assert all(one.delivered_at for one in post.kept("a"))


def test_a_notice_is_given_up_after_a_day(post: Post) -> None:
    """Attempts grow rarer and end after a day; the reason stays to be looked up."""
    post.deaf = {"a"}
    post.add("a")
    (notice,) = post.kept("a")
    for _ in range(60):
        post.run()
        (notice,) = post.kept("a")
        if notice.next_at is None:
            break
        post.world.now = max(notice.next_at, post.world.now)
    assert notice.given_up_at is not None
    assert notice.problem == "no answer"
    assert 5 < notice.attempts < 15
    assert notice.given_up_at - notice.created <= GIVEN_UP_AFTER


def test_many_notices_are_no_storm(post: Post) -> None:
    """An application that is down is asked as rarely for many notices as for one, also when the first are given up."""
    post.deaf = {"a"}
    post.add(*["a"] * 12)
    start, runs, pauses = post.world.now, 0, []
    while any(one.next_at for one in post.kept("a")):
        before, runs = len(post.sent), runs + 1
        post.run()
        assert len(post.sent) == before + 1
        due = min((one.next_at for one in post.kept("a") if one.next_at), default=post.world.now)
        pauses.append(round((due - post.world.now).total_seconds()))
        post.world.now = due
    assert pauses[:-1] == [pause_after(number).total_seconds() for number in range(1, runs)]
    assert GIVEN_UP_AFTER - LONGEST_PAUSE < post.world.now - start < GIVEN_UP_AFTER
    assert all(one.given_up_at for one in post.kept("a"))


def test_two_workers_send_a_notice_once(post: Post) -> None:
    """While one worker is sending a notice another one that believes to lead does not."""
    post.add("a")
    other: list[int] = []
    post.during = lambda: other.append(post.delivery.run([post.world.id], always))
    assert post.run() == 1
    assert other == [0]
    assert len(post.sent) == 1


def test_a_worker_that_dies_while_sending_sends_again(post: Post) -> None:
    """A notice that was being sent when the worker died comes again after a while, with the same id."""
    post.add("a")

    def die() -> None:
        raise KeyboardInterrupt

    post.during = die
    with pytest.raises(KeyboardInterrupt):
        post.run()
    post.during = lambda: None
    assert post.run() == 0
    post.world.now += timedelta(minutes=3)
    assert post.run() == 1
    assert len({one.id for one in post.sent}) == 1


def test_a_worker_that_is_told_to_stop_stops(post: Post) -> None:
    """Between two notices the worker asks whether it may go on."""
    post.add("a", "b", "c")
    turns = iter([True, True, False, False])
    assert post.delivery.run([post.world.id], lambda: next(turns)) == 1


@pytest.mark.parametrize("attempts", [1, 2, 5, 9, 50, 10_000])
def test_pauses_grow_and_are_bounded(attempts: int) -> None:
    """Each pause is at least as long as the one before, and never longer than six hours."""
    assert pause_after(attempts) <= pause_after(attempts + 1) <= LONGEST_PAUSE


def test_what_can_never_be_delivered_is_given_up_at_once() -> None:
    """An application without an address, or that is gone, is not asked for a day."""
    notice = LogoutNotice("n", "a", "ana", "s1", NOW, attempts=1, next_at=NOW)
    after = outcome(notice, Attempt(Fate.REFUSED, "no address"), NOW)
    assert after == replace(notice, next_at=None, given_up_at=NOW, problem="no address")


def test_old_notices_are_forgotten(post: Post) -> None:
    """After thirty days the worker forgets what came of a notice, and never one that still waits."""
    post.add("a")
    post.run()
    post.world.now += KEPT + timedelta(days=1)
    post.add("a")
    chores = {one.name: one for one in provider_chores(post.world.store, post.world.clock, post.delivery)}
    chores["authorizations"].run(always)
    assert [one.delivered_at for one in post.kept("a")] == [None]
