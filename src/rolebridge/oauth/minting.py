"""ID and access tokens: JSON Web Tokens that the installation signs, and that it can read again.

ID tokens are OpenID Connect Core §2, access tokens RFC 9068. An access token's `jti` is the id of its authorization, a
dot and something random, so that whoever is asked about it (RFC 7662) finds what it hangs on. The two kinds differ in
`typ`, so that neither is taken for the other.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey
from joserfc.jws import JWSRegistry

from rolebridge.bridge.app_claims import Links
from rolebridge.bridge.authorizing import Redeemed
from rolebridge.bridge.signing_keys import ALGORITHM, SigningKeys
from rolebridge.core import base64url
from rolebridge.core.applications import Scope
from rolebridge.store.provider_records import Application, Authorization

LONGEST: Final = 32_768
"""Characters of a token that is worth reading: claims of both kinds at their largest, and a signature."""


class TokenKind(StrEnum):
    """The `typ` of a token: of an access token as RFC 9068 §2.1 has it, of an ID token as most do."""

    ACCESS = "at+jwt"
    ID = "JWT"


class _Registry(JWSRegistry):
    """One algorithm, and tokens as long as ours may be."""

    max_payload_length = LONGEST

    def __init__(self) -> None:
        super().__init__(algorithms=[ALGORITHM])


_REGISTRY: Final = _Registry()


class Minter:
    """Makes tokens of an installation whose issuer is `issuer`, its base URL."""

    def __init__(self, keys: SigningKeys, issuer: str, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._clock = clock
        self._links = Links(issuer)
        self.issuer = issuer

    def answer(self, redeemed: Redeemed) -> dict[str, object]:
        """Return what the token endpoint says for a code or refresh token (RFC 6749 §5.1, Core §3.1.3.3)."""
        application, made = redeemed.application, redeemed.authorization
        seconds = application.settings.access_minutes * 60
        now = int(self._clock().timestamp())
        shared = self._shared(made, now, now + seconds)
        access = redeemed.claims.access(application.settings, self._links)
        bearer = self._signed(TokenKind.ACCESS, {**self._bearer(application, made), **shared, **access})
        identity = {
            "aud": application.id,
            **shared,
            **({"nonce": redeemed.nonce} if redeemed.nonce is not None else {}),
            "at_hash": _half_hash(bearer),
            **redeemed.claims.person,
            **access,
        }
        answer: dict[str, object] = {
            "access_token": bearer,
            "token_type": "Bearer",
            "expires_in": seconds,
            "scope": made.scope,
        }
        if Scope.OPENID in made.scope.split():  # a refresh may ask for less
            answer["id_token"] = self._signed(TokenKind.ID, identity)
        return answer if redeemed.refresh is None else {**answer, "refresh_token": redeemed.refresh}

    def sign(self, typ: str, claims: Mapping[str, Any]) -> str:
        """Return a token of another kind, such as a logout token, signed by the key that signs now."""
        return self._signed(typ, claims)

    def read(self, text: str, kind: TokenKind, *, even_expired: bool = False) -> dict[str, Any] | None:
        """Return the claims of a token that was signed here, is of that kind and has not expired; else None."""
        if not 0 < len(text) <= LONGEST or not text.isascii():
            return None
        keys = KeySet([RSAKey.import_key(dict(one)) for one in self._keys.published()])
        try:
            token = jwt.decode(text, keys, algorithms=[ALGORITHM], registry=_REGISTRY)
        except (JoseError, ValueError, RecursionError):
            return None
        claims, ends = token.claims, token.claims.get("exp")
        if token.header.get("typ") != kind or claims.get("iss") != self.issuer or not isinstance(ends, int):
            return None
        return claims if even_expired or self._clock().timestamp() < ends else None

    def key_set(self) -> bytes:
        """Return the public keys as a JSON Web Key Set (RFC 7517 §5)."""
        return json.dumps({"keys": self._keys.published()}).encode()

    def _shared(self, made: Authorization, now: int, ends: int) -> dict[str, Any]:
        told = {
            "iss": self.issuer,
            "sub": made.user_id,
            "iat": now,
            "exp": ends,
            "sid": made.session_id,
        }
        if made.authenticated_at is not None:
            told["auth_time"] = int(made.authenticated_at.timestamp())
        return told if made.context is None else {**told, "acr": made.context}

    def _bearer(self, application: Application, made: Authorization) -> dict[str, Any]:
        return {
            "aud": application.settings.audience or application.id,
            "client_id": application.id,
            "scope": made.scope,
            "jti": f"{made.id}.{secrets.token_urlsafe(9)}",
        }

    def _signed(self, typ: str, claims: Mapping[str, Any]) -> str:
        signing = self._keys.signing()
        header = {"alg": signing.algorithm, "kid": signing.kid, "typ": typ}
        return jwt.encode(header, dict(claims), _loaded(signing.private), registry=_REGISTRY)


@lru_cache(maxsize=4)
def _loaded(private: bytes) -> RSAKey:
    return RSAKey.import_key(private)


def _half_hash(token: str) -> str:
    """Return `at_hash`: the left half of the token's SHA-256 (OpenID Connect Core §3.1.3.6)."""
    return base64url.encode(hashlib.sha256(token.encode("ascii")).digest()[:16])


def authorization_id(claims: Mapping[str, Any]) -> str:
    """Return the authorization that an access token hangs on, by its claims."""
    return str(claims.get("jti", "")).partition(".")[0]
