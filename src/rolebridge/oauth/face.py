"""The token endpoint without a framework: a request comes in as a value, an answer goes out (RFC 6749 §3.2, §5).

Clients of SCIM connections and applications share it; the grant that a request names says which of them it is from.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import perf_counter
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError

from rolebridge.bridge.applications import AppProof, AppProving
from rolebridge.bridge.clients import IssuedToken, NoLongerValid, Proof, TokenIssuing
from rolebridge.bridge.credentials import APP_PREFIX, CLIENT_PREFIX
from rolebridge.bridge.proving import AssertionReused
from rolebridge.core.errors import Unavailable
from rolebridge.core.limits import RateLimit
from rolebridge.oauth import metadata
from rolebridge.oauth.proofs import Claim, Malformed, claim_of, prove, prove_app
from rolebridge.oauth.refusals import ClientRefused, Reason
from rolebridge.oauth.server import (
    ANSWER_HEADERS,
    Answer,
    AppGrant,
    NotProved,
    TokenRequest,
    TokenServer,
    TryLater,
    plain,
)
from rolebridge.store.provider_records import Application
from rolebridge.store.records import Client
from rolebridge.store.request_log import NOBODY, LoggedRequest
from rolebridge.web.addresses import Origin, Origins
from rolebridge.web.rates import Meters
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.oauth")

MAX_BODY: Final = 16 * 1024
"""Bytes: an assertion with certificates in its header is the longest there is."""
FAILURES_OF_CLIENT: Final = RateLimit(1 / 6, 20)
"""Failed proofs for one client id from one address: 20 at once, 10 a minute."""
FAILURES_OF_ADDRESS: Final = RateLimit(1, 60)
"""Failed proofs from one address (of IPv6: one /64), whatever the client."""
TOKENS_OF_CLIENT: Final = RateLimit(5, 100)
"""Tokens for one client, which needs one an hour."""
TOKENS_OF_APP: Final = RateLimit(100, 2_000)
"""Codes and refresh tokens that one application exchanges."""

FOR_PAGES: Final = (("Access-Control-Allow-Origin", "*"),)
"""Lets an application's page read an answer, whatever its origin: no cookie counts here, so nobody's is lent."""

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_PARAMETERS: Final = 20
_CLIENT_ID: Final = re.compile(f"(?:{CLIENT_PREFIX}|{APP_PREFIX})[0-9a-f]{{32}}")


@dataclass(frozen=True, slots=True)
class AppSide:
    """What the endpoint needs for applications: what proves them, and their grants by `grant_type`."""

    proving: AppProving
    grants: Mapping[str, AppGrant] = field(default_factory=lambda: MappingProxyType({}))


class OAuthFace:
    """The OAuth 2.0 token endpoint of an installation."""

    def __init__(
        self,
        issuing: TokenIssuing,
        origins: Origins,
        meters: Meters,
        issuer: str,
        endpoint: str,
        observe: Callable[[LoggedRequest], None] = lambda row: None,
        *,
        apps: AppSide | None = None,
    ) -> None:
        """`issuer` is the installation's base URL, `endpoint` the URL of its token endpoint.

        `observe` is told of every request. Without `apps` it is for SCIM clients only.
        """
        self._issuing = issuing
        self._origins = origins
        self._meters = meters
        self._issuer = issuer
        self._endpoint = endpoint
        self._observe = observe
        self._apps = apps
        self._server = TokenServer(self._issue, apps.grants if apps else {})

    def token(self, request: Request) -> Response:
        """Answer a request to the token endpoint. What it raises is a defect."""
        return self.answer(request, self._token)

    def answer(self, request: Request, work: Callable[[Seen, Mapping[str, str]], Answer]) -> Response:
        """Answer a request to an endpoint of applications or clients; `work` is given its form, and raises OAuth2Error.

        What this raises is a defect.
        """
        origin = self._origins.of(request.peer, request.headers.get("x-forwarded-for"))
        seen = Seen(request, origin, self._issuing.clock())
        try:
            answer = work(seen, form_of(request))
        except OAuth2Error as error:
            answer = Answer(*error())
        except Unavailable as busy:
            logger.error("request %s: %s", request.request_id, busy)  # noqa: TRY400 - a refusal, with its cause in it
            answer = Answer(*TryLater(503, busy.told, busy.retry_after)())
        response = Response(answer.status, (*answer.headers, *seen.shared), json.dumps(answer.body).encode())
        self._observe(seen.row(answer, response))
        return response

    def _token(self, seen: Seen, form: Mapping[str, str]) -> Answer:
        if self._apps is not None and form.get("grant_type") in self._apps.grants:
            seen.shared = FOR_PAGES
        provers = partial(self._prove, seen, form), partial(self.prove_app, seen, form)
        return self._server.answer(TokenRequest(form, *provers))

    def metadata(self) -> Response:
        """Describe the server (RFC 8414 §2)."""
        headers = (("Content-Type", "application/json"), ("Access-Control-Allow-Origin", "*"))
        return Response(200, headers, metadata.document(self._issuer, self._endpoint))

    def _prove(self, seen: Seen, form: Mapping[str, str]) -> Proof:
        """Return the proof of the request's client. Raises OAuth2Error."""
        claim = self._claim(seen, form, public=False)
        try:
            proof = prove(claim, self._issuing, (self._endpoint, self._issuer))
        except ClientRefused as refused:
            raise self._refused(seen, claim.client_id, refused) from None
        seen.client, seen.credential_id = proof.client, proof.credential.credential.id
        return proof

    def prove_app(self, seen: Seen, form: Mapping[str, str]) -> AppProof:
        """Return the proof of the request's application. Raises OAuth2Error."""
        assert self._apps is not None  # whoever asks has grants for them
        claim = self._claim(seen, form, public=True)
        try:
            proof = prove_app(claim, self._apps.proving, (self._endpoint, self._issuer))
        except ClientRefused as refused:
            raise self._refused(seen, claim.client_id, refused) from None
        seen.client = proof.application
        seen.credential_id = proof.credential.credential.id if proof.credential else ""
        wait = self._meters.take(f"tokens {proof.application.id}", TOKENS_OF_APP)
        if wait:
            raise _slower("the application asks for tokens too often", wait)
        return proof

    def _claim(self, seen: Seen, form: Mapping[str, str], *, public: bool) -> Claim:
        """Return who a request says it is from, if not too many have failed. Raises OAuth2Error."""
        try:
            claim = claim_of(seen.request.headers.get("authorization"), form, public=public)
        except Malformed as error:
            raise InvalidRequestError(plain(str(error))) from None
        except ClientRefused as refused:
            raise self._refused(seen, "", refused) from None
        self._check_failures(claim, seen.origin)
        return claim

    def _issue(self, proof: Proof) -> IssuedToken:
        """Give a proved client its token. Raises OAuth2Error."""
        wait = self._meters.take(f"tokens {proof.client.id}", TOKENS_OF_CLIENT)
        if wait:
            raise _slower("the client asks for tokens too often; one serves until it expires", wait)
        try:
            issued = self._issuing.issue(proof)
        except AssertionReused as reused:
            logger.warning("client %s: %s: %s", proof.client.id, Reason.ASSERTION_REUSED, reused)
            raise NotProved(str(reused)) from None
        except NoLongerValid as gone:
            logger.warning("client %s: %s: %s", proof.client.id, Reason.NO_LONGER_VALID, gone)
            raise NotProved(str(gone)) from None
        logger.info("client %s: token for %d seconds", proof.client.id, issued.seconds)
        return issued

    # --- failures

    def _check_failures(self, claim: Claim, origin: Origin) -> None:
        """Refuse to look at a proof where too many have failed."""
        waits = [self._meters.wait(name, limit) for name, limit in _failures(claim.client_id, origin)]
        if any(waits):
            raise _slower("too many proofs have failed", max(waits))

    def _refused(self, seen: Seen, client_id: str, refused: ClientRefused) -> NotProved:
        """Count a failure and tell the log about it; return what the client is told."""
        for name, limit in _failures(client_id, seen.origin):
            self._meters.take(name, limit)
        seen.client, seen.reason = refused.client, str(refused)
        # What is no id of ours may be anything that somebody typed into the wrong field.
        id_, shown = seen.request.request_id, client_id if _CLIENT_ID.fullmatch(client_id) else "…"
        logger.warning("request %s: client `%s` from %s refused: %s", id_, shown, seen.origin, refused)
        return NotProved(refused.told)


