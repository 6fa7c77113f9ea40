"""Public keys of clients: what is accepted as one, in which spelling, and for which algorithms."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any, Final

from joserfc.errors import InvalidKeyTypeError, JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key, thumbprint
from joserfc.util import urlsafe_b64decode

from rolebridge.bridge.proving import PublicKey
from rolebridge.core.errors import Invalid

ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("RS256", "PS256"),
    "EC": ("ES256",),
    "OKP": ("EdDSA", "Ed25519"),
}
"""The algorithms of each type of key. `Ed25519` is the name that RFC 9864 gives to `EdDSA` with such a key."""
SIGNING: Final = tuple(name for names in ALGORITHMS.values() for name in names)

_MEMBERS: Final = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
}  # RFC 7638 §3.2
_RSA_BITS: Final = range(2_048, 8_193)
_CURVES: Final = {"EC": "P-256", "OKP": "Ed25519"}
_LONGEST: Final = 64 * 1024
_MOST: Final = 10


def read_public_keys(text: str) -> list[PublicKey]:
    """Read public keys from a PEM block, a JWK or a JWK Set (RFC 7517). Raises Invalid."""
    if len(text) > _LONGEST:
        raise Invalid(f"the file has more than {_LONGEST:,} characters, which no public key has", "key")
    if "PRIVATE KEY-----" in text:
        raise _private()
    if "-----BEGIN" in text:
        return [_public(_imported(text))]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid("this is neither a PEM block nor a JSON Web Key", "key") from None
    listed = document.get("keys") if isinstance(document, dict) and "keys" in document else [document]
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MOST:
        raise Invalid(f"a JWK Set holds 1 to {_MOST} keys", "key")
    return [_from_jwk(item) for item in listed]


def loaded(jwk: str) -> Key:
    """Return a stored key."""
    return import_key(json.loads(jwk))


def _from_jwk(item: Any) -> PublicKey:
    if not isinstance(item, dict):
        raise Invalid("a JSON Web Key is an object", "key")
    if "d" in item:
        raise _private()
    if item.get("kty") == "oct":
        raise Invalid("this is a shared secret; register the public half of a key pair", "key")
    if item.get("use", "sig") != "sig":
        raise Invalid(f"the key is for `{item['use']}`, not for signatures (`sig`)", "key")
    key = _imported(item)
    alg, kid = item.get("alg"), item.get("kid", "")
    if alg is not None and alg not in ALGORITHMS[key.key_type]:
        raise Invalid(f"the key is for the algorithm `{alg}`; it can be {_or(ALGORITHMS[key.key_type])}", "key")
    if not isinstance(kid, str) or len(kid) > 200 or not kid.isprintable():
        raise Invalid("the key's `kid` is no short text", "key")
    return _public(key, kid)


def _imported(value: str | dict[str, Any]) -> Key:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of keys that are refused below
            key = import_key(value) if isinstance(value, dict) else _from_pem(value)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Invalid(f"this is no public key: {error}", "key") from None
    if isinstance(key, RSAKey):
        bits = key.public_key.key_size
        if bits not in _RSA_BITS:
            raise Invalid(f"the RSA key has {bits} bits; {_RSA_BITS[0]} to {_RSA_BITS[-1]} are accepted", "key")
    elif isinstance(key, ECKey | OKPKey):
        curve = key.curve_name
        if curve != _CURVES[key.key_type]:
            raise Invalid(f"the key is on the curve {curve}; {_CURVES[key.key_type]} is accepted", "key")
    else:
        raise _no_type()
    return key


def _from_pem(text: str) -> Key:
    """Return the key in a PEM block, of whichever type it is."""
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return kind.import_key(text)
        except InvalidKeyTypeError:
            continue
    raise _no_type()


def _public(key: Key, kid: str = "") -> PublicKey:
    whole = key.as_dict(private=False)
    members = {name: whole[name] for name in _MEMBERS[key.key_type]}
    digest = thumbprint(members)
    return PublicKey(json.dumps(members, sort_keys=True), urlsafe_b64decode(digest.encode()), digest[-4:], kid)


def _no_type() -> Invalid:
    return Invalid("this is no public key of type RSA, EC or OKP", "key")


def _private() -> Invalid:
    return Invalid("this is a private key: keep it to yourself, and register its public half", "key")


def _or(names: tuple[str, ...]) -> str:
    return " or ".join(f"`{name}`" for name in names)
