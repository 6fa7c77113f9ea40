"""The door of logins under attack: whose login it is, in which browser, once, and where it leads."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.sso.visiting import AUTHORIZE, BASE, IDP, OPERATOR, House
from tests.switching import switch

from rolebridge.bridge.login_flows import FLOW_LIFETIME, Demands
from rolebridge.bridge.login_log import LoginOutcome
from rolebridge.core.login import Protocol
from rolebridge.sso.door import LOGINS_OF_ADDRESS, LOGINS_OF_BROWSER
from rolebridge.web.browser import BROWSER_COOKIE, SESSION_COOKIE, own_target


def test_a_login_leads_to_where_somebody_wanted_to_go(house: House) -> None:
    """Signed in, with a session of the organization that asked."""
    browser = house.browser()
    answer = browser.sign_in(house.ana, house.ask())
    assert answer.location == BASE + AUTHORIZE
    assert browser.who() == house.ana
    assert answer.header("Cache-Control") == "no-store"


def test_a_login_that_nobody_asked_for_leads_to_the_account(house: House) -> None:
    """The only page of ours that needs no application."""
    browser = house.browser()
    assert browser.sign_in(house.ana).location == f"{BASE}/account"


def test_the_identity_provider_hears_what_was_asked(house: House) -> None:
    """Whom to propose, from whoever sent them."""
    browser = house.browser()
    answer = browser.get(f"/sso/{house.okta.id}/login?ask={house.ask(demands=Demands(hint='ana'))}")
    assert "hint=ana" in answer.location


# --- login CSRF, fixation, tossed cookies


def test_nobody_is_lured_into_somebody_elses_session(house: House) -> None:
    """The attacker begins a login, and has the victim open its end: the victim's browser is not the one it began in."""
    attacker, victim = house.browser(), house.browser()
    state = attacker.leave()
    answer = victim.come_back(state, house.bo)
    assert answer.code == "flow-no-cookie"
    assert victim.who() is None
    victim.leave()
    assert victim.come_back(state, house.bo).code == "flow-other-browser"
    assert victim.who() is None


def test_luring_somebody_spoils_no_login(house: House) -> None:
    """What comes in the wrong browser does not use the login up."""
    mine, another = house.browser(), house.browser()
    state = mine.leave()
    another.come_back(state, house.bo)
    assert mine.come_back(state, house.ana).status == 303
    assert mine.who() == house.ana


def test_a_login_ends_once(house: House) -> None:
    """Reloading the last page, or sending its answer again from the history, signs nobody in."""
    browser = house.browser()
    state = browser.leave()
    browser.come_back(state, house.ana)
    browser.cookies.pop(SESSION_COOKIE)
    assert browser.come_back(state, house.ana).code == "flow-unknown"
    assert browser.who() is None


def test_a_refused_login_cannot_be_mended(house: House) -> None:
    """Its id is used up: a second answer to the same request is not looked at."""
    browser = house.browser()
    state = browser.leave()
    assert browser.come_back(state, house.ana, wrong="yes").code == "saml-unsigned"
    assert browser.come_back(state, house.ana).code == "flow-unknown"


def test_a_login_that_took_too_long_is_over(house: House) -> None:
    """Whoever finds an old answer has nothing."""
    browser = house.browser()
    state = browser.leave()
    house.later(FLOW_LIFETIME)
    assert browser.come_back(state, house.ana).code == "flow-expired"


def test_a_planted_session_never_becomes_the_victims(house: House) -> None:
    """Session fixation: what the browser had before it signed in is worth nothing afterwards."""
    attacker, victim = house.browser(), house.browser()
    attacker.sign_in(house.bo)
    victim.cookies.update(attacker.cookies)
    victim.sign_in(house.ana)
    assert victim.session != attacker.session
    assert attacker.who() is None
    assert victim.who() == house.ana


def test_signing_in_again_changes_the_cookie(house: House) -> None:
    """Who knew the cookie before knows nothing now."""
    browser, thief = house.browser(), house.browser()
    browser.sign_in(house.ana)
    thief.cookies[SESSION_COOKIE] = browser.session or ""
    assert thief.who() == house.ana
    browser.sign_in(house.ana)
    assert thief.who() is None
    assert browser.who() == house.ana


@pytest.mark.parametrize("name", [SESSION_COOKIE, BROWSER_COOKIE])
def test_a_cookie_that_is_there_twice_is_none(house: House, name: str) -> None:
    """Cookie tossing: which of two is ours cannot be told, so neither is."""
    browser = house.browser()
    browser.sign_in(house.ana)
    state = browser.leave()
    tossed = f"{name}=x234567890123456789012345; " + "; ".join(
        f"{key}={value}" for key, value in browser.cookies.items()
    )
    request = browser.request(
        "GET", f"/sso/{house.okta.id}/callback?state={state}&user={house.bo}", headers={"cookie": tossed}
    )
    if name == SESSION_COOKIE:
        assert house.installation.browsers.signed_in(request) is None
    else:
        answer = house.door.come_back(request, house.okta.id, Protocol.OIDC, house.protocol.prove)
        assert b"flow-no-cookie" in answer.body


