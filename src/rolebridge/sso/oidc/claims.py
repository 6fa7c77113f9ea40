"""What a verified token's claims must say (OpenID Connect Core §3.1.3.7, Back-Channel Logout §2.6): a check each."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rolebridge.core import base64url
from rolebridge.core.oidc_settings import OidcSettings
from rolebridge.sso.oidc.checking import Check, shown

OLDEST: Final = timedelta(hours=1)
"""How long ago a token may have been issued: it comes straight from the provider, for a login that just began."""
LONGEST_SUBJECT: Final = 255
"""Characters (OpenID Connect Core §2)."""
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"

_LONGEST_ID: Final = 500


@dataclass(frozen=True, slots=True)
class Presented:
    """The verified claims of a token, and what they must agree with.

    `since` is the moment since which the person must have proved who they are, None when that does not matter.
    """

    claims: Mapping[str, Any]
    algorithm: str
    settings: OidcSettings
    now: datetime
    nonce: str = ""
    code: str = ""
    access_token: str | None = None
    since: datetime | None = None

    @property
    def skew(self) -> timedelta:
        """Return how far the provider's clock may be off."""
        return timedelta(seconds=self.settings.skew)


def moment(value: object) -> datetime | None:
    """Return the moment of a NumericDate (RFC 7519 §2); None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


# --- of every token ---------------------------------------------------------------------------------------------------


def _issuer(token: Presented) -> str | None:
    said = token.claims.get("iss")
    return None if said == token.settings.issuer else f"the token was issued by {shown(said)} (`iss`)"


def _audience(token: Presented) -> str | None:
    """Return what is wrong with `aud`: our client is in it, and nobody whom the settings do not trust."""
    said = token.claims.get("aud")
    meant = said if isinstance(said, list) else [said]
    if not meant or not all(isinstance(one, str) and one for one in meant):
        return "the token is for nobody (`aud` is missing or empty)"
    if token.settings.client_id not in meant:
        return f"the token is for {shown(meant[0])} and not for this client (`aud`)"
    others = set(meant) - {token.settings.client_id, *token.settings.audiences}
    return f"the token is also for {shown(min(others))}, whom the settings do not name (`aud`)" if others else None


def _expires(token: Presented) -> str | None:
    ends = moment(token.claims.get("exp"))
    if ends is None:
        return "the token says no moment at which it expires (`exp`)"
    late = token.now - ends
    return f"the token expired {_span(late)} ago (`exp`)" if ends <= token.now - token.skew else None


def _issued(token: Presented) -> str | None:
    at = moment(token.claims.get("iat"))
    if at is None:
        return "the token says no moment at which it was issued (`iat`)"
    if at > token.now + token.skew:
        return f"the token was issued {_span(at - token.now)} from now (`iat`)"
    return f"the token was issued {_span(token.now - at)} ago (`iat`)" if at < token.now - OLDEST - token.skew else None


def _not_before(token: Presented) -> str | None:
    if "nbf" not in token.claims:
        return None
    at = moment(token.claims["nbf"])
    if at is None:
        return "the token's `nbf` is no moment"
    return (
        f"the token is not valid before {_span(at - token.now)} from now (`nbf`)"
        if at > token.now + token.skew
        else None
    )


def _subject(token: Presented) -> str | None:
    return wrong_subject(token.claims.get("sub"))


def wrong_subject(said: object) -> str | None:
    """Return what is wrong with a `sub`: 1 to 255 characters of ASCII."""
    if not isinstance(said, str) or not said:
        return "the token is about nobody (`sub` is missing or no text)"
    if len(said) > LONGEST_SUBJECT or not said.isascii() or not said.isprintable():
        return f"`sub` is not {LONGEST_SUBJECT} printable characters of ASCII at most"
    return None


# --- of ID tokens -----------------------------------------------------------------------------------------------------


def _kind(token: Presented) -> str | None:
    """Return what is wrong: a logout token, which the provider also signs for this client, logs nobody in."""
    return "this is a token about an event (`events`), not an ID token" if "events" in token.claims else None


def _authorized_party(token: Presented) -> str | None:
    said = token.claims.get("azp")
    if said is None:
        several = isinstance(token.claims.get("aud"), list) and len(token.claims["aud"]) > 1
        return "the token is for several clients and does not say which one asked (`azp`)" if several else None
    return None if said == token.settings.client_id else f"the token was asked for by {shown(said)} (`azp`)"


def _nonce(token: Presented) -> str | None:
    said = token.claims.get("nonce")
    if not isinstance(said, str):
        return "the token is bound to no login (`nonce` is missing)"
    same = bool(token.nonce) and hmac.compare_digest(said.encode(errors="replace"), token.nonce.encode())
    return None if same else "the token is bound to another login (`nonce`)"


def _access_token_hash(token: Presented) -> str | None:
    return _half_hash(token, "at_hash", token.access_token)


def _code_hash(token: Presented) -> str | None:
    return _half_hash(token, "c_hash", token.code)


def _half_hash(token: Presented, name: str, of: str | None) -> str | None:
    """Return what is wrong with a hash that, if it is there, binds what came beside the token (Core §3.3.2.11)."""
    said = token.claims.get(name)
    if said is None or of is None:
        return None
    digest = hashlib.new(f"sha{_hash_bits(token.algorithm)}", of.encode()).digest()
    expected = base64url.encode(digest[: len(digest) // 2]).encode()
    if isinstance(said, str) and hmac.compare_digest(said.rstrip("=").encode(errors="replace"), expected):
        return None
    return f"the token does not belong to what came with it (`{name}`)"


def _hash_bits(algorithm: str) -> str:
    return "512" if algorithm.startswith("Ed") else algorithm[2:]


def _context(token: Presented) -> str | None:
    if not token.settings.acr_required:
        return None
    said = token.claims.get("acr")
    wanted = ", ".join(f"`{one}`" for one in token.settings.acr_values)
    return None if said in token.settings.acr_values else f"the login was {shown(said)} (`acr`); wanted is {wanted}"


def _authenticated(token: Presented) -> str | None:
    """Return what is wrong: when an age was asked for, `auth_time` must be there (Core §2), and young enough."""
    if token.since is None:
        return None
    at = moment(token.claims.get("auth_time"))
    if at is None:
        return "the provider does not say when the person proved who they are (`auth_time`), though it was asked to"
    if at > token.now + token.skew:
        return "the person proved who they are in the future (`auth_time`)"
    late = token.since - at
    return f"the person proved who they are {_span(late)} too early (`auth_time`)" if late > token.skew else None


ID_TOKEN_CHECKS: Final[tuple[Check[Presented], ...]] = (
    ("oidc-token-kind", _kind),
    ("oidc-issuer", _issuer),
    ("oidc-audience", _audience),
    ("oidc-authorized-party", _authorized_party),
    ("oidc-expired", _expires),
    ("oidc-issued-at", _issued),
    ("oidc-not-before", _not_before),
    ("oidc-nonce", _nonce),
    ("oidc-access-token-hash", _access_token_hash),
    ("oidc-code-hash", _code_hash),
    ("oidc-subject", _subject),
    ("oidc-context", _context),
    ("oidc-authenticated-at", _authenticated),
)


# --- of logout tokens -------------------------------------------------------------------------------------------------


def _events(token: Presented) -> str | None:
    events = token.claims.get("events")
    if isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict):
        return None
    return "the token does not say that somebody was logged out (`events`)"


def _no_nonce(token: Presented) -> str | None:
    return "a logout token must not have a `nonce`: this may be an ID token" if "nonce" in token.claims else None


def _whom(token: Presented) -> str | None:
    """Return what is wrong: `sub`, `sid` or both say whose sessions end."""
    sub, sid = token.claims.get("sub"), token.claims.get("sid")
    if sub is None and sid is None:
        return "the token says neither whose sessions (`sub`) nor which session (`sid`) end"
    if sid is not None and (not isinstance(sid, str) or not 1 <= len(sid) <= _LONGEST_ID):
        return "`sid` is no short text"
    return wrong_subject(sub) if sub is not None else None


def _id(token: Presented) -> str | None:
    said = token.claims.get("jti")
    return None if isinstance(said, str) and 1 <= len(said) <= _LONGEST_ID else "the token has no id (`jti`)"


LOGOUT_TOKEN_CHECKS: Final[tuple[Check[Presented], ...]] = (
    ("oidc-issuer", _issuer),
    ("oidc-audience", _audience),
    ("oidc-expired", _expires),
    ("oidc-issued-at", _issued),
    ("oidc-logout-event", _events),
    ("oidc-logout-nonce", _no_nonce),
    ("oidc-logout-subject", _whom),
    ("oidc-logout-id", _id),
)


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    return f"{seconds} seconds" if seconds < 7_200 else f"{seconds // 3_600} hours"
