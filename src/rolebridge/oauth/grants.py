"""The grants of applications at the token endpoint: codes and refresh tokens. Each is a function of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, InvalidScopeError

from rolebridge.bridge.applications import AppProof
from rolebridge.bridge.authorizing import Authorizing, CodeRefused, NoCode
from rolebridge.bridge.proving import AssertionReused
from rolebridge.bridge.refreshing import Refreshing, RefreshReason, RefreshRefused
from rolebridge.oauth.minting import Minter
from rolebridge.oauth.server import AppGrant, NotProved, plain
from rolebridge.web.requests import current_request_id

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


_TOLD = {
    RefreshReason.REUSED: "the refresh token was used before; everything that it gave has ended now",
    RefreshReason.EXPIRED: "the refresh token has expired; the person has to sign in again",
    RefreshReason.ENDED: "what the refresh token stands for has ended; the person has to sign in again",
    RefreshReason.PERSON: "the person may not sign in any more",
    RefreshReason.ENTRY: "the person holds no role that lets them into the application any more",
}
"""What an application is told: of tokens of its own only. One of another application is as unknown as one of nobody."""


def refresh_grant(refreshing: Refreshing, minter: Minter) -> AppGrant:
    """Return the grant that exchanges a refresh token (RFC 6749 §6). Its answer tells roles and groups as they are."""

    def exchange(proof: AppProof, form: Mapping[str, str]) -> Mapping[str, object]:
        text, scope = required(form, "refresh_token"), form.get("scope")
        asked = None if scope is None else frozenset(scope.split())
        try:
            redeemed = refreshing.refresh(proof, text, asked, current_request_id.get())
        except RefreshRefused as refused:
            logger.info("application %s: refresh refused: %s", proof.application.id, refused.reason)
            if refused.reason is RefreshReason.SCOPE:
                raise InvalidScopeError(plain(str(refused))) from None
            raise InvalidGrantError(_TOLD.get(refused.reason, "the refresh token is unknown")) from None
        except AssertionReused as reused:
            raise NotProved(str(reused)) from None
        logger.info("application %s: tokens for a refresh token", proof.application.id)
        return minter.answer(redeemed)

    return exchange
