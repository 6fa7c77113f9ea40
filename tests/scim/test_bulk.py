"""`POST /Bulk` (RFC 7644 §3.7): one request, many operations, each answered for itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bridge.worlds import World
from tests.scim.talking import BASE, ENTERPRISE, ERROR, GROUP, PATCH, USER, Client, Said

from rolebridge.bridge.provisioning import Provisioning
from rolebridge.scim.bulk_plan import BulkOperation, plan, references, resolved, without
from rolebridge.scim.limits import MAX_BULK_BODY, MAX_BULK_OPERATIONS, MAX_USER_BODY
from rolebridge.store.engine import Store
from rolebridge.web.requests import Request

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


def bulk(client: Client, *operations: Any, **rest: Any) -> Said:
    return client.send("POST", "/Bulk", {"schemas": [BULK], "Operations": list(operations), **rest})


def results(client: Client, *operations: Any, **rest: Any) -> list[dict[str, Any]]:
    said = bulk(client, *operations, **rest)
    assert (said.status, said.body["schemas"]) == (200, [RESPONSE]), said
    assert said.headers == {"Content-Type": "application/scim+json"}
    told: list[dict[str, Any]] = said.body["Operations"]
    return told


def statuses(told: list[dict[str, Any]]) -> list[str]:
    return [result["status"] for result in told]


def post_user(bulk_id: str, name: str, **attributes: Any) -> dict[str, Any]:
    data = {"schemas": [USER], "userName": name, **attributes}
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data}


def post_group(bulk_id: str, name: str, *members: str) -> dict[str, Any]:
    data = {"schemas": [GROUP], "displayName": name, "members": [{"value": value} for value in members]}
    return {"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data}


ANA = post_user("ana", "ana")


def managed(by: str) -> dict[str, Any]:
    return {"schemas": [USER, ENTERPRISE], ENTERPRISE: {"manager": {"value": by}}}


def patch(path: str, *operations: dict[str, Any]) -> dict[str, Any]:
    return {"method": "PATCH", "path": path, "data": {"schemas": [PATCH], "Operations": list(operations)}}


def id_of(result: dict[str, Any]) -> str:
    return str(result["location"]).rpartition("/")[2]


# --- what a job answers ----------------------------------------------------------------------------------------


def test_every_operation_is_answered_with_status_location_and_version(client: Client) -> None:
    """POST, PUT, PATCH and DELETE of users and groups; statuses are strings, what worked has no `response`."""
    ana, bea, team = client.new_user("ana"), client.new_user("bea"), client.new_group("team")
    told = results(
        client,
        post_user("new", "carl"),
        {"method": "PUT", "path": f"/Users/{ana}", "data": {"schemas": [USER], "userName": "ana", "title": "T"}},
        patch(f"/Groups/{team}", {"op": "add", "path": "members", "value": [{"value": ana}]}),
        {"method": "DELETE", "path": f"/Users/{bea}"},
    )
    carl = id_of(told[0])
    assert told == [
        {
            "method": "POST",
            "bulkId": "new",
            "location": f"{BASE}/Users/{carl}",
            "version": 'W/"1"',
            "status": "201",
        },
        {"method": "PUT", "location": f"{BASE}/Users/{ana}", "version": 'W/"2"', "status": "200"},
        {"method": "PATCH", "location": f"{BASE}/Groups/{team}", "version": 'W/"2"', "status": "204"},
        {"method": "DELETE", "location": f"{BASE}/Users/{bea}", "status": "204"},
    ]
    assert client.get(f"/Users/{carl}").body["userName"] == "carl"
    assert client.get(f"/Users/{ana}").body["title"] == "T"
    assert client.members(team) == {ana}
    assert client.get(f"/Users/{bea}").status == 404


def test_what_fails_fails_alone_and_says_why(client: Client) -> None:
    """Each error is a SCIM Error in `response`; the operations after it run (RFC 7644 §3.7.3)."""
    client.new_user("ana")
    told = results(
        client,
        post_user("1", "ANA"),
        post_user("2", "bea", active="maybe"),
        {"method": "DELETE", "path": "/Users/nobody"},
        patch("/Groups/nobody", {"op": "remove", "path": "members"}),
        post_user("3", "carl"),
    )
    assert statuses(told) == ["409", "400", "404", "404", "201"]
    for result in told[:4]:
        assert (result["response"]["schemas"], result["response"]["status"]) == ([ERROR], result["status"])
    assert told[0]["response"]["scimType"] == "uniqueness"
    assert "location" not in told[0]
    assert told[2]["location"] == f"{BASE}/Users/nobody"


def test_a_version_insists(client: Client) -> None:
    """`version` is the operation's If-Match: 412 for another one, and nothing changed."""
    ana = client.new_user("ana")
    title = {"op": "replace", "path": "title", "value": "T"}
    old = {**patch(f"/Users/{ana}", title), "version": 'W/"7"'}
    new = {**patch(f"/Users/{ana}", title), "version": 'W/"1"'}
    gone = {"method": "DELETE", "path": f"/Users/{ana}", "version": 'W/"1"'}
    told = results(client, old, new, gone)
    assert statuses(told) == ["412", "200", "412"]
    assert client.get(f"/Users/{ana}").body["meta"]["version"] == 'W/"2"'


