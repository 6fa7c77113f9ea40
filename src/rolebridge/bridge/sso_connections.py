"""How a connection logs people in: its protocol's settings, its rules, its secrets, and the domains it speaks for.

A protocol's settings are a document here, which `core.saml_settings` and `core.oidc_settings` read. A domain is
declared by whoever holds the machine: no API key can, as a domain counts for the whole installation and nobody may
claim another organization's. The declaration *is* the verification; looking into the DNS is not for a server that may
have no way there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.vault import Vault
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError, Unavailable
from rolebridge.core.login import Protocol
from rolebridge.core.login_rules import MOST_DOMAINS, Authority, LoginRules, check_domain, read_login_rules
from rolebridge.store.engine import Store
from rolebridge.store.records import Connection
from rolebridge.store.sso import LoginDomain, SsoRow, SsoSecret
from rolebridge.store.unit import Unit

_PROTOCOLS: Final = {Protocol.SAML: "SAML", Protocol.OIDC: "OpenID Connect"}


class DomainTaken(RolebridgeError):
    """That another connection of the installation speaks for a domain."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"another connection speaks for `{domain}`; a domain has one at a time")
        self.domain = domain


class ProtocolTaken(RolebridgeError):
    """That a connection logs people in by another protocol, whose settings and secrets would go."""

    def __init__(self, connection: str, protocol: Protocol) -> None:
        told = _PROTOCOLS[protocol]
        super().__init__(f"connection `{connection}` logs people in by {told}; its settings and keys of that would go")
        self.protocol = protocol


@dataclass(frozen=True, slots=True)
class SsoConnection:
    """A connection that logs people in. `settings` is its protocol's document, `version` counts the changes."""

    connection: Connection
    protocol: Protocol
    enabled: bool
    settings: Mapping[str, Any]
    rules: LoginRules
    domains: frozenset[str]
    version: int
    changed: datetime

    @property
    def id(self) -> str:
        """Return the connection's id, which stands in URLs."""
        return self.connection.id

    @property
    def name(self) -> str:
        """Return the connection's name."""
        return self.connection.name

    @property
    def organization_id(self) -> str:
        """Return whose connection it is."""
        return self.connection.organization_id


