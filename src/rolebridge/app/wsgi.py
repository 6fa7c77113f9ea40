"""The faces of an installation as one WSGI application, and how it refuses outside of them.

Every answer carries an `X-Request-Id` of ours; a client's own is not taken over, so that a line of the audit cannot be
made to look like another's. Below a face's path errors are in the face's form, where people come with a browser they
are pages, elsewhere problem documents (RFC 9457).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from rolebridge.api.routes import api_blueprint
from rolebridge.app import logs
from rolebridge.app.api import api_face, explain_problems
from rolebridge.app.installation import API_PATH, SCIM_PATH, Installation, open_installation
from rolebridge.app.metrics import Metrics, door_of
from rolebridge.app.provider import provider_blueprints
from rolebridge.app.sso import error_page, is_page, sso_blueprints
from rolebridge.bridge.readiness import Readiness
from rolebridge.core.errors import Unavailable
from rolebridge.oauth.face import error_body as token_error
from rolebridge.scim.door import ScimDoor
from rolebridge.scim.errors import ScimError
from rolebridge.scim.exchanges import Exchange, Observer, log_refusal
from rolebridge.scim.handlers import ScimFace
from rolebridge.scim.http import SCIM_TYPE
from rolebridge.settings import ServingSettings
from rolebridge.store.request_log import LoggedRequest
from rolebridge.web.asgi import Headers, Served, problem
from rolebridge.web.metrics import Shared
from rolebridge.web.problems import Kind, Problem
from rolebridge.web.rates import Memory
from rolebridge.web.requests import Request, begin_request, current_request_id
from rolebridge.web.requests import Response as Answer
from rolebridge.web.wsgi import REQUEST_ID, mounted

logger = logging.getLogger("rolebridge.app")
access = logging.getLogger("rolebridge.access")


def create_app(installation: Installation, metrics: Metrics | None = None) -> Flask:
    """Return the WSGI application of an installation, which counts in `metrics`.

    The caller closes the installation when done.
    """
    app = Flask("rolebridge", static_folder=None)
    # The adapter in front refuses sooner; this holds where something else serves the application.
    app.config["MAX_CONTENT_LENGTH"] = installation.settings.max_body_bytes
    app.config["BASE_URL"] = installation.settings.base_url
    # Paths mean what they say: no redirect, whose body would be HTML, leads from one spelling to another.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(Exception, _failed)
    explain_problems(app)
    app.add_url_rule("/healthz", "healthz", _healthz)
    app.add_url_rule("/readyz", "readyz", partial(_readyz, installation.readiness))
    observe = _observer(installation, metrics or Metrics())
    app.register_blueprint(
        api_blueprint(api_face(installation), installation.keys, _request_id, observe), url_prefix=API_PATH
    )
    for blueprint in provider_blueprints(installation, _request_id, observe):
        app.register_blueprint(blueprint)
    for blueprint in sso_blueprints(installation, _request_id):
        app.register_blueprint(blueprint)
    # In front of Flask's routing, which costs as much as reading a user: docs/adr/0009-scim-door-without-framework.md.
    app.wsgi_app = mounted(_scim_door(installation, observe), SCIM_PATH, app.wsgi_app)  # type: ignore[assignment, method-assign]
    return app


def _scim_door(installation: Installation, observe: Observer) -> ScimDoor:
    settings = installation.settings
    keys = settings.secret_key, settings.previous_secret_keys
    face = ScimFace(installation.provisioning, observe, installation.clock, *keys, max_members=settings.max_members)
    authenticator, origins = installation.authenticator, installation.origins
    return ScimDoor(face, authenticator, origins, SCIM_PATH, settings.max_body_bytes)


def serving_application(
    settings: ServingSettings, memory: Memory | None = None, counted: Shared | None = None
) -> Served:
    """Return the application of one worker process: its log goes to the standard error, its store is its own.

    It shares `memory` with the other workers, to count requests against their limits, and `counted`, for metrics.
    """
    logs.set_up(settings.log_format, settings.log_level)
    metrics = Metrics(counted)
    logging.getLogger().addHandler(metrics.log_handler())
    installation = open_installation(settings, memory=memory, waited=metrics.waited)
    observe = _observer(installation, metrics)
    return Served(
        create_app(installation, metrics),
        partial(_note_refusal, observe),
        installation.close,
        partial(_answered, metrics) if settings.access_log else metrics.answered,
        standing_headers(settings.base_url),
    )


def standing_headers(base_url: str) -> tuple[tuple[str, str], ...]:
    """Return what every answer says unless it says otherwise: what browsers and proxies must not do with it."""
    headers = (
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Referrer-Policy", "no-referrer"),
    )
    if base_url.startswith("https://"):  # over plain HTTP browsers ignore it (RFC 6797 §8.1)
        return (*headers, ("Strict-Transport-Security", "max-age=31536000"))
    return headers


def _answered(metrics: Metrics, method: str, path: str, status: int, seconds: float) -> None:
    """Count an answer and write a line about it: which door, and nothing else of what was asked."""
    metrics.answered(method, path, status, seconds)
    door, milliseconds = door_of(path), round(seconds * 1000, 1)
    fields = {"door": door, "method": method[:20], "status": status, "milliseconds": milliseconds}
    access.info("%s %.20s -> %d in %.1f ms", door, method, status, milliseconds, extra={"fields": fields})


def _observer(installation: Installation, metrics: Metrics) -> Observer:
    """Return who is told of every request of the SCIM door: the request log, metrics, of refusals the process's log."""
    note = installation.request_log.note

    def observe(row: LoggedRequest) -> None:
        note(row)
        metrics.logged(row)
        log_refusal(row)

    return observe


