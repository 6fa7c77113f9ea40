"""Who is signed in, by the API: listed, ended one by one, of a person, of everybody; never another organization's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.api.talking import Tenant, holds, problem

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.sessions import NewSession
from rolebridge.core.login import AssertedIdentity, Protocol
from rolebridge.web.problems import Kind

SignIn = Callable[[Tenant, str], str]


@pytest.fixture
def sign_in() -> SignIn:
    """Begin a session of somebody; return its id."""

    def begin(tenant: Tenant, name: str) -> str:
        installation = tenant.installation
        organization = tenant.organization
        connection = installation.administration.connection(organization, "okta")
        installation.sso.configure(Operator("os:mia", "r"), connection, Protocol.OIDC, {})
        user_id = installation.access.user_id(organization.id, name)
        identity = AssertedIdentity(Protocol.OIDC, "https://idp.example", name, {})
        new = NewSession(organization.id, user_id, connection.id, identity, "Firefox on Linux", "192.0.2.7")
        return installation.store.transact(lambda unit: installation.sessions.begin(unit, new)).session.id

    return begin


@pytest.fixture(autouse=True)
def nobody(acme: Tenant, other: Tenant) -> None:
    """Nobody is signed in when a test begins."""
    for tenant in (acme, other):
        tenant.ask("DELETE", "/sessions")


def listed(tenant: Tenant, **query: str) -> list[str]:
    return [one["id"] for one in holds(tenant.get("/sessions", **query), "Sessions")["sessions"]]


def test_sessions_are_listed_in_pages(acme: Tenant, sign_in: SignIn) -> None:
    """With whose they are; the cursor leads through all, each once."""
    ids = sorted(sign_in(acme, name) for name in ("ana", "ben", "ana", "ana"))
    first = holds(acme.get("/sessions", limit="3"), "Sessions")
    rest = holds(acme.get("/sessions", limit="3", cursor=first["next_cursor"]), "Sessions")
    assert [one["id"] for one in first["sessions"] + rest["sessions"]] == ids
    assert rest["next_cursor"] is None
    (bens,) = holds(acme.get("/sessions", user="ben"), "Sessions")["sessions"]
    assert (bens["user_name"], bens["connection"], bens["agent"]) == ("ben@acme.example", "okta", "Firefox on Linux")


def test_a_session_is_ended_once(acme: Tenant, sign_in: SignIn) -> None:
    """204, and then there is none."""
    one, another = sign_in(acme, "ana"), sign_in(acme, "ana")
    assert acme.ask("DELETE", f"/sessions/{one}").status == 204
    problem(acme.ask("DELETE", f"/sessions/{one}"), Kind.NOT_FOUND)
    assert listed(acme) == [another]


def test_a_person_is_signed_out_everywhere(acme: Tenant, sign_in: SignIn) -> None:
    """And nobody else; the answer says how many sessions there were."""
    sign_in(acme, "ana")
    sign_in(acme, "ana")
    bens = sign_in(acme, "ben")
    assert holds(acme.ask("DELETE", "/users/ana/sessions"), "SessionsEnded") == {"ended": 2}
    assert holds(acme.ask("DELETE", "/users/ana/sessions"), "SessionsEnded") == {"ended": 0}
    assert listed(acme) == [bens]
    problem(acme.ask("DELETE", "/users/nobody/sessions"), Kind.NOT_FOUND)


def test_everybody_of_one_organization_is_signed_out(acme: Tenant, other: Tenant, sign_in: SignIn) -> None:
    """Those of another one go on, and are neither seen nor ended from here."""
    sign_in(acme, "ana")
    theirs = sign_in(other, "olga")
    problem(acme.ask("DELETE", f"/sessions/{theirs}"), Kind.NOT_FOUND)
    assert holds(acme.ask("DELETE", "/sessions"), "SessionsEnded") == {"ended": 1}
    assert listed(acme) == []
    assert listed(other) == [theirs]
