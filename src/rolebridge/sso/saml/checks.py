"""What a response says, held against what was expected: who, for whom, in answer to what, and when.

The elements come from `signatures.verified`; of a response that is not signed itself (its assertion is) what is read
here can only refuse, never admit. Every text is compared exactly, as it is written: no prefixes, no lower case, no
trimming (SAML Profiles section 4.1.4, SAML Core section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from lxml import etree

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.saml.checking import Finding, check
from rolebridge.sso.saml.expectations import Expectations
from rolebridge.sso.saml.names import ISSUER, children, elements, local, saml, samlp, tags, text_of
from rolebridge.sso.saml.times import instant, said
from rolebridge.sso.wording import shown

_SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"
_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_KNOWN_CONDITIONS: Final = frozenset({saml("AudienceRestriction"), saml("OneTimeUse"), saml("ProxyRestriction")})
_MAX_SUBJECT: Final = 1024


def check_message(response: etree._Element, expected: Expectations, now: datetime, trail: Trail) -> None:
    """Check what the response says, but for its assertion. Raises LoginRefused."""
    is_version_2(trail, response)
    is_success(trail, response)
    is_sent_here(trail, response, expected.acs_url)
    is_wanted(trail, response, expected)
    answers_the_request(trail, response, expected.in_response_to)
    is_issued_before(trail, response, now + expected.skew)


def check_assertion(assertion: etree._Element, expected: Expectations, now: datetime, trail: Trail) -> None:
    """Check what the assertion says about itself, its audience and the moment. Raises LoginRefused."""
    is_assertion_version_2(trail, assertion)
    is_assertion_issued_before(trail, assertion, now + expected.skew)
    is_recent(trail, assertion, now - expected.skew - expected.longest_lifetime)
    has_known_conditions(trail, assertion)
    conditions = children(assertion, saml("Conditions"))[0]
    has_begun(trail, conditions, now + expected.skew)
    has_not_ended(trail, conditions, now - expected.skew)
    is_for_us(trail, conditions, expected.sp_entity_id)


def check_issuers(response: etree._Element, assertion: etree._Element, expected: Expectations, trail: Trail) -> None:
    """Check who says that they have issued both. Raises LoginRefused."""
    is_response_of(trail, response, expected.idp_entity_id)
    is_assertion_of(trail, assertion, expected.idp_entity_id)


def check_subject(assertion: etree._Element, expected: Expectations, now: datetime, trail: Trail) -> None:
    """Check who is meant, and that whoever brings the assertion is. Raises LoginRefused."""
    has_name(trail, assertion)
    is_bearer(trail, assertion)
    subject = children(assertion, saml("Subject"))[0]
    refused: LoginRefused | None = None
    for confirmation in bearers(subject):  # one that holds is enough (SAML Core section 2.4.1)
        try:
            return _check_confirmation(confirmation, expected, now, trail)
        except LoginRefused as refusal:
            refused = refused or refusal
    assert refused is not None, "is_bearer has seen one"
    raise refused


def _check_confirmation(confirmation: etree._Element, expected: Expectations, now: datetime, trail: Trail) -> None:
    has_data(trail, confirmation)
    data = children(confirmation, saml("SubjectConfirmationData"))[0]
    is_for_this_address(trail, data, expected.acs_url)
    is_confirmed_for_request(trail, data, expected.in_response_to)
    is_confirmed_since(trail, data, now + expected.skew)
    is_confirmed_until(trail, data, now - expected.skew)


def check_authentication(assertion: etree._Element, expected: Expectations, now: datetime, trail: Trail) -> None:
    """Check how and when the person proved themselves. Raises LoginRefused."""
    has_one_statement(trail, assertion)
    statement = children(assertion, saml("AuthnStatement"))[0]
    happened(trail, statement, now + expected.skew)
    session_goes_on(trail, statement, now - expected.skew)
    if expected.authenticated_since is None:
        trail.not_needed("saml-authentication-age", "the connection asks for no fresh authentication")
    else:
        is_fresh(trail, statement, expected.authenticated_since - expected.skew)
    if expected.contexts:
        is_in_context(trail, statement, expected.contexts)
    else:
        trail.not_needed("saml-authentication-context", "the connection asks for no context")


def check_attributes(assertion: etree._Element, trail: Trail) -> None:
    """Check that attributes are such as can be read. Raises LoginRefused."""
    has_plain_attributes(trail, assertion)
    has_named_attributes(trail, assertion)


def bearers(subject: etree._Element) -> Sequence[etree._Element]:
    """Return the confirmations by which whoever brings the assertion is the person.

    One that names somebody else says that this one acts for the person, not that they are (SAML Core section 2.4.1.1).
    """
    found = [each for each in children(subject, saml("SubjectConfirmation")) if each.get("Method") == _BEARER]
    return [each for each in found if not _names_another(each, subject)]


def _names_another(confirmation: etree._Element, subject: etree._Element) -> bool:
    named = [each for each in elements(confirmation) if each.tag != saml("SubjectConfirmationData")]
    own = [(saml("NameID"), text_of(each)) for each in children(subject, saml("NameID"))]
    return any((str(each.tag), text_of(each)) not in own for each in named)


# ------------------------------------------------------------------------------------------------- the response


@check("saml-version")
def is_version_2(response: etree._Element) -> Finding:
    """The response is of version 2.0."""
    version = response.get("Version")
    return None if version == "2.0" else f"the response has version {shown(version)}"


@check("saml-status")
def is_success(response: etree._Element) -> Finding:
    """The identity provider says Success, and nothing that only begins like it."""
    status = children(response, samlp("Status"))
    codes = children(status[0], samlp("StatusCode")) if len(status) == 1 else []
    if len(codes) != 1:
        return f"the response has {len(status) or 'no'} Status with {len(codes) or 'no'} code"
    value = codes[0].get("Value")
    if value == _SUCCESS:
        return None
    inner = "".join(f", {shown(each.get('Value'))}" for each in children(codes[0], samlp("StatusCode"))[:2])
    words = "".join(f": {shown(text_of(each))}" for each in children(status[0], samlp("StatusMessage"))[:1])
    return f"the identity provider says {shown(value)}{inner}{words}"


@check("saml-destination")
def is_sent_here(response: etree._Element, acs_url: str) -> Finding:
    """The destination, if there is one, is the address at which responses of the connection arrive."""
    destination = response.get("Destination")
    # The binding wants one where the message is signed (SAML Bindings 3.5.5.2); without, the recipient says the same.
    return None if destination in {acs_url, None} else f"the response is for {shown(destination)}, not {shown(acs_url)}"


@check("saml-unsolicited")
def is_wanted(response: etree._Element, expected: Expectations) -> Finding:
    """A login of this browser waits for a response, or the connection takes logins that begin elsewhere."""
    if expected.in_response_to is not None or expected.idp_initiated:
        return None
    return "no login of this browser waits for a response, and the connection takes none that nobody asked for"


@check("saml-in-response-to")
def answers_the_request(response: etree._Element, request_id: str | None) -> Finding:
    """The response answers the request of this browser; none, if there was none."""
    return _wrong_request(response.get("InResponseTo"), request_id, "the response")


@check("saml-issue-instant")
def is_issued_before(response: etree._Element, latest: datetime) -> Finding:
    """The response was issued at a moment that is not in the future."""
    return _not_issued_before(response, latest)


@check("saml-issuer")
def is_response_of(response: etree._Element, entity_id: str) -> Finding:
    """The response's issuer, if it names one, is the identity provider of the connection."""
    # The response may leave it out; the assertion may not.
    return _wrong_issuer(response, entity_id) if children(response, ISSUER) else None


