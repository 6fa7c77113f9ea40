"""Links inside the documentation lead somewhere, and every page is found from an index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import PAGES, ROOT, name_of, prose_of, text_of


def links(page: Path) -> list[str]:
    return [found for found in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)) if "://" not in found]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose_of(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_inside_the_project_resolves(page: Path) -> None:
    """File and heading exist."""
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        inside = target.is_relative_to(ROOT) and target.exists()
        if not inside or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_index_leads_to_every_page() -> None:
    """A page that docs/README.md does not name is found by nobody; decisions and codes have an index of their own."""
    index = ROOT / "docs" / "README.md"
    codes = ROOT / "docs" / "login-errors" / "README.md"
    named = {(page.parent / link.partition("#")[0]).resolve() for page in (index, codes) for link in links(page)}
    pages = {page for page in PAGES if "adr" not in page.parts} - {index}
    assert {name_of(page) for page in pages - named} == set()


def test_the_index_of_decisions_is_complete() -> None:
    """Every record stands in docs/adr/README.md under its number and title, once."""
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"^\| \[(\d{4})\]\(([\w.-]+)\) \| (.+) \|$", text_of(folder / "README.md"), re.MULTILINE)
    there = []
    for record in sorted(folder.glob("[0-9]*.md")):
        heading = text_of(record).partition("\n")[0]
        number, title = heading.removeprefix("# ").split(". ", 1)
        there.append((f"{int(number):04}", record.name, title))
    assert listed == there
    assert all(name.startswith(number) for number, name, _ in there)


@pytest.mark.parametrize("record", sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")), ids=name_of)
def test_a_decision_has_its_parts(record: Path) -> None:
    """Date, status, context, decision, consequences and what was rejected."""
    text = text_of(record)
    assert re.search(r"^Date: \d{4}-\d{2}\. Status: \w+", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Rejected"]
