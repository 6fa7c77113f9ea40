"""Who may do what: every endpoint with a key of every role, of another organization, of a workspace, and with none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from tests.api.conftest import KEY
from tests.api.talking import Said, Tenant, problem
from tests.bridge.worlds import OPERATOR

from rolebridge.api.endpoints import ENDPOINTS
from rolebridge.app import open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.permissions import OF_ONE_WORKSPACE, PERMISSIONS, KeyRole, Permission
from rolebridge.settings import load
from rolebridge.web.problems import Kind

NOTHING: frozenset[str] = frozenset()
OWNER = frozenset({"owner"})
RECORD = frozenset({"owner", "operator", "auditor"})
EVERYBODY = frozenset({*RECORD, "reader"})
CHANGING = frozenset({"owner", "operator"})
BEN = "/users/ben/assignments/vision"


class Case(NamedTuple):
    """How an endpoint is asked, which roles may, and which of them for one workspace alone."""

    path: str
    roles: frozenset[str]
    limited: frozenset[str]
    body: Any = None


MATRIX = {
    "GET /status": Case("/status", RECORD, NOTHING),
    "GET /connections/{connection}/requests": Case("/connections/okta/requests", RECORD, NOTHING),
    "GET /connections/{connection}/requests/{id}": Case("/connections/okta/requests/none", RECORD, NOTHING),
    "GET /access": Case("/access", EVERYBODY, EVERYBODY),
    "GET /access/past": Case("/access/past?at=NOW", EVERYBODY, EVERYBODY),
    "GET /explanations": Case("/explanations?user=ana", EVERYBODY, EVERYBODY),
    "GET /decisions": Case("/decisions?user=ana&permission=review_labels", EVERYBODY, EVERYBODY),
    "POST /decisions": Case(
        "/decisions", EVERYBODY, EVERYBODY, {"questions": [{"user": "ana", "permission": "review_labels"}]}
    ),
    "GET /delegations": Case(
        "/delegations?actor=ana&act=grant&role=admin&target=ana&workspace=vision", EVERYBODY, EVERYBODY
    ),
    "GET /explanations/why-not": Case(
        "/explanations/why-not?user=ana&role=admin&workspace=vision", EVERYBODY, EVERYBODY
    ),
    "GET /workspaces/{workspace}/enforcement": Case("/workspaces/vision/enforcement", RECORD, NOTHING),
    "PUT /workspaces/{workspace}/mode": Case("/workspaces/vision/mode", CHANGING, NOTHING, {"mode": "enforce"}),
    "GET /users": Case("/users", EVERYBODY, EVERYBODY),
    "GET /users/{user}": Case("/users/ana", EVERYBODY, EVERYBODY),
    "GET /users/{user}/roles": Case("/users/ana/roles", EVERYBODY, EVERYBODY),
    "GET /workspaces": Case("/workspaces", EVERYBODY, EVERYBODY),
    "GET /workspaces/{workspace}": Case("/workspaces/vision", EVERYBODY, EVERYBODY),
    "GET /workspaces/{workspace}/members": Case("/workspaces/vision/members", EVERYBODY, EVERYBODY),
    "GET /workspaces/{workspace}/projects": Case("/workspaces/vision/projects", EVERYBODY, EVERYBODY),
    "GET /workspaces/{workspace}/projects/{project}": Case("/workspaces/vision/projects/retail", EVERYBODY, EVERYBODY),
    "GET /workspaces/{workspace}/projects/{project}/members": Case(
        "/workspaces/vision/projects/retail/members", EVERYBODY, EVERYBODY
    ),
    "PUT /workspaces/{workspace}/projects/{project}": Case("/workspaces/vision/projects/new", CHANGING, CHANGING, {}),
    "PATCH /workspaces/{workspace}/projects/{project}": Case(
        "/workspaces/vision/projects/none", CHANGING, CHANGING, {"name": "x"}
    ),
    "GET /workspaces/{workspace}/review": Case("/workspaces/vision/review", EVERYBODY, EVERYBODY),
    "GET /assignments": Case("/assignments", EVERYBODY, EVERYBODY),
    "GET /users/{user}/assignments/{workspace}": Case(BEN, EVERYBODY, EVERYBODY),
    "PUT /users/{user}/assignments/{workspace}": Case(BEN, CHANGING, CHANGING, {"default_role": "labeler"}),
    "DELETE /users/{user}/assignments/{workspace}": Case(BEN, CHANGING, CHANGING),
    "GET /users/{user}/assignments/{workspace}/{project}": Case(f"{BEN}/retail", EVERYBODY, EVERYBODY),
    "PUT /users/{user}/assignments/{workspace}/{project}": Case(
        f"{BEN}/retail", CHANGING, CHANGING, {"project_role": "labeler"}
    ),
    "DELETE /users/{user}/assignments/{workspace}/{project}": Case(f"{BEN}/retail", CHANGING, CHANGING),
    "POST /plans": Case("/plans", RECORD, NOTHING, {"files": {}}),
    "POST /revisions": Case("/revisions", CHANGING, NOTHING, {"files": {}, "digest": "0" * 64}),
    "GET /revisions": Case("/revisions", RECORD, NOTHING),
    "GET /revisions/{number}": Case("/revisions/1", RECORD, NOTHING),
    "GET /revisions/{number}/files": Case("/revisions/1/files", RECORD, NOTHING),
    "GET /holds": Case("/holds", EVERYBODY, EVERYBODY),
    "GET /holds/{id}": Case("/holds/none", EVERYBODY, EVERYBODY),
    "POST /holds/{id}/release": Case("/holds/none/release", CHANGING, CHANGING, {"reason": "x"}),
    "POST /holds/{id}/discard": Case("/holds/none/discard", CHANGING, CHANGING, {"reason": "x"}),
    "POST /workspaces/{workspace}/holds/release": Case(
        "/workspaces/vision/holds/release", CHANGING, CHANGING, {"reason": "x"}
    ),
    "POST /workspaces/{workspace}/holds/discard": Case(
        "/workspaces/vision/holds/discard", CHANGING, CHANGING, {"reason": "x"}
    ),
    "GET /proposals": Case("/proposals", RECORD, NOTHING),
    "POST /proposals/{id}/approval": Case("/proposals/none/approval", CHANGING, NOTHING),
    "GET /audit": Case("/audit", RECORD, NOTHING),
    "GET /audit/export": Case("/audit/export", RECORD, NOTHING),
    "POST /users/{user}/erasure": Case("/users/nobody/erasure", OWNER, NOTHING, {"reason": "asked for"}),
    "GET /audit/verification": Case("/audit/verification", RECORD, NOTHING),
    "GET /changes": Case("/changes", EVERYBODY, EVERYBODY),
    "GET /applications": Case("/applications", RECORD, NOTHING),
    "POST /applications": Case(
        "/applications",
        OWNER,
        NOTHING,
        {"name": "made", "kind": "public", "redirect_uris": ["https://app.example/cb"]},
    ),
    "GET /applications/{application}": Case("/applications/none", RECORD, NOTHING),
    "PATCH /applications/{application}": Case("/applications/none", OWNER, NOTHING, {"name": "other"}),
    "DELETE /applications/{application}": Case("/applications/none", OWNER, NOTHING),
    "GET /applications/{application}/credentials": Case("/applications/none/credentials", RECORD, NOTHING),
    "POST /applications/{application}/secrets": Case("/applications/none/secrets", OWNER, NOTHING, {"name": "x"}),
    "DELETE /applications/{application}/credentials/{id}": Case("/applications/none/credentials/none", OWNER, NOTHING),
    "GET /connections/{connection}/sso": Case("/connections/none/sso", RECORD, NOTHING),
    "GET /connections/{connection}/login-rules": Case("/connections/none/login-rules", RECORD, NOTHING),
    "PUT /connections/{connection}/login-rules": Case(
        "/connections/none/login-rules", OWNER, NOTHING, {"create": True}
    ),
    "GET /connections/{connection}/logins": Case("/connections/none/logins", RECORD, NOTHING),
    "GET /connections/{connection}/logins/{id}": Case("/connections/none/logins/none", RECORD, NOTHING),
    "GET /sessions": Case("/sessions?user=ana", RECORD, NOTHING),
    "DELETE /sessions": Case("/sessions", CHANGING, NOTHING),
    "DELETE /sessions/{id}": Case("/sessions/none", CHANGING, NOTHING),
    "DELETE /users/{user}/sessions": Case("/users/ana/sessions", CHANGING, NOTHING),
    "GET /applications/{application}/logouts": Case("/applications/none/logouts", RECORD, NOTHING),
    "GET /key": Case("/key", EVERYBODY, EVERYBODY),
    "GET /keys": Case("/keys", OWNER, NOTHING),
    "POST /keys": Case("/keys", OWNER, NOTHING, {"name": "made", "role": "reader"}),
    "DELETE /keys/{id}": Case("/keys/none", OWNER, NOTHING),
}


def ask(tenant: Tenant, name: str, key: str) -> Said:
    case = MATRIX[name]
    path, _, query = case.path.partition("?")
    asked = dict(part.split("=") for part in query.replace("NOW", datetime.now(UTC).isoformat()).split("&") if part)
    return tenant.ask(name.partition(" ")[0], path, case.body, key=key, query=asked)


def test_the_matrix_has_every_endpoint() -> None:
    """An endpoint that is added is asked about here."""
    assert {f"{one.method} {one.path}" for one in ENDPOINTS} == set(MATRIX)


@pytest.mark.parametrize("role", [role.value for role in KeyRole])
@pytest.mark.parametrize("name", MATRIX)
def test_a_role_opens_what_it_should(acme: Tenant, name: str, role: str) -> None:
    """The refusal says which permission is missing; what is permitted is answered, or refused for another reason."""
    said = ask(acme, name, acme.key(role))
    if role in MATRIX[name].roles:
        assert said.status not in {401, 403, 405, 406, 415, 500}, said
        return
    assert said.status == 403, said
    needed = said.body["permission"]
    assert said.body["detail"] == f"the key `{role} None` has the role {role}, and this needs `{needed}`"
    assert Permission(needed) not in PERMISSIONS[KeyRole(role)]


@pytest.mark.parametrize("role", [role.value for role in KeyRole])
@pytest.mark.parametrize("name", MATRIX)
def test_a_key_of_a_workspace_opens_that_alone(acme: Tenant, name: str, role: str) -> None:
    """What belongs to the whole organization is closed to it, whatever its role."""
    said = ask(acme, name, acme.key(role, "vision"))
    if role in MATRIX[name].limited:
        assert said.status not in {401, 403, 405, 406, 415, 500}, said
    else:
        assert said.status == 403, said
        assert f"has the role {role}, for workspace `vision` alone, and this needs `" in said.body["detail"]


@pytest.mark.parametrize("role", [role.value for role in KeyRole])
@pytest.mark.parametrize("name", [name for name in MATRIX if MATRIX[name].limited])
def test_a_key_of_another_workspace_learns_nothing(acme: Tenant, name: str, role: str) -> None:
    """Whatever it asks for, no name of `vision` is in the answer that it has not said itself."""
    if role not in MATRIX[name].limited:
        return
    said = ask(acme, name, acme.key(role, "lab"))
    told = json.dumps(said.body) + json.dumps(said.headers)
    assert said.status in {200, 404}, said
    for word in ("@acme.example", "cityscapes", "Admins", "lbx-", "ben"):
        assert word not in told
    if "{workspace}" in name:
        assert said.body["detail"] == "there is no workspace `vision`"
        assert "hint" not in said.body


def test_a_key_of_a_workspace_sees_no_other_one(acme: Tenant) -> None:
    """Another workspace is not there for it, in the same words as one that does not exist, and without hints."""
    key = acme.key("reader", "lab")
    for path in ("/access", "/users", "/changes"):
        existing = acme.get(path, key, workspace="vision")
        missing = acme.get(path, key, workspace="nowhere")
        assert (existing.status, missing.status) == (404, 404)
        assert existing.body["detail"].replace("vision", "nowhere") == missing.body["detail"]
        assert "hint" not in existing.body
    own = acme.get("/access", key)
    assert (own.status, own.body["detail"]) == (404, "there is no workspace `lab`")


def test_a_key_of_a_workspace_finds_strangers_by_their_whole_name(acme: Tenant) -> None:
    """Who holds nothing in its workspace is not found by a part of a name, nor listed among those that may be meant."""
    for domain in ("one.example", "two.example"):
        acme.user(f"kim@{domain}")
    whole = acme.get("/explanations", acme.key("reader"), user="kim")
    assert whole.status == 400
    assert "kim@one.example" in whole.body["detail"]
    limited = acme.get("/explanations", acme.key("reader", "vision"), user="kim")
    assert (limited.status, limited.body["detail"]) == (404, "there is no user `kim`")
    named = acme.get("/explanations", acme.key("reader", "vision"), user="Kim@one.example")
    assert (named.status, named.body["explanations"][0]["roles"]) == (200, [])
    for path in ("/users/kim@one.example", "/users/kim@one.example/roles"):
        assert acme.get(path, acme.key("reader")).status == 200
        assert acme.get(path, acme.key("reader", "vision")).status == 404


@pytest.mark.parametrize("name", MATRIX)
def test_no_key_reaches_another_organization(acme: Tenant, other: Tenant, name: str) -> None:
    """The same question with the other organization's owner key is about the other organization."""
    acme.write_log()
    said = ask(acme, name, other.key("owner"))
    assert "acme" not in json.dumps(said.body)
    assert said.status in {200, 201, 404, 409} or name.startswith("PUT /workspaces/{workspace}/mode")