@pytest.mark.parametrize(("limit", "expected"), [(0, 2), (1, 2), (2, 4), (3, 5), (None, 5)])
def test_fail_on_errors_ends_the_job(limit: int | None, expected: int, client: Client) -> None:
    """As many errors as allowed end it: what ran is answered, what did not is not (RFC 7644 §3.7.3)."""
    bad = [post_user(f"bad{number}", "", title=None) for number in range(2)]
    job = [post_user("a", "a"), bad[0], post_user("b", "b"), bad[1], post_user("c", "c")]
    told = results(client, *job, **({} if limit is None else {"failOnErrors": limit}))
    assert statuses(told) == ["201", "400", "201", "400", "201"][:expected]
    assert client.get("/Users").body["totalResults"] == statuses(told).count("201")


# --- references ------------------------------------------------------------------------------------------------


def test_references_forward_and_back(client: Client) -> None:
    """In members, managers, PATCH values and filters and in paths: what is referred to is made first."""
    told = results(
        client,
        post_group("team", "team", "bulkId:ana", "bulkId:bea"),
        patch("/Users/bulkId:bea", {"op": "replace", "path": "title", "value": "T"}),
        {
            "method": "PUT",
            "path": "/Users/bulkId:bea",
            "data": {"userName": "bea", "title": "T", **managed("bulkId:carl")},
        },
        patch("/Groups/bulkId:team", {"op": "remove", "path": 'members[value eq "bulkId:ana"]'}),
        patch("/Groups/bulkId:team", {"op": "add", "path": "members", "value": [{"value": "bulkId:carl"}]}),
        post_user("ana", "ana", **managed("bulkId:bea")),
        post_user("bea", "bea"),
        post_user("carl", "carl"),
    )
    assert statuses(told) == ["201", "200", "200", "204", "204", "201", "201", "201"]
    team, ana, bea, carl = (id_of(told[index]) for index in (0, 5, 6, 7))
    assert client.members(team) == {bea, carl}
    assert client.get(f"/Users/{ana}").body[ENTERPRISE]["manager"] == {"value": bea}
    assert client.get(f"/Users/{bea}").body[ENTERPRISE]["manager"] == {"value": carl}
    assert told[1]["location"] == f"{BASE}/Users/{bea}"
    assert "bulkId:" not in json.dumps(client.get("/Users").body)


def test_what_refers_to_nothing_made_is_refused(client: Client) -> None:
    """409 that names the bulkId: unknown, or of a creation that failed; never a literal `bulkId:` that is stored."""
    client.new_user("taken")
    told = results(
        client,
        post_user("1", "a", **managed("bulkId:none")),
        post_user("2", "taken"),
        post_group("3", "g", "bulkId:2"),
        {"method": "DELETE", "path": "/Users/bulkId:2"},
    )
    assert statuses(told) == ["409"] * 4
    assert "bulkId `none`" in told[0]["response"]["detail"]
    assert "bulkId `2`" in told[2]["response"]["detail"]
    assert client.get("/Users").body["totalResults"] == 1


def test_circles_are_closed(client: Client) -> None:
    """Users who manage each other, and themselves, are made with their references (RFC 7644 §3.7.1)."""
    told = results(
        client,
        post_user("1", "ana", title="A", **managed("bulkId:2")),
        post_user("2", "bea", **managed("bulkId:3")),
        post_user("3", "carl", **managed("bulkId:1")),
        post_user("4", "dora", **managed("bulkId:4")),
    )
    assert statuses(told) == ["201"] * 4
    ids = [id_of(result) for result in told]
    people = [client.get(f"/Users/{id_}").body for id_ in ids]
    assert [person[ENTERPRISE]["manager"]["value"] for person in people] == [ids[1], ids[2], ids[0], ids[3]]
    assert people[0]["title"] == "A"
    assert [result["version"] for result in told] == [person["meta"]["version"] for person in people]


