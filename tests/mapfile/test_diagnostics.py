"""What is said about files that are wrong: code, place, offending text, detail and help, word for word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from rolebridge.core.diagnostics import REGISTER, Diagnostic
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import load_cases, load_catalogue, load_mapping_set, shipped_catalogues

HERE = Path(__file__).parent
REFERENCE = HERE.parents[1] / "docs" / "reference" / "diagnostics.md"
OTHERWISE_TESTED = {
    "file-unreadable": "test_files",
    "file-not-utf8": "test_files",
    "file-too-large": "test_files, test_yamlsource",
    "too-many-problems": "test_yamlsource",
    "unknown-variable": "test_variables",
    "several-variables": "test_variables",
    "variable-unused": "test_variables",
}
"""Codes that no text in a golden file can show, with the tests that do."""


class Case(NamedTuple):
    title: str
    connections: tuple[str, ...] | None
    text: str
    said: str


def _cases(name: str) -> Iterator[Case]:
    _, *parts = re.split(r"^=== ", (HERE / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    for part in parts:
        title, _, rest = part.partition("\n")
        text, _, said = rest.partition("⇒\n")
        named = re.search(r" \[connections: (.*)\]$", title)
        yield Case(title, tuple(named[1].split(", ")) if named else None, text, said.strip())


def _said(diagnostics: Sequence[Diagnostic], file: str) -> str:
    lines: list[str] = []
    for found in diagnostics:
        assert found.place is not None
        assert found.place.file == file
        excerpt = f" ⟦{found.excerpt}⟧" if found.excerpt else ""
        lines.append(f"{found.place.line}:{found.place.column} {found.code}{excerpt}")
        lines.append(f"    {found.detail}")
        if found.help:
            lines.append(f"    help: {found.help}")
    return "\n".join(lines)


def _check_mapping(case: Case) -> tuple[Diagnostic, ...]:
    _, found = load_mapping_set(
        {"m.yaml": case.text}, shipped_catalogues(), table=USER_TABLE, connections=case.connections
    )
    return found


def _check_catalogue(case: Case) -> tuple[Diagnostic, ...]:
    return load_catalogue(case.text, "c.yaml")[1]


TESTED = """
workspace: w
platform: labelbox
projects: {cityscapes: , retail: }
rules:
  - {id: admins, groups: [Admins], grant: {workspace_role: admin}, until: 2026-12-31}
  - {id: teams, groups: [Team], projects: all, grant: {project_role: reviewer}}
"""
"""The mapping that the cases of `cases.golden` test."""


def _check_cases(case: Case) -> tuple[Diagnostic, ...]:
    files = {"m.yaml": TESTED, "m.test.yaml": case.text}
    mappings, problems = load_mapping_set(files, shipped_catalogues(), table=USER_TABLE, connections=None)
    assert mappings is not None, problems
    return load_cases(files, mappings, table=USER_TABLE)[1]


MAPPINGS = list(_cases("mapping.golden"))
TESTS = list(_cases("cases.golden"))
CATALOGUES = list(_cases("catalogue.golden"))


@pytest.mark.parametrize("case", MAPPINGS, ids=lambda case: case.title)
def test_a_mapping_file_is_told_exactly_what_is_wrong(case: Case) -> None:
    """Every problem of a mapping file is reported at once, each with place, text, reason and cure."""
    assert _said(_check_mapping(case), "m.yaml") == case.said


@pytest.mark.parametrize("case", CATALOGUES, ids=lambda case: case.title)
def test_a_catalogue_is_told_exactly_what_is_wrong(case: Case) -> None:
    """A catalogue that contradicts itself is refused, at the word that does."""
    assert _said(_check_catalogue(case), "c.yaml") == case.said


@pytest.mark.parametrize("case", TESTS, ids=lambda case: case.title)
def test_a_file_of_cases_is_told_exactly_what_is_wrong(case: Case) -> None:
    """Every problem of a file of cases is reported at once, in the same words as those of the mapping it tests."""
    assert _said(_check_cases(case), "m.test.yaml") == case.said


@pytest.mark.parametrize(
    ("cases", "check"),
    [(MAPPINGS, _check_mapping), (CATALOGUES, _check_catalogue), (TESTS, _check_cases)],
    ids=["mapping", "catalogue", "cases"],
)
def test_the_excerpt_stands_at_the_place(cases: list[Case], check: Callable[[Case], tuple[Diagnostic, ...]]) -> None:
    """The offending text is what the file has at line and column, so that a view can underline it."""
    for case in cases:
        lines = case.text.splitlines()
        for found in check(case):
            if found.excerpt and found.place is not None:
                assert lines[found.place.line - 1].startswith(found.excerpt, found.place.column - 1), case.title


def test_every_code_is_shown_by_a_case() -> None:
    """No code is registered that nothing reports."""
    shown = {found.code for case in MAPPINGS for found in _check_mapping(case)}
    shown |= {found.code for case in CATALOGUES for found in _check_catalogue(case)}
    shown |= {found.code for case in TESTS for found in _check_cases(case)}
    assert set(REGISTER) - shown == set(OTHERWISE_TESTED)


def test_every_code_is_documented_with_cause_and_cure() -> None:
    """The reference has a section for each code, in the order of the register, with its severity, cause and cure."""
    text = REFERENCE.read_text(encoding="utf-8")
    sections = re.findall(r"^### `([a-z0-9-]+)` \((error|warning)\)\n\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert [(code, severity) for code, severity, _ in sections] == [
        (code.id, code.severity.value) for code in REGISTER.values()
    ]
    for code, _, body in sections:
        assert body.lower().startswith(REGISTER[code].summary.lower()), code
        assert re.search(r"^Cause: .{20,}", body, re.MULTILINE), code
        assert re.search(r"^Cure: .{10,}", body, re.MULTILINE), code


def test_messages_are_one_line_in_lower_case() -> None:
    """Details begin in lower case or with the user's own text, hold no line break and no type name of ours."""
    names = ("YAML", *(catalogue.name for catalogue in shipped_catalogues().values()))
    checked = [(MAPPINGS, _check_mapping), (CATALOGUES, _check_catalogue), (TESTS, _check_cases)]
    for case, check in ((case, check) for cases, check in checked for case in cases):
        for found in check(case):
            assert "\n" not in found.detail + (found.help or "")
            assert found.detail[0].islower() or found.detail[0] == "`" or found.detail.startswith(names)
            assert not re.search(r"\b(None|Scalar|Table|Node|dict|tuple)\b(?!`)", found.detail)
