"""A login as values: who an identity provider says somebody is, which checks that passed, and how one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from rolebridge.core.errors import RolebridgeError

Values: TypeAlias = str | tuple[str, ...]
"""What an attribute or claim holds: one text, or a list of them. A SAML attribute is always a list."""


class Protocol(StrEnum):
    """By which protocol a connection logs people in."""

    SAML = "saml"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class AssertedIdentity:
    """Who an identity provider says has logged in. Only what verifies a response builds one.

    The person is known by (connection, `issuer`, `subject`). `attributes` are the SAML attributes by `Name`, or the
    claims by name with objects flattened (`realm_access.roles`); numbers and booleans are their JSON texts.
    `assertion_id` is for one login only: whoever keeps it refuses it from then on, until `usable_until` ends it anyway;
    it is "" where the login was bound to a one-time request instead. `idp_session` names the session there
    (`SessionIndex`, `sid`), `context` how they proved themselves (`AuthnContextClassRef`, `acr`).
    `session_until` is when that session ends (`SessionNotOnOrAfter`), where the provider says it; none here outlasts
    it.
    """

    protocol: Protocol
    issuer: str
    subject: str
    attributes: Mapping[str, Values]
    authenticated_at: datetime | None = None
    context: str | None = None
    idp_session: str | None = None
    subject_format: str | None = None
    assertion_id: str = ""
    usable_until: datetime | None = None
    session_until: datetime | None = None


class Verdict(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_NEEDED = "not-needed"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a login: its code, what came of it, and for the administrator a few redacted words."""

    code: str
    verdict: Verdict
    detail: str = ""


class LoginRefused(RolebridgeError):
    """That a login is refused. `code` is the check that said so; the text is for the administrator, never for the user.

    What comes from outside stands in the text only in backticks and shortened; values of attributes never do.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(slots=True)
class Trail:
    """The checks of one login in the order in which they were made, for the log of logins."""

    checks: list[Check] = field(default_factory=list)

    def passed(self, code: str, detail: str = "") -> None:
        """Note that a check passed."""
        self.checks.append(Check(code, Verdict.PASSED, detail))

    def not_needed(self, code: str, detail: str = "") -> None:
        """Note that a check was not needed, and why."""
        self.checks.append(Check(code, Verdict.NOT_NEEDED, detail))

    def failed(self, refused: LoginRefused) -> None:
        """Note the check that refused."""
        self.checks.append(Check(refused.code, Verdict.FAILED, refused.detail))
