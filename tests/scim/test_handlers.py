"""The service as identity providers meet it: endpoints, statuses, headers, and what is told to the log."""

from __future__ import annotations

from typing import Any

import pytest
from tests.bridge.worlds import World
from tests.scim.talking import BASE, ENTERPRISE, ERROR, GROUP, USER, Client

from rolebridge.scim.handlers import UNKNOWN_MEMBERS
from rolebridge.scim.limits import DEFAULT_PAGE, MAX_PAGE, MAX_USER_BODY
from rolebridge.store.engine import Store

SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
NOBODY = "00000000-0000-4000-8000-000000000000"


def op(op: str, path: str | None = None, value: Any = None) -> dict[str, Any]:
    return {"op": op, "value": value} if path is None else {"op": op, "path": path, "value": value}


# --- users -----------------------------------------------------------------------------------------------------


def test_a_created_user_is_answered_with_location_and_version(client: Client) -> None:
    """201, Location, ETag, and the resource that a GET gives (RFC 7644 §3.3)."""
    body = {"schemas": [USER, ENTERPRISE], "userName": "ana", "password": "s3cret", ENTERPRISE: {"department": "D"}}
    made = client.send("POST", "/Users", body)
    id_ = made.body["id"]
    assert made.status == 201
    assert made.headers == {
        "Content-Type": "application/scim+json",
        "Location": f"{BASE}/Users/{id_}",
        "ETag": 'W/"1"',
    }
    assert made.body["schemas"] == [USER, ENTERPRISE]
    assert made.body["active"] is True
    assert made.body["meta"]["location"] == made.headers["Location"]
    assert "s3cret" not in str(made)
    read = client.get(f"/Users/{id_}/")
    assert (read.status, read.body, read.headers) == (200, made.body, made.headers)


def test_a_put_replaces_and_keeps_active_when_it_says_nothing(client: Client) -> None:
    """What a PUT omits goes; `active` stays as it is, so that an echo never reactivates."""
    id_ = client.new_user("ana", title="T", active=False)
    said = client.send("PUT", f"/Users/{id_}", {"schemas": [USER], "userName": "ana", "nickName": "N"})
    assert said.status == 200
    assert said.headers["ETag"] == 'W/"2"'
    assert "title" not in said.body
    assert (said.body["nickName"], said.body["active"]) == ("N", False)


def test_removing_active_neither_deactivates_nor_reactivates(client: Client) -> None:
    """What was removed is unassigned until a client says it again; the user stays as they were."""
    for active in (True, False):
        id_ = client.new_user(f"ana-{active}", active=active)
        assert "active" not in client.patch(f"/Users/{id_}", op("remove", "active")).body
        assert "active" not in client.patch(f"/Users/{id_}", op("replace", "title", "T")).body
        assert client.found("/Users", f'userName eq "ana-{active}" and active eq {str(active).lower()}') == [id_]
        told = client.send("PUT", f"/Users/{id_}", {"schemas": [USER], "userName": f"ana-{active}"})
        assert told.body["active"] is active


def test_patch_answers_as_the_profile_says(store: Store) -> None:
    """The resource or nothing; asking for attributes always gets the resource (RFC 7644 §3.5.2)."""
    world = World(store)
    generic, strict = Client(world), Client(world, profile="strict")
    user, group = generic.new_user("ana"), generic.new_group("g")
    assert generic.patch(f"/Users/{user}", op("replace", "title", "T")).body["title"] == "T"
    said = generic.patch(f"/Groups/{group}", op("add", "members", [{"value": user}]))
    assert (said.status, said.body, said.headers) == (204, None, {"ETag": 'W/"2"'})
    said = generic.patch(f"/Groups/{group}", op("replace", "displayName", "h"), attributes="displayName")
    assert (said.status, said.body) == (200, {"schemas": [GROUP], "id": group, "displayName": "h"})
    assert strict.patch(f"/Groups/{group}", op("replace", "displayName", "i")).body["displayName"] == "i"


def test_a_refused_patch_changes_nothing(client: Client) -> None:
    """400 with the operation's number, and neither attributes nor version moved."""
    id_ = client.new_user("ana")
    before = client.get(f"/Users/{id_}").body
    said = client.patch(f"/Users/{id_}", op("replace", "title", "half"), op("frobnicate", "title", "x"))
    assert (said.status, said.body["scimType"]) == (400, "invalidSyntax")
    assert client.get(f"/Users/{id_}").body == before


def test_a_deleted_user_is_gone_and_the_name_is_free(client: Client) -> None:
    """204, then 404 for everything, then a new id for the old name."""
    id_ = client.new_user("ana")
    said = client.send("DELETE", f"/Users/{id_}")
    assert (said.status, said.headers, said.body) == (204, {}, None)
    for again in (client.send("DELETE", f"/Users/{id_}"), client.get(f"/Users/{id_}")):
        assert (again.status, again.body["schemas"], again.body["status"]) == (404, [ERROR], "404")
    assert client.new_user("ana") != id_


