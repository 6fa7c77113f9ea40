"""The demo's identity provider: what it tells whom, and that it stays on this machine."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet
from onelogin.saml2.response import OneLogin_Saml2_Response  # type: ignore[import-untyped]
from onelogin.saml2.settings import OneLogin_Saml2_Settings  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from rolebridge.core.errors import NotFound
from rolebridge.demo import Traffic, shipped_traffic
from rolebridge.demo.idp import DemoIdp, NotLocal, OidcParty, SamlParty, SigningKey, people_of

BASE = "http://127.0.0.1:8090"
OKTA, ENTRA = shipped_traffic()
KEY = SigningKey.make(datetime.now(UTC))
SAML = SamlParty("http://127.0.0.1:8080/sso/1/metadata", "http://127.0.0.1:8080/sso/1/acs")
OIDC = OidcParty("bridge", "s3cret", "http://127.0.0.1:8080/sso/2/callback", "http://127.0.0.1:8080/sign-out/done")
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "client_id": "bridge",
    "redirect_uri": OIDC.redirect_uri,
    "response_type": "code",
    "scope": "openid",
    "state": "the-state",
    "nonce": "the-nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class Local(FlaskClient):
    """A browser on this machine, which asks for the address that the provider has."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"base_url": BASE, **kwargs})


class Moved:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Moved:
    return Moved()


@pytest.fixture
def idp(clock: Moved) -> DemoIdp:
    made = DemoIdp(BASE, {"okta-demo": (OKTA, KEY), "entra-demo": (ENTRA, KEY)}, clock)
    made.register("okta-demo", SAML)
    made.register("entra-demo", OIDC)
    return made


@pytest.fixture
def browser(idp: DemoIdp) -> FlaskClient:
    return Local(idp.app)


def saml_request(issuer: str = SAML.entity_id, *, deflated: bool = True) -> str:
    text = f"""<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_asked" Version="2.0">
        <saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{issuer}</saml:Issuer></samlp:AuthnRequest>"""
    packed = zlib.compressobj(wbits=-15)
    data = packed.compress(text.encode()) + packed.flush() if deflated else text.encode()
    return base64.b64encode(data).decode()


def fields(page: TestResponse) -> dict[str, str]:
    """The hidden fields of a page's form."""
    return {
        name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    }


def pick(browser: FlaskClient, picker: TestResponse, connection: str, person: str) -> TestResponse:
    assert picker.status_code == 200, picker.text
    form = {**fields(picker), "person": person}
    return browser.post(f"/{connection}/pick", data=form, headers={"Origin": BASE})


def second_opinion(idp: DemoIdp, encoded: str) -> OneLogin_Saml2_Response:
    """The response as python3-saml reads it, strictly, with signatures of both response and assertion wanted."""
    certificate = "".join(KEY.certificate_pem.decode().splitlines()[1:-1])
    settings = OneLogin_Saml2_Settings(
        {
            "strict": True,
            "sp": {"entityId": SAML.entity_id, "assertionConsumerService": {"url": SAML.acs_url}},
            "idp": {
                "entityId": idp.tenants["okta-demo"].entity_id,
                "singleSignOnService": {"url": idp.tenants["okta-demo"].sso_url},
                "x509cert": certificate,
            },
            "security": {"wantMessagesSigned": True, "wantAssertionsSigned": True},
        }
    )
    response = OneLogin_Saml2_Response(settings, encoded)
    parts = urlsplit(SAML.acs_url)
    request = {"http_host": parts.netloc, "script_name": parts.path, "get_data": {}, "post_data": {}}
    assert response.is_valid(request, request_id="_asked"), response.get_error()
    return response


