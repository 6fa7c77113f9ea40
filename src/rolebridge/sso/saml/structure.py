"""Where things stand in a message: one assertion, signatures where they mean what they seem to mean, nothing else.

Wrapping attacks move what was signed to a place where the verifier finds it and the reader does not. So every
assertion and every signature of a document has to be where a response has it, wherever else one could be hidden.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lxml import etree

from rolebridge.core.login import Trail
from rolebridge.sso.saml.checking import Finding, check
from rolebridge.sso.saml.names import (
    ASSERTION,
    ENCRYPTED_ASSERTION,
    ISSUER,
    RESPONSE,
    SIGNATURE,
    children,
    descendants,
    local,
    saml,
    samlp,
    tags,
)
from rolebridge.sso.wording import shown

_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")
_RESPONSE_PARTS: Final = (
    (ISSUER,),
    (samlp("Extensions"),),
    (samlp("Status"),),
    (ASSERTION, ENCRYPTED_ASSERTION),
)
_ASSERTION_PARTS: Final = (
    (ISSUER,),
    (saml("Subject"),),
    (saml("Conditions"),),
    (saml("Advice"),),
    (saml("AuthnStatement"), saml("AttributeStatement")),
)


def check_response(root: etree._Element, trail: Trail) -> None:
    """Check how a whole message is built, but for whether it holds an assertion. Raises LoginRefused."""
    is_response(trail, root)
    has_response_parts(trail, root)


def check_places(root: etree._Element, trail: Trail) -> None:
    """Check a response's, or a decrypted assertion's, assertions and signatures. Raises LoginRefused."""
    has_one_assertion(trail, root)
    assertions_are_in_place(trail, root)
    signatures_are_in_place(trail, root)
    signatures_are_single(trail, root)
    for assertion in _own_assertions(root):
        has_assertion_parts(trail, assertion)
    for owner in _owners(root):
        has_id(trail, owner)


def signature_of(element: etree._Element) -> etree._Element | None:
    """Return the signature of an element whose places were checked."""
    return element.find(SIGNATURE)


@check("saml-not-a-response")
def is_response(root: etree._Element) -> Finding:
    """The message is a Response of SAML 2.0."""
    return None if root.tag == RESPONSE else f"the message is {shown(str(root.tag))}, not a SAML 2.0 response"


@check("saml-response-parts")
def has_response_parts(root: etree._Element) -> Finding:
    """The response has the parts that the schema gives it, in their order, and its signature among them."""
    return _disorder(tags(root), _RESPONSE_PARTS, "the response")


@check("saml-assertion-count")
def has_one_assertion(root: etree._Element) -> Finding:
    """The response holds one assertion, encrypted or not."""
    count = len(_own_assertions(root)) + len(children(root, ENCRYPTED_ASSERTION))
    return None if count == 1 else f"the response has {count or 'no'} assertions, not one"


@check("saml-assertion-place")
def assertions_are_in_place(root: etree._Element) -> Finding:
    """No assertion stands anywhere but directly in the response."""
    for found in descendants(root, ASSERTION, ENCRYPTED_ASSERTION):
        parent = found.getparent()
        if parent is not None and not (parent is root and root.tag == RESPONSE):
            return f"an assertion is hidden in {shown(local(str(parent.tag)))}"
    return None


@check("saml-signature-place")
def signatures_are_in_place(root: etree._Element) -> Finding:
    """No signature stands anywhere but directly in the response or in its assertion."""
    owners = _owners(root)
    for found in descendants(root, SIGNATURE):
        parent = found.getparent()
        if parent is None or parent not in owners:
            return f"a signature stands in {shown(local(str(parent.tag)) if parent is not None else None)}"
    return None


@check("saml-signature-count")
def signatures_are_single(root: etree._Element) -> Finding:
    """Response and assertion have at most one signature each."""
    for owner in _owners(root):
        count = len(children(owner, SIGNATURE))
        if count > 1:
            return f"{shown(local(str(owner.tag)))} has {count} signatures"
    return None


@check("saml-assertion-parts")
def has_assertion_parts(assertion: etree._Element) -> Finding:
    """The assertion has the parts that the schema gives it, in their order, and its signature among them."""
    return _disorder(tags(assertion), _ASSERTION_PARTS, "the assertion")


@check("saml-id")
def has_id(element: etree._Element) -> Finding:
    """Response and assertion have an ID that is an XML name of at most 255 characters."""
    id_ = element.get("ID")
    good = id_ is not None and _ID.fullmatch(id_)
    return None if good else f"the ID of {shown(local(str(element.tag)))} is {shown(id_)}"


def _own_assertions(root: etree._Element) -> list[etree._Element]:
    return [root] if root.tag == ASSERTION else children(root, ASSERTION)


def _owners(root: etree._Element) -> list[etree._Element]:
    """Return the elements that may have a signature: the response and its assertion."""
    return [root] if root.tag == ASSERTION else [root, *_own_assertions(root)]


def _disorder(found: Sequence[str], parts: Sequence[Sequence[str]], what: str) -> Finding:
    """Return which of the elements is unknown, or not in the order that the schema gives.

    The signature belongs after the issuer; some identity providers put it last. As it is the only one, over all of the
    element but itself, where among the parts it stands changes nothing that is read.
    """
    ranks = {tag: rank for rank, group in enumerate(parts) for tag in group}
    last = 0
    for tag in found:
        if tag == SIGNATURE:
            continue
        rank = ranks.get(tag)
        if rank is None:
            return f"{what} holds {shown(local(tag))}, which has no place there"
        if rank < last:
            return f"{what} holds {shown(local(tag))} after what has to follow it"
        last = rank
    return None
