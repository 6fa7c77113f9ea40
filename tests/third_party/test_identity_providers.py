"""People sign in at the bridge through identity providers of other authors, each with its own pages and habits."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.idp.served import Served
from tests.ports import free_port
from tests.third_party.node import installed, running
from tests.third_party.simplesamlphp import simplesamlphp
from tests.third_party.surfing import Page, Surfer
from tests.third_party.test_canaille import canaille as canaille  # noqa: PLC0414 - a fixture

from rolebridge.bridge.callers import Operator
from rolebridge.core.login_rules import Authority, GroupsClaim, LoginRules
from rolebridge.core.oidc_settings import OidcSettings
from rolebridge.core.saml_settings import SamlSettings
from rolebridge.demo.idp import SigningKey
from rolebridge.sso.oidc.credentials import callback_url, signed_out_url
from rolebridge.store.records import Connection

pytestmark = pytest.mark.loopback

OPERATOR = Operator("os:tests", "tests")
SECRET = "never-kept-anywhere-else"


@dataclass(frozen=True)
class Site:
    """A connection of the bridge that has an organization to itself, and where a provider for it is to be."""

    bridge: Served
    connection: Connection
    port: int

    @property
    def base(self) -> str:
        return self.bridge.installation.settings.base_url

    @property
    def callback(self) -> str:
        return callback_url(self.base, self.connection.id)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def by_oidc(self, rules: LoginRules, domain: str, **settings: Any) -> None:
        """Let the connection log people in by OpenID Connect at the provider's URL, and try it as `oidc test` does."""
        oidc = self.bridge.installation.oidc
        said = OidcSettings(self.url, "bridge", **settings)
        found = oidc.set(OPERATOR, self.connection, said, enabled=True)
        oidc.set_secret(OPERATOR, self.connection, SECRET)
        self._rules(rules, domain)
        assert oidc.attempt(found).keys > 0

    def by_saml(self, rules: LoginRules, domain: str, metadata_url: str, **settings: Any) -> None:
        """Let the connection log people in by SAML, from the provider's own metadata."""
        saml = self.bridge.installation.saml
        described = saml.fetch(metadata_url).idp
        said = SamlSettings(described, described.certificates, **settings)
        saml.configure(OPERATOR, self.connection, said, enabled=True)
        self._rules(rules, domain)

    def _rules(self, rules: LoginRules, domain: str) -> None:
        sso = self.bridge.installation.sso
        sso.set_rules(OPERATOR, self.connection, rules)
        sso.declare_domains(OPERATOR, self.connection, [domain])

    def groups_of(self, user_name: str) -> list[str]:
        """The groups that a user is in, by name."""
        with self.bridge.installation.store.read() as unit:
            directory = unit.directory(self.connection.organization_id)
            id_ = directory.ids_named([user_name])[user_name]
            return sorted(one.group.display for one in directory.memberships([id_])[id_])

    def log(self) -> str:
        """What the administrator reads of the connection's logins."""
        found = self.bridge.installation.login_log.newest(self.connection)
        return "\n".join(map(str, found))


@pytest.fixture
def site(bridge: Served) -> Site:
    connection, _ = bridge.connection("generic")
    return Site(bridge, connection, free_port())


LogIn = Callable[[Surfer, Page], Page]


def signed_in(site: Site, log_in: LogIn, user_name: str) -> None:
    """Sign in twice and out in between: the same person each time, and nobody in between."""
    for _ in range(2):
        surfer = Surfer()
        page = log_in(surfer, surfer.open(f"{site.base}/sso/{site.connection.id}/login"))
        if page.path.endswith("/acs"):  # a form of another site is sent again from ours; scripts press the button
            page = surfer.send_field(page, "SAMLResponse")
        assert page.url == f"{site.base}/account", f"{site.log()}\n{page.text}"
        assert user_name in page.text
        out = surfer.open(f"{site.base}/sign-out")
        surfer.send(out, next(one for one in out.forms if one.action.endswith("/sign-out")))
        assert surfer.open(f"{site.base}/account").path == "/sign-in"


def test_oidc_provider_mock(site: Site, tmp_path: Path) -> None:
    """oidc-provider-mock (Python, Authlib): claims beside the ID token's, groups as a list."""
    claims = {"sub": "ana", "email": "ana@mock.example", "groups": ["Street", "Night"], "name": "Ana Mock"}
    program = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(site.port)]
    with running([*program, "--user-claims", json.dumps(claims)], tmp_path / "log", f"{site.url}/"):
        rules = LoginRules(
            user_name="email",
            attributes=(("displayName", "name"),),
            groups=GroupsClaim("groups"),
            authority=Authority.LOGIN,
            create=True,
        )
        site.by_oidc(rules, "mock.example", userinfo=True)
        signed_in(site, lambda surfer, page: surfer.send_field(page, "sub", "ana"), "ana@mock.example")
    assert site.groups_of("ana@mock.example") == ["Night", "Street"]


