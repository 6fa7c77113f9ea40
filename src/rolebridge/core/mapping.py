"""Mapping files as values: what an administrator wants, already checked, with a place on whatever can be blamed.

Reading and checking live in `mapfile.mapping`; what is here can be trusted to be well formed and to name only slots,
roles and projects that exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from rolebridge.core.catalogue import Catalogue, Merge, Role
from rolebridge.core.diagnostics import Place
from rolebridge.core.directory import Group
from rolebridge.core.permissions import Cell


class Condition:
    """A `when:`: a SCIM filter on the user, compiled once.

    Two conditions are equal when their texts are. `holds` and `why_false` read a canonical SCIM resource; `attributes`
    names what they read (lower case, first segment), so that a change elsewhere need not ask again.
    """

    __slots__ = ("attributes", "holds", "place", "text", "why_false")

    def __init__(
        self,
        text: str,
        place: Place,
        holds: Callable[[Mapping[str, Any]], bool],
        why_false: Callable[[Mapping[str, Any]], str | None],
        attributes: frozenset[str],
    ) -> None:
        self.text = text
        self.place = place
        self.holds = holds
        self.why_false = why_false
        self.attributes = attributes

    def __eq__(self, other: object) -> bool:
        """Return whether the other condition says the same words."""
        return isinstance(other, Condition) and other.text == self.text

    def __hash__(self) -> int:
        """Return a hash that agrees with equality."""
        return hash(self.text)

    def __repr__(self) -> str:
        """Return the condition's text."""
        return f"Condition({self.text!r})"


# --- which groups ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GroupRef:
    """One group, by exactly one of display name (compared casefolded), id or external id (both exact)."""

    name: str | None = None
    id: str | None = None
    external_id: str | None = None
    connection: str | None = None

    def names(self, group: Group) -> bool:
        """Return whether this reference means `group`."""
        if self.connection is not None and self.connection != group.connection:
            return False
        if self.id is not None:
            return self.id == group.id
        if self.external_id is not None:
            return self.external_id == group.external_id
        return self.name is not None and self.name.casefold() == group.display.casefold()

    def __str__(self) -> str:
        """Return what the administrator wrote, for messages."""
        return self.name or self.external_id or self.id or ""


@dataclass(frozen=True, slots=True)
class Literal:
    """A piece of a pattern that must stand as it is (compared casefolded)."""

    text: str


@dataclass(frozen=True, slots=True)
class Capture:
    """A piece of a pattern that must be one of a closed set of values: casefolded spelling → the value it means."""

    name: str
    values: Mapping[str, str]
    of_projects: bool = False
    """Whether the values are the ids of the projects that there are, later ones included."""


@dataclass(frozen=True, slots=True)
class AnyText:
    """A piece of a pattern (`*`) that matches any text, none included, and is not used."""


Piece = Literal | Capture | AnyText

Captured = tuple[tuple[str, str], ...]
"""Which value each capture took, in the order of the pattern."""


