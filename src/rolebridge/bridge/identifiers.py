"""Identifiers in the order in which they are made: UUIDs of version 7 (RFC 9562 §5.7).

Rows with random ids fall all over the indexes they are in, and a transaction of a thousand touches as many pages of
each. Those of one batch with ordered ids stand side by side; and who was created one after the other, by an identity
provider that goes through its directory, comes into groups one after the other, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED: Final = 4096
"""Ids of one millisecond that the 12 bits after it tell apart."""


def ordered_ids(now: datetime) -> Iterator[str]:
    """Yield ids without end, each greater than the one before, that begin with `now` (UTC, milliseconds).

    62 random bits keep those of two batches apart that begin in the same millisecond.
    """
    millisecond = (now - _EPOCH) // timedelta(milliseconds=1)
    while True:
        for count in range(_COUNTED):
            random = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
            text = f"{millisecond:012x}7{count:03x}{random:016x}"
            yield f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        millisecond += 1


def ordered_id(now: datetime) -> str:
    """Return one id that begins with `now`; two of one millisecond are in no order."""
    return next(ordered_ids(now))
