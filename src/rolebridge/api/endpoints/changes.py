"""The feed of changes: how an application follows who holds what, without missing one."""

from __future__ import annotations

from typing import Final

from rolebridge.api.parameters import LIMIT, Parameters, Query, next_cursor, number_of_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import GIVEN_TEXT
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.feed import FeedPlace, change_document
from rolebridge.bridge.permissions import Permission
from rolebridge.web.problems import Kind


def _changes(use: UseCases, call: Call) -> Answer:
    limit = call.query.limit()
    page = use.feed.page(call.organization_id, _since(call.query), workspace=call.workspace, limit=limit)
    cursor = next_cursor((str(page.place.position), page.place.at))
    return Answer({"changes": [change_document(one) for one in page.entries], "cursor": cursor, "more": page.more})


def _since(said: Parameters) -> FeedPlace | None:
    found = said.cursor(2, "since")
    if found is None:
        return None
    position, at = found
    return FeedPlace(number_of_cursor(position, "since"), at)


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/changes",
        "What has changed since a cursor, in the order in which it did",
        Permission.READ_ACCESS,
        "Changes",
        _changes,
        query=(
            Query(
                "since",
                "The `cursor` of the answer before, or `changes_cursor` of `/access`; from the oldest change kept "
                "without it.",
                {**GIVEN_TEXT, "maxLength": 2_000},
            ),
            Query("workspace", "Only changes in this workspace.", GIVEN_TEXT),
            LIMIT,
        ),
        description="Every change that was committed before the request is in the feed, once, and those of one "
        "person are in their order. An answer may be empty though there is `more`. 410 says that changes after the "
        "cursor are not kept any more.",
        problems=(Kind.GONE,),
    ),
)
