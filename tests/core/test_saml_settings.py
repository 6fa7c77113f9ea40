"""Settings of SAML: what they may be, and that the document they are kept as says all of it."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.errors import Invalid
from rolebridge.core.saml_settings import (
    NAME_ID_FORMATS,
    Binding,
    IdpDescription,
    Offer,
    SamlSettings,
    fingerprint,
    is_page,
    read_saml_settings,
)

CERTIFICATE = base64.b64encode(b"certificate").decode()
OTHER = base64.b64encode(b"another").decode()
IDP = IdpDescription("https://idp.example", {Binding.REDIRECT: "https://idp.example/sso"}, (CERTIFICATE,))
LEAST = SamlSettings(IDP, (CERTIFICATE,))

certificates = st.binary(min_size=1, max_size=20).map(lambda data: base64.b64encode(data).decode())
uris = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
urls = st.sampled_from(["https://a.example/", "https://a.example/x?y=z", "http://127.0.0.1:8090/sso"])
descriptions = st.builds(
    IdpDescription,
    uris,
    st.dictionaries(st.sampled_from(Binding), urls, min_size=2),
    st.lists(certificates, min_size=1, max_size=8).map(tuple),
)
settings = st.builds(
    SamlSettings,
    descriptions,
    st.lists(certificates, min_size=1, max_size=2).map(tuple),
    metadata_url=st.just("") | urls,
    offer=st.none() | st.builds(Offer, descriptions, st.just("2026-11-22T00:00:00Z")),
    trouble=st.text(max_size=20),
    binding=st.sampled_from(Binding),
    sign_requests=st.booleans(),
    name_id_format=st.sampled_from(["", *NAME_ID_FORMATS.values()]),
    contexts=st.lists(uris, max_size=3).map(tuple),
    force_authn=st.booleans(),
    max_age=st.none() | st.integers(0, 2_592_000),
    idp_initiated=st.booleans(),
    targets=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,9}", fullmatch=True), urls | st.just("/account")
    ),
    allow_cbc=st.booleans(),
    sha1_until=st.none() | st.dates(),
    skew=st.integers(0, 300),
    longest_lifetime=st.integers(60, 86_400),
)


@given(settings)
def test_the_document_says_all_of_it(value: SamlSettings) -> None:
    """What is written as JSON is read as the same settings."""
    assert read_saml_settings(json.loads(json.dumps(value.document()))) == value


@given(
    st.dictionaries(
        st.sampled_from([one.name for one in fields(SamlSettings)]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_whatever_a_document_holds_is_read_or_refused(odd: dict[str, Any]) -> None:
    """By a sentence, never by a defect."""
    with suppress(Invalid):
        read_saml_settings({**LEAST.document(), **odd})


def test_what_is_not_said_is_as_usual() -> None:
    """Identity provider and pinned certificates suffice."""
    assert read_saml_settings({"idp": IDP.document(), "pinned": [CERTIFICATE]}) == LEAST
    assert (LEAST.idp_initiated, LEAST.sha1_until, LEAST.allow_cbc, LEAST.binding) == (
        False,
        None,
        False,
        Binding.REDIRECT,
    )


DOCUMENTS = [
    ({}, "`idp` and `pinned` must be there"),
    ({"skey": 1}, "SAML has no setting `skey`"),
    ({"pinned": []}, "a connection trusts one or 2 certificates, not 0"),
    ({"pinned": [CERTIFICATE] * 3}, "a connection trusts one or 2 certificates, not 3"),
    ({"pinned": ["!"]}, "a certificate is base64 text"),
    ({"pinned": "AAAA"}, "`pinned` must be a list of texts"),
    ({"idp": []}, "`idp` must be an object"),
    ({"idp": {**IDP.document(), "more": 1}}, "`idp` holds `entity_id`, `endpoints` by binding, and `certificates`"),
    ({"idp": {**IDP.document(), "endpoints": {"soap": "https://a.example"}}}, "`idp` holds"),
    ({"idp": {**IDP.document(), "endpoints": {}}}, "an identity provider has at least one sign-on URL"),
    ({"idp": {**IDP.document(), "entity_id": "two words"}}, "an entity id is 1 to 1,024 printable"),
    ({"binding": "artifact"}, "`binding` is one of redirect, post"),
    ({"binding": ["post"]}, "`binding` is one of redirect, post"),
    ({"binding": "post"}, "takes no requests by post, but by redirect"),
    ({"sign_requests": 1}, "`sign_requests` must be true or false"),
    ({"skew": True}, "`skew` must be a whole number"),
    ({"skew": -1}, "`skew` is 0 to 300 seconds"),
    ({"max_age": 2_592_001}, "`max_age` is 0 to 2592000 seconds"),
    ({"longest_lifetime": 86_401}, "`longest_lifetime` is 60 to 86400 seconds"),
    ({"sha1_until": "soon"}, "`sha1_until` must be a day such as 2027-01-31"),
    ({"name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"}, "the format of a name is one of"),
    ({"contexts": ["urn:a"] * 21}, "at most 20 authentication contexts"),
    ({"contexts": [""]}, "an authentication context is 1 to 1,024"),
    ({"metadata_url": "ftp://a.example"}, "a URL begins with `https://`"),
    ({"targets": {f"k{n}": "/account" for n in range(51)}}, "at most 50 targets"),
    ({"targets": {"": "/account"}}, "the key of a target is"),
    ({"targets": {"_flow": "/account"}}, "the key of a target is"),
]


@pytest.mark.parametrize(("changes", "told"), DOCUMENTS)
def test_what_cannot_be_is_refused(changes: dict[str, Any], told: str) -> None:
    """Each with its own sentence."""
    document = {**LEAST.document(), **changes} if changes else {}
    with pytest.raises(Invalid) as caught:
        read_saml_settings(document)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/",
        "https://",
        "https:///x",
        "https://user@app.example/",
        "https://app.example/#x",
        "https://app.example\\@evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/\\evil.example",
        "account",
        "https://app.example/ x",
        "https://app.exämple/",
        "http://127.0.0.1.evil.example/",
        "http://localhost:x/",
    ],
)
def test_a_target_that_leads_elsewhere_is_refused(url: str) -> None:
    """Only https, a page of ours, or this machine's own http."""
    with pytest.raises(Invalid, match="a URL "):
        replace(LEAST, targets={"key": url})
    assert not is_page(url)


def test_a_page_of_ours_is_a_target() -> None:
    """A path from the root."""
    assert is_page("/account")
    assert replace(LEAST, targets={"a": "/account", "b": "http://[::1]:9000/login"}).targets["a"] == "/account"


def test_a_fingerprint_is_the_digest_of_the_certificate_itself() -> None:
    """SHA-256 over DER, as `openssl x509 -fingerprint -sha256` shows it."""
    assert fingerprint(OTHER) == "ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5"


def test_sha1_has_a_last_day() -> None:
    """It is a date, not a switch."""
    assert replace(LEAST, sha1_until=date(2027, 1, 31)).document()["sha1_until"] == "2027-01-31"
