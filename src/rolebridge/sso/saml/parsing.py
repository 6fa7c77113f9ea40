"""From the bytes of a form to a tree that holds nothing surprising. The one XML parser of the package is here.

What comes in is anybody's. So sizes are bounded before anything is parsed, nothing outside of the message is ever
fetched, and what has confused XML readers into seeing different documents is refused: document types, processing
instructions, ids that are there twice, relative namespaces, text that is torn into pieces.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from lxml import etree

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.saml.checking import Finding, check
from rolebridge.sso.wording import shown

T = TypeVar("T")

MAX_BYTES: Final = 512 * 1024
"""Of a message as XML. A thousand groups by name are some 100 KiB."""
MAX_TAGS: Final = 20_000
MAX_ATTRIBUTES: Final = 64
"""Of one element, declarations of namespaces included."""
MAX_DEPTH: Final = 40

_BASE64: Final = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?")
_BLANK: Final = b" \t\r\n"
_DECLARED_ENCODING: Final = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")
_INSTRUCTIONS: Final = etree.XPath("//processing-instruction()")
_TORN_BY_COMMENT: Final = etree.XPath("//*[comment()][not(*) or text()[normalize-space()]]")
_TORN_BY_ELEMENT: Final = etree.XPath("//*[*][text()[normalize-space()]]")
_IDS: Final = etree.XPath("//@*[local-name()='ID' or local-name()='Id' or local-name()='id' or local-name()='iD']")
_TOO_DEEP: Final = etree.XPath("/*" * (MAX_DEPTH + 1))


def parser() -> etree.XMLParser:
    """Return a parser as all XML is read: it resolves, loads and fetches nothing, and repairs nothing."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, collect_ids=False, recover=False
    )


