"""The pages of signing in and out: who is sent where, what nobody learns, what other sites cannot do with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.sso.visiting import BASE, OPERATOR, House, over_http
from tests.switching import switch

from rolebridge.bridge.login_flows import ASK_LIFETIME
from rolebridge.web.browser import BROWSER_COOKIE, SESSION_COOKIE
from rolebridge.web.pages import ASSETS


@pytest.fixture
def house(file: str) -> Iterator[House]:
    """A fresh organization. What pages say does not hang on the kind of database."""
    made = House(file)
    yield made
    made.close()


# --- which identity provider


def test_an_address_finds_its_identity_provider(house: House) -> None:
    """By its domain; the identity provider is told whom to propose."""
    browser = house.browser()
    page = browser.get("/sign-in")
    form = {"email": f"somebody@{house.domain.upper()}", "token": page.field("token"), "ask": page.field("ask")}
    answer = browser.post("/sign-in", form)
    assert answer.location.startswith(f"{BASE}/sso/{house.okta.id}/login?ask=")
    on = browser.get(answer.location)
    assert f"hint=somebody%40{house.domain.upper()}" in on.location


def test_nobody_learns_who_is_known(house: House) -> None:
    """Whoever is at a known domain goes on, user or not; all other addresses give one and the same page."""
    browser = house.browser()
    page = browser.get("/sign-in")
    form = {"token": page.field("token"), "ask": page.field("ask")}
    known = [browser.post("/sign-in", {**form, "email": email}) for email in (house.ana, f"nobody@{house.domain}")]
    assert {answer.status for answer in known} == {303}
    unknown = ["a@unknown.example", "a@" + "b" * 60 + ".example", "no-address", "@", "a@", "", "ä@ü.example", "x" * 300]
    pages = []
    for email in unknown:
        answer = browser.post("/sign-in", {**form, "email": email})
        text = re.sub(r'name="(ask|email)" value="[^"]*"', r'name="\1"', answer.text)
        pages.append((answer.status, text))
    assert len(set(pages)) == 1
    assert pages[0][0] == 422


def test_a_domain_of_another_organization_is_unknown_to_an_application(house: House) -> None:
    """Who signs in for an application of one organization is not sent to another's identity provider."""
    other = house.connect("Okta", house.found("other"))
    house.installation.sso.declare_domains(OPERATOR, other, [f"other-{house.domain}"])
    browser = house.browser()
    page = browser.get(f"/sign-in?ask={house.ask()}")
    form = {"token": page.field("token"), "ask": page.field("ask"), "email": f"x@other-{house.domain}"}
    assert browser.post("/sign-in", form).status == 422


def test_an_application_offers_the_identity_providers_of_its_organization(house: House) -> None:
    """By name; those that are switched off are not there, nor those of others."""
    house.connect("Foreign", house.found("other"))
    browser = house.browser()
    page = browser.get(f"/sign-in?ask={house.ask()}")
    assert re.findall(r"Continue with ([A-Za-z]+)", page.text) == ["Entra", "Okta"]
    assert "to continue to <strong>Shop</strong>" in page.text
    assert "Continue with" not in browser.get("/sign-in").text


def test_one_identity_provider_is_no_choice(house: House) -> None:
    """Nobody is asked for an address then."""
    switch(house.installation.sso, house.entra, on=False)
    answer = house.browser().get(f"/sign-in?ask={house.ask()}")
    assert answer.location.startswith(f"{BASE}/sso/{house.okta.id}/login?ask=")


@pytest.mark.parametrize("hint", ["idp", "login_hint", "ask"])
def test_a_hint_spares_the_question(house: House, hint: str) -> None:
    """Which identity provider or whose address: by whoever sends them, and by the application."""
    query = {
        "idp": f"idp={house.okta.id}",
        "login_hint": f"login_hint={house.ana}",
        "ask": f"ask={house.ask(connection_id=house.okta.id)}",
    }[hint]
    answer = house.browser().get(f"/sign-in?{query}")
    assert answer.location.startswith(f"{BASE}/sso/{house.okta.id}/login?ask=")


@pytest.mark.parametrize(
    "query", ["idp=nonsense", "login_hint=nonsense", "organization=nonsense", "idp=&organization="]
)
def test_a_hint_at_nothing_is_no_hint(house: House, query: str) -> None:
    """The page is the same as without."""
    page = house.browser().get(f"/sign-in?{query}")
    assert page.status == 200
    assert "Continue with" not in page.text


