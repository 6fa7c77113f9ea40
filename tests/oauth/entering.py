"""An application, people who sign in to it, and the endpoints in between: no HTTP, no identity provider."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from tests.bridge.signed_in import CALLBACK, Desk
from tests.bridge.worlds import OPERATOR, World
from tests.oauth.talking import ENDPOINT, FORM, ISSUER, Told

from rolebridge.bridge.applications import AppProving
from rolebridge.bridge.authorizing import challenge_of
from rolebridge.bridge.clients import TokenIssuing
from rolebridge.bridge.login_flows import LoginFlows, SignInRequest
from rolebridge.bridge.sessions import NewSession, SignedIn
from rolebridge.bridge.signing_keys import SigningKeys
from rolebridge.bridge.vault import Vault
from rolebridge.core.applications import AppKind
from rolebridge.core.login import AssertedIdentity, Protocol
from rolebridge.oauth.authorize import AuthorizeFace
from rolebridge.oauth.face import AppSide, OAuthFace
from rolebridge.oauth.grants import CODE_GRANT, code_grant
from rolebridge.oauth.minting import Minter
from rolebridge.store.provider_records import Application
from rolebridge.web.addresses import Origins
from rolebridge.web.browser import SESSION_COOKIE, Browsers
from rolebridge.web.pages import Pages
from rolebridge.web.rates import Meters
from rolebridge.web.requests import Request, Response

VERIFIER = "a-verifier-of-the-tests-that-is-long-enough-to-be-one"
STATE = "st/a te&="


@dataclass
class Landed:
    """Where a browser is sent, or the page that it is shown."""

    status: int
    location: str
    body: bytes
    headers: dict[str, str]

    @property
    def answer(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.location).query))

    @property
    def error(self) -> str:
        """Return the error that the application is told; nothing but its redirect URI was gone to."""
        assert self.location.startswith(f"{CALLBACK}?"), (self.location, self.body[:300])
        assert "code" not in self.answer
        assert self.answer["iss"] == ISSUER
        return self.answer["error"]

    @property
    def page(self) -> str:
        """Return the page that was shown instead of going anywhere."""
        assert self.location == ""
        assert self.headers["Content-Type"].startswith("text/html")
        return self.body.decode()

    @property
    def code(self) -> str:
        assert self.location.startswith(f"{CALLBACK}?"), (self.location, self.body[:300])
        assert self.answer["iss"] == ISSUER
        return self.answer["code"]


@dataclass
class Entry:
    """A confidential application `app` of a world, the endpoints, and one browser."""

    world: World
    cookie: str | None = None
    seconds: float = 1_000.0
    ana: str = ""
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(self.world)
        store, clock, hasher = self.world.store, self.world.clock, self.desk.hasher
        self.vault = Vault(b"k" * 32)
        self.keys = SigningKeys(store, self.vault, clock)
        self.minter = Minter(self.keys, ISSUER, clock)
        self.flows = LoginFlows(store, hasher, self.vault, clock)
        browsers = Browsers(self.desk.sessions, self.flows, ISSUER)
        meters = Meters(clock=lambda: self.seconds)
        authorizing = self.desk.authorizing
        self.face = AuthorizeFace(authorizing, self.minter, browsers, Pages(ISSUER), self.vault, meters)
        proving = self.desk.applications
        side = AppSide(AppProving(store, hasher, clock), {CODE_GRANT: code_grant(authorizing, self.minter)})
        issuing = TokenIssuing(store, hasher, clock)
        self.tokens = OAuthFace(issuing, Origins(()), meters, ISSUER, ENDPOINT, apps=side)
        self.app = self.register("app")
        self.held, secret = proving.add_secret(OPERATOR, self.app, "first", None)
        self.secret = secret.text

    def register(self, name: str, kind: AppKind = AppKind.CONFIDENTIAL, **settings: Any) -> Application:
        document = {"redirect_uris": [CALLBACK], **settings}
        return self.desk.applications.add(OPERATOR, self.world.organization, name, kind, document)

    # --- the browser

    def sign_in(self, user_id: str, **identity: Any) -> SignedIn:
        """Sign in with the browser, as a login by the connection `okta` does, whose people prove themselves now."""
        said = {"authenticated_at": self.world.now, **identity}
        who = AssertedIdentity(Protocol.OIDC, "https://idp.example", f"subject of {user_id}", {}, **said)
        new = NewSession(self.world.id, user_id, self.world.okta.connection_id, who, previous=self.cookie)
        self.cookie = self.world.store.transact(lambda unit: self.desk.sessions.begin(unit, new)).secret
        found = self.desk.sessions.find(self.cookie)
        assert found is not None
        return found

    def asked(self, app: Application | None = None, **changed: Any) -> dict[str, str]:
        asked = {
            "client_id": (app or self.app).id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile email groups roles",
            "state": STATE,
            "nonce": "n-1",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changed,
        }
        return {name: value for name, value in asked.items() if value is not ...}

    def ask(self, app: Application | None = None, **changed: Any) -> Landed:
        """Send the browser to the authorization endpoint; `...` leaves a parameter out."""
        return self.go(urlencode(self.asked(app, **changed)))

    def go(self, query: str, method: str = "GET") -> Landed:
        headers = {"cookie": f"{SESSION_COOKIE}={self.cookie}"} if self.cookie and method == "GET" else {}
        request = Request(method, "/oauth/authorize", (), headers, b"", "r1", peer="203.0.113.7")
        return _landed(self.face.authorize(request, query.encode()))

    def asked_to_sign_in(self, landed: Landed) -> SignInRequest:
        """Return what the sign-in page is asked for, where a browser was sent."""
        assert landed.status == 303
        parts = urlsplit(landed.location)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{ISSUER}/sign-in"
        return self.flows.unseal(parse_qs(parts.query)["ask"][0])

    def follow(self, wanted: SignInRequest) -> Landed:
        """Come back from the sign-in."""
        path, _, query = wanted.target.partition("?")
        assert path == "/oauth/authorize"
        return self.go(query)

    # --- the application

    def exchange(self, code: str, app: Application | None = None, **changed: Any) -> Told:
        """Exchange a code, with the secret of the application unless it says otherwise."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "client_id": (app or self.app).id,
            **({"client_secret": self.secret} if app is None else {}),
            **changed,
        }
        return self.post({name: value for name, value in form.items() if value is not ...})

    def post(self, form: dict[str, str], headers: dict[str, str] | None = None) -> Told:
        body = urlencode(form).encode()
        request = Request("POST", "/oauth/token", (), {"content-type": FORM, **(headers or {})}, body, "r2")
        response = self.tokens.token(request)
        assert isinstance(response.body, bytes)
        assert dict(response.headers)["Cache-Control"] == "no-store"
        return Told(response.status, dict(response.headers), json.loads(response.body))

    def claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that verifies by the published keys."""
        keys = KeySet([RSAKey.import_key(dict(one)) for one in self.keys.published()])
        return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def _landed(response: Response) -> Landed:
    headers = dict(response.headers)
    assert headers["Cache-Control"] == "no-store"
    assert isinstance(response.body, bytes)
    return Landed(response.status, headers.get("Location", ""), response.body, headers)
