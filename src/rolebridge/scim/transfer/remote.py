"""Another SCIM server as a source: its users and groups, page by page (RFC 7644 §3.4.2.4, RFC 9865).

Its operator is ours, its answers are not trusted: bounded in size and time, never redirected, and read like a file.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from rolebridge import __version__
from rolebridge.bridge.import_entries import Named
from rolebridge.core.errors import Invalid, Unavailable
from rolebridge.scim.bodies import parse_body
from rolebridge.scim.errors import ScimError
from rolebridge.scim.transfer.rows import Mark, Row

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of one answer: a page of groups with their members."""
DEADLINE: Final = 30.0
"""Seconds that one answer may take."""
PAGE: Final = 100
PATIENCE: Final = 5
"""How often a request is sent again that the server puts off (429, 503), each time after at most `LONGEST_WAIT`."""
LONGEST_WAIT: Final = 60
LONGEST_TOKEN: Final = 4_000
"""Characters of a cursor and an id that an import remembers to go on from."""
_BLOCK: Final = 256 * 1024


@dataclass(slots=True)
class ScimServer:
    """A SCIM server by its base URL, `https://…` or on this machine, and a bearer token for it."""

    url: str
    token: str = field(repr=False)
    wait: Callable[[float], None] = time.sleep
    name: str = field(init=False)
    mixed: bool = False
    header: bytes = b""
    size: int | None = None
    _origin: tuple[bool, str, int | None] = field(init=False)
    _path: str = field(init=False)
    _line: http.client.HTTPConnection | None = field(init=False, default=None)
    _cursors: bool | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError as error:
            raise Invalid(f"`{self.url}` is no URL: {error}", "from-url") from error
        host = parts.hostname or ""
        if not host or parts.username is not None or parts.query or parts.fragment:
            raise Invalid(f"`{self.url}` is no base URL such as `https://scim.example/v2`", "from-url")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(host)):
            raise Invalid(f"`{self.url}`: a token goes over https only, or to this machine", "from-url")
        if not self.token.isascii() or not self.token.isprintable() or not self.token or " " in self.token:
            raise Invalid("the token is empty or holds characters that no bearer token has", "token-file")
        self._origin = (parts.scheme == "https", host, port)
        self._path = parts.path.rstrip("/")
        self.name = self.url.rstrip("/")

    def rows(self, kind: Named, after: Mark) -> Iterator[Row]:
        """Yield the users after a place, or else the groups. Raises Invalid and Unavailable."""
        endpoint = _endpoint(kind)
        begin = _Place.read(after.token) if after.token else None
        passed = begin.passed if begin else 0
        number = after.row
        pages = self._by_cursor(endpoint, begin) if self._has_cursors() else self._by_index(endpoint, begin)
        for page, resources in pages:
            for place, resource in enumerate(resources[passed:], passed + 1):
                number += 1
                token = _Place(page, place, _id_of(resource)).token
                yield self._row(endpoint, resource, Mark(number, number, token))
            passed = 0

    def stands(self, kind: Named, after: Mark) -> bool:
        """Return whether the last resource that was read is still where it was. Raises Invalid and Unavailable."""
        if not after.token:
            return after.row == 0
        place = _Place.read(after.token)
        if isinstance(place.page, str) is not self._has_cursors():
            return False
        query = {"cursor": place.page} if isinstance(place.page, str) else {"startIndex": str(place.page)}
        try:
            resources = _resources(self._get(f"/{_endpoint(kind)}", **query, count=str(PAGE)))
        except _Refused:  # a cursor that is too old
            return False
        return len(resources) >= place.passed and _id_of(resources[place.passed - 1]) == place.id

    def _row(self, endpoint: str, resource: Any, mark: Mark) -> Row:
        named = Named.USER if endpoint == "Users" else Named.GROUP
        raw = json.dumps(resource, ensure_ascii=False).encode("utf-8", "replace")
        if not isinstance(resource, dict):
            return Row(f"{self.name}/{endpoint}#{mark.row}", raw, mark, problem="not a JSON object", named=named)
        id_ = _id_of(resource)
        place = f"{self.name}/{endpoint}" if id_ is None else f"{self.name}/{endpoint}/{quote(id_, safe='')}"
        return Row(place, raw, mark, resource, named=named)

    def close(self) -> None:
        """Hang up."""
        self._hang_up()

    # --- pages

    def _has_cursors(self) -> bool:
        if self._cursors is None:
            self._cursors = self._offers_cursors()
        return self._cursors

    def _offers_cursors(self) -> bool:
        try:
            config = self._get("/ServiceProviderConfig")
        except _NotThere:
            return False
        pagination = config.get("pagination")
        return isinstance(pagination, dict) and pagination.get("cursor") is True

    def _by_cursor(self, endpoint: str, begin: _Place | None) -> Iterator[tuple[str, list[Any]]]:
        seen: set[int] = set()
        cursor = str(begin.page) if begin else ""
        while True:
            page = self._get(f"/{endpoint}", cursor=cursor, count=str(PAGE))
            yield cursor, _resources(page)
            following = page.get("nextCursor")
            if not isinstance(following, str) or not following:
                return
            if hash(following) in seen:
                raise Invalid(f"{self.name}/{endpoint}: the server gave the same cursor twice")
            seen.add(hash(following))
            cursor = following

    def _by_index(self, endpoint: str, begin: _Place | None) -> Iterator[tuple[int, list[Any]]]:
        start = int(begin.page) if begin else 1
        while True:
            page = self._get(f"/{endpoint}", startIndex=str(start), count=str(PAGE))
            resources = _resources(page)
            if resources:
                yield start, resources
            start += len(resources)
            total = page.get("totalResults")
            if not resources or not isinstance(total, int) or start > total:
                return

    # --- HTTP

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        target = f"{self._path}{path}" + (f"?{urlencode(query)}" if query else "")
        status, headers, body = self._exchange(target)
        for attempt in range(PATIENCE):
            if status not in {429, 503}:
                break
            self.wait(_wait(headers.get("Retry-After"), attempt))
            status, headers, body = self._exchange(target)
        return self._read(f"{self.name}{path}", status, body)

    def _read(self, place: str, status: int, body: bytes) -> dict[str, Any]:
        if status == 404:
            raise _NotThere(f"{place}: there is nothing (404)")
        if status in {400, 410}:
            raise _Refused(f"{place}: the server refuses the question ({status})")
        if status >= 500 or status == 429:
            raise Unavailable(f"{place}: the server answers {status}")
        if status != 200:
            why = {401: "the token is not accepted", 403: "the token may not read this"}.get(status, "not an answer")
            redirected = "redirects are not followed" if 300 <= status < 400 else why
            raise Invalid(f"{place}: {redirected} ({status})")
        try:
            answer = parse_body(body)
        except ScimError as error:
            raise Invalid(f"{place}: {error}".replace("the body", "the answer", 1)) from error
        if not isinstance(answer, dict):
            raise Invalid(f"{place}: the answer is not a JSON object")
        return answer

    def _exchange(self, target: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request; once more on a new line if the server has hung up the old one."""
        kept = self._line is not None
        try:
            return self._send(target)
        except (http.client.HTTPException, OSError) as error:
            self._hang_up()
            if kept and isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                return self._exchange(target)
            raise Unavailable(f"{self.name} does not answer: {_told(error)}") from error

    def _send(self, target: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        line = self._line = self._line or self._connect()
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/scim+json, application/json",
            "User-Agent": f"rolebridge/{__version__}",
        }
        until = time.monotonic() + DEADLINE
        line.request("GET", target, headers=headers)
        answer = line.getresponse()
        body = bytearray()
        while block := answer.read1(_BLOCK):
            body += block
            if len(body) > MAX_ANSWER:
                self._hang_up()
                raise Invalid(f"{self.name}: an answer has more than {MAX_ANSWER:,} bytes")
            if time.monotonic() > until:
                raise TimeoutError(f"an answer took more than {DEADLINE:.0f} seconds")
        if answer.length:  # `read1` takes the end of the line for the end of the answer
            raise http.client.IncompleteRead(bytes(body), answer.length)
        answer.close()  # the line stays open for the next request
        if answer.will_close:
            self._hang_up()
        return answer.status, answer.headers, bytes(body)

    def _connect(self) -> http.client.HTTPConnection:
        secure, host, port = self._origin
        if secure:
            return http.client.HTTPSConnection(host, port, timeout=DEADLINE, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=DEADLINE)

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class _Refused(Invalid):
    """That the server does not take what it was asked."""


class _NotThere(_Refused):
    """That the server has nothing at a path."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the pages of a server: a page, by its cursor or its startIndex, and how far it was read.

    `id` is that of the last resource that was read.
    """

    page: str | int
    passed: int
    id: str | None

    @property
    def token(self) -> str:
        """Return the place as text; empty if it cannot be told, or not in few words."""
        if self.id is None or len(self.id) + len(str(self.page)) > LONGEST_TOKEN:
            return ""
        return json.dumps([self.page, self.passed, self.id])

    @classmethod
    def read(cls, token: str) -> _Place:
        """Return the place whose `token` this is."""
        return cls(*json.loads(token))


def _endpoint(kind: Named) -> str:
    return "Users" if kind is Named.USER else "Groups"


def _id_of(resource: Any) -> str | None:
    id_ = resource.get("id") if isinstance(resource, dict) else None
    return id_ if isinstance(id_, str) and id_ else None


def _resources(page: dict[str, Any]) -> list[Any]:
    resources = page.get("Resources", [])
    if not isinstance(resources, list):
        raise Invalid("an answer's `Resources` is not a list")
    return resources


def _wait(retry_after: str | None, attempt: int) -> float:
    asked = int(retry_after) if retry_after and retry_after.isdecimal() and len(retry_after) < 6 else 2**attempt
    return min(max(asked, 1), LONGEST_WAIT)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
