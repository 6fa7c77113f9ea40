"""Supposed changes of the directory: what a person and their memberships would be, had something happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rolebridge.core.directory import Group, Membership, User

Subject = tuple[User | None, tuple[Membership, ...]]
"""Somebody as the resolver sees them; None for a user who no longer exists."""


class Supposition(Protocol):
    """One supposed change."""

    def on(self, user: User, memberships: tuple[Membership, ...]) -> Subject:
        """Return what it makes of a person."""


@dataclass(frozen=True, slots=True)
class Joins:
    """The user enters a group; `memberships` are the one in it and those in the groups above it."""

    user_id: str
    memberships: tuple[Membership, ...]

    def on(self, user: User, memberships: tuple[Membership, ...]) -> Subject:
        """Return the person as a member; who is one already stays what they are."""
        if user.id != self.user_id or any(_is_direct(one, self.memberships[0].group.id) for one in memberships):
            return user, memberships
        return user, (*memberships, *self.memberships)


@dataclass(frozen=True, slots=True)
class Leaves:
    """The user leaves a group, and with it those that only lead through it."""

    user_id: str
    group_id: str

    def on(self, user: User, memberships: tuple[Membership, ...]) -> Subject:
        """Return the person without what began with that group."""
        if user.id != self.user_id:
            return user, memberships
        return user, tuple(one for one in memberships if one.entered.id != self.group_id)


@dataclass(frozen=True, slots=True)
class Activity:
    """The user is active, or is not."""

    user_id: str
    active: bool

    def on(self, user: User, memberships: tuple[Membership, ...]) -> Subject:
        """Return the person, active or not."""
        if user.id != self.user_id:
            return user, memberships
        attributes = {**user.attributes, "active": self.active}
        return replace(user, active=self.active, attributes=attributes), memberships


@dataclass(frozen=True, slots=True)
class Gone:
    """The user is deleted."""

    user_id: str

    def on(self, user: User, memberships: tuple[Membership, ...]) -> Subject:
        """Return nobody."""
        return (None, ()) if user.id == self.user_id else (user, memberships)


@dataclass(frozen=True, slots=True)
class Has:
    """An attribute of the user has a value; `keys` lead to it from the resource."""

    user_id: str
    keys: tuple[str, ...]
    value: Any

    def on(self, user: User, memberships: tuple[Membership, ...]) -> Subject:
        """Return the person with the attribute."""
        if user.id != self.user_id:
            return user, memberships
        named = {"user_name": self.value} if self.keys == ("userName",) else {}
        return replace(user, attributes=_with(user.attributes, self.keys, self.value), **named), memberships


@dataclass(frozen=True, slots=True)
class GroupGone:
    """A group is deleted."""

    group_id: str

    def on(self, user: User, memberships: tuple[Membership, ...]) -> Subject:
        """Return the person outside of the group and of what it leads to."""
        return user, tuple(one for one in memberships if self.group_id not in _ids(one))


@dataclass(frozen=True, slots=True)
class Renamed:
    """A group has another name."""

    group_id: str
    display: str

    def on(self, user: User, memberships: tuple[Membership, ...]) -> Subject:
        """Return the person as a member of the group under its new name."""
        return user, tuple(self._renamed(one) if self.group_id in _ids(one) else one for one in memberships)

    def _renamed(self, membership: Membership) -> Membership:
        via = tuple(self._called(group) for group in membership.via)
        return replace(membership, group=self._called(membership.group), via=via)

    def _called(self, group: Group) -> Group:
        return replace(group, display=self.display) if group.id == self.group_id else group


def supposed(suppositions: Sequence[Supposition], user: User, memberships: tuple[Membership, ...]) -> Subject:
    """Return what one supposition after the other makes of a person."""
    for one in suppositions:
        changed, memberships = one.on(user, memberships)
        if changed is None:
            return None, ()
        user = changed
    return user, memberships


def _is_direct(membership: Membership, group_id: str) -> bool:
    return membership.group.id == group_id and not membership.via


def _ids(membership: Membership) -> set[str]:
    return {membership.group.id, *(group.id for group in membership.via)}


def _with(resource: Mapping[str, Any], keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    key, *rest = keys
    if not rest:
        return {**resource, key: value}
    inner = resource.get(key)
    return {**resource, key: _with(inner if isinstance(inner, dict) else {}, tuple(rest), value)}
