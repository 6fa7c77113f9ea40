"""What a request from a browser says of it: its cookies, who is signed in with it, whether a form is one of ours.

Two cookies, both with the prefix `__Host-`, so that neither another host nor a page without TLS can set them
(draft-ietf-httpbis-rfc6265bis §4.1.3). Browsers accept them on `http://127.0.0.1`, too, which is all that a
development installation needs. The session's is `SameSite=Lax`. The browser's own, to which logins under way are
bound, is `SameSite=None`: an identity provider's answer is a POST from another site.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final
from urllib.parse import quote, urlsplit

from rolebridge.bridge.login_flows import LoginFlows, SignInRequest
from rolebridge.bridge.sessions import Sessions, SignedIn
from rolebridge.core import base64url
from rolebridge.web.requests import Request, Response

SESSION_COOKIE: Final = "__Host-rolebridge-session"
BROWSER_COOKIE: Final = "__Host-rolebridge-browser"
SIGN_IN_PATH: Final = "/sign-in"
"""Where people sign in, below the base URL."""
ACCOUNT_PATH: Final = "/account"
"""Where somebody who is signed in sees their roles and sessions, below the base URL."""
AUTHORIZE_PATH: Final = "/oauth/authorize"
"""Where applications send people, below the base URL."""

_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{20,128}")
_LONGEST_HEADER: Final = 16_384
_FORM: Final = b"rolebridge form v1 "


class Browsers:
    """Tells who is signed in with a browser, and sends it to sign in."""

    def __init__(self, sessions: Sessions, flows: LoginFlows, base_url: str) -> None:
        self._sessions = sessions
        self._flows = flows
        self.base_url = base_url
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self.is_secure = parts.scheme == "https"

    def signed_in(self, request: Request, organization_id: str | None = None) -> SignedIn | None:
        """Return who is signed in at this request; of one organization, when that is said (others do not count)."""
        return self._sessions.find(cookie(request, SESSION_COOKIE), organization_id)

    def to_sign_in(self, wanted: SignInRequest) -> Response:
        """Return the answer that has somebody sign in and come back to `wanted.target`. Raises Invalid."""
        return self.redirect(f"{SIGN_IN_PATH}?ask={self._flows.seal(wanted)}")

    def redirect(self, target: str, *cookies: str) -> Response:
        """Return a redirect to a path below the base URL, or to a URL that whoever calls has looked at."""
        url = f"{self.base_url}{target}" if target.startswith("/") else target
        # Whatever is in a header may not end it.
        location = quote(url, safe="!#$%&'()*+,/:;=?@[]~-._")
        headers = [("Location", location), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")]
        return Response(303, (*headers, *(("Set-Cookie", one) for one in cookies)))

    def is_own(self, request: Request) -> bool:
        """Return whether a POST comes from a page of ours, as far as the browser says (`Sec-Fetch-Site`, `Origin`)."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        return site in {None, "same-origin"} and origin in {None, self._origin}

    def is_blind(self, request: Request) -> bool:
        """Return whether a POST comes from another site, so that the session's cookie stays out of it, if there is one.

        Whoever is told so cannot know who is signed in with the browser.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        foreign = site == "cross-site" if site is not None else origin not in {None, self._origin}
        return foreign and cookie(request, SESSION_COOKIE) is None


def own_target(path: str) -> str:
    """Return a path to go to after signing in, if it is one of those that there are, else the account page's.

    Compared as it is: what has to be decoded or normalized before it looks harmless is not.
    """
    there = re.fullmatch(r"(/oauth/authorize)\?[\x21-\x7e]*|/account", path)
    return path if there and "\\" not in path else ACCOUNT_PATH


def cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie of ours; None when there is none, or more than one, or it is not as we make them."""
    header = request.headers.get("cookie", "")
    if len(header) > _LONGEST_HEADER:
        return None
    pairs = (part.strip(" \t").partition("=") for part in header.split(";"))
    values = [value for key, _, value in pairs if key == name]
    return values[0] if len(values) == 1 and _VALUE.fullmatch(values[0]) else None


def session_cookie(secret: str) -> str:
    """Return the `Set-Cookie` of a session; it goes when the browser is closed, if the session has not ended before."""
    return f"{SESSION_COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax"


def browser_cookie(secret: str) -> str:
    """Return the `Set-Cookie` of a browser."""
    return f"{BROWSER_COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=None"


def without(name: str) -> str:
    """Return the `Set-Cookie` that takes a cookie away."""
    same_site = "Lax" if name == SESSION_COOKIE else "None"
    return f"{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite={same_site}"


def new_browser() -> str:
    """Return a secret for a browser's cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def form_token(secret: str, purpose: str) -> str:
    """Return what a form carries so that only a page of ours, shown to this browser, can have made it.

    `secret` is that of one of its cookies, of which the token gives nothing away.
    """
    mac = hmac.digest(secret.encode(), _FORM + purpose.encode(), hashlib.sha256)
    return base64url.encode(mac)


def is_form_token(token: str, secret: str | None, purpose: str) -> bool:
    """Return whether a form carries the token that it was given for this purpose."""
    return secret is not None and hmac.compare_digest(token.encode(), form_token(secret, purpose).encode())


_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)


def agent_of(request: Request) -> str:
    """Return a browser by the names that people know it by, as in `Firefox on Windows`; nothing that it sent itself."""
    sent = request.headers.get("user-agent", "")[:400]
    browser = next((name for mark, name in _BROWSERS if mark in sent), "Browser")
    system = next((name for mark, name in _SYSTEMS if mark in sent), "")
    return f"{browser} on {system}" if system else browser
