"""Answers as Flask sends them: what they say leaves word for word."""

from __future__ import annotations

import pytest
from flask import Flask

from rolebridge.web.answers import flask_response
from rolebridge.web.requests import Response


@pytest.mark.parametrize(
    "location",
    [
        "com.example.app:///callback?code=x",
        "com.example.app://?code=x",
        "https://App.example/a%2fb?code=x",
        "https://app.example?",
        "http://127.0.0.1:99999/callback",
        "https://[1:2]/callback",
        "https://app..example/callback",
    ],
)
def test_a_location_is_sent_as_it_was_written(location: str) -> None:
    """Werkzeug would write some of these anew and fail on others, beyond all handlers of errors."""
    app = Flask("answers")
    app.add_url_rule("/", "there", lambda: flask_response(Response(303, (("Location", location), ("X-One", "1")))))
    said = app.test_client().get("/")
    assert (said.status_code, said.headers["Location"], said.headers["X-One"]) == (303, location, "1")
    assert said.headers.getlist("Location") == [location]


def test_an_answer_without_location_is_as_any_other() -> None:
    """Status, headers and body arrive, with the length of the body."""
    app = Flask("answers")
    app.add_url_rule("/", "there", lambda: flask_response(Response(200, (("Content-Type", "text/x"),), b"body")))
    said = app.test_client().get("/")
    assert (said.status_code, said.content_type, said.data, said.content_length) == (200, "text/x", b"body", 4)
    assert "Location" not in said.headers
