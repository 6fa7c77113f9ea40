"""Who holds what, and why."""

from __future__ import annotations

from typing import Final

from rolebridge.api.parameters import PAGED, choice, moment, next_cursor, word
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.access_then import held_then_document
from rolebridge.bridge.explanation_documents import explained_document, not_held_document
from rolebridge.bridge.explanation_graph import LANGUAGES, graph_of
from rolebridge.bridge.grant_documents import held_document
from rolebridge.bridge.permissions import Permission
from rolebridge.core.grants import GrantKey
from rolebridge.core.moments import stamp

GRAPH: Final = "text/plain"
USER: Final = "A userName, an id, or what stands before the @ of one userName."


def _access(use: UseCases, call: Call) -> Answer:
    said = call.query
    after = said.cursor(len(GrantKey._fields))
    # Taken before the page is read: whoever reads all pages and then follows from here misses nothing.
    now = use.feed.now(call.organization_id)
    listing = use.access.listing(
        call.organization_id,
        workspace=call.workspace,
        project=said.text("project"),
        user=person_of(use, call, said.text("user")),
        limit=said.limit(),
        after=GrantKey(*after) if after else None,
    )
    place = [getattr(listing.after, name) for name in GrantKey._fields] if listing.after else None
    return Answer(
        {
            "access": [held_document(row) for row in listing.rows],
            "next_cursor": next_cursor(place),
            "changes_cursor": next_cursor((str(now.position), now.at)),
        }
    )


def _access_then(use: UseCases, call: Call) -> Answer:
    said = call.query
    (after,) = said.cursor(1) or ("",)
    name, at = said.text("user"), said.required_moment("at")
    page = use.access_then.page(
        call.organization_id,
        at,
        workspace=call.workspace,
        project=said.text("project"),
        user_id=name and (name if call.holder.workspace else use.auditing.user_id(call.organization_id, name, at)),
        after=after,
        limit=said.limit(),
    )
    further = next_cursor(None if page.after is None else [page.after])
    return Answer({"at": stamp(at), "access": [held_then_document(row) for row in page.rows], "next_cursor": further})


def _explanations(use: UseCases, call: Call) -> Answer:
    said, where = call.query, {"workspace": call.workspace, "project": call.query.text("project")}
    user, at = person_of(use, call, said.required("user")) or "", said.moment("at")
    if at is None:
        found = use.explaining.explain(call.organization_id, user, **where)
    else:
        found = use.explaining.explain_then(call.organization_id, user, at, **where)
    form = said.text("format") or "json"
    if form in LANGUAGES:
        return Answer(LANGUAGES[form](graph_of(found)) + "\n", media=GRAPH)
    organization = use.administration.organization_of(call.organization_id)
    return Answer({"organization": organization.name, "explanations": [explained_document(one) for one in found]})


def _why_not(use: UseCases, call: Call) -> Answer:
    said = call.query
    found = use.explaining.why_not(
        call.organization_id,
        person_of(use, call, said.required("user")) or "",
        said.required("role"),
        workspace=call.workspace,
        project=said.text("project"),
        slot=said.text("slot"),
    )
    return Answer({"why_not": not_held_document(found)})


def person_of(use: UseCases, call: Call, name: str | None) -> str | None:
    """Return whom a parameter names: for a key of one workspace an id, since it may not name strangers in part."""
    if name is None or call.holder.workspace is None:
        return name
    return use.membership.stranger(call.organization_id, name, within=call.holder.workspace).id


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/access",
        "Who holds what, as recorded",
        Permission.READ_ACCESS,
        "Access",
        _access,
        query=(
            word("workspace", "Only this workspace."),
            word("project", "Only who is in this project, roles that reach every one included."),
            word("user", f"Only this person. {USER}"),
            *PAGED,
        ),
        description="The way to read everything before following `/changes` from `changes_cursor` of the first page.",
    ),
    Endpoint(
        "GET",
        "/access/past",
        "Who held what at a moment that has passed, from the record",
        Permission.READ_ACCESS,
        "AccessThen",
        _access_then,
        query=(
            moment("at", "The moment.", required=True),
            word("workspace", "Only this workspace."),
            word("project", "Only who was in this project, roles that reached every one included."),
            word("user", f"Only this person, deleted since or not. {USER} With a key of one workspace an id."),
            *PAGED,
        ),
        description="People who were deleted since are among them, person by person in the order of their ids. All "
        "roles of a person are on one page, which may therefore be longer than `limit`.",
    ),
    Endpoint(
        "GET",
        "/explanations",
        "Why somebody has the roles they have, and what would change them",
        Permission.READ_ACCESS,
        "Explanations",
        _explanations,
        query=(
            word("user", USER, required=True),
            word("workspace", "Only this workspace."),
            word("project", "One project, with what would change the role there."),
            moment("at", "As it was at this moment, from the record: by what was known and in force then."),
            choice("format", "`mermaid` or `dot`: a graph as text.", ("json", *LANGUAGES)),
        ),
        media=(GRAPH,),
    ),
    Endpoint(
        "GET",
        "/explanations/why-not",
        "What would have to change for somebody to hold a role",
        Permission.READ_ACCESS,
        "WhyNotAnswer",
        _why_not,
        query=(
            word("user", USER, required=True),
            word("role", "The role's id.", required=True),
            word("workspace", "The workspace; may be left out where only one can be meant."),
            word("project", "The project; without it a role of the workspace is meant."),
            word("slot", "The kind of role; may be left out where only one has the role."),
        ),
    ),
)
