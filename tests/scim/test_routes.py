"""Flask in front: authentication, paths, headers; everything else is the handlers'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.bridge.worlds import OPERATOR, World
from tests.scim.talking import ERROR, USER

from rolebridge.bridge.credentials import Hasher
from rolebridge.scim.handlers import ScimFace
from rolebridge.scim.routes import scim_blueprint
from rolebridge.store.engine import Store
from rolebridge.web.authentication import Authenticator


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[FlaskClient, str]]:
    """A Flask client of the SCIM door, and a token for it."""
    store = Store.open(f"sqlite:///{tmp_path / 'rolebridge.db'}", create=True)
    store.upgrade()
    world = World(store)
    _, token = world.administration.add_connection(OPERATOR, world.organization, "keycloak", "generic")
    app = Flask("door")
    authenticator = Authenticator(store, Hasher(b"k" * 32), world.clock)
    face = ScimFace(world.provisioning)
    app.register_blueprint(scim_blueprint(face, authenticator, lambda: "request-1"), url_prefix="/scim/v2")
    yield app.test_client(), token.text
    authenticator.uses.flush()
    store.close()


def test_without_a_token_that_we_know_nothing_is_answered(door: tuple[FlaskClient, str]) -> None:
    """401 with a challenge and a SCIM Error, discovery included."""
    client, token = door
    invalid = ', error="invalid_token"'  # said where a token was shown, and not otherwise (RFC 6750 §3.1)
    for headers, error in (
        ({}, ""),
        ({"Authorization": "Bearer rbt_wrong"}, invalid),
        ({"Authorization": "Bearer rba_wrong"}, invalid),
        ({"Authorization": "Basic eDp5"}, ""),
        ({"Authorization": f"Bearer {token}x"}, invalid),
    ):
        for path in ("/scim/v2/Users", "/scim/v2/Schemas", "/scim/v2/nothing"):
            said = client.get(path, headers=headers)
            assert said.status_code == 401
            assert said.headers["WWW-Authenticate"] == f'Bearer realm="scim"{error}'
            assert said.content_type == "application/scim+json"
            assert json.loads(said.data)["schemas"] == [ERROR]
            assert token not in said.text


def test_a_request_goes_through(door: tuple[FlaskClient, str]) -> None:
    """Body, query in both encodings of a blank, trailing slash, HEAD; a bare token is a token."""
    client, token = door
    bearer = {"Authorization": f"Bearer {token}"}
    body = {"schemas": [USER], "userName": "R&D + Büro/100%"}
    made = client.post("/scim/v2/Users", data=json.dumps(body), headers=bearer)
    assert made.status_code == 201
    id_ = json.loads(made.data)["id"]
    assert made.headers["Location"].endswith(f"/scim/v2/Users/{id_}")
    for query in (
        "filter=userName+eq+%22R%26D+%2B+B%C3%BCro%2F100%25%22",
        "filter=userName%20eq%20%22R%26D%20%2B%20B%C3%BCro%2F100%25%22",
    ):
        assert json.loads(client.get(f"/scim/v2/Users/?{query}", headers=bearer).data)["totalResults"] == 1
    assert client.get(f"/scim/v2/Users/{id_}", headers={"Authorization": token}).status_code == 200
    head = client.head(f"/scim/v2/Users/{id_}", headers=bearer)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == 'W/"1"'


def test_an_answer_without_a_body_has_no_type(door: tuple[FlaskClient, str]) -> None:
    """204 says nothing about a body that is not there."""
    client, token = door
    bearer = {"Authorization": f"Bearer {token}"}
    body = json.dumps({"schemas": [USER], "userName": "ana"})
    id_ = json.loads(client.post("/scim/v2/Users", data=body, headers=bearer).data)["id"]
    gone = client.delete(f"/scim/v2/Users/{id_}", headers=bearer)
    assert (gone.status_code, gone.data) == (204, b"")
    assert "Content-Type" not in gone.headers


def test_any_method_and_path_below_the_door_is_refused_as_scim(door: tuple[FlaskClient, str]) -> None:
    """404 and 405 in SCIM's form, with the methods that there are."""
    client, token = door
    bearer = {"Authorization": f"Bearer {token}"}
    nowhere = client.get("/scim/v2/Nothing/at/all", headers=bearer)
    assert (nowhere.status_code, json.loads(nowhere.data)["status"]) == (404, "404")
    wrong = client.delete("/scim/v2/Users", headers=bearer)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, POST")
