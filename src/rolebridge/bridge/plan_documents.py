"""Plans, applies and revisions as JSON, the same from command line and API (docs/reference/plan.schema.json).

No clock but the day: the same directory and the same files give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from rolebridge.bridge.grant_documents import grant_document
from rolebridge.bridge.planning import Applied
from rolebridge.core.guardrails import Trip
from rolebridge.core.moments import stamp
from rolebridge.core.plan import Counts, OnDay, Plan, PlannedChange, RuleEffect, WorkspacePlan
from rolebridge.store.records import Revision


def plan_document(plan: Plan, *, changes: bool = True) -> dict[str, Any]:
    """Return a plan as JSON has it; without `changes` the ones that it keeps are left out, to be told apart."""
    document: dict[str, Any] = {
        "base_revision": plan.base_revision,
        "digest": plan.digest,
        "candidate": plan.candidate_digest,
        "day": str(plan.day),
        "horizon": str(plan.horizon),
        "differs": plan.differs,
        "new": plan.new,
        "files": [{"name": name, "fate": fate} for name, fate in plan.files],
        "counts": counts_document(plan.counts),
        "workspaces": [_workspace_document(one) for one in plan.workspaces],
        "guards": [
            *(trip_document(trip) for trip in plan.trips),
            *(trip_document(trip, day) for day, trip in plan.later_trips),
        ],
        "undeclared_projects": [asdict(one) for one in plan.undeclared],
        "more_undeclared_projects": plan.more_undeclared,
        "changes_in_all": plan.total,
    }
    if changes:
        document["changes"] = [planned_document(one) for one in plan.changes]
    return document


def counts_document(counts: Counts) -> dict[str, int]:
    """Return counts as JSON has them."""
    return asdict(counts)


def _workspace_document(one: WorkspacePlan) -> dict[str, Any]:
    return {
        "workspace": one.workspace,
        "observed": one.observed,
        "seats": {
            "before": one.seats.before,
            "after": one.seats.after,
            "limit": one.seats.limit,
            "days": [{"day": str(day), "people": people} for day, people in one.seats.days],
        },
        "now": counts_document(one.now),
        "later": [_day_document(day) for day in one.days],
        "rules": [_rule_document(rule) for rule in one.rules],
    }


def _rule_document(one: RuleEffect) -> dict[str, Any]:
    return {
        "rule": one.rule or None,
        "place": one.place or None,
        "now": counts_document(one.now),
        "turns": [
            {"slot": turn.slot, "before": turn.before or None, "after": turn.after or None, "count": turn.count}
            for turn in one.turns
        ],
        "later": [_day_document(day) for day in one.days],
    }


def _day_document(one: OnDay) -> dict[str, Any]:
    return {
        "day": str(one.day),
        "counts": counts_document(one.counts),
        "known": one.known,
        "projects": list(one.projects),
        "more_projects": one.more_projects,
    }


def trip_document(trip: Trip, day: date | None = None) -> dict[str, Any]:
    """Return a guard rail that is passed as JSON has it, now or on a later day."""
    return {
        "guard": trip.kind,
        "workspace": trip.workspace,
        "day": str(day) if day else None,
        "limit": trip.limit,
        "actual": trip.actual,
        "count": trip.count,
    }


def planned_document(one: PlannedChange) -> dict[str, Any]:
    """Return one change of a plan as JSON has it."""
    change = one.change
    return {
        "day": str(one.on) if one.on else None,
        "kind": change.kind,
        "known": one.known,
        "user": {"id": change.user_id, "user_name": one.user_name},
        "workspace": change.workspace,
        "project": change.project or None,
        "slot": change.slot,
        "rule": change.rule or None,
        "place": one.place or None,
        "cause": change.cause,
        "before": grant_document(change.before) if change.before else None,
        "after": grant_document(change.after) if change.after else None,
    }


def applied_document(applied: Applied) -> dict[str, Any]:
    """Return what an apply or a rollback did as JSON has it."""
    return {
        "revision": applied.revision,
        "new": applied.new,
        "restores": applied.restores,
        "forced": [str(trip) for trip in applied.forced],
        "plan": plan_document(applied.plan),
    }


def revision_document(revision: Revision, *, in_force: bool) -> dict[str, Any]:
    """Return a revision without its files as JSON has it."""
    done = revision.carried_out
    return {
        "revision": revision.number,
        "in_force": in_force,
        "digest": revision.digest,
        "connections": list(revision.connections),
        "created": stamp(revision.created),
        "actor": revision.actor,
        "reason": revision.reason,
        "plan": done.plan,
        "counts": dict(done.counts),
        "restores": done.restores,
    }


def revision_files(files: Mapping[str, str]) -> Sequence[dict[str, str]]:
    """Return a revision's files as JSON has them."""
    return [{"name": name, "content": text} for name, text in sorted(files.items())]
