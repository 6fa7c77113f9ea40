"""Assertions: JSON Web Tokens that a client signs to prove who it is (RFC 7523 §2.2 and §3, `private_key_jwt`).

Each check is a function that raises `ClientRefused` with a reason of its own. Nothing of an assertion but its subject,
which tells whose keys to try, is read before its signature has been verified.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from joserfc.errors import BadSignatureError, JoseError
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact

from rolebridge.oauth.keys import ALGORITHMS, SIGNING, loaded
from rolebridge.oauth.refusals import ClientRefused, Reason
from rolebridge.store.records import ClientCredential

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SKEW: Final = timedelta(seconds=60)
"""How far a client's clock may be off."""
LONGEST_LIFE: Final = timedelta(hours=1)
"""How far ahead an assertion may end: as long as that, its id is remembered."""
LONGEST: Final = 11_000  # characters

_LONGEST_ID: Final = 255


class _Registry(JWSRegistry):
    """The algorithms that are accepted. Headers may hold more than the RFC names, such as certificates."""

    max_header_length = 6_144
    max_payload_length = 4_096
    max_signature_length = 1_024

    def __init__(self) -> None:
        super().__init__(algorithms=SIGNING, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """Return an accepted algorithm; the base class warns of `EdDSA`, whose curve is pinned where keys come in."""
        if name not in SIGNING:
            raise ClientRefused(Reason.ASSERTION_ALGORITHM, f"`{name[:20]}` is none of {', '.join(SIGNING)}")
        return self.algorithms[name]


_REGISTRY: Final = _Registry()


@dataclass(frozen=True, slots=True)
class Verified:
    """An assertion that holds: signed by `credential`'s key; it would hold again, if not remembered, until `until`."""

    credential: ClientCredential
    jti: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion, taken apart and not believed yet."""

    signed: CompactSignature
    algorithm: str
    kid: str | None
    claims: dict[str, Any]

    @property
    def subject(self) -> str:
        """Return the client that the assertion is about."""
        return str(self.claims["sub"])


def take_apart(text: str) -> Assertion:
    """Return an assertion's parts. Raises ClientRefused (malformed, algorithm)."""
    if len(text) > LONGEST:
        raise _malformed(f"it has {len(text):,} characters, the limit is {LONGEST:,}")
    try:
        signed = extract_compact(text.encode("ascii"), registry=_REGISTRY)
        header = signed.headers()
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, RecursionError):
        raise _malformed("it is no JSON Web Signature of a JSON document") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise _malformed("its header has no `alg`, or one of `alg` and `kid` is no string")
    _REGISTRY.get_alg(algorithm)
    if not isinstance(claims, dict) or not isinstance(claims.get("sub"), str):
        raise _malformed("its claims are no object with a subject (`sub`)")
    return Assertion(signed, algorithm, kid, claims)


def verify(
    assertion: Assertion, client_id: str, keys: Sequence[ClientCredential], audiences: Collection[str], now: datetime
) -> Verified:
    """Check everything but whether the assertion was used before. Raises ClientRefused."""
    signer = _signer(assertion, [held for held in keys if held.jwk is not None and held.credential.usable(now)])
    claims = assertion.claims
    _check_client(claims, client_id)
    _check_audience(claims, audiences)
    ends = _check_times(claims, now)
    return Verified(signer, _checked_id(claims), ends + SKEW)


def _signer(assertion: Assertion, keys: Sequence[ClientCredential]) -> ClientCredential:
    """Return the key that signed the assertion. One that names its key (`kid`) is tried against others without name."""
    named = [held for held in keys if assertion.kid and held.credential.key_id == assertion.kid]
    unnamed = [held for held in keys if not assertion.kid or not held.credential.key_id]
    fitting = [
        (held, key)
        for held, key in ((held, loaded(held.jwk or "")) for held in named or unnamed)
        if assertion.algorithm in ALGORITHMS[key.key_type]
    ]
    if not fitting:
        name = f" named `{assertion.kid[:60]}`" if assertion.kid else ""
        raise ClientRefused(Reason.ASSERTION_KEY, f"the client has no key{name} for {assertion.algorithm} that works")
    for held, key in fitting:
        try:
            if validate_compact(assertion.signed, key, registry=_REGISTRY):
                return held
        except BadSignatureError:
            continue
        except (JoseError, ValueError) as error:
            raise _malformed(str(error)) from None
    raise ClientRefused(Reason.ASSERTION_SIGNATURE, "no key of the client made its signature")


def _check_client(claims: dict[str, Any], client_id: str) -> None:
    """Issuer and subject are the client (RFC 7523 §3, 1 and 2)."""
    if not claims.get("iss") == claims["sub"] == client_id:
        raise _wrong(Reason.ASSERTION_CLIENT, "`iss` and `sub` must both be the client id")


def _check_audience(claims: dict[str, Any], audiences: Collection[str]) -> None:
    """The audience is this server and nobody else: who also is meant could come here with the assertion."""
    audience = claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    if not meant or not all(isinstance(one, str) and one in audiences for one in meant):
        raise _wrong(Reason.ASSERTION_AUDIENCE, f"`aud` must be {' or '.join(audiences)}, and nothing else")


def _check_times(claims: dict[str, Any], now: datetime) -> datetime:
    """Return when the assertion ends; `exp` must be there, `iat` and `nbf` may (RFC 7523 §3, 4 to 6)."""
    if "exp" not in claims:
        raise _wrong(Reason.ASSERTION_EXPIRED, "`exp` is missing")
    ends = _moment(claims, "exp")
    if ends <= now - SKEW:
        raise _wrong(Reason.ASSERTION_EXPIRED, "the assertion has expired (`exp`)")
    if ends > now + LONGEST_LIFE + SKEW:
        raise _wrong(Reason.ASSERTION_LIFETIME, f"`exp` is more than {LONGEST_LIFE.seconds // 60} minutes ahead")
    for name in ("nbf", "iat"):
        if name in claims and _moment(claims, name) > now + SKEW:
            raise _wrong(Reason.ASSERTION_NOT_YET, f"`{name}` lies in the future")
    return ends


def _moment(claims: dict[str, Any], name: str) -> datetime:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(Reason.ASSERTION_MALFORMED, f"`{name}` is no number of seconds")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise _wrong(Reason.ASSERTION_MALFORMED, f"`{name}` is no moment") from None


def _checked_id(claims: dict[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _LONGEST_ID:
        raise _wrong(Reason.ASSERTION_ID, f"`jti` must be a text of 1 to {_LONGEST_ID} characters")
    return jti


def _malformed(detail: str) -> ClientRefused:
    return ClientRefused(Reason.ASSERTION_MALFORMED, detail, proved=True)  # of what was sent, not of what we know


def _wrong(reason: Reason, detail: str) -> ClientRefused:
    """Return the refusal of an assertion whose signature is right: its owner may know what is wrong with it."""
    return ClientRefused(reason, f"the assertion: {detail}", proved=True)