@pytest.mark.parametrize(
    "value", ["", "short", "with space 12345678901234", 'quoted"1234567890123456789', "x" * 129, "ä" * 30]
)
def test_a_cookie_that_we_never_made_is_none(house: House, value: str) -> None:
    """It does not even reach the database."""
    browser = house.browser()
    browser.cookies[SESSION_COOKIE] = value
    assert browser.who() is None


# --- who answers for whom


def test_another_connection_cannot_end_a_login(house: House) -> None:
    """The identity provider of one connection does not answer for another (mix-up)."""
    browser = house.browser()
    state = browser.leave()
    assert browser.come_back(state, house.ana, house.entra).code == "flow-other-connection"
    assert browser.who() is None


def test_a_connection_logs_in_by_its_own_protocol_only(house: House) -> None:
    """What comes by the other one is not looked at, and answered as if the connection were not there."""
    browser = house.browser()
    request = browser.request("GET", f"/sso/{house.okta.id}/callback?state=x&user={house.ana}")
    answer = house.door.come_back(request, house.okta.id, Protocol.SAML, house.protocol.prove)
    assert answer.status == 404
    assert b"flow-no-connection" in answer.body


def test_connections_that_log_nobody_in_all_answer_alike(house: House) -> None:
    """Unknown, never set up, or switched off: nobody learns which there are."""
    browser = house.browser()
    switch(house.installation.sso, house.entra, on=False)
    bare, _ = house.installation.administration.add_connection(OPERATOR, house.organization, "Bare", "generic")
    answers = [
        browser.get(f"/sso/{id_}/{what}?user={house.ana}")
        for id_ in (house.entra.id, bare.id, "11111111-2222-3333-4444-555555555555", "nonsense")
        for what in ("login", "callback")
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(404, "flow-no-connection")}


def test_an_application_of_one_organization_is_not_entered_by_another(house: House) -> None:
    """A link put together of two organizations' parts is refused before anybody leaves."""
    other = house.connect("Okta", house.found("other"))
    browser = house.browser()
    answer = browser.get(f"/sso/{other.id}/login?ask={house.ask()}")
    assert answer.code == "flow-other-organization"


def test_a_session_counts_in_its_own_organization_only(house: House) -> None:
    """An application of another organization finds nobody signed in."""
    browser = house.browser()
    browser.sign_in(house.ana)
    other = house.found("other")
    request = browser.request("GET", "/oauth/authorize")
    browsers = house.installation.browsers
    assert browsers.signed_in(request, house.organization.id) is not None
    assert browsers.signed_in(request, other.id) is None


def test_a_connection_that_is_switched_off_meanwhile_lets_nobody_in(house: House) -> None:
    """Between leaving and coming back."""
    browser = house.browser()
    state = browser.leave()
    switch(house.installation.sso, house.okta, on=False)
    assert browser.come_back(state, house.ana).code == "flow-no-connection"
    assert browser.who() is None


# --- where it leads


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/account/../../evil",
        "/account@evil.example",
        "@evil.example",
        ".evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/%2f%2fevil.example",
        "/oauth/authorize",
        "/oauth/authorize/../x?y",
        "/oauth/authorizex?y",
        "/oauth/authorize?x\r\nSet-Cookie: a=b",
        "/oauth/authorize?x y",
        "/oauth/authorize?x\\y",
        "/oauth/authorize?ä",
        "/account?x",
        "/account\n",
        "/sign-out",
        "/api/v1/self",
        "",
        "\t/account",
        "http:/account",
    ],
)
def test_no_target_leads_elsewhere(house: House, target: str) -> None:
    """Even where somebody could have a foreign one sealed: after a login it is looked at again."""
    assert own_target(target) == "/account"
    browser = house.browser()
    answer = browser.sign_in(house.ana, house.ask(target=target))
    assert answer.location == f"{BASE}/account"


def test_an_answer_of_the_identity_provider_cannot_choose_where_a_login_leads(house: House) -> None:
    """What the login began with counts, not what comes back beside it."""
    browser = house.browser()
    state = browser.leave(house.ask())
    answer = browser.come_back(state, house.ana, target="https://evil.example/")
    assert answer.location == BASE + AUTHORIZE


def test_nothing_that_was_sent_ends_a_header(house: House) -> None:
    """A line break in a target of the connection's list would be a header of somebody else's."""
    answer = house.installation.browsers.redirect("https://app.example/x\r\nSet-Cookie: a=b")
    assert answer.headers[0] == ("Location", "https://app.example/x%0D%0ASet-Cookie:%20a=b")


# --- what the page says, and what the log


def test_the_page_says_the_code_and_the_administrator_reads_the_reason(house: House) -> None:
    """Nothing of the reason is on the page; the request's id leads to it in the log of logins."""
    browser = house.browser()
    answer = browser.come_back(browser.leave(), house.ana, wrong="yes")
    assert answer.status == 403
    assert answer.code == "saml-unsigned"
    assert "secret detail" not in answer.text
    (row,) = house.installation.login_log.newest(house.okta, outcome=LoginOutcome.REFUSED)
    assert (row.code, row.detail) == ("saml-unsigned", "a secret detail <b>")
    assert row.request_id in answer.text


