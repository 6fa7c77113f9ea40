"""The API over HTTP: what each endpoint says, how it is paged, and what it refuses in which words."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.api.talking import USER, Tenant, holds, problem
from tests.bridge.worlds import OPERATOR

from rolebridge.bridge.permissions import KeyRole
from rolebridge.web.problems import Kind

# --- requests --------------------------------------------------------------------------------------------------


def test_requests_are_listed_newest_first(acme: Tenant) -> None:
    """What a connection sent: refused ones with the reason and the shape of the body, and no value."""
    said = acme.scim("POST", "/Users", {"schemas": [USER], "userName": "zoe@acme.example", "active": "perhaps"})
    acme.write_log()
    page = holds(acme.get("/connections/okta/requests", limit="1"), "Requests")
    (row,) = page["requests"]
    assert (row["request_id"], row["status"], row["connection"]) == (said.headers["X-Request-Id"], 400, "okta")
    assert row["detail"].startswith("`active` is a string `…`")
    assert row["body_shape"] == {"schemas": [USER], "userName": "string", "active": "string"}
    assert (row["user_agent"], row["peer"]) == ("Okta SCIM Client", "127.0.0.1")
    assert page["next_cursor"]


def test_pages_hold_every_request_once(acme: Tenant) -> None:
    """Cursors lead from page to page to the end."""
    for _ in range(5):
        acme.scim("GET", "/Users")
    acme.write_log()
    whole = [row["request_id"] for row in acme.get("/connections/okta/requests", limit="200").body["requests"]]
    seen: list[str] = []
    query = {"limit": "3"}
    while True:
        page = holds(acme.get("/connections/okta/requests", **query), "Requests")
        seen += [row["request_id"] for row in page["requests"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == whole
    assert len(seen) == len(set(seen)) > 8


def test_requests_are_chosen(acme: Tenant) -> None:
    """By status, errors, time, path and the user that they were about."""
    missing = "/Users/00000000-0000-4000-8000-000000000000"
    acme.scim("GET", missing)
    ana = acme.scim("GET", '/Users?filter=userName eq "ana@acme.example"').body["Resources"][0]["id"]
    acme.scim("GET", f"/Users/{ana}")
    acme.write_log()

    def found(**query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = acme.get("/connections/okta/requests", **query).body["requests"]
        return rows

    assert {row["status"] for row in found(status="404")} == {404}
    assert {row["status"] // 100 for row in found(status="2xx")} == {2}
    assert all(row["status"] >= 400 for row in found(errors="true"))
    assert {row["path"] for row in found(path=missing.upper())} == {missing}
    assert {row["resource_id"] for row in found(user="ana")} == {ana}
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert found(since=later) == []


def test_one_request_is_found_by_the_id_of_its_answer(acme: Tenant, other: Tenant) -> None:
    """By the connection that sent it; another organization's connection of the same name has no such request."""
    id_ = acme.scim("GET", "/Groups").headers["X-Request-Id"]
    acme.write_log()
    assert holds(acme.get(f"/connections/okta/requests/{id_}"), "Request")["path"] == "/Groups"
    problem(other.get(f"/connections/okta/requests/{id_}"), Kind.NOT_FOUND)
    problem(acme.get("/connections/okta/requests/nonsense"), Kind.NOT_FOUND)


# --- status ----------------------------------------------------------------------------------------------------


def test_status_tells_how_connections_fare(acme: Tenant) -> None:
    """Sizes, traffic, contact, the mapping in force and who holds what."""
    acme.write_log()
    status = holds(acme.get("/status"), "Status")
    (okta,) = status["connections"]
    assert (okta["name"], okta["users"], okta["groups"]) == ("okta", 2, 3)
    assert okta["last_hour"]["requests"] >= 5
    assert okta["last_contact"]
    assert status["mapping"]["revision"] == 1
    assert status["workspaces"]["vision"]["people"] == 2


def test_status_tells_of_secrets(acme: Tenant, other: Tenant) -> None:
    """A revoked token that is still shown is told where its connection's administrator looks, and nowhere else."""
    administration = acme.installation.administration
    connection = administration.connection(acme.organization, "okta")
    token, secret = administration.add_token(OPERATOR, connection, "old", None)
    administration.revoke_token(OPERATOR, connection, token.credential.id)
    refused = acme.scim("GET", "/Users", token=secret.text)
    assert refused.status == 401
    key, key_secret = administration.add_key(OPERATOR, acme.organization, "gone", KeyRole.OWNER)
    administration.revoke_key(OPERATOR, acme.organization, key.credential.id)
    problem(acme.get("/status", key=key_secret.text), Kind.UNAUTHENTICATED)
    acme.write_log()
    status = holds(acme.get("/status"), "Status")
    told = {one["id"]: one for one in status["secrets"]}
    assert (told[token.credential.id]["refused_in_last_day"], told[token.credential.id]["usable"]) == (1, False)
    assert told[key.credential.id]["kind"] == "key"
    concerns = {(one["concern"], one["subject"]) for one in status["notices"]}
    assert {("dead-secret-tried", "okta"), ("dead-secret-tried", "API")} <= concerns
    assert holds(other.get("/status"), "Status")["secrets"] == []
    row = acme.get(f"/connections/okta/requests/{refused.headers['X-Request-Id']}").body
    assert (row["detail"], row["credential_id"]) == ("the token was revoked", token.credential.id)


