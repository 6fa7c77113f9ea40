"""What honest providers send, each in its own way, is accepted; what a login asks them for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey
from tests.sso.oidc.cases import all_of, claims, ecdsa, header, keys
from tests.sso.oidc.evil import (
    CLIENT_ID,
    CLIENT_SECRET,
    NOW,
    SUBJECT,
    EvilProvider,
    as_json,
    ec_key,
    ed_key,
    half_hash,
    public_jwk,
    rsa_key,
)
from tests.sso.oidc.logins import REDIRECT_URI, RelyingParty

from rolebridge.core.login import Protocol, Verdict
from rolebridge.sso.oidc.client import SigningKey

T: Final = int(NOW.timestamp())
Arrange = Callable[[EvilProvider], None]


def issuer(value: str, *rest: Arrange) -> Arrange:
    """Have the provider live under another issuer."""

    def arrange(provider: EvilProvider) -> None:
        provider.issuer = value
        for one in rest:
            one(provider)

    return arrange


def signing(algorithm: str, key: Any) -> Arrange:
    """Have the provider sign with another algorithm."""

    def arrange(provider: EvilProvider) -> None:
        provider.key, provider.algorithm = key, algorithm

    return arrange


def bringing(*pairs: tuple[str, str]) -> Arrange:
    """Have the browser bring other parameters beside code and state."""

    def arrange(provider: EvilProvider) -> None:
        provider.back = list(pairs)
        provider.discovery["authorization_response_iss_parameter_supported"] = None

    return arrange


SHAPES: Final[dict[str, tuple[Arrange, dict[str, Any]]]] = {
    "an org server with groups in the token": (
        issuer(
            "https://acme.okta.example",
            claims(ver=1, amr=["pwd", "mfa"], idp="00o", auth_time=T, at_hash=half_hash("access-1")),
        ),
        {},
    ),
    "a custom server below a path": (issuer("https://acme.okta.example/oauth2/default"), {}),
    "a tenant with its version in the issuer, keys of other tenants, session_state": (
        issuer(
            "https://login.example/11111111-2222-3333-4444-555555555555/v2.0",
            bringing(("session_state", "abc")),
            claims(oid="o-1", tid="t-1", rh="0.A", uti="u", ver="2.0", nbf=T, groups=["g1", "g2"]),
            header(typ="JWT"),
        ),
        {},
    ),
    "an issuer whose endpoints are on other hosts": (
        issuer("https://accounts.example", claims(azp=CLIENT_ID, hd="acme.example", email_verified=True)),
        {},
    ),
    "a realm below a path, azp, numbers as text": (
        issuer(
            "https://sso.acme.example/realms/acme",
            claims(azp=CLIENT_ID, typ="ID", acr="1", sid="s-1", realm_access={"roles": ["a", "b"]}, auth_time=T),
        ),
        {},
    ),
    "an issuer with a slash at its end, namespaced claims": (
        issuer("https://acme.eu.auth0.example/", claims(**{"https://acme.example/groups": ["a"]})),
        {},
    ),
    "aud as a list of one": (claims(aud=[CLIENT_ID]), {}),
    "a further audience that the settings trust": (
        claims(aud=[CLIENT_ID, "account"], azp=CLIENT_ID),
        {"audiences": ["account"]},
    ),
    "no iss in responses and none announced": (bringing(), {}),
    "times that are no whole numbers": (claims(iat=T - 0.5, exp=T + 59.5, nbf=T - 0.25), {}),
    "a clock that is a minute ahead": (claims(iat=T + 60, nbf=T + 60, exp=T + 360), {}),
    "a token that was issued an hour ago": (claims(iat=T - 3_660), {}),
    "at_hash without an access token": (
        all_of(claims(at_hash="x"), lambda provider: provider.response.update(access_token=None)),
        {},
    ),
    "at_hash beside EdDSA": (
        all_of(signing("EdDSA", ed_key("honest")), claims(at_hash=half_hash("access-1", "512"))),
        {"algorithms": ["EdDSA"]},
    ),
    "auth_time at both ends of the skew": (claims(auth_time=T - 360), {"max_age": 300}),
    "auth_time a minute ahead": (claims(auth_time=T + 60), {"max_age": 300}),
    "a token that expired within the skew": (claims(exp=T - 59), {}),
    "a token that expires with the calendar": (claims(exp=253_402_300_799), {}),
    "PS256": (signing("PS256", rsa_key("honest")), {"algorithms": ["PS256"]}),
    "RS512": (signing("RS512", rsa_key("honest")), {"algorithms": ["RS512"]}),
    "ES256": (ecdsa, {"algorithms": ["ES256"]}),
    "ES384": (signing("ES384", ec_key("honest", "P-384")), {"algorithms": ["RS256", "ES384"]}),
    "ES512": (signing("ES512", ec_key("honest", "P-521")), {"algorithms": ["ES512"]}),
    "EdDSA": (signing("EdDSA", ed_key("honest")), {"algorithms": ["EdDSA"]}),
    "Ed25519": (signing("Ed25519", ed_key("honest")), {"algorithms": ["Ed25519"]}),
    "one key without a name": (lambda provider: setattr(provider, "kid", None), {}),
    "no kid while one key fits": (
        all_of(
            keys(
                public_jwk(rsa_key("honest"), "a"),
                public_jwk(ec_key("honest"), "b"),
                public_jwk(rsa_key("x"), "c", use="enc"),
            ),
            header(kid=None),
        ),
        {},
    ),
    "a key set with keys that nobody here knows": (
        keys({"kty": "AKP", "kid": "k1", "alg": "ML-DSA-44", "pub": "x"}, public_jwk(rsa_key("honest"), "k1")),
        {},
    ),
    "two keys under one name, of which the second signed": (
        keys(public_jwk(rsa_key("x"), "k1"), public_jwk(rsa_key("honest"), "k1")),
        {},
    ),
    "fifty keys": (keys(*(public_jwk(rsa_key("honest"), f"k{number}") for number in range(50))), {}),
    "keys that say what they are for": (
        keys(public_jwk(rsa_key("honest"), "k1", key_ops=["verify"], x5c=["MIIB"])),
        {},
    ),
    "headers that are only passed over": (header(jku="https://idp.example/keys", x5t="abc", foo=1), {}),
    "c_hash and at_hash that fit": (claims(at_hash=half_hash("access-1"), c_hash=half_hash("code-0")), {}),
    "no access token": (lambda provider: provider.response.update(access_token=None), {}),
    "token_type in small letters": (lambda provider: provider.response.update(token_type="bearer"), {}),
    "acr that is enough": (claims(acr="phr"), {"acr_values": ["mfa", "phr"], "acr_required": True}),
    "acr that was only asked for": (claims(acr="pwd"), {"acr_values": ["mfa"]}),
    "a recent auth_time": (claims(auth_time=T - 300), {"max_age": 300}),
    "a subject of 255 characters": (claims(sub="x" * 255), {}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_an_honest_provider_is_accepted(name: str) -> None:
    """In whatever dialect."""
    arrange, settings = SHAPES[name]
    provider = EvilProvider()
    arrange(provider)
    accepted = RelyingParty(provider, settings).log_in()
    assert accepted.identity.issuer == provider.issuer
    assert accepted.identity.protocol is Protocol.OIDC


def test_an_identity_says_what_the_token_says() -> None:
    """Subject, claims as attributes, context, the provider's session, and when the person proved who they are."""
    provider = EvilProvider()
    claims(
        groups=["a", "b"],
        email_verified=True,
        level=7,
        realm_access={"roles": ["x"], "deep": {"er": "y"}},
        nothing=None,
        sid="session-1",
        acr="mfa",
        auth_time=T - 5,
    )(provider)
    identity = RelyingParty(provider).log_in().identity
    assert identity.attributes == {
        "sub": SUBJECT,
        "email": "ana@acme.example",
        "groups": ("a", "b"),
        "email_verified": "true",
        "level": "7",
        "realm_access.roles": ("x",),
        "realm_access.deep.er": "y",
        "acr": "mfa",
    }
    assert (identity.idp_session, identity.context, identity.assertion_id) == ("session-1", "mfa", "")
    assert identity.authenticated_at is not None
    assert identity.authenticated_at.timestamp() == T - 5


