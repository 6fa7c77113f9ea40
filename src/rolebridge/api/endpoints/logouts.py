"""Whether applications heard that sessions ended."""

from __future__ import annotations

from typing import Final

from rolebridge.api.named import application_of
from rolebridge.api.parameters import PAGED, next_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.logout_documents import logout_document
from rolebridge.bridge.permissions import Permission


def _logouts(use: UseCases, call: Call) -> Answer:
    found, limit = application_of(use, call), call.query.limit()
    rows = use.logouts.newest(found, limit + 1, call.query.cursor_moment())
    last = rows[limit - 1] if len(rows) > limit else None
    place = [last.created.isoformat(), last.id] if last else None
    return Answer({"logouts": [logout_document(one) for one in rows[:limit]], "next_cursor": next_cursor(place)})


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/applications/{application}/logouts",
        "Notices of logout to an application, newest first",
        Permission.READ_RECORD,
        "Logouts",
        _logouts,
        query=PAGED,
        description="Which were heard, which wait for another attempt, which were given up, and why.",
    ),
)
