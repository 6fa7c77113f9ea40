"""`may`: whether the platform lets somebody give or take a role."""

from __future__ import annotations

import pytest
from tests.cli.machine import Machine, person

MAPPING = """workspace: acme-nlp
platform: datasaur
connections: [okta]
projects: {contracts: }
rules:
  - {id: admins, groups: [NLP Admins], grant: {workspace_role: admin}}
  - {id: supervisors, groups: [NLP Supervisors], grant: {workspace_role: supervisor}}
  - {id: staff, groups: [NLP Staff], grant: {workspace_role: labeler}}
"""


@pytest.fixture
def nlp(ready: Machine) -> Machine:
    """A workspace with an admin, a supervisor and a labeler."""
    (ready.home / "mappings/acme-vision.yaml").unlink()
    ready.write("mappings/acme-nlp.yaml", MAPPING)
    names = {"NLP Admins": "ada", "NLP Supervisors": "sam", "NLP Staff": "lea"}
    ready.provision(
        [person(f"{name}@acme.example", name) for name in names.values()],
        {group: [f"{name}@acme.example"] for group, name in names.items()},
    )
    ready.out("apply", "mappings")
    return ready


def test_may_answers_with_the_platforms_words(nlp: Machine) -> None:
    """Yes exits with 0; no says which rule of the platform refuses."""
    said = nlp.out("may", "sam", "grant", "reviewer", "to", "lea")
    assert said == (
        "sam@acme.example grant reviewer to lea@acme.example in acme-nlp: yes\n"
        "  the platform says so: can't manage admins or promote member as a supervisor\n"
    )
    result = nlp("may", "sam", "grant", "supervisor", "to", "lea")
    assert result.exit_code == 1
    assert "no\n  `supervisor` is excepted: can't manage admins or promote member as a supervisor\n" in result.stdout
    assert nlp("may", "sam", "revoke", "admin", "from", "ada").exit_code == 1
    assert nlp("may", "ada", "revoke", "supervisor", "from", "sam").exit_code == 0


def test_the_other_persons_workspace_role_counts_in_a_project(nlp: Machine) -> None:
    """Who is more than a labeler in the workspace is never only a labeler in a project."""
    assert nlp("may", "ada", "grant", "labeler", "to", "lea", "--project", "contracts").exit_code == 0
    told = nlp.json("may", "ada", "grant", "reviewer", "to", "sam", "--project", "contracts")
    assert (told["answer"], told["slot"], told["rule"]) == ("allowed", "project_role", "project-roles-and-tasks")
    result = nlp("may", "ada", "grant", "labeler", "to", "sam", "--project", "contracts")
    assert "`labeler` needs labeler in `workspace_role`" in result.stdout


def test_may_refuses_a_sentence_that_is_none(nlp: Machine) -> None:
    """Unknown acts and words are wrong usage; unknown people and roles are refused by name."""
    assert "is no act" in nlp.refused("may", "sam", "promote", "reviewer", "to", "lea", code=64)
    assert "write `sam grant" in nlp.refused("may", "sam", "grant", "reviewer", "lea", "now", code=64)
    assert "there is no user `leo`" in nlp.refused("may", "sam", "grant", "reviewer", "to", "leo")
    assert "no role `boss`" in nlp.refused("may", "sam", "grant", "boss", "to", "lea")


def test_who_acts_for_a_user_may_what_the_platform_lets_that_user(nlp: Machine) -> None:
    """An assignment by hand for a supervisor is refused where the platform would refuse the supervisor."""
    said = nlp.refused("assign", "lea", "--role", "supervisor", "--as", "sam", "--reason", "promotion")
    assert "`sam@acme.example` may not give or take `supervisor` there: `supervisor` is excepted" in said
    place = ("lea", "--project", "contracts", "--role", "labeler")
    assert nlp("assign", *place, "--as", "lea", "--reason", "mine").exit_code == 1
    nlp.out("assign", *place, "--as", "sam", "--reason", "first batch")
    assert "user:sam@acme.example (os:" in nlp.out("assignments")
    assert nlp("unassign", *place, "--as", "lea", "--reason", "mine").exit_code == 1
    nlp.out("unassign", *place, "--as", "sam", "--reason", "done")
