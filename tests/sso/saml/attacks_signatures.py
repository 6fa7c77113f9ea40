"""Attacks by what a signature can say: keys, methods, transforms, references."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from typing import Any

from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.attacking import (
    ADMIN,
    Message,
    assertion_in,
    attack,
    evil,
    part,
    signature_in,
    signed,
    wrapped,
)
from tests.sso.saml.idp import DS, Login, Style


def in_style(**changed: Any) -> etree._Element:
    return idp.signed(Login(), "assertion", style=Style(**changed))


def changed_signed_info(change: Callable[[etree._Element], object], sign_what: str = "assertion") -> etree._Element:
    """Return a response whose SignedInfo was changed before its value was made."""
    root = signed(sign_what)
    owner = assertion_in(root) if sign_what == "assertion" else root
    signature = signature_in(owner)
    change(part(signature, "ds:SignedInfo"))
    idp.resign(signature, idp.signer())
    return root


@attack("saml-signature")
def a_key_of_ones_own_with_its_certificate() -> Message:
    return idp.signed(Login(subject=ADMIN), "both", by=idp.signer("mallory"))


@attack("saml-signature")
def a_key_of_ones_own_as_a_key_value() -> Message:
    return idp.signed(Login(subject=ADMIN), by=idp.signer("mallory"), style=Style(key_info="value"))


@attack("saml-signature")
def a_key_of_ones_own_with_the_pinned_certificate_and_a_key_value() -> Message:
    mallory = idp.signer("mallory")
    pinned = f"<ds:X509Data><ds:X509Certificate>{idp.signer().base64}</ds:X509Certificate></ds:X509Data>"
    return idp.signed(Login(subject=ADMIN), by=mallory, style=Style(key_info=idp.key_value(mallory) + pinned))


@attack("saml-signature")
def a_key_to_be_fetched() -> Message:
    fetched = '<ds:RetrievalMethod URI="http://127.0.0.1:9/key"/>'
    return idp.signed(Login(subject=ADMIN), by=idp.signer("mallory"), style=Style(key_info=fetched))


@attack("saml-signature")
def another_kind_of_key_than_the_method() -> Message:
    return idp.signed(Login(), by=idp.signer("mallory", "ec"), style=Style(method=idp.ECDSA_SHA256))


@attack("saml-signature-method")
def hmac_with_the_certificate_as_the_secret() -> Message:
    return idp.signed(Login(subject=ADMIN), style=Style(method=idp.HMAC_SHA256))


@attack("saml-signature-method")
def no_known_method() -> Message:
    return changed_signed_info(lambda info: part(info, "ds:SignatureMethod").set("Algorithm", "none"))


@attack("saml-signature-method")
def hmac_of_no_length() -> Message:
    def cut(info: etree._Element) -> None:
        method = part(info, "ds:SignatureMethod")
        method.append(wrapped("HMACOutputLength"))

    return changed_signed_info(cut)


@attack("saml-digest-method")
def md5() -> Message:
    md5_uri = "http://www.w3.org/2001/04/xmldsig-more#md5"
    return changed_signed_info(lambda info: part(info, ".//ds:DigestMethod").set("Algorithm", md5_uri))


@attack("saml-sha1")
def sha1() -> Message:
    return in_style(method=idp.RSA_SHA1, digest=idp.SHA1)


@attack("saml-sha1")
def sha1_in_the_digest_only() -> Message:
    return in_style(digest=idp.SHA1)


@attack("saml-sha1", sha1_until=date(2026, 11, 21))
def sha1_after_its_last_day() -> Message:
    return in_style(method=idp.RSA_SHA1, digest=idp.SHA1)


@attack("saml-canonicalization")
def inclusive_canonicalization() -> Message:
    return in_style(canonicalization="http://www.w3.org/TR/2001/REC-xml-c14n-20010315")


@attack("saml-canonicalization")
def canonicalization_with_comments() -> Message:
    return in_style(canonicalization=idp.EXC_C14N + "WithComments")


@attack("saml-canonicalization")
def an_unknown_canonicalization() -> Message:
    return in_style(canonicalization="urn:void")


@attack("saml-transforms")
def an_xpath_transform() -> Message:
    return in_style(transforms=(idp.ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116", idp.EXC_C14N))


@attack("saml-transforms")
def an_xslt_transform() -> Message:
    return in_style(transforms=(idp.ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116", idp.EXC_C14N))


@attack("saml-transforms")
def a_base64_transform() -> Message:
    return in_style(transforms=(idp.ENVELOPED, DS + "base64", idp.EXC_C14N))


@attack("saml-transforms")
def no_enveloped_signature() -> Message:
    return in_style(transforms=(idp.EXC_C14N,))


@attack("saml-transforms")
def transforms_the_other_way_round() -> Message:
    return in_style(transforms=(idp.EXC_C14N, idp.ENVELOPED))


@attack("saml-transforms")
def a_thousand_transforms() -> Message:
    return in_style(transforms=(idp.ENVELOPED, *[idp.EXC_C14N] * 1_000))


@attack("saml-transform-parameters")
def a_transform_with_an_xpath_in_it() -> Message:
    def put(info: etree._Element) -> None:
        xpath = wrapped("XPath")
        xpath.text = "not(ancestor-or-self::NameID)"
        info.findall(".//ds:Transform", idp.NAMESPACES)[0].append(xpath)

    return changed_signed_info(put)


@attack("saml-transform-parameters")
def a_thousand_prefixes() -> Message:
    return in_style(prefixes=" ".join(f"n{n}" for n in range(1_000)))


@attack("saml-transform-parameters")
def prefixes_for_the_enveloped_signature() -> Message:
    def put(info: etree._Element) -> None:
        info.findall(".//ds:Transform", idp.NAMESPACES)[0].append(inclusive())

    return changed_signed_info(put)


@attack("saml-transform-parameters")
def something_else_than_prefixes() -> Message:
    def put(info: etree._Element) -> None:
        info.findall(".//ds:Transform", idp.NAMESPACES)[1].append(wrapped("InclusiveNamespaces"))

    return changed_signed_info(put)


@attack("saml-transform-parameters")
def prefixes_with_something_inside() -> Message:
    def put(info: etree._Element) -> None:
        prefixes = inclusive()
        prefixes.append(wrapped("XPath"))
        part(info, "ds:CanonicalizationMethod").append(prefixes)

    return changed_signed_info(put)


@attack("saml-transform-parameters")
def one_prefix_too_many() -> Message:
    return in_style(prefixes=" ".join(f"n{n}" for n in range(21)))


def inclusive() -> etree._Element:
    found = etree.Element(f"{{{idp.EXC_C14N}}}InclusiveNamespaces")
    found.set("PrefixList", "xs")
    return found


@attack("saml-digest-method")
def a_digest_method_with_parameters() -> Message:
    return changed_signed_info(lambda info: part(info, ".//ds:DigestMethod").append(wrapped("HMACOutputLength")))


@attack("saml-reference-count")
def no_reference() -> Message:
    return changed_signed_info(lambda info: info.remove(part(info, "ds:Reference")))


@attack("saml-reference-count")
def multiple_references() -> Message:
    return changed_signed_info(lambda info: info.append(deepcopy(part(info, "ds:Reference"))))


@attack("saml-reference-count")
def a_thousand_references() -> Message:
    def put(info: etree._Element) -> None:
        info.extend(wrapped("Reference") for _ in range(1_000))

    return changed_signed_info(put)


@attack("saml-reference-target")
def an_empty_reference() -> Message:
    return idp_signed_with_uri("")


@attack("saml-reference-target")
def a_reference_by_xpointer() -> Message:
    return idp_signed_with_uri("#xpointer(id('_assertion-1'))")


@attack("saml-reference-target")
def a_reference_to_the_network() -> Message:
    return idp_signed_with_uri("http://127.0.0.1:9/assertion")


@attack("saml-reference-target")
def a_reference_without_uri() -> Message:
    return changed_signed_info(lambda info: part(info, "ds:Reference").attrib.pop("URI"))


@attack("saml-reference-target")
def the_responses_signature_over_its_assertion_only() -> Message:
    root = signed("none")
    signature = idp.make_signature(assertion_in(root), idp.signer())
    part(root, "saml:Issuer").addnext(signature)
    return root


def idp_signed_with_uri(uri: str) -> etree._Element:
    root = signed("none")
    idp.sign(assertion_in(root), idp.signer(), uri=uri)
    return root


@attack("saml-signed-info-parts")
def two_canonicalization_methods() -> Message:
    return changed_signed_info(lambda info: info.insert(0, deepcopy(part(info, "ds:CanonicalizationMethod"))))


@attack("saml-reference-parts")
def two_digest_values() -> Message:
    def put(info: etree._Element) -> None:
        reference = part(info, "ds:Reference")
        reference.append(deepcopy(part(reference, "ds:DigestValue")))

    return changed_signed_info(put)


@attack("saml-reference-parts")
def no_transforms() -> Message:
    def take(info: etree._Element) -> None:
        reference = part(info, "ds:Reference")
        reference.remove(part(reference, "ds:Transforms"))

    return changed_signed_info(take)


@attack("saml-signature-parts")
def two_signed_infos() -> Message:
    root = signed()
    signature = signature_in(assertion_in(root))
    forged = idp.make_signature(evil(assertion_in(root), "_assertion-1"), idp.signer("mallory"))
    signature.insert(0, part(forged, "ds:SignedInfo"))
    return root


@attack("saml-signature-parts")
def an_object_in_the_signature() -> Message:
    root = signed()
    signature_in(assertion_in(root)).append(wrapped("Object"))
    return root


@attack("saml-signature-parts")
def no_signature_value() -> Message:
    root = signed()
    signature = signature_in(assertion_in(root))
    signature.remove(part(signature, "ds:SignatureValue"))
    return root


@attack("saml-signature-count")
def two_signatures_of_one_assertion() -> Message:
    root = signed()
    signature = signature_in(assertion_in(root))
    signature.addnext(idp.make_signature(evil(assertion_in(root)), idp.signer("mallory")))
    return root


@attack("saml-signature-count")
def an_assertion_signed_once_more_with_its_signature() -> Message:
    root = signed()
    idp.sign(assertion_in(root), idp.signer())
    return root


@attack("saml-signature-value")
def no_base64_in_the_signature_value() -> Message:
    root = signed()
    value = part(root, ".//ds:SignatureValue")
    value.text = f"!{value.text}"
    return root


@attack("saml-signature-value")
def a_signature_value_of_100_kb() -> Message:
    root = signed()
    value = part(root, ".//ds:SignatureValue")
    value.text = str(value.text) + " " * 100_000
    return root


@attack("saml-digest-value")
def no_base64_in_the_digest_value() -> Message:
    def spoil(info: etree._Element) -> None:
        value = part(info, ".//ds:DigestValue")
        value.text = f"{str(value.text)[:8]}!{str(value.text)[8:]}"

    return changed_signed_info(spoil)


@attack("saml-digest-value")
def an_empty_digest_value() -> Message:
    def empty(info: etree._Element) -> None:
        part(info, ".//ds:DigestValue").text = None

    return changed_signed_info(empty)


@attack("saml-id")
def an_id_that_is_no_name() -> Message:
    return signed(assertion_id="1-begins-with-a-digit")


@attack("saml-id")
def an_id_of_a_thousand_characters() -> Message:
    return signed(assertion_id="_" + "x" * 1_000)


@attack("saml-id")
def no_id() -> Message:
    return signed("assertion", response_id=None)
