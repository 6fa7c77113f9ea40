"""Whatever is sent to the endpoints for tokens and logout: an answer in their form, and never a defect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.oauth.conformity import App, Browser, Provider, provider

from rolebridge.app.wsgi import create_app
from rolebridge.web.browser import SESSION_COOKIE

pytestmark = pytest.mark.loopback

PARAMETERS = (
    "token", "token_type_hint", "client_id", "client_secret", "client_assertion", "client_assertion_type",
    "access_token", "grant_type", "refresh_token", "scope", "id_token_hint", "post_logout_redirect_uri", "state",
    "continue", "logout_hint", "ui_locales",
)  # fmt: skip
ODD = (
    "",
    "x",
    "rbr_",
    "rbr_\0",
    "\0",
    "\ud800",
    "é",
    "a" * 40_000,
    "e30.e30.e30",
    "e30..",
    ".",
    "..",
    "https://x/",
    "%",
)
PATHS = ("/oauth/introspect", "/oauth/revoke", "/oauth/userinfo", "/oauth/logout", "/oauth/token")


class Known:
    """A server in this process, an application of it, tokens of somebody who is signed in."""

    def __init__(self, op: Provider) -> None:
        self.client: FlaskClient = create_app(op.installation).test_client()
        self.app: App = op.register()
        with Browser(op).sign_in(op.person()) as browser:
            told = self.app.enter(browser)
            asked = browser.http.get("/oauth/logout", params={"client_id": self.app.id}).text
            self.cookie = f"{SESSION_COOKIE}={browser.secret}"
        kept = asked.partition('name="continue" value="')[2].partition('"')[0]
        self.values = (
            *ODD, *(told[name] for name in ("access_token", "id_token", "refresh_token")), kept,
            self.app.id, str(self.app.secret), "refresh_token", "openid roles",
        )  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """A provider and what a program may have learnt of it."""
    with provider(tmp_path_factory.mktemp("fuzz")) as op:
        yield Known(op)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_input_is_a_defect(known: Known, data: st.DataObject) -> None:
    """Known and odd values in known and odd places: never a 500, never a redirect to somewhere else."""
    path = data.draw(st.sampled_from(PATHS))
    values = st.one_of(st.sampled_from(known.values), st.text(max_size=40))
    sent = data.draw(st.lists(st.tuples(st.sampled_from(PARAMETERS), values), max_size=6))
    pairs = [(name, value.encode("utf-8", "surrogatepass")) for name, value in sent]
    form = "&".join(f"{name}={''.join(f'%{byte:02x}' for byte in value)}" for name, value in pairs)
    headers: dict[str, str] = {}
    if data.draw(st.booleans()):
        headers["Cookie"] = known.cookie
    if data.draw(st.booleans()):
        shown = data.draw(st.sampled_from(known.values)).encode("latin-1", "replace").decode("latin-1")
        headers["Authorization"] = f"Bearer {shown}".replace("\0", "?")
    if data.draw(st.booleans()):
        answer = known.client.get(f"{path}?{form}", headers=headers)
    else:
        auth = (
            (known.app.id, str(known.app.secret))
            if data.draw(st.booleans()) and "Authorization" not in headers
            else None
        )
        kind = data.draw(st.sampled_from(["application/x-www-form-urlencoded", "application/json", ""]))
        answer = known.client.post(path, data=form, content_type=kind, headers=headers, auth=auth)
    assert answer.status_code < 500, answer.text
    where = answer.headers.get("Location", "")
    assert not where or where.startswith("http://127.0.0.1:")
