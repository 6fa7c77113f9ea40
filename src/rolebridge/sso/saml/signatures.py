"""What a signature has to look like, and whether it holds. Whoever calls `verified` reads nothing but what it returns.

XML Signature can say nearly anything: sign parts chosen by XPath, by a key that it brings along, after transforms that
change what was signed. SAML needs one sentence of it (SAML Core section 5.4): this key signed this element, whole. The
checks admit that sentence and no other before signxml is asked whether it is true.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from cryptography.x509 import Certificate
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from rolebridge.core.login import Trail
from rolebridge.sso.saml.checking import Finding, check
from rolebridge.sso.saml.names import ds, elements, local, tags, text_of
from rolebridge.sso.saml.parsing import parse, parser
from rolebridge.sso.saml.structure import signature_of
from rolebridge.sso.wording import shown

_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_INCLUSIVE_NAMESPACES: Final = f"{{{_EXCLUSIVE}}}InclusiveNamespaces"
_TRANSFORMS: Final = ("http://www.w3.org/2000/09/xmldsig#enveloped-signature", _EXCLUSIVE)
_MAX_PREFIXES: Final = 20
_MAX_VALUE: Final = 4096
"""Characters of a SignatureValue or DigestValue. RSA with 16,384 bits needs 2,732."""
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BLANK: Final = str.maketrans("", "", " \t\r\n")

_METHODS: Final = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
    }
)
_DIGESTS: Final = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_OLD_METHODS: Final = frozenset({SignatureMethod.RSA_SHA1})
_OLD_DIGESTS: Final = frozenset({DigestAlgorithm.SHA1})


@dataclass(frozen=True, slots=True)
class Pins:
    """Whose signatures are taken: of these certificates' keys, and by SHA-1 on which days."""

    certificates: Sequence[Certificate]
    sha1_until: date | None
    today: date

    @property
    def sha1(self) -> bool:
        """Whether SHA-1 is taken today."""
        return self.sha1_until is not None and self.today <= self.sha1_until


def check_shape(owner: etree._Element, pins: Pins, trail: Trail) -> None:
    """Check that the signature of `owner` says the one sentence, in algorithms that are taken. Raises LoginRefused."""
    signature = signature_of(owner)
    if signature is None:
        return
    has_signature_parts(trail, signature)
    signed_info, value = elements(signature)[:2]
    has_one_reference(trail, signed_info)
    has_signed_info_parts(trail, signed_info)
    canonicalization, method, reference = elements(signed_info)
    has_reference_parts(trail, reference)
    transforms, digest, digest_value = elements(reference)
    refers_to_owner(trail, reference, str(owner.get("ID")))
    is_canonicalized(trail, canonicalization)
    is_transformed(trail, transforms)
    has_few_prefixes(trail, [canonicalization, *elements(transforms)])
    is_signed_by_method(trail, method)
    is_digested_by(trail, digest)
    is_no_sha1(trail, [method, digest], pins)
    is_value(trail, value)
    is_digest_value(trail, digest_value)


def verified(owner: etree._Element, pins: Pins, trail: Trail) -> etree._Element:
    """Return a new tree of exactly what the signature of `owner` signs; its shape was checked. Raises LoginRefused."""
    document = _standing_alone(owner)
    attempts = (_signed_data(document, certificate, pins) for certificate in pins.certificates)
    signed = next(filter(None, attempts), b"")
    holds(trail, signed, local(str(owner.tag)))
    tree = parse(signed)
    is_owner(trail, tree, owner)
    return tree


def _standing_alone(owner: etree._Element) -> bytes:
    """Return an element as a document of its own, in which its signature has no KeyInfo.

    So the engine can find nothing else than this element, and no key but a pinned one. KeyInfo is not signed, and what
    is signed does not hold the signature.
    """
    root = parse(etree.tostring(owner, with_tail=False))
    signature = signature_of(root)
    for key_info in [] if signature is None else signature.findall(ds("KeyInfo")):
        key_info.getparent().remove(key_info)  # type: ignore[union-attr]
    return etree.tostring(root)


def _signed_data(document: bytes, certificate: Certificate, pins: Pins) -> bytes:
    """Return the bytes that the root's signature signs with a certificate's key; b"" if it does not."""
    configuration = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=_METHODS | _OLD_METHODS if pins.sha1 else _METHODS,
        digest_algorithms=_DIGESTS | _OLD_DIGESTS if pins.sha1 else _DIGESTS,
        # It is pinned: that it has expired is for `status` to say, not a reason to lock everybody out.
        verification_time=certificate.not_valid_before_utc,
    )
    try:
        result = XMLVerifier().verify(
            document, x509_cert=certificate, parser=parser(), id_attribute="ID", expect_config=configuration
        )
    except Exception:  # noqa: BLE001 - whatever the engine raises on anybody's bytes means one thing: not verified
        return b""
    return result.signed_data if isinstance(result, VerifyResult) else b""


@check("saml-signature-parts")
def has_signature_parts(signature: etree._Element) -> Finding:
    """A signature is SignedInfo, SignatureValue and perhaps KeyInfo; it has no Object."""
    wanted = [ds("SignedInfo"), ds("SignatureValue")]
    found = tags(signature)
    good = found in (wanted, [*wanted, ds("KeyInfo")])
    return None if good else f"a signature consists of {_names(found)}"


