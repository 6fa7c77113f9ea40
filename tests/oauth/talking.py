"""A client that talks to the token endpoint without HTTP, and signs assertions as it likes."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from tests.bridge.worlds import OPERATOR, World

from rolebridge.bridge.clients import ClientAdministration, TokenIssuing
from rolebridge.bridge.credentials import Hasher
from rolebridge.oauth.assertions import ASSERTION_TYPE
from rolebridge.oauth.face import OAuthFace
from rolebridge.oauth.keys import read_public_keys
from rolebridge.store.records import ClientCredential, Connection
from rolebridge.web.addresses import Origins
from rolebridge.web.authentication import Authenticator
from rolebridge.web.rates import Meters
from rolebridge.web.requests import Request

ISSUER = "https://bridge.example"
ENDPOINT = f"{ISSUER}/oauth/token"
FORM = "application/x-www-form-urlencoded"


@cache
def key_for(algorithm: str) -> Key:
    """Return a key pair, the same for all tests: making one takes long."""
    if algorithm in {"RS256", "PS256", "RS512"}:
        return RSAKey.generate_key(2048)
    if algorithm == "ES384":
        return ECKey.generate_key("P-384")
    return ECKey.generate_key("P-256") if algorithm == "ES256" else OKPKey.generate_key("Ed25519")


def public_pem(algorithm: str) -> bytes:
    """Return the public half of the key for an algorithm as a PEM block."""
    key = key_for(algorithm)
    assert isinstance(key, RSAKey | ECKey | OKPKey)
    return key.as_pem(private=False)


@dataclass(frozen=True)
class Told:
    """An answer of the endpoint, read."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.body["error"]


class Talk:
    """A client of a world's connection, and everything between it and the store."""

    def __init__(self, world: World, trusted: tuple[str, ...] = ()) -> None:
        self.world = world
        self.seconds = 1_000.0
        self.origins = Origins(trusted)
        self.use(Hasher(b"k" * 32))
        self.client = self.administration.add(OPERATOR, self.connection("okta"), "okta prod")
        self.held, secret = self.administration.add_secret(OPERATOR, self.client, "first", None)
        self.secret = secret.text

    def use(self, hasher: Hasher) -> None:
        """Begin anew with other secret keys."""
        self.hasher = hasher
        self.administration = ClientAdministration(self.world.store, hasher, self.world.clock)
        self.authenticator = Authenticator(self.world.store, hasher, self.world.clock)
        issuing = TokenIssuing(self.world.store, hasher, self.world.clock)
        self.face = OAuthFace(issuing, self.origins, Meters(clock=lambda: self.seconds), ISSUER, ENDPOINT)

    def connection(self, name: str) -> Connection:
        return self.world.administration.connection(self.world.organization, name)

    # --- requests

    def send(self, body: bytes | str, headers: dict[str, str] | None = None, peer: str = "203.0.113.7") -> Told:
        raw = body.encode() if isinstance(body, str) else body
        request = Request("POST", "/oauth/token", (), {"content-type": FORM, **(headers or {})}, raw, "r1", peer=peer)
        response = self.face.token(request)
        assert isinstance(response.body, bytes)
        told = Told(response.status, dict(response.headers), json.loads(response.body))
        assert told.headers["Content-Type"] == "application/json"
        assert told.headers["Cache-Control"] == "no-store"
        return told

    def ask(self, headers: Any = None, peer: str = "203.0.113.7", **form: str) -> Told:
        return self.send(urlencode({"grant_type": "client_credentials", **form}), headers, peer)

    def post(self, secret: str | None = None, client_id: str | None = None, **more: str) -> Told:
        return self.ask(client_id=client_id or self.client.id, client_secret=secret or self.secret, **more)

    def basic(self, secret: str | None = None, **form: str) -> Told:
        pair = f"{self.client.id}:{secret or self.secret}".encode()
        return self.ask({"authorization": f"Basic {base64.b64encode(pair).decode()}"}, **form)

    def token(self) -> str:
        told = self.post()
        assert told.status == 200, told
        text: str = told.body["access_token"]
        return text

    def connection_of(self, token: str) -> str:
        """Return the connection that an access token opens the door for."""
        return self.authenticator.caller(f"Bearer {token}", "r2").connection_name

    # --- assertions

    def register(self, algorithm: str = "ES256", **more: Any) -> ClientCredential:
        """Register the public half of the key for an algorithm."""
        jwk = {**key_for(algorithm).as_dict(private=False), **more}
        (public,) = read_public_keys(json.dumps(jwk))
        return self.administration.add_key(OPERATOR, self.client, f"{algorithm} key", public, None)

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(self.world.now.astimezone(UTC).timestamp())
        claims = {
            "iss": self.client.id, "sub": self.client.id, "aud": ENDPOINT, "iat": now, "exp": now + 300,
            "jti": str(uuid4()), **more,
        }  # fmt: skip
        return {name: value for name, value in claims.items() if value is not ...}

    def sign(self, algorithm: str = "ES256", header: dict[str, Any] | None = None, **claims: Any) -> str:
        head = {"alg": algorithm, **(header or {})}
        return jwt.encode(head, self.claims(**claims), key_for(algorithm), registry=_Anything())

    def show(self, assertion: str, **form: str) -> Told:
        return self.ask(client_assertion_type=ASSERTION_TYPE, client_assertion=assertion, **form)

    def wait(self, **time: float) -> None:
        self.world.now += timedelta(**time)


class _Anything(JWSRegistry):
    """Signs with every algorithm and header."""

    def __init__(self) -> None:
        super().__init__(strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]
