"""Codes at the token endpoint: exchanged once, by whom they were given to, with the verifier; what the tokens say."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from tests.bridge.signed_in import CALLBACK
from tests.bridge.worlds import OPERATOR, World, remove
from tests.oauth.entering import VERIFIER, Entry
from tests.oauth.talking import ENDPOINT, ISSUER, Told, key_for
from tests.store.worlds import together

from rolebridge.bridge.app_claims import TOKEN_BYTES
from rolebridge.bridge.applications import AppProof
from rolebridge.bridge.authorizing import CODE_LIFETIME, CodeRefused, NoCode
from rolebridge.core.applications import AppKind
from rolebridge.oauth.assertions import ASSERTION_TYPE
from rolebridge.oauth.keys import read_public_keys
from rolebridge.oauth.minting import TokenKind
from rolebridge.store.engine import Store


@pytest.fixture
def entry(store: Store) -> Entry:
    """An application, and ana is signed in with a browser."""
    made = Entry(World(store))
    made.ana = made.world.user("ana")
    made.sign_in(made.ana)
    return made


def refused(told: Told, error: str = "invalid_grant") -> str:
    """Look at a refusal, and return its description."""
    assert told.body["error"] == error, told
    assert not {"access_token", "id_token", "refresh_token"} & told.body.keys()
    return str(told.body.get("error_description", ""))


# --- what a code brings -----------------------------------------------------------------------------------------


def test_a_code_brings_tokens(entry: Entry) -> None:
    """The answer is that of RFC 6749 §5.1 with an ID token; no refresh token without `offline_access`."""
    told = entry.exchange(entry.ask().code)
    assert told.status == 200
    body = told.body
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert body["scope"] == "openid profile email groups roles"
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "id_token"}
    assert told.headers["Pragma"] == "no-cache"


def test_the_id_token(entry: Entry) -> None:
    """It says who, for whom, when, in which session, under which nonce, and hashes its access token (Core §2)."""
    body = entry.exchange(entry.ask(nonce="n-42").code).body
    claims = entry.claims(body["id_token"])
    ana = entry.desk.sessions.find(entry.cookie)
    assert ana is not None
    assert (claims["iss"], claims["sub"], claims["aud"]) == (ISSUER, entry.ana, entry.app.id)
    assert (claims["nonce"], claims["sid"]) == ("n-42", ana.session.id)
    assert claims["exp"] - claims["iat"] == 600
    assert ana.session.authenticated_at is not None
    assert claims["auth_time"] == int(ana.session.authenticated_at.timestamp())
    assert claims["preferred_username"] == "ana@acme.example"
    header = json.loads(base64.urlsafe_b64decode(body["id_token"].split(".")[0] + "=="))
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    assert header["kid"] in {key["kid"] for key in entry.keys.published()}


def test_the_access_token_is_rfc_9068(entry: Entry) -> None:
    """Its type keeps it from being taken for an ID token; its audience is what the application's settings say."""
    app = entry.register("api", AppKind.PUBLIC, audience="https://api.example")
    told = entry.exchange(entry.ask(app, scope="openid roles").code, app)
    claims = entry.claims(told.body["access_token"])
    header = json.loads(base64.urlsafe_b64decode(told.body["access_token"].split(".")[0] + "=="))
    assert header["typ"] == "at+jwt"
    assert (claims["aud"], claims["client_id"], claims["scope"]) == ("https://api.example", app.id, "openid roles")
    assert {"iss", "sub", "exp", "iat", "jti", "auth_time", "sid"} <= claims.keys()
    assert "preferred_username" not in claims
    assert entry.minter.read(told.body["access_token"], TokenKind.ID) is None
    assert entry.minter.read(told.body["id_token"], TokenKind.ACCESS) is None


def test_roles_and_groups(entry: Entry) -> None:
    """The claims tell groups by name, and roles with workspace, project, slot and lock, in both tokens."""
    world = entry.world
    world.apply()
    world.group("lbx-cityscapes-reviewers", [entry.ana])
    body = entry.exchange(entry.ask().code).body
    for token in (body["id_token"], body["access_token"]):
        claims = entry.claims(token)
        assert claims["groups"] == ["lbx-cityscapes-reviewers"]
        found = next(one for one in claims["roles"] if one["project"] == "cityscapes")
        assert found == {
            "workspace": "vision", "project": "cityscapes", "slot": "project_role", "role": "reviewer",
            "lock": found["lock"],
        }  # fmt: skip
        assert found["lock"]


