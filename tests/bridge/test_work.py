"""The worker: chores that are done in the background, by one process at a time, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Event, Thread

import pytest
from tests.bridge.worlds import MAPPING, World, remove

from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.chores import Chore, Chores, GoOn
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.request_log import RequestLog, Retention
from rolebridge.bridge.sealing import SealKeys
from rolebridge.bridge.session_chores import session_chores
from rolebridge.bridge.sessions import Lifetimes, Sessions
from rolebridge.bridge.vault import Vault
from rolebridge.bridge.work import LONGEST_PAUSE, Worker
from rolebridge.core.errors import Unavailable
from rolebridge.store.chores import ChoreRun
from rolebridge.store.leadership import Leadership, leadership

REVIEWER = ("project_role", "cityscapes", "reviewer")


class Alone(Leadership):
    """Leads until told otherwise."""

    leads = True
    closed = False

    def take(self) -> bool:
        return self.leads

    def close(self) -> None:
        self.closed = True


def chores_of(world: World) -> Chores:
    log = RequestLog(world.store, world.clock, Retention(14, 1000))
    auditing = Auditing(world.store, world.clock, SealKeys((b"k" * 32,)))
    of = (world.store, world.rulebooks, world.clock, log, auditing, timedelta(hours=1))
    vault = Vault(b"k" * 32)
    lifetimes = Lifetimes(timedelta(hours=8), timedelta(hours=24))
    sessions = Sessions(world.store, Hasher(b"k" * 32), vault, world.clock, lifetimes)
    further = session_chores(world.store, sessions, world.clock)
    return Chores(*of, changes_kept=timedelta(days=30), further=further)


def the(world: World, name: str) -> Callable[[GoOn], int]:
    return next(chore.run for chore in chores_of(world).all() if chore.name == name)


def yes() -> bool:
    return True


# --- chores


def test_a_time_bound_rule_ends_without_any_change_of_the_directory(world: World) -> None:
    """The day after its last one, the worker takes the role away; once."""
    world.apply(MAPPING.replace('    projects: "{project}"', '    projects: "{project}"\n    until: 2026-11-22', 1))
    people = world.users(3)
    world.group("lbx-cityscapes-reviewers", people)
    take_effect = the(world, "time-bound")
    assert take_effect(yes) == 0
    world.now = datetime(2026, 11, 23, 0, 0, 1, tzinfo=UTC)
    assert take_effect(yes) == 3
    assert [world.roles(person) for person in people] == [set()] * 3
    assert take_effect(yes) == 0
    (entry, *_) = world.audit(people[0])
    assert (entry.kind, entry.actor) == ("grants.changed", "worker")
    assert entry.reason == "a rule or an assignment began or ended by 2026-11-23"
    assert world.differing() == []


def test_what_was_due_is_never_held(world: World) -> None:
    """Everybody loses the role on the same day, as the mapping says; no guard rail speaks."""
    ending = MAPPING.replace('    projects: "{project}"', '    projects: "{project}"\n    until: 2026-11-22', 1)
    world.apply(ending + "guard: {hold_revocations: {over: 1%, and_at_least: 1}}\n")
    people = world.users(5)
    world.group("lbx-cityscapes-reviewers", people)
    world.now += timedelta(days=2)
    the(world, "time-bound")(yes)
    assert [world.roles(person) for person in people] == [set()] * 5


def test_a_chore_stops_between_two_transactions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done stays done; the rest is done next time."""
    monkeypatch.setattr("rolebridge.bridge.chores._BATCH", 2)
    world.apply(MAPPING.replace('    projects: "{project}"', '    projects: "{project}"\n    until: 2026-11-22', 1))
    people = world.users(5)
    world.group("lbx-cityscapes-reviewers", people)
    world.now += timedelta(days=2)
    # Asked before each organization, too; those of other tests have nobody due.
    with world.store.read() as unit:
        organizations = [one.id for one in unit.accounts.organizations()]
    asked = iter([True] * (2 * organizations.index(world.id) + 2) + [False] * 100)
    the(world, "time-bound")(lambda: next(asked))
    assert len([person for person in people if world.roles(person)]) == 3
    the(world, "time-bound")(yes)
    assert len([person for person in people if world.roles(person)]) == 0


