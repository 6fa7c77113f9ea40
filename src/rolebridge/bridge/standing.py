"""Whether a token of an application still stands: asked for each introspection and each UserInfo, cached nowhere.

An access token is a signed statement of some minutes ago. What has happened since (the person was deactivated, signed
out, the application was revoked, its refresh token stolen) is in the rows of its authorization, person and application.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from rolebridge.bridge.app_claims import PersonClaims, claims_of
from rolebridge.bridge.applications import USE_NOTED_EVERY, AppProof, spend
from rolebridge.bridge.credentials import REFRESH_PREFIX, Hasher
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.refreshing import LONGEST_TOKEN
from rolebridge.core.applications import EndedWhy
from rolebridge.store.engine import Store
from rolebridge.store.provider_records import Application, Authorization, RefreshToken
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Told:
    """What an application may know by an access token: by which authorization, and of whom."""

    application: Application
    authorization: Authorization
    person: PersonClaims


class Standing:
    """Tells whether tokens stand, and ends those that an application gives up."""

    def __init__(self, store: Store, hasher: Hasher, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock

    def access(self, client_id: str, authorization_id: str) -> Authorization | None:
        """Return the authorization that an access token hangs on; None when nothing of it works any more."""
        with self._store.read() as unit:
            found = self._authorization(unit, client_id, authorization_id)
            return found[1] if found and self._is_active(unit, found[1]) else None

    def told(self, client_id: str, authorization_id: str, scopes: frozenset[str]) -> Told | None:
        """Return what an access token of some scopes lets an application know now; None when it works no more."""
        with self._store.read() as unit:
            found = self._authorization(unit, client_id, authorization_id)
            if found is None:
                return None
            application, made = found
            granted = scopes & set(made.scope.split())
            person = claims_of(unit, application, made.user_id, granted, self._clock())
            return None if person is None else Told(application, made, person)

    def refresh(self, application: Application, text: str) -> RefreshToken | None:
        """Return a refresh token of an application that could be used now, else None."""
        now = self._clock()
        with self._store.read() as unit:
            token = self._token(unit, application, text, lock=False)
            if token is None or token.used_at is not None or now >= token.expires_at:
                return None
            alive = token.authorization.lives(now) and self._is_active(unit, token.authorization)
            return token if alive else None

    def note(self, proof: AppProof) -> None:
        """Note that an application proved itself, where there is something to note. Raises AssertionReused."""
        held, now = proof.credential, self._clock()
        if held is None:
            return
        last = held.credential.last_used_at
        stale = last is None or now - last >= USE_NOTED_EVERY
        if stale or proof.jti is not None or proof.moved is not None:
            self._store.transact(lambda unit: spend(unit, proof, now))

    # --- giving up (RFC 7009)

    def give_up_refresh(self, application: Application, text: str) -> bool:
        """End the authorization of an application's refresh token, used or not; return whether it is one of ours.

        One of another application is none of this one's.
        """

        def work(unit: Unit) -> bool:
            token = self._token(unit, application, text, lock=True)
            if token is not None:
                self._end(unit, token.authorization)
            return token is not None

        return self._store.transact(work)

    def give_up(self, application: Application, authorization_id: str) -> None:
        """End an authorization of an application, with every token of it."""

        def work(unit: Unit) -> None:
            made = unit.authorizations.authorization(application.organization_id, authorization_id)
            if made is not None and made.application_id == application.id:
                self._end(unit, made)

        self._store.transact(work)

    def _end(self, unit: Unit, made: Authorization) -> None:
        # Nobody is told: it is the application itself that asks.
        endings = Endings(unit, made.organization_id, self._clock())
        endings.authorization(made.id, EndedWhy.REVOKED, tell=False)

    # --- looking

    def _authorization(self, unit: Unit, client_id: str, id_: str) -> tuple[Application, Authorization] | None:
        application = unit.applications.application(client_id)
        if application is None or application.revoked_at is not None:
            return None
        made = unit.authorizations.authorization(application.organization_id, id_)
        alive = made is not None and made.application_id == application.id and made.lives(self._clock())
        return (application, made) if made is not None and alive else None

    def _is_active(self, unit: Unit, made: Authorization) -> bool:
        found = unit.directory(made.organization_id).core_users([made.user_id])
        return bool(found) and found[0].active

    def _token(self, unit: Unit, application: Application, text: str, *, lock: bool) -> RefreshToken | None:
        if len(text) > LONGEST_TOKEN or not text.startswith(REFRESH_PREFIX):
            return None
        token = self._hasher.find(text, partial(unit.authorizations.refresh, lock=lock))
        if token is None:
            return None
        made = token.authorization
        ours = (made.organization_id, made.application_id) == (application.organization_id, application.id)
        return token if ours else None
