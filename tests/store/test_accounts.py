"""Organizations, connections, tokens and keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.store.worlds import NOW, World, new_id

from rolebridge.core.errors import Invalid, NotFound, Taken
from rolebridge.store.engine import Store
from rolebridge.store.records import Credential, Key, StoredUnder, Token
from rolebridge.store.unit import Unit

LATER = NOW + timedelta(hours=1)


def credential(name: str = "first") -> Credential:
    return Credential(new_id(), name, uuid4().bytes * 2, "k1", "wxyz", NOW)


def test_an_organization_is_found_by_id_and_name(world: World) -> None:
    """Names are looked up without regard to case; nothing is found for what is none."""
    name = f"Straße {world.organization}"
    made = world.store.transact(lambda unit: unit.accounts.add_organization(new_id(), name, NOW))
    with world.store.read() as unit:
        assert unit.accounts.organization(made.id) == made
        assert unit.accounts.organization_named(name.upper()) == made
        assert made in unit.accounts.organizations()
        for nothing in ("", "a\0b", "\ud800", "nobody"):
            assert unit.accounts.organization(nothing) is unit.accounts.organization_named(nothing) is None
    with pytest.raises(Taken, match=r"belongs to another organization$"):
        world.store.transact(lambda unit: unit.accounts.add_organization(new_id(), name.upper(), NOW))


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "line\nbreak", "\ud800", "x" * 201])
def test_a_name_must_be_printable_text(world: World, name: str) -> None:
    """A name that a terminal cannot show, or nobody can read, is refused."""
    with pytest.raises(Invalid, match="the name of") as refused:
        world.store.transact(lambda unit: unit.accounts.add_organization(new_id(), name, NOW))
    assert refused.value.field == "name"


def test_connections_belong_to_their_organization(world: World) -> None:
    """Connection names are unique in an organization, in any case, and are listed by name."""
    with world.store.read() as unit:
        accounts = unit.accounts
        assert [found.name for found in accounts.connections(world.organization)] == ["entra", "okta"]
        okta = accounts.connection_named(world.organization, "OKTA")
        assert okta == accounts.connection(world.organization, world.okta)
        assert accounts.connection_named(new_id(), "okta") is accounts.connection(new_id(), world.okta) is None
    with pytest.raises(Taken, match=r"name `Okta` belongs to another connection$"):
        world.store.transact(lambda unit: unit.accounts.add_connection(world.organization, new_id(), "Okta", "", NOW))
    with pytest.raises(NotFound, match="there is no organization `gone`"):
        world.store.transact(lambda unit: unit.accounts.add_connection("gone", new_id(), "okta", "", NOW))


def test_a_connection_gets_another_profile(world: World) -> None:
    """The profile changes where the connection exists."""
    world.store.transact(lambda unit: unit.accounts.set_profile(world.organization, world.okta, "strict"))
    with world.store.read() as unit:
        found = unit.accounts.connection(world.organization, world.okta)
        assert found is not None
        assert found.profile == "strict"
    with pytest.raises(NotFound, match="there is no connection `gone`"):
        world.store.transact(lambda unit: unit.accounts.set_profile(world.organization, "gone", "strict"))


def test_a_token_finds_whom_it_speaks_for(world: World) -> None:
    """A hash gives the connection and who the token is bound to; another hash gives nothing."""
    token = Token(world.organization, world.okta, credential(), "somebody")
    world.store.transact(lambda unit: unit.accounts.add_token(token))
    with world.store.read() as unit:
        holder = unit.accounts.token_by_hash(token.credential.hash)
        assert holder is not None
        assert (holder.credential_id, holder.user_id, holder.key_id) == (token.credential.id, "somebody", "k1")
        assert holder.connection == unit.accounts.connection(world.organization, world.okta)
        assert unit.accounts.token_by_hash(b"") is None
        assert unit.accounts.tokens(world.organization) == [token]
    with pytest.raises(NotFound, match="there is no connection"):
        world.store.transact(lambda unit: unit.accounts.add_token(replace(token, connection_id="gone")))


def test_a_revoked_or_expired_token_is_found_and_not_usable(world: World) -> None:
    """Revoking keeps the first time; `usable` knows of both ends."""
    token = Token(world.organization, world.okta, replace(credential(), expires_at=LATER))
    assert token.credential.usable(NOW)
    assert not token.credential.usable(LATER)

    def work(unit: Unit) -> tuple[bool, bool]:
        unit.accounts.add_token(token)
        revoke = unit.accounts.revoke_token
        return (
            revoke(world.organization, token.credential.id, NOW),
            revoke(world.organization, token.credential.id, LATER),
        )

    assert world.store.transact(work) == (True, False)
    with world.store.read() as unit:
        holder = unit.accounts.token_by_hash(token.credential.hash)
    assert holder is not None
    assert holder.revoked_at == NOW
    assert not holder.usable(NOW)


def test_the_last_use_never_goes_back(world: World) -> None:
    """Processes report uses in any order; the latest stays."""
    token = Token(world.organization, world.okta, credential())
    world.store.transact(lambda unit: unit.accounts.add_token(token))
    for moment in (NOW, LATER, NOW):
        used = {(world.organization, token.credential.id): moment, (world.organization, "gone"): moment}
        world.store.transact(lambda unit, used=used: unit.accounts.touch_tokens(used))  # type: ignore[misc]
    with world.store.read() as unit:
        assert unit.accounts.tokens(world.organization)[0].credential.last_used_at == LATER


def test_keys_of_an_organization_and_of_the_installation(world: World) -> None:
    """A key without an organization is the installation's; both are found by hash, revoked and touched."""
    mine = Key(world.organization, credential(), "operator", "acme-vision")
    owner = Key(None, credential(), "owner")

    def work(unit: Unit) -> None:
        unit.accounts.add_key(mine)
        unit.accounts.add_key(owner)
        unit.accounts.touch_keys({(None, owner.credential.id): LATER})
        assert unit.accounts.revoke_key(world.organization, mine.credential.id, LATER)
        assert not unit.accounts.revoke_key(world.organization, owner.credential.id, LATER)

    world.store.transact(work)
    with world.store.read() as unit:
        accounts = unit.accounts
        assert accounts.keys(world.organization) == [
            replace(mine, credential=replace(mine.credential, revoked_at=LATER))
        ]
        assert owner.credential.id in [key.credential.id for key in accounts.keys(None)]
        found = accounts.key_by_hash(owner.credential.hash)
        assert found is not None
        assert (found.organization_id, found.role, found.workspace) == (None, "owner", None)
        assert found.credential.last_used_at == LATER
        assert accounts.key_by_hash(b"x") is None
    with pytest.raises(NotFound, match="there is no organization `gone`"):
        world.store.transact(lambda unit: unit.accounts.add_key(Key("gone", credential(), "reader")))