def test_a_login_that_cannot_start_is_in_the_log_too(house: House) -> None:
    """A provider that is down, a key that is missing: that is the connection's trouble, and its log says so."""
    house.protocol.down = "oidc-discovery-unreachable"
    answer = house.browser().get(f"/sso/{house.okta.id}/login?ask={house.ask()}")
    assert (answer.status, answer.code) == (403, "oidc-discovery-unreachable")
    assert "secret detail" not in answer.text
    (row,) = house.installation.login_log.newest(house.okta, outcome=LoginOutcome.REFUSED)
    assert (row.code, row.detail) == ("oidc-discovery-unreachable", "a secret detail <b>")
    assert [(check.code, check.verdict.value) for check in row.checks] == [
        ("oidc-discovery-form", "passed"),
        ("oidc-discovery-unreachable", "failed"),
    ]
    assert row.request_id in answer.text
    again = answer.text.partition('href="/sign-in?ask=')[2].partition('"')[0]
    assert house.installation.login_flows.unseal(again).target == AUTHORIZE


def test_what_is_wrong_with_a_request_alone_is_not_in_a_connections_log(house: House) -> None:
    """An application of another organization that names the connection is no trouble of the connection's."""
    ask = house.ask(organization_id=house.found("other").id)
    assert house.browser().get(f"/sso/{house.okta.id}/login?ask={ask}").code == "flow-other-organization"
    assert house.installation.login_log.newest(house.okta) == []


def test_a_refused_login_can_be_tried_again_to_the_same_end(house: House) -> None:
    """The page's link begins anew, for the same application."""
    browser = house.browser()
    answer = browser.come_back(browser.leave(house.ask()), house.ana, wrong="yes")
    again = answer.text.partition('href="/sign-in?ask=')[2].partition('"')[0]
    assert house.installation.login_flows.unseal(again).target == AUTHORIZE


def test_who_is_no_user_is_not_signed_in(house: House) -> None:
    """And the session that the browser had goes on: nothing of a refused login is kept."""
    browser = house.browser()
    browser.sign_in(house.ana)
    answer = browser.come_back(browser.leave(), "mallory@elsewhere.example")
    assert answer.code.startswith("login-")
    assert browser.who() == house.ana


def test_an_assertion_logs_in_once(house: House) -> None:
    """Also when it comes with a login that began properly."""
    browser = house.browser()
    browser.come_back(browser.leave(), house.ana, assertion="_a1")
    again = house.browser()
    answer = again.come_back(again.leave(), house.ana, assertion="_a1")
    assert answer.code.startswith("login-")
    assert again.who() is None


def test_a_login_that_began_at_the_identity_provider_leads_where_its_settings_say(house: House) -> None:
    """The protocol alone decides whether there is such a login, and vouches for the target."""
    browser = house.browser()
    answer = browser.come_back("", house.ana, target="https://app.example/start")
    assert answer.location == "https://app.example/start"
    assert browser.who() == house.ana


def test_a_login_that_nobody_asked_for_takes_no_one_elses_place(house: House) -> None:
    """Login CSRF by a login that begins at the identity provider: whoever is signed in stays so."""
    browser = house.browser()
    browser.sign_in(house.ana)
    answer = browser.come_back("", house.bo)
    assert answer.code == "flow-somebody-else"
    assert browser.who() == house.ana
    bos = house.installation.access.user_id(house.organization.id, house.bo)
    assert house.installation.sessions.of_user(house.organization.id, bos) == []
    assert browser.come_back("", house.ana).status == 303
    house.later(timedelta(hours=25))
    assert browser.come_back("", house.bo).status == 303
    assert browser.who() == house.bo


# --- too many


@pytest.fixture
def still(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes for meters."""
    monkeypatch.setattr(house.installation.meters, "_clock", lambda: 1.0)


@pytest.mark.usefixtures("still")
def test_a_browser_that_is_sent_in_circles_has_to_wait(house: House) -> None:
    """Told by a page, with 429; other browsers go on."""
    browser = house.browser()
    browser.leave()
    answers = [browser.get(f"/sso/{house.okta.id}/login") for _ in range(LOGINS_OF_BROWSER.burst + 1)]
    assert [answer.status for answer in answers] == [303] * LOGINS_OF_BROWSER.burst + [429]
    assert answers[-1].code == "flow-too-many"
    assert house.browser().leave()


@pytest.mark.usefixtures("still")
def test_an_address_has_to_wait_as_well(house: House) -> None:
    """However many browsers it pretends to be."""
    while not house.installation.meters.take("logins from 192.0.2.7", LOGINS_OF_ADDRESS):
        pass
    assert house.browser().get(f"/sso/{house.okta.id}/callback?user=x").code == "flow-too-many"


def test_where_a_login_leaves_for_is_no_secret_of_the_caches(house: House) -> None:
    """The way there is made for one browser, and cached nowhere."""
    browser = house.browser()
    answer = browser.get(f"/sso/{house.okta.id}/login")
    assert answer.location.startswith(IDP)
    assert answer.header("Cache-Control") == "no-store"
