"""The door in front of the handlers: who is let in, paths, headers, bodies, defects; everything else is theirs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from tests.bridge.worlds import OPERATOR, World
from tests.databases import with_schema
from tests.scim.talking import ERROR, USER
from werkzeug.test import Client, create_environ, run_wsgi_app

from rolebridge.bridge.credentials import Hasher
from rolebridge.core.errors import Unavailable
from rolebridge.scim.door import ScimDoor
from rolebridge.scim.handlers import ScimFace
from rolebridge.store.engine import Store
from rolebridge.store.request_log import LoggedRequest
from rolebridge.web.addresses import Origins
from rolebridge.web.authentication import Authenticator

MAX_BODY = 1_000


class Entrance:
    """A client of the SCIM door, a token for it, and what the request log is told."""

    def __init__(self, world: World, store: Store) -> None:
        _, token = world.administration.add_connection(OPERATOR, world.organization, "keycloak", "generic")
        self.told: list[LoggedRequest] = []
        self.authenticator = Authenticator(store, Hasher(b"k" * 32), world.clock)
        self.provisioning = world.provisioning
        face = ScimFace(world.provisioning, self.told.append)
        self.door = ScimDoor(face, self.authenticator, Origins(), "/scim/v2", MAX_BODY)
        self.http = Client(self.door)
        self.token = token.text
        self.bearer = {"Authorization": f"Bearer {token.text}"}

    def ask(self, method: str, environ: dict[str, Any], *, known: bool = True) -> tuple[int, dict[str, Any]]:
        """Ask for `/Users` as no client library would; return status and body of the answer."""
        own = {"HTTP_AUTHORIZATION": self.bearer["Authorization"]} if known else {}
        whole = {**create_environ("/scim/v2/Users"), "REQUEST_METHOD": method, **own, **environ}
        blocks, status, _ = run_wsgi_app(self.door, whole)
        return int(status[:3]), json.loads(b"".join(blocks))


@pytest.fixture
def entrance(tmp_path: Path) -> Iterator[Entrance]:
    """The door of a new installation."""
    store = Store.open(with_schema(f"sqlite:///{tmp_path / 'rolebridge.db'}"))
    world = World(store)
    made = Entrance(world, store)
    yield made
    made.authenticator.uses.flush()
    store.close()


@pytest.fixture
def door(entrance: Entrance) -> tuple[Client, str]:
    """A client of the door, and a token for it."""
    return entrance.http, entrance.token


def test_without_a_token_that_we_know_nothing_is_answered(door: tuple[Client, str]) -> None:
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


def test_a_request_goes_through(door: tuple[Client, str]) -> None:
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


def test_an_answer_without_a_body_has_no_type(door: tuple[Client, str]) -> None:
    """204 says nothing about a body that is not there."""
    client, token = door
    bearer = {"Authorization": f"Bearer {token}"}
    body = json.dumps({"schemas": [USER], "userName": "ana"})
    id_ = json.loads(client.post("/scim/v2/Users", data=body, headers=bearer).data)["id"]
    gone = client.delete(f"/scim/v2/Users/{id_}", headers=bearer)
    assert (gone.status_code, gone.data) == (204, b"")
    assert "Content-Type" not in gone.headers


def test_any_method_and_path_below_the_door_is_refused_as_scim(door: tuple[Client, str]) -> None:
    """404 and 405 in SCIM's form, with the methods that there are."""
    client, token = door
    bearer = {"Authorization": f"Bearer {token}"}
    nowhere = client.get("/scim/v2/Nothing/at/all", headers=bearer)
    assert (nowhere.status_code, json.loads(nowhere.data)["status"]) == (404, "404")
    wrong = client.delete("/scim/v2/Users", headers=bearer)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, POST")


def test_an_unknown_method_is_refused_before_anybody_is_asked_who_they_are(entrance: Entrance) -> None:
    """405 that lists every method of the door, without a token; the log has it, without the method."""
    said = entrance.http.open("/scim/v2/Users", method="TRACE")
    assert (said.status_code, json.loads(said.data)["schemas"]) == (405, [ERROR])
    assert said.headers["Allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert [(row.status, row.method, row.path, row.organization_id) for row in entrance.told] == [
        (405, "…", "/Users", "")
    ]