@dataclass(slots=True)
class Seen:
    """A request to the endpoint while it is answered: what became known of it, for the request log."""

    request: Request
    origin: Origin
    at: datetime
    client: Client | Application | None = None
    credential_id: str = ""
    reason: str = ""
    shared: tuple[tuple[str, str], ...] = ()
    """Headers by which pages of other origins may read the answer."""
    began: float = field(default_factory=perf_counter)

    def row(self, answer: Answer, response: Response) -> LoggedRequest:
        """Return what is logged: our own words, and nothing that the client sent."""
        said = f"{answer.body['error']}: {answer.body.get('error_description', '')}" if answer.status != 200 else ""
        return LoggedRequest(
            organization_id=self.client.organization_id if self.client else NOBODY,
            connection_id=self.client.connection_id if isinstance(self.client, Client) else NOBODY,
            at=self.at,
            request_id=self.request.request_id,
            method=self.request.method,
            path=self.request.path,
            status=answer.status,
            detail=plain(self.reason) or said,
            duration_us=round((perf_counter() - self.began) * 1_000_000),
            credential_id=self.credential_id,
            peer=self.origin.text,
            user_agent=plain(self.request.headers.get("user-agent", ""))[:120],
            request_bytes=len(self.request.body),
            answer_bytes=len(response.body) if isinstance(response.body, bytes) else None,
        )


def error_body(status: int, detail: str) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body with which what never reaches the endpoint is refused, in the endpoint's form."""
    error = "invalid_request" if status < 500 else "server_error"
    if status in {429, 503}:
        error = TryLater.error
    return list(ANSWER_HEADERS), json.dumps({"error": error, "error_description": plain(detail)}).encode()


def form_of(request: Request) -> dict[str, str]:
    """Return the parameters of a request's body, each there once (RFC 6749 §3.2); the query holds none (§2.3.1)."""
    if len(request.body) > MAX_BODY:
        raise InvalidRequestError(f"the body has {len(request.body)} bytes, the limit is {MAX_BODY}", status_code=413)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise InvalidRequestError(f"the body must be {_FORM}")
    try:
        text = request.body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise InvalidRequestError(f"the body is not {_FORM} of UTF-8 text with few parameters") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form:
            raise InvalidRequestError(plain(f"the parameter `{name[:40]}` is given twice"))
        if value:  # one without a value is as one left out (§3.2)
            form[name] = value
    return form


def _failures(client_id: str, origin: Origin) -> list[tuple[str, RateLimit]]:
    """Return the meters of a failed proof.

    Where an unknown proxy stands in between, everybody behind it has its address: one of them must not shut out all.
    """
    meters = [(f"failures of {client_id} from {origin.site}", FAILURES_OF_CLIENT)] if client_id else []
    return [*meters, (f"failures from {origin.site}", FAILURES_OF_ADDRESS)] if origin.certain else meters


def _slower(description: str, wait: float) -> TryLater:
    return TryLater(429, description, max(1, math.ceil(wait)))