def apart(work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own and return what it returns, or raise what it raises.

    libxml2 keeps every name that it has ever parsed as long as the thread lives. Names of messages from anybody would
    fill the memory of a worker; this way they go with the thread.
    """
    outcome: list[T] = []
    problem: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is: it is raised again, by the caller's thread
            problem.append(error)

    thread = threading.Thread(target=run, name="saml")
    thread.start()
    thread.join()
    if problem:
        raise problem.pop()  # kept in no frame of its own traceback, so that the message goes with it
    return outcome[0]


def read_message(encoded: bytes, trail: Trail) -> etree._Element:
    """Return the message of a form field as a tree. Raises LoginRefused."""
    return read_document(decoded(encoded, trail), trail)


def decoded(encoded: bytes, trail: Trail) -> bytes:
    """Return the bytes that a form field carries as base64. Raises LoginRefused."""
    packed = encoded.translate(None, _BLANK)
    small_enough(trail, len(packed) * 3 // 4)
    is_base64(trail, packed)
    return base64.b64decode(packed + b"=" * (-len(packed) % 4))


def read_document(document: bytes, trail: Trail) -> etree._Element:
    """Return a document as a tree that passed every check of this module. Raises LoginRefused."""
    small_enough(trail, len(document))
    is_utf8(trail, document)
    has_no_doctype(trail, document)
    has_few_tags(trail, document)
    root = parse(document)
    is_shallow(trail, root)
    has_few_attributes(trail, root)
    has_no_instructions(trail, root)
    has_absolute_namespaces(trail, root)
    has_unique_ids(trail, root)
    has_no_torn_text(trail, root)
    has_no_mixed_text(trail, root)
    return root


def parse(document: bytes) -> etree._Element:
    """Return a document's root. Raises LoginRefused where it is no well-formed XML."""
    try:
        return etree.fromstring(document, parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise LoginRefused("saml-malformed", f"the message is no well-formed XML: {shown(str(error))}") from None


@check("saml-too-large")
def small_enough(size: int) -> Finding:
    """A message has at most 512 KiB, before anything is made of it."""
    return f"the message has {size} bytes, more than {MAX_BYTES}" if size > MAX_BYTES else None


@check("saml-base64")
def is_base64(packed: bytes) -> Finding:
    """The form field is base64; blanks and line ends in it do not count (SAML Bindings section 3.5.4)."""
    return None if _BASE64.fullmatch(packed) else "the message is not base64"


@check("saml-not-utf8")
def is_utf8(document: bytes) -> Finding:
    """The message is UTF-8 and says nothing else of itself."""
    # Another encoding would hide from the checks of bytes what the parser then sees.
    declared = _DECLARED_ENCODING.match(document.removeprefix(b"\xef\xbb\xbf"))
    if declared is not None and declared.group(1).lower() not in {b"utf-8", b"utf8", b"us-ascii"}:
        return f"the message declares the encoding {shown(declared.group(1).decode('latin-1'))}"
    try:
        document.decode("utf-8")
    except UnicodeDecodeError:
        return "the message is not UTF-8; perhaps it is compressed, as in a redirect: responses come by POST"
    return None


@check("saml-doctype")
def has_no_doctype(document: bytes) -> Finding:
    """There is no document type, hence no entities, nothing external and nothing that grows."""
    return "the message has a document type declaration" if b"<!DOCTYPE" in document else None


@check("saml-too-many-elements")
def has_few_tags(document: bytes) -> Finding:
    """There are no more tags than a login needs, counted before they are parsed."""
    count = document.count(b"<")
    return f"the message has {count} tags, more than {MAX_TAGS}" if count > MAX_TAGS else None


@check("saml-too-deep")
def is_shallow(root: etree._Element) -> Finding:
    """Elements are not nested deeper than a login needs."""
    return f"elements are nested more than {MAX_DEPTH} deep" if _TOO_DEEP(root.getroottree()) else None


@check("saml-too-many-attributes")
def has_few_attributes(root: etree._Element) -> Finding:
    """No element has more attributes and namespaces than a login needs."""
    count = 0
    for event, found in etree.iterwalk(root, events=("start-ns", "start")):
        if event == "start-ns":  # those of an element come before it
            count += 1
        elif isinstance(found, etree._Element):  # noqa: SLF001 - lxml's name of the type
            if count + len(found.attrib) > MAX_ATTRIBUTES:
                return f"an element has more than {MAX_ATTRIBUTES} attributes and namespaces"
            count = 0
    return None


@check("saml-instruction")
def has_no_instructions(root: etree._Element) -> Finding:
    """There are no processing instructions."""
    return "the message has processing instructions" if _INSTRUCTIONS(root.getroottree()) else None


@check("saml-relative-namespace")
def has_absolute_namespaces(root: etree._Element) -> Finding:
    """Namespaces are absolute URIs."""
    # Canonical form is not defined for them (Canonical XML 1.0 section 1.3): libraries then sign or verify nothing.
    for _, (_, uri) in etree.iterwalk(root, events=("start-ns",)):
        if uri and not _ABSOLUTE.fullmatch(uri):
            return f"the namespace {shown(uri)} is relative"
    return None


@check("saml-duplicate-id")
def has_unique_ids(root: etree._Element) -> Finding:
    """An id is there once, whatever the attribute's case and namespace."""
    seen: set[str] = set()
    for value in _texts(_IDS(root.getroottree())):
        if value in seen:
            return f"the id {shown(value)} is there twice"
        seen.add(value)
    return None


@check("saml-comment")
def has_no_torn_text(root: etree._Element) -> Finding:
    """No comment stands within text."""
    # Some readers stop at the comment in `admin@example.com<!---->.evil.example`.
    return _first("a comment stands in the text of", _TORN_BY_COMMENT(root.getroottree()))


@check("saml-mixed-text")
def has_no_mixed_text(root: etree._Element) -> Finding:
    """An element has text or elements, never both."""
    return _first("text and elements stand beside each other in", _TORN_BY_ELEMENT(root.getroottree()))


def _first(words: str, found: object) -> Finding:
    if isinstance(found, list) and found and isinstance(found[0], etree._Element):  # noqa: SLF001 - as above
        return f"{words} {shown(etree.QName(found[0]).localname)}"
    return None


def _texts(found: object) -> list[str]:
    return [str(each) for each in found] if isinstance(found, list) else []
