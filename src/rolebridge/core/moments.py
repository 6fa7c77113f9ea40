"""Moments as programs read them."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """Return a moment as JSON has it: `2026-11-20T09:14:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def stamp_or_none(moment: datetime | None) -> str | None:
    """Return `stamp(moment)`, None for None."""
    return None if moment is None else stamp(moment)


def stamp_ms(moment: datetime) -> str:
    """Return a moment with its milliseconds: `2026-11-20T09:14:00.125Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
