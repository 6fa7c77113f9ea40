"""An identity provider for tests: writes, signs and encrypts SAML responses by lxml's canonical form and cryptography.

Nothing of the validator, and none of its libraries but lxml, is used: what both get wrong in the same way would go
unnoticed. `answer` is a whole login in one call; attacks take its parts (`Login`, `sign`, `encrypt`, `encoded`).
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from lxml import etree

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
NAMESPACES: Final = {"saml": SAML, "samlp": SAMLP, "ds": DS, "xenc": XENC}

EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED: Final = DS + "enveloped-signature"
RSA_SHA1: Final = DS + "rsa-sha1"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
PSS_SHA256: Final = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"
HMAC_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
SHA1: Final = DS + "sha1"
SHA256: Final = XENC + "sha256"
SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512: Final = XENC + "sha512"

UNSPECIFIED: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
EMAIL: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
PASSWORD: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

IDP_ENTITY: Final = "https://idp.example.com/saml"
SP_ENTITY: Final = "https://bridge.example.com/sso/c1/metadata"
ACS: Final = "https://bridge.example.com/sso/c1/acs"
REQUEST: Final = "_request-1"
NOW: Final = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

_DIGESTS: Final = {SHA1: hashlib.sha1, SHA256: hashlib.sha256, SHA384: hashlib.sha384, SHA512: hashlib.sha512}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its certificate."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def base64(self) -> str:
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()


def signer(name: str = "idp", kind: str = "rsa", *, expired: bool = False) -> Signer:
    """Return the key and certificate of that name; the same one each time."""
    return _signer(name, kind, expired)


@cache
def _signer(name: str, kind: str, expired: bool) -> Signer:
    key: PrivateKey
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example.com")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    end = begin + timedelta(days=365) if expired else datetime(2046, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), begin, end)
    return Signer(key, builder.sign(key, hashes.SHA256()))


def decryption_key(name: str = "sp") -> rsa.RSAPrivateKey:
    """Return the service provider's key of that name, for encrypted assertions; the same one each time."""
    return _decryption_key(name)