# ------------------------------------------------------------------------------------------------ the assertion


@check("saml-assertion-issuer")
def is_assertion_of(assertion: etree._Element, entity_id: str) -> Finding:
    """The assertion's issuer is the identity provider of the connection."""
    return _wrong_issuer(assertion, entity_id)


@check("saml-assertion-version")
def is_assertion_version_2(assertion: etree._Element) -> Finding:
    """The assertion is of version 2.0."""
    version = assertion.get("Version")
    return None if version == "2.0" else f"the assertion has version {shown(version)}"


@check("saml-assertion-issue-instant")
def is_assertion_issued_before(assertion: etree._Element, latest: datetime) -> Finding:
    """The assertion was issued at a moment that is not in the future."""
    return _not_issued_before(assertion, latest)


@check("saml-too-old")
def is_recent(assertion: etree._Element, earliest: datetime) -> Finding:
    """The assertion was issued no longer ago than the connection takes any, however long it says that it lives."""
    text = assertion.get("IssueInstant")
    issued = instant(text)
    return (
        None if issued is not None and issued > earliest else f"the assertion was issued at {shown(text)}, too long ago"
    )


@check("saml-conditions")
def has_known_conditions(assertion: etree._Element) -> Finding:
    """The assertion has Conditions once, and none that is not understood."""
    found = children(assertion, saml("Conditions"))
    if len(found) != 1:
        return f"the assertion has {len(found) or 'no'} Conditions, not one"
    unknown = [tag for tag in tags(found[0]) if tag not in _KNOWN_CONDITIONS]
    # What is not understood makes the assertion indeterminate (SAML Core section 2.5.1.1).
    return f"the assertion has the condition {shown(local(unknown[0]))}, which is not known" if unknown else None


@check("saml-not-yet-valid")
def has_begun(conditions: etree._Element, latest: datetime) -> Finding:
    """The assertion's NotBefore is past."""
    return _not_begun(conditions, latest, "the assertion")


