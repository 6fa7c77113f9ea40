"""What an evil provider, or somebody between it and the bridge, does: by name, with the check that must refuse it."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.sso.oidc.evil import (
    CLIENT_ID,
    CLIENT_SECRET,
    HTML,
    ISSUER,
    NOW,
    EvilProvider,
    as_json,
    b64,
    ec_key,
    ed_key,
    encoded,
    half_hash,
    number,
    private_jwk,
    public_jwk,
    rsa_key,
    sign,
)

from rolebridge.web.outgoing import OutgoingRefused, Reason

Arrange = Callable[[EvilProvider], None]
Query = list[tuple[str, str]]
T: Final = int(NOW.timestamp())


@dataclass(frozen=True)
class Case:
    """Something evil: which check refuses it, how the provider does it, what the browser brings in its place."""

    name: str
    code: str
    arrange: Arrange = lambda provider: None
    settings: Mapping[str, Any] = field(default_factory=dict)
    bring: Callable[[Query], Query] = lambda query: query
    demands: Mapping[str, Any] = field(default_factory=dict)

    def answers(self) -> list[Any]:
        """Return the answers that the case replaces."""
        provider = EvilProvider()
        self.arrange(provider)
        return list(provider.answers.values())


def discovery(**members: Any) -> Arrange:
    """Have the discovery document say something else."""
    return lambda provider: provider.discovery.update(members)


def answers(path: str, answer: Any) -> Arrange:
    """Have a path answer something else."""
    return lambda provider: provider.answers.update({path: answer})


def claims(**members: Any) -> Arrange:
    """Have the ID token claim something else."""
    return lambda provider: provider.claims.update(members)


def lacking(*names: str) -> Arrange:
    """Have the ID token leave claims out."""
    return lambda provider: provider.without.update(names)


def header(**members: Any) -> Arrange:
    """Have the ID token's header say something else; None takes a member away."""
    return lambda provider: provider.header.update(members)


def payload(text: str) -> Arrange:
    """Have the ID token hold this text."""

    def arrange(provider: EvilProvider) -> None:
        provider.payload = text

    return arrange


def response(**members: Any) -> Arrange:
    """Have the token endpoint say something else; None takes a member away."""
    return lambda provider: provider.response.update(members)


def keys(*published: dict[str, Any]) -> Arrange:
    """Have the provider publish these keys."""

    def arrange(provider: EvilProvider) -> None:
        provider.keys = list(published)

    return arrange


def honest(**members: Any) -> dict[str, Any]:
    """Return the honest key as it is published, with other members."""
    return public_jwk(rsa_key("honest"), "k1") | members


def signed_by(key: Any, algorithm: str = "RS256", **members: Any) -> Arrange:
    """Have somebody else's key sign, with these members in the header, while the honest key is published."""

    def arrange(provider: EvilProvider) -> None:
        provider.keys = [honest()]
        provider.key, provider.algorithm = key, algorithm
        provider.header.update(members)

    return arrange


def made(make: Callable[[str, str], str]) -> Arrange:
    """Have the ID token made of its honest header and payload in another way."""

    def arrange(provider: EvilProvider) -> None:
        provider.make_token = make

    return arrange


def all_of(*parts: Arrange) -> Arrange:
    """Do several things."""

    def arrange(provider: EvilProvider) -> None:
        for part in parts:
            part(provider)

    return arrange


def good(first: str, second: str) -> str:
    """Return the honest token."""
    return f"{first}.{second}.{b64(sign('RS256', rsa_key('honest'), f'{first}.{second}'.encode()))}"


def with_header(**members: Any) -> Callable[[str, str], str]:
    """Return how a token is made whose header is another, unsigned."""
    return lambda _, second: f"{encoded(members)}.{second}."


def hmac_with(secret: bytes) -> Callable[[str, str], str]:
    """Return how a token is made with a shared secret."""

    def make(_: str, second: str) -> str:
        first = encoded({"alg": "HS256", "kid": "k1"})
        return f"{first}.{second}.{b64(hmac.digest(secret, f'{first}.{second}'.encode(), 'sha256'))}"

    return make


def der_signature(first: str, second: str) -> str:
    """Return a token with an ECDSA signature in DER, which JWS does not have."""
    key = ec_key("honest")
    return f"{first}.{second}.{b64(key.sign(f'{first}.{second}'.encode(), ec.ECDSA(hashes.SHA256())))}"


