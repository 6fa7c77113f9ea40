"""Responses that are rightly signed and say something wrong: for others, of others, too late, in answer to nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Final

from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.attacking import (
    Message,
    assertion_in,
    attack,
    part,
    says,
    signed,
    text,
    wrapped,
)
from tests.sso.saml.idp import ACS, NOW, SAML, SP_ENTITY, instant

LATE: Final = instant(NOW - timedelta(minutes=3))
EARLY: Final = instant(NOW + timedelta(minutes=3))
OTHER: Final = "https://other.example.com/saml"

says("saml-status", "a_refusal_of_the_identity_provider", status="urn:oasis:names:tc:SAML:2.0:status:Responder")
says("saml-status", "a_status_that_begins_like_success", status=idp.SUCCESS + "/no")
says("saml-version", "version_1_1", version="1.1", sign_what="assertion")
says("saml-assertion-version", "an_assertion_of_version_1_1", assertion_version="1.1")
says("saml-destination", "another_destination", destination="https://other.example.com/acs")
says("saml-destination", "a_destination_that_begins_like_ours", destination=ACS + "/evil")
says("saml-destination", "a_destination_in_capitals", destination=ACS.upper())
says("saml-destination", "an_empty_destination", destination="")
says("saml-issuer", "another_issuer_of_the_response", response_issuer=OTHER)
says("saml-issuer", "an_issuer_with_a_slash", response_issuer=idp.IDP_ENTITY + "/")
says("saml-assertion-issuer", "another_issuer_of_the_assertion", issuer=OTHER)
says("saml-assertion-issuer", "no_issuer_of_the_assertion", issuer=None)
says("saml-assertion-issuer", "an_issuer_with_a_blank", issuer=idp.IDP_ENTITY + " ")
says("saml-unsolicited", "a_login_that_nobody_asked_for", in_response_to=None, confirmed_in_response_to=None,
     expected={"in_response_to": None})  # fmt: skip
says("saml-in-response-to", "an_answer_to_another_request", in_response_to="_other", confirmed_in_response_to="_other")
says("saml-in-response-to", "in_response_to_stripped", in_response_to=None, sign_what="assertion")
says("saml-in-response-to", "an_answer_where_nobody_asked", expected={"in_response_to": None, "idp_initiated": True})
says("saml-confirmation-in-response-to", "an_assertion_that_answers_another_request", confirmed_in_response_to="_other")
says("saml-confirmation-in-response-to", "an_assertion_that_nobody_asked_for", confirmed_in_response_to=None,
     sign_what="assertion")  # fmt: skip
says("saml-confirmation-in-response-to", "an_answer_where_nobody_asked_stripped", in_response_to=None,
     sign_what="assertion", expected={"in_response_to": None, "idp_initiated": True})  # fmt: skip
says("saml-recipient", "another_recipient", recipient="https://other.example.com/acs")
says("saml-recipient", "a_recipient_that_contains_ours", recipient=f"https://evil.example/?{ACS}")
says("saml-recipient", "a_recipient_that_ends_like_ours", recipient=f"x{ACS}")
says("saml-recipient", "no_recipient", recipient=None)
says("saml-audience", "another_audience", audiences=(("https://other.example.com",),))
says("saml-audience", "an_audience_that_begins_like_ours", audiences=((SP_ENTITY + "x",),))
says("saml-audience", "no_audience", audiences=())
says("saml-audience", "an_empty_audience_restriction", audiences=((),))
says("saml-audience", "one_of_two_restrictions_is_for_others", audiences=((SP_ENTITY,), (OTHER,)))
says("saml-conditions", "a_condition_that_nobody_knows", more_in_conditions='<x:Condition xmlns:x="urn:x"/>')
says("saml-not-yet-valid", "not_valid_yet", not_before=EARLY)
says("saml-not-yet-valid", "not_before_is_no_moment", not_before="tomorrow")
says("saml-expired", "expired", not_on_or_after=LATE)
says("saml-expired", "not_on_or_after_is_the_30th_of_february", not_on_or_after="2027-02-30T00:00:00Z")
says("saml-expired", "not_on_or_after_without_a_zone", not_on_or_after="2027-02-01T00:00:00")
says("saml-confirmation-expired", "a_confirmation_that_has_expired", confirmed_until=LATE)
says("saml-confirmation-expired", "a_confirmation_without_an_end", confirmed_until=None)
says("saml-confirmation-not-yet-valid", "a_confirmation_not_valid_yet", confirmed_not_before=EARLY)
says("saml-issue-instant", "a_response_of_the_future", issued=EARLY)
says("saml-issue-instant", "a_response_without_a_moment", issued=None)
says("saml-subject-confirmation", "holder_of_key", confirmation_method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
says("saml-subject-confirmation", "a_method_that_begins_like_bearer", confirmation_method=idp.BEARER + "x")
says("saml-subject", "an_empty_name", subject="")
says("saml-subject", "a_name_with_a_blank", subject="jane@example.com ")
says("saml-subject", "a_name_of_ten_thousand_characters", subject="x" * 10_000)
says("saml-authentication-instant", "an_authentication_of_the_future", authenticated=EARLY)
says("saml-authentication-instant", "an_authentication_without_a_moment", authenticated=None)
says("saml-session-ended", "a_session_that_has_ended", session_until=LATE)
says("saml-authentication-age", "an_old_authentication", authenticated=instant(NOW - timedelta(hours=1)),
     expected={"authenticated_since": NOW - timedelta(minutes=1)})  # fmt: skip
says("saml-authentication-context", "another_context", expected={"contexts": frozenset({"urn:mfa"})})
says("saml-authentication-context", "no_context", context=None, expected={"contexts": frozenset({"urn:mfa"})})
ANOTHER: Final = f'<saml:AuthnStatement AuthnInstant="{instant(NOW)}"><saml:AuthnContext/></saml:AuthnStatement>'
says("saml-authentication", "two_authentications", more_in_assertion=ANOTHER)
says("saml-encrypted-attribute", "an_attribute_encrypted_by_itself",
     more_in_assertion="<saml:AttributeStatement><saml:EncryptedAttribute/></saml:AttributeStatement>")  # fmt: skip
says("saml-attributes", "an_attribute_without_a_name",
     more_in_assertion="<saml:AttributeStatement><saml:Attribute/></saml:AttributeStatement>")  # fmt: skip
says("saml-attributes", "an_attribute_that_holds_something_else",
     more_in_assertion='<saml:AttributeStatement><saml:Attribute Name="x"><saml:Issuer/></saml:Attribute>'
     "</saml:AttributeStatement>")  # fmt: skip


def resaid(path: str, change: Callable[[etree._Element], object]) -> etree._Element:
    """Return a response that is signed after an element of its assertion was changed."""
    root = signed("none")
    change(part(assertion_in(root), path))
    idp.sign(assertion_in(root), idp.signer())
    return root


def taken_out(element: etree._Element) -> None:
    element.getparent().remove(element)  # type: ignore[union-attr]


@attack("saml-not-a-response")
def a_bare_assertion() -> Message:
    return assertion_in(signed())


@attack("saml-not-a-response")
def a_response_of_another_namespace() -> Message:
    return text(signed()).replace(idp.SAMLP, "urn:oasis:names:tc:SAML:1.0:protocol")


@attack("saml-not-a-response")
def a_logout_response() -> Message:
    return text(signed()).replace("samlp:Response", "samlp:LogoutResponse")


@attack("saml-status")
def no_status() -> Message:
    root = signed("none")
    root.remove(part(root, "samlp:Status"))
    idp.sign(root, idp.signer())
    return root


@attack("saml-issue-instant")
def a_response_of_the_future_around_an_assertion_of_now() -> Message:
    root = signed()
    root.set("IssueInstant", EARLY)
    idp.sign(root, idp.signer())
    return root


@attack("saml-conditions")
def no_conditions() -> Message:
    return resaid("saml:Conditions", taken_out)


@attack("saml-subject")
def no_subject() -> Message:
    return resaid("saml:Subject", taken_out)


@attack("saml-subject")
def two_names() -> Message:
    return resaid("saml:Subject", lambda subject: subject.insert(0, deepcopy(subject[0])))


@attack("saml-subject")
def an_encrypted_name() -> Message:
    return resaid("saml:Subject", lambda subject: subject.replace(subject[0], wrapped("EncryptedID", space=SAML)))


@attack("saml-subject-confirmation")
def no_confirmation() -> Message:
    return resaid("saml:Subject/saml:SubjectConfirmation", taken_out)


@attack("saml-subject-confirmation")
def somebody_who_acts_for_the_person() -> Message:
    return resaid("saml:Subject/saml:SubjectConfirmation", lambda found: found.insert(0, _named("portal")))


@attack("saml-subject-confirmation")
def somebody_without_a_name_who_acts_for_the_person() -> Message:
    encrypted = wrapped("EncryptedID", space=SAML)
    return resaid("saml:Subject/saml:SubjectConfirmation", lambda found: found.insert(0, encrypted))


def _named(text: str) -> etree._Element:
    name = etree.Element(f"{{{SAML}}}NameID")
    name.text = text
    return name


@attack("saml-confirmation-data")
def no_confirmation_data() -> Message:
    return resaid("saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData", taken_out)


@attack("saml-authentication")
def no_authentication() -> Message:
    return resaid("saml:AuthnStatement", taken_out)


@attack("saml-assertion-issue-instant")
def an_assertion_of_the_future() -> Message:
    return resaid(".", lambda assertion: assertion.set("IssueInstant", EARLY))


@attack("saml-assertion-issue-instant")
def an_assertion_without_a_moment() -> Message:
    return resaid(".", lambda assertion: assertion.attrib.pop("IssueInstant"))


@attack("saml-too-old", later=timedelta(hours=2))
def an_assertion_with_a_lifetime_of_a_day() -> Message:
    tomorrow = instant(NOW + timedelta(hours=24))
    return signed(not_on_or_after=tomorrow, confirmed_until=tomorrow)


@attack("saml-expired", later=timedelta(hours=1))
def a_response_of_an_hour_ago() -> Message:
    return signed()
