"""The authorization endpoint: an application's request becomes a code, a sign-in on the way, or a refusal.

Whoever is not signed in takes the request along through the sign-in, sealed, with the moment at which it came: so a
login that `prompt` or `max_age` demand is told from one that was there before, and nobody leaves rows behind.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rolebridge.bridge.authorizing import Asked, Authorizing, NotAdmitted, NotSignedIn
from rolebridge.bridge.login_flows import LONGEST_TARGET, Demands, SignInRequest
from rolebridge.bridge.sessions import SignedIn
from rolebridge.bridge.vault import Locked, Vault
from rolebridge.core.errors import Unavailable
from rolebridge.core.limits import RateLimit
from rolebridge.oauth.authorization import (
    AuthorizationRequest,
    NoWayBack,
    Parameters,
    Refusal,
    Refused,
    WayBack,
    read_parameters,
    read_request,
    way_back,
)
from rolebridge.oauth.metadata import AUTHORIZE_PATH
from rolebridge.oauth.minting import Minter, TokenKind
from rolebridge.store.provider_records import Application
from rolebridge.web.browser import Browsers
from rolebridge.web.pages import Pages
from rolebridge.web.rates import Meters
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.oauth")

CODES_OF_SESSION: Final = RateLimit(1, 60)
"""Codes for one session: an application that sends people round in circles is stopped."""
KEPT: Final = timedelta(hours=1)
"""For how long a request may wait for a sign-in."""
SKEW: Final = timedelta(minutes=1)
"""How far an identity provider's clock may be off when it says at what moment somebody proved themselves."""

_SEALED: Final = "authorization request"
_CONTINUE: Final = "continue"
_WAY_IN: Final = "idp"


@dataclass(frozen=True, slots=True)
class _Came:
    """A request: its parameters, when it first came, and whether it comes back from the sign-in now."""

    asked: Parameters
    at: datetime
    back: bool = False