def ecdsa(provider: EvilProvider) -> None:
    """Have the provider sign with ES256."""
    provider.key, provider.algorithm = ec_key("honest"), "ES256"


def replaced(**members: str) -> Callable[[Query], Query]:
    """Return how parameters are replaced that the browser brings."""
    return lambda query: [(name, value) for name, value in query if name not in members] + list(members.items())


def without(name: str) -> Callable[[Query], Query]:
    """Return how a parameter is taken away that the browser brings."""
    return lambda query: [pair for pair in query if pair[0] != name]


def added(*pairs: tuple[str, str]) -> Callable[[Query], Query]:
    """Return how parameters are added to those that the browser brings."""
    return lambda query: [*query, *pairs]


HONEST_PEM: Final = (
    rsa_key("honest")
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)
HUGE: Final = as_json({"padding": "x" * 600_000})
SLOW: Final = OutgoingRefused(Reason.TOO_SLOW, "`idp.example` has not answered within 10 seconds")
INTERNAL: Final = OutgoingRefused(Reason.ADDRESS, "`idp.example` has an address that is not public")
REDIRECT: Final = (302, {"location": "http://169.254.169.254/latest/meta-data"}, b"")
MARKUP: Final = "</p><script>alert(1)</script>"
WELL_KNOWN: Final = "/.well-known/openid-configuration"
ATTACKER: Final = rsa_key("attacker")
ATTACKER_JWK: Final = public_jwk(ATTACKER, "k1")
WITH_USERINFO: Final = {"userinfo": True}
STRANGERS: Final[tuple[Any, ...]] = ({}, [CLIENT_ID], None, "", 7.5)

DISCOVERY: Final = (
    Case("discovery of another issuer", "oidc-discovery-issuer", discovery(issuer="https://evil.example")),
    Case("discovery with a slash at the end of the issuer", "oidc-discovery-issuer", discovery(issuer=f"{ISSUER}/")),
    Case("discovery with the issuer in capitals", "oidc-discovery-issuer", discovery(issuer="https://IDP.example")),
    Case("discovery with a template as issuer", "oidc-discovery-issuer", discovery(issuer=f"{ISSUER}/{{tenantid}}")),
    Case("discovery without issuer", "oidc-discovery-issuer", discovery(issuer=None)),
    Case("discovery with a list as issuer", "oidc-discovery-issuer", discovery(issuer=[ISSUER])),
    Case("discovery as HTML", "oidc-discovery-form", answers(WELL_KNOWN, HTML)),
    Case("discovery as a list", "oidc-discovery-form", answers(WELL_KNOWN, as_json([1]))),
    Case(
        "discovery with the issuer twice",
        "oidc-discovery-form",
        answers(WELL_KNOWN, as_json(f'{{"issuer": "{ISSUER}", "issuer": "https://evil.example"}}')),
    ),
    Case("discovery nested without end", "oidc-discovery-form", answers(WELL_KNOWN, as_json("[" * 5000))),
    Case("discovery of 600 kB", "oidc-discovery-unreachable", answers(WELL_KNOWN, HUGE)),
    Case("discovery that never comes", "oidc-discovery-unreachable", answers(WELL_KNOWN, SLOW)),
    Case("discovery redirected to an internal address", "oidc-discovery-unreachable", answers(WELL_KNOWN, REDIRECT)),
    Case("discovery at an internal address", "oidc-discovery-unreachable", answers(WELL_KNOWN, INTERNAL)),
    Case("discovery with status 404", "oidc-discovery-unreachable", answers(WELL_KNOWN, as_json({}, 404))),
    Case("discovery with status 500", "oidc-discovery-unreachable", answers(WELL_KNOWN, as_json({}, 500))),
    *(
        Case(f"discovery with {what}", "oidc-discovery-endpoint", discovery(**{name: value}))
        for what, name, value in (
            ("a token endpoint without TLS", "token_endpoint", "http://idp.example/token"),
            ("a token endpoint on this machine", "token_endpoint", "http://127.0.0.1/token"),
            ("no token endpoint", "token_endpoint", None),
            ("no key set", "jwks_uri", None),
            ("a key set in a file", "jwks_uri", "file:///etc/passwd"),
            ("an authorization endpoint that is a script", "authorization_endpoint", "javascript:alert(1)"),
            ("an authorization endpoint with a fragment", "authorization_endpoint", f"{ISSUER}/authorize#"),
            ("an endpoint with a password", "token_endpoint", "https://user:pass@idp.example/token"),
            ("an endpoint with a line break", "token_endpoint", "https://idp.example/token\r\nX: y"),
            ("a number as endpoint", "token_endpoint", 7),
            ("userinfo without TLS", "userinfo_endpoint", "http://idp.example/userinfo"),
            ("a script as sign-out", "end_session_endpoint", "data:text/html,x"),
        )
    ),
    Case(
        "discovery without userinfo that is wanted",
        "oidc-discovery-endpoint",
        discovery(userinfo_endpoint=None),
        WITH_USERINFO,
    ),
)

