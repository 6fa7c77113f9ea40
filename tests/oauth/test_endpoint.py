"""The token endpoint: who gets a token, how long it lives, and what refuses everybody else."""

from __future__ import annotations

import base64
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from tests.bridge.worlds import OPERATOR
from tests.oauth.talking import ENDPOINT, Talk, Told, key_for, public_pem
from tests.store.worlds import together

from rolebridge.bridge.clients import NoLongerValid
from rolebridge.bridge.credentials import Hasher
from rolebridge.oauth.assertions import LONGEST_LIFE, SKEW
from rolebridge.oauth.face import FAILURES_OF_ADDRESS, FAILURES_OF_CLIENT, MAX_BODY, TOKENS_OF_CLIENT
from rolebridge.oauth.proofs import Claim, Method, prove
from rolebridge.oauth.refusals import Reason
from rolebridge.oauth.routes import WELL_KNOWN, oauth_blueprint
from rolebridge.web.authentication import InvalidToken, Unauthenticated

UNKNOWN = "the client is unknown, or did not prove that it is the client"


@pytest.fixture
def reasons(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the endpoint writes into the log, the reason of every refusal included."""
    caplog.set_level(logging.WARNING, "rolebridge.oauth")
    return caplog


def refused(told: Told, reason: Reason, reasons: pytest.LogCaptureFixture, says: str = UNKNOWN) -> None:
    """Look at `invalid_client`: the status, the challenge, what the client is told, and the check that refused."""
    assert told.refusal == (401, "invalid_client")
    assert told.headers["WWW-Authenticate"] == 'Basic realm="rolebridge"'
    assert says in told.body["error_description"]
    assert f": {reason}: " in reasons.records[-1].getMessage()
    assert "access_token" not in told.body


# --- tokens ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["post", "basic"])
def test_a_secret_brings_a_token(talk: Talk, way: str) -> None:
    """A right secret, in the body or in the header, brings a bearer token that opens the connection's door."""
    told: Told = getattr(talk, way)()
    assert told.status == 200
    assert told.headers["Pragma"] == "no-cache"
    token = told.body.pop("access_token")
    assert told.body == {"token_type": "Bearer", "expires_in": 3600, "scope": "scim"}
    caller = talk.authenticator.caller(f"Bearer {token}", "r2")
    assert (caller.organization_id, caller.connection_name) == (talk.world.id, "okta")
    assert caller.credential_id == talk.held.credential.id


def test_a_token_is_of_its_clients_connection(talk: Talk) -> None:
    """Each client's token speaks for the connection that the client is of, and no other."""
    other = talk.administration.add(OPERATOR, talk.connection("entra"), "entra prod")
    _, secret = talk.administration.add_secret(OPERATOR, other, "first", None)
    token = talk.post(secret.text, other.id).body["access_token"]
    assert talk.authenticator.caller(f"Bearer {token}", "r").connection_name == "entra"
    assert talk.authenticator.caller(f"Bearer {talk.token()}", "r").connection_name == "okta"


def test_the_secret_of_another_client_is_wrong(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """A secret proves its own client only."""
    other = talk.administration.add(OPERATOR, talk.connection("entra"), "entra prod")
    refused(talk.post(client_id=other.id), Reason.WRONG_SECRET, reasons)


def test_a_token_ends(talk: Talk) -> None:
    """After the client's minutes the token is refused, and says so."""
    token = talk.token()
    talk.wait(minutes=59)
    assert talk.connection_of(token) == "okta"
    talk.wait(minutes=1)
    with pytest.raises(Unauthenticated, match="the access token has expired"):
        talk.authenticator.caller(f"Bearer {token}", "r")


def test_a_token_of_six_hours(talk: Talk) -> None:
    """`expires_in` and the token's end follow the client's own setting."""
    client = talk.administration.add(OPERATOR, talk.connection("okta"), "long", 360)
    _, secret = talk.administration.add_secret(OPERATOR, client, "first", None)
    told = talk.post(secret.text, client.id)
    assert told.body["expires_in"] == 21_600
    talk.wait(minutes=359)
    assert talk.connection_of(told.body["access_token"]) == "okta"


def test_a_bare_access_token_is_accepted(talk: Talk) -> None:
    """Without the word Bearer, as some clients send a header, the token works too."""
    assert talk.authenticator.caller(talk.token(), "r").connection_name == "okta"


def test_an_unknown_access_token(talk: Talk) -> None:
    """A token that was never given is refused without saying more."""
    with pytest.raises(Unauthenticated, match="the access token is not known"):
        talk.authenticator.caller("Bearer rba_" + "x" * 43, "r")


def test_a_secret_is_no_access_token(talk: Talk) -> None:
    """The client's secret itself opens nothing."""
    with pytest.raises(Unauthenticated, match="the token is not known"):
        talk.authenticator.caller(f"Bearer {talk.secret}", "r")


def test_nothing_that_opens_anything_is_stored(talk: Talk) -> None:
    """Neither secret nor token is found in the database, in any column."""
    token = talk.token()
    tables = ("client_credentials", "access_tokens", "audit")
    with talk.world.store.read() as unit:
        rows = [str(row) for table in tables for row in unit.link.execute(f"SELECT * FROM {table}", ()).fetchall()]
    assert rows
    for secret in (token, talk.secret):
        assert not any(secret in row or secret[4:] in row for row in rows)


def test_last_use_is_the_proofs(talk: Talk) -> None:
    """A secret's last use is the last time that it, or a token it brought, was used."""

    def last() -> Any:
        (held,) = talk.administration.credentials(talk.client)
        return held.credential.last_used_at

    assert last() is None
    token = talk.token()
    first = last()
    talk.wait(minutes=5)
    talk.authenticator.caller(f"Bearer {token}", "r")
    talk.authenticator.uses.flush()
    assert last() - first >= timedelta(minutes=5)


def test_expired_tokens_are_not_kept(talk: Talk) -> None:
    """A client's expired tokens go when it gets another one."""
    for _ in range(3):
        talk.token()
    talk.wait(hours=2)
    talk.token()
    assert rows_of(talk, "access_tokens") == 1


def test_a_client_has_so_many_tokens(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks for ever keeps its newest tokens; the ones that end first make room."""
    monkeypatch.setattr("rolebridge.store.clients.MOST_TOKENS", 3)
    tokens = [talk.token() for _ in range(5)]
    assert rows_of(talk, "access_tokens") == 3
    for token in tokens[2:]:
        assert talk.connection_of(token) == "okta"
    with pytest.raises(Unauthenticated):
        talk.authenticator.caller(tokens[0], "r")


def rows_of(talk: Talk, table: str) -> int:
    with talk.world.store.read() as unit:
        (count,) = unit.link.execute(
            f"SELECT count(*) FROM {table} WHERE organization_id = '{talk.world.id}'", ()
        ).fetchone() or (None,)
    assert isinstance(count, int)
    return count


# --- rotation and revocation -----------------------------------------------------------------------------------


def test_secrets_rotate_without_a_gap(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """Two secrets work at a time; revoking the old one ends it and its tokens, and nothing else."""
    _, new = talk.administration.add_secret(OPERATOR, talk.client, "second", None)
    old_token, new_token = talk.token(), talk.post(new.text).body["access_token"]
    talk.administration.revoke_credential(OPERATOR, talk.client, talk.held.credential.id, key=False)
    refused(talk.post(), Reason.REVOKED_SECRET, reasons, "the secret `first` was revoked")
    with pytest.raises(Unauthenticated, match="the secret or key that brought the access token was revoked"):
        talk.authenticator.caller(old_token, "r")
    assert talk.connection_of(new_token) == "okta"
    assert talk.post(new.text).status == 200


def test_a_revoked_client(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """Revoking a client ends its tokens and its right secrets at once."""
    token = talk.token()
    talk.administration.revoke(OPERATOR, talk.client)
    with pytest.raises(Unauthenticated, match="the client of the access token was revoked"):
        talk.authenticator.caller(token, "r")
    refused(talk.post(), Reason.REVOKED_CLIENT, reasons, "the client `okta prod` was revoked")


def test_an_expired_secret(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """After its end a secret is refused; who has it is told why. A token that it brought lives on to its own end."""
    ends = talk.world.now + timedelta(minutes=30)
    _, secret = talk.administration.add_secret(OPERATOR, talk.client, "short", ends)
    token = talk.post(secret.text).body["access_token"]
    talk.wait(minutes=30)
    refused(talk.post(secret.text), Reason.EXPIRED_SECRET, reasons, "the secret `short` has expired")
    assert talk.connection_of(token) == "okta"


# --- proofs that are none --------------------------------------------------------------------------------------


def test_a_wrong_secret_and_an_unknown_client_sound_alike(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """Who has proved nothing does not learn which clients there are; the log tells the two apart."""
    wrong = talk.post("rbs_wrong")
    refused(wrong, Reason.WRONG_SECRET, reasons)
    unknown = talk.post(client_id="rbc_unknown")
    refused(unknown, Reason.UNKNOWN_CLIENT, reasons)
    assert (wrong.body, wrong.headers) == (unknown.body, unknown.headers)
    refused(talk.basic("rbs_wrong"), Reason.WRONG_SECRET, reasons)


@pytest.mark.parametrize("client_id", ["\0", "ü", "a" * 5000, "\ud800".encode("utf-8", "surrogatepass"), "x'; --"])
def test_a_client_id_may_be_anything(talk: Talk, reasons: pytest.LogCaptureFixture, client_id: str | bytes) -> None:
    """A client id that nothing could store is an unknown client or a broken form, never a defect."""
    told = talk.post(client_id=client_id)  # type: ignore[arg-type]
    if isinstance(client_id, bytes):
        assert told.refusal == (400, "invalid_request")
    else:
        refused(told, Reason.UNKNOWN_CLIENT, reasons)


def test_no_proof(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """A client id alone proves nothing; neither does another scheme of the Authorization header."""
    refused(talk.ask(client_id=talk.client.id), Reason.NO_PROOF, reasons, "none of client_secret_basic")
    refused(talk.ask({"authorization": f"Bearer {talk.secret}"}), Reason.NO_PROOF, reasons, "is not `Basic`")


BROKEN = [
    ({"authorization": "Basic !!!"}, {}, "is not base64 of UTF-8"),
    ({"authorization": "Basic " + base64.b64encode(b"\xff:x").decode()}, {}, "is not base64 of UTF-8"),
    ({"authorization": "Basic " + base64.b64encode(b"no-colon").decode()}, {}, "holds no colon"),
    ({}, {"client_secret": "x"}, "`client_id` is missing"),
    ({"authorization": "Basic eDp5"}, {"client_secret": "x", "client_id": "x"}, "not by client_secret_basic and"),
    ({"authorization": "Basic eDp5"}, {"client_id": "z"}, "`client_id` is another client"),
    ({}, {"client_assertion": "x", "client_id": "x"}, "`client_assertion_type` is not"),
    ({}, {"client_secret": "x", "client_assertion": "x", "client_id": "x"}, "in one way"),
]


@pytest.mark.parametrize(("headers", "form", "says"), BROKEN)
def test_a_request_of_no_client(talk: Talk, headers: dict[str, str], form: dict[str, str], says: str) -> None:
    """What no client sends is `invalid_request`, with the reason."""
    told = talk.ask(headers, **form)
    assert told.refusal == (400, "invalid_request")
    assert says in told.body["error_description"]


FORMS: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"grant_type=client_credentials&grant_type=client_credentials", {}, 400, "`grant_type` is given twice"),
    (b"{}", {"content-type": "application/json"}, 400, "must be application/x-www-form-urlencoded"),
    (b"grant_type=client_credentials", {"content-type": ""}, 400, "must be application/x-www-form-urlencoded"),
    (b"grant_type=%ff", {}, 400, "is not application/x-www-form-urlencoded of UTF-8"),
    (b"\xff", {}, 400, "is not application/x-www-form-urlencoded of UTF-8"),
    (b"&".join(b"a%d=1" % number for number in range(50)), {}, 400, "with few parameters"),
    (b"a=" + b"x" * MAX_BODY, {}, 413, f"the limit is {MAX_BODY}"),
    (b"", {}, 400, "`grant_type` is missing"),
    (b"grant_type=", {}, 400, "`grant_type` is missing"),
]


@pytest.mark.parametrize(("body", "headers", "status", "says"), FORMS)
def test_a_body_that_is_no_form(talk: Talk, body: bytes, headers: dict[str, str], status: int, says: str) -> None:
    """The body is a small form in which every parameter stands once."""
    told = talk.send(body, headers)
    assert told.refusal == (status, "invalid_request")
    assert says in told.body["error_description"]


@pytest.mark.parametrize("grant", ["password", "authorization_code", "refresh_token", 'x"\\ü'])
def test_other_grants(talk: Talk, grant: str) -> None:
    """There is one grant; the answer repeats nothing of what was sent."""
    told = talk.post(grant_type=grant)
    assert told.refusal == (400, "unsupported_grant_type")
    assert told.body["error_description"] == "the only grant is `client_credentials`"


def test_scopes(talk: Talk) -> None:
    """The one scope may be asked for; any other is refused and no token given."""
    assert talk.post(scope="scim").status == 200
    told = talk.post(scope="scim admin")
    assert told.refusal == (400, "invalid_scope")


# --- assertions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
def test_a_signed_assertion_brings_a_token(talk: Talk, algorithm: str) -> None:
    """Each accepted algorithm works, for the token endpoint or the issuer as audience."""
    talk.register(algorithm)
    assert talk.show(talk.sign(algorithm)).status == 200
    told = talk.show(talk.sign(algorithm, aud=["https://bridge.example"]), client_id=talk.client.id)
    assert talk.authenticator.caller(told.body["access_token"], "r").connection_name == "okta"


def test_a_key_is_found_by_its_name(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """An assertion that names its key is tried against that key, or against keys without a name."""
    talk.register("ES256", kid="2026")
    assert talk.show(talk.sign("ES256", {"kid": "2026", "x5t#S256": "x"})).status == 200
    assert talk.show(talk.sign("ES256")).status == 200
    refused(talk.show(talk.sign("ES256", {"kid": "2025"})), Reason.ASSERTION_KEY, reasons)


WRONG: list[tuple[dict[str, Any], Reason, str]] = [
    ({"iss": "rbc_other"}, Reason.ASSERTION_CLIENT, "`iss` and `sub` must both be the client id"),
    ({"iss": ...}, Reason.ASSERTION_CLIENT, "`iss` and `sub`"),
    ({"aud": "https://evil.example/oauth/token"}, Reason.ASSERTION_AUDIENCE, "`aud` must be"),
    ({"aud": [ENDPOINT, "https://evil.example"]}, Reason.ASSERTION_AUDIENCE, "and nothing else"),
    ({"aud": []}, Reason.ASSERTION_AUDIENCE, "`aud` must be"),
    ({"aud": ...}, Reason.ASSERTION_AUDIENCE, "`aud` must be"),
    ({"aud": f"{ENDPOINT}/"}, Reason.ASSERTION_AUDIENCE, "`aud` must be"),
    ({"exp": ...}, Reason.ASSERTION_EXPIRED, "`exp` is missing"),
    ({"exp": "soon"}, Reason.ASSERTION_MALFORMED, "`exp` is no number"),
    ({"exp": True}, Reason.ASSERTION_MALFORMED, "`exp` is no number"),
    ({"exp": float("nan")}, Reason.ASSERTION_MALFORMED, "`exp` is no number"),
    ({"exp": 1e300}, Reason.ASSERTION_MALFORMED, "`exp` is no moment"),
    ({"nbf": 4_000_000_000}, Reason.ASSERTION_NOT_YET, "`nbf` lies in the future"),
    ({"iat": 4_000_000_000}, Reason.ASSERTION_NOT_YET, "`iat` lies in the future"),
    ({"jti": ...}, Reason.ASSERTION_ID, "`jti` must be a text"),
    ({"jti": ""}, Reason.ASSERTION_ID, "`jti` must be a text"),
    ({"jti": 7}, Reason.ASSERTION_ID, "`jti` must be a text"),
    ({"jti": "x" * 256}, Reason.ASSERTION_ID, "`jti` must be a text"),
]


@pytest.mark.parametrize(("claims", "reason", "says"), WRONG)
def test_a_claim_is_wrong(
    talk: Talk, reasons: pytest.LogCaptureFixture, claims: dict[str, Any], reason: Reason, says: str
) -> None:
    """Rightly signed, an assertion is refused for the claim that is wrong, and its owner is told which."""
    talk.register()
    refused(talk.show(talk.sign(**claims)), reason, reasons, says)


def test_an_assertion_lives_between_its_times(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """Expiry and beginning allow for the skew and no more; an end too far ahead is refused."""
    talk.register()
    now, skew, life = talk.claims()["iat"], int(SKEW.total_seconds()), int(LONGEST_LIFE.total_seconds())
    assert talk.show(talk.sign(exp=now - skew + 5)).status == 200
    assert talk.show(talk.sign(nbf=now + skew - 5, iat=now + skew - 5)).status == 200
    assert talk.show(talk.sign(exp=now + life + skew - 5)).status == 200
    refused(talk.show(talk.sign(exp=now - skew)), Reason.ASSERTION_EXPIRED, reasons, "has expired")
    refused(talk.show(talk.sign(exp=now + life + skew + 60)), Reason.ASSERTION_LIFETIME, reasons, "60 minutes ahead")
    refused(talk.show(talk.sign(nbf=now + skew + 60)), Reason.ASSERTION_NOT_YET, reasons, "`nbf`")


def test_an_assertion_is_used_once(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """A second use is refused as long as the assertion would hold; another client's id of the same text is not that."""
    talk.register()
    assertion = talk.sign(jti="one")
    assert talk.show(assertion).status == 200
    refused(talk.show(assertion), Reason.ASSERTION_REUSED, reasons, "used before")
    talk.wait(seconds=340)
    refused(talk.show(assertion), Reason.ASSERTION_REUSED, reasons, "used before")
    talk.wait(seconds=30)
    refused(talk.show(assertion), Reason.ASSERTION_EXPIRED, reasons, "has expired")
    assert talk.show(talk.sign(jti="one")).status == 200
    assert rows_of(talk, "used_assertions") == 1


def test_alg_none(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """An assertion without a signature is refused for its algorithm."""
    talk.register()
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    _, claims, _ = talk.sign().split(".")
    refused(talk.show(f"{head}.{claims}."), Reason.ASSERTION_ALGORITHM, reasons)


def test_the_public_key_as_a_shared_secret(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """HS256 with the public key's text as the secret, which everybody knows, is refused for its algorithm."""
    import hashlib
    import hmac

    talk.register("RS256")
    for secret in (public_pem("RS256"), str(key_for("RS256").as_dict(private=False)).encode()):
        head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
        signed = f"{head}.{talk.sign('RS256').split('.')[1]}"
        mac = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256)).decode().rstrip("=")
        refused(talk.show(f"{signed}.{mac}"), Reason.ASSERTION_ALGORITHM, reasons)


def test_an_algorithm_that_is_not_accepted(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """A strong algorithm that is not in the list is refused too."""
    talk.register("RS256")
    refused(talk.show(talk.sign("RS512")), Reason.ASSERTION_ALGORITHM, reasons)


def test_a_key_of_another_type(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """An algorithm goes with its own type of key."""
    talk.register("ES256")
    refused(talk.show(talk.sign("RS256")), Reason.ASSERTION_KEY, reasons)


def test_a_signature_of_somebody_else(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """Another key's signature, and claims changed after signing, are refused for the signature."""
    talk.register("Ed25519")
    other = talk.administration.add(OPERATOR, talk.connection("entra"), "other")
    talk.client, mine = other, talk.client
    talk.register("ES256")
    talk.client = mine
    refused(talk.show(talk.sign("ES256")), Reason.ASSERTION_KEY, reasons)
    head, _, signature = talk.sign("Ed25519").split(".")
    forged = base64.urlsafe_b64encode(json.dumps(talk.claims()).encode()).decode().rstrip("=")
    refused(talk.show(f"{head}.{forged}.{signature}"), Reason.ASSERTION_SIGNATURE, reasons)


def test_a_revoked_key(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """A revoked key signs for nobody, and the tokens it brought are worthless."""
    held = talk.register()
    token = talk.show(talk.sign()).body["access_token"]
    talk.administration.revoke_credential(OPERATOR, talk.client, held.credential.id, key=True)
    refused(talk.show(talk.sign()), Reason.ASSERTION_KEY, reasons)
    with pytest.raises(Unauthenticated, match="secret or key"):
        talk.authenticator.caller(token, "r")


def test_an_unknown_client_asserts(talk: Talk, reasons: pytest.LogCaptureFixture) -> None:
    """An assertion of nobody sounds like a wrong one."""
    refused(talk.show(talk.sign(sub="rbc_x", iss="rbc_x")), Reason.UNKNOWN_CLIENT, reasons)


MALFORMED = ["", "a.b.c", "a.b", "ü.ü.ü", "....", "e30.e30.e30", "eyJhbGciOlsxXX0.e30.", "eyJhbGciOnsiYSI6MX19.e30.e30",
             "eyJhbGciOiJFUzI1NiIsImtpZCI6WzFdfQ.eyJzdWIiOiJ4In0.", "eyJhbGciOiJFUzI1NiJ9.W10.", "x" * 12_000,
             "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOjF9.AAAA"]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_assertion(talk: Talk, reasons: pytest.LogCaptureFixture, text: str) -> None:
    """Text that is no signed token is refused as malformed."""
    refused(talk.show(text), Reason.ASSERTION_MALFORMED, reasons, "")


# --- brute force -----------------------------------------------------------------------------------------------


def test_failures_for_one_client_are_slowed_down(talk: Talk) -> None:
    """After so many failed proofs for a client even the right one waits, from there; elsewhere it works."""
    for _ in range(FAILURES_OF_CLIENT.burst):
        assert talk.post("rbs_wrong").status == 401
    told = talk.post()
    assert told.refusal == (429, "temporarily_unavailable")
    assert told.headers["Retry-After"] == "6"
    assert talk.post(peer="203.0.113.8").status == 200
    talk.seconds += 6
    assert talk.post().status == 200


def test_failures_from_one_address_are_slowed_down(talk: Talk) -> None:
    """So many failures from one address, or one network of IPv6, for whatever clients, shut it out for a while."""
    for number in range(FAILURES_OF_ADDRESS.burst):
        assert talk.post(client_id=f"rbc_{number}", peer=f"2001:db8::{number:x}").status == 401
    assert talk.post(peer="2001:db8::ffff").status == 429
    assert talk.post(peer="2001:db8:0:1::1").status == 200


def test_a_proxy_that_nobody_named_shuts_nobody_out(talk: Talk) -> None:
    """Behind a proxy that is not trusted all have one address: failures of one client do not refuse another."""
    forwarded = {"x-forwarded-for": "198.51.100.1"}
    for number in range(FAILURES_OF_ADDRESS.burst + 5):
        assert talk.ask(forwarded, client_id=f"rbc_{number}", client_secret="x").status == 401
    assert talk.ask(forwarded, client_id=talk.client.id, client_secret=talk.secret).status == 200


def test_tokens_are_not_given_without_end(talk: Talk) -> None:
    """A client that asks for a token before every request is slowed down."""
    for _ in range(TOKENS_OF_CLIENT.burst):
        talk.face._meters.take(f"tokens {talk.client.id}", TOKENS_OF_CLIENT)
    told = talk.post()
    assert told.refusal == (429, "temporarily_unavailable")
    assert told.headers["Retry-After"] == "1"


def test_an_assertion_that_is_sent_many_times_at_once(talk: Talk) -> None:
    """Of parallel uses of one assertion exactly one brings a token."""
    talk.register()
    assertion = talk.sign()
    told: list[tuple[int, str]] = []

    def send(_: int) -> None:
        answer = talk.show(assertion)
        told.append((answer.status, answer.body.get("error_description", "")))

    assert together(send, 8) == [None] * 8
    assert sorted(told) == [(200, "")] + [(401, "the assertion was used before")] * 7


def test_a_client_that_is_revoked_while_it_asks(talk: Talk) -> None:
    """Whatever meets: once the revocation has returned, no token of the client works."""
    tokens: list[str] = []

    def race(number: int) -> None:
        if number == 3:
            talk.administration.revoke(OPERATOR, talk.client)
        else:
            told = talk.post()
            tokens.extend([told.body["access_token"]] if told.status == 200 else [])

    assert together(race, 8) == [None] * 8
    for token in tokens:
        with pytest.raises(Unauthenticated, match="was revoked"):
            talk.connection_of(token)


def test_what_was_revoked_after_its_proof_brings_nothing(talk: Talk) -> None:
    """A proof that was right a moment ago is looked at again in the transaction that gives the token."""
    proof = prove(Claim(Method.SECRET_POST, talk.client.id, talk.secret), talk.face._issuing, ())
    talk.administration.revoke_credential(OPERATOR, talk.client, talk.held.credential.id, key=False)
    with pytest.raises(NoLongerValid):
        talk.face._issuing.issue(proof)
    assert rows_of(talk, "access_tokens") == 0


def test_an_issuer_with_a_path_describes_itself_there_too(talk: Talk) -> None:
    """The description of `https://host/rolebridge` is found with that path at its end (RFC 8414 §3.1), and without."""
    app = Flask("oauth")
    issuer = "https://host.example/rolebridge"
    app.register_blueprint(oauth_blueprint(talk.face, issuer, "/oauth/token", lambda: "r"))
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/rolebridge"):
        assert app.test_client().get(path).json == json.loads(bytes(talk.face.metadata().body))  # type: ignore[arg-type]
    assert app.test_client().get(f"{WELL_KNOWN}/other").status_code == 404


def test_a_secret_that_is_stored_under_an_earlier_key(talk: Talk) -> None:
    """It brings a token, is stored under the present key from then on, and tokens of before work until they end."""
    before = talk.token()
    ring = Hasher(b"n" * 32, [b"k" * 32])
    talk.use(ring)
    assert talk.connection_of(before) == "okta"
    assert talk.post().status == 200
    (held,) = talk.administration.credentials(talk.client)
    assert held.credential.key_id == ring.key_id
    talk.use(Hasher(b"n" * 32))
    assert talk.post().status == 200
    with pytest.raises(InvalidToken, match="the access token is not known"):
        talk.connection_of(before)


def test_a_secret_whose_key_is_gone(talk: Talk) -> None:
    """Once the key under which a secret is stored has left the ring, the secret is wrong."""
    talk.use(Hasher(b"n" * 32))
    assert talk.post().refusal == (401, "invalid_client")
