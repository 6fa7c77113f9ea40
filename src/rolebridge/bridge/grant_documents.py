"""Who holds what, as it is recorded: as JSON, the same from command line and API.

Ids, not names, wherever there is an id; moments in UTC, `2026-11-20T09:14:00Z`.
"""

from __future__ import annotations

import json
from typing import Any

from rolebridge.core.grants import Grant
from rolebridge.core.moments import stamp_or_none
from rolebridge.store.records import HeldGrant


def held_document(row: HeldGrant) -> dict[str, Any]:
    """Return a recorded grant with its holder as JSON has it."""
    user = {"id": row.grant.user_id, "user_name": row.user_name, "name": row.display_name or None}
    return {"user": user, **grant_document(row.grant)}


def grant_document(grant: Grant) -> dict[str, Any]:
    """Return a recorded grant as JSON has it."""
    acts_as = {"slot": grant.acts_as_slot, "role": grant.acts_as_role} if grant.acts_as_role else None
    return {
        "workspace": grant.workspace,
        "project": grant.project or None,
        "slot": grant.slot,
        "role": grant.role,
        "acts_as": acts_as,
        "state": grant.state,
        "lock": grant.lock or None,
        "reach": grant.reach or None,
        "source": grant.source,
        "rule": grant.rule or None,
        "revision": grant.revision,
        "valid_from": str(grant.valid_from) if grant.valid_from else None,
        "valid_until": str(grant.valid_until) if grant.valid_until else None,
        "held_since": stamp_or_none(grant.held_since),
        "because": json.loads(grant.because),
    }
