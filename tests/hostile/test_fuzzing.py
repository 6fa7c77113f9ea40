"""Whatever is sent to the SCIM door: an answer of SCIM, never a defect; and the directory is sound afterwards."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from tests.hostile.doors import BULK, GROUP, PATCH, SEARCH, USER, Door
from tests.hostile.strategies import (
    filters,
    json_values,
    odd_text,
    operations,
    paths,
    query_names,
    query_values,
    resources,
)

ENDPOINTS = ["/Users", "/Groups"]


@given(st.sampled_from(ENDPOINTS), filters)
def test_filters(attacked: Door, endpoint: str, text: str) -> None:
    """A filter is answered 200 or refused 400 invalidFilter, the same by GET and by POST /.search."""
    asked = attacked.ask(endpoint, filter=text)
    assert asked.status_code in (200, 400)
    if asked.status_code == 400:
        assert asked.get_json(force=True)["scimType"] == "invalidFilter", asked.text


@given(
    st.sampled_from([*ENDPOINTS, "", "/Schemas", "/Users/x", "/Groups/x"]),
    st.lists(st.tuples(query_names, query_values), max_size=4),
)
def test_queries(attacked: Door, endpoint: str, query: list[tuple[str, str]]) -> None:
    """Query parameters of every kind and number are answered or refused."""
    text = "&".join(f"{name}={quote(value)}" for name, value in query)
    assert attacked.scim("GET", f"{endpoint}?{text}").status_code in (200, 400, 403, 404, 501)


@given(
    st.sampled_from([*ENDPOINTS, ""]), st.dictionaries(query_names, st.one_of(query_values, json_values), max_size=4)
)
def test_searches(attacked: Door, endpoint: str, query: dict[str, Any]) -> None:
    """So are those of a search request."""
    assert attacked.scim("POST", f"{endpoint}/.search", {"schemas": [SEARCH], **query}).status_code in (200, 400, 501)


@given(resources)
def test_users_created(attacked: Door, body: dict[str, Any]) -> None:
    """A user's body is taken or refused, and what was taken can be read and deleted."""
    made = attacked.scim("POST", "/Users", {"schemas": [USER], "userName": "eve@acme.example", **body})
    assert made.status_code in (201, 400, 409)
    if made.status_code == 201:
        id_ = made.get_json(force=True)["id"]
        read = attacked.scim("GET", f"/Users/{id_}")
        assert read.status_code == 200
        again = attacked.scim("PUT", f"/Users/{id_}", read.get_data())
        assert again.status_code == 200, again.text
        assert without_meta(again.get_json(force=True)) == without_meta(read.get_json(force=True))
        assert attacked.scim("DELETE", f"/Users/{id_}").status_code == 204


def without_meta(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "meta"}


@given(resources)
def test_groups_created(attacked: Door, body: dict[str, Any]) -> None:
    """A group's body likewise."""
    made = attacked.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "Attackers", **body})
    assert made.status_code in (201, 400, 409)
    if made.status_code == 201:
        id_ = made.get_json(force=True)["id"]
        read = attacked.scim("GET", f"/Groups/{id_}")
        assert attacked.scim("PUT", f"/Groups/{id_}", read.get_data()).status_code == 200
        assert attacked.scim("DELETE", f"/Groups/{id_}").status_code == 204


@given(st.lists(operations, min_size=1, max_size=4))
def test_users_patched(attacked: Door, patches: list[dict[str, Any]]) -> None:
    """A PATCH of a user is done whole or refused; a refused one leaves the user as they were."""
    path = f"/Users/{attacked.user}"
    before = attacked.scim("GET", path).get_data()
    said = attacked.scim("PATCH", path, {"schemas": [PATCH], "Operations": patches})
    assert said.status_code in (200, 204, 400, 409)
    after = attacked.scim("GET", path).get_data()
    if said.status_code >= 400:
        assert after == before


@given(st.lists(operations, min_size=1, max_size=4))
def test_groups_patched(attacked: Door, patches: list[dict[str, Any]]) -> None:
    """A PATCH of a group likewise."""
    path = f"/Groups/{attacked.group}"
    before = attacked.scim("GET", path).get_data()
    said = attacked.scim("PATCH", path, {"schemas": [PATCH], "Operations": patches})
    assert said.status_code in (200, 204, 400, 409)
    after = attacked.scim("GET", path).get_data()
    if said.status_code >= 400:
        assert after == before


