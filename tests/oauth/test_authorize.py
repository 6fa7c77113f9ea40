"""The authorization endpoint: what it answers, how fresh a sign-in is, and every attack with what refuses it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.bridge.signed_in import CALLBACK
from tests.bridge.worlds import OPERATOR, World
from tests.oauth.entering import STATE, VERIFIER, Entry
from tests.oauth.talking import ISSUER

from rolebridge.bridge.authorizing import challenge_of
from rolebridge.core.applications import AppKind
from rolebridge.oauth.authorization import CHECKS, MAX_BYTES
from rolebridge.oauth.authorize import CODES_OF_SESSION, KEPT
from rolebridge.store.engine import Store

CHALLENGE = challenge_of(VERIFIER)


@pytest.fixture
def entry(store: Store) -> Entry:
    """An application and a browser in which nobody is signed in."""
    return Entry(World(store))


@pytest.fixture
def inside(entry: Entry) -> Entry:
    """The same, and ana is signed in."""
    entry.sign_in(entry.world.user("ana"))
    return entry


# --- answers ---------------------------------------------------------------------------------------------------


def test_who_is_signed_in_brings_a_code(inside: Entry) -> None:
    """Without a page in between the application gets a code, its state, and from whom it is (RFC 9207)."""
    landed = inside.ask()
    assert landed.status == 303
    assert landed.code.startswith("rbcode_")
    assert landed.answer["state"] == STATE
    assert landed.headers["Referrer-Policy"] == "no-referrer"


def test_a_redirect_uri_keeps_its_query(inside: Entry) -> None:
    """What a registered URI has in its query stays there (RFC 6749 §3.1.2)."""
    app = inside.register("other", redirect_uris=[f"{CALLBACK}?tenant=7"])
    landed = inside.ask(app, redirect_uri=f"{CALLBACK}?tenant=7")
    assert landed.answer["tenant"] == "7"
    assert landed.code


def test_form_post_is_a_page_that_sends_itself_to_the_application_only(inside: Entry) -> None:
    """With `response_mode=form_post` the answer is a form, and the page's policy lets it go nowhere else."""
    landed = inside.ask(response_mode="form_post")
    assert f'action="{CALLBACK}"' in landed.page
    assert 'name="code"' in landed.page
    assert "form-action https://app.example;" in landed.headers["Content-Security-Policy"]


def test_a_request_may_be_posted(entry: Entry) -> None:
    """A POST (Core §3.1.2.1), which brings no cookie from another site, becomes a GET that does."""
    entry.sign_in(entry.world.user("ana"))
    landed = entry.go(urlencode(entry.asked()), method="POST")
    assert landed.location.startswith(f"{ISSUER}/oauth/authorize?continue=")
    assert entry.go(landed.location.partition("?")[2]).code


def test_scopes_that_it_may_not_have_are_left_out(inside: Entry) -> None:
    """Unknown scopes, and those the application is not allowed, are not granted, and not an error (Core §3.1.2.1)."""
    told = inside.exchange(inside.ask(scope="openid profile offline_access fly").code)
    assert told.body["scope"] == "openid profile"
    assert "refresh_token" not in told.body


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("claims", '{"id_token":{"email":null}}'),
        ("ui_locales", "de"),
        ("display", "popup"),
        ("acr_values", "phr"),
        ("whatever", "x"),
    ],
)
def test_what_it_does_not_heed_it_ignores(inside: Entry, name: str, value: str) -> None:
    """Parameters that are optional to heed, `claims` among them (not in discovery), change nothing."""
    assert inside.ask(None, **{name: value}).code


