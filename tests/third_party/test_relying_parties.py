"""Applications of other authors sign people in at the bridge's OpenID Provider, and find what they look for."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.third_party.apache import apache
from tests.third_party.node import installed, running
from tests.third_party.surfing import Page, Surfer
from tests.third_party.test_identity_providers import OPERATOR, Site
from tests.third_party.test_identity_providers import site as site  # noqa: PLC0414 - a fixture

from rolebridge.core.applications import AppKind
from rolebridge.core.login_rules import Authority, GroupsClaim, LoginRules

pytestmark = pytest.mark.loopback


@pytest.fixture
def domain() -> str:
    """A domain for each test: a connection has it alone."""
    return f"apps-{free_port()}.example"


@pytest.fixture
def provided(site: Site, domain: str, tmp_path: Path) -> Iterator[Site]:
    """A connection whose people sign in at oidc-provider, an identity provider of other authors."""
    client = json.dumps({"redirect_uris": [site.callback]})
    program = ["node", str(installed() / "oidc_provider.mjs"), str(site.port), client]
    with running(program, tmp_path / "provider.log", f"{site.url}/.well-known/openid-configuration"):
        rules = LoginRules(
            user_name="preferred_username", groups=GroupsClaim("groups"), authority=Authority.LOGIN, create=True
        )
        site.by_oidc(rules, domain, scopes=("profile", "email", "groups"))
        yield site


def registered(site: Site, callback: str) -> tuple[str, str]:
    """Return id and secret of a new application of the connection's organization."""
    administration, applications = site.bridge.installation.administration, site.bridge.installation.applications
    (organization,) = (one for one in administration.organizations() if one.id == site.connection.organization_id)
    said = {"redirect_uris": [callback], "scopes": ["openid", "profile", "email", "groups", "roles", "offline_access"]}
    made = applications.add(OPERATOR, organization, "app", AppKind.CONFIDENTIAL, said)
    return made.id, applications.add_secret(OPERATOR, made, "first", None)[1].text


def signed_in(surfer: Surfer, site: Site, url: str, name: str) -> Page:
    """Go to a page of an application that sends people to the bridge, and by its connection to its provider."""
    page = surfer.open(url)
    if page.path == "/sign-in":
        page = surfer.open(f"{site.base}{_link(page)}")
    return surfer.send_field(page, "login", name, password="any")


def _link(page: Page) -> str:
    found = re.search(r'href="(/sso/[^"]*|/sign-in\?[^"]*idp=[^"]*)"', page.text)
    assert found, page.text
    return html.unescape(found[1])


def test_openid_client(provided: Site, domain: str, tmp_path: Path) -> None:
    """openid-client (Node, certified): PKCE, `iss`, nonce, userinfo, refresh, introspection, revocation."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    id_, secret = registered(provided, f"{url}/callback")
    program = ["node", str(installed() / "openid_client.mjs"), str(port), provided.base, id_, secret]
    with running(program, tmp_path / "app.log", f"{url}/"):
        page = signed_in(Surfer(), provided, f"{url}/login", f"ana@{domain}")
    assert page.status == 200, page.text
    told = json.loads(page.text)
    assert told["claims"]["groups"] == ["Reviewers", "Street"]
    assert told["userinfo"]["preferred_username"] == f"ana@{domain}"
    assert told["refreshed"] == told["claims"]["sub"]
    assert told["active"] == [True, False]


def test_mod_auth_openidc(provided: Site, domain: str, tmp_path: Path) -> None:
    """Apache's module lets in by `Require claim groups:…`, and keeps out whoever is not in the group."""
    port = free_port()
    id_, secret = registered(provided, f"http://127.0.0.1:{port}/callback")
    with apache(tmp_path, port, provided.base, id_, secret) as url:
        surfer = Surfer()
        page = signed_in(surfer, provided, f"{url}/", f"ana@{domain}")
        assert (page.url, page.text) == (f"{url}/", "of the street"), (tmp_path / "error.log").read_text()[-3000:]
        assert surfer.open(f"{url}/closed.html").status in {401, 403}