def test_names_are_unique_whatever_their_case(client: Client) -> None:
    """409 `uniqueness` for a user and for a group."""
    client.new_user("Ana")
    client.new_group("Team")
    user = client.send("POST", "/Users", {"schemas": [USER], "userName": "ANA"})
    group = client.send("POST", "/Groups", {"schemas": [GROUP], "displayName": "TEAM"})
    for said in (user, group):
        assert (said.status, said.body["status"], said.body["scimType"]) == (409, "409", "uniqueness")


def test_a_connection_sees_only_what_it_owns(store: Store) -> None:
    """Another connection's user is not found, not listed, not a member; the clash of names is told."""
    world = World(store)
    okta, entra = Client(world, world.okta), Client(world, world.entra)
    ana = okta.new_user("ana")
    assert entra.get(f"/Users/{ana}").status == 404
    assert entra.get("/Users").body["totalResults"] == 0
    assert entra.patch(f"/Users/{ana}", op("replace", "active", False)).status == 404
    assert entra.send("DELETE", f"/Users/{ana}").status == 404
    group = entra.new_group("g", ana)
    assert entra.members(group) == set()
    clash = entra.send("POST", "/Users", {"schemas": [USER], "userName": "ana"})
    assert (clash.status, clash.body["scimType"]) == (409, "uniqueness")


# --- queries ---------------------------------------------------------------------------------------------------


def test_filters_that_identity_providers_send(client: Client) -> None:
    """Matching, reference checks and both spellings of a work e-mail find exactly the one."""
    boss = client.new_user("boss")
    ana = client.new_user(
        "Ana@X.example",
        externalId="Ext",
        emails=[{"type": "work", "value": "Ana@mail.example"}, {"type": "home", "value": "h@mail.example"}],
        **{ENTERPRISE: {"manager": {"value": boss}}},
    )
    group = client.new_group("Team & Co", ana)
    for filter in (
        'userName eq "ana@x.EXAMPLE"',
        'externalId eq "Ext"',
        'emails[type eq "work"].value eq "ana@mail.example"',
        'emails[type eq "work" and value eq "ana@mail.example"]',
        f'id eq "{ana}" and manager eq "{boss}"',
        f'{ENTERPRISE}:manager.value eq "{boss}"',
        'userName sw "ana@" and active eq true',
        "externalId eq Ext",
    ):
        assert client.found("/Users", filter) == [ana], filter
    for filter in ('externalId eq "ext"', 'emails[type eq "home"].value eq "ana@mail.example"', 'userName eq "none"'):
        assert client.found("/Users", filter) == [], filter
    assert client.found("/Groups", 'displayName eq "team & co"') == [group]
    assert client.found("/Groups", f'id eq "{group}" and members eq "{ana}"', attributes="id") == [group]


@pytest.mark.parametrize(
    ("query", "scim_type", "detail"),
    [
        ({"filter": ""}, "invalidFilter", "the filter is empty"),
        ({"filter": "userName"}, "invalidFilter", "expected an operator"),
        ({"filter": 'userNme eq "a"'}, "invalidFilter", "unknown attribute `userNme`"),
        ({"filter": 'password eq "a"'}, "invalidFilter", "unknown attribute `password`"),
        ({"filter": 'active gt "a"'}, "invalidFilter", "`gt` cannot compare `active`"),
        ({"startIndex": "one"}, "invalidValue", "`startindex` is not a whole number"),
        ({"count": "9" * 5000}, "invalidValue", "`count` is not a whole number"),
        ({"attributes": "user name"}, "invalidValue", "expected the end of the path"),
    ],
)
def test_a_query_is_applied_or_refused(query: dict[str, str], scim_type: str, detail: str, client: Client) -> None:
    """Never an unfiltered answer: clients would make duplicates of whom they did not find."""
    client.new_user("ana")
    said = client.ask("/Users", query)
    assert (said.status, said.body["scimType"]) == (400, scim_type)
    assert detail in said.body["detail"]


def test_strict_wants_the_urn_and_the_quotes(store: Store) -> None:
    """The tolerances of filters are the profile's too."""
    strict = Client(World(store), profile="strict")
    for filter in ("userName eq ana", 'department eq "d"', 'active eq "True"'):
        said = strict.get("/Users", filter=filter)
        assert (said.status, said.body["scimType"]) == (400, "invalidFilter"), filter
        assert "does not forgive" in said.body["detail"]
    assert strict.get("/Users", filter=f'{ENTERPRISE}:department eq "d"').status == 200


