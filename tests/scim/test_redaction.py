"""What is kept of a request: names and operators, never a value that tells of a person."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bridge.worlds import World
from tests.scim.talking import PATCH, USER, Client

from rolebridge.scim.redaction import (
    LONGEST_SHAPE,
    BodyShape,
    redacted_detail,
    redacted_filter,
    redacted_path,
    redacted_query,
)
from rolebridge.store.engine import Store
from rolebridge.web.requests import Request

ID = "5e4f66d1-8f21-4ed1-b5a8-fc7c8dd6ca88"
VALUE = "ana.ruiz@acme.example"
"""What must never be told."""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f'userName eq "{VALUE}"', "userName eq …"),
        (f"externalId eq {VALUE}", "externalId eq …"),
        ("displayName eq Ana Ruiz", "displayName eq …"),
        (f'emails[type eq "work" and value co "{VALUE}"]', 'emails[type eq "work" and value co …]'),
        ('(name.givenName eq "A" and active eq true) or not (title pr)',
         "(name.givenName eq … and active eq true) or not (title pr)"),
        (f"{VALUE}", "…"),
        (f'{VALUE} eq "x"', "… eq …"),
        (f'userName eq "{VALUE}', "userName eq …"),
        (f'userName xx "{VALUE}"', "…"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_filter_keeps_names_and_operators(text: str, kept: str) -> None:
    """Values go, whatever the filter looks like."""
    assert redacted_filter(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("name.givenName", "name.givenName"),
        ('emails[type eq "work"].value', 'emails[type eq "work"].value'),
        (f'members[value eq "{ID}"]', "members[value eq …]"),
        (f"members[value eq {VALUE}]", "members[value eq …]"),
        ("userName, emails.value", "userName,emails.value"),
        (VALUE, "…"),
    ],
)
def test_a_path_keeps_names(text: str, kept: str) -> None:
    """The path of an operation, or a list of attributes."""
    assert redacted_filter(text, path=True) == kept


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/Users", "/Users"),
        (f"/Users/{ID}", f"/Users/{ID}"),
        (f"/Users/{VALUE}", "/Users/…"),
        ("/Users/.search", "/Users/.search"),
        (f"/Schemas/{USER}", f"/Schemas/{USER}"),
        ("/anaruiz/1", "/…/…"),
        ("//Users", "//Users"),
    ],
)
def test_a_url_keeps_endpoints_and_ids(path: str, kept: str) -> None:
    """An id of ours is no value; anything else in its place may be somebody's name."""
    assert redacted_path(path) == kept


def test_a_query_keeps_pages_and_names() -> None:
    """Page, order and attributes are told; a parameter that we do not know keeps its name only."""
    query = [("startIndex", "101"), ("count", "x1"), ("filter", f'userName eq "{VALUE}"'), ("sortBy", "userName"),
             ("sortOrder", "descending"), ("attributes", f"id,{VALUE}"), ("q", VALUE), (VALUE, "1")]  # fmt: skip
    assert redacted_query(query) == (
        "startIndex=101&count=…&filter=userName eq …&sortBy=userName&sortOrder=descending&attributes=id,…&q=…&…=…"
    )


def test_a_body_becomes_names_and_types() -> None:
    """What the RFCs fix is kept: schemas, operations, paths, canonical types; everything else is a type."""
    body = {
        "schemas": [PATCH],
        "Operations": [
            {"op": "Add", "path": 'emails[type eq "work"].value', "value": VALUE},
            {"op": "replace", "value": {"active": "True", "manager": "", "title": None, "x": 1, "password": "s3cret"}},
            {"op": "add", "path": "members", "value": [{"value": ID}] * 50},
        ],
    }
    assert shape(body) == {
        "schemas": [PATCH],
        "Operations": [
            {"op": "Add", "path": 'emails[type eq "work"].value', "value": "string"},
            {
                "op": "replace",
                "value": {
                    "active": "string (of a boolean)",
                    "manager": "string (empty)",
                    "title": "null",
                    "x": "number",
                    "password": "…",
                },
            },
            {"op": "add", "path": "members", "value": [{"value": "string"}] * 3 + ["47 more"]},
        ],
    }