def test_who_is_signed_in_is_not_asked_to(house: House) -> None:
    """The sign-in page by itself leads to the account; for an application it asks, as that has its reasons."""
    browser = house.browser()
    browser.sign_in(house.ana)
    assert browser.get("/sign-in").location == f"{BASE}/account"
    assert browser.get(f"/sign-in?ask={house.ask()}").status == 200


@pytest.mark.parametrize("ask", ["x", "%00", "A" * 300])
def test_a_link_that_is_not_ours_is_refused(house: House, ask: str) -> None:
    """With a page that says which code."""
    assert house.browser().get(f"/sign-in?ask={ask}").code == "flow-link-broken"


def test_a_page_that_was_open_for_hours_begins_anew(house: House) -> None:
    """What it was asked for is not carried out later."""
    ask = house.ask()
    house.later(ASK_LIFETIME)
    assert house.browser().get(f"/sign-in?ask={ask}").code == "flow-link-expired"


# --- forms of other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/account/sessions"])
def test_a_form_of_another_site_is_refused(house: House, path: str, headers: dict[str, str]) -> None:
    """Even with the right token, as far as the browser says where it comes from."""
    browser = house.browser()
    page = browser.get("/sign-in")
    house.browser().sign_in(house.ana)
    browser.sign_in(house.ana)
    account = browser.get("/account")
    token = {"/sign-in": page.field("token"), "/sign-out": _token(account.text, "/sign-out")}.get(path)
    form = {"token": token or _token(account.text, "/account/sessions"), "email": house.ana}
    assert browser.post(path, form, **headers).code == "flow-form"
    assert browser.who() == house.ana
    assert browser.post(path, form).status in {200, 303}


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/account/sessions"])
@pytest.mark.parametrize("token", ["", "x", "ä", "A" * 43, "of another browser", "of another form"])
def test_a_form_without_its_token_is_refused(house: House, path: str, token: str) -> None:
    """Each form has its own, made for the browser that was shown it."""
    browser, another = house.browser(), house.browser()
    for one in (another, browser):
        one.get("/sign-in")
        one.sign_in(house.ana)
    if token == "of another browser":
        token = _token(another.get("/account").text, path if path != "/sign-in" else "/sign-out")
    if token == "of another form":
        mine = browser.get("/account").text
        token = _token(mine, "/sign-out" if path != "/sign-out" else "/account/sessions")
    assert browser.post(path, {"token": token, "email": house.ana}).code == "flow-form"
    assert browser.who() == house.ana


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("x" * 40_000, None),
        ("a=1&" * 20, None),
        ("token=%ff", None),
        ('{"token": 1}', "application/json"),
        ("token=x", "text/plain"),
    ],
)
def test_what_is_no_form_of_ours_is_refused(house: House, body: str, kind: str | None) -> None:
    """Too large, too many fields, not UTF-8, another media type."""
    browser = house.browser()
    browser.sign_in(house.ana)
    request = browser.request("POST", "/sign-out", body, {"content-type": kind} if kind else None)
    assert b"flow-form" in house.pages.sign_out(request).body


# --- signing out


def test_signing_out_ends_the_session_for_everybody(house: House) -> None:
    """A copy of the cookie is worth nothing from then on."""
    browser, thief = house.browser(), house.browser()
    browser.sign_in(house.ana)
    thief.cookies.update(browser.cookies)
    page = browser.get("/sign-out")
    answer = browser.post("/sign-out", {"token": page.field("token")})
    assert "You are signed out" in answer.text
    assert browser.session is None
    assert thief.who() is None
    assert thief.get("/account").location.startswith(f"{BASE}/sign-in?ask=")


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example", "sec_fetch_site": "cross-site"}, {}])
def test_a_form_of_another_site_takes_no_cookie_away(house: House, headers: dict[str, str]) -> None:
    """The session's cookie stays out of such a form (`SameSite=Lax`), but the answer could still delete it."""
    browser = house.browser()
    browser.sign_in(house.ana)
    kept = browser.cookies.pop(SESSION_COOKIE)
    answer = browser.post("/sign-out", {"token": "x"}, **headers)
    assert "Set-Cookie" not in dict(answer.headers)
    assert answer.code == "flow-form" if headers else "You are signed out" in answer.text
    browser.cookies[SESSION_COOKIE] = kept
    assert browser.who() == house.ana