@pytest.mark.parametrize(
    ("query", "start", "names"),
    [
        ({}, 1, ["u1", "u2", "u3"]),
        ({"startIndex": "2", "count": "1"}, 2, ["u2"]),
        ({"startIndex": "0", "count": "1"}, 1, ["u1"]),
        ({"startIndex": "-5", "count": "2"}, 1, ["u1", "u2"]),
        ({"startindex": "3"}, 3, ["u3"]),
        ({"startIndex": "4"}, 4, []),
        ({"startIndex": str(10**18)}, 10**18, []),
        ({"count": "0"}, 1, []),
        ({"count": "-3"}, 1, []),
        ({"sortBy": "userName", "sortOrder": "descending", "aadOptscim062020": ""}, 1, ["u3", "u2", "u1"]),
    ],
)
def test_pages(query: dict[str, str], start: int, names: list[str], client: Client) -> None:
    """Oldest first, in full, past the end empty; counts are whatever the page is."""
    for name in ("u1", "u2", "u3"):
        client.new_user(name)
    body = client.ask("/Users", query).body
    assert [user["userName"] for user in body["Resources"]] == names
    assert (body["totalResults"], body["startIndex"], body["itemsPerPage"]) == (3, start, len(names))


def test_a_page_has_an_announced_limit(client: Client) -> None:
    """Whoever asks for more gets as many as the configuration says."""
    config = client.get("/ServiceProviderConfig").body
    assert config["filter"]["maxResults"] == config["pagination"]["maxPageSize"] == MAX_PAGE >= DEFAULT_PAGE
    for number in range(MAX_PAGE + 1):
        client.world.user(f"u{number}", client.caller)
    assert client.get("/Users", count="100000").body["itemsPerPage"] == MAX_PAGE
    assert client.get("/Users").body["itemsPerPage"] == DEFAULT_PAGE


def test_search_by_post_is_the_same_question(client: Client) -> None:
    """`POST /Users/.search` (RFC 7644 §3.4.3)."""
    ana = client.new_user("ana")
    client.new_user("bea")
    client.new_group("g", ana)
    body = {"schemas": [SEARCH], "filter": 'userName eq "ana"', "attributes": ["userName"], "count": 5}
    said = client.send("POST", "/Users/.search", body)
    assert said.body["Resources"] == [{"schemas": [USER], "id": ana, "userName": "ana"}]
    said = client.send("POST", "/Groups/.search", {"schemas": [SEARCH], "excludedAttributes": ["members"]})
    assert "members" not in said.body["Resources"][0]
    wrongs: list[Any] = [[], {}, {"schemas": [SEARCH], "count": {}}, {"schemas": [SEARCH], "filter": True}]
    for wrong in wrongs:
        assert client.send("POST", "/Users/.search", wrong).status == 400


# --- groups ----------------------------------------------------------------------------------------------------


def test_members_by_every_road(client: Client) -> None:
    """POST, PATCH and PUT of members; users show their groups, with the right URLs."""
    ana, bea = client.new_user("ana"), client.new_user("bea")
    group = client.new_group("g", ana)
    client.patch(f"/Groups/{group}", {"op": "Add", "path": "members", "value": [{"value": bea, "$ref": None}]})
    assert client.members(group) == {ana, bea}
    client.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{ana}"]'})
    assert client.members(group) == {bea}
    shown = client.get(f"/Groups/{group}").body["members"][0]
    assert shown["$ref"] == f"{BASE}/Users/{bea}"
    assert client.get(f"/Users/{bea}").body["groups"] == [
        {"value": group, "$ref": f"{BASE}/Groups/{group}", "display": "g", "type": "direct"}
    ]
    client.patch(f"/Groups/{group}", op("replace", value={"id": group, "displayName": "renamed"}))
    assert client.members(group) == {bea}
    said = client.send("PUT", f"/Groups/{group}", {"schemas": [GROUP], "displayName": "g"})
    assert (said.status, "members" in said.body) == (200, False)
    assert client.send("DELETE", f"/Groups/{group}").status == 204
    assert client.get(f"/Groups/{group}").status == 404
    assert "groups" not in client.get(f"/Users/{bea}").body


def test_a_user_body_with_groups_changes_no_membership(client: Client) -> None:
    """Okta echoes `groups: []` with every PUT."""
    ana = client.new_user("ana")
    group = client.new_group("g", ana)
    client.send("PUT", f"/Users/{ana}", {"schemas": [USER], "userName": "ana", "groups": [], "id": "other"})
    assert client.members(group) == {ana}


def test_unknown_members_are_reported_and_do_not_fail_the_others(client: Client) -> None:
    """One stale member must not fail a push: header and log say how many were unknown."""
    ana = client.new_user("ana")
    group = client.new_group("g")
    said = client.patch(f"/Groups/{group}", op("add", "members", [{"value": NOBODY}, {"value": ana}]))
    assert (said.status, said.headers[UNKNOWN_MEMBERS]) == (204, "1")
    assert client.exchanges[-1].unknown_members == 1
    assert client.members(group) == {ana}


