"""The same evil deeds over real HTTP, through the guarded client; and where that client may not be sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from tests.sso.oidc.cases import CASES, Case
from tests.sso.oidc.evil import Stage, stage
from tests.sso.oidc.logins import RelyingParty

from rolebridge.core.login import LoginRefused
from rolebridge.web.outgoing import Outgoing, OutgoingRefused
from rolebridge.web.reach import Reach

pytestmark = pytest.mark.loopback

OUTGOING: Final = Outgoing(Reach.read((), loopback=True))
ONLY_IN_PROCESS: Final = {"discovery with a token endpoint on this machine"}
"""What is no deed of a provider on this machine."""
SENT: Final = [
    case
    for case in CASES
    if case.name not in ONLY_IN_PROCESS and not any(isinstance(one, OutgoingRefused) for one in case.answers())
]


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    """A server for providers."""
    with stage() as made:
        yield made


def test_an_honest_provider_is_accepted_over_http(running: Stage) -> None:
    """Discovery, token endpoint, keys and userinfo."""
    provider = running.enter()
    accepted = RelyingParty(provider, {"userinfo": True}, fetcher=OUTGOING).log_in()
    assert accepted.identity.attributes["groups"] == ("reviewers",)
    assert [one[1] for one in provider.asked] == ["/.well-known/openid-configuration", "/token", "/keys", "/userinfo"]


@pytest.mark.parametrize("case", SENT, ids=lambda case: case.name)
def test_an_evil_provider_is_refused_over_http(running: Stage, case: Case) -> None:
    """By the same checks."""
    provider = running.enter()
    case.arrange(provider)
    with pytest.raises(LoginRefused) as refused:
        RelyingParty(provider, dict(case.settings), fetcher=OUTGOING).log_in(case.bring, **case.demands)
    assert refused.value.code == case.code


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "10.0.0.1", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "0.0.0.0", "2130706434"]
)
@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        ("token_endpoint", "oidc-token-endpoint-unreachable"),
        ("jwks_uri", "oidc-keys-unreachable"),
        ("userinfo_endpoint", "oidc-userinfo-unreachable"),
    ],
)
def test_a_discovery_document_leads_to_no_internal_address(running: Stage, host: str, endpoint: str, code: str) -> None:
    """Whatever URL a provider names, only public addresses and those of a setting are called."""
    provider = running.enter()
    provider.discovery[endpoint] = f"https://{host}/x"
    provider.header["kid"] = None
    with pytest.raises(LoginRefused) as refused:
        RelyingParty(provider, {"userinfo": True}, fetcher=OUTGOING).log_in()
    assert refused.value.code == code
    assert "outgoing_networks" in refused.value.detail or "does not answer" in refused.value.detail
