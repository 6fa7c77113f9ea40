"""WSGI without a framework (PEP 3333): an environ becomes a `Request`, a `Response` what the server sends.

For a door whose requests are many and short. Nothing is looked at that the handlers do not ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from rolebridge.web.requests import Response

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID: Final = "X-Request-Id"
"""The answer's header that names the request, as log and audit do."""

_STATUS: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_WITHOUT_BODY: Final = frozenset({204, 304})  # RFC 9110 §15.3.5, §15.4.5: and without a length


class BodyRefused(Exception):
    """That a body is not read, or not whole: `status` is 413 or 400, `str()` one line for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def mounted(application: WSGIApplication, path: str, otherwise: WSGIApplication) -> WSGIApplication:
    """Return an application that answers at `path` and below with one application, elsewhere with another.

    Slashes too many at the beginning of a request's path mean nothing, as in Flask.
    """
    below = f"{path}/"

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked: str = environ.get("PATH_INFO", "")
        if asked.startswith("//"):
            asked = environ["PATH_INFO"] = f"/{asked.lstrip('/')}"
        chosen = application if asked.startswith(below) or asked == path else otherwise
        return chosen(environ, start_response)

    return answer


def path_below(environ: WSGIEnvironment, mount: str) -> str:
    """Return the path of a request to something mounted at `mount`, relative to that, "/" at least."""
    path: str = environ["PATH_INFO"][len(mount) :]
    if not path.isascii():
        path = path.encode("latin-1").decode(errors="replace")
    return path or "/"


def query_of(environ: WSGIEnvironment) -> tuple[tuple[str, str], ...]:
    """Return the parameters of a request, decoded, in their order. Bytes that are no UTF-8 become U+FFFD."""
    text: str = environ.get("QUERY_STRING", "")
    if not text:
        return ()
    if not text.isascii():
        text = text.encode("latin-1").decode(errors="replace")
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in pairs)


def _decoded(text: str) -> str:
    text = text.replace("+", " ")
    return unquote_to_bytes(text).decode(errors="replace") if "%" in text else text


def body_of(environ: WSGIEnvironment, limit: int) -> bytes:
    """Return the whole body, of at most `limit` bytes; one that announces none is not looked for. Raises BodyRefused.

    A body of no announced length is read only from a server that says where it ends (`wsgi.input_terminated`).
    """
    announced: str = environ.get("CONTENT_LENGTH") or ""
    if announced == "0" or not (announced or environ.get("HTTP_TRANSFER_ENCODING")):
        return b""
    if announced.isdecimal():
        size = int(announced)
        if size > limit:
            raise _too_large(limit)
        body = _read(environ["wsgi.input"], size)
        if len(body) < size:
            raise BodyRefused(400, "the request's body ended early")
        return body
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = _read(environ["wsgi.input"], limit + 1)
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _read(stream: Any, size: int) -> bytes:
    """Return what comes from a stream, up to `size` bytes."""
    parts: list[bytes] = []
    try:
        while size > 0 and (part := stream.read(size)):
            parts.append(part)
            size -= len(part)
    except OSError as error:
        raise BodyRefused(400, "the request's body could not be read") from error
    return b"".join(parts)


def _too_large(limit: int) -> BodyRefused:
    return BodyRefused(413, f"the request's body is larger than {limit} bytes")


def send(
    answer: Response, request_id: str, method: str, start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Begin an answer to a request of a method, and return its body: in one piece with its length, or in blocks."""
    headers = [*answer.headers, (REQUEST_ID, request_id)]
    body = answer.body
    if answer.status in _WITHOUT_BODY:
        body = b""
    elif isinstance(body, bytes):
        headers.append(("Content-Length", str(len(body))))
    start_response(_STATUS[answer.status], headers)
    if method == "HEAD":
        return ()
    return (body,) if isinstance(body, bytes) else body
