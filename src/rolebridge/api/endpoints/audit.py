"""The audit: who did what, when and why; and whether its chain is whole."""

from __future__ import annotations

import json
from typing import Final

from rolebridge.api.parameters import PAGED, Parameters, moment, next_cursor, word
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import GIVEN_TEXT, record
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.audit_documents import audit_document, erased_document, export_document, verified_document
from rolebridge.bridge.permissions import Permission
from rolebridge.store.audit_listing import WantedAudit

LINES: Final = "application/x-ndjson"


def _wanted(said: Parameters) -> WantedAudit:
    return WantedAudit(
        kind=said.text("kind"),
        subject_kind=said.text("subject_kind"),
        subject_id=said.text("subject_id"),
        actor=said.text("actor"),
        request_id=said.text("request_id"),
        since=said.moment("since"),
        until=said.moment("until"),
    )


def _audit(use: UseCases, call: Call) -> Answer:
    said = call.query
    wanted = _wanted(said)
    page = use.auditing.page(call.organization_id, wanted, before=call.query.cursor_number(), limit=said.limit())
    place = None if page.before is None else [str(page.before)]
    return Answer({"audit": [audit_document(row) for row in page.rows], "next_cursor": next_cursor(place)})


def _export(use: UseCases, call: Call) -> Answer:
    said, after = call.query, call.query.cursor_number()
    page = use.auditing.export_page(call.organization_id, _wanted(said), after=after, limit=said.limit())
    rows = [export_document(row) for row in page.rows]
    further = next_cursor(None if page.before is None else [str(page.before)])
    if call.prefers(LINES):
        text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        return Answer(text, media=LINES, next_cursor=further)
    return Answer({"audit": rows, "next_cursor": further})


def _erase(use: UseCases, call: Call) -> Answer:
    erased = use.auditing.erase(call.operator, call.organization_id, call.path["user"], reason=call.body["reason"])
    return Answer(erased_document(erased))


def _verify(use: UseCases, call: Call) -> Answer:
    return Answer(verified_document(use.auditing.verify(call.organization_id)))


_FILTERS: Final = (
    word("kind", "Only rows of this kind (`assignment.made`), or with a dot at its end all that begin so."),
    word("subject_kind", "Only rows about this kind of thing (`user`)."),
    word("subject_id", "Only rows about the thing with this id."),
    word("actor", "Only what this actor did (`key:portal (1f0c22ab)`)."),
    word("request_id", "Only what this request did."),
    moment("since", "From this moment on."),
    moment("until", "Before this moment."),
)

ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/audit",
        "What happened, newest first",
        Permission.READ_RECORD,
        "Audit",
        _audit,
        query=(
            *_FILTERS,
            *PAGED,
        ),
        description="A page may be empty though there is a next one: it looked far enough back.",
    ),
    Endpoint(
        "GET",
        "/audit/export",
        "What happened, oldest first, with all that it takes to verify it elsewhere",
        Permission.READ_RECORD,
        "AuditExport",
        _export,
        query=(*_FILTERS, *PAGED),
        media=(LINES,),
        description="With `Accept: application/x-ndjson` a line for each row, as `rolebridge audit export` prints; the "
        "header `Link` leads to the next page.",
    ),
    Endpoint(
        "POST",
        "/users/{user}/erasure",
        "Take the personal data of somebody who is deleted out of the record; the audit's chain stays whole",
        Permission.ERASE,
        "Erased",
        _erase,
        body=record({"reason": {**GIVEN_TEXT, "description": "Why; it stays in the audit, so it names nobody."}}),
        description="`{user}` is the id or the last userName. What they held stays, by ids and roles.",
    ),
    Endpoint(
        "GET",
        "/audit/verification",
        "Whether everything that is sealed in the chain holds",
        Permission.READ_RECORD,
        "Verified",
        _verify,
    ),
)
