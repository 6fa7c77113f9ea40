"""Flask in front of the SCIM service: a request becomes a value, an answer becomes a response, and nothing else.

One route takes every path and method below the door, so that what is not there is refused in SCIM's form too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.routing import PathConverter

from rolebridge.scim.errors import ScimError
from rolebridge.scim.handlers import ScimFace
from rolebridge.web.addresses import Origin, Origins
from rolebridge.web.admission import AddressRefused, TooManyRequests
from rolebridge.web.authentication import Authenticator, InvalidToken, Unauthenticated
from rolebridge.web.requests import EnvironHeaders, Request
from rolebridge.web.requests import Response as Answer

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
        id_ = request_id()
        origin = origins.of(request.remote_addr, request.headers.get("X-Forwarded-For"))
        try:
            caller = authenticator.caller(request.headers.get("Authorization"), id_, origin)
        except (Unauthenticated, AddressRefused, TooManyRequests) as error:
            return _response(face.turn_away(_request(path, id_, origin, body=b""), _refusal(error), error.owner))
        return _response(face.handle(_request(path, id_, origin), caller))

    blueprint.record_once(lambda state: state.app.url_map.converters.update(anypath=AnyPath))
    blueprint.add_url_rule("/", "root", answer, methods=_METHODS, provide_automatic_options=False)
    blueprint.add_url_rule("/<anypath:path>", "resources", answer, methods=_METHODS, provide_automatic_options=False)
    return blueprint


def _request(path: str, id_: str, origin: Origin, body: bytes | None = None) -> Request:
    """Return the present request as a value; `body` stands for its own where nobody may make us read that."""
    return Request(
        method="GET" if request.method == "HEAD" else request.method,
        path=f"/{path}",
        query=tuple(request.args.items(multi=True)) if request.query_string else (),
        headers=EnvironHeaders(request.environ),
        body=request.get_data(cache=False) if body is None else body,
        request_id=id_,
        peer=str(origin.address or request.remote_addr or ""),
    )


def _refusal(error: Unauthenticated | AddressRefused | TooManyRequests) -> ScimError:
    """Return what is said to a caller who is not let in."""
    if isinstance(error, TooManyRequests):
        return ScimError(429, None, str(error), (("Retry-After", str(error.seconds)),))
    if isinstance(error, AddressRefused):
        return ScimError(403, None, str(error))
    invalid = ', error="invalid_token"' if isinstance(error, InvalidToken) else ""
    return ScimError(401, None, str(error), (("WWW-Authenticate", f'Bearer realm="scim"{invalid}'),))


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, list(answer.headers))
    if not any(name == "Content-Type" for name, _ in answer.headers):
        del response.headers["Content-Type"]  # nothing is said about a body that is not there
    return response
