"""Notices of logout as JSON, the same from command line and API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rolebridge.core.moments import stamp, stamp_or_none

if TYPE_CHECKING:  # `--help` needs no database
    from rolebridge.store.logout_notices import LogoutNotice

STATES: Final = ("delivered", "waiting", "given-up")
"""What may have come of a notice."""


def state_of(notice: LogoutNotice) -> str:
    """Return which of the states a notice is in."""
    if notice.delivered_at is not None:
        return "delivered"
    return "waiting" if notice.given_up_at is None else "given-up"


def logout_document(notice: LogoutNotice) -> dict[str, Any]:
    """Return a notice: of whom and of which session, and what came of it."""
    return {
        "id": notice.id,
        "application": notice.application_id,
        "user": notice.user_id,
        "session": notice.session_id,
        "created": stamp(notice.created),
        "state": state_of(notice),
        "attempts": notice.attempts,
        "next_at": stamp_or_none(notice.next_at),
        "delivered_at": stamp_or_none(notice.delivered_at),
        "given_up_at": stamp_or_none(notice.given_up_at),
        "problem": notice.problem,
    }
