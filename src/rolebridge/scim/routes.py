"""Flask in front of the SCIM service: a request becomes a value, an answer becomes a response, and nothing else.

One route takes every path and method below the door, so that what is not there is refused in SCIM's form too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, request

from rolebridge.scim.errors import ScimError
from rolebridge.scim.handlers import ScimFace
from rolebridge.web.authentication import Authenticator, Unauthenticated
from rolebridge.web.requests import Request
from rolebridge.web.requests import Response as Answer

_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def scim_blueprint(face: ScimFace, authenticator: Authenticator, request_id: Callable[[], str]) -> Blueprint:
    """Return the routes of the SCIM door, to be registered at its path. `request_id` names the present request."""
    blueprint = Blueprint("scim", __name__)

    def answer(path: str = "") -> Response:
        id_ = request_id()
        try:
            caller = authenticator.caller(request.headers.get("Authorization"), id_)
        except Unauthenticated as error:
            challenge = (("WWW-Authenticate", 'Bearer realm="scim"'),)
            refusal = ScimError(401, None, str(error), challenge)
            return _response(face.turn_away(_request(path, id_, body=b""), refusal, error.owner))
        return _response(face.handle(_request(path, id_), caller))

    blueprint.add_url_rule("/", "root", answer, methods=_METHODS, provide_automatic_options=False)
    blueprint.add_url_rule("/<path:path>", "resources", answer, methods=_METHODS, provide_automatic_options=False)
    return blueprint


def _request(path: str, id_: str, body: bytes | None = None) -> Request:
    """Return the present request as a value; `body` stands for its own where nobody may make us read that."""
    return Request(
        method="GET" if request.method == "HEAD" else request.method,
        path=f"/{path}",
        query=tuple(request.args.items(multi=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.get_data(cache=False) if body is None else body,
        request_id=id_,
        peer=request.remote_addr or "",
    )


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, list(answer.headers))
    if not any(name == "Content-Type" for name, _ in answer.headers):
        del response.headers["Content-Type"]  # nothing is said about a body that is not there
    return response
