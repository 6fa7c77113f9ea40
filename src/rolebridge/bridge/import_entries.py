"""What an import is about: users and groups as a source has them, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from rolebridge.bridge.callers import Caller
from rolebridge.core.directory import GroupDraft, UserDraft


class Fate(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row, why it was refused, how many members it added, and which ones nobody knows."""

    fate: Fate
    problem: str = ""
    added: int = 0
    unknown: tuple[str, ...] = ()


class Shape(Protocol):
    """What the schemas demand of what is made and changed."""

    def new_user(self, attributes: Mapping[str, Any]) -> UserDraft:
        """Return the draft of a user to be made. Raises Invalid."""

    def changed_user(self, old: UserDraft, attributes: Mapping[str, Any]) -> UserDraft:
        """Return what a user becomes of whom a row says `attributes`. Raises Invalid."""

    def new_group(self, attributes: Mapping[str, Any]) -> GroupDraft:
        """Return the draft of a group to be made. Raises Invalid."""

    def changed_group(self, old: GroupDraft, attributes: Mapping[str, Any]) -> GroupDraft:
        """Return what a group becomes of which a row says `attributes`. Raises Invalid."""


class Named(StrEnum):
    """What a member reference says that it names."""

    USER = "User"
    GROUP = "Group"
    EITHER = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A member as a source names it: by the source's id, a userName (displayName), an externalId or an id of ours."""

    text: str
    named: Named = Named.EITHER


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A user of the source; `source_id` is the id that it has there, None where it has none."""

    user_name: str
    external_id: str | None
    attributes: Mapping[str, Any]
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """A group of the source with its members."""

    display: str
    external_id: str | None
    attributes: Mapping[str, Any]
    members: tuple[Reference, ...] = ()
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """One import: into whose directory, under which id it is gone on with, and what it may do.

    `imagined` are hashes of what a dry run would have made, so that members of it are not unknown.
    """

    caller: Caller
    id: str
    shape: Shape
    create_only: bool = False
    dry_run: bool = False
    imagined: set[int] = field(default_factory=set)

    def imagine(self, *names: str | None) -> None:
        """Remember under which names something would have been made."""
        self.imagined.update(hash(name) for name in names if name is not None)
