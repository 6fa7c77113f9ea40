"""A login read by a connection's rules: who the person says to be, and which groups the provider states.

Pure. What is *absent* is not *empty*: a provider that leaves the groups out has said nothing of them, one that sends an
empty list has said that there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from rolebridge.core.login import AssertedIdentity, LoginRefused, Values
from rolebridge.core.login_rules import GroupKey, GroupsClaim, GroupShape, LoginRules

MOST_GROUPS: Final = 2_000
"""Groups that one login may state."""
LONGEST_GROUP: Final = 400
"""Characters of a group's name or id."""
LONGEST_NAME: Final = 320
"""Characters of a userName or externalId (an e-mail address has at most 254)."""
EMAIL_VERIFIED: Final = "email_verified"
"""The claim by which a provider says whether it knows that an e-mail address is the person's (OIDC Core §5.1)."""

_EMAIL: Final = "email"
_EMAILS: Final = "emails"
_LONGEST_VALUE: Final = 2_000
_MOST_EMAILS: Final = 20


class Stating(StrEnum):
    """What a login says of groups: which they are, nothing, or that there are too many to say."""

    STATED = "stated"
    ABSENT = "absent"
    OVERAGE = "overage"


@dataclass(frozen=True, slots=True)
class StatedGroups:
    """The groups of a login, each once and in order; none unless they are `stated`."""

    stating: Stating
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedUser:
    """Who a login says the person is. `attributes` are those that it fills in, as a user has them.

    `left_out` names attributes whose values were not taken over, with why; values never stand there.
    """

    user_name: str
    external_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


# --- groups ----------------------------------------------------------------------------------------------------


def stated_groups(claim: GroupsClaim | None, attributes: Mapping[str, Values]) -> StatedGroups:
    """Return what a login states of groups, by the declared shape only.

    A sign of an overage outweighs a list, which can only be a part then. Blank names are none. Raises LoginRefused for
    another shape, for more than `MOST_GROUPS`, and for names that cannot be stored.
    """
    if claim is None:
        return StatedGroups(Stating.ABSENT)
    if any(_is_sign(attributes.get(sign)) for sign in claim.overage):
        return StatedGroups(Stating.OVERAGE)
    value = attributes.get(claim.name)
    if value is None:
        return StatedGroups(Stating.ABSENT)
    texts = [text.strip() for text in _texts(claim, value)]
    distinct = {_group_key(claim, text): text for text in reversed(texts) if text}
    if len(distinct) > MOST_GROUPS:
        raise LoginRefused("login-groups-many", f"{len(distinct)} groups are stated; {MOST_GROUPS} are the most")
    for text in distinct.values():
        if len(text) > LONGEST_GROUP or not text.isprintable():
            raise LoginRefused(
                "login-groups-shape", f"a group's name has over {LONGEST_GROUP} characters, or one that cannot be shown"
            )
    return StatedGroups(Stating.STATED, tuple(distinct[key] for key in sorted(distinct)))


def _is_sign(value: Values | None) -> bool:
    """Return whether a sign is there: any value but one that says no."""
    return value is not None and value not in ("false", ("false",), "", ())


def _texts(claim: GroupsClaim, value: Values) -> tuple[str, ...]:
    """Return the groups of a value that has the declared shape."""
    if claim.shape is GroupShape.DELIMITED:
        if isinstance(value, tuple):
            if len(value) > 1:
                raise _misshapen(claim, f"a list of {len(value)} texts")
            value = value[0] if value else ""
        return tuple(value.split(claim.delimiter))
    if isinstance(value, tuple):
        return value
    if claim.shape is GroupShape.SINGLE:
        return (value,)
    raise _misshapen(claim, "one text and no list")


def _misshapen(claim: GroupsClaim, found: str) -> LoginRefused:
    return LoginRefused("login-groups-shape", f"the rules say that `{claim.name}` is `{claim.shape}`; it is {found}")


def _group_key(claim: GroupsClaim, text: str) -> str:
    return text.casefold() if claim.key is GroupKey.NAME and not is_disguised(text) else text


def same_but_case(one: str, other: str) -> bool:
    """Return whether two names of groups are the same but for the case of letters.

    Groups are found by their folded names, and in those some letters are others: the long s is an `s`.
    Where everybody may found groups at an identity provider, one of such a name is not the group that it looks like.
    """
    return one == other or (one.lower() == other.lower() and one.upper() == other.upper())


def is_disguised(name: str) -> bool:
    """Return whether a name has letters that are ASCII ones to whoever compares without case, as rules do.

    `ß` is none of them: it is written `ss` in capitals.
    """
    return any(not char.isascii() and char.casefold().isascii() and char not in "ßẞ" for char in name)


