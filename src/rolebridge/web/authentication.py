"""From a bearer token to the connection that it belongs to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from rolebridge.bridge.callers import Caller, CredentialOwner
from rolebridge.bridge.credentials import ACCESS_PREFIX, TOKEN_PREFIX, Hashed, Hasher
from rolebridge.core.errors import Unavailable
from rolebridge.store.engine import Store
from rolebridge.store.records import Connection
from rolebridge.store.unit import Unit
from rolebridge.web.addresses import Origin
from rolebridge.web.admission import Admission
from rolebridge.web.rates import Meters

logger = logging.getLogger("rolebridge.web")

_LONGEST = 512  # characters: a longer header is no token of ours, and need not be hashed to know it
_FLUSH_SECONDS = 5.0

NOWHERE: Final = Origin(None)
"""The origin of a request that nobody has told."""


class Unauthenticated(Exception):
    """That a request carries no credential we accept. `str()` says why, without telling which secrets exist.

    `owner` is whose the credential is, if it is one of ours that does not work any more.
    """

    def __init__(self, message: str, owner: CredentialOwner | None = None) -> None:
        super().__init__(message)
        self.owner = owner


class InvalidToken(Unauthenticated):
    """That a token was shown which does not work: unknown, expired or revoked (RFC 6750 §3.1, `invalid_token`)."""


class Authenticator:
    """Proves callers. A token is looked up at every request: one revoked a moment ago does not work."""

    def __init__(
        self, store: Store, hasher: Hasher, clock: Callable[[], datetime], admission: Admission | None = None
    ) -> None:
        """Without `admission` no connection has a limit, unless it has one of its own."""
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._admission = admission or Admission(Meters(), None)
        self.uses = TokenUses(store)

    def caller(self, authorization: str | None, request_id: str, origin: Origin = NOWHERE) -> Caller:
        """Return who sent the `Authorization` header, from `origin`.

        Raises Unauthenticated, and NotAdmitted for a connection that may not send from there, or not so many requests.
        Beside `Bearer TOKEN` (RFC 6750) a bare token is accepted: Okta's "Header" mode sends the field as typed.
        """
        token = _bearer(authorization)
        found = _access_token if token.startswith(ACCESS_PREFIX) else _scim_token
        with self._store.read() as unit:
            held = found(unit, self._hasher, token, self._clock())
        owner = held.owner
        if held.problem:
            raise InvalidToken(held.problem, owner)
        connection = held.connection
        self._admission.admit(connection, origin, owner)
        self.uses.note(held.kind, (owner.organization_id, owner.credential_id), self._clock(), held.moved)
        return Caller(
            connection.organization_id,
            connection.id,
            connection.name,
            connection.profile,
            request_id,
            owner.credential_id,
            connection.schemas_version,
            subject=held.subject,
        )


class CredentialKind(StrEnum):
    """What was shown: a connection's token, one that an OAuth client was given, or an API key."""

    TOKEN = "token"  # noqa: S105 - a word
    ACCESS_TOKEN = "access-token"  # noqa: S105 - a word
    KEY = "key"


@dataclass(frozen=True, slots=True)
class _Held:
    """A token that is known, of a connection; `problem` says why it does not work, "" when it does.

    `subject` is the user whom the token is bound to, "" for none; `moved` is what to keep of it from now on.
    """

    kind: CredentialKind
    connection: Connection
    credential_id: str
    problem: str
    subject: str = ""
    moved: Hashed | None = None

    @property
    def owner(self) -> CredentialOwner:
        return CredentialOwner(self.connection.organization_id, self.connection.id, self.credential_id)


def _scim_token(unit: Unit, hasher: Hasher, text: str, now: datetime) -> _Held:
    found = hasher.find(text, unit.accounts.token_by_hash)
    if found is None:
        raise InvalidToken("the token is not known")
    problem = ""
    if not found.usable(now):
        problem = "the token was revoked" if found.revoked_at else "the token has expired"
    moved = hasher.moved(text, found.key_id)
    return _Held(CredentialKind.TOKEN, found.connection, found.credential_id, problem, found.user_id or "", moved)


def _access_token(unit: Unit, hasher: Hasher, text: str, now: datetime) -> _Held:
    # It lives for an hour or a day at most: it ends where it was made.
    found = hasher.find(text, unit.clients.token_by_hash)
    if found is None:
        raise InvalidToken("the access token is not known, or expired long ago")
    problem = ""
    if found.client_revoked_at is not None:
        problem = "the client of the access token was revoked"
    elif found.credential_revoked_at is not None:
        problem = "the secret or key that brought the access token was revoked"
    elif not found.usable(now):
        problem = "the access token has expired"
    return _Held(CredentialKind.ACCESS_TOKEN, found.connection, found.token.credential_id, problem)


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise Unauthenticated("there is no Authorization header")
    if len(authorization) > _LONGEST:
        raise Unauthenticated("the Authorization header is longer than any token")
    scheme, _, credential = authorization.strip().partition(" ")
    if scheme.casefold() == "bearer" and credential.strip():
        return credential.strip()
    if scheme.startswith((TOKEN_PREFIX, ACCESS_PREFIX)) and not credential:
        return scheme
    raise Unauthenticated("the Authorization header is not `Bearer` and a token")


class TokenUses:
    """When tokens were last used, kept in the process and written in batches: a read never becomes a durable write.

    So is what is to be stored of a secret that is stored under an earlier key. What is noted in the last seconds before
    a crash is lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[CredentialKind, dict[tuple[str, str], datetime]] = _nothing()
        self._moved: dict[CredentialKind, dict[tuple[str, str], Hashed]] = {}
        self._guard = threading.Lock()
        self._timer: threading.Timer | None = None

    def note(
        self, kind: CredentialKind, credential: tuple[str, str], when: datetime, moved: Hashed | None = None
    ) -> None:
        """Remember that a credential (organization id, id) was used; it is written a few seconds later.

        `moved` is what is to be stored of it from now on.
        """
        with self._guard:
            self._noted[kind][credential] = when
            if moved is not None:
                self._moved.setdefault(kind, {})[credential] = moved
            if self._timer is None:
                self._timer = threading.Timer(_FLUSH_SECONDS, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what was noted. When the store is busy the uses are forgotten: the next ones will tell as much."""
        with self._guard:
            noted, self._noted, self._timer = self._noted, _nothing(), None
            moved, self._moved = self._moved, {}
        if not any(noted.values()):
            return

        def work(unit: Unit) -> None:
            unit.accounts.touch_tokens(noted[CredentialKind.TOKEN])
            unit.clients.touch(noted[CredentialKind.ACCESS_TOKEN])
            unit.accounts.touch_keys({(owner, id_): at for (owner, id_), at in noted[CredentialKind.KEY].items()})
            unit.accounts.move_tokens(_rows(moved.get(CredentialKind.TOKEN, {})))
            unit.accounts.move_keys(_rows(moved.get(CredentialKind.KEY, {})))

        try:
            self._store.transact(work)
        except Unavailable as busy:
            logger.warning("last use of %d tokens not written: %s", sum(map(len, noted.values())), busy)


def _rows(moved: Mapping[tuple[str, str], Hashed]) -> dict[tuple[str, str], tuple[bytes, str]]:
    return {credential: (hashed.hash, hashed.key_id) for credential, hashed in moved.items()}


def _nothing() -> dict[CredentialKind, dict[tuple[str, str], datetime]]:
    return {kind: {} for kind in CredentialKind}
