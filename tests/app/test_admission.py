"""Admission at the SCIM door: rates, networks, and access tokens beside the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.databases import with_schema
from werkzeug.test import TestResponse

from rolebridge.app import Installation, open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.callers import Operator
from rolebridge.core.limits import RateLimit
from rolebridge.settings import load
from rolebridge.store.records import Connection

KEY = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"
MAY_I = Operator("os:test", "test")


class Door:
    """An installation with the connections `okta` and `entra`, behind a proxy at 10.0.0.1, and what is sent to it."""

    def __init__(self, url: str) -> None:
        environ = {"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY, "ROLEBRIDGE_RATE_LIMIT": "100/500"}
        self.installation: Installation = open_installation(
            load(environ | {"ROLEBRIDGE_TRUSTED_PROXIES": "10.0.0.0/8"})
        )
        self.installation.meters._clock = lambda: 1_000.0  # a busy machine must not give a request back
        administration = self.installation.administration
        self.organization = administration.add_organization(MAY_I, "acme")
        self.okta, okta = administration.add_connection(MAY_I, self.organization, "okta", "okta")
        self.entra, entra = administration.add_connection(MAY_I, self.organization, "entra", "entra")
        self.tokens = {"okta": okta.text, "entra": entra.text}
        self.http: FlaskClient = create_app(self.installation).test_client()

    def get(self, connection: str = "okta", peer: str = "203.0.113.7", **headers: str) -> TestResponse:
        given = {"Authorization": f"Bearer {self.tokens[connection]}", **headers}
        return self.http.get("/scim/v2/Users", headers=given, environ_base={"REMOTE_ADDR": peer})

    def limit(self, rate: str | None) -> None:
        self.installation.administration.set_rate_limit(MAY_I, self.now(self.okta), rate)

    def allow(self, *networks: str) -> None:
        self.installation.administration.set_allowed(MAY_I, self.now(self.okta), networks)

    def now(self, connection: Connection) -> Connection:
        return self.installation.administration.connection(self.organization, connection.name)


@pytest.fixture(params=["sqlite", "postgresql"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A door on each database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/rolebridge.db"
    else:
        url = request.getfixturevalue("postgres_database")
    with_schema(url)
    opened = Door(url)
    yield opened
    opened.installation.close()


def scim_error(response: TestResponse, status: int) -> str:
    """Return the detail of a SCIM Error (RFC 7644 §3.12)."""
    assert response.status_code == status
    assert response.content_type == "application/scim+json"
    document = json.loads(response.data)
    assert document["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert document["status"] == str(status)
    detail: str = document["detail"]
    return detail


# --- rates -----------------------------------------------------------------------------------------------------


def test_a_connection_beyond_its_rate(door: Door) -> None:
    """After the burst a connection is answered 429 with whole seconds to wait; another connection is not."""
    door.limit("1/5")
    assert [door.get().status_code for _ in range(5)] == [200] * 5
    refused = door.get()
    assert scim_error(refused, 429) == "the connection sends more than 1 requests a second"
    assert refused.headers["Retry-After"] == "1"
    assert door.get("entra").status_code == 200


def test_discovery_and_writes_count_too(door: Door) -> None:
    """Whatever is asked for counts, and a refused write has done nothing."""
    door.limit("1/1")
    assert door.get().status_code == 200
    bearer = {"Authorization": f"Bearer {door.tokens['okta']}"}
    scim_error(door.http.get("/scim/v2/Schemas", headers=bearer), 429)
    scim_error(door.http.post("/scim/v2/Users", json={"userName": "ana"}, headers=bearer), 429)
    door.limit("none")
    assert json.loads(door.get().data)["totalResults"] == 0


def test_all_tokens_of_a_connection_share_its_rate(door: Door) -> None:
    """A second token, or an OAuth client's, does not double the rate."""
    door.limit("1/4")
    second = door.installation.administration.add_token(MAY_I, door.okta, "second", None)[1].text
    client = door.installation.clients.add(MAY_I, door.okta, "client")
    secret = door.installation.clients.add_secret(MAY_I, client, "first", None)[1].text
    form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": secret}
    access = json.loads(door.http.post("/oauth/token", data=form).data)["access_token"]
    statuses = [
        door.http.get("/scim/v2/Users", headers={"Authorization": f"Bearer {token}"}).status_code
        for token in (door.tokens["okta"], second, access, access, access)
    ]
    assert statuses == [200, 200, 200, 200, 429]


