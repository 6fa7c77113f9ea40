"""Readings and a bridge that the tests of the SCIM face share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.bridge.worlds import World
from tests.databases import with_schema
from tests.scim.talking import Client

from rolebridge.scim.profile import profile
from rolebridge.scim.tolerances import Reading
from rolebridge.store.engine import Store


@pytest.fixture
def strict() -> Reading:
    return profile("strict").reading()


@pytest.fixture
def generic() -> Reading:
    return profile("generic").reading()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the present schema, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('scim') / 'rolebridge.db'}"
    else:
        url = request.getfixturevalue("postgres_module_database")
    opened = Store.open(with_schema(url))
    yield opened
    opened.close()


@pytest.fixture
def client(store: Store) -> Client:
    """The connection `okta` of a fresh organization, with the profile `generic`."""
    return Client(World(store))
