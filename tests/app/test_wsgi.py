"""The application as HTTP clients see it: faces, request ids, and refusals that are never HTML."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from tests.databases import with_schema
from werkzeug.test import TestResponse

from rolebridge.app import Installation, open_installation
from rolebridge.app.wsgi import create_app, error_body
from rolebridge.bridge.callers import Operator
from rolebridge.core.errors import Unavailable
from rolebridge.settings import load

KEY = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"
MAY_I = Operator("os:test", "test")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation with a schema, an organization and nothing else."""
    url = f"sqlite:///{tmp_path}/rolebridge.db"
    with_schema(url)
    opened = open_installation(load({"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY}))
    opened.administration.add_organization(MAY_I, "acme")
    yield opened
    opened.close()


@pytest.fixture
def app(installation: Installation) -> Flask:
    """Its application."""
    return create_app(installation)


@pytest.fixture
def token(installation: Installation) -> str:
    """The token of a connection."""
    organization = installation.administration.organization(None)
    _, secret = installation.administration.add_connection(MAY_I, organization, "okta", "okta")
    return secret.text


def problem(response: TestResponse, status: int) -> dict[str, object]:
    """Return a problem document after looking at what each must have (RFC 9457 §3)."""
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    document: dict[str, object] = json.loads(response.data)
    assert document["status"] == status
    assert document["title"]
    return document


def scim_error(response: TestResponse, status: int) -> str:
    """Return the detail of a SCIM Error (RFC 7644 §3.12)."""
    assert response.status_code == status
    assert response.content_type == "application/scim+json"
    document = json.loads(response.data)
    assert document["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert document["status"] == str(status)
    detail: str = document["detail"]
    return detail


def test_never_debugs(app: Flask) -> None:
    """The application never runs in debug mode, which would show sources and take commands."""
    assert not app.debug
    assert not app.testing


def test_says_that_it_lives(app: Flask) -> None:
    """/healthz answers without a credential."""
    response = app.test_client().get("/healthz")
    assert (response.status_code, response.data) == (200, b"ok\n")


def test_names_every_request_itself(app: Flask) -> None:
    """Every answer has a fresh request id of ours; the client's own is not taken over."""
    client = app.test_client()
    ids = [
        client.get(path, headers={"X-Request-Id": "mine"}).headers["X-Request-Id"]
        for path in ("/healthz", "/healthz", "/nope", "/scim/v2/Users")
    ]
    assert len(set(ids)) == 4
    assert all(len(id_) == 32 for id_ in ids)


def test_unknown_path_is_a_problem(app: Flask) -> None:
    """A path of no face is answered 404 with a problem document."""
    problem(app.test_client().get("/nope"), 404)


def test_wrong_method_is_a_problem(app: Flask) -> None:
    """A method that a path does not have is answered 405 and says which it has."""
    response = app.test_client().delete("/healthz")
    problem(response, 405)
    assert "GET" in response.headers["Allow"]


def test_defect_is_a_problem(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is answered 500; its words are in the log alone, under the answer's request id."""

    def breaks() -> str:
        raise ValueError("the inner workings")

    app.add_url_rule("/breaks", "breaks", breaks)
    with caplog.at_level(logging.ERROR):
        response = app.test_client().get("/breaks")
    problem(response, 500)
    assert b"inner workings" not in response.data
    assert response.headers["X-Request-Id"] in response.text
    assert response.headers["X-Request-Id"] in caplog.text
    assert "the inner workings" in caplog.text


def test_unavailable_asks_to_come_again(app: Flask) -> None:
    """A database that cannot take the work now is answered 503 with a time to wait."""

    def waits() -> str:
        raise Unavailable("the database is busy", retry_after=7)

    app.add_url_rule("/waits", "waits", waits)
    response = app.test_client().get("/waits")
    assert problem(response, 503)["detail"] == "the database is busy"
    assert response.headers["Retry-After"] == "7"


@pytest.mark.parametrize("path", ["/scim/v2", "/scim/v2/", "/scim/v2/Users", "/scim/v2/Users/"])
def test_scim_door_wants_a_token(app: Flask, path: str) -> None:
    """Nothing below the SCIM door answers without a token, and no spelling of a path is redirected."""
    response = app.test_client().get(path)
    assert "no Authorization header" in scim_error(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_two_slashes_are_one_below_the_scim_door(app: Flask, token: str) -> None:
    """A base URL with a slash at its end works, without a redirect; two slashes before the door are another path."""
    headers = {"Authorization": f"Bearer {token}"}
    for path in ("/scim/v2//Users", "/scim/v2/Users/", "/scim/v2///Users//", "/scim/v2//Users?count=1"):
        assert app.test_client().get(path, headers=headers).status_code == 200, path
    scim_error(app.test_client().get("/scim/v2//Users"), 401)
    assert app.test_client().get("//scim/v2/Users", headers=headers).status_code == 404


def test_scim_door_refuses_methods_as_scim(app: Flask) -> None:
    """A method that no SCIM endpoint has is refused with a SCIM Error."""
    scim_error(app.test_client().open("/scim/v2/Users", method="TRACE"), 405)


def test_scim_door_refuses_large_bodies_as_scim(installation: Installation, token: str) -> None:
    """A body over the limit is refused with a SCIM Error, even where nothing in front of the application does."""
    app = create_app(replace(installation, settings=replace(installation.settings, max_body_bytes=10)))
    response = app.test_client().post("/scim/v2/Users", data=b"x" * 11, headers={"Authorization": f"Bearer {token}"})
    scim_error(response, 413)


def test_provisions(app: Flask, token: str, installation: Installation) -> None:
    """A user that a connection posts is in its organization's directory, and is found below the base URL."""
    response = app.test_client().post(
        "/scim/v2/Users",
        json={"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ana@acme.example"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert response.status_code == 201
    assert response.headers["Location"].startswith("http://127.0.0.1:8080/scim/v2/Users/")
    again = app.test_client().get("/scim/v2/Users", headers={"Authorization": token})
    assert again.get_json(force=True)["totalResults"] == 1


def test_use_is_written_when_closed(installation: Installation, token: str, app: Flask) -> None:
    """Closing an installation writes when its tokens were last used."""
    app.test_client().get("/scim/v2/Users", headers={"Authorization": f"Bearer {token}"})
    installation.close()
    again = open_installation(installation.settings)
    owner = again.administration.connection(again.administration.organization(None), "okta")
    assert again.administration.tokens(owner)[0].credential.last_used_at is not None
    again.close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/scim/v2", "application/scim+json"),
        ("/scim/v2/Users", "application/scim+json"),
        ("/scim/v2x", "application/problem+json"),
        ("/", "application/problem+json"),
    ],
)
def test_refuses_in_the_words_of_the_face(path: str, kind: str) -> None:
    """What is refused before the application is refused in the form of the face at the path."""
    headers, body = error_body(408, "too slow", path)
    assert dict(headers)["Content-Type"] == kind
    assert json.loads(body)["detail"] == "too slow"


def _secrets(installation: Installation) -> list[Callable[[], object]]:
    organization = installation.administration.organization(None)
    return [
        lambda: installation.administration.add_connection(MAY_I, organization, "entra", "entra"),
        lambda: installation.authenticator.caller("Bearer rbt_x", "test"),
    ]


@pytest.mark.parametrize(("status", "kind"), [(400, "invalid"), (413, "too-large"), (503, "unavailable")])
def test_what_is_refused_in_front_of_the_api_is_a_problem_of_its_kinds(status: int, kind: str) -> None:
    """A program goes by `type`, whoever refuses; what the API has no kind for says `about:blank`."""
    _, body = error_body(status, "no", "/api/v1/access", "https://bridge.example")
    assert json.loads(body)["type"] == f"https://bridge.example/problems/{kind}"
    for path in ("/api/v1x", "/healthz"):
        assert json.loads(error_body(status, "no", path, "https://bridge.example")[1])["type"] == "about:blank"


def test_without_a_key_only_secrets_fail(installation: Installation) -> None:
    """Without a secret key an installation reads; whatever makes or proves a secret says that the key is missing."""
    from rolebridge.settings import SettingsError

    keyless = open_installation(load({"ROLEBRIDGE_DATABASE_URL": installation.settings.database_url}))
    try:
        assert [one.name for one in keyless.administration.organizations()] == ["acme"]
        for attempt in _secrets(keyless):
            with pytest.raises(SettingsError, match="ROLEBRIDGE_SECRET_KEY"):
                attempt()
        assert not keyless.administration.connections(keyless.administration.organization(None))
    finally:
        keyless.close()
