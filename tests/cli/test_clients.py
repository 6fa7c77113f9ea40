"""`client`, `connection limit`, `allow` and `adopt`: what people type, and what they read."""

from __future__ import annotations

import json

import pytest
from joserfc.jwk import ECKey
from tests.cli.machine import Machine, person

from rolebridge.bridge.clients import TOKEN_MINUTES
from rolebridge.cli.clients import MINUTES


def test_minutes_are_the_bridges() -> None:
    """The bounds that the command line knows are those of the use case."""
    assert (TOKEN_MINUTES[0], TOKEN_MINUTES[-1]) == MINUTES


# --- clients ---------------------------------------------------------------------------------------------------


def test_a_client_is_told_once(ready: Machine) -> None:
    """A new client prints the four things that a form asks for; nothing shows the secret again."""
    added = ready.json("client", "add", "entra-provisioning", "--minutes", "120")
    assert added["token_endpoint"] == "http://127.0.0.1:8080/oauth/token"
    assert added["scim_base_url"] == "http://127.0.0.1:8080/scim/v2"
    assert added["client_id"].startswith("rbc_")
    assert added["client_secret"].startswith("rbs_")
    assert added["token_minutes"] == 120
    assert added["client_secret_expires_at"] == "2028-11-19T09:14:30Z"
    for shown in (
        ready.out("client", "list"),
        ready.out("client", "secret", "list", "entra-provisioning"),
        ready.out("connection", "show", "okta"),
    ):
        assert added["client_secret"] not in shown
    assert added["client_id"] in ready.out("connection", "show", "okta")


def test_a_clients_text(ready: Machine) -> None:
    """People read endpoint, id, secret and how long it works."""
    said = ready.out("client", "add", "entra", "--expires", "365d")
    assert said.startswith("client entra of connection okta added, its access tokens live 60 minutes\n")
    assert "  token endpoint  http://127.0.0.1:8080/oauth/token\n" in said
    assert "It works until 2027-11-20 09:14 UTC." in said


def test_secrets_rotate(ready: Machine) -> None:
    """A second secret is added, the first revoked by the beginning of its id, and the list says so."""
    ready.out("client", "add", "entra")
    first = ready.json("client", "secret", "list", "entra")["secrets"][0]
    assert ready.json("client", "secret", "add", "entra", "spring")["client_secret"].startswith("rbs_")
    assert "with the tokens it brought" in ready.out("client", "secret", "revoke", "entra", first["id"][:8])
    listed = ready.json("client", "secret", "list", "entra")["secrets"]
    assert {one["name"]: one["usable"] for one in listed} == {"first": False, "spring": True}
    assert "there is no secret" in ready.refused("client", "secret", "revoke", "entra", first["id"])


def test_keys(ready: Machine) -> None:
    """A client without a secret gets a public key from a file or the standard input; a private one is refused."""
    added = ready.json("client", "add", "signing", "--no-secret")
    assert added["client_secret"] is None
    key = ECKey.generate_key("P-256")
    ready.write("public.pem", key.as_pem(private=False).decode())
    ready.write("private.pem", key.as_pem(private=True).decode())
    assert "this is a private key" in ready.refused("client", "key", "add", "signing", "2027", "private.pem")
    (registered,) = ready.json("client", "key", "add", "signing", "2027", "public.pem")["keys"]
    assert (registered["name"], registered["usable"], registered["kid"]) == ("2027", True, None)
    assert "belongs to another" in ready.refused("client", "key", "add", "signing", "again", "public.pem")
    ready.write("binary", "").write_bytes(b"\xff\x00\xfe")
    assert "neither a PEM block" in ready.refused("client", "key", "add", "signing", "x", "binary")
    assert "2027" in ready.out("client", "key", "list", "signing")
    ready.out("client", "key", "revoke", "signing", registered["id"])
    assert "has no secrets" in ready.out("client", "secret", "list", "signing")


def test_a_client_is_revoked(ready: Machine) -> None:
    """A revoked client is listed as such, and is not found by its name any more."""
    ready.out("client", "add", "entra")
    assert "with every token" in ready.out("client", "revoke", "entra")
    assert "revoked 2026-11-20 09:14 UTC" in ready.out("client", "list")
    assert "there is no client `entra`" in ready.refused("client", "revoke", "entra")


def test_no_client(ready: Machine) -> None:
    """Without a client the list says how to make one."""
    assert "rolebridge client add" in ready.out("client", "list")


@pytest.mark.parametrize("minutes", ["59", "361", "x"])
def test_no_such_life(ready: Machine, minutes: str) -> None:
    """A life outside of what is offered is a usage error."""
    ready.refused("client", "add", "x", "--minutes", minutes, code=64)


# --- rates and networks ----------------------------------------------------------------------------------------


