"""Flask in front of OpenID Connect: a request becomes a value, an answer becomes a response, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request

from rolebridge.sso.oidc.face import MAX_FORM, OidcFace
from rolebridge.sso.routes import request_of
from rolebridge.web.answers import flask_response


def oidc_blueprint(face: OidcFace, request_id: Callable[[], str]) -> Blueprint:
    """Return the routes, to be registered at the root. `request_id` names the present request."""
    blueprint = Blueprint("oidc", __name__)

    def callback(connection_id: str) -> Response:
        return flask_response(face.callback(request_of(request_id()), connection_id))

    def logout(connection_id: str) -> Response:
        request.max_content_length = MAX_FORM
        return flask_response(face.backchannel_logout(request_of(request_id()), connection_id))

    def keys(connection_id: str) -> Response:
        return flask_response(face.key_set(connection_id))

    for path, view, method in (
        ("callback", callback, "GET"),
        ("backchannel-logout", logout, "POST"),
        ("jwks", keys, "GET"),
    ):
        blueprint.add_url_rule(
            f"/sso/<connection_id>/{path}", path, view, methods=[method], provide_automatic_options=False
        )
    return blueprint
