"""The end of what sign-ins gave to applications: authorizations, and with them their codes and tokens.

Nothing but the row of an authorization says whether its code, refresh tokens and access tokens work. So whoever ends it
ends them all, in the transaction that gives the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Delete, Select, Table, Update, delete, literal_column, select, union, update

from rolebridge.store.documents import stamp
from rolebridge.store.links import Row, in_batches
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, among, given, json_list
from rolebridge.store.tables.directory import users
from rolebridge.store.tables.provider import (
    applications,
    authorization_codes,
    authorizations,
    logout_notices,
    refresh_tokens,
)
from rolebridge.store.tables.sessions import sessions


class Ended(NamedTuple):
    """An authorization that ended, or that goes on though its session ended: whose it is."""

    id: str
    application_id: str
    user_id: str
    session_id: str
    scope: str


_SHOWN: Final = tuple(authorizations.c[name] for name in Ended._fields)
_LIVE: Final = (
    authorizations.c.organization_id == given("organization_id"),
    authorizations.c.ended_at.is_(None),
    # Put so that no index understands it: a database without statistics would rather read all that has not expired.
    authorizations.c.expires_at.concat(literal_column("''")) > given("now"),
)


def _end(column: Column[Any]) -> Update:
    return (
        update(authorizations)
        .where(*_LIVE, among(column, given("of")))
        .values(ended_at=given("now"), ended_why=given("why"))
    )


END_OF_USERS: Final = Statement(lambda _: _end(authorizations.c.user_id).returning(*_SHOWN))
END_OF_APPLICATION: Final = Statement(lambda _: _end(authorizations.c.application_id).returning(*_SHOWN))
END: Final = Statement(lambda _: _end(authorizations.c.id).returning(*_SHOWN))
END_OF_CONNECTION: Final = Statement(
    lambda _: (
        update(authorizations)
        .where(
            *_LIVE,
            authorizations.c.user_id.in_(
                select(users.c.id).where(
                    users.c.organization_id == given("organization_id"),
                    users.c.connection_id == given("connection_id"),
                )
            ),
        )
        .values(ended_at=given("now"), ended_why=given("why"))
        .returning(*_SHOWN)
    )
)
# Locked, so that who refreshes at the same time has either done so or finds the authorization ended.
OF_SESSIONS: Final = Statement(
    lambda _: (
        select(*_SHOWN)
        .where(*_LIVE, among(authorizations.c.session_id, given("of")))
        .order_by(authorizations.c.id)
        .with_for_update()
    )
)
# The one question that a deactivation asks more: both halves are answered by an index, as a rule without a row.
HOLDING: Final = Statement(
    lambda _: union(
        select(sessions.c.user_id).where(
            sessions.c.organization_id == given("organization_id"), among(sessions.c.user_id, given("of"))
        ),
        select(authorizations.c.user_id).where(*_LIVE, among(authorizations.c.user_id, given("of"))),
    )
)
LISTENING: Final = Statement(
    lambda _: select(applications.c.id, applications.c.settings).where(
        applications.c.organization_id == given("organization_id"), among(applications.c.id, given("ids"))
    )
)
_OF_USER: Final = (
    authorizations.c.organization_id == given("organization_id"),
    authorizations.c.user_id == given("user_id"),
)


def _delete_among(column: Column[Any], _: Database) -> Delete:
    table = column.table
    return delete(table).where(table.c.organization_id == given("organization_id"), among(column, given("ids")))


def _below(table: Table) -> Delete:
    """Return the delete of what belongs to a person's authorizations."""
    return delete(table).where(
        table.c.organization_id == given("organization_id"),
        table.c.authorization_id.in_(select(authorizations.c.id).where(*_OF_USER)),
    )


def _expired(_: Database) -> Select[Any]:
    return (
        select(authorizations.c.id)
        .where(
            authorizations.c.organization_id == given("organization_id"), authorizations.c.expires_at <= given("now")
        )
        .limit(given("limit", logout_notices.c.attempts))
    )


