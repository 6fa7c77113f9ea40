"""Assignments by hand, and why one was refused: as JSON, the same from command line and API.

Ids, not names, wherever there is an id; moments in UTC, `2026-11-20T09:14:00Z`, days as `2026-12-01`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rolebridge.bridge.assigning import Assigned, ListedAssignment, Unassigned
from rolebridge.core.assignment import Assignment, Lock, ManualAssignment
from rolebridge.core.by_hand import AssignmentRefused, Context, Standing
from rolebridge.core.explanation import Release
from rolebridge.core.moments import stamp, stamp_or_none
from rolebridge.core.plan import Change


def refusal_document(refused: AssignmentRefused) -> dict[str, Any]:
    """Return a refusal as JSON has it: `lock` is null where something else than a lock refuses, as `reason` says."""
    refusal, context = refused.refusal, refused.context
    by = [_blamed(claim, context) for claim in refusal.claims]
    lock = refusal.lock and {"kind": refusal.lock.kind, "slot": refusal.slot, "role": refusal.lock.role, "by": by}
    document: dict[str, Any] = {
        "reason": refusal.reason,
        "user": context.user.id,
        "workspace": context.program.workspace,
        "project": refusal.project,
        "slot": refusal.slot,
        "lock": lock,
        "release": [_way(release, context) for release in refusal.releases],
    }
    return document if lock else {**document, "detail": refusal.detail, "by": by}


def _blamed(claim: Assignment, context: Context) -> dict[str, Any]:
    document: dict[str, Any] = {"role": claim.role, "source": claim.source}
    if claim.rule:
        document |= {"rule": claim.rule, "place": str(claim.place), "revision": context.revision}
    if claim.membership:
        group = claim.membership.group
        document["group"] = {"id": group.id, "display": group.display, "connection": group.connection}
        if claim.membership.via:
            document["via"] = [{"id": one.id, "display": one.display} for one in claim.membership.via]
    if claim.manual:
        document["assignment"] = claim.manual.id
    return document


def _way(release: Release, context: Context) -> dict[str, Any]:
    document: dict[str, Any] = {"do": release.do}
    if release.group:
        document |= {"group": release.group.id, "display": release.group.display}
    if release.rule:
        affects = context.affects.get(release.rule, 0)
        document |= {"rule": release.rule, "place": str(release.place), "affects": affects}
    return {**document, "then": list(release.then)}


def manual_document(record: ManualAssignment) -> dict[str, Any]:
    """Return an assignment by hand as JSON has it."""
    return {
        "id": record.id,
        "user_id": record.user_id,
        "workspace": record.workspace,
        "project": record.project,
        "slot": record.slot,
        "role": record.role,
        "until": str(record.until) if record.until else None,
        "by": record.by,
        "at": stamp(record.at),
        "reason": record.reason,
        "imported": record.imported,
    }


def standing_document(standing: Standing) -> dict[str, Any]:
    """Return what has become of an assignment as JSON has it."""
    return {"state": standing.state, "detail": standing.detail or None, "lock": _lock(standing.lock)}


def _lock(lock: Lock | None) -> dict[str, Any] | None:
    if lock is None:
        return None
    rules = dict.fromkeys(claim.rule for claim in lock.by if claim.rule)
    groups = {claim.group.id: claim.group.display for claim in lock.by if claim.group}
    return {
        "kind": lock.kind,
        "role": lock.role,
        "rules": list(rules),
        "groups": [{"id": id_, "display": display} for id_, display in groups.items()],
    }


def listed_document(row: ListedAssignment) -> dict[str, Any]:
    """Return a row of a listing as JSON has it."""
    listed = row.listed
    user = {
        "id": listed.assignment.user_id,
        "user_name": listed.user_name or None,
        "name": listed.display_name or None,
    }
    ended = {
        "ended_at": stamp_or_none(listed.ended_at),
        "ended_by": listed.ended_by or None,
        "ended_reason": listed.ended_reason or None,
    }
    return {"user": user, **manual_document(listed.assignment), **standing_document(row.standing), **ended}


def assigned_document(done: Assigned) -> dict[str, Any]:
    """Return what giving a role did as JSON has it."""
    return {
        "user": {"id": done.user.id, "user_name": done.user.user_name},
        "new": done.new,
        "assignment": {**manual_document(done.assignment), **standing_document(done.standing)},
        "ended": [manual_document(one) for one in done.ended],
        "changes": _changes(done.changes),
    }


def unassigned_document(done: Unassigned) -> dict[str, Any]:
    """Return what ending did as JSON has it."""
    return {
        "user": {"id": done.user.id, "user_name": done.user.user_name},
        "ended": [{**manual_document(one), **standing_document(stood)} for one, stood in done.ended],
        "changes": _changes(done.changes),
    }


def _changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [
        {
            "kind": change.kind,
            "workspace": change.workspace,
            "project": change.project or None,
            "slot": change.slot,
            "before": change.before.role if change.before else None,
            "after": change.after.role if change.after else None,
        }
        for change in changes
    ]
