"""Each attack is refused, and by the check that is meant for it."""

from __future__ import annotations

import pytest
from tests.sso.saml.attacks import ATTACKS, Attack
from tests.sso.saml.idp import NOW

from rolebridge.core.login import LoginRefused, Trail, Verdict
from rolebridge.core.login_codes import CODES
from rolebridge.sso.saml.checking import CHECKS
from rolebridge.sso.saml.response import validate


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_by_its_check(attack: Attack) -> None:
    """LoginRefused carries the code, the trail ends with it, and the reason is one short line."""
    trail = Trail()
    with pytest.raises(LoginRefused) as refused:
        validate(attack.form(), attack.expected(), NOW + attack.later, trail)
    assert (refused.value.code, refused.value.detail) == (attack.code, refused.value.detail)
    assert trail.checks[-1].verdict is Verdict.FAILED
    assert trail.checks[-1].code == attack.code
    assert [check for check in trail.checks[:-1] if check.verdict is Verdict.FAILED] == []
    assert refused.value.detail.isprintable()
    assert len(refused.value.detail) < 600


def test_attacks_have_names_of_their_own() -> None:
    """Two attacks of one name would hide each other."""
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names))
    assert len(names) >= 135


def test_every_check_refuses_an_attack() -> None:
    """No check is without an attack that it is meant for, but what only a broken canonicalizer would bring about."""
    assert set(CHECKS) - {attack.code for attack in ATTACKS} == {"saml-signed-content"}


def test_every_check_has_its_code() -> None:
    """What a check refuses with can be looked up."""
    assert set(CHECKS) <= set(CODES)
