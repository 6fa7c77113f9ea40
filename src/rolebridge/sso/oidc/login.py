"""A login by OpenID Connect, from the request in the browser to an identity: pure of HTTP and of the database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from rolebridge.core.login import AssertedIdentity, Protocol, Trail
from rolebridge.core.oidc_claims import flattened
from rolebridge.core.oidc_settings import OidcSettings
from rolebridge.sso.oidc import fetching
from rolebridge.sso.oidc.checking import Check, run, shown
from rolebridge.sso.oidc.claims import ID_TOKEN_CHECKS, Presented, moment, wrong_subject
from rolebridge.sso.oidc.client import SigningKey, StrictClient
from rolebridge.sso.oidc.discovery import Provider
from rolebridge.sso.oidc.fetching import Fetcher
from rolebridge.sso.oidc.providers import Providers
from rolebridge.sso.oidc.tokens import ID_TOKEN_TYPES, verified

USERINFO_UNREACHABLE: Final = "oidc-userinfo-unreachable"
USERINFO_FORM: Final = "oidc-userinfo-form"

_CODE: Final = re.compile(r"[\x20-\x7e]{1,8192}")
_LONGEST_SESSION: Final = 500


@dataclass(frozen=True, slots=True)
class Client:
    """What a connection is at its provider: settings, the secret or key that proves it, where the browser returns."""

    connection_id: str
    settings: OidcSettings
    credential: str | SigningKey = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a login began with (`bridge.login_flows`), bound to this browser: `state` is its id.

    `fresh`, `max_age` and `contexts` are what whoever wanted the login demands of it.
    """

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    begun_at: datetime
    fresh: bool = False
    max_age: int | None = None
    contexts: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A login that passed every check; `id_token` tells the provider later who signs out."""

    identity: AssertedIdentity
    id_token: str = field(repr=False)


class OidcLogin:
    """Sends browsers to providers and takes back what they bring."""

    def __init__(self, providers: Providers) -> None:
        self.providers = providers

    def begin(self, client: Client, asked: Asked, now: datetime, trail: Trail) -> str:
        """Return the URL at the provider to which the browser goes. Raises LoginRefused."""
        settings = client.settings
        fetcher = self.providers.patient(client.connection_id)
        provider = self.providers.provider(client.connection_id, settings, trail, fetcher)
        strict = StrictClient(settings, client.credential, client.redirect_uri, fetcher, now)
        oldest = _oldest(settings, asked)
        return strict.request_url(
            provider,
            asked.state,
            asked.nonce,
            asked.verifier,
            prompt="login" if asked.fresh else settings.prompt,
            max_age="" if oldest is None else str(oldest),
            acr_values=" ".join(_contexts(settings, asked)),
            login_hint=asked.hint,
        )

    def finish(
        self, client: Client, asked: Asked, query: Sequence[tuple[str, str]], now: datetime, trail: Trail
    ) -> Accepted:
        """Return who came back with the parameters of `query`. Raises LoginRefused."""
        fetcher = self.providers.patient(client.connection_id)
        provider = self.providers.provider(client.connection_id, client.settings, trail, fetcher)
        response = Response(query, provider, client.settings)
        run(RESPONSE_CHECKS, response, trail)
        code = dict(query)["code"]
        strict = StrictClient(client.settings, client.credential, client.redirect_uri, fetcher, now)
        tokens = strict.exchange(provider, code, asked.verifier, trail)
        keys_for = self.providers.keys_for(client.connection_id, provider, trail, fetcher)
        token = verified(tokens.id_token, client.settings, ID_TOKEN_TYPES, keys_for, trail)
        presented = Presented(
            token.claims,
            token.algorithm,
            client.settings,
            now,
            asked.nonce,
            code,
            tokens.access_token,
            _since(client.settings, asked),
        )
        run(ID_TOKEN_CHECKS, presented, trail)
        endpoint = provider.userinfo_endpoint if client.settings.userinfo else None
        more = _userinfo(fetcher, endpoint, tokens.access_token, str(token.claims["sub"]), trail)
        claims = _merged(token.claims, more)
        return Accepted(_identity(token.claims, claims), tokens.id_token)


def _userinfo(
    fetcher: Fetcher, endpoint: str | None, access_token: str | None, subject: str, trail: Trail
) -> Mapping[str, Any]:
    """Return the claims of the userinfo endpoint, if there is one to ask; those of the ID token go before."""
    if endpoint is None:
        trail.not_needed(USERINFO_FORM, "the settings want no userinfo")
        return {}
    what = "userinfo"
    headers = {"Authorization": f"Bearer {access_token}"}
    fetched = fetching.get(fetcher, endpoint, USERINFO_UNREACHABLE, what, headers)
    if fetched.status == 200:
        fetching.check_json(fetched, USERINFO_FORM, what)
    claims = fetching.document(fetched, USERINFO_UNREACHABLE, USERINFO_FORM, what)
    trail.passed(USERINFO_UNREACHABLE)
    trail.passed(USERINFO_FORM)
    run(USERINFO_CHECKS, Userinfo(claims, subject), trail)
    return claims


# --- what comes back --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Response:
    """The parameters that the browser brought, beside what is known of the provider."""

    query: Sequence[tuple[str, str]]
    provider: Provider
    settings: OidcSettings

    def value(self, name: str) -> str | None:
        """Return a parameter, or None."""
        return dict(self.query).get(name)


def _once(response: Response) -> str | None:
    """Return what is wrong: parameters that are there twice mean two things (RFC 6749 §3.1)."""
    names = [name for name, _ in response.query]
    twice = next((name for name in names if names.count(name) > 1), None)
    return f"the parameter {shown(twice)} is there twice" if twice else None


def _says_issuer(response: Response) -> str | None:
    """Return what is wrong: a provider that says who it is in its responses always does (RFC 9207 §2.4)."""
    missing = response.provider.names_itself and response.value("iss") is None
    return "the response does not say whose it is (`iss`), though the provider announces that" if missing else None


def _is_issuer(response: Response) -> str | None:
    said = response.value("iss")
    if said is None or said == response.settings.issuer:
        return None
    return f"the response is of {shown(said)}, the login began at {shown(response.settings.issuer)}"


def _no_error(response: Response) -> str | None:
    said = response.value("error")
    if said is None:
        return None
    why = response.value("error_description")
    return f"the provider refuses: {shown(said)}" + (f" {shown(why)}" if why else "")


def _code(response: Response) -> str | None:
    said = response.value("code")
    return None if said is not None and _CODE.fullmatch(said) else "the response has no code"


RESPONSE_CHECKS: Final[tuple[Check[Response], ...]] = (
    ("oidc-response-form", _once),
    ("oidc-response-issuer-missing", _says_issuer),
    ("oidc-response-issuer", _is_issuer),
    ("oidc-provider-error", _no_error),
    ("oidc-code-missing", _code),
)


@dataclass(frozen=True, slots=True)
class Userinfo:
    """What the userinfo endpoint says, beside the person whom the ID token is about."""

    claims: Mapping[str, Any]
    subject: str


def _same_subject(userinfo: Userinfo) -> str | None:
    """Return what is wrong: userinfo of somebody else must not be used (OpenID Connect Core §5.3.2)."""
    said = userinfo.claims.get("sub")
    return None if said == userinfo.subject else wrong_subject(said) or "userinfo is about somebody else (`sub`)"


USERINFO_CHECKS: Final[tuple[Check[Userinfo], ...]] = (("oidc-userinfo-subject", _same_subject),)


# --- what is asked ----------------------------------------------------------------------------------------------------


def _oldest(settings: OidcSettings, asked: Asked) -> int | None:
    """Return how many seconds ago the person may have proved who they are; None if that does not matter."""
    if asked.fresh:
        return 0
    ages = [age for age in (settings.max_age, asked.max_age) if age is not None]
    return min(ages, default=None)


def _since(settings: OidcSettings, asked: Asked) -> datetime | None:
    oldest = _oldest(settings, asked)
    return None if oldest is None else asked.begun_at - timedelta(seconds=oldest)


def _contexts(settings: OidcSettings, asked: Asked) -> tuple[str, ...]:
    """Return the contexts that are asked for: those that the settings insist on, else those of who wants the login."""
    return settings.acr_values if settings.acr_required or not asked.contexts else asked.contexts


def _merged(claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of the ID token with those that userinfo adds.

    What the token only points at (`_claim_names`, OpenID Connect Core §5.6.2) is known when userinfo has it.
    """
    names = claims.get("_claim_names")
    if not isinstance(names, dict):
        return {**userinfo, **claims}
    missing = {name: source for name, source in names.items() if name in claims or name not in userinfo}
    return {**userinfo, **claims, "_claim_names": missing}


def _identity(claims: Mapping[str, Any], all_claims: Mapping[str, Any]) -> AssertedIdentity:
    """Return who the ID token's `claims` say has logged in; `all_claims` are attributes, those of userinfo too."""
    acr, sid = claims.get("acr"), claims.get("sid")
    return AssertedIdentity(
        protocol=Protocol.OIDC,
        issuer=claims["iss"],
        subject=claims["sub"],
        attributes=flattened(all_claims),
        authenticated_at=moment(claims.get("auth_time")),
        context=acr if isinstance(acr, str) and 1 <= len(acr) <= _LONGEST_SESSION else None,
        idp_session=sid if isinstance(sid, str) and 1 <= len(sid) <= _LONGEST_SESSION else None,
    )
