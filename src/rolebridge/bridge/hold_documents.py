"""Holds, what settling them did, and proposals, as JSON has them: alike on the command line and in the API."""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.holding import HeldAccess, Settled
from rolebridge.core.moments import stamp, stamp_or_none
from rolebridge.store.proposals import Proposal


def hold_document(held: HeldAccess) -> dict[str, Any]:
    """Return an open hold, and the roles that it keeps."""
    hold = held.hold
    return {
        "id": hold.id,
        "kind": hold.kind,
        "workspace": hold.workspace,
        "user": {"id": hold.user_id, "user_name": held.user_name or None},
        "since": stamp(hold.since),
        "roles": [{"slot": one.slot, "project": one.project or None, "role": one.role} for one in held.roles],
        "guard": hold.guard,
        "limit": hold.limit,
        "actual": hold.actual,
        "cause": hold.cause,
        "actor": hold.actor,
        "request_id": hold.request_id,
    }


def settled_document(settled: Settled) -> dict[str, Any]:
    """Return which holds were released or discarded, and how many changes of roles followed."""
    return {"holds": [hold_document(one) for one in settled.holds], "changes": len(settled.changes)}


def proposal_document(proposal: Proposal) -> dict[str, Any]:
    """Return an act that waits for a second person, or to be carried out."""
    return {
        "id": proposal.id,
        "act": proposal.act,
        "summary": proposal.summary,
        "proposed_by": proposal.actor,
        "reason": proposal.reason,
        "request_id": proposal.request_id,
        "created": stamp(proposal.created),
        "expires_at": stamp(proposal.expires_at),
        "approved_by": proposal.approved_by,
        "approved_at": stamp_or_none(proposal.approved_at),
    }
