"""The UserInfo endpoint (OpenID Connect Core §5.3): who a person is and what they hold, as of now.

Its answer is JSON and never signed: who wants signed claims has them in the ID token.
"""

from __future__ import annotations

import json
import logging
from typing import Final

from authlib.oauth2.rfc6749 import InvalidRequestError

from rolebridge.bridge.app_claims import USERINFO_BYTES, Links
from rolebridge.bridge.standing import Standing
from rolebridge.core.applications import Scope
from rolebridge.core.errors import Unavailable
from rolebridge.oauth.face import form_of
from rolebridge.oauth.minting import Minter, TokenKind, authorization_id
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.oauth")

_REALM: Final = 'Bearer realm="rolebridge"'
_OPEN: Final = (("Cache-Control", "no-store"), ("Access-Control-Allow-Origin", "*"))
"""Pages of any origin may ask: what lets them in is a token, and never a cookie."""
_PREFLIGHT: Final = (
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "3600"),
)


class _Refused(Exception):
    """That a request is refused: RFC 6750 §3.1. Without `error` the request showed no token at all."""

    def __init__(self, status: int, error: str = "", description: str = "") -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


class UserInfoFace:
    """The UserInfo endpoint of an installation."""

    def __init__(self, standing: Standing, minter: Minter) -> None:
        self._standing = standing
        self._minter = minter
        self._links = Links(minter.issuer)

    def userinfo(self, request: Request) -> Response:
        """Answer a request."""
        if request.method == "OPTIONS":
            return Response(204, (*_OPEN, *_PREFLIGHT))
        try:
            told = self._told(_token_of(request))
        except _Refused as refused:
            return _refusal(refused)
        except Unavailable as busy:
            logger.error("request %s: %s", request.request_id, busy)  # noqa: TRY400 - a refusal, with its cause in it
            headers = (*_OPEN, ("Retry-After", str(busy.retry_after)), ("Content-Type", "application/json"))
            return Response(503, headers, json.dumps({"error": "temporarily_unavailable"}).encode())
        return Response(200, (*_OPEN, ("Content-Type", "application/json")), json.dumps(told).encode())

    def _told(self, text: str) -> dict[str, object]:
        claims = self._minter.read(text, TokenKind.ACCESS)
        if claims is None:
            raise _Refused(401, "invalid_token", "the access token has expired, or is none of ours")
        scopes = frozenset(str(claims.get("scope", "")).split())
        if Scope.OPENID not in scopes:
            raise _Refused(403, "insufficient_scope", "the access token lacks the scope openid")
        found = self._standing.told(str(claims.get("client_id")), authorization_id(claims), scopes)
        if found is None:
            raise _Refused(401, "invalid_token", "what the access token stands for has ended")
        access = found.person.access(found.application.settings, self._links, USERINFO_BYTES)
        return {"sub": found.person.user_id, **found.person.person, **access}


def _token_of(request: Request) -> str:
    """Return the access token that a request shows, in its header or its form, not in the URL (RFC 6750 §2)."""
    header = request.headers.get("authorization")
    shown: list[str] = []
    if header is not None:
        scheme, _, text = header.strip().partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise _Refused(401)
        shown.append(text.strip())
    if request.method == "POST" and request.body:
        try:
            form = form_of(request)
        except InvalidRequestError as error:
            raise _Refused(400, "invalid_request", str(error.description)) from None
        shown += [form["access_token"]] if "access_token" in form else []
    if len(shown) > 1:
        raise _Refused(400, "invalid_request", "the access token is shown in two ways at once")
    if not shown:
        raise _Refused(401)
    return shown[0]


def _refusal(refused: _Refused) -> Response:
    challenge = _REALM
    if refused.error:
        challenge += f', error="{refused.error}", error_description="{refused.description}"'
    body = {"error": refused.error, "error_description": refused.description} if refused.error else {}
    headers = (*_OPEN, ("WWW-Authenticate", challenge), ("Content-Type", "application/json"))
    return Response(refused.status, headers, json.dumps(body).encode())
