"""How connections log people in: settings and rules as documents, sealed secrets, the domains they may speak for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, select, update

from rolebridge.core.errors import Unavailable
from rolebridge.core.login import Protocol
from rolebridge.store.accounts import CONNECTION_COLUMNS, stored_connection
from rolebridge.store.documents import moment, stamp
from rolebridge.store.links import Link, Row
from rolebridge.store.records import Connection
from rolebridge.store.statements import Statement, given, insert_into, storable
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.logins import login_domains, sso_connections, sso_secrets

_WIDTH: Final = len(CONNECTION_COLUMNS)


@dataclass(frozen=True, slots=True)
class SsoRow:
    """How a connection logs people in, as it is kept. `version` counts the changes."""

    connection: Connection
    protocol: Protocol
    enabled: bool
    settings: Mapping[str, Any]
    rules: Mapping[str, Any]
    version: int
    changed: datetime


@dataclass(frozen=True, slots=True)
class SsoSecret:
    """A sealed secret of a connection: what kind it is, and what others may see of it (a certificate)."""

    organization_id: str
    connection_id: str
    id: str
    kind: str
    sealed: bytes
    public: str
    created: datetime

    @property
    def belongs_to(self) -> str:
        """Return what the vault binds it to."""
        return f"sso {self.organization_id} {self.connection_id} {self.kind} {self.id}"


@dataclass(frozen=True, slots=True)
class LoginDomain:
    """That a connection may speak for the people of a domain: since when, and who said so."""

    organization_id: str
    domain: str
    connection_id: str
    declared: datetime
    declared_by: str


def _rows() -> Select[Any]:
    own = (sso_connections.c[name] for name in ("protocol", "enabled", "settings", "rules", "version", "changed"))
    return select(*CONNECTION_COLUMNS, *own).join(
        sso_connections,
        (sso_connections.c.organization_id == connections.c.organization_id)
        & (sso_connections.c.connection_id == connections.c.id),
    )


_SECRET: Final = tuple(sso_secrets.columns)
_DOMAIN: Final = tuple(login_domains.columns)

FIND: Final = Statement(lambda _: _rows().where(sso_connections.c.connection_id == given("connection_id")))
OF: Final = Statement(
    lambda _: (
        _rows()
        .where(sso_connections.c.organization_id == given("organization_id"))
        .where(sso_connections.c.connection_id == given("connection_id"))
    )
)
ALL: Final = Statement(
    lambda _: (
        _rows().where(sso_connections.c.organization_id == given("organization_id")).order_by(connections.c.name_key)
    )
)
EVERY: Final = Statement(lambda _: _rows().order_by(connections.c.organization_id, connections.c.name_key))
INSERT: Final = Statement(lambda db: insert_into(db, sso_connections))
UPDATE: Final = Statement(
    lambda _: (
        update(sso_connections)
        .where(
            sso_connections.c.organization_id == given("organization_id"),
            sso_connections.c.connection_id == given("of"),
            sso_connections.c.version == given("known", sso_connections.c.version),
        )
        .values(
            version=given("known", sso_connections.c.version) + 1,
            **{
                name: given(name, sso_connections.c[name])
                for name in ("protocol", "enabled", "settings", "rules", "changed")
            },
        )
    )
)
SECRETS: Final = Statement(
    lambda _: (
        select(*_SECRET)
        .where(
            sso_secrets.c.organization_id == given("organization_id"),
            sso_secrets.c.connection_id == given("connection_id"),
        )
        .order_by(sso_secrets.c.created, sso_secrets.c.id)
    )
)
EVERY_SECRET: Final = Statement(lambda _: select(*_SECRET).order_by(sso_secrets.c.organization_id, sso_secrets.c.id))
INSERT_SECRET: Final = Statement(lambda db: insert_into(db, sso_secrets))
DELETE_SECRET: Final = Statement(
    lambda _: delete(sso_secrets).where(
        sso_secrets.c.organization_id == given("organization_id"),
        sso_secrets.c.connection_id == given("connection_id"),
        sso_secrets.c.id == given("id"),
    )
)
RESEAL: Final = Statement(
    lambda _: (
        update(sso_secrets)
        .where(
            sso_secrets.c.organization_id == given("organization_id"),
            sso_secrets.c.connection_id == given("connection_id"),
            sso_secrets.c.id == given("of"),
        )
        .values(sealed=given("sealed", sso_secrets.c.sealed))
    )
)
DOMAIN: Final = Statement(lambda _: select(*_DOMAIN).where(login_domains.c.domain == given("domain")))
DOMAINS: Final = Statement(
    lambda _: (
        select(*_DOMAIN)
        .where(login_domains.c.organization_id == given("organization_id"))
        .order_by(login_domains.c.domain)
    )
)
INSERT_DOMAIN: Final = Statement(lambda db: insert_into(db, login_domains, unless_taken=True))
DELETE_DOMAIN: Final = Statement(
    lambda _: delete(login_domains).where(
        login_domains.c.organization_id == given("organization_id"), login_domains.c.domain == given("domain")
    )
)


class SsoRows:
    """How connections of all organizations log people in: an id or a domain finds the organization."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def find(self, connection_id: str) -> SsoRow | None:
        """Return how the connection with an id logs people in, whoever's it is."""
        row = self._link.one(FIND, connection_id=connection_id) if storable(connection_id) else None
        return _row(row) if row else None

    def of(self, organization_id: str, connection_id: str) -> SsoRow | None:
        """Return how a connection logs people in, None when it does not."""
        row = self._link.one(OF, organization_id=organization_id, connection_id=connection_id)
        return _row(row) if row else None

    def all(self, organization_id: str) -> list[SsoRow]:
        """Return the connections of an organization that log people in, by name."""
        if not storable(organization_id):
            return []
        return [_row(row) for row in self._link.all(ALL, organization_id=organization_id)]

    def every(self) -> list[SsoRow]:
        """Return all connections of the installation that log people in."""
        return [_row(row) for row in self._link.all(EVERY)]

    def insert(self, row: SsoRow) -> None:
        """Add how a connection logs people in; it has no row yet."""
        self._link.run(INSERT, connection_id=row.connection.id, version=1, **_values(row))

    def update(self, row: SsoRow) -> None:
        """Replace a connection's row. Raises Unavailable when somebody else has since it was read."""
        if not self._link.run(UPDATE, of=row.connection.id, known=row.version, **_values(row)):
            raise Unavailable(f"how connection `{row.connection.name}` logs people in was changed at the same time")

    # --- secrets

    def secrets(self, organization_id: str, connection_id: str) -> list[SsoSecret]:
        """Return a connection's secrets, the oldest first."""
        rows = self._link.all(SECRETS, organization_id=organization_id, connection_id=connection_id)
        return [_secret(row) for row in rows]

    def every_secret(self) -> list[SsoSecret]:
        """Return all secrets of the installation."""
        return [_secret(row) for row in self._link.all(EVERY_SECRET)]

    def insert_secret(self, secret: SsoSecret) -> None:
        """Add a sealed secret."""
        self._link.run(
            INSERT_SECRET,
            organization_id=secret.organization_id,
            connection_id=secret.connection_id,
            id=secret.id,
            kind=secret.kind,
            sealed=secret.sealed,
            public=secret.public,
            created=stamp(secret.created),
        )

    def delete_secret(self, organization_id: str, connection_id: str, id: str) -> bool:
        """Delete a secret; return whether it was there."""
        place = {"organization_id": organization_id, "connection_id": connection_id}
        return self._link.run(DELETE_SECRET, **place, id=id) > 0

    def reseal(self, secret: SsoSecret, sealed: bytes) -> None:
        """Keep a secret under another key."""
        place = {"organization_id": secret.organization_id, "connection_id": secret.connection_id}
        self._link.run(RESEAL, **place, of=secret.id, sealed=sealed)

    # --- domains

    def domain(self, domain: str) -> LoginDomain | None:
        """Return which connection speaks for a domain, of whatever organization."""
        row = self._link.one(DOMAIN, domain=domain) if storable(domain) else None
        return _domain(row) if row else None

    def domains(self, organization_id: str) -> list[LoginDomain]:
        """Return the domains that an organization's connections speak for, in order."""
        return [_domain(row) for row in self._link.all(DOMAINS, organization_id=organization_id)]

    def insert_domain(self, claimed: LoginDomain) -> bool:
        """Let a connection speak for a domain; return False when another one does."""
        inserted = self._link.run(
            INSERT_DOMAIN,
            organization_id=claimed.organization_id,
            domain=claimed.domain,
            connection_id=claimed.connection_id,
            declared=stamp(claimed.declared),
            declared_by=claimed.declared_by,
        )
        return inserted > 0

    def delete_domain(self, organization_id: str, domain: str) -> bool:
        """Let nobody speak for a domain; return whether somebody did."""
        return self._link.run(DELETE_DOMAIN, organization_id=organization_id, domain=domain) > 0


def _values(row: SsoRow) -> dict[str, Any]:
    return {
        "organization_id": row.connection.organization_id,
        "protocol": str(row.protocol),
        "enabled": row.enabled,
        "settings": json.dumps(row.settings, ensure_ascii=False),
        "rules": json.dumps(row.rules, ensure_ascii=False),
        "changed": stamp(row.changed),
    }


def _row(row: Row) -> SsoRow:
    protocol, enabled, settings, rules, version, changed = row[_WIDTH:]
    documents = (json.loads(settings), json.loads(rules))
    return SsoRow(
        stored_connection(row[:_WIDTH]), Protocol(protocol), bool(enabled), *documents, version, moment(changed)
    )


def _secret(row: Row) -> SsoSecret:
    organization_id, connection_id, id_, kind, sealed, public, created = row
    return SsoSecret(organization_id, connection_id, id_, kind, bytes(sealed), public, moment(created))


def _domain(row: Row) -> LoginDomain:
    organization_id, domain, connection_id, declared, declared_by = row
    return LoginDomain(organization_id, domain, connection_id, moment(declared), declared_by)
