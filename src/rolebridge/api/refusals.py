"""What use cases refuse → problem documents: the one place that knows both."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from rolebridge.api.usecases import UseCases
from rolebridge.bridge.feed import FeedGone
from rolebridge.bridge.idempotency import AnswerLost, KeyInUse, KeyReused
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError, Taken, Unavailable, VersionMismatch
from rolebridge.web.keys import KeyHolder
from rolebridge.web.problems import Kind, Problem

logger = logging.getLogger("rolebridge.api")


_PLAIN: Final[Mapping[type[RolebridgeError], Kind]] = {
    Taken: Kind.TAKEN,
    VersionMismatch: Kind.PRECONDITION_FAILED,
    AnswerLost: Kind.ANSWER_LOST,
    KeyReused: Kind.KEY_REUSED,
}
"""Refusals that say everything in their own words."""


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
        case FeedGone():
            return Problem(Kind.GONE, str(error), more={"resync": "/api/v1/access"})
        case KeyInUse():
            return Problem(Kind.IN_PROGRESS, str(error), headers=_again(1))
    kind = _PLAIN.get(type(error))
    return Problem(kind, str(error)) if kind else None


def _again(seconds: int) -> tuple[tuple[str, str], ...]:
    return (("Retry-After", str(seconds)),)


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
