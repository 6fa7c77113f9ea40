"""The request log: kept in the process, written in batches by a thread of its own, read back for administrators.

A request never waits for the log and never fails because of it. What does not fit into the process's memory, or comes
in too great a number from callers without a credential, is counted, and the counts are rows of the log. The rows of
the last seconds before a crash are lost; a process that stops in an orderly way writes them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from rolebridge.core.errors import NotFound, Unavailable
from rolebridge.store.engine import Store
from rolebridge.store.request_log import DELETED_AT_ONCE, NOBODY, LoggedRequest, Wanted

logger = logging.getLogger("rolebridge.bridge")

FLUSH_SECONDS: Final = 5.0
"""How long a row may wait in the process."""
CAPACITY: Final = 4_000
"""What a process keeps while the database does not take it, in rows (one with a shape counts for more)."""
NOBODYS_PER_MINUTE: Final = 120
"""Rows of callers without a credential that a process logs in a minute: whoever can reach the door can send these."""

_EARLY: Final = 500  # rows at which nobody waits for the seconds to pass
_BATCH: Final = 200  # rows of one transaction: 2 to 5 ms of the one writer that SQLite has
_BREATH: Final = 0.005  # seconds between two transactions, in which others get their turn
_STOP_SECONDS: Final = 10.0  # how long closing waits for the thread, which may be waiting for the database itself
_RETAIN_SECONDS: Final = 300.0
_RETAIN_ROWS: Final = 20_000
_STEPS: Final = 100  # transactions of retention before rows are written again
_SHAPE_WEIGHT: Final = 512  # characters of a shape that count as a row


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept: for so many days (0: nothing is logged), and so many rows of each connection."""

    days: int
    rows: int


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some rows, newest first, and the place (moment, request id) to go on before; None when these were the last."""

    rows: tuple[LoggedRequest, ...]
    before: tuple[datetime, str] | None


class RequestLog:
    """The request log of an installation."""

    def __init__(self, store: Store, clock: Callable[[], datetime], retention: Retention) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention
        self._rows: deque[LoggedRequest] = deque()
        self._weight = 0
        self._lost: Counter[tuple[str, str]] = Counter()
        self._nobodys = _Minute(NOBODYS_PER_MINUTE)
        self._state = threading.Condition(threading.Lock())
        self._flushing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._written = 0
        self._retained = 0.0

    # --- writing ---------------------------------------------------------------------------------------------

    def note(self, row: LoggedRequest) -> None:
        """Log a request, some seconds later. Never waits and never fails; what does not fit is counted."""
        if self._retention.days == 0:
            return
        with self._state:
            weight = _weight(row)
            crowded = self._weight + weight > CAPACITY
            if crowded or (row.organization_id == NOBODY and not self._nobodys.one_more()):
                self._lost[row.organization_id, row.connection_id] += 1
            else:
                self._rows.append(row)
                self._weight += weight
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
                self._thread.start()
            elif len(self._rows) in {0, 1, _EARLY}:
                self._state.notify()

    def flush(self) -> None:
        """Write what waits. While the database is busy it stays in the process, as much as fits."""
        with self._flushing:
            while rows := self._take():
                try:
                    self._store.transact(lambda unit, rows=rows: unit.request_log(NOBODY).add(rows))  # type: ignore[misc]
                except Unavailable as busy:
                    logger.warning("%d rows of the request log wait: %s", len(rows), busy)
                    self._put_back(rows)
                    return
                except Exception:
                    # A row that cannot be stored would be tried for ever, and none after it would be written.
                    logger.exception("%d rows of the request log are lost", len(rows))
                    self._count_lost(rows)
                    return
                self._written += len(rows)
                time.sleep(_BREATH)

    def close(self) -> None:
        """Write what waits and stop; what is noted later is written by the next `flush` only."""
        with self._state:
            self._closed = True
            thread, self._thread = self._thread, None
            self._state.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_SECONDS)
        self.flush()

    def _run(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._closed or self._rows or self._lost)
                self._state.wait_for(lambda: self._closed or len(self._rows) >= _EARLY, FLUSH_SECONDS)
                if self._closed:
                    return
            self.flush()
            self._retain_at_times()

    def _take(self) -> list[LoggedRequest]:
        """Return the next rows to write, what was lost among them."""
        with self._state:
            lost, self._lost = self._lost, Counter()
            rows = [self._rows.popleft() for _ in range(min(_BATCH, len(self._rows)))]
            self._weight -= sum(map(_weight, rows))
        return [*rows, *self._lost_rows(lost)]

    def _lost_rows(self, lost: Counter[tuple[str, str]]) -> Iterator[LoggedRequest]:
        now = self._clock()
        for (organization_id, connection_id), number in lost.items():
            detail = f"{number} requests came too fast to be logged"
            yield LoggedRequest(organization_id, connection_id, now, uuid4().hex, "", "", 0, detail=detail, lost=number)

    def _put_back(self, rows: Sequence[LoggedRequest]) -> None:
        with self._state:
            for row in reversed(rows):
                if row.lost:
                    self._lost[row.organization_id, row.connection_id] += row.lost
                else:
                    self._rows.appendleft(row)
                    self._weight += _weight(row)

    def _count_lost(self, rows: Sequence[LoggedRequest]) -> None:
        with self._state:
            for row in rows:
                self._lost[row.organization_id, row.connection_id] += row.lost or 1

    # --- retention -------------------------------------------------------------------------------------------

    def _retain_at_times(self) -> None:
        if self._written < _RETAIN_ROWS and time.monotonic() < self._retained + _RETAIN_SECONDS:
            return
        self._retained, self._written = time.monotonic(), 0
        try:
            self.retain()
        except Unavailable as busy:
            logger.warning("old rows of the request log stay for now: %s", busy)

    def retain(self) -> None:
        """Delete rows that are too old or too many, in short transactions; a very long log takes several calls."""
        until = self._clock() - timedelta(days=self._retention.days)
        with self._store.read() as unit:
            organizations = [NOBODY, *(one.id for one in unit.accounts.organizations())]
            connections = [(NOBODY, NOBODY)]
            for organization_id in organizations[1:]:
                known = [one.id for one in unit.accounts.connections(organization_id)]
                connections += [(organization_id, id_) for id_ in (NOBODY, *known)]
        steps = iter(range(_STEPS))
        for organization_id in organizations:
            self._delete(steps, lambda unit, at=organization_id: unit.request_log(at).delete_before(until))
        for organization_id, connection_id in connections:
            with self._store.read() as unit:
                place = unit.request_log(organization_id).surplus(connection_id, self._retention.rows)
            if place is not None:
                log = (organization_id, connection_id, place)
                self._delete(steps, lambda unit, log=log: unit.request_log(log[0]).delete_through(log[1], log[2]))

    def _delete(self, steps: Iterator[int], step: Callable[..., int]) -> None:
        for _ in steps:
            if self._store.transact(step) < DELETED_AT_ONCE:
                return
            time.sleep(_BREATH)

    # --- reading ---------------------------------------------------------------------------------------------

    def page(
        self,
        organization_id: str,
        wanted: Wanted,
        *,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> LogPage:
        """Return up to `limit` rows, newest first. What happened in the last seconds may not be among them yet."""
        with self._store.read() as unit:
            rows = unit.request_log(organization_id).newest(wanted, before=before, limit=limit + 1)
        shown = tuple(rows[:limit])
        return LogPage(shown, (shown[-1].at, shown[-1].request_id) if len(rows) > limit else None)

    def request(self, organization_id: str, request_id: str) -> LoggedRequest:
        """Return one request by its id. Raises NotFound."""
        with self._store.read() as unit:
            found = unit.request_log(organization_id).by_id(request_id)
        if found is None:
            raise NotFound("logged request", request_id)
        return found


class _Minute:
    """Lets so many through in any one minute of the process's clock."""

    __slots__ = ("_began", "_left", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._began = time.monotonic()

    def one_more(self) -> bool:
        now = time.monotonic()
        if now - self._began >= 60:
            self._began, self._left = now, self._most
        self._left -= 1
        return self._left >= 0


def _weight(row: LoggedRequest) -> int:
    return 1 + len(row.shape or "") // _SHAPE_WEIGHT
