"""The audit: who did what, when and why; and whether its chain is whole."""

from __future__ import annotations

from typing import Final

from rolebridge.api.parameters import PAGED, moment, next_cursor, word
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.audit_documents import audit_document, verified_document
from rolebridge.bridge.permissions import Permission
from rolebridge.store.audit_listing import WantedAudit


def _audit(use: UseCases, call: Call) -> Answer:
    said = call.query
    wanted = WantedAudit(
        kind=said.text("kind"),
        subject_kind=said.text("subject_kind"),
        subject_id=said.text("subject_id"),
        actor=said.text("actor"),
        request_id=said.text("request_id"),
        since=said.moment("since"),
        until=said.moment("until"),
    )
    page = use.auditing.page(call.organization_id, wanted, before=call.query.cursor_number(), limit=said.limit())
    place = None if page.before is None else [str(page.before)]
    return Answer({"audit": [audit_document(row) for row in page.rows], "next_cursor": next_cursor(place)})


def _verify(use: UseCases, call: Call) -> Answer:
    return Answer(verified_document(use.auditing.verify(call.organization_id)))


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/audit",
        "What happened, newest first",
        Permission.READ_RECORD,
        "Audit",
        _audit,
        query=(
            word("kind", "Only rows of this kind (`assignment.made`), or with a dot at its end all that begin so."),
            word("subject_kind", "Only rows about this kind of thing (`user`)."),
            word("subject_id", "Only rows about the thing with this id."),
            word("actor", "Only what this actor did (`key:portal (1f0c22ab)`)."),
            word("request_id", "Only what this request did."),
            moment("since", "From this moment on."),
            moment("until", "Before this moment."),
            *PAGED,
        ),
        description="A page may be empty though there is a next one: it looked far enough back.",
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
