"""Attacks that move what was signed, put something beside it, or take signatures away."""

from __future__ import annotations

import base64
from copy import deepcopy

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
    without_signature,
    wrapped,
)
from tests.sso.saml.idp import ACS, SAML, Login


@attack("saml-assertion-place")
def xsw1_the_signed_response_in_the_forged_ones_signature() -> Message:
    root = signed("response")
    forged = evil(root)
    signature_in(forged).append(without_signature(root))
    return forged


@attack("saml-response-parts")
def xsw2_the_signed_response_beside_its_detached_signature() -> Message:
    root = signed("response")
    forged = evil(root)
    signature_in(forged).addprevious(without_signature(root))
    return forged


@attack("saml-assertion-count")
def xsw3_a_forged_assertion_before_the_signed_one() -> Message:
    root = signed()
    assertion_in(root).addprevious(without_signature(evil(assertion_in(root))))
    return root


@attack("saml-assertion-place")
def xsw4_the_signed_assertion_within_a_forged_one() -> Message:
    root = signed()
    original = assertion_in(root)
    forged = without_signature(evil(original))
    root.replace(original, forged)
    forged.append(original)
    return root


@attack("saml-assertion-count")
def xsw5_the_signature_in_a_forged_assertion_the_signed_one_behind() -> Message:
    root = signed()
    original = assertion_in(root)
    root.replace(original, evil(original))
    root.append(without_signature(original))
    return root


@attack("saml-assertion-place")
def xsw6_the_signed_assertion_in_the_forged_ones_signature() -> Message:
    root = signed()
    original = assertion_in(root)
    forged = evil(original)
    signature_in(forged).append(without_signature(original))
    root.replace(original, forged)
    return root


@attack("saml-assertion-place")
def xsw7_a_forged_assertion_in_extensions() -> Message:
    root = signed()
    forged = without_signature(evil(assertion_in(root)))
    part(root, "saml:Issuer").addnext(wrapped("Extensions", forged, space=idp.SAMLP))
    return root


@attack("saml-duplicate-id")
def xsw7_with_the_same_id() -> Message:
    root = signed()
    forged = without_signature(evil(assertion_in(root), str(assertion_in(root).get("ID"))))
    part(root, "saml:Issuer").addnext(wrapped("Extensions", forged, space=idp.SAMLP))
    return root


@attack("saml-assertion-place")
def xsw8_the_signed_assertion_in_an_object_of_the_forged_ones_signature() -> Message:
    root = signed()
    original = assertion_in(root)
    forged = evil(original)
    signature_in(forged).append(wrapped("Object", without_signature(original)))
    root.replace(original, forged)
    return root


@attack("saml-assertion-place")
def a_signed_assertion_in_the_advice_of_a_forged_one() -> Message:
    root = signed()
    original = assertion_in(root)
    forged = without_signature(evil(original))
    root.replace(original, forged)
    part(forged, "saml:Conditions").addnext(wrapped("Advice", original, space=SAML))
    return root


@attack("saml-assertion-place")
def a_forged_assertion_in_the_advice_of_a_signed_response() -> Message:
    inner = Login(subject=ADMIN, assertion_id="_inner").assertion()
    root = idp.parsed(Login().response())
    part(root, "saml:Assertion/saml:Conditions").addnext(wrapped("Advice", idp.parsed(inner), space=SAML))
    idp.sign(root, idp.signer())
    return root


@attack("saml-assertion-place")
def an_assertion_as_the_value_of_an_attribute() -> Message:
    root = signed("none")
    value = next(root.iter(f"{{{SAML}}}AttributeValue"))
    value.text = None
    value.append(idp.parsed(Login(subject=ADMIN, assertion_id="_inner").assertion()))
    idp.sign(assertion_in(root), idp.signer())
    return root


@attack("saml-assertion-place")
def an_encrypted_assertion_in_extensions() -> Message:
    root = signed()
    hidden = idp.parsed(idp.encrypt(Login(subject=ADMIN).assertion().encode(), idp.decryption_key().public_key()))
    part(root, "saml:Issuer").addnext(wrapped("Extensions", hidden, space=idp.SAMLP))
    return root


@attack("saml-reference-target")
def the_signature_of_one_assertion_in_another() -> Message:
    root = signed()
    original = assertion_in(root)
    root.replace(original, evil(original))
    return root


