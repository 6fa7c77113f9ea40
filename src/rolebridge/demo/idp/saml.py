"""The SAML face of the demo's identity provider: its metadata, the requests it reads, the responses it signs.

Responses and assertions are both signed (RSA with SHA-256), as Okta's and Entra's are. Requests are not verified: the
answer goes to the one URL that is registered, whatever they say.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from rolebridge.demo.idp.keys import SigningKey
from rolebridge.demo.idp.parties import SamlParty
from rolebridge.demo.idp.people import Person

Element = etree._Element  # noqa: SLF001 - lxml has no public name for the type of its elements

PROTOCOL: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
_ASSERTION: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
_METADATA: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
_DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_BINDING: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-"
EMAIL: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
_UNSPECIFIED: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
_BASIC: Final = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"

_MOST_BYTES: Final = 64 * 1024
_LIFE: Final = timedelta(minutes=5)

_NAMESPACES: Final = {
    "samlp": PROTOCOL,
    "saml": _ASSERTION,
    "md": _METADATA,
    "ds": _DSIG,
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xs": "http://www.w3.org/2001/XMLSchema",
}


class Unreadable(ValueError):
    """That a request is none; `str()` says why."""


@dataclass(frozen=True, slots=True)
class SamlRequest:
    """An AuthnRequest as far as it matters here, with the RelayState that came beside it."""

    id: str
    issuer: str
    relay_state: str


def read_request(encoded: str, relay_state: str, *, deflated: bool) -> SamlRequest:
    """Read the `SAMLRequest` of a URL (`deflated`) or of a form. Raises Unreadable."""
    try:
        data = base64.b64decode(encoded, validate=True)
        if deflated:
            inflater = zlib.decompressobj(-15)
            data = inflater.decompress(data, _MOST_BYTES)
        if len(data) >= _MOST_BYTES:
            raise Unreadable("the request is too long")
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(data, parser)
    except (binascii.Error, zlib.error, etree.XMLSyntaxError) as error:
        raise Unreadable(f"`SAMLRequest` is no request: {error}") from error
    if root.tag != f"{{{PROTOCOL}}}AuthnRequest" or not root.get("ID"):
        raise Unreadable("`SAMLRequest` holds no AuthnRequest with an ID")
    issuer = root.findtext(f"{{{_ASSERTION}}}Issuer") or ""
    return SamlRequest(root.get("ID", ""), issuer.strip(), relay_state)


def metadata(entity_id: str, sso_url: str, key: SigningKey) -> bytes:
    """Return the metadata of a provider: its certificate, and that requests may come in a URL or a form."""
    certificate = "".join(key.certificate_pem.decode().splitlines()[1:-1])
    descriptor = _make(
        "md:IDPSSODescriptor",
        _make(
            "md:KeyDescriptor",
            _make("ds:KeyInfo", _make("ds:X509Data", _make("ds:X509Certificate", certificate))),
            use="signing",
        ),
        _make("md:NameIDFormat", EMAIL),
        *(_make("md:SingleSignOnService", Binding=_BINDING + name, Location=sso_url) for name in ("Redirect", "POST")),
        protocolSupportEnumeration=PROTOCOL,
        WantAuthnRequestsSigned="false",
    )
    return _bytes(_make("md:EntityDescriptor", descriptor, entityID=entity_id))


@dataclass(frozen=True, slots=True)
class Told:
    """What a response tells whom: about `person`, with the attribute `groups` for their groups, `now`."""

    issuer: str
    party: SamlParty
    request_id: str
    person: Person
    groups: str
    now: datetime


def response(told: Told, key: SigningKey) -> str:
    """Return the signed response to a request, as the form field `SAMLResponse` carries it."""
    answer = _make(
        "samlp:Response",
        _issuer(told.issuer),
        _placeholder(),
        _make("samlp:Status", _make("samlp:StatusCode", Value="urn:oasis:names:tc:SAML:2.0:status:Success")),
        _signed(_assertion(told), key),
        ID=_new_id(),
        Version="2.0",
        IssueInstant=_instant(told.now),
        Destination=told.party.acs_url,
        InResponseTo=told.request_id,
    )
    return base64.b64encode(_bytes(_signed(answer, key))).decode()


def _assertion(told: Told) -> Element:
    party, person, now = told.party, told.person, told.now
    until = _instant(now + _LIFE)
    confirmed = _make(
        "saml:SubjectConfirmationData", NotOnOrAfter=until, Recipient=party.acs_url, InResponseTo=told.request_id
    )
    name_format = EMAIL if "@" in person.subject else PERSISTENT
    values = {**{name: (text,) for name, text in person.claims.items()}, told.groups: person.groups}
    return _make(
        "saml:Assertion",
        _issuer(told.issuer),
        _placeholder(),
        _make(
            "saml:Subject",
            _make("saml:NameID", person.subject, Format=name_format),
            _make("saml:SubjectConfirmation", confirmed, Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"),
        ),
        _make(
            "saml:Conditions",
            _make("saml:AudienceRestriction", _make("saml:Audience", party.entity_id)),
            NotBefore=_instant(now - _LIFE),
            NotOnOrAfter=until,
        ),
        _make(
            "saml:AuthnStatement",
            _make("saml:AuthnContext", _make("saml:AuthnContextClassRef", _UNSPECIFIED)),
            AuthnInstant=_instant(now),
            SessionIndex=_new_id(),
        ),
        _make("saml:AttributeStatement", *(_attribute(name, texts) for name, texts in values.items())),
        ID=_new_id(),
        Version="2.0",
        IssueInstant=_instant(now),
    )


def _attribute(name: str, values: tuple[str, ...]) -> Element:
    texts = (_make("saml:AttributeValue", value) for value in values)
    return _make("saml:Attribute", *texts, Name=name, NameFormat=_BASIC)


def _issuer(entity_id: str) -> Element:
    return _make("saml:Issuer", entity_id)


def _placeholder() -> Element:
    """Return where the signature goes: after the issuer, as the schema wants it."""
    return _make("ds:Signature", Id="placeholder")


def _signed(element: Element, key: SigningKey) -> Element:
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    certificate = key.certificate_pem.decode()
    # Written out and read again: the signature is over the element as it stands alone, whatever it was built in.
    alone = etree.fromstring(_bytes(element))
    signed: Element = signer.sign(alone, key=key.private, cert=certificate, reference_uri="#" + element.get("ID", ""))
    return signed


def _make(name: str, *inside: Element | str, **attributes: str) -> Element:
    """Return an element by its prefixed name, with texts and elements inside."""
    prefix, _, local = name.partition(":")
    made = etree.Element(f"{{{_NAMESPACES[prefix]}}}{local}", attributes, {prefix: _NAMESPACES[prefix]})
    for one in inside:
        if isinstance(one, str):
            made.text = one
        else:
            made.append(one)
    return made


def _bytes(element: Element) -> bytes:
    return etree.tostring(element)


def _new_id() -> str:
    return "_" + secrets.token_hex(20)


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
