"""OAuth 2.0 clients, what they prove themselves with, and the access tokens that they were given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Select, delete, func, select, tuple_, update

from rolebridge.core.errors import Invalid, NotFound, Taken
from rolebridge.store.accounts import (
    CONNECTION_COLUMNS,
    CREDENTIAL_COLUMNS,
    check_name,
    credential_values,
    move_to,
    moved_rows,
    stored_connection,
    stored_credential,
)
from rolebridge.store.documents import moment, moment_or_none, stamp
from rolebridge.store.links import Link, Row
from rolebridge.store.records import AccessToken, AccessTokenHolder, Client, ClientCredential
from rolebridge.store.statements import Database, Statement, given, insert_into, storable
from rolebridge.store.tables.accounts import access_tokens, client_credentials, clients, connections, used_assertions

MOST_CREDENTIALS: Final = 10
"""Secrets and keys that one client may have at a time: enough to rotate, few enough to try each one."""
MOST_TOKENS: Final = 1_000
"""Access tokens of one client that live at a time; the one that would end first makes room for another."""

_CLIENT: Final = tuple(clients.columns)
_CREDENTIAL: Final = (
    client_credentials.c.organization_id,
    client_credentials.c.client_id,
    *(client_credentials.c[name] for name in CREDENTIAL_COLUMNS),
    client_credentials.c.jwk,
)
_TOKEN: Final = (
    access_tokens.c.organization_id,
    access_tokens.c.client_id,
    access_tokens.c.credential_id,
    access_tokens.c.hash,
    access_tokens.c.expires_at,
)
_OF_CLIENT: Final = (
    access_tokens.c.organization_id == given("organization_id"),
    access_tokens.c.client_id == given("client_id"),
)


def _by_id(_: Database, *, lock: bool) -> Select[Any]:
    found = select(*_CLIENT).where(clients.c.id == given("id"))
    # As an update would lock it: who gives a token writes its credential's last use, and two that only shared the row
    # would each wait for the other.
    return found.with_for_update(key_share=True) if lock else found


def _credentials_of(_: Database, *, lock: bool) -> Select[Any]:
    found = (
        select(*_CREDENTIAL)
        .where(
            client_credentials.c.organization_id == given("organization_id"),
            client_credentials.c.client_id == given("client_id"),
        )
        .order_by(client_credentials.c.created, client_credentials.c.id)
    )
    return found.with_for_update(key_share=True) if lock else found


INSERT_CLIENT: Final = Statement(lambda db: insert_into(db, clients))
INSERT_CREDENTIAL: Final = Statement(lambda db: insert_into(db, client_credentials, unless_taken=True))
INSERT_TOKEN: Final = Statement(lambda db: insert_into(db, access_tokens))
INSERT_ASSERTION: Final = Statement(lambda db: insert_into(db, used_assertions, unless_taken=True))

CLIENT: Final = {lock: Statement(partial(_by_id, lock=lock)) for lock in (False, True)}
CLIENTS: Final = Statement(
    lambda _: (
        select(*_CLIENT)
        .where(clients.c.organization_id == given("organization_id"))
        .order_by(clients.c.created, clients.c.id)
    )
)
CREDENTIALS: Final = {lock: Statement(partial(_credentials_of, lock=lock)) for lock in (False, True)}
REVOKE_CLIENT: Final = Statement(
    lambda _: (
        update(clients)
        .where(clients.c.organization_id == given("organization_id"), clients.c.id == given("of"))
        .where(clients.c.revoked_at.is_(None))
        .values(revoked_at=given("at"))
    )
)
REVOKE_CREDENTIAL: Final = Statement(
    lambda _: (
        update(client_credentials)
        .where(client_credentials.c.organization_id == given("organization_id"), client_credentials.c.id == given("of"))
        .where(client_credentials.c.revoked_at.is_(None))
        .values(revoked_at=given("at"))
    )
)
TOUCH_CREDENTIAL: Final = Statement(
    lambda _: (
        update(client_credentials)
        .where(client_credentials.c.organization_id == given("organization_id"), client_credentials.c.id == given("of"))
        .where(func.coalesce(client_credentials.c.last_used_at, "") < given("at"))
        .values(last_used_at=given("at"))
    )
)
MOVE_SECRET: Final = move_to(client_credentials)
# The one question of a SCIM request with an access token: unique indexes only, one row.
TOKEN_BY_HASH: Final = Statement(
    lambda _: (
        select(*_TOKEN, clients.c.revoked_at, client_credentials.c.revoked_at, *CONNECTION_COLUMNS)
        .join(
            clients,
            (clients.c.organization_id == access_tokens.c.organization_id)
            & (clients.c.id == access_tokens.c.client_id),
        )
        .join(
            client_credentials,
            (client_credentials.c.organization_id == access_tokens.c.organization_id)
            & (client_credentials.c.id == access_tokens.c.credential_id),
        )
        .join(
            connections,
            (connections.c.organization_id == clients.c.organization_id)
            & (connections.c.id == clients.c.connection_id),
        )
        .where(access_tokens.c.hash == given("hash", access_tokens.c.hash))
    )
)
DELETE_EXPIRED: Final = Statement(
    lambda _: delete(access_tokens).where(*_OF_CLIENT, access_tokens.c.expires_at <= given("now"))
)


def _delete_surplus() -> Any:
    kept = select(access_tokens.c.expires_at, access_tokens.c.hash).where(*_OF_CLIENT)
    kept = kept.order_by(access_tokens.c.expires_at.desc(), access_tokens.c.hash.desc())
    surplus = kept.offset(given("most", clients.c.token_minutes)).limit(MOST_TOKENS)
    row = tuple_(access_tokens.c.expires_at, access_tokens.c.hash)
    return delete(access_tokens).where(*_OF_CLIENT, row.in_(surplus))


DELETE_SURPLUS: Final = Statement(lambda _: _delete_surplus())
DELETE_OLD_ASSERTIONS: Final = Statement(
    lambda _: delete(used_assertions).where(
        used_assertions.c.organization_id == given("organization_id"),
        used_assertions.c.client_id == given("client_id"),
        used_assertions.c.expires_at <= given("now"),
    )
)


class Clients:
    """OAuth 2.0 clients of all organizations: a client's id finds its organization."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    # --- clients

    def add(self, client: Client) -> None:
        """Add a client. Raises `Invalid` for its name; the database refuses one whose connection is not there."""
        check_name("client", client.name)
        self._link.run(
            INSERT_CLIENT,
            organization_id=client.organization_id,
            connection_id=client.connection_id,
            id=client.id,
            name=client.name,
            token_minutes=client.token_minutes,
            created=stamp(client.created),
            revoked_at=None,
        )

    def client(self, id: str, *, lock: bool = False) -> Client | None:
        """Return a client, revoked or not; with `lock` nobody revokes it until the transaction ends."""
        row = self._link.one(CLIENT[lock], id=id) if storable(id) else None
        return _client(row) if row else None

    def of_organization(self, organization_id: str) -> list[Client]:
        """Return the clients of an organization, oldest first, revoked ones included."""
        return [_client(row) for row in self._link.all(CLIENTS, organization_id=organization_id)]

    def revoke(self, client: Client, now: datetime) -> bool:
        """Revoke a client, and with it every token it was given; return whether that changed anything."""
        values = {"organization_id": client.organization_id, "of": client.id}
        return self._link.run(REVOKE_CLIENT, **values, at=stamp(now)) > 0

    # --- what they prove themselves with

    def add_credential(self, added: ClientCredential, now: datetime) -> None:
        """Add a secret or key. Raises `NotFound`, `Invalid` for one too many, and `Taken` for a key it has."""
        check_name("credential", added.credential.name)
        client = self.client(added.client_id, lock=True)
        if client is None:
            raise NotFound("client", added.client_id)
        if sum(held.credential.usable(now) for held in self.credentials(client)) >= MOST_CREDENTIALS:
            raise Invalid(f"the client has {MOST_CREDENTIALS} secrets and keys that work; revoke one first")
        values = credential_values(added.credential)
        scope = {"organization_id": added.organization_id, "client_id": added.client_id}
        if not self._link.run(INSERT_CREDENTIAL, **scope, **values, jwk=added.jwk):
            raise Taken("credential of the client", "key", added.credential.hint)

    def credentials(self, client: Client, *, lock: bool = False) -> list[ClientCredential]:
        """Return a client's secrets and keys, oldest first, revoked ones included."""
        values = {"organization_id": client.organization_id, "client_id": client.id}
        return [_credential(row) for row in self._link.all(CREDENTIALS[lock], **values)]

    def revoke_credential(self, organization_id: str, id: str, now: datetime) -> bool:
        """Revoke a secret or key, and with it the tokens it brought; return whether that changed anything."""
        return self._link.run(REVOKE_CREDENTIAL, organization_id=organization_id, of=id, at=stamp(now)) > 0

    def touch(self, used: Mapping[tuple[str, str], datetime]) -> None:
        """Note when secrets and keys, as (organization id, id), or the tokens they brought, were last used."""
        rows = [{"organization_id": owner, "of": id, "at": stamp(at)} for (owner, id), at in used.items()]
        self._link.run_many(TOUCH_CREDENTIAL, rows)

    def move_secret(self, organization_id: str, id: str, hash: bytes, key_id: str) -> None:
        """Keep a secret as another hash, made under the key `key_id`."""
        self._link.run_many(MOVE_SECRET, moved_rows({(organization_id, id): (hash, key_id)}))

    # --- access tokens

    def add_token(self, token: AccessToken, now: datetime) -> None:
        """Add an access token; the client's expired ones, and those above `MOST_TOKENS`, go."""
        scope = {"organization_id": token.organization_id, "client_id": token.client_id}
        self._link.run(DELETE_EXPIRED, **scope, now=stamp(now))
        self._link.run(DELETE_SURPLUS, **scope, most=MOST_TOKENS - 1)
        values = {"credential_id": token.credential_id, "hash": token.hash, "expires_at": stamp(token.expires_at)}
        self._link.run(INSERT_TOKEN, **scope, **values)

    def token_by_hash(self, hash: bytes) -> AccessTokenHolder | None:
        """Return whom an access token speaks for, whether or not it is still usable."""
        row = self._link.one(TOKEN_BY_HASH, hash=hash)
        if row is None:
            return None
        token = AccessToken(row[0], row[1], row[2], bytes(row[3]), moment(row[4]))
        return AccessTokenHolder(token, moment_or_none(row[5]), moment_or_none(row[6]), stored_connection(row[7:]))

    # --- assertions

    def use_assertion(self, client: Client, jti: bytes, expires_at: datetime, now: datetime) -> bool:
        """Remember an assertion's `jti` (a digest) until `expires_at`; return False when it was used before."""
        scope = {"organization_id": client.organization_id, "client_id": client.id}
        self._link.run(DELETE_OLD_ASSERTIONS, **scope, now=stamp(now))
        return self._link.run(INSERT_ASSERTION, **scope, jti=jti, expires_at=stamp(expires_at)) > 0


def _client(row: Row) -> Client:
    organization_id, connection_id, id_, name, minutes, created, revoked = row
    times = (moment(created), moment_or_none(revoked))
    return Client(organization_id, connection_id, id_, name, minutes, *times)


def _credential(row: Row) -> ClientCredential:
    return ClientCredential(row[0], row[1], stored_credential(row[2:-1]), row[-1])
