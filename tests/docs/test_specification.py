"""docs/scim-specification.md: every clause is shown by tests that exist."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, text_of

PAGE = ROOT / "docs" / "scim-specification.md"
ROWS = [line for line in text_of(PAGE).splitlines() if re.match(r"\| \d", line)]


def test_every_test_named_exists() -> None:
    """A clause that is shown by a test which was renamed is shown by nothing."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text_of(PAGE)))
    missing = [f"{file}::{name}" for file, name in named if f"def {name}(" not in text_of(ROOT / file)]
    assert sorted(missing) == []


def test_every_clause_is_shown_by_a_test() -> None:
    """What nobody tests is not claimed."""
    assert len(ROWS) > 30
    assert [row for row in ROWS if "::" not in row] == []
    assert all(row.count(" | ") == 3 for row in ROWS)