class NoMatch(StrEnum):
    """Why a pattern gives no captures: the name does not fit, or it fits in more than one way."""

    DIFFERENT = "different"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A group pattern such as `lbx-{project}-{team}`, over closed sets only: matching it is linear in the name."""

    text: str
    pieces: tuple[Piece, ...]

    def match(self, name: str) -> Captured | NoMatch:
        """Return the captures under which `name` fits the pattern, or why there are none.

        Walks the pieces once, keeping for each position reached at most two different captures: two that reach the
        end are enough to call the name ambiguous, and no more are ever needed for that.
        """
        text = name.casefold()
        reached: dict[int, tuple[Captured, ...]] = {0: ((),)}
        for piece in self.pieces:
            reached = _advance(piece, text, reached)
            if not reached:
                return NoMatch.DIFFERENT
        found = reached.get(len(text), ())
        if len(found) > 1:
            return NoMatch.AMBIGUOUS
        return found[0] if found else NoMatch.DIFFERENT


def _advance(piece: Piece, text: str, reached: Mapping[int, tuple[Captured, ...]]) -> dict[int, tuple[Captured, ...]]:
    after: dict[int, tuple[Captured, ...]] = {}
    match piece:
        case Literal(literal):
            folded = literal.casefold()
            for start, captured in reached.items():
                if text.startswith(folded, start):
                    _keep(after, start + len(folded), captured)
        case Capture(name, values):
            lengths = {len(spelling) for spelling in values}
            for start, captured in reached.items():
                for end in (start + length for length in lengths):
                    # Where two ways have led already, a third changes nothing.
                    if end > len(text) or len(after.get(end, ())) > 1:
                        continue
                    value = values.get(text[start:end])
                    if value is not None:
                        _keep(after, end, tuple((*taken, (name, value)) for taken in captured))
        case AnyText():
            carried: tuple[Captured, ...] = ()
            for position in range(min(reached), len(text) + 1):
                carried = _distinct(carried + reached.get(position, ()))
                after[position] = carried
    return after


def _keep(after: dict[int, tuple[Captured, ...]], position: int, captured: tuple[Captured, ...]) -> None:
    known = after.get(position)
    after[position] = captured if known is None else _distinct(known + captured)


def _distinct(captured: tuple[Captured, ...]) -> tuple[Captured, ...]:
    return tuple(dict.fromkeys(captured))[:2]


# --- which projects --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Project:
    """A project that can carry roles: `tags` and `container` (its `in:`) are what selectors look at."""

    id: str
    name: str
    tags: frozenset[str] = frozenset()
    container: str | None = None
    place: Place | None = field(default=None, compare=False)
    settings: Mapping[str, bool] = field(default_factory=dict, hash=False)
    """What its settings on the platform are, by the ids of the catalogue's, where permissions hang on them."""


class SelectorKind(StrEnum):
    """How a project selector chooses."""

    ALL = "all"
    ID = "id"
    GLOB = "glob"
    TAG = "tag"
    CONTAINER = "in"
    CAPTURE = "capture"


@dataclass(frozen=True, slots=True)
class ProjectSelector:
    """One way to choose projects; `value` is the id, glob, tag, container or capture name, empty for `all`."""

    kind: SelectorKind
    value: str = ""

    def selects(self, project: Project, captured: Mapping[str, str]) -> bool:
        """Return whether this selector chooses `project` under the given captures."""
        match self.kind:
            case SelectorKind.ALL:
                return True
            case SelectorKind.ID:
                return project.id == self.value
            case SelectorKind.GLOB:
                return fnmatchcase(project.id, self.value)
            case SelectorKind.TAG:
                return self.value in project.tags
            case SelectorKind.CONTAINER:
                return project.container == self.value
            case SelectorKind.CAPTURE:
                return captured.get(self.value) == project.id


# --- rules -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoleTerm:
    """One granted role: the id itself, or the name of the capture whose value is the id."""

    slot: str
    role: str | None = None
    capture: str | None = None

    def resolve(self, captured: Mapping[str, str]) -> str:
        """Return the role id under the given captures."""
        if self.role is not None:
            return self.role
        return captured[self.capture or ""]


@dataclass(frozen=True, slots=True)
class DenyTerm:
    """What a rule denies in one slot: the listed roles, or every role when `roles` is empty."""

    slot: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DateFrom:
    """A day that each user brings along: the value of an attribute, a date or the date part of a dateTime."""

    attribute: str
    read: Callable[[Mapping[str, Any]], str | None] = field(compare=False, repr=False)


Boundary = date | DateFrom | None


