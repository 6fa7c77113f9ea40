"""Logins as identity providers send them: which parts are signed and encrypted how, in whose spelling.

`LOGINS` is the table. The spellings are those of the products that the names say, as their documentation and source
show them; persons, addresses and keys are the tests' own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.attacking import expectations, text
from tests.sso.saml.idp import NOW, PASSWORD, PERSISTENT, SP_ENTITY, UNSPECIFIED, Login, Sealing, Style, instant

from rolebridge.sso.saml.expectations import Expectations

JANE: Final = "jane@example.com"
Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Legitimate:
    """A login that is to be taken, and what is to be read of it."""

    name: str
    make: Callable[[], etree._Element | bytes | str]
    subject: str = JANE
    attributes: Values = field(
        default_factory=lambda: {"email": ("jane@example.com",), "groups": ("Annotators", "Leads")}
    )
    expected: Callable[[], Expectations] = expectations

    def form(self) -> bytes:
        return idp.encoded(self.make())


LOGINS: Final[list[Legitimate]] = []
GROUPS: Final = {"groups": ["Annotators"]}
READ: Final[Values] = {"groups": ("Annotators",)}


def login(
    name: str,
    sign_what: str = "assertion",
    style: Style | None = None,
    *,
    by: Callable[[], idp.Signer] = idp.signer,
    sealing: Sealing | None = None,
    respelled: Callable[[str], str] = str,
    expected: Callable[[], Expectations] | None = None,
    allow_cbc: bool = False,
    read: Values | None = None,
    **said: Any,
) -> None:
    """Put a login into the table: what it says, how it is spelled, then how it is signed and encrypted."""

    def make() -> etree._Element:
        root = idp.parsed(respelled(Login(**said).response()))
        assertion = root.find(f"{{{idp.SAML}}}Assertion")
        assert assertion is not None
        if sign_what in {"assertion", "both"}:
            idp.sign(assertion, by(), style or Style())
        if sealing is not None:
            plain = etree.tostring(assertion, with_tail=False)
            root.replace(assertion, idp.parsed(idp.encrypt(plain, idp.decryption_key().public_key(), sealing)))
        if sign_what in {"response", "both"}:
            idp.sign(root, by(), style or Style())
        return root

    given = said.get("attributes", Login().attributes)
    values = read if read is not None else {key: tuple(each) for key, each in given.items()}
    wanted = expected or (lambda: expectations(allow_cbc=allow_cbc))
    LOGINS.append(Legitimate(name, make, said.get("subject", JANE), values, wanted))


def prefixes(saml: str, samlp: str) -> Callable[[str], str]:
    """Return what changes the prefixes of a message; "" makes a namespace the default one."""

    def change(xml: str) -> str:
        for old, new in (("saml", saml), ("samlp", samlp)):
            colon = f"{new}:" if new else ""
            xml = xml.replace(f"xmlns:{old}=", f"xmlns:{new}=" if new else "xmlns=")
            xml = xml.replace(f"<{old}:", f"<{colon}").replace(f"</{old}:", f"</{colon}")
        return xml

    return change


def own_default(xml: str) -> str:
    """Return a message whose assertion declares its namespace as the default, as the .NET libraries write it."""
    head, _, rest = xml.partition("<saml:Assertion")
    inside, _, tail = rest.partition("</saml:Assertion>")
    inside = inside.replace("<saml:", "<").replace("</saml:", "</").replace("xmlns:saml=", "xmlns=")
    return f"{head}<Assertion{inside}</Assertion>{tail}"


def typed(xml: str) -> str:
    """Return a message whose values say that they are strings, each declaring the namespaces of that anew."""
    types = (
        ' xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:type="xs:string"'
    )
    return xml.replace("<saml:AttributeValue>", f"<saml:AttributeValue{types}>")


def indented(xml: str) -> str:
    """Return a message with every element on a line of its own."""
    root = idp.parsed(xml)
    etree.indent(root)
    return text(root)


CLAIMS: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
MICROSOFT: Final = "http://schemas.microsoft.com/ws/2008/06/identity/claims/"
OKTA: Final = prefixes("saml2", "saml2p")

login(
    "okta_both_signed", "both", Style(prefixes="xs"), respelled=lambda xml: OKTA(typed(xml)), subject_format=UNSPECIFIED
)
login("okta_assertion_signed", respelled=OKTA, attributes=GROUPS)
login("okta_encrypted", "both", respelled=OKTA, sealing=Sealing(data=idp.AES256_GCM))
login("okta_begun_at_the_portal", "both", respelled=OKTA, in_response_to=None, confirmed_in_response_to=None,
      expected=lambda: expectations(in_response_to=None, idp_initiated=True))  # fmt: skip
login("entra_assertion_signed", style=Style(prefix=""), respelled=own_default, subject_format=PERSISTENT,
      subject="xLq2", attributes={CLAIMS + "name": [JANE], MICROSOFT + "groups": ["0b9c", "77de"]})  # fmt: skip
login("entra_response_signed", "response", Style(prefix=""), respelled=own_default)
login("entra_both_signed", "both", Style(prefix=""), respelled=own_default)
login("entra_encrypted", sealing=Sealing(data=idp.AES256_CBC), respelled=own_default, allow_cbc=True)
login("adfs_assertion_signed", respelled=own_default, not_before=instant(NOW), issued="2026-11-22T12:00:00.1234567Z",
      attributes={CLAIMS + "upn": [JANE], MICROSOFT + "role": ["Annotators", "Leads"]})  # fmt: skip
login("adfs_encrypted", sealing=Sealing(data=idp.AES256_CBC), respelled=own_default, allow_cbc=True)
login("keycloak_response_signed", "response", Style(prefix="dsig"), subject="G-2c9d", subject_format=UNSPECIFIED,
      session="a::b", issued="2026-11-22T12:00:00.123Z")  # fmt: skip
login("keycloak_both_signed", "both", Style(prefix="dsig", key_info="value"), response_id="ID_8a", assertion_id="ID_8b")
login("keycloak_encrypted", "both", Style(prefix="dsig"), sealing=Sealing(transport=idp.OAEP, oaep_digest=idp.SHA256,
      mgf=idp.MGF1_SHA256))  # fmt: skip
login("simplesamlphp_both_signed", "both", respelled=typed, subject_format=PERSISTENT,
      session_until=instant(NOW + timedelta(hours=8)))  # fmt: skip
login("simplesamlphp_encrypted", "both", respelled=typed, sealing=Sealing(data=idp.AES128_CBC), allow_cbc=True)
login("lemonldap_lifetime_of_a_day", "response", not_on_or_after=instant(NOW + timedelta(hours=24)),
      confirmed_until=instant(NOW + timedelta(hours=24)), confirmed_not_before=instant(NOW))  # fmt: skip
login("lemonldap_assertion_signed", style=Style(prefix="", wrapped=True), not_before=instant(NOW))
login("google_response_signed", "response", respelled=OKTA, subject_format=UNSPECIFIED)
login("google_both_signed", "both", respelled=OKTA)
login("shibboleth_encrypted_in_a_signed_response", "response", Style(prefixes="xsd"), respelled=OKTA,
      sealing=Sealing(data=idp.AES128_GCM))  # fmt: skip
login("shibboleth_signed_and_encrypted", "both", respelled=OKTA, sealing=Sealing(data=idp.AES128_GCM, beside=True))
login("shibboleth_assertion_signed", style=Style(prefixes="xsd saml2"), respelled=OKTA, destination=None)
login("onelogin_response_signed", "response", audiences=((SP_ENTITY, "{audience}"),))
login("ping_assertion_signed", style=Style(key_info="none"), response_issuer=None)
login("auth0_assertion_signed", style=Style(prefix=""), respelled=own_default, attributes={CLAIMS + "email": [JANE]})
login("jumpcloud_both_signed", "both", Style(wrapped=True))
login("oracle_indented", "both", respelled=indented)
login("a_key_info_that_says_something_else", style=Style(key_info=idp.key_value(idp.signer("stranger"))))
login("a_key_info_of_ones_own_words", style=Style(key_info='<x:Key xmlns:x="urn:x"><x:Name>key 1</x:Name></x:Key>'))
login("pss", "both", Style(method=idp.PSS_SHA256))
login("sha512", "both", Style(method=idp.RSA_SHA512, digest=idp.SHA512))
login("ecdsa", "both", Style(method=idp.ECDSA_SHA256), by=lambda: idp.signer("elliptic", "ec"),
      expected=lambda: expectations(certificates=(idp.signer("elliptic", "ec").certificate,)))  # fmt: skip
login("sha1_until_its_last_day", "both", Style(method=idp.RSA_SHA1, digest=idp.SHA1),
      expected=lambda: expectations(sha1_until=date(2026, 11, 22)))  # fmt: skip
login("the_second_of_two_certificates",
      expected=lambda: expectations(
          certificates=(idp.signer("old").certificate, idp.signer().certificate)))  # fmt: skip
login("an_expired_certificate", by=lambda: idp.signer("expired", expired=True),
      expected=lambda: expectations(certificates=(idp.signer("expired", expired=True).certificate,)))  # fmt: skip
login("the_second_of_two_decryption_keys", sealing=Sealing(),
      expected=lambda: expectations(decryption_keys=(idp.decryption_key("new"), idp.decryption_key())))  # fmt: skip
login("a_clock_that_is_behind", issued=instant(NOW + timedelta(seconds=90)),
      not_before=instant(NOW + timedelta(seconds=90)), authenticated=instant(NOW + timedelta(seconds=90)))  # fmt: skip
login("a_clock_that_is_ahead", confirmed_until=instant(NOW - timedelta(seconds=90)),
      not_on_or_after=instant(NOW - timedelta(seconds=90)))  # fmt: skip
login("two_audience_restrictions", audiences=((SP_ENTITY,), ("https://other.example.com", SP_ENTITY)))
login("one_time_use", more_in_conditions="<saml:OneTimeUse/>")
login("no_attributes", attributes={}, read={})
login("a_context_and_a_fresh_authentication", expected=lambda: expectations(
      contexts=frozenset({PASSWORD}), authenticated_since=NOW - timedelta(seconds=10)))  # fmt: skip
login("values_of_one_attribute_in_several", more_in_assertion=idp.attribute_statement({"groups": ["Owners"]}),
      read={"email": (JANE,), "groups": ("Annotators", "Leads", "Owners")})  # fmt: skip
login("values_that_are_elements_or_nil", attributes={}, read={"nil": (), "empty": ("",), "none": ()},
      more_in_assertion='<saml:AttributeStatement><saml:Attribute Name="id"><saml:AttributeValue><saml:NameID>x'
      '</saml:NameID></saml:AttributeValue></saml:Attribute><saml:Attribute Name="nil"><saml:AttributeValue '
      'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/></saml:Attribute><saml:Attribute '
      'Name="empty"><saml:AttributeValue/></saml:Attribute><saml:Attribute Name="none"/>'
      '</saml:AttributeStatement>')  # fmt: skip
login("another_confirmation_beside_the_bearers", more_in_subject='<saml:SubjectConfirmation Method="urn:oasis:names:tc:'
      'SAML:2.0:cm:sender-vouches"/>')  # fmt: skip
login("the_second_of_two_bearers", more_in_subject=f'<saml:SubjectConfirmation Method="{idp.BEARER}">'
      f'<saml:SubjectConfirmationData InResponseTo="{idp.REQUEST}" Recipient="{idp.ACS}" '
      f'NotOnOrAfter="{instant(NOW + timedelta(minutes=1))}"/></saml:SubjectConfirmation>',
      recipient="https://other.example.com/acs")  # fmt: skip
login("names_beyond_ascii", subject="zoë@example.com", attributes={"grüppen": ["Prüfer 審査 <&>\"'"]})
login("a_byte_order_mark_and_carriage_returns", respelled=lambda xml: xml.replace("><", ">\r\n<"))
login("a_thousand_groups", "both", attributes={"groups": [f"Group number {n} of many" for n in range(1_000)]})


def _put(name: str, make: Callable[[], bytes | str]) -> None:
    LOGINS.append(Legitimate(name, make))


_put("a_declaration_and_a_comment_before_it", lambda: '<?xml version="1.0" encoding="UTF-8"?><!-- by hand -->'
     + text(idp.signed()))  # fmt: skip
_put("a_comment_between_elements", lambda: text(idp.signed()).replace("<saml:Subject>", "<!-- who --><saml:Subject>"))
_put("a_byte_order_mark", lambda: b"\xef\xbb\xbf" + etree.tostring(idp.signed(), encoding="utf-8"))
_put("carriage_returns_as_references", lambda: text(idp.signed(style=Style(wrapped=True))).replace(
     "</ds:SignatureValue>", "&#13;\n</ds:SignatureValue>"))  # fmt: skip


def _for_four() -> str:
    root = idp.signed(encrypt_for=idp.decryption_key().public_key(), sealing=Sealing(beside=True))
    (ours,) = root.iter(f"{{{idp.XENC}}}EncryptedKey")
    for number in range(3):
        other = idp.parsed(idp.encrypt(b"x", idp.decryption_key("stranger").public_key()))
        (theirs,) = other.iter(f"{{{idp.XENC}}}EncryptedKey")
        theirs.set("Id", f"_key-of-another-{number}")
        ours.addprevious(theirs)
    return text(root)


_put("encrypted_for_four", _for_four)
