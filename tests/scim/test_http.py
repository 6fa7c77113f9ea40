"""The parts of a request that are HTTP: paths, methods, parameters, types, hostile ids (RFC 7644 §3, RFC 9110)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bridge.worlds import World
from tests.scim.talking import BASE, ERROR, GROUP, USER, Client, Said

from rolebridge.scim.errors import ScimError
from rolebridge.scim.http import JSON_TYPE, SCIM_TYPE, answer_type, check_body, parameters_of, resource_of
from rolebridge.scim.profile import profile
from rolebridge.store.engine import Store
from rolebridge.web.requests import Request

USER_BODY = {"schemas": [USER], "userName": "ana"}


def refused(said: Said, status: int, scim_type: str | None, words: str) -> None:
    """The refusal is a SCIM Error that says why."""
    assert (said.status, said.body["status"]) == (status, str(status))
    assert said.body["schemas"] == [ERROR]
    assert said.body.get("scimType") == scim_type
    assert words in said.body["detail"]


# --- paths -----------------------------------------------------------------------------------------------------


def test_slashes_too_many_mean_nothing(client: Client) -> None:
    """A base URL with a slash at its end, one at the end of a path: the same resource, no redirect."""
    id_ = client.new_user("ana")
    for path in ("//Users", "/Users/", "Users", "///Users//"):
        assert client.get(path).body["totalResults"] == 1, path
    for path in (f"//Users/{id_}", f"/Users//{id_}/"):
        assert client.get(path).body["id"] == id_, path
    for path in ("//Schemas", "/Schemas/", f"//Schemas//{USER}", "/ResourceTypes/User/"):
        assert client.get(path).status == 200, path


def test_an_endpoint_in_another_case_is_forgiven_and_counted(store: Store) -> None:
    """`/users` is `/Users` for a profile that says so, and 404 for the strict one, which says what it is called."""
    world = World(store)
    generic, strict = Client(world), Client(world, profile="strict")
    id_ = generic.new_user("ana")
    for path in (f"/users/{id_}", f"/USERS/{id_}", "/serviceproviderconfig", "/schemas", "/groups"):
        assert generic.get(path).status == 200, path
        assert generic.exchanges[-1].tolerances == "endpoint-case", path
    refused(strict.get("/users"), 404, None, "the endpoint is `/Users`, not `/users`")
    generic.get("/Users")
    assert generic.exchanges[-1].tolerances == ""


@pytest.mark.parametrize(
    "id_",
    [
        "x",
        "00000000-0000-4000-8000-000000000000",
        "a/b",
        "..",
        "../../etc/passwd",
        "' OR 1=1 --",
        '"><script>',
        "%00",
        "%2F",
        "é\N{SNOWMAN}",
        "\x00",
        "\ud800",
        "a" * 100_000,
        "1" * 900,
        "*",
        "null",
    ],
)
@pytest.mark.parametrize("endpoint", ["/Users", "/Groups", "/Schemas"])
def test_an_id_of_any_shape_is_just_not_there(endpoint: str, id_: str, client: Client) -> None:
    """404 with a short SCIM Error for every method: an id is text, and which text ids are made of is ours to know."""
    said = client.get(f"{endpoint}/{id_}")
    assert (said.status, said.body["schemas"]) == (404, [ERROR])
    assert len(json.dumps(said.body)) < 8_000
    if endpoint != "/Schemas":
        assert client.send("DELETE", f"{endpoint}/{id_}").status == 404
        body = USER_BODY if endpoint == "/Users" else {"schemas": [GROUP], "displayName": "g"}
        assert client.send("PUT", f"{endpoint}/{id_}", body).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("OPTIONS", "/Users", "GET, POST"),
        ("OPTIONS", "/Groups/x", "GET, PUT, PATCH, DELETE"),
        ("PUT", "/Users", "GET, POST"),
        ("POST", "/Users/x", "GET, PUT, PATCH, DELETE"),
        ("PATCH", "/Schemas", "GET"),
        ("DELETE", "/Bulk", "POST"),
        ("BREW", "/Users", "GET, POST"),
    ],
)
def test_a_method_that_is_not_there(method: str, path: str, allow: str, client: Client) -> None:
    """405 with those that are, also for OPTIONS: nobody asks across origins."""
    said = client.send(method, path)
    refused(said, 405, None, "is not possible here")
    assert said.headers["Allow"] == allow


# --- parameters ------------------------------------------------------------------------------------------------


def asked(client: Client, path: str, *query: tuple[str, str]) -> Said:
    request = Request("GET", path, query, {}, b"", "r")
    return client._read(client.face.handle(request, client.caller))


def test_a_parameter_given_twice(client: Client) -> None:
    """Lists are joined, the same value is one, and of two values none is passed over."""
    id_ = client.new_user("ana", title="T", nickName="N")
    said = asked(client, f"/Users/{id_}", ("attributes", "title"), ("attributes", "nickName"))
    assert said.body == {"schemas": [USER], "id": id_, "title": "T", "nickName": "N"}
    same = ("filter", 'userName eq "ana"')
    assert asked(client, "/Users", same, same).body["totalResults"] == 1
    refused(asked(client, "/Users", same, ("Filter", 'userName eq "bea"')), 400, "invalidFilter", "given twice")
    refused(asked(client, "/Users", ("count", "1"), ("count", "2")), 400, "invalidValue", "`count` is given twice")
    both = asked(client, "/Users", ("aadOptscim062020", ""), ("aadOptscim062020", "x"), ("x", "1"), ("x", "2"))
    assert both.status == 200


def test_patch_answers_with_the_attributes_asked_for(client: Client) -> None:
    """`attributes` and `excludedAttributes` shape the answer of POST, PUT and PATCH too (RFC 7644 §3.9)."""
    made = client.send("POST", "/Users", {**USER_BODY, "title": "T"}, attributes="title")
    id_ = made.body["id"]
    assert made.body == {"schemas": [USER], "id": id_, "title": "T"}
    put = client.send("PUT", f"/Users/{id_}", {**USER_BODY, "title": "U"}, excludedAttributes="meta,active")
    assert put.body == {"schemas": [USER], "id": id_, "userName": "ana", "title": "U"}
    patched = client.patch(f"/Users/{id_}", {"op": "remove", "path": "title"}, attributes="title")
    assert patched.body == {"schemas": [USER], "id": id_}
    assert patched.headers["Location"] == f"{BASE}/Users/{id_}"


# --- bodies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_no_body_is_told_as_that(method: str, body: bytes, client: Client) -> None:
    """400 `invalidSyntax`."""
    path = "/Users" if method == "POST" else "/Users/x"
    refused(client.send(method, path, body), 400, "invalidSyntax", "the request has no body")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"content-type": "text/plain"}, "the body is `text/plain`"),
        ({"content-type": "multipart/form-data; boundary=x"}, "the body is `multipart/form-data"),
        ({"content-type": "application/scim+json; charset=utf-16"}, "the body is in `utf-16`"),
        ({"content-type": 'application/json;charset="ISO-8859-1"'}, "the body is in `ISO-8859-1`"),
        ({"content-encoding": "gzip"}, "encoded as `gzip`"),
        ({"content-encoding": "identity, br"}, "encoded as"),
    ],
)
def test_a_body_of_another_type_or_coding(headers: dict[str, str], words: str, client: Client) -> None:
    """415 that says what it takes."""
    refused(client.send("POST", "/Users", USER_BODY, headers), 415, None, words)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "application/json"},
        {"content-type": "APPLICATION/SCIM+JSON ; Charset=UTF-8"},
        {"content-type": 'application/json; charset="utf-8"; odata=minimal'},
        {"content-encoding": "identity"},
    ],
)
def test_json_however_it_is_announced(headers: dict[str, str], client: Client) -> None:
    """SCIM's type, plain JSON, or nothing said."""
    assert client.send("POST", "/Users", USER_BODY, headers).status == 201