RESPONSES: Final = (
    Case(
        "mix-up: the response of another provider", "oidc-response-issuer", bring=replaced(iss="https://evil.example")
    ),
    Case("iss with a slash", "oidc-response-issuer", bring=replaced(iss=f"{ISSUER}/")),
    Case("iss empty", "oidc-response-issuer", bring=replaced(iss="")),
    Case(
        "iss of another provider though none is announced",
        "oidc-response-issuer",
        discovery(authorization_response_iss_parameter_supported=None),
        bring=replaced(iss="https://evil.example"),
    ),
    Case("iss missing though announced", "oidc-response-issuer-missing", bring=without("iss")),
    Case("iss twice", "oidc-response-form", bring=added(("iss", "https://evil.example"))),
    Case(
        "iss twice, the good one last",
        "oidc-response-form",
        bring=lambda query: [("iss", "https://evil.example"), *query],
    ),
    Case("code twice", "oidc-response-form", bring=added(("code", "code-evil"))),
    Case("access_denied", "oidc-provider-error", bring=added(("error", "access_denied"))),
    Case(
        "an error with markup",
        "oidc-provider-error",
        bring=added(("error", "x"), ("error_description", MARKUP)),
    ),
    Case("a response without code", "oidc-code-missing", bring=without("code")),
    Case("an empty code", "oidc-code-missing", bring=replaced(code="")),
    Case("a code with a line break", "oidc-code-missing", bring=replaced(code="a\r\nb")),
    Case("a code with a bell", "oidc-code-missing", lambda provider: setattr(provider, "odd", "\7")),
    Case("a code of 10,000 characters", "oidc-code-missing", bring=replaced(code="x" * 10_000)),
    Case(
        "tokens in the response instead of a code",
        "oidc-code-missing",
        bring=lambda query: [("id_token", "a.b.c"), ("access_token", "x"), *without("code")(query)],
    ),
)

TOKEN_ENDPOINT: Final = (
    Case("a code that was never given", "oidc-token-endpoint-refused", bring=replaced(code="code-evil")),
    Case("invalid_client", "oidc-token-endpoint-refused", answers("/token", as_json({"error": "invalid_client"}, 401))),
    Case("an error with status 200", "oidc-token-endpoint-refused", response(error="invalid_grant")),
    Case(
        "an error with markup from the token endpoint",
        "oidc-token-endpoint-refused",
        answers("/token", as_json({"error": MARKUP, "error_description": "x\r\ny`z"}, 400)),
    ),
    Case("tokens with status 400", "oidc-token-endpoint-refused", answers("/token", as_json({"id_token": "x"}, 400))),
    Case("status 500", "oidc-token-endpoint-unreachable", answers("/token", as_json({}, 500))),
    Case("status 429", "oidc-token-endpoint-unreachable", answers("/token", as_json({}, 429))),
    Case("no answer from the token endpoint", "oidc-token-endpoint-unreachable", answers("/token", SLOW)),
    Case("a redirected token request", "oidc-token-endpoint-unreachable", answers("/token", REDIRECT)),
    Case("a token response of 600 kB", "oidc-token-endpoint-unreachable", answers("/token", HUGE)),
    Case("a token endpoint at an internal address", "oidc-token-endpoint-unreachable", answers("/token", INTERNAL)),
    Case("a token response as HTML", "oidc-token-response-form", answers("/token", HTML)),
    Case("a token response as a list", "oidc-token-response-form", answers("/token", as_json([]))),
    Case("a token response cut off", "oidc-token-response-form", answers("/token", as_json('{"id_token": "'))),
    Case(
        "a token response with the ID token twice",
        "oidc-token-response-form",
        answers("/token", as_json('{"token_type": "Bearer", "id_token": "a", "id_token": "b"}')),
    ),
    Case("tokens of type mac", "oidc-token-bearer", response(token_type="mac")),
    Case("tokens of no type", "oidc-token-bearer", response(token_type=None)),
    Case("tokens of a type that is a list", "oidc-token-bearer", response(token_type=["Bearer"])),
    Case("no ID token", "oidc-id-token-missing", response(id_token=None)),
    Case("an empty ID token", "oidc-id-token-missing", response(id_token="")),
    Case("an object as ID token", "oidc-id-token-missing", response(id_token={"sub": "ana"})),
    Case("no access token for userinfo", "oidc-access-token", response(access_token=None), WITH_USERINFO),
    Case("an access token with a line break", "oidc-access-token", response(access_token="a\r\nX: y"), WITH_USERINFO),
)

