"""What the API changes: roles by hand where no lock holds, projects, and mapping files that were planned before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.api.conftest import KEY
from tests.api.talking import GROUP, Tenant, a_moment_that_passed, holds, problem
from tests.bridge.worlds import MAPPING

from rolebridge.app import Installation, open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.settings import load
from rolebridge.web.problems import Kind

FILE = "mappings/vision.yaml"
FEWER = MAPPING.replace("groups: [Admins]", "groups: [Nobody]")
COUNTER = iter(range(1_000))


@pytest.fixture
def fresh(installation: Installation) -> Tenant:
    """An organization of this test's own, with Ana as reviewer of `cityscapes` and Ben as admin."""
    tenant = Tenant.found(installation, create_app(installation), f"own-{next(COUNTER)}")
    tenant.group("lbx-cityscapes-reviewers", tenant.user("ana@own.example"))
    tenant.group("Admins", tenant.user("ben@own.example"))
    return tenant


# --- by hand ---------------------------------------------------------------------------------------------------


def test_a_lock_refuses_with_the_ways_out(fresh: Tenant) -> None:
    """409: the lock's kind, its rule and group, what each way out would make of the person, and where more is told."""
    place = "/users/ana/assignments/vision/cityscapes"
    said = fresh.ask("PUT", place, {"project_role": "labeler"})
    body = problem(said, Kind.LOCKED)
    assert body["title"] == "Locked by a group"
    assert (body["lock"]["kind"], body["lock"]["slot"], body["lock"]["role"]) == ("group", "project_role", "reviewer")
    (by,) = body["lock"]["by"]
    assert (by["rule"], by["place"], by["revision"]) == ("teams", f"{FILE}:11:5", 1)
    assert by["group"]["display"] == "lbx-cityscapes-reviewers"
    assert body["release"][0]["do"] == "leave_group"
    assert fresh.ask("GET", place).body == {"assignments": []}
    path, _, query = body["explain"].partition("?")
    asked = dict(part.split("=") for part in query.split("&"))
    assert fresh.get(path.removeprefix("/api/v1"), **asked).body["explanations"][0]["locks"]


def test_a_role_is_given_and_taken_by_hand(fresh: Tenant) -> None:
    """PUT, GET, and DELETE of the same place; giving the same again changes nothing."""
    place = "/users/ana/assignments/vision/retail"
    query = {"reason": "trial", "until": "2099-12-31"}
    made = fresh.ask("PUT", place, {"project_role": "labeler"}, query=query)
    assert (made.status, holds(made, "Assigned")["new"]) == (201, True)
    assert made.body["assignment"]["state"] == "in force"
    assert (made.body["assignment"]["reason"], made.body["assignment"]["until"]) == ("trial", "2099-12-31")
    again = fresh.ask("PUT", place, {"project_role": "labeler"}, query=query)
    assert (again.status, again.body["new"]) == (200, False)
    (there,) = holds(fresh.get(place), "AssignmentsThere")["assignments"]
    assert there["by"].startswith("key:owner None (")
    assert holds(fresh.get("/assignments", user="ana"), "Assignments")["assignments"] == [there]
    assert fresh.get("/users/ana/roles", project="retail", role="labeler").body["roles"]
    ended = fresh.ask("DELETE", place, query={"reason": "over"})
    assert [one["id"] for one in holds(ended, "Unassigned")["ended"]] == [there["id"]]
    assert fresh.get(place).body == {"assignments": []}
    (was,) = fresh.get("/assignments", ended="true").body["assignments"]
    assert (was["ended_reason"], was["state"]) == ("over", "ended")