# --- access and explanations -----------------------------------------------------------------------------------


def test_access_is_what_the_command_line_says(acme: Tenant) -> None:
    """The recorded roles, by workspace, project and person, in pages."""
    rows = holds(acme.get("/access", workspace="vision", user="ana"), "Access")["access"]
    assert {(row["project"], row["role"]) for row in rows} >= {("cityscapes", "reviewer"), ("retail", "labeler")}
    inside = holds(acme.get("/access", project="retail"), "Access")["access"]
    assert {row["user"]["user_name"] for row in inside} == {"ana@acme.example", "ben@acme.example"}
    seen = []
    query: dict[str, str] = {"limit": "1"}
    while True:
        page = holds(acme.get("/access", **query), "Access")
        seen += page["access"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == holds(acme.get("/access"), "Access")["access"]
    assert len(seen) > 3


def test_an_explanation_says_why(acme: Tenant) -> None:
    """The winner, the lock and the ways out, as `rolebridge explain --json` has them."""
    said = holds(acme.get("/explanations", user="ana", project="cityscapes"), "Explanations")
    (found,) = said["explanations"]
    assert (said["organization"], found["workspace"], found["project"]) == ("acme", "vision", "cityscapes")
    assert [(role["role"], role["lock"]) for role in found["roles"]] == [("reviewer", "group")]
    assert found["locks"][0]["release"][0]["do"] == "leave_group"


# --- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query", "detail"),
    [
        ("/access", {"limit": "0"}, "the parameter `limit` is not a whole number from 1 to 200"),
        ("/access", {"limit": "1e3"}, "the parameter `limit` is not a whole number from 1 to 200"),
        ("/access", {"cursor": "x"}, "the parameter `cursor` is not the `next_cursor` of a page of this list"),
        ("/explanations", {"usr": "v"},
         "the parameter `usr` is not known here; there are `user`, `workspace`, `project`, `at`, `format`"),
        ("/access", {"user": ""}, "the parameter `user` is empty"),
        ("/explanations", {}, "the parameter `user` is missing"),
        ("/connections/okta/requests", {"status": "4x"},
         "the parameter `status` is neither a status (`409`) nor a class of them (`4xx`)"),
        ("/connections/okta/requests", {"errors": "yes"}, "the parameter `errors` is neither `true` nor `false`"),
        ("/connections/okta/requests", {"errors": "true", "status": "409"},
         "the parameter `errors` and `status` say two different things; choose one"),
        ("/connections/okta/requests", {"since": "yesterday"},
         "the parameter `since` is not a moment such as `2026-11-20T09:14:00Z`"),
        ("/connections/okta/requests", {"since": "0001-01-01T00:00:00+14:00"},
         "the parameter `since` is not a moment such as `2026-11-20T09:14:00Z`"),
        ("/status", {"x": "1"}, "the parameter `x` is not known here; there is none"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_understood_is_refused(
    acme: Tenant, path: str, query: dict[str, str], detail: str
) -> None:
    """400, naming the parameter."""
    said = problem(acme.get(path, **query), Kind.INVALID)
    assert said["detail"] == detail


@pytest.mark.parametrize(
    "place",
    [["0001-01-01T00:00:00+14:00", "x"], ["x", "y"], ["2026-01-01T00:00:00Z", "\0"], ["2026-01-01T00:00:00Z"],
     [1, 2], {}, ["2026-01-01T00:00:00Z", "\ud800"]],
)  # fmt: skip
def test_a_made_up_cursor_is_refused(acme: Tenant, place: Any) -> None:
    """Whatever a cursor says, it is a page or a problem."""
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")
    problem(acme.get("/connections/okta/requests", cursor=cursor), Kind.INVALID)


def test_a_parameter_given_twice_is_refused(acme: Tenant) -> None:
    """Which one counts would be anybody's guess."""
    headers = {"Authorization": f"Bearer {acme.key('owner')}"}
    answer = acme.client.get("/api/v1/access?user=ana&user=ben", headers=headers)
    assert (answer.status_code, json.loads(answer.data)["detail"]) == (400, "the parameter `user` is given twice")


@pytest.mark.parametrize(
    ("path", "query", "kind", "hint"),
    [
        ("/access", {"workspace": "visoin"}, "workspace", "did you mean `vision`?"),
        ("/access", {"project": "nowhere"}, "project", "known here: `cityscapes`, `retail`"),
        ("/explanations", {"user": "anna"}, "user", "did you mean `ana`?"),
        ("/connections/entra/requests", {}, "connection", None),
    ],
)
def test_what_is_not_there_is_told_with_what_may_be_meant(
    acme: Tenant, path: str, query: dict[str, str], kind: str, hint: str | None
) -> None:
    """404 with the kind of thing, and a hint where there is one."""
    said = problem(acme.get(path, **query), Kind.NOT_FOUND)
    assert (said["kind"], said.get("hint")) == (kind, hint)


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/status/more", "/connections", "/openapi.json/x"])
def test_no_such_path(acme: Tenant, path: str) -> None:
    """404 as a problem document."""
    problem(acme.get(path), Kind.NOT_FOUND)
