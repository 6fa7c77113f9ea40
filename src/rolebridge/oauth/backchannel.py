"""Logout tokens, and their way to applications (OpenID Connect Back-Channel Logout 1.0 §2.4 to §2.6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from rolebridge.bridge.logout_notices import Attempt, Fate
from rolebridge.oauth.minting import Minter
from rolebridge.store.engine import Store
from rolebridge.store.logout_notices import LogoutNotice
from rolebridge.store.provider_records import Application
from rolebridge.web.outgoing import Outgoing, OutgoingRefused

LOGOUT_TYPE: Final = "logout+jwt"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME: Final = timedelta(minutes=2)
"""For how long a logout token is good: each attempt makes another one."""
SECONDS: Final = 5.0
"""How long an application may take to answer."""

_MOST_BYTES: Final = 64 * 1024
_HEARD: Final = frozenset([200, 204])  # 204 is what some frameworks make of an empty 200 (§2.8)


class BackChannel:
    """Sends notices of logout to applications."""

    def __init__(self, store: Store, minter: Minter, outgoing: Outgoing, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._minter = minter
        self._outgoing = outgoing
        self._clock = clock

    def deliver(self, organization_id: str, notice: LogoutNotice) -> Attempt:
        """Send a notice once, and return what came of it: `bridge.logout_notices.Deliver`."""
        with self._store.read() as unit:
            application = unit.applications.application(notice.application_id)
        if application is None or application.organization_id != organization_id:
            return Attempt(Fate.REFUSED, "the application is not there any more")
        uri = application.settings.backchannel_logout_uri
        if not uri:
            return Attempt(Fate.REFUSED, "the application has no address for logouts any more")
        token = self._minter.sign(LOGOUT_TYPE, self.claims(application, notice))
        body = urlencode({"logout_token": token}).encode()
        form = "application/x-www-form-urlencoded"
        try:
            answer = self._outgoing.post(uri, body, form, most_bytes=_MOST_BYTES, seconds=SECONDS)
        except OutgoingRefused as refused:
            return Attempt(Fate.FAILED, str(refused))
        if answer.status in _HEARD:
            return Attempt(Fate.DELIVERED)
        return Attempt(Fate.FAILED, f"the application answers {answer.status}")

    def claims(self, application: Application, notice: LogoutNotice) -> dict[str, Any]:
        """Return the claims of a logout token; its `jti` is the same however often the notice is sent."""
        now = self._clock()
        return {
            "iss": self._minter.issuer,
            "sub": notice.user_id,
            "aud": application.id,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
            "jti": notice.id,
            "sid": notice.session_id,
            "events": {EVENT: {}},
        }
