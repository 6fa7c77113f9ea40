"""The SCIM door over real HTTP: what the server in front of the handlers, Flask and they make of it together."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.idp.served import Served, served

pytestmark = pytest.mark.loopback

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SCIM = "application/scim+json"


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge of one process, so that everybody waits for the same one."""
    folder = tmp_path_factory.mktemp("bridge")
    with served(folder, f"sqlite:///{folder}/rolebridge.db", workers=1) as running:
        yield running


class Answer:
    """What came back."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.raw = response.read()

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def refused(self, status: int) -> str:
        """Return the detail of a SCIM Error."""
        assert (self.status, self.headers["content-type"], self.body["schemas"]) == (status, SCIM, [ERROR]), self.raw
        assert self.body["status"] == str(status)
        assert self.headers["x-request-id"]
        detail: str = self.body["detail"]
        return detail


class Door:
    """One connection's HTTP client; each request has a TCP connection of its own."""

    def __init__(self, bridge: Served) -> None:
        self.token = bridge.token("generic")
        self.address = urlsplit(bridge.base).netloc

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = body if isinstance(body, bytes) or body is None or isinstance(body, list) else json.dumps(body).encode()
        said = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if body is not None:
            said.setdefault("Content-Type", SCIM)
        connection = HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, f"/scim/v2{path}", sent, said, encode_chunked=isinstance(body, list))
            return Answer(connection.getresponse())
        finally:
            connection.close()


@pytest.fixture
def door(bridge: Served) -> Door:
    """A client of a new connection."""
    return Door(bridge)


def new_user(door: Door, name: str = "ana") -> str:
    made = door.ask("POST", "/Users", {"schemas": [USER], "userName": name})
    assert made.status == 201
    id_: str = made.body["id"]
    return id_


def test_base_urls_with_and_without_a_slash(door: Door) -> None:
    """`…/scim/v2/` and `/Users` make `//Users`; no redirect, whose body would be HTML."""
    id_ = new_user(door)
    for path in ("/Users", "//Users", "/Users/", f"/Users/{id_}", f"//Users/{id_}/", "//ServiceProviderConfig"):
        assert door.ask("GET", path).status == 200, path
    assert door.ask("GET", f"/Users/{id_.replace('-', '%2D')}").body["id"] == id_
    assert door.ask("PATCH", f"//Users//{id_}", b"{}").status == 400


def test_head_is_get_without_the_body(door: Door) -> None:
    """Same status, same headers."""
    id_ = new_user(door)
    got, head = door.ask("GET", f"/Users/{id_}"), door.ask("HEAD", f"/Users/{id_}")
    assert (head.status, head.raw, head.headers["etag"]) == (200, b"", got.headers["etag"])
    assert head.headers["location"] == got.headers["location"]
    assert (door.ask("HEAD", "/Users/x").status, door.ask("HEAD", "/Users").status) == (404, 200)


def test_conditions_come_through(door: Door) -> None:
    """304 has the tag and neither body nor type; 412 is a SCIM Error."""
    id_ = new_user(door)
    tag = door.ask("GET", f"/Users/{id_}").headers["etag"]
    same = door.ask("GET", f"/Users/{id_}", If_None_Match=f'"x", {tag}')
    assert (same.status, same.raw, same.headers["etag"]) == (304, b"", tag)
    assert "content-type" not in same.headers
    door.ask("DELETE", f"/Users/{id_}", If_Match='W/"7"').refused(412)
    assert door.ask("DELETE", f"/Users/{id_}", If_Match=tag).status == 204


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "PUT"])
def test_methods_that_are_not_there(method: str, door: Door) -> None:
    """405 with `Allow`, as SCIM, for a caller who is known."""
    answer = door.ask(method, "/Users")
    answer.refused(405)
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


def test_bodies_in_chunks_and_in_codings(door: Door) -> None:
    """Chunked is fine; compressed is 415; announced and not there is 400."""
    body = json.dumps({"schemas": [USER], "userName": "ana"}).encode()
    assert door.ask("POST", "/Users", [body[:9], body[9:20], body[20:]]).status == 201
    assert "`gzip`" in door.ask("POST", "/Users", gzip.compress(body), Content_Encoding="gzip").refused(415)
    assert "no body" in door.ask("POST", "/Users", b"").refused(400)
    assert "no body" in door.ask("PATCH", "/Users/x").refused(400)


def test_what_the_server_in_front_refuses_is_scim_too(door: Door) -> None:
    """A body too large, a path with a control character or in no encoding: the same form, with a request id."""
    assert "larger than" in door.ask("POST", "/Users", [b"x" * 1_000_000] * 17).refused(413)
    for path in ("/Users/%00", "/Users/%0d%0aX-Evil:1", "/Users/%ff"):
        door.ask("GET", path).refused(400)
    for path in ("/Users/%2e%2e%2f%2e%2e", "/Users/a%2Fb", "/Users/" + "x" * 5_000, "/Users/%C3%A9"):
        door.ask("GET", path).refused(404)
    wrong = Door.__new__(Door)
    wrong.address, wrong.token = door.address, "wrong"
    assert wrong.ask("GET", "//Users").refused(401)


def test_answers_are_in_the_type_preferred(door: Door) -> None:
    """`application/json` for whoever prefers that, in errors too; everyone else gets SCIM's."""
    assert door.ask("GET", "/Users", Accept="application/json").headers["content-type"] == "application/json"
    assert door.ask("GET", "/Nothing", Accept="application/json").headers["content-type"] == "application/json"
    assert door.ask("GET", "/Users", Accept="text/html").headers["content-type"] == SCIM


def test_a_bulk_request_keeps_nobody_waiting(door: Door, bridge: Served) -> None:
    """Others are answered by the same process while its operations run, and every result arrives."""
    count = 400
    operations = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": str(number),
            "data": {"schemas": [USER], "userName": f"u{number}"},
        }
        for number in range(count)
    ]
    answers: list[Answer] = []
    body = {"schemas": [BULK], "Operations": operations}
    job = threading.Thread(target=lambda: answers.append(door.ask("POST", "/Bulk", body)))
    other = Door(bridge)
    job.start()
    sleep(0.05)
    answered = 0
    while job.is_alive():
        assert other.ask("GET", "/ServiceProviderConfig").status == 200
        answered += 1
    job.join()
    results = answers[0].body["Operations"]
    assert [result["status"] for result in results] == ["201"] * count
    assert [result["bulkId"] for result in results] == [str(number) for number in range(count)]
    assert answered > 3, "somebody was answered meanwhile"


def test_a_bulk_request_beyond_its_limits(door: Door) -> None:
    """413 that names the limit, for too many bytes and for too many operations."""
    assert "maxPayloadSize" in door.ask("POST", "/Bulk", b" " * (4 * 1024 * 1024 + 1)).refused(413)
    many = {"schemas": [BULK], "Operations": [{}] * 1001}
    assert "maxOperations (1000)" in door.ask("POST", "/Bulk", many).refused(413)
