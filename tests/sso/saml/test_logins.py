"""Logins as identity providers send them are taken, and exactly what they say is read."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from tests.sso.saml import idp
from tests.sso.saml.attacking import expectations
from tests.sso.saml.idp import NOW, Login, instant
from tests.sso.saml.logins import LOGINS, Legitimate

from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Trail, Verdict
from rolebridge.sso.saml.expectations import Expectations
from rolebridge.sso.saml.response import Unverified, unverified, validate


@pytest.mark.parametrize("login", LOGINS, ids=lambda login: login.name)
def test_a_login_is_taken(login: Legitimate) -> None:
    """The identity has the subject and the attributes that were signed, and no check failed."""
    trail = Trail()
    identity = validate(login.form(), login.expected(), NOW, trail)
    assert (identity.subject, identity.attributes) == (login.subject, login.attributes)
    assert {check.verdict for check in trail.checks} <= {Verdict.PASSED, Verdict.NOT_NEEDED}


def test_there_are_many_of_them() -> None:
    """At least 25 shapes, of names of their own."""
    assert len({login.name for login in LOGINS}) == len(LOGINS) >= 25


def taken(expected: Expectations | None = None, now: datetime = NOW, **said: Any) -> AssertedIdentity:
    return validate(idp.encoded(idp.signed(Login(**said))), expected or expectations(), now, Trail())


def test_everything_is_read() -> None:
    """Issuer, subject and format, session, context, moment, and until when the id has to be remembered."""
    assert taken() == AssertedIdentity(
        protocol=Protocol.SAML,
        issuer=idp.IDP_ENTITY,
        subject="jane@example.com",
        attributes={"email": ("jane@example.com",), "groups": ("Annotators", "Leads")},
        authenticated_at=NOW,
        context=idp.PASSWORD,
        idp_session="_session-1",
        subject_format=idp.EMAIL,
        assertion_id="_assertion-1",
        usable_until=NOW + timedelta(minutes=7, seconds=1),
    )


def test_an_assertion_is_remembered_as_long_as_it_is_taken() -> None:
    """At `usable_until` it is refused by its age, and a second earlier it is not, whatever ends first."""
    day = instant(NOW + timedelta(hours=24))
    sayings: list[dict[str, Any]] = [{}, {"not_on_or_after": day}, {"not_on_or_after": day, "confirmed_until": day}]
    for said in sayings:
        until = taken(**said).usable_until
        assert until is not None
        assert taken(now=until - timedelta(seconds=2), **said).usable_until == until
        with pytest.raises(LoginRefused) as refused:
            taken(now=until, **said)
        assert refused.value.code in {"saml-expired", "saml-confirmation-expired", "saml-too-old"}


def test_the_longest_lifetime_is_the_connections() -> None:
    """What an assertion says of its life is cut to that."""
    day = instant(NOW + timedelta(hours=24))
    identity = taken(expectations(longest_lifetime=timedelta(hours=3)), not_on_or_after=day, confirmed_until=day)
    assert identity.usable_until == NOW + timedelta(hours=3, minutes=2, seconds=1)


def test_the_moment_may_be_given_in_any_zone() -> None:
    """`now` is compared as a moment, and SHA-1's last day is a day in UTC."""
    assert taken(now=NOW.astimezone(timezone(timedelta(hours=14)))).subject == "jane@example.com"


def test_blanks_and_lines_in_the_form_do_not_count() -> None:
    """Base64 in lines of 76 characters, as the RFC has it."""
    lines = base64.encodebytes(base64.b64decode(idp.encoded(idp.signed())))
    assert validate(lines, expectations(), NOW, Trail()).subject == "jane@example.com"


def test_every_check_is_in_the_trail() -> None:
    """In the order in which they were made; what was not needed says why."""
    trail = Trail()
    validate(idp.encoded(idp.signed()), expectations(), NOW, trail)
    codes = [check.code for check in trail.checks]
    assert codes[0] == "saml-too-large"
    assert len(codes) == len(set(codes)) > 60
    assert all(check.detail for check in trail.checks if check.verdict is Verdict.NOT_NEEDED)


def test_what_a_response_claims_is_told_without_belief() -> None:
    """Which request, which issuer, which moment; a forged one claims as well as any."""
    forged = idp.encoded(idp.signed(by=idp.signer("mallory")))
    assert unverified(forged) == Unverified(idp.REQUEST, idp.IDP_ENTITY, datetime(2026, 11, 22, 12, tzinfo=UTC))


def test_what_is_no_response_claims_nothing() -> None:
    """The checks of size and form come before."""
    with pytest.raises(LoginRefused) as refused:
        unverified(idp.encoded("<!DOCTYPE x><x/>"))
    assert refused.value.code == "saml-doctype"


def test_a_refusal_never_shows_values_of_attributes() -> None:
    """Every attack's reason is free of what attributes hold."""
    secret = "Annotators of secret things"
    broken = replace(expectations(), sp_entity_id="https://other.example.com")
    with pytest.raises(LoginRefused) as refused:
        taken(broken, attributes={"groups": [secret]})
    assert secret not in refused.value.detail
