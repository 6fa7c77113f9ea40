"""Public keys that clients register: spellings, sizes, and what is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from joserfc.jwk import RSAKey
from tests.bridge.worlds import OPERATOR
from tests.oauth.talking import Talk, key_for, public_pem

from rolebridge.core.errors import Invalid, Taken
from rolebridge.oauth.keys import loaded, read_public_keys
from rolebridge.store.clients import MOST_CREDENTIALS


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_one_key_in_every_spelling(algorithm: str) -> None:
    """PEM, JWK and JWK Set of one key give the same key, whatever else stands in them."""
    jwk = {**key_for(algorithm).as_dict(private=False), "use": "sig", "alg": algorithm, "x5t": "x"}
    (from_pem,) = read_public_keys(public_pem(algorithm).decode())
    (from_jwk,) = read_public_keys(json.dumps(jwk))
    (from_set,) = read_public_keys(json.dumps({"keys": [jwk]}))
    assert from_pem == from_jwk == from_set
    assert len(from_pem.thumbprint) == 32
    assert loaded(from_pem.jwk).as_dict(private=False).items() <= jwk.items()


def test_a_set_of_several() -> None:
    """Every key of a set is read, with its name."""
    keys = [{**key_for(name).as_dict(private=False), "kid": name} for name in ("RS256", "ES256")]
    assert [key.kid for key in read_public_keys(json.dumps({"keys": keys}))] == ["RS256", "ES256"]


def test_a_certificates_key() -> None:
    """Of a certificate the key is taken; who signed it, and until when, says nothing here."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(private, hashes.SHA256())
    )
    (key,) = read_public_keys(certificate.public_bytes(Encoding.PEM).decode())
    assert json.loads(key.jwk)["crv"] == "P-256"


def pem_of(
    private: dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | x25519.X25519PrivateKey,
) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk_of(algorithm: str, **more: object) -> str:
    return json.dumps({**key_for(algorithm).as_dict(private=False), **more})


REFUSED = [
    (lambda: key_for("ES256").as_dict(private=True), "this is a private key"),
    (lambda: RSAKey.generate_key(2048).as_pem(private=True).decode(), "this is a private key"),
    (
        lambda: (
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            .decode()
        ),
        "this is a private key",
    ),
    (lambda: {"kty": "oct", "k": "c2VjcmV0"}, "this is a shared secret"),
    (lambda: pem_of(ec.generate_private_key(ec.SECP384R1())), "the key is on the curve P-384; P-256 is accepted"),
    (lambda: pem_of(rsa.generate_private_key(65537, 1024)), "the RSA key has 1024 bits; 2048 to 8192"),
    (lambda: pem_of(x25519.X25519PrivateKey.generate()), "the key is on the curve X25519; Ed25519 is accepted"),
    (lambda: pem_of(dsa.generate_private_key(2048)), "no public key of type RSA, EC or OKP"),
    (lambda: jwk_of("ES256", use="enc"), "the key is for `enc`"),
    (lambda: jwk_of("RS256", alg="HS256"), "the key is for the algorithm `HS256`; it can be `RS256` or `PS256`"),
    (lambda: jwk_of("ES256", alg=["ES256"]), "'alg' must be a str"),
    (lambda: jwk_of("ES256", kid=7), "'kid' must be a str"),
    (lambda: jwk_of("ES256", kid="\x1b[2J"), "`kid` is no short text"),
    (lambda: {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "this is no public key"),
    (lambda: {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "this is no public key"),
    (lambda: {"kty": ["RSA"]}, "this is no public key"),
    (dict, "this is no public key"),
    (lambda: {"keys": []}, "1 to 10 keys"),
    (lambda: {"keys": [{}] * 11}, "1 to 10 keys"),
    (lambda: {"keys": "x"}, "1 to 10 keys"),
    (lambda: "[7]", "a JSON Web Key is an object"),
    (lambda: "ssh-rsa AAAA", "neither a PEM block nor a JSON Web Key"),
    (lambda: "[" * 60_000, "neither a PEM block nor a JSON Web Key"),
    (lambda: "x" * 70_000, "more than 65,536 characters"),
    (lambda: "-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----", "this is no public key"),
]


@pytest.mark.parametrize(("make", "says"), REFUSED)
def test_what_is_no_key_of_a_client(make: object, says: str) -> None:
    """What is no public key that can sign with an accepted algorithm is refused, and says why."""
    assert callable(make)
    made = make()
    with pytest.raises(Invalid, match=says) as refused:
        read_public_keys(made if isinstance(made, str) else json.dumps(made))
    assert refused.value.field == "key"


def test_a_key_is_registered_once(talk: Talk) -> None:
    """A client has a key once, whatever it is called; another client may have it too."""
    talk.register()
    with pytest.raises(Taken, match="belongs to another credential of the client"):
        talk.register(kid="other")
    talk.client = talk.administration.add(OPERATOR, talk.connection("entra"), "other")
    talk.register()


def test_a_client_has_so_many_secrets_and_keys(talk: Talk) -> None:
    """Ten work at a time; a revoked or expired one makes room."""
    made = [
        talk.administration.add_secret(OPERATOR, talk.client, f"s{number}", None)
        for number in range(MOST_CREDENTIALS - 1)
    ]
    with pytest.raises(Invalid, match="the client has 10 secrets and keys that work; revoke one first"):
        talk.register()
    talk.administration.revoke_credential(OPERATOR, talk.client, made[0][0].credential.id, key=False)
    talk.register()


@pytest.mark.parametrize("minutes", [0, 59, 361, -60])
def test_how_long_tokens_may_live(talk: Talk, minutes: int) -> None:
    """Access tokens live for 60 to 360 minutes."""
    with pytest.raises(Invalid, match=f"for 60 to 360 minutes, not {minutes}"):
        talk.administration.add(OPERATOR, talk.connection("okta"), "short", minutes)


def test_a_client_is_found_by_what_people_type(talk: Talk) -> None:
    """By id, the beginning of it, or a name that only one has; a revoked one by its whole id only."""
    find, organization = talk.administration.client, talk.world.organization
    assert find(organization, talk.client.id) == find(organization, "okta prod") == talk.client
    twin = talk.administration.add(OPERATOR, talk.connection("entra"), "okta prod")
    with pytest.raises(Invalid, match="several clients are named `okta prod`"):
        find(organization, "okta prod")
    talk.administration.revoke(OPERATOR, twin)
    assert find(organization, "okta prod") == talk.client
    assert find(organization, twin.id).revoked_at is not None
    with pytest.raises(Invalid, match="the client `okta prod` was revoked"):
        talk.administration.add_secret(OPERATOR, find(organization, twin.id), "new", None)
