"""How long a login may wait for its provider: a few seconds in all, and not at all where nobody answered just now.

Somebody waits before a browser, and behind them whoever else the same process serves: a provider that is slow must not
stop the others. What answers at once, even by an error, opens no circuit: only time that is lost counts, so nobody can
close a connection by sending nonsense to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rolebridge.sso.oidc.fetching import Fetcher
from rolebridge.web.outgoing import Fetched, OutgoingRefused, Reason

LOGIN_SECONDS: Final = 5.0
"""Seconds that all exchanges of one login may take together."""
LOST_SECONDS: Final = 1.0
"""Seconds that an exchange without an answer may take and still be no reason to ask nobody else."""
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 60.0
"""Seconds for which a provider is not asked after it has not answered; each pause is twice the one before."""

Timer = Callable[[], float]
"""Tells seconds that nobody sets back."""


class Circuit:
    """Whether the provider of a connection is asked at all."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._failures = 0
        self._open_until = 0.0

    def check(self) -> None:
        """Raise OutgoingRefused while the provider is not asked."""
        left = self._open_until - self._timer()
        if self._failures and left > 0:
            told = f"it did not answer a moment ago, and is asked again in {max(left, 1):.0f} s"
            raise OutgoingRefused(Reason.TOO_SLOW, told)

    def failed(self) -> None:
        """Note that time was lost, and nobody answered."""
        pause = min(FIRST_PAUSE * 2 ** min(self._failures, 10), LONGEST_PAUSE)
        self._failures, self._open_until = self._failures + 1, self._timer() + pause

    def worked(self) -> None:
        """Note that somebody answered."""
        self._failures = 0


class PatientFetcher:
    """The guarded client for one login: a `Fetcher` whose patience ends."""

    def __init__(self, fetcher: Fetcher, circuit: Circuit, timer: Timer) -> None:
        self._fetcher = fetcher
        self._circuit = circuit
        self._timer = timer
        self._spent = 0.0

    def get(self, url: str, *, headers: Mapping[str, str] | None, most_bytes: int, seconds: float) -> Fetched:
        """Return what is at a URL. Raises OutgoingRefused."""
        how: dict[str, Any] = {"headers": headers, "most_bytes": most_bytes}
        return self._sent(seconds, lambda left: self._fetcher.get(url, **how, seconds=left))

    def post(
        self,
        url: str,
        body: bytes,
        content_type: str,
        *,
        headers: Mapping[str, str] | None,
        most_bytes: int,
        seconds: float,
    ) -> Fetched:
        """Send a body and return the answer. Raises OutgoingRefused."""
        how: dict[str, Any] = {"headers": headers, "most_bytes": most_bytes}
        return self._sent(seconds, lambda left: self._fetcher.post(url, body, content_type, **how, seconds=left))

    def _sent(self, seconds: float, send: Callable[[float], Fetched]) -> Fetched:
        self._circuit.check()
        left = LOGIN_SECONDS - self._spent
        if left <= 0:
            raise OutgoingRefused(Reason.TOO_SLOW, f"the login has waited for {LOGIN_SECONDS:g} seconds already")
        began = self._timer()
        try:
            answer = send(min(seconds, left))
        except OutgoingRefused:
            self._spent += self._timer() - began
            if self._spent >= LOST_SECONDS:
                self._circuit.failed()
            raise
        self._spent += self._timer() - began
        self._circuit.worked()
        return answer
