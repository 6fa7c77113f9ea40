"""Sessions that end because somebody was signed out at their identity provider, which says so behind the browser."""

from __future__ import annotations

import hashlib
from datetime import datetime

from rolebridge.bridge.sessions import Sessions
from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.applications import EndedWhy
from rolebridge.core.login import LoginRefused
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit


class IdpLogouts:
    """Ends what a provider's notices of sign-outs are about, each notice once."""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    def end(
        self,
        connection: SsoConnection,
        issuer: str,
        *,
        session: str | None,
        subject: str | None,
        notice_id: str,
        usable_until: datetime,
    ) -> int:
        """End the sessions that began with one at the provider, or (without one) all of a subject; return how many.

        The notice is used in the same transaction. Raises LoginRefused when it was used before.
        """
        organization_id = connection.organization_id
        digest = hashlib.sha256(b"logout notice\0" + issuer.encode() + b"\0" + notice_id.encode()).digest()

        def work(unit: Unit) -> int:
            if not unit.logins(organization_id).use_assertion(connection.id, digest, usable_until):
                raise LoginRefused("oidc-logout-replayed", "the token's `jti` was used before")
            rows = unit.sessions(organization_id)
            found = rows.of_idp_session(connection.id, issuer, session=session, subject=subject)
            return sum(self._sessions.end(unit, organization_id, one.id, EndedWhy.SIGNED_OUT) for one in found)

        return self._store.transact(work)
