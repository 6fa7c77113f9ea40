"""Logins that are under way: each comes back once, in time, in the browser and by the connection it began with."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.bridge.worlds import World

from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.login_flows import (
    ASK_LIFETIME,
    FLOW_LIFETIME,
    LONGEST_TARGET,
    MOST_OF_BROWSER,
    Demands,
    Flow,
    LoginFlows,
    SignInRequest,
)
from rolebridge.bridge.vault import Vault
from rolebridge.core.errors import Invalid
from rolebridge.core.login import LoginRefused
from rolebridge.store.engine import Store

KEY = bytes(range(32))
MINE, ANOTHER = "browser-of-mine-1234567890", "browser-of-another-1234567"
WANTED = SignInRequest(
    "org", "/oauth/authorize?state=a%20b&x=ä", "Shop", demands=Demands(True, 300, ("mfa", "pwd"), "ana@acme.example")
)


class Leaving:
    """An organization whose people are sent away by `okta`, and come back."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.world = World(store)
        self.now: datetime = self.world.now
        self.flows = LoginFlows(store, Hasher(KEY), Vault(KEY), lambda: self.now)
        self.okta, self.entra = self.world.okta.connection_id, self.world.entra.connection_id

    def begin(self, browser: str = MINE, wanted: SignInRequest = WANTED) -> Flow:
        return self.flows.begin(self.world.id, self.okta, browser, wanted)

    def take(self, id: str, browser: str | None = MINE, connection: str | None = None) -> Flow:
        return self.flows.take(self.world.id, connection or self.okta, id, browser)

    def refused(self, id: str, browser: str | None = MINE, connection: str | None = None) -> str:
        with pytest.raises(LoginRefused) as refused:
            self.take(id, browser, connection)
        return refused.value.code


@pytest.fixture
def leaving(store: Store) -> Leaving:
    """A fresh organization in the store."""
    return Leaving(store)


def test_a_login_comes_back_with_all_that_it_began_with(leaving: Leaving) -> None:
    """Nonce, verifier, and what it was begun for; the id can stand in SAML, OpenID Connect and RelayState."""
    begun = leaving.begin()
    taken = leaving.take(begun.id)
    assert taken == replace(begun, begun_at=taken.begun_at, expires_at=taken.expires_at)
    assert taken.request == WANTED
    assert begun.id[0] == "_"
    assert begun.id[1:].isalnum()
    assert len(begun.id) <= 80
    assert 43 <= len(begun.verifier) <= 128


def test_no_two_logins_share_a_secret(leaving: Leaving) -> None:
    """Ids, nonces and verifiers are made anew for each."""
    several = [leaving.begin() for _ in range(5)]
    values = [value for one in several for value in (one.id, one.nonce, one.verifier)]
    assert len(set(values)) == len(values)


def test_a_login_comes_back_once(leaving: Leaving) -> None:
    """An answer that is sent a second time finds nothing."""
    begun = leaving.begin()
    leaving.take(begun.id)
    assert leaving.refused(begun.id) == "flow-unknown"


def test_of_several_who_bring_a_login_at_once_one_has_it(leaving: Leaving) -> None:
    """Whichever process it reaches."""
    begun = leaving.begin()
    barrier, results = threading.Barrier(4), list[str]()

    def bring() -> None:
        barrier.wait()
        try:
            leaving.take(begun.id)
            results.append("taken")
        except LoginRefused as refused:
            results.append(refused.code)

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["flow-unknown"] * 3 + ["taken"]


def test_another_browser_neither_has_nor_ends_a_login(leaving: Leaving) -> None:
    """Who lures somebody to the answer of their own login signs nobody in (login CSRF), and spoils nobody's login."""
    begun = leaving.begin()
    assert leaving.refused(begun.id, ANOTHER) == "flow-other-browser"
    assert leaving.refused(begun.id, None) == "flow-no-cookie"
    assert leaving.take(begun.id).id == begun.id


def test_another_connection_cannot_answer(leaving: Leaving) -> None:
    """One identity provider does not speak for another (mix-up)."""
    begun = leaving.begin()
    assert leaving.refused(begun.id, connection=leaving.entra) == "flow-other-connection"
    assert leaving.take(begun.id).connection_id == leaving.okta


def test_another_organization_cannot_answer(store: Store, leaving: Leaving) -> None:
    """There a login is as unknown as one that never was."""
    begun = leaving.begin()
    other = Leaving(store)
    assert other.refused(begun.id, connection=leaving.okta) == "flow-unknown"
    assert leaving.take(begun.id).id == begun.id


@pytest.mark.parametrize(
    ("id", "code"),
    [("", "flow-missing"), ("_" + "0" * 40, "flow-unknown"), ("\0", "flow-unknown"), ("ä\ud800", "flow-unknown")],
)
def test_what_is_no_login_is_refused(leaving: Leaving, id: str, code: str) -> None:
    """Whatever somebody writes where its id belongs."""
    assert leaving.refused(id) == code


