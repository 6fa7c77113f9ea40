"""Logins that are under way: what somebody was sent away with, and may come back with once, in the same browser.

Two things, because the first costs nobody anything. A *request to sign in* (where to go afterwards, how fresh the login
must be) travels in the URL of the sign-in page, sealed: anonymous visitors leave nothing in the database. A *flow*
begins when the browser goes on to an identity provider; it is a row that is bound to this browser and taken once.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.vault import Locked, Vault
from rolebridge.core.errors import Invalid
from rolebridge.core.login import LoginRefused
from rolebridge.store.documents import moment, stamp
from rolebridge.store.engine import Store
from rolebridge.store.login_flows import StoredFlow
from rolebridge.store.unit import Unit

FLOW_LIFETIME: Final = timedelta(minutes=10)
"""For how long one may be at the identity provider."""
ASK_LIFETIME: Final = timedelta(hours=1)
"""For how long the sign-in page may stay open."""
MOST_OF_BROWSER: Final = 20
"""Logins that one browser may have under way in an organization; a newer one takes the place of the oldest."""
LONGEST_TARGET: Final = 4_000
"""Characters of the URL to go to afterwards: it travels in another URL."""

_ASK: Final = "request to sign in"
_LONGEST_ASK: Final = 12_000


@dataclass(frozen=True, slots=True)
class Demands:
    """What a login must fulfil: `fresh` has the person prove themselves again, `max_age` is in seconds.

    `contexts` are authentication contexts, any of which will do (`acr_values`), `hint` whom the identity provider may
    propose (`login_hint`).
    """

    fresh: bool = False
    max_age: int | None = None
    contexts: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """Somebody is asked to sign in: to which organization ("" as long as that is not known), and where they go then.

    `target` begins with `/` and is below our base URL. `application` is the name of what they sign in for, "" for
    nothing; `connection_id` the connection to log in by, "" for their choice.
    """

    organization_id: str = ""
    target: str = "/account"
    application: str = ""
    connection_id: str = ""
    demands: Demands = Demands()


@dataclass(frozen=True, slots=True)
class Flow:
    """A login under way by a connection. Its id begins with `_`: it serves as ID of a SAML request and as `state`.

    `nonce` and `verifier` (PKCE, RFC 7636 §4.1) are for OpenID Connect. `request` is what it was begun for.
    """

    id: str
    organization_id: str
    connection_id: str
    begun_at: datetime
    expires_at: datetime
    request: SignInRequest
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class LoginFlows:
    """Begins logins and takes them back, each once. `browser` is the secret of a cookie that only this browser has."""

    def __init__(self, store: Store, hasher: Hasher, vault: Vault, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self._vault = vault
        self._clock = clock

    # --- requests to sign in

    def seal(self, request: SignInRequest) -> str:
        """Return a request as it travels in a URL. Raises Invalid for a target that is too long."""
        if len(request.target) > LONGEST_TARGET:
            raise Invalid(f"the URL to return to has more than {LONGEST_TARGET} characters", "target")
        return self._vault.seal_document({**_plain(request), "until": stamp(self._clock() + ASK_LIFETIME)}, _ASK)

    def unseal(self, text: str) -> SignInRequest:
        """Return the request that `seal` wrote. Raises LoginRefused for another text, or when its time is over."""
        try:
            if len(text) > _LONGEST_ASK:
                raise Locked
            document = self._vault.open_document(text, _ASK)
        except Locked:
            raise LoginRefused(
                "flow-link-broken", "the link to the sign-in page was not made here, or was cut"
            ) from None
        if self._clock() >= moment(document.pop("until")):
            minutes = ASK_LIFETIME // timedelta(minutes=1)
            raise LoginRefused("flow-link-expired", f"the sign-in page was open for more than {minutes} minutes")
        return _request(document)

    # --- logins under way

    def begin(self, organization_id: str, connection_id: str, browser: str, request: SignInRequest) -> Flow:
        """Begin a login by a connection, for this browser."""
        now = self._clock()
        ends = now + FLOW_LIFETIME
        id_ = f"_{secrets.token_hex(20)}"
        nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        flow = Flow(id_, organization_id, connection_id, now, ends, request, nonce, verifier)
        text = json.dumps({"request": _plain(request), "nonce": nonce, "verifier": verifier})
        sealed = self._vault.seal(text.encode(), _place(organization_id, connection_id, id_))
        row = StoredFlow(organization_id, id_, connection_id, self._hasher.hash(browser), now, ends, sealed)
        self._store.transact(lambda unit: unit.login_flows(organization_id).add(row, MOST_OF_BROWSER))
        return flow

    def take(self, organization_id: str, connection_id: str, id: str, browser: str | None) -> Flow:
        """Return the login that comes back to a connection, and forget it. Raises LoginRefused.

        What another browser brings stays where it is: nobody can end the login of somebody else.
        """
        if not id:
            raise LoginRefused("flow-missing", "the answer does not say which login it belongs to")
        now = self._clock()

        def work(unit: Unit) -> StoredFlow:
            rows = unit.login_flows(organization_id)
            found = rows.flow(id)
            if found is None:
                raise LoginRefused("flow-unknown", "no such login is under way: it was finished, or is long over")
            self._check(found, connection_id, browser)
            if not rows.take(id):
                raise LoginRefused("flow-unknown", "the login was finished a moment ago")
            return found

        taken = self._store.transact(work)
        if now >= taken.expires_at:
            raise LoginRefused("flow-expired", f"the login began at {stamp(taken.begun_at)}, too long ago")
        return self._opened(taken)

    def _check(self, found: StoredFlow, connection_id: str, browser: str | None) -> None:
        if found.connection_id != connection_id:
            raise LoginRefused("flow-other-connection", "the login began by another connection")
        if browser is None:
            raise LoginRefused("flow-no-cookie", "the browser did not send the cookie with which the login began")
        if not any(hmac.compare_digest(found.browser, one) for one in self._hasher.hashes(browser).values()):
            raise LoginRefused("flow-other-browser", "the login began in another browser")

    def _opened(self, row: StoredFlow) -> Flow:
        try:
            text = self._vault.open(row.sealed, _place(row.organization_id, row.connection_id, row.id))
        except Locked:
            raise LoginRefused("flow-unknown", "what the login began with opens with no secret key") from None
        held = json.loads(text)
        moments = (row.begun_at, row.expires_at)
        of = (row.id, row.organization_id, row.connection_id)
        return Flow(*of, *moments, _request(held["request"]), held["nonce"], held["verifier"])


def _place(organization_id: str, connection_id: str, id: str) -> str:
    return f"login flow {organization_id} {connection_id} {id}"


def _plain(request: SignInRequest) -> dict[str, Any]:
    return asdict(request)


def _request(document: dict[str, Any]) -> SignInRequest:
    demands = document.pop("demands")
    return SignInRequest(**document, demands=Demands(**{**demands, "contexts": tuple(demands["contexts"])}))
