"""The SCIM door: a WSGI application in front of the handlers (PEP 3333).

Every request below the door comes here, whatever its path and method, so that what is not there is refused in SCIM's
form too; and nothing leaves in any other form, a defect included.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rolebridge.bridge.callers import Caller
from rolebridge.core.errors import Unavailable
from rolebridge.scim.errors import ScimError, translated
from rolebridge.scim.handlers import ScimFace, refused
from rolebridge.web.addresses import Origins
from rolebridge.web.admission import AddressRefused, NotAdmitted, TooManyRequests
from rolebridge.web.authentication import Authenticator, InvalidToken, Unauthenticated
from rolebridge.web.requests import EnvironHeaders, Request, Response, begin_request
from rolebridge.web.wsgi import BodyRefused, body_of, path_below, query_of, send

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

logger = logging.getLogger("rolebridge.scim")

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class ScimDoor:
    """The SCIM service at `path`, as a WSGI application. Each request gets an id of ours."""

    def __init__(
        self, face: ScimFace, authenticator: Authenticator, origins: Origins, path: str, max_body: int
    ) -> None:
        """`origins` tells where requests come from; a body of more than `max_body` bytes is refused.

        A server in front may refuse larger bodies sooner; this holds whatever serves the application.
        """
        self._face = face
        self._authenticator = authenticator
        self._origins = origins
        self._path = path
        self._max_body = max_body

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request_id = begin_request()
        method: str = environ["REQUEST_METHOD"].upper()
        try:
            answer = self._answer(environ, method, request_id)
        except Exception:  # a defect: the log gets everything, the client the request id
            # The path as it was asked for may hold names; the request log has what may be kept of it.
            logger.exception("request %s: %.20s failed", request_id, method)
            detail = f"an unexpected error; the server's log tells it under request id `{request_id}`"
            answer = refused(ScimError(500, None, detail))
        return send(answer, request_id, method, start_response)

    def _answer(self, environ: WSGIEnvironment, method: str, request_id: str) -> Response:
        peer = environ.get("REMOTE_ADDR") or ""
        origin = self._origins.of(peer, environ.get("HTTP_X_FORWARDED_FOR"))
        request = Request(
            "GET" if method == "HEAD" else method,
            path_below(environ, self._path),
            query_of(environ),
            EnvironHeaders(environ),
            b"",  # nobody makes us read one who has not shown who they are
            request_id,
            origin.text or peer,
        )
        caller: Caller | None = None
        try:
            if method not in _METHODS:
                raise ScimError(405, None, "no resource has this method", (("Allow", ", ".join(_METHODS)),))
            caller = self._authenticator.caller(environ.get("HTTP_AUTHORIZATION"), request_id, origin)
            body = body_of(environ, self._max_body)
        except ScimError as error:
            return self._face.turn_away(request, error, None)
        except (Unauthenticated, NotAdmitted) as error:
            return self._face.turn_away(request, _not_let_in(error), error.owner)
        except BodyRefused as error:
            refusal = ScimError(error.status, None, str(error))
            return self._face.turn_away(request, refusal, caller.owner if caller else None)
        except Unavailable as error:
            return self._face.turn_away(request, translated(error), None)
        return self._face.handle(replace(request, body=body) if body else request, caller)


def _not_let_in(error: Unauthenticated | NotAdmitted) -> ScimError:
    """Return what is said to a caller who is not let in."""
    if isinstance(error, TooManyRequests):
        return ScimError(429, None, str(error), (("Retry-After", str(error.seconds)),))
    if isinstance(error, AddressRefused):
        return ScimError(403, None, str(error))
    invalid = ', error="invalid_token"' if isinstance(error, InvalidToken) else ""
    return ScimError(401, None, str(error), (("WWW-Authenticate", f'Bearer realm="scim"{invalid}'),))
