"""The one parser by itself, and the edges of what it is given."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree
from tests.ports import free_port
from tests.sso.saml import idp
from tests.sso.saml.attacking import expectations, signed, text
from tests.sso.saml.idp import NOW

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.saml.parsing import (
    MAX_ATTRIBUTES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_TAGS,
    apart,
    decoded,
    parse,
    read_document,
)
from rolebridge.sso.saml.response import validate


def code(document: bytes) -> str | None:
    try:
        read_document(document, Trail())
    except LoginRefused as refused:
        return refused.code
    return None


def test_the_parser_resolves_no_entity() -> None:
    """Even where no check has looked for a document type: what it stands for does not become text."""
    root = parse(b'<!DOCTYPE x [<!ENTITY a "resolved">]><x>&a;</x>')
    assert "resolved" not in "".join(map(str, root.itertext(etree.Element)))


def test_the_parser_opens_no_file(tmp_path: Path) -> None:
    """An external entity is not read, and an external document type neither."""
    secret = tmp_path / "secret.txt"
    secret.write_text("resolved", "ascii")
    (tmp_path / "x.dtd").write_text('<!ELEMENT x ANY><!ATTLIST x a CDATA "resolved">', "ascii")
    root = parse(f'<!DOCTYPE x [<!ENTITY a SYSTEM "{secret.as_uri()}">]><x>&a;</x>'.encode())
    assert "resolved" not in "".join(map(str, root.itertext(etree.Element)))
    root = parse(f'<!DOCTYPE x SYSTEM "{(tmp_path / "x.dtd").as_uri()}"><x/>'.encode())
    assert not root.keys()


@pytest.mark.loopback
def test_the_parser_asks_no_network() -> None:
    """A document that names an address is refused with that word, not with what the address would answer."""
    address = f"http://127.0.0.1:{free_port()}/x.dtd"
    with pytest.raises(LoginRefused, match="Attempt to load network entity"):
        parse(f'<!DOCTYPE x SYSTEM "{address}"><x/>'.encode())


def test_the_parser_repairs_nothing() -> None:
    """A tag that is not closed is refused, not closed."""
    with pytest.raises(LoginRefused) as refused:
        parse(b"<x><y></x>")
    assert refused.value.code == "saml-malformed"


def test_the_parser_keeps_its_own_limits() -> None:
    """More than 256 levels are no document to it, whatever we count."""
    with pytest.raises(LoginRefused):
        parse(b"<x>" * 300 + b"</x>" * 300)


@pytest.mark.parametrize(
    ("good", "bad", "refused"),
    [
        (lambda: _filled(MAX_BYTES), lambda: _filled(MAX_BYTES + 1), "saml-too-large"),
        (lambda: _nested(MAX_DEPTH), lambda: _nested(MAX_DEPTH + 1), "saml-too-deep"),
        (lambda: _wide(MAX_TAGS), lambda: _wide(MAX_TAGS + 1), "saml-too-many-elements"),
        (lambda: _crowded(60, 4), lambda: _crowded(60, 5), "saml-too-many-attributes"),
        (lambda: b"<x xmlns='urn:x'><y xmlns=''/></x>", lambda: b"<x xmlns='x'/>", "saml-relative-namespace"),
        (lambda: b"<x><y ID='a'/><y Id='b'/></x>", lambda: b"<x><y ID='a'/><y Id='a'/></x>", "saml-duplicate-id"),
        (lambda: b"<x><y ID='a'/><y iD='b'/></x>", lambda: b"<x><y ID='a'/><y iD='a'/></x>", "saml-duplicate-id"),
        (lambda: b"<x>\n<!-- y -->\n<y/></x>", lambda: b"<x>\n<!-- y -->\n</x>", "saml-comment"),
        (lambda: b"<x>\n\t <y/>\r\n</x>", lambda: b"<x>\xc2\xa0<y/></x>", "saml-mixed-text"),
        (lambda: b"<x>a<![CDATA[b]]></x>", lambda: b"<x>a<y/></x>", "saml-mixed-text"),
        (lambda: b"<?xml version='1.0'?><x/>", lambda: b"<x/><?y?>", "saml-instruction"),
        (lambda: b"<?xml version='1.0' encoding='utf8'?><x/>", lambda: b"<?xml version='1.0' encoding='utf-16'?><x/>",
         "saml-not-utf8"),
        (lambda: b"<?xml version='1.0' encoding=\"US-ASCII\"?><x/>",
         lambda: b"\xef\xbb\xbf<?xml version='1.0' encoding='latin1'?><x/>", "saml-not-utf8"),
    ],
)  # fmt: skip
def test_what_may_be_and_what_may_not(good: Callable[[], bytes], bad: Callable[[], bytes], refused: str) -> None:
    """Side by side, at the edge."""
    assert code(good()) is None
    assert code(bad()) == refused


def _filled(size: int) -> bytes:
    return b"<x>" + b"y" * (size - 7) + b"</x>"


def _nested(levels: int) -> bytes:
    return b"<x>" * levels + b"</x>" * levels


def _wide(tags: int) -> bytes:
    return b"<x>" + b"<y/>" * (tags - 2) + b"</x>"


def _crowded(attributes: int, namespaces: int) -> bytes:
    assert attributes + 4 == MAX_ATTRIBUTES
    said = "".join(f" a{n}=''" for n in range(attributes)) + "".join(f" xmlns:n{n}='urn:n'" for n in range(namespaces))
    return f"<x><y a=''/><y{said}/><y{said}/></x>".encode()


@pytest.mark.parametrize(
    ("form", "bytes_"),
    [(b"YWJj", b"abc"), (b"YWI=", b"ab"), (b"YWI", b"ab"), (b"YQ==", b"a"), (b"YQ", b"a"), (b"", b"")],
)
def test_base64_may_lack_its_padding(form: bytes, bytes_: bytes) -> None:
    """Some libraries leave it out; nothing else may be missing."""
    assert decoded(form, Trail()) == bytes_


@pytest.mark.parametrize("form", [b"Y", b"YQ=", b"YWI==", b"YWJj=", b"=", b"Y=Q=", b"YWJjY", b"YWJj\0"])
def test_what_is_no_base64_is_refused(form: bytes) -> None:
    """Padding in the middle, too little or too much of it, letters of nothing."""
    with pytest.raises(LoginRefused) as refused:
        decoded(form, Trail())
    assert refused.value.code == "saml-base64"


def test_the_form_is_measured_before_it_is_decoded() -> None:
    """By what it would decode to."""
    decoded(b"A" * (MAX_BYTES // 3 * 4), Trail())
    with pytest.raises(LoginRefused) as refused:
        decoded(base64.b64encode(bytes(MAX_BYTES + 3)), Trail())
    assert refused.value.code == "saml-too-large"


def test_work_apart_returns_raises_and_leaves_no_thread() -> None:
    """What the work returns or raises comes to the caller."""
    assert apart(lambda: threading.current_thread() is not threading.main_thread())
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 // 0)
    assert not [thread for thread in threading.enumerate() if thread.name == "saml"]


def test_many_may_be_validated_at_once() -> None:
    """Threads of the caller's own do not get into each other's way."""
    form = idp.encoded(signed("both"))
    taken: list[str] = []
    threads = [
        threading.Thread(target=lambda: taken.append(validate(form, expectations(), NOW, Trail()).subject))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == ["jane@example.com"] * 20


def test_a_message_in_another_spelling_of_utf8_is_taken() -> None:
    """`UTF-8` in any case."""
    message = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>' + text(signed())
    assert validate(idp.encoded(message), expectations(), NOW, Trail()).subject == "jane@example.com"