def test_a_rate(ready: Machine) -> None:
    """A connection's rate is set, shown, lifted, and given back to the installation."""
    assert ready.out("connection", "limit", "okta", "25/100") == "connection okta: 25/100 requests a second (its own)\n"
    assert ready.json("connection", "limit", "okta")["rate_limit"] == "25/100"
    assert ready.json("connection", "limit", "okta", "none")["rate_limit"] == "none"
    assert ready.out("connection", "limit", "okta", "default").endswith(
        "1000/30000 requests a second (the installation's)\n"
    )
    assert "write `25`" in ready.refused("connection", "limit", "okta", "fast")


def test_networks(ready: Machine) -> None:
    """Networks are added once each, listed and removed; a wrong one changes nothing."""
    ready.out("connection", "allow", "add", "okta", "203.0.113.0/24", "2001:db8::1")
    ready.out("connection", "allow", "add", "okta", "203.0.113.0/24")
    assert ready.json("connection", "allow", "list", "okta")["allowed"] == ["203.0.113.0/24", "2001:db8::1/128"]
    assert "is no network" in ready.refused("connection", "allow", "add", "okta", "203.0.113.7/24")
    assert "there is no network" in ready.refused("connection", "allow", "remove", "okta", "192.0.2.0/24")
    ready.out("connection", "allow", "remove", "okta", "203.0.113.0/24", "2001:db8::1")
    assert ready.out("connection", "allow", "list", "okta") == "connection okta accepts requests from every address\n"


# --- adopt -----------------------------------------------------------------------------------------------------


@pytest.fixture
def two(acme: Machine) -> Machine:
    """The machine with people of `okta`, and a second connection without any."""
    acme.out("connection", "add", "entra", "--profile", "entra")
    return acme


def test_adopt_shows_first(two: Machine) -> None:
    """Without --apply the transfer is shown, with whose access would change, and nothing is changed."""
    said = two.out("connection", "adopt", "okta", "entra", "--user", "ben.okafor")
    assert said.startswith("1 user and 0 groups would move from okta to entra\n  user  ben.okafor@acme.example\n")
    assert "1 membership would end" in said
    assert "ben.okafor@acme.example" in said
    assert said.endswith('nothing was changed; --apply --reason "why" does it\n')
    assert two.json("connection", "adopt", "okta", "entra", "--all")["applied"] is False


def test_adopt_applies(two: Machine) -> None:
    """With --apply and a reason everything moves; the mapping, which trusts okta, gives them nothing any more."""
    document = two.json("connection", "adopt", "okta", "entra", "--all", "--apply", "--reason", "leaving Okta")
    assert (document["applied"], len(document["users"]), len(document["groups"])) == (True, 6, 6)
    assert document["memberships_ended"] == []
    assert {change["kind"] for change in document["changes"]} >= {"lose"}
    assert "there is nothing of connection `okta`" in two.refused("connection", "adopt", "okta", "entra", "--all")


def test_adopt_collides(two: Machine) -> None:
    """A group name that the target has refuses everything, and is named."""
    two.provision([person("ana@entra.example", "Ana")], {"lunch": []}, connection="entra")
    said = two.refused("connection", "adopt", "okta", "entra", "--all", "--apply", "--reason", "x")
    assert "1 resource collides with what connection `entra` has already; nothing was changed" in said
    assert "group `Lunch`: displayName is that of `lunch`" in said
    error = json.loads(two("connection", "adopt", "okta", "entra", "--all", "--json").stderr)["error"]
    assert error["collisions"] == [{"kind": "group", "name": "Lunch", "attribute": "displayName", "other": "lunch"}]


@pytest.mark.parametrize(
    "arguments", [["--all", "--user", "ana"], [], ["--all", "--apply"], ["--all", "--reason", "only"]]
)
def test_adopt_must_be_meant(two: Machine, arguments: list[str]) -> None:
    """What moves is said, and doing it needs a reason: anything else is a usage error."""
    two.refused("connection", "adopt", "okta", "entra", *arguments, code=64)


# --- profiles --------------------------------------------------------------------------------------------------


def test_another_profile(ready: Machine) -> None:
    """A connection is read by another profile from now on; the record tells both; a wrong name changes nothing."""
    assert ready.out("connection", "profile", "okta", "strict") == "connection okta: profile strict (was okta)\n"
    assert ready.out("connection", "profile", "okta", "strict") == "connection okta: profile strict (as before)\n"
    assert ready.json("connection", "show", "okta")["profile"] == "strict"
    [told] = ready.json("audit", "list", "--kind", "connection.changed")["audit"]
    assert (told["before"], told["after"]) == ({"profile": "okta"}, {"profile": "strict"})
    assert "did you mean `entra`?" in ready.refused("connection", "profile", "okta", "entrra", code=64)
