"""What a provider says about itself (OpenID Connect Discovery 1.0, RFC 8414): read strictly, believed no further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from rolebridge.core.login import Trail
from rolebridge.core.oidc_settings import ALGORITHMS, ClientAuthentication, OidcSettings, is_endpoint
from rolebridge.sso.oidc import fetching
from rolebridge.sso.oidc.checking import Check, run, shown
from rolebridge.sso.oidc.fetching import Fetcher

UNREACHABLE: Final = "oidc-discovery-unreachable"
FORM: Final = "oidc-discovery-form"

ISSUER: Final = "issuer"
_NAMES_ITSELF: Final = "authorization_response_iss_parameter_supported"
_NEEDED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OPTIONAL: Final = ("userinfo_endpoint", "end_session_endpoint")


@dataclass(frozen=True, slots=True)
class Described:
    """A discovery document beside the settings that it must agree with."""

    document: Mapping[str, Any]
    settings: OidcSettings


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's endpoints are. `names_itself`: its responses say who it is (`iss`, RFC 9207 §3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    names_itself: bool


def believed(fetcher: Fetcher, settings: OidcSettings) -> dict[str, Any]:
    """Return of a provider's discovery document what a login needs, which was checked. Raises LoginRefused."""
    document = fetch(fetcher, settings)
    provider_of(Described(document, settings), Trail())
    return {name: document[name] for name in (ISSUER, *_NEEDED, *_OPTIONAL, _NAMES_ITSELF) if name in document}


def fetch(fetcher: Fetcher, settings: OidcSettings) -> dict[str, Any]:
    """Return a provider's discovery document, not looked at yet. Raises LoginRefused."""
    what = "the discovery document"
    fetched = fetching.get(fetcher, settings.discovery_url, UNREACHABLE, what)
    return fetching.document(fetched, UNREACHABLE, FORM, what)


def provider_of(described: Described, trail: Trail) -> Provider:
    """Return the provider that a document describes. Raises LoginRefused."""
    run(DISCOVERY_CHECKS, described, trail)
    document = described.document
    return Provider(
        authorization_endpoint=document["authorization_endpoint"],
        token_endpoint=document["token_endpoint"],
        jwks_uri=document["jwks_uri"],
        userinfo_endpoint=document.get("userinfo_endpoint"),
        end_session_endpoint=document.get("end_session_endpoint"),
        names_itself=document.get(_NAMES_ITSELF) is True,
    )


def _issuer(described: Described) -> str | None:
    """Return what is wrong with the issuer: character by character it is the one of the settings (Discovery §4.3)."""
    said = described.document.get(ISSUER)
    if said == described.settings.issuer:
        return None
    return f"the document is that of {shown(said)}, the connection's issuer is {shown(described.settings.issuer)}"


def _endpoints(described: Described) -> str | None:
    """Return what is wrong with the endpoints: those that are needed are there, and all are https as the issuer is."""
    secure = described.settings.issuer.startswith("https://")
    for name in (*_NEEDED, *_OPTIONAL):
        url = described.document.get(name)
        if url is None and name in _OPTIONAL:
            continue
        if not is_endpoint(url) or (secure and not str(url).startswith("https://")):
            return f"`{name}` is {shown(url) if url is not None else 'missing'}, not an https URL"
    if described.settings.userinfo and described.document.get("userinfo_endpoint") is None:
        return "the settings want claims from userinfo, and the provider has no `userinfo_endpoint`"
    return None


DISCOVERY_CHECKS: Final[tuple[Check[Described], ...]] = (
    ("oidc-discovery-issuer", _issuer),
    ("oidc-discovery-endpoint", _endpoints),
)


def chosen(document: Mapping[str, Any], settings: OidcSettings) -> OidcSettings:
    """Return settings of a new connection with what the provider announces, where it does not offer what is usual.

    RS256 and the client secret in a header are what every provider should offer (OpenID Connect Discovery §3, Core
    §9). Userinfo is asked where there is one: that is where the claims of scopes are for whoever comes with a code
    (Core §5.4), and not all providers put them into ID tokens, too. From then on the settings say what counts,
    whatever the document says later.
    """
    algorithms = _announced(document, "id_token_signing_alg_values_supported", ALGORITHMS)
    methods = _announced(document, "token_endpoint_auth_methods_supported", tuple(ClientAuthentication))
    if algorithms and not set(settings.algorithms) & set(algorithms):
        settings = replace(settings, algorithms=algorithms)
    if methods and settings.authentication not in methods:
        settings = replace(settings, authentication=ClientAuthentication(methods[0]))
    return replace(settings, userinfo=settings.userinfo or document.get("userinfo_endpoint") is not None)


def _announced(document: Mapping[str, Any], name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a document lists and we know, in our order."""
    said = document.get(name)
    return tuple(one for one in known if one in said) if isinstance(said, list) else ()


def doubts(document: Mapping[str, Any], settings: OidcSettings) -> list[str]:
    """Return what in a document makes logins likely to fail, in words for the administrator; no login asks this."""
    found = []
    for name, wanted, why in (
        ("response_types_supported", ("code",), "the authorization code flow"),
        ("id_token_signing_alg_values_supported", settings.algorithms, "any algorithm that the settings accept"),
        ("token_endpoint_auth_methods_supported", (settings.authentication,), "the way the client proves itself"),
        ("code_challenge_methods_supported", ("S256",), "PKCE with S256"),
        ("scopes_supported", ("openid",), "OpenID Connect"),
    ):
        announced = document.get(name)
        if isinstance(announced, list) and not set(map(str, announced)) & set(wanted):
            found.append(f"`{name}` does not announce {why}: {', '.join(f'`{one}`' for one in wanted)}")
    return found
