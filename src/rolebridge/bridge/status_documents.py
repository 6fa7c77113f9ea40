"""What was asked and how connections fare: as JSON, the same from command line and API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rolebridge.bridge.status import ConnectionStatus, OrganizationStatus, Secret
from rolebridge.core.moments import stamp, stamp_ms, stamp_or_none
from rolebridge.store.request_log import LoggedRequest, Traffic


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
        "logins": {
            "enabled": one.logins.enabled,
            "people": one.logins.people,
            "last": stamp_or_none(one.logins.last),
            "accepted_last_day": one.logins.accepted,
            "refused_last_day": one.logins.refused,
            "overages": one.logins.overages,
        }
        if one.logins
        else None,
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
