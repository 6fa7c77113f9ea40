"""Flask in front of the token endpoint: a request becomes a value, an answer becomes a response, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from rolebridge.oauth.face import OAuthFace
from rolebridge.web.answers import flask_response
from rolebridge.web.requests import EnvironHeaders, Request

WELL_KNOWN = "/.well-known/oauth-authorization-server"
OPENID_WELL_KNOWN = "/.well-known/openid-configuration"


def oauth_blueprint(face: OAuthFace, issuer: str, path: str, request_id: Callable[[], str]) -> Blueprint:
    """Return the routes, to be registered at the root, of a server whose token endpoint is at `path`.

    `request_id` names the present request. An issuer with a path is asked for its description with that path at the
    end (RFC 8414 §3.1), or before `/.well-known/` (OpenID Connect Discovery §4), where a proxy takes the path away.
    """
    blueprint = Blueprint("oauth", __name__)

    def token() -> Response:
        return flask_response(face.token(as_request(request_id())))

    def metadata() -> Response:
        return flask_response(face.metadata())

    blueprint.add_url_rule(path, "token", token, methods=["POST"], provide_automatic_options=False)
    below = urlsplit(issuer).path
    known_places = dict.fromkeys((WELL_KNOWN, OPENID_WELL_KNOWN, WELL_KNOWN + below, OPENID_WELL_KNOWN + below))
    for number, known in enumerate(known_places):
        blueprint.add_url_rule(known, f"metadata{number}", metadata, methods=["GET"])
    return blueprint


def as_request(id_: str) -> Request:
    """Return the present request as a value."""
    return Request(
        method=request.method,
        path=request.path,
        query=(),
        headers=EnvironHeaders(request.environ),
        body=request.get_data(cache=False),
        request_id=id_,
        peer=request.remote_addr or "",
    )
