"""The survivors that are explained in docs/mutants.md: `- `module: function: change` – why`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "mutants.md"
_ENTRY: Final = re.compile(r"^- `` (?P<name>.+?) ``[ \n]+(?P<why>\S.*?)$(?=\n-|\n\n|\n?\Z)", re.MULTILINE | re.DOTALL)


def explanations(text: str) -> dict[str, str]:
    """Return what a page says of survivors, by their names."""
    return {found["name"]: " ".join(found["why"].split()) for found in _ENTRY.finditer(text)}
