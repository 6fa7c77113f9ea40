"""Whatever an evil provider does, the check that is meant for it refuses; without that check it would have worked."""

from __future__ import annotations

import pytest
from tests.sso.oidc.cases import CASES, Case, T
from tests.sso.oidc.evil import EvilProvider
from tests.sso.oidc.logins import RelyingParty, attempt

from rolebridge.core.login import LoginRefused


def test_an_honest_provider_is_accepted() -> None:
    """What the cases below change is accepted as it is."""
    accepted = RelyingParty(EvilProvider()).log_in()
    assert accepted.identity.subject == "00u1a2b3c4"


def test_names_of_cases_are_unique() -> None:
    """No case hides another."""
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_evil_provider_is_refused(case: Case) -> None:
    """Each evil deed is refused by the check that is meant for it."""
    with pytest.raises(LoginRefused) as refused:
        attempt(case)
    assert refused.value.code == case.code
    assert "<script>" not in refused.value.detail or refused.value.detail.count("`") >= 2
    assert refused.value.detail.isprintable()
    assert len(refused.value.detail) < 400


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"exp": T - 7_199}, "the token expired 7199 seconds ago (`exp`)"),
        ({"exp": T - 7_200}, "the token expired 2 hours ago (`exp`)"),
        ({"nbf": T + 61}, "the token is not valid before 61 seconds from now (`nbf`)"),
    ],
)
def test_how_far_off_is_told(claims: dict[str, int], told: str) -> None:
    """So that an administrator sees which clock is wrong."""
    with pytest.raises(LoginRefused) as refused:
        RelyingParty(EvilProvider(claims=claims)).log_in()
    assert refused.value.detail == told
