"""Metadata: what we say of ourselves, and what is read of an identity provider, however broken its file is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests.sso.saml.idp import DS, signer

from rolebridge.core.errors import Invalid
from rolebridge.core.saml_settings import Binding, IdpDescription, SamlSettings, fingerprint
from rolebridge.sso.saml.metadata_in import chosen, read_metadata
from rolebridge.sso.saml.metadata_out import service_provider_metadata
from rolebridge.sso.saml.provider import MD, ServiceProvider

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
SAML2 = "urn:oasis:names:tc:SAML:2.0:protocol"


def key(certificate: str, use: str | None = "signing") -> str:
    said = f' use="{use}"' if use else ""
    data = f"<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>"
    return f'<md:KeyDescriptor{said}><ds:KeyInfo xmlns:ds="{DS}">{data}</ds:KeyInfo></md:KeyDescriptor>'


def service(binding: str, url: str) -> str:
    return f'<md:SingleSignOnService Binding="{binding}" Location="{url}"/>'


def role(
    keys: str | None = None,
    services: str = service(REDIRECT, "https://idp.example/sso"),
    attributes: str = f'protocolSupportEnumeration="{SAML2}"',
) -> str:
    keys = key(signer().base64) if keys is None else keys
    return f"<md:IDPSSODescriptor {attributes}>{keys}{services}</md:IDPSSODescriptor>"


def entity(inside: str | None = None, id_: str = "https://idp.example", attributes: str = "") -> str:
    inside = role() if inside is None else inside
    return f'<md:EntityDescriptor xmlns:md="{MD}" entityID="{id_}" {attributes}>{inside}</md:EntityDescriptor>'


def entities(*inside: str, attributes: str = "") -> str:
    return f'<md:EntitiesDescriptor xmlns:md="{MD}" {attributes}>{"".join(inside)}</md:EntitiesDescriptor>'


# --- in ----------------------------------------------------------------------------------------------------------


def test_an_identity_provider_is_read() -> None:
    """Entity id, both bindings, certificates with and without a use; those for encryption are not ours to trust."""
    keys = key(signer().base64) + key(signer("second").base64, None) + key(signer("other").base64, "encryption")
    services = service(SOAP, "https://idp.example/soap") + service(POST, "https://idp.example/post")
    services += service(REDIRECT, "https://idp.example/sso")
    said = f'WantAuthnRequestsSigned="true" protocolSupportEnumeration="urn:other {SAML2}"'
    found = read_metadata(entity(role(keys, services, said)).encode(), NOW)
    assert found.idp == IdpDescription(
        "https://idp.example",
        {Binding.REDIRECT: "https://idp.example/sso", Binding.POST: "https://idp.example/post"},
        (signer().base64, signer("second").base64),
    )
    assert found.wants_signed
    assert found.notes == ("the metadata is not signed: it is as trustworthy as the way it came",)


def test_a_certificate_may_be_broken_into_lines() -> None:
    """As every identity provider writes it; a second one behind it in the same KeyInfo vouches, and does not sign."""
    text = signer().base64
    lines = "\n      ".join(text[at : at + 64] for at in range(0, len(text), 64))
    chain = key(lines).replace(
        "</ds:X509Data>", f"<ds:X509Certificate>{signer('ca').base64}</ds:X509Certificate></ds:X509Data>"
    )
    assert read_metadata(entity(role(chain)).encode(), NOW).idp.certificates == (text,)


def test_the_named_one_of_several_is_taken() -> None:
    """A federation's file describes many: the one that is named counts, also where they are nested."""
    other = entity(id_="https://other.example")
    document = entities(other, entities(entity(id_="https://idp.example"))).encode()
    assert read_metadata(document, NOW, "https://idp.example").idp.entity_id == "https://idp.example"


def test_a_service_provider_beside_it_does_not_matter() -> None:
    """An aggregate holds service providers too; with one identity provider nothing has to be named."""
    sp = entity("<md:SPSSODescriptor/>", "https://sp.example")
    assert read_metadata(entities(sp, entity()).encode(), NOW).idp.entity_id == "https://idp.example"


def test_an_expired_certificate_is_told_and_taken() -> None:
    """The pinned key is what is trusted; the end of its certificate is told, and breaks nothing."""
    old = signer("old", expired=True)
    found = read_metadata(entity(role(key(old.base64))).encode(), NOW)
    assert found.idp.certificates == (old.base64,)
    assert any("expired on 2020-12-31" in note for note in found.notes)
    assert chosen(found.idp.certificates, (), NOW) == (old.base64,)


