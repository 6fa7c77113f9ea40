"""What is kept of a provider: keys rotate without a gap, and nobody can have it asked without end."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.sso.oidc.evil import NOW, EvilProvider, as_json, rsa_key
from tests.sso.oidc.logins import RelyingParty

from rolebridge.core.login import LoginRefused
from rolebridge.sso.oidc.providers import AGAIN_AFTER, DOCUMENT_KEPT, KEYS_KEPT, PATIENCE


class Clock:
    """A clock that tests turn, and the provider's with it."""

    def __init__(self, provider: EvilProvider) -> None:
        self._provider = provider
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        """Turn it forward."""
        self.now += by
        self._provider.now = self.now


class Ticking:
    """A provider, a relying party, and their clock."""

    def __init__(self) -> None:
        self.provider = EvilProvider()
        self.clock = Clock(self.provider)
        self.party = RelyingParty(self.provider, now=self.clock)

    def log_in(self) -> None:
        """Log in, now."""
        self.party.log_in(begun_at=self.clock.now)

    def asked(self, path: str) -> int:
        """Return how often the provider was asked for something."""
        return sum(one[1].endswith(path) for one in self.provider.asked)


def refused(ticking: Ticking) -> str:
    """Return the code by which a login is refused."""
    with pytest.raises(LoginRefused) as error:
        ticking.log_in()
    return error.value.code


def test_documents_and_keys_are_kept_for_a_while() -> None:
    """Ten logins ask once, later ones again."""
    ticking = Ticking()
    for _ in range(10):
        ticking.log_in()
    assert (ticking.asked("configuration"), ticking.asked("/keys")) == (1, 1)
    ticking.clock.forward(KEYS_KEPT)
    ticking.log_in()
    assert (ticking.asked("configuration"), ticking.asked("/keys")) == (1, 2)
    ticking.clock.forward(DOCUMENT_KEPT)
    ticking.log_in()
    assert ticking.asked("configuration") == 2


def test_a_new_key_is_found_at_once() -> None:
    """A provider that begins to sign with a new key is asked again."""
    ticking = Ticking()
    ticking.log_in()
    ticking.clock.forward(AGAIN_AFTER)
    ticking.provider.key, ticking.provider.kid = rsa_key("next"), "k2"
    ticking.log_in()
    assert ticking.asked("/keys") == 2


def test_unknown_names_ask_the_provider_seldom() -> None:
    """However many tokens name keys that do not exist."""
    ticking = Ticking()
    ticking.log_in()
    ticking.provider.header["kid"] = "unknown"
    for _ in range(5):
        assert refused(ticking) == "oidc-key-unknown"
    assert ticking.asked("/keys") == 1
    ticking.clock.forward(AGAIN_AFTER)
    for _ in range(5):
        assert refused(ticking) == "oidc-key-unknown"
    assert ticking.asked("/keys") == 2


def test_a_key_that_was_taken_back_is_not_believed_for_long() -> None:
    """At most as long as keys are kept."""
    ticking = Ticking()
    ticking.log_in()
    ticking.provider.keys = [*EvilProvider(key=rsa_key("next"), kid="k2").key_set()["keys"]]
    ticking.log_in()
    ticking.clock.forward(KEYS_KEPT)
    assert refused(ticking) == "oidc-key-unknown"


def test_a_provider_that_is_down_is_not_asked_without_end() -> None:
    """Everybody is told of its failure for some seconds; then it is asked again."""
    ticking = Ticking()
    ticking.provider.answers["/.well-known/openid-configuration"] = as_json({}, 503)
    for _ in range(5):
        assert refused(ticking) == "oidc-discovery-unreachable"
    assert ticking.asked("configuration") == 1
    ticking.clock.forward(PATIENCE)
    ticking.provider.answers.clear()
    ticking.log_in()


def test_keys_outlive_a_short_failure() -> None:
    """Known keys count until their time is over."""
    ticking = Ticking()
    ticking.log_in()
    ticking.provider.answers["/keys"] = as_json({}, 500)
    ticking.clock.forward(KEYS_KEPT - timedelta(seconds=1))
    ticking.log_in()
    ticking.clock.forward(timedelta(seconds=1))
    assert refused(ticking) == "oidc-keys-unreachable"


def test_connections_do_not_share_keys() -> None:
    """Even with one provider each asks for itself."""
    ticking = Ticking()
    ticking.log_in()
    other = RelyingParty(ticking.provider)
    other.login = ticking.party.login
    other.client = type(other.client)("c2", other.client.settings, other.client.credential, other.client.redirect_uri)
    other.log_in()
    assert ticking.asked("/keys") == 2
