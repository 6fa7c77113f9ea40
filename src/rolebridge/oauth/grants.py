"""The grants of applications at the token endpoint: what a code is exchanged for. Each is a function of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError

from rolebridge.bridge.applications import AppProof
from rolebridge.bridge.authorizing import Authorizing, CodeRefused, NoCode
from rolebridge.bridge.clients import AssertionReused
from rolebridge.oauth.minting import Minter
from rolebridge.oauth.server import AppGrant, NotProved, plain

logger = logging.getLogger("rolebridge.oauth")

CODE_GRANT = "authorization_code"
REFRESH_GRANT = "refresh_token"


def required(form: Mapping[str, str], name: str) -> str:
    """Return a parameter of a token request. Raises InvalidRequestError when it is missing."""
    value = form.get(name)
    if not value:
        raise InvalidRequestError(f"`{name}` is missing")
    return value


def code_grant(authorizing: Authorizing, minter: Minter) -> AppGrant:
    """Return the grant that exchanges a code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

    def exchange(proof: AppProof, form: Mapping[str, str]) -> Mapping[str, object]:
        code = required(form, "code")
        redirect_uri, verifier = required(form, "redirect_uri"), required(form, "code_verifier")
        try:
            redeemed = authorizing.redeem(proof, code, redirect_uri, verifier)
        except CodeRefused as refused:
            level = logging.WARNING if refused.reason is NoCode.REUSED else logging.INFO
            logger.log(level, "application %s: %s: %s", proof.application.id, refused.reason, refused)
            raise InvalidGrantError(plain(str(refused))) from None
        except AssertionReused as reused:
            raise NotProved(str(reused)) from None
        logger.info("application %s: tokens for a code", proof.application.id)
        return minter.answer(redeemed)

    return exchange
