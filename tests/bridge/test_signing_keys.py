"""Signing keys: published before and after they sign, one at a time, sealed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.store.worlds import together

from rolebridge.bridge.administration import Administration
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.signing_keys import KEPT, KNOWN_FIRST, PUBLISHED_FOR, SigningKeys, TooSoon
from rolebridge.bridge.vault import Locked, Vault
from rolebridge.core.applications import ACCESS_MINUTES
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.store.engine import Store

OPERATOR = Operator("os:mia", "command-1")


class Ring:
    """The keys of an installation, and its clock."""

    def __init__(self, store: Store, longest_session: timedelta = timedelta()) -> None:
        self.now = datetime(2026, 11, 21, 9, tzinfo=UTC)
        self.store = store
        self.keys = SigningKeys(store, Vault(b"k" * 32), lambda: self.now, longest_session)

    def states(self) -> dict[str, str]:
        return {key.id: key.state for key in self.keys.listing()}

    def one(self, state: str) -> str:
        (found,) = [id_ for id_, its in self.states().items() if its == state]
        return found

    def published(self) -> set[str]:
        return {key["kid"] for key in self.keys.published()}


@pytest.fixture
def ring(store: Store, monkeypatch: pytest.MonkeyPatch) -> Ring:
    """The first two keys, shorter than real ones: making those takes long."""
    monkeypatch.setattr("rolebridge.bridge.signing_keys._BITS", 1_024)
    store.transact(lambda unit: unit.link.execute("DELETE FROM signing_keys", ()))
    made = Ring(store)
    made.keys.ensure()
    return made


def test_two_who_begin_at_once_make_one_pair(ring: Ring) -> None:
    """However many processes need the first key at the same moment, one key signs and one is next."""
    ring.store.transact(lambda unit: unit.link.execute("DELETE FROM signing_keys", ()))
    assert together(lambda _: ring.keys.ensure(), 3) == [None] * 3
    assert sorted(ring.states().values()) == ["active", "next"]


def test_a_key_is_known_before_it_signs(ring: Ring) -> None:
    """The next key is published, and signs only after applications that remember keys must have read it."""
    coming = ring.one("next")
    assert coming in ring.published()
    assert KNOWN_FIRST >= 2 * PUBLISHED_FOR
    with pytest.raises(TooSoon):
        ring.keys.rotate(OPERATOR)
    ring.now += KNOWN_FIRST
    ring.keys.rotate(OPERATOR)
    assert ring.keys.signing().kid == coming == ring.one("active")
    with pytest.raises(TooSoon):
        ring.keys.rotate(OPERATOR)
    ring.keys.rotate(OPERATOR, force=True)


def test_a_retired_key_is_known_until_what_it_signed_has_ended(ring: Ring) -> None:
    """A retired key verifies for as long as the longest token lives, and then is gone."""
    was = ring.one("active")
    ring.now += KNOWN_FIRST
    ring.keys.rotate(OPERATOR)
    assert timedelta(minutes=ACCESS_MINUTES[-1]) < KEPT
    ring.now += KEPT - timedelta(seconds=1)
    assert was in ring.published()
    ring.now += timedelta(seconds=1)
    assert was not in ring.published()
    assert was not in ring.states()


def test_a_retired_key_is_known_for_as_long_as_a_session(ring: Ring) -> None:
    """An ID token of the beginning of a session can be shown as a hint at its end."""
    long = Ring(ring.store, timedelta(days=1))
    was = long.one("active")
    long.now += KNOWN_FIRST
    long.keys.rotate(OPERATOR)
    long.now += timedelta(hours=23)
    assert was in long.published()


def test_a_key_that_leaked_is_gone_at_once(ring: Ring) -> None:
    """A retired key is taken away, a next one is replaced, and the one that signs cannot go."""
    active, coming = ring.one("active"), ring.one("next")
    with pytest.raises(Invalid, match="rotate first"):
        ring.keys.retire(OPERATOR, active)
    ring.keys.retire(OPERATOR, coming[:20])
    assert coming not in ring.published()
    assert ring.one("next") != coming
    ring.keys.rotate(OPERATOR, force=True)
    ring.keys.retire(OPERATOR, active)
    assert active not in ring.published()
    for nothing in ("", active, "none"):
        with pytest.raises(NotFound):
            ring.keys.retire(OPERATOR, nothing)


def test_only_public_halves_are_published(ring: Ring) -> None:
    """The key set holds what it takes to verify, and nothing more."""
    for key in ring.keys.published():
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


def test_private_halves_are_sealed(ring: Ring) -> None:
    """The database alone signs nothing, and no key opens in another's place."""
    with ring.store.read() as unit:
        first, second = unit.signing_keys.all()
    with pytest.raises(Locked):
        SigningKeys(ring.store, Vault(b"x" * 32), lambda: ring.now).signing()
    ring.store.transact(lambda unit: unit.signing_keys.reseal(first.id, second.private))
    ring.store.transact(lambda unit: unit.signing_keys.reseal(second.id, first.private))
    with pytest.raises(Locked):
        ring.keys.signing()


def test_other_processes_sign_with_the_new_key_at_once(ring: Ring) -> None:
    """Whoever signs looks which key is active: no process goes on with the one that it knew."""
    other = SigningKeys(ring.store, Vault(b"k" * 32), lambda: ring.now)
    was = other.signing().kid
    ring.keys.rotate(OPERATOR, force=True)
    assert other.signing().kid != was


def test_rotations_are_recorded_in_every_organization(ring: Ring) -> None:
    """The key is everybody's, and so everybody's audit tells of it."""
    administration = Administration(ring.store, Hasher(b"k" * 32), lambda: ring.now)
    organization = administration.add_organization(OPERATOR, f"acme {ring.one('next')}")
    ring.keys.rotate(OPERATOR, force=True, reason="leaked")
    with ring.store.read() as unit:
        rows = unit.link.execute(
            f"SELECT kind, subject_id, reason FROM audit WHERE organization_id = '{organization.id}'", ()
        ).fetchall()
    assert ("signing_key.rotated", ring.one("active"), "leaked") in [tuple(row) for row in rows]


def test_keys_follow_one_another_by_themselves(ring: Ring) -> None:
    """After their time, with the one that was published before; not a moment earlier, and not twice."""
    every = timedelta(days=90)
    coming = ring.one("next")
    ring.now += every - timedelta(seconds=1)
    assert not ring.keys.rotate_due(OPERATOR, every)
    ring.now += timedelta(seconds=1)
    assert ring.keys.rotate_due(OPERATOR, every)
    assert ring.one("active") == coming
    assert not ring.keys.rotate_due(OPERATOR, every)


def test_a_key_that_nobody_knows_yet_does_not_sign_by_itself(ring: Ring) -> None:
    """Somebody retired the next one just now: its successor is published first."""
    every = timedelta(days=90)
    ring.now += every
    ring.keys.retire(OPERATOR, ring.one("next"))
    signs = ring.one("active")
    assert not ring.keys.rotate_due(OPERATOR, every)
    assert ring.one("active") == signs
    ring.now += KNOWN_FIRST
    assert ring.keys.rotate_due(OPERATOR, every)


def test_without_applications_no_key_is_made(ring: Ring) -> None:
    """The worker of an installation without applications has nothing to rotate."""
    ring.store.transact(lambda unit: unit.link.execute("DELETE FROM signing_keys", ()))
    assert not ring.keys.rotate_due(OPERATOR, timedelta(days=90))
    assert ring.states() == {}
