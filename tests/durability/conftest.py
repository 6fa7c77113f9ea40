"""Bridges on both databases that serve for one test, and may be killed in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.durability.running import Bridge, bridge


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_serving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge of two processes, on SQLite and on PostgreSQL."""
    folder = tmp_path_factory.mktemp("bridge")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/rolebridge.db"
    else:
        url = request.getfixturevalue("postgres_module_database")
    with bridge(folder, url) as running:
        yield running


@pytest.fixture
def serving(module_serving: Bridge) -> Iterator[Bridge]:
    """That bridge, in an organization of the test's own."""
    module_serving.begin()
    yield module_serving
    module_serving.hang_up()


@pytest.fixture
def sqlite_serving(tmp_path: Path) -> Iterator[Bridge]:
    """A bridge of two processes on SQLite."""
    with bridge(tmp_path, f"sqlite:///{tmp_path}/rolebridge.db") as running:
        yield running