@pytest.mark.parametrize("path", ["/access", "/users/ana", "/keys", "", "/nothing", "/openapi.json?x"])
@pytest.mark.parametrize(
    ("authorization", "detail"),
    [
        (None, "there is no Authorization header"),
        ("Bearer rbk_wrong", "the API key is not known"),
        ("Bearer SCIM", "the Authorization header is not `Bearer` and an API key (rbk_…)"),
        ("Basic eDp5", "the Authorization header is not `Bearer` and an API key (rbk_…)"),
        ("Bearer rbk_" + "x" * 600, "the Authorization header is not `Bearer` and an API key (rbk_…)"),
        ("Bearer rbk_\xe4", "the API key is not known"),
    ],
)
def test_without_a_key_that_works_nothing_is_answered(
    acme: Tenant, path: str, authorization: str | None, detail: str
) -> None:
    """401 with a challenge, whether the path exists or not; a SCIM token is no key."""
    if path.startswith("/openapi"):
        path = "/openapi.jsonx"
    text = authorization and authorization.replace("SCIM", acme.token)
    answer = acme.client.get(f"/api/v1{path}", headers={"Authorization": text} if text else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert json.loads(answer.data)["detail"] == detail


def test_a_key_that_ended_does_not_open(acme: Tenant) -> None:
    """Neither a revoked one nor an expired one, and the refusal says which it was."""
    administration = acme.installation.administration
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    _, expiring = administration.add_key(OPERATOR, acme.organization, "short", KeyRole.READER, expires_at=soon)
    key, revoked = administration.add_key(OPERATOR, acme.organization, "revoked", KeyRole.READER)
    assert acme.get("/access", revoked.text).status == 200
    administration.revoke_key(OPERATOR, acme.organization, key.credential.id)
    assert acme.get("/access", revoked.text).body["detail"] == "the API key was revoked"
    while datetime.now(UTC) < soon:
        pass
    assert acme.get("/access", expiring.text).body["detail"] == "the API key has expired"


def test_a_key_has_a_rate(url: str) -> None:
    """Past it 429 with the seconds to wait, for this key alone; whoever has no key that works is not counted."""
    said = {"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY, "ROLEBRIDGE_RATE_LIMIT": "1/3"}
    installation = open_installation(load(said))
    tenant = Tenant.found(installation, create_app(installation), "rated", mapping=False)
    statuses = [tenant.get("/key").status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = tenant.get("/access")
    assert problem(refused, Kind.TOO_MANY)["detail"] == "the key sends more than 1 requests a second"
    assert refused.headers["Retry-After"] == "1"
    assert tenant.get("/key", tenant.key("reader")).status == 200
    assert tenant.get("/key", "rbk_none").status == 401
    installation.close()


def test_an_api_key_opens_no_scim_door(acme: Tenant) -> None:
    """The two kinds of secrets are apart."""
    assert acme.scim("GET", "/Users", token=acme.key("owner")).status == 401


def test_the_use_of_a_key_is_noted(acme: Tenant) -> None:
    """`rolebridge key list` says when a key was last used."""
    acme.get("/access", acme.key("auditor"))
    acme.installation.authenticator.uses.flush()
    keys = acme.installation.administration.keys(acme.organization)
    assert next(key for key in keys if key.credential.name == "auditor None").credential.last_used_at


def test_every_role_has_its_permissions() -> None:
    """No role is forgotten; each may do what the one below it may; what can be for one workspace is a part of all."""
    assert set(PERMISSIONS) == set(KeyRole)
    reader, auditor, operator, owner = (PERMISSIONS[role] for role in reversed(KeyRole))
    assert reader < auditor < operator < owner == set(Permission)
    assert owner > OF_ONE_WORKSPACE > reader
