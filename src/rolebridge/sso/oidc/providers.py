"""What is known of each connection's provider: its description and keys, kept for a while, asked for within bounds.

Whoever knows a connection's URL can begin logins and send logout tokens. So a provider is asked for its keys again, for
a name that is not known, at most once in `AGAIN_AFTER`; and after a failure everybody is told of it for `PATIENCE`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.core.oidc_settings import OidcSettings
from rolebridge.sso.oidc import discovery, keys
from rolebridge.sso.oidc.discovery import Described, Provider
from rolebridge.sso.oidc.fetching import Fetcher
from rolebridge.sso.oidc.keys import PublicKey
from rolebridge.sso.oidc.patience import Circuit, PatientFetcher, Timer
from rolebridge.sso.oidc.tokens import KeysFor

DOCUMENT_KEPT: Final = timedelta(hours=1)
KEYS_KEPT: Final = timedelta(minutes=15)
"""A key that the provider takes out of its set is believed for no longer."""
AGAIN_AFTER: Final = timedelta(seconds=30)
PATIENCE: Final = timedelta(seconds=5)

_MOST_PROVIDERS: Final = 500

T = TypeVar("T")


class _Kept(Generic[T]):
    """A value that is asked for when it is too old, and for a while not again when asking fails."""

    def __init__(self, life: timedelta) -> None:
        self._life = life
        self._value: tuple[T, datetime] | None = None
        self._failure: tuple[LoginRefused, datetime] | None = None

    def get(self, now: datetime, ask: Callable[[], T], oldest: timedelta | None = None) -> T:
        """Return the value, of an age below `oldest`, or else its life. Raises LoginRefused as `ask` does."""
        value = self._value
        if value is not None and now - value[1] < (oldest or self._life):
            return value[0]
        if self._failure is not None and now - self._failure[1] < PATIENCE:
            raise LoginRefused(self._failure[0].code, self._failure[0].detail)
        try:
            asked = ask()
        except LoginRefused as failure:
            self._failure = failure, now
            raise
        self._value, self._failure = (asked, now), None
        return asked


class _Known:
    """What is kept of one provider."""

    def __init__(self) -> None:
        self.document: _Kept[dict[str, Any]] = _Kept(DOCUMENT_KEPT)
        self.keys: _Kept[tuple[PublicKey, ...]] = _Kept(KEYS_KEPT)


class Providers:
    """The providers of connections. Every process asks for itself; nothing is shared between connections."""

    def __init__(self, fetcher: Fetcher, clock: Callable[[], datetime], timer: Timer = time.monotonic) -> None:
        """`timer` tells seconds that nobody sets back."""
        self._fetcher = fetcher
        self._clock = clock
        self._timer = timer
        self._circuits: OrderedDict[str, Circuit] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    def patient(self, connection_id: str) -> PatientFetcher:
        """Return what one login of a connection asks its provider with."""
        circuit = self._circuits.pop(connection_id, None) or Circuit(self._timer)
        self._circuits[connection_id] = circuit
        if len(self._circuits) > _MOST_PROVIDERS:
            self._circuits.popitem(last=False)
        return PatientFetcher(self._fetcher, circuit, self._timer)

    def provider(
        self, connection_id: str, settings: OidcSettings, trail: Trail, fetcher: Fetcher | None = None
    ) -> Provider:
        """Return the provider that a connection's settings name. Raises LoginRefused.

        `fetcher` is the login's own (`patient`), if it asks for more than this.
        """
        asking = fetcher or self.patient(connection_id)
        kept = self._of(connection_id, settings.discovery_url).document
        document = kept.get(self._clock(), lambda: discovery.believed(asking, settings))
        trail.passed(discovery.UNREACHABLE)
        trail.passed(discovery.FORM)
        return discovery.provider_of(Described(document, settings), trail)

    def keys_for(self, connection_id: str, provider: Provider, trail: Trail, fetcher: Fetcher | None = None) -> KeysFor:
        """Return how to come to the provider's keys, and to newer ones. What it returns raises LoginRefused."""
        asking = fetcher or self.patient(connection_id)
        kept = self._of(connection_id, provider.jwks_uri).keys

        def ask(again: bool) -> Sequence[PublicKey]:
            oldest = AGAIN_AFTER if again else None
            return kept.get(self._clock(), lambda: keys.fetch(asking, provider.jwks_uri, trail), oldest)

        return ask

    def _of(self, connection_id: str, url: str) -> _Known:
        place = connection_id, url
        known = self._known.pop(place, None) or _Known()
        self._known[place] = known
        if len(self._known) > _MOST_PROVIDERS:
            self._known.popitem(last=False)
        return known