def test_every_answer_names_its_request(entrance: Entrance) -> None:
    """Answers carry an id of ours, which the log has too."""
    ids = [
        entrance.http.get("/scim/v2/Users", headers=headers).headers["X-Request-Id"]
        for headers in ({}, entrance.bearer, {**entrance.bearer, "X-Request-Id": "mine"})
    ]
    assert ids == [row.request_id for row in entrance.told]
    assert len(set(ids)) == 3


def test_a_body_has_a_limit(entrance: Entrance) -> None:
    """413 for a body that is announced too large, and for one of no announced length that turns out to be."""
    lengths: list[dict[str, Any]] = [{"CONTENT_LENGTH": str(MAX_BODY + 1)}, {"HTTP_TRANSFER_ENCODING": "chunked"}]
    for length in lengths:
        body = {"wsgi.input": BytesIO(b"x" * (MAX_BODY + 1)), "wsgi.input_terminated": True}
        status, said = entrance.ask("POST", length | body)
        assert (status, f"{MAX_BODY} bytes" in said["detail"]) == (413, True)
    assert [(row.status, row.credential_id != "") for row in entrance.told] == [(413, True), (413, True)]


def test_nobody_makes_the_door_read_who_has_not_shown_a_token(entrance: Entrance) -> None:
    """Without a token that works the body stays where it is."""
    stream = BytesIO(b"{}")
    status, _ = entrance.ask("POST", {"CONTENT_LENGTH": "2", "wsgi.input": stream}, known=False)
    assert (status, stream.tell()) == (401, 0)


def test_a_body_that_ends_early_is_refused(entrance: Entrance) -> None:
    """400, as nobody knows what the rest would have said."""
    body = BytesIO(b'{"userName": "ana"}')
    status, said = entrance.ask("POST", {"CONTENT_LENGTH": "500", "wsgi.input": body})
    assert (status, said["detail"]) == (400, "the request's body ended early")


def test_a_store_that_is_busy_while_the_token_is_looked_up(entrance: Entrance, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the time after which to come again; what keeps it busy is not told."""

    def busy(*_: object) -> None:
        raise Unavailable("the database is busy", retry_after=7, cause="/var/secret")

    monkeypatch.setattr(entrance.authenticator, "caller", busy)
    said = entrance.http.get("/scim/v2/Users", headers=entrance.bearer)
    assert (said.status_code, said.headers["Retry-After"]) == (503, "7")
    assert json.loads(said.data)["detail"] == "the database is busy"
    assert [row.status for row in entrance.told] == [503]


@pytest.mark.parametrize("where", ["authenticator", "provisioning"])
def test_a_defect_is_answered_as_scim(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """500 without the words of the error; the log has them under the answer's request id."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError("the inner workings")

    broken_part, name = (
        (entrance.authenticator, "caller") if where == "authenticator" else (type(entrance.provisioning), "find_users")
    )
    monkeypatch.setattr(broken_part, name, broken)
    with caplog.at_level(logging.ERROR):
        said = entrance.http.get("/scim/v2/Users", headers=entrance.bearer)
    assert (said.status_code, json.loads(said.data)["status"], b"inner" in said.data) == (500, "500", False)
    assert said.headers["X-Request-Id"] in said.text
    assert said.headers["X-Request-Id"] in caplog.text
    assert "the inner workings" in caplog.text


def test_a_query_that_is_no_utf_8_is_read(entrance: Entrance) -> None:
    """Bytes that mean nothing, sent as they are or with a percent sign, find nobody and break nothing."""
    for query in ('filter=userName eq "b\xfcro"', "filter=userName%20eq%20%22b%FCro%22"):
        status, said = entrance.ask("GET", {"QUERY_STRING": query})
        assert (status, said["totalResults"]) == (200, 0)
