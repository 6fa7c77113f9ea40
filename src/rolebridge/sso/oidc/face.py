"""OpenID Connect towards browsers and providers, without a framework: leaving, coming back, and being signed out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

from rolebridge.bridge.idp_logout import IdpLogouts
from rolebridge.bridge.login_flows import Flow
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.core.login import LoginRefused, Protocol, Trail
from rolebridge.core.oidc_settings import read_oidc_settings
from rolebridge.sso.door import LoginDoor, Proved, Visit
from rolebridge.sso.oidc.credentials import client_of, public_keys, signed_out_url
from rolebridge.sso.oidc.login import Asked, OidcLogin
from rolebridge.sso.oidc.logout import end_session_url, read_logout_token
from rolebridge.sso.oidc.tokens import LONGEST
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.sso")

MAX_FORM: Final = 2 * LONGEST
"""Bytes of the form that a notice of a sign-out is."""
LONGEST_HINT: Final = 4_000
"""Characters of an ID token that still travels in a URL when somebody signs out."""

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = ("Content-Type", "application/json")
_NO_STORE: Final = ("Cache-Control", "no-store")


class OidcFace:
    """What the door of logins asks of OpenID Connect (`sso.door.Starter`), and the addresses of its own."""

    def __init__(
        self,
        connections: SsoConnections,
        door: LoginDoor,
        login: OidcLogin,
        logouts: IdpLogouts,
        clock: Callable[[], datetime],
        base_url: str,
    ) -> None:
        self._connections = connections
        self._door = door
        self._login = login
        self._logouts = logouts
        self._clock = clock
        self._base_url = base_url

    # --- the browser

    def start(self, connection: SsoConnection, flow: Flow, trail: Trail) -> Response:
        """Return what sends the browser to the provider. Raises LoginRefused."""
        client = client_of(self._connections, connection, self._base_url)
        url = self._login.begin(client, _asked(flow), self._clock(), trail)
        return Response(303, (("Location", url), _NO_STORE, ("Referrer-Policy", "no-referrer")))

    def callback(self, request: Request, connection_id: str) -> Response:
        """Answer a browser that comes back from the provider."""
        return self._door.come_back(request, connection_id, Protocol.OIDC, self._prove)

    def _prove(self, visit: Visit) -> Proved:
        """Return who came. The login is taken first: what another browser brings costs the provider nothing."""
        states = [value for name, value in visit.request.query if name == "state"]
        flow = visit.take(states[0] if len(states) == 1 else "")
        client = client_of(self._connections, visit.connection, self._base_url)
        accepted = self._login.finish(client, _asked(flow), visit.request.query, self._clock(), visit.trail)
        hint = accepted.id_token if len(accepted.id_token) <= LONGEST_HINT else ""
        return Proved(accepted.identity, logout_hint=hint.encode())

    def sign_out_url(self, connection: SsoConnection, logout_hint: bytes) -> str | None:
        """Return where a browser also signs out at the provider; None when that is nowhere, or not wanted."""
        settings = read_oidc_settings(connection.settings)
        if not settings.idp_logout:
            return None
        try:
            provider = self._login.providers.provider(connection.id, settings, Trail())
        except LoginRefused as refused:
            # Signed out here they are already; that the provider cannot be asked must not look like a failure of that.
            logger.warning("connection `%s`: no sign-out at the provider: %s", connection.id, refused.code)
            return None
        return end_session_url(provider, settings.client_id, logout_hint.decode(), signed_out_url(self._base_url))

    # --- the provider

    def backchannel_logout(self, request: Request, connection_id: str) -> Response:
        """End sessions because the provider says so (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8)."""
        try:
            self._door.admit(request)
            connection = self._door.connection(connection_id, Protocol.OIDC)
            ended = self._end(connection, _logout_token(request))
        except LoginRefused as refused:
            logger.warning("request %s: logout token refused: %s: %s", request.request_id, refused.code, refused.detail)
            body = {"error": "invalid_request", "error_description": refused.code}
            return Response(400, (_JSON, _NO_STORE), json.dumps(body).encode())
        logger.info("request %s: the provider ended %d sessions", request.request_id, ended)
        return Response(200, (_NO_STORE,))

    def _end(self, connection: SsoConnection, token: str) -> int:
        client = client_of(self._connections, connection, self._base_url)
        said = read_logout_token(client, token, self._login.providers, self._clock(), Trail())
        return self._logouts.end(
            connection,
            said.issuer,
            session=said.session,
            subject=said.subject,
            notice_id=said.token_id,
            usable_until=said.usable_until,
        )

    def key_set(self, connection_id: str) -> Response:
        """Return the public keys with which a connection proves itself (RFC 7517 §5); of one without, an empty set."""
        try:
            keys = public_keys(self._connections, self._door.connection(connection_id, Protocol.OIDC))
        except LoginRefused:
            keys = []
        return Response(200, (_JSON, ("Cache-Control", "max-age=300")), json.dumps({"keys": keys}).encode())


def _asked(flow: Flow) -> Asked:
    demands = flow.request.demands
    return Asked(
        flow.id,
        flow.nonce,
        flow.verifier,
        flow.begun_at,
        fresh=demands.fresh,
        max_age=demands.max_age,
        contexts=demands.contexts,
        hint=demands.hint,
    )


def _logout_token(request: Request) -> str:
    """Return the one parameter of a notice (Back-Channel Logout §2.5). Raises LoginRefused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        try:
            pairs = parse_qsl(request.body.decode("ascii"), strict_parsing=True, max_num_fields=20)
        except ValueError:
            pairs = []
        tokens = [value for name, value in pairs if name == "logout_token"]
        if len(tokens) == 1:
            return tokens[0]
    raise LoginRefused("oidc-token-form", "the request has no form with one `logout_token`")
