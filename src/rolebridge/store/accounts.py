"""Organizations, connections, SCIM tokens and API keys: what finds the organization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, Table, func, literal, select, union_all, update

from rolebridge.core.errors import Invalid, NotFound, Taken
from rolebridge.store.documents import folded_key, moment, moment_or_none, stamp, stamp_or_none
from rolebridge.store.links import Link, Row
from rolebridge.store.records import Connection, Credential, Key, Organization, StoredUnder, Token, TokenHolder
from rolebridge.store.statements import Statement, given, insert_into, storable
from rolebridge.store.tables.accounts import client_credentials, connections, keys, organizations, tokens
from rolebridge.store.tables.provider import application_credentials, refresh_tokens

_ORGANIZATION = (organizations.c.id, organizations.c.name, organizations.c.created)
_tenant = organizations.alias("tenant")
_SCHEMAS_VERSION = (
    select(_tenant.c.schemas_version).where(_tenant.c.id == connections.c.organization_id).scalar_subquery()
)
CONNECTION_COLUMNS: Final = (
    connections.c.organization_id, connections.c.id, connections.c.name, connections.c.profile, connections.c.created,
    connections.c.rate_limit, connections.c.allowed,
    _SCHEMAS_VERSION,
)  # fmt: skip
CREDENTIAL_COLUMNS: Final = (
    "id", "name", "hash", "key_id", "hint", "created", "expires_at", "revoked_at", "last_used_at",
)  # fmt: skip
_TOKEN = (
    tokens.c.organization_id, tokens.c.connection_id, tokens.c.user_id,
    *(tokens.c[name] for name in CREDENTIAL_COLUMNS),
)  # fmt: skip
_KEY = (
    keys.c.organization_id, keys.c.role, keys.c.workspace, keys.c.made_by,
    *(keys.c[name] for name in CREDENTIAL_COLUMNS),
)  # fmt: skip

INSERT_ORGANIZATION: Final = Statement(lambda db: insert_into(db, organizations, unless_taken=True))
INSERT_CONNECTION: Final = Statement(lambda db: insert_into(db, connections, unless_taken=True))
INSERT_TOKEN: Final = Statement(lambda db: insert_into(db, tokens))
INSERT_KEY: Final = Statement(lambda db: insert_into(db, keys))

ORGANIZATIONS: Final = Statement(lambda _: select(*_ORGANIZATION).order_by(organizations.c.name_key))
ORGANIZATION: Final = Statement(lambda _: select(*_ORGANIZATION).where(organizations.c.id == given("id")))
ORGANIZATION_NAMED: Final = Statement(
    lambda _: select(*_ORGANIZATION).where(organizations.c.name_key == given("name_key"))
)
CONNECTIONS: Final = Statement(
    lambda _: (
        select(*CONNECTION_COLUMNS)
        .where(connections.c.organization_id == given("organization_id"))
        .order_by(connections.c.name_key)
    )
)
CONNECTION: Final = Statement(
    lambda _: select(*CONNECTION_COLUMNS).where(
        connections.c.organization_id == given("organization_id"), connections.c.id == given("id")
    )
)
CONNECTION_NAMED: Final = Statement(
    lambda _: select(*CONNECTION_COLUMNS).where(
        connections.c.organization_id == given("organization_id"), connections.c.name_key == given("name_key")
    )
)
SET_PROFILE: Final = Statement(
    lambda _: (
        update(connections)
        .where(connections.c.organization_id == given("organization_id"), connections.c.id == given("of"))
        .values(profile=given("profile"))
    )
)
SET_ADMISSION: Final = Statement(
    lambda _: (
        update(connections)
        .where(connections.c.organization_id == given("organization_id"), connections.c.id == given("of"))
        .values(rate_limit=given("rate_limit"), allowed=given("allowed"))
    )
)
TOKENS: Final = Statement(
    lambda _: (
        select(*_TOKEN)
        .where(tokens.c.organization_id == given("organization_id"))
        .order_by(tokens.c.created, tokens.c.id)
    )
)
# The one question of every SCIM request: three unique indexes, one row, and no column that nobody looks at.
TOKEN_BY_HASH: Final = Statement(
    lambda _: (
        select(
            *(tokens.c[name] for name in ("id", "key_id", "expires_at", "revoked_at", "user_id")),
            *CONNECTION_COLUMNS[:-1],
            organizations.c.schemas_version,
        )
        .join(
            connections,
            (connections.c.organization_id == tokens.c.organization_id) & (connections.c.id == tokens.c.connection_id),
        )
        .join(organizations, organizations.c.id == tokens.c.organization_id)
        .where(tokens.c.hash == given("hash", tokens.c.hash))
    )
)
KEYS: Final = Statement(
    lambda _: (
        select(*_KEY).where(keys.c.organization_id == given("organization_id")).order_by(keys.c.created, keys.c.id)
    )
)
KEY_BY_HASH: Final = Statement(lambda _: select(*_KEY).where(keys.c.hash == given("hash", keys.c.hash)))


def _revoke(chosen: Table) -> Statement:
    return Statement(
        lambda _: (
            update(chosen)
            .where(chosen.c.organization_id == given("organization_id"), chosen.c.id == given("of"))
            .where(chosen.c.revoked_at.is_(None))
            .values(revoked_at=given("at"))
        )
    )


def _touch(chosen: Table) -> Statement:
    # Several processes report: the later use stays.
    return Statement(
        lambda _: (
            update(chosen)
            .where(chosen.c.organization_id == given("organization_id"), chosen.c.id == given("of"))
            .where(func.coalesce(chosen.c.last_used_at, "") < given("at"))
            .values(last_used_at=given("at"))
        )
    )


def move_to(chosen: Table) -> Statement:
    """Return the statement that keeps a credential under another key."""
    return Statement(
        lambda _: (
            update(chosen)
            .where(chosen.c.organization_id == given("organization_id"), chosen.c.id == given("of"))
            .values(hash=given("moved", chosen.c.hash), key_id=given("by"))
        )
    )


REVOKE_TOKEN: Final = _revoke(tokens)
REVOKE_KEY: Final = _revoke(keys)
TOUCH_TOKEN: Final = _touch(tokens)
TOUCH_KEY: Final = _touch(keys)
MOVE_TOKEN: Final = move_to(tokens)
MOVE_KEY: Final = move_to(keys)


def _stored_under(kind: int, chosen: Table) -> Select[Any]:
    works = (chosen.c.revoked_at.is_(None), func.coalesce(chosen.c.expires_at, "9") > given("now"))
    counted = select(literal(kind).label("kind"), chosen.c.key_id, func.count()).where(*works).group_by(chosen.c.key_id)
    return counted.where(chosen.c.jwk.is_(None)) if "jwk" in chosen.c else counted


def _refresh_tokens_under(kind: int) -> Select[Any]:
    works = (refresh_tokens.c.used_at.is_(None), refresh_tokens.c.expires_at > given("now"))
    counted = select(literal(kind).label("kind"), refresh_tokens.c.key_id, func.count()).where(*works)
    return counted.group_by(refresh_tokens.c.key_id)


STORED_UNDER: Final = Statement(
    lambda _: union_all(
        _stored_under(0, tokens),
        _stored_under(1, keys),
        _stored_under(2, client_credentials),
        _stored_under(2, application_credentials),
        _refresh_tokens_under(3),
    )
)


class Accounts:
    """Organizations, connections, tokens and keys. Names are unique without regard to case."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    # --- organizations

    def add_organization(self, id: str, name: str, now: datetime) -> Organization:
        """Add an organization. Raises `Taken` or `Invalid`."""
        check_name("organization", name)
        created = stamp(now)
        row = {"id": id, "name": name, "name_key": folded_key(name), "created": created}
        if not self._link.run(INSERT_ORGANIZATION, **row, schemas_version=0, registry_version=0):
            raise Taken("organization", "name", name)
        return Organization(id, name, moment(created))

    def organizations(self) -> list[Organization]:
        """Return all organizations by name."""
        return [_organization(row) for row in self._link.all(ORGANIZATIONS)]

    def organization(self, id: str) -> Organization | None:
        """Return the organization with this id."""
        row = self._link.one(ORGANIZATION, id=id) if storable(id) else None
        return _organization(row) if row else None

    def organization_named(self, name: str) -> Organization | None:
        """Return the organization with this name."""
        row = self._link.one(ORGANIZATION_NAMED, name_key=folded_key(name)) if storable(name) else None
        return _organization(row) if row else None

    # --- connections

    def add_connection(self, organization_id: str, id: str, name: str, profile: str, now: datetime) -> Connection:
        """Add a connection. Raises `Taken`, `Invalid`, or `NotFound` for the organization."""
        check_name("connection", name)
        if self.organization(organization_id) is None:
            raise NotFound("organization", organization_id)
        created = stamp(now)
        if not self._link.run(
            INSERT_CONNECTION,
            organization_id=organization_id,
            id=id,
            name=name,
            name_key=folded_key(name),
            profile=profile,
            created=created,
            rate_limit=None,
            allowed="",
        ):
            raise Taken("connection", "name", name)
        return Connection(organization_id, id, name, profile, moment(created))

    def connections(self, organization_id: str) -> list[Connection]:
        """Return the connections of an organization by name."""
        return [stored_connection(row) for row in self._link.all(CONNECTIONS, organization_id=organization_id)]

    def connection(self, organization_id: str, id: str) -> Connection | None:
        """Return the connection with this id."""
        row = self._link.one(CONNECTION, organization_id=organization_id, id=id) if storable(id) else None
        return stored_connection(row) if row else None

    def connection_named(self, organization_id: str, name: str) -> Connection | None:
        """Return the connection with this name."""
        if not storable(name):
            return None
        row = self._link.one(CONNECTION_NAMED, organization_id=organization_id, name_key=folded_key(name))
        return stored_connection(row) if row else None

    def set_profile(self, organization_id: str, id: str, profile: str) -> None:
        """Give a connection another tolerance profile. Raises `NotFound`."""
        if not self._link.run(SET_PROFILE, organization_id=organization_id, of=id, profile=profile):
            raise NotFound("connection", id)

    def set_admission(self, organization_id: str, id: str, *, rate_limit: str | None, allowed: Iterable[str]) -> None:
        """Set how many requests a connection may send, and from where. Raises `NotFound`."""
        networks = " ".join(allowed)
        values = {"of": id, "rate_limit": rate_limit, "allowed": networks}
        if not self._link.run(SET_ADMISSION, organization_id=organization_id, **values):
            raise NotFound("connection", id)

    # --- tokens

    def add_token(self, token: Token) -> None:
        """Add a SCIM token. Raises `NotFound` for its connection."""
        if self.connection(token.organization_id, token.connection_id) is None:
            raise NotFound("connection", token.connection_id)
        self._link.run(
            INSERT_TOKEN,
            organization_id=token.organization_id,
            connection_id=token.connection_id,
            user_id=token.user_id,
            **credential_values(token.credential),
        )

    def tokens(self, organization_id: str) -> list[Token]:
        """Return the SCIM tokens of an organization, oldest first, revoked ones included."""
        return [_token(row) for row in self._link.all(TOKENS, organization_id=organization_id)]

    def token_by_hash(self, hash: bytes) -> TokenHolder | None:
        """Return whom a token speaks for, whether or not it is still usable (`Credential.usable`)."""
        row = self._link.one(TOKEN_BY_HASH, hash=hash)
        return _token_holder(row) if row else None

    def revoke_token(self, organization_id: str, id: str, now: datetime) -> bool:
        """Revoke a token; return whether that changed anything."""
        return self._link.run(REVOKE_TOKEN, organization_id=organization_id, of=id, at=stamp(now)) > 0

    def touch_tokens(self, used: Mapping[tuple[str, str], datetime]) -> None:
        """Note when tokens, as (organization id, token id), were last used."""
        self._link.run_many(TOUCH_TOKEN, _touched(used))

    def move_tokens(self, moved: Mapping[tuple[str, str], tuple[bytes, str]]) -> None:
        """Keep tokens, (organization id, token id), as another hash, made under the key of that id."""
        self._link.run_many(MOVE_TOKEN, moved_rows(moved))

    # --- tokens, keys and client secrets of all organizations

    def stored_under(self, now: datetime) -> dict[str, StoredUnder]:
        """Return how many credentials that work are stored under which secret key, by its id."""
        counts: dict[str, list[int]] = {}
        for kind, key_id, count in self._link.all(STORED_UNDER, now=stamp(now)):
            counts.setdefault(key_id, [0, 0, 0, 0])[kind] += count
        return {key_id: StoredUnder(*numbers) for key_id, numbers in counts.items()}

    # --- keys

    def add_key(self, key: Key) -> None:
        """Add an API key. Raises `NotFound` for its organization."""
        if key.organization_id is not None and self.organization(key.organization_id) is None:
            raise NotFound("organization", key.organization_id)
        self._link.run(
            INSERT_KEY,
            organization_id=key.organization_id or "",
            role=key.role,
            workspace=key.workspace,
            made_by=key.made_by,
            **credential_values(key.credential),
        )

    def keys(self, organization_id: str | None) -> list[Key]:
        """Return the API keys of an organization, or with None those of the installation, oldest first."""
        return [_key(row) for row in self._link.all(KEYS, organization_id=organization_id or "")]

    def key_by_hash(self, hash: bytes) -> Key | None:
        """Return an API key, whether or not it is still usable."""
        row = self._link.one(KEY_BY_HASH, hash=hash)
        return _key(row) if row else None

    def revoke_key(self, organization_id: str | None, id: str, now: datetime) -> bool:
        """Revoke a key; return whether that changed anything."""
        return self._link.run(REVOKE_KEY, organization_id=organization_id or "", of=id, at=stamp(now)) > 0

    def touch_keys(self, used: Mapping[tuple[str | None, str], datetime]) -> None:
        """Note when keys, as (organization id, key id), were last used."""
        self._link.run_many(TOUCH_KEY, _touched(used))

    def move_keys(self, moved: Mapping[tuple[str, str], tuple[bytes, str]]) -> None:
        """Keep API keys, (organization id, key id), as another hash, made under the key of that id."""
        self._link.run_many(MOVE_KEY, moved_rows(moved))