def test_no_scope_no_claim(entry: Entry) -> None:
    """What the application did not ask for it is not told."""
    claims = entry.claims(entry.exchange(entry.ask(scope="openid").code).body["id_token"])
    assert not {"groups", "roles", "email", "name", "preferred_username"} & claims.keys()


def test_roles_are_those_of_the_exchange(entry: Entry) -> None:
    """Who leaves a group between code and exchange is told without its role: nothing is kept with the code."""
    world = entry.world
    world.apply()
    group = world.group("lbx-cityscapes-reviewers", [entry.ana])
    code = entry.ask().code
    world.change(group, remove(entry.ana))
    claims = entry.claims(entry.exchange(code).body["id_token"])
    assert claims["groups"] == []
    assert not any(one["project"] == "cityscapes" for one in claims["roles"])


def test_claims_as_the_application_wants_them(entry: Entry) -> None:
    """Names of claims, their form, and which groups and workspaces are told: settings of the application."""
    world = entry.world
    world.apply()
    for name in ("lbx-cityscapes-reviewers", "Admins", "Private"):
        world.group(name, [entry.ana])
    app = entry.register(
        "own",
        AppKind.PUBLIC,
        groups={"claim": "https://app.example/groups", "only": ["lbx-*"]},
        roles={"claim": "urn:roles", "form": "names", "workspaces": ["vision"]},
    )
    claims = entry.claims(entry.exchange(entry.ask(app).code, app).body["id_token"])
    assert claims["https://app.example/groups"] == ["lbx-cityscapes-reviewers"]
    assert "vision:admin" in claims["urn:roles"]
    assert not {"groups", "roles"} & claims.keys()
    none = entry.register("none", AppKind.PUBLIC, roles={"workspaces": ["other"]}, groups={"form": "objects"})
    claims = entry.claims(entry.exchange(entry.ask(none).code, none).body["id_token"])
    assert claims["roles"] == []
    assert {one["name"] for one in claims["groups"]} == {"lbx-cityscapes-reviewers", "Admins", "Private"}


def test_too_many_groups_are_a_link(entry: Entry) -> None:
    """A claim beyond its size is left out, and the token says where to find it (Core §5.6.2): absent, never cut."""
    world = entry.world
    for number in range(60):
        world.group(f"{number:03}-{'x' * 80}", [entry.ana])
    body = entry.exchange(entry.ask().code).body
    claims = entry.claims(body["id_token"])
    assert "groups" not in claims
    assert claims["_claim_names"] == {"groups": "userinfo"}
    assert claims["_claim_sources"] == {"userinfo": {"endpoint": f"{ISSUER}/oauth/userinfo"}}
    assert claims["roles"] == []
    assert len(body["access_token"]) < 2 * TOKEN_BYTES


def test_a_public_application_has_no_secret(entry: Entry) -> None:
    """It says who it is, and PKCE protects its codes."""
    app = entry.register("spa", AppKind.PUBLIC)
    assert entry.exchange(entry.ask(app).code, app).status == 200


def test_an_application_may_sign(entry: Entry) -> None:
    """`private_key_jwt`: an assertion proves the application, once."""
    (public,) = read_public_keys(json.dumps(key_for("ES256").as_dict(private=False)))
    entry.desk.applications.add_key(OPERATOR, entry.app, "key", public, None)
    now = int(entry.world.now.timestamp())
    claims = {"iss": entry.app.id, "sub": entry.app.id, "aud": ENDPOINT, "exp": now + 60, "jti": "a-1"}
    assertion = jwt.encode({"alg": "ES256"}, claims, key_for("ES256"))
    shown: dict[str, Any] = {
        "client_secret": ...,
        "client_assertion": assertion,
        "client_assertion_type": ASSERTION_TYPE,
    }
    assert entry.exchange(entry.ask().code, **shown).status == 200
    assert "used before" in refused(entry.exchange(entry.ask().code, **shown), "invalid_client")


# --- attacks ----------------------------------------------------------------------------------------------------


