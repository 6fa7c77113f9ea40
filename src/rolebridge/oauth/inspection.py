"""Introspection (RFC 7662) and revocation (RFC 7009): what an application's own tokens are worth now, and their end.

An application learns of its own tokens only. Of any other, expired and ended ones, texts that are none, it hears the
same: not active. So nobody learns from an answer what they did not know.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from authlib.oauth2.rfc6749 import InvalidGrantError

from rolebridge.bridge.applications import AppProof
from rolebridge.bridge.credentials import REFRESH_PREFIX
from rolebridge.bridge.proving import AssertionReused
from rolebridge.bridge.standing import Standing
from rolebridge.oauth.face import OAuthFace, Seen
from rolebridge.oauth.grants import required
from rolebridge.oauth.minting import Minter, TokenKind, authorization_id
from rolebridge.oauth.server import ANSWER_HEADERS, Answer, NotProved
from rolebridge.store.provider_records import Application
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.oauth")

_INACTIVE: Final[Mapping[str, object]] = {"active": False}
_OF_ACCESS: Final = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "sid", "auth_time", "acr")


class InspectionFace:
    """The introspection and revocation endpoints of an installation."""

    def __init__(self, tokens: OAuthFace, standing: Standing, minter: Minter) -> None:
        self._tokens = tokens
        self._standing = standing
        self._minter = minter

    def introspect(self, request: Request) -> Response:
        """Tell an application what a token of its own is worth."""
        return self._tokens.answer(request, self._introspect)

    def revoke(self, request: Request) -> Response:
        """End what a token of the application stands for."""
        return self._tokens.answer(request, self._revoke)

    def _introspect(self, seen: Seen, form: Mapping[str, str]) -> Answer:
        proof = self._proved(seen, form)
        if proof.credential is None:
            # Else whoever finds a token could ask what it is worth: a public application's id is no secret.
            raise NotProved("introspection is for applications that prove themselves")
        text = required(form, "token")
        told = self._of_refresh if text.startswith(REFRESH_PREFIX) else self._of_access
        return Answer(200, told(proof.application, text) or _INACTIVE, ANSWER_HEADERS)

    def _revoke(self, seen: Seen, form: Mapping[str, str]) -> Answer:
        proof = self._proved(seen, form)
        application, text = proof.application, required(form, "token")
        if text.startswith(REFRESH_PREFIX):
            ours = self._standing.give_up_refresh(application, text)
        else:
            ours = self._give_up_access(application, text)
        if ours:
            logger.info("application %s gave up what a sign-in had given it", application.id)
        return Answer(200, {}, ANSWER_HEADERS)

    def _give_up_access(self, application: Application, text: str) -> bool:
        """End the authorization of an access token, expired or not. Raises OAuth2Error for another application's."""
        claims = self._minter.read(text, TokenKind.ACCESS, even_expired=True)
        if claims is None:
            return False  # nothing to end, which is what was asked for (RFC 7009 §2.2)
        if claims.get("client_id") != application.id:
            raise InvalidGrantError("the token was issued to another application")
        self._standing.give_up(application, authorization_id(claims))
        return True

    def _proved(self, seen: Seen, form: Mapping[str, str]) -> AppProof:
        proof = self._tokens.prove_app(seen, form)
        try:
            self._standing.note(proof)
        except AssertionReused as reused:
            raise NotProved(str(reused)) from None
        return proof

    def _of_access(self, application: Application, text: str) -> Mapping[str, object] | None:
        claims = self._minter.read(text, TokenKind.ACCESS)
        if claims is None or claims.get("client_id") != application.id:
            return None
        if self._standing.access(application.id, authorization_id(claims)) is None:
            return None
        told: dict[str, Any] = {name: claims[name] for name in _OF_ACCESS if name in claims}
        return {"active": True, "token_type": "Bearer", **told}

    def _of_refresh(self, application: Application, text: str) -> Mapping[str, object] | None:
        token = self._standing.refresh(application, text)
        if token is None:
            return None
        made = token.authorization
        return {
            "active": True,
            "iss": self._minter.issuer,
            "sub": made.user_id,
            "client_id": application.id,
            "scope": made.scope,
            "iat": int(token.created.timestamp()),
            "exp": int(token.expires_at.timestamp()),
            "sid": made.session_id,
        }
