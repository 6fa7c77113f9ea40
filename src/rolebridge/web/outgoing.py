"""Calls from the bridge to URLs that somebody else named: metadata, keys, token endpoints, notices to applications.

Whoever names a URL must not learn or reach anything through the bridge (server-side request forgery). So: https only;
the name is resolved once, each of its addresses must be public (`web.reach`), and the connection goes to one of these
very addresses, so that a second answer of the resolver changes nothing; TLS proves the name; redirects are not
followed; neither proxies nor credentials of the environment are used; an answer has a size, and the whole exchange a
time, that no slow peer stretches; nothing is decompressed.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from rolebridge import __version__
from rolebridge.core.errors import RolebridgeError
from rolebridge.web.reach import Reach, read_address

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from rolebridge.web.addresses import Address

MOST_BYTES: Final = 1024 * 1024
"""Bytes of an answer's body, unless the caller says otherwise."""
SECONDS: Final = 10.0
"""Seconds for everything from the resolver to the last byte, unless the caller says otherwise."""
LONGEST_URL: Final = 2_048

_URL: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]+")
_BLOCK: Final = 64 * 1024
_CONNECT_SECONDS: Final = 5.0  # for one of several addresses

Resolver = Callable[[str, int], Sequence[str]]
"""From a host name and port to the texts of its addresses, all of them; raises OSError."""


class Reason(StrEnum):
    """Why an outgoing request did not come to an answer that can be used."""

    URL = "url"
    ADDRESS = "address"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    REDIRECT = "redirect"
    TOO_LARGE = "too-large"
    TOO_SLOW = "too-slow"
    BROKEN = "broken"


class OutgoingRefused(RolebridgeError):
    """That a request to somebody else's URL was not sent, or came to no answer. The text names no address."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: its status (never a redirect), its headers by lower-case name (the last of several), its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@lru_cache(maxsize=1)
def _system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Sends requests to URLs that somebody else named. `resolver` and `trust` are the system's, except in tests."""

    reach: Reach
    resolver: Resolver = resolve
    trust: Callable[[], ssl.SSLContext] = field(default=_system_trust, repr=False)

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = MOST_BYTES,
        seconds: float = SECONDS,
    ) -> Fetched:
        """Return what is at a URL, whatever its status except a redirect. Raises OutgoingRefused."""
        return self.send("GET", url, headers=headers, most_bytes=most_bytes, seconds=seconds)

    def post(
        self,
        url: str,
        body: bytes,
        content_type: str,
        *,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = MOST_BYTES,
        seconds: float = SECONDS,
    ) -> Fetched:
        """Send a body and return the answer, whatever its status except a redirect. Raises OutgoingRefused."""
        sent = {**(headers or {}), "Content-Type": content_type}
        return self.send("POST", url, body, headers=sent, most_bytes=most_bytes, seconds=seconds)

    def send(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = MOST_BYTES,
        seconds: float = SECONDS,
    ) -> Fetched:
        """Send a request and return the answer, whatever its status except a redirect. Raises OutgoingRefused."""
        place = self._place(url)
        deadline = _Deadline(seconds)
        try:
            line = _Line(place, self._addresses(place, deadline), self.trust, deadline)
            try:
                line.request(method, place.target, body, _headers(headers or {}))
                return _read(line.getresponse(), place.host, most_bytes)
            finally:
                line.hang_up()
        except TimeoutError:
            raise _slow(place.host, seconds) from None
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message or "the certificate is not accepted"
            raise OutgoingRefused(Reason.TLS, f"`{place.host}` does not prove its name: {why}") from None
        except ssl.SSLError as error:
            raise OutgoingRefused(Reason.TLS, f"`{place.host}`: TLS fails ({error.reason or 'no reason'})") from None
        except http.client.HTTPException as error:
            why = type(error).__name__
            raise OutgoingRefused(Reason.BROKEN, f"`{place.host}` does not answer in HTTP ({why})") from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise OutgoingRefused(Reason.UNREACHABLE, f"`{place.host}` does not answer: {why}") from None

    def check(self, url: str) -> None:
        """Raise OutgoingRefused if a URL could not be called whatever its host's addresses are; asks no resolver."""
        self._place(url)

    def _place(self, url: str) -> _Place:
        place = _read_url(url)
        if not place.secure and not self.reach.loopback:
            raise _bad_url("must begin with `https://`")
        return place

    def _addresses(self, place: _Place, deadline: _Deadline) -> list[str]:
        """Return the addresses of a host, each of which may be called: one that may not refuses them all."""
        texts = _within(deadline, lambda: self.resolver(place.host, place.port))
        if not texts:
            raise OutgoingRefused(Reason.UNREACHABLE, f"`{place.host}` has no address")
        for text in texts:
            address = read_address(text)
            why = self.reach.forbids(address) or _unsafe(place, address)
            if why is not None:
                raise OutgoingRefused(Reason.ADDRESS, f"`{place.host}` has {why}; {_SETTING}")
        return list(dict.fromkeys(texts))


_SETTING: Final = "`outgoing_networks` says which networks may be called all the same"


@dataclass(frozen=True, slots=True)
class _Place:
    """A URL, read: how the host is named, where it listens, what is asked of it."""

    secure: bool
    host: str
    port: int
    named: str
    target: str


