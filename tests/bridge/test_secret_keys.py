"""The ring of secret keys: what was made under an earlier key works, and moves to the present one when it is used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.databases import with_schema

from rolebridge.bridge.administration import Administration
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.permissions import KeyRole
from rolebridge.bridge.secret_keys import KeyInUse, SecretKeys
from rolebridge.bridge.signing_keys import SigningKeys
from rolebridge.bridge.vault import Locked, Vault
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.store.engine import Store
from rolebridge.store.records import StoredUnder
from rolebridge.web.admission import Admission
from rolebridge.web.authentication import Authenticator, InvalidToken
from rolebridge.web.keys import KeyAuthenticator
from rolebridge.web.rates import Meters

OLD, NEW, NEVER = b"o" * 32, b"n" * 32, b"x" * 32
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
OPERATOR = Operator("os:mia", "request-1")
FREE = Admission(Meters(), None)


def clock() -> datetime:
    return NOW


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(with_schema(f"sqlite:///{tmp_path / 'rolebridge.db'}"))


@pytest.fixture
def made(store: Store) -> tuple[str, str]:
    """A SCIM token and an API key, made while the old key was the present one."""
    administration = Administration(store, Hasher(OLD), clock)
    organization = administration.add_organization(OPERATOR, "acme")
    _, token = administration.add_connection(OPERATOR, organization, "okta", "okta")
    _, key = administration.add_key(OPERATOR, organization, "robot", KeyRole.READER)
    return token.text, key.text


def test_what_was_made_under_an_earlier_key_works(store: Store, made: tuple[str, str]) -> None:
    """A token and a key that are stored under an earlier key of the ring prove their holders."""
    token, key = made
    authenticator = Authenticator(store, Hasher(NEW, [OLD]), clock)
    assert authenticator.caller(f"Bearer {token}", "r").connection_name == "okta"
    keys = KeyAuthenticator(store, Hasher(NEW, [NEVER, OLD]), clock, authenticator.uses, FREE)
    assert keys.holder(f"Bearer {key}", "r").name == "robot"


def test_without_the_earlier_key_nothing_works(store: Store, made: tuple[str, str]) -> None:
    """A ring without the key under which a token is stored does not know the token."""
    with pytest.raises(InvalidToken, match="the token is not known"):
        Authenticator(store, Hasher(NEW), clock).caller(f"Bearer {made[0]}", "r")


def test_a_use_moves_the_secret_to_the_present_key(store: Store, made: tuple[str, str]) -> None:
    """A secret that was used is stored under the present key, and needs the earlier one no more."""
    token, key = made
    ring = Hasher(NEW, [OLD])
    authenticator = Authenticator(store, ring, clock)
    authenticator.caller(f"Bearer {token}", "r")
    KeyAuthenticator(store, ring, clock, authenticator.uses, FREE).holder(f"Bearer {key}", "r")
    authenticator.uses.flush()
    with store.read() as unit:
        assert unit.accounts.stored_under(NOW) == {Hasher(NEW).key_id: StoredUnder(1, 1, 0)}
    alone = Authenticator(store, Hasher(NEW), clock)
    assert alone.caller(f"Bearer {token}", "r").connection_name == "okta"
    assert KeyAuthenticator(store, Hasher(NEW), clock, alone.uses, FREE).holder(f"Bearer {key}", "r").name == "robot"


def test_a_secret_that_moves_while_it_is_looked_up_is_found() -> None:
    """Between the look-ups under two keys another process may move the secret: the present key is asked again."""
    ring = Hasher(NEW, [OLD])
    asked: list[bytes] = []

    def by_hash(hash_: bytes) -> str | None:
        asked.append(hash_)
        return "found" if len(asked) == 3 and hash_ == Hasher(NEW).hash("secret") else None

    assert ring.find("secret", by_hash) == "found"
    assert asked == [Hasher(NEW).hash("secret"), Hasher(OLD).hash("secret"), Hasher(NEW).hash("secret")]


def test_one_key_is_asked_once() -> None:
    """A ring of one key looks an unknown secret up once."""
    asked: list[bytes] = []
    assert Hasher(NEW).find("secret", asked.append) is None
    assert len(asked) == 1


def test_counts_leave_out_what_does_not_work(store: Store, made: tuple[str, str]) -> None:
    """Revoked and expired credentials keep no key in the ring."""
    administration = Administration(store, Hasher(OLD), clock)
    organization = administration.organizations()[0]
    administration.add_key(OPERATOR, organization, "late", KeyRole.READER, expires_at=NOW + timedelta(days=1))
    robot = next(one.credential.id for one in administration.keys(organization) if one.credential.name == "robot")
    administration.revoke_key(OPERATOR, organization, robot)
    listing = SecretKeys(store, Hasher(NEW, [OLD]), clock, Vault(NEW, [OLD])).listing()
    assert [(one.id, one.present, one.known) for one in listing] == [
        (Hasher(NEW).key_id, True, True),
        (Hasher(OLD).key_id, False, True),
    ]
    assert listing[1].credentials == StoredUnder(1, 1, 0)
    later = SecretKeys(store, Hasher(NEW, [OLD]), lambda: NOW + timedelta(days=2), Vault(NEW, [OLD])).listing()
    assert later[1].credentials == StoredUnder(1, 0, 0)


def test_a_key_that_is_missing_is_listed(store: Store, made: tuple[str, str]) -> None:
    """A key that credentials name and the ring lacks is told: they do not work."""
    listing = SecretKeys(store, Hasher(NEW), clock, Vault(NEW)).listing()
    assert [(one.id, one.known) for one in listing] == [(Hasher(NEW).key_id, True), (Hasher(OLD).key_id, False)]


def test_what_can_be_retired(store: Store, made: tuple[str, str]) -> None:
    """Not the present key, not one that is not there, and one in use only by force."""
    keys = SecretKeys(store, Hasher(NEW, [OLD, NEVER]), clock, Vault(NEW, [OLD, NEVER]))
    assert keys.retirable(Hasher(NEVER).key_id[:8]).credentials == StoredUnder(0, 0, 0)
    with pytest.raises(KeyInUse, match="2 credentials that work are stored under the key"):
        keys.retirable(Hasher(OLD).key_id)
    assert keys.retirable(Hasher(OLD).key_id, force=True).credentials.all == 2
    with pytest.raises(Invalid, match="is the present key; rotate first"):
        keys.retirable(Hasher(NEW).key_id)
    with pytest.raises(NotFound, match="secret key"):
        keys.retirable("zz")
    with pytest.raises(NotFound, match="secret key"):
        keys.retirable("")


def test_what_is_sealed_is_sealed_anew_before_a_key_goes(store: Store) -> None:
    """A signing key that was made under the old secret key signs after that one left the ring."""
    SigningKeys(store, Vault(OLD), clock).ensure()
    ring = SecretKeys(store, Hasher(NEW, [OLD]), clock, Vault(NEW, [OLD]))
    assert [one.sealed for one in ring.listing()] == [0, 2]
    ring.retirable(Hasher(OLD).key_id)
    assert [one.sealed for one in ring.listing()] == [2, 0]
    assert SigningKeys(store, Vault(NEW), clock).signing().private


def test_what_is_sealed_under_a_key_that_is_gone_is_told(store: Store) -> None:
    """A secret that opens with no key of the ring is counted under a key that is missing, and left as it is."""
    SigningKeys(store, Vault(NEVER), clock).ensure()
    ring = SecretKeys(store, Hasher(NEW, [OLD]), clock, Vault(NEW, [OLD]))
    ring.retirable(Hasher(OLD).key_id)
    assert [(one.known, one.sealed) for one in ring.listing()] == [(True, 0), (True, 0), (False, 2)]
    with pytest.raises(Locked):
        SigningKeys(store, Vault(NEW), clock).signing()