# --- the person ------------------------------------------------------------------------------------------------


def claimed_user(rules: LoginRules, identity: AssertedIdentity, domains: frozenset[str]) -> ClaimedUser:
    """Return who a login says the person is; whether the name is to be believed, `check_name` says.

    Raises LoginRefused when it does not state exactly one userName (and externalId, where the rules name one).
    """
    attributes = identity.attributes
    name = _one(attributes.get(rules.user_name)) if rules.user_name else identity.subject
    if name is None or not _is_name(name):
        where = f"`{rules.user_name}`" if rules.user_name else "the subject"
        raise LoginRefused("login-user-name", f"{where} holds no single text that can be a userName")
    external = None
    if rules.external_id:
        external = _one(attributes.get(rules.external_id))
        if external is None or not _is_name(external):
            raise LoginRefused(
                "login-external-id", f"`{rules.external_id}` holds no single text that can be an externalId"
            )
    filled, left_out = _filled(rules, attributes, domains)
    return ClaimedUser(name, external, filled, left_out)


def check_name(rules: LoginRules, name: str, attributes: Mapping[str, Values], domains: frozenset[str]) -> None:
    """Refuse a userName that the connection may not speak for. Raises LoginRefused.

    Its domain must be one of `domains`, compared in ASCII alone; a name without one is for `plain_names`. A name that
    the provider gives as an e-mail address which it does not know to be the person's is nobody's.
    """
    if rules.user_name == _EMAIL and _is_unverified(attributes):
        raise LoginRefused("login-email-unverified", "the provider says that the e-mail address is not verified")
    if "@" not in name:
        if not rules.plain_names:
            raise LoginRefused("login-domain", "the userName has no domain, and the rules let in only those that have")
    elif not in_domains(name, domains):
        raise LoginRefused("login-domain", "the domain of the userName is not among the connection's verified domains")


def in_domains(address: str, domains: frozenset[str]) -> bool:
    """Return whether an address is a local part, one `@`, and one of the domains in any case of ASCII."""
    local, _, domain = address.partition("@")
    return bool(local) and domain.isascii() and domain.lower() in domains


def same_name(one: str, other: str) -> bool:
    """Return whether two userNames are the same but for the case of ASCII letters.

    Users are found without regard to case in all of Unicode (RFC 7643 §2.2), where some letters fold into others that
    people tell apart: for that a login is not somebody else's.
    """
    return one == other or (one.isascii() and other.isascii() and one.lower() == other.lower())


def _filled(
    rules: LoginRules, attributes: Mapping[str, Values], domains: frozenset[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the attributes that a login fills in, and which were left out."""
    filled: dict[str, Any] = {}
    left_out: list[str] = []
    for path, name in rules.attributes:
        value = attributes.get(name)
        if value is None or value in ("", ()):
            continue
        if path == _EMAILS:
            mails = [] if _is_unverified(attributes) else _emails(value, domains)
            if mails:
                filled[path] = mails
            else:
                left_out.append("emails: not of a verified domain")
            continue
        text = _one(value)
        if text is None or len(text) > _LONGEST_VALUE or not text.isprintable():
            left_out.append(f"{path}: not one text")
            continue
        outer, _, inner = _split_path(path)
        if inner:
            filled.setdefault(outer, {})[inner] = text
        else:
            filled[outer] = text
    return filled, tuple(left_out)


def _split_path(path: str) -> tuple[str, str, str]:
    """Return schema and attribute, or attribute and sub-attribute."""
    return path.rpartition(":") if path.startswith("urn:") else path.partition(".")


def _emails(value: Values, domains: frozenset[str]) -> list[dict[str, Any]]:
    texts = (value,) if isinstance(value, str) else value
    known = [text for text in dict.fromkeys(texts) if text.isprintable() and in_domains(text, domains)][:_MOST_EMAILS]
    return [{"value": text, "primary": True} if place == 0 else {"value": text} for place, text in enumerate(known)]


def _one(value: Values | None) -> str | None:
    """Return the one text of a value, None when there are none or several."""
    if isinstance(value, tuple):
        return value[0] if len(value) == 1 else None
    return value


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text == text.strip() and text.isprintable()


def _is_unverified(attributes: Mapping[str, Values]) -> bool:
    """Return whether the provider speaks of its knowing the e-mail address, and says anything but that it does."""
    said = attributes.get(EMAIL_VERIFIED)
    return said is not None and (_one(said) or "").lower() != "true"
