"""Every YAML example of the documentation is a mapping that loads without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rolebridge.bridge.testing import read_and_run
from rolebridge.core.extensions import ExtensionSchema, Resource, read_extension, user_table
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import holds_cases, load_mapping_set, read_mapping_dir, shipped_catalogues
from rolebridge.mapfile.rules import _RULE
from rolebridge.mapfile.workspace import _FILE

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

FRAMES = {
    "labelbox": {
        "workspace": "example",
        "platform": "labelbox",
        "projects": "{cityscapes: {tags: [street]}, retail: {tags: [indoor]}}",
        "rules": "[{id: team, groups: [Team], projects: all, grant: {project_role: inherit}}]",
    },
    "datasaur": {
        "workspace": "example",
        "platform": "datasaur",
        "rules": "[{id: team, groups: [Team], grant: {workspace_role: labeler}}]",
    },
    "label_studio": {
        "workspace": "example",
        "platform": "label_studio",
        "projects": "{sandbox: {tags: [confidential]}, reviews-2026: {in: service}, contracts: {in: legal}}",
        "rules": "[{id: team, groups: [Team], grant: {org_role: annotator}}]",
    },
}
"""What stands around an example that shows a part of a file."""


class Example(NamedTuple):
    """One block: where it stands, how it is marked and what it says, and the schemas that its page defines before."""

    place: str
    marked: str
    text: str
    schemas: tuple[ExtensionSchema, ...]


def examples() -> Iterator[Example]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"^```yaml ?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, found.start()) + 1
            yield Example(f"{page.relative_to(ROOT)}:{line}", found[1], found[2], schemas_in(text[: found.start()]))


def schemas_in(text: str) -> tuple[ExtensionSchema, ...]:
    """Return the schema files among the JSON blocks of a page."""
    blocks = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return tuple(read_extension(block, Resource.USER) for block in blocks if '"id": "urn:' in block)


BESIDE = ("cases", "vars", "catalogue")
EXAMPLES = [example for example in examples() if example.marked.partition(" ")[0] not in BESIDE]
CATALOGUES = [example for example in examples() if example.marked.startswith("catalogue")]
VARIABLES = [example for example in examples() if example.marked == "vars"]
CASES = [example for example in examples() if example.marked == "cases"]


def whole(example: Example) -> str:
    """Return the file that an example is, or is a part of."""
    kind, _, platform = example.marked.removesuffix(" with variables").partition(" ")
    if kind == "mapping":
        return example.text
    assert kind == "fragment", f"{example.place}: write `yaml mapping` or `yaml fragment PLATFORM`"
    own = set(re.findall(r"^(\w+):", example.text, re.MULTILINE))
    around = (f"{key}: {value}\n" for key, value in FRAMES[platform].items() if key not in own)
    return "".join(around) + example.text


def beside(example: Example) -> dict[str, str]:
    """Return the files that an example needs beside it: the catalogue that it names, the variables that it uses."""
    if example.marked.endswith(" with variables"):
        return {"vars.yaml": VARIABLES[0].text}
    platform = example.marked.partition(" ")[2]
    own = [one.text for one in CATALOGUES if one.marked == f"catalogue {platform}"]
    return {"own.catalogue.yaml": own[0]} if own else {}


@pytest.mark.parametrize("example", CATALOGUES, ids=lambda example: example.place)
def test_an_example_of_a_catalogue_loads_without_a_word(example: Example) -> None:
    """A platform by data alone, as the page shows it."""
    mappings, found = load_mapping_set(
        {"own.catalogue.yaml": example.text}, shipped_catalogues(), table=USER_TABLE, connections=None
    )
    assert [f"{one.place}: {one.code}: {one.detail}" for one in found] == []
    assert mappings is not None
    assert example.marked.partition(" ")[2] in mappings.catalogues


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_an_example_loads_without_a_word(example: Example) -> None:
    """Whoever copies an example gets neither an error nor a warning."""
    mappings, found = load_mapping_set(
        {"example.yaml": whole(example), **beside(example)},
        shipped_catalogues(),
        table=user_table(example.schemas),
        connections=["okta-demo"],
    )
    assert [f"{one.place}: {one.code}: {one.detail}" for one in found] == []
    assert mappings is not None


@pytest.mark.parametrize("example", CASES, ids=lambda example: example.place)
def test_an_example_of_cases_holds(example: Example) -> None:
    """The cases that the documentation shows pass against the mapping files of the project."""
    mappings = {name: text for name, text in read_mapping_dir(ROOT / "mappings").items() if not holds_cases(name)}
    run = read_and_run({**mappings, "example.test.yaml": example.text})
    assert [one for result in run.failed for one in result.mismatches] == []
    assert run.passed
    assert run.results


def test_the_mapping_files_of_the_project_load_without_a_word() -> None:
    """What the guide walks through is in force as it is."""
    _, found = load_mapping_set(
        read_mapping_dir(ROOT / "mappings"), shipped_catalogues(), table=USER_TABLE, connections=None
    )
    assert [f"{one.place}: {one.code}" for one in found] == []


def test_the_guide_shows_every_key_of_the_language() -> None:
    """A key that the reader knows and the guide does not show would be found by nobody."""
    guide = "".join(example.text for example in EXAMPLES if example.place.startswith("docs/mapping-guide.md"))
    shown = set(re.findall(r"([a-z_]+):", guide))
    assert {*_FILE, *_RULE} <= shown