def shape(body: Any) -> Any:
    text = BodyShape(body if isinstance(body, bytes) else json.dumps(body).encode()).text
    return json.loads(text or "null")


def test_a_body_that_is_none_is_told_by_its_size() -> None:
    """Neither what is not JSON nor what is too large is repeated."""
    assert BodyShape(b"").text is None
    assert shape(b"{" * 10) == "10 bytes that are not JSON"
    assert shape(b"[" * 100_000) == "100000 bytes that are not JSON"
    assert shape(b" " * 200_000) == "200000 bytes"


@pytest.mark.parametrize(
    "body",
    [
        {f"attribute{number}": VALUE for number in range(5_000)},
        [[VALUE] * 9] * 9_000,
        {"a" * 10_000: VALUE},
        {VALUE: {VALUE: VALUE}},
    ],
)
def test_a_shape_is_bounded(body: Any) -> None:
    """However large the body, its shape is a few kilobytes of JSON without a value."""
    text = BodyShape(json.dumps(body).encode()).text or ""
    assert json.loads(text)
    assert len(text) < LONGEST_SHAPE * 2
    assert VALUE not in text


def request(body: Any = None, path: str = "/Users", **query: str) -> Request:
    return Request("POST", path, tuple(query.items()), {}, json.dumps(body).encode(), "r")


@pytest.mark.parametrize(
    ("detail", "kept"),
    [
        ("`active` is a string `maybe`, not a boolean", "`active` is a string `…`, not a boolean"),
        (f"userName `{VALUE}` belongs to another user", "userName `…` belongs to another user"),
        (f"there is no user `{ID}`", f"there is no user `{ID}`"),
        (f"there is nothing at `/Users/{VALUE}`", "there is nothing at `/Users/…`"),
        ("no schema has the attribute `custom`", "no schema has the attribute `custom`"),
        ("no schema has the attribute `another`", "no schema has the attribute `…`"),
        ("x (profile `strict` does not forgive `path-keys`)", "x (profile `strict` does not forgive `path-keys`)"),
        (f"`schemas` lacks `{USER}`", f"`schemas` lacks `{USER}`"),
        ("of connection `entra`; `rolebridge connection adopt` transfers it",
         "of connection `entra`; `rolebridge connection adopt` transfers it"),
    ],
)  # fmt: skip
def test_our_own_words_are_kept(detail: str, kept: str) -> None:
    """Names that the body had, words of the RFCs and ours stay; what else we quoted goes."""
    names = BodyShape(b'{"custom": 1}').names
    assert redacted_detail(detail, request(), names, ["entra"]) == kept


def test_backticks_of_the_client_hide_nothing_from_us() -> None:
    """A value with backticks cannot pass itself off as text of ours."""
    hostile = f"a` and {VALUE} of `b"
    detail = f"userName `{hostile}` belongs to another user"
    assert redacted_detail(detail, request({"userName": hostile}), {}) == "userName … belongs to another user"
    escaped = Request("POST", "/Users", (), {}, b'{"userName":"a\\u0060 b"}', "r")
    assert redacted_detail("userName `a` b` is taken", escaped, {}) == "userName … is taken"


