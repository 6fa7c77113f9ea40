"""What a sign-in gives an application: a code for a browser to carry, and for that code, once, what it stands for.

An authorization is written together with its code, and everything that comes of it hangs on its row. A code is spent
by the first attempt of its application, whatever comes of the attempt; who shows it again ends all that it gave.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import uuid4

from rolebridge.bridge.app_claims import PersonClaims, claims_of
from rolebridge.bridge.applications import AppProof, spend
from rolebridge.bridge.credentials import CODE_PREFIX, REFRESH_PREFIX, Hasher
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.sessions import Sessions, SignedIn
from rolebridge.core import base64url
from rolebridge.core.applications import EndedWhy, Scope
from rolebridge.core.errors import RolebridgeError
from rolebridge.store.engine import Store
from rolebridge.store.provider_records import Application, Authorization, AuthorizationCode, RefreshToken
from rolebridge.store.unit import Unit

CODE_LIFETIME: Final = timedelta(seconds=60)
"""For how long a code can be exchanged (RFC 6749 §4.1.2 would allow ten minutes)."""
SKEW: Final = timedelta(minutes=1)

_LONGEST: Final = 200  # characters of a code or token that is worth looking up
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


class NoCode(StrEnum):
    """Why a code was not exchanged."""

    UNKNOWN = "code-unknown"
    OTHER_APPLICATION = "code-other-application"
    REUSED = "code-reused"
    EXPIRED = "code-expired"
    ENDED = "code-ended"
    REDIRECT_URI = "code-redirect-uri"
    VERIFIER = "code-verifier"
    SIGNED_OUT = "code-signed-out"
    PERSON = "code-person"


class CodeRefused(RolebridgeError):
    """That a code was not exchanged (`invalid_grant`). The text may be told to the application, which proved itself."""

    def __init__(self, reason: NoCode, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class NotAdmitted(RolebridgeError):
    """That a person may not sign in to an application: they hold no role in a workspace that it asks for."""

    def __init__(self, application: Application) -> None:
        super().__init__(f"`{application.name}` admits people with a role in one of its workspaces only")


class NotSignedIn(RolebridgeError):
    """That the session ended while an answer was being made."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an application asks for, checked: the scopes that it gets, and what the code is bound to."""

    scopes: tuple[Scope, ...]
    redirect_uri: str
    challenge: str
    nonce: str | None


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a code or refresh token stood for, and what the application is told; `refresh` is the token to renew it."""

    application: Application
    authorization: Authorization
    claims: PersonClaims
    nonce: str | None = None
    refresh: str | None = field(default=None, repr=False)


class Authorizing:
    """Gives applications what sign-ins allow."""

    def __init__(self, store: Store, hasher: Hasher, sessions: Sessions, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self._sessions = sessions
        self.clock = clock

    def application(self, client_id: str) -> Application | None:
        """Return an application that people can sign in to; None for another, and for a revoked one."""
        with self._store.read() as unit:
            found = unit.applications.application(client_id) if len(client_id) <= _LONGEST else None
        return None if found is None or found.revoked_at is not None else found

    def way_in(self, organization_id: str, name: str) -> str:
        """Return the id of the connection of that name, if it logs people in; "" otherwise: then they choose."""
        if not 0 < len(name) <= _LONGEST:
            return ""
        with self._store.read() as unit:
            connection = unit.accounts.connection_named(organization_id, name)
            row = unit.sso.of(organization_id, connection.id) if connection else None
        return connection.id if connection and row and row.enabled else ""

    def grant(self, application: Application, signed_in: SignedIn, asked: Asked) -> str:
        """Return a code for what `asked` says, in the name of who is signed in. Raises NotAdmitted, NotSignedIn."""
        secret = self._hasher.new(CODE_PREFIX)
        session = signed_in.session

        def work(unit: Unit) -> None:
            now = self.clock()
            if self._sessions.live(unit, application.organization_id, session.id) is None:
                raise NotSignedIn("the session ended")
            # Only what decides about entry is read: the application is told when it exchanges the code.
            claims = claims_of(unit, application, session.user_id, (), now)
            if claims is None:
                raise NotSignedIn("the person was deactivated")
            if not claims.enters:
                raise NotAdmitted(application)
            lasts = CODE_LIFETIME + timedelta(minutes=application.settings.access_minutes) + SKEW
            authorization = Authorization(
                application.organization_id,
                str(uuid4()),
                application.id,
                session.user_id,
                session.id,
                " ".join(asked.scopes),
                session.authenticated_at,
                session.context,
                now,
                now + lasts,
            )
            ends = now + CODE_LIFETIME
            unit.authorizations.add(
                AuthorizationCode(authorization, secret.hash, asked.redirect_uri, asked.challenge, asked.nonce, ends)
            )

        self._store.transact(work)
        return secret.text

    def redeem(self, proof: AppProof, code: str, redirect_uri: str, verifier: str) -> Redeemed:
        """Exchange a code. Raises CodeRefused; AssertionReused for a proof that was used before."""

        def work(unit: Unit) -> Redeemed | CodeRefused:
            now = self.clock()
            spend(unit, proof, now)
            known = len(code) <= _LONGEST and code.startswith(CODE_PREFIX)
            held = self._hasher.find(code, unit.authorizations.code) if known else None
            if held is None:
                return CodeRefused(NoCode.UNKNOWN, "the code is unknown, or was used or expired long ago")
            refused = self._spend_code(unit, held, proof.application, now)
            if refused is not None:
                return refused
            refused = _unfit(held, redirect_uri, verifier)
            if refused is not None:
                return refused
            return self._redeemed(unit, proof.application, held, now)

        # A refusal is returned and raised afterwards: what it wrote, a code spent and an end, stays.
        done = self._store.transact(work)
        if isinstance(done, CodeRefused):
            raise done
        return done

    def _spend_code(
        self, unit: Unit, held: AuthorizationCode, application: Application, now: datetime
    ) -> CodeRefused | None:
        """Use a code up; return why it cannot be exchanged."""
        made = held.authorization
        if made.application_id != application.id:
            return CodeRefused(NoCode.OTHER_APPLICATION, "the code was given to another application")
        if held.used_at is not None:
            ended = Endings(unit, made.organization_id, now)
            ended.authorization(made.id, EndedWhy.CODE_REUSED, tell=False)
            return CodeRefused(NoCode.REUSED, "the code was used before; everything that it gave has ended now")
        unit.authorizations.use_code(held, now)
        if now >= held.expires_at:
            seconds = CODE_LIFETIME // timedelta(seconds=1)
            return CodeRefused(NoCode.EXPIRED, f"the code has expired: it lives for {seconds} seconds")
        if not made.lives(now):
            return CodeRefused(NoCode.ENDED, "what the code stands for has ended")
        return None

    def _redeemed(
        self, unit: Unit, application: Application, held: AuthorizationCode, now: datetime
    ) -> Redeemed | CodeRefused:
        made = held.authorization
        if self._sessions.live(unit, made.organization_id, made.session_id) is None:
            return CodeRefused(NoCode.SIGNED_OUT, "the person has signed out, or their session is over")
        scopes = made.scope.split()
        claims = claims_of(unit, application, made.user_id, scopes, now)
        if claims is None or not claims.enters:
            return CodeRefused(NoCode.PERSON, "the person may not sign in to the application any more")
        refresh = self._first_refresh(unit, application, made, now) if Scope.OFFLINE_ACCESS in scopes else None
        return Redeemed(application, made, claims, held.nonce, refresh)

    def _first_refresh(self, unit: Unit, application: Application, made: Authorization, now: datetime) -> str:
        """Return the first refresh token of an authorization, which from now on lasts as long as that one can."""
        secret = self._hasher.new(REFRESH_PREFIX)
        until = now + timedelta(days=application.settings.refresh_days)
        unit.authorizations.extend(made, until)
        unit.authorizations.add_refresh(RefreshToken(made, secret.hash, self._hasher.key_id, now, until))
        return secret.text


def challenge_of(verifier: str) -> str:
    """Return the challenge of a PKCE verifier by S256 (RFC 7636 §4.2)."""
    return base64url.encode(hashlib.sha256(verifier.encode("ascii")).digest())


def _unfit(held: AuthorizationCode, redirect_uri: str, verifier: str) -> CodeRefused | None:
    """Return why a code is not for whoever sends these: the URI that it went to, and the verifier of its challenge."""
    if not hmac.compare_digest(held.redirect_uri.encode(), redirect_uri.encode("utf-8", "surrogatepass")):
        return CodeRefused(NoCode.REDIRECT_URI, "`redirect_uri` is not the one that the code was sent to")
    if not _VERIFIER.fullmatch(verifier):
        return CodeRefused(NoCode.VERIFIER, "`code_verifier` has 43 to 128 unreserved characters (RFC 7636)")
    if not hmac.compare_digest(challenge_of(verifier), held.challenge):
        return CodeRefused(NoCode.VERIFIER, "`code_verifier` does not fit the challenge that the code was asked with")
    return None
