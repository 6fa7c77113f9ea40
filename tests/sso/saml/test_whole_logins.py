"""Whole logins by SAML, from the login URL to the session, and everything that must not end in one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.app.calling import MAY_I, Answer
from tests.sso.saml import idp
from tests.sso.saml.bridging import BASE, Bridge, Browser, bridge, code_of, connect
from tests.sso.saml.idp import signer
from tests.switching import switch

from rolebridge.bridge import login_flows
from rolebridge.core.saml_settings import Binding, fingerprint
from rolebridge.sso.key_pairs import KeyPair
from rolebridge.sso.saml import administration
from rolebridge.web.browser import BROWSER_COOKIE, SESSION_COOKIE

EVIL = "https://evil.example/"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    """A bridge whose connection logs people in by SAML."""
    with bridge(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """One bridge for attempts that change nothing: it takes logins that nobody asked for, and knows a target."""
    with pytest.MonkeyPatch.context() as patched, bridge(tmp_path_factory.mktemp("bridge"), patched) as made:
        made.set(idp_initiated=True, targets={"reports": "https://app.example/login"})
        made.worker()
        yield made


# --- what works --------------------------------------------------------------------------------------------------


def test_somebody_logs_in(there: Bridge) -> None:
    """Away with a request, back with a response, signed in; the log of logins tells of it."""
    browser = Browser(there.worker())
    away = browser.leave(there)
    assert away.url.startswith("https://idp.example.com/sso?SAMLRequest=")
    assert away.relay_state == away.id
    assert away.root.get("AssertionConsumerServiceURL") == f"{BASE}{there.path}/acs"
    back = browser.bring(there, there.answer(away.id), away.relay_state)
    assert (back.status, back.headers["location"]) == (303, f"{BASE}/account")
    assert "__Host-rolebridge-session=" in back.headers["set-cookie"]
    assert browser.signed_in
    (row,) = there.installation.login_log.newest(there.connection)
    assert (row.outcome, row.code) == ("accepted", "")


def test_the_browser_is_sent_by_a_form_where_that_is_set(there: Bridge) -> None:
    """POST binding: a page that posts the request on."""
    there.set(binding=Binding.POST)
    page = Browser(there.worker()).get(f"{there.path}/login")
    assert page.status == 200
    assert b'action="https://idp.example.com/post"' in page.body
    assert b'name="SAMLRequest"' in page.body
    # Where the identity provider sends the browser on, it may sign in: a browser holds that against the policy, too.
    assert "form-action https://idp.example.com https:;" in page.headers["content-security-policy"]


def test_requests_are_signed_where_that_is_set(there: Bridge) -> None:
    """With the connection's key, as the metadata announces."""
    there.set(sign_requests=True)
    browser = Browser(there.worker())
    assert set(browser.leave(there).fields) == {"SAMLRequest", "RelayState", "SigAlg", "Signature"}
    told = browser.get(f"{there.path}/metadata")
    assert told.headers["content-type"] == "application/samlmetadata+xml"
    assert b'AuthnRequestsSigned="true"' in told.body
    assert signer("sp").base64.encode() in told.body


def test_a_login_that_needs_a_key_that_is_gone_does_not_start(there: Bridge) -> None:
    """Nobody is sent away with a request that the identity provider refuses; the log of logins says what to do."""
    there.set(sign_requests=True)
    (key,) = there.installation.saml.keys(there.connection)
    there.installation.sso.remove_secret(MAY_I, there.connection, key.id)
    assert code_of(Browser(there.worker()).get(f"{there.path}/login")) == "saml-no-key"
    (row,) = there.installation.login_log.newest(there.connection)
    assert row.code == "saml-no-key"
    assert "rolebridge saml key add" in row.detail


def test_a_login_is_found_without_relay_state(there: Bridge) -> None:
    """Where an identity provider loses it, the request that is answered finds the login, in this browser only."""
    browser = Browser(there.worker())
    away = browser.leave(there)
    answer = there.answer(away.id)
    assert code_of(Browser(browser.worker).bring(there, answer)) == "flow-no-cookie"
    assert browser.bring(there, answer).status == 303


