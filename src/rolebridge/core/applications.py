"""Applications that people sign in to through the bridge, as values: what one may ask for, and what it is told.

Pure: settings are read from a JSON document and checked here, whoever sends them. Sources: RFC 6749 §2 and §3.1.2,
RFC 8252 (native applications), RFC 9700 (exact redirect URIs), OpenID Connect Core 1.0 §5.4 (scopes).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from rolebridge.core.errors import Invalid


class AppKind(StrEnum):
    """Whether an application can keep a secret (a server), or not (in a browser, on a device): RFC 6749 §2.1."""

    CONFIDENTIAL = "confidential"
    PUBLIC = "public"


class Scope(StrEnum):
    """What an application may ask to be told of a person, or given: OpenID Connect Core §5.4 and §11, and ours."""

    OPENID = "openid"
    PROFILE = "profile"
    EMAIL = "email"
    GROUPS = "groups"
    ROLES = "roles"
    OFFLINE_ACCESS = "offline_access"


class GroupsForm(StrEnum):
    """How a person's groups stand in the claim: by name, by the bridge's id, or as objects with both."""

    NAMES = "names"
    IDS = "ids"
    OBJECTS = "objects"


class RolesForm(StrEnum):
    """How a person's roles stand in the claim: as objects, or as texts (`workspace:role`, `workspace/project:role`)."""

    OBJECTS = "objects"
    NAMES = "names"


class EndedWhy(StrEnum):
    """Why what a sign-in gave an application has ended before its time."""

    CODE_REUSED = "code-reused"
    REFRESH_REUSED = "refresh-reused"
    REVOKED = "revoked"
    SIGNED_OUT = "signed-out"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"
    ADOPTED = "adopted"
    CONNECTION_OFF = "connection-off"
    APP_REVOKED = "app-revoked"
    ADMINISTRATOR = "administrator"


DEFAULT_SCOPES: Final = tuple(one for one in Scope if one is not Scope.OFFLINE_ACCESS)
ACCESS_MINUTES: Final = range(1, 61)
"""For how long access and ID tokens may live: so long they tell what has changed since."""
REFRESH_DAYS: Final = range(1, 366)
"""For how long refresh tokens may be renewed after one sign-in."""

_MOST_URIS: Final = 50
_LONGEST_URI: Final = 2_000
_LONGEST_HOST: Final = 253
_LONGEST_LABEL: Final = 63
_MOST_NAMES: Final = 200
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
# Stricter than RFC 3986, so that no two readers take it differently: no user part, no backslash, no odd host.
_WEB: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][^\\]*)?"
)
_CLAIM_NAME: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")
_LOOPBACK_NAME: Final = "localhost"
TAKEN_CLAIMS: Final = frozenset(
    (
        *("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr", "amr", "azp", "sid"),
        *("at_hash", "c_hash", "s_hash", "scope", "client_id", "act", "may_act", "cnf", "events", "typ", "active"),
        *("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture"),
        *("website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number"),
        *("phone_number_verified", "address", "updated_at", "_claim_names", "_claim_sources"),
    )
)
"""Names that mean something already, under which neither groups nor roles can be told."""


@dataclass(frozen=True, slots=True)
class GroupsClaim:
    """How an application is told of groups. `only` are names, or beginnings of names with `*` at the end; () is all."""

    claim: str = "groups"
    form: GroupsForm = GroupsForm.NAMES
    only: tuple[str, ...] = ()

    def tells(self, name: str) -> bool:
        """Return whether the application is told of a group with that name."""
        return not self.only or any(
            name.startswith(one[:-1]) if one.endswith("*") else name == one for one in self.only
        )


