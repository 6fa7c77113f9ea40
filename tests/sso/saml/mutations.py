"""Messages that were changed at random: by bytes, by pieces of XML, and by moving elements about."""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from hypothesis import strategies as st
from lxml import etree

PIECES: Final = (
    b"<!---->", b"<?x?>", b"<!DOCTYPE x>", b"<![CDATA[x]]>", b"&#0;", b"&amp;", b"&x;", b"\0", b"\xff", b"\xef\xbb\xbf",
    b"<x/>", b"</saml:Subject>", b"<saml:NameID>admin@example.com</saml:NameID>", b' ID="_evil"', b' xmlns="urn:x"',
    b' xmlns:x="x"', b"admin@example.com", b"2036-01-01T00:00:00Z", b"=", b"A", b" ", b"\r\n",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, message: bytes) -> bytes:
    """Return a message with one to three changes."""
    for _ in range(draw(st.integers(1, 3))):
        change = draw(st.sampled_from([_flip, _put, _cut, _move, _double, _retext]))
        message = draw(change(message)) or b"x"
    return message


@st.composite
def _flip(draw: st.DrawFn, message: bytes) -> bytes:
    place = draw(st.integers(0, max(0, len(message) - 1)))
    return message[:place] + bytes([draw(st.integers(0, 255))]) + message[place + 1 :]


@st.composite
def _put(draw: st.DrawFn, message: bytes) -> bytes:
    place = draw(st.integers(0, len(message)))
    return message[:place] + draw(st.sampled_from(PIECES)) + message[place:]


@st.composite
def _cut(draw: st.DrawFn, message: bytes) -> bytes:
    place = draw(st.integers(0, len(message)))
    return message[:place] + message[place + draw(st.integers(1, 200)) :]


def _elements(message: bytes) -> list[etree._Element]:
    try:
        return list(etree.fromstring(message, etree.XMLParser(resolve_entities=False)).iter(etree.Element))
    except (etree.XMLSyntaxError, ValueError):
        return []


@st.composite
def _move(draw: st.DrawFn, message: bytes) -> bytes:
    """Move an element elsewhere, itself or a copy of it."""
    found = _elements(message)
    if len(found) < 3:
        return message
    moved = draw(st.sampled_from(found[1:]))
    inside = set(moved.iter())
    target = draw(st.sampled_from([each for each in found if each not in inside]))
    what = deepcopy(moved) if draw(st.booleans()) else moved
    target.insert(draw(st.integers(0, len(target))), what)
    return etree.tostring(found[0])


@st.composite
def _double(draw: st.DrawFn, message: bytes) -> bytes:
    """Put a copy of an element beside it."""
    found = _elements(message)
    if len(found) < 2:
        return message
    element = draw(st.sampled_from(found[1:]))
    element.addnext(deepcopy(element))
    return etree.tostring(found[0])


@st.composite
def _retext(draw: st.DrawFn, message: bytes) -> bytes:
    """Change a text or an attribute of an element."""
    found = _elements(message)
    if not found:
        return message
    element = draw(st.sampled_from(found))
    value = draw(st.sampled_from(["", "admin@example.com", "_evil", "2036-01-01T00:00:00Z", "https://evil.example"]))
    if element.attrib and draw(st.booleans()):
        element.set(draw(st.sampled_from(sorted(map(str, element.attrib)))), value)
    elif len(element) == 0:
        element.text = value
    return etree.tostring(found[0])
