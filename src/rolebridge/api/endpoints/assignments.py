"""Roles given and taken by hand, where no lock holds."""

from __future__ import annotations

from typing import Final

from rolebridge.api.endpoints.access import USER, person_of
from rolebridge.api.parameters import PAGED, day, flag, next_cursor, word
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import GIVEN_TEXT, Schema
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.assigning import Wanted
from rolebridge.bridge.assignment_documents import assigned_document, listed_document, unassigned_document
from rolebridge.bridge.permissions import Permission
from rolebridge.store.manual import ManualKey
from rolebridge.web.problems import Kind

_REASON: Final = word("reason", "Why; it stays with the assignment and in the audit.")
_FOR: Final = (
    word("as", "For this user: refused unless the platform itself lets them (`/delegations`)."),
    word("phase", "With `as`: the phase of the work, where the platform tells phases apart."),
)
_BODY: Final[Schema] = {
    "type": "object",
    "description": "The kind of role and the role, by their ids in the platform's catalogue: `project_role: labeler`.",
    "propertyNames": GIVEN_TEXT,
    "additionalProperties": GIVEN_TEXT,
    "minProperties": 1,
    "maxProperties": 1,
}


def _listing(use: UseCases, call: Call) -> Answer:
    said = call.query
    after = said.cursor(len(ManualKey._fields))
    page = use.assigning.listing(
        call.organization_id,
        workspace=call.workspace,
        project=said.text("project"),
        user=person_of(use, call, said.text("user")),
        ended=said.flag("ended"),
        after=ManualKey(*after) if after else None,
        limit=said.limit(),
    )
    rows = [listed_document(row) for row in page.rows]
    return Answer({"assignments": rows, "next_cursor": next_cursor(page.after)})


def _there(use: UseCases, call: Call) -> Answer:
    user = _user(use, call)
    found = use.assigning.rows(
        call.organization_id, workspace=call.the_workspace, project=call.path.get("project", ""), user=user
    )
    return Answer({"assignments": [listed_document(row) for row in found]})


def _assign(use: UseCases, call: Call) -> Answer:
    ((slot, role),) = call.body.items()
    wanted = Wanted(
        _user(use, call),
        role,
        call.the_workspace,
        call.path.get("project"),
        slot,
        call.query.day("until"),
        *_delegation(use, call),
    )
    done = use.assigning.assign(call.operator, call.organization_id, wanted, call.query.text("reason") or "")
    return Answer(assigned_document(done), 201 if done.new else 200)


def _unassign(use: UseCases, call: Call) -> Answer:
    said = call.query
    wanted = Wanted(
        _user(use, call),
        said.text("role") or "",
        call.the_workspace,
        call.path.get("project"),
        said.text("slot"),
        None,
        *_delegation(use, call),
    )
    done = use.assigning.unassign(call.operator, call.organization_id, wanted, said.text("reason") or "")
    return Answer(unassigned_document(done))


def _delegation(use: UseCases, call: Call) -> tuple[str, str]:
    """Return for whom somebody acts and in which phase, "" for nobody and none."""
    return (person_of(use, call, call.query.text("as")) or "", call.query.text("phase") or "")


def _user(use: UseCases, call: Call) -> str:
    """Return whom the path names; a key of one workspace gives roles to strangers whose whole name it says."""
    return person_of(use, call, call.path["user"]) or ""


_REFUSALS: Final = (Kind.LOCKED, Kind.REFUSED)


def _endpoints(path: str, where: str) -> tuple[Endpoint, ...]:
    read, write = Permission.READ_ACCESS, Permission.ASSIGN
    return (
        Endpoint("GET", path, f"What a person was given by hand {where}", read, "AssignmentsThere", _there),
        Endpoint(
            "PUT",
            path,
            f"Give a person a role by hand {where}",
            write,
            "Assigned",
            _assign,
            query=(day("until", "The last whole day (UTC) on which it holds."), _REASON, *_FOR),
            body=_BODY,
            status=201,
            also=(200,),
            problems=_REFUSALS,
            description="In a slot that holds one role it takes the place of what was given by hand before.",
        ),
        Endpoint(
            "DELETE",
            path,
            f"End what a person was given by hand {where}",
            write,
            "Unassigned",
            _unassign,
            query=(
                word("slot", "Only this kind of role."),
                word("role", "Only this role; needed where several were given in one slot."),
                _REASON,
                *_FOR,
            ),
            problems=_REFUSALS,
        ),
    )


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/assignments",
        "What was given by hand, and what has become of it",
        Permission.READ_ACCESS,
        "Assignments",
        _listing,
        query=(
            word("workspace", "Only in this workspace."),
            word("project", "Only in this project."),
            word("user", f"Only to this person. {USER}"),
            flag("ended", "Those that were ended too."),
            *PAGED,
        ),
    ),
    *_endpoints("/users/{user}/assignments/{workspace}", "in a workspace itself"),
    *_endpoints("/users/{user}/assignments/{workspace}/{project}", "in a project"),
)
