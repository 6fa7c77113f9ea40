"""Tokens and keys as JSON, the same from command line and API: never the secret, only what tells them apart."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rolebridge.core.moments import stamp, stamp_or_none

if TYPE_CHECKING:
    from rolebridge.store.records import Credential, Key


def credential_document(credential: Credential, now: datetime) -> dict[str, Any]:
    """Return a token or key as JSON has it."""
    return {
        "id": credential.id,
        "name": credential.name,
        "hint": credential.hint,
        "created": stamp(credential.created),
        "expires_at": stamp_or_none(credential.expires_at),
        "revoked_at": stamp_or_none(credential.revoked_at),
        "last_used_at": stamp_or_none(credential.last_used_at),
        "usable": credential.usable(now),
    }


def key_document(key: Key, now: datetime) -> dict[str, Any]:
    """Return an API key as JSON has it."""
    return {**credential_document(key.credential, now), "role": key.role, "workspace": key.workspace}
