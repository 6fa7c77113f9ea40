"""The request log as an installation keeps it: every kind of refusal is in it, and no word of a person or secret."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.databases import with_schema
from tests.ports import free_port

from rolebridge.app import Installation, open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.callers import Operator
from rolebridge.settings import load
from rolebridge.store.request_log import NOBODY, LoggedRequest, Wanted

KEY = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"
MAY_I = Operator("os:test", "test")
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
SECRETS = ["s3cr3t-passw0rd", "zz.private@person.example", "Zzprivate", "+49555123456"]
"""What no table of the log may hold."""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The settings of an installation with a schema."""
    url = f"sqlite:///{tmp_path}/rolebridge.db"
    with_schema(url)
    return {"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY}


@pytest.fixture
def installation(environ: dict[str, str]) -> Iterator[Installation]:
    """The installation."""
    opened = open_installation(load(environ))
    yield opened
    opened.close()


@pytest.fixture
def token(installation: Installation) -> str:
    """The token of the connection `okta` of the only organization."""
    organization = installation.administration.add_organization(MAY_I, "acme")
    _, secret = installation.administration.add_connection(MAY_I, organization, "okta", "strict")
    return secret.text


@pytest.fixture
def client(installation: Installation) -> FlaskClient:
    """Somebody at the door."""
    return create_app(installation).test_client()


def log_of(installation: Installation, *, nobodys: bool = False) -> list[LoggedRequest]:
    """Return the log, oldest first."""
    installation.request_log.flush()
    organization = NOBODY if nobodys else installation.administration.organization(None).id
    return list(reversed(installation.request_log.page(organization, Wanted(), limit=1_000).rows))


def test_no_value_reaches_the_disk(installation: Installation, client: FlaskClient, token: str, tmp_path: Path) -> None:
    """Refused requests leave names and types behind: no e-mail, name, number, password or token in any byte."""
    headers = {"Authorization": f"Bearer {token}"}
    mail, name, number, password = SECRETS[1], SECRETS[2], SECRETS[3], SECRETS[0]
    person = {"userName": mail, "password": password, "name": name, "phoneNumbers": [{"value": number}], mail: 1}
    for body in (person, {"schemas": [USER], **person}, {"schemas": [USER], "userName": mail, "active": mail}, [mail]):
        assert client.post("/scim/v2/Users", json=body, headers=headers).status_code == 400
    client.get(f"/scim/v2/Users/{mail}", headers={**headers, "User-Agent": "Entra"})
    client.get("/scim/v2/Users", query_string={"filter": f'userName like "{mail}"'}, headers=headers)
    client.get("/scim/v2/Users", query_string={"filter": f'userName eq "{mail}"', mail: name}, headers=headers)
    client.get(f"/scim/v2/{mail}", headers={"Authorization": f"Bearer {token}{password}"})
    assert len(log_of(installation)) == 7
    assert len(log_of(installation, nobodys=True)) == 1
    installation.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"/Users" in stored
    for secret in (*SECRETS, token, token[5:30]):
        assert secret.encode() not in stored


def test_rows_of_answered_requests_hold_no_value(installation: Installation, client: FlaskClient, token: str) -> None:
    """What was provisioned is in the directory, and not in the log of how it came."""
    headers = {"Authorization": f"Bearer {token}"}
    body = {"schemas": [USER], "userName": SECRETS[1], "password": SECRETS[0], "displayName": SECRETS[2]}
    made = client.post("/scim/v2/Users", json=body, headers=headers)
    assert made.status_code == 201
    assert client.post("/scim/v2/Users", json=body, headers=headers).status_code == 409
    client.get("/scim/v2/Users", query_string={"filter": f'userName eq "{SECRETS[1]}"'}, headers=headers)
    rows = log_of(installation)
    assert [row.status for row in rows] == [201, 409, 200]
    assert rows[0].resource_id == json.loads(made.data)["id"]
    assert rows[1].detail == "userName `…` belongs to another user"
    assert rows[2].query == "filter=userName eq …"
    assert not [secret for secret in (*SECRETS, token) if secret in repr(rows)]


def test_an_ended_token_is_logged_for_its_connection(
    installation: Installation, client: FlaskClient, token: str
) -> None:
    """Whose provider still shows a revoked token must find that in their own log."""
    organization = installation.administration.organization(None)
    connection = installation.administration.connection(organization, "okta")
    (credential,) = [one.credential for one in installation.administration.tokens(connection)]
    installation.administration.revoke_token(MAY_I, connection, credential.id)
    client.get("/scim/v2/Users", headers={"Authorization": f"Bearer {token}"})
    (row,) = log_of(installation)
    assert (row.status, row.connection_id, row.credential_id) == (401, connection.id, credential.id)
    assert row.detail == "the token was revoked"
    assert log_of(installation, nobodys=True) == []


def test_limits_of_a_connection_are_in_its_log(installation: Installation, client: FlaskClient, token: str) -> None:
    """Whoever's rate or network refuses a request finds that refusal, with the address that it came from."""
    headers = {"Authorization": f"Bearer {token}"}
    administration = installation.administration
    connection = administration.connection(administration.organization(None), "okta")
    connection = administration.set_allowed(MAY_I, connection, ["192.0.2.0/24"])
    client.get("/scim/v2/Users", headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    administration.set_rate_limit(MAY_I, connection, "1/1")
    for _ in range(2):
        client.get("/scim/v2/Users", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    rows = log_of(installation)
    assert [(row.status, row.peer) for row in rows] == [(403, "203.0.113.7"), (200, "192.0.2.7"), (429, "192.0.2.7")]
    assert {row.connection_id for row in rows} == {connection.id}
    assert all(row.credential_id for row in rows)


def test_the_operations_of_a_bulk_request_are_rows(installation: Installation, client: FlaskClient, token: str) -> None:
    """A bulk request is answered 200 whatever its operations were: each has a row under the same id and its place."""
    new = {"schemas": [USER], "userName": SECRETS[1], "active": "perhaps"}
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "one", "data": {"schemas": [USER], "userName": "kim"}},
            {"method": "POST", "path": "/Users", "bulkId": "two", "data": new},
        ],
    }
    said = client.post("/scim/v2/Bulk", json=body, headers={"Authorization": f"Bearer {token}"})
    assert json.loads(said.data)["Operations"][1]["status"] == "400"
    id_ = said.headers["X-Request-Id"]
    rows = {row.request_id: row for row in log_of(installation)}
    assert {key: row.status for key, row in rows.items()} == {id_: 200, f"{id_}-1": 201, f"{id_}-2": 400}
    shape = json.loads(rows[f"{id_}-2"].shape or "")
    assert shape == {"schemas": [USER], "userName": "string", "active": "string"}
    assert SECRETS[1] not in repr(rows)


