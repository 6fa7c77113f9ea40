"""What happened: the status of an organization, and what its connections sent."""

from __future__ import annotations

from typing import Final

from rolebridge.api.named import connection_of
from rolebridge.api.parameters import PAGED, flag, invalid, moment, next_cursor, word
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.permissions import Permission
from rolebridge.bridge.status_documents import request_document, status_document
from rolebridge.core.errors import NotFound
from rolebridge.store.request_log import Wanted

USER: Final = "A userName, an id, or what stands before the @ of one userName."


def _status(use: UseCases, call: Call) -> Answer:
    organization = use.administration.organization_of(call.organization_id)
    return Answer(status_document(use.status.of(organization)))


def _requests(use: UseCases, call: Call) -> Answer:
    connection, said = connection_of(use, call), call.query
    statuses = said.statuses()
    if said.flag("errors"):
        if statuses != (0, 999):
            raise invalid("errors", "and `status` say two different things; choose one")
        statuses = (400, 999)
    user = said.text("user")
    page = use.request_log.page(
        call.organization_id,
        Wanted(
            connection.id,
            said.moment("since"),
            statuses,
            said.text("path"),
            use.access.user_id(call.organization_id, user) if user else None,
        ),
        before=said.cursor_moment(),
        limit=said.limit(),
    )
    names = {connection.id: connection.name}
    place = (page.before[0].isoformat(), page.before[1]) if page.before else None
    rows = [request_document(row, names) for row in page.rows]
    return Answer({"requests": rows, "next_cursor": next_cursor(place)})


def _request(use: UseCases, call: Call) -> Answer:
    connection, request_id = connection_of(use, call), call.path["id"]
    row = use.request_log.request(call.organization_id, request_id)
    if row.connection_id != connection.id:
        raise NotFound("logged request", request_id)
    return Answer(request_document(row, {connection.id: connection.name}))


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/status",
        "How connections fare, and what needs attention",
        Permission.READ_RECORD,
        "Status",
        _status,
    ),
    Endpoint(
        "GET",
        "/connections/{connection}/requests",
        "What a connection sent, newest first",
        Permission.READ_RECORD,
        "Requests",
        _requests,
        query=(
            moment("since", "Only since this moment."),
            word("status", "Only answers with this status (`409`), or of this class (`4xx`)."),
            flag("errors", "Only refused requests."),
            word("path", "Only requests with this in their path or query."),
            word("user", f"Only requests about this user. {USER}"),
            *PAGED,
        ),
    ),
    Endpoint(
        "GET",
        "/connections/{connection}/requests/{id}",
        "One request of a connection",
        Permission.READ_RECORD,
        "Request",
        _request,
    ),
)
