"""Workspaces, their projects, and who holds what in them."""

from __future__ import annotations

from typing import Final

from rolebridge.api.endpoints.plans import DIGEST, forced
from rolebridge.api.parameters import PAGED, next_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import FLAG, GIVEN_TEXT, record
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.member_documents import member_document
from rolebridge.bridge.members import MemberPage
from rolebridge.bridge.permissions import Permission
from rolebridge.bridge.project_documents import enforced_document, enforcement_document, workspace_document
from rolebridge.core.errors import NotFound
from rolebridge.core.registry import Mode
from rolebridge.web.problems import Kind, Problem


def _workspaces(use: UseCases, call: Call) -> Answer:
    (after,) = call.query.cursor(1) or ("",)
    limit = call.query.limit()
    known = [one for one in use.observing.workspaces(call.organization_id) if call.workspace in {None, one.workspace}]
    rows = [one for one in known if one.workspace > after][: limit + 1]
    place = [rows[limit - 1].workspace] if len(rows) > limit else None
    return Answer({"workspaces": [workspace_document(one) for one in rows[:limit]], "next_cursor": next_cursor(place)})


def _workspace(use: UseCases, call: Call) -> Answer:
    for one in use.observing.workspaces(call.organization_id):
        if one.workspace == call.the_workspace:
            return Answer(workspace_document(one))
    raise NotFound("workspace", call.the_workspace)


def _enforcement(use: UseCases, call: Call) -> Answer:
    return Answer(enforcement_document(use.observing.enforcement(call.organization_id, call.the_workspace)))


def _set_mode(use: UseCases, call: Call) -> Answer:
    body, workspace = call.body, call.the_workspace
    reason = body.get("reason", "")
    if Mode(body["mode"]) is Mode.OBSERVE:
        new = use.observing.observe(call.operator, call.organization_id, workspace, reason)
        return Answer({"workspace": workspace, "new": new, "retired": 0, "forced": [], "plan": None})
    if "digest" not in body:
        raise Problem(Kind.INVALID, "the member `digest` is missing: that of `enforcement`", more={"field": "digest"})
    done = use.observing.enforce(
        call.operator,
        call.organization_id,
        workspace,
        digest=body["digest"],
        reason=reason,
        force_reason=forced(call, body),
        retire_imported=body.get("retire_imported", False),
    )
    return Answer(enforced_document(done))


def _members(use: UseCases, call: Call) -> Answer:
    (after,) = call.query.cursor(1) or ("",)
    limit = call.query.limit()
    page = use.membership.members(call.organization_id, call.the_workspace, after=after, limit=limit)
    return _page(page)


def _project_members(use: UseCases, call: Call) -> Answer:
    (after,) = call.query.cursor(1) or ("",)
    organization_id, project = call.organization_id, call.path["project"]
    limit = call.query.limit()
    return _page(use.membership.members(organization_id, call.the_workspace, project, after=after, limit=limit))


def _page(page: MemberPage) -> Answer:
    place = None if page.after is None else [page.after]
    return Answer({"members": [member_document(one) for one in page.members], "next_cursor": next_cursor(place)})


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/workspaces",
        "The workspaces, and how they are run",
        Permission.READ_ACCESS,
        "Workspaces",
        _workspaces,
        query=PAGED,
    ),
    Endpoint("GET", "/workspaces/{workspace}", "One workspace", Permission.READ_ACCESS, "Workspace", _workspace),
    Endpoint(
        "GET",
        "/workspaces/{workspace}/enforcement",
        "What it would do to let the rules of an observed workspace decide",
        Permission.PLAN,
        "Enforcement",
        _enforcement,
    ),
    Endpoint(
        "PUT",
        "/workspaces/{workspace}/mode",
        "Let a workspace be observed, or let its rules decide as was planned",
        Permission.APPLY,
        "ModeChanged",
        _set_mode,
        body=record(
            {
                "mode": {"type": "string", "enum": [mode.value for mode in Mode]},
                "digest": {**DIGEST, "description": "For `enforce`: that of the plan in `enforcement`."},
                "retire_imported": {**FLAG, "description": "End imported assignments in whose place a rule decides."},
                "reason": {**GIVEN_TEXT, "description": "Why; it is kept with the record."},
                "force": {**FLAG, "description": "Pass guard rails all the same; needs `force`, and a reason."},
            },
            optional=("digest", "retire_imported", "reason", "force"),
        ),
        problems=(Kind.PLAN_MOVED, Kind.GUARDED),
    ),
    Endpoint(
        "GET",
        "/workspaces/{workspace}/members",
        "Who holds something in a workspace, and what",
        Permission.READ_ACCESS,
        "Members",
        _members,
        query=PAGED,
    ),
    Endpoint(
        "GET",
        "/workspaces/{workspace}/projects/{project}/members",
        "Who is in a project, and what they hold there",
        Permission.READ_ACCESS,
        "Members",
        _project_members,
        query=PAGED,
        description="Roles of the workspace that reach every project are among them.",
    ),
)
