"""Where a check begins and ends: to the second, to the character, and what it says."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest
from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.attacking import assertion_in, expectations, part, signature_in, signed
from tests.sso.saml.idp import ACS, NOW, REQUEST, Login, instant

from rolebridge.core.login import Check, LoginRefused, Trail, Verdict
from rolebridge.sso.saml import signatures
from rolebridge.sso.saml.expectations import DEFAULT_SKEW, Expectations
from rolebridge.sso.saml.response import validate
from rolebridge.sso.saml.times import instant as read_instant

SECOND = timedelta(seconds=1)
LONG_AGO = instant(NOW - timedelta(days=1))
FAR = instant(NOW + timedelta(days=1))


def refusal(message: etree._Element, expected: Expectations | None = None, now: datetime = NOW) -> LoginRefused | None:
    try:
        validate(idp.encoded(message), expected or expectations(), now, Trail())
    except LoginRefused as refused:
        return refused
    return None


def code(expected: Expectations | None = None, now: datetime = NOW, **said: Any) -> str | None:
    refused = refusal(idp.signed(Login(**said), "both"), expected, now)
    return refused.code if refused else None


def told(said: dict[str, Any]) -> str | None:
    return code(None, NOW, **said)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("not_before", "saml-not-yet-valid"),
        ("confirmed_not_before", "saml-confirmation-not-yet-valid"),
        ("authenticated", "saml-authentication-instant"),
        ("issued", "saml-issue-instant"),
    ],
)
def test_a_beginning_may_be_ahead_by_the_skew(said: str, refused: str) -> None:
    """To the second: at the skew it is taken, a second later it is not."""
    at, later = ({said: instant(moment)} for moment in (NOW + DEFAULT_SKEW, NOW + DEFAULT_SKEW + SECOND))
    assert told(at) is None
    assert told(later) == refused


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("not_on_or_after", "saml-expired"),
        ("confirmed_until", "saml-confirmation-expired"),
        ("session_until", "saml-session-ended"),
    ],
)
def test_an_end_may_be_past_by_less_than_the_skew(said: str, refused: str) -> None:
    """`NotOnOrAfter`: the moment itself is over already."""
    earlier, at = ({said: instant(moment)} for moment in (NOW - DEFAULT_SKEW + SECOND, NOW - DEFAULT_SKEW))
    assert told(earlier) is None
    assert told(at) == refused


def test_an_identity_says_when_the_session_at_the_identity_provider_ends() -> None:
    """For the session here to end then; None where it does not say."""
    for until in (NOW + timedelta(hours=8), None):
        form = idp.encoded(idp.signed(Login(session_until=instant(until) if until else None), "both"))
        assert validate(form, expectations(), NOW, Trail()).session_until == until


@pytest.mark.parametrize(("length", "kept"), [(1024, True), (1025, False)])
def test_a_session_is_kept_with_short_words_only(length: int, kept: bool) -> None:
    """A name of the session there, or a context, that is longer than anybody's is none."""
    said = Login(session="s" * length, context="c" * length)
    identity = validate(idp.encoded(idp.signed(said, "both")), expectations(), NOW, Trail())
    assert (identity.idp_session is not None, identity.context is not None) == (kept, kept)


def test_age_is_counted_from_the_moment_of_issue() -> None:
    """The longest lifetime and the skew: at that age it is over."""
    kept: dict[str, Any] = {"not_on_or_after": FAR, "confirmed_until": FAR}
    age = timedelta(hours=1) + DEFAULT_SKEW
    assert code(now=NOW + age - SECOND, **kept) is None
    assert code(now=NOW + age, **kept) == "saml-too-old"


def test_a_fresh_authentication_may_be_before_the_moment_by_the_skew() -> None:
    """The clock of the identity provider may be behind ours."""
    since = expectations(authenticated_since=NOW)
    assert code(since, authenticated=instant(NOW - DEFAULT_SKEW)) is None
    assert code(since, authenticated=instant(NOW - DEFAULT_SKEW - SECOND)) == "saml-authentication-age"


def test_conditions_may_have_no_times() -> None:
    """The confirmation has an end in every case."""
    assert code(not_before=None, not_on_or_after=None) is None


@pytest.mark.parametrize(("length", "refused"), [(1, None), (1024, None), (1025, "saml-subject")])
def test_a_name_has_at_most_1024_characters(length: int, refused: str | None) -> None:
    """And at least one."""
    assert code(subject="x" * length) == refused


@pytest.mark.parametrize(("length", "refused"), [(255, None), (256, "saml-id")])
def test_an_id_has_at_most_255_characters(length: int, refused: str | None) -> None:
    """It is kept, so that it is used once."""
    assert code(assertion_id="_" + "x" * (length - 1)) == refused


def test_of_two_bearers_that_do_not_hold_the_first_is_told() -> None:
    """The identity provider's own stands first."""
    second = (
        f'<saml:SubjectConfirmation Method="{idp.BEARER}"><saml:SubjectConfirmationData InResponseTo="{REQUEST}" '
        f'Recipient="{ACS}" NotOnOrAfter="{LONG_AGO}"/></saml:SubjectConfirmation>'
    )
    assert code(recipient="https://other.example.com", more_in_subject=second) == "saml-recipient"


