"""What a provider answers, as far as it can be used: fetched through the guarded client, of the right kind, read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from rolebridge.core.login import LoginRefused
from rolebridge.sso.oidc.checking import read_object, shown
from rolebridge.web.outgoing import Fetched, OutgoingRefused

MOST_BYTES: Final = 512 * 1024
"""Bytes of an answer: more than any discovery document, key set, or userinfo with thousands of groups has."""
SECONDS: Final = 10.0
"""Seconds for one exchange: somebody waits before a browser."""


class Fetcher(Protocol):
    """The guarded client: `web.outgoing.Outgoing`."""

    def get(self, url: str, *, headers: Mapping[str, str] | None, most_bytes: int, seconds: float) -> Fetched:
        """Return what is at a URL. Raises OutgoingRefused."""
        ...

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
        ...


def get(fetcher: Fetcher, url: str, code: str, what: str, headers: Mapping[str, str] | None = None) -> Fetched:
    """Return what is at a URL. Raises LoginRefused with `code` when nothing comes."""
    sent = {"Accept": "application/json", **(headers or {})}
    return told(code, what, lambda: fetcher.get(url, headers=sent, most_bytes=MOST_BYTES, seconds=SECONDS))


def told(code: str, what: str, ask: Callable[[], Fetched]) -> Fetched:
    """Return an answer. Raises LoginRefused with `code` where the guarded client refuses or nobody answers."""
    try:
        return ask()
    except OutgoingRefused as refused:
        raise LoginRefused(code, f"{what} cannot be fetched: {refused}") from None


def document(fetched: Fetched, code: str, unreadable: str, what: str) -> dict[str, Any]:
    """Return the JSON object that an answer with status 200 holds, whatever it calls itself.

    Raises LoginRefused: with `code` for another status, with `unreadable` for what is no JSON object.
    """
    if fetched.status != 200:
        raise LoginRefused(code, f"{what} answers with status {fetched.status}")
    return read_object(unreadable, what, fetched.body)


def check_json(fetched: Fetched, unreadable: str, what: str) -> None:
    """Refuse an answer that does not call itself JSON. Raises LoginRefused with `unreadable`."""
    kind = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise LoginRefused(unreadable, f"{what} is {shown(kind) if kind else 'of no type'}, not JSON")