def test_a_code_that_comes_again_ends_all_that_it_gave(entry: Entry) -> None:
    """The second use of a code is refused, and the tokens of the first are worth nothing any more (§4.1.2)."""
    app = entry.register("offline", AppKind.PUBLIC, scopes=["openid", "offline_access"])
    code = entry.ask(app, scope="openid offline_access").code
    told = entry.exchange(code, app)
    refresh = told.body["refresh_token"]
    assert entry.desk.refresh(app, refresh).refresh
    assert "used before" in refused(entry.exchange(code, app))
    jti = entry.claims(told.body["access_token"])["jti"].partition(".")[0]
    assert entry.desk.standing.access(app.id, jti) is None


def test_two_who_come_with_a_code_at_once(entry: Entry) -> None:
    """Of two exchanges at the same moment one brings tokens, and the other ends them."""
    code = entry.ask().code
    raised = together(lambda _: entry.desk.authorizing.redeem(AppProof(entry.app), code, CALLBACK, VERIFIER), 4)
    assert raised.count(None) == 1
    assert {one.reason for one in raised if isinstance(one, CodeRefused)} == {NoCode.REUSED}
    assert all(one is None or isinstance(one, CodeRefused) for one in raised)


def test_a_code_lives_for_a_minute(entry: Entry) -> None:
    """A code that is older is refused, and spent."""
    code = entry.ask().code
    entry.world.now += CODE_LIFETIME
    assert "expired" in refused(entry.exchange(code))
    assert "used before" in refused(entry.exchange(code))


@pytest.mark.parametrize("verifier", ["x" * 50, VERIFIER[:-1], VERIFIER.upper(), "short", "ü" * 50, "x" * 200, ...])
def test_a_code_without_its_verifier(entry: Entry, verifier: Any) -> None:
    """Who stole a code but not the verifier gets nothing, and the code is spent by the attempt."""
    code = entry.ask().code
    told = entry.exchange(code, code_verifier=verifier)
    if verifier is ...:
        assert "code_verifier" in refused(told, "invalid_request")
        return
    assert "code_verifier" in refused(told)
    assert "used before" in refused(entry.exchange(code))


def test_the_challenge_is_no_verifier(entry: Entry) -> None:
    """What was seen in the URL does not do: there is no downgrade to `plain`."""
    asked = entry.asked()
    assert "code_verifier" in refused(entry.exchange(entry.ask().code, code_verifier=asked["code_challenge"]))


@pytest.mark.parametrize("uri", ["https://evil.example/", f"{CALLBACK}/", f"{CALLBACK}?", ...])
def test_a_code_for_another_redirect_uri(entry: Entry, uri: Any) -> None:
    """The redirect URI of the exchange is that of the request, as text (RFC 6749 §4.1.3)."""
    told = entry.exchange(entry.ask().code, redirect_uri=uri)
    refused(told, "invalid_request" if uri is ... else "invalid_grant")


def test_a_code_of_another_application(entry: Entry) -> None:
    """A code that was injected into another application's exchange brings nothing there, and is not spent by it."""
    other = entry.register("other", AppKind.PUBLIC)
    code = entry.ask().code
    assert "another application" in refused(entry.exchange(code, other))
    assert entry.exchange(code).status == 200


@pytest.mark.parametrize("code", ["", "rbcode_", "rbcode_unknown", "rba_" + "x" * 43, "x" * 10_000, "rbcode_\0"])
def test_a_code_that_is_none(entry: Entry, code: str) -> None:
    """What was never given, or is no code at all, is unknown."""
    told = entry.exchange(code)
    refused(told, "invalid_grant" if code else "invalid_request")


@pytest.mark.parametrize(
    "changed",
    [
        {"client_secret": "rbs_wrong"},
        {"client_secret": ...},
        {"client_id": "rbapp_" + "0" * 32},
        {"client_secret": ..., "client_assertion": "x.y.z", "client_assertion_type": ASSERTION_TYPE},
    ],
)
def test_a_confidential_application_proves_itself(entry: Entry, changed: dict[str, Any]) -> None:
    """A code alone brings nothing to whoever cannot prove to be its application; they do not even spend it."""
    code = entry.ask().code
    told = entry.exchange(code, **changed)
    assert told.status == 401
    assert told.body["error"] == "invalid_client"
    assert entry.exchange(code).status == 200


