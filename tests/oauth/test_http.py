"""Third-party clients against a served bridge: tokens over real HTTP, and one rate for all workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, RSAKey
from tests.idp.served import Served, served

from rolebridge.bridge.callers import Operator
from rolebridge.oauth.keys import read_public_keys

pytestmark = pytest.mark.loopback
OPERATOR = Operator("os:tests", "tests")


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge with two workers."""
    folder = tmp_path_factory.mktemp("oauth")
    with served(folder, f"sqlite:///{folder / 'rolebridge.db'}") as running:
        yield running


def reads_users(client: Any, bridge: Served) -> int:
    """Return how many users the client sees."""
    response = client.get(f"{bridge.base}/Users")
    assert response.status_code == 200, response.text
    total: int = response.json()["totalResults"]
    return total


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlibs_client_with_a_secret(bridge: Served, method: str) -> None:
    """Authlib's client fetches a token in either way and reads users with it."""
    connection, _ = bridge.connection("entra")
    given = bridge.client(connection)
    with OAuth2Client(given["client_id"], given["client_secret"], token_endpoint_auth_method=method) as client:
        token = client.fetch_token(given["token_url"], grant_type="client_credentials")
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
        assert reads_users(client, bridge) == 0


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSAKey.generate_key(2048)), ("ES256", ECKey.generate_key())])
def test_authlibs_client_with_a_key(bridge: Served, algorithm: str, key: Any) -> None:
    """Authlib's client proves itself by private_key_jwt; a captured assertion brings nothing the second time."""
    connection, _ = bridge.connection("entra")
    clients = bridge.installation.clients
    added = clients.add(OPERATOR, connection, "signing")
    (public,) = read_public_keys(key.as_pem(private=False).decode())
    clients.add_key(OPERATOR, added, "key", public, None)
    endpoint = bridge.installation.token_endpoint
    sent: list[Any] = []
    with OAuth2Client(
        added.id, key, token_endpoint_auth_method="private_key_jwt", event_hooks={"request": [sent.append]}
    ) as client:
        client.register_client_auth_method(PrivateKeyJWT(endpoint, alg=algorithm))
        client.fetch_token(endpoint, grant_type="client_credentials")
        assert reads_users(client, bridge) == 0
    again = httpx.post(endpoint, content=sent[0].content, headers={"Content-Type": sent[0].headers["Content-Type"]})
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert again.json()["error_description"] == "the assertion was used before"


def test_a_token_sees_its_connection_only(bridge: Served) -> None:
    """What one connection's client creates, another's does not see, in the same organization or not."""
    administration = bridge.installation.administration
    okta, _ = bridge.connection("okta")
    organization = next(one for one in administration.organizations() if one.id == okta.organization_id)
    entra, _ = administration.add_connection(OPERATOR, organization, "entra", "entra")
    tokens = {}
    for connection in (okta, entra):
        given = bridge.client(connection)
        form = {
            "grant_type": "client_credentials",
            "client_id": given["client_id"],
            "client_secret": given["client_secret"],
        }
        tokens[connection.name] = httpx.post(given["token_url"], data=form).json()["access_token"]
    mine, theirs = ({"Authorization": f"Bearer {tokens[name]}"} for name in ("okta", "entra"))
    user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ana"}
    made = httpx.post(f"{bridge.base}/Users", json=user, headers=mine)
    assert made.status_code == 201
    assert httpx.get(made.headers["Location"], headers=mine).status_code == 200
    assert httpx.get(made.headers["Location"], headers=theirs).status_code == 404
    assert httpx.delete(made.headers["Location"], headers=theirs).status_code == 404


def test_a_revoked_client_is_out_at_once(bridge: Served) -> None:
    """The request after the revocation is refused by every worker, though the token had an hour to live."""
    connection, _ = bridge.connection("okta")
    given = bridge.client(connection)
    form = {
        "grant_type": "client_credentials",
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
    }
    token = httpx.post(given["token_url"], data=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{bridge.base}/Users", headers=headers).status_code == 200
    clients = bridge.installation.clients
    with bridge.installation.store.read() as unit:
        found = unit.clients.client(given["client_id"])
    assert found is not None
    clients.revoke(OPERATOR, found)
    for _ in range(8):  # a new connection each time: any of the workers may answer
        refused = httpx.get(f"{bridge.base}/Users", headers=headers)
        assert refused.status_code == 401
        assert "the client of the access token was revoked" in refused.json()["detail"]


def test_workers_share_a_rate(bridge: Served) -> None:
    """A burst over many connections, and so over both workers, gets what the limit says and no worker's extra."""
    connection, token = bridge.connection("okta")
    bridge.installation.administration.set_rate_limit(OPERATOR, connection, "1/30")
    headers = {"Authorization": f"Bearer {token}"}

    def once(_: int) -> httpx.Response:
        return httpx.get(f"{bridge.base}/Users?count=0", headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(once, range(60)))
    admitted = sum(answer.status_code == 200 for answer in answers)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert admitted + len(refused) == 60
    assert 30 <= admitted <= 45  # the burst, and one more for each second that it took
    for answer in refused:
        assert answer.headers["Content-Type"] == "application/scim+json"
        assert answer.json()["status"] == "429"
        assert answer.headers["Retry-After"].isdigit()


def test_floods_and_fragments(bridge: Served) -> None:
    """Nothing sent to the token endpoint is answered by anything but OAuth's JSON, below 500."""
    endpoint = bridge.installation.token_endpoint
    form = "application/x-www-form-urlencoded"
    for body, headers in (
        (b"", {}),
        (b"\x00\xff" * 5000, {"Content-Type": form}),
        (b"a" * (17 * 1024 * 1024), {"Content-Type": form}),
        (b"grant_type=client_credentials", {"Content-Type": form, "Authorization": "Basic ="}),
        (b"grant_type=client_credentials", {"Content-Type": form, "Authorization": "\xff"}),
        (b"grant_type=client_credentials&" + b"x=1&" * 4000, {"Content-Type": form}),
    ):
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = httpx.post(endpoint, content=body, headers=raw)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert set(json.loads(answer.text)) == {"error", "error_description"}
