"""The end of a login: who was proved becomes a user of ours who is signed in, in one transaction, or nothing does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from rolebridge.bridge.sessions import Begun, NewSession, Sessions
from rolebridge.core.login import AssertedIdentity, LoginRefused, Trail
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

if TYPE_CHECKING:
    from rolebridge.bridge.sso_connections import SsoConnection


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody whom a connection has proved, and the browser they came with.

    `previous` is the secret of the session that the browser has, `logout_hint` what signing out at the identity
    provider will need, in the protocol's own form.
    """

    connection: SsoConnection
    identity: AssertedIdentity
    request_id: str
    agent: str = ""
    address: str = ""
    previous: str | None = field(default=None, repr=False)
    logout_hint: bytes | None = field(default=None, repr=False)


Accept: TypeAlias = "Callable[[Unit, SsoConnection, AssertedIdentity, datetime, str], str]"
"""Finds or makes the user of an identity in a transaction, and consumes its assertion; returns the user's id.

The last argument is the request's id. Raises LoginRefused.
"""
Log: TypeAlias = "Callable[[SsoConnection, Trail, LoginRefused | None, str], None]"
"""Keeps how a login went, for the administrator; the last argument is the request's id."""


class SigningIn:
    """Signs people in, and keeps how logins went."""

    def __init__(
        self, store: Store, sessions: Sessions, clock: Callable[[], datetime], accept: Accept, log: Log
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._accept = accept
        self._log = log

    def finish(self, arrival: Arrival) -> Begun:
        """Sign somebody in. Raises LoginRefused, and then nothing of it is kept."""
        connection = arrival.connection

        def work(unit: Unit) -> Begun:
            user_id = self._accept(unit, connection, arrival.identity, self._clock(), arrival.request_id)
            new = NewSession(
                connection.organization_id,
                user_id,
                connection.id,
                arrival.identity,
                agent=arrival.agent,
                address=arrival.address,
                previous=arrival.previous,
                logout_hint=arrival.logout_hint,
            )
            return self._sessions.begin(unit, new)

        return self._store.transact(work)

    def log(self, connection: SsoConnection, trail: Trail, refused: LoginRefused | None, request_id: str) -> None:
        """Keep how a login went: every check that was made, and which one refused."""
        self._log(connection, trail, refused, request_id)
