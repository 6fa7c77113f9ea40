"""Doors to attack, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.hostile.doors import Door, door


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """An installation on SQLite and on PostgreSQL, with one connection, one user and one group."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('door')}/rolebridge.db"
    else:
        url = request.getfixturevalue("postgres_module_database")
    with door(url) as opened:
        yield opened
