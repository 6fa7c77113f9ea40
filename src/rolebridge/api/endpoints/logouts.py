"""Whether applications heard that sessions ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rolebridge.api.parameters import PAGED, Parameters, next_cursor, not_a_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.logout_documents import logout_document
from rolebridge.bridge.permissions import Permission
from rolebridge.core.errors import NotFound


def _logouts(use: UseCases, call: Call) -> Answer:
    organization = use.administration.organization_of(call.organization_id)
    wanted, limit = call.path["id"], call.query.limit()
    found = next((one for one in use.applications.all(organization) if one.id == wanted), None)
    if found is None:
        raise NotFound("application", wanted)  # by its whole id: a program has it
    rows = use.logouts.newest(found, limit + 1, _place(call.query))
    last = rows[limit - 1] if len(rows) > limit else None
    place = [last.created.isoformat(), last.id] if last else None
    return Answer({"logouts": [logout_document(one) for one in rows[:limit]], "next_cursor": next_cursor(place)})


def _place(said: Parameters) -> tuple[datetime, str] | None:
    found = said.cursor(2)
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found[0]).astimezone(UTC), found[1]
    except (ValueError, OverflowError):
        raise not_a_cursor() from None


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/applications/{id}/logouts",
        "Notices of logout to an application, newest first",
        Permission.READ_RECORD,
        "Logouts",
        _logouts,
        query=PAGED,
        description="Which were heard, which wait for another attempt, which were given up, and why.",
    ),
)