@dataclass(frozen=True, slots=True)
class ValueFrom:
    """What each user brings along for something that the platform asks for: the value of an attribute, as text."""

    attribute: str
    read: Callable[[Mapping[str, Any]], str | None] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a mapping file: whom it speaks of, where, and what they get or may not have.

    With neither `groups` nor `users` it speaks of everyone for whom `when` holds. `deny_all` denies the whole
    workspace. `starts` and `ends` are whole days in UTC, both included.
    """

    id: str
    place: Place
    groups: tuple[GroupRef | Pattern, ...] = ()
    users: frozenset[str] = frozenset()
    """Casefolded userNames."""
    when: Condition | None = None
    projects: tuple[ProjectSelector, ...] = ()
    grant: tuple[RoleTerm, ...] = ()
    deny: tuple[DenyTerm, ...] = ()
    deny_all: bool = False
    starts: Boundary = None
    ends: Boundary = None
    note: str = ""

    @property
    def names_nobody(self) -> bool:
        """Return whether the rule names neither groups nor users, and so speaks of everyone."""
        return not self.groups and not self.users

    @property
    def denies(self) -> bool:
        """Return whether the rule takes away instead of giving."""
        return self.deny_all or bool(self.deny)


@dataclass(frozen=True, slots=True)
class MergeRule:
    """How a mapping wants a slot merged; `rank` (highest first) belongs to `highest`."""

    merge: Merge
    rank: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutsideRole:
    """A role held on the platform by named people: never granted or revoked by us. Users casefolded."""

    slot: str
    role: str
    users: frozenset[str]
    place: Place


@dataclass(frozen=True, slots=True)
class AccountRule:
    """Whom a mapping counts as an account of `kind`, and where that kind's required attributes come from."""

    kind: str
    when: Condition
    attributes: tuple[tuple[str, ValueFrom], ...] = ()

    def lacks(self, resource: Mapping[str, Any]) -> str:
        """Return which of the attributes that its kind requires a user does not have, in words; "" for none."""
        return " and ".join(
            f"{name} (`{source.attribute}`)" for name, source in self.attributes if not source.read(resource)
        )


@dataclass(frozen=True, slots=True)
class HoldLimit:
    """Both bounds that a mass revocation must exceed to be held: a share (0–1) and a number of people."""

    share: float
    at_least: int


@dataclass(frozen=True, slots=True)
class Guard:
    """A workspace's guard rails: the revocation limit, and how many holders of a role must remain."""

    hold_revocations: HoldLimit | None = None
    keep: tuple[tuple[str, str, int], ...] = ()
    """(slot, role, at least this many active holders)."""


@dataclass(frozen=True, slots=True)
class WorkspaceMapping:
    """One workspace's mapping file."""

    workspace: str
    platform: str
    place: Place
    connections: frozenset[str] | None = None
    """The connections whose users and groups the file trusts; None when it was checked without knowing them."""
    projects: Mapping[str, Project] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    """(slot, role) that fills an empty slot of someone who already holds something in the workspace."""
    conflicts: Mapping[str, MergeRule] = field(default_factory=dict)
    manual_forbidden: frozenset[str] = frozenset()
    """Slots in which no assignment by hand is allowed."""
    outside: tuple[OutsideRole, ...] = ()
    accounts: tuple[AccountRule, ...] = ()
    custom_roles: tuple[Role, ...] = ()
    guard: Guard = field(default_factory=Guard)
    settings: Mapping[str, bool] = field(default_factory=dict)
    """What the workspace's settings on the platform are; a project's own come first."""
    cells: Mapping[str, Mapping[tuple[str, str], Cell]] = field(default_factory=dict)
    """The tenant's own cells of the platform's permission matrices: matrix → (permission, column) → cell."""
    seats: int | None = None
    """How many people the workspace is paid for; None when the file does not say."""


@dataclass(frozen=True, slots=True)
class MappingSet:
    """All mapping files of an organization: what a revision is. `digest` is SHA-256 over names and contents.

    `catalogues` are the platforms that they can name, by id: those of the package and the organization's own.
    """

    mappings: tuple[WorkspaceMapping, ...]
    digest: str
    catalogues: Mapping[str, Catalogue] = field(default_factory=dict, compare=False)

    def workspace(self, workspace: str) -> WorkspaceMapping | None:
        """Return the mapping of a workspace, or None."""
        return next((mapping for mapping in self.mappings if mapping.workspace == workspace), None)


def selected(
    selectors: Sequence[ProjectSelector], projects: Mapping[str, Project], captured: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the ids of the projects that any of the selectors chooses, in the order of declaration."""
    return tuple(
        project.id
        for project in projects.values()
        if any(selector.selects(project, captured) for selector in selectors)
    )
