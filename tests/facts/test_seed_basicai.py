# ruff: noqa: E501  (a sentence of the page stands on one line)
"""BasicAI, sentence by sentence: "Role & Permissions", each row with the words that it proves."""

from __future__ import annotations

import pytest
from tests.facts.seed import assert_refused, assert_so

MAPPING = """workspace: w
platform: basicai
projects: {lidar: , radar: }
outside: {team_role: {owner: [olga@acme.example]}}
rules:
  - {id: admins, groups: [Admins], grant: {team_role: team_admin}}
  - {id: workers, groups: [Workers], grant: {team_role: worker}}
  - {id: annotators, groups: [Annotators], projects: lidar, grant: {task_role: annotator}}
  - {id: seniors, groups: [Seniors], projects: lidar, grant: {task_role: [reviewer, inspector]}}
  - {id: heads, groups: [Heads], projects: lidar, grant: {task_role: task_admin}}
  - {id: out, groups: [Out], projects: lidar, deny: {task_role: [inspector]}}
"""
ROWS = [
    (
        "Owner: the team creator; when a user creates a new account, a team is automatically created for them.",
        """user: {userName: olga@acme.example}, expect: [{team_role: owner, lock: outside}]""",
    ),
    (
        "Different roles may have overlapping permissions, and one user can have multiple roles in either system: in the team,",
        """groups: [Admins, Workers], expect: [{team_role: team_admin}, {team_role: worker}]""",
    ),
    (
        "… and in a task.",
        """groups: [Workers, Annotators, Seniors, Heads], expect: [{team_role: worker}, {project: lidar, task_role: annotator},
      {project: lidar, task_role: reviewer}, {project: lidar, task_role: inspector}, {project: lidar, task_role: task_admin}]""",
    ),
    (
        "A two-tier role system for Team and Task: a team's admin may work in a task.",
        """groups: [Admins, Annotators], expect: [{team_role: team_admin}, {project: lidar, task_role: annotator, lock: group}]""",
    ),
    (
        "… can assign task roles to team members: nobody else has one.",
        """groups: [Annotators], expect: nothing, lost: [{project: lidar, task_role: annotator, reason: blocked}]""",
    ),
    (
        "… can assign task roles: one by hand stands beside those of groups, each locked for itself.",
        """groups: [Workers, Annotators], manual: [{project: lidar, task_role: reviewer}],
      expect: [{team_role: worker}, {project: lidar, task_role: annotator, lock: group}, {project: lidar, task_role: reviewer, lock: none}]""",
    ),
    (
        "One role of several can be taken away.",
        """groups: [Workers, Seniors, Out], expect: [{team_role: worker}, {project: lidar, task_role: reviewer}],
      lost: [{project: lidar, task_role: inspector, reason: denied}]""",
    ),
]


@pytest.mark.parametrize(("quote", "case"), ROWS, ids=[quote[:60] for quote, _ in ROWS])
def test_the_page_says(quote: str, case: str) -> None:
    """What the page says of a person is what becomes of them."""
    assert_so(MAPPING, quote, case)


@pytest.mark.parametrize(
    ("rest", "code", "quote"),
    [
        ("rules: [{id: a, groups: [A], grant: {team_role: owner}}]", "role-not-assignable", "the team creator"),
        (
            "custom_roles: {a: {slot: task_role, name: A, description: B, permissions: [member.view]}}\nrules: []",
            "unknown-slot",
            "You can also customize roles for your team in the Roles list.",
        ),
        (
            "conflicts: {task_role: [annotator, reviewer]}\nrules: []",
            "merge-not-possible",
            "one user can have multiple roles",
        ),
    ],
)
def test_the_page_forbids(rest: str, code: str, quote: str) -> None:
    """What the platform does not let anybody do is refused before it is tried."""
    assert_refused(f"workspace: w\nplatform: basicai\nprojects: {{p: }}\n{rest}\n", code, quote)