def test_a_changed_rate_holds_at_once(door: Door) -> None:
    """`none` lifts the limit, and the installation's comes back with None: at the next request."""
    door.limit("1/1")
    door.get()
    scim_error(door.get(), 429)
    door.limit("none")
    assert {door.get().status_code for _ in range(20)} == {200}
    door.limit(None)
    assert door.get().status_code == 200


def test_the_installations_rate(door: Door) -> None:
    """A connection without a rate of its own has the setting's, here 500 at once."""
    for _ in range(499):
        assert door.installation.meters.take(f"requests {door.okta.id}", RateLimit(100, 500)) == 0.0
    assert door.get().status_code == 200
    scim_error(door.get(), 429)


def test_unknown_tokens_use_up_nothing(door: Door) -> None:
    """A request without a right token is 401 however often, and counts for nobody."""
    door.limit("1/1")
    for _ in range(5):
        scim_error(door.http.get("/scim/v2/Users", headers={"Authorization": "Bearer rbt_no"}), 401)
    assert door.get().status_code == 200


# --- networks --------------------------------------------------------------------------------------------------


def test_networks_of_a_connection(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    """A connection with networks accepts requests from them only; the log says whose was refused from where."""
    door.allow("203.0.113.0/24", "2001:db8::/32")
    assert door.get(peer="203.0.113.9").status_code == 200
    assert door.get(peer="2001:db8::5").status_code == 200
    with caplog.at_level("INFO"):
        assert scim_error(door.get(peer="198.51.100.1"), 403) == (
            "the connection accepts no requests from 198.51.100.1"
        )
    assert "198.51.100.1" in caplog.text
    assert door.get("entra", peer="198.51.100.1").status_code == 200
    door.allow()
    assert door.get(peer="198.51.100.1").status_code == 200


def test_a_refusal_is_in_the_request_log(door: Door) -> None:
    """What admission refuses is logged for the connection, with the status and the client's address."""
    door.allow("203.0.113.0/24")
    door.get(peer="10.0.0.1", **{"X-Forwarded-For": "198.51.100.1"})
    door.installation.request_log.flush()
    with door.installation.store.read() as unit:
        rows = unit.link.execute("SELECT status, detail FROM request_log", ()).fetchall()
    assert [(status, "198.51.100.1" in detail) for status, detail in rows] == [(403, True)]


def test_behind_the_trusted_proxy(door: Door) -> None:
    """The trusted proxy tells the client's address; what a client adds itself, or another peer says, does not."""
    door.allow("203.0.113.0/24")
    assert door.get(peer="10.0.0.1", **{"X-Forwarded-For": "203.0.113.9"}).status_code == 200
    assert door.get(peer="10.0.0.1", **{"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}).status_code == 200
    scim_error(door.get(peer="10.0.0.1", **{"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}), 403)
    scim_error(door.get(peer="198.51.100.1", **{"X-Forwarded-For": "203.0.113.9"}), 403)
    scim_error(door.get(peer="10.0.0.1", **{"X-Forwarded-For": "gibberish"}), 403)
    scim_error(door.get(peer="10.0.0.1"), 403)


def test_a_wrong_token_learns_nothing_of_networks(door: Door) -> None:
    """Without a right token the answer is 401, wherever it comes from."""
    door.allow("203.0.113.0/24")
    response = door.http.get(
        "/scim/v2/Users", headers={"Authorization": "Bearer rbt_no"}, environ_base={"REMOTE_ADDR": "198.51.100.1"}
    )
    scim_error(response, 401)


def test_a_change_is_on_record(door: Door) -> None:
    """Rate and networks are changed with an audit row that says what they are now."""
    door.limit("25/100")
    door.allow("203.0.113.0/24")
    with door.installation.store.read() as unit:
        entries = unit.record(door.organization.id).audit_entries(subject_id=door.okta.id)
    reasons = [(entry.kind, entry.reason) for entry in entries if entry.kind == "connection.changed"]
    assert reasons == [
        ("connection.changed", "okta: allowed from 203.0.113.0/24"),
        ("connection.changed", "okta: rate limit 25/100"),
    ]


# --- the token endpoint in the application ----------------------------------------------------------------------


def oauth_error(response: TestResponse, status: int) -> str:
    """Return the code of an OAuth error (RFC 6749 §5.2)."""
    assert response.status_code == status
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    code: str = json.loads(response.data)["error"]
    return code


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/oauth/token", 405), ("PUT", "/oauth/token", 405), ("GET", "/oauth/x", 404)]
)
def test_what_is_not_there_is_refused_in_oauths_form(door: Door, method: str, path: str, status: int) -> None:
    """A wrong method or path below /oauth is JSON in OAuth's form, never HTML."""
    response = door.http.open(path, method=method)
    assert oauth_error(response, status) == "invalid_request"
    assert status != 405 or response.headers["Allow"] == "POST"


def test_a_body_beyond_the_installations_limit(door: Door) -> None:
    """A body that is too large for any request is refused in OAuth's form here."""
    assert oauth_error(door.http.post("/oauth/token", data=b"x" * (17 * 1024 * 1024)), 413) == "invalid_request"


@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
def test_the_server_describes_itself(door: Door, name: str) -> None:
    """The metadata (RFC 8414, OpenID Connect Discovery) say what is true: where, how, which algorithms and grants."""
    response = door.http.get(f"/.well-known/{name}")
    assert response.content_type == "application/json"
    told = json.loads(response.data)
    base = "http://127.0.0.1:8080"
    places = {one: url for one, url in told.items() if one.endswith(("_endpoint", "_uri"))}
    assert places.pop("token_endpoint") == f"{base}/oauth/token"
    assert all(url.startswith(f"{base}/oauth/") for url in places.values())
    assert told["issuer"] == base
    assert told["token_endpoint_auth_methods_supported"] == [
        "client_secret_basic", "client_secret_post", "private_key_jwt", "none",
    ]  # fmt: skip
    algorithms = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
    assert told["token_endpoint_auth_signing_alg_values_supported"] == algorithms
    assert told["grant_types_supported"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert told["response_types_supported"] == ["code"]
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["id_token_signing_alg_values_supported"] == ["RS256"]
    assert not any(told[f"{one}_parameter_supported"] for one in ("request", "request_uri", "claims"))
    assert told["authorization_response_iss_parameter_supported"]
    assert {"openid", "roles", "scim"} <= set(told["scopes_supported"])


def test_token_requests_are_in_the_request_log(door: Door) -> None:
    """A client's requests for tokens are rows of its connection, with the check that refused; nothing it sent is."""
    client = door.installation.clients.add(MAY_I, door.okta, "client")
    held, secret = door.installation.clients.add_secret(MAY_I, client, "first", None)
    for text in (secret.text, "rbs_wrong-and-secret"):
        form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": text}
        door.http.post("/oauth/token", data=form)
    door.http.post("/oauth/token", data={"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"})
    door.installation.request_log.flush()
    with door.installation.store.read() as unit:
        columns = "connection_id, path, status, detail, credential_id"
        rows = unit.link.execute(f"SELECT {columns} FROM request_log ORDER BY at, request_id", ()).fetchall()
    assert [tuple(row) for row in rows] == [
        (door.okta.id, "/oauth/token", 200, "", held.credential.id),
        (door.okta.id, "/oauth/token", 401, "wrong-secret: no secret of the client is that", ""),
        ("", "/oauth/token", 401, "unknown-client: there is no such client", ""),
    ]
