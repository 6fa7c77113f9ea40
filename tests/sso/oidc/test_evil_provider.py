"""Whatever an evil provider does, the check that is meant for it refuses; without that check it would have worked."""

from __future__ import annotations

import pytest
from tests.sso.oidc.cases import CASES, Case
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
