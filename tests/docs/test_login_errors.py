"""Every code that refuses a login has its page, its line in the index, and a place where it is raised."""

from __future__ import annotations

import re

import pytest
from tests.docs.pages import ROOT, text_of

from rolebridge.core.login_codes import CODES

FOLDER = ROOT / "docs" / "login-errors"
INDEX = FOLDER / "README.md"
SECTIONS = ["What the check wants", "Usual causes", "What to do"]
IN_SOURCES = re.compile(r"\"((?:saml|oidc|login|flow)(?:-[a-z0-9]+)+)\"")
NO_CODES = frozenset({"login-preview", "login-groups"})
"""What looks like a code in the sources and is none: names of commands and chores."""


def raised() -> set[str]:
    """Return what stands in the sources and looks like a code."""
    sources = (ROOT / "src" / "rolebridge").rglob("*.py")
    texts = (path.read_text("utf-8") for path in sources if path.name != "login_codes.py")
    return {code for text in texts for code in IN_SOURCES.findall(text)} - NO_CODES


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    """docs/login-errors holds one page for each code and no other."""
    assert {page.stem for page in FOLDER.glob("*.md")} - {"README"} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_page_has_its_sections(code: str) -> None:
    """The heading is the code, the first sentence its title; then what is wanted, causes, and what to do."""
    text = text_of(FOLDER / f"{code}.md")
    assert text.startswith(f"# `{code}`\n\n{CODES[code]}.\n\n## ")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    assert parts[1::2] == SECTIONS
    assert all(part.strip() for part in parts[2::2])


def test_the_index_lists_every_code_with_its_title() -> None:
    """In the order of the register."""
    listed = re.findall(r"^\| \[`([a-z0-9-]+)`\]\(([a-z0-9-]+)\.md\) \| (.+) \|$", text_of(INDEX), re.MULTILINE)
    assert listed == [(code, code, title) for code, title in CODES.items()]


def test_every_code_is_raised_somewhere() -> None:
    """The register holds no code that nothing says."""
    assert set(CODES) - raised() == set()


def test_every_raised_code_is_registered() -> None:
    """Nothing is refused by a code that nobody can look up."""
    assert raised() - set(CODES) == set()
