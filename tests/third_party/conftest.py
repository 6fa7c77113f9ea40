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