MARK = "qqzmarkzqq"
REFUSED: list[tuple[str, str, Any, dict[str, str]]] = [
    ("POST", "/Users", {"schemas": [USER]}, {}),
    ("POST", "/Users", {"schemas": [USER], "userName": "kept", "active": f"{MARK}@x"}, {}),
    ("POST", "/Users", {"schemas": [USER], "userName": "kept", "emails": f"{MARK}@x", "name": [f"{MARK}@x"] * 2}, {}),
    ("POST", "/Users", {"schemas": [f"{MARK}@x"], "userName": "kept"}, {}),
    ("POST", "/Users", {"schemas": [USER], "userName": f"taken-{MARK}@x"}, {}),
    ("POST", "/Users", {"schemas": [USER], "userName": "kept", f"{MARK}@x": 1}, {}),
    ("POST", "/Users", f'{{"userName": "{MARK}@x"'.encode(), {}),
    ("POST", "/Users", f'{{"{MARK}@x": 1, "{MARK}@x": 2}}'.encode(), {}),
    ("POST", "/Users", b"x", {"Content-Type": f"text/{MARK}@x"}),
    ("GET", f"/Users/{MARK}@x", None, {}),
    ("GET", f"/{MARK}@x", None, {}),
    ("GET", f'/Users?filter=userName xx "{MARK}@x"', None, {}),
    ("GET", f'/Users?filter={MARK}@x eq "{MARK}@x"', None, {}),
    ("GET", f'/Users?filter=userName eq "{MARK}@x', None, {}),
    ("GET", f"/Users?filter=active eq {MARK}@x", None, {}),
    ("GET", f"/Users?count={MARK}@x", None, {}),
    ("GET", f"/Users?attributes=a[{MARK}@x eq 1]", None, {}),
    ("PATCH", "/Users/ID", {"schemas": [PATCH], "Operations": [{"op": f"{MARK}@x"}]}, {}),
    ("PATCH", "/Users/ID", {"schemas": [PATCH], "Operations": [{"op": "add", "path": f"{MARK}@x", "value": 1}]}, {}),
    ("PATCH", "/Users/ID", {"schemas": [PATCH], "Operations": [
        {"op": "replace", "path": f'emails[value eq "{MARK}@x"].value', "value": {f"{MARK}@x": 1}}]}, {}),
    ("PATCH", "/Users/ID", {"schemas": [PATCH], "Operations": [
        {"op": "replace", "path": f'emails[value eq "{MARK}@x"', "value": 1}]}, {}),
    ("PATCH", "/Users/ID", {"schemas": [PATCH], "Operations": [
        {"op": "replace", "value": {f'emails[value eq "{MARK}@x"].valeu': f"{MARK}@x"}}]}, {}),
    ("PATCH", "/Users/ID", {"schemas": [PATCH], "Operations": [
        {"op": "replace", "path": "active", "value": f"{MARK}@x"}]}, {}),
    ("PATCH", "/Groups/ID", {"schemas": [PATCH], "Operations": [
        {"op": "add", "path": "members", "value": [{"value": f"{MARK}@x", f"{MARK}@x": 1}]}]}, {}),
    ("POST", "/Users/.search", {"schemas": [PATCH], "filter": f"{MARK}@x"}, {}),
    ("PUT", "/Users/ID", {"schemas": [USER], "userName": "kept"}, {"If-Match": f'"{MARK}@x"'}),
]  # fmt: skip


@pytest.mark.parametrize("profile", ["strict", "generic"])
def test_no_refusal_tells_a_value(store: Store, profile: str) -> None:
    """Every kind of refusal, seen by the observer: our words and the shape, without what the client said."""
    client = Client(World(store), profile=profile)
    id_ = client.new_user(f"taken-{MARK}@x")
    group = client.new_group("team")
    client.exchanges.clear()
    for method, target, body, headers in REFUSED:
        path, _, query = target.replace("/Groups/ID", f"/Groups/{group}").replace("/ID", f"/{id_}").partition("?")
        name, _, value = query.partition("=")
        lowered = {key.lower(): said for key, said in headers.items()}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        asked = Request(method, path, ((name, value),) if query else (), lowered, raw, "r", "192.0.2.1")
        client.face.handle(asked, client.caller)
    assert len(client.exchanges) == len(REFUSED)
    assert sum(one.refused for one in client.exchanges) > len(REFUSED) * 0.7
    assert [one for one in client.exchanges if MARK in repr(one)] == []


@given(st.text(max_size=80), st.booleans())
def test_no_text_breaks_the_redaction(text: str, path: bool) -> None:
    """Any text becomes a bounded text without quotes around anything but a canonical type."""
    kept = redacted_filter(text, path=path)
    assert len(kept) <= 500
    assert "@" not in kept
    assert redacted_path(f"/{text}").count("@") == 0
    assert "@" not in redacted_query([(text, text)])