def test_a_secret_that_was_revoked(entry: Entry) -> None:
    """A revoked secret proves nothing from that moment on; another one of the application does."""
    _, second = entry.desk.applications.add_secret(OPERATOR, entry.app, "second", None)
    entry.desk.applications.revoke_credential(OPERATOR, entry.app, entry.held.credential.id)
    code = entry.ask().code
    refused(entry.exchange(code), "invalid_client")
    assert entry.exchange(code, client_secret=second.text).status == 200


def test_a_public_application_shows_no_secret(entry: Entry) -> None:
    """Whoever shows a secret for one that has none is refused."""
    app = entry.register("spa", AppKind.PUBLIC)
    refused(entry.exchange(entry.ask(app).code, app, client_secret=entry.secret), "invalid_client")


def test_two_proofs_at_once(entry: Entry) -> None:
    """An application proves itself in one way (RFC 6749 §2.3)."""
    pair = base64.b64encode(f"{entry.app.id}:{entry.secret}".encode()).decode()
    form = {"grant_type": "authorization_code", "code": "x", "client_secret": entry.secret, "client_id": entry.app.id}
    refused(entry.post(form, {"authorization": f"Basic {pair}"}), "invalid_request")


def test_client_credentials_are_for_scim(entry: Entry) -> None:
    """An application is no SCIM client: its secret opens no SCIM door."""
    form = {"grant_type": "client_credentials", "client_id": entry.app.id, "client_secret": entry.secret}
    refused(entry.post(form), "invalid_client")


@pytest.mark.parametrize("grant", ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", ""])
def test_no_other_grant(entry: Entry, grant: str) -> None:
    """There are no passwords here, and nothing else to ask for."""
    form = {"grant_type": grant, "client_id": entry.app.id, "client_secret": entry.secret}
    refused(entry.post(form), "unsupported_grant_type" if grant else "invalid_request")


def test_a_code_after_signing_out(entry: Entry) -> None:
    """Who signs out, is deactivated or deleted between code and exchange is not told of."""
    code = entry.ask().code
    entry.desk.sessions.sign_out(entry.cookie)
    refused(entry.exchange(code))
    entry.sign_in(entry.ana)
    code = entry.ask().code
    entry.world.activate(entry.ana, False)
    refused(entry.exchange(code))


def test_a_code_of_a_revoked_application(entry: Entry) -> None:
    """A revoked application exchanges nothing."""
    code = entry.ask().code
    entry.desk.applications.revoke(OPERATOR, entry.app)
    refused(entry.exchange(code), "invalid_client")


def test_entry_is_asked_again(entry: Entry) -> None:
    """Who loses the role that an application asks for before the exchange is not told of."""
    world = entry.world
    world.apply()
    group = world.group("Admins", [entry.ana])
    app = entry.register("inner", AppKind.PUBLIC, entry_workspaces=["vision"])
    code = entry.ask(app).code
    world.change(group, remove(entry.ana))
    assert "may not sign in" in refused(entry.exchange(code, app))


# --- tokens that were not made here -----------------------------------------------------------------------------


def test_tokens_that_were_not_made_here(entry: Entry) -> None:
    """No token verifies but one of ours: not `none`, not HMAC by the public key, not another key under our `kid`."""
    token = entry.exchange(entry.ask().code).body["id_token"]
    head, payload, signature = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    claims = entry.claims(token)
    public = entry.keys.published()[0]
    evil = RSAKey.generate_key(2048)
    forged = [
        f"{_b64({'alg': 'none', 'typ': 'JWT'})}.{payload}.",
        f"{_b64({**header, 'alg': 'none'})}.{payload}.{signature}",
        jwt.encode({**header, "alg": "HS256"}, claims, OctKey.import_key(json.dumps(public)), algorithms=["HS256"]),
        jwt.encode(header, claims, evil),
        jwt.encode({**header, "jwk": evil.as_dict(private=False)}, claims, evil),
        f"{head}.{_b64({**claims, 'sub': 'eve'})}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}",
        "",
        "x" * 40_000,
        "é.é.é",
    ]
    assert entry.minter.read(token, TokenKind.ID) is not None
    for attack in forged:
        assert entry.minter.read(attack, TokenKind.ID, even_expired=True) is None, attack[:80]
    entry.world.now += timedelta(minutes=11)
    assert entry.minter.read(token, TokenKind.ID) is None
    assert entry.minter.read(token, TokenKind.ID, even_expired=True) is not None


def _b64(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
