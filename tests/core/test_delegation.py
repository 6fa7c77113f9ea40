"""Delegation: who may give which role to whom, each row with the sentence of the platform's page that it proves."""

from __future__ import annotations

import pytest

from rolebridge.core.delegation import Act, Request, Verdict, may
from rolebridge.core.permissions import Answer, HeldRole
from rolebridge.mapfile import shipped_catalogues

YES, NO, OPEN = Answer.ALLOWED, Answer.DENIED, Answer.UNKNOWN


def _may(
    platform: str, actor: str, act: Act, role: str, target: str = "", *, kind: str = "", phase: str = "",
    holders: int | None = None,
) -> Verdict:  # fmt: skip
    catalogue = shipped_catalogues()[platform]
    slot, _, id_ = role.partition(":")
    return may(catalogue, Request(act, slot, id_, _held(actor), _held(target), kind, phase, holders))


def _held(text: str) -> tuple[HeldRole, ...]:
    return tuple(HeldRole(slot, role) for slot, _, role in (part.partition(":") for part in text.split()))


@pytest.mark.parametrize(
    ("actor", "act", "role", "target", "answer"),
    [
        # "can't manage admins or promote member as a supervisor"
        ("workspace_role:supervisor", Act.GRANT, "workspace_role:reviewer", "workspace_role:labeler", YES),
        ("workspace_role:supervisor", Act.GRANT, "workspace_role:supervisor", "workspace_role:labeler", NO),
        ("workspace_role:supervisor", Act.GRANT, "workspace_role:admin", "workspace_role:labeler", NO),
        ("workspace_role:supervisor", Act.GRANT, "workspace_role:labeler", "workspace_role:admin", NO),
        ("workspace_role:supervisor", Act.REVOKE, "workspace_role:admin", "workspace_role:admin", NO),
        ("workspace_role:supervisor", Act.REVOKE, "workspace_role:supervisor", "workspace_role:supervisor", YES),
        # "can't delete admin or supervisor"
        ("workspace_role:supervisor", Act.MANAGE_MEMBERS, "workspace_role:labeler", "workspace_role:labeler", YES),
        ("workspace_role:supervisor", Act.MANAGE_MEMBERS, "workspace_role:labeler", "workspace_role:supervisor", NO),
        ("workspace_role:admin", Act.MANAGE_MEMBERS, "workspace_role:labeler", "workspace_role:supervisor", YES),
        ("workspace_role:admin", Act.GRANT, "workspace_role:supervisor", "workspace_role:labeler", YES),
        ("workspace_role:reviewer", Act.GRANT, "workspace_role:labeler", "workspace_role:labeler", NO),
        # "Assignable Project Role": a workspace Reviewer is never only a Labeler in a project
        ("workspace_role:admin", Act.GRANT, "project_role:labeler", "workspace_role:reviewer", NO),
        ("workspace_role:admin", Act.GRANT, "project_role:reviewer", "workspace_role:reviewer", YES),
        ("workspace_role:supervisor", Act.GRANT, "project_role:labeler", "workspace_role:labeler", YES),
        ("workspace_role:reviewer", Act.GRANT, "project_role:labeler", "workspace_role:labeler", NO),
    ],
)
def test_datasaur(actor: str, act: Act, role: str, target: str, answer: Answer) -> None:
    """Supervisors manage those below them, admins everybody."""
    assert _may("datasaur", actor, act, role, target).answer is answer


@pytest.mark.parametrize(
    ("actor", "phase", "answer"),
    [
        # "The Team Admin/Owner can assign task roles to team members during task creation."
        ("team_role:team_admin", "creation", YES),
        ("team_role:owner", "creation", YES),
        ("task_role:task_admin", "creation", NO),
        # "After publishing, task roles for the workflow can be reassigned by the Task Admin and Team Admin/Owner."
        ("task_role:task_admin", "published", YES),
        ("team_role:team_admin", "published", YES),
        ("team_role:worker", "published", NO),
        ("task_role:annotator", "published", NO),
        ("task_role:task_admin", "", OPEN),
    ],
)
def test_basicai_assigns_task_roles_by_phase(actor: str, phase: str, answer: Answer) -> None:
    """Who may depends on whether the task is published; without a phase the answer is open."""
    verdict = _may("basicai", actor, Act.GRANT, "task_role:annotator", "team_role:worker", phase=phase)
    assert verdict.answer is answer


def test_basicai_gives_task_roles_to_team_members_only() -> None:
    """Without a team role nobody can have one in a task."""
    verdict = _may("basicai", "team_role:owner", Act.GRANT, "task_role:annotator", phase="creation")
    assert (verdict.answer, verdict.why) == (NO, "`annotator` needs a role in `team_role`")