def _read_url(url: str) -> _Place:
    if len(url) > LONGEST_URL:
        raise _bad_url(f"has more than {LONGEST_URL:,} characters")
    if not _URL.fullmatch(url) or "\\" in url:
        raise _bad_url("holds characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url("is not a URL") from None
    host = parts.hostname or ""
    if parts.scheme not in {"https", "http"} or not _HOST.fullmatch(host):
        raise _bad_url("must begin with `https://` and the name of a host")
    if "@" in parts.netloc:
        raise _bad_url("must not carry a user or password")
    if parts.fragment or url.endswith("#"):
        raise _bad_url("must end before any `#`")
    secure = parts.scheme == "https"
    if port == 0:
        raise _bad_url("names port 0")
    return _Place(secure, host, port or (443 if secure else 80), _named(parts), _target(parts))


def _named(parts: SplitResult) -> str:
    return parts.netloc.lower()


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _bad_url(why: str) -> OutgoingRefused:
    return OutgoingRefused(Reason.URL, f"the URL {why}")


def _unsafe(place: _Place, address: Address) -> str | None:
    """Return why plain HTTP may not go to an address: it stays on this machine."""
    return None if place.secure or address.is_loopback else "another machine's address, which is called by https only"


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    fixed = {"User-Agent": f"rolebridge/{__version__}", "Accept-Encoding": "identity", "Connection": "close"}
    return {"Accept": "*/*", **given, **fixed}


def _read(answer: http.client.HTTPResponse, host: str, most: int) -> Fetched:
    if answer.status < 200:
        raise http.client.UnknownProtocol(str(answer.status))
    if 300 <= answer.status < 400:
        raise OutgoingRefused(Reason.REDIRECT, f"`{host}` redirects ({answer.status}); redirects are not followed")
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise OutgoingRefused(Reason.BROKEN, f"`{host}` compresses its answer, which was not asked for")
    if answer.length is not None and answer.length > most:
        raise _large(host, most)
    body = bytearray()
    while block := answer.read1(_BLOCK):
        body += block
        if len(body) > most:
            raise _large(host, most)
    if answer.length:  # `read1` takes the end of the line for the end of the answer
        raise http.client.IncompleteRead(b"", answer.length)
    return Fetched(answer.status, {name.lower(): value for name, value in answer.headers.items()}, bytes(body))


def _large(host: str, most: int) -> OutgoingRefused:
    return OutgoingRefused(Reason.TOO_LARGE, f"`{host}` answers with more than {most:,} bytes")


def _slow(host: str, seconds: float) -> OutgoingRefused:
    return OutgoingRefused(Reason.TOO_SLOW, f"`{host}` has not answered within {seconds:g} seconds")


# --- time ------------------------------------------------------------------------------------------------------------


class _Deadline:
    """The moment at which an exchange ends, whatever it does."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError when none are."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _within(deadline: _Deadline, ask: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Return what a resolver says; one that says nothing in time is left to itself, as it cannot be stopped."""
    said: list[Sequence[str]] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            said.append(ask())
        except BaseException as error:  # noqa: BLE001 - whatever it is: it is raised by the caller's thread
            failed.append(error)

    asking = threading.Thread(target=run, name="resolver", daemon=True)
    asking.start()
    asking.join(deadline.left())
    for error in failed:
        if isinstance(error, OSError | UnicodeError):
            raise OSError(0, "its name has no address") from error
        raise error
    if not said:
        raise TimeoutError
    return said[0]


# --- the line --------------------------------------------------------------------------------------------------------


class _Line(http.client.HTTPConnection):
    """A connection to a host at addresses that were looked at, over which each step keeps the deadline."""

    def __init__(
        self, place: _Place, addresses: Sequence[str], trust: Callable[[], ssl.SSLContext], deadline: _Deadline
    ) -> None:
        super().__init__(place.host, place.port)
        self._place = place
        self._addresses = addresses
        self._trust = trust
        self._deadline = deadline
        self._line: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the first address that answers and, over https, let the host prove its name."""
        line = self._line = self._connected()
        if self._place.secure:
            line.settimeout(self._deadline.left())
            line = self._line = self._trust().wrap_socket(line, server_hostname=self._place.host)
        self.sock = _Timed(line, self._deadline)  # http.client asks a socket for its methods and no others

    def hang_up(self) -> None:
        """End the connection."""
        if self._line is not None:
            self._line.close()

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        """Begin a request, with the host as the URL names it, and no encoding but the one that was asked for."""
        super().putrequest(method, url, skip_host=True, skip_accept_encoding=True)
        self.putheader("Host", self._place.named)

    def _connected(self) -> socket.socket:
        last: OSError = OSError(0, "no address")
        for text in self._addresses:
            left = self._deadline.left()
            patience = left if text == self._addresses[-1] else min(left, _CONNECT_SECONDS)
            try:
                return socket.create_connection((text, self._place.port), patience)
            except OSError as error:
                last = error
        raise last


class _Timed:
    """A socket of which every step ends with the deadline, however little each one brings."""

    def __init__(self, line: socket.socket, deadline: _Deadline) -> None:
        self._line = line
        self._deadline = deadline

    def sendall(self, data: ReadableBuffer) -> None:
        """Send bytes."""
        rest = memoryview(data).cast("B")
        while rest:
            self._line.settimeout(self._deadline.left())
            rest = rest[self._line.send(rest[:_BLOCK]) :]

    def makefile(self, mode: str) -> IO[bytes]:
        """Return what arrives, as a file."""
        return io.BufferedReader(_Arriving(self._line, self._deadline))

    def close(self) -> None:
        """Do nothing: http.client hangs up before the body is read, `_Line.hang_up` after it."""


class _Arriving(io.RawIOBase):
    """The bytes that arrive on a socket, until the deadline."""

    def __init__(self, line: socket.socket, deadline: _Deadline) -> None:
        self._line = line
        self._deadline = deadline

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what there is."""
        self._line.settimeout(self._deadline.left())
        return self._line.recv_into(memoryview(buffer).cast("B"))
