"""The audit's chain: what its digests cover, and that an erasure leaves them as they are."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.chain import (
    PAYLOAD,
    Anchor,
    beginning,
    erase,
    field_salts,
    is_tombstone,
    next_link,
    read_anchor,
    row_digest,
)
from rolebridge.core.errors import Invalid

HEAD: tuple[str | int, ...] = (7, "2026-11-21T09:00:00.000Z", "user.updated", "connection:okta", "r1", "user", "u1")
SALT = bytes(range(16))
texts = st.none() | st.text()
payloads = st.tuples(texts, texts, st.text())


def test_anybody_can_compute_a_digest_from_its_description() -> None:
    """The description in the module is enough: no code of ours is needed to verify an export."""

    def salt(name: bytes) -> bytes:
        return hashlib.sha256(b"rolebridge audit salt\0" + name + b"\0" + SALT).digest()[:16]

    after = hashlib.sha256(salt(b"after") + "{é}".encode()).hexdigest()
    reason = hashlib.sha256(salt(b"reason")).hexdigest()
    text = json.dumps([*HEAD, None, after, reason], ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    assert row_digest(HEAD, (None, "{é}", ""), SALT) == digest
    assert next_link(beginning("o1"), digest) == hashlib.sha256(beginning("o1") + digest).digest()
    assert beginning("o1") == hashlib.sha256(b"rolebridge audit chain 1\0o1").digest()


@given(payloads, st.sets(st.sampled_from(PAYLOAD)), st.sets(st.sampled_from(PAYLOAD)))
def test_an_erasure_keeps_the_digest(payload: tuple[str | None, ...], first: set[str], second: set[str]) -> None:
    """Whichever texts are erased, one after the other, the digest of the row stays."""
    digest = row_digest(HEAD, payload, SALT)
    left, salts = erase(payload, SALT, first)
    assert row_digest(HEAD, left, salts, erased=True) == digest
    again, salts = erase(left, salts, second)
    assert row_digest(HEAD, again, salts, erased=True) == digest
    for name, text, was, salt in zip(PAYLOAD, again, payload, field_salts(salts), strict=True):
        if was is not None and name in first | second:
            assert is_tombstone(text)
            assert salt == bytes(16) or is_tombstone(was)


@given(payloads, payloads)
def test_other_texts_have_another_digest(one: tuple[str | None, ...], other: tuple[str | None, ...]) -> None:
    """No text can take the place of another, nor nothing that of an empty one."""
    assert (row_digest(HEAD, one, SALT) == row_digest(HEAD, other, SALT)) == (one == other)


def test_every_column_counts() -> None:
    """Each column of the head is part of the digest."""
    digest = row_digest(HEAD, (None, None, ""), SALT)
    for at, value in enumerate(HEAD):
        other: list[str | int] = [*HEAD]
        other[at] = 8 if isinstance(value, int) else f"{value}x"
        assert row_digest(other, (None, None, ""), SALT) != digest


def test_a_tombstone_counts_only_where_something_was_erased() -> None:
    """A reason that somebody writes like a tombstone is a reason like any other."""
    (_, _, tomb), salts = erase((None, None, "why"), SALT, {"reason"})
    assert row_digest(HEAD, (None, None, tomb), salts) != row_digest(HEAD, (None, None, tomb), salts, erased=True)


def test_what_is_erased_cannot_be_guessed() -> None:
    """The same text leaves another tombstone in another row: its salt is gone with it."""
    one, other = (erase((None, None, "ana"), bytes([n]) * 16, {"reason"})[0][2] for n in (1, 2))
    assert one != other


def test_an_anchor_is_read_back() -> None:
    """What is printed is read again, however it is spelt."""
    anchor = Anchor(12, bytes(range(32)))
    assert read_anchor(str(anchor)) == anchor
    assert read_anchor(f" {str(anchor).upper()}\n") == anchor


@pytest.mark.parametrize("text", ["", "12", "0:" + "a" * 64, "12:abc", "12:" + "g" * 64, "x:" + "a" * 64])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    """Anything else is told to be none."""
    with pytest.raises(Invalid, match="is no anchor"):
        read_anchor(text)