def test_a_clients_id_and_location_are_not_ours(client: Client) -> None:
    """`id`, `meta` and `schemas` of a POST change nothing: id and location are the service's."""
    sent = {**USER_BODY, "id": "mine", "meta": {"location": "https://evil.example/Users/mine", "version": "W/9"}}
    made = client.send("POST", "/Users", sent, {"host": "evil.example", "x-forwarded-host": "evil.example"})
    assert made.body["id"] != "mine"
    assert made.headers["Location"] == made.body["meta"]["location"] == f"{BASE}/Users/{made.body['id']}"
    assert "evil" not in json.dumps(made.body)


def test_a_body_where_none_belongs_is_not_looked_at(client: Client) -> None:
    """GET and DELETE with one, of any kind, do what they do."""
    id_ = client.new_user("ana")
    junk = {"content-type": "text/plain", "content-encoding": "gzip"}
    assert client.send("GET", f"/Users/{id_}", b"{not json", junk).status == 200
    assert client.send("DELETE", f"/Users/{id_}", b"{not json", junk).status == 204


# --- the type of the answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", SCIM_TYPE),
        ("*/*", SCIM_TYPE),
        ("application/scim+json", SCIM_TYPE),
        ("application/scim+json, application/json", SCIM_TYPE),
        ("application/scim+json;q=0.9, application/json", JSON_TYPE),
        ("application/json;q=0.5, application/scim+json;q=0.6", SCIM_TYPE),
        ("application/json", JSON_TYPE),
        ("application/json; charset=utf-8", JSON_TYPE),
        ("Application/JSON", JSON_TYPE),
        ("application/json, text/plain, */*", SCIM_TYPE),
        ("application/json, */*;q=0.8", JSON_TYPE),
        ("application/json;q=0", SCIM_TYPE),
        ("application/scim+json;q=0, application/json;q=0.1", JSON_TYPE),
        ("text/html", SCIM_TYPE),
        ("application/json;q=nonsense", JSON_TYPE),
        ("application/json," * 1000, SCIM_TYPE),
    ],
)
def test_answers_come_in_the_type_that_is_preferred(accept: str, expected: str, client: Client) -> None:
    """Resources, lists and errors alike; never 406, never a charset."""
    headers = {"accept": accept} if accept else {}
    assert client.send("POST", "/Users", USER_BODY, headers).headers["Content-Type"] == expected
    for path in ("/Users", "/Schemas", "/nothing"):
        assert client.get(path, headers).headers["Content-Type"] == expected


@given(st.text(), st.lists(st.tuples(st.text(), st.text())), st.binary())
def test_any_header_path_and_parameter_is_read_or_refused(text: str, query: list[tuple[str, str]], body: bytes) -> None:
    """Nothing but a SCIM refusal comes out of the reading."""
    assert answer_type({"accept": text}) in (SCIM_TYPE, JSON_TYPE)
    reading = profile("generic").reading()
    assert refusal_of(lambda: resource_of(text, reading)) in (None, 404)
    assert refusal_of(lambda: parameters_of(query)) in (None, 400)
    assert refusal_of(lambda: check_body(body, {"content-type": text})) in (None, 400, 415)


def refusal_of(act: Callable[[], object]) -> int | None:
    """Return the status of the refusal, None when there is none."""
    try:
        act()
    except ScimError as error:
        return error.status
    return None