def test_userinfo_adds_claims_and_changes_none() -> None:
    """What the provider signed goes before what it says at the endpoint."""
    provider = EvilProvider(userinfo={"sub": SUBJECT, "groups": ["a"], "email": "other@acme.example", "acr": "forged"})
    identity = RelyingParty(provider, {"userinfo": True}).log_in().identity
    assert identity.attributes["groups"] == ("a",)
    assert identity.attributes["email"] == "ana@acme.example"
    assert identity.context is None
    assert provider.asked[-1][2]["authorization"] == "Bearer access-1"


def test_an_overage_is_an_attribute() -> None:
    """A token that only points at the groups says so by `_claim_names` (OpenID Connect Core §5.6.2)."""
    provider = EvilProvider()
    claims(_claim_names={"groups": "src1"}, _claim_sources={"src1": {"endpoint": "https://graph.example/x"}})(provider)
    attributes = RelyingParty(provider).log_in().identity.attributes
    assert attributes["_claim_names.groups"] == "src1"
    assert "groups" not in attributes
    with_userinfo = RelyingParty(provider, {"userinfo": True}).log_in().identity.attributes
    assert "_claim_names.groups" not in with_userinfo
    assert with_userinfo["groups"] == ("reviewers",)


def test_the_trail_tells_every_check_in_its_order() -> None:
    """For the log of logins: discovery, response, token endpoint, keys and signature, claims, userinfo."""
    party = RelyingParty(EvilProvider(), {"userinfo": True})
    party.finish(party.provider.authorize(party.begin()))
    begun, checks = party.trail.checks[:4], party.trail.checks[4:]
    described = [
        "oidc-discovery-unreachable",
        "oidc-discovery-form",
        "oidc-discovery-issuer",
        "oidc-discovery-endpoint",
    ]
    assert [check.code for check in begun] == described
    assert [check.code for check in checks] == [
        *described,
        "oidc-response-form",
        "oidc-response-issuer-missing",
        "oidc-response-issuer",
        "oidc-provider-error",
        "oidc-code-missing",
        "oidc-token-endpoint-unreachable",
        "oidc-token-endpoint-refused",
        "oidc-token-response-form",
        "oidc-token-bearer",
        "oidc-id-token-missing",
        "oidc-access-token",
        "oidc-token-form",
        "oidc-token-critical",
        "oidc-algorithm",
        "oidc-token-type",
        "oidc-keys-form",
        "oidc-keys-secret",
        "oidc-key-unknown",
        "oidc-signature",
        "oidc-token-kind",
        "oidc-issuer",
        "oidc-audience",
        "oidc-authorized-party",
        "oidc-expired",
        "oidc-issued-at",
        "oidc-not-before",
        "oidc-nonce",
        "oidc-access-token-hash",
        "oidc-code-hash",
        "oidc-subject",
        "oidc-context",
        "oidc-authenticated-at",
        "oidc-userinfo-unreachable",
        "oidc-userinfo-form",
        "oidc-userinfo-subject",
    ]
    assert {check.verdict for check in checks} == {Verdict.PASSED}


