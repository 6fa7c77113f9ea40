"""A SAML response, verified: from the bytes of the form to who has logged in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Trail
from rolebridge.sso.saml import checks, structure
from rolebridge.sso.saml.checking import Finding, check
from rolebridge.sso.saml.encryption import check_encryption, decrypted, is_malleable
from rolebridge.sso.saml.expectations import Expectations
from rolebridge.sso.saml.names import ASSERTION, ENCRYPTED_ASSERTION, XSI, children, elements, saml, text_of
from rolebridge.sso.saml.parsing import apart, read_document, read_message
from rolebridge.sso.saml.signatures import Pins, check_shape, verified
from rolebridge.sso.saml.structure import signature_of
from rolebridge.sso.saml.times import instant

_NIL: Final = f"{{{XSI}}}nil"
_LONGEST_WORD: Final = 1_024
"""Characters of a SessionIndex or AuthnContextClassRef (SAML Core section 8.3.6 allows entity ids as many)."""


def validate(encoded: bytes, expected: Expectations, now: datetime, trail: Trail) -> AssertedIdentity:
    """Return who a response says has logged in: the value of the form field `SAMLResponse`, at `now` (aware).

    Every check that was made is in `trail` afterwards, the one that refused as the last. Raises LoginRefused. Whoever
    logs somebody in by it keeps `assertion_id` until `usable_until`, and refuses it from then on.
    """
    try:
        return apart(lambda: _validated(encoded, expected, now.astimezone(UTC), trail))
    except LoginRefused as refused:
        trail.failed(refused)
        raise
    finally:
        # A response and its assertion pass through some checks one after the other.
        trail.checks[:] = dict.fromkeys(trail.checks)


def _validated(encoded: bytes, expected: Expectations, now: datetime, trail: Trail) -> AssertedIdentity:
    root = read_message(encoded, trail)
    structure.check_response(root, trail)
    checks.is_success(trail, root)  # before anything is missed in it: a refusal of the identity provider's is empty
    structure.check_places(root, trail)
    believed = _believed(root, Pins(expected.certificates, expected.sha1_until, now.date()), expected, trail)
    return _identity(believed, expected, now, trail)


@dataclass(frozen=True, slots=True)
class _Believed:
    """What was signed. `assertion` is verified; `response` is too, or may only refuse."""

    response: etree._Element
    assertion: etree._Element


def _believed(root: etree._Element, pins: Pins, expected: Expectations, trail: Trail) -> _Believed:
    """Return what signatures and keys make of a message whose parts are in their places."""
    is_signed(trail, root)
    for owner in (root, *children(root, ASSERTION)):
        check_shape(owner, pins, trail)
    is_whole = signature_of(root) is not None
    response = verified(root, pins, trail) if is_whole else root
    encrypted = children(response, ENCRYPTED_ASSERTION)
    if not encrypted:
        trail.not_needed("saml-decryption", "the assertion is not encrypted")
        assertion = children(response, ASSERTION)[0]
        return _Believed(
            response, verified(assertion, pins, trail) if signature_of(assertion) is not None else assertion
        )
    check_encryption(encrypted[0], expected.decryption_keys, trail, allow_cbc=expected.allow_cbc)
    try:
        return _Believed(response, _opened(encrypted[0], pins, expected, trail, is_whole=is_whole))
    except LoginRefused as refused:
        if is_whole or not is_malleable(root):
            raise
        # Whoever can change the ciphertext must not learn how far what became of it got.
        raise LoginRefused("saml-decryption", refused.detail) from None


def _opened(
    encrypted: etree._Element, pins: Pins, expected: Expectations, trail: Trail, *, is_whole: bool
) -> etree._Element:
    """Return the assertion that was encrypted. It was signed inside, or, `is_whole`, the response around it was."""
    plain = decrypted(encrypted, expected.decryption_keys, trail)
    assertion = read_document(plain, trail)
    is_assertion(trail, assertion)
    structure.check_places(assertion, trail)
    is_signed_inside(trail, assertion, is_whole=is_whole)
    if signature_of(assertion) is None:
        return assertion
    check_shape(assertion, pins, trail)
    return verified(assertion, pins, trail)


@check("saml-unsigned")
def is_signed(root: etree._Element) -> Finding:
    """The response or the assertion is signed; one that is encrypted may be so inside."""
    owners = [root, *children(root, ASSERTION)]
    signed = any(signature_of(owner) is not None for owner in owners) or children(root, ENCRYPTED_ASSERTION)
    return None if signed else "neither the response nor the assertion is signed"


@check("saml-encrypted-content")
def is_assertion(root: etree._Element) -> Finding:
    """What was encrypted is an assertion."""
    return None if root.tag == ASSERTION else "what was encrypted is no assertion"


@check("saml-encrypted-unsigned")
def is_signed_inside(assertion: etree._Element, *, is_whole: bool) -> Finding:
    """An encrypted assertion is signed inside, or the response around it is."""
    # Anybody can encrypt for us.
    signed = is_whole or signature_of(assertion) is not None
    return None if signed else "the assertion is encrypted, but neither it nor the response is signed"


def _identity(believed: _Believed, expected: Expectations, now: datetime, trail: Trail) -> AssertedIdentity:
    """Hold what was signed against what is expected, and return whom it is about."""
    response, assertion = believed.response, believed.assertion
    checks.check_issuers(response, assertion, expected, trail)
    checks.check_message(response, expected, now, trail)
    checks.check_assertion(assertion, expected, now, trail)
    checks.check_subject(assertion, expected, now, trail)
    checks.check_authentication(assertion, expected, now, trail)
    checks.check_attributes(assertion, trail)
    name = children(children(assertion, saml("Subject"))[0], saml("NameID"))[0]
    statement = children(assertion, saml("AuthnStatement"))[0]
    return AssertedIdentity(
        protocol=Protocol.SAML,
        issuer=expected.idp_entity_id,
        subject=text_of(name),
        attributes=_attributes(assertion),
        authenticated_at=instant(statement.get("AuthnInstant")),
        context=_short(checks.context_of(statement)),
        idp_session=_short(statement.get("SessionIndex")),
        subject_format=name.get("Format"),
        assertion_id=str(assertion.get("ID")),
        usable_until=checks.usable_until(assertion, expected),
        session_until=instant(statement.get("SessionNotOnOrAfter")),
    )


def _short(text: str | None) -> str | None:
    """Return what a session is kept with; None for what is longer than anybody's."""
    return text if text is not None and len(text) <= _LONGEST_WORD else None