def test_a_login_is_over_after_ten_minutes(leaving: Leaving) -> None:
    """At the limit, and not a moment before; the worker then deletes it."""
    late, just = leaving.begin(), leaving.begin()
    leaving.now += FLOW_LIFETIME - timedelta(milliseconds=2)
    assert leaving.take(just.id).id == just.id
    leaving.now += timedelta(milliseconds=2)
    swept = leaving.begin()
    assert leaving.refused(late.id) == "flow-expired"
    leaving.now += FLOW_LIFETIME
    assert leaving.store.transact(lambda unit: unit.login_flows(leaving.world.id).expire(leaving.now)) == 1
    assert leaving.refused(swept.id) == "flow-unknown"


def test_a_browser_has_so_many_logins_under_way(leaving: Leaving) -> None:
    """The oldest gives way; those of other browsers stay."""
    others = leaving.begin(ANOTHER)
    begun = []
    for _ in range(MOST_OF_BROWSER + 1):
        leaving.now += timedelta(milliseconds=1)
        begun.append(leaving.begin())
    assert leaving.refused(begun[0].id) == "flow-unknown"
    assert leaving.take(begun[1].id).id == begun[1].id
    assert leaving.take(others.id, ANOTHER).id == others.id


def test_the_database_tells_nothing_of_a_login(leaving: Leaving) -> None:
    """Neither cookie nor nonce nor verifier nor where somebody wants to go."""
    begun = leaving.begin()
    with leaving.store.read() as unit:
        rows = unit.link.execute("SELECT * FROM login_flows", ()).fetchall()
    stored = b"|".join(value.encode() if isinstance(value, str) else bytes(value) for row in rows for value in row)
    for secret in (MINE, begun.nonce, begun.verifier, "authorize", "ana@acme.example"):
        assert secret.encode() not in stored


def test_a_row_that_was_given_to_another_login_opens_nothing(leaving: Leaving) -> None:
    """What is sealed belongs to its login: who can write to the database cannot exchange targets or nonces."""
    begun, other = leaving.begin(), leaving.begin(wanted=SignInRequest())

    def exchange(unit: object) -> None:
        rows = unit.login_flows(leaving.world.id)  # type: ignore[attr-defined]
        first, second = rows.flow(begun.id), rows.flow(other.id)
        rows.take(begun.id)
        rows.add(replace(first, sealed=second.sealed), MOST_OF_BROWSER)

    leaving.store.transact(exchange)
    assert leaving.refused(begun.id) == "flow-unknown"


def test_a_login_survives_a_change_of_the_secret_key(leaving: Leaving) -> None:
    """What began under a key that is still in the ring comes back."""
    begun = leaving.begin()
    new = b"n" * 32
    moved = LoginFlows(leaving.store, Hasher(new, [KEY]), Vault(new, [KEY]), lambda: leaving.now)
    assert moved.take(leaving.world.id, leaving.okta, begun.id, MINE).request == WANTED


# --- requests to sign in


def test_a_request_to_sign_in_comes_back_from_its_url(leaving: Leaving) -> None:
    """Whole, and unreadable on the way."""
    text = leaving.flows.seal(WANTED)
    assert leaving.flows.unseal(text) == WANTED
    assert text.replace("-", "a").replace("_", "a").isalnum()


@pytest.mark.parametrize("text", ["", "x", "ä", "A" * 20_000, "A" * 200, "A" * 201, "\0"])
def test_a_request_that_was_not_made_here_is_refused(leaving: Leaving, text: str) -> None:
    """So nobody writes their own target into a link."""
    with pytest.raises(LoginRefused) as refused:
        leaving.flows.unseal(text)
    assert refused.value.code == "flow-link-broken"


def test_a_request_that_was_changed_is_refused(leaving: Leaving) -> None:
    """Wherever in it."""
    text = leaving.flows.seal(WANTED)
    for place in range(0, len(text) - 1, 7):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(LoginRefused) as refused:
            leaving.flows.unseal(changed)
        assert refused.value.code == "flow-link-broken"


def test_a_request_is_worth_an_hour(leaving: Leaving) -> None:
    """A page that stayed open for longer begins anew."""
    text = leaving.flows.seal(WANTED)
    leaving.now += ASK_LIFETIME - timedelta(seconds=1)
    assert leaving.flows.unseal(text) == WANTED
    leaving.now += timedelta(seconds=1)
    with pytest.raises(LoginRefused) as refused:
        leaving.flows.unseal(text)
    assert refused.value.code == "flow-link-expired"


def test_a_target_that_no_url_can_carry_is_refused(leaving: Leaving) -> None:
    """Before anybody is sent anywhere."""
    leaving.flows.seal(SignInRequest(target="/" + "x" * (LONGEST_TARGET - 1)))
    with pytest.raises(Invalid):
        leaving.flows.seal(SignInRequest(target="/" + "x" * LONGEST_TARGET))
