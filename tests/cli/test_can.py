"""`can` and `catalogue`: decisions by the platform's own tables, and the tables themselves."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from tests.cli.machine import Machine, person

DATASAUR = """workspace: acme-nlp
platform: datasaur
connections: [okta]
projects:
  contracts: {name: Contracts, settings: {modify_text_permitted: true}}
  letters: {name: Letters}
settings: {label_set_editing_permitted: false}
permissions:
  workspace_roles:
    export_project: {labeler: deny}
rules:
  - id: staff
    groups: [NLP Staff]
    grant: {workspace_role: labeler}
  - id: labelers
    groups: [NLP Labelers]
    projects: [contracts, letters]
    grant: {project_role: labeler}
"""


def _with_labeler(ready: Machine) -> Machine:
    ready.write("mappings/acme-nlp.yaml", DATASAUR)
    names = ["lea@acme.example"]
    ready.provision([person(names[0], "Lea Label")], {"NLP Staff": names, "NLP Labelers": names})
    ready.out("apply", "mappings")
    return ready


def _decision(machine: Machine, permission: str, project: str) -> dict[str, Any]:
    said = machine("can", "lea", permission, "--project", project, "--json").stdout
    found: dict[str, Any] = json.loads(said)["decisions"][0]
    return found


def test_can_says_the_answer_the_cell_and_where_the_role_comes_from(acme: Machine) -> None:
    """A reviewer by group may review, as the platform's prose says."""
    said = acme.out("can", "ana.ruiz", "review_labels", "--project", "cityscapes")
    assert said == (
        "ana.ruiz@acme.example, Review labels, in cityscapes (acme-vision) (Labelbox): yes\n"
        "  Project-based roles, Project-based reviewer: yes\n"
        "    as Project-based reviewer: rule project-teams, group lbx-cityscapes-reviewers\n"
    )


def test_an_unknown_cell_is_told_as_unknown_and_is_no_yes(acme: Machine) -> None:
    """The exit code is 0 for yes alone."""
    result = acme("can", "ana.ruiz", "delete_labels", "--project", "cityscapes")
    assert result.exit_code == 1
    assert "in cityscapes (acme-vision) (Labelbox): unknown\n" in result.stdout


def test_settings_and_cells_of_a_tenant_count(ready: Machine) -> None:
    """A project's setting before the workspace's, an own cell before the platform's."""
    machine = _with_labeler(ready)
    assert machine("can", "lea", "modify_text", "--project", "contracts").exit_code == 0
    answers = {
        (permission, project): _decision(machine, permission, project)
        for permission in ("modify_text", "modify_label_set", "export_project")
        for project in ("contracts", "letters")
    }
    assert {key: answer["answer"] for key, answer in answers.items()} == {
        ("modify_text", "contracts"): "allowed",
        ("modify_text", "letters"): "qualified",
        ("modify_label_set", "contracts"): "denied",
        ("modify_label_set", "letters"): "denied",
        ("export_project", "contracts"): "denied",
        ("export_project", "letters"): "denied",
    }
    assert answers["modify_text", "letters"]["cell"] == {
        "value": "conditional",
        "note": None,
        "setting": "modify_text_permitted",
    }
    through = answers["modify_text", "contracts"]["found"][0]["through"][0]
    assert (through["role"], through["grant"]["rule"]) == ("labeler", "labelers")


def test_can_refuses_what_there_is_not(acme: Machine) -> None:
    """User, workspace, project and permission, each by its name and with what may have been meant."""
    assert "there is no user `anna`" in acme.refused("can", "anna", "review_labels")
    assert "there is no workspace `acme`" in acme.refused("can", "ana.ruiz", "review_labels", "--workspace", "acme")
    assert "there is no project `x`" in acme.refused("can", "ana.ruiz", "review_labels", "--project", "x")
    said = acme.refused("can", "ana.ruiz", "review_label")
    assert "there is no permission `review_label`" in said
    assert "did you mean `review_labels`" in said


def test_somebody_without_a_role_may_not(acme: Machine) -> None:
    """And the answer says that it is for want of a role."""
    result = acme("can", "nora", "review_labels", "--project", "cityscapes")
    assert result.exit_code == 1
    assert "holds no role here" in result.stdout


def test_catalogue_lists_platforms_and_shows_one(machine: Machine) -> None:
    """No database is needed; the cells of a platform are a table for spreadsheets too."""
    assert "datasaur      Datasaur" in machine.out("catalogue")
    said = machine.out("catalogue", "label_studio")
    assert "org_role: Organization role, held per workspace" in said
    assert "R (read only)" in said
    rows = list(csv.DictReader(io.StringIO(machine.out("catalogue", "datasaur", "--csv"))))
    assert {row["value"] for row in rows} >= {"allow", "deny", "assigned", "own", "partial", "conditional"}
    assert machine.json("catalogue", "labelbox")["custom_role_permissions"]
    assert "did you mean `labelbox`" in machine.refused("catalogue", "labelbx")
