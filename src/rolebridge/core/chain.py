r"""The audit's chain: digests that follow each other, so that nothing can be changed, left out or moved unseen.

A row's digest covers its columns, and of `before`, `after` and `reason`, which may tell of people, only commitments:
SHA-256 over a random salt and the text. So the texts can be erased, with their salts, and the digest stays: what is
left says nothing, and cannot be guessed from it. A row's link covers the link before it and its digest; the first one
follows the organization's beginning.

Written out (`‖` puts bytes one after the other, numbers and texts are JSON without spaces, not escaped):

    salt of a field = the first 16 bytes of SHA-256("rolebridge audit salt\0" ‖ field's name ‖ "\0" ‖ salt of the row)
    commitment      = hexadecimal SHA-256(salt of the field ‖ text as UTF-8), or null where there is no text
    digest          = SHA-256(JSON [sequence, at, kind, actor, request_id, subject_kind, subject_id,
                                    commitment of before, of after, of reason])
    link            = SHA-256(link before ‖ digest)
    beginning       = SHA-256("rolebridge audit chain 1\0" ‖ organization's id)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from rolebridge.core.errors import Invalid

PAYLOAD: Final = ("before", "after", "reason")
"""The fields that are committed to, and can be erased."""
SALT_BYTES: Final = 16

_ERASED: Final = "erased:sha256:"
_TOMBSTONE: Final = re.compile(re.escape(_ERASED) + "[0-9a-f]{64}")
_NO_SALT: Final = bytes(SALT_BYTES)

Payload = Sequence[str | None]
"""The texts of `PAYLOAD`, in that order."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in the chain and its link: kept elsewhere, it proves that nothing up to there was written anew."""

    position: int
    link: bytes

    def __str__(self) -> str:
        """Return the anchor as people keep it: `1234:9f3c…`."""
        return f"{self.position}:{self.link.hex()}"


def read_anchor(text: str) -> Anchor:
    """Return the anchor that `str` wrote. Raises Invalid."""
    found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text.strip().lower())
    if found is None:
        raise Invalid(f"`{text[:80]}` is no anchor: a number, a colon and 64 hexadecimal digits", "anchor")
    return Anchor(int(found[1]), bytes.fromhex(found[2]))


def beginning(organization_id: str) -> bytes:
    """Return what the first link of an organization's chain follows."""
    return hashlib.sha256(b"rolebridge audit chain 1\0" + organization_id.encode()).digest()


def next_link(before: bytes, digest: bytes) -> bytes:
    """Return the link of a row that follows the link `before`."""
    return hashlib.sha256(before + digest).digest()


def row_digest(head: Sequence[str | int], payload: Payload, salts: bytes, *, erased: bool = False) -> bytes:
    """Return the digest of a row.

    `head` are its columns up to `subject_id` in their order, `salts` what the chain keeps: the row's salt, or after an
    erasure the salts of its fields. Only of an `erased` row a text may be the tombstone of one.
    """
    of_fields = field_salts(salts)
    commitments = [
        text[len(_ERASED) :] if erased and is_tombstone(text) and text is not None else commitment(text, salt)
        for text, salt in zip(payload, of_fields, strict=True)
    ]
    text = json.dumps([*head, *commitments], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def field_salts(salts: bytes) -> list[bytes]:
    """Return the salts of the fields of `PAYLOAD`."""
    if len(salts) == SALT_BYTES * len(PAYLOAD):
        return [salts[at : at + SALT_BYTES] for at in range(0, len(salts), SALT_BYTES)]
    return [
        hashlib.sha256(b"rolebridge audit salt\0" + name.encode() + b"\0" + salts).digest()[:SALT_BYTES]
        for name in PAYLOAD
    ]


def commitment(text: str | None, salt: bytes) -> str | None:
    """Return what stands for a text in the digest of its row."""
    return None if text is None else hashlib.sha256(salt + text.encode("utf-8", "surrogatepass")).hexdigest()


def erase(payload: Payload, salts: bytes, fields: Collection[str]) -> tuple[list[str | None], bytes]:
    """Return payload and salts without the texts of `fields`; the digest of the row stays what it was.

    What is empty or erased already stays as it is.
    """
    left: list[str | None] = []
    kept: list[bytes] = []
    for name, text, salt in zip(PAYLOAD, payload, field_salts(salts), strict=True):
        goes = name in fields and text is not None and not is_tombstone(text)
        left.append(f"{_ERASED}{commitment(text, salt)}" if goes else text)
        kept.append(_NO_SALT if goes or is_tombstone(text) else salt)
    return left, b"".join(kept)


def is_tombstone(text: str | None) -> bool:
    """Return whether a text is what an erasure leaves (JSON never looks like it, a reason somebody wrote could)."""
    return text is not None and _TOMBSTONE.fullmatch(text) is not None


def seal_text(organization_id: str, first: int, anchor: Anchor, at: str) -> bytes:
    """Return what the seal of a stretch of the chain says, for its MAC."""
    parts = ["rolebridge audit seal 1", organization_id, first, anchor.position, anchor.link.hex(), at]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()


def same(first: bytes, second: bytes) -> bool:
    """Return whether two digests are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(first, second)
