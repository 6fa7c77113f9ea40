"""Runs the HTTP server: granian, in worker processes of one thread each. granian's only home.

The listening sockets are opened here, one for each worker on one port, and stay open while a worker is replaced.
Left to itself granian opens them in the workers: then a second server on the same port starts without a word, the
connections that wait for a worker are lost with it, and nobody limits how long a client may leave data unread.
"""

from __future__ import annotations

import errno
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]  # the compiled class, documented nowhere else
from granian.server.mp import MPServer

from rolebridge.web.asgi import ErrorBody, Limits, Served, WSGIAdapter, problem

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

logger = logging.getLogger("rolebridge.web")

BACKLOG = 1024
"""Connections that wait in the kernel for a worker to accept them."""

MOST_DEATHS = 30
"""How often each worker may die and be replaced within `DEATHS_SECONDS`, on average; then the server gives up."""
DEATHS_SECONDS = 60.0

HEAD_BYTES = 64 * 1024
"""The largest request line with all headers; a connection can make a worker hold as much."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8000


@dataclass(frozen=True, slots=True)
class Processes:
    """How many workers serve, and how patient they are.

    `connections` caps the open connections of one worker; further ones wait. `idle_seconds` is how long a
    connection may go without a complete request head, be it new or kept alive: longer than a reverse proxy keeps
    its idle connections, or the proxy sends requests into closed ones. `stop_seconds` is how long running requests
    may go on after the signal to stop.
    """

    workers: int = 1
    connections: int = 1024
    idle_seconds: float = 75.0
    stop_seconds: float = 30.0


def run(
    make_application: Callable[[], Served | WSGIApplication],
    address: Address | None = None,
    processes: Processes | None = None,
    limits: Limits | None = None,
    error_body: ErrorBody = problem,
    announce: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests finish.

    `make_application` is called in each worker, which is a fresh interpreter: it and `error_body` must be
    importable by name (or partials of such), and it sets up logging and opens the store; what it made is closed when
    the worker stops. `announce` is told the URL, in a thread of its own, once every worker can answer; connections are
    accepted before, and wait. A worker that dies is replaced.

    Raises OSError when the address cannot be listened on, SystemExit(1) when the application cannot be made or
    workers keep dying.
    """
    address, processes, limits = address or Address(), processes or Processes(), limits or Limits()
    # fork copies locks and database connections in whatever state they are; 3.14 gave it up as well.
    multiprocessing.set_start_method("spawn", force=True)
    listeners = _listen(address, processes.workers, limits.write_seconds)
    ready = _Readiness(processes.workers)
    server = _Server(
        listeners,
        ready,
        interface=Interfaces.ASGINL,
        workers=processes.workers,
        blocking_threads=1,
        runtime_threads=1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.asyncio,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=processes.connections,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(processes.idle_seconds * 1000), max_buffer_size=HEAD_BYTES
        ),
        respawn_failed_workers=True,
        workers_kill_timeout=processes.stop_seconds,
        log_level=LogLevels.warning,
        log_dictconfig=_LOGGING,
    )
    load = partial(_load, make_application, limits, error_body, ready)
    # granian's main loop sleeps until a signal comes or a worker goes. A server that is told to stop while it starts
    # ends without this thread, and announces nothing.
    waits = partial(_announce_when, ready, announce, _url(listeners[0]))
    threading.Thread(target=waits, name="readiness", daemon=True).start()
    server.serve(spawn_target=_work, target_loader=load, wrap_loader=False)


# granian's messages go where the application's logging sends all others.
_LOGGING: dict[str, Any] = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}


