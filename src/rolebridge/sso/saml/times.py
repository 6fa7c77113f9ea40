"""Moments as SAML writes them: xs:dateTime in UTC (SAML Core section 1.3.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_INSTANT: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,12}))?(?:Z|[+-]00:00)", re.ASCII
)


def instant(text: str | None) -> datetime | None:
    """Return the moment that a text says, None when it says none. Digits beyond microseconds are cut off."""
    found = _INSTANT.fullmatch(text or "")
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    microsecond = int((found.group(7) or "")[:6].ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, UTC)
    except ValueError:  # the 30th of February
        return None


def said(moment: datetime) -> str:
    """Return a moment for a sentence."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
