"""Who holds what, and why."""

from __future__ import annotations

from typing import Final

from rolebridge.api.parameters import PAGED, next_cursor, word
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.documents import explanation_document, held_document
from rolebridge.bridge.permissions import Permission
from rolebridge.core.grants import GrantKey

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


def _explanations(use: UseCases, call: Call) -> Answer:
    found = use.explaining.explain(
        call.organization_id,
        person_of(use, call, call.query.required("user")) or "",
        workspace=call.workspace,
        project=call.query.text("project"),
    )
    organization = use.administration.organization_of(call.organization_id)
    return Answer({"organization": organization.name, "explanations": [explanation_document(one) for one in found]})


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
        "/explanations",
        "Why somebody has the roles they have, and what would change them",
        Permission.READ_ACCESS,
        "Explanations",
        _explanations,
        query=(
            word("user", USER, required=True),
            word("workspace", "Only this workspace."),
            word("project", "One project, with what would change the role there."),
        ),
    ),
)
