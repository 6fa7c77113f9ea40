"""Applications over the API: registered, settled, given secrets, revoked; and nobody else's."""

from __future__ import annotations

import pytest
from tests.api.talking import Tenant, holds, problem
from tests.api.test_people import all_pages

from rolebridge.web.problems import Kind

CALLBACK = "https://app.example/callback"
WANTED = {"name": "labels", "kind": "confidential", "redirect_uris": [CALLBACK]}


def test_an_application_from_beginning_to_end(acme: Tenant) -> None:
    """What is registered is listed, changed as far as it is named, given secrets that are told once, and revoked."""
    made = holds(acme.ask("POST", "/applications", {**WANTED, "roles": {"claim": "urn:roles"}}), "Application")
    id_ = made["client_id"]
    assert made["roles"] == {"claim": "urn:roles", "form": "objects", "workspaces": []}
    assert id_ in {
        one["client_id"] for one in all_pages(acme, "/applications", "applications", "Applications", limit="1")
    }
    body = {"access_minutes": 5, "roles": {"workspaces": ["vision"]}, "name": "labels 2"}
    changed = holds(acme.ask("PATCH", f"/applications/{id_}", body), "Application")
    assert changed["roles"] == {"claim": "urn:roles", "form": "objects", "workspaces": ["vision"]}
    assert (changed["name"], changed["access_minutes"], changed["redirect_uris"]) == ("labels 2", 5, [CALLBACK])
    secret = holds(acme.ask("POST", f"/applications/{id_}/secrets", {"name": "first"}), "NewAppSecret")
    listed = holds(acme.get(f"/applications/{id_}/credentials"), "AppCredentials")
    assert [one["hint"] for one in listed["credentials"]] == [secret["client_secret"][-4:]]
    assert secret["client_secret"] not in str(listed)
    assert acme.ask("DELETE", f"/applications/{id_}/credentials/{secret['id']}").status == 204
    assert acme.ask("DELETE", f"/applications/{id_}").status == 204
    assert holds(acme.get(f"/applications/{id_}"), "Application")["revoked_at"]
    problem(acme.ask("PATCH", f"/applications/{id_}", {"name": "x"}), Kind.INVALID)
    with acme.installation.store.read() as unit:
        kinds = [one.kind for one in unit.record(acme.organization.id).audit_entries(subject_id=id_)]
    assert kinds == ["application.revoked", "application.changed", "application.added"]


@pytest.mark.parametrize(
    "body",
    [
        {**WANTED, "redirect_uris": ["http://app.example/"]},
        {**WANTED, "redirect_uris": []},
        {**WANTED, "kind": "native"},
        {**WANTED, "scopes": ["email"]},
        {**WANTED, "access_minutes": 61},
        {**WANTED, "groups": {"claim": "sub"}},
        {**WANTED, "surprise": 1},
        {"name": "labels", "kind": "public"},
    ],
)
def test_what_cannot_be_is_a_problem(acme: Tenant, body: dict[str, object]) -> None:
    """The same settings are refused as at the command line, and nothing is registered."""
    before = len(all_pages(acme, "/applications", "applications", "Applications", limit="100"))
    problem(acme.ask("POST", "/applications", body), Kind.INVALID)
    assert len(all_pages(acme, "/applications", "applications", "Applications", limit="100")) == before


def test_a_public_application_gets_no_secret(acme: Tenant) -> None:
    """It could not keep one."""
    made = holds(acme.ask("POST", "/applications", {**WANTED, "kind": "public"}), "Application")
    problem(acme.ask("POST", f"/applications/{made['client_id']}/secrets", {"name": "x"}), Kind.INVALID)


def test_another_organizations_application_is_not_there(both: tuple[Tenant, Tenant]) -> None:
    """With a key of the neighbour it is neither seen, nor changed, nor revoked."""
    acme, other = both
    id_ = holds(acme.ask("POST", "/applications", WANTED), "Application")["client_id"]
    for said in (
        other.get(f"/applications/{id_}"),
        other.ask("PATCH", f"/applications/{id_}", {"name": "x"}),
        other.ask("DELETE", f"/applications/{id_}"),
        other.ask("POST", f"/applications/{id_}/secrets", {"name": "x"}),
        other.get(f"/applications/{id_}/credentials"),
    ):
        problem(said, Kind.NOT_FOUND)
    assert holds(acme.get(f"/applications/{id_}"), "Application")["revoked_at"] is None
