"""One strict client on Authlib: it builds authorization requests and exchanges codes, and lets nothing through unseen.

What Authlib does well is used: parameters, PKCE, client authentication. What its own client leaves open is closed here
and in `checking`'s tables: every exchange goes through the guarded client, a token response must be what RFC 6749 says,
and the ID token is never optional.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote_plus, urlencode

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, RSAKey

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.core.oidc_settings import ClientAuthentication, OidcSettings
from rolebridge.sso.oidc import fetching
from rolebridge.sso.oidc.checking import Check, read_object, run, shown
from rolebridge.sso.oidc.discovery import Provider
from rolebridge.sso.oidc.fetching import Fetcher
from rolebridge.web.outgoing import Fetched

UNREACHABLE: Final = "oidc-token-endpoint-unreachable"
REFUSED: Final = "oidc-token-endpoint-refused"
FORM: Final = "oidc-token-response-form"

_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_ASSERTION_LIFE: Final = timedelta(minutes=5)
_BEARER: Final = re.compile(r"[\x21-\x7e]{1,65536}")
_KEY_METHOD: Final = ClientAuthentication.KEY.value


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The client's own key, for `private_key_jwt`: private, with its algorithm and what its header says of it."""

    key: RSAKey | ECKey
    algorithm: str
    header: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave for a code."""

    id_token: str
    access_token: str | None


class _Auth(Protocol):
    def prepare(self, method: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]: ...


class _GuardedSession:
    """What Authlib takes for a session of `requests`: one method, which goes through the guarded client."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: _Auth) -> Fetched:
        """Send a form, with what proves who sends it."""
        # A copy: Authlib hands over its own default headers, and would keep one client's secret in them for the next.
        uri, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        rest = {name: value for name, value in sent.items() if name.lower() != "content-type"}
        return fetching.told(
            UNREACHABLE,
            "the token endpoint's answer",
            lambda: self._fetcher.post(
                uri,
                body.encode(),
                _FORM_TYPE,
                headers=rest,
                most_bytes=fetching.MOST_BYTES,
                seconds=fetching.SECONDS,
            ),
        )


class StrictClient(OAuth2Client):
    """The client that a connection is at its provider. `credential` is its secret, or the key that it signs with."""

    def __init__(
        self,
        settings: OidcSettings,
        credential: str | SigningKey,
        redirect_uri: str,
        fetcher: Fetcher,
        now: datetime,
    ) -> None:
        secret = credential if isinstance(credential, str) else None
        super().__init__(
            _GuardedSession(fetcher),
            client_id=settings.client_id,
            client_secret=secret,
            token_endpoint_auth_method=settings.authentication.value,
            scope=settings.scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        self._settings = settings
        self.register_client_auth_method((ClientAuthentication.BASIC.value, _basic))
        if isinstance(credential, SigningKey):
            self._sign_with(credential, now)

    def request_url(self, provider: Provider, state: str, nonce: str, verifier: str, **asked: str) -> str:
        """Return the URL to which the browser goes. `asked` are further parameters; empty ones are left out."""
        url, _ = self.create_authorization_url(
            provider.authorization_endpoint,
            state=state,
            code_verifier=verifier,
            nonce=nonce,
            **{name: value for name, value in asked.items() if value},
        )
        return str(url)

    def exchange(self, provider: Provider, code: str, verifier: str, trail: Trail) -> Tokens:
        """Exchange a code for tokens (OpenID Connect Core §3.1.3). Raises LoginRefused."""
        document = self.fetch_token(
            provider.token_endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
        )
        for passed in (UNREACHABLE, REFUSED, FORM):
            trail.passed(passed)
        run(TOKEN_RESPONSE_CHECKS, TokenResponse(document, self._settings), trail)
        return Tokens(document["id_token"], document.get("access_token"))

    def parse_response_token(self, resp: Fetched) -> dict[str, Any]:
        """Return a token response, or raise LoginRefused for an error, a page, or a document that is none."""
        what = "the token endpoint's answer"
        if resp.status >= 500 or resp.status == 429:
            raise LoginRefused(UNREACHABLE, f"the token endpoint answers with status {resp.status}")
        fetching.check_json(resp, FORM, what)
        document = read_object(FORM, what, resp.body)
        if resp.status != 200 or "error" in document:
            said, why = document.get("error"), document.get("error_description", "")
            told = f"{shown(said)} {shown(why) if why else ''}".rstrip()
            raise LoginRefused(REFUSED, f"the token endpoint refuses with status {resp.status}: {told}")
        return document

    def _sign_with(self, signing: SigningKey, now: datetime) -> None:
        times = {"iat": _seconds(now), "nbf": _seconds(now), "exp": _seconds(now + _ASSERTION_LIFE)}
        self.client_secret = signing.key
        proof = PrivateKeyJWT(claims=times, headers=dict(signing.header), alg=signing.algorithm)
        self.register_client_auth_method((_KEY_METHOD, proof))


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A successful token response beside the settings."""

    document: Mapping[str, Any]
    settings: OidcSettings


def _type(response: TokenResponse) -> str | None:
    said = response.document.get("token_type")
    if isinstance(said, str) and said.lower() == "bearer":
        return None
    return f"the tokens are of the type {shown(said)}, not Bearer"


def _access_token(response: TokenResponse) -> str | None:
    """Return what is wrong with the access token: it can stand in a header, and is there if userinfo needs it."""
    said = response.document.get("access_token")
    if said is None and not response.settings.userinfo:
        return None
    if isinstance(said, str) and _BEARER.fullmatch(said):
        return None
    return "the response has no access token with which userinfo could be asked"


def _id_token(response: TokenResponse) -> str | None:
    said = response.document.get("id_token")
    return None if isinstance(said, str) and said else "the response has no ID token"


TOKEN_RESPONSE_CHECKS: Final[tuple[Check[TokenResponse], ...]] = (
    ("oidc-token-bearer", _type),
    ("oidc-id-token-missing", _id_token),
    ("oidc-access-token", _access_token),
)


def _basic(client: ClientAuth, _: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    """Show id and secret as RFC 6749 §2.3.1 has it, form-encoded; Authlib leaves the encoding out."""
    shown_as = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return uri, {**headers, "Authorization": f"Basic {b64encode(shown_as.encode()).decode()}"}, body


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
