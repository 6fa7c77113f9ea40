"""What a connection that logs people in by OpenID Connect is told to do, as a value and as the document it is kept as.

Nothing secret stands here: the client's secret, or the private half of its key, is sealed beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final

from rolebridge.core.errors import Invalid

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""What tokens may be signed with: asymmetric signatures alone (RFC 7518 §3.1, RFC 8037, RFC 9864)."""
PROMPTS: Final = ("login", "select_account", "consent")
"""What the provider may be asked to show (OpenID Connect Core §3.1.2.1); `none` shows nobody a page to sign in at."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"

_LONGEST_URL: Final = 500
_LONGEST_ID: Final = 255
_MOST: Final = 20
_SKEWS: Final = range(301)
_MAX_AGES: Final = range(30 * 86_400 + 1)
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][!$-;=?-Z\[\]_a-z~]*)?"
)
"""Scheme, host, port, and what may stand in the rest: no fragment, no blank, nothing that ends an attribute."""
_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
"""A scope, or the name of a context class: printable ASCII but blank, `"` and `\\` (RFC 6749 §3.3)."""


class ClientAuthentication(StrEnum):
    """How the bridge proves to the token endpoint which client it is (OpenID Connect Core §9)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    KEY = "private_key_jwt"


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """How a connection logs people in by OpenID Connect.

    `issuer` is compared character by character; its discovery document says the rest. `algorithms` are those that a
    token may be signed with, whatever the provider announces. `scopes` are asked for beside `openid`.

    `acr_values` are asked for; with `acr_required` the token must name one of them. `max_age` is the most seconds since
    somebody signed in at the provider, `prompt` what it is asked to show. `userinfo` fetches claims from there too.
    `audiences` may stand beside our client id in a token's audience. `skew` is how far, in seconds, the provider's
    clock may be off. `idp_logout` sends whoever signs out on to the provider's own sign-out.
    """

    issuer: str
    client_id: str
    authentication: ClientAuthentication = ClientAuthentication.BASIC
    algorithms: tuple[str, ...] = ("RS256",)
    scopes: tuple[str, ...] = ("profile", "email")
    acr_values: tuple[str, ...] = ()
    acr_required: bool = False
    prompt: str = ""
    max_age: int | None = None
    userinfo: bool = False
    audiences: tuple[str, ...] = ()
    skew: int = 60
    idp_logout: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises Invalid."""
        check_issuer(self.issuer)
        if not 1 <= len(self.client_id) <= _LONGEST_ID or not self.client_id.isprintable():
            raise Invalid(f"a client id is a text of 1 to {_LONGEST_ID} characters", "client_id")
        self._check_algorithms()
        self._check_contexts()
        _check_tokens(self.scopes, "scopes", "a scope")
        if any(not one or len(one) > _LONGEST_URL or not one.isprintable() for one in self.audiences):
            raise Invalid(f"an audience is a text of 1 to {_LONGEST_URL} characters", "audiences")
        if self.prompt and self.prompt not in PROMPTS:
            raise Invalid(f"`prompt` is one of {', '.join(PROMPTS)}", "prompt")
        if self.max_age is not None and self.max_age not in _MAX_AGES:
            raise Invalid(f"`max_age` is 0 to {_MAX_AGES[-1]} seconds", "max_age")
        if self.skew not in _SKEWS:
            raise Invalid(f"`skew` is 0 to {_SKEWS[-1]} seconds", "skew")

    @property
    def discovery_url(self) -> str:
        """Return where the provider describes itself (OpenID Connect Discovery §4)."""
        return self.issuer.removesuffix("/") + WELL_KNOWN

    @property
    def scope(self) -> str:
        """Return the scopes that are asked for, as a request says them."""
        return " ".join(dict.fromkeys(("openid", *self.scopes)))

    def document(self) -> dict[str, Any]:
        """Return the settings as JSON values; `read_oidc_settings` reads them."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()} | {
            "authentication": self.authentication.value
        }

    def _check_algorithms(self) -> None:
        unknown = [name for name in self.algorithms if name not in ALGORITHMS]
        if unknown:
            raise Invalid(f"`{unknown[0][:40]}` is none of the algorithms {', '.join(ALGORITHMS)}", "algorithms")
        if not self.algorithms:
            raise Invalid("at least one algorithm must be accepted", "algorithms")

    def _check_contexts(self) -> None:
        _check_tokens(self.acr_values, "acr_values", "an authentication context class")
        if self.acr_required and not self.acr_values:
            raise Invalid("`acr_required` needs `acr_values` that are accepted", "acr_required")


