"""A browser that signs in by OpenID Connect at the application itself: bound to it, once, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import pytest
from flask import Flask
from tests.databases import with_schema
from tests.sso.oidc.evil import CLIENT_ID, CLIENT_SECRET, NOW, SUBJECT, EvilProvider, InProcess, rsa_key
from tests.sso.oidc.test_logout_tokens import Arrange, claim, honest, lack
from tests.switching import switch
from werkzeug.test import TestResponse

from rolebridge.app import Installation, open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.callers import Operator
from rolebridge.core.login import Protocol
from rolebridge.core.login_rules import LoginRules
from rolebridge.core.oidc_settings import OidcSettings, read_oidc_settings
from rolebridge.settings import load
from rolebridge.sso.oidc.administration import OidcAdministration
from rolebridge.store.records import Connection
from rolebridge.web.outgoing import Fetched

KEY = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"
MAY_I = Operator("os:test", "test")
BASE = "https://bridge.example"
RULES = LoginRules(user_name="email", create=True)


class Net:
    """The guarded client of an installation: hosts are providers of these tests."""

    def __init__(self) -> None:
        self.providers: dict[str, EvilProvider] = {}

    def get(self, url: str, **how: Any) -> Fetched:
        """Ask a provider."""
        return self._at(url).get(url, **how)

    def post(self, url: str, body: bytes, content_type: str, **how: Any) -> Fetched:
        """Ask a provider."""
        return self._at(url).post(url, body, content_type, **how)

    def _at(self, url: str) -> InProcess:
        return InProcess(self.providers[urlsplit(url).netloc])


@dataclass
class Browser:
    """A browser: it keeps cookies, and goes where it is sent."""

    app: Flask
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, url: str) -> TestResponse:
        """Ask the bridge for a page."""
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self._sent(path, "GET")

    def post(self, path: str, **form: str) -> TestResponse:
        """Send the bridge a form."""
        return self._sent(path, "POST", form)

    def _sent(self, path: str, method: str, form: Mapping[str, str] | None = None) -> TestResponse:
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        client = self.app.test_client(use_cookies=False)
        answer = client.open(path, method=method, headers=sent, data=form, base_url=BASE)
        for header in answer.headers.getlist("Set-Cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    @property
    def signed_in(self) -> bool:
        """Return whether the account page knows somebody."""
        return self.get("/account").status_code == 200


class Site:
    """An installation with connections to providers of these tests."""

    def __init__(self, installation: Installation, net: Net) -> None:
        self.net = net
        oidc = OidcAdministration(installation.sso, net, installation.clock, BASE)
        self.installation = replace(installation, outgoing=net, oidc=oidc)  # type: ignore[arg-type]
        self.app = create_app(self.installation)

    def connect(self, organization: str, name: str, host: str, **settings: Any) -> tuple[Connection, EvilProvider]:
        """Add a connection of an organization to a new provider."""
        provider = EvilProvider(issuer=f"https://{host}")
        self.net.providers[host] = provider
        at = self.installation.administration
        known = {one.name: one for one in at.organizations()}
        owner = known.get(organization) or at.add_organization(MAY_I, organization)
        connection, _ = at.add_connection(MAY_I, owner, name, "generic")
        made = read_oidc_settings({"issuer": provider.issuer, "client_id": CLIENT_ID, **settings})
        self.settle(connection, made)
        return connection, provider

    def settle(self, connection: Connection, settings: OidcSettings) -> None:
        """Set a connection up."""
        self.installation.sso.configure(MAY_I, connection, Protocol.OIDC, settings.document(), rules=RULES)
        self.installation.oidc.set_secret(MAY_I, connection, CLIENT_SECRET)

    def browser(self) -> Browser:
        """Return a new browser."""
        return Browser(self.app)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation on SQLite whose clock stands still."""
    url = f"sqlite:///{tmp_path_factory.mktemp('oidc')}/rolebridge.db"
    with_schema(url)
    environ = {"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY, "ROLEBRIDGE_BASE_URL": BASE}
    opened = open_installation(load(environ), clock=lambda: NOW)
    yield Site(opened, Net())
    opened.close()


@pytest.fixture
def main(site: Site) -> tuple[Connection, EvilProvider]:
    """A connection of a new organization that speaks for a domain, and its provider."""
    name = f"acme-{uuid4().hex[:8]}"
    connection, provider = site.connect(name, "main", f"{name}.example")
    provider.claims["email"] = f"ana@{name}.example"
    site.installation.sso.declare_domains(MAY_I, connection, [f"{name}.example"])
    return connection, provider


def leave(browser: Browser, connection: Connection) -> str:
    """Begin a login; return the URL at the provider to which the browser is sent."""
    answer = browser.get(f"/sso/{connection.id}/login")
    assert answer.status_code == 303
    return answer.headers["Location"]


def back(connection: Connection, provider: EvilProvider, url: str, **other: str) -> str:
    """Sign in at the provider; return the URL to which the browser is sent back."""
    query = {**dict(provider.authorize(url)), **other}
    return f"{BASE}/sso/{connection.id}/callback?{urlencode(query)}"


def refused(answer: TestResponse, code: str) -> None:
    """See that a page says the code, and nothing else of it."""
    text = answer.get_data(as_text=True)
    assert answer.status_code in {400, 403, 404, 429}, text
    assert code in text
    assert answer.headers["X-Request-Id"] in text
    assert "__Host-rolebridge-session" not in str(answer.headers)
    assert "<script" not in text


def why(site: Site, connection: Connection) -> str:
    """Return what the log of logins says of the newest one."""
    newest = site.installation.login_log.newest(connection, limit=1)
    return f"{newest[0].code}: {newest[0].detail}"


# --- a login ----------------------------------------------------------------------------------------------------------


def test_somebody_signs_in(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """The redirect goes to the one callback of the connection, and back there is a session."""
    connection, provider = main
    browser = site.browser()
    url = leave(browser, connection)
    assert parse_qs(urlsplit(url).query)["redirect_uri"] == [f"{BASE}/sso/{connection.id}/callback"]
    answer = browser.get(back(connection, provider, url))
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE}/account")
    assert browser.signed_in
    assert provider.claims["email"] in browser.get("/account").get_data(as_text=True)


def test_signing_out_goes_on_to_the_provider(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """With the ID token as hint, the client id, and where to return."""
    connection, provider = main
    browser = site.browser()
    browser.get(back(connection, provider, leave(browser, connection)))
    page = browser.get("/sign-out").get_data(as_text=True)
    token = page.partition('name="token" value="')[2].partition('"')[0]
    answer = browser.post("/sign-out", token=token)
    assert not browser.signed_in
    place = answer.headers.get("Location") or answer.get_data(as_text=True)
    assert f"{provider.issuer}/logout?id_token_hint=" in place
    assert "client_id=bridge" in place
    assert "post_logout_redirect_uri=https%3A%2F%2Fbridge.example%2Fsign-in" in place


# --- the browser ------------------------------------------------------------------------------------------------------


def test_another_browser_cannot_finish_a_login(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """Login CSRF and state fixation: the attacker's response, opened in the victim's browser, logs nobody in."""
    connection, provider = main
    attacker, victim = site.browser(), site.browser()
    url = back(connection, provider, leave(attacker, connection))
    refused(victim.get(url), "flow-no-cookie")
    leave(victim, connection)
    refused(victim.get(url), "flow-other-browser")
    assert not victim.signed_in
    assert provider.forms == []
    attacker.get(url)
    assert attacker.signed_in


def test_a_response_counts_once(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """Replayed in the same browser it finds no login under way."""
    connection, provider = main
    browser = site.browser()
    url = back(connection, provider, leave(browser, connection))
    browser.get(url)
    refused(browser.get(url), "flow-unknown")


@pytest.mark.parametrize(
    ("state", "code"),
    [("", "flow-missing"), ("_guessed", "flow-unknown"), ("\0", "flow-unknown"), ("x" * 5000, "flow-unknown")],
)
def test_a_guessed_state(site: Site, main: tuple[Connection, EvilProvider], state: str, code: str) -> None:
    """No login is under way under it."""
    connection, provider = main
    browser = site.browser()
    refused(browser.get(back(connection, provider, leave(browser, connection), state=state)), code)


def test_two_states(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """It is not guessed which one is meant."""
    connection, provider = main
    browser = site.browser()
    url = back(connection, provider, leave(browser, connection))
    refused(browser.get(f"{url}&state=other"), "flow-missing")


def test_a_code_of_another_login_is_worth_nothing(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """Code injection: PKCE has the provider refuse it, and where that looks away, the nonce has us."""
    connection, provider = main
    victim, attacker = site.browser(), site.browser()
    stolen = dict(provider.authorize(leave(victim, connection)))["code"]
    refused(
        attacker.get(back(connection, provider, leave(attacker, connection), code=stolen)),
        "oidc-token-endpoint-refused",
    )
    url = leave(attacker, connection)
    injected = back(connection, provider, url, code=stolen)
    provider.grants[stolen].challenge = parse_qs(urlsplit(url).query)["code_challenge"][0]  # the provider looks away
    refused(attacker.get(injected), "oidc-nonce")
    assert not attacker.signed_in


def test_the_reason_is_for_the_administrator(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """The page has the code; the log has the provider's words."""
    connection, provider = main
    browser = site.browser()
    markup = "<script>alert(1)</script>"
    url = back(connection, provider, leave(browser, connection), error="access_denied", error_description=markup)
    refused(browser.get(url), "oidc-provider-error")
    assert why(site, connection) == (
        "oidc-provider-error: the provider refuses: `access_denied` `<script>alert(1)</script>`"
    )


# --- connections ------------------------------------------------------------------------------------------------------


def test_the_response_of_another_connections_login(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """Mix-up: a login that began at one provider does not end at another's callback, in one organization or two."""
    honest_connection, honest_provider = main
    own = site.installation.administration.organization_of(honest_connection.organization_id).name
    for organization in (own, f"globex-{uuid4().hex[:8]}"):
        evil_connection, _ = site.connect(organization, "evil", f"{organization}-evil.example")
        browser = site.browser()
        url = back(evil_connection, honest_provider, leave(browser, honest_connection))
        answer = browser.get(url)
        text = answer.get_data(as_text=True)
        assert "flow-other-connection" in text or "flow-unknown" in text
        assert not browser.signed_in
    assert honest_provider.forms == []


def test_a_connection_that_is_off_or_none(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """Nobody comes in there, not even with a login that was under way."""
    connection, provider = main
    browser = site.browser()
    url = back(connection, provider, leave(browser, connection))
    switch(site.installation.sso, connection, on=False)
    refused(browser.get(url), "flow-no-connection")
    refused(browser.get(f"/sso/{uuid4()}/callback?state=x&code=y"), "flow-no-connection")


def test_a_provider_that_is_down_when_somebody_leaves(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """They see a page with the code, and the administrator the reason, with what was in order before it."""
    connection, provider = main
    provider.discovery["issuer"] = "https://evil.example"
    refused(site.browser().get(f"/sso/{connection.id}/login"), "oidc-discovery-issuer")
    assert why(site, connection).startswith("oidc-discovery-issuer: the document is that of `https://evil.example`")


def test_a_connection_without_secret(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """It has nothing to prove itself with, and says so before anybody is sent away."""
    connection, provider = main
    settings = {"issuer": provider.issuer, "client_id": CLIENT_ID, "authentication": "private_key_jwt"}
    site.installation.oidc.set(MAY_I, connection, read_oidc_settings(settings))
    refused(site.browser().get(f"/sso/{connection.id}/login"), "oidc-client-credential")
    assert why(site, connection).startswith("oidc-client-credential: ")


def test_a_connection_signs_with_a_key_of_its_own(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """Its public half is at the connection's key set, the newest signs, and the one before it stays published."""
    connection, provider = main
    settings = {"issuer": provider.issuer, "client_id": CLIENT_ID, "authentication": "private_key_jwt"}
    site.installation.oidc.set(MAY_I, connection, read_oidc_settings(settings))
    for _ in range(2):
        site.installation.oidc.make_key(MAY_I, connection)
    provider.authentication = "private_key_jwt"
    browser = site.browser()
    assert browser.get(back(connection, provider, leave(browser, connection))).status_code == 303
    published = json.loads(browser.get(f"/sso/{connection.id}/jwks").data)["keys"]
    assert [set(key) & {"d", "p", "q"} for key in published] == [set(), set()]

    from joserfc import jwt
    from joserfc.jwk import KeySet

    assertion = provider.forms[0]["client_assertion"]
    assert jwt.decode(assertion, KeySet.import_key_set({"keys": published})).header["kid"] == published[-1]["kid"]
    assert json.loads(browser.get(f"/sso/{uuid4()}/jwks").data) == {"keys": []}


# --- signed out at the provider ---------------------------------------------------------------------------------------


def signed_in(site: Site, connection: Connection, provider: EvilProvider, sid: str) -> Browser:
    """Return a browser that signed in with a session at the provider."""
    provider.claims["sid"] = sid
    browser = site.browser()
    assert browser.get(back(connection, provider, leave(browser, connection))).status_code == 303
    return browser


def tell(site: Site, connection: Connection, provider: EvilProvider, arrange: Arrange, **form: str) -> TestResponse:
    """Have the provider tell the bridge of a sign-out."""
    header, claims = honest()
    claims["iss"] = provider.issuer
    arrange(header, claims)
    sent = form or {"logout_token": provider.token(header, claims)}
    return site.browser().post(f"/sso/{connection.id}/backchannel-logout", **sent)


def test_a_session_ends_with_the_one_at_the_provider(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """By `sid`: that one, and no other of the person."""
    connection, provider = main
    first, second = (signed_in(site, connection, provider, sid) for sid in ("s-1", "s-2"))
    answer = tell(site, connection, provider, claim(sid="s-1"))
    assert (answer.status_code, answer.data, answer.headers["Cache-Control"]) == (200, b"", "no-store")
    assert not first.signed_in
    assert second.signed_in


def test_all_sessions_of_a_person_end(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """By `sub` alone."""
    connection, provider = main
    browsers = [signed_in(site, connection, provider, sid) for sid in ("s-1", "s-2")]
    assert tell(site, connection, provider, lack("sid")).status_code == 200
    assert [browser.signed_in for browser in browsers] == [False, False]


def test_a_session_of_somebody_else_stays(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """A `sid` with another person's `sub` ends nothing."""
    connection, provider = main
    browser = signed_in(site, connection, provider, "s-1")
    assert tell(site, connection, provider, claim(sid="s-1", sub="somebody-else")).status_code == 200
    assert browser.signed_in


def test_a_notice_counts_once(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """A recorded one cannot sign people out again."""
    connection, provider = main
    assert tell(site, connection, provider, lack("sid")).status_code == 200
    browser = signed_in(site, connection, provider, "s-1")
    answer = tell(site, connection, provider, lack("sid"))
    assert answer.status_code == 400
    assert answer.get_json() == {"error": "invalid_request", "error_description": "oidc-logout-replayed"}
    assert browser.signed_in
    assert tell(site, connection, provider, claim(jti="notice-2", sid="s-1")).status_code == 200
    assert not browser.signed_in


def test_a_provider_ends_sessions_of_its_own_connection_only(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """The same subject and session at another connection are somebody else's."""
    connection, provider = main
    browser = signed_in(site, connection, provider, "session-1")
    other, evil = site.connect(f"globex-{uuid4().hex[:8]}", "evil", "evil.example")
    evil.key = rsa_key("evil")
    assert tell(site, other, evil, lambda header, claims: None).status_code == 200
    answer = tell(site, connection, evil, claim(iss=provider.issuer, jti="notice-9"))
    assert answer.get_json()["error_description"] == "oidc-signature"
    assert browser.signed_in


@pytest.mark.parametrize(
    "form",
    [
        {"logout_token": ""},
        {"token": "x"},
        {"logout_token": "a.b"},
        {"logout_token": "ä"},
        {"logout_token": "x" * 300_000},
    ],
)
def test_what_is_no_notice(site: Site, main: tuple[Connection, EvilProvider], form: dict[str, str]) -> None:
    """400, in the form of OAuth errors."""
    connection, provider = main
    answer = tell(site, connection, provider, lambda header, claims: None, **form)
    assert answer.status_code == 400
    assert answer.get_json()["error_description"] == "oidc-token-form"


def test_a_notice_to_nobody(site: Site, main: tuple[Connection, EvilProvider]) -> None:
    """A connection that does not exist answers like one that is off."""
    connection, provider = main
    told = [tell(site, replace(connection, id=str(uuid4())), provider, claim())]
    switch(site.installation.sso, connection, on=False)
    told.append(tell(site, connection, provider, claim()))
    assert [answer.get_json()["error_description"] for answer in told] == ["flow-no-connection"] * 2


def test_subjects_are_what_sessions_are_known_by() -> None:
    """The tests above name the subject that the provider logs in."""
    assert honest()[1]["sub"] == SUBJECT