SERIALIZATION: Final = (
    Case("two parts", "oidc-token-form", response(id_token="a.b")),
    Case("an encrypted ID token", "oidc-token-form", response(id_token="a.b.c.d.e")),
    Case("letters beyond ASCII", "oidc-token-form", response(id_token="ä.ö.ü")),
    Case("padding", "oidc-token-form", made(lambda first, second: good(first + "=" * (-len(first) % 4 or 4), second))),
    Case("a blank", "oidc-token-form", made(lambda first, second: good(first, second) + " ")),
    Case("base64 of the other alphabet", "oidc-token-form", made(lambda first, second: f"{first}.{second}.+/+/")),
    Case("a token of 300 kB", "oidc-token-form", claims(padding="x" * 200_000)),
    Case("a header that is no JSON", "oidc-token-form", made(lambda _, second: good(encoded("nonsense"), second))),
    Case("a header that is a list", "oidc-token-form", made(lambda _, second: good(encoded([1]), second))),
    Case(
        "a header with alg twice",
        "oidc-token-form",
        made(lambda _, second: good(encoded('{"alg": "RS256", "kid": "k1", "alg": "none"}'), second)),
    ),
    Case("a header of 20 kB", "oidc-token-form", header(x="y" * 20_000)),
    Case("a payload that is no JSON", "oidc-token-form", payload("nonsense")),
    Case("a payload that is a list", "oidc-token-form", payload("[]")),
    Case("a payload with sub twice", "oidc-token-form", payload('{"sub": "ana", "sub": "admin"}')),
    Case("a subject with NUL", "oidc-token-form", claims(sub="ana\0")),
    Case("a kid with NUL", "oidc-token-form", header(kid="k1\0")),
    Case("a payload with NaN", "oidc-token-form", payload('{"exp": NaN}')),
    Case("a payload nested without end", "oidc-token-form", payload('{"a":' * 2000)),
    Case("crit with an extension", "oidc-token-critical", header(crit=["exp"], exp=1)),
    Case("crit that is empty", "oidc-token-critical", header(crit=[])),
    Case("an unencoded payload (b64)", "oidc-token-critical", header(b64=False, crit=["b64"])),
    Case("b64 without crit", "oidc-token-critical", header(b64=False)),
)

ALGORITHMS: Final = (
    *(
        Case(f"alg {name!r}", "oidc-algorithm", made(with_header(alg=name, kid="k1")))
        for name in ("none", "None", "nOnE", "NONE", "", None, ["RS256"], {"a": 1}, 1, "RS1", "rs256", "HS256", "dir")
    ),
    Case("no alg", "oidc-algorithm", made(with_header(kid="k1"))),
    Case("alg none with the honest signature", "oidc-algorithm", header(alg="none")),
    Case("HS256 with the public key as secret", "oidc-algorithm", made(hmac_with(HONEST_PEM))),
    Case("HS256 with the client secret", "oidc-algorithm", made(hmac_with(CLIENT_SECRET.encode()))),
    Case("HS256 with an empty secret", "oidc-algorithm", made(hmac_with(b""))),
    Case("RS512 that is not accepted", "oidc-algorithm", lambda provider: setattr(provider, "algorithm", "RS512")),
    Case("PS256 that is not accepted", "oidc-algorithm", lambda provider: setattr(provider, "algorithm", "PS256")),
    Case("ES256 that is not accepted", "oidc-algorithm", ecdsa),
    Case("an access token (at+jwt)", "oidc-token-type", header(typ="at+jwt")),
    Case("a logout token (logout+jwt)", "oidc-token-type", header(typ="logout+jwt")),
    Case("an introspection response", "oidc-token-type", header(typ="application/token-introspection+jwt")),
    Case("a number as typ", "oidc-token-type", header(typ=1)),
)