def test_an_organization_that_cannot_be_worked_on_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the others are done first, then the chore fails, and is tried again."""
    broken, sound = World(world.store), World(world.store)
    sealed: list[str] = []

    def seal(_: Auditing, organization_id: str) -> int:
        if organization_id == broken.id:
            raise ValueError("cannot be read")
        sealed.append(organization_id)
        return 1

    monkeypatch.setattr(Auditing, "seal", seal)
    with pytest.raises(ValueError, match="cannot be read"):
        the(world, "seal")(yes)
    assert sound.id in sealed
    assert world.id in sealed


def test_counters_are_summed_up(world: World) -> None:
    """However many rows a counter is spread over, one is left, and it says the same."""
    world.users(7)
    with world.store.read() as unit:
        before = unit.overview(world.id).sizes()
    the(world, "counters")(yes)
    with world.store.read() as unit:
        assert unit.overview(world.id).sizes() == before
        assert unit.upkeep(world.id).unfolded() == []


def test_committed_audit_rows_are_sealed(world: World) -> None:
    """Once sealed, nothing waits."""
    world.users(2)
    the(world, "seal")(yes)
    with world.store.read() as unit:
        assert not unit.sealing(world.id).waits()


def test_losses_that_no_window_reaches_are_forgotten(world: World) -> None:
    """An hour later the rows go."""
    world.apply(MAPPING + "guard: {hold_revocations: {over: 25%, and_at_least: 4}}\n")
    people = world.users(5)
    group = world.group("lbx-cityscapes-reviewers", people)
    world.change(group, remove(people[0]))
    forget = the(world, "hold-windows")
    forget(yes)
    long_ago = world.now - timedelta(days=9)
    with world.store.read() as unit:
        assert set(unit.holds(world.id).losses_of("vision", people, long_ago)) == {people[0]}
    world.now += timedelta(minutes=61)
    forget(yes)
    with world.store.read() as unit:
        assert unit.holds(world.id).losses_of("vision", people, long_ago) == {}


@pytest.mark.parametrize(
    "name", ["tokens", "idempotency", "request-log", "changes", "audit", "sessions", "unfinished-logins"]
)
def test_chores_that_find_nothing_do_nothing(world: World, name: str) -> None:
    """They run on a database without anything to tidy up."""
    assert the(world, name)(yes) == 0


# --- the worker


def worker(world: World, *chores: Chore, lead: Leadership | None = None) -> Worker:
    return Worker(world.store, world.clock, chores, lead or Alone())


def runs(world: World) -> dict[str, ChoreRun]:
    with world.store.read() as unit:
        return {run.name: run for run in unit.chore_runs.all()}


def counting(name: str, calls: list[str], every: timedelta = timedelta(minutes=1), **more: bool) -> Chore:
    def run(_: GoOn) -> int:
        calls.append(name)
        return 1

    return Chore(name, every, run, **more)


def failing(name: str, calls: list[str]) -> Chore:
    def run(_: GoOn) -> int:
        calls.append(name)
        raise ValueError("the disk is full")

    return Chore(name, timedelta(hours=1), run)


def test_a_chore_that_fails_stops_no_other_and_is_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Its name and what it died of are logged and recorded; it waits longer each time, and never too long."""
    calls: list[str] = []
    working = worker(world, failing("broken", calls), counting("sound", calls))
    tried: list[datetime] = []
    while len(tried) < 9:
        working._work(Event())
        if calls.count("broken") > len(tried):
            tried.append(world.now)
        world.now += timedelta(seconds=1)
    pauses = [int((after - before).total_seconds()) // 5 * 5 for before, after in pairwise(tried)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    assert calls.count("sound") > 9
    run = runs(world)["broken"]
    assert (run.failures, run.error, run.succeeded) == (9, "ValueError: the disk is full", None)
    assert "chore `broken` failed (9 in a row); again in 300 s" in caplog.text


def test_a_chore_that_succeeds_again_forgets_its_failures(world: World) -> None:
    """The record says when it last succeeded."""
    fails = iter([True, False])

    def run(_: GoOn) -> int:
        if next(fails):
            raise ValueError("no")
        return 3

    working = worker(world, Chore("flaky", timedelta(minutes=1), run))
    working._work(Event())
    assert runs(world)["flaky"].failures == 1
    world.now += LONGEST_PAUSE
    working._work(Event())
    found = runs(world)["flaky"]
    assert (found.failures, found.error, found.done) == (0, "", 3)
    assert found.succeeded is not None


def test_time_bound_chores_run_when_the_day_begins(world: World) -> None:
    """At midnight UTC, though the interval is not over."""
    calls: list[str] = []
    working = worker(world, counting("daily", calls, timedelta(hours=6), at_midnight=True))
    world.now = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)
    working._work(Event())
    world.now = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
    working._work(Event())
    assert calls == ["daily"]
    world.now = datetime(2026, 11, 22, tzinfo=UTC)
    working._work(Event())
    assert calls == ["daily"] * 2


