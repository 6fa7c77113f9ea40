"""A login by OpenID Connect without browser and database: leave for a provider, come back, be accepted or refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.sso.oidc.cases import Case, Query
from tests.sso.oidc.evil import CLIENT_ID, CLIENT_SECRET, NOW, EvilProvider, InProcess

from rolebridge.core.login import Trail
from rolebridge.core.oidc_settings import read_oidc_settings
from rolebridge.sso.oidc.client import SigningKey
from rolebridge.sso.oidc.fetching import Fetcher
from rolebridge.sso.oidc.login import Accepted, Asked, Client, OidcLogin
from rolebridge.sso.oidc.providers import Providers

REDIRECT_URI = "https://bridge.example/sso/11111111-1111-4111-8111-111111111111/callback"
ASKED: dict[str, Any] = {"state": "_state-1", "nonce": "nonce-1", "verifier": "v" * 64, "begun_at": NOW}


class RelyingParty:
    """The bridge as a provider sees it."""

    def __init__(
        self,
        provider: EvilProvider,
        settings: dict[str, Any] | None = None,
        credential: str | SigningKey = CLIENT_SECRET,
        fetcher: Fetcher | None = None,
        now: Callable[[], datetime] = lambda: NOW,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.now = now
        guarded = fetcher or InProcess(provider)
        self.login = OidcLogin(Providers(guarded, now, timer))
        read = read_oidc_settings({"issuer": provider.issuer, "client_id": CLIENT_ID, **(settings or {})})
        self.client = Client("c1", read, credential, REDIRECT_URI)
        self.trail = Trail()

    def begin(self, **asked: Any) -> str:
        """Return the URL to which the browser goes."""
        return self.login.begin(self.client, Asked(**{**ASKED, **asked}), self.now(), self.trail)

    def finish(self, query: Query, **asked: Any) -> Accepted:
        """Return who came back."""
        return self.login.finish(self.client, Asked(**{**ASKED, **asked}), query, self.now(), self.trail)

    def log_in(self, bring: Callable[[Query], Query] = lambda query: query, **asked: Any) -> Accepted:
        """Log somebody in; `bring` changes what the browser brings back."""
        return self.finish(bring(self.provider.authorize(self.begin(**asked))), **asked)


def attempt(case: Case) -> Accepted:
    """Do what a case describes."""
    provider = EvilProvider()
    case.arrange(provider)
    return RelyingParty(provider, dict(case.settings)).log_in(case.bring, **case.demands)
