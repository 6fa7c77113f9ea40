"""Flask in front of the API: a request becomes a value, an answer becomes a response, and nothing else.

One route takes every path and method below the API's, so that what is not there is a problem document too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.routing import PathConverter

from rolebridge.api.face import OPENAPI_PATH, ApiFace
from rolebridge.store.request_log import NOBODY, LoggedRequest
from rolebridge.web.admission import TooManyRequests
from rolebridge.web.authentication import Unauthenticated
from rolebridge.web.keys import KeyAuthenticator
from rolebridge.web.problems import Kind, Problem
from rolebridge.web.requests import EnvironHeaders, Request
from rolebridge.web.requests import Response as Answer

_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


class AnyPath(PathConverter):
    """A path of whatever characters, line breaks and slashes at its beginning included."""

    regex = "(?s:.*?)"
    part_isolating = False


def api_blueprint(
    face: ApiFace,
    authenticator: KeyAuthenticator,
    request_id: Callable[[], str],
    observe: Callable[[LoggedRequest], None],
) -> Blueprint:
    """Return the routes of the API, to be registered at its path. `observe` is told of keys that do not open."""
    blueprint = Blueprint("api", __name__)

    def answer(path: str = "") -> Response:
        asked = _request(path, request_id())
        if asked.path == OPENAPI_PATH and asked.method == "GET":
            return _response(face.description())
        try:
            holder = authenticator.holder(request.headers.get("Authorization"), asked.request_id)
        except Unauthenticated as error:
            observe(_refused(asked, error))
            challenge = (("WWW-Authenticate", 'Bearer realm="api"'),)
            problem = Problem(Kind.UNAUTHENTICATED, str(error), headers=challenge)
            return _response(face.refusal(problem, asked.request_id))
        except TooManyRequests as error:
            again = (("Retry-After", str(error.seconds)),)
            return _response(face.refusal(Problem(Kind.TOO_MANY, str(error), headers=again), asked.request_id))
        return _response(face.handle(asked, holder))

    blueprint.add_url_rule("/", "root", answer, methods=_METHODS, provide_automatic_options=False)
    blueprint.record_once(lambda state: state.app.url_map.converters.update(anypath=AnyPath))
    blueprint.add_url_rule("/<anypath:path>", "resources", answer, methods=_METHODS, provide_automatic_options=False)
    return blueprint


def _request(path: str, id_: str) -> Request:
    return Request(
        method="GET" if request.method == "HEAD" else request.method,
        path=f"/{path}",
        query=tuple(request.args.items(multi=True)),
        headers=EnvironHeaders(request.environ),
        body=request.get_data(cache=False),
        request_id=id_,
        peer=request.remote_addr or "",
    )


def _refused(asked: Request, error: Unauthenticated) -> LoggedRequest:
    """Return what is logged of a key that does not open; which path was asked for tells nothing more."""
    owner = error.owner
    return LoggedRequest(
        organization_id=owner.organization_id if owner else NOBODY,
        connection_id=NOBODY,
        at=datetime.now(UTC),
        request_id=asked.request_id,
        method=asked.method,
        path="/api/v1/…",
        status=Kind.UNAUTHENTICATED.status,
        detail=str(error),
        credential_id=owner.credential_id if owner else "",
        peer=asked.peer,
    )


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, list(answer.headers))