def _attributes(assertion: etree._Element) -> Mapping[str, tuple[str, ...]]:
    """Return the attributes by name; one that is there several times has the values of all.

    A value that consists of elements (such as a NameID) is no text, and one that says that it is nil is none. Where
    only such elements are left out, the attribute is absent: empty would mean that the person has nothing.
    """
    found: dict[str, tuple[str, ...]] = {}
    for statement in children(assertion, saml("AttributeStatement")):
        for attribute in children(statement, saml("Attribute")):
            name = str(attribute.get("Name"))
            values = children(attribute, saml("AttributeValue"))
            plain = [value for value in values if not elements(value)]
            texts = tuple(text_of(value) for value in plain if value.get(_NIL) not in {"true", "1"})
            if plain or not values:
                found[name] = found.get(name, ()) + texts
    return found


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a response claims, believed by nobody: for finding the login that waits for it, and for previews."""

    in_response_to: str | None
    issuer: str | None
    issued: datetime | None


def unverified(encoded: bytes) -> Unverified:
    """Return what a response claims, without a look at signatures. Raises LoginRefused where it is no response."""

    def read() -> Unverified:
        trail = Trail()
        root = read_message(encoded, trail)
        structure.check_response(root, trail)
        issuer = next(iter(children(root, saml("Issuer"))), None)
        return Unverified(
            in_response_to=root.get("InResponseTo"),
            issuer=None if issuer is None else text_of(issuer),
            issued=instant(root.get("IssueInstant")),
        )

    return apart(read)
