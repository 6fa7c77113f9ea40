"""A provider that is slow: a login waits for some seconds, the next ones not at all, and nonsense closes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.sso.oidc.evil import EvilProvider, InProcess, as_json
from tests.sso.oidc.logins import RelyingParty

from rolebridge.core.login import LoginRefused
from rolebridge.sso.oidc.patience import FIRST_PAUSE, LOGIN_SECONDS, LONGEST_PAUSE
from rolebridge.web.outgoing import Fetched, OutgoingRefused, Reason


@dataclass
class Slow:
    """A guarded client whose provider takes its time: seconds by the end of a path."""

    provider: EvilProvider
    takes: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    asked: list[tuple[str, float]] = field(default_factory=list)

    def timer(self) -> float:
        return self.seconds

    def get(self, url: str, *, seconds: float, **how: Any) -> Fetched:
        self._wait(url, seconds)
        return InProcess(self.provider).get(url, seconds=seconds, **how)

    def post(self, url: str, body: bytes, content_type: str, *, seconds: float, **how: Any) -> Fetched:
        self._wait(url, seconds)
        return InProcess(self.provider).post(url, body, content_type, seconds=seconds, **how)

    def _wait(self, url: str, given: float) -> None:
        self.asked.append((url.rpartition("/")[2], given))
        needed = self.takes.get(self.asked[-1][0], 0.0)
        self.seconds += min(needed, given)
        if needed > given:
            raise OutgoingRefused(Reason.TOO_SLOW, f"`idp` has not answered within {given:g} seconds")


@pytest.fixture
def slow() -> Slow:
    return Slow(EvilProvider())


def party(slow: Slow, **settings: Any) -> RelyingParty:
    return RelyingParty(slow.provider, settings, fetcher=slow, timer=slow.timer)


def refused(at: RelyingParty) -> LoginRefused:
    """Return why a login is refused that a browser brings back."""
    with pytest.raises(LoginRefused) as caught:
        at.log_in()
    return caught.value


def test_all_exchanges_of_a_login_share_a_few_seconds(slow: Slow) -> None:
    """Token endpoint, keys and userinfo one after the other: none gets what the ones before it used up."""
    slow.takes = {"token": 2.0, "keys": 2.0, "userinfo": 2.0}
    assert refused(party(slow, userinfo=True)).code == "oidc-userinfo-unreachable"
    assert [given for path, given in slow.asked if path in slow.takes] == [5.0, 3.0, 1.0]
    assert slow.seconds == LOGIN_SECONDS


def test_who_does_not_answer_is_not_asked_for_a_while(slow: Slow) -> None:
    """The next login is refused at once, by the same code and with the reason; after a pause it is tried again."""
    here = party(slow)
    slow.takes = {"token": 60.0}
    assert "has not answered within 5 seconds" in refused(here).detail
    before = slow.seconds
    again = refused(here)
    assert (again.code, slow.seconds) == ("oidc-token-endpoint-unreachable", before)
    assert "did not answer a moment ago" in again.detail
    slow.seconds += FIRST_PAUSE
    slow.takes = {}
    here.log_in()
    here.log_in()


def test_pauses_grow_and_end(slow: Slow) -> None:
    """A provider that is down for an hour costs a process five seconds of a minute; one answer makes it whole."""
    here = party(slow)
    slow.takes = {"token": 60.0}
    for _ in range(8):
        refused(here)
        slow.seconds += LONGEST_PAUSE
    tried = sum(path == "token" for path, _ in slow.asked)
    refused(here)
    slow.seconds += LONGEST_PAUSE - 1
    refused(here)
    assert sum(path == "token" for path, _ in slow.asked) == tried + 1
    slow.seconds += 1
    slow.takes = {}
    here.log_in()
    slow.takes = {"token": 60.0}
    refused(here)
    slow.seconds += FIRST_PAUSE
    slow.takes = {}
    here.log_in()


@pytest.mark.parametrize("answer", [as_json({"error": "invalid_grant"}, 400), as_json({}, 503)], ids=["400", "503"])
def test_an_answer_closes_nothing_whatever_it_says(slow: Slow, answer: Any) -> None:
    """Whoever sends codes that they made up, to a provider however slow, keeps nobody else out."""
    here = party(slow)
    slow.takes = {"token": 4.0}
    slow.provider.answers["/token"] = answer
    refused(here)
    slow.provider.answers.clear()
    here.log_in()


def test_a_line_that_is_refused_at_once_closes_nothing(slow: Slow) -> None:
    """No time was lost: the next login asks again."""
    here = party(slow)
    slow.provider.answers["/token"] = OutgoingRefused(Reason.UNREACHABLE, "`idp` does not answer: refused")
    refused(here)
    slow.provider.answers.clear()
    here.log_in()


def test_one_connections_provider_is_no_others(slow: Slow) -> None:
    """Even where they have the same address."""
    here = party(slow)
    here.log_in()
    slow.takes = {"token": 60.0}
    refused(here)
    slow.takes = {}
    here.client = type(here.client)("c2", here.client.settings, here.client.credential, here.client.redirect_uri)
    here.log_in()