KEYS: Final = (
    Case(
        "an embedded key (jwk) under a name of its own",
        "oidc-key-unknown",
        signed_by(ATTACKER, jwk=ATTACKER_JWK, kid="x"),
    ),
    Case("an embedded key (jwk) under the honest name", "oidc-signature", signed_by(ATTACKER, jwk=ATTACKER_JWK)),
    Case("an embedded key (jwk) without name", "oidc-signature", signed_by(ATTACKER, jwk=ATTACKER_JWK, kid=None)),
    Case("a key set of its own (jku)", "oidc-signature", signed_by(ATTACKER, jku="https://evil.example/keys")),
    Case("a certificate of its own (x5u)", "oidc-signature", signed_by(ATTACKER, x5u="https://evil.example/cert")),
    Case("a certificate of its own (x5c)", "oidc-signature", signed_by(ATTACKER, x5c=["MIIB"])),
    *(
        Case(f"kid {kid!r:.30}", "oidc-key-unknown", signed_by(rsa_key("honest"), kid=kid))
        for kid in ("../../../dev/null", "' OR 1=1 --", "K1", "k1 ", "", 1, ["k1"], {"k1": 1}, True, "x" * 1000)
    ),
    Case(
        "no kid while two keys fit",
        "oidc-key-unknown",
        all_of(keys(honest(), public_jwk(rsa_key("other"), "k2")), header(kid=None)),
    ),
    Case("a key for encryption", "oidc-key-unknown", keys(honest(use="enc"))),
    Case("a key for other operations", "oidc-key-unknown", keys(honest(key_ops=["encrypt"]))),
    Case("a key for another algorithm", "oidc-key-unknown", keys(honest(alg="PS256"))),
    Case("a key of another type under the name", "oidc-key-unknown", keys(public_jwk(ec_key("honest"), "k1"))),
    Case(
        "a key on another curve under the name",
        "oidc-key-unknown",
        all_of(ecdsa, keys(public_jwk(ec_key("honest", "P-384"), "k1"))),
        {"algorithms": ["ES256"]},
    ),
    Case("an empty key set", "oidc-key-unknown", keys()),
    Case("a key of a type that does not exist", "oidc-key-unknown", keys({"kty": "PQC", "kid": "k1"})),
    Case("a key with broken members", "oidc-key-unknown", keys({"kty": "RSA", "kid": "k1", "n": "!!", "e": "AQAB"})),
    Case("a key with numbers as members", "oidc-key-unknown", keys({"kty": "RSA", "kid": "k1", "n": 5, "e": 3})),
    Case(
        "an RSA key of 1,024 bits",
        "oidc-key-weak",
        lambda provider: setattr(provider, "key", rsa_key("weak", 1024)),
    ),
    Case(
        "an RSA key of 100,000 bits",
        "oidc-key-unknown",
        keys({"kty": "RSA", "kid": "k1", "n": number((1 << 100_000) - 1), "e": "AQAB"}),
    ),
    Case(
        "an RSA key of 20,000 bits",
        "oidc-key-weak",
        keys({"kty": "RSA", "kid": "k1", "n": number((1 << 20_000) - 1), "e": "AQAB"}),
    ),
    Case("a key set with a private key", "oidc-keys-secret", keys(honest(), private_jwk(rsa_key("other"), "k2"))),
    Case(
        "a key set with a shared secret",
        "oidc-keys-secret",
        keys(honest(), {"kty": "oct", "kid": "k2", "k": "c2VjcmV0"}),
    ),
    Case("a key set of 51 keys", "oidc-keys-form", keys(*(honest(kid=f"k{n}") for n in range(51)))),
    Case("a key set without list", "oidc-keys-form", answers("/keys", as_json({"keys": {"k1": honest()}}))),
    Case("a key set with a number", "oidc-keys-form", answers("/keys", as_json({"keys": 7}))),
    Case("a key set with an empty object", "oidc-keys-form", answers("/keys", as_json({"keys": {}}))),
    Case("a key set with texts", "oidc-keys-form", answers("/keys", as_json({"keys": ["k1"]}))),
    Case("a key set as HTML", "oidc-keys-form", answers("/keys", HTML)),
    Case(
        "a key set with keys twice",
        "oidc-keys-form",
        answers("/keys", as_json(f'{{"keys": [{json.dumps(honest())}], "keys": []}}')),
    ),
    Case("a key set of 600 kB", "oidc-keys-unreachable", answers("/keys", HUGE)),
    Case("a key set with status 500", "oidc-keys-unreachable", answers("/keys", as_json({}, 500))),
    Case("a key set redirected", "oidc-keys-unreachable", answers("/keys", REDIRECT)),
)