@cache
def _decryption_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def instant(moment: datetime) -> str:
    """Return a moment as SAML writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Login:
    """What a response says. `replace` makes a wrong one; a text that is None leaves its attribute or element out."""

    issuer: str | None = IDP_ENTITY
    response_issuer: str | None = IDP_ENTITY
    audiences: Sequence[Sequence[str]] = ((SP_ENTITY,),)
    destination: str | None = ACS
    recipient: str | None = ACS
    in_response_to: str | None = REQUEST
    confirmed_in_response_to: str | None = REQUEST
    subject: str = "jane@example.com"
    subject_format: str | None = EMAIL
    attributes: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {"email": ["jane@example.com"], "groups": ["Annotators", "Leads"]}
    )
    status: str = SUCCESS
    version: str = "2.0"
    assertion_version: str = "2.0"
    response_id: str = "_response-1"
    assertion_id: str = "_assertion-1"
    issued: str | None = instant(NOW)
    not_before: str | None = instant(NOW - timedelta(minutes=1))
    not_on_or_after: str | None = instant(NOW + timedelta(minutes=5))
    confirmed_not_before: str | None = None
    confirmed_until: str | None = instant(NOW + timedelta(minutes=5))
    confirmation_method: str = BEARER
    authenticated: str | None = instant(NOW)
    session_until: str | None = None
    session: str | None = "_session-1"
    context: str | None = PASSWORD
    more_in_assertion: str = ""
    more_in_subject: str = ""
    more_in_conditions: str = ""
    extensions: str = ""

    def assertion(self) -> str:
        """Return the assertion as XML, not signed."""
        return (
            f'<saml:Assertion xmlns:saml="{SAML}"{_attributes(ID=self.assertion_id, IssueInstant=self.issued)}'
            f"{_attributes(Version=self.assertion_version)}>"
            f"{_element('saml:Issuer', self.issuer)}{self._subject()}{self._conditions()}{self._statement()}"
            f"{attribute_statement(self.attributes)}{self.more_in_assertion}</saml:Assertion>"
        )

    def response(self, assertion: str | None = None) -> str:
        """Return the response as XML, not signed, with this assertion or another."""
        head = _attributes(
            ID=self.response_id,
            Version=self.version,
            IssueInstant=self.issued,
            Destination=self.destination,
            InResponseTo=self.in_response_to,
        )
        return (
            f'<samlp:Response xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}"{head}>'
            f"{_element('saml:Issuer', self.response_issuer)}{self.extensions}"
            f"<samlp:Status><samlp:StatusCode Value={quoteattr(self.status)}/></samlp:Status>"
            f"{self.assertion() if assertion is None else assertion}</samlp:Response>"
        )

    def _subject(self) -> str:
        data = _attributes(
            InResponseTo=self.confirmed_in_response_to,
            NotBefore=self.confirmed_not_before,
            NotOnOrAfter=self.confirmed_until,
            Recipient=self.recipient,
        )
        return (
            f"<saml:Subject><saml:NameID{_attributes(Format=self.subject_format)}>{escape(self.subject)}</saml:NameID>"
            f"<saml:SubjectConfirmation Method={quoteattr(self.confirmation_method)}>"
            f"<saml:SubjectConfirmationData{data}/></saml:SubjectConfirmation>{self.more_in_subject}</saml:Subject>"
        )

    def _conditions(self) -> str:
        restrictions = "".join(
            f"<saml:AudienceRestriction>{''.join(_element('saml:Audience', one) for one in each)}"
            "</saml:AudienceRestriction>"
            for each in self.audiences
        )
        times = _attributes(NotBefore=self.not_before, NotOnOrAfter=self.not_on_or_after)
        return f"<saml:Conditions{times}>{restrictions}{self.more_in_conditions}</saml:Conditions>"

    def _statement(self) -> str:
        head = _attributes(
            AuthnInstant=self.authenticated, SessionIndex=self.session, SessionNotOnOrAfter=self.session_until
        )
        context = _element("saml:AuthnContextClassRef", self.context)
        return f"<saml:AuthnStatement{head}><saml:AuthnContext>{context}</saml:AuthnContext></saml:AuthnStatement>"


def attribute_statement(attributes: Mapping[str, Sequence[str]]) -> str:
    """Return attributes as XML; "" when there are none."""
    if not attributes:
        return ""
    inside = "".join(
        f"<saml:Attribute Name={quoteattr(name)}>"
        f"{''.join(_element('saml:AttributeValue', value) for value in values)}</saml:Attribute>"
        for name, values in attributes.items()
    )
    return f"<saml:AttributeStatement>{inside}</saml:AttributeStatement>"


def _attributes(**given: str | None) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in given.items() if value is not None)


def _element(name: str, text: str | None) -> str:
    return "" if text is None else f"<{name}>{escape(text)}</{name}>"


# ------------------------------------------------------------------------------------------------------- signing


@dataclass(frozen=True, slots=True)
class Style:
    """How a signature is made. The defaults are what nearly every identity provider does."""

    method: str = RSA_SHA256
    digest: str = SHA256
    canonicalization: str = EXC_C14N
    transforms: Sequence[str] = (ENVELOPED, EXC_C14N)
    prefixes: str | None = None
    key_info: str = "certificate"
    """What KeyInfo holds: "certificate", "value" (the bare key), "none", or XML of one's own."""
    prefix: str = "ds"
    wrapped: bool = False
    """Whether base64 is broken into lines."""


def canonical(element: etree._Element, prefixes: str | None = None) -> bytes:
    """Return the exclusive canonical form without comments, of an element in its document."""
    return etree.tostring(
        element,
        method="c14n",
        exclusive=True,
        with_comments=False,
        inclusive_ns_prefixes=prefixes.split() if prefixes else None,
    )


def parsed(xml: str | bytes) -> etree._Element:
    """Return XML as a tree, as the identity provider has it."""
    return etree.fromstring(xml.encode() if isinstance(xml, str) else xml)


def sign(element: etree._Element, by: Signer, style: Style = Style(), uri: str | None = None) -> etree._Element:
    """Put a signature over `element` into it, after its Issuer if it has one, and return the signature."""
    signature = make_signature(element, by, style, uri)
    issuer = element.find(f"{{{SAML}}}Issuer")
    element.insert(0 if issuer is None else element.index(issuer) + 1, signature)
    return signature


def make_signature(
    element: etree._Element,
    by: Signer,
    style: Style = Style(),
    uri: str | None = None,
) -> etree._Element:
    """Return a signature over `element` as it is now."""
    digest = _DIGESTS[style.digest](canonical(element, style.prefixes)).digest()
    reference = uri if uri is not None else "#" + str(element.get("ID"))
    prefix = f"{style.prefix}:" if style.prefix else ""
    declared = f"xmlns:{style.prefix}" if style.prefix else "xmlns"
    inclusive = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList={quoteattr(style.prefixes or "")}/>'
    transforms = "".join(
        f'<{prefix}Transform Algorithm="{one}">'
        f"{inclusive if style.prefixes and one == EXC_C14N else ''}</{prefix}Transform>"
        for one in style.transforms
    )
    text = (
        f'<{prefix}Signature {declared}="{DS}"><{prefix}SignedInfo>'
        f'<{prefix}CanonicalizationMethod Algorithm="{style.canonicalization}"/>'
        f'<{prefix}SignatureMethod Algorithm="{style.method}"/>'
        f"<{prefix}Reference URI={quoteattr(reference)}><{prefix}Transforms>{transforms}</{prefix}Transforms>"
        f'<{prefix}DigestMethod Algorithm="{style.digest}"/>'
        f"<{prefix}DigestValue>{_base64(digest, style)}</{prefix}DigestValue></{prefix}Reference></{prefix}SignedInfo>"
        f"<{prefix}SignatureValue/>{_key_info(by, style, prefix)}</{prefix}Signature>"
    )
    signature = parsed(text)
    resign(signature, by, style)
    return signature


