"""People who are signed in, applications, and what sign-ins gave them: without an identity provider or HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import update
from tests.bridge.worlds import OPERATOR, World

from rolebridge.bridge.applications import Applications, AppProof
from rolebridge.bridge.authorizing import Asked, Authorizing, Redeemed, challenge_of
from rolebridge.bridge.callers import Caller
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.refreshing import Refreshing
from rolebridge.bridge.sessions import Begun, Lifetimes, NewSession, Sessions, SignedIn
from rolebridge.bridge.standing import Standing
from rolebridge.bridge.vault import Vault
from rolebridge.core.applications import AppKind, Scope
from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol
from rolebridge.store.logout_notices import LogoutNotice
from rolebridge.store.provider_records import Application
from rolebridge.store.statements import Statement, given, insert_into
from rolebridge.store.tables.logins import sso_connections
from rolebridge.store.unit import Unit

VERIFIER = "a-verifier-that-is-long-enough-for-pkce-rfc7636"
CALLBACK = "https://app.example/callback"
HEARS = "https://app.example/backchannel"
OFFLINE = (Scope.OPENID, Scope.PROFILE, Scope.ROLES, Scope.GROUPS, Scope.OFFLINE_ACCESS)
LIFETIMES = Lifetimes(timedelta(hours=8), timedelta(hours=24))

_LOGS_IN = Statement(lambda db: insert_into(db, sso_connections))
_ENABLE = Statement(
    lambda _: (
        update(sso_connections)
        .where(
            sso_connections.c.organization_id == given("organization_id"),
            sso_connections.c.connection_id == given("of"),
        )
        .values(enabled=given("enabled", sso_connections.c.enabled))
    )
)


@dataclass
class Desk:
    """Where the people of a world sign in, and what applications do with it."""

    world: World
    by_session: dict[str, SignedIn] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.world
        self.use(Hasher(b"k" * 32))
        for caller in {world.okta.connection_id: world.okta, world.entra.connection_id: world.entra}.values():
            self._let_log_in(caller)

    def use(self, hasher: Hasher) -> None:
        """Begin anew with other secret keys."""
        store, clock = self.world.store, self.world.clock
        self.hasher = hasher
        self.applications = Applications(store, hasher, clock)
        self.sessions = Sessions(store, hasher, Vault(b"k" * 32), clock, LIFETIMES)
        self.authorizing = Authorizing(store, hasher, self.sessions, clock)
        self.refreshing = Refreshing(store, hasher, clock)
        self.standing = Standing(store, hasher, clock)

    def _let_log_in(self, caller: Caller) -> None:
        row: dict[str, Any] = {
            "organization_id": self.world.id,
            "connection_id": caller.connection_id,
            "protocol": "oidc",
        }
        row |= {"enabled": True, "settings": "{}", "rules": "{}", "version": 1, "changed": "2026-11-21T09:00:00.000Z"}
        self.world.store.transact(lambda unit: unit.link.run(_LOGS_IN, **row))

    def logs_in(self, unit: Unit, caller: Caller, enabled: bool) -> None:
        """Have a connection log people in, or not."""
        values = {"organization_id": self.world.id, "of": caller.connection_id, "enabled": enabled}
        unit.link.run(_ENABLE, **values)

    def application(self, name: str = "app", **settings: Any) -> Application:
        document = {
            "redirect_uris": [CALLBACK],
            "backchannel_logout_uri": HEARS,
            "scopes": [str(one) for one in Scope],
            **settings,
        }
        return self.applications.add(OPERATOR, self.world.organization, name, AppKind.PUBLIC, document)

    def sign_in(self, user_id: str, caller: Caller | None = None) -> SignedIn:
        connection = (caller or self.world.okta).connection_id
        identity = AssertedIdentity(Protocol.OIDC, "https://idp.example", f"subject of {user_id}", {})
        new = NewSession(self.world.id, user_id, connection, identity)

        def work(unit: Unit) -> Begun:
            # As a login does: whoever deactivates the user comes before, or finds the session.
            user = unit.directory(self.world.id).user(None, user_id, lock=True)
            if user is None or not user.active:
                raise LoginRefused("login-user-inactive", "the user is deactivated")
            return self.sessions.begin(unit, new)

        begun = self.world.store.transact(work)
        found = self.sessions.find(begun.secret)
        assert found is not None
        self.by_session[found.session.id] = found
        return found

    def code(self, application: Application, signed_in: SignedIn, scopes: tuple[Scope, ...] = OFFLINE) -> str:
        asked = Asked(scopes, CALLBACK, challenge_of(VERIFIER), None)
        return self.authorizing.grant(application, signed_in, asked)

    def redeem(self, application: Application, code: str) -> Redeemed:
        return self.authorizing.redeem(AppProof(application), code, CALLBACK, VERIFIER)

    def enter(self, application: Application, signed_in: SignedIn, scopes: tuple[Scope, ...] = OFFLINE) -> Redeemed:
        return self.redeem(application, self.code(application, signed_in, scopes))

    def refresh(self, application: Application, text: str | None, asked: set[str] | None = None) -> Redeemed:
        assert text is not None
        return self.refreshing.refresh(AppProof(application), text, None if asked is None else frozenset(asked), "r9")

    def stands(self, redeemed: Redeemed) -> bool:
        """Return whether an access token of this answer would be told to be active."""
        return self.standing.access(redeemed.application.id, redeemed.authorization.id) is not None

    def notices(self, application: Application) -> list[LogoutNotice]:
        with self.world.store.read() as unit:
            return unit.logout_notices(self.world.id).page(application.id, 50)

    def why(self, redeemed: Redeemed) -> str | None:
        with self.world.store.read() as unit:
            made = unit.authorizations.authorization(self.world.id, redeemed.authorization.id)
        assert made is not None
        return made.ended_why

    def is_signed_in(self, signed_in: SignedIn) -> bool:
        def work(unit: Unit) -> bool:
            return self.sessions.live(unit, self.world.id, signed_in.session.id) is not None

        return self.world.store.transact(work)


def told_roles(redeemed: Redeemed) -> set[str]:
    """Return the roles that an application is told of, shortly."""
    found = redeemed.claims.roles or ()
    entries = [json.loads(json.dumps(one)) for one in found]
    return {f"{one['project']}:{one['role']}" if one["project"] else one["role"] for one in entries}
