"""A token endpoint over a bridge, on each database, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.bridge.worlds import World
from tests.databases import with_schema
from tests.oauth.talking import Talk

from rolebridge.store.engine import Store


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the present schema, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('oauth') / 'rolebridge.db'}"
    else:
        url = request.getfixturevalue("postgres_module_database")
    opened = Store.open(with_schema(url))
    yield opened
    opened.close()


@pytest.fixture
def talk(store: Store) -> Iterator[Talk]:
    """A client with one secret, of the connection `okta` of a fresh organization."""
    made = Talk(World(store))
    yield made
    made.authenticator.uses.flush()  # or it is done later, when the store has gone