@check("saml-reference-count")
def has_one_reference(signed_info: etree._Element) -> Finding:
    """A signature refers to one thing."""
    count = tags(signed_info).count(ds("Reference"))
    return None if count == 1 else f"a signature has {count or 'no'} references, not one"


@check("saml-signed-info-parts")
def has_signed_info_parts(signed_info: etree._Element) -> Finding:
    """SignedInfo is a canonicalization, a method and the reference."""
    found = tags(signed_info)
    good = found == [ds("CanonicalizationMethod"), ds("SignatureMethod"), ds("Reference")]
    return None if good else f"a SignedInfo consists of {_names(found)}"


@check("saml-reference-parts")
def has_reference_parts(reference: etree._Element) -> Finding:
    """A reference is transforms, a digest's method and its value."""
    found = tags(reference)
    good = found == [ds("Transforms"), ds("DigestMethod"), ds("DigestValue")]
    return None if good else f"a Reference consists of {_names(found)}"


@check("saml-reference-target")
def refers_to_owner(reference: etree._Element, id_: str) -> Finding:
    """A signature is over the element in which it stands, by its ID."""
    uri = reference.get("URI")
    return None if uri == f"#{id_}" else f"a signature refers to {shown(uri)}, not to the element it stands in"


@check("saml-canonicalization")
def is_canonicalized(method: etree._Element) -> Finding:
    """SignedInfo is canonicalized exclusively, without comments."""
    algorithm = method.get("Algorithm")
    return None if algorithm == _EXCLUSIVE else f"SignedInfo is canonicalized by {shown(algorithm)}"


@check("saml-transforms")
def is_transformed(transforms: etree._Element) -> Finding:
    """What is signed is the element without its signature, canonicalized exclusively; nothing else is done to it."""
    found = [(str(each.tag), each.get("Algorithm")) for each in elements(transforms)]
    wanted = [(ds("Transform"), algorithm) for algorithm in _TRANSFORMS]
    said = ", ".join(shown(algorithm) for _, algorithm in found[:4]) or "nothing"
    return None if found == wanted else f"what is signed is transformed by {said}"


@check("saml-transform-parameters")
def has_few_prefixes(methods: Sequence[etree._Element]) -> Finding:
    """Transforms have no parameters but a short list of prefixes."""
    for method in methods:
        inside = elements(method)
        if not inside:
            continue
        prefixes = (inside[0].get("PrefixList") or "").split()
        exclusive = method.get("Algorithm") == _EXCLUSIVE
        if not exclusive or tags(method) != [_INCLUSIVE_NAMESPACES] or len(elements(inside[0])) > 0:
            return f"{shown(local(str(method.tag)))} has the parameters {_names(tags(method))}"
        if len(prefixes) > _MAX_PREFIXES:
            return f"InclusiveNamespaces lists {len(prefixes)} prefixes"
    return None


@check("saml-signature-method")
def is_signed_by_method(method: etree._Element) -> Finding:
    """A signature is made by RSA or ECDSA with SHA-2 (or SHA-1, of which another check decides), never by HMAC."""
    algorithm = method.get("Algorithm")
    known = {each.value for each in _METHODS | _OLD_METHODS}
    return None if algorithm in known and not elements(method) else f"the signature is made by {shown(algorithm)}"


@check("saml-digest-method")
def is_digested_by(method: etree._Element) -> Finding:
    """A digest is made by SHA-2 (or SHA-1, of which another check decides)."""
    algorithm = method.get("Algorithm")
    known = {each.value for each in _DIGESTS | _OLD_DIGESTS}
    return None if algorithm in known and not elements(method) else f"the digest is made by {shown(algorithm)}"


@check("saml-sha1")
def is_no_sha1(methods: Sequence[etree._Element], pins: Pins) -> Finding:
    """SHA-1 is used only where the connection takes it, until its last day."""
    old = {each.value for each in _OLD_METHODS} | {each.value for each in _OLD_DIGESTS}
    if pins.sha1 or not any(method.get("Algorithm") in old for method in methods):
        return None
    since = f" since {pins.sha1_until}" if pins.sha1_until else ""
    return f"the signature uses SHA-1, which this connection does not take{since}"


@check("saml-signature-value")
def is_value(value: etree._Element) -> Finding:
    """SignatureValue is base64 of a sane length."""
    return _not_base64(value, "SignatureValue")


@check("saml-digest-value")
def is_digest_value(value: etree._Element) -> Finding:
    """DigestValue is base64 of a sane length."""
    return _not_base64(value, "DigestValue")


@check("saml-signature")
def holds(signed: bytes, what: str) -> Finding:
    """The signature holds for the key of a pinned certificate, and the digest for what is signed."""
    return None if signed else f"the signature of {shown(what)} does not hold for any certificate of this connection"


@check("saml-signed-content")
def is_owner(tree: etree._Element, owner: etree._Element) -> Finding:
    """What was signed is the element in which the signature stands."""
    # Canonicalizers have been made to yield nothing, or something else, which the signature then held for.
    same = tree.tag == owner.tag and tree.get("ID") == owner.get("ID")
    return None if same else "what the signature signs is not the element in which it stands"


def _not_base64(element: etree._Element, what: str) -> Finding:
    text = text_of(element)
    packed = text.translate(_BLANK)
    good = len(text) <= _MAX_VALUE and packed and _BASE64.fullmatch(packed) and not elements(element)
    return None if good else f"{what} is not base64"


def _names(found: Sequence[str]) -> str:
    return ", ".join(shown(local(tag)) for tag in found[:4]) or "nothing"
