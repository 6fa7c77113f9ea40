"""Notices that somebody was signed out at the provider (OpenID Connect Back-Channel Logout 1.0 §2.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from tests.sso.oidc.evil import CLIENT_ID, ISSUER, NOW, SUBJECT, EvilProvider, rsa_key
from tests.sso.oidc.logins import RelyingParty

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.oidc.logout import LoggedOut, read_logout_token

T: Final = int(NOW.timestamp())
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
Arrange = Callable[[dict[str, Any], dict[str, Any]], object]
"""Changes the header and the claims of an honest logout token."""


def honest() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a good one."""
    claims = {
        "iss": ISSUER,
        "aud": CLIENT_ID,
        "sub": SUBJECT,
        "sid": "session-1",
        "iat": T,
        "exp": T + 120,
        "jti": "notice-1",
        "events": {EVENT: {}},
    }
    return {"alg": "RS256", "kid": "k1", "typ": "logout+jwt"}, claims


def notice(arrange: Arrange = lambda header, claims: None, provider: EvilProvider | None = None) -> LoggedOut:
    """Return what a logout token says that was changed in some way. Raises LoginRefused."""
    provider = provider or EvilProvider()
    header, claims = honest()
    arrange(header, claims)
    party = RelyingParty(provider)
    return read_logout_token(party.client, provider.token(header, claims), party.login.providers, NOW, Trail())


def claim(**members: Any) -> Arrange:
    """Have the token claim something else."""
    return lambda header, claims: claims.update(members)


def lack(*names: str) -> Arrange:
    """Have the token leave claims out."""
    return lambda header, claims: [claims.pop(name) for name in names]


def head(**members: Any) -> Arrange:
    """Have the token's header say something else."""
    return lambda header, claims: header.update(members)


NOTICES: Final[dict[str, tuple[str, Arrange]]] = {
    "alg none": ("oidc-algorithm", head(alg="none")),
    "alg HS256": ("oidc-algorithm", head(alg="HS256")),
    "an access token": ("oidc-token-type", head(typ="at+jwt")),
    "crit": ("oidc-token-critical", head(crit=["x"], x=1)),
    "an unknown key": ("oidc-key-unknown", head(kid="k2")),
    "iss of another provider": ("oidc-issuer", claim(iss="https://evil.example")),
    "aud of another client": ("oidc-audience", claim(aud="other")),
    "aud of several": ("oidc-audience", claim(aud=[CLIENT_ID, "other"])),
    "no aud": ("oidc-audience", lack("aud")),
    "no exp": ("oidc-expired", lack("exp")),
    "exp over": ("oidc-expired", claim(exp=T - 61)),
    "no iat": ("oidc-issued-at", lack("iat")),
    "iat in the future": ("oidc-issued-at", claim(iat=T + 61)),
    "iat of yesterday": ("oidc-issued-at", claim(iat=T - 86_400)),
    "no events": ("oidc-logout-event", lack("events")),
    "events a list": ("oidc-logout-event", claim(events=[EVENT])),
    "another event": ("oidc-logout-event", claim(events={"urn:x": {}})),
    "the event a text": ("oidc-logout-event", claim(events={EVENT: "yes"})),
    "a nonce": ("oidc-logout-nonce", claim(nonce="nonce-1")),
    "a nonce that is null": ("oidc-logout-nonce", claim(nonce=None)),
    "neither sub nor sid": ("oidc-logout-subject", lack("sub", "sid")),
    "sub a list": ("oidc-logout-subject", claim(sub=[SUBJECT])),
    "sid a number": ("oidc-logout-subject", claim(sid=1)),
    "sid empty": ("oidc-logout-subject", claim(sid="")),
    "sid of 501 characters": ("oidc-logout-subject", claim(sid="x" * 501)),
    "no jti": ("oidc-logout-id", lack("jti")),
    "jti a number": ("oidc-logout-id", claim(jti=1)),
    "jti empty": ("oidc-logout-id", claim(jti="")),
    "jti of 501 characters": ("oidc-logout-id", claim(jti="x" * 501)),
}


def test_a_good_notice_says_whose_session_ends() -> None:
    """Subject, session, and an id to be remembered."""
    said = notice()
    assert (said.issuer, said.subject, said.session, said.token_id) == (ISSUER, SUBJECT, "session-1", "notice-1")
    assert said.usable_until.timestamp() == T + 120 + 60


def test_a_notice_is_remembered_no_longer_than_it_is_accepted() -> None:
    """However late it says that it expires, it counts for an hour after it was issued."""
    assert notice(claim(exp=253_402_300_799)).usable_until.timestamp() == T + 3_600 + 60


@pytest.mark.parametrize("missing", ["sub", "sid"])
def test_one_of_subject_and_session_is_enough(missing: str) -> None:
    """`sub` ends all sessions of a person, `sid` one."""
    said = notice(lack(missing))
    assert (said.subject is None) == (missing == "sub")
    assert (said.session is None) == (missing == "sid")


@pytest.mark.parametrize("length", [1, 500])
def test_ids_of_any_length_up_to_500(length: int) -> None:
    """Of notices and of sessions."""
    said = notice(claim(jti="j" * length, sid="s" * length))
    assert (len(said.token_id), len(said.session or "")) == (length, length)


@pytest.mark.parametrize("typ", [None, "JWT", "logout+jwt", "application/logout+jwt"])
def test_types_of_logout_tokens(typ: str | None) -> None:
    """Providers of before the type was named send none, or JWT."""
    notice(lambda header, claims: header.update(typ=typ) if typ else header.pop("typ"))


@pytest.mark.parametrize("name", NOTICES)
def test_an_evil_notice_is_refused(name: str) -> None:
    """Each by its check."""
    code, arrange = NOTICES[name]
    with pytest.raises(LoginRefused) as refused:
        notice(arrange)
    assert refused.value.code == code


def test_a_notice_signed_by_somebody_else_is_refused() -> None:
    """The signature is that of a key which the provider publishes."""
    provider = EvilProvider()
    provider.keys = provider.key_set()["keys"]
    provider.key = rsa_key("attacker")
    with pytest.raises(LoginRefused) as refused:
        notice(provider=provider)
    assert refused.value.code == "oidc-signature"


def test_an_id_token_is_no_notice() -> None:
    """Which the same key signed for the same client."""
    with pytest.raises(LoginRefused) as refused:
        notice(lambda header, claims: (header.update(typ="JWT"), claims.pop("events"), claims.update(nonce="n")))
    assert refused.value.code == "oidc-logout-event"
