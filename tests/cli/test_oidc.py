"""`oidc`: what people type to connect a provider, and what they read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.machine import Machine
from tests.sso.oidc.evil import CLIENT_SECRET, EvilProvider, as_json, ec_key, served
from tests.sso.saml.test_metadata import REDIRECT, entity, role, service

from rolebridge.cli.oidc import METHODS
from rolebridge.core.oidc_settings import ClientAuthentication

pytestmark = pytest.mark.loopback
BASE = "http://127.0.0.1:8080"


@pytest.fixture
def provider() -> Iterator[EvilProvider]:
    """A provider on this machine."""
    with served(EvilProvider()) as running:
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A file with a client secret."""
    file = tmp_path / "secret.txt"
    file.write_text(f"{CLIENT_SECRET}\n", encoding="utf-8")
    return str(file)


def connect(machine: Machine, provider: EvilProvider, *more: str) -> dict[str, object]:
    """Connect `okta` to a provider."""
    document: dict[str, object] = machine.json(
        "oidc", "set", "okta", "--issuer", provider.issuer, "--client-id", "bridge", *more
    )
    return document


def test_the_methods_are_the_settings() -> None:
    """What the command line knows is what the settings know."""
    assert tuple(ClientAuthentication) == METHODS


def test_what_the_provider_has_to_be_told(ready: Machine) -> None:
    """Before anything is set, `show` prints the URLs that a provider's form asks for."""
    shown = ready.json("oidc", "show", "okta")
    assert not shown["set_up"]
    callback = shown["client"]["redirect_uri"]
    assert callback.startswith(f"{BASE}/sso/")
    assert callback.endswith("/callback")
    said = ready.out("oidc", "show", "okta")
    assert f"redirect URI            {callback}" in said
    assert "rolebridge oidc set okta --issuer URL --client-id ID" in said


def test_connecting(ready: Machine, provider: EvilProvider, secret: str) -> None:
    """Issuer, client id and secret are enough; the secret is never shown, and only what is named changes."""
    said = ready.out(
        "oidc", "set", "okta", "--issuer", provider.issuer, "--client-id", "bridge", "--secret-file", secret
    )
    assert said.startswith("connection okta logs people in by OpenID Connect\n  redirect URI")
    assert "note" not in said
    changed = ready.json("oidc", "set", "okta", "--max-age", "600", "--acr", "mfa", "--scope", "groups")
    assert (changed["issuer"], changed["max_age"], changed["scopes"]) == (provider.issuer, 600, ["groups"])
    cleared = ready.json("oidc", "set", "okta", "--max-age", "none", "--acr", "none", "--scope", "none")
    assert (cleared["max_age"], cleared["acr_values"], cleared["scopes"]) == (None, [], [])
    shown = ready.out("oidc", "show", "okta")
    assert "client_secret_basic, client secret of 2026-11-20" in shown
    assert CLIENT_SECRET not in shown + json.dumps(ready.json("oidc", "show", "okta"))


def test_trying(ready: Machine, provider: EvilProvider, secret: str) -> None:
    """`test` tells which checks passed, and what is missing or doubtful."""
    connect(ready, provider)
    assert "the connection has no client secret yet" in ready.refused("oidc", "test", "okta")
    ready.out("oidc", "secret", "okta", secret)
    tried = ready.json("oidc", "test", "okta")
    assert tried["keys"] == 1
    assert "oidc-discovery-issuer" in tried["passed"]
    assert tried["notes"] == []
    provider.discovery["id_token_signing_alg_values_supported"] = ["HS256"]
    assert "`id_token_signing_alg_values_supported` does not announce" in ready.out("oidc", "test", "okta")
    provider.key, provider.algorithm = ec_key("other"), "ES256"
    assert "the provider publishes no key for RS256" in ready.refused("oidc", "test", "okta")


def test_what_a_provider_offers_is_taken_up_the_first_time(ready: Machine, provider: EvilProvider) -> None:
    """Where it has not what is usual; later only an option changes it."""
    provider.discovery["id_token_signing_alg_values_supported"] = ["none", "HS256", "ES512", "ES256"]
    provider.discovery["token_endpoint_auth_methods_supported"] = ["private_key_jwt", "client_secret_post"]
    made = connect(ready, provider)
    assert made["algorithms"] == ["ES256", "ES512"]
    assert made["authentication"] == "client_secret_post"
    provider.discovery["id_token_signing_alg_values_supported"] = ["PS256"]
    again = ready.json("oidc", "set", "okta", "--max-age", "60")
    assert again["algorithms"] == ["ES256", "ES512"]
    assert "does not announce any algorithm" in again["notes"][0]


def test_userinfo_is_asked_where_there_is_one(ready: Machine, provider: EvilProvider) -> None:
    """Many providers have the claims of scopes there alone (Core §5.4); an option goes before that, once and later."""
    assert connect(ready, provider)["userinfo"] is True
    assert ready.json("oidc", "set", "okta", "--no-userinfo")["userinfo"] is False
    assert ready.json("oidc", "set", "okta", "--max-age", "60")["userinfo"] is False


def test_userinfo_is_not_asked_where_an_option_says_so(ready: Machine, provider: EvilProvider) -> None:
    """Of what is offered, what was said is kept."""
    assert connect(ready, provider, "--no-userinfo")["userinfo"] is False


