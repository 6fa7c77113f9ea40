"""Why a login is refused: every code with its title. The user sees the code, docs/login-errors has a page for each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SAML: Final = {
    "saml-unsigned": "Neither the response nor the assertion is signed",
}
_OIDC: Final[dict[str, str]] = {}
_LOGIN: Final[dict[str, str]] = {}
_FLOW: Final[dict[str, str]] = {}

CODES: Final[Mapping[str, str]] = MappingProxyType(_SAML | _OIDC | _LOGIN | _FLOW)
"""Code → title, in the order in which a login meets them: the protocol's, the person's, the browser's."""