BROKEN = {
    "nothing": (b"", "the metadata is empty"),
    "blanks": (b" \n ", "the metadata is empty"),
    "a web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "this is a web page, not metadata"),
    "json": (b'{"issuer": "https://idp.example"}', "this is JSON, not SAML metadata"),
    "no xml": (b"certificate: MII", "the metadata is no well-formed XML"),
    "cut off": (entity().encode()[:-20], "the metadata is no well-formed XML"),
    "a document type": (b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + entity().encode(), "document type declaration"),
    "another document": (b"<root/>", "is not SAML 2.0 metadata: it begins with `root` in the namespace nothing"),
    "saml 1": (
        entity(role(attributes='protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol"')).encode(),
        "does not speak SAML 2.0, but `urn:oasis:names:tc:SAML:1.1:protocol`",
    ),
    "a service provider": (entity("<md:SPSSODescriptor/>").encode(), "this is the metadata of a service provider"),
    "no role": (entity("").encode(), "describes no identity provider"),
    "nobody": (entities().encode(), "describes no identity provider"),
    "two roles": (entity(role() + role()).encode(), "describes itself twice"),
    "several": (
        entities(entity(), entity(id_="https://b.example")).encode(),
        "describes `https://idp.example`, `https://b.example`; name one with --entity-id",
    ),
    "no entity id": (entity(id_="").encode(), "an entity id is"),
    "no endpoint": (entity(role(services="")).encode(), "it takes none"),
    "another binding": (entity(role(services=service(SOAP, "https://x"))).encode(), f"it takes `{SOAP}`"),
    "http": (entity(role(services=service(POST, "http://idp.example/"))).encode(), "a URL begins with `https://`"),
    "javascript": (
        entity(role(services=service(POST, "javascript:alert(1)"))).encode(),
        "a URL begins with `https://`",
    ),
    "no key": (entity(role("")).encode(), "names no certificate to sign with"),
    "no signing key": (entity(role(key(signer().base64, "encryption"))).encode(), "no certificate to sign with"),
    "a bare key": (
        entity(role(f'<md:KeyDescriptor><ds:KeyInfo xmlns:ds="{DS}"/></md:KeyDescriptor>')).encode(),
        "only bare keys to sign with",
    ),
    "a broken certificate": (entity(role(key("TUlJ"))).encode(), "a certificate cannot be read"),
    "no base64": (entity(role(key("!!!"))).encode(), "a certificate cannot be read"),
    "out of date": (
        entity(attributes='validUntil="2026-11-22T11:59:59Z"').encode(),
        "was good until 2026-11-22 11:59 UTC",
    ),
    "out of date with the federation": (
        entities(entity(), attributes='validUntil="2020-01-01T00:00:00Z"').encode(),
        "was good until 2020-01-01",
    ),
    "out of date in its role": (
        entity(role(attributes=f'protocolSupportEnumeration="{SAML2}" validUntil="2020-01-01T00:00:00Z"')).encode(),
        "was good until 2020-01-01",
    ),
    "no time": (entity(attributes='validUntil="soon"').encode(), "`validUntil` is no time: `soon`"),
    "too large": (entity("<!-- " + "x" * 600_000 + " -->").encode(), "more than 524,288"),
    "many certificates": (
        entity(role("".join(key(signer(f"n{n}", "ec").base64) for n in range(9)))).encode(),
        "names 9 certificates, more than 8",
    ),
}


@pytest.mark.parametrize(("document", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_metadata_is_told_what_is_wrong_with_it(document: bytes, told: str) -> None:
    """Each mistake has its own sentence: a page that asks to sign in, the wrong side's file, a cut download."""
    with pytest.raises(Invalid) as caught:
        read_metadata(document, NOW)
    assert told in str(caught.value)


def test_an_unknown_entity_id_is_told_with_those_there_are() -> None:
    """At most five of them."""
    many = [entity(id_=f"https://i{n}.example") for n in range(8)]
    with pytest.raises(Invalid, match=r"does not describe `https://x[.]example`, but `https://i0[.]example`") as caught:
        read_metadata(entities(*many).encode(), NOW, "https://x.example")
    assert "and 3 others" in str(caught.value)


def test_an_entity_that_is_there_twice_is_refused() -> None:
    """Nobody knows which of them the file means."""
    with pytest.raises(Invalid, match=r"describes `https://idp[.]example` more than once"):
        read_metadata(entities(entity(), entity()).encode(), NOW, "https://idp.example")


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: entity(text).encode("utf-8", "replace")))
def test_whatever_comes_is_read_or_refused(document: bytes) -> None:
    """No bytes at all lead to anything but a description or a sentence."""
    with suppress(Invalid):
        read_metadata(document, NOW)