# --- attacks on where the answer goes: a page, never a redirect -------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/callback",
        f"{CALLBACK}/",
        f"{CALLBACK}?x=1",
        f"{CALLBACK}#x",
        f"{CALLBACK}/../callback",
        f"{CALLBACK}%2f",
        f"{CALLBACK}.evil.example",
        "https://app.example",
        "https://app.example/",
        "https://app.example/Callback",
        "HTTPS://app.example/callback",
        "https://APP.example/callback",
        "http://app.example/callback",
        "https://app.example:443/callback",
        "https://app.example:8443/callback",
        "https://user@app.example/callback",
        "https://app.example@evil.example/callback",
        "https://app.example\\@evil.example/callback",
        "https://app.example/call%62ack",
        "//app.example/callback",
        "/callback",
        "javascript:alert(1)//app.example/callback",
        " https://app.example/callback",
        "https://app.example/callback ",
        "https://app.example/callback\r\nSet-Cookie: a=b",
        "...",
    ],
)
def test_a_redirect_uri_that_is_not_registered_is_never_gone_to(inside: Entry, uri: str) -> None:
    """Redirect URIs are compared as text: whatever differs in a character is a page, and no code is made."""
    landed = inside.ask(redirect_uri=... if uri == "..." else uri)
    assert landed.status == 400
    assert "send you" in landed.page
    assert "code" not in landed.headers


def test_a_redirect_uri_that_is_there_twice(inside: Entry) -> None:
    """Two redirect URIs, of which one is registered, are a page: one of the two readers would be deceived."""
    query = urlencode(inside.asked())
    for attack in (
        f"{query}&redirect_uri={quote('https://evil.example/')}",
        f"redirect_uri=https://evil.example/&{query}",
    ):
        assert inside.go(attack).status == 400


@pytest.mark.parametrize("who", ["unknown", "revoked", "scim", "missing", "nul", "long"])
def test_an_application_that_is_not_there(inside: Entry, who: str) -> None:
    """A client id of nobody, of a revoked application or of a SCIM client is a page, whatever the URI says."""
    app = inside.register("gone")
    inside.desk.applications.revoke(OPERATOR, app)
    names: dict[str, Any] = {"unknown": "rbapp_" + "0" * 32, "revoked": app.id, "scim": "rbc_" + "0" * 32,
                             "missing": ..., "nul": "a\0b", "long": "x" * 5_000}  # fmt: skip
    landed = inside.ask(client_id=names[who])
    assert landed.status == 400
    assert "no such application" in landed.page


@pytest.mark.parametrize("query", [b"%ff=%fe&client_id=%ff", b"client_id=\xff", b"a=b&" * 100, b"x" * (MAX_BYTES + 1)])
def test_a_query_that_cannot_be_read(inside: Entry, query: bytes) -> None:
    """Bytes that are no text, too many parameters and too long queries are pages."""
    landed = inside.go(query.decode("latin-1")) if query.isascii() else None
    assert landed is None or landed.status in {400, 414}
    assert landed is None or "application" in landed.page


def test_the_port_of_a_native_application_is_its_own(inside: Entry) -> None:
    """A public application on the loopback address says at which port it listens (RFC 8252 §7.3), and nothing else."""
    app = inside.register("cli", AppKind.PUBLIC, redirect_uris=["http://127.0.0.1/cb", "http://[::1]/cb"])
    for uri in ("http://127.0.0.1:51000/cb", "http://[::1]:7/cb", "http://127.0.0.1/cb"):
        assert inside.ask(app, redirect_uri=uri).location.startswith(uri)
    for uri in ("http://127.0.0.1:51000/other", "http://localhost:51000/cb", "https://127.0.0.1:51000/cb",
                "http://127.0.0.1:51000@evil.example/cb", "http://127.0.0.1:51000/cb#x", "http://127.0.0.2:51000/cb",
                "http://127.0.0.1:999999/cb", "http://127.0.0.1:/cb"):  # fmt: skip
        assert inside.ask(app, redirect_uri=uri).status == 400, uri


def test_a_confidential_application_has_no_free_port(inside: Entry) -> None:
    """The exception for native applications is for those alone."""
    app = inside.register("server", redirect_uris=["http://127.0.0.1:8000/cb"])
    assert inside.ask(app, redirect_uri="http://127.0.0.1:9000/cb").status == 400


