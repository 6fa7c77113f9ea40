"""Flask in front of SAML: a request becomes a value, an answer becomes a response, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, request

from rolebridge.core.login import LoginRefused
from rolebridge.sso.door import LoginDoor
from rolebridge.sso.routes import request_of
from rolebridge.sso.saml.face import SamlFace
from rolebridge.web.answers import flask_response

MAX_FORM: Final = 1024 * 1024
"""Bytes of the form that is posted: base64 of the largest message, as a form writes it, and room beside it."""


def saml_blueprint(face: SamlFace, door: LoginDoor, request_id: Callable[[], str]) -> Blueprint:
    """Return the routes, to be registered at the root. `request_id` names the present request.

    The assertion consumer service takes a form from another site: what proves that it belongs here is the login that
    began in this browser, or the identity provider's signature, and no token of ours.
    """
    blueprint = Blueprint("saml", __name__)

    def metadata(connection_id: str) -> Response:
        try:
            return flask_response(face.metadata(connection_id))
        except LoginRefused as refused:
            return flask_response(door.refused(request_of(request_id()), refused))

    def consume(connection_id: str) -> Response:
        # The limit of the whole application is that of SCIM's bodies.
        request.max_content_length = MAX_FORM
        return flask_response(face.consume(request_of(request_id()), connection_id))

    for path, view, method in (
        ("/sso/<connection_id>/metadata", metadata, "GET"),
        ("/sso/<connection_id>/acs", consume, "POST"),
    ):
        blueprint.add_url_rule(path, view.__name__, view, methods=[method], provide_automatic_options=False)
    return blueprint
