"""`rolebridge schema`, word for word where people read it."""

from __future__ import annotations

import json

import pytest
from tests.cli.machine import Machine

URN = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
SCHEMA = {
    "id": URN,
    "name": "Acme",
    "attributes": [
        {"name": "contractEnd", "type": "dateTime"},
        {"name": "office", "type": "complex", "subAttributes": [{"name": "site", "required": True}]},
        {"name": "tags", "multiValued": True, "returned": "request"},
    ],
}


@pytest.fixture
def defined(ready: Machine) -> Machine:
    """A machine whose organization has the schema."""
    ready.write("acme.json", json.dumps(SCHEMA))
    ready.out("schema", "add", "acme.json", "--extends", "User")
    return ready


def test_a_schema_is_added_listed_shown_and_removed(ready: Machine) -> None:
    """The whole life of a schema without values."""
    ready.write("acme.json", json.dumps(SCHEMA))
    assert ready.out("schema", "list") == "there is no schema yet: rolebridge schema add FILE --extends User\n"
    added = ready.out("schema", "add", "acme.json", "--extends", "User")
    assert added == f"schema {URN} of default: 3 attributes of every user\n"
    assert ready.json("schema", "list")["schemas"][0]["attributes"] == ["contractEnd", "office", "tags"]
    assert ready.out("schema", "show", URN).splitlines() == [
        f"schema {URN} of default, extends User, optional",
        "  held by  0 users",
        "ATTRIBUTE    TYPE             MUTABILITY  RETURNED  ",
        "contractEnd  dateTime         readWrite   default   -",
        "office       complex          readWrite   default   -",
        "office.site  string           readWrite   default   required",
        "tags         string, several  readWrite   request   -",
    ]
    assert ready.json("schema", "show", URN)["resource"]["id"] == URN
    assert ready.out("schema", "remove", URN) == f"schema {URN} of default removed\n"


def test_every_problem_of_a_file_is_told(ready: Machine) -> None:
    """Who repairs a schema file sees all there is to repair."""
    ready.write("bad.json", json.dumps({"id": "acme", "attributes": [{"name": "id"}, {"name": "a", "type": "date"}]}))
    told = ready.refused("schema", "add", "bad.json", "--extends", "User")
    assert told.splitlines()[0] == "error: the schema has 3 problems; nothing was changed"
    assert "  attributes[0].name: `id` is a reserved name" in told.splitlines()
    found = json.loads(ready.refused("schema", "add", "bad.json", "--extends", "User", "--json"))
    assert [one["where"] for one in found["error"]["problems"]] == ["id", "attributes[0].name", "attributes[1].type"]


def test_a_file_that_cannot_be_read_is_told(ready: Machine) -> None:
    """Missing, or no text."""
    assert "cannot be read" in ready.refused("schema", "add", "nowhere.json", "--extends", "User")
    ready.write("x.json", "").write_bytes(b"\xff")
    assert "it is not UTF-8" in ready.refused("schema", "add", "x.json", "--extends", "User")


def test_a_known_schema_is_only_grown(defined: Machine) -> None:
    """A second file with the URN is refused without `--grow`."""
    assert "is registered already" in defined.refused("schema", "add", "acme.json", "--extends", "User")
    defined.write("acme.json", json.dumps({**SCHEMA, "attributes": [*SCHEMA["attributes"], {"name": "more"}]}))
    assert "4 attributes" in defined.out("schema", "add", "acme.json", "--extends", "User", "--grow")


def test_a_schema_that_the_mapping_in_force_contradicts_is_told_with_the_place(defined: Machine) -> None:
    """The refusal shows the line of the mapping that would no longer be valid."""
    defined.write(
        "own/m.yaml",
        f"""workspace: w
platform: labelbox
rules:
  - id: by-level
    groups: [Lunch]
    when: '{URN}2:level eq "a"'
    grant: {{workspace_role: admin}}
""",
    )
    defined.out("apply", "own")
    defined.write("two.json", json.dumps({"id": f"{URN}2", "attributes": [{"name": "grade"}]}))
    told = defined.refused("schema", "add", "two.json", "--extends", "User")
    assert "error[unknown-attribute]" in told
    assert "error: the mapping in force would no longer be valid; nothing was changed" in told
    assert "help: change the mapping first, or the schema" in told


def test_check_knows_the_schemas_of_an_organization(defined: Machine) -> None:
    """With `--org`, conditions are checked against its schemas."""
    defined.write(
        "other/m.yaml",
        f"""workspace: w
platform: labelbox
rules:
  - id: a
    groups: [A]
    until: {{attribute: "{URN}:contractEnd"}}
    grant: {{workspace_role: admin}}
  - id: b
    groups: [B]
    when: '{URN}:contractStart pr'
    grant: {{workspace_role: admin}}
""",
    )
    told = defined("check", "other", "--org", "default")
    assert told.exit_code == 1
    assert "error[unknown-attribute]" in told.stdout
    assert "contractStart" in told.stdout
    assert "did you mean `contractEnd`?" in told.stdout
