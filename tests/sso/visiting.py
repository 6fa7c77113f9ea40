"""Browsers that visit a bridge in process, and a protocol that believes whatever its identity provider says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from werkzeug.test import Client, TestResponse

from rolebridge.app.installation import open_installation
from rolebridge.app.sso import sign_in_door, sign_in_pages
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.callers import Caller, Operator
from rolebridge.bridge.login_flows import Flow, SignInRequest
from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.directory import UserDraft
from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Trail
from rolebridge.settings import load
from rolebridge.sso.door import Proved, Visit
from rolebridge.store.records import Connection, Organization
from rolebridge.web.browser import BROWSER_COOKIE, SESSION_COOKIE
from rolebridge.web.requests import Request, Response

OPERATOR = Operator("os:mia", "command-1")
BASE = "https://bridge.example"
IDP = "https://idp.example/login"
FORM = "application/x-www-form-urlencoded"
AUTHORIZE = "/oauth/authorize?client_id=shop&state=x"


class Believing:
    """A protocol whose identity providers sign nothing: what is tested is the door."""

    def __init__(self) -> None:
        self.down = ""
        """The code by which no login can start; "" when all is well."""

    def start(self, connection: SsoConnection, flow: Flow, trail: Trail) -> Response:
        """Send the browser to the identity provider."""
        trail.passed("oidc-discovery-form")
        if self.down:
            raise LoginRefused(self.down, "a secret detail <b>")
        return Response(
            303, (("Location", f"{IDP}?{urlencode({'state': flow.id, 'hint': flow.request.demands.hint})}"),)
        )

    def sign_out_url(self, connection: SsoConnection, logout_hint: bytes) -> str | None:
        """Return the identity provider's own page."""
        return f"https://idp.example/logout?hint={logout_hint.decode()}"

    def prove(self, visit: Visit) -> Proved:
        """Believe the query."""
        said = dict(visit.request.query)
        if said.get("state"):
            visit.take(said["state"])
        if said.get("wrong"):
            raise LoginRefused("saml-unsigned", "a secret detail <b>")
        identity = AssertedIdentity(
            Protocol.OIDC, "https://idp.example", said["user"], {}, assertion_id=said.get("assertion", "")
        )
        return Proved(identity, said.get("target", "/account"), b"hint")


class House:
    """An installation with an organization, its connections `Okta` and `Entra`, and two people of `Okta`."""

    def __init__(self, database: str, base_url: str = BASE) -> None:
        self.now = datetime(2026, 11, 21, 9, tzinfo=UTC)
        environ = {
            "ROLEBRIDGE_DATABASE_URL": database,
            "ROLEBRIDGE_SECRET_KEY": "8f14e45fceea167a5a36dedd4bea2543" * 2,
            "ROLEBRIDGE_BASE_URL": base_url,
        }
        self.installation = open_installation(load(environ), clock=lambda: self.now)
        self.protocol = Believing()
        self.door = sign_in_door(self.installation)
        self.pages = sign_in_pages(self.installation, self.door, dict.fromkeys(Protocol, self.protocol))
        self.organization = self.found("acme")
        self.okta, self.entra = (self.connect(name) for name in ("Okta", "Entra"))
        self.domain = f"{uuid4().hex[:10]}.example"
        self.installation.sso.declare_domains(OPERATOR, self.okta, [self.domain])
        self.ana, self.bo = (self.employ(name) for name in ("ana", "bo"))

    def close(self) -> None:
        self.installation.close()

    def later(self, by: timedelta) -> None:
        self.now += by

    # --- making

    def found(self, name: str) -> Organization:
        return self.installation.administration.add_organization(OPERATOR, f"{name}-{uuid4().hex[:8]}")

    def connect(self, name: str, organization: Organization | None = None) -> Connection:
        of = organization or self.organization
        connection, _ = self.installation.administration.add_connection(OPERATOR, of, name, "generic")
        self.installation.sso.configure(OPERATOR, connection, Protocol.OIDC, {})
        return connection

    def employ(self, name: str) -> str:
        """Return the userName of a new user of `Okta`, which is what its logins say, too."""
        user_name = f"{name}@{self.domain}"
        caller = Caller(self.organization.id, self.okta.id, self.okta.name, "generic", "request")
        draft = UserDraft(user_name, None, True, {"userName": user_name, "displayName": name.title()})
        self.installation.provisioning.create_user(caller, draft)
        return user_name

    def ask(self, **said: Any) -> str:
        """Return a sealed request to sign in, as an application's request makes one."""
        wanted = {"organization_id": self.organization.id, "target": AUTHORIZE, "application": "Shop", **said}
        return self.installation.login_flows.seal(SignInRequest(**wanted))

    def browser(self) -> Browser:
        return Browser(self)


