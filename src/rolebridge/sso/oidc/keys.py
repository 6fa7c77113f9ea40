"""The keys that a provider publishes (RFC 7517): which of them may verify a token, and which make the set unusable."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.oidc import fetching
from rolebridge.sso.oidc.checking import Check, run
from rolebridge.sso.oidc.fetching import Fetcher

UNREACHABLE: Final = "oidc-keys-unreachable"
FORM: Final = "oidc-keys-form"

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey

_MOST_KEYS: Final = 50
_RSA_BITS: Final = range(2_048, 8_193)
_SECRET_PARTS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Final = frozenset({"kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y"})
"""What is kept of a key: neither certificates nor whatever else stands beside it."""
_LONGEST_KEY: Final = 8_192  # characters: what is longer is no key that anybody could use
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}


def fetch(fetcher: Fetcher, jwks_uri: str, trail: Trail) -> tuple[PublicKey, ...]:
    """Return the keys that a provider publishes. Raises LoginRefused."""
    what = "the provider's key set"
    fetched = fetching.get(fetcher, jwks_uri, UNREACHABLE, what)
    return read(fetching.document(fetched, UNREACHABLE, FORM, what), trail)


def read(document: Mapping[str, Any], trail: Trail) -> tuple[PublicKey, ...]:
    """Return the keys of a set that can be understood; others are passed over (RFC 7517 §5). Raises LoginRefused."""
    run(KEY_SET_CHECKS, document, trail)
    return tuple(key for one in document["keys"] if (key := _imported(one)) is not None)


def _list(document: Mapping[str, Any]) -> str | None:
    keys = document.get("keys")
    if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
        return "the key set has no list of `keys`"
    if len(keys) > _MOST_KEYS:
        return f"the key set has {len(keys)} keys, the limit is {_MOST_KEYS}"
    return None


def _public(document: Mapping[str, Any]) -> str | None:
    """Return what is wrong: with secrets in it, everybody who read the set can sign as the provider."""
    secret = sorted({name for one in document.get("keys", ()) for name in one if name in _SECRET_PARTS})
    return f"the key set publishes secret parts of keys (`{secret[0]}`)" if secret else None


KEY_SET_CHECKS: Final[tuple[Check[Mapping[str, Any]], ...]] = (
    (FORM, _list),
    ("oidc-keys-secret", _public),
)


def _imported(item: dict[str, Any]) -> PublicKey | None:
    said = {name: value for name, value in item.items() if name in _MEMBERS}
    if len(str(said)) > _LONGEST_KEY:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of weak keys, which are refused when one is named
            key = import_key(said)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


def candidates(keys: Sequence[PublicKey], algorithm: str, kid: str | None) -> list[PublicKey]:
    """Return the keys that a token's header means: of that name, made for such signatures.

    A header without a name means the only key that fits: with several the provider must say which (OpenID Connect
    Core §10.1).
    """
    fitting = [key for key in keys if _fits(key, algorithm)]
    if kid is not None:
        return [key for key in fitting if key.kid == kid]
    return fitting if len(fitting) == 1 else []


def _fits(key: PublicKey, algorithm: str) -> bool:
    """Return whether a key may verify an algorithm, by its type, curve, `use`, `key_ops` and `alg` (RFC 7517 §4)."""
    if isinstance(key, RSAKey):
        able = algorithm[:2] in {"RS", "PS"}
    else:
        able = _CURVES.get(algorithm) == key.curve_name
    operations = key.get("key_ops")
    return (
        able
        and key.get("use", "sig") == "sig"
        and (operations is None or "verify" in operations)
        and key.alg in {None, algorithm}
    )


def check_strength(key: PublicKey) -> None:
    """Refuse an RSA key that is too short to mean anything, or so long that checking it is an attack."""
    if isinstance(key, RSAKey) and key.public_key.key_size not in _RSA_BITS:
        bits = key.public_key.key_size
        wanted = f"{_RSA_BITS[0]} to {_RSA_BITS[-1]} are accepted"
        raise LoginRefused("oidc-key-weak", f"the key has {bits} bits; {wanted}")
