"""A whole bridge without HTTP, on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.bridge.worlds import World
from tests.databases import with_schema

from rolebridge.store.engine import Store


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the present schema, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('bridge') / 'rolebridge.db'}"
    else:
        url = request.getfixturevalue("postgres_module_database")
    opened = Store.open(with_schema(url))
    yield opened
    opened.close()


@pytest.fixture
def world(store: Store) -> World:
    """A fresh organization with two connections, and the use cases on it."""
    return World(store)