def test_strict_refuses_unknown_members_and_applies_nothing(store: Store) -> None:
    """400 `invalidValue`, and the known one is no member either."""
    strict = Client(World(store), profile="strict")
    ana = strict.new_user("ana")
    group = strict.new_group("g")
    said = strict.patch(f"/Groups/{group}", op("add", "members", [{"value": NOBODY}, {"value": ana}]))
    assert (said.status, said.body["scimType"]) == (400, "invalidValue")
    assert strict.members(group) == set()


def test_excluded_members_are_absent(client: Client) -> None:
    """What Entra asks for, from one group and from a list."""
    group = client.new_group("g", client.new_user("ana"))
    assert "members" not in client.get(f"/Groups/{group}", excludedAttributes="members").body
    assert "members" not in client.get("/Groups", excludedAttributes="members").body["Resources"][0]
    assert "members" in client.get("/Groups").body["Resources"][0]


def test_many_members_come_in_blocks_of_one_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group larger than a block is streamed, and every member is there once."""
    ids = [client.new_user(f"u{number}") for number in range(7)]
    group = client.new_group("g", *ids)
    answer = client.world.provisioning.group(client.caller, group)
    assert answer.members is not None
    single = ",".join(answer.members)
    blocks = tuple(single.replace("},{", "}|{").split("|"))
    monkeypatch.setattr(
        type(client.world.provisioning), "group", lambda *_, **__: type(answer)(answer.id, answer.body, 1, blocks)
    )
    assert client.members(group) == set(ids)


# --- the edges -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/", 405, "GET"),
        ("GET", "/Nothing", 404, None),
        ("GET", "/Users/a/b", 404, None),
        ("GET", "/Schemas/urn:none", 404, None),
        ("POST", "/ServiceProviderConfig", 405, "GET"),
        ("DELETE", "/Users", 405, "GET, POST"),
        ("POST", "/Groups/x", 405, "GET, PUT, PATCH, DELETE"),
        ("GET", "/Users/.search", 405, "POST"),
        ("GET", "/.search", 405, "POST"),
        ("POST", "/.search/x", 404, None),
    ],
)
def test_what_is_not_there_is_refused_as_scim(
    method: str, path: str, status: int, allow: str | None, client: Client
) -> None:
    """Every refusal is a SCIM Error, also where there is nothing."""
    said = client.send(method, path, {})
    assert (said.status, said.body["schemas"], said.body["status"]) == (status, [ERROR], str(status))
    assert said.headers.get("Allow") == allow
    assert said.headers["Content-Type"] == "application/scim+json"


def test_discovery_is_not_filtered(client: Client) -> None:
    """403 for a filter (RFC 7644 §4); without one, what the service is."""
    assert client.get("/Schemas", filter='id eq "x"').status == 403
    assert client.get("/Schemas").body["totalResults"] == 3
    assert client.get("/ResourceTypes/User").body["endpoint"] == "/Users"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/scim+json", 201),
        ("application/json; charset=utf-8", 201),
        ("Application/JSON", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
def test_bodies_are_json(content_type: str, status: int, client: Client) -> None:
    """SCIM's type or plain JSON; anything else is 415."""
    body = {"schemas": [USER], "userName": "ana"}
    assert client.send("POST", "/Users", body, {"content-type": content_type}).status == status


def test_a_user_has_a_size(client: Client) -> None:
    """413 beyond the limit, before anything is read."""
    said = client.send("POST", "/Users", b" " * (MAX_USER_BODY + 1))
    assert (said.status, said.body["status"]) == (413, "413")


def test_the_observer_is_told_what_was_forgiven_and_refused(client: Client) -> None:
    """One row a request: status, the refusal's words, the tolerances, a refused body's shape; never a value."""
    id_ = client.new_user("ana", password="s3cret")
    client.patch(f"/Users/{id_}", op("Replace", "active", "False"))
    client.patch(f"/Users/{id_}", op("replace", "active", "maybe"))
    made, forgiven, refused = client.exchanges
    assert (made.status, made.detail, made.tolerances, made.shape) == (201, "", "", None)
    assert (made.resource_id, forgiven.resource_id) == (id_, id_)
    assert forgiven.tolerances == "capital-op string-boolean"
    assert (refused.status, refused.path, refused.scim_type) == (400, f"/Users/{id_}", "invalidValue")
    assert "`active` is a string `…`" in refused.detail
    assert refused.shape is not None
    assert '"op":"replace","path":"active","value":"string"' in refused.shape
    assert "s3cret" not in repr(client.exchanges)
