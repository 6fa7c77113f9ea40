"""People who log in, without an identity provider: identities as a validator would hand them over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from tests.bridge.worlds import OPERATOR, World

from rolebridge.bridge.callers import Caller
from rolebridge.bridge.login_log import LoginLog
from rolebridge.bridge.logins import Accepted, Logins, identity_key
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.bridge.vault import Vault
from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Trail, Values
from rolebridge.core.login_rules import Authority, GroupsClaim, LoginRules
from rolebridge.store.logins import StoredIdentity
from rolebridge.store.records import Connection, StoredUser

ISSUER = "https://idp.example"
DOMAIN = "acme.example"
OPEN = LoginRules(groups=GroupsClaim("groups"), authority=Authority.LOGIN, create=True)
"""Rules that let logins make users and state groups."""


def domain_of(world: World) -> str:
    """Return a domain that is this world's alone: domains are one list for a whole installation."""
    return f"{world.id[:8]}.example"


@dataclass
class Gate:
    """Where people log in by one connection of a world."""

    world: World
    caller: Caller
    rules: LoginRules = OPEN
    trail: Trail = field(default_factory=Trail)

    def __post_init__(self) -> None:
        world = self.world
        self.sso = SsoConnections(world.store, world.clock, Vault(b"k" * 32))
        self.logins = Logins(world.rulebooks)
        self.log = LoginLog(world.store, world.clock)
        self.connection: Connection = world.administration.connection(world.organization, self.caller.connection_name)
        self.domain = domain_of(world)
        self.sso.configure(OPERATOR, self.connection, Protocol.SAML, {"any": "settings"}, rules=self.rules)

    def declare(self) -> Gate:
        """Let the connection speak for the world's domain."""
        self.sso.declare_domains(OPERATOR, self.connection, [self.domain])
        return self

    def set(self, **changes: Any) -> None:
        """Change the rules."""
        self.rules = replace(self.rules, **changes)
        self.sso.set_rules(OPERATOR, self.connection, self.rules)

    @property
    def settings(self) -> SsoConnection:
        """Return how the connection logs people in now."""
        return self.sso.needed(self.connection)

    def name(self, local: str) -> str:
        """Return the userName of a person of the world's domain."""
        return f"{local}@{self.domain}"

    def identity(
        self, local: str, groups: Values | None = (), *, subject: str = "", issuer: str = ISSUER, **claims: Values
    ) -> AssertedIdentity:
        """Return what an identity provider asserts; groups None are not stated."""
        attributes: dict[str, Values] = dict(claims)
        if groups is not None:
            attributes["groups"] = groups
        name = self.name(local) if "@" not in local else local
        if subject:
            attributes["name"] = name
        ends = self.world.now + timedelta(minutes=5)
        return AssertedIdentity(
            Protocol.SAML, issuer, subject or name, attributes, assertion_id=uuid4().hex, usable_until=ends
        )

    def enter(self, identity: AssertedIdentity) -> Accepted:
        """Log somebody in; a refusal is logged and raised."""
        self.trail = Trail()
        connection = self.settings
        try:
            return self.world.store.transact(
                lambda unit: self.logins.accept(
                    unit, connection, identity, self.trail, now=self.world.clock(), request_id=uuid4().hex
                )
            )
        except LoginRefused as refused:
            self.log.refused(connection, self.trail, refused, request_id=uuid4().hex)
            raise

    def login(self, local: str, groups: Values | None = (), **how: Any) -> Accepted:
        """Log a person of the world's domain in."""
        return self.enter(self.identity(local, groups, **how))

    def refusal(self, local: str, groups: Values | None = (), **how: Any) -> str:
        """Return the code that refuses a login."""
        try:
            self.login(local, groups, **how)
        except LoginRefused as refused:
            return refused.code
        return "accepted"

    def stored(self, subject: str, issuer: str = ISSUER) -> StoredIdentity | None:
        """Return the row of an identity."""
        with self.world.store.read() as unit:
            return unit.logins(self.world.id).identity(self.caller.connection_id, identity_key(issuer, subject))

    def groups_of(self, user_id: str) -> dict[str, str]:
        """Return the groups that count for a user, by name, with who says so."""
        with self.world.store.read() as unit:
            held = unit.directory(self.world.id).memberships([user_id])[user_id]
        return {one.group.display: str(one.source) for one in held}

    def user(self, user_id: str) -> StoredUser:
        """Return a user's row."""
        with self.world.store.read() as unit:
            found = unit.directory(self.world.id).user(None, user_id)
        assert found is not None
        return found


def codes(trail: Trail) -> Mapping[str, str]:
    """Return the verdicts of a trail by code."""
    return {check.code: str(check.verdict) for check in trail.checks}
