"""Workspaces, their projects, and who holds what in them."""

from __future__ import annotations

from typing import Final

from rolebridge.api.parameters import PAGED, next_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.member_documents import member_document, workspace_document
from rolebridge.bridge.members import MemberPage
from rolebridge.bridge.permissions import Permission


def _workspaces(use: UseCases, call: Call) -> Answer:
    (after,) = call.query.cursor(1) or ("",)
    limit = call.query.limit()
    known = use.membership.workspaces(call.organization_id, only=call.workspace)
    rows = [one for one in known if one.program.workspace > after][: limit + 1]
    place = [rows[limit - 1].program.workspace] if len(rows) > limit else None
    shown = [workspace_document(one) for one in rows[:limit]]
    return Answer({"workspaces": shown, "next_cursor": next_cursor(place)})


def _workspace(use: UseCases, call: Call) -> Answer:
    return Answer(workspace_document(use.membership.workspace(call.organization_id, call.the_workspace)))


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
        "The workspaces of the mapping in force",
        Permission.READ_ACCESS,
        "Workspaces",
        _workspaces,
        query=PAGED,
    ),
    Endpoint("GET", "/workspaces/{workspace}", "One workspace", Permission.READ_ACCESS, "Workspace", _workspace),
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
