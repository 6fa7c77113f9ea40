"""Decisions: what the matrices say of somebody's roles, each row of a table with the sentence that it proves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rolebridge.core.catalogue import Catalogue, Role
from rolebridge.core.permissions import Answer, CellValue, Decision, HeldRole, decide, permissions_of
from rolebridge.mapfile import shipped_catalogues

CATALOGUES = shipped_catalogues()


def _decide(platform: str, permission: str, *roles: str, **settings: bool) -> Decision:
    """Decide for somebody with roles written as `slot:role`; those of project slots are held in one project."""
    catalogue = CATALOGUES[platform]
    return decide(catalogue, permission, [_held(catalogue, role) for role in roles], settings)


def _held(catalogue: Catalogue, text: str) -> HeldRole:
    slot_id, _, role_id = text.partition(":")
    slot = catalogue.slots[slot_id]
    role = slot.roles[role_id]
    return HeldRole(slot_id, role_id, "p" if slot.level == "project" else None, role.parts)


@pytest.mark.parametrize(
    ("permission", "roles", "answer", "value"),
    [
        # "one user can have multiple roles in either system": what one of them allows is allowed
        ("annotate", ["task_role:annotator", "task_role:task_admin"], Answer.ALLOWED, "allow"),
        # "The symbol '-' indicates uncertain permission that needs consideration for dual roles"
        ("annotate", ["team_role:worker"], Answer.UNKNOWN, "unknown"),
        ("annotate", ["team_role:worker", "task_role:annotator"], Answer.ALLOWED, "allow"),
        ("annotate", ["team_role:worker", "task_role:reviewer"], Answer.QUALIFIED, "partial"),
        ("create_tasks", ["team_role:owner", "task_role:annotator"], Answer.ALLOWED, "allow"),
        ("create_tasks", ["team_role:worker", "task_role:annotator"], Answer.DENIED, "deny"),
        ("view_worker_performance", ["team_role:worker", "task_role:annotator"], Answer.QUALIFIED, "own"),
        ("datasets_tab", ["team_role:worker"], Answer.DENIED, "deny"),
        # the row is broken on the page
        ("change_task_status", ["team_role:team_admin", "task_role:task_admin"], Answer.UNKNOWN, "unknown"),
    ],
)
def test_roles_of_two_axes_add_up(permission: str, roles: list[str], answer: Answer, value: str) -> None:
    """The strongest cell counts, "-" says nothing, and a lost cell answers unknown."""
    decision = _decide("basicai", permission, *roles)
    assert (decision.answer, decision.cell.value.value) == (answer, value)


@pytest.mark.parametrize(
    ("permission", "roles", "settings", "value"),
    [
        # "Permissions follow the workspace role first": allow and deny of the workspace table are final
        ("modify_project_settings", ["workspace_role:labeler", "project_role:reviewer"], {}, "deny"),
        ("modify_project_settings", ["workspace_role:admin", "project_role:reviewer"], {}, "allow"),
        # "Assigned only": then the project role decides
        ("review_labeling_result", ["workspace_role:labeler"], {}, "assigned"),
        ("review_labeling_result", ["workspace_role:labeler", "project_role:labeler"], {}, "deny"),
        ("review_labeling_result", ["workspace_role:labeler", "project_role:reviewer"], {}, "allow"),
        ("review_labeling_result", ["workspace_role:labeler", "project_role:labeler_reviewer"], {}, "allow"),
        ("access_the_labeler_mode_to_perform_labeling_tasks", ["workspace_role:admin"], {}, "assigned"),
        (
            "access_the_labeler_mode_to_perform_labeling_tasks",
            ["workspace_role:admin", "project_role:reviewer"],
            {},
            "deny",
        ),
        # "Reviewer (with Admin Workspace Role)": the composite column is meant, not the plain one beside it
        ("modify_text", ["workspace_role:admin", "project_role:reviewer"], {}, "allow"),
        ("modify_text", ["workspace_role:supervisor", "project_role:reviewer"], {}, "conditional"),
        ("modify_text", ["workspace_role:labeler", "project_role:labeler"], {"modify_text_permitted": True}, "allow"),
        ("modify_text", ["workspace_role:labeler", "project_role:labeler"], {"modify_text_permitted": False}, "deny"),
        ("modify_project_assignment_settings", ["workspace_role:labeler", "project_role:reviewer"], {}, "deny"),
        ("modify_project_assignment_settings", ["workspace_role:supervisor", "project_role:reviewer"], {}, "allow"),
        # "Owned only"
        ("rename_delete_project", ["workspace_role:supervisor"], {}, "own"),
    ],
)
def test_the_workspace_role_first_and_then_composite_columns(
    permission: str, roles: list[str], settings: dict[str, bool], value: str
) -> None:
    """Which of two tables decides, which of two columns is meant, and what a project's settings change."""
    assert _decide("datasaur", permission, *roles, **settings).cell.value.value == value


