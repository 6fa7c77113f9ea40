"""The sample application against an OpenID Provider of other authors: nothing in it is particular to the bridge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.third_party.node import installed, running
from tests.third_party.surfing import Page, Surfer

from rolebridge.demo.sample_app import create_app
from rolebridge.demo.serving import LocalServer

pytestmark = pytest.mark.loopback


def sign_in(surfer: Surfer, app_url: str, name: str) -> Page:
    """Sign in at the application through oidc-provider's own pages."""
    home = surfer.open(app_url)
    form = next(one for one in home.forms if one.action.endswith("/login"))
    asked = surfer.send(home, form)
    return surfer.send_field(asked, "login", name, password="any")


def test_it_signs_in_refreshes_and_signs_out_at_another_provider(tmp_path: Path) -> None:
    """Discovery, PKCE, `iss`, userinfo, refresh and sign-out work where the provider is not ours."""
    folder, port, app_port = installed(), free_port(), free_port()
    issuer, app_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{app_port}"
    client = {
        "redirect_uris": [f"{app_url}/callback"],
        "post_logout_redirect_uris": [f"{app_url}/"],
        "grant_types": ["authorization_code", "refresh_token"],
    }
    program = ["node", str(folder / "oidc_provider.mjs"), str(port), json.dumps(client)]
    ready = f"{issuer}/.well-known/openid-configuration"
    with (
        running(program, tmp_path / "provider.log", ready),
        LocalServer(create_app(issuer, "bridge", "never-kept-anywhere-else", app_url), "127.0.0.1", app_port),
    ):
        surfer = Surfer()
        page = sign_in(surfer, app_url, "ana@example.org")
        assert page.url == f"{app_url}/"
        assert '<strong id="name">ana</strong>, ana@example.org' in page.text
        assert "Street, Reviewers" in page.text
        assert surfer.open(f"{app_url}/cityscapes/review").status == 403
        page = surfer.send(page, next(one for one in page.forms if one.action.endswith("/refresh")))
        assert "This is what you hold now." in page.text
        out = surfer.send(page, next(one for one in page.forms if one.action.endswith("/logout")))
        out = surfer.send_field(out, "logout", "yes")
        assert out.url.startswith(f"{app_url}/")
        assert "It knows neither passwords nor identity providers." in out.text