def test_a_circle_that_cannot_be_closed_leaves_nothing_half_made(client: Client) -> None:
    """When one of the circle is refused, the one made before it is not made either (409), whatever ends the job."""
    client.new_user("taken")
    circle = [post_user("1", "taken", **managed("bulkId:2")), post_user("2", "ana", **managed("bulkId:1"))]
    told = results(client, *circle)
    assert statuses(told) == ["409", "409"]
    assert told[0]["response"]["scimType"] == "uniqueness"
    assert "circle of references" in told[1]["response"]["detail"]
    assert client.found("/Users", 'userName eq "ana"') == []
    ended = results(client, *circle, post_user("3", "later"), failOnErrors=1)
    assert statuses(ended) == ["409", "409"]
    assert client.get("/Users").body["totalResults"] == 1


def test_groups_in_groups(client: Client) -> None:
    """A group may hold one that is made later; groups in each other are refused, and the rest of the job is made."""
    told = results(client, post_group("all", "all", "bulkId:team"), post_group("team", "team", "bulkId:ana"), ANA)
    assert statuses(told) == ["201"] * 3
    assert client.members(id_of(told[0])) == {id_of(told[1])}
    circle = results(client, post_group("1", "g1", "bulkId:2"), post_group("2", "g2", "bulkId:1"))
    assert statuses(circle) == ["201", "409"]
    assert "circle of references" in circle[1]["response"]["detail"]
    assert client.members(id_of(circle[0])) == set()
    assert client.found("/Groups", 'displayName sw "g"') == [id_of(circle[0])]


def test_a_client_that_hangs_up_ends_the_job_with_nothing_half_made(client: Client) -> None:
    """Closing the answer stops after the operation under way, and undoes what only a later one would finish."""
    body = {
        "schemas": [BULK],
        "Operations": [
            post_user("1", "ana", **managed("bulkId:2")),
            post_user("2", "bea", **managed("bulkId:1")),
            post_user("3", "carl"),
        ],
    }
    request = Request("POST", "/Bulk", (), {}, json.dumps(body).encode(), "r")
    answer = client.face.handle(request, client.caller)
    blocks = iter(answer.body)
    next(blocks)
    next(blocks)
    assert client.get("/Users").body["totalResults"] == 1
    blocks.close()  # type: ignore[attr-defined]
    assert client.get("/Users").body["totalResults"] == 0


# --- hostile and wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "scim_type", "words"),
    [
        ([], 400, "invalidSyntax", "not a JSON object"),
        ({}, 400, "invalidSyntax", "`Operations`"),
        ({"Operations": {}}, 400, "invalidSyntax", "`Operations`"),
        ({"Operations": []}, 400, "invalidSyntax", "`Operations`"),
        ({"Operations": ["x"]}, 400, "invalidSyntax", "operation 1 is not an object"),
        ({"Operations": [{}], "failOnErrors": "1"}, 400, "invalidSyntax", "`failOnErrors`"),
        ({"Operations": [{}], "failOnErrors": True}, 400, "invalidSyntax", "`failOnErrors`"),
        ({"Operations": [{}], "failOnErrors": -1}, 400, "invalidSyntax", "`failOnErrors`"),
        ({"Operations": [{}] * (MAX_BULK_OPERATIONS + 1)}, 413, None, f"maxOperations ({MAX_BULK_OPERATIONS})"),
    ],
)
def test_a_request_that_is_wrong_as_a_whole_runs_nothing(
    body: Any, status: int, scim_type: str | None, words: str, client: Client
) -> None:
    """400, or 413 that names the announced limit (RFC 7644 §3.7.4)."""
    said = client.send("POST", "/Bulk", body)
    assert (said.status, said.body.get("scimType")) == (status, scim_type)
    assert words in said.body["detail"]


def test_the_limits_are_announced_and_early(client: Client) -> None:
    """A body beyond maxPayloadSize is not even parsed, which would call it no JSON; nor are 100,000 operations read."""
    config = client.get("/ServiceProviderConfig").body["bulk"]
    assert config == {"supported": True, "maxOperations": MAX_BULK_OPERATIONS, "maxPayloadSize": MAX_BULK_BODY}
    said = client.send("POST", "/Bulk", b"[" * (MAX_BULK_BODY + 1))
    assert (said.status, f"maxPayloadSize ({MAX_BULK_BODY})" in said.body["detail"]) == (413, True)
    many = b'{"Operations":[' + b"{}," * 99_999 + b"{}]}"
    assert client.send("POST", "/Bulk", many).status == 413