def check_name(kind: str, name: str) -> None:
    """Raise `Invalid` for a name that people cannot read in a list."""
    if not name.strip() or not storable(name) or not name.isprintable():
        raise Invalid(f"the name of {'an' if kind[0] in 'aeiou' else 'a'} {kind} must be printable text", "name")
    if len(name) > 200:
        raise Invalid(f"the name of the {kind} has {len(name)} characters, the limit is 200", "name")


def _touched(
    used: Mapping[tuple[str, str], datetime] | Mapping[tuple[str | None, str], datetime],
) -> list[dict[str, str]]:
    return [{"organization_id": owner or "", "of": id, "at": stamp(at)} for (owner, id), at in used.items()]


def moved_rows(moved: Mapping[tuple[str, str], tuple[bytes, str]]) -> list[dict[str, Any]]:
    """Return the parameters of `move_to` for credentials as (organization id, id)."""
    return [
        {"organization_id": owner, "of": id, "moved": hash_, "by": key_id}
        for (owner, id), (hash_, key_id) in moved.items()
    ]


def credential_values(credential: Credential) -> dict[str, str | bytes | None]:
    """Return the columns that a credential decides."""
    return {
        "id": credential.id,
        "name": credential.name,
        "hash": credential.hash,
        "key_id": credential.key_id,
        "hint": credential.hint,
        "created": stamp(credential.created),
        "expires_at": stamp_or_none(credential.expires_at),
        "revoked_at": stamp_or_none(credential.revoked_at),
        "last_used_at": stamp_or_none(credential.last_used_at),
    }


