"""Serves a WSGI application through ASGI, so that a slow client delays nobody else.

The application is synchronous and its process has one thread: whatever the application waits for, everybody
waits for. So it never waits for a client. A request's body is awaited here, under a cap and a deadline, and is
complete before the application is called; the application is then called inline, as its work is short; the
blocks of a long answer are awaited one by one, each under a deadline, and others get their turn in between.

A streamed answer is therefore interleaved with other requests *in the same thread*: an iterable that keeps a
database cursor open between two blocks must own its connection.

Sources: PEP 3333 (WSGI), the ASGI 3.0 specification, RFC 9110 and RFC 9112 (HTTP).
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from rolebridge.web.requests import Request, begin_request, current_request_id

if TYPE_CHECKING:
    from types import TracebackType
    from wsgiref.types import WSGIApplication, WSGIEnvironment

logger = logging.getLogger("rolebridge.web")

Headers = list[tuple[str, str]]
ErrorBody = Callable[[int, str, str], tuple[Headers, bytes]]
"""(status, one line for people, path of the request) → (headers, body): how the face at that path refuses."""

Scope = Mapping[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MIB = 1024 * 1024
RETRY_AFTER = "5"
"""Seconds: some of the bodies that fill the memory will have arrived or failed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of a process, in bytes and seconds.

    `body` caps one request's body (413), `buffered` all bodies that the process holds at one time (503);
    `body_seconds` is the time for one whole body to arrive (408), `write_seconds` the time for the client to
    make room for the next block of a streamed answer (the connection is closed).
    """

    body: int = 16 * MIB
    buffered: int = 64 * MIB
    body_seconds: float = 30.0
    write_seconds: float = 30.0


def problem(status: int, detail: str, path: str) -> tuple[Headers, bytes]:
    """Return a problem document (RFC 9457), the refusal of a path that belongs to no particular face."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return [("Content-Type", "application/problem+json")], json.dumps(document).encode()


Refused = Callable[[Request, int, str], None]
"""(request without query and body, status, one line for people): is told of what never reached the application."""


Answered = Callable[[str, str, int, float], None]
"""(method, path, status, seconds from the complete request to the end of the answer): is told of every answer."""


def tell_nobody(request: Request, status: int, detail: str) -> None:
    """Keep a refusal to oneself."""


def count_nothing(method: str, path: str, status: int, seconds: float) -> None:
    """Keep an answer to oneself."""


def _nothing() -> None:
    """Have nothing to close."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a worker serves, for applications that want to know more than their requests.

    `close` is called when the worker stops in an orderly way, after its last request. `headers` are added to every
    answer that does not have them.
    """

    application: WSGIApplication
    refused: Refused = tell_nobody
    close: Callable[[], None] = _nothing
    answered: Answered = count_nothing
    headers: tuple[tuple[str, str], ...] = ()


