"""The end session endpoint: an application sends somebody to be signed out (OpenID Connect RP-Initiated Logout 1.0).

Only an ID token of ours that names the browser's own session (`sid`) signs anybody out unasked: whoever else sends a
person here could be any page that wants to annoy them. They are asked, on a page whose form carries a token of their
cookie. Nobody is sent anywhere but to an address that the application registered, compared as text.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from rolebridge.bridge.authorizing import Authorizing
from rolebridge.bridge.sessions import Sessions, SignedIn
from rolebridge.bridge.vault import Locked, Vault
from rolebridge.oauth.metadata import END_SESSION_PATH
from rolebridge.oauth.minting import Minter, TokenKind
from rolebridge.web.browser import SESSION_COOKIE, Browsers, cookie, form_token, is_form_token, without
from rolebridge.web.pages import Pages
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.oauth")

KEPT: Final = timedelta(minutes=30)
"""For how long the page that asks may stay open."""

_MAX_BYTES: Final = 32 * 1024  # an ID token with all its claims is the longest parameter there is
_MOST_PARAMETERS: Final = 20
_LONGEST_STATE: Final = 2_000
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?=[/?]|$)")
_SCHEME: Final = re.compile(r"(?!http)[a-z][a-z0-9+.-]*:")  # of an application on a device
_PURPOSE: Final = "app-logout"
_SEALED: Final = "logout request"
_CONTINUE: Final = "continue"
_CONFIRM: Final = "token"


class _Refused(Exception):
    """That a request is refused on a page: nobody is signed out or sent away. The text is the page's title."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(title)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an application wants, checked: whose session (`sid`, "" where it does not say), and where to go then."""

    application: str
    session_id: str
    target: str
    until: int


