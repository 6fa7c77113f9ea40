"""What the OpenID Foundation's conformance suite asks of a provider, by the names of its modules, over real HTTP.

The plans are `oidcc-basic`, `oidcc-config`, `oidcc-rp-initiated-logout` and `oidcc-backchannel-rp-initiated-logout`
(certification test plans). The application is Authlib's client. What follows below each plan is ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.bridge.worlds import OPERATOR
from tests.oauth.conformity import CALLBACK, GOODBYE, App, Browser, Provider, listening, provider
from tests.oauth.talking import key_for

from rolebridge.bridge.refreshing import GRACE
from rolebridge.core.applications import AppKind
from rolebridge.oauth.assertions import ASSERTION_TYPE
from rolebridge.oauth.keys import read_public_keys

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider that listens."""
    with provider(tmp_path_factory.mktemp("conformance")) as made:
        yield made


@pytest.fixture
def app(op: Provider) -> App:
    """A confidential application."""
    op.clock.ahead = timedelta()
    return op.register()


@pytest.fixture
def browser(op: Provider) -> Iterator[Browser]:
    """The browser of somebody who will sign in when asked to."""
    with Browser(op) as made:
        made.signs_in_as = op.person(displayName="Ana Ruiz")
        yield made


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["error"]


# --- oidcc-config-certification-test-plan


def test_oidcc_discovery_endpoint_verification(op: Provider) -> None:
    """The description names endpoints of its own issuer, code, S256, RS256 and public subjects; the keys are RSA."""
    said = op.metadata()
    assert said["issuer"] == op.base
    endpoints = ("authorization", "token", "userinfo", "introspection", "revocation", "end_session")
    assert all(said[f"{name}_endpoint"].startswith(f"{op.base}/oauth/") for name in endpoints)
    assert said["response_types_supported"] == ["code"]
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["subject_types_supported"] == ["public"]
    assert "none" not in said["id_token_signing_alg_values_supported"]
    assert said["claims_parameter_supported"] is said["request_uri_parameter_supported"] is False
    keys = op.http.get(said["jwks_uri"]).json()["keys"]
    assert len(keys) == 2
    assert all(key["use"] == "sig" and key["kid"] and "d" not in key for key in keys)


# --- oidcc-basic-certification-test-plan


def test_oidcc_server(op: Provider, app: App, browser: Browser) -> None:
    """Code, exchange, ID token, UserInfo: everything fits together."""
    landed = browser.ask(app, nonce="n-1", state="s-1")
    assert landed.answer["state"] == "s-1"
    assert landed.answer["iss"] == op.base
    told = app.exchange(landed)
    claims = op.claims(told["id_token"])
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (op.base, app.id, "n-1")
    assert claims["sub"] == browser.signs_in_as == op.userinfo(told["access_token"]).json()["sub"]
    assert claims["sid"] == browser.session_id


def test_oidcc_response_type_missing(app: App, browser: Browser) -> None:
    """Without response_type the application is told invalid_request."""
    assert browser.ask(app, response_type=None).error == "invalid_request"


@pytest.mark.parametrize("response_type", ["token", "id_token", "code id_token", "code token", "none"])
def test_oidcc_response_type_unsupported(app: App, browser: Browser, response_type: str) -> None:
    """No token travels in a URL: every other response type is refused."""
    assert browser.ask(app, response_type=response_type).error == "unsupported_response_type"


def test_oidcc_idtoken_signature(op: Provider, app: App, browser: Browser) -> None:
    """An ID token is signed by RS256 and names its key."""
    token = app.enter(browser)["id_token"]
    header = jwt.decode(token, RSAKey.import_key(op.http.get("/oauth/jwks").json()["keys"][0])).header
    assert header["alg"] == "RS256"
    assert header["kid"] in {key["kid"] for key in op.http.get("/oauth/jwks").json()["keys"]}


def test_oidcc_codereuse(op: Provider, app: App, browser: Browser) -> None:
    """A code that comes again is refused, and takes along what it gave."""
    landed = browser.ask(app)
    told = app.exchange(landed)
    with pytest.raises(OAuthError, match="invalid_grant"):
        app.exchange(landed)
    assert app.introspect(told["access_token"]) == {"active": False}
    assert op.userinfo(told["access_token"]).status_code == 401
    assert refused(app.refresh(told["refresh_token"])) == (400, "invalid_grant")


