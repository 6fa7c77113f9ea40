"""Flask in front of the pages of signing in: a request becomes a value, an answer becomes a response, nothing else."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from rolebridge.sso.pages import SignInPages
from rolebridge.web.answers import flask_response
from rolebridge.web.browser import ACCOUNT_PATH, SIGN_IN_PATH
from rolebridge.web.pages import ASSETS_PATH, asset
from rolebridge.web.requests import EnvironHeaders, Request
from rolebridge.web.requests import Response as Answer
from rolebridge.web.wsgi import query_of

SIGN_OUT_PATH = "/sign-out"


def sign_in_blueprint(pages: SignInPages, request_id: Callable[[], str]) -> Blueprint:
    """Return the routes, to be registered at the root. `request_id` names the present request."""
    blueprint = Blueprint("sign-in", __name__)

    def route(path: str, name: str, handle: Callable[[Request], Answer], method: str) -> None:
        def view() -> Response:
            return flask_response(handle(request_of(request_id())))

        blueprint.add_url_rule(path, name, view, methods=[method], provide_automatic_options=False)

    route(SIGN_IN_PATH, "sign-in", pages.sign_in, "GET")
    route(SIGN_IN_PATH, "discover", pages.discover, "POST")
    route(SIGN_OUT_PATH, "sign-out-page", pages.sign_out_page, "GET")
    route(SIGN_OUT_PATH, "sign-out", pages.sign_out, "POST")
    route(ACCOUNT_PATH, "account", pages.account, "GET")
    route(f"{ACCOUNT_PATH}/sessions", "end-sessions", pages.end_sessions, "POST")

    def login(connection_id: str) -> Response:
        return flask_response(pages.login(request_of(request_id()), connection_id))

    def file(name: str) -> Response:
        found = asset(name)
        if found is None:
            raise NotFound("there is no such file")
        return flask_response(found)

    path = "/sso/<connection_id>/login"
    blueprint.add_url_rule(path, "login", login, methods=["GET"], provide_automatic_options=False)
    path = f"{ASSETS_PATH}/<name>"
    blueprint.add_url_rule(path, "asset", file, methods=["GET"], provide_automatic_options=False)
    return blueprint


def request_of(id_: str) -> Request:
    """Return the present request as a value."""
    return Request(
        method=request.method,
        path=request.path,
        query=query_of(request.environ),
        headers=EnvironHeaders(request.environ),
        body=request.get_data(cache=False),
        request_id=id_,
        peer=request.remote_addr or "",
    )