def test_node_oidc_provider(site: Site, tmp_path: Path) -> None:
    """oidc-provider (Node, certified by the OpenID Foundation): its own sign-in page, `iss`, groups in the ID token."""
    client = {"redirect_uris": [site.callback], "post_logout_redirect_uris": [signed_out_url(site.base)]}
    program = ["node", str(installed() / "oidc_provider.mjs"), str(site.port), json.dumps(client)]
    with running(program, tmp_path / "log", f"{site.url}/.well-known/openid-configuration"):
        rules = LoginRules(
            user_name="preferred_username", groups=GroupsClaim("groups"), authority=Authority.LOGIN, create=True
        )
        site.by_oidc(rules, "node.example", scopes=("profile", "email", "groups"))
        signed_in(
            site,
            lambda surfer, page: surfer.send_field(page, "login", "ben@node.example", password="any"),
            "ben@node.example",
        )
    assert site.groups_of("ben@node.example") == ["Reviewers", "Street"]


def test_who_signs_out_at_the_provider_is_signed_out_at_the_bridge(site: Site, tmp_path: Path) -> None:
    """oidc-provider's own notice (Back-Channel Logout) ends the bridge's session of that login."""
    client = {
        "redirect_uris": [site.callback],
        "backchannel_logout_uri": f"{site.base}/sso/{site.connection.id}/backchannel-logout",
        "backchannel_logout_session_required": True,
    }
    program = ["node", str(installed() / "oidc_provider.mjs"), str(site.port), json.dumps(client)]
    with running(program, tmp_path / "log", f"{site.url}/.well-known/openid-configuration"):
        site.by_oidc(LoginRules(user_name="preferred_username", create=True), "notice.example")
        surfer = Surfer()
        page = surfer.open(f"{site.base}/sso/{site.connection.id}/login")
        page = surfer.send_field(page, "login", "eva@notice.example", password="any")
        assert page.url == f"{site.base}/account", f"{site.log()}\n{page.text}"
        surfer.send_field(surfer.open(f"{site.url}/session/end"), "logout", "yes")
        assert surfer.open(f"{site.base}/account").path == "/sign-in", (tmp_path / "log").read_text()


def test_canaille_as_openid_provider(site: Site, canaille: Path, tmp_path: Path) -> None:
    """Canaille announces `none` among its algorithms, and signs what it sends; people have real passwords there."""
    script = Path(__file__).with_name("canaille_provider.py")
    program = [str(canaille), str(script), str(site.port), site.callback, signed_out_url(site.base)]

    def log_in(surfer: Surfer, page: Page) -> Page:
        page = surfer.send_field(page, "login", "ana")
        return surfer.send_field(page, "password", "correct horse battery")

    clean = {name: "" for name in os.environ if name.startswith("PYTHON")}
    with running(program, tmp_path / "log", f"{site.url}/.well-known/openid-configuration", clean):
        rules = LoginRules(user_name="email", groups=GroupsClaim("groups"), authority=Authority.LOGIN, create=True)
        site.by_oidc(rules, "canaille.example", scopes=("profile", "email", "groups"))
        signed_in(site, log_in, "ana@canaille.example")
    assert site.groups_of("ana@canaille.example") == ["Street"]


def test_node_saml_idp(site: Site, tmp_path: Path) -> None:
    """saml-idp (Node): SAML from its metadata; one text with commas becomes a list of values there."""
    key = SigningKey.make(datetime.now(UTC))
    (tmp_path / "key.pem").write_bytes(key.private_pem)
    (tmp_path / "cert.pem").write_bytes(key.certificate_pem)
    party = site.bridge.installation.saml.provider(site.connection)
    program = ["node", str(installed() / "node_modules/saml-idp/bin/run.js")]
    program += ["--host", "127.0.0.1", "--port", str(site.port), "--issuer", "urn:example:saml-idp"]
    program += ["--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")]
    program += ["--acsUrl", party.acs_url, "--audience", party.entity_id]

    def log_in(surfer: Surfer, page: Page) -> Page:
        posting = surfer.send_field(page, "userName", "saml.jackson@saml.example", email="saml.jackson@saml.example")
        return surfer.send_field(posting, "SAMLResponse")

    with running(program, tmp_path / "log", f"{site.url}/metadata"):
        rules = LoginRules(
            groups=GroupsClaim("groups"),
            authority=Authority.LOGIN,
            create=True,
        )
        site.by_saml(rules, "saml.example", f"{site.url}/metadata")
        signed_in(site, log_in, "saml.jackson@saml.example")
    assert site.groups_of("saml.jackson@saml.example") == ["Cloud Users", "Simple IdP Users", "West Coast Users"]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_simplesamlphp(site: Site, tmp_path: Path, encrypted: bool) -> None:
    """SimpleSAMLphp (PHP) with its usual settings; it encrypts by AES-CBC, which has to be allowed."""
    saml, domain = site.bridge.installation.saml, f"{'sealed' if encrypted else 'plain'}.example"
    party = saml.provider(site.connection)

    def log_in(surfer: Surfer, page: Page) -> Page:
        posting = surfer.send_field(page, "username", "ana", password="correct horse")
        return surfer.send_field(posting, "SAMLResponse")

    with simplesamlphp(tmp_path, site.port, f"ana@{domain}") as provider:
        rules = LoginRules(groups=GroupsClaim("groups"), authority=Authority.LOGIN, create=True)
        site.by_saml(rules, domain, provider.metadata_url, allow_cbc=encrypted)
        key = saml.keys(site.connection)[0].public
        provider.trust(party.entity_id, party.acs_url, key, encrypted=encrypted)
        signed_in(site, log_in, f"ana@{domain}")
    assert site.groups_of(f"ana@{domain}") == ["Night", "Street"]