@dataclass(frozen=True, slots=True)
class RolesClaim:
    """How an application is told of roles, and of which workspaces; () is all."""

    claim: str = "roles"
    form: RolesForm = RolesForm.OBJECTS
    workspaces: tuple[str, ...] = ()

    def tells(self, workspace: str) -> bool:
        """Return whether the application is told of roles in that workspace."""
        return not self.workspaces or workspace in self.workspaces


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What an administrator settles for an application. `read_settings` is where the words are checked.

    `audience` is the `aud` of its access tokens, "" for its own client id. `entry_workspaces`, if any, are workspaces
    of which a person must hold a role in at least one to sign in there. `access_minutes` is the life of access and ID
    tokens, `refresh_days` how long refresh tokens can be renewed after a sign-in.
    """

    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    scopes: tuple[Scope, ...] = DEFAULT_SCOPES
    audience: str = ""
    access_minutes: int = 10
    refresh_days: int = 30
    groups: GroupsClaim = field(default_factory=GroupsClaim)
    roles: RolesClaim = field(default_factory=RolesClaim)
    entry_workspaces: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the settings as JSON has them; `read_settings` reads it."""
        return {
            "redirect_uris": list(self.redirect_uris),
            "post_logout_redirect_uris": list(self.post_logout_redirect_uris),
            "backchannel_logout_uri": self.backchannel_logout_uri,
            "scopes": [str(one) for one in self.scopes],
            "audience": self.audience,
            "access_minutes": self.access_minutes,
            "refresh_days": self.refresh_days,
            "groups": {"claim": self.groups.claim, "form": str(self.groups.form), "only": list(self.groups.only)},
            "roles": {
                "claim": self.roles.claim,
                "form": str(self.roles.form),
                "workspaces": list(self.roles.workspaces),
            },
            "entry_workspaces": list(self.entry_workspaces),
        }


SETTING_NAMES: Final = tuple(AppSettings().document())


def read_settings(document: Mapping[str, Any], kind: AppKind) -> AppSettings:
    """Read settings; what is left out is as by default. Raises Invalid, which names the member that is wrong."""
    for name in document:
        if name not in SETTING_NAMES:
            raise Invalid(f"there is no setting `{name[:60]}` of an application", name[:60])
    default = AppSettings()
    audience = document.get("audience", "")
    if not isinstance(audience, str) or (audience and not _PRINTABLE.fullmatch(audience)) or len(audience) > 500:
        raise Invalid("`audience` is a printable text without spaces, a URL as a rule", "audience")
    logout = document.get("backchannel_logout_uri")
    settings = AppSettings(
        redirect_uris=_uris(document, "redirect_uris", kind),
        post_logout_redirect_uris=_uris(document, "post_logout_redirect_uris", kind),
        backchannel_logout_uri=None if logout in {None, ""} else _web_uri(logout, "backchannel_logout_uri"),
        scopes=_scopes(document.get("scopes", [str(one) for one in default.scopes])),
        audience=audience,
        access_minutes=_number(document, "access_minutes", ACCESS_MINUTES, default.access_minutes),
        refresh_days=_number(document, "refresh_days", REFRESH_DAYS, default.refresh_days),
        groups=_groups(_object(document, "groups", ("claim", "form", "only"))),
        roles=_roles(_object(document, "roles", ("claim", "form", "workspaces"))),
        entry_workspaces=_names(document.get("entry_workspaces", []), "entry_workspaces"),
    )
    if settings.groups.claim == settings.roles.claim:
        raise Invalid(f"groups and roles cannot both be the claim `{settings.roles.claim}`", "roles.claim")
    return settings


def redirects_to(registered: Sequence[str], kind: AppKind, asked: str) -> bool:
    """Return whether an application may be answered at `asked`: at what was registered, compared as text.

    The one exception is the port of a public application on the loopback address, written as a number (RFC 8252 §7.3):
    the system gives it one when it starts.
    """
    if asked in registered:
        return True
    if kind is AppKind.CONFIDENTIAL:
        return False
    portless = _without_port(asked)
    return portless is not None and portless in {_without_port(one) for one in registered}


def _without_port(uri: str) -> tuple[str, str] | None:
    """Return host and rest of an `http` URI of a loopback address given as a number, else None."""
    found = re.fullmatch(r"http://(127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?(/[\x21-\x7e]*)?", uri)
    if found is None or not _is_port(found[2]) or "#" in uri or "@" in uri:
        return None
    return found[1], found[3] or ""


# --- reading ---------------------------------------------------------------------------------------------------


def _uris(document: Mapping[str, Any], name: str, kind: AppKind) -> tuple[str, ...]:
    listed = _texts(document.get(name, []), name, _MOST_URIS)
    return tuple(dict.fromkeys(_app_uri(one, name, kind) for one in listed))


def _app_uri(uri: str, name: str, kind: AppKind) -> str:
    """Return a URI of an application: of the web, or of a public one a scheme of its own (RFC 8252 §7.1)."""
    scheme = uri.partition(":")[0]
    if kind is AppKind.PUBLIC and scheme == scheme.lower() and _PRIVATE_SCHEME.fullmatch(scheme):
        _check_text(uri, name)
        return uri
    return _web_uri(uri, name)