def test_oidcc_codereuse_30seconds(op: Provider, app: App, browser: Browser) -> None:
    """The same half a minute later."""
    landed = browser.ask(app)
    told = app.exchange(landed)
    op.clock.ahead = timedelta(seconds=30)
    assert refused(app.token(landed)) == (400, "invalid_grant")
    assert op.userinfo(told["access_token"]).status_code == 401


@pytest.mark.parametrize(
    ("scope", "there", "not_there"),
    [
        ("openid", set(), {"name", "groups", "roles"}),
        ("openid profile", {"name", "preferred_username"}, {"email", "roles"}),
        ("openid email", set(), {"name"}),
        ("openid address", set(), {"address", "name"}),
        ("openid phone", set(), {"phone_number", "name"}),
        ("openid groups roles", {"groups", "roles"}, {"name"}),
        ("openid profile email address phone groups roles", {"name", "groups", "roles"}, set()),
    ],
)
def test_oidcc_scope(
    op: Provider, app: App, browser: Browser, scope: str, there: set[str], not_there: set[str]
) -> None:
    """Claims follow scopes; scopes that there are not are left out (profile, email, address, phone, all)."""
    told = app.enter(browser, scope=scope)
    assert set(told["scope"].split()) <= set(scope.split())
    for claims in (op.userinfo(told["access_token"]).json(), op.claims(told["id_token"])):
        assert there <= set(claims)
        assert not not_there & set(claims)


def test_oidcc_ensure_other_scope_order_succeeds(app: App, browser: Browser) -> None:
    """`openid` need not come first."""
    assert "id_token" in app.enter(browser, scope="email openid")


def test_scope_without_openid_is_refused(app: App, browser: Browser) -> None:
    """A request without `openid` is none of OpenID Connect."""
    assert browser.ask(app, scope="profile").error == "invalid_scope"


@pytest.mark.parametrize(
    "asked",
    [
        {"claims": '{"id_token":{"name":{"essential":true}}}'},
        {"claims_locales": "se"},
        {"ui_locales": "se"},
        {"display": "page"},
        {"display": "popup"},
        {"login_hint": "ana@acme.example"},
        {"acr_values": "1 2"},
        {"extra": "foobar"},
        {"nonce": None},
    ],
    ids=[
        "oidcc-claims-essential",
        "oidcc-claims-locales",
        "oidcc-ui-locales",
        "oidcc-display-page",
        "oidcc-display-popup",
        "oidcc-login-hint",
        "oidcc-ensure-request-with-acr-values-succeeds",
        "oidcc-ensure-request-with-unknown-parameter-succeeds",
        "oidcc-ensure-request-without-nonce-succeeds-for-code-flow",
    ],
)
def test_oidcc_requests_that_succeed(app: App, browser: Browser, asked: dict[str, Any]) -> None:
    """What a provider need not heed does no harm."""
    assert browser.ask(app, **asked).answer["code"]


