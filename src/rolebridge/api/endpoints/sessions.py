"""Who is signed in with a browser, and signing people out."""

from __future__ import annotations

from typing import Final

from rolebridge.api.parameters import PAGED, next_cursor, word
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.permissions import Permission
from rolebridge.bridge.session_documents import session_document


def _sessions(use: UseCases, call: Call) -> Answer:
    said = call.query
    (after,) = said.cursor(1) or ("",)
    limit, user = said.limit(), said.text("user")
    user_id = use.access.user_id(call.organization_id, user) if user else None
    rows = use.sessions.page(call.organization_id, after, limit + 1, user_id)
    place = [rows[limit - 1].session.id] if len(rows) > limit else None
    return Answer({"sessions": [session_document(one) for one in rows[:limit]], "next_cursor": next_cursor(place)})


def _end(use: UseCases, call: Call) -> Answer:
    use.sessions.end_one(call.operator, call.organization_id, call.path["id"])
    return Answer(None, 204)


def _end_of_person(use: UseCases, call: Call) -> Answer:
    user_id = use.access.user_id(call.organization_id, call.path["user"])
    return Answer({"ended": use.sessions.end_of_person(call.operator, call.organization_id, user_id)})


def _end_all(use: UseCases, call: Call) -> Answer:
    return Answer({"ended": use.sessions.end_of_everybody(call.operator, call.organization_id)})


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/sessions",
        "Who is signed in with a browser",
        Permission.READ_RECORD,
        "Sessions",
        _sessions,
        query=(word("user", "Only this person's."), *PAGED),
    ),
    Endpoint("DELETE", "/sessions", "Sign everybody out", Permission.END_SESSIONS, "SessionsEnded", _end_all),
    Endpoint("DELETE", "/sessions/{id}", "End one session", Permission.END_SESSIONS, None, _end, status=204),
    Endpoint(
        "DELETE",
        "/users/{user}/sessions",
        "Sign a person out everywhere",
        Permission.END_SESSIONS,
        "SessionsEnded",
        _end_of_person,
        description="Their applications are told, and what these were given for the person ends with the sessions.",
    ),
)