def test_a_clock_that_was_set_back_stops_no_chore(world: World) -> None:
    """What would be due in a year is due now."""
    calls: list[str] = []
    working = worker(world, counting("often", calls))
    working._work(Event())
    world.now -= timedelta(days=365)
    working._work(Event())
    assert calls == ["often"] * 2


def test_who_does_not_lead_does_nothing(world: World) -> None:
    """Another worker is at it; `once` says so."""
    calls: list[str] = []
    lead = Alone()
    lead.leads = False
    assert worker(world, counting("any", calls), lead=lead).once() is None
    assert calls == []
    assert lead.closed


def test_who_loses_the_lead_stops(world: World) -> None:
    """Between two chores, and inside of one."""
    calls: list[str] = []
    lead = Alone()

    def lose(go_on: GoOn) -> int:
        assert go_on()
        lead.leads = False
        assert not go_on()
        return 0

    worker(world, Chore("first", timedelta(minutes=1), lose), counting("second", calls), lead=lead)._work(Event())
    assert calls == []


def test_a_database_that_is_away_is_waited_for(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Asking for the lead may fail; the worker goes on asking."""

    class Away(Alone):
        def take(self) -> bool:
            raise Unavailable("PostgreSQL does not answer")

    assert worker(world, lead=Away()).once() is None
    assert "the worker cannot ask whether it leads: PostgreSQL does not answer" in caplog.text


def test_once_does_every_chore_and_tells_how_it_went(world: World) -> None:
    """In the order of their names."""
    calls: list[str] = []
    found = worker(world, counting("b", calls), failing("a", calls)).once()
    assert found is not None
    assert [(run.name, run.done, run.failures) for run in found] == [("a", 0, 1), ("b", 1, 0)]


def test_a_running_worker_stops_when_told(world: World) -> None:
    """What is under way ends, nothing else begins, and the lead is given up."""
    began, stop, lead = Event(), Event(), Alone()

    def run(go_on: GoOn) -> int:
        began.set()
        stop.wait(10)
        return int(go_on())

    working = Worker(world.store, world.clock, [Chore("long", timedelta(minutes=1), run)], lead)
    thread = Thread(target=working.run, args=(stop,))
    thread.start()
    assert began.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert lead.closed


# --- who leads


@pytest.fixture
def url(world: World) -> str:
    return world.store._url.render_as_string(hide_password=False)


def test_one_leads_and_another_follows(url: str) -> None:
    """The second may as soon as the first gives up, and the first keeps asking in vain."""
    first, second = leadership(url), leadership(url)
    assert first.take()
    assert first.take()
    assert not second.take()
    first.close()
    assert second.take()
    assert not first.take()
    second.close()
    first.close()


HOLDER = """
import sys, time
from rolebridge.store.leadership import leadership
lead = leadership(sys.argv[1])
print(lead.take(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that leads."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_when_the_leader_is_killed_another_takes_over(url: str, holder: subprocess.Popen[str]) -> None:
    """Nobody gives anything up: the lock ends with the process."""
    lead = leadership(url)
    assert not lead.take()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(10)
    taken = Event()
    while not taken.wait(0.01):  # PostgreSQL notices when it looks at the connection
        if lead.take():
            taken.set()
    lead.close()
