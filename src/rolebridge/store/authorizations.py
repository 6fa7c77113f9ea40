"""What people's sign-ins gave applications: requests that wait, authorizations, codes and refresh tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Select, bindparam, delete, select, update

from rolebridge.core.applications import EndedWhy
from rolebridge.store.documents import moment, moment_or_none, stamp
from rolebridge.store.links import Link, Row
from rolebridge.store.provider_records import Authorization, AuthorizationCode, RefreshToken
from rolebridge.store.statements import Statement, given, insert_into, storable
from rolebridge.store.tables.provider import authorization_codes as codes
from rolebridge.store.tables.provider import authorization_requests as requests
from rolebridge.store.tables.provider import authorizations, refresh_tokens

MOST_WAITING: Final = 2_000
"""Requests of one application that wait for a sign-in at a time; the oldest makes room for another."""

_AUTHORIZATION: Final = tuple(authorizations.columns)
_WIDTH: Final = len(_AUTHORIZATION)
_THIS: Final = (authorizations.c.organization_id == given("organization_id"), authorizations.c.id == given("of"))
_WAITING: Final = (
    requests.c.organization_id == given("organization_id"),
    requests.c.application_id == given("application_id"),
)


def _with_authorization(table: Any, *columns: ColumnElement[Any]) -> Select[Any]:
    """Return the rows of a table by `hash`, locked, each behind the authorization that it hangs on."""
    found = select(*_AUTHORIZATION, *columns).join(
        authorizations,
        (authorizations.c.organization_id == table.c.organization_id)
        & (authorizations.c.id == table.c.authorization_id),
    )
    return found.where(table.c.hash == given("hash", table.c.hash)).with_for_update(key_share=True)


INSERT_REQUEST: Final = Statement(lambda db: insert_into(db, requests))
REQUEST: Final = Statement(
    lambda _: select(
        requests.c.organization_id, requests.c.application_id, requests.c.request, requests.c.created
    ).where(requests.c.hash == given("hash", requests.c.hash), requests.c.expires_at > given("now"))
)
DELETE_REQUEST: Final = Statement(
    lambda _: delete(requests).where(
        requests.c.organization_id == given("organization_id"), requests.c.hash == given("hash", requests.c.hash)
    )
)
DELETE_OLD_REQUESTS: Final = Statement(
    lambda _: delete(requests).where(
        requests.c.organization_id == given("organization_id"), requests.c.expires_at <= given("now")
    )
)


def _delete_surplus_requests() -> Any:
    surplus = select(requests.c.hash).where(*_WAITING).order_by(requests.c.created.desc(), requests.c.hash)
    surplus = surplus.offset(bindparam("most", type_=Integer(), required=True)).limit(MOST_WAITING)
    return delete(requests).where(*_WAITING, requests.c.hash.in_(surplus))


DELETE_SURPLUS_REQUESTS: Final = Statement(lambda _: _delete_surplus_requests())
INSERT: Final = Statement(lambda db: insert_into(db, authorizations))
INSERT_CODE: Final = Statement(lambda db: insert_into(db, codes))
INSERT_REFRESH: Final = Statement(lambda db: insert_into(db, refresh_tokens))
AUTHORIZATION: Final = Statement(lambda _: select(*_AUTHORIZATION).where(*_THIS))
CODE: Final = Statement(
    lambda _: _with_authorization(
        codes,
        codes.c.hash,
        codes.c.redirect_uri,
        codes.c.challenge,
        codes.c.nonce,
        codes.c.expires_at.label("code_ends"),
        codes.c.used_at,
    )
)
REFRESH: Final = Statement(
    lambda _: _with_authorization(
        refresh_tokens,
        refresh_tokens.c.hash,
        refresh_tokens.c.key_id,
        refresh_tokens.c.created.label("token_created"),
        refresh_tokens.c.expires_at.label("token_ends"),
        refresh_tokens.c.used_at,
    )
)
USE_CODE: Final = Statement(
    lambda _: (
        update(codes)
        .where(codes.c.organization_id == given("organization_id"), codes.c.authorization_id == given("of"))
        .values(used_at=given("at"))
    )
)
USE_REFRESH: Final = Statement(
    lambda _: (
        update(refresh_tokens)
        .where(
            refresh_tokens.c.organization_id == given("organization_id"),
            refresh_tokens.c.authorization_id == given("of"),
            refresh_tokens.c.hash == given("hash", refresh_tokens.c.hash),
        )
        .values(used_at=given("at"))
    )
)
EXTEND: Final = Statement(lambda _: update(authorizations).where(*_THIS).values(expires_at=given("until")))


def _end(*conditions: ColumnElement[bool]) -> Statement:
    return Statement(
        lambda _: (
            update(authorizations)
            .where(authorizations.c.organization_id == given("organization_id"), *conditions)
            .where(authorizations.c.ended_at.is_(None))
            .values(ended_at=given("at"), ended_why=given("why"))
        )
    )


END: Final = _end(authorizations.c.id == given("of"))
END_OF_USER: Final = _end(authorizations.c.user_id == given("of"))
END_OF_SESSION: Final = _end(authorizations.c.session_id == given("of"))
END_OF_APPLICATION: Final = _end(authorizations.c.application_id == given("of"))


def _delete_expired(table: Any) -> Statement:
    gone = select(authorizations.c.id).where(
        authorizations.c.organization_id == given("organization_id"), authorizations.c.expires_at <= given("now")
    )
    return Statement(
        lambda _: delete(table).where(
            table.c.organization_id == given("organization_id"), table.c.authorization_id.in_(gone)
        )
    )


DELETE_EXPIRED_CODES: Final = _delete_expired(codes)
DELETE_EXPIRED_REFRESH: Final = _delete_expired(refresh_tokens)
DELETE_EXPIRED: Final = Statement(
    lambda _: delete(authorizations).where(
        authorizations.c.organization_id == given("organization_id"), authorizations.c.expires_at <= given("now")
    )
)


class Authorizations:
    """What sign-ins gave applications, of all organizations: what is shown (by its hash) finds the organization."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    # --- requests that wait for a sign-in

    def keep_request(
        self, organization_id: str, application_id: str, hash: bytes, request: str, created: datetime, expires: datetime
    ) -> None:
        """Keep the request (JSON text) of an application until somebody is signed in, or until `expires`."""
        scope = {"organization_id": organization_id, "application_id": application_id}
        self._link.run(DELETE_OLD_REQUESTS, organization_id=organization_id, now=stamp(created))
        self._link.run(DELETE_SURPLUS_REQUESTS, **scope, most=MOST_WAITING - 1)
        times = {"created": stamp(created), "expires_at": stamp(expires)}
        self._link.run(INSERT_REQUEST, **scope, hash=hash, request=request, **times)

    def request(self, hash: bytes, now: datetime) -> tuple[str, str, str, datetime] | None:
        """Return organization, application, request and when it came, of one that has not expired."""
        row = self._link.one(REQUEST, hash=hash, now=stamp(now))
        return (row[0], row[1], row[2], moment(row[3])) if row else None

    def forget_request(self, organization_id: str, hash: bytes) -> bool:
        """Forget a request; return whether it was there: of two who come with it at once, one only goes on."""
        return self._link.run(DELETE_REQUEST, organization_id=organization_id, hash=hash) > 0

    # --- authorizations

    def add(self, added: AuthorizationCode) -> None:
        """Add an authorization with its code."""
        made = added.authorization
        self._link.run(
            INSERT,
            organization_id=made.organization_id,
            id=made.id,
            application_id=made.application_id,
            user_id=made.user_id,
            session_id=made.session_id,
            scope=made.scope,
            authenticated_at=stamp(made.authenticated_at),
            context=made.context,
            created=stamp(made.created),
            expires_at=stamp(made.expires_at),
            ended_at=None,
            ended_why=None,
        )
        self._link.run(
            INSERT_CODE,
            organization_id=made.organization_id,
            authorization_id=made.id,
            hash=added.hash,
            redirect_uri=added.redirect_uri,
            challenge=added.challenge,
            nonce=added.nonce,
            expires_at=stamp(added.expires_at),
            used_at=None,
        )

    def authorization(self, organization_id: str, id: str) -> Authorization | None:
        """Return an authorization, ended or not."""
        row = self._link.one(AUTHORIZATION, organization_id=organization_id, of=id) if storable(id) else None
        return _authorization(row) if row else None

    def code(self, hash: bytes) -> AuthorizationCode | None:
        """Return a code, used and expired or not, and keep it and its authorization as they are for the others."""
        row = self._link.one(CODE, hash=hash)
        if row is None:
            return None
        hash_, redirect_uri, challenge, nonce, ends, used = row[_WIDTH:]
        times = (moment(ends), moment_or_none(used))
        return AuthorizationCode(_authorization(row[:_WIDTH]), bytes(hash_), redirect_uri, challenge, nonce, *times)

    def use_code(self, code: AuthorizationCode, now: datetime) -> None:
        """Note that a code was used."""
        made = code.authorization
        self._link.run(USE_CODE, organization_id=made.organization_id, of=made.id, at=stamp(now))

    def extend(self, authorization: Authorization, until: datetime) -> None:
        """Keep an authorization until `until`, when the last thing of it ends."""
        scope = {"organization_id": authorization.organization_id, "of": authorization.id}
        self._link.run(EXTEND, **scope, until=stamp(until))

    # --- refresh tokens

    def add_refresh(self, added: RefreshToken) -> None:
        """Add a refresh token."""
        self._link.run(
            INSERT_REFRESH,
            organization_id=added.authorization.organization_id,
            authorization_id=added.authorization.id,
            hash=added.hash,
            key_id=added.key_id,
            created=stamp(added.created),
            expires_at=stamp(added.expires_at),
            used_at=None,
        )

    def refresh(self, hash: bytes) -> RefreshToken | None:
        """Return a refresh token, used and expired or not; it and its authorization stay as they are for the others."""
        row = self._link.one(REFRESH, hash=hash)
        if row is None:
            return None
        hash_, key_id, created, ends, used = row[_WIDTH:]
        times = (moment(created), moment(ends), moment_or_none(used))
        return RefreshToken(_authorization(row[:_WIDTH]), bytes(hash_), key_id, *times)

    def use_refresh(self, token: RefreshToken, now: datetime) -> None:
        """Note that a refresh token was used."""
        scope = {"organization_id": token.authorization.organization_id, "of": token.authorization.id}
        self._link.run(USE_REFRESH, **scope, hash=token.hash, at=stamp(now))

    # --- ends; each returns how many authorizations ended by it

    def end(self, organization_id: str, id: str, why: EndedWhy, now: datetime) -> int:
        """End one authorization, and every code and token of it."""
        return self._end(END, organization_id, id, why, now)

    def end_of_user(self, organization_id: str, user_id: str, why: EndedWhy, now: datetime) -> int:
        """End everything that a person's sign-ins gave any application."""
        return self._end(END_OF_USER, organization_id, user_id, why, now)

    def end_of_session(self, organization_id: str, session_id: str, why: EndedWhy, now: datetime) -> int:
        """End everything that one session gave any application."""
        return self._end(END_OF_SESSION, organization_id, session_id, why, now)

    def end_of_application(self, organization_id: str, application_id: str, why: EndedWhy, now: datetime) -> int:
        """End everything that an application was given."""
        return self._end(END_OF_APPLICATION, organization_id, application_id, why, now)

    def _end(self, statement: Statement, organization_id: str, of: str, why: EndedWhy, now: datetime) -> int:
        return self._link.run(statement, organization_id=organization_id, of=of, why=str(why), at=stamp(now))

    def expire(self, organization_id: str, now: datetime) -> int:
        """Delete what has expired in an organization; return how many rows."""
        values = {"organization_id": organization_id, "now": stamp(now)}
        in_order = (DELETE_OLD_REQUESTS, DELETE_EXPIRED_CODES, DELETE_EXPIRED_REFRESH, DELETE_EXPIRED)
        return sum(self._link.run(statement, **values) for statement in in_order)


def _authorization(row: Row) -> Authorization:
    organization_id, id_, application_id, user_id, session_id, scope, authenticated, context, *times = row
    created, expires, ended, why = times
    return Authorization(
        organization_id,
        id_,
        application_id,
        user_id,
        session_id,
        scope,
        moment(authenticated),
        context,
        moment(created),
        moment(expires),
        moment_or_none(ended),
        why,
    )
