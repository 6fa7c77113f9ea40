"""`vars.yaml`: the same rules in several environments, and no other templating."""

from __future__ import annotations

import pytest

from rolebridge.core.diagnostics import Diagnostic
from rolebridge.core.mapping import GroupRef, MappingSet, Pattern
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import files_digest, load_mapping_set, shipped_catalogues

MAPPING = """workspace: w
platform: labelbox
projects: $(projects)
rules:
  - id: admins
    groups: $(admins)
    grant: {workspace_role: admin}
  - id: teams
    groups: {match: "lbx-$(env)-{project}"}
    projects: "{project}"
    grant: {project_role: reviewer}
"""
STAGING = """vars:
  env: stage
  admins: [{id: 5b0e}, LBX Admins Staging]
  projects: {cityscapes: {tags: [street]}}
"""


AT_ENV = "w.yaml:9:21"


def _load(**files: str) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
    named = {f"{name.replace('_', '.')}.yaml": text for name, text in files.items()}
    return load_mapping_set(named, shipped_catalogues(), table=USER_TABLE, connections=None)


def _codes(**files: str) -> list[tuple[str, str]]:
    return [(str(one.place), one.code) for one in _load(**files)[1]]


def test_variables_are_texts_lists_and_mappings() -> None:
    """A whole value may be anything, part of a text only a text."""
    found, problems = _load(w=MAPPING, vars=STAGING)
    assert problems == ()
    assert found is not None
    mapping = found.mappings[0]
    assert list(mapping.projects) == ["cityscapes"]
    assert mapping.rules[0].groups == (GroupRef(id="5b0e"), GroupRef(name="LBX Admins Staging"))
    pattern = mapping.rules[1].groups[0]
    assert isinstance(pattern, Pattern)
    assert pattern.match("lbx-stage-cityscapes") == (("project", "cityscapes"),)


def test_variables_are_part_of_what_a_revision_is() -> None:
    """The same rules with other variables are another mapping."""
    assert files_digest({"w.yaml": MAPPING, "vars.yaml": STAGING}) != files_digest(
        {"w.yaml": MAPPING, "vars.yaml": STAGING.replace("stage", "prod")}
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (STAGING.replace("env:", "environment:"), [("vars.yaml:2:3", "variable-unused"), (AT_ENV, "unknown-variable")]),
        (STAGING.replace("env: stage", "env: [stage]"), [(AT_ENV, "wrong-type")]),
        (
            STAGING.replace("stage", '"$(admins)"'),
            [("vars.yaml:2:8", "unknown-variable"), (AT_ENV, "unknown-variable")],
        ),
        ("variables: {}", [("vars.yaml:1:1", "unknown-key"), ("vars.yaml:1:1", "missing-key")]),
        (STAGING.replace("admins: [{id: 5b0e}", "admins: [{ids: 5b0e}"), [("vars.yaml:3:13", "unknown-key")]),
    ],
)  # fmt: skip
def test_mistakes_in_variables_are_told_with_their_place(variables: str, expected: list[tuple[str, str]]) -> None:
    """Unknown, unused, of the wrong shape, nested; what is wrong in a value is blamed where the value stands."""
    assert [one for one in _codes(w=MAPPING, vars=variables) if one in expected] == expected


def test_there_is_one_file_of_variables() -> None:
    """Two environments at once are a mistake; each alone is none."""
    assert _codes(w=MAPPING, staging_vars=STAGING, production_vars=STAGING) == [
        ("staging.vars.yaml:1:1", "several-variables")
    ]
    assert _codes(w=MAPPING, staging_vars=STAGING) == []


def test_a_variable_changes_no_shape() -> None:
    """What a variable holds is put in after the YAML was read: quotes, colons and captures in it stay text."""
    hostile = STAGING.replace("env: stage", 'env: "x\', {a: b}\\n- c"')
    found, _ = _load(w=MAPPING, vars=hostile)
    assert found is None
    assert {code for _, code in _codes(w=MAPPING, vars=hostile)} == {"bad-pattern"}


def test_variables_cannot_blow_a_file_up() -> None:
    """A large variable used often is refused, not expanded."""
    rules = "".join(f"  - {{id: r{n}, groups: $(many), grant: {{workspace_role: admin}}}}\n" for n in range(200))
    many = "vars:\n  many: [" + ", ".join(f"group number {n}" for n in range(1000)) + "]\n"
    text = f"workspace: w\nplatform: labelbox\nrules:\n{rules}"
    assert {code for _, code in _codes(w=text, vars=many)} == {"file-too-large"}
