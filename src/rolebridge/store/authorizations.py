"""What people's sign-ins gave applications: authorizations, codes and refresh tokens. `endings` ends them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, select, update

from rolebridge.store.documents import moment, moment_or_none, stamp, stamp_or_none
from rolebridge.store.links import Link, Row
from rolebridge.store.provider_records import Authorization, AuthorizationCode, RefreshToken
from rolebridge.store.statements import Database, Statement, given, insert_into, storable
from rolebridge.store.tables.provider import authorization_codes as codes
from rolebridge.store.tables.provider import authorizations, refresh_tokens

_AUTHORIZATION: Final = tuple(authorizations.columns)
_WIDTH: Final = len(_AUTHORIZATION)
_THIS: Final = (authorizations.c.organization_id == given("organization_id"), authorizations.c.id == given("of"))


def _with_authorization(table: Any, *columns: ColumnElement[Any], lock: bool = True) -> Select[Any]:
    """Return the rows of a table by `hash`, locked unless not wanted, each behind the authorization it hangs on."""
    found = select(*_AUTHORIZATION, *columns).join(
        authorizations,
        (authorizations.c.organization_id == table.c.organization_id)
        & (authorizations.c.id == table.c.authorization_id),
    )
    found = found.where(table.c.hash == given("hash", table.c.hash))
    return found.with_for_update(key_share=True) if lock else found


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


def _refresh(_: Database, *, lock: bool) -> Select[Any]:
    return _with_authorization(
        refresh_tokens,
        refresh_tokens.c.hash,
        refresh_tokens.c.key_id,
        refresh_tokens.c.created.label("token_created"),
        refresh_tokens.c.expires_at.label("token_ends"),
        refresh_tokens.c.used_at,
        lock=lock,
    )


REFRESH: Final = {lock: Statement(partial(_refresh, lock=lock)) for lock in (False, True)}
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


class Authorizations:
    """What sign-ins gave applications, of all organizations: what is shown (by its hash) finds the organization."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

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
            authenticated_at=stamp_or_none(made.authenticated_at),
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

    def refresh(self, hash: bytes, *, lock: bool = True) -> RefreshToken | None:
        """Return a refresh token, used and expired or not; with `lock` it and its authorization stay as they are."""
        row = self._link.one(REFRESH[lock], hash=hash)
        if row is None:
            return None
        hash_, key_id, created, ends, used = row[_WIDTH:]
        times = (moment(created), moment(ends), moment_or_none(used))
        return RefreshToken(_authorization(row[:_WIDTH]), bytes(hash_), key_id, *times)

    def use_refresh(self, token: RefreshToken, now: datetime) -> None:
        """Note that a refresh token was used."""
        scope = {"organization_id": token.authorization.organization_id, "of": token.authorization.id}
        self._link.run(USE_REFRESH, **scope, hash=token.hash, at=stamp(now))


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
        moment_or_none(authenticated),
        context,
        moment(created),
        moment(expires),
        moment_or_none(ended),
        why,
    )