def test_oidcc_userinfo_get(op: Provider, app: App, browser: Browser) -> None:
    """UserInfo answers a GET with a bearer header, also to pages of other origins."""
    answer = op.userinfo(app.enter(browser)["access_token"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_oidcc_userinfo_post_header(op: Provider, app: App, browser: Browser) -> None:
    """It answers a POST with a bearer header; the scheme's case is nobody's business."""
    token = app.enter(browser)["access_token"]
    assert op.http.post("/oauth/userinfo", headers={"Authorization": f"bearer {token}"}).status_code == 200


def test_oidcc_userinfo_post_body(op: Provider, app: App, browser: Browser) -> None:
    """It answers a POST with the token in the form."""
    token = app.enter(browser)["access_token"]
    assert op.http.post("/oauth/userinfo", data={"access_token": token}).status_code == 200


def test_userinfo_refuses_what_is_no_access_token(op: Provider, app: App, browser: Browser) -> None:
    """A token in the URL, two at once, an ID or refresh token, a changed or foreign one: each has its error."""
    told = app.enter(browser)
    token = told["access_token"]
    assert op.http.get("/oauth/userinfo", params={"access_token": token}).status_code == 401
    both = op.http.post("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"}, data={"access_token": token})
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    assert "error" not in op.http.get("/oauth/userinfo").headers["www-authenticate"]
    foreign = jwt.encode({"alg": "RS256", "typ": "at+jwt"}, op.claims(token), RSAKey.generate_key(2048))
    unsigned = f"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{token.split('.')[1]}."
    for wrong in (told["id_token"], told["refresh_token"], token[:-2] + "AA", foreign, unsigned, "x" * 40_000):
        answer = op.userinfo(wrong)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_userinfo_tells_what_holds_now(op: Provider, app: App, browser: Browser) -> None:
    """A group that somebody joins after the token was made stands in the answer; an expired token gets none."""
    told = app.enter(browser)
    assert op.userinfo(told["access_token"]).json()["groups"] == []
    op.world.group("Annotators", [browser.signs_in_as])
    assert op.userinfo(told["access_token"]).json()["groups"] == ["Annotators"]
    op.clock.ahead = timedelta(minutes=11)
    assert op.userinfo(told["access_token"]).status_code == 401


def test_oidcc_id_token_hint(op: Provider, app: App, browser: Browser) -> None:
    """`prompt=none` with the person's ID token brings a code; with somebody else's it does not."""
    hint = app.enter(browser)["id_token"]
    assert browser.ask(app, prompt="none", id_token_hint=hint).answer["code"]
    with Browser(op).sign_in(op.person()) as other:
        assert other.ask(app, prompt="none", id_token_hint=hint).error == "login_required"


def test_an_id_token_of_another_application_is_no_hint(op: Provider, app: App, browser: Browser) -> None:
    """An ID token of another application, or a changed one, is refused as a hint."""
    hint = op.register("other").enter(browser)["id_token"]
    assert browser.ask(app, id_token_hint=hint).error == "invalid_request"
    assert browser.ask(app, id_token_hint=hint[:-4] + "AAAA").error == "invalid_request"


def test_oidcc_prompt_login(op: Provider, app: App, browser: Browser) -> None:
    """`prompt=login` has somebody who is signed in sign in again; `auth_time` is the later one."""
    first = op.claims(app.enter(browser)["id_token"])
    op.clock.ahead = timedelta(minutes=2)
    second = op.claims(app.enter(browser, prompt="login")["id_token"])
    assert browser.sign_ins == 2
    assert second["auth_time"] > first["auth_time"]
    assert second["sub"] == first["sub"]


def test_oidcc_prompt_none_not_logged_in(op: Provider, app: App) -> None:
    """`prompt=none` without a session is login_required, without a page."""
    with Browser(op) as nobody:
        assert nobody.ask(app, prompt="none").error == "login_required"


def test_oidcc_prompt_none_logged_in(op: Provider, app: App, browser: Browser) -> None:
    """`prompt=none` with a session brings a code, and the same subject and `auth_time`."""
    first = op.claims(app.enter(browser)["id_token"])
    second = op.claims(app.enter(browser, prompt="none")["id_token"])
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])
    assert browser.sign_ins == 1


def test_prompt_none_with_another_word_is_refused(app: App, browser: Browser) -> None:
    """`prompt=none login` is refused."""
    assert browser.ask(app, prompt="none login").error == "invalid_request"


def test_oidcc_max_age_1(op: Provider, app: App, browser: Browser) -> None:
    """`max_age=1` has somebody sign in again whose sign-in is older than a second."""
    first = op.claims(app.enter(browser)["id_token"])
    op.clock.ahead = timedelta(seconds=3)
    second = op.claims(app.enter(browser, max_age="1")["id_token"])
    assert browser.sign_ins == 2
    assert second["auth_time"] > first["auth_time"]


def test_oidcc_max_age_10000(op: Provider, app: App, browser: Browser) -> None:
    """`max_age=10000` is content with the session that there is."""
    first = op.claims(app.enter(browser)["id_token"])
    second = op.claims(app.enter(browser, max_age="10000")["id_token"])
    assert browser.sign_ins == 1
    assert first["auth_time"] == second["auth_time"]


def test_oidcc_ensure_post_request_succeeds(app: App, browser: Browser) -> None:
    """The authorization endpoint takes a POST, too."""
    assert browser.ask(app, method="POST").answer["code"]


def test_oidcc_ensure_registered_redirect_uri(app: App, browser: Browser) -> None:
    """An address that is not registered is never gone to: the person sees a page."""
    landed = browser.ask(app, redirect_uri="https://app.example/other")
    assert landed.is_page
    assert landed.status == 400


@pytest.mark.parametrize(
    "uri",
    [
        f"{CALLBACK}/",
        f"{CALLBACK}?x=1",
        f"{CALLBACK}#x",
        "https://app.example/Callback",
        "https://APP.example/callback",
        "https://app.example:443/callback",
        "https://app.example/a/../callback",
        "https://app.example/%63allback",
        "http://app.example/callback",
        "https://app.example.evil.example/callback",
        "https://app.example@evil.example/callback",
        "https://evil.example\\@app.example/callback",
        "//app.example/callback",
        "javascript:alert(1)//app.example/callback",
        "",
    ],
)
def test_redirect_uri_variants(app: App, browser: Browser, uri: str) -> None:
    """Whatever is not the registered text is not gone to."""
    assert browser.ask(app, redirect_uri=uri).is_page


