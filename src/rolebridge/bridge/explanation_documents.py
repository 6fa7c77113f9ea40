"""Why somebody holds what they hold, held it, or does not: as JSON, the same from command line and API.

Ids, not names, wherever there is an id; moments in UTC, `2026-11-20T09:14:00Z`.
"""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.explaining import Explained, NotHeld
from rolebridge.bridge.login_statements import statement_document
from rolebridge.bridge.titles import person_name, role_title
from rolebridge.core.assignment import Assignment, EffectiveRole, Lost
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.explanation import LockedSlot, Release
from rolebridge.core.moments import stamp
from rolebridge.core.whynot import Step


def explained_document(explained: Explained) -> dict[str, Any]:
    """Return an explanation as JSON has it; one of the past also tells of when, and what was recorded otherwise."""
    document = explanation_document(explained)
    if explained.logins:
        document["logins"] = [statement_document(one) for one in explained.logins]
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


def explanation_document(explained: Explained) -> dict[str, Any]:
    """Return an explanation as JSON has it: ids, not names."""
    explanation, program = explained.explanation, explained.program
    user = explanation.user
    return {
        "user": {
            "id": user.id,
            "user_name": user.user_name,
            "name": person_name(user),
            "active": user.active,
            "connection": user.connection,
        },
        "workspace": explanation.workspace,
        "platform": program.catalogue.id,
        "project": explanation.project,
        "revision": explained.revision,
        "roles": [_role_document(program.catalogue, role) for role in explanation.roles],
        "from_above": [_role_document(program.catalogue, role) for role in explanation.from_above],
        "locks": [_lock_document(explained, locked) for locked in explanation.locks],
        "lost": [_lost_document(one) for one in explanation.lost],
        "conflicts": [
            {"slot": one.slot, "project": one.project, "claims": [claim_document(claim) for claim in one.claims]}
            for one in explanation.conflicts
        ],
        "findings": [
            {"kind": one.kind, "slot": one.slot, "project": one.project, "detail": one.detail}
            for one in explanation.findings
        ],
    }


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
        "lost": [_lost_document(one) for one in why.lost],
        "ways": [[_step_document(step) for step in way] for way in why.ways],
        "obstacles": list(why.obstacles),
    }


def claim_document(claim: Assignment) -> dict[str, Any]:
    """Return an assignment as JSON has it, without what is absent."""
    document: dict[str, Any] = {
        "slot": claim.slot,
        "project": claim.project,
        "role": claim.role,
        "source": claim.source,
    }
    if claim.rule:
        document |= {"rule": claim.rule, "place": str(claim.place)}
    if claim.note:
        document["note"] = claim.note
    if claim.membership:
        group = claim.membership.group
        document["group"] = {"id": group.id, "display": group.display}
        if claim.membership.via:
            document["via"] = [{"id": one.id, "display": one.display} for one in claim.membership.via]
        document |= {"connection": group.connection, "asserted_by": claim.membership.source}
        if claim.membership.since:
            document["since"] = stamp(claim.membership.since)
    if claim.manual:
        document |= {"by": claim.manual.by, "at": stamp(claim.manual.at), "reason": claim.manual.reason}
    if claim.starts:
        document["from"] = str(claim.starts)
    if claim.ends:
        document["until"] = str(claim.ends)
    if claim.held_since:
        document["held_since"] = stamp(claim.held_since)
    return document


def _lost_document(lost: Lost) -> dict[str, Any]:
    return {**claim_document(lost.assignment), "reason_lost": lost.reason, "detail": lost.detail}


def _role_document(catalogue: Catalogue, role: EffectiveRole) -> dict[str, Any]:
    acting = (
        catalogue.role(role.acts_as.slot, role.acts_as.role) if role.acts_as else catalogue.role(role.slot, role.role)
    )
    return {
        "slot": role.slot,
        "project": role.project,
        "role": role.role,
        "name": role_title(catalogue, role.slot, role.role),
        "acts_as": {"slot": role.acts_as.slot, "role": role.acts_as.role} if role.acts_as else None,
        "lock": role.lock.kind if role.lock else None,
        "source": role.source,
        "needs_work": acting.needs_work,
        "sees": acting.sees,
        "winners": [claim_document(winner) for winner in role.winners],
    }


def _lock_document(explained: Explained, locked: LockedSlot) -> dict[str, Any]:
    lock = locked.lock
    return {
        "kind": lock.kind,
        "slot": lock.slot,
        "project": lock.project,
        "role": lock.role,
        "by": [claim_document(claim) for claim in lock.by],
        "release": [_release_document(explained, release) for release in locked.releases],
    }


def _release_document(explained: Explained, release: Release) -> dict[str, Any]:
    document: dict[str, Any] = {"do": release.do, "then": list(release.then)}
    if release.group:
        document["group"] = {"id": release.group.id, "display": release.group.display}
    if release.rule:
        document |= {
            "rule": release.rule,
            "place": str(release.place),
            "affects_others": explained.affects.get(release.rule, 0),
        }
    return document


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
