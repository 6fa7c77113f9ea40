"""Flask in front of the SCIM service: a request becomes a value, an answer becomes a response, and nothing else.

One route takes every path and method below the door, so that what is not there is refused in SCIM's form too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import flask
from flask import Blueprint, Response
from werkzeug.datastructures import Headers
from werkzeug.routing import PathConverter

from rolebridge.scim.errors import ScimError
from rolebridge.scim.handlers import ScimFace
from rolebridge.web.addresses import Origin, Origins
from rolebridge.web.admission import AddressRefused, TooManyRequests
from rolebridge.web.authentication import Authenticator, InvalidToken, Unauthenticated
from rolebridge.web.requests import EnvironHeaders, Request
from rolebridge.web.requests import Response as Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class AnyPath(PathConverter):
    """A path that may begin with slashes: what a base URL with a slash at its end makes of `/Users`."""

    regex = ".*?"
    part_isolating = False


def scim_blueprint(
    face: ScimFace, authenticator: Authenticator, request_id: Callable[[], str], origins: Origins | None = None
) -> Blueprint:
    """Return the routes of the SCIM door, to be registered at its path. `request_id` names the present request.

    `origins` tells where requests come from; without it every peer speaks for itself.
    """
    blueprint = Blueprint("scim", __name__)
    origins = origins or Origins()

    def answer(path: str = "") -> Response:
        request = _present()
        id_ = request_id()
        origin = origins.of(request.remote_addr, request.headers.get("X-Forwarded-For"))
        try:
            caller = authenticator.caller(request.headers.get("Authorization"), id_, origin)
        except (Unauthenticated, AddressRefused, TooManyRequests) as error:
            return _response(face.turn_away(_value(request, path, id_, origin, b""), _refusal(error), error.owner))
        return _response(face.handle(_value(request, path, id_, origin, _body(request)), caller))

    blueprint.record_once(lambda state: state.app.url_map.converters.update(anypath=AnyPath))
    blueprint.add_url_rule("/", "root", answer, methods=_METHODS, provide_automatic_options=False)
    blueprint.add_url_rule("/<anypath:path>", "resources", answer, methods=_METHODS, provide_automatic_options=False)
    return blueprint


def _present() -> flask.Request:
    """Return the request itself: each look through Flask's proxy for it costs as much as some header."""
    request: flask.Request = flask.request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    return request


def _value(request: flask.Request, path: str, id_: str, origin: Origin, body: bytes) -> Request:
    """Return a request as a value; `body` stands for its own where nobody may make us read that."""
    return Request(
        method="GET" if request.method == "HEAD" else request.method,
        path=f"/{path}",
        query=tuple(request.args.items(multi=True)) if request.query_string else (),
        headers=EnvironHeaders(request.environ),
        body=body,
        request_id=id_,
        peer=str(origin.address or request.remote_addr or ""),
    )


def _body(request: flask.Request) -> bytes:
    """Return the body of a request; one that announces none is not looked for, which is most."""
    environ = request.environ
    if environ.get("CONTENT_LENGTH", "") in {"", "0"} and "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    return request.get_data(cache=False)


def _refusal(error: Unauthenticated | AddressRefused | TooManyRequests) -> ScimError:
    """Return what is said to a caller who is not let in."""
    if isinstance(error, TooManyRequests):
        return ScimError(429, None, str(error), (("Retry-After", str(error.seconds)),))
    if isinstance(error, AddressRefused):
        return ScimError(403, None, str(error))
    invalid = ', error="invalid_token"' if isinstance(error, InvalidToken) else ""
    return ScimError(401, None, str(error), (("WWW-Authenticate", f'Bearer realm="scim"{invalid}'),))


class _Finished(Response):
    """A response whose headers are complete but for its length.

    werkzeug looks through the headers of every response again, above all to make URLs of the IRIs in `Location`; that
    costs as much as reading a user. Ours holds a URL already.
    """

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Return the headers to be sent."""
        if self.is_sequence and self.status_code not in _WITHOUT_BODY:
            self.headers["Content-Length"] = str(sum(map(len, self.iter_encoded())))
        return self.headers


_WITHOUT_BODY: Final = frozenset({204, 304})


def _response(answer: Answer) -> Response:
    response = _Finished(answer.body, answer.status, list(answer.headers))
    if not any(name == "Content-Type" for name, _ in answer.headers):
        del response.headers["Content-Type"]  # nothing is said about a body that is not there
    return response
