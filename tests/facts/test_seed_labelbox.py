# ruff: noqa: E501  (a sentence of the page stands on one line)
"""Labelbox, sentence by sentence: "Roles and permissions", each row with the words that it proves."""

from __future__ import annotations

import pytest
from tests.facts.seed import assert_refused, assert_so

MAPPING = """workspace: w
platform: labelbox
projects: {cityscapes: , retail: }
accounts: {workforce_provider: {when: userType eq "Vendor"}}
outside: {workspace_role: {tenant_admin: [dana@acme.example]}, workforce_role: {labeler: [vera@vendor.example]}}
custom_roles:
  qa: {slot: project_role, name: QA, description: Reads labels, permissions: [annotate.view_project_details]}
conflicts: {project_role: [project_lead, team_manager, reviewer, qa, labeler]}
rules:
  - {id: managers, groups: [Managers], grant: {workspace_role: team_manager}}
  - {id: profiles, groups: [Profiles], grant: {default_role: reviewer}}
  - {id: team, groups: [Team], projects: cityscapes, grant: {project_role: inherit}}
  - {id: leads, groups: [Leads], projects: cityscapes, grant: {project_role: project_lead}}
  - {id: qa, groups: [QA], projects: retail, grant: {project_role: qa}}
"""
ROWS = [
    (
        "Workspace-wide roles: can access all projects with their default role. This role can't be overridden at the project level.",
        """groups: [Managers, Leads], expect: [{workspace_role: team_manager, lock: group}],
           lost: [{project: cityscapes, project_role: project_lead, reason: overruled}]""",
    ),
    (
        "A workspace-wide role applies to every project in the workspace and cannot be overridden at the project level.",
        """groups: [Managers], manual: [{project: retail, project_role: reviewer}],
           expect: [{workspace_role: team_manager}], lost: [{project: retail, project_role: reviewer, reason: overruled}]""",
    ),
    (
        "Project-based using Groups: can access all projects assigned to their group. They inherit their role from the Default role in their user profile.",
        """groups: [Profiles, Team], expect: [{default_role: reviewer},
           {project: cityscapes, project_role: inherit, acts_as: reviewer, lock: group}]""",
    ),
    (
        "They inherit their role from the Default role in their user profile: without one they have access and no role.",
        "groups: [Team], expect: [{project: cityscapes, project_role: inherit, acts_as: none, lock: group}]",
    ),
    (
        "Project-based using manual assignment: admins can specify their user role …",
        """groups: [Profiles], manual: [{project: retail, project_role: labeler}],
           expect: [{default_role: reviewer}, {project: retail, project_role: labeler, lock: none, source: manual}]""",
    ),
    (
        "… or it will be inherited from the Default role in their user profile.",
        """groups: [Profiles], manual: [{project: retail, project_role: inherit}],
           expect: [{default_role: reviewer}, {project: retail, project_role: inherit, acts_as: reviewer, lock: none}]""",
    ),
    (
        "If a user's project access is granted through a group, you cannot modify their role on a project-by-project basis.",
        """groups: [Team], manual: [{project: cityscapes, project_role: labeler}],
           expect: [{project: cityscapes, project_role: inherit, lock: group}],
           lost: [{project: cityscapes, project_role: labeler, reason: shadowed}]""",
    ),
    (
        "You must either remove them from the group …: then what was given by hand counts again.",
        """manual: [{project: cityscapes, project_role: labeler}],
           expect: [{project: cityscapes, project_role: labeler, lock: none}]""",
    ),
    (
        "Project-based roles are assigned on a per-project basis: one project's says nothing of another.",
        """groups: [Leads], manual: [{project: retail, project_role: labeler}],
           expect: [{project: cityscapes, project_role: project_lead, lock: group}, {project: retail, project_role: labeler, lock: none}]""",
    ),
    (
        "Enterprise customers can create up to five custom project-level roles.",
        "groups: [QA], expect: [{project: retail, project_role: qa, lock: group}]",
    ),
    (
        "Tenant Admin is given on a support ticket: held on the platform, it rules over everything that rules give.",
        """user: {userName: dana@acme.example}, groups: [Managers, Leads], expect: [{workspace_role: tenant_admin, lock: outside}],
           lost: [{workspace_role: team_manager, reason: held outside}, {project: cityscapes, project_role: project_lead, reason: overruled}]""",
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
            "rules: [{id: a, groups: [A], grant: {workspace_role: tenant_admin}}]",
            "role-not-assignable",
            "a support ticket",
        ),
        (
            "rules: [{id: a, groups: [A], grant: {workspace_role: none}}]",
            "role-not-assignable",
            "none is the empty slot",
        ),
        (
            "rules: [{id: a, groups: [A], projects: p, grant: {workforce_role: labeler}}]",
            "role-not-assignable",
            "When using an external labeling service, their team members are granted special roles",
        ),
        (
            "custom_roles: {a: {slot: project_role, name: A, permissions: [annotate.delete_labels]}}\nrules: []",
            "missing-key",
            "Add a name and description, then click Create.",
        ),
        (
            "custom_roles: {a: {slot: workspace_role, name: A, description: B, permissions: [annotate.delete_labels]}}\nrules: []",
            "unknown-slot",
            "custom project-level roles",
        ),
        (
            "custom_roles:\n"
            + "".join(
                f"  r{n}: {{slot: project_role, name: R, description: D, permissions: [annotate.delete_labels]}}\n"
                for n in range(6)
            )
            + "rules: []",
            "too-many-custom-roles",
            "up to five custom project-level roles",
        ),
    ],
)
def test_the_page_forbids(rest: str, code: str, quote: str) -> None:
    """What the platform does not let anybody do is refused before it is tried."""
    assert_refused(f"workspace: w\nplatform: labelbox\nprojects: {{p: }}\n{rest}\n", code, quote)
