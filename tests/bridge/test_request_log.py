"""The request log: written in batches, bounded in memory, honest about what it lost, kept for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.bridge.worlds import World

from rolebridge.bridge import request_log
from rolebridge.bridge.request_log import CAPACITY, NOBODYS_PER_MINUTE, RequestLog, Retention
from rolebridge.core.errors import NotFound, Unavailable
from rolebridge.store.engine import Store
from rolebridge.store.request_log import NOBODY, LoggedRequest, Wanted
from rolebridge.store.unit import Unit


@pytest.fixture
def log(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[RequestLog]:
    """A log that writes only when told to."""
    monkeypatch.setattr(RequestLog, "_run", lambda _: None)
    made = RequestLog(world.store, world.clock, Retention(days=14, rows=1_000))
    yield made
    made.close()


def row(world: World, **what: Any) -> LoggedRequest:
    caller = world.okta
    plain = LoggedRequest(
        caller.organization_id, caller.connection_id, world.clock(), uuid4().hex, "GET", "/Users", 200
    )
    return replace(plain, **what)


def logged(log: RequestLog, world: World, organization_id: str | None = None) -> tuple[LoggedRequest, ...]:
    return log.page(world.id if organization_id is None else organization_id, Wanted(), limit=10_000).rows


def test_nothing_is_written_before_it_is_time(log: RequestLog, world: World) -> None:
    """A request becomes a row when the process flushes, not before."""
    told = row(world)
    log.note(told)
    assert logged(log, world) == ()
    log.flush()
    assert logged(log, world) == (told,)


def test_closing_writes_what_waits(log: RequestLog, world: World) -> None:
    """A process that stops in an orderly way loses nothing."""
    for _ in range(450):
        log.note(row(world))
    log.close()
    assert len(logged(log, world)) == 450


def test_the_log_writes_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some seconds after a request, or at once when many wait, its row is there; nobody flushes."""
    monkeypatch.setattr(request_log, "FLUSH_SECONDS", 0.02)
    log = RequestLog(world.store, world.clock, Retention(days=14, rows=1_000))
    log.note(row(world))
    until = time.monotonic() + 20
    while not logged(log, world) and time.monotonic() < until:
        time.sleep(0.01)
    assert len(logged(log, world)) == 1
    log.close()
    assert not any(thread.name == "request-log" for thread in threading.enumerate())


def test_a_flood_is_bounded_and_its_loss_is_a_row(log: RequestLog, world: World) -> None:
    """What does not fit is counted, for the connection that sent it, where its administrator looks."""
    for _ in range(CAPACITY + 25):
        log.note(row(world))
    assert len(log._rows) == CAPACITY
    log.flush()
    lost = [one for one in logged(log, world) if one.lost]
    assert [(one.lost, one.connection_id, one.status) for one in lost] == [(25, world.okta.connection_id, 0)]
    assert lost[0].detail == "25 requests came too fast to be logged"
    assert len(logged(log, world)) == CAPACITY + 1


def test_shapes_count_for_more(log: RequestLog, world: World) -> None:
    """Rows with a body's shape fill the memory sooner."""
    for _ in range(CAPACITY):
        log.note(row(world, status=400, shape='"' + "x" * 3_000 + '"'))
    assert len(log._rows) <= CAPACITY / 6
    assert sum(len(one.shape or "") for one in log._rows) < 3 * 1024 * 1024


def test_callers_without_a_credential_get_a_ration(log: RequestLog, world: World) -> None:
    """Whoever can reach the door cannot fill the log of the machine's holder, nor crowd out connections."""
    for _ in range(NOBODYS_PER_MINUTE + 30):
        log.note(row(world, organization_id=NOBODY, connection_id=NOBODY, status=401))
    log.note(row(world))
    log.flush()
    nobodys = [one for one in logged(log, world, NOBODY) if one.at >= world.now - timedelta(minutes=1)]
    assert sum(one.lost for one in nobodys) >= 30
    assert len([one for one in nobodys if not one.lost]) <= NOBODYS_PER_MINUTE
    assert len(logged(log, world)) == 1


def refusing(store: Store, error: Exception) -> Callable[[Callable[[Unit], object]], object]:
    def transact(work: Callable[[Unit], object]) -> object:
        raise error

    return transact


def test_a_busy_database_makes_rows_wait(log: RequestLog, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that cannot be written now are written later, in their order."""
    told = [row(world) for _ in range(3)]
    for one in told:
        log.note(one)
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "transact", refusing(world.store, Unavailable("busy")))
        log.flush()
    assert logged(log, world) == ()
    log.flush()
    assert logged(log, world) == tuple(reversed(told))


def test_a_row_that_cannot_be_stored_does_not_stop_the_others(
    log: RequestLog, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that trying again would not mend costs that batch, and the loss is told."""
    log.note(row(world))
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "transact", refusing(world.store, ValueError("a defect")))
        log.flush()
    later = row(world)
    log.note(later)
    log.flush()
    assert later in logged(log, world)
    assert sum(one.lost for one in logged(log, world)) == 1


def test_no_days_means_no_log(world: World) -> None:
    """Who keeps the log for no day logs nothing, and starts no thread."""
    log = RequestLog(world.store, world.clock, Retention(days=0, rows=1_000))
    log.note(row(world))
    log.close()
    assert logged(log, world) == ()


def test_old_requests_are_forgotten(log: RequestLog, world: World) -> None:
    """After the days of retention rows go, in steps, and nobody else's connection is asked."""
    old = [row(world, at=world.now - timedelta(days=15)) for _ in range(1_200)]
    for one in (*old, row(world)):
        log.note(one)
    log.flush()
    log.retain()
    assert len(logged(log, world)) == 1


def test_a_connection_keeps_its_newest_requests(log: RequestLog, world: World) -> None:
    """Beyond the number of rows the oldest go; another connection keeps all of its own."""
    for _ in range(1_050):
        log.note(row(world))
    other = row(world, connection_id=world.entra.connection_id)
    log.note(other)
    log.flush()
    newest = logged(log, world)[1:1_001]
    log.retain()
    assert logged(log, world) == (other, *newest)


def test_a_request_is_found_by_its_id_in_its_organization(log: RequestLog, world: World) -> None:
    """The id of an answer's header leads to the row, for the organization that it belongs to."""
    told = row(world)
    log.note(told)
    log.flush()
    assert log.request(world.id, told.request_id) == told
    with pytest.raises(NotFound, match="there is no logged request"):
        log.request(NOBODY, told.request_id)


def test_pages_meet_without_a_gap(log: RequestLog, world: World) -> None:
    """Each page goes on where the one before ended."""
    told = [row(world) for _ in range(7)]
    for one in told:
        log.note(one)
    log.flush()
    seen: list[LoggedRequest] = []
    before = None
    while True:
        page = log.page(world.id, Wanted(), before=before, limit=3)
        seen += page.rows
        before = page.before
        if before is None:
            break
    assert seen == told[::-1]
