"""Attacks on whoever reads XML: torn text, document types, encodings, ids that are there twice, too much of all."""

from __future__ import annotations

import base64
import zlib

from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.attacking import (
    Message,
    assertion_in,
    attack,
    part,
    signature_in,
    signed,
    text,
)
from tests.sso.saml.idp import ACS, SAML, Login


@attack("saml-comment")
def a_comment_in_the_name_id() -> Message:
    root = signed(subject="admin@example.com.evil.example")
    name = next(root.iter(f"{{{SAML}}}NameID"))
    name.text = "admin@example.com"
    comment = etree.Comment("")
    comment.tail = ".evil.example"
    name.append(comment)
    return root


@attack("saml-comment")
def a_comment_alone_in_a_leaf() -> Message:
    root = signed()
    part(root, ".//ds:DigestValue").append(etree.Comment("x"))
    return root


@attack("saml-comment")
def a_comment_in_the_digest_with_another_value() -> Message:
    root = signed()
    digest = part(root, ".//ds:DigestValue")
    comment = etree.Comment("AAAA")
    comment.tail = digest.text
    digest.text = None
    digest.append(comment)
    return root


@attack("saml-mixed-text")
def an_element_in_the_name_id() -> Message:
    login = Login(subject="NAME").assertion().replace("NAME", "admin@example.com<x xmlns='urn:x'/>.evil.example")
    root = idp.parsed(Login().response(login))
    idp.sign(assertion_in(root), idp.signer())
    return root


@attack("saml-mixed-text")
def an_element_in_the_value_of_an_attribute() -> Message:
    root = signed("none")
    value = next(root.iter(f"{{{SAML}}}AttributeValue"))
    value.append(etree.Element("{urn:x}x"))
    idp.sign(root, idp.signer())
    return root


@attack("saml-instruction")
def an_instruction_in_the_name_id() -> Message:
    root = signed(subject="admin@example.com.evil.example")
    name = next(root.iter(f"{{{SAML}}}NameID"))
    name.text = "admin@example.com"
    instruction = etree.ProcessingInstruction("x", "y")
    instruction.tail = ".evil.example"
    name.append(instruction)
    idp.resign(signature_in(assertion_in(root)), idp.signer())
    return root


@attack("saml-instruction")
def a_style_sheet_before_the_response() -> Message:
    return '<?xml-stylesheet href="http://evil.example/x.xsl" type="text/xsl"?>' + text(signed())


@attack("saml-doctype")
def a_document_type() -> Message:
    return "<!DOCTYPE Response>" + text(signed())


@attack("saml-doctype")
def an_external_entity() -> Message:
    return '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + text(signed()).replace("jane@example.com", "&x;")


@attack("saml-doctype")
def an_external_document_type() -> Message:
    return '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">' + text(signed())


@attack("saml-doctype")
def a_parameter_entity() -> Message:
    return '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>' + text(signed())


@attack("saml-doctype")
def billion_laughs() -> Message:
    entities = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    return f'<!DOCTYPE r [<!ENTITY l0 "ha">{entities}]><r>&l9;</r>'


@attack("saml-doctype")
def a_default_attribute_by_document_type() -> Message:
    kind = "samlp:Response"
    return f'<!DOCTYPE {kind} [<!ATTLIST {kind} Destination CDATA "{ACS}">]>' + text(signed(destination=None))


@attack("saml-malformed")
def an_entity_without_declaration() -> Message:
    return text(signed()).replace("jane@example.com", "&admin;")


@attack("saml-malformed")
def cut_off() -> Message:
    return text(signed())[:-20]


@attack("saml-malformed")
def two_documents() -> Message:
    return text(signed()) * 2


@attack("saml-malformed")
def nul_in_the_text() -> Message:
    return text(signed()).replace("jane@example.com", "admin@example.com\0")


@attack("saml-not-utf8")
def utf16() -> Message:
    return text(signed()).encode("utf-16")


@attack("saml-not-utf8")
def a_document_type_in_utf7() -> Message:
    return b'<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE r+AD4-' + etree.tostring(signed())


@attack("saml-not-utf8")
def latin1() -> Message:
    return '<?xml version="1.0" encoding="iso-8859-1"?>' + text(signed())


@attack("saml-not-utf8")
def deflated_as_in_a_redirect() -> Message:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(etree.tostring(signed())) + packer.flush()


@attack("saml-not-utf8")
def a_deflate_bomb() -> Message:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(b" " * 50_000_000) + packer.flush()


@attack("saml-base64", raw=True)
def bare_xml_in_the_form() -> Message:
    return etree.tostring(signed())


@attack("saml-base64", raw=True)
def base64_of_urls() -> Message:
    return b"PD94-_" + base64.urlsafe_b64encode(etree.tostring(signed()))


@attack("saml-base64", raw=True)
def rubbish_after_the_padding() -> Message:
    return base64.b64encode(etree.tostring(signed()) + b" ") + b"=A"


@attack("saml-base64", raw=True)
def an_entity_in_the_base64() -> Message:
    return idp.encoded(signed()).replace(b"A", b"&#65;", 1)


@attack("saml-malformed", raw=True)
def nothing() -> Message:
    return b""


@attack("saml-duplicate-id")
def response_and_assertion_of_one_id() -> Message:
    return signed("both", response_id="_same", assertion_id="_same")


@attack("saml-duplicate-id")
def the_assertions_id_on_an_element_of_another_kind() -> Message:
    return signed(extensions='<samlp:Extensions><x xmlns="urn:x" Id="_assertion-1"/></samlp:Extensions>')


@attack("saml-duplicate-id")
def the_assertions_id_as_xml_id() -> Message:
    return signed(extensions='<samlp:Extensions><x xmlns="urn:x" xml:id="_assertion-1"/></samlp:Extensions>')


@attack("saml-relative-namespace")
def void_canonicalization_by_a_relative_namespace() -> Message:
    return text(signed()).replace("<saml:Subject>", '<saml:Subject xmlns:v="void">', 1)


@attack("saml-relative-namespace")
def void_canonicalization_in_the_signature() -> Message:
    return text(signed()).replace("<ds:SignedInfo>", '<ds:SignedInfo xmlns:v="1" v:a="">', 1)


@attack("saml-malformed")
def a_namespace_that_is_no_uri() -> Message:
    return text(signed()).replace("<saml:Subject>", '<saml:Subject xmlns:v="http://[void">', 1)


@attack("saml-too-large")
def more_than_512_kib() -> Message:
    return signed(attributes={"groups": ["x" * 530_000]})


@attack("saml-too-many-elements")
def twenty_thousand_elements() -> Message:
    return signed(extensions="<samlp:Extensions>" + '<x xmlns="urn:x"/>' * 20_000 + "</samlp:Extensions>")


@attack("saml-too-deep")
def elements_a_hundred_deep() -> Message:
    deep = '<x xmlns="urn:x">' + "<x>" * 100 + "</x>" * 101
    return signed(extensions=f"<samlp:Extensions>{deep}</samlp:Extensions>")


@attack("saml-malformed")
def elements_fifteen_thousand_deep() -> Message:
    return "<x>" * 15_000


@attack("saml-too-many-attributes")
def a_thousand_attributes() -> Message:
    crowded = "".join(f' a{n}=""' for n in range(1_000))
    return signed(extensions=f'<samlp:Extensions><x xmlns="urn:x"{crowded}/></samlp:Extensions>')


@attack("saml-too-many-attributes")
def ten_thousand_namespaces() -> Message:
    return text(signed()).replace(" ID=", "".join(f' xmlns:n{n}="urn:{n}"' for n in range(10_000)) + " ID=", 1)
