"""`ETag`, `If-Match`, `If-None-Match`: no change is lost, no answer is repeated, none is wrongly left out."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.scim.talking import GROUP, USER, Client, Said

from rolebridge.core.versions import Versions
from rolebridge.scim.preconditions import entity_tag, is_known, tagged, wanted_versions

NOBODY = "00000000-0000-4000-8000-000000000000"


def op(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def etag(said: Said) -> str:
    tag = said.headers["ETag"]
    if said.body is not None:
        assert said.body["meta"]["version"] == tag
    return tag


# --- reading ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "included", "left_out"),
    [
        ({}, {1, 4}, set()),
        ({"if-match": ""}, {1, 4}, set()),
        ({"if-match": "*"}, {1, 4}, set()),
        ({"if-match": 'W/"4"'}, {4}, {1}),
        ({"if-match": 'w/"4"'}, {4}, {1}),
        ({"if-match": '"4"'}, {4}, {1}),
        ({"if-match": '"4.51c0a94e02f3"'}, {4}, {1}),
        ({"if-match": '"x", W/"4" ,"7"'}, {4, 7}, {1}),
        ({"if-match": "4"}, set(), {4}),
        ({"if-match": '"' + "4" * 4000 + '"'}, set(), {4}),
        ({"if-match": '"٤"'}, set(), {4}),
        ({"if-none-match": "*"}, set(), {1, 4}),
        ({"if-none-match": 'W/"4"'}, {1}, {4}),
        ({"if-match": 'W/"4"', "if-none-match": 'W/"4"'}, set(), {4}),
    ],
)
def test_conditions_say_which_versions_are_meant(
    headers: dict[str, str], included: set[int], left_out: set[int]
) -> None:
    """Lists, weak and strong tags, `*`; a tag that is none of ours is nobody's version."""
    versions = wanted_versions(headers)
    assert {version for version in included | left_out if versions.include(version)} == included


def test_a_tag_without_groups_is_the_version() -> None:
    """And with groups it tells them apart, in the header and in the body alike."""
    body = '{"id":"1","meta":{"version":"W/\\"3\\""}}'
    assert entity_tag(3) == entity_tag(3, "") == json.loads(tagged(body, ""))["meta"]["version"] == 'W/"3"'
    tags = {entity_tag(3, groups) for groups in ('{"value":"a"}', '{"value":"b"}', "")}
    assert len(tags) == 3
    assert json.loads(tagged(body, '{"value":"a"}'))["meta"]["version"] == entity_tag(3, '{"value":"a"}')
    assert wanted_versions({"if-match": entity_tag(3, '{"value":"a"}')}) == Versions(frozenset({3}))
    assert is_known({"if-none-match": 'W/"1", "3"'}, entity_tag(3))
    assert not is_known({"if-none-match": 'W/"3"'}, entity_tag(3, '{"value":"a"}'))
    assert not is_known({}, entity_tag(3))


# --- writing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["/Users", "/Groups"])
def test_every_answer_of_one_resource_has_its_version(endpoint: str, client: Client) -> None:
    """POST, GET, PUT and PATCH: `ETag` and `meta.version` are one, and every change is a new one (RFC 7643 §3.1)."""
    body = {"schemas": [USER], "userName": "ana"} if endpoint == "/Users" else {"schemas": [GROUP], "displayName": "g"}
    made = client.send("POST", endpoint, body)
    path = f"{endpoint}/{made.body['id']}"
    seen = [etag(made)]
    assert etag(client.get(path)) == seen[0]
    seen.append(etag(client.send("PUT", path, {**body, "externalId": "1"})))
    seen.append(etag(client.patch(path, op("externalId", "2"))))
    assert etag(client.send("PUT", path, {**body, "externalId": "2"})) == seen[-1], "an echo is no change"
    assert len(set(seen)) == 3
    assert etag(client.get(path)) == seen[-1]


@pytest.mark.parametrize("endpoint", ["/Users", "/Groups"])
def test_a_change_may_insist_on_a_version(endpoint: str, client: Client) -> None:
    """If-Match: the present version, one of a list or any is changed; another is 412 and changes nothing."""
    id_ = client.new_user("ana") if endpoint == "/Users" else client.new_group("g")
    path, body = f"{endpoint}/{id_}", {"schemas": [USER], "userName": "ana"}
    if endpoint == "/Groups":
        body = {"schemas": [GROUP], "displayName": "g"}
    for tag in ('W/"1"', '"2"', "*", '"9", W/"4"', ""):
        said = client.patch(path, op("externalId", f"x{tag}"), headers={"if-match": tag})
        assert said.status in (200, 204), tag
    before = client.get(path).body
    for refused in (
        client.patch(path, op("externalId", "lost"), headers={"if-match": 'W/"1"'}),
        client.send("PUT", path, body, {"if-match": 'W/"1", W/"2"'}),
        client.send("DELETE", path, headers={"if-match": "6"}),
        client.send("PUT", path, body, {"if-none-match": "*"}),
        client.send("DELETE", path, headers={"if-none-match": 'W/"6"'}),
    ):
        assert (refused.status, refused.body["status"]) == (412, "412")
        assert "version 6" in refused.body["detail"]
    assert client.get(path).body == before
    assert client.send("DELETE", path, headers={"if-match": 'W/"6"'}).status == 204