def read_oidc_settings(document: Mapping[str, Any]) -> OidcSettings:
    """Return the settings that a document holds. Raises Invalid, also for what they do not know."""
    known = {one.name for one in fields(OidcSettings)}
    unknown = sorted(set(document) - known)
    if unknown:
        raise Invalid(f"OpenID Connect has no setting `{unknown[0][:60]}`", unknown[0][:60])
    for name in ("issuer", "client_id"):
        if not isinstance(document.get(name), str):
            raise Invalid(f"`{name}` must be a text", name)
    values: dict[str, Any] = {}
    for name, value in document.items():
        values[name] = _read(name, value)
    return OidcSettings(**values)


def check_issuer(issuer: str) -> None:
    """Refuse what is no issuer: an https URL without query and fragment (OpenID Connect Discovery §3). Raises Invalid.

    http is for a provider on this machine, where a developer tries things.
    """
    if not is_endpoint(issuer.partition("#")[0]):
        raise Invalid("the issuer must be an https URL, as the provider's discovery document says it", "issuer")
    if "?" in issuer or "#" in issuer:
        raise Invalid("an issuer has neither query nor fragment", "issuer")
    if issuer.endswith(WELL_KNOWN):
        raise Invalid(
            f"this is where the discovery document is; the issuer is `{issuer.removesuffix(WELL_KNOWN)}`, "
            "perhaps with a slash at its end",
            "issuer",
        )


def is_endpoint(url: object) -> bool:
    """Return whether a provider's endpoint may be used: an https URL, or http on this machine, without fragment."""
    if not isinstance(url, str) or len(url) > _LONGEST_URL:
        return False
    parts = _URL.fullmatch(url)
    if parts is None or not 0 < int(parts["port"] or 443) < 65_536:
        return False
    return parts["scheme"] == "https" or _is_loopback(parts["host"].strip("[]"))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_tokens(values: Iterable[str], name: str, what: str) -> None:
    values = tuple(values)
    if len(values) > _MOST:
        raise Invalid(f"`{name}` has more than {_MOST} values", name)
    for one in values:
        if not _TOKEN.fullmatch(one):
            raise Invalid(f'{what} is ASCII without blanks, `"` and `\\`', name)


def _read(name: str, value: Any) -> Any:
    if name in {"algorithms", "scopes", "acr_values", "audiences"}:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise Invalid(f"`{name}` must be a list of texts", name)
        return tuple(value)
    if name in {"acr_required", "userinfo", "idp_logout"}:
        return _of_type(name, value, bool, "true or false")
    if name == "skew" or (name == "max_age" and value is not None):
        if isinstance(value, bool):
            raise Invalid(f"`{name}` must be a whole number", name)
        return _of_type(name, value, int, "a whole number")
    if name == "authentication":
        if value not in list(ClientAuthentication):
            raise Invalid(f"`authentication` is one of {', '.join(ClientAuthentication)}", name)
        return ClientAuthentication(value)
    return value if name == "max_age" else _of_type(name, value, str, "a text")


def _of_type(name: str, value: Any, type_: type, what: str) -> Any:
    if not isinstance(value, type_):
        raise Invalid(f"`{name}` must be {what}", name)
    return value