@pytest.mark.parametrize("deflated", [True, False], ids=["in the URL", "in a form"])
def test_a_saml_response_is_signed_and_tells_the_person(idp: DemoIdp, browser: FlaskClient, deflated: bool) -> None:
    """Another author's library verifies both signatures, audience, recipient and times, and reads who it is."""
    sent = {"SAMLRequest": saml_request(deflated=deflated), "RelayState": "back"}
    path = "/okta-demo/saml/sso"
    picker = browser.get(path, query_string=sent) if deflated else browser.post(path, data=sent)
    page = pick(browser, picker, "okta-demo", "ana.ruiz")
    assert f'action="{SAML.acs_url}"' in page.text
    answered = fields(page)
    assert answered["RelayState"] == "back"
    response = second_opinion(idp, answered["SAMLResponse"])
    assert response.get_nameid() == "ana.ruiz@acme.example"
    told = response.get_attributes()
    assert told["firstName"] == ["Ana"]
    assert told["groups"] == list(people_of(OKTA)["ana.ruiz"].groups)
    assert "lbx-cityscapes-reviewers" in told["groups"]


def test_the_metadata_names_the_key_and_where_requests_go(browser: FlaskClient) -> None:
    """Entity ID, both bindings and the certificate stand in the metadata."""
    answer = browser.get("/okta-demo/saml/metadata")
    assert answer.content_type == "application/samlmetadata+xml"
    assert f'entityID="{BASE}/okta-demo/saml/metadata"' in answer.text
    assert answer.text.count(f'Location="{BASE}/okta-demo/saml/sso"') == 2
    assert KEY.certificate_pem.decode().splitlines()[1] in answer.text


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (saml_request("http://elsewhere"), "`http://elsewhere` is not registered here"),
        ("!", "is no request"),
        (base64.b64encode(b"<a/>").decode(), "is no request"),
        (base64.b64encode(zlib.compress(b" " * 10_000_000, wbits=-15)).decode(), "is too long"),
    ],
    ids=["a stranger", "not Base64", "not deflated", "a bomb"],
)
def test_what_is_no_request_of_its_party_is_refused(browser: FlaskClient, encoded: str, why: str) -> None:
    """Nobody is asked to pick for a stranger, and a small request cannot become a large one."""
    answer = browser.get("/okta-demo/saml/sso", query_string={"SAMLRequest": encoded})
    assert answer.status_code == 400
    assert why in unescape(answer.text)


def test_a_login_is_answered_once(browser: FlaskClient, clock: Moved) -> None:
    """Neither a second pick on the same page is answered, nor one that comes after half an hour."""
    picker = browser.get("/okta-demo/saml/sso", query_string={"SAMLRequest": saml_request()})
    assert pick(browser, picker, "okta-demo", "nobody").status_code == 400
    assert pick(browser, picker, "okta-demo", "ana.ruiz").status_code == 200
    assert "finished before" in pick(browser, picker, "okta-demo", "ana.ruiz").text
    picker = browser.get("/okta-demo/saml/sso", query_string={"SAMLRequest": saml_request()})
    clock.now += timedelta(minutes=31)
    assert "too old" in pick(browser, picker, "okta-demo", "ana.ruiz").text


def test_openid_connect_from_discovery_to_userinfo(idp: DemoIdp, browser: FlaskClient) -> None:
    """The code answers with `iss`; the ID token verifies under the published key and tells groups by their ids."""
    found = browser.get("/entra-demo/.well-known/openid-configuration").get_json()
    assert found["issuer"] == f"{BASE}/entra-demo"
    picker = browser.get("/entra-demo/authorize", query_string=ASKED)
    answer = answered(pick(browser, picker, "entra-demo", "grace.kim"))
    assert (answer["state"], answer["iss"]) == ("the-state", found["issuer"])
    tokens = exchange(browser, answer["code"]).get_json()
    keys = KeySet.import_key_set(browser.get("/entra-demo/jwks").get_json())
    claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (found["issuer"], "bridge", "the-nonce")
    assert claims["sub"] == "pairwise-0a21f0f2-8d2a-4f8e-bf98-7363c4aed402"
    assert claims["preferred_username"] == "grace.kim@acme.example"
    assert "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900101" in claims["groups"]
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert browser.get("/entra-demo/userinfo", headers=bearer).get_json()["sub"] == claims["sub"]
    assert browser.get("/entra-demo/userinfo").status_code == 401


