"""`/Me` (RFC 7644 §3.11): the user whom the token is bound to, or an honest 501."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.bridge.worlds import OPERATOR, World
from tests.scim.talking import BASE, ERROR, PATCH, USER, Client

from rolebridge.bridge.credentials import Hasher
from rolebridge.core.errors import NotFound
from rolebridge.store.engine import Store
from rolebridge.web.authentication import Authenticator

TITLE = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "T"}]}


@pytest.fixture
def ana(client: Client) -> str:
    """Ana, whom the client's token is bound to from here on."""
    id_ = client.new_user("ana")
    client.caller = replace(client.caller, subject=id_)
    return id_


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_token_of_a_connection_is_nobody(method: str, client: Client) -> None:
    """501, and how to get a token that is somebody."""
    said = client.send(method, "/Me", {})
    assert (said.status, said.body["schemas"], said.body["status"]) == (501, [ERROR], "501")
    assert "`rolebridge token add --user`" in said.body["detail"]


def test_me_is_the_user(client: Client, ana: str) -> None:
    """GET, PUT, PATCH and DELETE do what they do at the user's own path, which every answer names."""
    own = client.get(f"/Users/{ana}")
    mine = client.get("/Me")
    assert (mine.status, mine.body, mine.headers) == (200, own.body, own.headers)
    assert mine.headers["Location"] == mine.body["meta"]["location"] == f"{BASE}/Users/{ana}"
    assert client.get("/Me", attributes="userName").body == {"schemas": [USER], "id": ana, "userName": "ana"}
    same = client.get("/Me", {"if-none-match": mine.headers["ETag"]})
    assert (same.status, same.headers["Location"]) == (304, f"{BASE}/Users/{ana}")
    changed = client.send("PATCH", "/Me", TITLE)
    assert (changed.status, changed.body["title"]) == (200, "T")
    late = client.send("PATCH", "/Me", TITLE, {"if-match": mine.headers["ETag"]})
    assert late.status == 412
    put = client.send("PUT", "/Me/", {"schemas": [USER], "userName": "ana", "nickName": "N"})
    assert (put.status, put.body["nickName"], put.headers["Location"]) == (200, "N", f"{BASE}/Users/{ana}")
    gone = client.send("DELETE", "/Me")
    assert (gone.status, gone.headers) == (204, {"Location": f"{BASE}/Users/{ana}"})
    assert client.get("/Me").status == 404


def test_me_is_one_user(client: Client, ana: str) -> None:
    """There is nothing below it, and nobody is created by it."""
    created = client.send("POST", "/Me", {"schemas": [USER], "userName": "bea"})
    assert (created.status, created.headers["Allow"]) == (405, "GET, PUT, PATCH, DELETE")
    assert client.get(f"/Me/{ana}").status == 404


def test_a_token_is_bound_to_a_user_of_its_connection(store: Store) -> None:
    """By userName or id; somebody else's user, an unknown one or the beginning of a name is refused."""
    world = World(store)
    ana = world.user("ana")
    world.user("eve", world.entra)
    authenticator = Authenticator(store, Hasher(b"k" * 32), lambda: datetime.now(UTC))
    connection = world.administration.connection(world.organization, "okta")
    for name in ("Ana@acme.example", ana):
        token, secret = world.administration.add_token(OPERATOR, connection, "hers", None, name)
        assert token.user_id == ana
        assert authenticator.caller(f"Bearer {secret.text}", "r").subject == ana
        told = [entry.reason for entry in world.audit(token.credential.id)]
        assert told == ["okta: hers, `/Me` is ana@acme.example"]
    _, secret = world.administration.add_token(OPERATOR, connection, "plain", None)
    assert authenticator.caller(f"Bearer {secret.text}", "r").subject == ""
    for name in ("eve@acme.example", "ana", "nobody", ""):
        with pytest.raises(NotFound, match="there is no user"):
            world.administration.add_token(OPERATOR, connection, "wrong", None, name)
    authenticator.uses.flush()
