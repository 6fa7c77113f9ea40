"""The faces of an installation as one WSGI application, and how it refuses outside of them.

Every answer carries an `X-Request-Id` of ours; a client's own is not taken over, so that a line of the audit cannot be
made to look like another's. No answer is ever HTML: below a face's path errors are in the face's form, elsewhere they
are problem documents (RFC 9457).
"""

from __future__ import annotations

import logging
from typing import Final
from uuid import uuid4

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from rolebridge.app.installation import SCIM_PATH, Installation, open_installation
from rolebridge.core.errors import Unavailable
from rolebridge.scim.errors import ScimError
from rolebridge.scim.handlers import SCIM_TYPE, ScimFace, log_exchange
from rolebridge.scim.routes import scim_blueprint
from rolebridge.settings import ServingSettings
from rolebridge.web.asgi import Headers, problem

logger = logging.getLogger("rolebridge.app")

REQUEST_ID: Final = "X-Request-Id"
"""The answer's header that names the request, as log and audit do."""


def create_app(installation: Installation) -> Flask:
    """Return the WSGI application of an installation. The caller closes the installation when done."""
    app = Flask("rolebridge", static_folder=None)
    # The adapter in front refuses sooner; this holds where something else serves the application.
    app.config["MAX_CONTENT_LENGTH"] = installation.settings.max_body_bytes
    # Paths mean what they say: no redirect, whose body would be HTML, leads from one spelling to another.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(Exception, _failed)
    app.add_url_rule("/healthz", "healthz", _healthz)
    scim = ScimFace(installation.provisioning, log_exchange)
    app.register_blueprint(scim_blueprint(scim, installation.authenticator, _request_id), url_prefix=SCIM_PATH)
    return app


def serving_application(settings: ServingSettings) -> Flask:
    """Return the application of one worker process: its log goes to the standard error, its store is its own."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return create_app(open_installation(settings))


def error_body(status: int, detail: str, path: str) -> tuple[Headers, bytes]:
    """Return the headers and body with which a request to `path` is refused, in the form of the face there."""
    if path == SCIM_PATH or path.startswith(SCIM_PATH + "/"):
        return [("Content-Type", SCIM_TYPE)], ScimError(status, None, detail).body()
    return problem(status, detail, path)


def _healthz() -> Response:
    """Say that the process answers; whether its database does is not asked here."""
    return Response(b"ok\n", content_type="text/plain; charset=utf-8")


def _begin() -> None:
    g.request_id = uuid4().hex


def _request_id() -> str:
    id_: str = g.request_id
    return id_


def _finish(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    return response


def _refused(error: HTTPException) -> Response:
    """Answer what Flask itself refuses: an unknown path, a method that is not there, a body that is too large."""
    response = _error(error.code or 500, error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _unavailable(error: Unavailable) -> Response:
    """Answer what a face did not expect to meet: a database that cannot take the work now."""
    response = _error(503, str(error))
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _failed(error: Exception) -> Response:
    """Answer a defect: the log gets everything, the client the request id."""
    logger.error("request %s: %s %r failed", g.request_id, request.method, request.path, exc_info=error)
    return _error(500, f"an unexpected error; the server's log tells it under request id `{g.request_id}`")


def _error(status: int, detail: str) -> Response:
    headers, body = error_body(status, detail, request.path)
    return Response(body, status, headers)