@pytest.mark.parametrize(
    ("actor", "act", "role", "target", "kind", "answer"),
    [
        # "External accounts support only the Labeling team leader and Labeling worker roles."
        ("itag_role:administrator", Act.GRANT, "itag_role:administrator", "", "external_account", NO),
        ("itag_role:administrator", Act.GRANT, "itag_role:labeling_worker", "", "external_account", YES),
        # "Administrator … | Administrator or Labeling administrator"
        ("itag_role:administrator", Act.GRANT, "itag_role:administrator", "pai_role:guest", "ram_user", NO),
        (
            "itag_role:administrator",
            Act.GRANT,
            "itag_role:administrator",
            "pai_role:labeling_administrator",
            "ram_user",
            YES,
        ),
        # "The RAM user must be a member of the current PAI workspace."
        ("itag_role:administrator", Act.GRANT, "itag_role:labeling_worker", "", "ram_user", NO),
        # a leader manages personnel, but the page does not say which roles they may give
        ("itag_role:labeling_team_leader", Act.GRANT, "itag_role:labeling_worker", "pai_role:guest", "ram_user", OPEN),
        # "Manage personnel and assign tasks": administrator and leader
        (
            "itag_role:labeling_team_leader",
            Act.ASSIGN_WORK,
            "stage_assignment:assigned",
            "itag_role:labeling_worker",
            "",
            YES,
        ),
        (
            "itag_role:labeling_worker",
            Act.ASSIGN_WORK,
            "stage_assignment:assigned",
            "itag_role:labeling_worker",
            "",
            NO,
        ),
        # "Only the administrator and owner of a workspace can manage the members in the workspace."
        ("pai_role:administrator", Act.GRANT, "pai_role:guest", "", "ram_user", YES),
        ("pai_role:labeling_administrator", Act.GRANT, "pai_role:guest", "", "ram_user", NO),
    ],
)
def test_itag(actor: str, act: Act, role: str, target: str, kind: str, answer: Answer) -> None:
    """Prerequisites and account kinds bind whoever assigns; what the page leaves open stays open."""
    assert _may("itag", actor, act, role, target, kind=kind).answer is answer


@pytest.mark.parametrize(
    ("actor", "act", "role", "target", "answer"),
    [
        # "This is not an assignable role, and there is only one Owner per organization."
        ("org_role:owner", Act.GRANT, "org_role:owner", "org_role:manager", NO),
        ("org_role:administrator", Act.GRANT, "org_role:administrator", "org_role:manager", YES),
        ("org_role:administrator", Act.GRANT, "org_role:reviewer", "org_role:administrator", OPEN),
        ("org_role:administrator", Act.REVOKE, "org_role:annotator", "org_role:owner", NO),
        ("org_role:owner", Act.REVOKE, "org_role:administrator", "org_role:administrator", YES),
        ("org_role:manager", Act.GRANT, "org_role:annotator", "org_role:annotator", NO),
        # "full administrative access over projects"; a project role stands on an organization role
        ("org_role:manager", Act.GRANT, "project_role:reviewer", "org_role:annotator", YES),
        ("org_role:reviewer", Act.GRANT, "project_role:reviewer", "org_role:annotator", NO),
    ],
)
def test_label_studio(actor: str, act: Act, role: str, target: str, answer: Answer) -> None:
    """The owner's role is nobody's to give; whether administrators may change each other, no page says."""
    assert _may("label_studio", actor, act, role, target).answer is answer


@pytest.mark.parametrize(
    ("actor", "act", "role", "answer"),
    [
        ("workspace_role:admin", Act.GRANT, "workspace_role:reviewer", YES),
        ("workspace_role:admin", Act.GRANT, "workspace_role:tenant_admin", NO),
        ("workspace_role:admin", Act.GRANT, "project_role:labeler", YES),
        ("workspace_role:tenant_admin", Act.GRANT, "project_role:labeler", YES),
        # the icons of the table are lost
        ("workspace_role:project_lead", Act.GRANT, "project_role:labeler", OPEN),
        ("project_role:project_lead", Act.GRANT, "project_role:labeler", OPEN),
        # the page says: "you must have one of the following two roles: Tenant Admins … Admins"
        ("project_role:labeler", Act.GRANT, "workspace_role:reviewer", NO),
    ],
)
def test_labelbox(actor: str, act: Act, role: str, answer: Answer) -> None:
    """Admins manage members; whether leads do, the page no longer shows."""
    assert _may("labelbox", actor, act, role).answer is answer


def test_the_last_holder_keeps_the_role() -> None:
    """One owner there must be, and only one there may be."""
    catalogue = shipped_catalogues()["label_studio"]
    assert (catalogue.role("org_role", "owner").least, catalogue.role("org_role", "owner").most) == (1, 1)
    verdict = _may("basicai", "team_role:owner", Act.MANAGE_MEMBERS, "team_role:owner", "team_role:owner", holders=1)
    assert verdict.answer is NO


def test_a_verdict_names_the_rule_and_its_words() -> None:
    """Whoever is refused learns which rule of the platform refused."""
    verdict = _may("datasaur", "workspace_role:supervisor", Act.GRANT, "workspace_role:admin", "workspace_role:labeler")
    assert verdict.rule is not None
    assert verdict.rule.id == "supervisors-give-roles"
    assert verdict.why == "`admin` is excepted: can't manage admins or promote member as a supervisor"
    nobody = _may("datasaur", "workspace_role:labeler", Act.GRANT, "workspace_role:labeler")
    assert nobody.why == "the platform lets labeler grant no role of `workspace_role`"
