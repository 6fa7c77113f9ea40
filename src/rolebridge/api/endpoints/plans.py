"""Mapping files: what they would do, put in force, taken back, and the revisions that were in force."""

from __future__ import annotations

from typing import Any, Final

from rolebridge.api.parameters import PAGED, next_cursor
from rolebridge.api.proposals import or_proposed
from rolebridge.api.routing import LARGE_BODY, Answer, Call, Endpoint, permit
from rolebridge.api.shapes import COUNT, FLAG, GIVEN_TEXT, TEXT, Schema, record
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.diagnostic_documents import diagnostics_document
from rolebridge.bridge.permissions import Permission
from rolebridge.bridge.plan_documents import applied_document, plan_document, revision_document, revision_files
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.web.problems import Kind, Problem

_MOST_CHANGES: Final = 10_000
_FILES: Final[Schema] = {
    "type": "object",
    "description": "The files by their names (`mappings/acme-vision.yaml`), cases beside them included.",
    "propertyNames": {**GIVEN_TEXT, "maxLength": 300},
    "additionalProperties": TEXT,
    "maxProperties": 1_000,
}
_ROLLBACK: Final[Schema] = {
    "type": "integer",
    "minimum": 1,
    "maximum": 2**53,
    "description": "Instead of files: the revision whose files are to be in force again.",
}
DIGEST: Final[Schema] = {
    "type": "string",
    "minLength": 64,
    "maxLength": 64,
    "description": "That of the plan that was reviewed.",
}


def _plan(use: UseCases, call: Call) -> Answer:
    shown = call.body.get("changes", 20)
    files, number = _source(call.body)
    if number is None:
        planned = use.planning.plan(call.organization_id, files, shown=shown)
    else:
        planned = use.planning.plan_rollback(call.organization_id, number, shown=shown)
    return Answer({"plan": plan_document(planned.plan), **diagnostics_document(planned.diagnostics)})


def _apply(use: UseCases, call: Call) -> Answer:
    return or_proposed(lambda: _applied(use, call))


def _applied(use: UseCases, call: Call) -> Answer:
    body = call.body
    reason = body.get("reason", "")
    files, number = _source(body)
    approval = {"digest": body["digest"], "force_reason": forced(call, body), "reason": reason}
    if number is None:
        done = use.planning.apply(call.operator, call.organization_id, files, **approval)
    else:
        done = use.planning.rollback(call.operator, call.organization_id, number, **approval)
    document = {"applied": applied_document(done), **diagnostics_document(done.diagnostics)}
    return Answer(document, 201 if done.new else 200)


def forced(call: Call, body: dict[str, Any]) -> str:
    """Return the reason for which guard rails may be passed, "" where they may not. Raises Problem."""
    if not body.get("force", False):
        return ""
    permit(call.holder, Permission.FORCE)
    reason: str = body.get("reason", "").strip()
    if not reason:
        raise Invalid("whoever forces says why: `reason`", "reason")
    return reason


def _source(body: dict[str, Any]) -> tuple[dict[str, str], int | None]:
    """Return the files of a body, or the revision that it goes back to."""
    if ("files" in body) == ("rollback_to" in body):
        raise Problem(Kind.INVALID, "give either `files` or `rollback_to`", more={"field": "files"})
    return body.get("files", {}), body.get("rollback_to")


def _revisions(use: UseCases, call: Call) -> Answer:
    limit, before = call.query.limit(), call.query.cursor_number()
    rows = use.planning.revisions(call.organization_id, before=before, limit=limit + 1)
    current = use.planning.revisions(call.organization_id, limit=1)
    active = current[0].number if current else 0
    place = [str(rows[limit - 1].number)] if len(rows) > limit else None
    shown = [revision_document(row, in_force=row.number == active) for row in rows[:limit]]
    return Answer({"revisions": shown, "next_cursor": next_cursor(place)})


def _revision(use: UseCases, call: Call) -> Answer:
    number = _number(call)
    found, _ = use.planning.revision(call.organization_id, number)
    newest = use.planning.revisions(call.organization_id, limit=1)
    return Answer(revision_document(found, in_force=found.number == newest[0].number))


def _files(use: UseCases, call: Call) -> Answer:
    _, files = use.planning.revision(call.organization_id, _number(call))
    return Answer({"files": revision_files(files)})


def _number(call: Call) -> int:
    text = call.path["number"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound("revision", text)
    return int(text)


ENDPOINTS: Final = (
    Endpoint(
        "POST",
        "/plans",
        "Say what mapping files would do, now and later; nothing is written",
        Permission.PLAN,
        "Planned",
        _plan,
        body=record(
            {
                "files": _FILES,
                "rollback_to": _ROLLBACK,
                "changes": {**COUNT, "maximum": _MOST_CHANGES, "description": "How many of each workspace are shown."},
            },
            optional=("files", "rollback_to", "changes"),
        ),
        body_limit=LARGE_BODY,
        problems=(Kind.MAPPING_ERRORS, Kind.NOT_FOUND),
        safe=True,
    ),
    Endpoint(
        "POST",
        "/revisions",
        "Put the files of a reviewed plan in force, or go back to a revision",
        Permission.APPLY,
        "Applied",
        _apply,
        body=record(
            {
                "files": _FILES,
                "rollback_to": _ROLLBACK,
                "digest": DIGEST,
                "reason": {**GIVEN_TEXT, "description": "Why; it stays with the revision."},
                "force": {**FLAG, "description": "Pass guard rails all the same; needs `force`, and a reason."},
            },
            optional=("files", "rollback_to", "reason", "force"),
        ),
        body_limit=LARGE_BODY,
        status=201,
        also=(200,),
        problems=(Kind.MAPPING_ERRORS, Kind.PLAN_MOVED, Kind.GUARDED, Kind.NOT_FOUND),
        proposes=True,
        description="201 with a new revision, 200 when the files are in force already.",
    ),
    Endpoint(
        "GET",
        "/revisions",
        "The revisions that are or were in force, newest first",
        Permission.READ_RECORD,
        "Revisions",
        _revisions,
        query=PAGED,
    ),
    Endpoint("GET", "/revisions/{number}", "One revision", Permission.READ_RECORD, "Revision", _revision),
    Endpoint(
        "GET", "/revisions/{number}/files", "The files of a revision", Permission.READ_RECORD, "RevisionFiles", _files
    ),
)
