"""Who may do what: every endpoint with a key of every role, of another organization, of a workspace, and with none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.api.talking import Tenant
from tests.bridge.worlds import OPERATOR

from rolebridge.api.openapi import openapi
from rolebridge.bridge.permissions import OF_ONE_WORKSPACE, PERMISSIONS, KeyRole, Permission

RECORD = {"owner", "operator", "auditor"}
EVERYBODY = {*RECORD, "reader"}
MATRIX = {
    "/status": RECORD,
    "/connections/okta/requests": RECORD,
    "/connections/okta/requests/none": RECORD,
    "/access": EVERYBODY,
    "/explanations": EVERYBODY,
}
QUERIES = {"/explanations": {"user": "ana"}}


def test_the_matrix_has_every_endpoint() -> None:
    """An endpoint that is added is asked about here."""
    described = {path.replace("{name}", "okta").replace("{id}", "none") for path in openapi("")["paths"]}
    assert described == set(MATRIX)


@pytest.mark.parametrize("role", [role.value for role in KeyRole])
@pytest.mark.parametrize("path", MATRIX)
def test_a_role_opens_what_it_should(acme: Tenant, path: str, role: str) -> None:
    """Owner, operator and auditor read everything, a reader access alone; the refusal says what is missing."""
    said = acme.get(path, acme.key(role), **QUERIES.get(path, {}))
    if role in MATRIX[path]:
        assert said.status == (404 if path.endswith("none") else 200), said
        return
    assert said.status == 403
    assert said.body["detail"] == f"the key `{role} None` is a {role}'s, and this needs `read-record`"
    assert said.body["permission"] == "read-record"


@pytest.mark.parametrize("role", [role.value for role in KeyRole])
@pytest.mark.parametrize("path", MATRIX)
def test_a_key_of_a_workspace_opens_access_alone(acme: Tenant, path: str, role: str) -> None:
    """What belongs to the whole organization is closed to it, whatever its role."""
    said = acme.get(path, acme.key(role, "vision"), **QUERIES.get(path, {}))
    if path in {"/access", "/explanations"}:
        assert said.status == 200
    else:
        assert said.status == 403
        assert ", for workspace `vision` alone, and this needs `read-record`" in said.body["detail"]


def test_a_key_of_a_workspace_sees_no_other_one(acme: Tenant) -> None:
    """Another workspace is not there for it, in the same words as one that does not exist, and without hints."""
    key = acme.key("reader", "lab")
    for path in ("/access", "/explanations"):
        query = QUERIES.get(path, {})
        existing = acme.get(path, key, workspace="vision", **query)
        missing = acme.get(path, key, workspace="nowhere", **query)
        assert (existing.status, missing.status) == (404, 404)
        assert existing.body["detail"].replace("vision", "nowhere") == missing.body["detail"]
        assert "hint" not in existing.body
        own = acme.get(path, key, **query)
        assert (own.status, own.body["detail"]) == (404, "there is no workspace `lab`")


def test_a_key_of_a_workspace_is_told_no_names(acme: Tenant) -> None:
    """Where a name may be several people's, their userNames are not listed to it."""
    for domain in ("one.example", "two.example"):
        acme.user(f"kim@{domain}")
    whole = acme.get("/explanations", acme.key("reader"), user="kim")
    limited = acme.get("/explanations", acme.key("reader", "vision"), user="kim")
    assert (whole.status, limited.status) == (400, 400)
    assert "kim@one.example" in whole.body["detail"]
    assert "kim@" not in json.dumps(limited.body)


@pytest.mark.parametrize("path", MATRIX)
def test_no_key_reaches_another_organization(acme: Tenant, other: Tenant, path: str) -> None:
    """The same question with the other organization's owner key is about the other organization."""
    acme.write_log()
    said = acme.get(path, other.key("owner"), **QUERIES.get(path, {}))
    assert "acme" not in json.dumps(said.body)
    assert said.status in {200, 404}


@pytest.mark.parametrize("path", [*MATRIX, "", "/nothing", "/openapi.json?x"])
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
    """No role is forgotten; the owner may do everything; only access can be for one workspace."""
    assert set(PERMISSIONS) == set(KeyRole)
    assert PERMISSIONS[KeyRole.OWNER] == set(Permission)
    assert {Permission.READ_ACCESS} == OF_ONE_WORKSPACE
