"""Cases of a mapping: what agrees passes, and each way of disagreeing is told as expected, got and why."""

from __future__ import annotations

import pytest

from rolebridge.bridge.testing import CaseRun, read_and_run

MAPPING = """
workspace: w
platform: labelbox
projects: {cityscapes: , retail: }
manual: {workspace_role: forbid}
conflicts: {project_role: error}
rules:
  - {id: admins, groups: [Admins], grant: {workspace_role: admin}}
  - {id: reviewers, groups: [Reviewers], projects: cityscapes, grant: {project_role: reviewer}}
  - {id: labelers, groups: [Labelers], when: userType eq "Employee", projects: all, grant: {project_role: labeler}}
  - {id: seen-by-group, groups: {match: "lbx-{project}"}, projects: "{project}", grant: {project_role: labeler}}
  - {id: suspended, groups: [Suspended], deny: all}
"""


def _run(*cases: str) -> CaseRun:
    text = "workspace: w\ncases:\n" + "".join(f"  - {{name: case {at}, {case}}}\n" for at, case in enumerate(cases))
    return read_and_run({"w.yaml": MAPPING, "w.test.yaml": text})


REVIEWER = "{project: cityscapes, project_role: reviewer"


@pytest.mark.parametrize(
    "case",
    [
        "groups: [Admins], expect: [{workspace_role: admin, lock: group, rule: admins, source: rule}]",
        "groups: [admins], expect: [{workspace_role: admin}]",
        f"groups: [Reviewers], expect: [{REVIEWER}, lock: group}}]",
        f"manual: [{REVIEWER}}}], expect: [{REVIEWER}, lock: none, source: manual}}]",
        (
            f"groups: [Admins], manual: [{REVIEWER}}}], expect: [{{workspace_role: admin}}],"
            f" lost: [{REVIEWER}, reason: overruled}}]"
        ),
        "groups: [Admins, Suspended], expect: nothing, lost: [{workspace_role: admin, reason: denied, rule: admins}]",
        "user: {active: false}, groups: [Admins], expect: nothing, lost: [{workspace_role: admin, reason: inactive}]",
        (
            "user: {userType: Employee}, groups: [Reviewers, Labelers],"
            " expect: [{project: retail, project_role: labeler}],"
            " conflicts: [{slot: project_role, project: cityscapes}]"
        ),
        "manual: [{workspace_role: admin}], expect: nothing, lost: [{workspace_role: admin, reason: manual-forbidden}]",
        (
            f"on: 2026-12-01, manual: [{REVIEWER}, until: 2026-11-30}}], expect: nothing,"
            f" lost: [{REVIEWER}, reason: expired}}]"
        ),
        "expect: nothing",
    ],
)
def test_a_case_that_says_what_the_mapping_does_passes(case: str) -> None:
    """Roles with as much of lock, rule and source as is said, losses, conflicts, days, inactive people."""
    run = _run(case)
    assert [one for result in run.failed for one in result.mismatches] == []
    assert run.passed


@pytest.mark.parametrize(
    ("case", "expected", "got", "why"),
    [
        (
            "groups: [Admins], expect: nothing",
            "nothing more",
            "workspace_role admin",
            "rule admins (w.yaml:8:5) through group Admins",
        ),
        (
            "groups: [Reviewers], expect: [{project: cityscapes, project_role: labeler}]",
            "project_role labeler in cityscapes",
            "project_role reviewer in cityscapes",
            "rule reviewers (w.yaml:9:5) through group Reviewers",
        ),
        (
            "expect: [{workspace_role: admin, rule: admins}]",
            "workspace_role admin by rule admins",
            "nothing there",
            "no rule gives it to this person",
        ),
        (
            "groups: [Labelers], expect: [{project: retail, project_role: labeler}]",
            "project_role labeler in retail",
            "nothing there",
            "rule labelers (w.yaml:10:5) through group Labelers lost, condition false: userType is absent",
        ),
        (
            "groups: [Admins], expect: [{workspace_role: admin, lock: none}]",
            "workspace_role admin, lock none",
            "workspace_role admin, lock group",
            "rule admins (w.yaml:8:5) through group Admins",
        ),
        (
            f"groups: [Reviewers], expect: [{REVIEWER}, rule: seen-by-group}}]",
            "project_role reviewer in cityscapes, by rule seen-by-group",
            "project_role reviewer in cityscapes, by rule reviewers",
            "rule reviewers (w.yaml:9:5) through group Reviewers",
        ),
        (
            f"manual: [{REVIEWER}}}], expect: [{REVIEWER}, source: rule}}]",
            "project_role reviewer in cityscapes, source rule",
            "project_role reviewer in cityscapes, source manual",
            "given by hand",
        ),
        (
            "expect: nothing, lost: [{workspace_role: admin, reason: denied}]",
            "workspace_role admin lost: denied",
            "no such claim was lost",
            "",
        ),
        (
            "groups: [Admins, Suspended], expect: nothing, lost: [{workspace_role: admin, reason: expired}]",
            "workspace_role admin lost: expired",
            "rule admins (w.yaml:8:5) through group Admins lost, denied: rule suspended (w.yaml:12:5)",
            "",
        ),
        (
            "expect: nothing, conflicts: [{slot: project_role, project: retail}]",
            "a conflict in project_role of retail",
            "no conflict there",
            "",
        ),
    ],
)
def test_a_case_that_says_something_else_fails(case: str, expected: str, got: str, why: str) -> None:
    """What the case says, what holds instead, and what makes it so."""
    run = _run(case)
    assert not run.passed
    assert [(one.expected, one.got, one.why) for one in run.failed[0].mismatches] == [(expected, got, why)]


def test_a_conflict_that_no_case_expects_fails() -> None:
    """An empty slot is not enough: rules that contradict each other must be said to."""
    run = _run(
        "user: {userType: Employee}, groups: [Reviewers, Labelers], expect: [{project: retail, project_role: labeler}]"
    )
    assert [one.got for one in run.failed[0].mismatches] == ["a conflict in project_role of cityscapes"]


def test_a_rule_is_exercised_when_it_speaks_of_somebody() -> None:
    """A denial counts like a grant; a false condition, or a group of another connection, does not."""
    run = _run(
        "groups: [Admins, Suspended], expect: nothing",
        "groups: [Labelers], expect: nothing",
        "groups: [Reviewers], expect: nothing",
    )
    assert [rule.id for rule in run.unexercised["w"]] == ["labelers", "seen-by-group"]


def test_cases_do_not_run_beside_a_wrong_mapping() -> None:
    """With an error in the mapping there is nothing to test, and the run does not pass."""
    run = read_and_run({"w.yaml": "workspace: w\n", "w.test.yaml": "workspace: w\ncases: []\n"})
    assert not run.passed
    assert {one.code for one in run.diagnostics} == {"missing-key"}
