"""Refreshing: an application renews what a sign-in gave it, each refresh token once (RFC 6749 §6, RFC 9700 §4.14.2).

At most one refresh token of an authorization works at a time. Each refresh makes the next one, and one that comes again
tells that two parties hold it: the authorization ends for both, and everybody concerned is told. The one exception is
an answer that was lost on its way. The next token follows from the one before (under the secret key, so that nobody
else can tell it); hence the same request within `GRACE` gets the same token again, as long as nobody has used that one.
Two requests at once thus agree, and there are never two tokens that both work.

Nothing makes an authorization last longer than it was meant to when the person signed in: each next token ends when the
first one would have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from rolebridge.bridge.administration import record_act
from rolebridge.bridge.app_claims import claims_of
from rolebridge.bridge.applications import AppProof, spend
from rolebridge.bridge.authorizing import Redeemed
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import REFRESH_PREFIX, Hasher
from rolebridge.bridge.endings import Endings
from rolebridge.core import base64url
from rolebridge.core.applications import EndedWhy
from rolebridge.core.errors import RolebridgeError
from rolebridge.store.engine import Store
from rolebridge.store.provider_records import Application, Authorization, RefreshToken
from rolebridge.store.unit import Unit

logger = logging.getLogger("rolebridge.bridge")

GRACE: Final = timedelta(seconds=30)
"""For how long a refresh token that was just used may be shown again, by who did not get the answer."""
LONGEST_TOKEN: Final = 200
"""Characters: no token of ours is longer."""

_AFTER: Final = "the refresh token after "


class RefreshReason(StrEnum):
    """Why a refresh is refused."""

    UNKNOWN = "unknown"
    ANOTHER = "another-application"
    ENDED = "ended"
    EXPIRED = "expired"
    REUSED = "reused"
    SCOPE = "scope"
    PERSON = "person-gone"
    ENTRY = "no-role"


class RefreshRefused(RolebridgeError):
    """That a refresh is refused; the text is for the log, what the application is told is less."""

    def __init__(self, reason: RefreshReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Refreshing:
    """Renews what sign-ins gave applications."""

    def __init__(self, store: Store, hasher: Hasher, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock

    def refresh(self, proof: AppProof, text: str, asked: frozenset[str] | None, request_id: str) -> Redeemed:
        """Exchange a refresh token of an application; `asked` may be fewer scopes than were granted.

        The authorization that is returned has the scopes of this answer. Raises RefreshRefused, and AssertionReused for
        a proof that was used before. A token that was used before has ended its authorization when this raises.
        """
        application = proof.application

        def work(unit: Unit) -> Redeemed | RefreshRefused:
            now = self._clock()
            spend(unit, proof, now)
            try:
                return self._refresh(unit, application, text, asked, now)
            except RefreshRefused as refused:
                if refused.reason is RefreshReason.REUSED:
                    self._end(unit, application, text, request_id, now)
                return refused  # raised below: a proof that was spent, and an end, are to be committed

        done = self._store.transact(work)
        if isinstance(done, RefreshRefused):
            logger.warning("request %s: application %s: %s", request_id, application.id, done)
            raise done
        return done

    def _refresh(
        self, unit: Unit, application: Application, text: str, asked: frozenset[str] | None, now: datetime
    ) -> Redeemed:
        token = self._token(unit, text)
        if token is None:
            raise RefreshRefused(RefreshReason.UNKNOWN, "the refresh token is none of ours")
        made = token.authorization
        _check_belongs(made, application)
        _check_lives(token, now)
        next_ = self._next(unit, token, text, now)
        scopes = _narrowed(made.scope.split(), asked)
        person = claims_of(unit, application, made.user_id, scopes, now)
        if person is None:
            raise RefreshRefused(RefreshReason.PERSON, "the person is deactivated or gone")
        if not person.enters:
            raise RefreshRefused(RefreshReason.ENTRY, "the person holds no role that lets them into the application")
        if token.used_at is None:
            unit.authorizations.use_refresh(token, now)
            hash_, key_id = self._hasher.hash(next_), self._hasher.key_id
            unit.authorizations.add_refresh(RefreshToken(made, hash_, key_id, now, token.expires_at))
        return Redeemed(application, replace(made, scope=" ".join(scopes)), person, refresh=next_)

    def _token(self, unit: Unit, text: str) -> RefreshToken | None:
        """Return a refresh token, locked with its authorization."""
        if len(text) > LONGEST_TOKEN or not text.startswith(REFRESH_PREFIX):
            return None
        return self._hasher.find(text, unit.authorizations.refresh)

    def _next(self, unit: Unit, token: RefreshToken, text: str, now: datetime) -> str:
        """Return the token after one: the same as before where its answer may have been lost. Raises for a reuse."""
        if token.used_at is None:
            return self._after(text)[0]
        if now - token.used_at <= GRACE:
            for candidate in self._after(text):
                known = self._token(unit, candidate)
                if known is not None and known.used_at is None:
                    return candidate
        raise RefreshRefused(RefreshReason.REUSED, "the refresh token was used before")

    def _after(self, text: str) -> list[str]:
        """Return what follows from a token under each secret key, the present one first."""
        macs = self._hasher.hashes(_AFTER + text).values()
        return [REFRESH_PREFIX + base64url.encode(mac) for mac in macs]

    def _end(self, unit: Unit, application: Application, text: str, request_id: str, now: datetime) -> None:
        """End the authorization of a token that came again, and tell: the audit, and the application."""
        token = self._token(unit, text)
        assert token is not None  # it was found a moment ago, and locked
        made = token.authorization
        Endings(unit, made.organization_id, now).authorization(made.id, EndedWhy.REFRESH_REUSED, tell=True)
        actor = Operator(f"app:{application.name} ({application.id})", request_id)
        told = {"application": application.name, "authorization": made.id}
        reason = "a refresh token was used twice: two parties hold it"
        record_act(
            unit,
            actor,
            made.organization_id,
            "user.app-access-ended",
            made.user_id,
            reason=reason,
            before=told,
            now=now,
        )


def _check_belongs(made: Authorization, application: Application) -> None:
    if (made.organization_id, made.application_id) != (application.organization_id, application.id):
        raise RefreshRefused(RefreshReason.ANOTHER, "the refresh token is another application's")


def _check_lives(token: RefreshToken, now: datetime) -> None:
    made = token.authorization
    if made.ended_at is not None:
        raise RefreshRefused(RefreshReason.ENDED, f"what the refresh token belongs to has ended: {made.ended_why}")
    if not made.lives(now) or now >= token.expires_at:
        raise RefreshRefused(RefreshReason.EXPIRED, "the refresh token has expired")


def _narrowed(granted: list[str], asked: frozenset[str] | None) -> tuple[str, ...]:
    """Return the scopes of an answer: those that are asked for, which are granted ones (RFC 6749 §6)."""
    if asked is None:
        return tuple(granted)
    if not asked or not asked <= set(granted):
        raise RefreshRefused(RefreshReason.SCOPE, "a scope is asked for that was not granted")
    return tuple(one for one in granted if one in asked)
