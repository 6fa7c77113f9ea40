"""How tokens and keys are listed: never the secret itself, only what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rolebridge.cli.terminal import faint, minute

if TYPE_CHECKING:
    from rolebridge.store.records import Credential

HEAD = ("ID", "NAME", "ENDS IN", "CREATED", "LAST USED", "STATE")
CSV_HEAD = ("id", "name", "hint", "created", "expires_at", "revoked_at", "last_used_at", "usable")
SHORT_ID = 8
"""How many characters of an id are shown; a longer beginning tells apart what these do not."""


def cells(credential: Credential, now: datetime) -> Sequence[str]:
    """Return a credential as a line of a table under `HEAD`."""
    used = credential.last_used_at
    return (
        credential.id[:SHORT_ID],
        credential.name,
        f"…{credential.hint}",
        minute(credential.created),
        minute(used) if used else "never",
        state(credential, now),
    )


def state(credential: Credential, now: datetime) -> str:
    """Return whether a credential works: `works`, until when, or why no more."""
    if credential.revoked_at is not None:
        return faint(f"revoked {minute(credential.revoked_at)}")
    if credential.expires_at is None:
        return "works"
    word = "expired" if credential.expires_at <= now else "works until"
    return f"{word} {minute(credential.expires_at)}"
