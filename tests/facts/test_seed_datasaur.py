# ruff: noqa: E501  (a sentence of the page stands on one line)
"""Datasaur, sentence by sentence: "Role & Permission", each row with the words that it proves."""

from __future__ import annotations

import pytest
from tests.facts.seed import assert_refused, assert_so

MAPPING = """workspace: w
platform: datasaur
projects: {news: , law: }
conflicts: {workspace_role: [admin, supervisor, reviewer, labeler]}
rules:
  - {id: admins, groups: [Admins], grant: {workspace_role: admin}}
  - {id: supervisors, groups: [Supervisors], grant: {workspace_role: supervisor}}
  - {id: reviewers, groups: [Reviewers], grant: {workspace_role: reviewer}}
  - {id: labelers, groups: [Labelers], grant: {workspace_role: labeler}}
  - {id: news-labelers, groups: [News Labelers], projects: news, grant: {project_role: labeler}}
  - {id: news-reviewers, groups: [News Reviewers], projects: news, grant: {project_role: reviewer}}
  - {id: law-both, groups: [Law Both], projects: law, grant: {project_role: labeler_reviewer}}
"""
ROWS = [
    (
        "Workspace roles define a member's overall access and permissions across all projects in the workspace.",
        """groups: [Admins], expect: [{workspace_role: admin, lock: group}]""",
    ),
    (
        "There are 4 roles, and a member has one of them.",
        """groups: [Labelers, Supervisors], expect: [{workspace_role: supervisor}],
      lost: [{workspace_role: labeler, reason: outranked}]""",
    ),
    (
        "Project roles define responsibilities within a specific project … the workspace role cannot be modified at the project level: both are held.",
        """groups: [Admins, News Reviewers],
      expect: [{workspace_role: admin}, {project: news, project_role: reviewer, lock: group}]""",
    ),
    (
        "Assignable Project Role: Labeler only | Labeler",
        """groups: [Labelers, News Labelers], expect: [{workspace_role: labeler}, {project: news, project_role: labeler}]""",
    ),
    (
        "Assignable Project Role: Labeler only is not for a workspace Reviewer",
        """groups: [Reviewers, News Labelers], expect: [{workspace_role: reviewer}],
      lost: [{project: news, project_role: labeler, reason: blocked}]""",
    ),
    (
        "Assignable Project Role: Labeler only is not for a Supervisor",
        """groups: [Supervisors, News Labelers], expect: [{workspace_role: supervisor}],
      lost: [{project: news, project_role: labeler, reason: blocked}]""",
    ),
    (
        "Assignable Project Role: Labeler only is not for an Admin",
        """groups: [Admins], manual: [{project: news, project_role: labeler}], expect: [{workspace_role: admin}],
      lost: [{project: news, project_role: labeler, reason: blocked}]""",
    ),
    (
        "Assignable Project Role: Reviewer only | Labeler, Reviewer, Supervisor, Admin",
        """groups: [Labelers, News Reviewers], expect: [{workspace_role: labeler}, {project: news, project_role: reviewer}]""",
    ),
    (
        "Assignable Project Role: Labeler & Reviewer | Labeler, Reviewer, Supervisor, Admin",
        """groups: [Reviewers, Law Both],
      expect: [{workspace_role: reviewer}, {project: law, project_role: labeler_reviewer}]""",
    ),
    (
        "You can assign project roles during project creation or update them later: by hand, where no group says so.",
        """groups: [Labelers],
      manual: [{project: law, project_role: labeler_reviewer}],
      expect: [{workspace_role: labeler}, {project: law, project_role: labeler_reviewer, lock: none}]""",
    ),
    (
        "Who is not a member of the workspace has no role in its projects.",
        """groups: [News Labelers], expect: nothing, lost: [{project: news, project_role: labeler, reason: blocked}]""",
    ),
]


@pytest.mark.parametrize(("quote", "case"), ROWS, ids=[quote[:60] for quote, _ in ROWS])
def test_the_page_says(quote: str, case: str) -> None:
    """What the page says of a person is what becomes of them."""
    assert_so(MAPPING, quote, case)


@pytest.mark.parametrize(
    ("rest", "code", "quote"),
    [
        (
            "rules: [{id: a, groups: [A], grant: {workspace_role: [reviewer, labeler]}}]",
            "role-needs-list",
            "To assign a workspace role: one",
        ),
        (
            "rules: [{id: a, groups: [A], projects: p, grant: {project_role: supervisor}}]",
            "unknown-role",
            "There are 2 roles",
        ),
        (
            "custom_roles: {a: {slot: workspace_role, name: A, description: B, permissions: [x]}}\nrules: []",
            "custom-roles-not-supported",
            "There are 4 roles",
        ),
    ],
)
def test_the_page_forbids(rest: str, code: str, quote: str) -> None:
    """What the platform does not let anybody do is refused before it is tried."""
    assert_refused(f"workspace: w\nplatform: datasaur\nprojects: {{p: }}\n{rest}\n", code, quote)
