"""The pages of the documentation, and what they say as code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name_of(page: Path) -> str:
    """Return a page's path from the root, for the names of tests."""
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def code_of(page: Path) -> Iterator[str]:
    """Yield what stands between backticks, and the lines of blocks of code."""
    yield from re.findall(r"`([^`\n]+)`", prose_of(page))
    for block in re.findall(r"^```[^\n]*\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