@pytest.mark.parametrize(
    ("operation", "scim_type", "words"),
    [
        ({}, "invalidSyntax", "`method`"),
        ({"method": "GET", "path": "/Users/x"}, "invalidSyntax", "`method`"),
        ({"method": "post", "path": "/Users"}, "invalidSyntax", "`method`"),
        ({"method": "DELETE"}, "invalidSyntax", "`path`"),
        ({"method": "DELETE", "path": 5}, "invalidSyntax", "`path`"),
        ({"method": "DELETE", "path": "/Users/" + "x" * 10_000}, "invalidSyntax", "`path`"),
        ({"method": "DELETE", "path": "/Users"}, "invalidPath", "one resource"),
        ({"method": "DELETE", "path": "/Users/a/b"}, "invalidPath", "no path of a bulk operation"),
        ({"method": "DELETE", "path": "/Me"}, "invalidPath", "no path of a bulk operation"),
        ({"method": "DELETE", "path": "//Users//x"}, "invalidPath", "no path of a bulk operation"),
        ({"method": "POST", "path": "/Bulk", "bulkId": "1", "data": {}}, "invalidPath", "no path of a bulk operation"),
        ({"method": "POST", "path": "/Users/.search", "bulkId": "1", "data": {}}, "invalidPath", "no path"),
        ({"method": "POST", "path": "/Users/x", "bulkId": "1", "data": {}}, "invalidPath", "a POST goes to"),
        ({"method": "POST", "path": "/Users", "bulkId": "1"}, "invalidSyntax", "`data`"),
        ({"method": "PUT", "path": "/Users/x", "data": [1]}, "invalidSyntax", "`data`"),
        ({"method": "POST", "path": "/Users", "data": {"userName": "x"}}, "invalidSyntax", "`bulkId`"),
        ({"method": "POST", "path": "/Users", "bulkId": 1, "data": {}}, "invalidSyntax", "`bulkId`"),
        ({"method": "DELETE", "path": "/Users/x", "version": 1}, "invalidSyntax", "`version`"),
    ],
)
def test_an_operation_that_is_wrong_by_itself_is_answered(
    operation: Any, scim_type: str, words: str, client: Client
) -> None:
    """400 in its result; the operation after it runs."""
    wrong, right = results(client, operation, post_user("ok", "ana"))
    assert (wrong["status"], wrong["response"]["scimType"], right["status"]) == ("400", scim_type, "201")
    assert words in wrong["response"]["detail"]
    assert len(json.dumps(wrong)) < 1000


def test_a_bulk_id_belongs_to_one_creation(client: Client) -> None:
    """The second POST with it is refused, and references mean the first."""
    told = results(client, post_user("1", "ana"), post_user("1", "bea"), post_group("2", "g", "bulkId:1"))
    assert statuses(told) == ["201", "400", "201"]
    assert client.members(id_of(told[2])) == {id_of(told[0])}


def test_a_thousand_references_and_a_long_chain_are_planned(client: Client) -> None:
    """A group that refers to all others, each of which refers to the next: planned without recursion."""
    count = MAX_BULK_OPERATIONS - 1
    chain = [post_user(str(n), f"u{n}", **managed(f"bulkId:{(n + 1) % count}")) for n in range(count)]
    operations = [
        BulkOperation(number, "POST", str(operation["path"]), str(operation["bulkId"]), None, operation["data"])
        for number, operation in enumerate([*chain, post_group("g", "g", *(f"bulkId:{n}" for n in range(count)))], 1)
    ]
    steps = plan(operations)
    assert len(steps) == MAX_BULK_OPERATIONS + 1, "the circle is opened at one place only"
    assert sum(step.completes for step in steps) == 1


def test_a_reference_however_it_is_spelt(client: Client) -> None:
    """JSON's escapes are undone before references are looked for."""
    job = {"schemas": [BULK], "Operations": [post_group("g", "g", "bulkId:ana"), post_user("ana", "ana")]}
    spelt = json.dumps(job).replace("bulkId:ana", "bulk\\u0049d:ana").encode()
    told = client.send("POST", "/Bulk", spelt).body["Operations"]
    assert client.members(id_of(told[0])) == {id_of(told[1])}


def test_limits_of_single_requests_hold_inside(client: Client) -> None:
    """A user too large for a request of their own is too large in a bulk request."""
    told = results(client, post_user("1", "ana", title="x" * MAX_USER_BODY), post_user("2", "bea"))
    assert statuses(told) == ["413", "201"]