def _web_uri(uri: object, name: str) -> str:
    if not isinstance(uri, str):
        raise Invalid(f"`{name}` holds a URI", name)
    _check_text(uri, name)
    found = _WEB.fullmatch(uri)
    if found is None or not _is_host(found["host"]) or not _is_port(found["port"]):
        raise Invalid(f"`{uri[:200]}` must be an https URL, without a user name or password in it", name)
    if found["scheme"] == "http" and not is_loopback(found["host"]):
        raise Invalid(f"`{uri[:200]}` must be https; http is for this machine only (127.0.0.1, ::1, localhost)", name)
    return uri


def _is_host(host: str) -> bool:
    """Return whether a host is an address of IPv6 in brackets, or labels as names have them (RFC 1035 §2.3.4)."""
    if not host.startswith("["):
        return len(host) <= _LONGEST_HOST and all(0 < len(label) <= _LONGEST_LABEL for label in host.split("."))
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


def _is_port(port: str | None) -> bool:
    """Return whether a port, if one is given, is one that there is."""
    return port is None or 0 < int(port) < 65_536


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address means the machine itself."""
    if host == _LOOPBACK_NAME:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_text(uri: str, name: str) -> None:
    if len(uri) > _LONGEST_URI or not _PRINTABLE.fullmatch(uri):
        raise Invalid(f"a URI has 1 to {_LONGEST_URI:,} printable ASCII characters and no spaces", name)
    if "#" in uri:
        raise Invalid(f"`{uri[:200]}` must not have a fragment (RFC 6749 §3.1.2)", name)
    if "*" in uri:
        raise Invalid(f"`{uri[:200]}`: redirect URIs are compared as they stand, there are no wildcards", name)


def _scopes(value: object) -> tuple[Scope, ...]:
    asked = _texts(value, "scopes", len(Scope) * 2)
    known = {str(one) for one in Scope}
    for one in asked:
        if one not in known:
            raise Invalid(f"there is no scope `{one[:60]}`; there are {', '.join(sorted(known))}", "scopes")
    if Scope.OPENID not in asked:
        raise Invalid("`openid` must be among the scopes", "scopes")
    return tuple(one for one in Scope if one in asked)


def _groups(part: Mapping[str, Any]) -> GroupsClaim:
    form = _one_of(part.get("form", GroupsForm.NAMES), [str(one) for one in GroupsForm], "groups.form")
    only = _names(part.get("only", []), "groups.only")
    return GroupsClaim(_claim(part.get("claim", "groups"), "groups.claim"), GroupsForm(form), only)


def _roles(part: Mapping[str, Any]) -> RolesClaim:
    form = _one_of(part.get("form", RolesForm.OBJECTS), [str(one) for one in RolesForm], "roles.form")
    workspaces = _names(part.get("workspaces", []), "roles.workspaces")
    return RolesClaim(_claim(part.get("claim", "roles"), "roles.claim"), RolesForm(form), workspaces)


def _claim(name: object, where: str) -> str:
    if not isinstance(name, str) or not _CLAIM_NAME.fullmatch(name):
        raise Invalid(f"`{where}` is the name of a claim: printable ASCII, a URL for instance", where)
    if name in TAKEN_CLAIMS:
        raise Invalid(f"the claim `{name}` means something else already", where)
    return name


def _object(document: Mapping[str, Any], name: str, members: Iterable[str]) -> Mapping[str, Any]:
    part = document.get(name, {})
    if not isinstance(part, dict) or not set(part) <= set(members):
        raise Invalid(f"`{name}` is an object of {', '.join(members)}", name)
    return part


def _number(document: Mapping[str, Any], name: str, possible: range, default: int) -> int:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value not in possible:
        raise Invalid(f"`{name}` is a whole number from {possible[0]} to {possible[-1]}", name)
    return value


def _one_of(value: object, possible: Sequence[str], where: str) -> str:
    if not isinstance(value, str) or value not in possible:
        raise Invalid(f"`{where}` is one of {', '.join(possible)}", where)
    return value


def _names(value: object, where: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_texts(value, where, _MOST_NAMES)))


def _texts(value: object, where: str, most: int) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and 0 < len(one) <= _LONGEST_URI for one in value):
        raise Invalid(f"`{where}` is a list of texts", where)
    if len(value) > most:
        raise Invalid(f"`{where}` has {len(value)} entries, the limit is {most}", where)
    return list(value)
