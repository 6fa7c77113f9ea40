"""A whole installation that people sign in to: by SAML, by OpenID Connect, and on to an application, in process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.databases import with_schema
from tests.sso.oidc.evil import NOW, EvilProvider
from tests.sso.oidc.test_door import BASE, KEY, MAY_I, Browser, Net, Site, back, leave
from tests.sso.saml import idp
from tests.sso.saml.bridging import SETTINGS, sent
from werkzeug.test import TestResponse

from rolebridge.app import open_installation
from rolebridge.bridge.authorizing import challenge_of
from rolebridge.core.applications import AppKind
from rolebridge.core.login_rules import Authority, GroupsClaim, LoginRules
from rolebridge.settings import load
from rolebridge.store.records import Connection

CALLBACK = "https://app.example/callback"
VERIFIER = "a-verifier-of-the-tests-that-is-long-enough-to-be-one"
RULES = LoginRules(create=True, groups=GroupsClaim("groups"), authority=Authority.LOGIN)


@dataclass
class Whole:
    """An installation with the connections `okta` (SAML, signed requests) and `entra` (OIDC), and an application.

    `ring` are its secret keys, the present one first. It is opened anew with every `opened`, as after a restart.
    """

    database: str
    ring: list[str] = field(default_factory=lambda: [KEY])
    provider: EvilProvider = field(default_factory=lambda: EvilProvider(issuer="https://entra.example"))
    app_id: str = ""
    app_secret: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {
            "ROLEBRIDGE_DATABASE_URL": self.database,
            "ROLEBRIDGE_SECRET_KEY": self.ring[0],
            "ROLEBRIDGE_PREVIOUS_SECRET_KEYS": ",".join(self.ring[1:]),
            "ROLEBRIDGE_BASE_URL": BASE,
        }

    @contextmanager
    def opened(self) -> Iterator[Open]:
        """Start the installation's server, for a while."""
        net = Net()
        net.providers["entra.example"] = self.provider
        installation = open_installation(load(self.environ, Path("/dev/null")), clock=lambda: NOW)
        try:
            yield Open(self, Site(installation, net))
        finally:
            installation.close()

    def set_up(self) -> Whole:
        """Make the schema, an organization, its connections and its application."""
        with_schema(self.database)
        with self.opened() as here:
            made = here.site.installation
            entra, self.provider = here.site.connect("acme", "entra", "entra.example")
            organization = made.administration.organization("acme")
            okta, _ = made.administration.add_connection(MAY_I, organization, "okta", "okta")
            made.saml.configure(MAY_I, okta, replace(SETTINGS, sign_requests=True))
            made.sso.set_rules(MAY_I, okta, RULES)
            made.sso.set_rules(MAY_I, entra, replace(RULES, user_name="email"))
            made.sso.declare_domains(MAY_I, okta, ["okta.example"])
            made.sso.declare_domains(MAY_I, entra, ["entra.example"])
            settings = {"redirect_uris": [CALLBACK], "scopes": ["openid", "groups", "offline_access"]}
            app = made.applications.add(MAY_I, organization, "shop", AppKind.CONFIDENTIAL, settings)
            _, secret = made.applications.add_secret(MAY_I, app, "first", None)
            made.signing_keys.ensure()
            self.app_id, self.app_secret = app.id, secret.text
        return self


@dataclass
class Open:
    """A server of a whole installation while it runs."""

    whole: Whole
    site: Site

    def connection(self, name: str) -> Connection:
        administration = self.site.installation.administration
        return administration.connection(administration.organization("acme"), name)

    def browser(self) -> Browser:
        return self.site.browser()

    # --- signing in

    def saml_answer(self, in_response_to: str, subject: str = "jane@okta.example", *groups: str) -> str:
        path = f"{BASE}/sso/{self.connection('okta').id}"
        return idp.answer(
            acs_url=f"{path}/acs",
            sp_entity_id=f"{path}/metadata",
            in_response_to=in_response_to,
            now=NOW,
            subject=subject,
            attributes={"email": [subject], "groups": list(groups)},
        ).decode()

    def saml(self, browser: Browser, subject: str = "jane@okta.example", *groups: str) -> TestResponse:
        """Sign in by SAML: away with a signed request, back with an answer to it."""
        connection = self.connection("okta")
        away = sent(leave(browser, connection))
        assert {"SigAlg", "Signature"} <= away.fields.keys()
        form = {"SAMLResponse": self.saml_answer(away.id, subject, *groups), "RelayState": away.relay_state}
        return browser.post(f"/sso/{connection.id}/acs", **form)

    def oidc(self, browser: Browser, email: str = "ana@entra.example", *groups: str) -> TestResponse:
        """Sign in by OpenID Connect."""
        connection = self.connection("entra")
        self.whole.provider.claims.update(email=email, groups=list(groups))
        return browser.get(back(connection, self.whole.provider, leave(browser, connection)))

    # --- the application

    def enter(self, browser: Browser) -> dict[str, Any]:
        """Go on to the application, which exchanges its code; return the token response."""
        asked = {
            "client_id": self.whole.app_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid groups offline_access",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }
        answer = browser.get(f"/oauth/authorize?{urlencode(asked)}")
        assert answer.status_code == 303, answer.get_data(as_text=True)
        code = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))["code"]
        given = self.token(grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)
        assert given.status_code == 200, given.data
        return dict(given.get_json())

    def token(self, **form: str) -> TestResponse:
        return self.tell("/oauth/token", **form)

    def tell(self, path: str, **form: str) -> TestResponse:
        """Send a form as the application."""
        proof = {"client_id": self.whole.app_id, "client_secret": self.whole.app_secret}
        return self.site.app.test_client(use_cookies=False).post(path, data={**form, **proof}, base_url=BASE)

    def refresh(self, token: str) -> TestResponse:
        return self.token(grant_type="refresh_token", refresh_token=token)

    def is_active(self, token: str) -> bool:
        return bool(self.tell("/oauth/introspect", token=token).get_json()["active"])


def code_on(answer: TestResponse) -> str:
    """Return the code on the page that refuses a login."""
    assert answer.status_code in {403, 404}, answer.get_data(as_text=True)
    (found,) = set(re.findall(r"<code>((?:saml|oidc|flow|login)-[a-z0-9-]+)</code>", answer.get_data(as_text=True)))
    return str(found)