def _organization(row: Row) -> Organization:
    return Organization(row[0], row[1], moment(row[2]))


def stored_connection(row: Row) -> Connection:
    """Return the record of a row of `CONNECTION_COLUMNS`."""
    organization_id, id_, name, profile, created, rate_limit, allowed, schemas_version = row
    networks = tuple(allowed.split())
    return Connection(organization_id, id_, name, profile, moment(created), rate_limit, networks, schemas_version)


def stored_credential(row: Row) -> Credential:
    """Return the record of a row of `CREDENTIAL_COLUMNS`."""
    id_, name, hash_, key_id, hint, created, expires, revoked, used = row
    ends = (moment_or_none(expires), moment_or_none(revoked), moment_or_none(used))
    return Credential(id_, name, hash_, key_id, hint, moment(created), *ends)


def _token(row: Row) -> Token:
    return Token(row[0], row[1], stored_credential(row[3:]), row[2])


@lru_cache(maxsize=1_024)
def _token_holder(row: Row) -> TokenHolder:
    """Return the record of a row of `TOKEN_BY_HASH`: each request reads it, and nearly always it is the same one."""
    id_, key_id, expires, revoked, user_id, *connection = row
    ends = (moment_or_none(expires), moment_or_none(revoked))
    return TokenHolder(id_, key_id, *ends, user_id, stored_connection(tuple(connection)))


def _key(row: Row) -> Key:
    return Key(row[0] or None, stored_credential(row[4:]), *row[1:4])
