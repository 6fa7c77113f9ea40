"""Signing out with the provider: telling it (RP-Initiated Logout 1.0), and being told (Back-Channel Logout 1.0)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from rolebridge.core.login import Trail
from rolebridge.sso.oidc.checking import run
from rolebridge.sso.oidc.claims import LOGOUT_TOKEN_CHECKS, OLDEST, Presented, moment
from rolebridge.sso.oidc.discovery import Provider
from rolebridge.sso.oidc.login import Client
from rolebridge.sso.oidc.providers import Providers
from rolebridge.sso.oidc.tokens import LOGOUT_TOKEN_TYPES, verified


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """Who was logged out at the provider: all sessions of `subject`, or the one that is `session` there.

    `token_id` counts once, and is worth remembering until `usable_until`.
    """

    issuer: str
    subject: str | None
    session: str | None
    token_id: str
    usable_until: datetime


def read_logout_token(client: Client, text: str, providers: Providers, now: datetime, trail: Trail) -> LoggedOut:
    """Return whom a logout token is about, all checks but that of its one use made. Raises LoginRefused."""
    provider = providers.provider(client.connection_id, client.settings, trail)
    keys_for = providers.keys_for(client.connection_id, provider, trail)
    token = verified(text, client.settings, LOGOUT_TOKEN_TYPES, keys_for, trail)
    presented = Presented(token.claims, token.algorithm, client.settings, now)
    run(LOGOUT_TOKEN_CHECKS, presented, trail)
    claims = token.claims
    # It is refused for its age, too, however late it says that it expires.
    ends = min(moment(claims["exp"]) or now, (moment(claims["iat"]) or now) + OLDEST)
    until = ends + timedelta(seconds=client.settings.skew)
    return LoggedOut(claims["iss"], claims.get("sub"), claims.get("sid"), claims["jti"], until)


def end_session_url(provider: Provider, client_id: str, id_token: str, return_to: str) -> str | None:
    """Return where a browser goes to sign out at the provider too; None when it has no such place.

    `id_token` tells whose session it is, `return_to` is where the provider sends the browser afterwards.
    """
    place = provider.end_session_endpoint
    if place is None:
        return None
    asked = {
        "id_token_hint": id_token,
        "client_id": client_id,
        "post_logout_redirect_uri": return_to,
    }
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{place}{'&' if '?' in place else '?'}{query}"
