"""Sessions: who is signed in with a browser, and the one place that decides it.

A session is an opaque secret in a cookie; the database keeps an HMAC of it. It counts while its user is there and
active, its connection still logs people in, neither of its two lifetimes is over, nor that of the session at the
identity provider where that has said it. Whatever ends one ends it for every process at once: nothing is cached.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from rolebridge.bridge.administration import record_act
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.vault import Locked, Vault
from rolebridge.core.applications import EndedWhy
from rolebridge.core.errors import NotFound, Unavailable
from rolebridge.core.login import AssertedIdentity, LoginRefused
from rolebridge.store.engine import Store
from rolebridge.store.sessions import HeldSession, Session
from rolebridge.store.unit import Unit

logger = logging.getLogger("rolebridge.bridge")

SESSION_PREFIX: Final = "rbn_"
"""Begins every session's secret."""
TOUCH_EVERY: Final = timedelta(minutes=1)
"""A session is written at most so often because its browser was here."""

_LONGEST: Final = 128  # characters of a cookie that is worth looking up
_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lasts: without being used (`idle`), and since the person signed in (`absolute`)."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True)
class NewSession:
    """What is known of somebody who has just proved who they are, and of their browser.

    `previous` is the secret of the session that the browser had until now, None for none. `unasked` says that no login
    was under way in the browser: it began at the identity provider, or at somebody who wants to foist their own on it.
    """

    organization_id: str
    user_id: str
    connection_id: str
    identity: AssertedIdentity
    agent: str = ""
    address: str = ""
    previous: str | None = field(default=None, repr=False)
    logout_hint: bytes | None = field(default=None, repr=False)
    unasked: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A session just begun: `secret` is for the browser's cookie and never stored."""

    session: Session
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in now: their session, names, and the name of the connection they came by.

    For an application: `session.id` is `sid`, `session.authenticated_at` is `auth_time`, `session.context` is `acr`.
    """

    session: Session
    user_name: str
    display_name: str
    connection: str


class Sessions:
    """Who is signed in with a browser."""

    def __init__(
        self,
        store: Store,
        hasher: Hasher,
        vault: Vault,
        clock: Callable[[], datetime],
        lifetimes: Lifetimes,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._vault = vault
        self._clock = clock
        self._lifetimes = lifetimes

    # --- signing in

    def begin(self, unit: Unit, new: NewSession) -> Begun:
        """Begin a session in the transaction that accepted the login, always under a secret that nobody knew before.

        Where the browser had a session of the same person by the same connection, that one goes on (applications keep
        its `sid`) under the new secret; any other that it had ends. Raises LoginRefused where somebody is signed in and
        another one's login comes unasked.
        """
        now = self._clock()
        secret = self._hasher.new(SESSION_PREFIX)
        previous = self._by_secret(unit, new.previous)
        if previous is not None:
            going_on, counts = previous.session, self._counts(previous, now)
            if new.unasked and counts and not _same_person(going_on, new):
                raise LoginRefused("flow-somebody-else", "somebody else is signed in with the browser already")
            if _same_person(going_on, new) and counts:
                session = self._made(new, going_on.id, now)
                if unit.sessions(new.organization_id).renew(session, secret.hash):
                    return Begun(session, secret.text)
            else:
                self._end(unit, going_on, EndedWhy.SIGNED_OUT, now)
        session = self._made(new, str(uuid4()), now)
        unit.sessions(new.organization_id).add(session, secret.hash)
        return Begun(session, secret.text)

    def _made(self, new: NewSession, id: str, now: datetime) -> Session:
        identity, hint = new.identity, new.logout_hint
        if hint is not None:
            hint = self._vault.seal(hint, _hint_of(new.organization_id, id))
        return Session(
            organization_id=new.organization_id,
            id=id,
            user_id=new.user_id,
            connection_id=new.connection_id,
            protocol=identity.protocol,
            issuer=identity.issuer,
            subject=identity.subject,
            idp_session=identity.idp_session,
            context=identity.context,
            # Where nobody says it, it may be long ago: whoever wants it fresh must have it said.
            authenticated_at=min(identity.authenticated_at, now) if identity.authenticated_at else None,
            begun_at=now,
            seen_at=now,
            agent=new.agent,
            address=new.address,
            logout_hint=hint,
            ends_at=identity.session_until,
        )

    # --- who is signed in

    def find(self, secret: str | None, organization_id: str | None = None) -> SignedIn | None:
        """Return who is signed in with a browser that showed this secret; of one organization, when that is said.

        The one place that decides it. The session's last use is noted, once a minute at most.
        """
        now = self._clock()
        with self._store.read() as unit:
            held = self._by_secret(unit, secret)
        if held is None or organization_id not in {None, held.session.organization_id}:
            return None
        if not self._counts(held, now):
            return None
        session = held.session
        if now - session.seen_at >= TOUCH_EVERY:
            self._touch(session, now)
        return _signed_in(held)

    def live(self, unit: Unit, organization_id: str, id: str) -> SignedIn | None:
        """Return who is signed in by the session of that id; what tokens hang on.

        It does not end before the transaction that asks: what that writes is there for whoever ends it to end, too.
        """
        held = unit.sessions(organization_id).session(id, lock=True)
        return _signed_in(held) if held and self._counts(held, self._clock()) else None

    def _by_secret(self, unit: Unit, secret: str | None) -> HeldSession | None:
        if secret is None or len(secret) > _LONGEST or not secret.startswith(SESSION_PREFIX):
            return None
        return self._hasher.find(secret, unit.session_finding.by_hash)

    def _counts(self, held: HeldSession, now: datetime) -> bool:
        """Return whether a session counts: its user is active, its connection on, and no lifetime is over."""
        return held.active and held.enabled and self._lasts(held.session, now)

    def _lasts(self, session: Session, now: datetime) -> bool:
        lasts = self._lifetimes
        ends = min(session.begun_at + lasts.absolute, session.seen_at + lasts.idle)
        return now < ends and (session.ends_at is None or now < session.ends_at)

    def _touch(self, session: Session, now: datetime) -> None:
        try:
            self._store.transact(lambda unit: unit.sessions(session.organization_id).touch(session.id, now))
        except Unavailable as busy:  # the next request will tell as much; who is signed in is known without
            logger.warning("last use of a session not written: %s", busy)

    def logout_hint(self, session: Session) -> bytes | None:
        """Return what signing out at the identity provider needs; None when there is nothing, or its key is gone."""
        if session.logout_hint is None:
            return None
        try:
            return self._vault.open(session.logout_hint, _hint_of(session.organization_id, session.id))
        except Locked:
            return None

    # --- lists

    def of_user(self, organization_id: str, user_id: str) -> list[Session]:
        """Return the sessions of a user that are not over, the newest first."""
        now = self._clock()
        with self._store.read() as unit:
            found = unit.sessions(organization_id).of_user(user_id)
        return [one for one in found if self._lasts(one, now)]

    def page(self, organization_id: str, after: str, limit: int, user_id: str | None = None) -> list[SignedIn]:
        """Return up to `limit` of those who are signed in, or one user's sessions, in the order of sessions' ids."""
        now, found = self._clock(), list[SignedIn]()
        with self._store.read() as unit:
            rows = unit.sessions(organization_id)
            while len(found) < limit:
                page = rows.page(after, _BATCH, user_id)
                found.extend(_signed_in(held) for held in page if self._counts(held, now))
                if len(page) < _BATCH:
                    break
                after = page[-1].session.id
        return found[:limit]

    # --- ends

    def sign_out(self, secret: str | None) -> Session | None:
        """End the session of a browser, and return it; None when there was none."""

        def work(unit: Unit) -> Session | None:
            held = self._by_secret(unit, secret)
            return held.session if held and self._end(unit, held.session, EndedWhy.SIGNED_OUT) else None

        return self._store.transact(work)

    def end_own(self, signed_in: SignedIn, id: str | None) -> int:
        """End one session of somebody who is signed in, or (None) all others that they have; return how many."""
        own = signed_in.session

        def work(unit: Unit) -> int:
            held = unit.sessions(own.organization_id).of_user(own.user_id)
            chosen = [one for one in held if (one.id == id if id is not None else one.id != own.id)]
            return sum(self._end(unit, one, EndedWhy.REVOKED) for one in chosen)

        return self._store.transact(work)

    def end(self, unit: Unit, organization_id: str, id: str, reason: EndedWhy) -> bool:
        """End a session in a transaction; of several who do so at once one is told that it was there."""
        held = unit.sessions(organization_id).session(id)
        return held is not None and self._end(unit, held.session, reason)

    def end_one(self, operator: Operator, organization_id: str, id: str) -> None:
        """End a session in an administrator's name. Raises NotFound."""

        def work(unit: Unit) -> None:
            held = unit.sessions(organization_id).session(id)
            if held is None or not self._end(unit, held.session, EndedWhy.ADMINISTRATOR):
                raise NotFound("session", id)
            self._audit(unit, operator, organization_id, held.session.user_id, 1)

        self._store.transact(work)

    def end_of_person(self, operator: Operator, organization_id: str, user_id: str) -> int:
        """End every session of a user in an administrator's name; return how many."""

        def work(unit: Unit) -> int:
            held = unit.sessions(organization_id).of_user(user_id)
            ended = sum(self._end(unit, one, EndedWhy.ADMINISTRATOR) for one in held)
            if ended:
                self._audit(unit, operator, organization_id, user_id, ended)
            return ended

        return self._store.transact(work)

    def end_of_everybody(self, operator: Operator, organization_id: str) -> int:
        """End every session of an organization in an administrator's name, some at a time; return how many."""
        ended = 0
        after: str | None = ""
        while after is not None:
            work = partial(self._end_some, operator=operator, organization_id=organization_id, after=after)
            done, after = self._store.transact(work)
            ended += done
        return ended

    def _end_some(self, unit: Unit, *, operator: Operator, organization_id: str, after: str) -> tuple[int, str | None]:
        """End the next sessions after an id; return how many, and after which id to go on, None at the end."""
        rows = unit.sessions(organization_id).page(after, _BATCH)
        ended = [one.session for one in rows if self._end(unit, one.session, EndedWhy.ADMINISTRATOR)]
        for user_id, number in Counter(one.user_id for one in ended).items():
            self._audit(unit, operator, organization_id, user_id, number)
        return len(ended), rows[-1].session.id if len(rows) == _BATCH else None

    def sweep(self, organization_id: str) -> int:
        """End some of the sessions that count no more; return how many. The worker calls it until there are none."""

        def work(unit: Unit) -> int:
            now, lasts = self._clock(), self._lifetimes
            rows = unit.sessions(organization_id)
            old = rows.too_old(now - lasts.idle, now - lasts.absolute, now, _BATCH)
            ended = sum(self._end(unit, one, EndedWhy.SIGNED_OUT, now) for one in old)
            # Lest they count again when the connection does.
            off = rows.of_connections_off(_BATCH)
            return ended + sum(self._end(unit, one, EndedWhy.ADMINISTRATOR, now) for one in off)

        return self._store.transact(work)

    def _end(self, unit: Unit, session: Session, why: EndedWhy, now: datetime | None = None) -> bool:
        """End a session and what hangs on it; of several who do so at once one is told that it was there."""
        return Endings(unit, session.organization_id, now or self._clock()).sessions([session], why) > 0

    def _audit(self, unit: Unit, operator: Operator, organization_id: str, user_id: str, number: int) -> None:
        reason = f"{number} session{'' if number == 1 else 's'} ended"
        told, now = {"sessions": number}, self._clock()
        record_act(unit, operator, organization_id, "user.signed_out", user_id, reason=reason, before=told, now=now)


def _same_person(session: Session, new: NewSession) -> bool:
    was = (session.organization_id, session.user_id, session.connection_id)
    return was == (new.organization_id, new.user_id, new.connection_id)


def _hint_of(organization_id: str, id: str) -> str:
    return f"logout hint {organization_id} {id}"


def _signed_in(held: HeldSession) -> SignedIn:
    return SignedIn(held.session, held.user_name, held.display_name, held.connection)
