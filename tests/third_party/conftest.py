"""A bridge for the suites of other authors to work on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.idp.served import Served, served


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge of two processes on SQLite."""
    folder = tmp_path_factory.mktemp("bridge")
    with served(folder, f"sqlite:///{folder}/rolebridge.db") as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def each_bridge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge on SQLite, and one on PostgreSQL."""
    folder = tmp_path_factory.mktemp("bridge")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/rolebridge.db"
    else:
        url = request.getfixturevalue("postgres_module_database")
    with served(folder, url) as running:
        yield running
