"""People, workspaces, projects, members; the feed of changes; one's own key."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.talking import Tenant, holds, problem

from rolebridge.web.problems import Kind


def all_pages(tenant: Tenant, path: str, name: str, schema: str, **query: str) -> list[Any]:
    """Return the entries of all pages."""
    seen: list[Any] = []
    while True:
        page = holds(tenant.get(path, **query), schema)
        seen += page[name]
        if page["next_cursor"] is None:
            return seen
        query["cursor"] = page["next_cursor"]


def test_people_are_found_by_the_beginning_of_their_names(acme: Tenant) -> None:
    """Apart from case, in the order of names, in pages; one alone by name or id."""
    names = [f"page{number:02}@acme.example" for number in range(7)]
    for name in reversed(names):
        acme.user(name)
    found = all_pages(acme, "/users", "users", "Users", user_name="PAGE", limit="3")
    assert [one["user_name"] for one in found] == names
    one = holds(acme.get(f"/users/{found[3]['id']}"), "User")
    assert one == found[3] == acme.get(f"/users/{names[3]}").body
    assert (one["active"], one["connection"], one["name"]) == (True, "okta", None)
    everyone = all_pages(acme, "/users", "users", "Users", limit="4")
    assert len({one["id"] for one in everyone}) == len(everyone) > 8
    assert all_pages(acme, "/users", "users", "Users", user_name="page99") == []


def test_people_of_a_workspace_alone(acme: Tenant) -> None:
    """By parameter, or for a key of that workspace always."""
    said = holds(acme.get("/users", workspace="vision"), "Users")
    assert [one["user_name"] for one in said["users"]] == ["ana@acme.example", "ben@acme.example"]
    for query in ({}, {"workspace": "vision"}):
        assert acme.get("/users", acme.key("reader", "vision"), **query).body == said


def test_the_roles_of_a_person(acme: Tenant) -> None:
    """In all workspaces with provenance, and one by one: an empty list is a no."""
    said = holds(acme.get("/users/ana/roles"), "Member")
    assert said["user"]["user_name"] == "ana@acme.example"
    held = {(one["workspace"], one["project"], one["slot"], one["role"]) for one in said["roles"]}
    assert ("vision", "cityscapes", "project_role", "reviewer") in held
    (one,) = acme.get("/users/ana/roles", workspace="vision", project="retail", slot="project_role").body["roles"]
    assert (one["role"], one["rule"], one["because"]["winners"][0]["group"]["display"]) == (
        "labeler",
        "teams",
        "lbx-retail-labelers",
    )
    question = {"workspace": "vision", "project": "retail", "slot": "project_role"}
    assert len(acme.get("/users/ana/roles", **question, role="labeler").body["roles"]) == 1
    assert acme.get("/users/ana/roles", **question, role="reviewer").body["roles"] == []
    reaching = acme.get("/users/ben/roles", workspace="vision", project="retail").body["roles"]
    assert {one["role"] for one in reaching} >= {"admin"}
    problem(acme.get("/users/ana/roles", workspace="nowhere"), Kind.NOT_FOUND)
    problem(acme.get("/users/nobody/roles"), Kind.NOT_FOUND)


def test_a_decision_is_the_same_from_the_recorded_roles(acme: Tenant) -> None:
    """`Access.holds` says yes exactly where a role is listed."""
    id_ = acme.get("/users/ana").body["id"]
    access, organization_id = acme.installation.access, acme.organization.id
    roles = acme.get("/users/ana/roles").body["roles"]
    for one in roles:
        assert access.holds(organization_id, id_, one["workspace"], one["project"], one["slot"], one["role"])
        assert not access.holds(organization_id, id_, one["workspace"], one["project"], one["slot"], "nothing")
        assert not access.holds(organization_id, id_, "lab", one["project"], one["slot"], one["role"])
    assert not access.holds(organization_id, "\0", "vision", None, "workspace_role", "admin")


def test_workspaces_and_projects(acme: Tenant) -> None:
    """What the mapping in force has, and how much is in it."""
    (vision,) = all_pages(acme, "/workspaces", "workspaces", "Workspaces", limit="1")
    assert (vision["workspace"], vision["platform"], vision["mode"]) == ("vision", "labelbox", "enforce")
    assert vision["people"] == 2
    assert holds(acme.get("/workspaces/vision"), "Workspace") == vision
    projects = all_pages(acme, "/workspaces/vision/projects", "projects", "Projects", limit="1")
    assert [one["project"] for one in projects] == ["cityscapes", "retail"]
    one = holds(acme.get("/workspaces/vision/projects/retail"), "Project")
    assert (one["name"], one["tags"], one["in"], one["declared"]) == ("Retail", [], None, True)
    problem(acme.get("/workspaces/vision/projects/none"), Kind.NOT_FOUND)
    problem(acme.get("/workspaces/none"), Kind.NOT_FOUND)
    assert acme.get("/workspaces", acme.key("reader", "lab")).body["workspaces"] == []


def test_members_of_a_workspace(acme: Tenant) -> None:
    """Each once, with all that they hold there, in pages."""
    found = all_pages(acme, "/workspaces/vision/members", "members", "Members", limit="1")
    assert {one["user"]["user_name"] for one in found} == {"ana@acme.example", "ben@acme.example"}
    assert len(found) == 2
    for one in found:
        said = acme.get(f"/users/{one['user']['id']}/roles", workspace="vision").body["roles"]
        assert one["roles"] == said


def test_members_of_a_project(acme: Tenant) -> None:
    """Those with a role in it, and those whose role reaches it."""
    place = "/workspaces/vision/projects/cityscapes/members"
    found = all_pages(acme, place, "members", "Members", limit="1")
    held = {one["user"]["user_name"]: {role["role"] for role in one["roles"]} for one in found}
    assert set(held) == {"ana@acme.example", "ben@acme.example"}
    assert "reviewer" in held["ana@acme.example"]
    assert "labeler" not in {role["role"] for one in found for role in one["roles"] if role["project"] == "retail"}
    assert held["ben@acme.example"] == {"admin"}
    problem(acme.get("/workspaces/vision/projects/none/members"), Kind.NOT_FOUND)


def test_changes_are_followed(acme: Tenant) -> None:
    """From `changes_cursor` of what was read, to the cursor after each page; a change is seen once."""
    cursor = holds(acme.get("/access"), "Access")["changes_cursor"]
    assert acme.get("/changes", since=cursor).body == {"changes": [], "cursor": cursor, "more": False}
    zoe = acme.user("followed@acme.example")
    acme.group("lbx-retail-reviewers", zoe)
    seen: list[Any] = []
    while True:
        page = holds(acme.get("/changes", since=cursor, limit="1"), "Changes")
        seen += page["changes"]
        cursor = page["cursor"]
        if not page["more"]:
            break
    mine = [one for one in seen if one["slot"] == "project_role"]
    assert [(one["kind"], one["user_id"], one["project"], one["after"]) for one in mine] == [
        ("gain", zoe, "retail", "reviewer")
    ]
    limited = holds(acme.get("/changes", acme.key("reader", "vision"), limit="200"), "Changes")
    assert {one["workspace"] for one in limited["changes"]} == {"vision"}
    assert acme.get("/changes", acme.key("reader", "lab")).body["changes"] == []


@pytest.mark.parametrize("since", ["x", "WyJhIiwiYiJd", "WyItMSIsIiJd"])
def test_a_made_up_place_in_the_feed_is_refused(acme: Tenant, since: str) -> None:
    """Whatever it says."""
    said = problem(acme.get("/changes", since=since), Kind.INVALID)
    assert said["parameter"] == "since"


def test_changes_that_are_not_kept_are_gone(acme: Tenant) -> None:
    """410, with where to read everything again."""
    said = problem(acme.get("/changes", since="WyI5OTk5OTk5IiwiIl0"), Kind.GONE)
    assert said["resync"] == "/api/v1/access"


def test_one_s_own_key(acme: Tenant) -> None:
    """What it is called, what it may do and for which workspace."""
    said = holds(acme.get("/key", acme.key("operator", "vision")), "OwnKey")
    assert (said["name"], said["role"], said["workspace"]) == ("operator vision", "operator", "vision")
    assert said["permissions"] == ["assign", "decide-holds", "manage-projects", "read-access"]
    assert said["organization"] == acme.organization.name


def test_keys_are_made_used_and_revoked(acme: Tenant) -> None:
    """The secret is told once; who made it and who revoked it stand in the audit."""
    body = {"name": "portal", "role": "operator", "workspace": "vision", "expires_at": "2099-01-01T00:00:00Z"}
    made = holds(acme.ask("POST", "/keys", body), "NewKey")
    assert acme.get("/key", made["key"]).body["workspace"] == "vision"
    listed = all_pages(acme, "/keys", "keys", "Keys", limit="2")
    assert {one["id"]: one for one in listed}[made["id"]]["hint"] == made["key"][-4:]
    assert made["key"] not in str(listed)
    assert acme.ask("DELETE", f"/keys/{made['id']}").status == 204
    assert acme.get("/key", made["key"]).status == 401
    with acme.installation.store.read() as unit:
        entries = unit.record(acme.organization.id).audit_entries(subject_id=made["id"])
    assert [entry.kind for entry in entries] == ["key.revoked", "key.added"]
    assert all(entry.actor.startswith("key:owner None (") for entry in entries)
    assert all(len(entry.request_id) == 32 for entry in entries)


def test_a_decision_names_its_cell_and_where_the_role_comes_from(acme: Tenant) -> None:
    """One question or many at once; a lost cell is unknown, and what there is not is a problem."""
    (one,) = holds(acme.get("/decisions", user="ana", permission="review_labels", project="cityscapes"), "Decisions")[
        "decisions"
    ]
    assert (one["answer"], one["cell"]["value"]) == ("allowed", "allow")
    assert one["found"][0]["through"][0]["grant"]["rule"] == "teams"
    questions = [
        {"user": "ana", "permission": permission, "workspace": "vision", "project": "cityscapes"}
        for permission in ("review_labels", "delete_labels")
    ]
    said = holds(acme.ask("POST", "/decisions", {"questions": questions}), "DecisionAnswers")
    assert [answer["decisions"][0]["answer"] for answer in said["answers"]] == ["allowed", "unknown"]
    problem(acme.get("/decisions", user="ana", permission="fly"), Kind.NOT_FOUND)
    key = acme.key("reader", "vision")
    problem(acme.get("/decisions", key, user="ana", permission="review_labels", workspace="text"), Kind.NOT_FOUND)


def test_who_may_give_roles_is_asked_and_enforced(acme: Tenant) -> None:
    """By the platform's delegation rules; `as` makes an assignment hang on them."""
    question = {"act": "grant", "role": "reviewer", "target": "ana", "slot": "workspace_role", "workspace": "vision"}
    assert holds(acme.get("/delegations", actor="ben", **question), "Verdict")["answer"] == "allowed"
    said = holds(acme.get("/delegations", actor="ana", **question), "Verdict")
    assert (said["answer"], said["rule"]) == ("denied", None)
    refused = problem(
        acme.ask("PUT", "/users/ben/assignments/vision/retail?as=ana", {"project_role": "labeler"}), Kind.REFUSED
    )
    assert refused["delegation"]["answer"] in {"denied", "unknown"}