def test_roles_of_the_workspace_are_given_there(fresh: Tenant) -> None:
    """A place without a project is the workspace itself."""
    said = fresh.ask("PUT", "/users/ana/assignments/vision", {"workspace_role": "data_admin"})
    assert (said.status, said.body["assignment"]["project"]) == (201, None)
    assert len(fresh.get("/users/ana/assignments/vision").body["assignments"]) == 1
    assert fresh.get("/users/ana/assignments/vision/retail").body == {"assignments": []}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "the body is empty"),
        ({"project_role": "labeler", "workspace_role": "admin"}, "the body has 2 members, the limit is 1"),
        ({"project_role": None}, "the member `project_role` is not a string"),
        ({"project_role": "king"}, "no role `king`"),
        ({"color": "red"}, "color"),
    ],
)
def test_what_is_no_role_cannot_be_given(fresh: Tenant, body: dict[str, Any], detail: str) -> None:
    """400 or 404, in the words of what is missing."""
    said = fresh.ask("PUT", "/users/ana/assignments/vision/retail", body)
    assert said.status in {400, 404}, said
    assert detail in said.body["detail"]
    assert fresh.get("/assignments").body["assignments"] == []


def test_a_write_after_somebody_else_s_is_refused(fresh: Tenant) -> None:
    """`If-Match` with the tag of what was read, `If-None-Match` for a place where nothing is."""
    place = "/users/ana/assignments/vision/retail"
    tag = fresh.get(place).headers["ETag"]
    assert fresh.ask("PUT", place, {"project_role": "labeler"}, headers={"If-Match": tag}).status == 201
    late = fresh.ask("PUT", place, {"project_role": "reviewer"}, headers={"If-Match": tag})
    problem(late, Kind.PRECONDITION_FAILED)
    new = late.headers["ETag"]
    assert fresh.ask("PUT", place, {"project_role": "reviewer"}, headers={"If-Match": new}).status == 201
    (there,) = fresh.get(place).body["assignments"]
    assert there["role"] == "reviewer"


def test_a_key_of_a_workspace_gives_roles_there(fresh: Tenant) -> None:
    """To people of it and, by their whole userName, to others; in no other workspace."""
    key = fresh.key("operator", "vision")
    fresh.user("zoe@own.example")
    part = fresh.ask("PUT", "/users/zoe/assignments/vision/retail", {"project_role": "labeler"}, key=key)
    assert (part.status, part.body["detail"]) == (404, "there is no user `zoe`")
    whole = fresh.ask("PUT", "/users/zoe@own.example/assignments/vision/retail", {"project_role": "labeler"}, key=key)
    assert whole.status == 201
    other = fresh.ask("PUT", "/users/zoe@own.example/assignments/lab/retail", {"project_role": "labeler"}, key=key)
    assert (other.status, other.body["detail"]) == (404, "there is no workspace `lab`")
    assert [one["user"]["user_name"] for one in fresh.get("/assignments", key).body["assignments"]] == [
        "zoe@own.example"
    ]


# --- projects --------------------------------------------------------------------------------------------------


def test_a_project_is_registered_and_rules_reach_it(fresh: Tenant) -> None:
    """New ones appear weekly: a group named for one is heard from then on."""
    fresh.group("lbx-night-drive-labelers", fresh.user("zoe@own.example"))
    place = "/workspaces/vision/projects/night-drive"
    made = fresh.ask("PUT", place, {"name": "Night drive", "tags": ["street"], "reason": "CV-7"})
    assert (made.status, holds(made, "ProjectChanged")["people"]) == (201, 1)
    assert fresh.get("/users/zoe/roles", project="night-drive", role="labeler").body["roles"]
    assert fresh.ask("PUT", place, {"name": "Night drive", "tags": ["street"]}).status == 200
    problem(fresh.ask("PUT", place, {"name": "Other"}), Kind.TAKEN)
    renamed = fresh.ask("PATCH", place, {"name": "Night", "tags": []})
    assert (renamed.status, renamed.body["name"]) == (200, "Night")
    archived = fresh.ask("PATCH", place, {"archived": True, "reason": "done", "force": True})
    assert archived.status == 200, archived
    assert holds(fresh.get(place), "Project")["archived_at"]
    listed = [one["project"] for one in fresh.get("/workspaces/vision/projects").body["projects"]]
    assert listed == ["cityscapes", "retail"]
    assert len(fresh.get("/workspaces/vision/projects", archived="true").body["projects"]) == 3
    problem(fresh.ask("PATCH", "/workspaces/vision/projects/retail", {"name": "x"}), Kind.INVALID)
    problem(fresh.ask("PATCH", "/workspaces/vision/projects/none", {"name": "x"}), Kind.NOT_FOUND)


