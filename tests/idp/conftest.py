"""Bridges that the transcripts are played against: one on SQLite, one on PostgreSQL."""

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


@pytest.fixture(scope="module")
def postgres_bridge(tmp_path_factory: pytest.TempPathFactory, postgres_module_database: str) -> Iterator[Served]:
    """A bridge of two processes on PostgreSQL."""
    with served(tmp_path_factory.mktemp("bridge"), postgres_module_database) as running:
        yield running
