"""Each check counts: with any one taken away an attack gets further than it may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.attacking import assertion_in, evil, expectations
from tests.sso.saml.attacks import ATTACKS, Attack
from tests.sso.saml.idp import NOW

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.saml import signatures
from rolebridge.sso.saml.checking import CHECKS
from rolebridge.sso.saml.response import validate

TAKEN: Final = "taken"
BROKEN: Final = "broken"
BEHIND: Final[Mapping[str, str]] = {
    "saml-relative-namespace": "libxml2 canonicalizes none, so that nothing is verified; other versions of it may",
    "saml-not-a-response": "nothing but a response holds an assertion in its place",
    "saml-subject-confirmation": "there is no confirmation that could be looked at",
    "saml-confirmation-data": "there is no data that could be looked at",
    "saml-no-decryption-key": "nothing decrypts without a key",
    "saml-decryption": "there is nothing to read",
    "saml-encrypted-content": "only an assertion has the parts of one",
    "saml-reference-count": "SignedInfo has other parts then, too: the code tells which",
    "saml-signed-info-parts": "the parts that follow are not there to be looked at",
    "saml-reference-parts": "the parts that follow are not there to be looked at",
    "saml-signature-method": "the engine is given the same list",
    "saml-digest-method": "the engine is given the same list",
    "saml-sha1": "the engine is given the same list",
    "saml-signature": "there is nothing to read but what a signature covers",
    "saml-signed-content": "no canonicalizer that is known to be broken is in use; the tests below break it",
}
"""Checks behind which something else refuses, and what. Of all the others a test sees an attack being taken."""


def outcome(attack: Attack) -> str:
    """Return TAKEN, BROKEN when it is no answer of ours, or the code that refuses."""
    try:
        validate(attack.form(), attack.expected(), NOW + attack.later, Trail())
    except LoginRefused as refused:
        return refused.code
    except Exception:  # noqa: BLE001 - what comes after relies on the check that was taken away
        return BROKEN
    return TAKEN


@pytest.mark.parametrize("code", CHECKS)
def test_without_a_check_an_attack_is_taken(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is taken away, and its attacks are tried: one logs in, unless something is known to stand behind."""
    attacks = [attack for attack in ATTACKS if attack.code == code]
    assert {outcome(attack) for attack in attacks} <= {code}
    monkeypatch.setitem(CHECKS, code, lambda *_, **__: None)
    outcomes = {outcome(attack) for attack in attacks}
    assert (TAKEN in outcomes) is (code not in BEHIND)
    assert outcomes != {code} or not attacks


def test_no_two_codes_stand_for_one_thing() -> None:
    """What stands behind a check is named for checks only."""
    assert set(BEHIND) <= set(CHECKS)


def test_a_canonicalizer_that_yields_another_element_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was signed must be the element in which the signature stands; without the check it would be anybody."""
    root = idp.signed()
    same_id = etree.tostring(etree.Element("{urn:x}Assertion", ID="_assertion-1"))
    other = etree.tostring(evil(assertion_in(root)))
    for yielded in (same_id, other):
        monkeypatch.setattr(signatures, "_signed_data", lambda *_, yielded=yielded: yielded)
        with pytest.raises(LoginRefused) as refused:
            validate(idp.encoded(root), expectations(), NOW, Trail())
        assert refused.value.code == "saml-signed-content"
    monkeypatch.setitem(CHECKS, "saml-signed-content", lambda *_: None)
    assert validate(idp.encoded(root), expectations(), NOW, Trail()).subject == "admin@example.com"


def test_a_canonicalizer_that_yields_nothing_verifies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Void canonicalization: a digest of nothing holds for anything, and nothing is read."""
    monkeypatch.setattr(signatures, "_signed_data", lambda *_: b"")
    with pytest.raises(LoginRefused) as refused:
        validate(idp.encoded(idp.signed()), expectations(), NOW, Trail())
    assert refused.value.code == "saml-signature"