def resign(signature: etree._Element, by: Signer, style: Style = Style()) -> None:
    """Write the value of a signature anew, over its SignedInfo as it is now."""
    signed = canonical(signature.find(f"{{{DS}}}SignedInfo"))  # type: ignore[arg-type]
    value = signature.find(f"{{{DS}}}SignatureValue")
    assert value is not None
    value.text = _base64(_signature_value(signed, by, style.method), style)


def _signature_value(signed: bytes, by: Signer, method: str) -> bytes:
    if method == HMAC_SHA256:
        import hmac

        return hmac.new(by.pem.encode(), signed, "sha256").digest()
    chosen = hashes.SHA1() if method == RSA_SHA1 else hashes.SHA512() if method == RSA_SHA512 else hashes.SHA256()
    if isinstance(by.key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(by.key.sign(signed, ec.ECDSA(chosen)))
        size = (by.key.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if method == PSS_SHA256:
        return by.key.sign(signed, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)
    return by.key.sign(signed, padding.PKCS1v15(), chosen)


def _key_info(by: Signer, style: Style, prefix: str) -> str:
    if style.key_info == "none":
        return ""
    if style.key_info == "certificate":
        inside = f"<{prefix}X509Data><{prefix}X509Certificate>{by.base64}</{prefix}X509Certificate></{prefix}X509Data>"
    elif style.key_info == "value":
        inside = key_value(by, prefix)
    else:
        inside = style.key_info
    return f"<{prefix}KeyInfo>{inside}</{prefix}KeyInfo>"


def key_value(by: Signer, prefix: str = "ds:") -> str:
    """Return the bare public key as XML."""
    assert isinstance(by.key, rsa.RSAPrivateKey)
    numbers = by.key.public_key().public_numbers()
    modulus, exponent = (base64.b64encode(_bytes(one)).decode() for one in (numbers.n, numbers.e))
    return (
        f"<{prefix}KeyValue><{prefix}RSAKeyValue><{prefix}Modulus>{modulus}</{prefix}Modulus>"
        f"<{prefix}Exponent>{exponent}</{prefix}Exponent></{prefix}RSAKeyValue></{prefix}KeyValue>"
    )


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base64(data: bytes, style: Style) -> str:
    return (base64.encodebytes(data) if style.wrapped else base64.b64encode(data)).decode()


# ---------------------------------------------------------------------------------------------------- encryption

AES128_GCM: Final = XENC11 + "aes128-gcm"
AES256_GCM: Final = XENC11 + "aes256-gcm"
AES128_CBC: Final = XENC + "aes128-cbc"
AES256_CBC: Final = XENC + "aes256-cbc"
OAEP_MGF1P: Final = XENC + "rsa-oaep-mgf1p"
OAEP: Final = XENC11 + "rsa-oaep"
RSA_1_5: Final = XENC + "rsa-1_5"
MGF1_SHA256: Final = XENC11 + "mgf1sha256"


@dataclass(frozen=True, slots=True)
class Sealing:
    """How an assertion is encrypted."""

    data: str = AES256_GCM
    transport: str = OAEP_MGF1P
    oaep_digest: str | None = None
    mgf: str | None = None
    beside: bool = False
    """Whether the key stands beside the data, found by a RetrievalMethod, instead of within its KeyInfo."""


def encrypt(plain: bytes, key: rsa.RSAPublicKey, sealing: Sealing = Sealing()) -> str:
    """Return an EncryptedAssertion that holds `plain`."""
    secret = os.urandom(16 if "128" in sealing.data else 32)
    ciphertext = base64.b64encode(_ciphertext(plain, secret, sealing.data)).decode()
    oaep = "".join(
        f'<{name} xmlns:{name.partition(":")[0]}="{space}" Algorithm="{value}"/>'
        for name, space, value in (
            ("ds:DigestMethod", DS, sealing.oaep_digest),
            ("xenc11:MGF", XENC11, sealing.mgf),
        )
        if value
    )
    wrapped = base64.b64encode(key.encrypt(secret, _transport(sealing))).decode()
    encrypted_key = (
        f'<xenc:EncryptedKey xmlns:xenc="{XENC}" Id="_key-1">'
        f'<xenc:EncryptionMethod Algorithm="{sealing.transport}">{oaep}'
        f"</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData>"
        "</xenc:EncryptedKey>"
    )
    pointer = f'<ds:RetrievalMethod Type="{XENC}EncryptedKey" URI="#_key-1"/>'
    return (
        f'<saml:EncryptedAssertion xmlns:saml="{SAML}"><xenc:EncryptedData xmlns:xenc="{XENC}" Type="{XENC}Element">'
        f'<xenc:EncryptionMethod Algorithm="{sealing.data}"/>'
        f'<ds:KeyInfo xmlns:ds="{DS}">{pointer if sealing.beside else encrypted_key}</ds:KeyInfo>'
        f"<xenc:CipherData><xenc:CipherValue>{ciphertext}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"
        f"{encrypted_key if sealing.beside else ''}</saml:EncryptedAssertion>"
    )


def _transport(sealing: Sealing) -> padding.AsymmetricPadding:
    if sealing.transport == RSA_1_5:
        return padding.PKCS1v15()
    digest = hashes.SHA256() if sealing.oaep_digest == SHA256 else hashes.SHA1()
    mask = hashes.SHA256() if sealing.mgf == MGF1_SHA256 else hashes.SHA1()
    return padding.OAEP(padding.MGF1(mask), digest, None)


def _ciphertext(plain: bytes, secret: bytes, algorithm: str) -> bytes:
    if algorithm.endswith("-gcm"):
        nonce = os.urandom(12)
        return nonce + AESGCM(secret).encrypt(nonce, plain, None)
    vector = os.urandom(16)
    missing = 16 - len(plain) % 16
    padded = plain + os.urandom(missing - 1) + bytes([missing])
    cipher = Cipher(algorithms.AES(secret), modes.CBC(vector)).encryptor()
    return vector + cipher.update(padded) + cipher.finalize()


# ------------------------------------------------------------------------------------------------- whole answers


def signed(
    login: Login = Login(),
    sign_what: str = "assertion",
    by: Signer | None = None,
    style: Style = Style(),
    encrypt_for: rsa.RSAPublicKey | None = None,
    sealing: Sealing = Sealing(),
) -> etree._Element:
    """Return a response as a tree. `sign_what`: "assertion", "response", "both" or "none"."""
    by = by or signer()
    root = parsed(login.response())
    assertion = root.find(f"{{{SAML}}}Assertion")
    assert assertion is not None
    if sign_what in {"assertion", "both"}:
        sign(assertion, by, style)
    if encrypt_for is not None:
        root.replace(assertion, parsed(encrypt(etree.tostring(assertion, with_tail=False), encrypt_for, sealing)))
    if sign_what in {"response", "both"}:
        sign(root, by, style)
    return root


def encoded(message: etree._Element | bytes | str) -> bytes:
    """Return a message as the form field `SAMLResponse` carries it."""
    if isinstance(message, etree._Element):
        message = etree.tostring(message)
    return base64.b64encode(message.encode() if isinstance(message, str) else message)


def answer(
    *,
    acs_url: str,
    sp_entity_id: str,
    in_response_to: str | None,
    now: datetime,
    subject: str = "jane@example.com",
    attributes: Mapping[str, Sequence[str]] | None = None,
    idp_entity_id: str = IDP_ENTITY,
    assertion_id: str | None = None,
    sign_what: str = "both",
    by: Signer | None = None,
    **more: Any,
) -> bytes:
    """Return a good response for a login at `now`, as the form carries it. `more` are fields of Login."""
    login = Login(
        issuer=idp_entity_id,
        response_issuer=idp_entity_id,
        audiences=((sp_entity_id,),),
        destination=acs_url,
        recipient=acs_url,
        in_response_to=in_response_to,
        confirmed_in_response_to=in_response_to,
        subject=subject,
        attributes={"email": [subject]} if attributes is None else attributes,
        assertion_id=assertion_id or "_" + os.urandom(16).hex(),
        response_id="_" + os.urandom(16).hex(),
        issued=instant(now),
        not_before=instant(now - timedelta(minutes=1)),
        not_on_or_after=instant(now + timedelta(minutes=5)),
        confirmed_until=instant(now + timedelta(minutes=5)),
        authenticated=instant(now),
        **more,
    )
    return encoded(signed(login, sign_what, by))