# --- which certificates --------------------------------------------------------------------------------------------


def test_certificates_that_are_good_now_are_trusted() -> None:
    """One or two of them; expired ones only where there is no other."""
    new, old = signer("new"), signer("old", expired=True)
    assert chosen((old.base64, new.base64), (), NOW) == (new.base64,)
    assert chosen((new.base64, signer().base64), (), NOW) == (new.base64, signer().base64)


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_moment_beyond_the_calendar_is_no_time(until: str) -> None:
    """In UTC there is no such day; whoever reads the metadata is told, and the worker goes on."""
    with pytest.raises(Invalid, match="`validUntil` is no time"):
        read_metadata(f'<md:EntityDescriptor xmlns:md="{MD}" validUntil="{until}"/>'.encode(), NOW)


def test_of_three_certificates_somebody_has_to_choose() -> None:
    """The refusal names them; a fingerprint, with or without colons, chooses."""
    three = (signer("a").base64, signer("b").base64, signer("c").base64)
    with pytest.raises(Invalid, match="there are 3 certificates; name the one or two to trust with --pin"):
        chosen(three, (), NOW)
    print_ = fingerprint(three[1])
    colons = ":".join(print_[at : at + 2] for at in range(0, 64, 2)).upper()
    assert chosen(three, [print_[:16]], NOW) == chosen(three, [colons], NOW) == (three[1],)
    with pytest.raises(Invalid, match="at least 16 hexadecimal digits"):
        chosen(three, [print_[:15]], NOW)
    with pytest.raises(Invalid, match="no certificate begins with `0000000000000000`"):
        chosen(three, ["0000000000000000"], NOW)


# --- out ---------------------------------------------------------------------------------------------------------

SP = ServiceProvider.of("https://bridge.example", "c1")


def test_our_metadata_says_where_and_with_which_keys() -> None:
    """Entity id, assertion consumer service, every key to sign with, the newest to encrypt for."""
    root = etree.fromstring(service_provider_metadata(SP, None, [signer("old").base64, signer("new").base64]))
    assert root.get("entityID") == "https://bridge.example/sso/c1/metadata"
    (consumer,) = root.iter(f"{{{MD}}}AssertionConsumerService")
    assert (consumer.get("Location"), consumer.get("Binding")) == ("https://bridge.example/sso/c1/acs", POST)
    keys = [
        (one.get("use"), next(one.iter(f"{{{DS}}}X509Certificate")).text) for one in root.iter(f"{{{MD}}}KeyDescriptor")
    ]
    assert keys == [
        ("signing", signer("old").base64),
        ("signing", signer("new").base64),
        ("encryption", signer("new").base64),
    ]


def test_our_metadata_says_what_the_settings_say() -> None:
    """Signed requests, the format of names, AES-CBC only where it is taken."""
    idp = IdpDescription("https://idp.example", {Binding.REDIRECT: "https://idp.example/sso"}, (signer().base64,))
    settings = SamlSettings(idp, (signer().base64,))
    plain = service_provider_metadata(SP, settings, [signer("sp").base64])
    assert (b'AuthnRequestsSigned="false"' in plain, b"aes256-cbc" in plain, b"NameIDFormat" in plain) == (
        True,
        False,
        False,
    )
    name = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    full = replace(settings, sign_requests=True, allow_cbc=True, name_id_format=name)
    told = service_provider_metadata(SP, full, [signer("sp").base64])
    assert (b'AuthnRequestsSigned="true"' in told, b"aes256-cbc" in told, name.encode() in told) == (True, True, True)


def test_our_metadata_without_keys_is_metadata() -> None:
    """Who connects an identity provider needs our URLs before anything else."""
    root = etree.fromstring(service_provider_metadata(SP, None, []))
    assert list(root.iter(f"{{{MD}}}KeyDescriptor")) == []