def answered(answer: TestResponse) -> dict[str, str]:
    assert answer.status_code == 303, answer.text
    assert answer.location.startswith(OIDC.redirect_uri + "?")
    return {name: value for name, (value,) in parse_qs(urlsplit(answer.location).query).items()}


def exchange(browser: FlaskClient, code: str, /, **changed: str) -> TestResponse:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": OIDC.redirect_uri,
        "client_id": OIDC.client_id,
        "client_secret": OIDC.client_secret,
        "code_verifier": VERIFIER,
    }
    return browser.post("/entra-demo/token", data={**form, **changed})


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "other"}, "invalid_client"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:1/"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": "guessed"}, "invalid_grant"),
    ],
)
def test_a_code_is_for_its_client_alone(browser: FlaskClient, changed: dict[str, str], error: str) -> None:
    """Secret, verifier and redirect URI have to fit."""
    picker = browser.get("/entra-demo/authorize", query_string=ASKED)
    code = answered(pick(browser, picker, "entra-demo", "grace.kim"))["code"]
    assert exchange(browser, code, **changed).get_json()["error"] == error


def test_a_code_works_once_and_not_for_long(browser: FlaskClient, clock: Moved) -> None:
    """A code that was used, or is older than a minute, gives nothing."""
    picker = browser.get("/entra-demo/authorize", query_string=ASKED)
    code = answered(pick(browser, picker, "entra-demo", "grace.kim"))["code"]
    assert exchange(browser, code).status_code == 200
    assert exchange(browser, code).get_json()["error"] == "invalid_grant"
    picker = browser.get("/entra-demo/authorize", query_string=ASKED)
    code = answered(pick(browser, picker, "entra-demo", "grace.kim"))["code"]
    clock.now += timedelta(minutes=1)
    assert exchange(browser, code).get_json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_wrong_authorization_request_is_told_to_its_client(
    browser: FlaskClient, changed: dict[str, str], error: str
) -> None:
    """The error goes to the registered redirect URI."""
    answer = answered(browser.get("/entra-demo/authorize", query_string={**ASKED, **changed}))
    assert (answer["error"], answer["state"]) == (error, "the-state")


@pytest.mark.parametrize("changed", [{"redirect_uri": "http://127.0.0.1:8080/other"}, {"client_id": "other"}])
def test_nobody_is_sent_to_an_address_that_is_not_registered(browser: FlaskClient, changed: dict[str, str]) -> None:
    """Without a registered redirect URI the answer is a page."""
    assert browser.get("/entra-demo/authorize", query_string={**ASKED, **changed}).status_code == 400


def test_signing_out_leads_back_to_the_registered_address_only(browser: FlaskClient) -> None:
    """Another address gets nobody."""
    asked = {"post_logout_redirect_uri": OIDC.after_logout, "state": "abc"}
    assert browser.get("/entra-demo/logout", query_string=asked).location == f"{OIDC.after_logout}?state=abc"
    stranger = browser.get("/entra-demo/logout", query_string={"post_logout_redirect_uri": "http://127.0.0.1:1/"})
    assert stranger.status_code == 200


@pytest.mark.parametrize(
    "base_url",
    [
        "http://192.0.2.7:8090",
        "http://0.0.0.0:8090",
        "http://idp.example",
        "https://127.0.0.1:8090",
        "http://127.0.0.1@idp.example",
        "http://127.0.0.1.idp.example",
        "http://[::]:8090",
    ],
)
def test_it_does_not_start_where_others_could_reach_it(base_url: str) -> None:
    """An identity provider that asks for no password is for one machine."""
    with pytest.raises(NotLocal, match="is not on this machine"):
        DemoIdp(base_url, {})


def test_a_name_that_only_points_here_is_refused(browser: FlaskClient) -> None:
    """A page elsewhere whose name is made to resolve to the loopback reaches nothing."""
    for path in ("/", "/okta-demo/", "/entra-demo/jwks"):
        assert browser.get(path, headers={"Host": "idp.example:8090"}).status_code == 421
        assert browser.get(path, headers={"Host": "127.0.0.1"}).status_code == 421


