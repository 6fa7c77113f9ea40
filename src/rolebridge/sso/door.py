"""The door of logins: what both protocols share before somebody leaves for an identity provider, and after they return.

A protocol only proves: its face is handed a `Visit`, takes the login that the visit belongs to, and returns who came.
Whatever it raises as `LoginRefused` becomes a page that tells the code and the request, and a row of the log of logins
that tells the administrator the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from rolebridge.bridge.login_flows import Flow, LoginFlows, SignInRequest
from rolebridge.bridge.signing_in import Arrival, SigningIn
from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.limits import RateLimit
from rolebridge.core.login import AssertedIdentity, LoginRefused, Trail
from rolebridge.core.login import Protocol as LoginProtocol
from rolebridge.web.addresses import Origins
from rolebridge.web.browser import (
    BROWSER_COOKIE,
    SESSION_COOKIE,
    Browsers,
    agent_of,
    browser_cookie,
    cookie,
    new_browser,
    own_target,
    session_cookie,
)
from rolebridge.web.pages import Pages
from rolebridge.web.rates import Meters
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.sso")

LOGINS_OF_ADDRESS: Final = RateLimit(10, 600)
"""Requests about logins from one address (of IPv6: one /64): an office that begins its day has one for all."""
LOGINS_OF_BROWSER: Final = RateLimit(1, 30)
"""Requests about logins with one browser's cookie."""


@dataclass(slots=True)
class Visit:
    """A request by which somebody comes back from an identity provider (or begins there), while it is answered.

    `trail` takes the verdict of each check. `flow` is set by `take`. `blind` says that the session's cookie stayed out
    of the request, as another site sent it: who is signed in with the browser cannot be known.
    """

    request: Request
    connection: SsoConnection
    _flows: LoginFlows
    trail: Trail = field(default_factory=Trail)
    flow: Flow | None = None
    blind: bool = False

    def take(self, flow_id: str) -> Flow:
        """Return the login that the visit belongs to, once; it must have begun in this browser. Raises LoginRefused."""
        connection = self.connection
        browser = cookie(self.request, BROWSER_COOKIE)
        self.flow = self._flows.take(connection.organization_id, connection.id, flow_id, browser)
        return self.flow


@dataclass(frozen=True, slots=True)
class Proved:
    """Who came. `logout_hint` is what signing out at the identity provider will need, in the protocol's own form.

    `target` is where they go if no login of ours was under way (IdP-initiated): a path of ours or a URL that the
    connection's settings list.
    """

    identity: AssertedIdentity
    target: str = "/account"
    logout_hint: bytes | None = field(default=None, repr=False)


class Starter(Protocol):
    """The face of a protocol, as whoever sends people to an identity provider sees it."""

    def start(self, connection: SsoConnection, flow: Flow, trail: Trail) -> Response:
        """Return what sends the browser to the identity provider. Raises LoginRefused; `trail` takes the verdicts."""

    def sign_out_url(self, connection: SsoConnection, logout_hint: bytes) -> str | None:
        """Return where a browser also signs out at the identity provider; None when there is no such place."""


Prove = Callable[[Visit], Proved | Response]
"""Says who came; or answers with what has the browser come again. Raises LoginRefused."""