class Answer:
    """An answer to a browser."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.text = status, headers, body.decode()

    def header(self, name: str) -> str:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) == 1, (name, values)
        return values[0]

    def has(self, name: str) -> bool:
        return any(key.lower() == name.lower() for key, _ in self.headers)

    @property
    def location(self) -> str:
        return self.header("Location")

    @property
    def code(self) -> str:
        """Return the code on a page that says no."""
        found = re.search(r"<dt>Code</dt><dd><code>([a-z0-9-]+)</code>", self.text)
        assert found, self.text
        return found[1]

    def field(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, (name, self.text)
        return found[1]


class Browser:
    """A browser with cookies. It visits the bridge's pages directly, without HTTP in between."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.cookies: dict[str, str] = {}
        self.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

    def request(self, method: str, url: str, body: str = "", headers: Mapping[str, str] | None = None) -> Request:
        parts = urlsplit(url.removeprefix(BASE))
        query = tuple((name, value) for name, values in parse_qs(parts.query).items() for value in values)
        said = {"user-agent": self.agent}
        if self.cookies:
            said["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method == "POST":
            said |= {"content-type": FORM, "origin": BASE, "sec-fetch-site": "same-origin"}
        said |= dict(headers or {})
        said = {name: value for name, value in said.items() if value != "-"}
        return Request(method, parts.path, query, said, body.encode(), uuid4().hex, "192.0.2.7")

    def keep(self, answer: Response) -> Answer:
        """Take an answer's cookies, as RFC 6265bis has it for the prefix that they have."""
        for name, value in answer.headers:
            if name != "Set-Cookie":
                continue
            pair, *attributes = (part.strip() for part in value.split(";"))
            key, _, content = pair.partition("=")
            assert key.startswith("__Host-")
            assert {"Secure", "HttpOnly", "Path=/"} <= set(attributes)
            assert not any(one.lower().startswith("domain") for one in attributes)
            if "Max-Age=0" in attributes:
                self.cookies.pop(key, None)
            else:
                self.cookies[key] = content
        assert isinstance(answer.body, bytes)
        return Answer(answer.status, list(answer.headers), answer.body)

    def get(self, url: str, **headers: str) -> Answer:
        request = self.request("GET", url, headers=headers)
        return self.keep(self._route(request))

    def post(self, url: str, form: Mapping[str, str], **headers: str) -> Answer:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.keep(self._route(self.request("POST", url, urlencode(form), said)))

    def _route(self, request: Request) -> Response:
        pages, door = self.house.pages, self.house.door
        login = re.fullmatch(r"/sso/([^/]+)/(login|callback)", request.path)
        if login and login[2] == "login":
            return pages.login(request, login[1])
        if login:
            return door.come_back(request, login[1], Protocol.OIDC, self.house.protocol.prove)
        handlers = {
            ("GET", "/sign-in"): pages.sign_in,
            ("POST", "/sign-in"): pages.discover,
            ("GET", "/sign-out"): pages.sign_out_page,
            ("POST", "/sign-out"): pages.sign_out,
            ("GET", "/account"): pages.account,
            ("POST", "/account/sessions"): pages.end_sessions,
        }
        return handlers[request.method, request.path](request)

    # --- what people do

    def leave(self, ask: str = "", connection: Connection | None = None) -> str:
        """Go to the identity provider; return the id of the login under way."""
        place = f"/sso/{(connection or self.house.okta).id}/login"
        answer = self.get(f"{place}?ask={ask}" if ask else place)
        assert answer.status == HTTPStatus.SEE_OTHER, answer.text
        assert answer.location.startswith(IDP)
        return parse_qs(urlsplit(answer.location).query)["state"][0]

    def come_back(self, state: str, user: str, connection: Connection | None = None, **said: str) -> Answer:
        """Come back from the identity provider as somebody."""
        query = urlencode({"state": state, "user": user, **said})
        return self.get(f"/sso/{(connection or self.house.okta).id}/callback?{query}")

    def sign_in(self, user: str, ask: str = "") -> Answer:
        answer = self.come_back(self.leave(ask), user)
        assert answer.status == HTTPStatus.SEE_OTHER, answer.text
        return answer

    @property
    def session(self) -> str | None:
        return self.cookies.get(SESSION_COOKIE)

    @property
    def own(self) -> str | None:
        return self.cookies.get(BROWSER_COOKIE)

    def who(self) -> str | None:
        """Return the userName of who is signed in with the browser."""
        found = self.house.installation.browsers.signed_in(self.request("GET", "/account"))
        return found.user_name if found else None


def over_http(house: House) -> Client:
    """Return a client of the whole application."""
    return Client(create_app(house.installation), TestResponse)
