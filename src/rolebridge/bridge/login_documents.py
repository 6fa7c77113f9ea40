"""How connections make something of logins, and how logins went: as JSON, the same from command line and API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.login import Check
from rolebridge.core.moments import stamp, stamp_ms
from rolebridge.store.login_log import LoggedLogin
from rolebridge.store.sso import SsoSecret


def rules_document(connection: SsoConnection) -> dict[str, Any]:
    """Return what a connection makes of logins as JSON has it."""
    return {
        "connection": connection.name,
        "protocol": connection.protocol,
        "enabled": connection.enabled,
        "changed": stamp(connection.changed),
        "domains": sorted(connection.domains),
        "rules": connection.rules.document(),
    }


def sso_document(connection: SsoConnection, secrets: Iterable[SsoSecret]) -> dict[str, Any]:
    """Return how a connection logs people in as JSON has it; of secrets their public halves alone."""
    return {
        "id": connection.id,
        "connection": connection.name,
        "protocol": connection.protocol,
        "enabled": connection.enabled,
        "changed": stamp(connection.changed),
        "domains": sorted(connection.domains),
        "settings": dict(connection.settings),
        "secrets": [
            {"kind": one.kind, "created": stamp(one.created), "certificate": one.public or None} for one in secrets
        ],
    }


def login_document(login: LoggedLogin) -> dict[str, Any]:
    """Return how a login went as JSON has it."""
    return {
        "at": stamp_ms(login.at),
        "request_id": login.request_id,
        "outcome": login.outcome,
        "code": login.code or None,
        "detail": login.detail or None,
        "user_id": login.user_id,
        "checks": [check_document(check) for check in login.checks],
    }


def check_document(check: Check) -> dict[str, Any]:
    """Return a check of a login as JSON has it."""
    return {"code": check.code, "verdict": check.verdict, "detail": check.detail or None}
