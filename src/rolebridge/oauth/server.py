"""The token endpoint on Authlib: its grant, its order of checks and its form of errors; who a client is, we say.

Authlib's own client authentication is not used: it takes parameters from the query, lets a client prove itself in
several ways at once, fails on a header that is not UTF-8, and answers differently for clients that are there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from authlib.oauth2 import OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
    UnsupportedGrantTypeError,
)
from authlib.oauth2.rfc6749.grants import BaseGrant, ClientCredentialsGrant, TokenEndpointMixin
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from rolebridge.bridge.applications import AppProof
from rolebridge.bridge.clients import IssuedToken, Proof

SCOPE: Final = "scim"
"""The one scope there is: everything that the connection may do at the SCIM door."""
GRANT: Final = "client_credentials"

ANSWER_HEADERS: Final = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache"))
"""What every answer of the endpoint says of itself (RFC 6749 §5.1)."""

_UNSAYABLE: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


def plain(text: str) -> str:
    """Return a text as `error_description` may hold it (RFC 6749 §5.2): ASCII, neither quotes nor backslashes."""
    return _UNSAYABLE.sub("?", text)[:300]


class NotProved(InvalidClientError):
    """`invalid_client`: 401 with a challenge in every case, as HTTP wants one with each 401 (RFC 9110 §15.5.2)."""

    def __init__(self, description: str) -> None:
        super().__init__(description=plain(description), status_code=401)

    def get_headers(self) -> list[tuple[str, str]]:
        """Return the headers of the answer."""
        return [*ANSWER_HEADERS, ("WWW-Authenticate", 'Basic realm="rolebridge"')]


class TryLater(OAuth2Error):
    """That the request may succeed later: 429 or 503 with the seconds to wait."""

    error = "temporarily_unavailable"

    def __init__(self, status: int, description: str, seconds: int) -> None:
        super().__init__(description=plain(description), status_code=status)
        self.seconds = seconds

    def get_headers(self) -> list[tuple[str, str]]:
        """Return the headers of the answer."""
        return [*ANSWER_HEADERS, ("Retry-After", str(self.seconds))]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the endpoint; `body` becomes JSON."""

    status: int
    body: Mapping[str, object]
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to the token endpoint: the parameters of its body, and a function that proves its client.

    The client of a connection is proved by `prove`, an application by `prove_app`; both raise OAuth2Error.
    """

    form: Mapping[str, str]
    prove: Callable[[], Proof]
    prove_app: Callable[[], AppProof] | None = None


AppGrant: TypeAlias = Callable[[AppProof, Mapping[str, str]], Mapping[str, object]]
"""Gives a proved application what the parameters of its request stand for (RFC 6749 §5.1). Raises OAuth2Error."""


class _Proved(ClientMixin):
    """A client as Authlib sees one: it has proved itself, and may use the one grant there is."""

    def __init__(self, proof: Proof) -> None:
        self.proof = proof

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether the client may use a grant."""
        return grant_type == GRANT


class _Request(OAuth2Request):
    """A request as Authlib reads one. `origin` is our own value."""

    def __init__(self, origin: TokenRequest) -> None:
        # Authlib would look whether the URL is https. Whether transport is safe is for the settings to say, which
        # know of the proxy in front (`Settings.for_serving`); what arrives here is plain HTTP from that proxy.
        super().__init__("POST", "https://localhost/")
        self.origin = origin
        self.payload = BasicOAuth2Payload(dict(origin.form))


class _OfApplications(BaseGrant, TokenEndpointMixin):
    """The grants that applications use: which one it is and what it gives, our own functions say."""

    def __init__(self, request: _Request, server: TokenServer, grant: AppGrant) -> None:
        super().__init__(request, server)
        self._grant = grant

    def validate_token_request(self) -> None:
        """Do nothing: the grant looks at its own parameters once the application is proved."""

    def create_token_response(self) -> Any:
        """Return the answer. Raises OAuth2Error."""
        assert isinstance(self.request, _Request)
        origin = self.request.origin
        assert origin.prove_app is not None  # whoever has such grants says how applications prove themselves
        return 200, self._grant(origin.prove_app(), origin.form), self.TOKEN_RESPONSE_HEADER


class TokenServer(AuthorizationServer):
    """Answers token requests. `issue` gives a proved client its token, and raises OAuth2Error.

    `of_applications` are the grants of applications by `grant_type`.
    """

    def __init__(
        self,
        issue: Callable[[Proof], IssuedToken],
        of_applications: Mapping[str, AppGrant] = MappingProxyType({}),
    ) -> None:
        super().__init__(scopes_supported=[SCOPE])
        self._issue = issue
        self._of_applications = of_applications
        self.register_grant(ClientCredentialsGrant)

    def answer(self, request: TokenRequest) -> Answer:
        """Return the answer to a request."""
        try:
            answer: Any = self.create_token_response(request)
        except OAuth2Error as error:  # what Authlib raises before it has a grant
            answer = self.handle_error_response(_Request(request), error)
        assert isinstance(answer, Answer)
        return answer

    # --- what Authlib calls

    def create_oauth2_request(self, request: TokenRequest) -> OAuth2Request:
        """Return a request as Authlib reads one."""
        return _Request(request)

    def get_token_grant(self, request: OAuth2Request) -> BaseGrant:
        """Return the grant that is asked for; Authlib's own errors would repeat what the client sent."""
        payload = request.payload
        asked = payload.data.get("grant_type") if payload else None
        if not asked:
            raise InvalidRequestError("`grant_type` is missing")
        if asked in self._of_applications:
            assert isinstance(request, _Request)
            return _OfApplications(request, self, self._of_applications[asked])
        if asked != GRANT:
            raise _unsupported((GRANT, *self._of_applications))
        return super().get_token_grant(request)

    def authenticate_client(
        self, request: OAuth2Request, methods: Collection[str], endpoint: str = "token"
    ) -> ClientMixin:
        """Return the client, proved."""
        assert isinstance(request, _Request)
        return _Proved(request.origin.prove())

    def validate_requested_scope(self, scope: str) -> None:
        """Refuse a scope that there is not, rather than ignore it."""
        if scope and set(scope.split()) != {SCOPE}:
            raise InvalidScopeError(f"the only scope is `{SCOPE}`; leave `scope` out")

    def generate_token(
        self,
        grant_type: str,
        client: ClientMixin,
        user: object = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, str | int]:
        """Return a token's answer (RFC 6749 §5.1); the token has been stored."""
        assert isinstance(client, _Proved)
        token = self._issue(client.proof)
        return {"access_token": token.text, "token_type": "Bearer", "expires_in": token.seconds, "scope": SCOPE}

    def save_token(self, token: dict[str, str | int], request: OAuth2Request) -> None:
        """Do nothing: a token is stored when it is made."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Tell nobody."""

    def handle_response(self, status: int, body: Mapping[str, object], headers: Any) -> Answer:
        """Return what Authlib says as our own value."""
        return Answer(status, body, tuple(headers))


def _unsupported(grants: Collection[str]) -> UnsupportedGrantTypeError:
    error = UnsupportedGrantTypeError(GRANT)
    names = ", ".join(f"`{one}`" for one in grants)
    error.description = f"the only grant is {names}" if len(grants) == 1 else f"the grants are {names}"
    return error
