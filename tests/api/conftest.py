"""An installation that the tests of the API share, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.talking import Tenant, tenants
from tests.databases import with_schema

from rolebridge.app import Installation, open_installation
from rolebridge.settings import load

KEY = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the present schema."""
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path_factory.mktemp('api') / 'rolebridge.db'}"
    else:
        found = request.getfixturevalue("postgres_module_database")
    with_schema(found)
    return found


@pytest.fixture(scope="module")
def installation(url: str) -> Iterator[Installation]:
    """The installation."""
    opened = open_installation(load({"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY}))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def both(installation: Installation) -> tuple[Tenant, Tenant]:
    """Two organizations."""
    return tenants(installation)


@pytest.fixture
def acme(both: tuple[Tenant, Tenant]) -> Tenant:
    """The one with people who hold roles."""
    return both[0]


@pytest.fixture
def other(both: tuple[Tenant, Tenant]) -> Tenant:
    """The other one."""
    return both[1]
