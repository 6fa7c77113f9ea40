"""One contract, two databases: every test of the store runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.databases import with_schema
from tests.store.worlds import World

from rolebridge.store.engine import Store


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('store') / 'rolebridge.db'}"
    found: str = request.getfixturevalue("postgres_module_database")
    return found


@pytest.fixture(scope="module")
def store(url: str) -> Iterator[Store]:
    """A store with the present schema."""
    opened = Store.open(with_schema(url))
    yield opened
    opened.close()


@pytest.fixture
def world(store: Store) -> World:
    """A fresh organization in the store."""
    return World(store).begin()
