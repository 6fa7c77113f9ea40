"""The bridge and the identity provider on two sites, as they always are: which cookies a real browser sends then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from selenium.webdriver import Chrome
from tests.browser.surfing import Person
from tests.idp.served import Served, served
from tests.ports import free_port

from rolebridge.bridge.callers import Operator
from rolebridge.core.login_rules import GroupsClaim, LoginRules
from rolebridge.core.saml_settings import Binding, SamlSettings
from rolebridge.demo import Player, shipped_traffic
from rolebridge.demo.idp import DemoIdp, SamlParty, SigningKey
from rolebridge.demo.serving import LocalServer
from rolebridge.store.records import Connection

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

OPERATOR = Operator("os:tests", "tests")
OKTA, _ = shipped_traffic()


@dataclass(frozen=True)
class Sites:
    """A bridge at 127.0.0.1, and an identity provider at localhost, which is another site to a browser."""

    bridge: Served
    connection: Connection
    idp: DemoIdp

    @property
    def base(self) -> str:
        return self.bridge.installation.settings.base_url

    def by(self, binding: Binding) -> None:
        """Have requests go to the provider in this way."""
        saml = self.bridge.installation.saml
        described = saml.read(self.idp.tenants["okta-demo"].metadata()).idp
        settings = SamlSettings(described, described.certificates, binding=binding, sign_requests=True)
        saml.configure(OPERATOR, self.connection, settings, enabled=True)
        sso = self.bridge.installation.sso
        sso.set_rules(OPERATOR, self.connection, LoginRules(groups=GroupsClaim("groups")))
        sso.declare_domains(OPERATOR, self.connection, ["acme.example"])


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    folder, port = tmp_path_factory.mktemp("bridge"), free_port()
    key = SigningKey.make(datetime.now(UTC))
    with served(folder, f"sqlite:///{folder}/rolebridge.db", workers=1) as bridge:
        connection, token = bridge.connection("okta")
        with Player(bridge.base, token, OKTA) as player:
            player.play("first")
        idp = DemoIdp(f"http://localhost:{port}", {"okta-demo": (OKTA, key)})
        party = bridge.installation.saml.provider(connection)
        idp.register("okta-demo", SamlParty(party.entity_id, party.acs_url))
        with LocalServer(idp.app, "localhost", port):
            yield Sites(bridge, connection, idp)


@pytest.mark.parametrize("binding", list(Binding))
def test_a_response_from_another_site_finds_its_browser(sites: Sites, chrome: Chrome, binding: Binding) -> None:
    """The form that another site posts comes with the cookie to which the login is bound; the session stays."""
    sites.by(binding)
    person = Person(chrome)
    person.open(f"{sites.base}/sso/{sites.connection.id}/login")
    person.see("This is a demo.", at="http://localhost:")
    person.press("button[value='ana.ruiz']")
    person.see("Ana Ruiz", at=f"{sites.base}/account")
    person.open(f"{sites.base}/account")
    person.see("Ana Ruiz", at=f"{sites.base}/account")
    assert person.complaints() == []


def test_a_login_is_of_no_use_in_another_browser(sites: Sites, chrome: Chrome) -> None:
    """Who lost the cookie on the way is not signed in, and told so by a code."""
    sites.by(Binding.REDIRECT)
    person = Person(chrome)
    person.open(f"{sites.base}/sso/{sites.connection.id}/login")
    person.see("This is a demo.", at="http://localhost:")
    chrome.execute_cdp_cmd("Network.clearBrowserCookies", {})
    person.press("button[value='ana.ruiz']")
    person.see("flow-no-cookie", at=sites.base)
