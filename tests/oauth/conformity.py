"""Our provider over real HTTP, applications with Authlib's client, and browsers: what conformance tests are made of."""

from __future__ import annotations

import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx
from authlib.integrations.httpx_client import OAuth2Client
from flask import Flask, Response, request
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.bridge.signed_in import Desk
from tests.bridge.worlds import OPERATOR, World
from tests.databases import with_schema
from tests.ports import free_port
from werkzeug.serving import make_server

from rolebridge.app.installation import Installation, open_installation
from rolebridge.app.worker import make_worker
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.sessions import NewSession
from rolebridge.core.applications import AppKind, Scope
from rolebridge.core.login import AssertedIdentity, Protocol
from rolebridge.settings import PREFIX, load
from rolebridge.store.provider_records import Application
from rolebridge.web.browser import SESSION_COOKIE

CALLBACK = "https://app.example/callback"
GOODBYE = "https://app.example/goodbye"
_TLS = ssl.create_default_context()  # one for all: each client would load the system's certificates
_numbers = count(1)
EVERYTHING = "openid profile email groups roles offline_access"


class Clock:
    """The real time, moved as tests like."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Provider:
    """A bridge that listens, one organization in it, and its people."""

    base: str
    installation: Installation
    clock: Clock
    world: World = field(init=False)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(self.installation.store)
        self.desk = Desk(self.world)
        self.http = httpx.Client(base_url=self.base, timeout=20, verify=_TLS)

    def register(self, name: str = "app", kind: AppKind = AppKind.CONFIDENTIAL, **settings: Any) -> App:
        """Register an application, with a secret if it keeps one."""
        document = {
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [GOODBYE, f"{GOODBYE}?fixed=1"],
            "scopes": [str(one) for one in Scope],
            **settings,
        }
        applications = self.installation.applications
        made = applications.add(OPERATOR, self.world.organization, name, kind, document)
        secret = None
        if kind is AppKind.CONFIDENTIAL:
            secret = applications.add_secret(OPERATOR, made, "first", None)[1].text
        return App(self, made, secret)

    def person(self, **attributes: str) -> str:
        """Return the id of somebody new."""
        return self.world.user(f"person{next(_numbers)}", None, **attributes)

    def metadata(self) -> dict[str, Any]:
        answer = self.http.get("/.well-known/openid-configuration")
        assert answer.status_code == 200
        document: dict[str, Any] = answer.json()
        return document

    def claims(self, token: str) -> dict[str, Any]:
        """Return what a token says, verified by the published keys."""
        keys = KeySet.import_key_set(self.http.get("/oauth/jwks").json())
        return jwt.decode(token, keys, algorithms=["RS256"]).claims

    def userinfo(self, token: str) -> httpx.Response:
        return self.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})

    def work(self) -> None:
        """Have the worker do all its chores once."""
        assert make_worker(self.installation).once() is not None


@dataclass
class App:
    """An application: Authlib's client, and what it keeps between two steps."""

    provider: Provider
    application: Application
    secret: str | None

    @property
    def id(self) -> str:
        return self.application.id

    def client(self, method: str = "", scope: str = EVERYTHING, **more: Any) -> OAuth2Client:
        way = method or ("client_secret_basic" if self.secret else "none")
        base = self.provider.base
        return OAuth2Client(
            self.id,
            self.secret,
            token_endpoint_auth_method=way,
            revocation_endpoint_auth_method=way,
            scope=scope,
            redirect_uri=CALLBACK,
            code_challenge_method="S256",
            token_endpoint=f"{base}/oauth/token",
            timeout=20,
            verify=_TLS,
            **more,
        )

    def enter(self, browser: Browser, method: str = "", scope: str = EVERYTHING, **asked: str) -> dict[str, Any]:
        """Sign somebody in with a browser, and return what the token endpoint said."""
        landed = browser.ask(self, scope=scope, **asked)
        return self.exchange(landed, method)

    def exchange(self, landed: Landed, method: str = "", **more: str) -> dict[str, Any]:
        with self.client(method) as client:
            found = client.fetch_token(
                code=landed.answer["code"], code_verifier=landed.verifier, grant_type="authorization_code", **more
            )
        return dict(found)

    def post(self, path: str, *, method: str = "", **form: str) -> httpx.Response:
        """Send a form to an endpoint, proved as the application."""
        auth: Any = (self.id, self.secret) if self.secret and method != "client_secret_post" else None
        if auth is None:
            form |= {"client_id": self.id, **({"client_secret": self.secret} if self.secret else {})}
        return self.provider.http.post(path, data=form, **({"auth": auth} if auth else {}))

    def token(self, landed: Landed, **changed: str) -> httpx.Response:
        """Exchange a code by hand; parameters may be changed, or with "" left out."""
        form = {
            "grant_type": "authorization_code",
            "code": landed.answer["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": landed.verifier,
            **changed,
        }
        return self.post("/oauth/token", **{name: value for name, value in form.items() if value})

    def refresh(self, text: str, **more: str) -> httpx.Response:
        return self.post("/oauth/token", grant_type="refresh_token", refresh_token=text, **more)

    def introspect(self, token: str, **more: str) -> dict[str, Any]:
        answer = self.post("/oauth/introspect", token=token, **more)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def revoke(self, token: str) -> httpx.Response:
        return self.post("/oauth/revoke", token=token)


@dataclass(frozen=True)
class Landed:
    """Where a browser came to: at the application, at the sign-in page, or at a page of the provider."""

    status: int
    url: str
    page: str
    verifier: str

    @property
    def answer(self) -> dict[str, str]:
        """Return what the application is told."""
        assert self.url.startswith(("https://app.example/", "http://127.0.0.1")), (self.status, self.url, self.page)
        return dict(parse_qsl(urlsplit(self.url).query))

    @property
    def error(self) -> str:
        assert "code" not in self.answer
        return self.answer["error"]

    @property
    def is_page(self) -> bool:
        """Return whether the browser stayed at the provider, at something that it shows."""
        return self.status in {200, 400, 404} and not self.url.startswith("https://app.example")


class Browser:
    """Somebody's browser: it keeps the session's cookie, and follows redirects of the provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.http = httpx.Client(base_url=provider.base, timeout=20, verify=_TLS)
        self.secret: str | None = None
        self.session_id = ""
        self.signs_in_as = ""
        self.sign_ins = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def sign_in(self, user_id: str) -> Self:
        """Sign in as an identity provider's answer would."""
        provider = self.provider
        self.signs_in_as = user_id
        identity = AssertedIdentity(
            Protocol.OIDC, "https://idp.example", user_id, {}, authenticated_at=provider.clock(), context="urn:mfa"
        )
        world = provider.world
        new = NewSession(world.id, user_id, world.okta.connection_id, identity, previous=self.secret)
        sessions = provider.installation.sessions
        begun = provider.installation.store.transact(lambda unit: sessions.begin(unit, new))
        self.session_id = begun.session.id
        self.sign_ins += 1
        self._keep(begun.secret)
        return self

    def _keep(self, secret: str | None) -> None:
        """Keep the session's cookie by hand: what is for secure connections goes to the loopback, too."""
        self.secret = secret
        self.http.headers.pop("cookie", None)
        if secret is not None:
            self.http.headers["cookie"] = f"{SESSION_COOKIE}={secret}"

    @property
    def has_session(self) -> bool:
        return self.provider.installation.sessions.find(self.secret) is not None

    def ask(self, app: App, *, verifier: str | None = None, method: str = "GET", **asked: str | None) -> Landed:
        """Go to the authorization endpoint as an application sends a browser; None leaves a parameter out.

        A sign-in that is asked for happens, if the browser knows as whom.
        """
        verifier = verifier or secrets.token_urlsafe(48)
        given = {name: value for name, value in asked.items() if value is not None}
        scope = given.pop("scope", EVERYTHING)
        with app.client(scope=scope) as client:
            url, _ = client.create_authorization_url(
                f"{self.provider.base}/oauth/authorize", code_verifier=verifier, **given
            )
        pairs = [(name, value) for name, value in parse_qsl(urlsplit(url).query) if asked.get(name, "") is not None]
        pairs = list({**dict(pairs), **given}.items())
        if method == "POST":
            return self._land(self.http.post("/oauth/authorize", data=dict(pairs)), verifier)
        return self._land(self.http.get("/oauth/authorize", params=dict(pairs)), verifier)

    def logout(self, *, method: str = "GET", **asked: str) -> Landed:
        """Go to the end session endpoint."""
        if method == "POST":
            # What a page of another site posts comes without the session's cookie (SameSite=Lax).
            with httpx.Client(base_url=self.provider.base, timeout=20, verify=_TLS) as other:
                return self._land(other.post("/oauth/logout", data=asked, headers={"Origin": "https://app.example"}))
        return self._land(self.http.get("/oauth/logout", params=asked))

    def confirm(self, landed: Landed, **changed: str) -> Landed:
        """Press the button of the page that asks whether to sign out."""
        names = ("continue", "token")
        fields = {name: landed.page.partition(f'name="{name}" value="')[2].partition('"')[0] for name in names}
        headers = {"Origin": changed.pop("origin", self.provider.base)}
        return self._land(self.http.post("/oauth/logout", data={**fields, **changed}, headers=headers))

    def _land(self, answer: httpx.Response, verifier: str = "") -> Landed:
        for _ in range(6):
            if answer.headers.get("set-cookie", "").startswith(f"{SESSION_COOKIE}=;"):
                self._keep(None)
            if answer.status_code != 303:
                return Landed(answer.status_code, str(answer.url), answer.text, verifier)
            to = answer.headers["location"]
            assert to.startswith("http")
            if not to.startswith(f"{self.provider.base}/"):
                return Landed(303, to, "", verifier)
            if "/sign-in?ask=" in to:
                if not self.signs_in_as:
                    return Landed(303, to, "", verifier)
                wanted = self.provider.installation.login_flows.unseal(to.partition("ask=")[2])
                self.sign_in(self.signs_in_as)
                to = self.provider.base + wanted.target
            answer = self.http.get(to)
        raise AssertionError("redirects without end")


@dataclass
class Listening:
    """An application's own server: what is posted to it, and how it answers."""

    base: str
    heard: list[str] = field(default_factory=list)
    status: int = 200


@contextmanager
def listening() -> Iterator[Listening]:
    """Listen for logout tokens."""
    port = free_port()
    app, ear = Flask("listening"), Listening(f"http://127.0.0.1:{port}")

    @app.post("/backchannel")
    def backchannel() -> Response:
        assert request.content_type == "application/x-www-form-urlencoded"
        ear.heard.append(request.form["logout_token"])
        return Response(b"", ear.status)

    with _served(app, port):
        yield ear


@contextmanager
def _served(app: Any, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    """Serve a bridge on SQLite until the block ends."""
    port, url = free_port(), f"sqlite:///{folder / 'rolebridge.db'}"
    with_schema(url)
    (folder / "rolebridge.toml").touch(mode=0o600)
    said = {
        "database_url": url,
        "secret_key": "c" * 43,
        "base_url": f"http://127.0.0.1:{port}",
        "config": str(folder / "rolebridge.toml"),
    }
    clock = Clock()
    installation = open_installation(
        load({f"{PREFIX}{name.upper()}": value for name, value in said.items()}), clock=clock
    )
    try:
        with _served(create_app(installation), port):
            made = Provider(said["base_url"], installation, clock)
            yield made
            made.http.close()
    finally:
        installation.close()
