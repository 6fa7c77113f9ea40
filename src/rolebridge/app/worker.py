"""The background worker as a process: alone in the foreground, or beside a server that keeps one running."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from threading import Event, Thread, current_thread
from typing import Final

from rolebridge.app import logs
from rolebridge.app.installation import Installation, open_installation
from rolebridge.app.lifecycle import lifecycle_chores
from rolebridge.bridge.chores import Chore
from rolebridge.bridge.work import Worker
from rolebridge.settings import ServingSettings
from rolebridge.store.leadership import leadership

logger = logging.getLogger("rolebridge.app")

STOP_SECONDS: Final = 30.0
"""How long a worker may go on with its present transaction once it is told to stop."""

_LOOK_SECONDS: Final = 0.5
_LONGEST_PAUSE: Final = 60.0
_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def chores_of(installation: Installation) -> tuple[Chore, ...]:
    """Return everything that the worker of an installation does."""
    return (*installation.chores.all(), *installation.saml.chores(), *lifecycle_chores(installation))


def make_worker(installation: Installation) -> Worker:
    """Return the worker of an installation, which does not lead yet."""
    lead = leadership(installation.settings.database_url)
    return Worker(installation.store, installation.clock, chores_of(installation), lead)


def work_until_told(worker: Worker) -> None:
    """Work until SIGTERM or SIGINT, which only the main thread can wait for."""
    # Waited for, not handled: a handler runs in the midst of whatever the thread does, locks included.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    stop, failures = Event(), list[BaseException]()
    try:
        thread = Thread(target=_work, args=(worker, stop, failures), name="worker")
        thread.start()
        signal.sigwait(_SIGNALS)
        stop.set()
        thread.join()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if failures:
        raise failures[0]


def _work(worker: Worker, stop: Event, failures: list[BaseException]) -> None:
    try:
        worker.run(stop)
    except BaseException as error:  # noqa: BLE001 - told to the main thread, which raises it
        failures.append(error)
        os.kill(os.getpid(), signal.SIGTERM)


def background_worker(settings: ServingSettings) -> None:
    """Be the worker beside a server: the main function of a process of its own, which ends with its parent."""
    # Before there is another thread, which would take the signal and end the process at once.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    logs.set_up(settings.log_format, settings.log_level)
    parent = multiprocessing.parent_process()
    assert parent is not None
    Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    installation = open_installation(settings)
    try:
        work_until_told(make_worker(installation))
    finally:
        installation.close()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


class KeptWorker:
    """Keeps a worker process running beside a server, for the time of a `with`; one that dies is replaced."""

    def __init__(
        self, settings: ServingSettings, target: Callable[[ServingSettings], None] = background_worker
    ) -> None:
        self._settings = settings
        self._target = target
        # A fresh interpreter, as the processes that answer requests are.
        self._context = multiprocessing.get_context("spawn")
        self._stop = Event()
        self._thread = Thread(target=self._keep, name="worker-keeper", daemon=True)

    def __enter__(self) -> KeptWorker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not current_thread():
            self._thread.join()

    def _keep(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            process = self._context.Process(target=self._target, args=(self._settings,), name="rolebridge-worker")
            process.start()
            self._attend(process)
            if not self._stop.is_set():
                # One that was told to end (by whoever stops every process of the server) says so by 0.
                level = logging.ERROR if process.exitcode else logging.INFO
                told = "the worker ended (exit code %s); another begins in %g s"
                logger.log(level, told, process.exitcode, pause)
                self._stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _attend(self, process: SpawnProcess) -> None:
        """Return when the process has ended, which it is told to when the server stops."""
        while process.is_alive():
            process.join(_LOOK_SECONDS)
            if self._stop.is_set():
                process.terminate()
                process.join(STOP_SECONDS)
                if process.is_alive():
                    process.kill()
                    process.join()
