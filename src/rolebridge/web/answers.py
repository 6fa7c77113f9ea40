"""Answers of ours as Flask sends them: word for word, headers included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response as FlaskResponse

from rolebridge.web.requests import Response

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from werkzeug.datastructures import Headers


class _AsItIs(FlaskResponse):
    """A response whose `Location` leaves as it was written.

    Werkzeug would read the URL and write it anew: `com.example.app:///callback` would lose two slashes, which is
    another address to who registered it, and a URL that Python cannot read would fail where nobody answers for it.
    """

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Return the headers."""
        location = self.headers.pop("Location", None)
        headers = super().get_wsgi_headers(environ)
        if location is not None:
            self.headers["Location"] = headers["Location"] = location
        return headers


def flask_response(answer: Response) -> FlaskResponse:
    """Return an answer as Flask sends it."""
    return _AsItIs(answer.body, answer.status, list(answer.headers))
