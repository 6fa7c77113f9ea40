"""What is the same for every endpoint: paths, methods, media types, bodies, tags, idempotency keys, links."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from tests.api.talking import Tenant, problem
from tests.store.worlds import together

from rolebridge.api.parameters import Query
from rolebridge.api.routing import Answer, Endpoint, Router
from rolebridge.api.shapes import GIVEN_TEXT, check, record
from rolebridge.web.problems import Kind, Problem

JSON = {"Content-Type": "application/json"}
KEY = {"name": "ci", "role": "reader"}


# --- paths and methods -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/status/more", "/users//roles", "/users/a%00", "/access//", "/a%0Ab", "//access"]
)
def test_no_such_path(acme: Tenant, path: str) -> None:
    """404 as a problem document."""
    problem(acme.get(path), Kind.NOT_FOUND)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_a_path_has_not(acme: Tenant, method: str) -> None:
    """405 with the methods that there are; no header says that other origins may ask."""
    said = acme.get("/status", method=method)
    problem(said, Kind.METHOD_NOT_ALLOWED)
    assert said.headers["Allow"] == "GET, HEAD"
    assert not [name for name in said.headers if name.lower().startswith("access-control")]


def test_all_methods_of_a_path_are_allowed(acme: Tenant) -> None:
    """`Allow` has every one."""
    assert acme.get("/keys", method="PATCH").headers["Allow"] == "GET, HEAD, POST"


def test_fixed_words_win_over_parameters() -> None:
    """Whatever the order of the table."""

    def nothing(_use: object, _call: object) -> Answer:
        return Answer({})

    one, any_ = (Endpoint("GET", path, "", None, None, nothing) for path in ("/users/me", "/users/{user}"))
    router = Router([any_, one])
    assert router.place("/users/me").endpoint("GET") is one
    assert router.place("/users/ana").path == {"user": "ana"}
    with pytest.raises(ValueError, match="GET /users/me is there twice"):
        Router([one, one])


# --- media types -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/html, application/*;q=0.1", "Application/JSON", ""]
)
def test_json_is_answered_to_who_takes_it(acme: Tenant, accept: str) -> None:
    """Whatever else they would take."""
    assert acme.ask("GET", "/key", headers={"Accept": accept}).status == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;q=0", "*/*; q=0.0", ",,"])
def test_who_takes_no_json_is_refused(acme: Tenant, accept: str) -> None:
    """406, as a problem document all the same."""
    problem(acme.ask("GET", "/key", headers={"Accept": accept}), Kind.NOT_ACCEPTABLE)


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_a_body_that_is_said_to_be_something_else_is_refused(acme: Tenant, media: str) -> None:
    """415: nothing is guessed."""
    said = acme.ask("POST", "/keys", json.dumps(KEY).encode(), headers={"Content-Type": media})
    problem(said, Kind.UNSUPPORTED_MEDIA_TYPE)


# --- bodies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{", "the body is not JSON: "),
        (b"[]", "the body is not an object"),
        (b'{"name": "a", "name": "b", "role": "reader"}', "the body has the key `name` twice in one object"),
        (b'{"name": "a"}', "the member `role` is missing"),
        (b'{"name": "a", "role": "king"}', "the member `role` is none of `owner`, `operator`, `auditor`, `reader`"),
        (b'{"name": "a", "role": "reader", "x": 1}', "the member `x` is not known here; there are `name`, `role`, "),
        (b'{"name": 1, "role": "reader"}', "the member `name` is not a string"),
        (b'{"name": "", "role": "reader"}', "the member `name` is empty"),
        (b'{"name": "%s", "role": "reader"}' % (b"x" * 201), "the member `name` has 201 characters, the limit is 200"),
        (b'{"name": "a", "role": "reader", "expires_at": "soon"}',
         "the member `expires_at` is not such as `2026-11-20T09:14:00Z`"),
        (b'{"name": "a", "role": "reader", "expires_at": "2020-01-01T00:00:00Z"}',
         "what expires must do so in the future"),
        (b'{"name": "\\u0000", "role": "reader"}', "the body holds the NUL character, which cannot be stored"),
        (b'{"name": "\\ud800", "role": "reader"}', "the body holds half of a surrogate pair, which is no character"),
        (b'{"name": NaN, "role": "reader"}', "`NaN` is not JSON"),
        (b"\xff", "the body is not UTF-8 at byte 0"),
        (b"[" * 5_000, "the body is "),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_is_refused(acme: Tenant, body: bytes, detail: str) -> None:
    """400, saying what is wrong where; no key is made."""
    before = len(acme.get("/keys", limit="200").body["keys"])
    said = problem(acme.ask("POST", "/keys", body, headers=JSON), Kind.INVALID)
    assert said["detail"].startswith(detail)
    assert len(acme.get("/keys", limit="200").body["keys"]) == before


def test_a_large_body_is_refused(acme: Tenant) -> None:
    """413, with the limit."""
    said = problem(acme.ask("POST", "/keys", b" " * 65_537, headers=JSON), Kind.TOO_LARGE)
    assert said["detail"] == "the body has 65537 bytes, the limit is 65536"


def test_a_body_where_there_is_none_is_refused(acme: Tenant) -> None:
    """It would have been ignored."""
    said = problem(acme.ask("DELETE", "/keys/x", {"reason": "y"}), Kind.INVALID)
    assert said["detail"] == "there is no body here"


@pytest.mark.parametrize(
    ("schema", "value", "detail"),
    [
        ({"type": "integer", "minimum": 1}, 0, "the body is less than 1"),
        ({"type": "integer", "minimum": 1, "maximum": 3}, 4, "the body is not from 1 to 3"),
        ({"type": "integer"}, True, "the body is not a whole number"),
        ({"type": "boolean"}, 1, "the body is not `true` or `false`"),
        ({"type": ["string", "null"]}, 1, "the body is not a string or null"),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], "the member `[1]` is not a string"),
        ({"type": "array", "maxItems": 1}, ["a", 1], "the body has 2 entries, the limit is 1"),
        ({"type": "object", "minProperties": 1}, {}, "the body is empty"),
        ({"type": "object", "maxProperties": 1}, {"a": 1, "b": 1}, "the body has 2 members, the limit is 1"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"a": 1}, "the member `a` is not a string"),
        (record({"a": record({"b": GIVEN_TEXT})}), {"a": {"b": ""}}, "the member `a.b` is empty"),
        ({"type": "string", "format": "date"}, "2026-02-30", "the body is not such as `2026-11-30`"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_schema_is_named(schema: dict[str, Any], value: Any, detail: str) -> None:
    """With the place where it stands."""
    with pytest.raises(Problem) as caught:
        check(schema, value)
    assert caught.value.detail == detail


def test_what_fits_a_schema_passes() -> None:
    """null where it may be, members that may be left out, names of any kind where they are free."""
    check({"type": ["string", "null"], "format": "date"}, None)
    check(record({"a": GIVEN_TEXT}, optional=("a",)), {})
    check({"type": "object", "additionalProperties": GIVEN_TEXT}, {"x": "y"})
    assert Query("x", "", GIVEN_TEXT).required is False


# --- tags ------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_known_is_not_sent_again(acme: Tenant) -> None:
    """304 to `If-None-Match` with the tag, among others or weak; the whole answer to another one."""
    first = acme.get("/workspaces/vision/projects")
    tag = first.headers["ETag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = acme.ask("GET", "/workspaces/vision/projects", headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag)
    assert acme.ask("GET", "/workspaces/vision/projects", headers={"If-None-Match": '"x"'}).body == first.body


def test_a_write_is_held_against_the_state_that_it_wants(acme: Tenant) -> None:
    """412 with the present tag; with that one it is done."""
    tag = acme.get("/keys", limit="50").headers["ETag"]
    said = acme.ask("POST", "/keys", KEY, headers={"If-Match": '"other"'})
    problem(said, Kind.PRECONDITION_FAILED)
    assert said.headers["ETag"] == tag
    problem(acme.ask("POST", "/keys", KEY, headers={"If-None-Match": "*"}), Kind.PRECONDITION_FAILED)
    assert acme.ask("POST", "/keys", KEY, headers={"If-Match": tag}).status == 201
    problem(acme.ask("POST", "/keys", KEY, headers={"If-Match": tag}), Kind.PRECONDITION_FAILED)


def test_of_writes_in_one_state_one_is_done(acme: Tenant) -> None:
    """However many arrive at once: the state is looked at where nobody can change it."""
    tag = acme.get("/keys").headers["ETag"]
    app, key = acme.client.application, acme.key("owner")
    headers = {"Authorization": f"Bearer {key}", "If-Match": tag}
    statuses: list[int] = []

    def write(_: int) -> None:
        answer = app.test_client().post("/api/v1/keys", json=KEY, headers=headers)
        statuses.append(answer.status_code)

    assert together(write, 6) == [None] * 6
    assert sorted(statuses) == [201, 412, 412, 412, 412, 412]


# --- idempotency keys ------------------------------------------------------------------------------------------


def made(acme: Tenant, name: str) -> str:
    """Make a key and return its id."""
    id_: str = acme.ask("POST", "/keys", {**KEY, "name": name}).body["id"]
    return id_


def test_a_write_is_carried_out_once(acme: Tenant) -> None:
    """The second time the first answer is given again, with a note; another request with the key is refused."""
    first, second = made(acme, "one"), made(acme, "two")
    headers = {"Idempotency-Key": "key-1"}
    for replayed in (None, "true"):
        said = acme.ask("DELETE", f"/keys/{first}", headers=headers)
        assert (said.status, said.headers.get("Idempotency-Replayed")) == (204, replayed)
    problem(acme.ask("DELETE", f"/keys/{second}", headers=headers), Kind.KEY_REUSED)
    problem(acme.ask("DELETE", f"/keys/{first}"), Kind.NOT_FOUND)
    assert acme.ask("DELETE", f"/keys/{second}", headers={"Idempotency-Key": "key-2"}).status == 204


def test_a_refused_write_frees_its_key(acme: Tenant) -> None:
    """It may be put right and sent again."""
    headers = {"Idempotency-Key": "free"}
    problem(acme.ask("DELETE", "/keys/none", headers=headers), Kind.NOT_FOUND)
    assert acme.ask("DELETE", f"/keys/{made(acme, 'three')}", headers=headers).status == 204


def test_writes_with_one_key_at_once_are_one(acme: Tenant) -> None:
    """One is carried out; the others get its answer, or are told to come again."""
    app, key, id_ = acme.client.application, acme.key("owner"), made(acme, "four")
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "crowd"}
    said: list[tuple[int, bool]] = []
    lock = threading.Lock()

    def write(_: int) -> None:
        answer = app.test_client().delete(f"/api/v1/keys/{id_}", headers=headers)
        with lock:
            said.append((answer.status_code, "Idempotency-Replayed" in answer.headers))

    assert together(write, 8) == [None] * 8
    assert said.count((204, False)) == 1
    assert set(said) <= {(204, False), (204, True), (409, False)}


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
def test_an_idempotency_key_that_is_none_is_refused(acme: Tenant, key: str) -> None:
    """It is what the client looks for later."""
    said = problem(acme.ask("DELETE", "/keys/x", headers={"Idempotency-Key": key}), Kind.INVALID)
    assert said["field"] == "Idempotency-Key"


def test_an_answer_with_a_secret_is_not_kept(acme: Tenant) -> None:
    """So its request takes no key."""
    said = problem(acme.ask("POST", "/keys", KEY, headers={"Idempotency-Key": "x"}), Kind.INVALID)
    assert said["detail"] == "an answer with a secret is not kept: send no Idempotency-Key"


# --- links -----------------------------------------------------------------------------------------------------


def test_a_page_links_to_the_next_one(acme: Tenant) -> None:
    """`Link` and `next_cursor` say the same, other parameters included; the last page has neither."""
    said = acme.get("/workspaces/vision/projects", limit="1")
    cursor = said.body["next_cursor"]
    url = f"http://127.0.0.1:8080/api/v1/workspaces/vision/projects?limit=1&cursor={cursor}"
    assert said.headers["Link"] == f'<{url}>; rel="next"'
    last = acme.get("/workspaces/vision/projects", limit="1", cursor=cursor)
    assert (last.body["next_cursor"], last.headers.get("Link")) == (None, None)
    assert [one["project"] for one in (*said.body["projects"], *last.body["projects"])] == ["cityscapes", "retail"]