def test_a_provider_without_userinfo_is_connected(ready: Machine, provider: EvilProvider) -> None:
    """Its ID tokens have to say everything."""
    provider.discovery["userinfo_endpoint"] = None
    assert connect(ready, provider)["userinfo"] is False


def test_an_option_goes_before_what_a_provider_offers(ready: Machine, provider: EvilProvider) -> None:
    """What was said is kept, and doubted."""
    provider.discovery["id_token_signing_alg_values_supported"] = ["ES256"]
    made = connect(ready, provider, "--algorithm", "RS256", "--authentication", "client_secret_basic")
    assert made["algorithms"] == ["RS256"]
    assert made["authentication"] == "client_secret_basic"


def test_an_issuer_of_somebody_else(ready: Machine, provider: EvilProvider) -> None:
    """It is refused by its check before anything is stored, unless nobody is asked."""
    provider.discovery["issuer"] = "https://evil.example"
    told = ready.refused("oidc", "set", "okta", "--issuer", provider.issuer, "--client-id", "bridge")
    assert "the document is that of `https://evil.example`" in told
    assert "docs/login-errors/oidc-discovery-issuer.md" in told
    assert not ready.json("oidc", "show", "okta")["set_up"]
    assert connect(ready, provider, "--offline")["issuer"] == provider.issuer


def test_what_redirects_or_is_no_provider(ready: Machine, provider: EvilProvider) -> None:
    """A redirect is not followed; a page is no document."""
    place = "/.well-known/openid-configuration"
    provider.answers[place] = (302, {"location": "http://169.254.169.254/"}, b"")
    asked = ("oidc", "set", "okta", "--issuer", provider.issuer, "--client-id", "bridge")
    assert "redirects are not followed" in ready.refused(*asked)
    provider.answers[place] = as_json([])
    assert "is no JSON object" in ready.refused(*asked)


def test_a_key_of_our_own(ready: Machine, provider: EvilProvider) -> None:
    """For providers that want a signature: the command prints the public half alone."""
    notes = connect(ready, provider, "--authentication", "private_key_jwt")["notes"]
    assert notes == ["it has no key yet: rolebridge oidc key okta"]
    made = ready.json("oidc", "key", "okta")
    assert made["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert set(made["jwk"]) == {"kty", "n", "e", "kid", "use", "alg"}
    assert "PRIVATE" not in ready.out("oidc", "key", "okta")
    shown = ready.json("oidc", "show", "okta")["credentials"]
    assert [one["used"] for one in shown] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--client-id", "x"), "--issuer and --client-id"),
        (("--issuer", "http://idp.example", "--client-id", "x"), "the issuer must be an https URL"),
        (("--issuer", "https://idp.example?x=1", "--client-id", "x"), "neither query nor fragment"),
        (
            ("--issuer", "https://idp.example/.well-known/openid-configuration", "--client-id", "x"),
            "the issuer is `https://idp.example`",
        ),
        (("--issuer", "https://idp.example", "--client-id", "x", "--algorithm", "HS256"), "`HS256` is none of"),
        (("--issuer", "https://idp.example", "--client-id", "x", "--acr-required"), "needs `acr_values`"),
        (("--issuer", "https://idp.example", "--client-id", "x", "--prompt", "magic"), "`prompt` is one of"),
    ],
)
def test_what_cannot_be(ready: Machine, arguments: tuple[str, ...], told: str) -> None:
    """Each is refused with what is wrong, before anybody is asked."""
    result = ready("oidc", "set", "okta", *arguments)
    assert result.exit_code in {1, 64}
    assert told in result.stderr


def test_one_protocol_takes_the_others_place_only_when_that_is_said(ready: Machine) -> None:
    """The wrong connection's name must not cost a connection its settings and keys, in neither direction."""
    ready.write("idp.xml", entity(role(services=service(REDIRECT, "https://idp.example/sso"))))
    by_oidc = ("oidc", "set", "okta", "--issuer", "https://idp.example", "--client-id", "x", "--offline")
    ready.out("saml", "set", "okta", "--metadata", "idp.xml")
    keys = ready.json("saml", "show", "okta")["keys"]
    refused = ready.refused(*by_oidc)
    assert "connection `okta` logs people in by SAML; its settings and keys of that would go" in refused
    assert "help: `--replace` if that is meant; otherwise `rolebridge connection add`" in refused
    assert ready.json("saml", "show", "okta")["keys"] == keys
    assert "Say next whom: rolebridge login set okta --preset NAME" in ready.out(*by_oidc, "--replace")
    assert not ready.json("saml", "show", "okta")["set_up"]
    moved = ready.out("oidc", "set", "okta", "--issuer", "https://other.example", "--offline")
    assert "note: it was `https://idp.example` before: who has logged in by that is somebody else now" in moved
    refused = ready.refused("saml", "set", "okta", "--metadata", "idp.xml")
    assert "connection `okta` logs people in by OpenID Connect" in refused
    ready.out("saml", "set", "okta", "--metadata", "idp.xml", "--replace")
    assert not ready.json("oidc", "show", "okta")["set_up"]


def test_a_connection_of_another_protocol(ready: Machine) -> None:
    """What is not set up cannot be tried, and takes no secret."""
    assert "does not log people in by OpenID Connect: rolebridge oidc set" in ready.refused("oidc", "test", "okta")
