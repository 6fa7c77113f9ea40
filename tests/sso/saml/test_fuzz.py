"""Whatever arrives, a login is refused or is exactly the one that was signed."""

from __future__ import annotations

import base64

from hypothesis import example, given
from hypothesis import strategies as st
from tests.sso.saml.attacking import expectations
from tests.sso.saml.attacks import ATTACKS, Attack
from tests.sso.saml.idp import NOW
from tests.sso.saml.logins import LOGINS, Legitimate
from tests.sso.saml.mutations import mutated

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.core.login_codes import CODES
from rolebridge.sso.saml.response import unverified, validate


@given(st.data(), st.sampled_from(LOGINS))
def test_a_changed_login_is_refused_or_the_same(data: st.DataObject, login: Legitimate) -> None:
    """Bytes, pieces and elements are changed; who is still taken differs in no field from who was signed."""
    message = base64.b64decode(login.form())
    expected = login.expected()
    signed = validate(base64.b64encode(message), expected, NOW, Trail())
    try:
        identity = validate(base64.b64encode(data.draw(mutated(message))), expected, NOW, Trail())
    except LoginRefused as refused:
        code = refused.code
    else:
        code = ""
        assert identity == signed
    assert code in {"", *CODES}


@given(st.data(), st.sampled_from([attack for attack in ATTACKS if not attack.raw and len(attack.form()) < 100_000]))
def test_a_changed_attack_is_still_refused(data: st.DataObject, attack: Attack) -> None:
    """No attack becomes a login of an administrator by luck."""
    form = base64.b64encode(data.draw(mutated(base64.b64decode(attack.form()))))
    try:
        identity = validate(form, attack.expected(), NOW + attack.later, Trail())
    except LoginRefused:
        return
    assert identity.subject == "jane@example.com"


@given(st.binary(max_size=2_000))
@example(b"")
@example(b"====")
@example(b"PA==")
def test_any_bytes_are_refused(form: bytes) -> None:
    """As a form field, and as what a form field carries; also by what believes nothing."""
    for sent in (form, base64.b64encode(form), base64.b64encode(b"<x>" + form)):
        for look in (lambda sent: validate(sent, expectations(), NOW, Trail()), unverified):
            try:
                look(sent)
            except LoginRefused:
                continue
            raise AssertionError("taken")