class _Readiness:
    """Which workers have made their applications; shared with them."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._any = multiprocessing.Event()
        self._made = multiprocessing.Semaphore(0)

    def tell(self) -> None:
        """Say, in a worker, that it can answer."""
        self._any.set()
        self._made.release()

    def any(self) -> bool:
        """Return whether any worker ever could answer."""
        return self._any.is_set()

    def wait(self) -> None:
        """Return when as many could as there are."""
        for _ in range(self._workers):
            self._made.acquire()


def _announce_when(ready: _Readiness, announce: Callable[[str], None], url: str) -> None:
    ready.wait()
    try:
        announce(url)
    except OSError as error:  # nobody reads our output: no reason not to serve
        logger.warning("the address %s cannot be announced: %s", url, error)


class _Server(MPServer):
    """granian's supervisor of worker processes; the worker `idx` listens on `listeners[idx]`.

    While no worker was ever `ready`, there is nothing to keep alive.
    """

    _shd: Any
    _sso: Any
    respawned_wrks: dict[int, float]

    def __init__(self, listeners: list[socket.socket], ready: _Readiness, **options: Any) -> None:
        super().__init__("rolebridge", **options)
        self._listeners = listeners
        self._ready = ready
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS * len(listeners))

    def _init_shared_socket(self) -> None:
        """Open nothing: the sockets are open."""

    def _drop_shared_socket(self) -> None:
        for listener in self._listeners:
            listener.close()

    # The base class of granian's server declares one argument more than is passed.
    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> Any:  # type: ignore[override]
        self._sso = self._listeners[idx % len(self._listeners)]
        fd = self._sso.fileno()
        arguments: tuple[Any, ...] = (fd, False, BACKLOG) if _LINUX else (fd, False)  # as each build declares it
        self._shd = SocketHolder(*arguments)
        return super()._spawn_worker(idx, target, callback_loader)

    def _respawn_workers(self, *arguments: Any, **options: Any) -> None:
        if not self._ready.any():
            self.shutdown(exit_code=1)  # type: ignore[no-untyped-call]
        now = time.monotonic()
        if len(self._deaths) == self._deaths.maxlen and now - self._deaths[0] < DEATHS_SECONDS:
            logger.error("%d workers died within %g seconds", len(self._deaths), DEATHS_SECONDS)
            self.shutdown(exit_code=1)  # type: ignore[no-untyped-call]
        self._deaths.append(now)
        super()._respawn_workers(*arguments, **options)
        # granian itself gives up as soon as a worker dies twice within 5.5 seconds, be it killed by a person or by the
        # kernel; it asks these times.
        self.respawned_wrks.clear()


_LINUX = sys.platform.startswith("linux")
_LEAVING_SECONDS = 2.0


def _listen(address: Address, workers: int, write_seconds: float) -> list[socket.socket]:
    """Open the listening sockets; raise OSError when the address is wrong or taken."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, target = found[0][0], found[0][4]
    host = str(target[0])
    first = _open_patiently(family, host, address.port, write_seconds, reuse=False)
    if workers == 1 or not _LINUX:
        return [first]  # only Linux spreads connections over sockets on one port; elsewhere the workers share one
    # It has shown that nobody else is there; now every socket on the port has to say that it shares it.
    port = first.getsockname()[1]
    first.close()
    return [_open_patiently(family, host, port, write_seconds, reuse=True) for _ in range(workers)]


def _open_patiently(family: int, host: str, port: int, write_seconds: float, *, reuse: bool) -> socket.socket:
    """Open a listening socket, also where somebody is just leaving.

    A server that was killed a moment ago, or a process of ours between its fork and its exec, may hold a copy of a
    socket on the port that is closed everywhere else.
    """
    until = time.monotonic() + _LEAVING_SECONDS
    while True:
        try:
            return _open(family, host, port, write_seconds, reuse=reuse)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                raise
        time.sleep(0.02)


def _open(family: int, host: str, port: int, write_seconds: float, *, reuse: bool) -> socket.socket:
    """Open one listening socket. Accepted connections inherit its options."""
    both = host == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse, dualstack_ipv6=both)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Whoever reads nothing keeps a connection for ever otherwise: the application can stop sending, but only
        # the kernel knows that what was sent is not taken.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(write_seconds * 1000))
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _work(*arguments: Any) -> None:
    """Be a worker until told to stop, then leave without taking the interpreter down.

    granian's threads may still be letting go of it, and a thread that asks for an interpreter which is going down
    aborts the process.
    """
    MPServer._spawn_asgi_worker(*arguments)  # noqa: SLF001 - what `serve` would have called
    for close in _closing:
        try:
            close()
        except Exception:  # the worker ends in any case; the log is the only one left to be told
            logger.exception("a worker could not close its application")
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


_closing: list[Callable[[], None]] = []
"""What this worker closes when it stops; an ASGI lifespan would ask for the same, and granian is told of none."""


def _load(
    make_application: Callable[[], Served | WSGIApplication], limits: Limits, error_body: ErrorBody, ready: _Readiness
) -> WSGIAdapter:
    """Make the application of this worker, which stops when the supervisor is gone, however it went."""
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None
    threading.Thread(target=_stop_with, args=(supervisor.sentinel,), daemon=True).start()
    try:
        made = make_application()
    except Exception:  # whatever it is, the log tells it and the process ends
        logger.exception("a worker cannot start")
        sys.exit(1)
    served = made if isinstance(made, Served) else Served(made)
    _closing.append(served.close)
    adapter = WSGIAdapter(
        served.application, limits, error_body, served.refused, answered=served.answered, headers=served.headers
    )
    # What is here now stays; without this every full collection walks through it again (47 ms measured).
    gc.collect()
    gc.freeze()
    ready.tell()
    return adapter


def _stop_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