def test_an_assertion_is_remembered_until_its_last_confirmation_has_ended() -> None:
    """One that ends sooner holds first; forgotten with that one, the assertion would log in again by the other."""
    second = (
        f'<saml:SubjectConfirmation Method="{idp.BEARER}"><saml:SubjectConfirmationData Recipient="{ACS}" '
        f'NotOnOrAfter="{instant(NOW + timedelta(minutes=50))}"/></saml:SubjectConfirmation>'
    )
    unasked: dict[str, Any] = {"in_response_to": None, "confirmed_in_response_to": None, "not_on_or_after": FAR}
    soon = instant(NOW + timedelta(minutes=1))
    form = idp.encoded(idp.signed(Login(more_in_subject=second, confirmed_until=soon, **unasked), "both"))
    expected = expectations(in_response_to=None, idp_initiated=True)
    first = validate(form, expected, NOW, Trail())
    later = NOW + timedelta(minutes=40)
    assert validate(form, expected, later, Trail()).assertion_id == first.assertion_id
    assert first.usable_until is not None
    assert first.usable_until > later


@pytest.mark.parametrize("signed_what", ["assertion", "response"])
def test_a_signature_may_stand_last(signed_what: str) -> None:
    """signxml's usual place, which providers in Python leave it in; a second one there is still one too many."""
    root = signed(signed_what)
    owner = root if signed_what == "response" else assertion_in(root)
    owner.append(signature_in(owner))
    assert refusal(root) is None
    owner.insert(1, deepcopy(signature_in(owner)))
    refused = refusal(root)
    assert refused is not None
    assert refused.code == "saml-signature-count"


def test_an_unknown_element_among_attributes_is_refused() -> None:
    """Beside Attribute and EncryptedAttribute there is nothing."""
    strange = '<saml:AttributeStatement><x:Attribute xmlns:x="urn:x"/></saml:AttributeStatement>'
    assert code(more_in_assertion=strange) == "saml-attributes"


def test_an_encrypted_attribute_is_told_as_one() -> None:
    """Not as something unknown."""
    encrypted = "<saml:AttributeStatement><saml:EncryptedAttribute/></saml:AttributeStatement>"
    assert code(more_in_assertion=encrypted) == "saml-encrypted-attribute"


def test_the_status_of_what_was_verified_counts() -> None:
    """It is looked at before the signature, for the sake of its words, and again in what was signed."""
    root = signed("response")
    other = etree.tostring(signed("none", status="urn:oasis:names:tc:SAML:2.0:status:Requester"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "_signed_data", lambda *_: other)
        refused = refusal(root)
    assert refused is not None
    assert refused.code == "saml-status"


def test_a_refusal_of_the_identity_provider_is_told_in_its_words() -> None:
    """Both codes and the message, shortened, without an assertion or a signature being missed."""
    status = (
        '<samlp:Status><samlp:StatusCode Value="urn:status:Responder"><samlp:StatusCode Value="urn:status:Denied"/>'
        "</samlp:StatusCode><samlp:StatusMessage>not assigned</samlp:StatusMessage></samlp:Status>"
    )
    root = signed("none")
    root.replace(
        part(root, "samlp:Status"), idp.parsed(status.replace("Status>", f'Status xmlns:samlp="{idp.SAMLP}">', 1))
    )
    root.remove(assertion_in(root))
    refused = refusal(root)
    assert refused is not None
    assert (refused.code, refused.detail) == (
        "saml-status",
        "the identity provider says `urn:status:Responder`, `urn:status:Denied`: `not assigned`",
    )


def test_what_was_expected_and_what_came_are_both_told() -> None:
    """An administrator need not guess."""
    other = "https://a.example"
    wrong: dict[str, Any] = {
        "destination": other,
        "recipient": other,
        "in_response_to": "_other",
        "confirmed_in_response_to": "_other",
        "issuer": other,
        "audiences": [[other]],
    }
    details = {said: str(refusal(idp.signed(Login(**{said: value}), "assertion"))) for said, value in wrong.items()}
    sent_with = f"but this browser was sent away with `{REQUEST}`"
    assert details == {
        "destination": f"the response is for `https://a.example`, not `{ACS}`",
        "recipient": f"the recipient is `https://a.example`, not `{ACS}`",
        "in_response_to": f"the response answers `_other`, {sent_with}",
        "confirmed_in_response_to": f"the confirmation answers `_other`, {sent_with}",
        "issuer": f"the issuer is `https://a.example`, not `{idp.IDP_ENTITY}`",
        "audiences": f"the assertion is for `https://a.example`, not for `{idp.SP_ENTITY}`",
    }


def test_what_was_not_needed_is_told() -> None:
    """With the reason, beside what passed."""
    trail = Trail()
    validate(idp.encoded(signed()), expectations(), NOW, trail)
    assert [check for check in trail.checks if check.verdict is not Verdict.PASSED] == [
        Check("saml-decryption", Verdict.NOT_NEEDED, "the assertion is not encrypted"),
        Check("saml-authentication-age", Verdict.NOT_NEEDED, "the connection asks for no fresh authentication"),
        Check("saml-authentication-context", Verdict.NOT_NEEDED, "the connection asks for no context"),
    ]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T12:00:00Z", NOW),
        ("2026-11-22T12:00:00.5Z", NOW + timedelta(milliseconds=500)),
        ("2026-11-22T12:00:00.1234567Z", NOW + timedelta(microseconds=123456)),
        ("2026-11-22T12:00:00+00:00", NOW),
        ("2026-11-22T14:00:00+02:00", None),
        ("2026-11-22T12:00:00", None),
        ("2026-11-22T12:00:60Z", None),
        ("2026-11-22T24:00:00Z", None),
        ("2026-11-22", None),
        ("٢026-11-22T12:00:00Z", None),
        (" 2026-11-22T12:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_a_moment_is_in_utc(text: str | None, moment: datetime | None) -> None:
    """Fractions of any length; no other zone, no leap second, no other digits."""
    assert read_instant(text) == moment
