"""Acts that may take a second person: done, or proposed."""

from __future__ import annotations

from collections.abc import Callable

from rolebridge.api.routing import Answer
from rolebridge.bridge.approvals import ApprovalNeeded
from rolebridge.bridge.hold_documents import proposal_document


def or_proposed(act: Callable[[], Answer]) -> Answer:
    """Return what an act answers, or 202 with the proposal that a second person has to agree to first."""
    try:
        return act()
    except ApprovalNeeded as needed:
        return Answer({"proposal": proposal_document(needed.proposal)}, 202)
