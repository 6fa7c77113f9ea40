"""The address at which Prometheus reads metrics: a small server of its own in the supervisor, apart from the doors.

Who serves and who is asked how it goes are two: a scrape costs the doors nothing, and metrics answer while every worker
is busy. What waits in the database is looked up at most every few seconds, however often somebody asks.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any, Final

from rolebridge import __version__
from rolebridge.core.errors import RolebridgeError
from rolebridge.settings import Bind
from rolebridge.store.engine import Store
from rolebridge.store.monitoring import Backlog, backlog
from rolebridge.web.metrics import CONTENT_TYPE, Gauge, Shared, exposition

logger = logging.getLogger("rolebridge.app")

PATH: Final = "/metrics"
_AT_ONCE: Final = 8  # answers on their way; whoever comes then is turned away
_PATIENCE: Final = 5.0  # seconds for a request to arrive and its answer to be taken
_KEPT_SECONDS: Final = 5.0


class Monitor:
    """Answers `GET /metrics` in threads of this process until it is closed."""

    def __init__(self, bind: Bind, shared: Shared, store: Store) -> None:
        """Listen. Raises OSError when the address cannot be listened on."""
        self._gauges = Gauges(store)
        self._server = _Server((bind.host, bind.port), lambda: exposition(shared, self._gauges.read()))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Gauges:
    """What the database tells, looked up now and then."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._guard = threading.Lock()
        self._looked: float | None = None
        self._found: list[Gauge] = []

    def read(self) -> list[Gauge]:
        """Return the gauges; while the database cannot be asked, that it is down, and no old numbers."""
        with self._guard:
            now = self._clock()
            if self._looked is None or now - self._looked >= _KEPT_SECONDS:
                self._looked, self._found = now, self._look()
            return self._found

    def _look(self) -> list[Gauge]:
        try:
            with self._store.read() as unit:
                found = backlog(unit.link)
            up = True
        except RolebridgeError as reason:
            logger.warning("the database cannot be asked for metrics: %s", reason)
            found, up = None, False
        gauges = [
            Gauge("rolebridge_build_info", "The version that runs; always 1.", ("version",), {(__version__,): 1}),
            _one("rolebridge_database_up", "Whether the database answers.", float(up)),
        ]
        return gauges if found is None else gauges + _gauges(found)


def _gauges(found: Backlog) -> list[Gauge]:
    oldest = found.oldest_hold.timestamp() if found.oldest_hold else 0.0
    succeeded: dict[tuple[str, ...], float] = {
        (name,): one.succeeded.timestamp() for name, one in found.chores.items() if one.succeeded
    }
    failures: dict[tuple[str, ...], float] = {(name,): float(one.failures) for name, one in found.chores.items()}
    return [
        _one("rolebridge_audit_unsealed_rows", "Audit rows that are not sealed yet.", found.unsealed_audit_rows),
        _one("rolebridge_feed_waiting_rows", "Changes that are not in the feed yet.", found.unnumbered_outbox_rows),
        _one("rolebridge_outbox_held_rows", "Changes that a hold keeps from platforms.", found.held_outbox_rows),
        _one("rolebridge_holds_open", "Holds that wait for a person.", found.open_holds),
        _one("rolebridge_hold_oldest_timestamp_seconds", "When the oldest open hold began; 0 without one.", oldest),
        Gauge(
            "rolebridge_worker_chore_success_timestamp_seconds",
            "When a chore of the worker last succeeded.",
            ("chore",),
            succeeded,
        ),
        Gauge(
            "rolebridge_worker_chore_failures",
            "How often a chore of the worker has failed since it last succeeded.",
            ("chore",),
            failures,
        ),
    ]


def _one(name: str, help_: str, value: float) -> Gauge:
    return Gauge(name, help_, (), {(): value})


class _Server(ThreadingHTTPServer):
    """Threads, but never more than a few."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], text: Callable[[], str]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.text = text
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for a request, if there is room for one."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong, where everything else is logged."""
        logger.info("an answer to a request for metrics was cut off: %s", type(sys.exception()).__name__)


class _Handler(BaseHTTPRequestHandler):
    """One connection, one request."""

    server_version = "rolebridge"
    sys_version = ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Answer the metrics, or that there is nothing else."""
        server: BaseServer = self.server
        assert isinstance(server, _Server)
        if self.path.partition("?")[0] != PATH:
            self._answer(404, "text/plain; charset=utf-8", f"metrics are at {PATH}\n")
            return
        self._answer(200, CONTENT_TYPE, server.text())

    def _answer(self, status: int, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a scrape is no event."""
