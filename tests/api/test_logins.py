"""Logins over the API: what a connection makes of them, and how they went."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.api.talking import Tenant, a_moment_that_passed, holds, problem
from tests.bridge.worlds import OPERATOR

from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Trail
from rolebridge.web.problems import Kind

RULES = "/connections/okta/login-rules"
LOGINS = "/connections/okta/logins"


@pytest.fixture
def tenant(acme: Tenant) -> Tenant:
    """The organization whose connection logs people in."""
    connection = acme.installation.administration.connection(acme.organization, "okta")
    if acme.installation.sso.of(connection) is None:
        acme.installation.sso.configure(OPERATOR, connection, Protocol.SAML, {})
        acme.installation.sso.declare_domains(OPERATOR, connection, [f"{uuid4().hex}.example", "acme.example"])
    return acme


def log_in(tenant: Tenant, name: str) -> str:
    """Have somebody log in; return the id of the request."""
    installation, request_id, trail = tenant.installation, uuid4().hex, Trail()
    settings = installation.sso.needed(installation.administration.connection(tenant.organization, "okta"))
    identity = AssertedIdentity(Protocol.SAML, "https://idp.example", name, {"groups": ("Hidden Group",)})
    try:
        installation.store.transact(
            lambda unit: installation.logins.accept(
                unit, settings, identity, trail, now=installation.clock(), request_id=request_id
            )
        )
    except LoginRefused as refused:
        installation.login_log.refused(settings, trail, refused, request_id=request_id)
    return request_id


def test_a_connection_that_logs_nobody_in_has_no_rules(other: Tenant) -> None:
    """It is as if there were none."""
    problem(other.get(RULES), Kind.NOT_FOUND)
    problem(other.ask("PUT", RULES, {"create": True}), Kind.NOT_FOUND)


def test_how_a_connection_logs_people_in_is_read_without_secrets(tenant: Tenant, other: Tenant) -> None:
    """Settings, public halves and since when; of a private half or a client secret nothing, sealed or not."""
    installation = tenant.installation
    connection = installation.administration.connection(tenant.organization, "okta")
    for kind, secret, public in (("client-secret", b"s3cr3t of okta", ""), ("sp-key", b"private half", "MIIC")):
        installation.sso.add_secret(OPERATOR, connection, kind, secret, public=public)
    answer = tenant.get("/connections/okta/sso", tenant.key("auditor"))
    said = holds(answer, "SignOn")
    assert (said["id"], said["protocol"], said["settings"]) == (connection.id, "saml", {})
    shown = {one["kind"]: one for one in said["secrets"]}
    assert {kind: one["certificate"] for kind, one in shown.items()} == {"client-secret": None, "sp-key": "MIIC"}
    assert set(shown["sp-key"]) == {"kind", "created", "certificate"}
    assert "s3cr3t" not in str(said)
    assert "private half" not in str(said)
    problem(other.get("/connections/okta/sso"), Kind.NOT_FOUND)


def test_rules_are_read_and_set_whole(tenant: Tenant) -> None:
    """What is not said is as usual; domains are not among what a key can say."""
    wanted = {"user_name": "email", "groups": {"name": "groups"}, "authority": "login", "create": True}
    said = holds(tenant.ask("PUT", RULES, wanted), "LoginRules")
    assert {name: said["rules"][name] for name in ("user_name", "authority", "create", "link")} == {
        "user_name": "email",
        "authority": "login",
        "create": True,
        "link": True,
    }
    assert holds(tenant.get(RULES, tenant.key("auditor")), "LoginRules") == said
    assert "acme.example" in said["domains"]
    holds(tenant.ask("PUT", RULES, {}), "LoginRules")
    problem(tenant.ask("PUT", RULES, {"domains": ["evil.example"]}), Kind.INVALID)
    problem(tenant.ask("PUT", RULES, {"update": True}), Kind.INVALID)
    problem(tenant.ask("PUT", RULES, {"attributes": {"password": "p"}}), Kind.INVALID)
    problem(tenant.ask("PUT", RULES, {"create": True}, key=tenant.key("operator")), Kind.FORBIDDEN)


def test_the_log_is_paged_newest_first_and_holds_no_values(tenant: Tenant, other: Tenant) -> None:
    """With each check's verdict; nobody else reads it."""
    requests = []
    for name in ("ana@acme.example", "eve@evil.example", "ben@acme.example"):
        requests.append(log_in(tenant, name))
        a_moment_that_passed()
    first = holds(tenant.get(LOGINS, limit="2"), "Logins")
    rest = holds(tenant.get(LOGINS, limit="2", cursor=first["next_cursor"]), "Logins")
    shown = [one["request_id"] for one in (*first["logins"], *rest["logins"])]
    assert shown[:3] == requests[::-1]
    (refused,) = holds(tenant.get(LOGINS, outcome="refused"), "Logins")["logins"]
    assert (refused["code"], refused["request_id"]) == ("login-domain", requests[1])
    one = holds(tenant.get(f"{LOGINS}/{requests[1]}"), "Login")
    assert one == refused
    assert [check["code"] for check in one["checks"] if check["verdict"] == "failed"] == ["login-domain"]
    assert not any(word in str([first, rest]) for word in ("Hidden", "evil", "idp.example"))
    problem(tenant.get(LOGINS, cursor="nonsense"), Kind.INVALID)
    problem(other.get(f"{LOGINS}/{requests[0]}"), Kind.NOT_FOUND)