# --- plans and revisions ---------------------------------------------------------------------------------------


def test_files_are_planned_then_applied_under_the_digest(fresh: Tenant) -> None:
    """What was reviewed is what is put in force, once; going back is planned and applied alike."""
    planned = holds(fresh.ask("POST", "/plans", {"files": {FILE: FEWER}}), "Planned")
    plan = planned["plan"]
    assert (plan["base_revision"], plan["new"], planned["errors"]) == (1, True, 0)
    assert {one["user"]["user_name"] for one in plan["changes"]} == {"ben@own.example"}
    body = {"files": {FILE: FEWER}, "digest": plan["digest"], "reason": "CHG-1"}
    headers = {"Idempotency-Key": "apply-1"}
    applied = fresh.ask("POST", "/revisions", body, headers=headers)
    assert applied.status == 201, applied
    assert holds(applied, "Applied")["applied"]["revision"] == 2
    again = fresh.ask("POST", "/revisions", body, headers=headers)
    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (201, applied.body, "true")
    revisions = holds(fresh.get("/revisions", limit="1"), "Revisions")
    (newest,) = revisions["revisions"]
    assert (newest["revision"], newest["in_force"], newest["reason"]) == (2, True, "CHG-1")
    assert newest["actor"].startswith("key:owner None (")
    (first,) = fresh.get("/revisions", cursor=revisions["next_cursor"]).body["revisions"]
    assert (first["revision"], first["in_force"]) == (1, False)
    assert holds(fresh.get("/revisions/2"), "Revision") == newest
    (file,) = holds(fresh.get("/revisions/2/files"), "RevisionFiles")["files"]
    assert file == {"name": FILE, "content": FEWER}
    back = fresh.ask("POST", "/plans", {"rollback_to": 1, "changes": 0}).body["plan"]
    done = fresh.ask("POST", "/revisions", {"rollback_to": 1, "digest": back["digest"]})
    assert (done.status, done.body["applied"]["revision"], done.body["applied"]["restores"]) == (201, 3, 1)
    assert fresh.get("/users/ben/roles", role="admin").body["roles"]


def test_another_plan_than_the_reviewed_one_is_refused(fresh: Tenant) -> None:
    """409 with what moved and the digest of the present plan."""
    said = problem(fresh.ask("POST", "/revisions", {"files": {FILE: FEWER}, "digest": "0" * 64}), Kind.PLAN_MOVED)
    assert (said["base_revision"], len(said["digest"])) == (1, 64)
    assert said["moved"]


def test_files_with_errors_are_refused(fresh: Tenant) -> None:
    """422 with every diagnostic, for a plan and for an apply."""
    files = {FILE: MAPPING.replace("reviewer, labeler]", "reviewr, labeler]")}
    for path, more in (("/plans", {}), ("/revisions", {"digest": "0" * 64})):
        said = problem(fresh.ask("POST", path, {"files": files, **more}), Kind.MAPPING_ERRORS)
        assert said["errors"] >= 1
        assert any("did you mean `reviewer`?" in one["help"] for one in said["diagnostics"])