class _Refusal(Exception):
    """That the request is answered here, with `status`, and never reaches the application."""

    def __init__(self, status: HTTPStatus, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class _Body:
    """A request's body as far as it is here; `size` bytes are counted as buffered."""

    __slots__ = ("data", "size")

    def __init__(self) -> None:
        self.data = BytesIO()
        self.size = 0


class _Abandoned(Exception):
    """That nobody waits for the rest of a streamed answer any more."""


class WSGIAdapter:
    """An ASGI application that answers with a WSGI application, one call at a time.

    `error_body` words the refusals made here: 400, 408, 413, 431, 501 and 503, and the 500 for an exception that the
    application let through. They carry an `X-Request-Id` of their own, and `refused` is told of them.

    `answered` is told of every answer; `headers` are added to those that do not have them.
    """

    def __init__(
        self,
        application: WSGIApplication,
        limits: Limits | None = None,
        error_body: ErrorBody = problem,
        refused: Refused = tell_nobody,
        *,
        answered: Answered = count_nothing,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._application = application
        self._limits = limits or Limits()
        self._error_body = error_body
        self._refused = refused
        self._answered = answered
        self._headers = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        answer = _Answer(scope["method"], send, self._limits.write_seconds, self._headers)
        body = _Body()
        began = perf_counter()
        try:
            environ = environ_of(scope)
            environ["wsgi.input"] = body.data
            announced = _announced_length(environ)
            if announced != 0:
                await self._receive(body, receive, announced)
                environ["CONTENT_LENGTH"] = str(body.size)
                began = perf_counter()  # how fast a client sends is not ours to measure
            await self._respond(environ, answer, receive)
        except _Refusal as refusal:
            request_id = begin_request()
            logger.info("request %s: %.20s refused: %s", request_id, scope["method"], refusal.detail)
            self._release(body)
            await self._refuse(refusal, request_id, scope, answer)
            if refusal.status != HTTPStatus.REQUEST_TIMEOUT:  # who was too slow sends nothing now either
                await _discard(receive, self._limits)
        except _Abandoned as reason:
            logger.info("abandoned the answer to %.20s: %s", scope["method"], reason)
        except Exception:  # the last place that can turn a defect into an answer and a log line
            request_id = begin_request()
            logger.exception("request %s: %.20s failed", request_id, scope["method"])
            if not answer.begun:  # what has begun is cut off instead, which the client can tell
                detail = f"an unexpected error; the server's log tells it under request id `{request_id}`"
                failure = _Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
                await self._refuse(failure, request_id, scope, answer)
        finally:
            self._release(body)
            self._answered(scope["method"], scope["path"], answer.status, perf_counter() - began)
            current_request_id.set("")

    async def _receive(self, body: _Body, receive: Receive, announced: int | None) -> None:
        """Fill `body` with the complete body of the request; `announced` is its size, None for a chunked one."""
        limits = self._limits
        if announced is not None and announced > limits.body:
            raise _too_large(limits)
        try:
            async with asyncio.timeout(limits.body_seconds):
                more = True
                while more and body.size != announced:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _Refusal(HTTPStatus.BAD_REQUEST, "the request's body ended early")
                    self._keep(message["body"], body)
                    more = message["more_body"]
        except TimeoutError:
            late = f"the request's body did not arrive within {limits.body_seconds:g} seconds"
            raise _Refusal(HTTPStatus.REQUEST_TIMEOUT, late) from None
        body.data.seek(0)

    def _keep(self, chunk: bytes, body: _Body) -> None:
        """Add `chunk` to `body`. Memory is counted as it fills: announcing a large body keeps nobody else out."""
        if body.size + len(chunk) > self._limits.body:
            raise _too_large(self._limits)
        if self._buffered + len(chunk) > self._limits.buffered:
            busy = "too many request bodies are arriving at this time"
            raise _Refusal(HTTPStatus.SERVICE_UNAVAILABLE, busy, ("Retry-After", RETRY_AFTER))
        body.data.write(chunk)
        body.size += len(chunk)
        self._buffered += len(chunk)

    def _release(self, body: _Body) -> None:
        self._buffered -= body.size
        body.data, body.size = BytesIO(), 0

    async def _respond(self, environ: WSGIEnvironment, answer: _Answer, receive: Receive) -> None:
        """Call the application and send what it answers; its iterable is closed in any case."""
        blocks = self._application(environ, answer.start_response)
        try:
            if isinstance(blocks, (list, tuple)):
                await answer.send_whole(b"".join(blocks))
            else:
                await _stream(iter(blocks), answer, receive)
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()

    async def _refuse(self, refusal: _Refusal, request_id: str, scope: Scope, answer: _Answer) -> None:
        self._refused(_refused_request(scope, request_id), refusal.status, refusal.detail)
        headers, body = self._error_body(refusal.status, refusal.detail, scope["path"])
        answer.replace(refusal.status, [*headers, *refusal.headers, ("X-Request-Id", request_id)])
        await answer.send_whole(body)


class _Answer:
    """One answer on its way out: what `start_response` was told, and whether the client has seen any of it."""

    __slots__ = ("_bodiless", "_deadline", "_send", "_standing", "_written", "begun", "headers", "status")

    def __init__(self, method: str, send: Send, deadline: float, standing: tuple[tuple[bytes, bytes], ...]) -> None:
        self.status = 0
        self.headers: Headers = []
        self.begun = False
        self._bodiless = method == "HEAD"
        self._send = send
        self._deadline = deadline
        self._standing = standing
        self._written: list[bytes] = []

    def start_response(
        self,
        status: str,
        headers: Headers,
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
    ) -> Callable[[bytes], object]:
        """Take status and headers (PEP 3333); nothing is sent before the application returns."""
        if exc_info and exc_info[1] and self.begun:
            raise exc_info[1]
        if self.status and not exc_info:
            raise RuntimeError("start_response was called twice")
        self.status = int(status[:3])
        self.headers = headers
        return self._written.append

    def replace(self, status: int, headers: Headers) -> None:
        """Forget what the application has said; nothing of it has been sent."""
        self.status = status
        self.headers = headers
        self._written = []

    @property
    def bodiless(self) -> bool:
        """Whether HTTP allows this answer no body (RFC 9110 §9.3.2, §15.3.5, §15.4.5)."""
        return self._bodiless or self.status in {204, 304}

    def is_whole(self, block: bytes) -> bool:
        """Whether `block` is all the body that the headers announce."""
        size = str(len(block))
        return any(value == size and name.lower() == "content-length" for name, value in self.headers)

    async def send_whole(self, body: bytes) -> None:
        """Send the complete answer in one piece."""
        if self._written:
            body = b"".join(self._written) + body
        await self._begin()
        await self._send({"type": "http.response.body", "body": b"" if self.bodiless else body})

    async def send_block(self, block: bytes) -> None:
        """Send the next part of the body once the client has made room for it, then let others have a turn."""
        if not isinstance(block, bytes):
            raise TypeError(f"a block of the answer is {type(block).__name__}, not bytes")
        try:
            async with asyncio.timeout(self._deadline):
                if not self.begun:
                    block = b"".join(self._written) + block
                    await self._begin()
                await self._send({"type": "http.response.body", "body": block, "more_body": True})
        except TimeoutError:
            raise _Abandoned(f"the client read nothing for {self._deadline:g} seconds") from None
        # Sending into a buffer that has room does not wait, and a fast reader always makes room.
        await asyncio.sleep(0)

    async def end(self) -> None:
        """Say that the streamed body is complete. Without it the connection is cut, and the client can tell."""
        await self._send({"type": "http.response.body", "body": b""})

    async def _begin(self) -> None:
        if not self.status:
            raise RuntimeError("the application answered without calling start_response")
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        if self._standing:
            there = {name for name, _ in headers}
            headers += [one for one in self._standing if one[0] not in there]
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        self.begun = True


async def _stream(blocks: Iterator[bytes], answer: _Answer, receive: Receive) -> None:
    """Send the blocks of an iterable: in one piece if the first is all there is, as they come otherwise."""
    first = next(blocks, None)  # an application may call start_response as late as here
    if first is None or answer.bodiless or answer.is_whole(first):
        await answer.send_whole(first or b"")
        return
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await answer.send_block(first)
        for block in blocks:
            if gone.done():
                raise _Abandoned("the client went away")
            await answer.send_block(block)
        await answer.end()
    finally:
        gone.cancel()


async def _disconnect(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _refused_request(scope: Scope, request_id: str) -> Request:
    """Return what is known of a request that is not read any further."""
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    headers = {"user-agent": agent.decode("latin-1")}
    peer = scope["client"][0].removeprefix(_MAPPED)
    return Request(scope["method"], scope["path"], (), headers, b"", request_id, peer)


async def _discard(receive: Receive, limits: Limits) -> None:
    """Read on for a while after a refusal, keeping nothing.

    A connection that is closed with unread data is reset, and many clients then never see the answer.
    """
    left = limits.body
    try:
        async with asyncio.timeout(min(2.0, limits.body_seconds)):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message["more_body"]:
                    return
                left -= len(message["body"])
    except TimeoutError:
        return


def _too_large(limits: Limits) -> _Refusal:
    return _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request's body is larger than {limits.body} bytes")


# What every environ has in common. Nothing of the process's own environment is in it: it holds secrets.
_COMMON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "rolebridge",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}

# A second one of these is never a list: it is an attempt to make two parties read one request differently.
_SINGLE = {"HTTP_HOST", "HTTP_AUTHORIZATION", "CONTENT_TYPE"}

# Real names stay far below this; the bound keeps the memory of the cache below small.
_LONGEST_NAME = 128

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")

_PROTOCOLS = {"1": "HTTP/1.0", "1.1": "HTTP/1.1"}

_MAPPED = "::ffff:"
"""How an IPv4 client looks to a socket that listens for both families (RFC 4291 §2.5.5.2)."""


def environ_of(scope: Scope) -> WSGIEnvironment:
    """Return the WSGI environ of an HTTP scope, all but `wsgi.input`; raise a refusal for what no client sends.

    `PATH_INFO` holds the percent-decoded bytes of the path as Latin-1 (PEP 3333). `%2F` becomes `/` like
    everywhere in WSGI; `//` and `..` stay as they were sent, so they match no route.
    """
    server, client = scope["server"], scope["client"]
    environ: WSGIEnvironment = {
        **_COMMON,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": _path_info(scope["raw_path"]),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": _PROTOCOLS[scope["http_version"]],
        "REMOTE_ADDR": client[0].removeprefix(_MAPPED),
        "wsgi.url_scheme": scope["scheme"],
    }
    _add_headers(environ, scope["headers"])
    if not environ.get("HTTP_HOST"):
        if scope["http_version"] == "1.1":
            raise _Refusal(HTTPStatus.BAD_REQUEST, "the request has no Host header")  # RFC 9112 §3.2
        environ.pop("HTTP_HOST", None)
    return environ


def _add_headers(environ: WSGIEnvironment, headers: Iterable[tuple[bytes, bytes]]) -> None:
    for name, raw in headers:
        if len(name) > _LONGEST_NAME:
            raise _Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "a header's name is too long")
        key = _variable(name)
        if key is None:
            continue
        value = raw.decode("latin-1")
        if key in environ:
            if key in _SINGLE:
                raise _Refusal(HTTPStatus.BAD_REQUEST, f"the header `{name.decode()}` is given twice")
            value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
        environ[key] = value


@lru_cache(maxsize=512)
def _variable(name: bytes) -> str | None:
    """Return the environ key of a header, None for a header that is dropped.

    `X_User` and `X-User` have one key, so a proxy that vets the second would be passed by the first.
    """
    if b"_" in name:
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def _path_info(raw: bytes) -> str:
    path = unquote_to_bytes(raw) if b"%" in raw else raw
    if not path.startswith(b"/"):
        raise _Refusal(HTTPStatus.BAD_REQUEST, "the request's target is not a path")
    if _CONTROL.search(path):
        raise _Refusal(HTTPStatus.BAD_REQUEST, "the request's path contains a control character")
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        raise _Refusal(HTTPStatus.BAD_REQUEST, "the request's path is not UTF-8") from None
    return path.decode("latin-1")


def _announced_length(environ: WSGIEnvironment) -> int | None:
    """Return the announced size of the body in bytes: 0 without one, None if it comes in chunks of any size.

    The server has checked both headers: the length is one number, and where there is a transfer coding it has
    dropped the length and will close the connection (RFC 9112 §6.3). The transfer coding is undone before the
    application is called, so the application is told nothing about it.
    """
    coding = environ.pop("HTTP_TRANSFER_ENCODING", None)
    if coding is None:
        return int(environ.get("CONTENT_LENGTH", 0))
    if coding.strip().lower() != "chunked":
        raise _Refusal(HTTPStatus.NOT_IMPLEMENTED, "the only transfer coding that is understood is `chunked`")
    return None
