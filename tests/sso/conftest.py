"""A bridge that people come to with browsers, and a protocol of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.databases import with_schema
from tests.sso.visiting import House


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database of each kind, with the present schema."""
    if request.param == "sqlite":
        url = f"sqlite:///{Path(tmp_path_factory.mktemp('sso')) / 'rolebridge.db'}"
    else:
        url = request.getfixturevalue("postgres_module_database")
    _upgrade(url)
    return url


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a SQLite database with the present schema, for what the database has no part in."""
    url = f"sqlite:///{Path(tmp_path_factory.mktemp('sso')) / 'rolebridge.db'}"
    _upgrade(url)
    return url


@pytest.fixture
def house(database: str) -> Iterator[House]:
    """A fresh organization in the database, whose people log in by the tests' own protocol."""
    made = House(database)
    yield made
    made.close()


def _upgrade(url: str) -> None:
    with_schema(url)
