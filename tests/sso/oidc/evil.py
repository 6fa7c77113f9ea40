"""A provider of OpenID Connect that can be honest or evil in each of its answers.

It knows nothing of the relying party: tokens are put together and signed with `cryptography` alone, documents are plain
dicts, and what it does wrong a case changes on an instance of `EvilProvider` before the login begins.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from tests.ports import free_port

from rolebridge.web.outgoing import Fetched, OutgoingRefused, Reason

ISSUER: Final = "https://idp.example"
CLIENT_ID: Final = "bridge"
CLIENT_SECRET: Final = "s3cr3t+/ with blanks"
NOW: Final = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SUBJECT: Final = "00u1a2b3c4"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Answer = tuple[int, dict[str, str], bytes]


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key, the same for the same name."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(name: str, curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    """Return a key, the same for the same name."""
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[curve])


@cache
def ed_key(name: str) -> ed25519.Ed25519PrivateKey:
    """Return a key, the same for the same name."""
    return ed25519.Ed25519PrivateKey.generate()


def b64(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    """Return a number as JSON Web Keys hold it."""
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def public_jwk(key: PrivateKey, kid: str | None, **members: Any) -> dict[str, Any]:
    """Return the public half of a key as a JSON Web Key."""
    named = {} if kid is None else {"kid": kid}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **named, **members}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        size = (key.key_size + 7) // 8
        crv = {256: "P-256", 384: "P-384", 521: "P-521"}[key.key_size]
        return {"kty": "EC", "crv": crv, "x": number(point.x, size), "y": number(point.y, size), **named, **members}
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), **named, **members}


def private_jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    """Return a whole key as a JSON Web Key, which nobody should publish."""
    numbers = key.private_numbers()
    return {**public_jwk(key, kid), "d": number(numbers.d), "p": number(numbers.p), "q": number(numbers.q)}


def sign(algorithm: str, key: PrivateKey | bytes, data: bytes) -> bytes:
    """Return a signature (RFC 7518 §3)."""
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}.get(algorithm[2:])
    if isinstance(key, bytes):
        return hmac.digest(key, data, f"sha{algorithm[2:]}")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    assert digest is not None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        size = (key.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if algorithm.startswith("PS"):
        return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(data, padding.PKCS1v15(), digest)


def encoded(value: Any) -> str:
    """Return JSON (a str is taken as it is) as a part of a token."""
    text = value if isinstance(value, str) else json.dumps(value)
    return b64(text.encode())


def half_hash(text: str, bits: str = "256") -> str:
    """Return the left half of a hash (OpenID Connect Core §3.1.3.6)."""
    digest = hashlib.new(f"sha{bits}", text.encode()).digest()
    return b64(digest[: len(digest) // 2])


def as_json(value: Any, status: int = 200) -> Answer:
    """Return an answer of JSON; a str is taken as it is."""
    text = value if isinstance(value, str) else json.dumps(value)
    return status, {"content-type": "application/json"}, text.encode()


HTML: Final[Answer] = (200, {"content-type": "text/html"}, b"<html><script>alert(1)</script></html>")


@dataclass
class Grant:
    """A code that was given, and what it was asked for with."""

    nonce: str
    challenge: str
    redirect_uri: str
    used: bool = False


@dataclass
class EvilProvider:
    """A provider. Fields say what it answers; `answers` replaces an answer by its path, `sign_with` makes tokens."""

    issuer: str = ISSUER
    algorithm: str = "RS256"
    kid: str | None = "k1"
    key: PrivateKey | bytes = field(default_factory=lambda: rsa_key("honest"))
    now: datetime = NOW
    discovery: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] | None = None
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    response: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": SUBJECT, "groups": ["reviewers"]})
    answers: dict[str, Answer | OutgoingRefused] = field(default_factory=dict)
    back: list[tuple[str, str]] | None = None
    """What the browser brings beside `code` and `state`."""
    odd: str = ""
    """What each code ends with."""
    payload: str | None = None
    make_token: Callable[[str, str], str] | None = None
    """Makes the ID token from its honest header and payload, both encoded."""
    authentication: str = "client_secret_basic"
    grants: dict[str, Grant] = field(default_factory=dict)
    asked: list[tuple[str, str, Mapping[str, str], bytes]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    # --- documents

    def discovery_document(self) -> dict[str, Any]:
        """Return what the provider says of itself; None for a member takes it away."""
        document: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        } | self.discovery
        return {name: value for name, value in document.items() if value is not None}

    def key_set(self) -> dict[str, Any]:
        """Return the keys that the provider publishes."""
        if self.keys is not None:
            return {"keys": self.keys}
        assert not isinstance(self.key, bytes)
        return {"keys": [public_jwk(self.key, self.kid, use="sig", alg=self.algorithm)]}

    def id_token(self, code: str) -> str:
        """Return the ID token for a code."""
        now = int(self.now.timestamp())
        claims = {
            "iss": self.issuer,
            "sub": SUBJECT,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 3600,
            "nonce": self.grants[code].nonce,
            "email": "ana@acme.example",
        } | self.claims
        header = {"alg": self.algorithm, **({} if self.kid is None else {"kid": self.kid}), **self.header}
        honest = {name: value for name, value in claims.items() if name not in self.without}
        return self.token({k: v for k, v in header.items() if v is not None}, self.payload or honest)

    def token(self, header: Any, claims: Any) -> str:
        """Return a token as this provider makes them."""
        first, second = encoded(header), encoded(claims)
        if self.make_token is not None:
            return self.make_token(first, second)
        return f"{first}.{second}.{b64(sign(self.algorithm, self.key, f'{first}.{second}'.encode()))}"

    # --- the browser's side

    def authorize(self, url: str) -> list[tuple[str, str]]:
        """Sign the person in and return the parameters with which the browser goes back."""
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == self.discovery_document()["authorization_endpoint"]
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.grants)}{self.odd}"
        self.grants[code] = Grant(asked["nonce"], asked["code_challenge"], asked["redirect_uri"])
        own = [("iss", self.issuer)] if self.back is None else self.back
        return [("code", code), ("state", asked["state"]), *own]

    # --- the wire

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | OutgoingRefused:
        """Answer a request of the relying party."""
        self.asked.append((method, path, headers, body))
        if path in self.answers:
            return self.answers[path]
        if path.endswith("/.well-known/openid-configuration"):
            return as_json(self.discovery_document())
        if path.endswith("/keys"):
            return as_json(self.key_set())
        if path.endswith("/userinfo"):
            return as_json(self.userinfo)
        assert (method, path.rpartition("/")[2]) == ("POST", "token")
        return self.exchange(headers, dict(parse_qsl(body.decode(), keep_blank_values=True)))

    def exchange(self, headers: Mapping[str, str], form: dict[str, str]) -> Answer:
        """Exchange a code: PKCE, redirect URI and the client are looked at, as a good provider does."""
        self.forms.append(form)
        grant = self.grants.get(form["code"])
        challenge = b64(hashlib.sha256(form["code_verifier"].encode()).digest())
        if grant is None or grant.used or challenge != grant.challenge or form["redirect_uri"] != grant.redirect_uri:
            return as_json({"error": "invalid_grant", "error_description": "the code is not for this"}, 400)
        if not self._proved(headers, form):
            return as_json({"error": "invalid_client"}, 401)
        grant.used = True
        document = {"access_token": "access-1", "token_type": "Bearer", "expires_in": 60}
        document["id_token"] = self.id_token(form["code"])
        answer = document | self.response
        return as_json({name: value for name, value in answer.items() if value is not None})

    def _proved(self, headers: Mapping[str, str], form: Mapping[str, str]) -> bool:
        if self.authentication == "client_secret_post":
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if self.authentication == "private_key_jwt":
            return form.get("client_assertion_type", "").endswith("jwt-bearer") and "client_assertion" in form
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        id_, _, secret = b64decode(shown).decode().partition(":")
        return (scheme, unquote_plus(id_), unquote_plus(secret)) == ("Basic", CLIENT_ID, CLIENT_SECRET)


class InProcess:
    """What the relying party takes for the guarded client, straight to a provider; it refuses as that one does."""

    def __init__(self, provider: EvilProvider) -> None:
        self.provider = provider

    def get(self, url: str, *, headers: Mapping[str, str] | None, most_bytes: int, seconds: float) -> Fetched:
        """Ask the provider."""
        return self._ask("GET", url, headers, b"", most_bytes)

    def post(
        self,
        url: str,
        body: bytes,
        content_type: str,
        *,
        headers: Mapping[str, str] | None,
        most_bytes: int,
        seconds: float,
    ) -> Fetched:
        """Ask the provider."""
        return self._ask("POST", url, {**(headers or {}), "content-type": content_type}, body, most_bytes)

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes, most: int) -> Fetched:
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        answer = self.provider.answer(method, urlsplit(url).path, sent, body)
        if isinstance(answer, OutgoingRefused):
            raise answer
        status, said, content = answer
        if 300 <= status < 400:
            raise OutgoingRefused(Reason.REDIRECT, f"`idp.example` redirects ({status}); redirects are not followed")
        if len(content) > most:
            raise OutgoingRefused(Reason.TOO_LARGE, f"`idp.example` answers with more than {most:,} bytes")
        return Fetched(status, said, content)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@dataclass
class Stage:
    """A server on this machine, at which one provider after another answers."""

    issuer: str
    provider: EvilProvider

    def enter(self) -> EvilProvider:
        """Return a new provider that answers from now on."""
        self.provider = EvilProvider(issuer=self.issuer)
        return self.provider


@contextmanager
def served(provider: EvilProvider) -> Iterator[EvilProvider]:
    """Serve a provider over HTTP on this machine, under an issuer of its own."""
    with stage() as running:
        provider.issuer = running.issuer
        running.provider = provider
        yield provider


@contextmanager
def stage() -> Iterator[Stage]:
    """Serve providers over HTTP on this machine."""
    port = free_port()
    running = Stage(f"http://127.0.0.1:{port}", EvilProvider())

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {k.removeprefix("HTTP_").lower().replace("_", "-"): v for k, v in environ.items() if k[:5] == "HTTP_"}
        answer = running.provider.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], headers, body)
        assert not isinstance(answer, OutgoingRefused)
        status, said, content = answer
        start_response(f"{status} Said", [*said.items(), ("Content-Length", str(len(content)))])
        return [content]

    server = make_server("127.0.0.1", port, application, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