@pytest.mark.parametrize(
    ("permission", "role", "answer", "note"),
    [
        ("view_the_organization_page", "org_role:manager", Answer.DENIED, ""),
        ("configure_organization_settings", "org_role:administrator", Answer.QUALIFIED, ""),
        ("project_access", "org_role:manager", Answer.QUALIFIED, "created by them or invited to it, CRUD"),
        ("view_annotator_dashboard", "project_role:reviewer", Answer.QUALIFIED, "For their own work/history"),
        ("view_the_data_manager", "org_role:annotator", Answer.QUALIFIED, ""),
    ],
)
def test_a_qualified_cell_keeps_the_words_of_the_page(permission: str, role: str, answer: Answer, note: str) -> None:
    """Footnotes and qualifiers are part of the answer."""
    decision = _decide("label_studio", permission, role)
    assert (decision.answer, decision.cell.note) == (answer, note)


def test_a_lost_cell_is_never_guessed() -> None:
    """Labelbox's icons are lost: a reviewer may review, as prose says; what a team lead may delete, nobody can say."""
    assert _decide("labelbox", "review_labels", "workspace_role:reviewer").answer is Answer.ALLOWED
    assert _decide("labelbox", "delete_labels", "workspace_role:project_lead").answer is Answer.UNKNOWN
    assert _decide("labelbox", "delete_labels", "project_role:labeler").cell.value is CellValue.UNKNOWN


def test_raw_data_is_decided_by_the_storage_service() -> None:
    """iTAG's workers cannot download; for the others another system decides, which is no answer of ours."""
    assert _decide("itag", "download_raw_data", "itag_role:labeling_worker").answer is Answer.DENIED
    decision = _decide("itag", "download_raw_data", "itag_role:administrator")
    assert (decision.answer, decision.cell.value) == (Answer.UNKNOWN, CellValue.ELSEWHERE)
    assert "storage service" in decision.cell.note


def test_a_custom_role_permits_what_it_lists_and_nothing_else_of_the_list() -> None:
    """What a built-in role has of that list no source says."""
    role = Role("qa", "QA", "project_role", custom=True, permissions=frozenset({"annotate.view_webhooks"}))
    catalogue = CATALOGUES["labelbox"].with_custom_roles((role,))
    held = HeldRole("project_role", "qa", "p", granted=role.permissions)
    assert decide(catalogue, "annotate.view_webhooks", [held]).answer is Answer.ALLOWED
    assert decide(catalogue, "annotate.delete_labels", [held]).answer is Answer.DENIED
    assert decide(catalogue, "annotate.delete_labels", [replace(held, role="reviewer", granted=None)]).answer is (
        Answer.UNKNOWN
    )


def test_the_answer_says_through_which_role_and_cell() -> None:
    """The deciding cell stands first, with its matrix, its column and the roles that put the person there."""
    decision = _decide("datasaur", "modify_text", "workspace_role:admin", "project_role:reviewer")
    deciding = decision.deciding[0]
    assert (deciding.matrix, deciding.column) == ("project_roles", "reviewer_with_admin")
    assert {role.slot for role in deciding.through} == {"project_role", "workspace_role"}


def test_who_holds_nothing_may_nothing() -> None:
    """Without a role there is no cell; the answer is no, with its reason."""
    decision = _decide("datasaur", "modify_text")
    assert (decision.answer, decision.reason) == (Answer.DENIED, "holds no role here")


def test_a_permission_that_the_platform_does_not_have() -> None:
    """Is no decision."""
    with pytest.raises(KeyError, match="fly"):
        _decide("datasaur", "fly", "workspace_role:admin")


@pytest.mark.parametrize("platform", CATALOGUES)
def test_every_permission_is_decided_for_every_role(platform: str) -> None:
    """No role and no permission of any platform is without an answer."""
    catalogue = CATALOGUES[platform]
    for slot in catalogue.slots.values():
        for role in slot.roles.values():
            for permission in permissions_of(catalogue):
                decision = decide(catalogue, permission, [_held(catalogue, f"{slot.id}:{role.id}")])
                assert decision.answer in Answer
                assert decision.found or decision.answer is Answer.UNKNOWN
