"""Why a login is refused: every code with its title. The user sees the code, docs/login-errors has a page for each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SAML: Final = {
    "saml-unsigned": "Neither the response nor the assertion is signed",
}
_OIDC: Final[dict[str, str]] = {}
_LOGIN: Final = {
    "login-assertion-used": "The assertion has logged somebody in before",
    "login-user-name": "The login does not state one usable userName",
    "login-external-id": "The login does not state one usable externalId",
    "login-email-unverified": "The identity provider does not vouch for the e-mail address",
    "login-domain": "The connection does not speak for the userName's domain",
    "login-user-unknown": "Nobody has this userName, and logins make no users",
    "login-user-inactive": "The user is deactivated",
    "login-user-deleted": "The user was deleted",
    "login-user-elsewhere": "The user belongs to another connection",
    "login-user-linked": "The user is known by another identity",
    "login-user-alike": "The userName is written like another user's, in other letters",
    "login-linking-off": "A user with this userName exists, and logins are not linked to users",
    "login-groups-shape": "The groups do not have the declared shape",
    "login-groups-many": "The login states too many groups",
}
_FLOW: Final[dict[str, str]] = {}

CODES: Final[Mapping[str, str]] = MappingProxyType(_SAML | _OIDC | _LOGIN | _FLOW)
"""Code → title, in the order in which a login meets them: the protocol's, the person's, the browser's."""
