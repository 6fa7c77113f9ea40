"""From a bearer token to the connection that it belongs to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from rolebridge.bridge.callers import Caller, CredentialOwner
from rolebridge.bridge.credentials import TOKEN_PREFIX, Hasher
from rolebridge.core.errors import Unavailable
from rolebridge.store.engine import Store

logger = logging.getLogger("rolebridge.web")

_LONGEST = 512  # characters: a longer header is no token of ours, and need not be hashed to know it
_FLUSH_SECONDS = 5.0


class Unauthenticated(Exception):
    """That a request carries no credential we accept. `str()` says why, without telling which secrets exist.

    `owner` is whose the credential is, if it is one of ours that does not work any more.
    """

    def __init__(self, message: str, owner: CredentialOwner | None = None) -> None:
        super().__init__(message)
        self.owner = owner


class Authenticator:
    """Proves callers. A token is looked up at every request: one revoked a moment ago does not work."""

    def __init__(self, store: Store, hasher: Hasher, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self.uses = TokenUses(store)

    def caller(self, authorization: str | None, request_id: str) -> Caller:
        """Return who sent the `Authorization` header. Raises Unauthenticated.

        Beside `Bearer TOKEN` (RFC 6750) a bare token is accepted: Okta's "Header" mode sends the field as typed.
        """
        token = _bearer(authorization)
        with self._store.read() as unit:
            found = unit.accounts.token_by_hash(self._hasher.hash(token))
        now = self._clock()
        if found is None:
            raise Unauthenticated("the token is not known")
        credential = found.token.credential
        if not credential.usable(now):
            owner = CredentialOwner(found.organization.id, found.connection.id, credential.id)
            raise Unauthenticated("the token was revoked" if credential.revoked_at else "the token has expired", owner)
        self.uses.note((found.organization.id, credential.id), now)
        connection = found.connection
        return Caller(
            connection.organization_id, connection.id, connection.name, connection.profile, request_id, credential.id
        )


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise Unauthenticated("there is no Authorization header")
    if len(authorization) > _LONGEST:
        raise Unauthenticated("the Authorization header is longer than any token")
    scheme, _, credential = authorization.strip().partition(" ")
    if scheme.casefold() == "bearer" and credential.strip():
        return credential.strip()
    if scheme.startswith(TOKEN_PREFIX) and not credential:
        return scheme
    raise Unauthenticated("the Authorization header is not `Bearer` and a token")


class TokenUses:
    """When tokens were last used, kept in the process and written in batches: a read never becomes a durable write.

    What is noted in the last seconds before a crash is lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[tuple[str, str], datetime] = {}
        self._guard = threading.Lock()
        self._timer: threading.Timer | None = None

    def note(self, token: tuple[str, str], when: datetime) -> None:
        """Remember that a token (organization id, token id) was used; it is written a few seconds later."""
        with self._guard:
            self._noted[token] = when
            if self._timer is None:
                self._timer = threading.Timer(_FLUSH_SECONDS, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what was noted. When the store is busy the uses are forgotten: the next ones will tell as much."""
        with self._guard:
            noted, self._noted, self._timer = self._noted, {}, None
        if not noted:
            return
        try:
            self._store.transact(lambda unit: unit.accounts.touch_tokens(noted))
        except Unavailable as busy:
            logger.warning("last use of %d tokens not written: %s", len(noted), busy)
