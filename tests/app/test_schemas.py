"""Schemas that an organization defines, from the registry to the next request of any token, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.databases import with_schema

from rolebridge.app import Installation, open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.callers import Operator
from rolebridge.core.extensions import Resource
from rolebridge.settings import load

KEY = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"
MIA = Operator("os:mia", "command-1")
URN = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
SCHEMA = json.dumps({"id": URN, "attributes": [{"name": "level", "type": "integer"}]})


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[tuple[Installation, Installation]]:
    """Two processes over one database, with the organizations `acme` and `other`."""
    url = f"sqlite:///{tmp_path}/rolebridge.db"
    with_schema(url)
    settings = load({"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY})
    one, two = open_installation(settings), open_installation(settings)
    for name in ("acme", "other"):
        one.administration.add_organization(MIA, name)
    yield one, two
    one.close()
    two.close()


def token(installation: Installation, name: str) -> dict[str, str]:
    """Return the credentials of a new connection of an organization."""
    organization = installation.administration.organization(name)
    _, secret = installation.administration.add_connection(MIA, organization, "okta", "okta")
    return {"Authorization": f"Bearer {secret.text}"}


def test_every_process_answers_the_next_request_by_a_new_schema(processes: tuple[Installation, Installation]) -> None:
    """Registered by one process, known to the other at once, and to no other organization."""
    one, two = processes
    acme, other = token(one, "acme"), token(one, "other")
    clients: list[FlaskClient] = [create_app(one).test_client(), create_app(two).test_client()]
    body = {"schemas": [USER, URN], "userName": "ana", URN: {"level": 3}}
    assert URN not in json.loads(clients[1].get(f"/scim/v2/Schemas/{USER}", headers=acme).data)
    organization = one.administration.organization("acme")
    one.schemas.add(MIA, organization.id, SCHEMA, Resource.USER)
    for client in clients:
        assert client.get(f"/scim/v2/Schemas/{URN}", headers=acme).status_code == 200
        assert client.get(f"/scim/v2/Schemas/{URN}", headers=other).status_code == 404
    made = clients[1].post("/scim/v2/Users", json=body, headers=acme)
    assert (made.status_code, json.loads(made.data)[URN]) == (201, {"level": 3})
    assert URN not in json.loads(clients[1].post("/scim/v2/Users", json=body, headers=other).data)
    found = clients[0].get("/scim/v2/Users", query_string={"filter": f"{URN}:level gt 2"}, headers=acme)
    assert json.loads(found.data)["totalResults"] == 1
    bulk = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "POST", "path": "/Users", "bulkId": "a", "data": {**body, "userName": "ben"}}],
    }
    done = clients[0].post("/scim/v2/Bulk", json=bulk, headers=acme)
    assert [one["status"] for one in json.loads(done.data)["Operations"]] == ["201"]
    found = clients[0].get("/scim/v2/Users", query_string={"filter": f"{URN}:level gt 2"}, headers=acme)
    assert json.loads(found.data)["totalResults"] == 2
    one.schemas.remove(MIA, organization.id, URN, force=True)
    for client in clients:
        assert client.get(f"/scim/v2/Schemas/{URN}", headers=acme).status_code == 404
        assert URN not in client.get("/scim/v2/Users", headers=acme).text
