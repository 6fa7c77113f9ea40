"""Names of SAML 2.0, XML Signature and XML Encryption, and how elements are looked up by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"

RESPONSE: Final = f"{{{SAMLP}}}Response"
ASSERTION: Final = f"{{{SAML}}}Assertion"
ENCRYPTED_ASSERTION: Final = f"{{{SAML}}}EncryptedAssertion"
ISSUER: Final = f"{{{SAML}}}Issuer"
SIGNATURE: Final = f"{{{DS}}}Signature"


def saml(name: str) -> str:
    """Return the tag of an element of assertions."""
    return f"{{{SAML}}}{name}"


def samlp(name: str) -> str:
    """Return the tag of an element of the protocol."""
    return f"{{{SAMLP}}}{name}"


def ds(name: str) -> str:
    """Return the tag of an element of signatures."""
    return f"{{{DS}}}{name}"


def xenc(name: str) -> str:
    """Return the tag of an element of encryption."""
    return f"{{{XENC}}}{name}"


def elements(parent: etree._Element) -> list[etree._Element]:
    """Return the child elements, without comments."""
    return list(parent.iterchildren(tag=etree.Element))


def tags(parent: etree._Element) -> list[str]:
    """Return the tags of the child elements in their order."""
    return [str(child.tag) for child in elements(parent)]


def children(parent: etree._Element, tag: str) -> list[etree._Element]:
    """Return the child elements of that tag."""
    return list(parent.iterchildren(tag=tag))


def descendants(root: etree._Element, *wanted: str) -> Iterator[etree._Element]:
    """Yield the elements of these tags anywhere below and including `root`."""
    return root.iter(*wanted)


def text_of(element: etree._Element) -> str:
    """Return the text of an element. Nobody tears it apart: elements and comments within text have been refused."""
    return element.text or ""


def local(tag: str) -> str:
    """Return the name without its namespace."""
    return tag.rpartition("}")[2]