def test_the_profile_is_the_connections(store: Store) -> None:
    """Tolerances are counted for the operation that used them, and refused by a profile without them."""
    world = World(store)
    generic, strict = Client(world), Client(world, profile="strict")
    operation = post_user("1", "ana", active="True")
    assert statuses(results(generic, operation)) == ["201"]
    outer, inner = sorted(generic.exchanges, key=lambda row: row.request_id)
    assert (outer.path, outer.request_id, outer.tolerances) == ("/Bulk", generic.caller.request_id, "")
    assert (inner.path, inner.status, inner.tolerances) == ("/Users", 201, "string-boolean")
    assert inner.request_id == f"{outer.request_id}-1"
    assert inner.resource_id
    told = results(strict, replace_name(operation, "bea"))
    assert statuses(told) == ["400"]
    assert "does not forgive `string-boolean`" in told[0]["response"]["detail"]
    said = strict.send("POST", "/Bulk", {"Operations": [operation]})
    assert (said.status, "does not forgive `schemas-incomplete`" in said.body["detail"]) == (400, True)


def replace_name(operation: dict[str, Any], name: str) -> dict[str, Any]:
    return {**operation, "data": {**operation["data"], "userName": name}}


def test_the_audit_names_the_operation(client: Client) -> None:
    """A row's request id says which operation of which request it was."""
    told = results(client, post_user("1", "ana"), post_user("2", "bea"))
    rows = [client.world.audit(id_of(result))[0].request_id for result in told]
    assert rows == [f"{client.caller.request_id}-1", f"{client.caller.request_id}-2"]


def test_a_connection_reaches_only_its_own(store: Store) -> None:
    """A bulk request is no way around what a connection owns."""
    world = World(store)
    okta, entra = Client(world, world.okta), Client(world, world.entra)
    ana = okta.new_user("ana")
    told = results(entra, {"method": "DELETE", "path": f"/Users/{ana}"}, post_user("1", "ana"))
    assert statuses(told) == ["404", "409"]


def test_a_defect_is_the_answer_of_one_operation(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 with a request id in its result; the others are answered."""

    def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Provisioning, "delete_user", defect)
    broken, fine = results(client, {"method": "DELETE", "path": "/Users/x"}, post_user("1", "ana"))
    assert (broken["status"], fine["status"]) == ("500", "201")
    assert f"`{client.caller.request_id}-1`" in broken["response"]["detail"]


def test_only_post(client: Client) -> None:
    """405 with Allow."""
    said = client.get("/Bulk")
    assert (said.status, said.headers["Allow"]) == (405, "POST")


# --- the plan --------------------------------------------------------------------------------------------------


def creation(number: int, *needs: int) -> BulkOperation:
    data = {"members": [{"value": f"bulkId:{need}"} for need in needs]}
    return BulkOperation(number + 1, "POST", "/Groups", str(number), None, data)


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_every_plan_runs_each_once_and_opens_circles_only(needs: list[list[int]]) -> None:
    """For any graph: each operation once, what it needs before it or put in once it is there."""
    operations = [
        creation(number, *(need for need in needed if need < len(needs))) for number, needed in enumerate(needs)
    ]
    made: set[str] = set()
    run: list[int] = []
    for step in plan(operations):
        needed = set(references(operations[step.index]))
        if step.completes:
            assert needed <= made
            continue
        assert needed - made == step.missing
        run.append(step.index)
        made.add(str(operations[step.index].bulk_id))
    assert sorted(run) == list(range(len(operations)))


def test_without_circles_nothing_is_opened() -> None:
    """An order exists, so no creation is made in two steps; what nothing refers to keeps its place."""
    steps = plan([creation(0, 2), creation(1), creation(2, 3), creation(3)])
    assert [step.index for step in steps] == [3, 2, 0, 1]
    assert not any(step.missing for step in steps)


def test_what_is_a_reference() -> None:
    """Whole strings, the quoted ids of a path's filter, the end of a `$ref`; words that hold `bulkId:` are words."""
    data = {
        "members": [{"value": "bulkId:1", "$ref": "../Users/bulkId:1"}, "bulkId:2"],
        "Operations": [{"path": 'members[value eq "bulkId:3"]'}],
        "title": "about bulkId:4",
        "displayName": "/bulkId:5",
    }
    operation = replace(creation(0), data=data, path="/Users/bulkId:9")
    assert references(operation) == ["9", "1", "2", "3"]
    assert resolved(data, lambda bulk_id: f"id{bulk_id}") == {
        "members": [{"value": "id1", "$ref": "../Users/id1"}, "id2"],
        "Operations": [{"path": 'members[value eq "id3"]'}],
        "title": "about bulkId:4",
        "displayName": "/bulkId:5",
    }
    assert without(data, frozenset({"1"}))["members"] == ["bulkId:2"]