@attack("saml-signature")
def the_signature_of_one_assertion_in_another_of_the_same_id() -> Message:
    root = signed()
    original = assertion_in(root)
    root.replace(original, evil(original, str(original.get("ID"))))
    return root


@attack("saml-assertion-count")
def a_response_with_two_signed_assertions() -> Message:
    root = signed()
    root.append(assertion_in(signed(assertion_id="_assertion-2", subject=ADMIN)))
    return root


@attack("saml-assertion-count")
def a_forged_assertion_behind_the_signed_one() -> Message:
    root = signed()
    root.append(without_signature(evil(assertion_in(root))))
    return root


@attack("saml-assertion-count")
def a_signed_response_without_an_assertion() -> Message:
    root = idp.parsed(Login().response(assertion=""))
    idp.sign(root, idp.signer())
    return root


@attack("saml-signature-place")
def a_foreign_signature_in_extensions() -> Message:
    root = signed("none")
    forged_signature = signature_in(assertion_in(signed()))
    part(root, "saml:Issuer").addnext(wrapped("Extensions", forged_signature, space=idp.SAMLP))
    idp.sign(assertion_in(root), idp.signer("mallory"))
    return root


@attack("saml-signature-place")
def the_response_signed_by_a_signature_in_extensions_only() -> Message:
    root = signed("none")
    signature = idp.make_signature(root, idp.signer())
    part(root, "saml:Issuer").addnext(wrapped("Extensions", signature, space=idp.SAMLP))
    return root


@attack("saml-signature-place")
def a_foreign_signature_in_signed_advice() -> Message:
    root = signed("none")
    foreign = signature_in(assertion_in(signed(assertion_id="_foreign")))
    part(root, "saml:Assertion/saml:Conditions").addnext(wrapped("Advice", foreign, space=SAML))
    idp.sign(root, idp.signer())
    return root


@attack("saml-signature-place")
def a_signature_in_the_subject() -> Message:
    root = signed()
    part(root, "saml:Assertion/saml:Subject").append(deepcopy(signature_in(assertion_in(root))))
    return root


@attack("saml-response-parts")
def something_unknown_in_the_response() -> Message:
    root = signed()
    root.append(etree.Element("{urn:example}Assertion"))
    return root


@attack("saml-response-parts")
def a_status_after_the_assertion() -> Message:
    root = signed()
    root.append(part(root, "samlp:Status"))
    return root


@attack("saml-assertion-parts")
def something_unknown_in_the_assertion() -> Message:
    return signed(more_in_assertion='<x:Subject xmlns:x="urn:example"/>')


@attack("saml-assertion-parts")
def subjects_in_disorder() -> Message:
    return signed(more_in_assertion=f"<saml:Subject><saml:NameID>{ADMIN}</saml:NameID></saml:Subject>")


@attack("saml-unsigned")
def no_signature() -> Message:
    return signed("none", subject=ADMIN)


@attack("saml-unsigned")
def the_signature_stripped() -> Message:
    root = signed()
    assertion_in(root).remove(signature_in(assertion_in(root)))
    return evil(root)


@attack("saml-unsigned")
def both_signatures_stripped() -> Message:
    root = signed("both")
    root.remove(signature_in(root))
    assertion_in(root).remove(signature_in(assertion_in(root)))
    return evil(root)


@attack("saml-signature")
def a_changed_subject() -> Message:
    root = signed()
    next(root.iter(f"{{{SAML}}}NameID")).text = ADMIN
    return root


@attack("saml-signature")
def a_changed_group() -> Message:
    root = signed("response")
    next(root.iter(f"{{{SAML}}}AttributeValue")).text = "Admins"
    return root


@attack("saml-signature")
def a_good_assertion_in_a_changed_signed_response() -> Message:
    root = signed("both")
    root.set("Destination", ACS + "?")
    return root


@attack("saml-signature")
def a_changed_assertion_signed_anew_by_the_response_only() -> Message:
    root = signed("assertion")
    next(root.iter(f"{{{SAML}}}NameID")).text = ADMIN
    idp.sign(root, idp.signer())
    return root


@attack("saml-signature")
def an_empty_signature_value_of_zeros() -> Message:
    root = signed()
    part(root, ".//ds:SignatureValue").text = base64.b64encode(bytes(256)).decode()
    return root
