"""What comes from outside, in a sentence of ours."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 120


def shown(text: str | None) -> str:
    """Return text from outside as it may stand in a refusal: in backticks, printable and short; None is "nothing"."""
    if text is None:
        return "nothing"
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "`" + "".join(char if char.isprintable() and char != "`" else "·" for char in cut) + "`"