def _note_refusal(observe: Observer, refused: Request, status: int, detail: str) -> None:
    """Tell of a request to the SCIM door that was refused in front of it: its body was too large, late, or broken."""
    if _is_scim(refused.path):
        below = replace(refused, path=refused.path[len(SCIM_PATH) :])
        observe(Exchange.begin(below, None).end(Answer(status), ScimError(status, None, detail)))


def error_body(status: int, detail: str, path: str, base_url: str = "") -> tuple[Headers, bytes]:
    """Return the headers and body with which a request to `path` is refused, in the form of the face there."""
    if _is_scim(path):
        return [("Content-Type", SCIM_TYPE)], ScimError(status, None, detail).body()
    if is_page(path):
        return error_page(status, base_url, current_request_id.get())
    if path.startswith("/oauth/"):
        return token_error(status, detail)
    if (path == API_PATH or path.startswith(API_PATH + "/")) and status in _KINDS:
        answer = Problem(_KINDS[status], detail).response(current_request_id.get(), base_url)
        return list(answer.headers), answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    return problem(status, detail, path)


_KINDS = {
    400: Kind.INVALID,
    404: Kind.NOT_FOUND,
    405: Kind.METHOD_NOT_ALLOWED,
    413: Kind.TOO_LARGE,
    503: Kind.UNAVAILABLE,
}
"""Of what is refused in front of the API, which kinds of problems it knows; the others have no type of ours."""


def _is_scim(path: str) -> bool:
    return path == SCIM_PATH or path.startswith(SCIM_PATH + "/")


def _healthz() -> Response:
    """Say that the process answers; whether its database does is not asked here."""
    return Response(b"ok\n", content_type="text/plain; charset=utf-8")


def _readyz(readiness: Readiness) -> Response:
    """Say whether requests can be answered; why not is told in general words, as anybody may ask."""
    problem = readiness.problem()
    plain = "text/plain; charset=utf-8"
    if problem is None:
        return Response(b"ready\n", content_type=plain)
    return Response(f"not ready: {problem}\n", 503, {"Retry-After": "5"}, content_type=plain)


def _begin() -> None:
    g.request_id = begin_request()


def _request_id() -> str:
    id_: str = g.request_id
    return id_


def _finish(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    return response


def _refused(error: HTTPException) -> Response:
    """Answer what Flask itself refuses: an unknown path, a method that is not there, a body that is too large."""
    status, detail = error.code or 500, error.description or error.name
    response = _error(status, detail)
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _unavailable(error: Unavailable) -> Response:
    """Answer what a face did not expect to meet: a database that cannot take the work now."""
    response = _error(503, error.told)
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _failed(error: Exception) -> Response:
    """Answer a defect: the log gets everything, the client the request id."""
    # The path as it was asked for may hold names; that of the route holds none.
    route = request.url_rule.rule if request.url_rule else "no route"
    logger.error("request %s: %s %s failed", g.request_id, request.method, route, exc_info=error)
    return _error(500, f"an unexpected error; the server's log tells it under request id `{g.request_id}`")


def _error(status: int, detail: str) -> Response:
    headers, body = error_body(status, detail, request.path, current_app.config["BASE_URL"])
    return Response(body, status, headers)
