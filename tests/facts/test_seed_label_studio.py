# ruff: noqa: E501  (a sentence of the page stands on one line)
"""Label Studio Enterprise, sentence by sentence: "User roles and permissions", each row with the words that it proves."""

from __future__ import annotations

import pytest
from tests.facts.seed import assert_refused, assert_so

MAPPING = """workspace: w
platform: label_studio
projects: {signs: {in: streets}, lanes: {in: streets}, faces: }
outside: {org_role: {owner: [olga@acme.example]}}
rules:
  - {id: administrators, groups: [Admins], grant: {org_role: administrator}}
  - {id: managers, groups: [Managers], grant: {org_role: manager}}
  - {id: reviewers, groups: [Reviewers], grant: {org_role: reviewer}}
  - {id: annotators, groups: [Annotators], grant: {org_role: annotator}}
  - {id: streets, groups: [Streets], projects: {in: streets}, grant: {project_role: inherit}}
  - {id: faces-reviewers, groups: [Faces Reviewers], projects: faces, grant: {project_role: reviewer}}
  - {id: faces-annotators, groups: [Faces Annotators], projects: faces, grant: {project_role: annotator}}
"""
ROWS = [
    (
        "There is only one Owner per organization; by default, the account that created it.",
        """user: {userName: olga@acme.example}, expect: [{org_role: owner, lock: outside}]""",
    ),
    (
        "Owner: has full permissions at all levels, whatever groups say.",
        """user: {userName: olga@acme.example}, groups: [Annotators, Faces Annotators], expect: [{org_role: owner, lock: outside}],
      lost: [{org_role: annotator, reason: held outside}, {project: faces, project_role: annotator, reason: overruled}]""",
    ),
    (
        "Administrator: can access and update all workspaces and projects.",
        """groups: [Admins, Faces Annotators],
      expect: [{org_role: administrator, lock: group}],
      lost: [{project: faces, project_role: annotator, reason: overruled}]""",
    ),
    (
        "Manager: full administrative access over projects and workspaces … to which they have been added as a member.",
        """groups: [Managers, Streets],
      expect: [{org_role: manager}, {project: signs, project_role: inherit, acts_as: manager},
      {project: lanes, project_role: inherit, acts_as: manager}]""",
    ),
    (
        "Managers are not downgraded in a project.",
        """groups: [Managers, Faces Annotators],
      expect: [{org_role: manager}, {project: faces, project_role: inherit, acts_as: manager, lock: workspace-wide}],
      lost: [{project: faces, project_role: annotator, reason: overruled}]""",
    ),
    (
        "Manager … that they created or to which they have been added: elsewhere they have nothing.",
        """groups: [Managers], expect: [{org_role: manager, lock: group}]""",
    ),
    (
        "Access can be further refined through project membership: an Annotator may review in one project.",
        """groups: [Annotators, Faces Reviewers, Streets],
      expect: [{org_role: annotator}, {project: faces, project_role: reviewer, lock: group},
      {project: signs, project_role: inherit, acts_as: annotator}, {project: lanes, project_role: inherit, acts_as: annotator}]""",
    ),
    (
        "Access can be further refined through project membership: a Reviewer may only annotate in one.",
        """groups: [Reviewers, Faces Annotators],
      expect: [{org_role: reviewer}, {project: faces, project_role: annotator}]""",
    ),
    (
        "Reviewer, Annotator: the most elevated role wins, in the organization and in a project.",
        """groups: [Annotators, Reviewers, Faces Annotators, Faces Reviewers],
      expect: [{org_role: reviewer}, {project: faces, project_role: reviewer}],
      lost: [{org_role: annotator, reason: outranked}, {project: faces, project_role: annotator, reason: outranked}]""",
    ),
    (
        "Your user role determines your level of access: without one in the organization there is none in a project.",
        """groups: [Faces Reviewers], expect: nothing,
      lost: [{project: faces, project_role: reviewer, reason: blocked}]""",
    ),
    (
        "Access can be further refined through workspace membership, which by itself is not locked.",
        """groups: [Annotators, Streets], manual: [{project: signs, project_role: reviewer}],
      expect: [{org_role: annotator}, {project: signs, project_role: reviewer, lock: none},
      {project: lanes, project_role: inherit, lock: none}]""",
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
            "rules: [{id: a, groups: [A], grant: {org_role: owner}}]",
            "role-not-assignable",
            "This is not an assignable role",
        ),
        (
            "rules: [{id: a, groups: [A], grant: {org_role: not_activated}}]",
            "unknown-role",
            "a state that the platform keeps, not a role",
        ),
        (
            "rules: [{id: a, groups: [A], projects: p, grant: {project_role: manager}}]",
            "unknown-role",
            "Managers are so in the organization",
        ),
        (
            "custom_roles: {a: {slot: org_role, name: A, description: B, permissions: [x]}}\nrules: []",
            "custom-roles-not-supported",
            "five roles, and no others",
        ),
    ],
)
def test_the_page_forbids(rest: str, code: str, quote: str) -> None:
    """What the platform does not let anybody do is refused before it is tried."""
    assert_refused(f"workspace: w\nplatform: label_studio\nprojects: {{p: }}\n{rest}\n", code, quote)