class EndSessionFace:
    """The end session endpoint of an installation."""

    def __init__(
        self,
        authorizing: Authorizing,
        sessions: Sessions,
        minter: Minter,
        browsers: Browsers,
        pages: Pages,
        vault: Vault,
    ) -> None:
        self._authorizing = authorizing
        self._sessions = sessions
        self._minter = minter
        self._browsers = browsers
        self._pages = pages
        self._vault = vault

    def logout(self, request: Request, query: bytes) -> Response:
        """Answer a request; `query` is that of its URL, or the body of a form."""
        try:
            asked = _parameters(query)
            if _CONTINUE not in asked:
                return self._begin(request, self._wanted(asked))
            wanted = self._unsealed(asked[_CONTINUE])
            if request.method == "POST":
                return self._confirmed(request, wanted, asked.get(_CONFIRM, ""))
            return self._go_on(request, wanted)
        except _Refused as refused:
            logger.warning("request %s: logout refused: %s: %s", request.request_id, refused, refused.detail)
            return self._pages.error(400, str(refused), request.request_id)

    # --- steps

    def _begin(self, request: Request, wanted: _Wanted) -> Response:
        if request.method == "POST":
            # A POST from another site brings no cookie (`SameSite=Lax`); the GET that it is turned into does. The ID
            # token does not travel on in a URL: what it proved does, sealed.
            return self._browsers.redirect(self._continued(wanted))
        return self._go_on(request, wanted)

    def _go_on(self, request: Request, wanted: _Wanted) -> Response:
        who, secret = self._browsers.signed_in(request), cookie(request, SESSION_COOKIE)
        if who is None or secret is None:
            return self._signed_out(wanted, secret)
        if wanted.session_id == who.session.id:
            return self._end(request, secret, who, wanted)
        return self._pages.page(
            "end_session.html",
            who=who,
            application=wanted.application,
            action=END_SESSION_PATH,
            kept=self._seal(wanted),
            token=form_token(secret, _PURPOSE),
            form_action=_form_action(wanted.target),
        )

    def _confirmed(self, request: Request, wanted: _Wanted, token: str) -> Response:
        who, secret = self._browsers.signed_in(request), cookie(request, SESSION_COOKIE)
        if not self._browsers.is_own(request):
            raise _Refused("You are still signed in", "the form was sent from another site")
        if who is None or secret is None:
            return self._signed_out(wanted, secret)
        if not is_form_token(token, secret, _PURPOSE):
            raise _Refused("You are still signed in", "the form is not one that this browser was shown")
        return self._end(request, secret, who, wanted)

    def _end(self, request: Request, secret: str, who: SignedIn, wanted: _Wanted) -> Response:
        self._sessions.sign_out(secret)
        logger.info("request %s: session %s signed out by an application", request.request_id, who.session.id)
        return self._signed_out(wanted, secret)

    def _signed_out(self, wanted: _Wanted, secret: str | None) -> Response:
        """Say so, and take away the cookie that came: one that stayed out of the request may still be somebody's."""
        gone = [] if secret is None else [without(SESSION_COOKIE)]
        if wanted.target:
            return self._browsers.redirect(wanted.target, *gone)
        headers = [("Set-Cookie", one) for one in gone]
        return self._pages.page("app_signed_out.html", headers=headers, application=wanted.application)

    # --- what is wanted

    def _wanted(self, asked: Mapping[str, str]) -> _Wanted:
        claims = self._hint(asked.get("id_token_hint", ""))
        client_id = asked.get("client_id") or str(claims.get("aud", ""))
        if claims and client_id != claims.get("aud"):
            raise _Refused("The application's request does not fit together", "client_id is not the hint's audience")
        application = self._authorizing.application(client_id) if client_id else None
        if client_id and application is None:
            raise _Refused("There is no such application", "client_id is unknown or revoked")
        target, state = asked.get("post_logout_redirect_uri", ""), asked.get("state", "")
        if len(state) > _LONGEST_STATE:
            raise _Refused("The application's request is too long", "state")
        if target:
            registered = application.settings.post_logout_redirect_uris if application else ()
            if target not in registered:
                title = "The application wants to send you to an address that is not registered"
                raise _Refused(title, "post_logout_redirect_uri is none of the application's")
            target = _with_state(target, state)
        until = int((self._authorizing.clock() + KEPT).timestamp())
        return _Wanted(application.name if application else "", str(claims.get("sid", "")), target, until)

    def _hint(self, text: str) -> Mapping[str, Any]:
        """Return the claims of an ID token of ours, expired or not. Raises _Refused for another text."""
        if not text:
            return {}
        claims = self._minter.read(text, TokenKind.ID, even_expired=True)
        if claims is None:
            raise _Refused("The application's request cannot be trusted", "id_token_hint is no ID token of ours")
        return claims

    # --- on its way through the browser

    def _continued(self, wanted: _Wanted) -> str:
        return f"{END_SESSION_PATH}?{_CONTINUE}={self._seal(wanted)}"

    def _seal(self, wanted: _Wanted) -> str:
        return self._vault.seal_document(asdict(wanted), _SEALED)

    def _unsealed(self, text: str) -> _Wanted:
        try:
            wanted = _Wanted(**self._vault.open_document(text, _SEALED))
        except Locked:
            raise _Refused("The request cannot go on", "`continue` was not made here, or was cut") from None
        if self._authorizing.clock() >= datetime.fromtimestamp(wanted.until, UTC):
            raise _Refused("The page was open for too long", "`continue` is too old")
        return wanted


def _form_action(target: str) -> str:
    """Return where the form, and the redirect that answers it, may lead: Chromium holds both to the policy."""
    found = _ORIGIN.match(target) or _SCHEME.match(target)
    return f"'self' {found[0]}" if found else "'self'"


def _parameters(query: bytes) -> dict[str, str]:
    """Read a query, or the body of a form, each parameter there once. Raises _Refused."""
    if len(query) > _MAX_BYTES:
        raise _Refused("The application's request is too long", f"{len(query)} bytes")
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise _Refused("The application's request cannot be read", "no query of UTF-8 text") from None
    found = {name: value for name, value in pairs if value}
    if len(found) != sum(1 for _, value in pairs if value):
        raise _Refused("The application's request cannot be read", "a parameter is given twice")
    return found


def _with_state(target: str, state: str) -> str:
    if not state:
        return target
    joint = "&" if "?" in target else "?"
    return f"{target}{joint}{urlencode({'state': state})}"