def test_what_is_of_another_type_is_not_taken_for_a_context_or_session() -> None:
    """A list as `acr` or a number as `sid` says nothing that could be compared."""
    provider = EvilProvider()
    claims(acr=["mfa"], sid=7)(provider)
    identity = RelyingParty(provider).log_in().identity
    assert (identity.context, identity.idp_session) == (None, None)


def test_groups_beside_a_sign_of_an_overage_stay_a_part() -> None:
    """What the token itself holds then is not all, whatever userinfo says."""
    provider = EvilProvider()
    claims(groups=["a"], _claim_names={"groups": "src1"})(provider)
    attributes = RelyingParty(provider, {"userinfo": True}).log_in().identity.attributes
    assert attributes["groups"] == ("a",)
    assert attributes["_claim_names.groups"] == "src1"


# --- what is asked for ------------------------------------------------------------------------------------------------


def asked_for(settings: dict[str, Any] | None = None, **demands: Any) -> dict[str, list[str]]:
    """Return the parameters with which the browser goes to the provider."""
    return parse_qs(urlsplit(RelyingParty(EvilProvider(), settings).begin(**demands)).query)


def test_a_login_asks_with_pkce_nonce_and_state() -> None:
    """And for nothing that was not configured."""
    asked = asked_for()
    assert asked.pop("code_challenge") != ["v" * 64]
    assert asked == {
        "response_type": ["code"],
        "client_id": [CLIENT_ID],
        "redirect_uri": [REDIRECT_URI],
        "scope": ["openid profile email"],
        "state": ["_state-1"],
        "nonce": ["nonce-1"],
        "code_challenge_method": ["S256"],
    }


