"""What would have to change for a role, as JSON; and an explanation of the past with what that adds."""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.documents import claim_document, explanation_document, person_name
from rolebridge.bridge.explaining import Explained, NotHeld
from rolebridge.core.moments import stamp
from rolebridge.core.whynot import Step


def explained_document(explained: Explained) -> dict[str, Any]:
    """Return an explanation as JSON has it; one of the past also tells of when, and what was recorded otherwise."""
    document = explanation_document(explained)
    if explained.at is not None:
        document["at"] = stamp(explained.at)
        document["differs"] = [
            {
                "slot": one.slot,
                "project": one.project or None,
                "role": one.role,
                "state": one.state,
                "recorded": one.recorded,
            }
            for one in explained.differs
        ]
    return document


def not_held_document(found: NotHeld) -> dict[str, Any]:
    """Return what would have to change as JSON has it: ids, not names."""
    why = found.why
    return {
        "user": {"id": found.user.id, "user_name": found.user.user_name, "name": person_name(found.user)},
        "workspace": found.program.workspace,
        "project": why.target.project,
        "slot": why.target.slot,
        "role": why.target.role,
        "revision": found.revision,
        "held": why.held,
        "lost": [
            {**claim_document(one.assignment), "reason_lost": one.reason, "detail": one.detail} for one in why.lost
        ],
        "ways": [[_step_document(step) for step in way] for way in why.ways],
        "obstacles": list(why.obstacles),
    }


def _step_document(step: Step) -> dict[str, Any]:
    document: dict[str, Any] = {"do": step.do}
    if step.group is not None:
        known = {"id": step.group.id} if step.do != "create_group" else {}
        document["group"] = {**known, "display": step.group.display, "connection": step.group.connection}
    if step.rule:
        document |= {"rule": step.rule, "place": str(step.place)}
    if step.role or step.slot:
        document |= {"slot": step.slot, "role": step.role or None}
    if step.project is not None:
        document["project"] = step.project
    if step.detail and step.do not in {"create_group", "unassign"}:
        document["detail"] = step.detail
    if step.do == "unassign":
        document["assignment"] = step.detail
    return document
