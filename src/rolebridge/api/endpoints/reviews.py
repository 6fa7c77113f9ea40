"""Access reviews: what a reviewer decides on, as JSON or as a table to fill in."""

from __future__ import annotations

from typing import Any, Final

from rolebridge.api.parameters import PAGED, moment, next_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.permissions import Permission
from rolebridge.bridge.reviewing import COLUMNS, DECISION, ReviewRow
from rolebridge.core.moments import stamp_or_none
from rolebridge.core.sheets import text_of

TABLE: Final = "text/csv"


def _review(use: UseCases, call: Call) -> Answer:
    (after,) = call.query.cursor(1) or ("",)
    at = call.query.moment("at")
    page = use.reviewing.page(call.organization_id, call.the_workspace, at, after=after, limit=call.query.limit())
    further = next_cursor(None if page.after is None else [page.after])
    if not call.prefers(TABLE):
        return Answer({"review": [_document(row) for row in page.rows], "next_cursor": further})
    empty = ("",) * len(DECISION)
    lines = [[*(getattr(row, name) for name in COLUMNS), *empty] for row in page.rows]
    head = [] if after else [[*COLUMNS, *DECISION]]
    return Answer(text_of([*head, *lines]), media=TABLE, next_cursor=further)


def _document(row: ReviewRow) -> dict[str, Any]:
    moments = {name: stamp_or_none(getattr(row, name)) for name in ("roles_changed", "person_changed", "moved_at")}
    return {name: getattr(row, name) for name in COLUMNS} | moments


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/workspaces/{workspace}/review",
        "Who holds what in a workspace and why, for whoever reviews it",
        Permission.READ_ACCESS,
        "Review",
        _review,
        query=(moment("at", "What was held at this moment, from the record."), *PAGED),
        media=(TABLE,),
        description="All roles of a person are on one page, which may therefore be longer than `limit`. With `Accept: "
        "text/csv` the table of `rolebridge review`, with empty columns for the decision; pages go on without a head, "
        "where the header `Link` leads.",
    ),
)
