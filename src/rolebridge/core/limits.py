"""How often something may be done: so many times a second, and so many at once after a pause."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rolebridge.core.errors import Invalid

UNLIMITED = "none"
"""How the absence of a limit is written."""

_WRITTEN = re.compile(r"([0-9]{1,6})(?:/([0-9]{1,7}))?")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`rate` times a second in the long run, `burst` times at once. Written `25/100`, or `25` for a burst of 2 s."""

    rate: float
    burst: int

    def __str__(self) -> str:
        return f"{self.rate:g}/{self.burst}"


def read_rate_limit(text: str) -> RateLimit | None:
    """Read a limit as people write it; None is no limit. Raises `Invalid`."""
    if text == UNLIMITED:
        return None
    found = _WRITTEN.fullmatch(text)
    rate = int(found[1]) if found else 0
    burst = int(found[2] or 2 * rate) if found else 0
    if rate < 1 or burst < 1:
        raise Invalid(f"`{text}` is no rate: write `25`, `25/100` (requests a second, and at once) or `none`", "rate")
    return RateLimit(rate, burst)
