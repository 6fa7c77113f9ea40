"""Flask in front of the OpenID Provider's endpoints for what was given: UserInfo, introspection, revocation, logout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Blueprint, Response, request

from rolebridge.oauth.end_session import EndSessionFace
from rolebridge.oauth.inspection import InspectionFace
from rolebridge.oauth.metadata import END_SESSION_PATH, INTROSPECT_PATH, REVOKE_PATH, USERINFO_PATH
from rolebridge.oauth.routes import as_request
from rolebridge.oauth.userinfo import UserInfoFace
from rolebridge.web.answers import flask_response
from rolebridge.web.requests import Request
from rolebridge.web.requests import Response as Answer


def lifecycle_blueprint(
    inspection: InspectionFace, userinfo: UserInfoFace, end_session: EndSessionFace, request_id: Callable[[], str]
) -> Blueprint:
    """Return the routes, to be registered at the root. `request_id` names the present request."""
    blueprint = Blueprint("lifecycle", __name__)

    def answered(handle: Callable[[Request], Answer]) -> Response:
        return flask_response(handle(as_request(request_id())))

    def logout() -> Response:
        asked = as_request(request_id())
        return flask_response(end_session.logout(asked, asked.body if asked.method == "POST" else request.query_string))

    for path, name, handle, methods in (
        (INTROSPECT_PATH, "introspect", inspection.introspect, ["POST"]),
        (REVOKE_PATH, "revoke", inspection.revoke, ["POST"]),
        (USERINFO_PATH, "userinfo", userinfo.userinfo, ["GET", "POST", "OPTIONS"]),
    ):
        view = partial(answered, handle)
        blueprint.add_url_rule(path, name, view, methods=methods, provide_automatic_options=False)
    blueprint.add_url_rule(END_SESSION_PATH, "logout", logout, methods=["GET", "POST"], provide_automatic_options=False)
    return blueprint
