"""Sessions as JSON, the same from command line and API: never a secret."""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.sessions import SignedIn
from rolebridge.core.moments import stamp, stamp_or_none


def session_document(signed_in: SignedIn) -> dict[str, Any]:
    """Return who is signed in where as JSON has it."""
    session = signed_in.session
    return {
        "id": session.id,
        "user_id": session.user_id,
        "user_name": signed_in.user_name,
        "connection": signed_in.connection,
        "protocol": session.protocol.value,
        "context": session.context,
        "authenticated_at": stamp_or_none(session.authenticated_at),
        "begun_at": stamp(session.begun_at),
        "seen_at": stamp(session.seen_at),
        "agent": session.agent,
        "address": session.address,
    }