def test_an_encrypted_assertion_is_read_while_keys_follow_each_other(
    there: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is encrypted for the older or the newer key is read, until the older retires."""
    new = idp.decryption_key("new sp")
    monkeypatch.setattr(administration, "make_key_pair", lambda name, now: KeyPair(new, signer("new sp").base64))
    old = idp.signer("sp").key
    there.installation.saml.add_key(MAY_I, there.connection)
    for key in (old, new):
        assert _encrypted_login(there, key).status == 303
    gone, stays = there.installation.saml.retire_key(MAY_I, there.connection)
    assert (gone.public, stays.public) == (signer("sp").base64, signer("new sp").base64)
    assert _encrypted_login(there, new).status == 303
    assert code_of(_encrypted_login(there, old)) == "saml-decryption"


def _encrypted_login(there: Bridge, key: idp.PrivateKey) -> Answer:
    assert isinstance(key, rsa.RSAPrivateKey)
    browser = Browser(there.worker())
    away = browser.leave(there)
    root = idp.signed(_login(there, away.id), "both", encrypt_for=key.public_key())
    return browser.bring(there, idp.encoded(root).decode(), away.relay_state)


# --- once, in this browser, in time ----------------------------------------------------------------------------------


def test_a_response_that_was_used_is_worth_nothing(there: Bridge) -> None:
    """The login that it answers is over: in the same browser, by another process, after a restart."""
    browser = Browser(there.worker())
    away = browser.leave(there)
    answer = there.answer(away.id)
    assert browser.bring(there, answer, away.relay_state).status == 303
    again = Browser(there.worker(), browser.cookies)
    assert code_of(again.bring(there, answer, away.relay_state)) == "flow-unknown"
    there.stop()
    later = Browser(there.worker(), browser.cookies)
    assert code_of(later.bring(there, answer, away.relay_state)) == "flow-unknown"


def test_an_assertion_logs_in_once_on_all_processes(there: Bridge) -> None:
    """Also where no login waits for it: another process refuses it, and so does one after a restart."""
    there.set(idp_initiated=True)
    answer = there.answer(None, assertion_id="_once")
    assert Browser(there.worker()).bring(there, answer).status == 303
    assert code_of(Browser(there.worker()).bring(there, answer)) == "login-assertion-used"
    there.stop()
    assert code_of(Browser(there.worker()).bring(there, answer)) == "login-assertion-used"


def test_of_two_processes_at_the_same_moment_one_logs_in(there: Bridge) -> None:
    """The database decides, not a memory."""
    there.set(idp_initiated=True)
    answer = there.answer(None, assertion_id="_race")
    browsers = [Browser(there.worker()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda one: one.bring(there, answer).status, browsers))
    assert statuses == [303, 403, 403, 403]


def test_a_response_works_in_the_browser_that_asked_for_it(there: Bridge) -> None:
    """A victim's response in an attacker's browser, an attacker's in a victim's: neither signs anybody in."""
    worker = there.worker()
    victim, attacker = Browser(worker), Browser(worker)
    away = victim.leave(there)
    attacker.leave(there)
    answer = there.answer(away.id)
    refused = attacker.bring(there, answer, away.relay_state)
    assert code_of(refused) == "flow-other-browser"
    assert SESSION_COOKIE not in attacker.cookies
    assert code_of(Browser(worker).bring(there, answer, away.relay_state)) == "flow-no-cookie"
    # It is not used up by who had no right to it.
    assert victim.bring(there, answer, away.relay_state).status == 303


def test_a_guessed_cookie_is_no_cookie(there: Bridge) -> None:
    """Another value of the right form does not do."""
    browser = Browser(there.worker())
    away = browser.leave(there)
    browser.cookies[BROWSER_COOKIE] = "A" * 43
    assert code_of(browser.bring(there, there.answer(away.id), away.relay_state)) == "flow-other-browser"


def test_a_login_waits_for_some_minutes(there: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was at the identity provider for too long begins again."""
    monkeypatch.setattr(login_flows, "FLOW_LIFETIME", timedelta(0))
    browser = Browser(there.worker())
    away = browser.leave(there)
    assert code_of(browser.bring(there, there.answer(away.id), away.relay_state)) == "flow-expired"


def test_a_response_answers_the_login_that_its_relay_state_names(there: Bridge) -> None:
    """Two logins in one browser: the response for one does not finish the other."""
    browser = Browser(there.worker())
    first, second = browser.leave(there), browser.leave(there)
    assert code_of(browser.bring(there, there.answer(first.id), second.relay_state)) == "saml-in-response-to"


def test_a_login_belongs_to_its_connection(there: Bridge) -> None:
    """What began at one connection does not end at another, even with the same identity provider behind both."""
    organization = there.installation.administration.organization("default")
    other = connect(there.installation, organization, "second")
    browser = Browser(there.worker())
    away = browser.leave(there)
    elsewhere = Bridge(there.settings, there.installation, other)
    refused = browser.bring(elsewhere, elsewhere.answer(away.id), away.relay_state)
    assert code_of(refused) == "flow-other-connection"


def test_force_authn_wants_a_fresh_proof(there: Bridge) -> None:
    """The request asks for it, and an older proof is refused although all else is right."""
    there.set(force_authn=True)
    browser = Browser(there.worker())
    away = browser.leave(there)
    assert away.root.get("ForceAuthn") == "true"
    old = idp.instant(datetime.now(UTC) - timedelta(minutes=30))
    answer = _answer_with(there, away.id, authenticated=old)
    assert code_of(browser.bring(there, answer, away.relay_state)) == "saml-authentication-age"


def test_force_authn_wants_a_fresh_proof_of_those_who_come_unasked(there: Bridge) -> None:
    """Else beginning at the identity provider would be the way around it."""
    there.set(force_authn=True, idp_initiated=True)
    for minutes, came in ((9, 303), (30, 403)):
        at = idp.instant(datetime.now(UTC) - timedelta(minutes=minutes))
        answer = _answer_with(there, None, authenticated=at, assertion_id=f"_unasked-{minutes}")
        assert Browser(there.worker()).bring(there, answer).status == came


def test_a_proof_may_not_be_older_than_is_set(there: Bridge) -> None:
    """`max_age` in seconds, with the clocks' difference on top."""
    there.set(max_age=600)
    browser = Browser(there.worker())
    for minutes, came in ((11, 303), (30, 403)):
        away = browser.leave(there)
        since = idp.instant(datetime.now(UTC) - timedelta(minutes=minutes))
        answer = _answer_with(there, away.id, authenticated=since)
        assert browser.bring(there, answer, away.relay_state).status == came


def _answer_with(there: Bridge, in_response_to: str | None, **more: Any) -> str:
    """Return a response that differs from a good one in fields of `Login`."""
    return idp.encoded(idp.signed(_login(there, in_response_to, **more), "both")).decode()


def _login(there: Bridge, in_response_to: str | None, **more: Any) -> idp.Login:
    now, place = datetime.now(UTC), f"{BASE}{there.path}"
    said: dict[str, Any] = {
        "audiences": ((f"{place}/metadata",),),
        "destination": f"{place}/acs",
        "recipient": f"{place}/acs",
        "in_response_to": in_response_to,
        "confirmed_in_response_to": in_response_to,
        "assertion_id": f"_{now.timestamp()}",
        "issued": idp.instant(now),
        "not_before": idp.instant(now - timedelta(minutes=1)),
        "not_on_or_after": idp.instant(now + timedelta(minutes=5)),
        "confirmed_until": idp.instant(now + timedelta(minutes=5)),
        "authenticated": idp.instant(now),
    }
    return idp.Login(**{**said, **more})


# --- logins that begin at the identity provider ----------------------------------------------------------------------


def test_a_login_that_nobody_asked_for_is_refused(there: Bridge) -> None:
    """Unless it is switched on: whoever has a response of theirs could log somebody else in as themselves."""
    browser = Browser(there.worker())
    assert code_of(browser.bring(there, there.answer(None))) == "saml-unsolicited"
    there.set(idp_initiated=True)
    back = browser.bring(there, there.answer(None))
    assert (back.status, back.headers["location"]) == (303, f"{BASE}/account")
    there.set(idp_initiated=False)
    assert code_of(browser.bring(there, there.answer(None))) == "saml-unsolicited"


def test_relay_state_is_a_key(there: Bridge) -> None:
    """It leads where the settings say, to a page of ours or of an application."""
    there.set(idp_initiated=True, targets={"reports": "https://app.example/login", "me": "/account"})
    browser = Browser(there.worker())
    for key, url in (("reports", "https://app.example/login"), ("me", f"{BASE}/account"), ("", f"{BASE}/account")):
        assert browser.bring(there, there.answer(None), key).headers["location"] == url


@pytest.mark.parametrize(
    "state",
    [
        EVIL,
        "//evil.example/",
        "/\\evil.example",
        "https://app.example/login",
        "https://app.example/login@evil.example",
        "javascript:alert(1)",
        "/account",
        "REPORTS",
        "reports\r\nLocation: https://evil.example/",
        "reports ",
    ],
)
def test_relay_state_is_never_a_url(open_house: Bridge, state: str) -> None:
    """Not even one that is listed: only its key leads there. Nobody is signed in by the attempt."""
    browser = Browser(open_house.workers[0])
    refused = browser.bring(open_house, open_house.answer(None), state)
    assert code_of(refused) == "saml-relay-state"
    assert "location" not in refused.headers
    assert not browser.signed_in


def test_relay_state_cannot_redirect_a_login_of_ours(there: Bridge) -> None:
    """Where a login goes is kept on the server; a RelayState that names none of them finds none."""
    browser = Browser(there.worker())
    away = browser.leave(there)
    assert code_of(browser.bring(there, there.answer(away.id), "_elsewhere")) == "flow-unknown"
    away = browser.leave(there)
    back = browser.bring(there, there.answer(away.id), EVIL)
    assert back.headers["location"] == f"{BASE}/account"


# --- certificates ----------------------------------------------------------------------------------------------------


def test_two_certificates_are_trusted_while_one_follows_the_other(there: Bridge) -> None:
    """The old and the new key log in; when the old one is removed it logs nobody in any more."""
    new = signer("new idp")
    there.installation.saml.trust(MAY_I, there.connection, new.base64)
    browser = Browser(there.worker())
    for by in (signer(), new):
        away = browser.leave(there)
        assert browser.bring(there, there.answer(away.id, by=by), away.relay_state).status == 303
    there.installation.saml.distrust(MAY_I, there.connection, fingerprint(signer().base64))
    away = browser.leave(there)
    assert code_of(browser.bring(there, there.answer(away.id), away.relay_state)) == "saml-signature"
    away = browser.leave(there)
    assert browser.bring(there, there.answer(away.id, by=new), away.relay_state).status == 303


# --- the address itself ----------------------------------------------------------------------------------------------


def test_an_address_that_logs_nobody_in_says_nothing_else(there: Bridge) -> None:
    """An unknown connection, one without single sign-on and one that is switched off answer alike."""
    organization = there.installation.administration.organization("default")
    plain, _ = there.installation.administration.add_connection(MAY_I, organization, "plain", "okta")
    switch(there.installation.sso, there.connection, on=False)
    worker = there.worker()
    for id_ in (plain.id, there.connection.id, "00000000-0000-4000-8000-000000000000", "x"):
        for method, path in (("GET", "metadata"), ("POST", "acs"), ("GET", "login")):
            form = {"content_type": "application/x-www-form-urlencoded"} if method == "POST" else {}
            answer = worker.send(method, f"/sso/{id_}/{path}", b"SAMLResponse=x" if form else b"", **form)
            assert (answer.status, code_of(answer)) == (404, "flow-no-connection")


def test_urls_come_from_the_settings(open_house: Bridge) -> None:
    """Whatever host a request was sent to."""
    worker, path = open_house.workers[0], f"{open_house.path}/metadata"
    told = worker.send("GET", path, x_forwarded_host="evil.example", forwarded="host=evil")
    assert f'Location="{BASE}{open_house.path}/acs"'.encode() in told.body
    assert b"evil" not in told.body


# --- forms of another site ---------------------------------------------------------------------------------------


def test_a_form_of_another_site_is_sent_again_from_here(there: Bridge) -> None:
    """So it comes with the session's cookie: the same person's session goes on, and applications keep its `sid`."""
    browser = Browser(there.worker())
    away = browser.leave(there)
    first, back = browser.bring_as_browsers_do(there, there.answer(away.id), away.relay_state)
    assert (first.status, "set-cookie" in first.headers) == (200, False)
    assert "form-action" not in first.headers["content-security-policy"], "an answer leads on to the application"
    assert (back.status, back.headers["location"]) == (303, f"{BASE}/account")
    (begun,) = there.installation.sessions.page(there.connection.organization_id, "", 10)
    away = browser.leave(there)
    assert browser.bring_as_browsers_do(there, there.answer(away.id), away.relay_state)[1].status == 303
    (still,) = there.installation.sessions.page(there.connection.organization_id, "", 10)
    assert still.session.id == begun.session.id
    assert still.session.begun_at > begun.session.begun_at


def test_nobody_takes_a_place_by_a_form_of_another_site(there: Bridge) -> None:
    """Login CSRF at the identity provider's own door: who is signed in stays so, though no cookie says who."""
    there.set(idp_initiated=True)
    browser = Browser(there.worker())
    away = browser.leave(there)
    browser.bring(there, there.answer(away.id), away.relay_state)
    before = dict(browser.cookies)
    _, back = browser.bring_as_browsers_do(there, there.answer(None, subject="mallory@example.com"))
    assert code_of(back) == "flow-somebody-else"
    assert browser.cookies == before
    assert browser.signed_in


def test_a_form_is_sent_again_once(there: Bridge) -> None:
    """A browser that calls our own form another site's does not go round in circles."""
    browser = Browser(there.worker())
    kind = "application/x-www-form-urlencoded"
    for said in ({"sec_fetch_site": "cross-site"}, {"origin": "null"}, {"origin": "https://evil.example"}):
        path = f"{there.path}/acs?again=1"
        answer = browser.worker.send("POST", path, b"SAMLResponse=eA", content_type=kind, **said)
        assert code_of(answer) == "flow-form"


FORMS = {
    "nothing": (b"", "application/x-www-form-urlencoded"),
    "no response": (b"RelayState=x", "application/x-www-form-urlencoded"),
    "an empty response": (b"SAMLResponse=", "application/x-www-form-urlencoded"),
    "two responses": (b"SAMLResponse=x&SAMLResponse=y", "application/x-www-form-urlencoded"),
    "two states": (b"SAMLResponse=x&RelayState=a&RelayState=b", "application/x-www-form-urlencoded"),
    "a long state": (b"SAMLResponse=x&RelayState=" + b"a" * 1_025, "application/x-www-form-urlencoded"),
    "many fields": (b"SAMLResponse=x" + b"&a=b" * 30, "application/x-www-form-urlencoded"),
    "bytes": (b"SAMLResponse=\xff\xfe", "application/x-www-form-urlencoded"),
    "json": (b'{"SAMLResponse": "x"}', "application/json"),
    "parts": (b"--b\r\n", "multipart/form-data; boundary=b"),
}


@pytest.mark.parametrize(("body", "kind"), FORMS.values(), ids=FORMS.keys())
def test_what_is_no_form_with_one_response_is_refused(open_house: Bridge, body: bytes, kind: str) -> None:
    """Before anything of it is read."""
    answer = Browser(open_house.workers[0]).send(f"{open_house.path}/acs", body, kind)
    assert code_of(answer) == "saml-form"


def test_a_large_form_costs_nothing(open_house: Bridge) -> None:
    """Beyond a mebibyte the body is not taken; beyond 512 KiB of XML it is not parsed."""
    browser = Browser(open_house.workers[0])
    path = f"{open_house.path}/acs"
    assert browser.send(path, b"SAMLResponse=" + b"A" * 1_100_000).status == 413
    assert code_of(browser.send(path, b"SAMLResponse=" + b"A" * 800_000)) == "saml-too-large"


def test_a_get_at_the_consumer_service_is_nothing(open_house: Bridge) -> None:
    """Responses come by POST alone."""
    answer = open_house.workers[0].send("GET", f"{open_house.path}/acs?SAMLResponse=x")
    assert answer.status == 405
