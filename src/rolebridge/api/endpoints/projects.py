"""Projects of a workspace: declared by mapping files, or registered, tagged, renamed and archived here."""

from __future__ import annotations

from typing import Any, Final

from rolebridge.api.endpoints.plans import forced
from rolebridge.api.parameters import PAGED, flag, next_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import FLAG, GIVEN_TEXT, Schema, list_of, record
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.permissions import Permission
from rolebridge.bridge.project_documents import project_changed_document, project_document
from rolebridge.bridge.projects import MAX_TAGS, ProjectDraft
from rolebridge.web.problems import Kind

_DRAFT: Final[Schema] = {
    "name": {**GIVEN_TEXT, "maxLength": 200},
    "tags": {**list_of({**GIVEN_TEXT, "maxLength": 200}), "maxItems": MAX_TAGS},
    "in": {"type": "string", "maxLength": 200, "description": "Its container; empty for none."},
    "reason": {**GIVEN_TEXT, "description": "Why; it stays in the audit."},
    "force": {**FLAG, "description": "Pass guard rails all the same; needs `force`, and a reason."},
}


def _projects(use: UseCases, call: Call) -> Answer:
    workspace, limit = call.the_workspace, call.query.limit()
    (after,) = call.query.cursor(1) or ("",)
    page = use.projects.listing(
        call.organization_id,
        workspace=workspace,
        archived=call.query.flag("archived"),
        after=(workspace, after),
        limit=limit,
    )
    place = None if page.after is None else [page.after[1]]
    return Answer({"projects": [project_document(one) for one in page.rows], "next_cursor": next_cursor(place)})


def _project(use: UseCases, call: Call) -> Answer:
    found = use.projects.project(call.organization_id, call.the_workspace, call.path["project"])
    return Answer(project_document(found))


def _register(use: UseCases, call: Call) -> Answer:
    done = use.projects.register(
        call.operator,
        call.organization_id,
        call.the_workspace,
        call.path["project"],
        _draft(call.body),
        reason=call.body.get("reason", ""),
        force_reason=forced(call, call.body),
    )
    return Answer(project_changed_document(done), 201 if done.new else 200)


def _change(use: UseCases, call: Call) -> Answer:
    done = use.projects.change(
        call.operator,
        call.organization_id,
        call.the_workspace,
        call.path["project"],
        _draft(call.body),
        reason=call.body.get("reason", ""),
        force_reason=forced(call, call.body),
    )
    return Answer(project_changed_document(done))


def _draft(body: dict[str, Any]) -> ProjectDraft:
    return ProjectDraft(body.get("name"), body.get("tags"), body.get("in"), body.get("archived"))


_PATH: Final = "/workspaces/{workspace}/projects/{project}"
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/workspaces/{workspace}/projects",
        "The projects of a workspace, declared and registered",
        Permission.READ_ACCESS,
        "Projects",
        _projects,
        query=(flag("archived", "Those that are archived too."), *PAGED),
    ),
    Endpoint("GET", _PATH, "One project", Permission.READ_ACCESS, "Project", _project),
    Endpoint(
        "PUT",
        _PATH,
        "Register a project",
        Permission.MANAGE_PROJECTS,
        "ProjectChanged",
        _register,
        body=record(_DRAFT, optional=tuple(_DRAFT)),
        status=201,
        also=(200,),
        problems=(Kind.TAKEN, Kind.GUARDED),
        description="Rules that choose it reach it at once. Registering exactly the same again changes nothing (200). "
        "Its name is its id unless one is given.",
    ),
    Endpoint(
        "PATCH",
        _PATH,
        "Rename, tag, move, archive or restore a registered project",
        Permission.MANAGE_PROJECTS,
        "ProjectChanged",
        _change,
        body=record(
            {**_DRAFT, "archived": {**FLAG, "description": "Whether it carries no roles."}},
            optional=(*_DRAFT, "archived"),
        ),
        problems=(Kind.GUARDED,),
        description="What is left out stays as it is. A project that a mapping file declares is changed there.",
    ),
)
