"""Who holds what and why, what was asked, how connections fare: as JSON, the same from command line and API.

Ids, not names, wherever there is an id; moments in UTC, `2026-11-20T09:14:00Z`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rolebridge.bridge.explaining import Explained
from rolebridge.bridge.status import ConnectionStatus, OrganizationStatus, Secret
from rolebridge.core.assignment import Assignment, EffectiveRole
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.directory import User
from rolebridge.core.explanation import LockedSlot, Release
from rolebridge.core.grants import Grant
from rolebridge.core.moments import stamp, stamp_ms, stamp_or_none
from rolebridge.store.records import HeldGrant
from rolebridge.store.request_log import LoggedRequest, Traffic


def person_name(user: User) -> str:
    """Return what to call a person: displayName, the formatted name, given and family name, else userName."""
    name = user.attributes.get("name")
    parts = name if isinstance(name, dict) else {}
    given = " ".join(str(parts[key]) for key in ("givenName", "familyName") if parts.get(key))
    return str(user.attributes.get("displayName") or parts.get("formatted") or given or user.user_name)


def role_title(catalogue: Catalogue | None, slot: str, role: str) -> str:
    """Return the platform's name of a role; its id when the catalogue does not know it (any more)."""
    known = catalogue.slots.get(slot) if catalogue else None
    return known.roles[role].name if known and role in known.roles else role


# --- recorded grants -------------------------------------------------------------------------------------------


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


# --- assignments and explanations ------------------------------------------------------------------------------


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
        "lost": [
            {**claim_document(one.assignment), "reason_lost": one.reason, "detail": one.detail}
            for one in explanation.lost
        ],
        "conflicts": [
            {"slot": one.slot, "project": one.project, "claims": [claim_document(claim) for claim in one.claims]}
            for one in explanation.conflicts
        ],
        "findings": [
            {"kind": one.kind, "slot": one.slot, "project": one.project, "detail": one.detail}
            for one in explanation.findings
        ],
    }


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


# --- requests --------------------------------------------------------------------------------------------------


def request_document(row: LoggedRequest, connections: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of the request log as JSON has it; `connections` are their names by id."""
    return {
        "request_id": row.request_id,
        "at": stamp_ms(row.at),
        "connection": connections.get(row.connection_id),
        "method": row.method or None,
        "path": row.path,
        "query": row.query,
        "status": row.status or None,
        "scim_type": row.scim_type,
        "detail": row.detail,
        "duration_ms": round(row.duration_us / 1_000, 2),
        "resource_id": row.resource_id or None,
        "credential_id": row.credential_id or None,
        "peer": row.peer,
        "user_agent": row.user_agent,
        "tolerances": row.tolerances.split(),
        "unknown_members": row.unknown_members,
        "request_bytes": row.request_bytes,
        "answer_bytes": row.answer_bytes,
        "body_shape": json.loads(row.shape) if row.shape else None,
        "lost": row.lost,
    }


# --- status ----------------------------------------------------------------------------------------------------


def status_document(status: OrganizationStatus) -> dict[str, Any]:
    """Return how an organization fares as JSON has it."""
    names = {one.connection.id: one.connection.name for one in status.connections}
    revision = status.revision
    return {
        "organization": status.organization.name,
        "at": stamp(status.at),
        "notices": [{"concern": one.concern, "subject": one.subject, "text": one.text} for one in status.notices],
        "connections": [_connection_document(one, names) for one in status.connections],
        "secrets": [_secret_document(one, names, status.at) for one in status.secrets],
        "mapping": {"revision": revision.number, "applied": stamp(revision.created)} if revision else None,
        "workspaces": {
            name: {
                "people": counts.people,
                "grants": counts.effective,
                "blocked": counts.blocked,
                "conflicts": counts.conflicts,
            }
            for name, counts in status.workspaces.items()
        },
        "holds": [
            {"workspace": one.workspace, "kind": one.kind, "count": one.count, "since": stamp(one.since)}
            for one in status.holds
        ],
        "chores": [
            {
                "name": one.name,
                "ended": stamp(one.ended),
                "succeeded": stamp_or_none(one.succeeded),
                "failures": one.failures,
                "error": one.error or None,
            }
            for one in status.chores
        ],
    }


def _connection_document(one: ConnectionStatus, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": one.connection.name,
        "profile": one.connection.profile,
        "users": one.size.users,
        "groups": one.size.groups,
        "last_contact": stamp_or_none(one.last_contact),
        "silent_after_seconds": int(one.silent_after.total_seconds()) if one.silent_after else None,
        "last_hour": traffic_document(one.hour),
        "last_day": traffic_document(one.day),
        "last_refusal": request_document(one.last_refusal, names) if one.last_refusal else None,
        "tolerances": dict(sorted(one.tolerances.items(), key=lambda item: (-item[1], item[0]))),
    }


def traffic_document(traffic: Traffic) -> dict[str, int]:
    """Return what was sent as JSON has it."""
    return {
        "requests": traffic.requests,
        "refused": traffic.refused,
        "failed": traffic.failed,
        "not_logged": traffic.lost,
    }


def _secret_document(secret: Secret, names: Mapping[str, str], now: datetime) -> dict[str, Any]:
    credential, tried = secret.credential, secret.tried
    return {
        "kind": secret.kind,
        "connection": names.get(secret.connection_id),
        "id": credential.id,
        "name": credential.name,
        "hint": credential.hint,
        "expires_at": stamp_or_none(credential.expires_at),
        "revoked_at": stamp_or_none(credential.revoked_at),
        "usable": credential.usable(now),
        "refused_in_last_day": tried.times if tried else 0,
        "last_refused": stamp_or_none(tried.last) if tried else None,
    }
