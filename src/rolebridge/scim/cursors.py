"""Cursors: where the next page begins, as a text that only this installation can have made (RFC 9865 §2).

A cursor holds a position, and until when it is good; an HMAC under a key derived from the installation's secret key
binds both to the connection and to the question that was asked. So any process of the installation takes up what
another one gave out, nothing is kept for a cursor, and a changed or borrowed one is refused.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rolebridge.core import base64url
from rolebridge.scim.errors import expired_cursor, invalid_cursor
from rolebridge.scim.limits import CURSOR_TIMEOUT
from rolebridge.store.records import Position

_PURPOSE: Final = b"rolebridge cursor seal v1"
_MAC: Final = 16
# A sealed position holds at most 200 characters of a key, six bytes each as JSON.
_LONGEST: Final = 2_400


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page begins: in which endpoint's resources, and after which position (None: with the first)."""

    endpoint: str
    position: Position | None = None


class CursorSeal:
    """Makes cursors and takes them back."""

    def __init__(
        self, secret_key: bytes | None, clock: Callable[[], datetime], previous: tuple[bytes, ...] = ()
    ) -> None:
        """Derive the sealing key; without a secret key the cursors are good in this process only.

        Cursors that were sealed by the `previous` keys are good as well: a rotation ends nobody's listing.
        """
        present = secret_key or os.urandom(32)
        self._keys = tuple(hmac.digest(key, _PURPOSE, "sha256") for key in (present, *previous))
        self._clock = clock

    def seal(self, mark: Mark, question: tuple[str, ...]) -> str:
        """Return a cursor for those who ask the same question, good for `CURSOR_TIMEOUT` seconds."""
        until = int(self._clock().timestamp()) + CURSOR_TIMEOUT
        place = [] if mark.position is None else [mark.position.key, mark.position.sequence]
        held = json.dumps([until, mark.endpoint, *place], ensure_ascii=False, separators=(",", ":")).encode()
        return base64url.encode(_mac(self._keys[0], held, question) + held)

    def open(self, cursor: str, question: tuple[str, ...]) -> Mark:
        """Return what a cursor says. Raises `ScimError` (invalidCursor, expiredCursor)."""
        held = self._opened(cursor, question)
        until, endpoint, *place = json.loads(held)
        if self._clock().timestamp() > until:
            raise expired_cursor(f"the cursor is older than {CURSOR_TIMEOUT} seconds; begin again without one")
        return Mark(endpoint, Position(*place) if place else None)

    def _opened(self, cursor: str, question: tuple[str, ...]) -> bytes:
        if len(cursor) <= _LONGEST:
            try:
                raw = base64url.decode(cursor)
            except ValueError:
                raw = b""
            mac, held = raw[:_MAC], raw[_MAC:]
            if any(hmac.compare_digest(mac, _mac(key, held, question)) for key in self._keys):
                return held
        raise invalid_cursor("the cursor was not given out for this question to this connection")


def _mac(key: bytes, held: bytes, question: tuple[str, ...]) -> bytes:
    asked = json.dumps(question).encode()
    return hmac.digest(key, len(asked).to_bytes(8, "big") + asked + held, "sha256")[:_MAC]
