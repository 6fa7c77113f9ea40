"""base64url without padding (RFC 4648 §5, RFC 7515 §2): bytes as they stand in URLs, tokens and cookies."""

from __future__ import annotations

import base64
import re
from typing import Final

_TEXT: Final = re.compile(r"[A-Za-z0-9_-]*")


def encode(raw: bytes) -> str:
    """Return bytes as text."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes that a text stands for. Raises ValueError for any other character, padding included."""
    if not _TEXT.fullmatch(text):
        raise ValueError("the text is no base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