def test_looking_at_the_sign_out_page_signs_nobody_out(house: House) -> None:
    """So no image or link of another site does."""
    browser = house.browser()
    browser.sign_in(house.ana)
    assert "Sign out?" in browser.get("/sign-out").text
    assert browser.who() == house.ana


def test_signing_out_offers_to_do_so_at_the_identity_provider(house: House) -> None:
    """With what it needs for that."""
    browser = house.browser()
    browser.sign_in(house.ana)
    answer = browser.post("/sign-out", {"token": browser.get("/sign-out").field("token")})
    assert 'href="https://idp.example/logout?hint=hint"' in answer.text
    assert "Sign out at Okta" in answer.text


def test_signing_out_twice_is_no_error(house: House) -> None:
    """Two tabs do that."""
    browser = house.browser()
    browser.sign_in(house.ana)
    token = browser.get("/sign-out").field("token")
    browser.post("/sign-out", {"token": token})
    assert "You are signed out" in browser.post("/sign-out", {"token": token}).text
    assert "You are signed out" in browser.get("/sign-out").text


# --- the account


def test_the_account_shows_who_one_is_and_where_one_is_signed_in(house: House) -> None:
    """Name, organization, connection, and every session, the present one marked."""
    browser, phone = house.browser(), house.browser()
    phone.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1"
    phone.sign_in(house.ana)
    house.later(timedelta(minutes=1))
    browser.sign_in(house.ana)
    house.browser().sign_in(house.bo)
    page = browser.get("/account")
    assert "Ana" in page.text
    assert house.organization.name in page.text
    assert re.findall(r"<td><strong>([^<]+)</strong></td>", page.text) == ["Firefox on Linux", "Safari on iPhone"]
    assert page.text.count("This browser") == 1


def test_somebody_ends_a_session_that_they_do_not_recognize(house: House) -> None:
    """One, or all others; never somebody else's."""
    browser, phone, others = house.browser(), house.browser(), house.browser()
    phone.sign_in(house.ana)
    browser.sign_in(house.ana)
    others.sign_in(house.bo)
    page = browser.get("/account")
    token, id_ = _token(page.text, "/account/sessions"), page.field("session")
    (bos,) = house.installation.sessions.of_user(house.organization.id, _user_id(house, house.bo))
    assert browser.post("/account/sessions", {"token": token, "session": bos.id}).location == f"{BASE}/account"
    assert others.who() == house.bo
    browser.post("/account/sessions", {"token": token, "session": id_})
    assert phone.who() is None
    phone.sign_in(house.ana)
    browser.post("/account/sessions", {"token": token})
    assert phone.who() is None
    assert browser.who() == house.ana


def test_the_account_is_for_those_who_are_signed_in(house: House) -> None:
    """Others sign in, and come back to it; a session that is over is none."""
    browser = house.browser()
    browser.sign_in(house.ana)
    house.later(timedelta(hours=25))
    answer = browser.get("/account")
    ask = answer.location.partition("ask=")[2]
    assert house.installation.login_flows.unseal(ask).target == "/account"
    assert browser.post("/account/sessions", {"token": "x"}).location.startswith(f"{BASE}/sign-in")


def test_names_are_text(house: House) -> None:
    """Whatever a directory, an application or somebody at the keyboard calls things: none of it becomes markup."""
    evil = "<script>alert(1)</script>'\""
    browser = house.browser()
    page = browser.get(f"/sign-in?ask={house.ask(application=evil)}")
    again = browser.post("/sign-in", {"token": page.field("token"), "ask": page.field("ask"), "email": evil})
    for text in (page.text, again.text):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "<script" not in text


# --- as browsers get them


