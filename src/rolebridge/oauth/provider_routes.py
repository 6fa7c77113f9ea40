"""Flask in front of the OpenID Provider's endpoints for browsers and for whoever verifies tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, request

from rolebridge.bridge.signing_keys import PUBLISHED_FOR
from rolebridge.oauth.authorize import AuthorizeFace
from rolebridge.oauth.metadata import AUTHORIZE_PATH, JWKS_PATH
from rolebridge.oauth.minting import Minter
from rolebridge.oauth.routes import as_request
from rolebridge.web.answers import flask_response
from rolebridge.web.requests import Response as Answer

_KEYS: Final = (
    ("Content-Type", "application/jwk-set+json"),
    ("Cache-Control", f"public, max-age={PUBLISHED_FOR.seconds}"),
    ("Access-Control-Allow-Origin", "*"),
)


def provider_blueprint(face: AuthorizeFace, minter: Minter, request_id: Callable[[], str]) -> Blueprint:
    """Return the routes, to be registered at the root. `request_id` names the present request."""
    blueprint = Blueprint("provider", __name__)

    def authorize() -> Response:
        asked = as_request(request_id())
        return flask_response(face.authorize(asked, asked.body if asked.method == "POST" else request.query_string))

    def keys() -> Response:
        return flask_response(Answer(200, _KEYS, minter.key_set()))

    blueprint.add_url_rule(AUTHORIZE_PATH, "authorize", authorize, methods=["GET", "POST"])
    blueprint.add_url_rule(JWKS_PATH, "keys", keys, methods=["GET"])
    return blueprint