def test_what_the_settings_ask_for() -> None:
    """Scopes, prompt, contexts, age."""
    settings = {"scopes": ["groups"], "prompt": "select_account", "acr_values": ["mfa", "phr"], "max_age": 600}
    asked = asked_for(settings)
    assert asked["scope"] == ["openid groups"]
    assert asked["prompt"] == ["select_account"]
    assert asked["acr_values"] == ["mfa phr"]
    assert asked["max_age"] == ["600"]


def test_what_an_application_demands_is_asked_for() -> None:
    """A fresh login, the younger of two ages, contexts, whom it may be."""
    assert asked_for({"max_age": 600}, max_age=30)["max_age"] == ["30"]
    assert asked_for({"max_age": 600}, max_age=3000)["max_age"] == ["600"]
    fresh = asked_for(fresh=True, hint="ana@acme.example", contexts=("phr",))
    assert (fresh["prompt"], fresh["max_age"]) == (["login"], ["0"])
    assert (fresh["login_hint"], fresh["acr_values"]) == (["ana@acme.example"], ["phr"])


def test_what_the_settings_insist_on_goes_before_an_applications_contexts() -> None:
    """An application cannot ask for less."""
    insisting = {"acr_values": ["mfa"], "acr_required": True}
    assert asked_for(insisting, contexts=("pwd",))["acr_values"] == ["mfa"]


def test_an_endpoint_keeps_its_own_query() -> None:
    """Some providers tell tenants apart by it."""
    provider = EvilProvider(discovery={"authorization_endpoint": "https://idp.example/authorize?p=b2c"})
    query = parse_qs(urlsplit(RelyingParty(provider).begin()).query)
    assert query["p"] == ["b2c"]
    assert query["client_id"] == [CLIENT_ID]


# --- how the client proves itself -------------------------------------------------------------------------------------


def test_the_secret_is_shown_form_encoded() -> None:
    """In the header, as RFC 6749 §2.3.1 says, and nowhere else."""
    provider = EvilProvider()
    RelyingParty(provider).log_in()
    assert "client_secret" not in provider.forms[0]
    assert all(CLIENT_SECRET not in str(asked) for asked in provider.asked)


def test_the_secret_in_the_form() -> None:
    """For providers that want it so."""
    provider = EvilProvider(authentication="client_secret_post")
    RelyingParty(provider, {"authentication": "client_secret_post"}).log_in()
    assert provider.forms[0]["client_secret"] == CLIENT_SECRET
    assert "authorization" not in provider.asked[1][2]


def test_one_clients_secret_is_not_sent_for_the_next() -> None:
    """Authlib writes into a dictionary of headers that all its clients share."""
    RelyingParty(EvilProvider()).log_in()
    provider = EvilProvider(authentication="client_secret_post")
    RelyingParty(provider, {"authentication": "client_secret_post"}).log_in()
    assert "authorization" not in provider.asked[1][2]


def test_a_signed_assertion() -> None:
    """`private_key_jwt` (RFC 7523): for this provider's token endpoint, short, with an id of its own each time."""
    from joserfc import jwt

    key = RSAKey.import_key(rsa.generate_private_key(65537, 2048))
    provider = EvilProvider(authentication="private_key_jwt")
    party = RelyingParty(
        provider, {"authentication": "private_key_jwt"}, SigningKey(key, "RS256", {"kid": "c1", "x5t#S256": "abc"})
    )
    party.log_in()
    party.log_in()
    first, second = (jwt.decode(form["client_assertion"], key) for form in provider.forms)
    assert first.header["kid"] == "c1"
    assert first.header["x5t#S256"] == "abc"
    assert first.claims["iss"] == first.claims["sub"] == CLIENT_ID
    assert first.claims["aud"] == "https://idp.example/token"
    assert first.claims["exp"] - first.claims["iat"] == 300
    assert first.claims["jti"] != second.claims["jti"]
    assert "client_secret" not in provider.forms[0]


def test_an_error_of_the_provider_is_told_in_words() -> None:
    """For the administrator: what it said, shortened and in backticks."""
    from rolebridge.core.login import LoginRefused

    provider = EvilProvider(
        answers={"/token": as_json({"error": "invalid_client", "error_description": "AADSTS7000222: expired"}, 401)}
    )
    with pytest.raises(LoginRefused, match=r"status 401: `invalid_client` `AADSTS7000222: expired`"):
        RelyingParty(provider).log_in()
