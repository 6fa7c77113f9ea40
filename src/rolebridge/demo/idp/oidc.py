"""The OpenID Connect face of the demo's identity provider: codes with PKCE, ID tokens, a userinfo endpoint."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey

from rolebridge.core import base64url
from rolebridge.demo.idp.keys import SigningKey
from rolebridge.demo.idp.parties import OidcParty
from rolebridge.demo.idp.pending import Pending
from rolebridge.demo.idp.people import Person

_CODE_LIFE: Final = timedelta(minutes=1)
_TOKEN_LIFE: Final = timedelta(minutes=5)


class Refused(Exception):
    """An OAuth error; `str()` is its description, `code` its name (RFC 6749 §4.1.2.1, §5.2)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(frozen=True, slots=True)
class OidcRequest:
    """An authorization request that may be answered, as far as it matters here."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    challenge: str


@dataclass(frozen=True, slots=True)
class _Granted:
    request: OidcRequest
    person: Person
    at: datetime


class OidcFace:
    """What one provider answers to its one client. `groups` names the claim that lists a person's groups."""

    def __init__(self, issuer: str, key: SigningKey, groups: str, clock: Callable[[], datetime]) -> None:
        self.issuer = issuer
        self._groups = groups
        self._clock = clock
        self._key_id = key.key_id
        self._key = RSAKey.import_key(key.private_pem.decode())
        self._codes: Pending[_Granted] = Pending(clock, _CODE_LIFE)
        self._tokens: Pending[Person] = Pending(clock, _TOKEN_LIFE)

    def discovery(self) -> dict[str, Any]:
        """Return the provider's configuration (OpenID Connect Discovery §3)."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/logout",
            "scopes_supported": ["openid", "profile", "email"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def jwks(self) -> dict[str, Any]:
        """Return the public key under which ID tokens verify."""
        return {"keys": [{**self._key.as_dict(private=False), "use": "sig", "alg": "RS256", "kid": self._key_id}]}

    def request(self, asked: Mapping[str, str], party: OidcParty | None) -> OidcRequest:
        """Return an authorization request whose client and redirect URI are the registered ones. Raises Refused."""
        if party is None or asked.get("client_id") != party.client_id:
            raise Refused("invalid_client", "no such client is registered")
        if asked.get("redirect_uri") != party.redirect_uri:
            raise Refused("invalid_redirect_uri", "`redirect_uri` is not the registered one")
        return OidcRequest(
            party.client_id,
            party.redirect_uri,
            asked.get("state", ""),
            asked.get("nonce", ""),
            asked.get("code_challenge", ""),
        )

    def problem(self, asked: Mapping[str, str], request: OidcRequest) -> Refused | None:
        """Return what is wrong with an authorization request, which its client is told."""
        if asked.get("response_type") != "code":
            return Refused("unsupported_response_type", "only `code` is")
        if "openid" not in asked.get("scope", "").split():
            return Refused("invalid_scope", "`openid` is missing")
        if not request.challenge or asked.get("code_challenge_method") != "S256":
            return Refused("invalid_request", "PKCE with S256 is wanted")
        if asked.get("prompt") == "none":
            return Refused("login_required", "somebody has to be picked")
        return None

    def answer(self, request: OidcRequest, result: Person | Refused) -> str:
        """Return where an authorization request is answered: with a code for a person, or with an error."""
        if isinstance(result, Refused):
            told = {"error": result.code, "error_description": str(result)}
        else:
            told = {"code": self._codes.keep(_Granted(request, result, self._clock()))}
        state = {"state": request.state} if request.state else {}
        separator = "&" if "?" in request.redirect_uri else "?"
        return request.redirect_uri + separator + urlencode({**told, **state, "iss": self.issuer})

    def token(self, asked: Mapping[str, str], authorization: str, party: OidcParty | None) -> dict[str, Any]:
        """Exchange a code, once. Raises Refused."""
        client_id, secret = _client(asked, authorization)
        if party is None or client_id != party.client_id or not _same(secret, party.client_secret):
            raise Refused("invalid_client", "client or secret are wrong")
        if asked.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type", "only `authorization_code` is")
        granted = self._codes.take(asked.get("code", ""))
        if granted is None or asked.get("redirect_uri") != granted.request.redirect_uri:
            raise Refused("invalid_grant", "the code is unknown, used, too old, or for another `redirect_uri`")
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        if not _same(base64url.encode(digest), granted.request.challenge):
            raise Refused("invalid_grant", "`code_verifier` does not fit")
        return {
            "token_type": "Bearer",
            "expires_in": int(_TOKEN_LIFE.total_seconds()),
            "access_token": self._tokens.keep(granted.person),
            "id_token": self._id_token(granted),
            "scope": "openid profile email",
        }

    def userinfo(self, authorization: str) -> dict[str, Any] | None:
        """Return the claims of a token's person."""
        scheme, _, token = authorization.partition(" ")
        person = self._tokens.find(token) if scheme.lower() == "bearer" else None
        return None if person is None else self._claims(person)

    def _claims(self, person: Person) -> dict[str, Any]:
        return {"sub": person.subject, **person.claims, self._groups: list(person.groups)}

    def _id_token(self, granted: _Granted) -> str:
        now = int(self._clock().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": granted.request.client_id,
            "iat": now,
            "exp": now + int(_TOKEN_LIFE.total_seconds()),
            "auth_time": int(granted.at.timestamp()),
            "sid": secrets.token_hex(16),
            **({"nonce": granted.request.nonce} if granted.request.nonce else {}),
            **self._claims(granted.person),
        }
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": self._key_id}, claims, self._key)


def _client(asked: Mapping[str, str], authorization: str) -> tuple[str, str]:
    """Return client id and secret from the header (RFC 6749 §2.3.1) or from the form."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return asked.get("client_id", ""), asked.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused("invalid_client", "the header is not Basic") from error
    return unquote_plus(name), unquote_plus(secret)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def error_document(refused: Refused) -> str:
    """Return a refusal of the token endpoint as JSON."""
    return json.dumps({"error": refused.code, "error_description": str(refused)})