@check("saml-expired")
def has_not_ended(conditions: etree._Element, earliest: datetime) -> Finding:
    """The assertion's NotOnOrAfter is to come."""
    text = conditions.get("NotOnOrAfter")
    return None if text is None else _ended(text, earliest, "the assertion")


@check("saml-audience")
def is_for_us(conditions: etree._Element, entity_id: str) -> Finding:
    """Every restriction of the audience, of which there is one at least, names this service provider."""
    restrictions = children(conditions, saml("AudienceRestriction"))
    if not restrictions:
        return f"the assertion names no audience; {shown(entity_id)} is expected"
    for restriction in restrictions:  # each of them has to hold (SAML Core section 2.5.1.4)
        audiences = [text_of(each) for each in children(restriction, saml("Audience"))]
        if entity_id not in audiences:
            said_ = ", ".join(shown(each) for each in audiences[:4]) or "nobody"
            return f"the assertion is for {said_}, not for {shown(entity_id)}"
    return None


# -------------------------------------------------------------------------------------------------- the subject


@check("saml-subject")
def has_name(assertion: etree._Element) -> Finding:
    """The subject is given by one NameID in plain text."""
    subjects = children(assertion, saml("Subject"))
    if len(subjects) != 1:
        return f"the assertion has {len(subjects) or 'no'} Subject, not one"
    found = [tag for tag in tags(subjects[0]) if tag != saml("SubjectConfirmation")]
    if found != [saml("NameID")]:
        return f"the subject is given by {', '.join(map(shown, map(local, found[:4]))) or 'nothing'}, not by one NameID"
    name = children(subjects[0], saml("NameID"))[0]
    text = text_of(name)
    good = text.strip() == text and 0 < len(text) <= _MAX_SUBJECT and not elements(name)
    return None if good else f"NameID is empty, longer than {_MAX_SUBJECT} characters, or has blanks around it"


@check("saml-subject-confirmation")
def is_bearer(assertion: etree._Element) -> Finding:
    """The subject is confirmed as whoever brings the assertion."""
    subject = children(assertion, saml("Subject"))[0]
    if bearers(subject):
        return None
    methods = [shown(each.get("Method")) for each in children(subject, saml("SubjectConfirmation"))]
    return f"the subject is confirmed by {', '.join(methods[:4]) or 'nothing'}, not as the bearer alone"


@check("saml-confirmation-data")
def has_data(confirmation: etree._Element) -> Finding:
    """A confirmation has its data once."""
    count = len(children(confirmation, saml("SubjectConfirmationData")))
    return None if count == 1 else f"the confirmation has {count or 'no'} SubjectConfirmationData, not one"


@check("saml-recipient")
def is_for_this_address(data: etree._Element, acs_url: str) -> Finding:
    """The confirmation's recipient is the address at which responses of the connection arrive."""
    recipient = data.get("Recipient")
    return None if recipient == acs_url else f"the recipient is {shown(recipient)}, not {shown(acs_url)}"


@check("saml-confirmation-in-response-to")
def is_confirmed_for_request(data: etree._Element, request_id: str | None) -> Finding:
    """The confirmation answers the request of this browser; none, if there was none."""
    return _wrong_request(data.get("InResponseTo"), request_id, "the confirmation")


@check("saml-confirmation-not-yet-valid")
def is_confirmed_since(data: etree._Element, latest: datetime) -> Finding:
    """The confirmation's NotBefore is past."""
    return _not_begun(data, latest, "the confirmation")


@check("saml-confirmation-expired")
def is_confirmed_until(data: etree._Element, earliest: datetime) -> Finding:
    """The confirmation has a NotOnOrAfter, which is to come."""
    # A bearer's confirmation has to have an end (SAML Profiles section 4.1.4.2).
    return _ended(data.get("NotOnOrAfter"), earliest, "the confirmation")


# ------------------------------------------------------------------------------------------- the authentication


@check("saml-authentication")
def has_one_statement(assertion: etree._Element) -> Finding:
    """The assertion says once how the person proved themselves."""
    count = len(children(assertion, saml("AuthnStatement")))
    return None if count == 1 else f"the assertion has {count or 'no'} AuthnStatement, not one"


@check("saml-authentication-instant")
def happened(statement: etree._Element, latest: datetime) -> Finding:
    """The person proved themselves at a moment that is not in the future."""
    text = statement.get("AuthnInstant")
    moment = instant(text)
    good = moment is not None and moment <= latest
    return None if good else f"the person proved themselves at {shown(text)}, which is no moment or yet to come"


@check("saml-session-ended")
def session_goes_on(statement: etree._Element, earliest: datetime) -> Finding:
    """The session at the identity provider has not ended."""
    text = statement.get("SessionNotOnOrAfter")
    return None if text is None else _ended(text, earliest, "the session at the identity provider")