@pytest.mark.parametrize("changed", ["", "https://app.example/other", f"{CALLBACK}?x=1"])
def test_redirect_uri_at_the_token_endpoint(app: App, browser: Browser, changed: str) -> None:
    """A code is exchanged for the address only that it was sent to, which must be said."""
    answer = app.token(browser.ask(app), redirect_uri=changed)
    assert refused(answer) in {(400, "invalid_grant"), (400, "invalid_request")}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ],
)
def test_oidcc_request_objects_rejected_as_unsupported(app: App, browser: Browser, name: str, error: str) -> None:
    """Request objects, by value and by reference, are refused by name (request-object, request-uri-unsigned)."""
    assert browser.ask(app, **{name: "eyJhbGciOiJub25lIn0.e30."}).error == error


def test_oidcc_ensure_request_object_with_redirect_uri(app: App, browser: Browser) -> None:
    """A redirect URI inside a request object is not gone to."""
    inside = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9."
    assert browser.ask(app, redirect_uri=None, request=inside).is_page


def test_oidcc_idtoken_unsigned(op: Provider) -> None:
    """Nobody gets an unsigned ID token: `none` cannot be asked for."""
    assert op.metadata()["id_token_signing_alg_values_supported"] == ["RS256"]


# --- PKCE


def test_oidcc_ensure_request_with_valid_pkce_succeeds(app: App, browser: Browser) -> None:
    """S256 works, with Authlib's own verifier."""
    assert app.enter(browser)["access_token"]


@pytest.mark.parametrize(
    "asked",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": "short"},
    ],
)
def test_pkce_downgrade(app: App, browser: Browser, asked: dict[str, Any]) -> None:
    """No PKCE, or a weaker one, is refused at the authorization request, from confidential applications, too."""
    assert browser.ask(app, **asked).error == "invalid_request"


@pytest.mark.parametrize("verifier", ["", "x" * 43, "short", "ä" * 50, "x" * 129])
def test_pkce_wrong_verifier(app: App, browser: Browser, verifier: str) -> None:
    """A wrong, missing or odd verifier brings nothing, and the code is spent."""
    landed = browser.ask(app)
    assert app.token(landed, code_verifier=verifier).status_code == 400
    if verifier:
        assert refused(app.token(landed)) == (400, "invalid_grant")


def test_a_code_of_another_browser_is_of_no_use(app: App, browser: Browser) -> None:
    """A code that was injected (RFC 9700 §4.5) does not fit the verifier of the victim."""
    attacker, victim = browser.ask(app), browser.ask(app)
    assert refused(app.token(victim, code=attacker.answer["code"])) == (400, "invalid_grant")


# --- clients at the token endpoint


def test_oidcc_server_client_secret_post(app: App, browser: Browser) -> None:
    """The secret may stand in the body."""
    assert app.enter(browser, method="client_secret_post")["id_token"]


