"""The OpenID Provider in the application: its routes, an issuer with a path, what browsers and proxies may keep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from tests.app.calling import KEY, MAY_I
from tests.databases import with_schema
from tests.oauth.entering import VERIFIER

from rolebridge.app import Installation, open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.authorizing import challenge_of
from rolebridge.core.applications import AppKind
from rolebridge.settings import load
from rolebridge.store.provider_records import Application

BASE = "https://id.acme.example/rolebridge"
CALLBACK = "https://app.example/callback"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose base URL has a path."""
    url = f"sqlite:///{tmp_path_factory.mktemp('provider') / 'rolebridge.db'}"
    with_schema(url)
    opened = open_installation(
        load({"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY, "ROLEBRIDGE_BASE_URL": BASE})
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def app(installation: Installation) -> Application:
    organization = installation.administration.add_organization(MAY_I, "acme")
    settings = {"redirect_uris": [CALLBACK]}
    return installation.applications.add(MAY_I, organization, "spa", AppKind.PUBLIC, settings)


@pytest.fixture
def http(installation: Installation) -> FlaskClient:
    return create_app(installation).test_client()


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/rolebridge",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/rolebridge",
    ],
)
def test_an_issuer_with_a_path_describes_itself(http: FlaskClient, path: str) -> None:
    """The document is where both standards look for it, and whatever it names is below the base URL."""
    told = json.loads(http.get(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}).data)
    assert told["issuer"] == BASE
    urls = [value for value in told.values() if isinstance(value, str)]
    assert all(url.startswith(BASE) for url in urls)


def test_every_endpoint_that_is_announced_is_there(http: FlaskClient) -> None:
    """Discovery names no endpoint that answers 404."""
    told = json.loads(http.get("/.well-known/openid-configuration").data)
    for name, url in told.items():
        if name.endswith(("_endpoint", "_uri")):
            path = url.removeprefix(BASE)
            assert 404 not in {http.get(path).status_code, http.post(path).status_code}, name


def test_the_key_set_may_be_remembered_for_an_hour(http: FlaskClient) -> None:
    """Whoever verifies tokens, in a browser too, reads the keys now and then, and not for each token."""
    response = http.get("/oauth/jwks")
    assert response.content_type == "application/jwk-set+json"
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert all("d" not in key for key in json.loads(response.data)["keys"])


def test_an_application_sends_people_to_sign_in(http: FlaskClient, app: Application) -> None:
    """Who is not signed in is sent to the sign-in page below the base URL, whatever the request says of its host."""
    asked = {
        "client_id": app.id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
        "code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256",
    }  # fmt: skip
    response = http.get("/oauth/authorize", query_string=asked, headers={"Host": "evil.example"})
    assert response.status_code == 303
    assert response.headers["Location"].startswith(f"{BASE}/sign-in?ask=")
    assert response.headers["Cache-Control"] == "no-store"
    none = http.get("/oauth/authorize", query_string={**asked, "prompt": "none"})
    parts = urlsplit(none.headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == CALLBACK
    assert parse_qs(parts.query)["error"] == ["login_required"]
    assert parse_qs(parts.query)["iss"] == [BASE]


def test_errors_before_the_application_is_known_are_pages(http: FlaskClient) -> None:
    """Somebody with a browser sees a page that names the request, not JSON, and is sent nowhere."""
    for response in (http.get("/oauth/authorize"), http.post("/oauth/authorize", data={"client_id": "x"})):
        assert response.status_code == 400
        assert response.content_type.startswith("text/html")
        assert "Location" not in response.headers
        assert response.headers["X-Request-Id"] in response.text
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


def test_a_page_in_a_browser_may_exchange_its_code(http: FlaskClient, app: Application) -> None:
    """The token endpoint lets a public application's page read its answer: it takes no cookies, so nothing is lent."""
    form = {"grant_type": "authorization_code", "client_id": app.id, "code": "rbcode_x", "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER}  # fmt: skip
    response = http.post("/oauth/token", data=form, headers={"Origin": "https://app.example"})
    assert json.loads(response.data)["error"] == "invalid_grant"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
    scim = http.post("/oauth/token", data={"grant_type": "client_credentials"})
    assert "Access-Control-Allow-Origin" not in scim.headers
