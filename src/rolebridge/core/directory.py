"""The directory as values: what connections provisioned, in the form in which the resolver reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class MembershipSource(StrEnum):
    """Who asserted a membership: a SCIM push, or the groups of a login."""

    SCIM = "scim"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Group:
    """A group as its connection sent it. `display` is kept as sent; rules compare it casefolded."""

    id: str
    display: str
    connection: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """That a user is in `group`: since when (UTC), by which connection and in which way it was asserted.

    `via` leads there from the group that they are in directly, which stands first, each in the next and the last one in
    `group`; it is empty for a direct membership.
    """

    group: Group
    since: datetime | None = None
    source: MembershipSource = MembershipSource.SCIM
    via: tuple[Group, ...] = ()

    @property
    def entered(self) -> Group:
        """Return the group that the user is in directly, which they would have to leave."""
        return self.via[0] if self.via else self.group


@dataclass(frozen=True, slots=True)
class User:
    """A user as the resolver sees it.

    `attributes` is the canonical SCIM resource without `groups`: keys spelt as in the schemas, extension attributes
    under their URN. It is only read, by the conditions of rules.
    """

    id: str
    user_name: str
    active: bool
    connection: str
    attributes: Mapping[str, Any]

    @property
    def user_key(self) -> str:
        """Return the casefolded userName, the form in which rules that name users compare it (RFC 7643 §4.1.1)."""
        return self.user_name.casefold()


@dataclass(frozen=True, slots=True)
class UserDraft:
    """What a user is to be: the canonical attributes, and the four that the directory itself looks at.

    `attributes` holds everything else too (userName included) and never `id`, `meta`, `schemas`, `groups` or
    `password`. `active` None means that the client did not say: a new user is then active, an old one stays as it is.
    Where `attributes` holds `active` as None the client removed it: the user stays as it is, and answers do not say.
    """

    user_name: str
    external_id: str | None
    active: bool | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GroupDraft:
    """What a group is to be, members apart. `attributes` never holds `id`, `meta`, `schemas` or `members`."""

    display: str
    external_id: str | None
    attributes: Mapping[str, Any]


class MemberAction(StrEnum):
    """What one step does with the listed members: add them, remove them, or make them the whole set."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class MemberStep:
    """One step of a membership delta: the ids as the client sent them, without duplicates."""

    action: MemberAction
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What a request does to a group: a delta, never the whole member list.

    `revise` makes the new draft from the old one, or is None when only members change. `steps` run in order.
    """

    revise: Callable[[GroupDraft], GroupDraft] | None = None
    steps: tuple[MemberStep, ...] = ()
