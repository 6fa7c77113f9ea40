"""What a connection makes of a login: where the person's names and groups stand, and what a login may do.

Rules are data of the connection. What a claim looks like is declared, never guessed: a text with a comma is two groups
for one connection and one group for another. `core.login_claims` reads a login by them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

from rolebridge.core.errors import Invalid
from rolebridge.core.schemas import ENTERPRISE_USER

MEMBERSHIP_DAYS: Final = 30
"""For how many days what a login states of groups holds when nobody says otherwise."""
MOST_DOMAINS: Final = 200
"""Domains that one connection may speak for."""

TAKEN_OVER: Final = (
    "displayName",
    "name.givenName",
    "name.familyName",
    "name.formatted",
    "emails",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    *(
        f"{ENTERPRISE_USER}:{name}"
        for name in ("employeeNumber", "costCenter", "organization", "division", "department")
    ),
)
"""Attributes of a user that a login may fill in; the short names of the enterprise extension are understood, too."""

_SHORT: Final = {path.rpartition(":")[2].lower(): path for path in TAKEN_OVER}
_LONGEST_NAME: Final = 500
_LONGEST_DELIMITER: Final = 5
_MOST_SIGNS: Final = 20
_DAYS: Final = range(1, 401)
# RFC 1035 §2.3.1, as host names have it; an internationalized one in its ASCII form (RFC 5891).
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")


class GroupShape(StrEnum):
    """What the value of the groups claim looks like.

    `list` is a list of texts, however many. `single` is that, or one text that is one group (providers that unpack a
    list of one). `delimited` is one text of groups with a delimiter between them. A SAML attribute with one value is
    one text for `delimited`; for the others it is a list.
    """

    LIST = "list"
    SINGLE = "single"
    DELIMITED = "delimited"


class GroupKey(StrEnum):
    """What the values of the groups claim name: a group's displayName (in any case) or its externalId (exactly)."""

    NAME = "name"
    ID = "id"


class Authority(StrEnum):
    """Whose word on memberships counts: SCIM's alone, or also what a login states."""

    SCIM = "scim"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class GroupsClaim:
    """Where the groups stand, and how. `delimiter` goes with the shape `delimited` and no other.

    The presence of any attribute of `overage` says that the provider has left groups out because there are too many.
    """

    name: str
    shape: GroupShape = GroupShape.LIST
    key: GroupKey = GroupKey.NAME
    delimiter: str = ""
    overage: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises Invalid."""
        _check_claim(self.name, "groups.name")
        if not self.name:
            raise Invalid("the groups claim needs a name", "groups.name")
        if (self.shape is GroupShape.DELIMITED) != bool(self.delimiter):
            raise Invalid("a delimiter goes with the shape `delimited`, which needs one", "groups.delimiter")
        if len(self.delimiter) > _LONGEST_DELIMITER:
            raise Invalid(f"a delimiter has at most {_LONGEST_DELIMITER} characters", "groups.delimiter")
        if len(self.overage) > _MOST_SIGNS:
            raise Invalid(f"more than {_MOST_SIGNS} signs of an overage", "groups.overage")
        for sign in self.overage:
            _check_claim(sign, "groups.overage")


@dataclass(frozen=True, slots=True)
class LoginRules:
    """What a connection makes of a login.

    `user_name` and `external_id` name the attributes that hold the person's userName and externalId; an empty
    `user_name` means the subject (NameID, `sub`), an empty `external_id` that logins state none. `attributes` says for
    attributes of `TAKEN_OVER` where they stand.

    A person whom the connection does not know by this identity is linked to its user with that externalId or userName
    if `link`, else made if `create`; `update` lets later logins change users whom a login made, and needs the authority
    `login`. userNames need a verified domain; those without one are let in by `plain_names`. `membership_days` is for
    how many days what a login states of groups holds.
    """

    user_name: str = ""
    external_id: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    groups: GroupsClaim | None = None
    authority: Authority = Authority.SCIM
    link: bool = True
    create: bool = False
    update: bool = False
    plain_names: bool = False
    membership_days: int = MEMBERSHIP_DAYS

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises Invalid."""
        _check_claim(self.user_name, "user_name")
        _check_claim(self.external_id, "external_id")
        for path, name in self.attributes:
            if path not in TAKEN_OVER:
                raise Invalid(
                    f"a login cannot fill in `{path[:60]}`; it can {', '.join(sorted(_SHORT.values()))}", "attributes"
                )
            _check_claim(name, f"attributes.{path}")
            if not name:
                raise Invalid(f"where does `{path}` stand?", "attributes")
        if len(dict(self.attributes)) != len(self.attributes):
            raise Invalid("an attribute is named twice", "attributes")
        if self.membership_days not in _DAYS:
            raise Invalid(f"memberships hold for 1 to {_DAYS[-1]} days", "membership_days")
        if self.update and self.authority is Authority.SCIM:
            raise Invalid(
                "where SCIM has the authority, logins do not change users: `update` goes with authority `login`",
                "update",
            )

    @property
    def asserts_groups(self) -> bool:
        """Return whether what a login states of groups becomes memberships."""
        return self.authority is Authority.LOGIN and self.groups is not None

    def document(self) -> dict[str, Any]:
        """Return the rules as JSON values; `read_login_rules` reads them."""
        groups = self.groups
        return {
            "user_name": self.user_name,
            "external_id": self.external_id,
            "attributes": dict(self.attributes),
            "groups": None
            if groups is None
            else {
                "name": groups.name,
                "shape": groups.shape.value,
                "key": groups.key.value,
                "delimiter": groups.delimiter,
                "overage": list(groups.overage),
            },
            "authority": self.authority.value,
            "link": self.link,
            "create": self.create,
            "update": self.update,
            "plain_names": self.plain_names,
            "membership_days": self.membership_days,
        }


