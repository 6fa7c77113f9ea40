"""How a client proves who it is at the token endpoint: by a secret, in one of two places, or by a signed assertion.

RFC 6749 §2.3.1 (`client_secret_basic`, `client_secret_post`) and RFC 7523 §2.2 (`private_key_jwt`). Clients of SCIM
connections and applications prove themselves alike; a public application only says who it is (`none`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote

from rolebridge.bridge.applications import AppProof, AppProving
from rolebridge.bridge.clients import Proof, TokenIssuing
from rolebridge.bridge.credentials import Hashed
from rolebridge.core.applications import AppKind
from rolebridge.oauth.assertions import ASSERTION_TYPE, Assertion, take_apart, verify
from rolebridge.oauth.refusals import ClientRefused, Reason
from rolebridge.store.provider_records import Application
from rolebridge.store.records import ClientCredential


class _Holder(Protocol):
    """Whoever can hold credentials: a client of a connection, or an application."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def revoked_at(self) -> datetime | None: ...


H = TypeVar("H", bound=_Holder)
H_co = TypeVar("H_co", bound=_Holder, covariant=True)


class _Prover(Protocol[H_co]):
    """What knows holders and their credentials."""

    def hashes(self, text: str) -> Mapping[str, bytes]: ...
    def moved(self, text: str, key_id: str) -> Hashed | None: ...
    def client(self, client_id: str) -> tuple[H_co, Sequence[ClientCredential]] | None: ...
    @property
    def clock(self) -> Callable[[], datetime]: ...


@dataclass(frozen=True, slots=True)
class _Shown(Generic[H]):
    """A holder that has proved itself, and by what."""

    holder: H
    credential: ClientCredential
    jti: str | None = None
    until: datetime | None = None
    moved: Hashed | None = None


class Method(StrEnum):
    """The ways to prove who one is, by their registered names (RFC 8414 §2)."""

    SECRET_BASIC = "client_secret_basic"  # noqa: S105 - a name
    SECRET_POST = "client_secret_post"  # noqa: S105 - a name
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"


PROVING = (Method.SECRET_BASIC, Method.SECRET_POST, Method.PRIVATE_KEY_JWT)
"""The ways that do prove something."""


class Malformed(Exception):
    """That a request cannot be one of any client (RFC 6749 §5.2, `invalid_request`)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a request says it is from, and what is to prove it: a secret or an assertion."""

    method: Method
    client_id: str
    evidence: str | Assertion = field(repr=False)


def claim_of(authorization: str | None, form: Mapping[str, str], *, public: bool = False) -> Claim:
    """Return who a request says it is from. Raises Malformed for several proofs at once, ClientRefused for none.

    With `public` it need not prove it: a `client_id` alone is the claim of a public application.
    """
    shown = [
        method
        for method, is_shown in (
            (Method.SECRET_BASIC, authorization is not None),
            (Method.SECRET_POST, "client_secret" in form),
            (Method.PRIVATE_KEY_JWT, "client_assertion" in form or "client_assertion_type" in form),
        )
        if is_shown
    ]
    if len(shown) > 1:
        raise Malformed(f"a client proves itself in one way, not by {' and '.join(shown)} at once")
    if not shown and public and "client_id" in form:
        return Claim(Method.NONE, form["client_id"], "")
    if not shown:
        raise ClientRefused(Reason.NO_PROOF, f"the request holds none of {', '.join(PROVING)}", proved=True)
    claim = _CLAIMS[shown[0]](authorization or "", form)
    if form.get("client_id", claim.client_id) != claim.client_id:
        raise Malformed("`client_id` is another client than the one that proves itself")
    return claim


def _basic(authorization: str, _form: Mapping[str, str]) -> Claim:
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.casefold() != "basic":
        raise ClientRefused(Reason.NO_PROOF, "the Authorization header is not `Basic`", proved=True)
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Malformed("the Authorization header is not base64 of UTF-8 text") from None
    client_id, colon, secret = pair.partition(":")
    if not colon:
        raise Malformed("the Authorization header holds no colon between client id and secret")
    return Claim(Method.SECRET_BASIC, unquote(client_id), unquote(secret))


