"""The end of somebody's access: sessions, what hangs on them, and the word to the applications, in one transaction.

Whoever ends a session, deactivates or deletes a person, revokes an application or takes a connection's logins away does
it through here, inside the transaction that gives the reason. From its commit on no code, refresh token or access token
of theirs works (RFC 7662 tells applications so), and notices wait for the worker to deliver them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from rolebridge.core.applications import EndedWhy, Scope
from rolebridge.store.endings import Ended
from rolebridge.store.logout_notices import LogoutNotice
from rolebridge.store.sessions import Session
from rolebridge.store.unit import Unit

_SURVIVES: Final = EndedWhy.SIGNED_OUT
"""The one end of a session that what was given for offline use outlives (Back-Channel Logout 1.0 §2.7)."""


_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Endings:
    """Ends what people of one organization have, in a transaction that is under way, as of `now`."""

    unit: Unit
    organization_id: str
    now: datetime

    def people(self, user_ids: Iterable[str], why: EndedWhy) -> int:
        """End all that people have; return how many had anything. Finding that out is one look at two indexes."""
        rows = self.unit.endings(self.organization_id)
        holding = rows.holding(user_ids, self.now)
        if not holding:
            return 0
        # Authorizations before sessions, as an exchange locks them, and then again: a code may have been given until
        # its session was gone.
        ended = rows.of_users(holding, why, self.now)
        held = self.unit.sessions(self.organization_id)
        for user_id in holding:
            for session in held.of_user(user_id):
                held.delete(session.id)
        self._tell(ended + rows.of_users(holding, why, self.now))
        return len(holding)

    def sessions(self, ended: Iterable[Session], why: EndedWhy) -> int:
        """End sessions and what hangs on them; return how many were still there.

        When somebody signs out, what they gave for offline use (`offline_access`) goes on, and the application is told.
        """
        held, rows = self.unit.sessions(self.organization_id), self.unit.endings(self.organization_id)
        wanted = list(ended)
        rows.of_sessions([session.id for session in wanted], self.now)  # locks: in the order of an exchange, see above
        gone = [session.id for session in wanted if held.delete(session.id)]
        hanging = rows.of_sessions(gone, self.now) if gone else []
        rows.end([one.id for one in hanging if why is not _SURVIVES or not _is_offline(one)], why, self.now)
        self._tell(hanging)
        return len(gone)

    def connection(self, connection_id: str) -> int:
        """End all that people got through a connection that was just told to log nobody in; return how many sessions.

        Those are the sessions that began there, and all of the people whom it owns: what they gave for offline use may
        have outlived its session.
        """
        sessions = self.unit.sessions(self.organization_id)
        ended = 0
        while some := sessions.of_connections_off(_BATCH):
            ended += self.sessions(some, EndedWhy.CONNECTION_OFF)
        rows = self.unit.endings(self.organization_id)
        self._tell(rows.of_connection(connection_id, EndedWhy.CONNECTION_OFF, self.now))
        return ended

    def application(self, application_id: str, why: EndedWhy) -> int:
        """End all that people gave to one application; return how much that was."""
        ended = self.unit.endings(self.organization_id).of_application(application_id, why, self.now)
        self._tell(ended)
        return len(ended)

    def authorization(self, id: str, why: EndedWhy, *, tell: bool) -> bool:
        """End what one sign-in gave one application; return whether it still was."""
        ended = self.unit.endings(self.organization_id).end([id], why, self.now)
        if tell:
            self._tell(ended)
        return bool(ended)

    def _tell(self, ended: Iterable[Ended]) -> None:
        """Leave a notice for each application and session of what ended."""
        whose = {(one.application_id, one.session_id): one.user_id for one in ended}
        if not whose:
            return
        listening = self.unit.endings(self.organization_id).listening({id_ for id_, _ in whose})
        waiting = [
            LogoutNotice(str(uuid4()), application_id, user_id, session_id, self.now, next_at=self.now)
            for (application_id, session_id), user_id in whose.items()
            if application_id in listening
        ]
        self.unit.logout_notices(self.organization_id).add(waiting)


def _is_offline(one: Ended) -> bool:
    return Scope.OFFLINE_ACCESS in one.scope.split()