@check("saml-authentication-age")
def is_fresh(statement: etree._Element, earliest: datetime) -> Finding:
    """The person proved themselves after the moment that the connection asks for."""
    text = statement.get("AuthnInstant")
    moment = instant(text)
    good = moment is not None and moment >= earliest
    return None if good else f"the person proved themselves at {shown(text)}, before {said(earliest)}"


@check("saml-authentication-context")
def is_in_context(statement: etree._Element, contexts: frozenset[str]) -> Finding:
    """The person proved themselves in one of the ways that the connection asks for."""
    context = context_of(statement)
    return None if context in contexts else f"the person proved themselves by {shown(context)}"


def context_of(statement: etree._Element) -> str | None:
    """Return how the person proved themselves: the AuthnContextClassRef, None without one or with several."""
    contexts = children(statement, saml("AuthnContext"))
    references = [each for context in contexts for each in children(context, saml("AuthnContextClassRef"))]
    return text_of(references[0]) if len(references) == 1 else None


# ----------------------------------------------------------------------------------------------- the attributes


@check("saml-encrypted-attribute")
def has_plain_attributes(assertion: etree._Element) -> Finding:
    """No attribute is encrypted by itself."""
    statements = children(assertion, saml("AttributeStatement"))
    encrypted = any(children(statement, saml("EncryptedAttribute")) for statement in statements)
    return "an attribute is encrypted by itself; encrypt the assertion instead" if encrypted else None


@check("saml-attributes")
def has_named_attributes(assertion: etree._Element) -> Finding:
    """Attributes have a name, and hold values only."""
    for statement in children(assertion, saml("AttributeStatement")):
        if set(tags(statement)) - {saml("Attribute"), saml("EncryptedAttribute")}:
            return "an AttributeStatement holds what is no attribute"
        for attribute in children(statement, saml("Attribute")):
            if not attribute.get("Name"):
                return "an attribute has no name"
            if set(tags(attribute)) - {saml("AttributeValue")}:
                return f"the attribute {shown(attribute.get('Name'))} holds what is no value"
    return None


# ------------------------------------------------------------------------------------------------ what they share


def _wrong_issuer(owner: etree._Element, entity_id: str) -> Finding:
    issuers = [text_of(each) for each in children(owner, ISSUER)]
    if issuers == [entity_id]:
        return None
    return f"the issuer is {', '.join(shown(each) for each in issuers[:2]) or 'nobody'}, not {shown(entity_id)}"


def _wrong_request(answered: str | None, request_id: str | None, what: str) -> Finding:
    # None answers None only: a response to a request is no login that began at the identity provider.
    if answered == request_id:
        return None
    return f"{what} answers {shown(answered)}, but this browser was sent away with {shown(request_id)}"


def _not_issued_before(element: etree._Element, latest: datetime) -> Finding:
    text = element.get("IssueInstant")
    issued = instant(text)
    return None if issued is not None and issued <= latest else f"it was issued at {shown(text)}, no moment or to come"


def _not_begun(element: etree._Element, latest: datetime, what: str) -> Finding:
    text = element.get("NotBefore")
    begins = instant(text)
    good = text is None or (begins is not None and begins <= latest)
    return None if good else f"{what} is valid from {shown(text)}, later than {said(latest)} with the clocks' allowance"


def _ended(text: str | None, earliest: datetime, what: str) -> Finding:
    ends = instant(text)
    good = ends is not None and ends > earliest
    return None if good else f"{what} ended at {shown(text)}, before {said(earliest)} with the clocks' allowance"


def usable_until(assertion: etree._Element, expected: Expectations) -> datetime:
    """Return from when on the checks refuse a checked assertion anyway, so that its id need not be remembered."""
    conditions = children(assertion, saml("Conditions"))[0]
    ends = [_confirmed_until(assertion), instant(conditions.get("NotOnOrAfter"))]
    issued = instant(assertion.get("IssueInstant"))
    if issued is not None:
        ends.append(issued + expected.longest_lifetime)
    return min(moment for moment in ends if moment is not None) + expected.skew + _REMEMBERED_LONGER


def _confirmed_until(assertion: etree._Element) -> datetime | None:
    """Return until when the last of the confirmations holds: another one than that which held may hold later."""
    each = assertion.iterfind(f"{saml('Subject')}/{saml('SubjectConfirmation')}/{saml('SubjectConfirmationData')}")
    ends = (instant(data.get("NotOnOrAfter")) for data in each)
    return max((end for end in ends if end is not None), default=None)


_REMEMBERED_LONGER: Final = timedelta(seconds=1)
"""Checks compare with less-than; a second more than they accept costs nothing."""