class SsoConnections:
    """The connections of an installation that log people in."""

    def __init__(self, store: Store, clock: Callable[[], datetime], vault: Vault) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault

    # --- reading ---------------------------------------------------------------------------------------------

    def find(self, connection_id: str) -> SsoConnection | None:
        """Return the connection with an id that stands in a URL, whoever's it is; None unless it logs people in."""
        with self._store.read() as unit:
            found = found_connection(unit, connection_id)
        return found if found is not None and found.enabled else None

    def of(self, connection: Connection) -> SsoConnection | None:
        """Return how a connection logs people in, also when that is switched off; None if it was never set up."""
        with self._store.read() as unit:
            row = unit.sso.of(connection.organization_id, connection.id)
            return _read(unit, row) if row else None

    def needed(self, connection: Connection) -> SsoConnection:
        """Return how a connection logs people in. Raises NotFound if that was never set up."""
        found = self.of(connection)
        if found is None:
            raise NotFound("single sign-on of connection", connection.name)
        return found

    def all(self, organization_id: str) -> tuple[SsoConnection, ...]:
        """Return the connections of an organization that are set up to log people in, by name."""
        with self._store.read() as unit:
            return tuple(_read(unit, row) for row in unit.sso.all(organization_id))

    def every(self) -> tuple[SsoConnection, ...]:
        """Return all connections of the installation that are set up to log people in: for what is looked at daily."""
        with self._store.read() as unit:
            return tuple(_read(unit, row) for row in unit.sso.every())

    def by_domain(self, domain: str) -> SsoConnection | None:
        """Return the connection that speaks for a domain, in any case; None unless it logs people in."""
        with self._store.read() as unit:
            claimed = unit.sso.domain(domain.lower()) if domain.isascii() else None
            found = found_connection(unit, claimed.connection_id) if claimed else None
        return found if found is not None and found.enabled else None

    # --- settings and rules ----------------------------------------------------------------------------------

    def configure(
        self,
        operator: Operator,
        connection: Connection,
        protocol: Protocol,
        settings: Mapping[str, Any],
        *,
        enabled: bool | None = None,
        rules: LoginRules | None = None,
        version: int | None = None,
        replaces: bool = False,
    ) -> SsoConnection:
        """Set up how a connection logs people in, or change it; None leaves a part as it is (enabled, no rules).

        `version` is that of what the change was made from; of another one it is refused.

        A connection has one protocol: another one takes the place of the first, whose secrets go, if `replaces` says
        that this is meant. The document must hold no secret. Raises ProtocolTaken, and Unavailable when somebody else
        changed it at the same time.
        """

        def work(unit: Unit) -> SsoConnection:
            now = self._clock()
            old = unit.sso.of(connection.organization_id, connection.id)
            if old is not None and old.protocol is not protocol and not replaces:
                raise ProtocolTaken(connection.name, old.protocol)
            if version is not None and (old is None or old.version != version):
                raise Unavailable(f"how connection `{connection.name}` logs people in was changed at the same time")
            if old is None:
                said = (rules or LoginRules()).document()
                row = SsoRow(connection, protocol, enabled is not False, settings, said, 1, now)
                unit.sso.insert(row)
            else:
                row = replace(old, protocol=protocol, settings=settings, changed=now)
                row = replace(row, enabled=old.enabled if enabled is None else enabled)
                row = replace(row, rules=old.rules if rules is None else rules.document())
                unit.sso.update(row)
                self._end_if_off(unit, row)
                if old.protocol is not protocol:
                    self._drop_secrets(unit, connection)
            self._audit(unit, operator, connection, "login.configured", _told(old), _told(row))
            return self._again(unit, connection)

        return self._store.transact(work)

    def set_rules(self, operator: Operator, connection: Connection, rules: LoginRules) -> SsoConnection:
        """Change what a connection makes of logins. Raises NotFound when it logs nobody in.

        Where logins lose the authority over groups, what they stated so far ends with the worker's next round.
        """

        def work(unit: Unit) -> SsoConnection:
            old = _kept(unit, connection)
            row = replace(old, rules=rules.document(), changed=self._clock())
            unit.sso.update(row)
            if read_login_rules(old.rules).asserts_groups and not rules.asserts_groups:
                unit.logins(connection.organization_id).end_statements(connection.id, row.changed)
            self._audit(unit, operator, connection, "login.rules-changed", _rules(old), _rules(row))
            return self._again(unit, connection)

        return self._store.transact(work)

    # --- secrets ---------------------------------------------------------------------------------------------

    def secrets(self, connection: Connection, kind: str) -> tuple[SsoSecret, ...]:
        """Return a connection's secrets of a kind, still sealed, the oldest first."""
        with self._store.read() as unit:
            found = unit.sso.secrets(connection.organization_id, connection.id)
        return tuple(one for one in found if one.kind == kind)

    def every_secret(self, connection: Connection) -> tuple[SsoSecret, ...]:
        """Return all secrets of a connection, still sealed, the oldest first."""
        with self._store.read() as unit:
            return tuple(unit.sso.secrets(connection.organization_id, connection.id))

    def open(self, secret: SsoSecret) -> bytes:
        """Return what a secret holds. Raises bridge.vault.Locked."""
        return self._vault.open(secret.sealed, secret.belongs_to)

    def add_secret(
        self, operator: Operator, connection: Connection, kind: str, content: bytes, *, public: str = "", keep: int = 1
    ) -> SsoSecret:
        """Keep a secret beside the `keep` - 1 newest ones of its kind; older ones go. `public` is for everybody.

        Raises NotFound when the connection logs nobody in.
        """

        def work(unit: Unit) -> SsoSecret:
            _kept(unit, connection)
            place = (connection.organization_id, connection.id)
            made = SsoSecret(*place, str(uuid4()), kind, b"", public, self._clock())
            made = replace(made, sealed=self._vault.seal(content, made.belongs_to))
            older = [one for one in unit.sso.secrets(*place) if one.kind == kind]
            for one in older[: max(0, len(older) - keep + 1)]:
                unit.sso.delete_secret(*place, one.id)
            unit.sso.insert_secret(made)
            self._audit(unit, operator, connection, "login.secret-added", None, {"kind": kind, "id": made.id})
            return made

        return self._store.transact(work)

    def remove_secret(self, operator: Operator, connection: Connection, secret_id: str) -> None:
        """Delete a secret. Raises NotFound."""

        def work(unit: Unit) -> None:
            if not unit.sso.delete_secret(connection.organization_id, connection.id, secret_id):
                raise NotFound("secret", secret_id)
            self._audit(unit, operator, connection, "login.secret-removed", {"id": secret_id}, None)

        self._store.transact(work)

    # --- domains ---------------------------------------------------------------------------------------------

    def declare_domains(self, operator: Operator, connection: Connection, domains: Iterable[str]) -> SsoConnection:
        """Let a connection speak for domains. Raises Invalid, DomainTaken and NotFound, with nothing declared."""
        wanted = sorted({check_domain(domain) for domain in domains})

        def work(unit: Unit) -> SsoConnection:
            _kept(unit, connection)
            now = self._clock()
            for domain in wanted:
                claimed = LoginDomain(connection.organization_id, domain, connection.id, now, operator.actor)
                if unit.sso.insert_domain(claimed):
                    self._audit(unit, operator, connection, "login.domain-declared", None, {"domain": domain})
                    continue
                other = unit.sso.domain(domain)
                if other is None or other.connection_id != connection.id:
                    raise DomainTaken(domain)
            found = self._again(unit, connection)
            if len(found.domains) > MOST_DOMAINS:
                raise Invalid(f"a connection speaks for at most {MOST_DOMAINS} domains", "domain")
            return found

        return self._store.transact(work)

    def withdraw_domain(self, operator: Operator, connection: Connection, domain: str) -> SsoConnection:
        """Let a connection no longer speak for a domain; whom it has linked stays linked. Raises Invalid."""

        def work(unit: Unit) -> SsoConnection:
            known = unit.sso.domain(domain.lower())
            if known is None or known.connection_id != connection.id:
                raise Invalid(f"connection `{connection.name}` does not speak for `{domain}`", "domain")
            unit.sso.delete_domain(connection.organization_id, known.domain)
            self._audit(unit, operator, connection, "login.domain-withdrawn", {"domain": known.domain}, None)
            return self._again(unit, connection)

        return self._store.transact(work)

    # --- shared ----------------------------------------------------------------------------------------------

    def _end_if_off(self, unit: Unit, row: SsoRow) -> None:
        """End what people got through a connection that logs nobody in any more."""
        if not row.enabled:
            Endings(unit, row.connection.organization_id, row.changed).connection(row.connection.id)

    def _drop_secrets(self, unit: Unit, connection: Connection) -> None:
        for one in unit.sso.secrets(connection.organization_id, connection.id):
            unit.sso.delete_secret(connection.organization_id, connection.id, one.id)

    def _again(self, unit: Unit, connection: Connection) -> SsoConnection:
        return _read(unit, _kept(unit, connection))

    def _audit(
        self,
        unit: Unit,
        operator: Operator,
        connection: Connection,
        kind: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        unit.record(connection.organization_id).audit(
            kind=kind,
            actor=operator.actor,
            request_id=operator.request_id,
            subject_kind="connection",
            subject_id=connection.id,
            before=None if before is None else json.dumps(before, ensure_ascii=False),
            after=None if after is None else json.dumps(after, ensure_ascii=False),
            reason=connection.name,
            now=self._clock(),
        )


def found_connection(unit: Unit, connection_id: str) -> SsoConnection | None:
    """Return the connection with an id, whoever's it is and whether or not it is switched on."""
    row = unit.sso.find(connection_id)
    return _read(unit, row) if row else None


def _kept(unit: Unit, connection: Connection) -> SsoRow:
    row = unit.sso.of(connection.organization_id, connection.id)
    if row is None:
        raise NotFound("single sign-on of connection", connection.name)
    return row


def _read(unit: Unit, row: SsoRow) -> SsoConnection:
    declared = unit.sso.domains(row.connection.organization_id)
    domains = frozenset(one.domain for one in declared if one.connection_id == row.connection.id)
    rules = read_login_rules(row.rules)
    return SsoConnection(
        row.connection, row.protocol, row.enabled, row.settings, rules, domains, row.version, row.changed
    )


def _told(row: SsoRow | None) -> dict[str, Any] | None:
    """Return what an audit row says of how a connection logs people in."""
    if row is None:
        return None
    return {"protocol": row.protocol.value, "enabled": row.enabled, "settings": dict(row.settings)}


def _rules(row: SsoRow) -> dict[str, Any]:
    return {**row.rules, "authority": row.rules.get("authority", Authority.SCIM.value)}
