"""Sessions of people who are signed in with a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, delete, or_, select, true, update

from rolebridge.core.login import Protocol
from rolebridge.store.documents import moment, moment_or_none, stamp, stamp_or_none
from rolebridge.store.links import Link, Row
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, insert_into, storable
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import users
from rolebridge.store.tables.logins import sso_connections
from rolebridge.store.tables.sessions import sessions


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in with a browser. `id` is no secret: it is the `sid` that applications are told.

    `authenticated_at` is when they proved themselves to the identity provider, None where it does not say, and
    `context` how (`acr`, an authentication context class); `begun_at` is when they signed in here, `seen_at` when they
    were last here, to the minute. `issuer`, `subject` and `idp_session` are the identity provider's words. `agent` and
    `address` tell the browser. `logout_hint` is what signing out there needs, sealed; `ends_at` is when the session
    there ends at the latest, None where that is not said.
    """

    organization_id: str
    id: str
    user_id: str
    connection_id: str
    protocol: Protocol
    issuer: str
    subject: str
    idp_session: str | None
    context: str | None
    authenticated_at: datetime | None
    begun_at: datetime
    seen_at: datetime
    agent: str = ""
    address: str = ""
    logout_hint: bytes | None = field(default=None, repr=False)
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A session beside what decides whether it counts, and the names of whose it is and of the connection.

    `active` is the user, and `enabled` is whether the connection logs people in.
    """

    session: Session
    user_name: str
    display_name: str
    active: bool
    connection: str
    enabled: bool


_NAMES: Final = (
    "organization_id", "id", "user_id", "connection_id", "protocol", "issuer", "subject", "idp_session", "context",
    "authenticated_at", "begun_at", "seen_at", "agent", "address", "logout_hint", "ends_at",
)  # fmt: skip
_COLUMNS: Final = tuple(sessions.c[name] for name in _NAMES)
_OURS: Final = sessions.c.organization_id == given("organization_id")
_SAME: Final = (_OURS, sessions.c.id == given("of"))
_BY: Final = (sso_connections.c.organization_id == sessions.c.organization_id) & (
    sso_connections.c.connection_id == sessions.c.connection_id
)


def _held() -> Select[Any]:
    owner = (users.c.organization_id == sessions.c.organization_id) & (users.c.id == sessions.c.user_id)
    via = (connections.c.organization_id == sessions.c.organization_id) & (connections.c.id == sessions.c.connection_id)
    names = (users.c.user_name, users.c.display_name, users.c.active, connections.c.name, sso_connections.c.enabled)
    return select(*_COLUMNS, *names).join(users, owner).join(connections, via).join(sso_connections, _BY)


def _too_old() -> ColumnElement[bool]:
    idle, old = sessions.c.seen_at <= given("seen_before"), sessions.c.begun_at <= given("begun_before")
    return or_(idle, old, sessions.c.ends_at <= given("now"))


INSERT: Final = Statement(lambda db: insert_into(db, sessions))
# The one question of a request from a browser: unique indexes only, one row.
BY_HASH: Final = Statement(lambda _: _held().where(sessions.c.hash == given("hash", sessions.c.hash)))


def _by_id(_: Database, *, lock: bool) -> Select[Any]:
    found = _held().where(*_SAME)
    # Shared with others who only go by the session, and with those who note its use: it must not end meanwhile.
    return found.with_for_update(read=True, key_share=True, of=sessions) if lock else found


BY_ID: Final = {lock: Statement(partial(_by_id, lock=lock)) for lock in (False, True)}


def _page(_: Database, *, of_user: bool) -> Select[Any]:
    found = _held().where(_OURS, sessions.c.id > given("after"))
    if of_user:
        found = found.where(sessions.c.user_id == given("user_id"))
    return found.order_by(sessions.c.id).limit(given("limit", users.c.version))


PAGE: Final = {of_user: Statement(partial(_page, of_user=of_user)) for of_user in (False, True)}
OF_USER: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(_OURS, sessions.c.user_id == given("user_id"))
        .order_by(sessions.c.begun_at.desc(), sessions.c.id)
    )
)
OF_SUBJECT: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(
            _OURS,
            sessions.c.connection_id == given("connection_id"),
            sessions.c.subject == given("subject"),
            sessions.c.issuer == given("issuer"),
        )
        .order_by(sessions.c.id)
    )
)
OF_IDP_SESSION: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(
            _OURS,
            sessions.c.connection_id == given("connection_id"),
            sessions.c.idp_session == given("idp_session"),
            sessions.c.issuer == given("issuer"),
        )
        .order_by(sessions.c.id)
    )
)
OF_CONNECTIONS_OFF: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .outerjoin(sso_connections, _BY)
        .where(_OURS, sso_connections.c.enabled.is_not(true()))
        .order_by(sessions.c.id)
        .limit(given("limit", users.c.version))
    )
)
TOO_OLD: Final = Statement(
    lambda _: select(*_COLUMNS).where(_OURS, _too_old()).order_by(sessions.c.id).limit(given("limit", users.c.version))
)
TOUCH: Final = Statement(
    lambda _: update(sessions).where(*_SAME, sessions.c.seen_at < given("at")).values(seen_at=given("at"))
)
RENEW: Final = Statement(
    lambda _: (
        update(sessions)
        .where(*_SAME)
        .values(
            hash=given("hash", sessions.c.hash),
            idp_session=given("idp_session"),
            context=given("context"),
            authenticated_at=given("authenticated_at"),
            begun_at=given("begun_at"),
            seen_at=given("seen_at"),
            agent=given("agent"),
            address=given("address"),
            logout_hint=given("logout_hint", sessions.c.logout_hint),
            ends_at=given("ends_at"),
        )
    )
)
DELETE: Final = Statement(lambda _: delete(sessions).where(*_SAME))


class SessionFinding:
    """Sessions of all organizations: the secret in a cookie finds its organization."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def by_hash(self, hash: bytes) -> HeldSession | None:
        """Return the session of a cookie, whether or not it still counts; None also when its user is gone."""
        row = self._link.one(BY_HASH, hash=hash)
        return _held_session(row) if row else None


