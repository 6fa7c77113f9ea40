"""People, and the roles that one of them holds."""

from __future__ import annotations

from typing import Final

from rolebridge.api.parameters import PAGED, next_cursor, word
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.member_documents import member_document, person_document
from rolebridge.bridge.members import Scope
from rolebridge.bridge.permissions import Permission


def _users(use: UseCases, call: Call) -> Answer:
    said = call.query
    (after,) = said.cursor(1) or ("",)
    found = use.membership.people(
        call.organization_id,
        prefix=said.text("user_name") or "",
        workspace=call.workspace,
        after=after,
        limit=said.limit(),
    )
    place = None if found.after is None else [found.after]
    return Answer({"users": [person_document(one) for one in found.people], "next_cursor": next_cursor(place)})


def _user(use: UseCases, call: Call) -> Answer:
    return Answer(
        person_document(use.membership.person(call.organization_id, call.path["user"], within=call.workspace))
    )


def _roles(use: UseCases, call: Call) -> Answer:
    said = call.query
    scope = Scope(call.workspace, said.text("project"), said.text("slot"), said.text("role"))
    member = use.membership.roles(call.organization_id, call.path["user"], scope, within=call.holder.workspace)
    return Answer(member_document(member))


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/users",
        "People, by userName",
        Permission.READ_ACCESS,
        "Users",
        _users,
        query=(
            word("user_name", "Only userNames that begin with this, apart from case."),
            word("workspace", "Only people who hold something in this workspace."),
            *PAGED,
        ),
        description="A key for one workspace sees those alone who hold something there.",
    ),
    Endpoint("GET", "/users/{user}", "One person", Permission.READ_ACCESS, "User", _user),
    Endpoint(
        "GET",
        "/users/{user}/roles",
        "What a person holds now, in all workspaces, and through what",
        Permission.READ_ACCESS,
        "Member",
        _roles,
        query=(
            word("workspace", "Only in this workspace."),
            word("project", "Only in this project, roles of its workspace that reach it included."),
            word("slot", "Only this kind of role."),
            word("role", "Only this role; with `workspace`, `project` and `slot` the answer is a yes or a no."),
        ),
        description="As recorded: nothing is resolved, and one look into an index answers it.",
    ),
)
