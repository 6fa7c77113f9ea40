"""Who is signed in: what makes a session count, what ends it, and what another's cookie is worth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.bridge.worlds import OPERATOR, World
from tests.switching import switch

from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.idp_logout import IdpLogouts
from rolebridge.bridge.sessions import Begun, Lifetimes, NewSession, Sessions
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.bridge.vault import Vault
from rolebridge.core.errors import NotFound
from rolebridge.core.login import AssertedIdentity, Protocol
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

KEY = bytes(range(32))
IDLE, ABSOLUTE = timedelta(hours=8), timedelta(hours=24)


class Undone(Exception):
    """What undoes a transaction in a test."""


class Office:
    """An organization whose two people sign in by `okta`, and the sessions of the installation."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.world = World(store)
        self.now: datetime = self.world.now
        self.sessions = Sessions(store, Hasher(KEY), Vault(KEY), lambda: self.now, Lifetimes(IDLE, ABSOLUTE))
        self.sso = SsoConnections(store, lambda: self.now, Vault(KEY))
        self.connection = self.world.administration.connection(self.world.organization, "okta")
        self.sso.configure(OPERATOR, self.connection, Protocol.OIDC, {})
        self.ana, self.bo = (self.world.user(name) for name in ("ana", "bo"))

    def sign_in(self, user_id: str, previous: str | None = None, *, session: str | None = "s1") -> Begun:
        identity = AssertedIdentity(
            Protocol.OIDC, "https://idp.example", f"subject of {user_id}", {}, self.now, "mfa", session
        )
        new = NewSession(
            self.world.id, user_id, self.connection.id, identity, "Firefox on Linux", "192.0.2.1", previous
        )
        return self.store.transact(lambda unit: self.sessions.begin(unit, replace(new, logout_hint=b"id token")))

    def later(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def office(store: Store) -> Office:
    """A fresh organization in the store."""
    return Office(store)


def test_a_session_tells_who_when_and_how(office: Office) -> None:
    """What an application needs to know of a sign-in is all there."""
    begun = office.sign_in(office.ana)
    found = office.sessions.find(begun.secret, office.world.id)
    assert found is not None
    assert (found.session.user_id, found.user_name, found.connection) == (office.ana, "ana@acme.example", "okta")
    assert (found.session.authenticated_at, found.session.context) == (office.now, "mfa")
    assert (found.session.agent, found.session.address) == ("Firefox on Linux", "192.0.2.1")
    assert found.session.id == begun.session.id != begun.secret
    assert office.sessions.logout_hint(found.session) == b"id token"


def test_the_secret_is_not_in_the_database(office: Office) -> None:
    """Who can read the database can sign in as nobody: not with what is stored of the secret either."""
    begun = office.sign_in(office.ana)
    with office.store.read() as unit:
        rows = unit.link.execute("SELECT * FROM sessions", ()).fetchall()
    stored = [value for row in rows for value in row]
    assert begun.secret not in stored
    hashes = [bytes(value) for value in stored if isinstance(value, bytes | memoryview)]
    assert hashes
    assert all(office.sessions.find("rbn_" + one.hex()) is None for one in hashes)
    assert b"id token" not in b"".join(hashes)


@pytest.mark.parametrize("secret", [None, "", "rbn_", "rbn_nobody", "x" * 5_000, "rbn_\0", "rbn_\ud800", "rbt_abc"])
def test_what_is_no_secret_of_ours_finds_nobody(office: Office, secret: str | None) -> None:
    """Nonsense in a cookie is nobody, and no error."""
    office.sign_in(office.ana)
    assert office.sessions.find(secret) is None


def test_a_session_of_another_organization_does_not_count(store: Store, office: Office) -> None:
    """Whoever asks for one organization hears of nobody in another."""
    begun = office.sign_in(office.ana)
    other = Office(store)
    assert office.sessions.find(begun.secret, other.world.id) is None
    assert other.sessions.find(begun.secret, office.world.id) is not None
    assert other.sessions.of_user(other.world.id, office.ana) == []
    with pytest.raises(NotFound):
        other.sessions.end_one(OPERATOR, other.world.id, begun.session.id)
    assert other.sessions.end_of_everybody(OPERATOR, other.world.id) == 0
    assert office.sessions.find(begun.secret) is not None


# --- lifetimes


def test_who_does_not_come_back_is_signed_out(office: Office) -> None:
    """To the second: at the idle limit a session is over, a moment before it is not."""
    begun = office.sign_in(office.ana)
    office.later(IDLE - timedelta(seconds=1))
    assert office.sessions.find(begun.secret) is not None
    office.later(IDLE)
    assert office.sessions.find(begun.secret) is None


def test_who_always_comes_back_signs_in_again_after_a_day(office: Office) -> None:
    """The absolute limit counts from signing in, whatever was done since."""
    begun = office.sign_in(office.ana)
    for _ in range(4):
        office.later(timedelta(hours=5, minutes=59))
        assert office.sessions.find(begun.secret) is not None
    office.later(timedelta(minutes=4))
    assert office.sessions.find(begun.secret) is None


def test_no_session_outlasts_the_one_at_the_identity_provider(office: Office) -> None:
    """Where the provider has said when that ends, this one ends then, and what hangs on it soon after."""
    ends = office.now + timedelta(hours=1)
    identity = AssertedIdentity(Protocol.SAML, "https://idp.example", "x", {}, session_until=ends)
    new = NewSession(office.world.id, office.ana, office.connection.id, identity)
    begun = office.store.transact(lambda unit: office.sessions.begin(unit, new))
    office.later(timedelta(hours=1) - timedelta(seconds=1))
    assert office.sessions.find(begun.secret) is not None
    office.later(timedelta(seconds=1))
    assert office.sessions.find(begun.secret) is None
    assert office.sessions.sweep(office.world.id) == 1


def test_shorter_lifetimes_count_for_sessions_that_are_there(office: Office) -> None:
    """An administrator who shortens a lifetime need not end sessions."""
    begun = office.sign_in(office.ana)
    office.later(timedelta(hours=1))
    stricter = Lifetimes(timedelta(minutes=30), ABSOLUTE)
    assert Sessions(office.store, Hasher(KEY), Vault(KEY), lambda: office.now, stricter).find(begun.secret) is None


def test_a_session_is_written_once_a_minute_at_most(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Coming back costs no write, but for one a minute."""
    begun = office.sign_in(office.ana)
    writes = list[object]()
    transact = Store.transact

    def noting(store: Store, work: Callable[[Unit], object]) -> object:
        writes.append(work)
        return transact(store, work)

    monkeypatch.setattr(Store, "transact", noting)
    for _ in range(30):
        office.later(timedelta(seconds=10))
        assert office.sessions.find(begun.secret) is not None
    assert len(writes) == 5


def test_what_is_over_is_swept(office: Office) -> None:
    """The worker deletes sessions that count no more, and no others."""
    office.sign_in(office.ana)
    office.later(IDLE)
    kept = office.sign_in(office.bo)
    assert office.sessions.sweep(office.world.id) == 1
    assert office.sessions.sweep(office.world.id) == 0
    assert office.sessions.find(kept.secret) is not None


# --- who counts


def test_a_deactivated_user_is_out_at_once(office: Office) -> None:
    """And stays out when they are activated again: the session is gone."""
    begun = office.sign_in(office.ana)
    office.world.activate(office.ana, False)
    assert office.sessions.find(begun.secret) is None
    office.world.activate(office.ana, True)
    assert office.sessions.find(begun.secret) is None


def test_a_deleted_user_is_out_at_once(office: Office) -> None:
    """Nobody is signed in as a user who is not there."""
    begun = office.sign_in(office.ana)
    office.world.provisioning.delete_user(office.world.okta, office.ana)
    assert office.sessions.find(begun.secret) is None


def test_a_connection_that_is_switched_off_takes_its_sessions_along(office: Office) -> None:
    """And does not bring them back when it is switched on again."""
    begun = office.sign_in(office.ana)
    switch(office.sso, office.connection, on=False)
    assert office.sessions.find(begun.secret) is None
    office.sessions.sweep(office.world.id)
    switch(office.sso, office.connection, on=True)
    assert office.sessions.find(begun.secret) is None


@pytest.mark.parametrize(
    "statement", ["UPDATE users SET active = false WHERE", "UPDATE sso_connections SET enabled = false WHERE"]
)
def test_who_is_signed_in_is_looked_up_and_not_remembered(office: Office, statement: str) -> None:
    """Even where nobody ended the session: a user who is not active, a connection that is off."""
    begun = office.sign_in(office.ana)
    office.store.transact(lambda unit: unit.link.execute(f"{statement} organization_id = '{office.world.id}'", ()))
    assert office.sessions.find(begun.secret) is None
    assert office.sessions.page(office.world.id, "", 10) == []
    assert not office.store.transact(lambda unit: office.sessions.live(unit, office.world.id, begun.session.id))


# --- fixation


def test_signing_in_again_makes_the_old_secret_worthless(office: Office) -> None:
    """Who planted or stole a cookie has nothing once its owner has signed in again; applications keep the `sid`."""
    first = office.sign_in(office.ana)
    office.later(timedelta(hours=1))
    second = office.sign_in(office.ana, first.secret, session="s2")
    assert second.secret != first.secret
    assert office.sessions.find(first.secret) is None
    found = office.sessions.find(second.secret)
    assert found is not None
    assert found.session.id == first.session.id
    assert (found.session.authenticated_at, found.session.idp_session) == (office.now, "s2")
    assert office.sessions.logout_hint(found.session) == b"id token"


def test_signing_in_as_another_ends_the_session_that_the_browser_had(office: Office) -> None:
    """A planted session of the attacker's never becomes the victim's, nor the other way round."""
    planted = office.sign_in(office.bo)
    victims = office.sign_in(office.ana, planted.secret)
    assert victims.session.id != planted.session.id
    assert office.sessions.find(planted.secret) is None
    assert office.sessions.of_user(office.world.id, office.bo) == []


def test_a_session_that_is_over_does_not_go_on(office: Office) -> None:
    """Who signs in again after the limit begins anew, under another `sid`."""
    first = office.sign_in(office.ana)
    office.later(ABSOLUTE)
    second = office.sign_in(office.ana, first.secret)
    assert second.session.id != first.session.id
    assert [one.id for one in office.sessions.of_user(office.world.id, office.ana)] == [second.session.id]


def test_a_login_that_is_undone_leaves_everything(office: Office) -> None:
    """A session of the browser's ends only in the transaction that gives it the next."""
    first = office.sign_in(office.bo)
    identity = AssertedIdentity(Protocol.OIDC, "https://idp.example", "x", {})
    new = NewSession(office.world.id, office.ana, office.connection.id, identity, previous=first.secret)

    def work(unit: object) -> None:
        office.sessions.begin(unit, new)  # type: ignore[arg-type]
        raise Undone

    with pytest.raises(Undone):
        office.store.transact(work)
    assert office.sessions.find(first.secret) is not None
    assert office.sessions.of_user(office.world.id, office.ana) == []


# --- ends


def test_a_stolen_cookie_is_worthless_after_signing_out(office: Office) -> None:
    """Signing out ends the session itself, not just the browser's memory of it."""
    begun = office.sign_in(office.ana)
    ended = office.sessions.sign_out(begun.secret)
    assert ended is not None
    assert ended.id == begun.session.id
    assert office.sessions.find(begun.secret) is None
    assert office.sessions.sign_out(begun.secret) is None


def test_of_many_who_end_a_session_at_once_one_does(office: Office) -> None:
    """So that applications are told once."""
    begun = office.sign_in(office.ana)
    results = _at_once([lambda: office.sessions.sign_out(begun.secret)] * 4)
    assert sum(one is not None for one in results) == 1


def test_ending_and_renewing_at_once_leaves_at_most_one_session(office: Office) -> None:
    """Whichever comes first, the old secret is worthless."""
    begun = office.sign_in(office.ana)
    _at_once(
        [lambda: office.sessions.sign_out(begun.secret), lambda: office.sign_in(office.ana, begun.secret)],
    )
    assert office.sessions.find(begun.secret) is None
    assert len(office.sessions.of_user(office.world.id, office.ana)) <= 1


def test_somebody_ends_their_own_sessions_only(office: Office) -> None:
    """One by its id, or all but the present one; the id of another's is as good as none."""
    here, there = office.sign_in(office.ana), office.sign_in(office.ana)
    others = office.sign_in(office.bo)
    signed_in = office.sessions.find(here.secret)
    assert signed_in is not None
    assert office.sessions.end_own(signed_in, others.session.id) == 0
    assert office.sessions.end_own(signed_in, there.session.id) == 1
    assert office.sessions.find(there.secret) is None
    third = office.sign_in(office.ana)
    assert office.sessions.end_own(signed_in, None) == 1
    assert office.sessions.find(third.secret) is None
    assert office.sessions.find(here.secret) is not None
    assert office.sessions.find(others.secret) is not None


def test_an_administrator_ends_a_persons_sessions_and_the_audit_says_so(office: Office) -> None:
    """With how many there were; ending none is no row."""
    office.sign_in(office.ana)
    office.sign_in(office.ana)
    assert office.sessions.end_of_person(OPERATOR, office.world.id, office.ana) == 2
    assert office.sessions.end_of_person(OPERATOR, office.world.id, office.ana) == 0
    rows = [row for row in office.world.audit() if row.kind == "user.signed_out"]
    assert [(row.actor, row.subject_id, row.reason) for row in rows] == [("os:mia", office.ana, "2 sessions ended")]


def test_an_administrator_ends_one_session(office: Office) -> None:
    """By its id; a second time there is none."""
    begun = office.sign_in(office.ana)
    office.sessions.end_one(OPERATOR, office.world.id, begun.session.id)
    assert office.sessions.find(begun.secret) is None
    with pytest.raises(NotFound):
        office.sessions.end_one(OPERATOR, office.world.id, begun.session.id)


def test_an_administrator_ends_everybodys_sessions(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many transactions that takes."""
    monkeypatch.setattr("rolebridge.bridge.sessions._BATCH", 2)
    begun = [office.sign_in(who) for who in (office.ana, office.bo, office.ana, office.bo, office.ana)]
    assert len(office.sessions.page(office.world.id, "", 10)) == 5
    assert office.sessions.end_of_everybody(OPERATOR, office.world.id) == 5
    assert all(office.sessions.find(one.secret) is None for one in begun)


@pytest.mark.parametrize(
    ("session", "subject", "ended"),
    [
        ("s1", None, {"s1"}),
        (None, "ana", {"s1", "s2", None}),
        ("s1", "ana", {"s1", None}),
        ("s1", "bo", set()),
        (None, None, set()),
    ],
)
def test_the_identity_provider_ends_what_began_with_its_session(
    office: Office, session: str | None, subject: str | None, ended: set[str | None]
) -> None:
    """One session by its name there, or all of a person's; never those of another connection or issuer.

    With both, what may have begun with that session ends, too: the provider named none.
    """
    begun = {name: office.sign_in(office.ana, session=name) for name in ("s1", "s2", None)}
    said = {None: None, "ana": f"subject of {office.ana}", "bo": f"subject of {office.bo}"}[subject]
    entra = office.world.administration.connection(office.world.organization, "entra")
    okta, other = office.sso.needed(office.connection), office.sso.configure(OPERATOR, entra, Protocol.OIDC, {})

    def told(connection: SsoConnection, issuer: str) -> int:
        notice: dict[str, Any] = {"notice_id": str(uuid4()), "usable_until": office.now + timedelta(minutes=5)}
        logouts = IdpLogouts(office.store, office.sessions)
        return logouts.end(connection, issuer, session=session, subject=said, **notice)

    assert told(okta, "https://other.example") == 0
    assert told(other, "https://idp.example") == 0
    assert told(okta, "https://idp.example") == len(ended)
    assert {name for name, one in begun.items() if office.sessions.find(one.secret) is None} == ended


def _at_once(works: list[Callable[[], object]]) -> list[object]:
    """Do things in as many threads that begin together; return what each one returned."""
    barrier, results = threading.Barrier(len(works)), list[object]()

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