SIGNATURES: Final = (
    Case("somebody else's signature", "oidc-signature", signed_by(ATTACKER)),
    Case("no signature", "oidc-signature", made(lambda first, second: f"{first}.{second}.")),
    Case("a signature of zeros", "oidc-signature", made(lambda first, second: f"{first}.{second}.{b64(bytes(256))}")),
    Case("a signature cut off", "oidc-signature", made(lambda first, second: f"{first}.{second}.{b64(b'cut off')}")),
    Case(
        "a changed payload",
        "oidc-signature",
        made(lambda first, second: f"{first}.{encoded({'sub': 'admin'})}.{good(first, second).rpartition('.')[2]}"),
    ),
    Case(
        "the signature over the payload alone",
        "oidc-signature",
        made(lambda first, second: f"{first}.{second}.{b64(sign('RS256', rsa_key('honest'), second.encode()))}"),
    ),
    Case(
        "an ECDSA signature of zeros",
        "oidc-signature",
        all_of(ecdsa, made(lambda first, second: f"{first}.{second}.{b64(bytes(64))}")),
        {"algorithms": ["ES256"]},
    ),
    Case("an ECDSA signature in DER", "oidc-signature", all_of(ecdsa, made(der_signature)), {"algorithms": ["ES256"]}),
)