def test_every_page_says_that_it_is_a_demo(browser: FlaskClient) -> None:
    """Also those that say what went wrong; no page runs a script or has a style that is not its own."""
    picker = browser.get("/entra-demo/authorize", query_string=ASKED)
    asked = browser.get("/okta-demo/saml/sso", query_string={"SAMLRequest": saml_request()})
    posting = pick(browser, asked, "okta-demo", "ana.ruiz")
    paths = ("/", "/okta-demo/", "/entra-demo/logout", "/nobody/", "/okta-demo/saml/sso", "/entra-demo/authorize")
    for page in (picker, asked, posting, *(browser.get(path) for path in paths)):
        assert "This is a demo." in page.text
        policy = page.headers["Content-Security-Policy"]
        (nonce,) = set(re.findall(r'nonce="([^"]+)"', page.text))
        assert f"script-src 'nonce-{nonce}'" in policy
        assert "frame-ancestors 'none'" in policy


def test_a_pick_from_another_page_counts_for_nothing(browser: FlaskClient) -> None:
    """A form elsewhere cannot choose who signs in, nor send anybody away."""
    for path in ("/okta-demo/pick", "/okta-demo/people"):
        for headers in ({}, {"Origin": "http://127.0.0.1:9"}, {"Origin": "null"}):
            assert browser.post(path, data={}, headers=headers).status_code == 403


def test_who_leaves_is_told_over_scim(clock: Moved) -> None:
    """A button tells the bridge; the list shows it afterwards, and it can be undone; a refusal is shown."""
    told: list[tuple[str, str, bool]] = []

    def tell(traffic: Traffic, person: str, returning: bool) -> None:
        if person == "ben.okafor":
            raise NotFound("connection", "okta-demo")
        told.append((traffic.connection, person, returning))

    idp = DemoIdp(BASE, {"okta-demo": (OKTA, KEY)}, clock, tell)
    browser = Local(idp.app)

    def press(person: str, to: str) -> int:
        answer = browser.post("/okta-demo/people", data={"person": person, "to": to}, headers={"Origin": BASE})
        return answer.status_code

    assert idp.tenants["okta-demo"].left == {"tom.becker"}
    assert press("ana.ruiz", "leave") == 303
    assert 'id="return-ana.ruiz"' in browser.get("/okta-demo/").text
    assert press("ana.ruiz", "return") == 303
    assert 'id="leave-ana.ruiz"' in browser.get("/okta-demo/").text
    assert press("ben.okafor", "leave") == 502
    assert press("nobody", "leave") == 400
    assert told == [("okta-demo", "ana.ruiz", False), ("okta-demo", "ana.ruiz", True)]


def test_the_key_is_the_same_the_next_time(tmp_path: Path) -> None:
    """Its file is its owner's; what is derived from it stays the same too."""
    path = tmp_path / "idp.pem"
    made = SigningKey.kept(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = SigningKey.kept(path)
    assert (again.key_id, again.secret("a")) == (made.key_id, made.secret("a"))
    assert made.secret("a") != made.secret("b")
    assert [one.name for one in tmp_path.iterdir()] == ["idp.pem"]


@pytest.mark.parametrize("traffic", [OKTA, ENTRA], ids=["okta-demo", "entra-demo"])
def test_everybody_can_be_picked_and_has_the_groups_that_were_sent(traffic: Traffic) -> None:
    """The people are those of the SCIM traffic, by name and groups; who left there is known to have left."""
    people = people_of(traffic)
    assert {person.user_name for person in people.values()} == set(traffic.users)
    in_groups: dict[str, Any] = {person.key: set(person.group_names) for person in people.values()}
    assert in_groups["ana.ruiz" if traffic is OKTA else "chen.wei"] >= (
        {"Vision Contractors", "NLP Staff"} if traffic is OKTA else {"Service Desk", "PAI Labeling"}
    )
    assert {key for key, person in people.items() if person.left} == (
        {"tom.becker"} if traffic is OKTA else {"peter.novak"}
    )
