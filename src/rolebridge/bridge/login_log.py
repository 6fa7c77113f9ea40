"""How the logins of a connection went, check by check: for an administrator to find out why one was refused.

Nothing here is a value of an attribute, an assertion or a token. The last ones are kept, of each outcome so many: a
flood of refusals does not wash away the logins that worked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.errors import NotFound
from rolebridge.core.login import Check, LoginRefused, Trail, Verdict
from rolebridge.store.engine import Store
from rolebridge.store.login_log import DELETED_AT_ONCE, LoggedLogin
from rolebridge.store.records import Connection
from rolebridge.store.unit import Unit

KEPT: Final = 500
"""Logins of each outcome that the log keeps of a connection."""

_LONGEST_DETAIL: Final = 500
_MOST_CHECKS: Final = 300


class LoginOutcome(StrEnum):
    """What came of a login."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class LoginLog:
    """Writes and reads how logins went."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def refused(
        self,
        connection: SsoConnection,
        trail: Trail,
        refused: LoginRefused,
        *,
        request_id: str,
        user_id: str | None = None,
    ) -> None:
        """Write down a login that was refused, whose own transaction is undone. `trail` need not hold the refusal."""
        if not any(check.code == refused.code and check.verdict is Verdict.FAILED for check in trail.checks):
            trail.failed(refused)
        row = LoggedLogin(
            connection.id,
            self._clock(),
            request_id,
            LoginOutcome.REFUSED,
            refused.code,
            user_id,
            _harmless(refused.detail),
            _kept(trail),
        )
        self._store.transact(lambda unit: unit.login_log(connection.organization_id).add(row))

    def newest(
        self,
        connection: Connection,
        *,
        outcome: LoginOutcome | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 20,
    ) -> Sequence[LoggedLogin]:
        """Return a connection's last logins, newest first, those before a place (moment, request id)."""
        with self._store.read() as unit:
            rows = unit.login_log(connection.organization_id)
            return rows.newest(connection.id, outcome=outcome, before=before, limit=limit)

    def of_request(self, connection: Connection, request_id: str) -> LoggedLogin:
        """Return the login of a request, whose id its person's page showed. Raises NotFound."""
        with self._store.read() as unit:
            found = unit.login_log(connection.organization_id).by_id(connection.id, request_id)
        if found is None:
            raise NotFound("login", request_id)
        return found

    def retain(self, organization_id: str, go_on: Callable[[], bool]) -> int:
        """Delete the logins beyond the newest `KEPT` of each connection and outcome; return how many."""
        with self._store.read() as unit:
            connections = [row.connection.id for row in unit.sso.all(organization_id)]
        gone = 0
        for connection_id in connections:
            for outcome in LoginOutcome:
                while go_on():
                    deleted = self._store.transact(
                        partial(_prune, organization_id=organization_id, connection_id=connection_id, outcome=outcome)
                    )
                    gone += deleted
                    if deleted < DELETED_AT_ONCE:
                        break
        return gone


def log_accepted(
    unit: Unit, connection: SsoConnection, trail: Trail, user_id: str, *, now: datetime, request_id: str
) -> None:
    """Write down a login in the transaction that accepts it."""
    row = LoggedLogin(connection.id, now, request_id, LoginOutcome.ACCEPTED, "", user_id, "", _kept(trail))
    unit.login_log(connection.organization_id).add(row)


def _kept(trail: Trail) -> tuple[Check, ...]:
    """Return the checks as they can be stored, whatever a provider had them say."""
    return tuple(Check(one.code, one.verdict, _harmless(one.detail)) for one in trail.checks[:_MOST_CHECKS])


def _harmless(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_DETAIL])


def _prune(unit: Unit, *, organization_id: str, connection_id: str, outcome: LoginOutcome) -> int:
    return unit.login_log(organization_id).prune(connection_id, outcome, KEPT)
