"""AuthnRequests: what stands in them, how they travel, and that their signatures hold for another reader."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from tests.sso.saml.idp import DS, SAML, SAMLP, canonical, signer

from rolebridge.core.saml_settings import NAME_ID_FORMATS, Binding, IdpDescription, SamlSettings
from rolebridge.sso.key_pairs import KeyPair
from rolebridge.sso.saml.provider import ServiceProvider
from rolebridge.sso.saml.requests import RSA_SHA256, Asked, authn_request, post_form, redirect_url

SP = ServiceProvider.of("https://bridge.example/base", "c1")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ENDPOINTS = {Binding.REDIRECT: "https://idp.example/sso?tenant=1", Binding.POST: "https://idp.example/post"}
SETTINGS = SamlSettings(IdpDescription("https://idp.example", ENDPOINTS, (signer().base64,)), (signer().base64,))
ASKED = Asked("_id1", NOW)


def pair() -> KeyPair:
    """Return a key pair of ours, the same each time; the tests' signer has one already."""
    own = signer("sp")
    assert isinstance(own.key, rsa.RSAPrivateKey)
    return KeyPair(own.key, own.base64)


def text_of(root: etree._Element, path: str) -> list[str]:
    found: Any = root.xpath(path, namespaces={"saml": SAML, "samlp": SAMLP, "ds": DS})
    return [str(one) for one in found]


def public(certificate: str) -> rsa.RSAPublicKey:
    key = x509.load_der_x509_certificate(base64.b64decode(certificate)).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def sent(url: str) -> tuple[etree._Element, dict[str, str]]:
    """Return the request in a URL, as an identity provider reads it, and the fields."""
    fields: dict[str, str] = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    return etree.fromstring(zlib.decompress(base64.b64decode(fields["SAMLRequest"]), -15)), fields


def test_a_request_says_who_asks_and_where_the_answer_goes() -> None:
    """Issuer and assertion consumer service come from the base URL; the answer is wanted by POST."""
    root = authn_request(SP, SETTINGS, ASKED)
    assert root.tag == f"{{{SAMLP}}}AuthnRequest"
    assert dict(root.attrib.items()) == {
        "ID": "_id1",
        "Version": "2.0",
        "IssueInstant": "2026-11-22T12:00:00Z",
        "Destination": "https://idp.example/sso?tenant=1",
        "ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
        "AssertionConsumerServiceURL": "https://bridge.example/base/sso/c1/acs",
    }
    assert text_of(root, "saml:Issuer/text()") == ["https://bridge.example/base/sso/c1/metadata"]
    assert text_of(root, "samlp:NameIDPolicy/@*") == ["true"]
    assert text_of(root, "samlp:RequestedAuthnContext") == []


def test_a_request_asks_for_what_the_settings_say() -> None:
    """ForceAuthn, the format of the name, authentication contexts."""
    contexts = ("urn:oasis:names:tc:SAML:2.0:ac:classes:X509", "https://refeds.org/profile/mfa")
    email = NAME_ID_FORMATS["email"]
    root = authn_request(SP, replace(SETTINGS, force_authn=True, contexts=contexts, name_id_format=email), ASKED)
    assert root.get("ForceAuthn") == "true"
    assert text_of(root, "samlp:NameIDPolicy/@Format") == [email]
    assert text_of(root, "samlp:RequestedAuthnContext/@Comparison") == ["exact"]
    assert text_of(root, "samlp:RequestedAuthnContext/saml:AuthnContextClassRef/text()") == list(contexts)
    # The order that the schema has (SAML Core §3.4.1).
    assert [etree.QName(one).localname for one in root] == ["Issuer", "NameIDPolicy", "RequestedAuthnContext"]


def test_an_application_may_ask_for_a_fresh_login() -> None:
    """Even where the connection does not do so by itself."""
    assert authn_request(SP, SETTINGS, replace(ASKED, fresh=True)).get("ForceAuthn") == "true"
    assert authn_request(SP, SETTINGS, replace(ASKED, contexts=("urn:a",))).find(f".//{{{SAML}}}*") is not None


def test_a_redirect_carries_the_request_in_the_url() -> None:
    """Deflated, base64, beside the parameters that the URL has; RelayState is the key that was given."""
    url = redirect_url(SETTINGS, authn_request(SP, SETTINGS, ASKED), "_key&=+", None)
    assert url.startswith("https://idp.example/sso?tenant=1&SAMLRequest=")
    root, fields = sent(url)
    assert (root.get("ID"), fields["RelayState"], fields["tenant"]) == ("_id1", "_key&=+", "1")
    assert "Signature" not in fields
    plain = replace(SETTINGS, idp=replace(SETTINGS.idp, endpoints={Binding.REDIRECT: "https://idp.example/sso"}))
    assert redirect_url(plain, root, "x", None).startswith("https://idp.example/sso?SAMLRequest=")


def test_a_signed_redirect_is_signed_over_its_very_query() -> None:
    """SAMLRequest, RelayState and SigAlg in this order, as they stand in the URL (SAML Bindings §3.4.4.1)."""
    own = pair()
    url = redirect_url(SETTINGS, authn_request(SP, SETTINGS, ASKED), "_id1", own)
    _, fields = sent(url)
    query = urlsplit(url).query.removeprefix("tenant=1&")
    signed, _, _ = query.partition("&Signature=")
    assert [part.partition("=")[0] for part in signed.split("&")] == ["SAMLRequest", "RelayState", "SigAlg"]
    assert fields["SigAlg"] == RSA_SHA256
    value = base64.b64decode(fields["Signature"])
    key = public(own.certificate)
    key.verify(value, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.verify(value, signed.replace("_id1", "_id2").encode(), padding.PKCS1v15(), hashes.SHA256())


def test_a_form_carries_the_request_as_it_is() -> None:
    """Base64 without compression, to the URL for forms."""
    settings = replace(SETTINGS, binding=Binding.POST)
    form = post_form(settings, authn_request(SP, settings, ASKED), "_id1", None)
    assert form.action == "https://idp.example/post"
    assert [name for name, _ in form.fields] == ["SAMLRequest", "RelayState"]
    root = etree.fromstring(base64.b64decode(form.fields[0][1]))
    assert (root.get("Destination"), root.find(f"{{{DS}}}Signature")) == ("https://idp.example/post", None)


def test_a_signed_form_holds_for_another_reader() -> None:
    """The signature stands behind the Issuer, covers the whole request, and verifies by lxml and cryptography alone."""
    own = pair()
    settings = replace(SETTINGS, binding=Binding.POST)
    form = post_form(settings, authn_request(SP, settings, ASKED), "_id1", own)
    root = etree.fromstring(base64.b64decode(form.fields[0][1]))
    assert [etree.QName(one).localname for one in root][:2] == ["Issuer", "Signature"]
    signature = root.find(f"{{{DS}}}Signature")
    assert signature is not None
    info = signature.find(f"{{{DS}}}SignedInfo")
    assert info is not None
    value = base64.b64decode(text_of(signature, "ds:SignatureValue/text()")[0])
    public(own.certificate).verify(value, canonical(info), padding.PKCS1v15(), hashes.SHA256())
    assert text_of(signature, "ds:SignedInfo/ds:Reference/@URI") == ["#_id1"]
    root.remove(signature)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(canonical(root))
    expected = base64.b64encode(digest.finalize()).decode()
    assert text_of(signature, "ds:SignedInfo/ds:Reference/ds:DigestValue/text()") == [expected]