# --- attacks that the application is told of --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": ...}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": ...}, "invalid_scope"),
        ({"scope": "profile email"}, "invalid_scope"),
        ({"scope": "openidx"}, "invalid_scope"),
        ({"code_challenge": ...}, "invalid_request"),
        ({"code_challenge": ..., "code_challenge_method": ...}, "invalid_request"),
        ({"code_challenge_method": ...}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": CHALLENGE[:-1]}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
        ({"code_challenge": "+" + CHALLENGE[1:]}, "invalid_request"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/request"}, "request_uri_not_supported"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"prompt": "NONE"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "1e3"}, "invalid_request"),
        ({"max_age": "9999999999"}, "invalid_request"),
        ({"nonce": "n" * 600}, "invalid_request"),
        ({"login_hint": "n" * 400}, "invalid_request"),
        ({"nonce": "n\0"}, "invalid_request"),
        ({"id_token_hint": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
    ],
)
def test_a_request_that_is_refused(inside: Entry, changed: dict[str, Any], error: str) -> None:
    """Downgrades of PKCE, other flows, request objects and nonsense are errors at the redirect URI, with the state."""
    landed = inside.ask(**changed)
    assert landed.error == error
    assert landed.answer["state"] == STATE
    assert landed.answer["error_description"]


@pytest.mark.parametrize("name", ["client_id", "state", "scope", "nonce", "code_challenge", "response_type", "foo"])
def test_a_parameter_that_is_there_twice(inside: Entry, name: str) -> None:
    """No parameter is read when it is there twice, the same or another (RFC 6749 §3.1)."""
    landed = inside.go(f"{urlencode(inside.asked(foo='1'))}&{name}=evil")
    assert landed.status == 400 if name == "client_id" else landed.error == "invalid_request"


def test_what_is_there_twice_is_not_repeated(inside: Entry, caplog: pytest.LogCaptureFixture) -> None:
    """The log and the answer hold names of parameters, and nothing else that somebody sends as one."""
    caplog.set_level("INFO", "rolebridge.oauth")
    for sent, told in (("ana@acme.example", "given twice: a parameter"), ("scope", "given twice: scope")):
        landed = inside.go(f"{urlencode(inside.asked())}&{quote(sent)}=1&{quote(sent)}=2")
        assert landed.answer["error_description"] == told
        assert "ana@acme" not in caplog.text
    assert "given twice: scope" in caplog.text


def test_every_check_refuses_something_alone(inside: Entry) -> None:
    """Each check is one function, and all are asked."""
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS) == 10


def test_a_description_cannot_carry_anything(inside: Entry) -> None:
    """What is sent comes back in no error but the state; that is encoded."""
    landed = inside.ask(prompt='"><script>alert(1)</script>', state='"\r\nX: y')
    assert "alert" not in landed.location
    assert "\r" not in landed.location
    assert landed.answer["state"] == '"\r\nX: y'


def test_a_session_of_another_organization_does_not_count(entry: Entry, store: Store) -> None:
    """Who is signed in elsewhere is nobody here: they are asked to sign in to this organization."""
    other = Entry(World(store))
    other.sign_in(other.world.user("eve"))
    entry.cookie = other.cookie
    assert entry.asked_to_sign_in(entry.ask()).organization_id == entry.world.id
    assert entry.ask(prompt="none").error == "login_required"


def test_an_application_may_ask_for_a_role(entry: Entry) -> None:
    """With `entry_workspaces` nobody without a role in one of them gets a code."""
    world = entry.world
    ana, ben = world.user("ana"), world.user("ben")
    world.apply()
    world.group("lbx-cityscapes-reviewers", [ana])
    app = entry.register("inner", entry_workspaces=["vision"])
    entry.sign_in(ana)
    assert entry.ask(app).code
    entry.cookie = None
    entry.sign_in(ben)
    assert entry.ask(app).error == "access_denied"
    elsewhere = entry.register("outer", entry_workspaces=["no-such"])
    assert entry.ask(elsewhere).error == "access_denied"


def test_codes_for_one_session_are_counted(inside: Entry) -> None:
    """An application that sends somebody round in circles is stopped."""
    for _ in range(CODES_OF_SESSION.burst):
        assert inside.ask().code
    assert inside.ask().error == "temporarily_unavailable"


# --- through the sign-in ----------------------------------------------------------------------------------------


def test_a_request_survives_the_sign_in(entry: Entry) -> None:
    """Who is not signed in signs in, comes back, and the application gets its code and state."""
    wanted = entry.asked_to_sign_in(entry.ask(login_hint="ana@acme.example", acr_values="mfa phr"))
    assert (wanted.organization_id, wanted.application) == (entry.world.id, "app")
    assert (wanted.demands.hint, wanted.demands.contexts) == ("ana@acme.example", ("mfa", "phr"))
    assert "cookie" not in wanted.target
    entry.sign_in(entry.world.user("ana"))
    landed = entry.follow(wanted)
    assert landed.code
    assert landed.answer["state"] == STATE


def test_an_application_may_name_the_way_in(entry: Entry) -> None:
    """With `idp` people do not choose; a name of no connection that logs people in changes nothing."""
    okta = entry.world.okta
    assert entry.asked_to_sign_in(entry.ask(idp="okta")).connection_id == okta.connection_id
    entry.world.store.transact(lambda unit: entry.desk.logs_in(unit, okta, False))
    for name in ("okta", "elsewhere", okta.connection_id, "x" * 500, "n\0"):
        if "\0" in name:
            assert entry.ask(idp=name).error == "invalid_request"
        else:
            assert entry.asked_to_sign_in(entry.ask(idp=name)).connection_id == ""


def test_a_request_that_comes_back_is_checked_again(entry: Entry) -> None:
    """What was registered is looked up when the person returns: a URI taken away meanwhile is not gone to."""
    wanted = entry.asked_to_sign_in(entry.ask())
    entry.sign_in(entry.world.user("ana"))
    entry.desk.applications.change(OPERATOR, entry.app, {"redirect_uris": ["https://app.example/new"]})
    assert entry.follow(wanted).status == 400


def test_who_comes_back_without_a_session_is_not_sent_round(entry: Entry) -> None:
    """A browser that keeps no cookies does not go round in circles: the application is told."""
    wanted = entry.asked_to_sign_in(entry.ask())
    assert entry.follow(wanted).error == "login_required"


def test_a_request_that_somebody_made_up(inside: Entry) -> None:
    """`continue` opens only what was sealed here, for this purpose, within the hour."""
    entry = inside
    entry.cookie = None
    good = entry.asked_to_sign_in(entry.ask()).target.partition("=")[2]
    elsewhere = entry.flows.seal(entry.asked_to_sign_in(entry.ask()))
    for attack in (good[:-4], good[:-8] + "AAAAAAAA", elsewhere, "x", "", "=", "é"):
        landed = entry.go(urlencode({"continue": attack}))
        assert landed.status == 400, attack
    entry.world.now += KEPT
    assert "too long" in entry.go(f"continue={good}").page


def test_a_request_that_is_too_long_for_the_sign_in(entry: Entry) -> None:
    """A state of several thousand characters is refused before anybody signs in for nothing."""
    assert entry.ask(state="s" * 6_000).error == "invalid_request"


# --- how fresh --------------------------------------------------------------------------------------------------


def test_prompt_none_shows_nothing(entry: Entry) -> None:
    """`prompt=none` is answered at once: with a code, or that a login is required."""
    assert entry.ask(prompt="none").error == "login_required"
    entry.sign_in(entry.world.user("ana"))
    assert entry.ask(prompt="none").code


def test_prompt_login_has_the_person_prove_themselves_again(inside: Entry) -> None:
    """`prompt=login` is fulfilled by a login that came after the request, never by the session that was there."""
    ana = inside.desk.sessions.find(inside.cookie)
    assert ana is not None
    wanted = inside.asked_to_sign_in(inside.ask(prompt="login"))
    assert wanted.demands.fresh
    assert inside.follow(wanted).error == "login_required"
    inside.sign_in(ana.session.user_id)
    assert inside.follow(wanted).code


def test_prompt_login_is_not_fulfilled_by_an_old_proof(inside: Entry) -> None:
    """A new session that rests on what the identity provider saw long ago does not fulfil `prompt=login`."""
    wanted = inside.asked_to_sign_in(inside.ask(prompt="login"))
    ana = inside.desk.sessions.find(inside.cookie)
    assert ana is not None
    inside.sign_in(ana.session.user_id, authenticated_at=inside.world.now - timedelta(hours=1))
    assert inside.follow(wanted).error == "login_required"


def test_a_proof_of_no_known_moment_is_no_fresh_one(inside: Entry) -> None:
    """Where the identity provider does not say it, it may be long ago: that a session has just begun shows nothing."""
    ana = inside.desk.sessions.find(inside.cookie)
    assert ana is not None
    inside.sign_in(ana.session.user_id, authenticated_at=None)
    assert "auth_time" not in inside.claims(inside.exchange(inside.ask().code).body["id_token"])
    assert inside.ask(max_age="3600", prompt="none").error == "login_required"
    for asked in (inside.ask(prompt="login"), inside.ask(max_age="3600")):
        wanted = inside.asked_to_sign_in(asked)
        inside.sign_in(ana.session.user_id, authenticated_at=None)
        assert inside.follow(wanted).error == "login_required"


def test_prompt_login_cannot_be_made_up(inside: Entry) -> None:
    """The moment of the request is sealed with it: nobody says that they have signed in since."""
    landed = inside.go(urlencode({**inside.asked(prompt="login"), "at": "0", "back": "true"}))
    assert inside.asked_to_sign_in(landed).demands.fresh


def test_prompt_select_account_begins_a_session_anew(inside: Entry) -> None:
    """`prompt=select_account` leads to the sign-in page, whoever was signed in; a fresh proof is not asked."""
    wanted = inside.asked_to_sign_in(inside.ask(prompt="select_account"))
    assert not wanted.demands.fresh
    assert inside.follow(wanted).error == "login_required"
    inside.sign_in(inside.world.user("ben"), authenticated_at=inside.world.now - timedelta(hours=1))
    assert inside.follow(wanted).code


def test_consent_is_the_administrators(inside: Entry) -> None:
    """`prompt=consent` shows nothing: what an application may know, its organization decides."""
    assert inside.ask(prompt="consent").code


def test_max_age(inside: Entry) -> None:
    """A login that is older than `max_age` is made again; the ID token says when it was (`auth_time`)."""
    ana = inside.desk.sessions.find(inside.cookie)
    assert ana is not None
    assert inside.ask(max_age="3600").code
    inside.world.now += timedelta(hours=2)
    assert inside.ask(max_age="3600", prompt="none").error == "login_required"
    wanted = inside.asked_to_sign_in(inside.ask(max_age="3600"))
    assert wanted.demands.max_age == 3600
    assert inside.follow(wanted).error == "login_required"
    inside.sign_in(ana.session.user_id)
    told = inside.exchange(inside.follow(wanted).code)
    claims = inside.claims(told.body["id_token"])
    assert inside.world.now.timestamp() - claims["auth_time"] < 10


def test_max_age_zero_is_a_login_now(inside: Entry) -> None:
    """`max_age=0` is never fulfilled by the session that was there."""
    assert inside.ask(max_age="0", prompt="none").error == "login_required"


def test_an_id_token_hint_names_the_person(inside: Entry) -> None:
    """With `id_token_hint` only that person will do; an expired token of ours is a hint, too."""
    token = inside.exchange(inside.ask().code).body["id_token"]
    assert inside.ask(id_token_hint=token).code
    inside.world.now += timedelta(hours=2)
    assert inside.ask(id_token_hint=token, prompt="none").code
    inside.cookie = None
    inside.sign_in(inside.world.user("ben"))
    assert inside.ask(id_token_hint=token, prompt="none").error == "login_required"
    wanted = inside.asked_to_sign_in(inside.ask(id_token_hint=token))
    assert inside.follow(wanted).error == "login_required"


def test_a_hint_that_is_no_id_token_of_the_application(inside: Entry) -> None:
    """Neither an access token nor the ID token of another application is a hint."""
    told = inside.exchange(inside.ask().code).body
    other = inside.register("other", AppKind.PUBLIC)
    assert inside.ask(id_token_hint=told["access_token"]).error == "invalid_request"
    assert inside.ask(other, id_token_hint=told["id_token"]).error == "invalid_request"


def test_somebody_who_was_deactivated_gets_no_code(inside: Entry) -> None:
    """A session of somebody who is not active any more counts for nobody."""
    ana = inside.desk.sessions.find(inside.cookie)
    assert ana is not None
    inside.world.group("Anybody", [ana.session.user_id])
    inside.world.activate(ana.session.user_id, False)
    assert inside.ask(prompt="none").error == "login_required"
