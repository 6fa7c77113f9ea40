"""The end of a login: who was proved becomes a user of ours who is signed in, in one transaction, or nothing does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from rolebridge.bridge.login_log import LoginLog
from rolebridge.bridge.logins import Logins
from rolebridge.bridge.sessions import Begun, NewSession, Sessions
from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.login import AssertedIdentity, LoginRefused, Trail
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody whom a connection has proved, and the browser they came with.

    `previous` is the secret of the session that the browser has, `logout_hint` what signing out at the identity
    provider will need, in the protocol's own form. `unasked` says that no login was under way.
    """

    connection: SsoConnection
    identity: AssertedIdentity
    request_id: str
    agent: str = ""
    address: str = ""
    previous: str | None = field(default=None, repr=False)
    logout_hint: bytes | None = field(default=None, repr=False)
    unasked: bool = False


class SigningIn:
    """Signs people in, and keeps how logins went."""

    def __init__(
        self, store: Store, sessions: Sessions, logins: Logins, log: LoginLog, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._logins = logins
        self._log = log
        self._clock = clock

    def finish(self, arrival: Arrival, trail: Trail) -> Begun:
        """Sign somebody in: the assertion is used up, the user found or made, a session begun, the login logged.

        Raises LoginRefused, and then nothing of it has happened.
        """
        connection, request_id = arrival.connection, arrival.request_id

        def work(unit: Unit) -> Begun:
            now = self._clock()
            of = (connection, arrival.identity, trail)
            accepted = self._logins.accept(unit, *of, now=now, request_id=request_id)
            new = NewSession(
                connection.organization_id,
                accepted.user.id,
                connection.id,
                arrival.identity,
                agent=arrival.agent,
                address=arrival.address,
                previous=arrival.previous,
                logout_hint=arrival.logout_hint,
                unasked=arrival.unasked,
            )
            return self._sessions.begin(unit, new)

        return self._store.transact(work)

    def refuse(self, connection: SsoConnection, trail: Trail, refused: LoginRefused, request_id: str) -> None:
        """Keep how a refused login went, for the administrator: every check that was made, and why it was refused."""
        self._log.refused(connection, trail, refused, request_id=request_id)