class AuthorizeFace:
    """The authorization endpoint of an installation."""

    def __init__(
        self,
        authorizing: Authorizing,
        minter: Minter,
        browsers: Browsers,
        pages: Pages,
        vault: Vault,
        meters: Meters,
    ) -> None:
        self._authorizing = authorizing
        self._minter = minter
        self._browsers = browsers
        self._pages = pages
        self._vault = vault
        self._meters = meters

    def authorize(self, request: Request, query: bytes) -> Response:
        """Answer a request; `query` is that of its URL, or the body of a form."""
        try:
            came = self._came(query)
            application = self._application(came.asked)
            back = way_back(application, came.asked)
        except NoWayBack as lost:
            logger.warning("request %s: authorization refused: %s: %s", request.request_id, lost, lost.detail)
            return self._pages.error(lost.status, str(lost), request.request_id)
        try:
            return self._authorize(request, application, back, came)
        except Refused as refused:
            logger.info("request %s: application %s: %s", request.request_id, application.id, refused)
            return self._answer(back, {"error": refused.error, "error_description": refused.description})
        except Unavailable as busy:
            logger.error("request %s: %s", request.request_id, busy)  # noqa: TRY400 - a refusal, with its cause in it
            return self._answer(back, {"error": Refusal.TEMPORARILY_UNAVAILABLE})

    def _authorize(self, request: Request, application: Application, back: WayBack, came: _Came) -> Response:
        asked = read_request(application, came.asked)
        person = self._hinted(asked, application)
        if request.method == "POST":
            # A POST from another site brings no cookie (`SameSite=Lax`); the GET that it is turned into does.
            return self._browsers.redirect(self._target(_Came(came.asked, came.at)))
        who = self._browsers.signed_in(request, application.organization_id)
        if who is None or not _satisfies(who, asked, person, came):
            return self._sign_in(application, asked, who, came)
        wait = self._meters.take(f"codes {who.session.id}", CODES_OF_SESSION)
        if wait:
            raise Refused(Refusal.TEMPORARILY_UNAVAILABLE, "too many codes for one person's session")
        try:
            code = self._authorizing.grant(
                application, who, Asked(asked.scopes, back.redirect_uri, asked.challenge, asked.nonce)
            )
        except NotAdmitted as denied:
            raise Refused(Refusal.ACCESS_DENIED, str(denied)) from None
        except NotSignedIn as gone:
            raise Refused(Refusal.LOGIN_REQUIRED, str(gone)) from None
        return self._answer(back, {"code": code})

    def _sign_in(
        self, application: Application, asked: AuthorizationRequest, who: SignedIn | None, came: _Came
    ) -> Response:
        """Return what has somebody sign in and come back. Raises Refused where that may not be, or was of no use."""
        if "none" in asked.prompts:
            raise Refused(Refusal.LOGIN_REQUIRED, "nobody is signed in as the request wants it, and prompt is none")
        if came.back:
            said = "as the request wants it" if who else "in a session that the browser shows"
            raise Refused(Refusal.LOGIN_REQUIRED, f"the person came back from the sign-in, but not {said}")
        target = self._target(_Came(came.asked, came.at, back=True))
        if len(target) > LONGEST_TARGET:
            raise Refused(Refusal.INVALID_REQUEST, "the request is too long to be kept during a sign-in")
        demands = Demands(
            fresh="login" in asked.prompts,
            max_age=asked.max_age,
            contexts=asked.contexts,
            hint=asked.login_hint,
        )
        organization_id = application.organization_id
        connection_id = self._authorizing.way_in(organization_id, came.asked.get(_WAY_IN))
        wanted = SignInRequest(organization_id, target, application.name, connection_id, demands)
        return self._browsers.to_sign_in(wanted)

    def _hinted(self, asked: AuthorizationRequest, application: Application) -> str | None:
        """Return the person whom an ID token of ours names (`id_token_hint`). Raises Refused for another text."""
        if not asked.hint:
            return None
        claims = self._minter.read(asked.hint, TokenKind.ID, even_expired=True)
        if claims is None or claims.get("aud") != application.id:
            raise Refused(Refusal.INVALID_REQUEST, "id_token_hint is no ID token that the application got here")
        return str(claims["sub"])

    def _application(self, asked: Parameters) -> Application:
        found = self._authorizing.application(asked.get("client_id"))
        if found is None:
            raise NoWayBack("There is no such application", "client_id is missing, unknown or revoked")
        return found

    # --- requests on their way through the sign-in

    def _came(self, query: bytes) -> _Came:
        asked, now = read_parameters(query), self._authorizing.clock()
        kept = asked.get(_CONTINUE)
        return self._unsealed(kept, now) if kept else _Came(asked, now)

    def _target(self, came: _Came) -> str:
        """Return the path, with its query, by which a request goes on."""
        document = {"asked": dict(came.asked.once), "at": int(came.at.timestamp() * 1_000), "back": came.back}
        return f"{AUTHORIZE_PATH}?{_CONTINUE}={self._vault.seal_document(document, _SEALED)}"

    def _unsealed(self, text: str, now: datetime) -> _Came:
        try:
            document = self._vault.open_document(text, _SEALED)
        except Locked:
            raise NoWayBack("The sign-in cannot go on", "`continue` was not made here, or was cut") from None
        at = datetime.fromtimestamp(document["at"] / 1_000, UTC)
        if now >= at + KEPT:
            raise NoWayBack("The sign-in took too long", "`continue` is older than an hour")
        return _Came(Parameters(document["asked"]), at, document["back"])

    # --- answers

    def _answer(self, back: WayBack, answer: Mapping[str, str]) -> Response:
        """Return an answer to the application, by way of the browser; it says from whom it is (RFC 9207)."""
        state = {"state": back.state} if back.state else {}
        fields = {**{name: str(value) for name, value in answer.items()}, **state, "iss": self._minter.issuer}
        if back.mode == "form_post":
            return self._pages.post_on(back.redirect_uri, fields)
        return self._browsers.redirect(back.url(fields))


def _satisfies(who: SignedIn, asked: AuthorizationRequest, person: str | None, came: _Came) -> bool:
    """Return whether a session is what a request asks for: of that person, and as fresh as it must be."""
    session = who.session
    if person is not None and person != session.user_id:
        return False
    if asked.prompts & {"login", "select_account"} and not (came.back and session.begun_at >= came.at):
        return False
    if asked.max_age is None and "login" not in asked.prompts:
        return True
    if session.authenticated_at is None:  # perhaps long ago: the sign-in that this leads to has it said
        return False
    if "login" in asked.prompts and session.authenticated_at < came.at - SKEW:
        return False
    if asked.max_age is None:
        return True
    return came.at - session.authenticated_at <= timedelta(seconds=asked.max_age) + (SKEW if came.back else timedelta())