def test_either_files_or_a_revision(fresh: Tenant) -> None:
    """Both, or neither, is refused."""
    for body in ({}, {"files": {}, "rollback_to": 1}):
        said = problem(fresh.ask("POST", "/plans", body), Kind.INVALID)
        assert said["detail"] == "give either `files` or `rollback_to`"
    problem(fresh.ask("POST", "/plans", {"rollback_to": 99}), Kind.NOT_FOUND)
    problem(fresh.get("/revisions/x"), Kind.NOT_FOUND)
    problem(fresh.get("/revisions/99"), Kind.NOT_FOUND)


def test_guard_rails_are_passed_by_owners_with_a_reason(fresh: Tenant) -> None:
    """409 with the limit; an operator may not force, an owner says why."""
    guarded = MAPPING + "guard: {keep: {workspace_role: {admin: 1}}}\n"
    digest = fresh.ask("POST", "/plans", {"files": {FILE: guarded}}).body["plan"]["digest"]
    assert fresh.ask("POST", "/revisions", {"files": {FILE: guarded}, "digest": digest}).status == 201
    files = {FILE: guarded.replace("groups: [Admins]", "groups: [Nobody]")}
    plan = fresh.ask("POST", "/plans", {"files": files}).body["plan"]
    body = {"files": files, "digest": plan["digest"]}
    said = problem(fresh.ask("POST", "/revisions", body), Kind.GUARDED)
    assert [trip["workspace"] for trip in said["trips"]] == ["vision"]
    forced = {**body, "force": True, "reason": "Ben has left"}
    refused = fresh.ask("POST", "/revisions", forced, key=fresh.key("operator"))
    assert (refused.status, refused.body["permission"]) == (403, "force")
    problem(fresh.ask("POST", "/revisions", {**body, "force": True}), Kind.INVALID)
    assert fresh.ask("POST", "/revisions", forced).status == 201


# --- holds and the second person -------------------------------------------------------------------------------


def emptied(tenant: Tenant) -> list[str]:
    """Let the identity provider empty a group by mistake; return the ids of what is held."""
    guarded = MAPPING + "guard: {hold_revocations: {over: 25%, and_at_least: 2}}\n"
    digest = tenant.ask("POST", "/plans", {"files": {FILE: guarded}}).body["plan"]["digest"]
    assert tenant.ask("POST", "/revisions", {"files": {FILE: guarded}, "digest": digest}).status == 201
    people = [tenant.user(f"held{number}@own.example") for number in range(6)]
    group = {"schemas": [GROUP], "displayName": "lbx-retail-labelers", "members": [{"value": id_} for id_ in people]}
    id_ = tenant.scim("POST", "/Groups", group).body["id"]
    assert tenant.scim("PUT", f"/Groups/{id_}", {**group, "members": []}).status == 200
    return [one["id"] for one in tenant.get("/holds", limit="200").body["holds"]]


def test_a_mass_mistake_is_held_and_decided(fresh: Tenant) -> None:
    """Listed in pages, one by one or all of a workspace: released they take effect, discarded they are kept by hand."""
    ids = emptied(fresh)
    assert len(ids) >= 3
    first = holds(fresh.get("/holds", limit="1"), "Holds")
    second = holds(fresh.get("/holds", limit="200", cursor=first["next_cursor"]), "Holds")
    assert [one["id"] for one in (*first["holds"], *second["holds"])] == ids
    one = holds(fresh.get(f"/holds/{ids[0]}"), "Hold")
    person = one["user"]["user_name"]
    assert (one["workspace"], one["kind"]) == ("vision", "revocation")
    assert fresh.get(f"/users/{person}/roles", project="retail", role="labeler").body["roles"][0]["held_since"]
    problem(fresh.ask("POST", f"/holds/{ids[0]}/release", {}), Kind.INVALID)
    done = fresh.ask("POST", f"/holds/{ids[0]}/release", {"reason": "she left the team"})
    assert [each["id"] for each in holds(done, "Settled")["holds"]] == [ids[0]]
    assert fresh.get(f"/users/{person}/roles", project="retail", role="labeler").body["roles"] == []
    problem(fresh.ask("POST", f"/holds/{ids[0]}/release", {"reason": "again"}), Kind.NOT_FOUND)
    rest = fresh.ask("POST", "/workspaces/vision/holds/discard", {"reason": "a mistake", "until": "2099-01-01"})
    assert len(holds(rest, "Settled")["holds"]) == len(ids) - 1
    assert fresh.get("/holds").body["holds"] == []
    kept = fresh.get("/assignments", workspace="vision", limit="200").body["assignments"]
    assert {each["reason"] for each in kept} == {"a mistake"}


