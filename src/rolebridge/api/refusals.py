"""What use cases refuse → problem documents: the one place that knows both."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from rolebridge.api.usecases import UseCases
from rolebridge.bridge.approvals import SamePerson
from rolebridge.bridge.assignment_documents import refusal_document
from rolebridge.bridge.decision_documents import verdict_document
from rolebridge.bridge.delegating import NotDelegated
from rolebridge.bridge.diagnostic_documents import diagnostics_document, run_document
from rolebridge.bridge.feed import FeedGone
from rolebridge.bridge.holding import NotKept
from rolebridge.bridge.idempotency import AnswerLost, KeyInUse, KeyReused
from rolebridge.bridge.plan_documents import trip_document
from rolebridge.bridge.planning import GuardTripped, MappingRefused, PlanMoved
from rolebridge.bridge.testing import CasesFailed
from rolebridge.core.assignment import LockKind
from rolebridge.core.by_hand import AssignmentRefused
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError, Taken, Unavailable, VersionMismatch
from rolebridge.web.keys import KeyHolder
from rolebridge.web.problems import Kind, Problem

logger = logging.getLogger("rolebridge.api")


def problem_of(error: RolebridgeError, use: UseCases, holder: KeyHolder, request_id: str) -> Problem | None:
    """Return what is said to a key whose request was refused, None for an error that is a defect."""
    match error:
        case NotFound():
            return _missing(error, use, holder)
        case Invalid():
            return _invalid(error, holder)
        case Unavailable():
            logger.error("request %s: %s", request_id, error)
            return Problem(Kind.UNAVAILABLE, error.told, headers=_again(error.retry_after))
    tell = _TOLD.get(type(error))
    return tell(error) if tell else None


def _again(seconds: int) -> tuple[tuple[str, str], ...]:
    return (("Retry-After", str(seconds)),)


def _locked(refused: AssignmentRefused) -> Problem:
    """Return the refusal of a change by hand: what holds the role, and each way out."""
    document, user = refusal_document(refused), refused.context.user
    asked = {"user": user.id, "workspace": document["workspace"], "project": document["project"]}
    explain = "/api/v1/explanations?" + urlencode({name: value for name, value in asked.items() if value})
    lock = document["lock"]
    more = {name: value for name, value in document.items() if name != "detail"} | {"explain": explain}
    if lock is None:
        return Problem(Kind.REFUSED, str(refused), more=more)
    return Problem(Kind.LOCKED, str(refused), more=more, title=_LOCKED_BY.get(lock["kind"], ""))


_LOCKED_BY: Final = {
    LockKind.GROUP: "Locked by a group",
    LockKind.RULE: "Locked by a rule",
    LockKind.WORKSPACE_WIDE: "Locked by a role of the whole workspace",
    LockKind.OUTSIDE: "Held on the platform itself",
}


def _plain(kind: Kind) -> Callable[[Any], Problem]:
    """Return what tells of errors that say everything in their own words."""
    return lambda error: Problem(kind, str(error))


_TOLD: Final[Mapping[type[RolebridgeError], Callable[[Any], Problem]]] = {
    Taken: _plain(Kind.TAKEN),
    VersionMismatch: _plain(Kind.PRECONDITION_FAILED),
    AnswerLost: _plain(Kind.ANSWER_LOST),
    KeyReused: _plain(Kind.KEY_REUSED),
    KeyInUse: lambda error: Problem(Kind.IN_PROGRESS, str(error), headers=_again(1)),
    FeedGone: lambda error: Problem(Kind.GONE, str(error), more={"resync": "/api/v1/access"}),
    AssignmentRefused: _locked,
    MappingRefused: lambda error: Problem(
        Kind.MAPPING_ERRORS, str(error), more=diagnostics_document(error.diagnostics)
    ),
    CasesFailed: lambda error: Problem(Kind.MAPPING_ERRORS, str(error), more=run_document(error.run)),
    PlanMoved: lambda error: Problem(
        Kind.PLAN_MOVED,
        str(error),
        more={"moved": list(error.moved), "digest": error.digest, "base_revision": error.base_revision},
    ),
    SamePerson: _plain(Kind.REFUSED),
    NotDelegated: lambda error: Problem(
        Kind.REFUSED, str(error), more={"delegation": verdict_document(error.answered)}
    ),
    NotKept: lambda error: Problem(Kind.REFUSED, str(error), more={"roles": list(error.roles)}),
    GuardTripped: lambda error: Problem(
        Kind.GUARDED, str(error), more={"trips": [trip_document(trip) for trip in error.trips]}
    ),
}


def _missing(missing: NotFound, use: UseCases, holder: KeyHolder) -> Problem:
    """Return the refusal, with what may have been meant where the key may know that."""
    hint = None if holder.workspace else use.access.hint(holder.organization_id, missing)
    more = {"kind": missing.kind, "name": missing.name[:200], **({"hint": hint} if hint else {})}
    return Problem(Kind.NOT_FOUND, str(missing)[:500], more=more)


def _invalid(error: Invalid, holder: KeyHolder) -> Problem:
    detail = str(error)
    if holder.workspace and error.field == "user":
        # The words may name people, of whom a key for one workspace is told nothing.
        detail = "the name may mean several people; say the whole userName"
    return Problem(Kind.INVALID, detail, more={"field": error.field} if error.field else {})