def test_a_secret_hash_exists_once(store: Store) -> None:
    """Two credentials with one hash would be one secret for two callers: the database refuses it."""
    world = World(store).begin()
    token = Token(world.organization, world.okta, credential())
    store.transact(lambda unit: unit.accounts.add_token(token))
    twin = replace(token, credential=replace(token.credential, id=new_id()))
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.transact(lambda unit: unit.accounts.add_token(twin))


def test_credentials_are_counted_by_key_and_move_to_another(world: World) -> None:
    """What works is counted under the secret key it is stored under, and moves to another with a new hash."""
    earlier, present, now = new_id(), new_id(), NOW
    held = [replace(credential(f"number {number}"), key_id=earlier) for number in range(4)]
    held[2] = replace(held[2], expires_at=now)
    held[3] = replace(held[3], revoked_at=now)

    def work(unit: Unit) -> None:
        for one in held:
            unit.accounts.add_token(Token(world.organization, world.okta, one))
        unit.accounts.add_key(Key(world.organization, replace(credential(), key_id=earlier), "reader", None))

    world.store.transact(work)
    with world.store.read() as unit:
        assert unit.accounts.stored_under(now)[earlier] == StoredUnder(2, 1, 0)
    moved = {(world.organization, held[0].id): (b"m" * 16 + uuid4().bytes, present)}
    world.store.transact(lambda unit: unit.accounts.move_tokens(moved))
    with world.store.read() as unit:
        counts = unit.accounts.stored_under(now)
        assert counts[earlier] == StoredUnder(1, 1, 0)
        assert counts[present] == StoredUnder(1, 0, 0)
        assert unit.accounts.token_by_hash(held[0].hash) is None
        found = unit.accounts.token_by_hash(moved[world.organization, held[0].id][0])
        assert found is not None
        assert found.key_id == present