class LoginDoor:
    """Lets people in whom a protocol proves."""

    def __init__(
        self,
        find: Callable[[str], SsoConnection | None],
        flows: LoginFlows,
        signing_in: SigningIn,
        browsers: Browsers,
        *,
        pages: Pages,
        origins: Origins,
        meters: Meters,
    ) -> None:
        """`find` returns the connection with an id that stands in a URL, None unless it logs people in."""
        self._find = find
        self._flows = flows
        self._signing_in = signing_in
        self._browsers = browsers
        self._origins = origins
        self._meters = meters
        self.pages = pages

    def connection(self, id: str, protocol: LoginProtocol | None = None) -> SsoConnection:
        """Return the connection of a URL, if it logs people in, by that protocol. Raises LoginRefused."""
        found = self._find(id)
        if found is None or protocol not in {None, found.protocol}:
            raise LoginRefused("flow-no-connection", "nobody logs in at this address")
        return found

    def admit(self, request: Request) -> None:
        """Count a request about a login. Raises LoginRefused where there are too many."""
        origin = self._origins.of(request.peer, request.headers.get("x-forwarded-for"))
        browser = cookie(request, BROWSER_COOKIE)
        waits = [self._meters.take(f"logins from {origin.site}", LOGINS_OF_ADDRESS)] if origin.certain else []
        if browser is not None:
            waits.append(self._meters.take(f"logins of {browser}", LOGINS_OF_BROWSER))
        if any(waits):
            raise LoginRefused("flow-too-many", "too many logins from one address or browser")

    # --- leaving

    def leave(self, request: Request, connection: SsoConnection, wanted: SignInRequest, starter: Starter) -> Response:
        """Return what sends a browser to the identity provider of a connection, or the page that says why not.

        What keeps a login from starting is the connection's trouble, so its log tells of it. Raises LoginRefused for
        what is the request's own.
        """
        if wanted.organization_id not in {"", connection.organization_id}:
            raise LoginRefused("flow-other-organization", "the connection belongs to another organization")
        browser = cookie(request, BROWSER_COOKIE)
        fresh = browser is None
        browser = browser or new_browser()
        visit = Visit(request, connection, self._flows)
        visit.flow = flow = self._flows.begin(connection.organization_id, connection.id, browser, wanted)
        try:
            answer = starter.start(connection, flow, visit.trail)
        except LoginRefused as refused:
            return self.refused(request, refused, visit)
        headers = [(name, value) for name, value in answer.headers if name != "Cache-Control"]
        headers.append(("Cache-Control", "no-store"))  # the way there is one login's
        if fresh:
            headers.append(("Set-Cookie", browser_cookie(browser)))
        return Response(answer.status, tuple(headers), answer.body)

    # --- coming back

    def come_back(self, request: Request, connection_id: str, protocol: LoginProtocol, prove: Prove) -> Response:
        """Return the answer to a visit: signed in and on the way to where they wanted to go, or a page that says no."""
        visit: Visit | None = None
        try:
            self.admit(request)
            connection = self.connection(connection_id, protocol)
            visit = Visit(request, connection, self._flows, blind=self._browsers.is_blind(request))
            proved = prove(visit)
            return proved if isinstance(proved, Response) else self._arrive(visit, proved)
        except LoginRefused as refused:
            return self.refused(request, refused, visit)

    def _arrive(self, visit: Visit, proved: Proved) -> Response:
        request, connection = visit.request, visit.connection
        origin = self._origins.of(request.peer, request.headers.get("x-forwarded-for"))
        arrival = Arrival(
            connection,
            proved.identity,
            request.request_id,
            agent=agent_of(request),
            address=origin.text,
            previous=cookie(request, SESSION_COOKIE),
            logout_hint=proved.logout_hint,
            unasked=visit.flow is None,
        )
        begun = self._signing_in.finish(arrival, visit.trail)
        logger.info("request %s: connection `%s` signed somebody in", request.request_id, connection.id)
        target = own_target(visit.flow.request.target) if visit.flow else proved.target
        # The browser's own cookie stays: logins under way in its other tabs are bound to it.
        return self._browsers.redirect(target, session_cookie(begun.secret))

    def refused(self, request: Request, refused: LoginRefused, visit: Visit | None = None) -> Response:
        """Return the page that says that a login was refused, and keep the reason for the administrator."""
        logger.warning("request %s: login refused: %s", request.request_id, refused.code)
        again = None
        if visit is not None:
            self._signing_in.refuse(visit.connection, visit.trail, refused, request.request_id)
            again = self._flows.seal(visit.flow.request) if visit.flow else None
        return self.pages.refused(refused.code, request.request_id, again=again)