@given(
    st.sampled_from(["POST", "PUT", "PATCH"]),
    st.sampled_from(["/Users", "/Groups", "/Bulk", "/.search", "/Me"]),
    json_values,
)
def test_bodies(attacked: Door, method: str, endpoint: str, body: Any) -> None:
    """A body that is any JSON is answered or refused."""
    attacked.scim(method, endpoint, body)
    attacked.scim(method, f"/Users/{attacked.user}", body)
    attacked.scim(method, f"/Groups/{attacked.group}", body)


@given(st.binary(max_size=60))
def test_bytes(attacked: Door, body: bytes) -> None:
    """A body that is no JSON is refused 400 invalidSyntax."""
    said = attacked.scim("POST", "/Users", body)
    try:
        json.loads(body)
    except ValueError:
        assert said.get_json(force=True)["scimType"] in ("invalidSyntax", "invalidValue")


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "method": st.one_of(st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "GET", "post"]), json_values),
                "path": st.one_of(
                    st.sampled_from(
                        ["/Users", "/Groups", "/Users/bulkId:a", "/Groups/x", "/Bulk", "/Me", "//", "Users"]
                    ),
                    json_values,
                ),
                "bulkId": st.one_of(st.sampled_from(["a", "b"]), json_values),
                "data": st.one_of(resources, json_values),
                "version": json_values,
            },
        ),
        max_size=4,
    ),
    json_values,
)
def test_bulks(attacked: Door, bulked: list[dict[str, Any]], fail_on_errors: Any) -> None:
    """A bulk request of any operations is answered or refused."""
    body = {"schemas": [BULK], "Operations": bulked, "failOnErrors": fail_on_errors}
    assert attacked.scim("POST", "/Bulk", body).status_code in (200, 400, 413, 501)


@given(
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "FOO", "get"]),
    st.one_of(paths, odd_text),
)
def test_paths_and_methods(attacked: Door, method: str, path: str) -> None:
    """Every path and method is answered in SCIM's form."""
    said = attacked.scim(method, "/" + quote(path, safe="/:.~"))
    assert said.status_code in (200, 204, 400, 404, 405, 501)
    attacked.scim(method, "/Users/" + quote(path, safe=""))
    attacked.scim(method, "/Groups/" + quote(path, safe="/"))


HEADERS = [
    "If-Match",
    "If-None-Match",
    "Content-Type",
    "Accept",
    "X-Forwarded-For",
    "User-Agent",
    "Accept-Language",
    "Prefer",
]


@given(
    st.dictionaries(
        st.sampled_from(HEADERS),
        st.one_of(
            st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60),
            st.sampled_from(
                ['W/"1"', '"', "*", "*/*", 'W/"' + "9" * 5_000 + '"', "W/", ",,,", '""', "x" * 20_000, 'W/"1.zz", "2"']
            ),
        ),
        max_size=4,
    )
)
def test_headers(attacked: Door, headers: dict[str, str]) -> None:
    """Headers of every kind are answered or refused."""
    body = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "x"}]}
    for method, path in (("GET", f"/Users/{attacked.user}"), ("GET", "/Groups"), ("PATCH", f"/Users/{attacked.user}")):
        said = attacked.scim(method, path, body if method == "PATCH" else None, **headers)
        assert said.status_code in (200, 204, 304, 400, 406, 412, 415)


@given(odd_text | st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40))
def test_credentials(attacked: Door, text: str) -> None:
    """An Authorization header that is no token of ours is refused 401 and named in no answer."""
    value = "".join(one for one in text if one not in "\r\n\x00").encode("latin-1", "replace").decode("latin-1")
    for said in (value, f"Bearer {value}", f"bearer rbt_{value}", f"Bearer rba_{value}", f"Basic {value}"):
        answer = attacked.scim("GET", "/Users", Authorization=said)
        assert answer.status_code == 401
        assert len(value) < 8 or value not in answer.text


def test_nothing_is_broken_afterwards(attacked: Door) -> None:
    """After all that no row contradicts another."""
    organization = attacked.installation.administration.organization(None)
    assert list(attacked.installation.consistency.row_problems(organization.id)) == []
