"""Whatever a provider answers, a login is accepted or refused: nothing else comes of it."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st
from tests.sso.oidc.cases import honest
from tests.sso.oidc.evil import EvilProvider, as_json
from tests.sso.oidc.logins import RelyingParty

from rolebridge.core.login import LoginRefused

NUMBERS: Final = st.integers(-(10**30), 10**30) | st.floats()
VALUES: Final = st.recursive(
    st.none()
    | st.booleans()
    | NUMBERS
    | st.text(max_size=12)
    | st.sampled_from(["RS256", "k1", "bridge", "sig", "RSA"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
CLAIMS: Final = [
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "at_hash",
    "c_hash",
    "acr",
    "auth_time",
    "sid",
]
MEMBERS: Final = ["kty", "n", "e", "d", "crv", "x", "y", "use", "key_ops", "alg", "kid", "x5c", "k"]
ENDPOINTS: Final = ["issuer", "token_endpoint", "jwks_uri", "userinfo_endpoint", "authorization_endpoint"]
SETTINGS: Final = {"userinfo": True, "max_age": 300, "acr_values": ["mfa"], "algorithms": ["RS256", "ES256", "EdDSA"]}


def objects(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with some of these names, and others."""
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=6), VALUES, max_size=5)


def log_in(provider: EvilProvider) -> None:
    """Log in, or be refused."""
    with contextlib.suppress(LoginRefused):
        RelyingParty(provider, SETTINGS).log_in()


@given(claims=objects(CLAIMS), header=objects(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5u", "x5c", "cty"]))
def test_any_token(claims: dict[str, Any], header: dict[str, Any]) -> None:
    """Claims and headers of any content, well signed."""
    provider = EvilProvider()
    provider.claims.update(claims)
    provider.header.update(header)
    log_in(provider)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}"))
def test_any_text_as_token(text: str) -> None:
    """Texts that are no tokens at all."""
    log_in(EvilProvider(response={"id_token": text}))


@given(st.lists(objects(MEMBERS) | objects(MEMBERS).map(lambda other: honest() | other), max_size=4))
def test_any_key_set(keys: list[dict[str, Any]]) -> None:
    """Keys of any content, beside others."""
    log_in(EvilProvider(keys=keys))


@given(VALUES | objects(["access_token", "token_type", "id_token", "error", "error_description", "expires_in"]))
def test_any_token_response(response: Any) -> None:
    """Token responses of any content."""
    log_in(EvilProvider(answers={"/token": as_json(response)}))


@given(VALUES | objects(["sub", "groups", "acr"]))
def test_any_userinfo(userinfo: Any) -> None:
    """Userinfo of any content."""
    log_in(EvilProvider(answers={"/userinfo": as_json(userinfo)}))


@given(VALUES | objects(ENDPOINTS))
def test_any_discovery_document(document: Any) -> None:
    """Discovery documents of any content; what is accepted has endpoints that can be called."""
    provider = EvilProvider()
    base = provider.discovery_document()
    said = base | document if isinstance(document, dict) else document
    provider.answers["/.well-known/openid-configuration"] = as_json(said)
    with contextlib.suppress(LoginRefused):
        assert RelyingParty(provider, SETTINGS).begin().startswith("https://")


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Bytes in place of each document."""
    for path in ("/.well-known/openid-configuration", "/keys", "/token", "/userinfo"):
        log_in(EvilProvider(answers={path: (200, {"content-type": "application/json"}, body)}))


@given(
    st.lists(st.tuples(st.sampled_from(["code", "state", "iss", "error", "error_description"]), st.text(max_size=20)))
)
def test_any_response(query: list[tuple[str, str]]) -> None:
    """Parameters of any content and number."""
    party = RelyingParty(EvilProvider(), SETTINGS)
    party.begin()
    with contextlib.suppress(LoginRefused):
        party.finish(query)