@pytest.mark.parametrize("headers", [{}, {"if-match": "*"}, {"if-match": 'W/"1"'}, {"if-none-match": "*"}])
@pytest.mark.parametrize("endpoint", ["/Users", "/Groups"])
def test_what_is_not_there_is_not_found_under_any_condition(
    endpoint: str, headers: dict[str, str], client: Client
) -> None:
    """404 comes first: a condition is looked at where the request would succeed without it (RFC 9110 §13.2.1)."""
    path = f"{endpoint}/{NOBODY}"
    assert client.get(path, headers).status == 404
    assert client.patch(path, op("externalId", "x"), headers=headers).status == 404
    assert client.send("DELETE", path, headers=headers).status == 404


def test_of_parallel_changes_to_one_version_one_happens(client: Client) -> None:
    """The others answer 412, and never does one that insisted on nothing; no version comes twice."""
    path = f"/Users/{client.new_user('ana')}"

    def change(number: int) -> Said:
        headers = {"if-match": 'W/"1"'} if number % 2 else {}
        return client.patch(path, op("title", f"t{number}"), headers=headers)

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(change, range(16)))
    assert {answer.status for answer in said[::2]} == {200}
    insisted = [answer.status for answer in said[1::2]]
    assert set(insisted) <= {200, 412}
    assert insisted.count(200) <= 1
    tags = [answer.headers["ETag"] for answer in said if answer.status == 200]
    assert len(set(tags)) == len(tags)


def test_a_deleted_resource_made_again_is_another(client: Client) -> None:
    """Its id is new, so that a tag of the old one is never taken for the new one's."""
    old = client.new_user("ana")
    client.send("DELETE", f"/Users/{old}")
    new = client.new_user("ana")
    assert new != old
    assert client.patch(f"/Users/{old}", op("title", "T"), headers={"if-match": 'W/"1"'}).status == 404


# --- reading again ---------------------------------------------------------------------------------------------


def test_a_known_group_is_not_answered_again(client: Client) -> None:
    """304 with the tag and without a body, until a member comes."""
    user, group = client.new_user("ana"), client.new_group("g")
    same = client.get(f"/Groups/{group}", {"if-none-match": '"7", W/"1"'})
    assert (same.status, same.headers, same.body) == (304, {"ETag": 'W/"1"'}, None)
    assert client.get(f"/Groups/{group}", {"if-none-match": "*"}).status == 304
    client.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": user}]})
    assert client.get(f"/Groups/{group}", {"if-none-match": 'W/"1"'}).status == 200


def test_a_known_user_is_answered_again_when_their_groups_differ(client: Client) -> None:
    """Entering, leaving and a group's new name change the answer and its tag, not what a write insists on."""
    user = client.new_user("ana")
    path = f"/Users/{user}"
    groups = [client.new_group(f"g{number}") for number in range(2)]
    tags = [etag(client.get(path))]

    def step(group: str, operation: dict[str, Any]) -> None:
        client.patch(f"/Groups/{group}", operation)
        said = client.get(path, {"if-none-match": ", ".join(tags)})
        assert said.status == 200
        tags.append(etag(said))
        again = client.get(path, {"if-none-match": tags[-1]})
        assert (again.status, again.headers, again.body) == (304, {"ETag": tags[-1]}, None)

    enter = {"op": "add", "path": "members", "value": [{"value": user}]}
    step(groups[0], enter)
    step(groups[1], enter)
    step(groups[1], op("displayName", "renamed"))
    step(groups[0], {"op": "remove", "path": f'members[value eq "{user}"]'})
    assert client.get(path, {"if-none-match": tags[-1]}, excludedAttributes="groups").status == 200
    assert client.get(path, {"if-none-match": 'W/"1"'}, excludedAttributes="groups").status == 304
    listed = client.get("/Users").body["Resources"][0]
    assert listed["meta"]["version"] == tags[-1]
    changed = client.patch(path, op("title", "T"), headers={"if-match": tags[1]})
    assert (changed.status, etag(changed) not in tags) == (200, True)