def attribute_path(name: str) -> str:
    """Return the attribute of `TAKEN_OVER` that a short or whole name means, in any case; the name if none."""
    return _SHORT.get(name.rpartition(":")[2].lower(), name)


def check_domain(text: str) -> str:
    """Return a domain as it is kept: in lower case. Raises Invalid for what is no domain with a dot in it."""
    domain = text.lower() if text.isascii() else text
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        raise Invalid(f"`{text[:80]}` is no domain; one with other letters than ASCII is written as `xn--…`", "domain")
    return domain


def read_login_rules(document: Mapping[str, Any]) -> LoginRules:
    """Return the rules that a document holds; what it does not say is as usual. Raises Invalid."""
    known = {one.name for one in fields(LoginRules)}
    _refuse_unknown(document, known, "rules")
    values: dict[str, Any] = dict(document)
    for name in ("link", "create", "update", "plain_names"):
        _expect(values, name, bool, "true or false")
    for name in ("user_name", "external_id", "authority"):
        _expect(values, name, str, "a text")
    if isinstance(values.get("membership_days"), bool):
        raise Invalid("`membership_days` must be a whole number", "membership_days")
    _expect(values, "membership_days", int, "a whole number")
    if "authority" in values:
        values["authority"] = _word(Authority, values["authority"], "authority")
    if "attributes" in values:
        values["attributes"] = _read_attributes(values["attributes"])
    if values.get("groups") is not None:
        values["groups"] = _read_groups(values["groups"])
    return LoginRules(**values)


def _read_attributes(said: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(said, Mapping) or not all(isinstance(one, str) for pair in said.items() for one in pair):
        raise Invalid(
            "`attributes` says for attributes of a user in which attribute of the login they stand", "attributes"
        )
    return tuple(sorted((attribute_path(path), name) for path, name in said.items()))


def _read_groups(said: Any) -> GroupsClaim:
    if not isinstance(said, Mapping):
        raise Invalid("`groups` must be an object", "groups")
    _refuse_unknown(said, {one.name for one in fields(GroupsClaim)}, "groups")
    values: dict[str, Any] = {"name": "", **said}
    for name in ("name", "shape", "key", "delimiter"):
        _expect(values, name, str, "a text")
    if "shape" in values:
        values["shape"] = _word(GroupShape, values["shape"], "groups.shape")
    if "key" in values:
        values["key"] = _word(GroupKey, values["key"], "groups.key")
    overage = values.get("overage", ())
    if not isinstance(overage, list | tuple) or not all(isinstance(one, str) for one in overage):
        raise Invalid("`overage` must be a list of texts", "groups.overage")
    return GroupsClaim(**{**values, "overage": tuple(overage)})


def _word(words: type[StrEnum], said: str, field: str) -> StrEnum:
    if said not in list(words):
        raise Invalid(f"`{said[:40]}` is none of {', '.join(words)}", field)
    return words(said)


def _expect(values: Mapping[str, Any], name: str, type_: type, what: str) -> None:
    if name in values and not isinstance(values[name], type_):
        raise Invalid(f"`{name}` must be {what}", name)


def _refuse_unknown(said: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(map(str, said)) - known)
    if unknown:
        raise Invalid(f"`{unknown[0][:60]}` is nothing that {where} can say", unknown[0][:60])


def _check_claim(name: str, field: str) -> None:
    if len(name) > _LONGEST_NAME or not (name.isprintable() or not name):
        raise Invalid(f"the name of an attribute has at most {_LONGEST_NAME} printable characters", field)
