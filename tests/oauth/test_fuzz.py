"""Whatever is sent to the token endpoint, it answers in OAuth's form, and never with a token or a defect."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.bridge.worlds import World
from tests.databases import with_schema
from tests.oauth.talking import Talk, Told

from rolebridge.oauth.assertions import ASSERTION_TYPE
from rolebridge.oauth.keys import SIGNING
from rolebridge.store.engine import Store

calm = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A client with a secret and a key, for all examples."""
    path: Path = tmp_path_factory.mktemp("fuzz") / "rolebridge.db"
    store = Store.open(with_schema(f"sqlite:///{path}"))
    talk = Talk(World(store))
    talk.register("ES256")
    yield talk
    talk.authenticator.uses.flush()
    store.close()


def refused(one: Talk, told: Told) -> None:
    """Look at a refusal: a status below 500, an error, and words that RFC 6749 §5.2 allows."""
    one.seconds += 1_000  # no meter is in the way of the next
    assert 400 <= told.status < 500
    assert set(told.body) <= {"error", "error_description"}
    assert told.body["error"].isascii()
    assert all(" " <= letter <= "~" and letter not in '"\\' for letter in told.body.get("error_description", ""))


@calm
@given(st.binary(max_size=300), st.sampled_from(["application/x-www-form-urlencoded", "text/plain", ""]))
def test_any_body(one: Talk, body: bytes, kind: str) -> None:
    """Any bytes as a body are refused."""
    refused(one, one.send(body, {"content-type": kind}))


@calm
@given(
    st.dictionaries(
        st.sampled_from(
            ["grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "x"]
        ),
        st.one_of(st.sampled_from(["client_credentials", ASSERTION_TYPE, "scim", "a.b.c"]), st.text(max_size=40)),
        max_size=7,
    ),
    st.one_of(
        st.none(), st.text(max_size=60), st.binary(max_size=60).map(lambda raw: b"Basic " + base64.b64encode(raw))
    ),
)
def test_any_form_and_header(one: Talk, form: dict[str, str], header: str | bytes | None) -> None:
    """Any parameters and any Authorization header are refused."""
    raw = urlencode({name: value.encode("utf-8", "replace") for name, value in form.items()})
    text = header.decode() if isinstance(header, bytes) else header
    refused(one, one.send(raw, {} if text is None else {"authorization": text}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
HEADER = st.dictionaries(
    st.sampled_from(["alg", "kid", "crit", "b64", "typ", "jwk", "jku", "x5c", "zip"]),
    st.one_of(st.sampled_from([*SIGNING, "none", "HS256"]), st.just(["b64"]), st.just(False), JSON),
)
CLAIMS = st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]), JSON)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@calm
@given(HEADER, CLAIMS, st.binary(max_size=80), st.booleans())
def test_any_unsigned_assertion(
    one: Talk, header: dict[str, Any], claims: dict[str, Any], signature: bytes, mine: bool
) -> None:
    """Any header and claims without a right signature are refused, also when they are about a client that is there."""
    about = {**claims, "sub": one.client.id, "iss": one.client.id} if mine else claims
    tail = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    refused(one, one.show(f"{part(header)}.{part(about)}.{tail}"))


@calm
@given(CLAIMS.filter(lambda claims: "aud" in claims or "exp" in claims or "jti" in claims))
def test_any_signed_claims(one: Talk, claims: dict[str, Any]) -> None:
    """Any claims in the place of right ones are refused, though the client's own key has signed them."""
    refused(one, one.show(one.sign("ES256", **{"aud": "https://else.example", **claims})))
