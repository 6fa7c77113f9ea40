"""Settings of a connection that logs people in by OpenID Connect, and claims as attributes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.errors import Invalid
from rolebridge.core.oidc_claims import flattened
from rolebridge.core.oidc_settings import OidcSettings, is_endpoint, read_oidc_settings

ISSUER = "https://idp.example"


def settings(**members: Any) -> OidcSettings:
    """Read settings of a provider with other members."""
    return read_oidc_settings({"issuer": ISSUER, "client_id": "bridge", **members})


def test_settings_survive_their_document() -> None:
    """What is stored is what was meant."""
    made = settings(algorithms=["ES256"], scopes=[], acr_values=["mfa"], acr_required=True, max_age=0, userinfo=True)
    assert read_oidc_settings(json.loads(json.dumps(made.document()))) == made


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://idp.example", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/realms/a", "https://idp.example/realms/a/.well-known/openid-configuration"),
        ("http://localhost:8081/idp", "http://localhost:8081/idp/.well-known/openid-configuration"),
        ("http://[::1]:8081", "http://[::1]:8081/.well-known/openid-configuration"),
    ],
)
def test_where_a_provider_describes_itself(issuer: str, url: str) -> None:
    """Below its issuer (OpenID Connect Discovery §4)."""
    assert settings(issuer=issuer).discovery_url == url


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "idp.example",
        "http://idp.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "https://",
        "https:///path",
        "https://user@idp.example",
        "https://user:word@idp.example",
        "https://idp.example?tenant=1",
        "https://idp.example#",
        "https://idp.example/a b",
        "https://idp.example/\n",
        "https://idp.exämple",
        "https://idp.example:0",
        "https://idp.example:99999",
        "https://idp.example\\@evil.example",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://idp.example/" + "x" * 500,
    ],
)
def test_what_is_no_issuer(issuer: str) -> None:
    """Only https URLs without query and fragment are, and http on this machine."""
    with pytest.raises(Invalid) as refused:
        settings(issuer=issuer)
    assert refused.value.field == "issuer"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": "a\nb"}, "client_id"),
        ({"client_id": 7}, "client_id"),
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": "RS256"}, "algorithms"),
        ({"scopes": ["a b"]}, "scopes"),
        ({"scopes": [""]}, "scopes"),
        ({"scopes": ["x"] * 21}, "scopes"),
        ({"acr_values": ["a b"]}, "acr_values"),
        ({"acr_required": True}, "acr_required"),
        ({"acr_required": 1}, "acr_required"),
        ({"audiences": [""]}, "audiences"),
        ({"prompt": "none"}, "prompt"),
        ({"max_age": -1}, "max_age"),
        ({"max_age": True}, "max_age"),
        ({"max_age": "600"}, "max_age"),
        ({"skew": 301}, "skew"),
        ({"skew": None}, "skew"),
        ({"authentication": "none"}, "authentication"),
        ({"userinfo": "yes"}, "userinfo"),
        ({"client_secret": "x"}, "client_secret"),
    ],
)
def test_what_settings_cannot_be(members: dict[str, Any], field: str) -> None:
    """Each is refused, and named."""
    with pytest.raises(Invalid) as refused:
        settings(**members)
    assert refused.value.field == field


def test_openid_is_always_asked_for() -> None:
    """Once, before the other scopes."""
    assert settings().scope == "openid profile email"
    assert settings(scopes=["groups", "openid"]).scope == "openid groups"


@given(st.text(max_size=60))
def test_what_is_an_endpoint_can_stand_in_an_attribute_and_a_header(rest: str) -> None:
    """No blank, quote, control character or fragment gets into a URL that browsers are sent to."""
    url = f"https://idp.example/{rest}"
    if is_endpoint(url):
        assert url.isascii()
        assert url.isprintable()
        assert not set(url) & set(' "<>\\^`{|}#')


# --- claims -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "attributes"),
    [
        ({"groups": []}, {"groups": ()}),
        ({"groups": ["a"]}, {"groups": ("a",)}),
        ({"groups": "a"}, {"groups": "a"}),
        ({"groups": None}, {}),
        ({"groups": ["a", None]}, {}),
        ({"groups": [1, True]}, {"groups": ("1", "true")}),
        ({"groups": [{"name": "a", "id": 1}, {"name": "b"}]}, {"groups.name": ("a", "b"), "groups.id": ("1",)}),
        ({"a": {"b": {"c": ["x"]}}}, {"a.b.c": ("x",)}),
        ({"a.b": "own", "a": {"b": "path"}}, {"a.b": "own"}),
        ({"a": {"b": "path"}, "a.b": "own"}, {"a.b": "own"}),
        ({"https://acme.example/groups": ["a"]}, {"https://acme.example/groups": ("a",)}),
        ({"_claim_names": {"groups": "src1"}}, {"_claim_names.groups": "src1"}),
        ({"iss": "x", "aud": "y", "nonce": "z", "sub": "ana"}, {"sub": "ana"}),
        ({"address": {}}, {}),
    ],
)
def test_claims_as_attributes(claims: dict[str, Any], attributes: dict[str, Any]) -> None:
    """By name, of objects by path; what is missing is not what is empty."""
    assert flattened(claims) == attributes


def test_deep_claims_end_somewhere() -> None:
    """Nobody is asked to follow a hundred objects in each other."""
    claims: Any = "x"
    for _ in range(100):
        claims = {"a": claims}
    assert flattened(claims) == {}
