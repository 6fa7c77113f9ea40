"""What applications are told of somebody's address: that it is theirs, if somebody vouches for that."""

from __future__ import annotations

from typing import Any

import pytest
from tests.bridge.logging_in import domain_of
from tests.bridge.signed_in import Desk
from tests.bridge.worlds import OPERATOR, World

from rolebridge.bridge.app_claims import claims_of
from rolebridge.bridge.sso_connections import SsoConnections
from rolebridge.bridge.vault import Vault
from rolebridge.core.applications import Scope
from rolebridge.core.directory import UserDraft


@pytest.fixture
def desk(world: World) -> Desk:
    """An organization whose connection `okta` speaks for a domain of its own."""
    made = Desk(world)
    speak_for(world, domain_of(world))
    return made


def speak_for(world: World, domain: str) -> None:
    okta = world.administration.connection(world.organization, "okta")
    SsoConnections(world.store, world.clock, Vault(b"k" * 32)).declare_domains(OPERATOR, okta, [domain])


def told(desk: Desk, email: str, scope: Scope = Scope.EMAIL, connection: str = "okta") -> dict[str, Any]:
    """Return what an application is told of a new user of a connection with an address."""
    world = desk.world
    caller = {"okta": world.okta, "entra": world.entra}[connection]
    attributes = {"userName": "ana", "displayName": "Ana", "emails": [{"value": email, "primary": True}]}
    user = world.provisioning.create_user(caller, UserDraft("ana", None, True, attributes)).id
    with world.store.read() as unit:
        claims = claims_of(unit, desk.application(), user, {scope}, world.clock())
    assert claims is not None
    return dict(claims.person)


def test_an_address_of_the_connections_domain_is_verified(desk: Desk) -> None:
    """In any case of its letters, as domains have none."""
    email = f"Ana@{domain_of(desk.world).upper()}"
    assert told(desk, email) == {"email": email, "email_verified": True}


@pytest.mark.parametrize(
    "email", ["ana@elsewhere.example", "ana@sub.{}", "@{}", "{}", "ana@{}.evil.example", "a@bücher.de"]
)
def test_of_another_address_nothing_is_said(desk: Desk, email: str) -> None:
    """A subdomain is another domain, and what is no address has none."""
    said = told(desk, email.format(domain_of(desk.world)))
    assert "email_verified" not in said
    assert said.keys() == {"email"}


def test_another_connection_vouches_for_nobody(desk: Desk) -> None:
    """A connection of the same organization that writes addresses of a domain which is another's, or a stranger's."""
    assert "email_verified" not in told(desk, f"ana@{domain_of(desk.world)}", connection="entra")
    stranger = Desk(World(desk.world.store))
    assert "email_verified" not in told(stranger, f"ana@{domain_of(desk.world)}")


def test_without_the_scope_it_is_not_told(desk: Desk) -> None:
    """It says something of an address that the application may not know."""
    assert told(desk, f"ana@{domain_of(desk.world)}", Scope.PROFILE).keys() == {"name", "preferred_username"}
