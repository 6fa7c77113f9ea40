"""What anybody may send costs little: time by CPU, and memory that is given back."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.attacking import expectations, signed, text
from tests.sso.saml.attacks import ATTACKS, Attack
from tests.sso.saml.idp import NOW

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.saml.parsing import MAX_BYTES, MAX_TAGS
from rolebridge.sso.saml.response import validate

SECONDS = 2.0
"""Of CPU time, several times what the worst takes on a slow machine: what grows with the square takes minutes."""


def cost(form: bytes) -> float:
    """Return the seconds of CPU that a refusal takes."""
    begin = time.process_time()
    with pytest.raises(LoginRefused):
        validate(form, expectations(), NOW, Trail())
    return time.process_time() - begin


def filled(piece: str, limit: int = MAX_TAGS) -> str:
    """Return a response, not rightly signed, that is as full of a piece as it may be."""
    root = text(signed(extensions="<samlp:Extensions>HERE</samlp:Extensions>")).replace("jane", "admin")
    count = min((MAX_BYTES - len(root)) // len(piece.encode()), limit)
    return root.replace("HERE", piece * count)


FULL: dict[str, Callable[[], str]] = {
    "elements": lambda: filled("<x xmlns='urn:x'/>", (MAX_TAGS - 100)),
    "comments": lambda: filled("<!---->", (MAX_TAGS - 100)),
    "ids": lambda: "".join(filled("<x Id='_NR'/>", (MAX_TAGS - 100)).replace("NR", "{}", 0)),
    "text": lambda: filled("x", MAX_BYTES),
    "references": lambda: filled("&#65;", MAX_BYTES),
    "namespaces": lambda: filled("<x xmlns:a='urn:a' xmlns:b='urn:b' xmlns:c='urn:c' xmlns:d='urn:d'/>"),
    "nested": lambda: filled("<x>" * 30 + "</x>" * 30, MAX_TAGS // 60 - 2),
    "attributes": lambda: filled("<x " + " ".join(f"a{n}=''" for n in range(60)) + "/>"),
    "certificates": lambda: text(signed()).replace("jane", "admin").replace(
        idp.signer().base64, "A" * (MAX_BYTES - 20_000)),
    "blanks": lambda: filled(" \n", MAX_BYTES),
}  # fmt: skip


@pytest.mark.parametrize("kind", FULL)
def test_a_full_message_is_refused_in_bounded_time(kind: str) -> None:
    """512 KiB of the same that nobody has signed are no more than moments of work."""
    message = FULL[kind]()
    assert MAX_BYTES // 8 < len(message) <= MAX_BYTES
    assert cost(idp.encoded(message)) < SECONDS


@pytest.mark.parametrize("attack", [each for each in ATTACKS if len(each.form()) > 20_000], ids=lambda each: each.name)
def test_large_attacks_are_refused_in_bounded_time(attack: Attack) -> None:
    """Those of the table that are large."""
    assert cost(attack.form()) < SECONDS


def test_ten_megabytes_are_not_even_decoded() -> None:
    """Size comes before everything."""
    with pytest.raises(LoginRefused) as refused:
        validate(base64.b64encode(b"<" * 10_000_000), expectations(), NOW, Trail())
    assert refused.value.code == "saml-too-large"


def test_names_that_were_never_seen_before_do_not_stay_in_memory() -> None:
    """libxml2 keeps each name as long as its thread lives: a message's go with the message."""
    # A process of its own: what others left in this one is given back at any time, or taken up again.
    root = Path(__file__).parents[3]
    code = "from tests.sso.saml.test_bounds import grown; print(grown())"
    environ = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, cwd=root, capture_output=True, check=True)
    # Kept, they would be some 60 times 400 KiB.
    assert int(done.stdout) < 6 * 1024 * 1024


def grown() -> int:
    """Refuse a hundred messages of 9,000 names each; return by how many bytes the process grew over the last 60.

    During the first ones it grows by what the allocator keeps for threads to come, some 15 MB.
    """

    def message(number: int) -> bytes:
        names = "".join(f"<n{number}-{n}-{'x' * 30}/>" for n in range(9_000))
        return idp.encoded(f"<x>{names}</x>")

    for number in range(40):
        cost(message(number))
    before = _resident()
    for number in range(40, 100):
        cost(message(number))
    return _resident() - before


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


def test_nothing_of_the_message_is_in_the_thread_afterwards() -> None:
    """What is returned are plain texts, no parts of a tree."""
    identity = validate(idp.encoded(idp.signed()), expectations(), NOW, Trail())
    texts = [
        identity.subject,
        identity.issuer,
        *identity.attributes,
        *(v for vs in identity.attributes.values() for v in vs),
    ]
    assert {type(each) for each in texts} == {str}
    assert not isinstance(identity.assertion_id, etree._ElementUnicodeResult)
