"""Signed tokens: taken apart strictly, and believed only when a published key of the provider verifies them.

A token's header chooses among the keys that the provider publishes, by name, and can bring none of its own: `jwk`,
`jku`, `x5c` and `x5u` are never read. Which algorithms count, the settings say, neither token nor discovery document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jws import CompactSignature, JWSRegistry, validate_compact
from joserfc.util import urlsafe_b64decode

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.core.oidc_settings import ALGORITHMS, OidcSettings
from rolebridge.sso.oidc.checking import Check, read_object, run, shown
from rolebridge.sso.oidc.keys import PublicKey, candidates, check_strength

FORM: Final = "oidc-token-form"
UNKNOWN_KEY: Final = "oidc-key-unknown"
SIGNATURE: Final = "oidc-signature"

LONGEST: Final = 256 * 1024
"""Characters of a token: some thousand groups."""
_LONGEST_HEADER: Final = 16 * 1024
_LONGEST_KID: Final = 500

ID_TOKEN_TYPES: Final = frozenset({"", "jwt", "jose"})
LOGOUT_TOKEN_TYPES: Final = frozenset({"", "jwt", "logout+jwt"})

KeysFor = Callable[[bool], Sequence[PublicKey]]
"""Returns the provider's keys; with True, after asking the provider again, if that is not too soon."""


class _Registry(JWSRegistry):
    """The algorithms that exist here at all; which of them a connection accepts, `_algorithm` says."""

    def __init__(self) -> None:
        super().__init__(algorithms=ALGORITHMS, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """Return an algorithm; the base class warns of `EdDSA`, whose curve is looked at where keys are chosen."""
        return self.algorithms[name]


_REGISTRY: Final = _Registry()


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart, and not believed. `types` are the `typ` that such a token may have, in lower case."""

    signed: CompactSignature
    header: Mapping[str, Any]
    settings: OidcSettings
    types: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verified:
    """A token's claims, which the provider signed with this algorithm. What they say is still to be checked."""

    claims: Mapping[str, Any]
    algorithm: str


def verified(text: str, settings: OidcSettings, types: frozenset[str], keys_for: KeysFor, trail: Trail) -> Verified:
    """Return the claims of a token that one of the provider's keys signed. Raises LoginRefused."""
    token = _taken_apart(text, settings, types)
    trail.passed(FORM)
    run(HEADER_CHECKS, token, trail)
    algorithm = str(token.header["alg"])
    keys = _keys(token, algorithm, keys_for)
    trail.passed(UNKNOWN_KEY)
    _check_signature(token, keys)
    trail.passed(SIGNATURE)
    return Verified(read_object(FORM, "the token's payload", token.signed.payload), algorithm)


def _taken_apart(text: str, settings: OidcSettings, types: frozenset[str]) -> Token:
    """Split a compact serialization (RFC 7515 §7.1), with nothing but base64url in its parts."""
    if len(text) > LONGEST:
        raise LoginRefused(FORM, f"the token has {len(text):,} characters, the limit is {LONGEST:,}")
    parts = text.encode("ascii", "replace").split(b".")
    if len(parts) != 3:
        encrypted = "; encrypted tokens are not supported" if len(parts) == 5 else ""
        raise LoginRefused(FORM, f"the token has {len(parts)} parts instead of three{encrypted}")
    if len(parts[0]) > _LONGEST_HEADER:
        raise LoginRefused(FORM, "the token's header is too long")
    try:
        header, payload, _ = (urlsafe_b64decode(part) for part in parts)
    except ValueError:
        raise LoginRefused(FORM, "the token's parts are not base64url") from None
    protected = read_object(FORM, "the token's header", header)
    signed = CompactSignature(protected, payload)
    signed.segments = {"header": parts[0], "payload": parts[1], "signature": parts[2]}
    return Token(signed, protected, settings, types)


def _critical(token: Token) -> str | None:
    """Return what is wrong: extensions that must be understood (RFC 7515 §4.1.11), of which none is."""
    found = [name for name in ("crit", "b64") if name in token.header]
    return f"the token's header has `{found[0]}`, an extension that is not supported" if found else None


def _algorithm(token: Token) -> str | None:
    said = token.header.get("alg")
    if isinstance(said, str) and said in token.settings.algorithms and said in ALGORITHMS:
        return None
    return f"the token is signed with {shown(said)}; the settings accept {', '.join(token.settings.algorithms)}"


def _type(token: Token) -> str | None:
    """Return what is wrong: tokens of other kinds, which the same key signs, say so (RFC 8725 §3.11)."""
    said = token.header.get("typ", "")
    if isinstance(said, str) and said.lower().removeprefix("application/") in token.types:
        return None
    return f"the token is of the type {shown(said)}"


HEADER_CHECKS: Final[tuple[Check[Token], ...]] = (
    ("oidc-token-critical", _critical),
    ("oidc-algorithm", _algorithm),
    ("oidc-token-type", _type),
)


def _keys(token: Token, algorithm: str, keys_for: KeysFor) -> list[PublicKey]:
    """Return the published keys that the header means, asking the provider again for one that is not known."""
    kid = token.header.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > _LONGEST_KID):
        raise LoginRefused(UNKNOWN_KEY, "the token's `kid` is no short text")
    found = candidates(keys_for(False), algorithm, kid) or candidates(keys_for(True), algorithm, kid)
    if not found:
        which = f"named {shown(kid)} " if kid is not None else "that is the only one "
        raise LoginRefused(UNKNOWN_KEY, f"the provider publishes no key {which}for {algorithm}")
    return found


def _check_signature(token: Token, keys: Sequence[PublicKey]) -> None:
    for key in keys:
        check_strength(key)
        try:
            if validate_compact(token.signed, key, registry=_REGISTRY):
                return
        except (JoseError, ValueError):
            continue
    raise LoginRefused(SIGNATURE, "the key that the token names did not make its signature")