class SessionRows(Scope):
    """The sessions of one organization."""

    __slots__ = ()

    def add(self, session: Session, hash: bytes) -> None:
        """Add a session, whose cookie's secret has this HMAC."""
        self._link.run(INSERT, **_row(session), hash=hash)

    def renew(self, session: Session, hash: bytes) -> bool:
        """Have a session go on as `session`, under another secret. Return whether it was still there."""
        row = _row(session)
        return self._link.run(RENEW, **row, of=row["id"], hash=hash) > 0

    def session(self, id: str, *, lock: bool = False) -> HeldSession | None:
        """Return a session, whether or not it still counts; with `lock` it does not end before the transaction does."""
        row = self._link.one(BY_ID[lock], organization_id=self._organization_id, of=id) if storable(id) else None
        return _held_session(row) if row else None

    def page(self, after: str, limit: int, user_id: str | None = None) -> list[HeldSession]:
        """Return sessions of the organization, or of one user, in the order of their ids."""
        values = {"after": after, "limit": limit} | ({} if user_id is None else {"user_id": user_id})
        rows = self._link.all(PAGE[user_id is not None], organization_id=self._organization_id, **values)
        return [_held_session(row) for row in rows]

    def of_user(self, user_id: str) -> list[Session]:
        """Return a user's sessions, the newest first."""
        return self._all(OF_USER, user_id=user_id)

    def of_idp_session(
        self, connection_id: str, issuer: str, *, session: str | None = None, subject: str | None = None
    ) -> list[Session]:
        """Return the sessions that began with a session at the identity provider, or (without one) with a subject.

        With both, those of the session that are the subject's (OpenID Connect Back-Channel Logout 1.0 §2.6), and
        those of the subject of which the provider did not say with which session they began.
        """
        of = {"connection_id": connection_id, "issuer": issuer}
        if subject is not None:
            found = self._all(OF_SUBJECT, **of, subject=subject) if storable(subject) else []
            return [one for one in found if session is None or one.idp_session in {None, session}]
        return [] if session is None or not storable(session) else self._all(OF_IDP_SESSION, **of, idp_session=session)

    def of_connections_off(self, limit: int) -> list[Session]:
        """Return sessions that began by connections which log nobody in any more, `limit` at most."""
        return self._all(OF_CONNECTIONS_OFF, limit=limit)

    def too_old(self, seen_before: datetime, begun_before: datetime, now: datetime, limit: int) -> list[Session]:
        """Return sessions that nobody has used since the one moment, that began before the other, or have ended."""
        moments = {"seen_before": stamp(seen_before), "begun_before": stamp(begun_before), "now": stamp(now)}
        return self._all(TOO_OLD, **moments, limit=limit)

    def touch(self, id: str, at: datetime) -> bool:
        """Note that a session's browser was here; return whether that is news."""
        return self._link.run(TOUCH, organization_id=self._organization_id, of=id, at=stamp(at)) > 0

    def delete(self, id: str) -> bool:
        """Delete a session; return whether it was there: of several who do so at once one is told yes."""
        return self._link.run(DELETE, organization_id=self._organization_id, of=id) > 0

    def _all(self, statement: Statement, **values: Any) -> list[Session]:
        return [_session(row) for row in self._link.all(statement, organization_id=self._organization_id, **values)]


def _row(session: Session) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(session, name) for name in _NAMES}
    for name in ("authenticated_at", "begun_at", "seen_at", "ends_at"):
        row[name] = stamp_or_none(row[name])
    row["protocol"] = session.protocol.value
    return row


def _session(row: Row) -> Session:
    organization_id, id_, user_id, connection_id, protocol, issuer, subject, idp_session, context = row[:9]
    authenticated, begun, seen, agent, address, hint, ends = row[9:16]
    who = (organization_id, id_, user_id, connection_id, Protocol(protocol), issuer, subject, idp_session, context)
    moments = (moment_or_none(authenticated), moment(begun), moment(seen))
    return Session(*who, *moments, agent, address, None if hint is None else bytes(hint), moment_or_none(ends))


def _held_session(row: Row) -> HeldSession:
    user_name, display_name, active, connection, enabled = row[16:]
    return HeldSession(_session(row), user_name, display_name or "", bool(active), connection, bool(enabled))