EXPIRED: Final = Statement(_expired)
FORGET: Final = tuple(
    Statement(partial(_delete_among, column))
    for column in (authorization_codes.c.authorization_id, refresh_tokens.c.authorization_id, authorizations.c.id)
)
# Children first: whatever is cut off in between is found again by its parent.
_FORGET: Final = (
    Statement(lambda _: _below(authorization_codes)),
    Statement(lambda _: _below(refresh_tokens)),
    Statement(lambda _: delete(authorizations).where(*_OF_USER)),
    Statement(
        lambda _: delete(logout_notices).where(
            logout_notices.c.organization_id == given("organization_id"),
            logout_notices.c.user_id == given("user_id"),
        )
    ),
)


class EndingRows(Scope):
    """The ends of authorizations of one organization."""

    __slots__ = ()

    def holding(self, user_ids: Iterable[str], now: datetime) -> list[str]:
        """Return who of these people has a session, or gave an application something that still works."""
        values = {"organization_id": self._organization_id, "now": stamp(now)}
        return [
            user_id
            for batch in in_batches(user_ids)
            for (user_id,) in self._link.all(HOLDING, **values, of=json_list(batch))
        ]

    def listening(self, application_ids: Iterable[str]) -> set[str]:
        """Return which of these applications want to be told of logouts, the revoked ones included."""
        return {
            id_
            for batch in in_batches(application_ids)
            for id_, settings in self._link.all(LISTENING, organization_id=self._organization_id, ids=json_list(batch))
            if json.loads(settings).get("backchannel_logout_uri")
        }

    def of_users(self, user_ids: Iterable[str], why: str, now: datetime) -> list[Ended]:
        """End everything that people gave to applications; return what ended now."""
        return self._end(END_OF_USERS, user_ids, why, now)

    def of_application(self, application_id: str, why: str, now: datetime) -> list[Ended]:
        """End everything that people gave to one application; return what ended now."""
        return self._end(END_OF_APPLICATION, [application_id], why, now)

    def of_connection(self, connection_id: str, why: str, now: datetime) -> list[Ended]:
        """End everything that the people of a connection gave to applications; return what ended now."""
        values = {"organization_id": self._organization_id, "connection_id": connection_id}
        return [_ended(row) for row in self._link.all(END_OF_CONNECTION, **values, why=why, now=stamp(now))]

    def end(self, ids: Iterable[str], why: str, now: datetime) -> list[Ended]:
        """End authorizations; return those that ended now."""
        return self._end(END, ids, why, now)

    def of_sessions(self, session_ids: Iterable[str], now: datetime) -> list[Ended]:
        """Return the authorizations of sessions that have not ended, locked until the transaction does."""
        return self._all(OF_SESSIONS, session_ids, now=stamp(now))

    def expire(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` authorizations of which nothing works any more, with their codes and tokens."""
        scope = {"organization_id": self._organization_id}
        gone = [id_ for (id_,) in self._link.all(EXPIRED, **scope, now=stamp(now), limit=limit)]
        if gone:
            for statement in FORGET:
                self._link.run(statement, **scope, ids=json_list(gone))
        return len(gone)

    def forget_user(self, user_id: str) -> int:
        """Delete every trace of a deleted user here, notices of their logout included; return how many rows went."""
        values = {"organization_id": self._organization_id, "user_id": user_id}
        return sum(self._link.run(one, **values) for one in _FORGET)

    def _end(self, statement: Statement, of: Iterable[str], why: str, now: datetime) -> list[Ended]:
        return self._all(statement, of, now=stamp(now), why=why)

    def _all(self, statement: Statement, of: Iterable[str], **values: str) -> list[Ended]:
        return [
            _ended(row)
            for batch in in_batches(of)
            for row in self._link.all(statement, organization_id=self._organization_id, of=json_list(batch), **values)
        ]


def _ended(row: Row) -> Ended:
    return Ended(*row)
