"""The published JSON Schemas: what editors accept is what the reader accepts, as far as a schema can say it."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import load_catalogue, load_mapping_set, shipped_catalogues
from rolebridge.mapfile.yamlsource import Items, Node, Scalar, Table, parse_yaml

ROOT = Path(__file__).parents[2]
CASE_FILES = sorted((ROOT / "mappings").glob("*.test.yaml"))
MAPPING_FILES = sorted({*(ROOT / "mappings").glob("*.yaml")} - {*CASE_FILES})


def _schema(name: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "docs" / "reference" / name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


MAPPING, CATALOGUE = _schema("mapping.schema.json"), _schema("catalogue.schema.json")
CASES = _schema("mapping-cases.schema.json")


def _as_editors_read(node: Node | None) -> Any:
    """Return plain data as YAML 1.2 has it, which editors use: no dates, and `no` is text."""
    if isinstance(node, Table):
        return {key: _as_editors_read(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Items):
        return [_as_editors_read(item) for item in node.items]
    assert isinstance(node, Scalar)
    if node.style:
        return node.text
    if node.is_empty:
        return None
    if node.text in {"true", "false"}:
        return node.text == "true"
    return int(node.text) if node.text.isdigit() else node.text


def _data(text: str) -> Any:
    root, found = parse_yaml(text, "m.yaml")
    assert found == []
    return _as_editors_read(root)


@pytest.mark.parametrize("file", MAPPING_FILES, ids=lambda file: file.name)
def test_the_examples_fit_the_schema(file: Path) -> None:
    """Every mapping file of the project is valid in an editor."""
    assert list(MAPPING.iter_errors(_data(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("file", CASE_FILES, ids=lambda file: file.name)
def test_the_example_cases_fit_their_schema(file: Path) -> None:
    """Every file of cases of the project is valid in an editor."""
    assert list(CASES.iter_errors(_data(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "case",
    [
        "{name: x}",
        "{expect: nothing}",
        "{name: x, expect: something}",
        "{name: x, expect: [{lock: padlock, project_role: reviewer}]}",
        "{name: x, expect: nothing, lost: [{project_role: reviewer, reason: bad luck}]}",
        "{name: x, expect: nothing, on: tomorrow}",
        "{name: x, expect: nothing, group: [G]}",
    ],
)
def test_an_editor_marks_a_case_that_the_reader_refuses(case: str) -> None:
    """What the schema can know of cases, it knows."""
    text = f"workspace: w\ncases:\n  - {case}\n"
    assert list(CASES.iter_errors(_data(text)))


def test_the_catalogues_fit_the_schema() -> None:
    """Every shipped catalogue is valid in an editor."""
    files = [entry for entry in resources.files("rolebridge.catalogues").iterdir() if entry.name.endswith(".yaml")]
    assert len(files) >= 2
    for file in files:
        assert list(CATALOGUE.iter_errors(_data(file.read_text(encoding="utf-8")))) == [], file.name


HEAD = "workspace: w\nplatform: labelbox\nprojects: {a: }\n"
BAD_RULES = {
    "no id": "{groups: [g], grant: {workspace_role: admin}}",
    "nobody": "{id: r, grant: {workspace_role: admin}}",
    "no effect": "{id: r, groups: [g]}",
    "grant and deny": "{id: r, groups: [g], grant: {workspace_role: admin}, deny: all}",
    "no groups in the list": "{id: r, groups: [], grant: {workspace_role: admin}}",
    "a group in two ways": "{id: r, groups: {name: g, id: x}, grant: {workspace_role: admin}}",
    "a pattern without anything to match": "{id: r, groups: {match: plain}, grant: {workspace_role: admin}}",
    "an unquoted capture": "{id: r, groups: g, projects: {project}, grant: {project_role: labeler}}",
    "two selectors in one": "{id: r, groups: g, projects: {tag: a, in: b}, grant: {project_role: labeler}}",
    "a date that is none": "{id: r, groups: g, grant: {workspace_role: admin}, until: tomorrow}",
    "an unknown key": "{id: r, groups: g, grants: {workspace_role: admin}}",
    "an empty grant": "{id: r, groups: g, grant: {}}",
    "a deny of a word": "{id: r, groups: g, deny: everything}",
    "a bad id": "{id: 'a b', groups: g, grant: {workspace_role: admin}}",
}
BAD_FILES = {
    "no rules": "workspace: w\nplatform: labelbox\n",
    "an unknown section": HEAD + "rules: []\nrule: []\n",
    "a strategy that does not exist": HEAD + "rules: []\nconflicts: {project_role: lowest}\n",
    "a word for by hand that does not exist": HEAD + "rules: []\nmanual: {project_role: maybe}\n",
    "a share without per cent": HEAD + "rules: []\nguard: {hold_revocations: {over: 25, and_at_least: 1}}\n",
    "half a guard rail": HEAD + "rules: []\nguard: {hold_revocations: {over: 25%}}\n",
    "keeping nobody": HEAD + "rules: []\nguard: {keep: {workspace_role: {admin: 0}}}\n",
    "a custom role without description": HEAD
    + "rules: []\ncustom_roles: {q: {slot: project_role, name: Q, permissions: [annotate.view_webhooks]}}\n",
}
BAD = BAD_FILES | {name: HEAD + f"rules:\n  - {rule}\n" for name, rule in BAD_RULES.items()}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_the_schema_refuses_what_the_reader_refuses(text: str) -> None:
    """An editor underlines what `rolebridge check` would refuse."""
    _, found = load_mapping_set({"m.yaml": text}, shipped_catalogues(), table=USER_TABLE, connections=None)
    assert any(problem.severity == "error" for problem in found)
    assert list(MAPPING.iter_errors(_data(text)))


SLOT = "platform: p\nname: P\nslots:\n  s: {name: S, level: workspace, holds: one, merge: error, roles: "
BAD_CATALOGUES = {
    "no slots": "platform: p\nname: P\nslots: {}\n",
    "a level that does not exist": SLOT.replace("workspace", "galaxy") + "{a: {name: A}}}\n",
    "a role without name": SLOT + "{a: {}}}\n",
    "a way of assigning that does not exist": SLOT + "{a: {name: A, assignable: sometimes}}}\n",
    "an unknown key": SLOT + "{a: {name: A, rank: 1}}}\n",
    "custom roles of nothing": SLOT + "{a: {name: A}}}\ncustom_roles: {slot: s, limit: 3}\n",
    "a cell of no value": SLOT
    + "{a: {name: A}}}\npermissions: [{id: m, name: M, columns: {a: {name: A, holds: {s: a}}},"
    " rows: {p: {name: P, cells: {a: maybe}}}}]\n",
    "a matrix without rows": SLOT
    + "{a: {name: A}}}\npermissions: [{id: m, name: M, columns: {a: {name: A, holds: {s: a}}}}]\n",
}


@pytest.mark.parametrize("text", BAD_CATALOGUES.values(), ids=BAD_CATALOGUES.keys())
def test_the_catalogue_schema_refuses_what_the_reader_refuses(text: str) -> None:
    """An editor underlines what the reader of catalogues would refuse."""
    catalogue, _ = load_catalogue(text, "c.yaml")
    assert catalogue is None
    assert list(CATALOGUE.iter_errors(_data(text)))