@pytest.mark.parametrize(
    "path", ["/sign-in", "/sign-out", "/sso/nonsense/login", "/sso/nonsense", "/account/nothing", "/sign-in?ask=x"]
)
def test_what_a_page_lets_a_browser_do(house: House, path: str) -> None:
    """No script, no frame around it, no cache, no address told to others; the request has its id."""
    answer = over_http(house).get(path, base_url=BASE)
    assert answer.content_type == "text/html; charset=utf-8"
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-Id"]
    text = answer.text
    assert '<html lang="en">' in text
    assert " style=" not in text
    assert " on" + "click" not in text
    assert re.findall(r"<input type=\"email\"[^>]*id=\"([a-z]+)\"", text) == re.findall(
        r"<label for=\"([a-z]+)\"", text
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/account/nothing", 404), ("PUT", "/sign-in", 405), ("GET", "/sso/x/acs", 405)],
)
def test_what_goes_wrong_is_told_by_a_page(house: House, method: str, path: str, status: int) -> None:
    """Without a word of what in particular."""
    answer = over_http(house).open(path, method=method, base_url=BASE)
    assert answer.status_code == status
    assert "There is nothing here" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_a_defect_is_told_by_a_page_without_a_traceback(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has it, by the id on the page."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("rolebridge.bridge.login_flows.LoginFlows.unseal", fail)
    answer = over_http(house).get("/sign-in?ask=x", base_url=BASE)
    assert answer.status_code == 500
    assert "secret words" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_cookies_are_as_strict_as_they_can_be(house: House) -> None:
    """`__Host-`: this host alone, by TLS alone; no script reads them; the session goes along with no foreign form."""
    browser = house.browser()
    page = browser.get("/sign-in")
    assert re.fullmatch(
        rf"{BROWSER_COOKIE}=[A-Za-z0-9_-]{{43}}; Path=/; Secure; HttpOnly; SameSite=None", page.header("Set-Cookie")
    )
    signed_in = browser.sign_in(house.ana)
    assert re.fullmatch(
        rf"{SESSION_COOKIE}=rbn_[A-Za-z0-9_-]{{43}}; Path=/; Secure; HttpOnly; SameSite=Lax",
        signed_in.header("Set-Cookie"),
    )
    assert not browser.get("/sign-in?login_hint=x").has("Set-Cookie")


@pytest.mark.parametrize("path", sorted(ASSETS.iterdir()), ids=lambda path: path.name)
def test_files_of_pages_are_named_by_their_content(house: House, path: object) -> None:
    """So they may be kept for a year."""
    name = path.name  # type: ignore[attr-defined]
    assert re.fullmatch(rf"/assets/{re.escape(name)}\?[0-9a-f]{{12}}", house.door.pages.at(f"/assets/{name}"))
    answer = over_http(house).get(f"/assets/{name}", base_url=BASE)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.data == path.read_bytes()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["nothing.css", "..%2Fpages.py", "%2e%2e/pages.py", "style.css%00", "__init__.py"])
def test_no_other_file_is_shown(house: House, name: str) -> None:
    """Names are looked up among those that are there; no path is ever made of one."""
    assert over_http(house).get(f"/assets/{name}", base_url=BASE).status_code == 404


def test_a_bridge_below_a_path_links_below_it(file: str) -> None:
    """The base URL's path is in every link and every redirect."""
    house = House(file, f"{BASE}/bridge")
    try:
        text = house.browser().get("/sign-in").text
        assert 'action="/bridge/sign-in"' in text
        assert 'href="/bridge/assets/style.css?' in text
        assert house.browser().get("/account").location.startswith(f"{BASE}/bridge/sign-in?ask=")
    finally:
        house.close()


def test_a_form_that_is_posted_on_leads_to_one_place(house: House) -> None:
    """The page for the POST binding runs one script of ours, and works without it."""
    answer = house.door.pages.post_on("https://idp.example/sso?x=1", {"SAMLRequest": 'a"b<', "RelayState": "_1"})
    headers = dict(answer.headers)
    assert "form-action https://idp.example;" in headers["Content-Security-Policy"]
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert isinstance(answer.body, bytes)
    text = answer.body.decode()
    assert 'action="https://idp.example/sso?x=1"' in text
    assert 'value="a&#34;b&lt;"' in text
    assert "<button" in text
    assert re.findall(r"<script([^>]*)></script>", text) == [
        f' src="{house.door.pages.at("/assets/post-on.js")}" defer'
    ]


def _token(text: str, action: str) -> str:
    """Return the token of a form on a page."""
    found = re.search(rf'action="{re.escape(action)}"[^>]*>\s*<input type="hidden" name="token" value="([^"]+)"', text)
    assert found, (action, text)
    return found[1]


def _user_id(house: House, user_name: str) -> str:
    return house.installation.access.user_id(house.organization.id, user_name)