CLAIMS: Final = (
    Case("a logout token as ID token", "oidc-token-kind", claims(events={})),
    *(
        Case(f"iss {value!r}", "oidc-issuer", claims(iss=value))
        for value in ("https://evil.example", f"{ISSUER}/", "", [ISSUER], None, "https://IDP.example")
    ),
    Case("no iss", "oidc-issuer", lacking("iss")),
    *(
        Case(f"aud {value!r}", "oidc-audience", claims(aud=value))
        for value in (
            "",
            [],
            None,
            [""],
            "other",
            ["other"],
            "bridge ",
            "BRIDGE",
            "brid",
            {"bridge": 1},
            7,
            ["bridge", 7],
        )
    ),
    Case("no aud", "oidc-audience", lacking("aud")),
    Case("aud foreign with our azp", "oidc-audience", claims(aud="other", azp=CLIENT_ID)),
    Case("aud a foreign list with our azp", "oidc-audience", claims(aud=["other"], azp=CLIENT_ID)),
    Case("aud with somebody whom nobody trusts", "oidc-audience", claims(aud=[CLIENT_ID, "other"], azp=CLIENT_ID)),
    Case(
        "aud somebody whom the settings trust, and not us",
        "oidc-audience",
        claims(aud=["account"], azp=CLIENT_ID),
        {"audiences": ["account"]},
    ),
    *(
        Case(f"aud us and {value!r}", "oidc-audience", claims(aud=[CLIENT_ID, value], azp=CLIENT_ID))
        for value in STRANGERS
    ),
    Case("azp of another client", "oidc-authorized-party", claims(azp="other")),
    Case("azp a list", "oidc-authorized-party", claims(azp=[CLIENT_ID])),
    Case(
        "several audiences without azp",
        "oidc-authorized-party",
        claims(aud=[CLIENT_ID, "other"]),
        {"audiences": ["other"]},
    ),
    *(
        Case(f"exp {what}", "oidc-expired", claims(exp=value))
        for what, value in {
            "now": T - 60,
            "an hour ago": T - 3600,
            "a text": str(T + 3600),
            "null": None,
            "true": True,
            "without end": 10**30,
            "zero": 0,
            "negative": -1,
        }.items()
    ),
    Case("no exp", "oidc-expired", lacking("exp")),
    *(
        Case(f"iat {what}", "oidc-issued-at", claims(iat=value))
        for what, value in {
            "in the future": T + 61,
            "over an hour ago": T - 3_661,
            "yesterday": T - 86_400,
            "a text": str(T),
            "true": True,
        }.items()
    ),
    Case("no iat", "oidc-issued-at", lacking("iat")),
    Case("nbf in the future", "oidc-not-before", claims(nbf=T + 61)),
    Case("nbf a text", "oidc-not-before", claims(nbf="soon")),
    *(
        Case(f"nonce {value!r}", "oidc-nonce", claims(nonce=value))
        for value in ("", "of-another-login", None, ["nonce-1"], 0, "ünïcode")
    ),
    Case("a nonce that is empty on both sides", "oidc-nonce", claims(nonce=""), demands={"nonce": ""}),
    Case("no nonce", "oidc-nonce", lacking("nonce")),
    Case(
        "no nonce though it says nonce_supported", "oidc-nonce", all_of(lacking("nonce"), claims(nonce_supported=False))
    ),
    Case("at_hash of another access token", "oidc-access-token-hash", claims(at_hash=half_hash("access-2"))),
    Case("at_hash a number", "oidc-access-token-hash", claims(at_hash=7)),
    Case("at_hash empty", "oidc-access-token-hash", claims(at_hash="")),
    Case("c_hash of another code", "oidc-code-hash", claims(c_hash=half_hash("code-evil"))),
    Case("c_hash a list", "oidc-code-hash", claims(c_hash=[half_hash("code-0")])),
    *(
        Case(f"sub {value!r:.30}", "oidc-subject", claims(sub=value))
        for value in ("", None, 7, ["ana"], {"id": 1}, True, "x" * 256, "ana\nadmin", "\u0430na", "\x7f")
    ),
    Case("no sub", "oidc-subject", lacking("sub")),
    *(
        Case(
            f"acr {value!r}",
            "oidc-context",
            claims(acr=value),
            {"acr_values": ["mfa", "phr"], "acr_required": True},
        )
        for value in ("pwd", "", None, ["mfa"], "MFA")
    ),
    Case("no acr", "oidc-context", settings={"acr_values": ["mfa"], "acr_required": True}),
    *(
        Case(f"auth_time {what}", "oidc-authenticated-at", claims(auth_time=value), {"max_age": 300})
        for what, value in {"too long ago": T - 361, "a text": str(T), "in the future": T + 61, "null": None}.items()
    ),
    Case("no auth_time", "oidc-authenticated-at", settings={"max_age": 300}),
    Case(
        "an old login where a fresh one is demanded",
        "oidc-authenticated-at",
        claims(auth_time=T - 61),
        demands={"fresh": True},
    ),
    Case(
        "an old login for an application's max_age",
        "oidc-authenticated-at",
        claims(auth_time=T - 91),
        demands={"max_age": 30},
    ),
)

USERINFO: Final = (
    *(
        Case(f"userinfo {what}", code, answers("/userinfo", answer), WITH_USERINFO)
        for what, code, answer in (
            ("about somebody else", "oidc-userinfo-subject", as_json({"sub": "admin"})),
            ("about nobody", "oidc-userinfo-subject", as_json({"groups": ["admins"]})),
            ("about a list", "oidc-userinfo-subject", as_json({"sub": ["00u1a2b3c4"]})),
            ("as HTML", "oidc-userinfo-form", HTML),
            ("as a token", "oidc-userinfo-form", (200, {"content-type": "application/jwt"}, b"a.b.c")),
            ("of no type", "oidc-userinfo-form", (200, {}, b'{"sub": "00u1a2b3c4"}')),
            ("as a list", "oidc-userinfo-form", as_json([])),
            ("with sub twice", "oidc-userinfo-form", as_json('{"sub": "00u1a2b3c4", "sub": "admin"}')),
            ("of 600 kB", "oidc-userinfo-unreachable", HUGE),
            ("with status 401", "oidc-userinfo-unreachable", as_json({}, 401)),
            ("with status 500", "oidc-userinfo-unreachable", as_json({}, 500)),
            ("redirected", "oidc-userinfo-unreachable", REDIRECT),
            ("that never comes", "oidc-userinfo-unreachable", SLOW),
        )
    ),
)

CASES: Final = (
    *DISCOVERY,
    *RESPONSES,
    *TOKEN_ENDPOINT,
    *SERIALIZATION,
    *ALGORITHMS,
    *KEYS,
    *SIGNATURES,
    *CLAIMS,
    *USERINFO,
)

ED_KEY: Final = ed_key("honest")