def test_a_token_that_nobody_has_is_the_machine_holders_matter(
    installation: Installation, client: FlaskClient, token: str
) -> None:
    """No organization is told of it; who holds the machine is."""
    client.get("/scim/v2/Users", headers={"Authorization": "Bearer rbt_unknown"})
    client.get("/scim/v2/Users")
    client.get("/api/v1/status", headers={"Authorization": "Bearer rbk_unknown"})
    assert log_of(installation) == []
    told = [(row.path, row.status, row.detail) for row in log_of(installation, nobodys=True)]
    assert told == [
        ("/Users", 401, "the token is not known"),
        ("/Users", 401, "there is no Authorization header"),
        ("/api/v1/…", 401, "the API key is not known"),
    ]


def test_what_is_refused_in_front_of_the_door_is_logged(installation: Installation, token: str) -> None:
    """A body that is too large, a method that there is not: for that nobody was asked who they are."""
    client = create_app(replace(installation, settings=replace(installation.settings, max_body_bytes=10))).test_client()
    client.post("/scim/v2/Users", data=b"x" * 11, headers={"Authorization": f"Bearer {token}"})
    client.open("/scim/v2/Users", method="TRACE")
    client.get("/elsewhere")
    logged = [
        [(row.status, row.method, row.path) for row in log_of(installation, nobodys=nobodys)]
        for nobodys in (False, True)
    ]
    assert logged == [[(413, "POST", "/Users")], [(405, "…", "/Users")]]


def test_a_defect_is_logged_without_its_words(
    installation: Installation, client: FlaskClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 stands in the log of the connection; what broke stands in the server's log alone."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError(SECRETS[1])

    monkeypatch.setattr(type(installation.provisioning), "find_users", broken)
    answer = client.get("/scim/v2/Users", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 500
    (row,) = log_of(installation)
    assert (row.status, row.request_id) == (500, answer.headers["X-Request-Id"])
    assert SECRETS[1] not in repr(row)


def test_a_flood_without_a_credential_stays_small(installation: Installation, client: FlaskClient, token: str) -> None:
    """However many requests an intruder sends, the log keeps a ration of them, and their number."""
    for _ in range(400):
        client.get("/scim/v2/Users", headers={"Authorization": "Bearer rbt_guess"})
    rows = log_of(installation, nobodys=True)
    assert len(rows) < 150
    assert len([row for row in rows if not row.lost]) + sum(row.lost for row in rows) == 400


def ask(url: str, token: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.loopback
def test_a_server_that_is_stopped_writes_what_waits(
    environ: dict[str, str], installation: Installation, token: str
) -> None:
    """SIGTERM right after an answer loses neither its row nor the token's last use, nor what the server refused."""
    port = free_port()
    served = subprocess.Popen(
        [sys.executable, "-m", "rolebridge", "serve"],
        env={**os.environ, **environ, "ROLEBRIDGE_BIND": f"127.0.0.1:{port}", "ROLEBRIDGE_WORKERS": "1",
             "ROLEBRIDGE_MAX_BODY_BYTES": "65536"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert served.stdout is not None
        assert b"SCIM" in served.stdout.readline()
        until = time.monotonic() + 20
        while True:
            try:
                assert ask(f"http://127.0.0.1:{port}/scim/v2/Users", token) == 200
                break
            except urllib.error.URLError:
                assert time.monotonic() < until
                time.sleep(0.05)
        too_large = b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(too_large)
            assert b"413" in line.recv(100)
        assert log_of(installation) == []
    finally:
        served.send_signal(signal.SIGTERM)
        served.communicate(timeout=30)
    assert [(row.status, row.path) for row in log_of(installation)] == [(200, "/Users")]
    assert [(row.status, row.path) for row in log_of(installation, nobodys=True)] == [(413, "/Users")]
    connection = installation.administration.connection(installation.administration.organization(None), "okta")
    assert installation.administration.tokens(connection)[0].credential.last_used_at is not None