def test_a_key_of_another_workspace_decides_nothing(fresh: Tenant) -> None:
    """A hold of `vision` is not there for it."""
    (id_, *_) = emptied(fresh)
    key = fresh.key("operator", "lab")
    assert fresh.get("/holds", key).body["holds"] == []
    problem(fresh.get(f"/holds/{id_}", key), Kind.NOT_FOUND)
    problem(fresh.ask("POST", f"/holds/{id_}/release", {"reason": "x"}, key=key), Kind.NOT_FOUND)
    mine = fresh.ask("POST", f"/holds/{id_}/release", {"reason": "x"}, key=fresh.key("operator", "vision"))
    assert mine.status == 200


def test_what_takes_two_people_is_proposed_first(url: str) -> None:
    """202 with a proposal; whoever made it cannot approve it; approved by another key, it is done when asked again."""
    settings = load({"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY, "ROLEBRIDGE_FOUR_EYES": "yes"})
    installation = open_installation(settings)
    tenant = Tenant.found(installation, create_app(installation), f"four-eyes-{next(COUNTER)}")
    (id_, *_) = emptied(tenant)
    place, body = f"/holds/{id_}/release", {"reason": "she left the team"}
    operator = tenant.key("operator")
    asked = tenant.ask("POST", place, body, key=operator)
    assert asked.status == 202, asked
    proposal = asked.body["proposal"]
    assert holds(tenant.get("/proposals"), "Proposals")["proposals"] == [proposal]
    approval = f"/proposals/{proposal['id']}/approval"
    problem(tenant.ask("POST", approval, key=operator), Kind.REFUSED)
    problem(tenant.ask("POST", "/proposals/none/approval"), Kind.NOT_FOUND)
    assert holds(tenant.ask("POST", approval), "Proposal")["approved_by"].startswith("key:owner None (")
    assert tenant.ask("POST", place, body, key=operator).status == 200
    installation.close()


# --- the audit -------------------------------------------------------------------------------------------------


def test_the_audit_tells_who_did_what(fresh: Tenant) -> None:
    """By kind, request, actor and subject, newest first, in pages; and its chain is whole."""
    made = fresh.ask("PUT", "/users/ana/assignments/vision/retail", {"project_role": "labeler"}, query={"reason": "x"})
    request_id = made.headers["X-Request-Id"]
    rows = holds(fresh.get("/audit", request_id=request_id), "Audit")["audit"]
    assert {row["kind"] for row in rows} == {"assignment.made", "grants.changed"}
    (row,) = fresh.get("/audit", request_id=request_id, kind="assignment.").body["audit"]
    assert (row["actor"], row["reason"]) == (made.body["assignment"]["by"], "x")
    seen: list[int] = []
    query = {"limit": "3"}
    while True:
        page = holds(fresh.get("/audit", **query), "Audit")
        seen += [one["number"] for one in page["audit"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) > 6
    problem(fresh.get("/audit", cursor="WyJ4Il0"), Kind.INVALID)
    fresh.installation.auditing.seal(fresh.organization.id)
    verified = holds(fresh.get("/audit/verification"), "Verified")
    assert (verified["whole"], verified["rows"] >= len(seen)) == (True, True)


# --- observed workspaces, the past, why not --------------------------------------------------------------------


def test_a_workspace_is_observed_then_enforced_as_planned(installation: Installation) -> None:
    """The mode is read, what enforcing would do is planned, and it is done under that digest."""
    tenant = Tenant.found(installation, create_app(installation), f"own-{next(COUNTER)}", mapping=False)
    mode = "/workspaces/vision/mode"
    observed = tenant.ask("PUT", mode, {"mode": "observe", "reason": "in use"})
    assert holds(observed, "ModeChanged")["new"] is True
    digest = tenant.ask("POST", "/plans", {"files": {FILE: MAPPING}}).body["plan"]["digest"]
    assert tenant.ask("POST", "/revisions", {"files": {FILE: MAPPING}, "digest": digest}).status == 201
    tenant.group("lbx-retail-labelers", tenant.user("ana@own.example"))
    assert tenant.get("/users/ana/roles").body["roles"] == []
    state = holds(tenant.get("/workspaces/vision"), "Workspace")
    assert (state["mode"], state["reason"]) == ("observe", "in use")
    plan = holds(tenant.get("/workspaces/vision/enforcement"), "Enforcement")["plan"]
    said = problem(tenant.ask("PUT", mode, {"mode": "enforce"}), Kind.INVALID)
    assert said["field"] == "digest"
    problem(tenant.ask("PUT", mode, {"mode": "enforce", "digest": "0" * 64}), Kind.PLAN_MOVED)
    done = tenant.ask("PUT", mode, {"mode": "enforce", "digest": plan["digest"]})
    assert holds(done, "ModeChanged")["new"] is True
    assert tenant.get("/users/ana/roles", role="labeler", project="retail").body["roles"]


def test_the_past_and_what_would_have_to_change(fresh: Tenant) -> None:
    """An explanation as of a moment says when; why not says ways to a role."""
    problem(fresh.get("/explanations", user="ana", at="2001-01-01T00:00:00Z"), Kind.INVALID)
    now = datetime.now(UTC).isoformat()
    (past,) = holds(fresh.get("/explanations", user="ana", at=now), "Explanations")["explanations"]
    assert past["at"].startswith(now[:16])
    assert past["differs"] == []
    found = holds(fresh.get("/explanations/why-not", user="ana", role="admin"), "WhyNotAnswer")["why_not"]
    assert (found["held"], found["slot"]) == (False, "workspace_role")
    assert found["ways"]


def test_who_held_what_at_a_moment_that_has_passed(fresh: Tenant) -> None:
    """Page by page and whole, those included who were deleted since; a key of one workspace sees that one."""
    cara = fresh.user("cara@own.example")
    fresh.group("lbx-retail-labelers", cara)
    then = a_moment_that_passed().isoformat()
    assert fresh.scim("DELETE", f"/Users/{cara}").status == 204
    whole = holds(fresh.get("/access/past", at=then), "AccessThen")
    held = {(row["user"]["user_name"], row["user"]["deleted"], row["role"]) for row in whole["access"]}
    assert {("ana@own.example", False, "reviewer"), ("cara@own.example", True, "labeler")} <= held
    paged: list[object] = []
    cursor: dict[str, str] | None = {}
    while cursor is not None:
        page = holds(fresh.get("/access/past", at=then, limit="1", **cursor), "AccessThen")
        paged += page["access"]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert paged == whole["access"]
    mine = holds(fresh.get("/access/past", at=then, user="cara@own.example"), "AccessThen")["access"]
    assert {row["user"]["id"] for row in mine} == {cara}
    limited = fresh.ask("GET", "/access/past", key=fresh.key("reader", "vision"), query={"at": then, "user": cara})
    assert limited.body["access"] == mine
    assert "missing" in problem(fresh.get("/access/past"), Kind.INVALID)["detail"]
    problem(fresh.get("/access/past", at="2001-01-01T00:00:00Z"), Kind.INVALID)
    review = holds(fresh.get("/workspaces/vision/review", at=then), "Review")["review"]
    assert ("cara@own.example", "labeler") in {(row["user_name"], row["role"]) for row in review}