def test_token_endpoint_mix_ups(op: Provider, app: App, browser: Browser) -> None:
    """Another application's code, no proof, a wrong or doubled proof, a secret from a public one: each is refused."""
    other, landed = op.register("other"), browser.ask(app)
    assert refused(other.token(landed)) == (400, "invalid_grant")
    form = {
        "grant_type": "authorization_code",
        "code": landed.answer["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": landed.verifier,
    }
    send = op.http.post
    assert refused(send("/oauth/token", data={**form, "client_id": app.id})) == (401, "invalid_client")
    assert refused(send("/oauth/token", data=form, auth=(app.id, "rbs_wrong"))) == (401, "invalid_client")
    doubled = {**form, "client_id": app.id, "client_secret": str(app.secret)}
    assert refused(send("/oauth/token", data=doubled, auth=(app.id, str(app.secret)))) == (400, "invalid_request")
    assert refused(send("/oauth/token", data=form, auth=(other.id, str(app.secret)))) == (401, "invalid_client")
    assert refused(send("/oauth/token", params=form, data={}, auth=(app.id, str(app.secret))))[0] == 400
    assert app.exchange(landed)["access_token"]


def test_token_endpoint_errors(op: Provider, app: App, browser: Browser) -> None:
    """Unknown grants, missing parameters, other methods and content types have their errors."""
    assert refused(app.post("/oauth/token", grant_type="password", username="a", password="b")) == (
        400,
        "unsupported_grant_type",
    )
    assert refused(app.post("/oauth/token", grant_type="authorization_code")) == (400, "invalid_request")
    assert refused(app.post("/oauth/token", grant_type="refresh_token")) == (400, "invalid_request")
    assert refused(app.post("/oauth/token", code="x")) == (400, "invalid_request")
    assert op.http.get("/oauth/token").status_code == 405
    assert refused(app.token(browser.ask(app), code="rbcode_unknown")) == (400, "invalid_grant")


def test_a_code_expires(op: Provider, app: App, browser: Browser) -> None:
    """A code that is older than a minute is worth nothing."""
    landed = browser.ask(app)
    op.clock.ahead = timedelta(seconds=61)
    assert refused(app.token(landed)) == (400, "invalid_grant")


def test_a_public_application_needs_no_secret(op: Provider, browser: Browser) -> None:
    """A public application exchanges and refreshes with PKCE and rotation alone."""
    public = op.register("spa", AppKind.PUBLIC)
    told = public.enter(browser)
    assert public.refresh(told["refresh_token"]).status_code == 200


# --- refresh


def test_oidcc_refresh_token(op: Provider, app: App, browser: Browser) -> None:
    """A refresh brings new tokens of the same person, audience and `auth_time`; another application gets nothing."""
    told = app.enter(browser)
    other = op.register("other")
    assert refused(other.refresh(told["refresh_token"])) == (400, "invalid_grant")
    with app.client() as client:
        again = dict(client.refresh_token(f"{op.base}/oauth/token", refresh_token=told["refresh_token"]))
    assert again["refresh_token"] != told["refresh_token"]
    first, second = op.claims(told["id_token"]), op.claims(again["id_token"])
    same = ("iss", "sub", "aud", "auth_time", "sid")
    assert [first[name] for name in same] == [second[name] for name in same]
    assert "nonce" not in second


def test_refresh_reuse_ends_the_family(op: Provider, app: App, browser: Browser) -> None:
    """A refresh token that comes again later ends both parties' tokens, and the error says so."""
    told = app.enter(browser)
    again = app.refresh(told["refresh_token"]).json()
    op.clock.ahead = GRACE + timedelta(seconds=1)
    stolen = app.refresh(told["refresh_token"])
    assert refused(stolen) == (400, "invalid_grant")
    assert "used before" in stolen.json()["error_description"]
    assert refused(app.refresh(again["refresh_token"])) == (400, "invalid_grant")
    assert app.introspect(again["access_token"]) == {"active": False}


def test_refresh_with_fewer_scopes(op: Provider, app: App, browser: Browser) -> None:
    """A refresh may narrow scopes, down to no ID token, and not widen them."""
    told = app.enter(browser, scope="openid profile offline_access")
    narrow = app.refresh(told["refresh_token"], scope="profile").json()
    assert narrow["scope"] == "profile"
    assert "id_token" not in narrow
    assert op.userinfo(narrow["access_token"]).status_code == 403
    assert refused(app.refresh(narrow["refresh_token"], scope="openid roles")) == (400, "invalid_scope")


def test_roles_and_groups_are_new_in_a_refreshed_token(op: Provider, app: App, browser: Browser) -> None:
    """A group that somebody joined stands in the next tokens."""
    told = app.enter(browser)
    name = f"Team {browser.signs_in_as}"
    op.world.group(name, [browser.signs_in_as])
    again = app.refresh(told["refresh_token"]).json()
    assert name not in op.claims(told["access_token"])["groups"]
    assert name in op.claims(again["access_token"])["groups"]
    assert name in op.claims(again["id_token"])["groups"]


# --- introspection (RFC 7662) and revocation (RFC 7009)


def test_introspection_of_own_tokens(op: Provider, app: App, browser: Browser) -> None:
    """An application learns what its access and refresh tokens are worth; an ID token and nonsense are not active."""
    told = app.enter(browser)
    access = app.introspect(told["access_token"], token_type_hint="refresh_token")
    assert access["active"] is True
    assert (access["client_id"], access["sub"], access["iss"]) == (app.id, browser.signs_in_as, op.base)
    refresh = app.introspect(told["refresh_token"])
    assert refresh["active"] is True
    assert refresh["scope"] == told["scope"]
    for nothing in (told["id_token"], "rbr_nonsense", "nonsense", told["access_token"] + "x"):
        assert app.introspect(nothing) == {"active": False}


def test_introspection_by_another_application(op: Provider, app: App, browser: Browser) -> None:
    """Another application, of this or another organization, learns nothing; one without proof is refused."""
    told, other = app.enter(browser), op.register("other")
    for token in (told["access_token"], told["refresh_token"]):
        assert other.introspect(token) == {"active": False}
    public = op.register("spa", AppKind.PUBLIC)
    assert refused(public.post("/oauth/introspect", token=told["access_token"])) == (401, "invalid_client")
    assert refused(op.http.post("/oauth/introspect", data={"token": told["access_token"]})) == (401, "invalid_client")
    assert refused(app.post("/oauth/introspect")) == (400, "invalid_request")


def test_an_expired_access_token_is_not_active(op: Provider, app: App, browser: Browser) -> None:
    """After its minutes an access token is not active any more."""
    token = app.enter(browser)["access_token"]
    op.clock.ahead = timedelta(minutes=11)
    assert app.introspect(token) == {"active": False}


def test_a_used_refresh_token_is_not_active(app: App, browser: Browser) -> None:
    """Of two refresh tokens the later one alone is active."""
    told = app.enter(browser)
    again = app.refresh(told["refresh_token"]).json()
    assert app.introspect(told["refresh_token"]) == {"active": False}
    assert app.introspect(again["refresh_token"])["active"] is True


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revocation_ends_everything(op: Provider, app: App, browser: Browser, which: str) -> None:
    """Revoking either token, as Authlib's client does it, ends both; doing it again is no error."""
    told = app.enter(browser)
    with app.client() as client:
        revoke: Any = client.revoke_token
        answer = revoke(f"{op.base}/oauth/revoke", token=told[which], token_type_hint=which)
    assert answer.status_code == 200
    assert app.introspect(told["access_token"]) == {"active": False}
    assert refused(app.refresh(told["refresh_token"])) == (400, "invalid_grant")
    assert app.revoke(told[which]).status_code == 200


def test_revocation_by_another_application(op: Provider, app: App, browser: Browser) -> None:
    """Another application ends nothing, whichever token it has; nonsense is no error (RFC 7009 §2.2)."""
    told, other = app.enter(browser), op.register("other")
    assert refused(other.revoke(told["access_token"])) == (400, "invalid_grant")
    assert other.revoke(told["refresh_token"]).status_code == 200
    assert other.revoke("nonsense").status_code == 200
    assert refused(op.http.post("/oauth/revoke", data={"token": "x"})) == (401, "invalid_client")
    assert app.introspect(told["access_token"])["active"] is True
    assert app.introspect(told["refresh_token"])["active"] is True


def test_whoever_is_deactivated_is_out_at_once(op: Provider, app: App, browser: Browser) -> None:
    """A deactivation over SCIM ends session, tokens and UserInfo within the same moment."""
    told = app.enter(browser)
    op.world.activate(browser.signs_in_as, False)
    assert app.introspect(told["access_token"]) == {"active": False}
    assert op.userinfo(told["access_token"]).status_code == 401
    assert refused(app.refresh(told["refresh_token"])) == (400, "invalid_grant")
    assert not browser.has_session


# --- oidcc-rp-initiated-logout-certification-test-plan


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(op: Provider) -> None:
    """The description names the end session endpoint."""
    assert op.metadata()["end_session_endpoint"] == f"{op.base}/oauth/logout"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_oidcc_rp_initiated_logout(app: App, browser: Browser, method: str) -> None:
    """With the person's ID token they are signed out, and sent back with the state; the hint is in no URL after a POST.

    A POST comes from the application's page, and so without the cookie.
    """
    told = app.enter(browser)
    asked = {"id_token_hint": told["id_token"], "post_logout_redirect_uri": GOODBYE, "state": "s 1&"}
    landed = browser.logout(method=method, **asked)
    assert landed.url.startswith(f"{GOODBYE}?")
    assert landed.answer == {"state": "s 1&"}
    assert not browser.has_session


def test_an_expired_id_token_is_a_hint(op: Provider, app: App, browser: Browser) -> None:
    """The ID token may have expired long ago (RP-Initiated Logout §4)."""
    told = app.enter(browser)
    op.clock.ahead = timedelta(hours=2)
    assert browser.logout(id_token_hint=told["id_token"], post_logout_redirect_uri=GOODBYE).url == GOODBYE
    assert not browser.has_session


@pytest.mark.parametrize(
    "uri", ["https://evil.example/", f"{GOODBYE}/", f"{GOODBYE}#x", CALLBACK, "//evil.example", "javascript:alert(1)"]
)
def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(app: App, browser: Browser, uri: str) -> None:
    """An address that is not registered for this is not gone to, and nobody is signed out by such a request."""
    told = app.enter(browser)
    landed = browser.logout(id_token_hint=told["id_token"], post_logout_redirect_uri=uri)
    assert landed.is_page
    assert landed.status == 400
    assert browser.has_session


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(app: App, browser: Browser) -> None:
    """A query that was added is another address; one that is registered stays, with the state behind it."""
    hint = app.enter(browser)["id_token"]
    assert browser.logout(id_token_hint=hint, post_logout_redirect_uri=f"{GOODBYE}?foo=bar").status == 400
    landed = browser.logout(id_token_hint=hint, post_logout_redirect_uri=f"{GOODBYE}?fixed=1", state="x")
    assert landed.url == f"{GOODBYE}?fixed=1&state=x"


def test_oidcc_rp_initiated_logout_modified_id_token_hint(app: App, browser: Browser) -> None:
    """A hint whose signature was changed signs nobody out and sends nobody away."""
    hint = app.enter(browser)["id_token"]
    head, body, signature = hint.split(".")
    changed = f"{head}.{body}.{signature[:8]}{'A' if signature[8] != 'A' else 'B'}{signature[9:]}"
    assert browser.logout(id_token_hint=changed, post_logout_redirect_uri=GOODBYE).status == 400
    assert browser.has_session


def test_oidcc_rp_initiated_logout_bad_id_token_hint(op: Provider, app: App, browser: Browser) -> None:
    """Neither does one that somebody else signed, nor an access token."""
    told = app.enter(browser)
    foreign = jwt.encode({"alg": "RS256", "typ": "JWT"}, op.claims(told["id_token"]), RSAKey.generate_key(2048))
    for hint in (foreign, told["access_token"]):
        assert browser.logout(id_token_hint=hint, post_logout_redirect_uri=GOODBYE).status == 400
    assert browser.has_session


def test_oidcc_rp_initiated_logout_no_id_token_hint(app: App, browser: Browser) -> None:
    """Without a hint the person is asked; after their yes they are sent where the application said."""
    app.enter(browser)
    asked = browser.logout(client_id=app.id, post_logout_redirect_uri=GOODBYE, state="x")
    assert asked.is_page
    assert browser.has_session
    assert browser.confirm(asked).url == f"{GOODBYE}?state=x"
    assert not browser.has_session


def test_oidcc_rp_initiated_logout_no_params(app: App, browser: Browser) -> None:
    """Without anything the person is asked, and stays at the provider afterwards."""
    app.enter(browser)
    done = browser.confirm(browser.logout())
    assert done.is_page
    assert not browser.has_session


def test_oidcc_rp_initiated_logout_only_state(app: App, browser: Browser) -> None:
    """A state alone changes nothing of that."""
    app.enter(browser)
    assert browser.confirm(browser.logout(state="x")).is_page
    assert not browser.has_session


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(app: App, browser: Browser) -> None:
    """With a hint and no address the person is signed out and shown that they are."""
    told = app.enter(browser)
    assert browser.logout(id_token_hint=told["id_token"]).is_page
    assert not browser.has_session


def test_oidcc_rp_initiated_logout_no_state(app: App, browser: Browser) -> None:
    """Without a state none is sent back."""
    told = app.enter(browser)
    assert browser.logout(id_token_hint=told["id_token"], post_logout_redirect_uri=GOODBYE).url == GOODBYE


def test_logout_csrf(op: Provider, app: App, browser: Browser) -> None:
    """No page of another site signs anybody out: without, with a foreign, and with an old person's hint they are asked.

    A forged answer to the question is refused.
    """
    app.enter(browser)
    with Browser(op).sign_in(op.person()) as mallory:
        foreign = app.enter(mallory)["id_token"]
        asked_of_mallory = mallory.logout(client_id=app.id)
    landed = browser.logout()
    for asked in ({"client_id": app.id}, {"id_token_hint": foreign}):
        landed = browser.logout(**asked)
        assert landed.is_page
        assert browser.has_session
    assert browser.confirm(landed, token="").status == 400
    assert browser.confirm(landed, origin="https://evil.example").status == 400
    assert browser.confirm(asked_of_mallory).status == 400
    assert browser.has_session
    assert browser.confirm(landed).is_page
    assert not browser.has_session


def test_client_id_must_fit_the_hint(op: Provider, app: App, browser: Browser) -> None:
    """A hint of one application does not send anybody to another one's address."""
    told, other = app.enter(browser), op.register("other", post_logout_redirect_uris=["https://other.example/"])
    landed = browser.logout(
        id_token_hint=told["id_token"], client_id=other.id, post_logout_redirect_uri="https://other.example/"
    )
    assert landed.status == 400
    assert browser.has_session


# --- oidcc-backchannel-rp-initiated-logout-certification-test-plan


def test_oidcc_backchannel_logout_discovery_endpoint_verification(op: Provider) -> None:
    """The description says that notices of logout are sent, and that they name the session."""
    said = op.metadata()
    assert said["backchannel_logout_supported"] is said["backchannel_logout_session_supported"] is True


def test_oidcc_backchannel_rp_initiated_logout(op: Provider, browser: Browser) -> None:
    """After a logout the application is sent a logout token: typ, event, subject, session, audience, and no nonce."""
    with listening() as ear:
        app = op.register("hears", backchannel_logout_uri=f"{ear.base}/backchannel")
        told = app.enter(browser, nonce="n")
        browser.logout(id_token_hint=told["id_token"], post_logout_redirect_uri=GOODBYE)
        op.work()
        op.work()  # what was heard is not sent again
        (token,) = ear.heard
    claims = op.claims(token)
    assert (claims["iss"], claims["aud"], claims["sub"]) == (op.base, app.id, browser.signs_in_as)
    assert claims["sid"] == op.claims(told["id_token"])["sid"]
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "nonce" not in claims
    assert claims["jti"]
    assert claims["exp"] - claims["iat"] == 120
    assert op.userinfo(token).status_code == 401


def test_an_application_that_fails_is_told_again(op: Provider, browser: Browser) -> None:
    """A notice that was not heard comes again with the same id, later each time, and its outcome is kept."""
    with listening() as ear:
        app = op.register("hears", backchannel_logout_uri=f"{ear.base}/backchannel")
        app.enter(browser)
        ear.status = 500
        op.world.activate(browser.signs_in_as, False)
        op.work()
        op.work()  # too soon
        assert len(ear.heard) == 1
        assert [one.problem for one in op.desk.notices(app.application)] == ["the application answers 500"]
        op.clock.ahead += timedelta(seconds=11)
        ear.status = 204
        op.work()
        first, second = (op.claims(token)["jti"] for token in ear.heard)
    assert first == second
    (notice,) = op.desk.notices(app.application)
    assert (notice.attempts, notice.problem) == (2, None)
    assert notice.delivered_at is not None


# --- private_key_jwt (RFC 7523) at the endpoints that are not the token endpoint


def test_an_assertion_proves_an_application_once(op: Provider, app: App, browser: Browser) -> None:
    """An application that signs proves itself at every endpoint; the same assertion a second time proves nothing."""
    told = app.enter(browser)
    (public,) = read_public_keys(json.dumps(key_for("ES256").as_dict(private=False)))
    op.installation.applications.add_key(OPERATOR, app.application, "key", public, None)

    def assertion() -> dict[str, str]:
        now = int(op.clock().timestamp())
        claims = {"iss": app.id, "sub": app.id, "aud": f"{op.base}/oauth/token", "exp": now + 60, "jti": str(uuid4())}
        signed = jwt.encode({"alg": "ES256"}, claims, key_for("ES256"))
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}

    proof = assertion()
    send = op.http.post
    assert send("/oauth/introspect", data={"token": told["access_token"], **proof}).json()["active"] is True
    for path in ("/oauth/introspect", "/oauth/revoke"):
        assert refused(send(path, data={"token": told["access_token"], **proof})) == (401, "invalid_client")
    refresh = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]}
    assert refused(send("/oauth/token", data={**refresh, **proof})) == (401, "invalid_client")
    proof = assertion()
    unknown = {**refresh, "refresh_token": "rbr_unknown"}
    assert refused(send("/oauth/token", data={**unknown, **proof})) == (400, "invalid_grant")
    assert refused(send("/oauth/token", data={**refresh, **proof})) == (401, "invalid_client")
    assert send("/oauth/token", data={**refresh, **assertion()}).status_code == 200
    assert send("/oauth/revoke", data={"token": told["access_token"], **assertion()}).status_code == 200
    assert app.introspect(told["access_token"]) == {"active": False}