def _post(_authorization: str, form: Mapping[str, str]) -> Claim:
    if "client_id" not in form:
        raise Malformed("`client_id` is missing")
    return Claim(Method.SECRET_POST, form["client_id"], form["client_secret"])


def _assertion(_authorization: str, form: Mapping[str, str]) -> Claim:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise Malformed(f"`client_assertion_type` is not `{ASSERTION_TYPE}`")
    assertion = take_apart(form.get("client_assertion", ""))
    return Claim(Method.PRIVATE_KEY_JWT, assertion.subject, assertion)


_CLAIMS = {Method.SECRET_BASIC: _basic, Method.SECRET_POST: _post, Method.PRIVATE_KEY_JWT: _assertion}


def prove(claim: Claim, issuing: TokenIssuing, audiences: Collection[str]) -> Proof:
    """Return the proof that a request is from the client of a connection that it names. Raises ClientRefused."""
    found = issuing.client(claim.client_id)
    try:
        shown = _shown(claim, found, issuing, audiences)
    except ClientRefused as refused:
        refused.client = found[0] if found else None
        raise
    return Proof(shown.holder, shown.credential, shown.jti, shown.until, shown.moved)


def prove_app(claim: Claim, proving: AppProving, audiences: Collection[str]) -> AppProof:
    """Return the proof that a request is from the application that it names. Raises ClientRefused."""
    found = proving.client(claim.client_id)
    try:
        if claim.method is Method.NONE:
            return AppProof(_public(found))
        shown = _shown(claim, found, proving, audiences)
    except ClientRefused as refused:
        refused.client = found[0] if found else None
        raise
    return AppProof(shown.holder, shown.credential, shown.jti, shown.until, shown.moved)


def _public(found: tuple[Application, Sequence[ClientCredential]] | None) -> Application:
    application, _ = _known(found)
    if application.kind is not AppKind.PUBLIC:
        raise ClientRefused(Reason.NO_PROOF, "the application is confidential, and shows no proof")
    if application.revoked_at is not None:
        raise ClientRefused(Reason.REVOKED_CLIENT, f"the application `{application.name}` was revoked")
    return application


def _shown(
    claim: Claim, found: tuple[H, Sequence[ClientCredential]] | None, prover: _Prover[H], audiences: Collection[str]
) -> _Shown[H]:
    if isinstance(claim.evidence, Assertion):
        holder, held = _known(found)
        verified = verify(claim.evidence, holder.id, held, audiences, prover.clock())
        shown = _Shown(holder, verified.credential, verified.jti, verified.until)
    else:
        # The same work for a client that is not there: neither the answer nor its time tells which ones are.
        secret = _matching(prover.hashes(claim.evidence), found[1] if found else ())
        holder, _ = _known(found)
        usable = _usable_secret(secret, prover.clock())
        shown = _Shown(holder, usable, moved=prover.moved(claim.evidence, usable.credential.key_id))
    if holder.revoked_at is not None:
        raise ClientRefused(Reason.REVOKED_CLIENT, f"the client `{holder.name}` was revoked", proved=True)
    return shown


def _known(found: tuple[H, Sequence[ClientCredential]] | None) -> tuple[H, Sequence[ClientCredential]]:
    if found is None:
        raise ClientRefused(Reason.UNKNOWN_CLIENT, "there is no such client")
    return found


def _matching(hashes: Mapping[str, bytes], held: Sequence[ClientCredential]) -> ClientCredential | None:
    """Return the secret that has one of these hashes; every one is compared, in constant time."""
    matching = None
    for one in held:
        hash_ = hashes.get(one.credential.key_id, b"")
        if hmac.compare_digest(one.credential.hash, hash_) and one.jwk is None:
            matching = one
    return matching


def _usable_secret(secret: ClientCredential | None, now: datetime) -> ClientCredential:
    if secret is None:
        raise ClientRefused(Reason.WRONG_SECRET, "no secret of the client is that")
    credential = secret.credential
    if credential.revoked_at is not None:
        raise ClientRefused(Reason.REVOKED_SECRET, f"the secret `{credential.name}` was revoked", proved=True)
    if not credential.usable(now):
        raise ClientRefused(Reason.EXPIRED_SECRET, f"the secret `{credential.name}` has expired", proved=True)
    return secret
