"""A platform's role model as values: slots, roles and the rules between them.

One interpreter (`resolver`) executes every platform's catalogue, so nothing here names a platform; whatever makes
one differ from another is a field. The files are read by `mapfile.catalogue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rolebridge.core.delegation import Delegation
from rolebridge.core.permissions import Cell, Matrix, Setting


class Level(StrEnum):
    """Where a slot's value lives: once for each person in a workspace, or in each project."""

    WORKSPACE = "workspace"
    PROJECT = "project"


class Cardinality(StrEnum):
    """How many roles a slot holds at once: exactly one, at most one, or a set."""

    ONE = "one"
    OPTIONAL = "optional"
    MANY = "many"


class Merge(StrEnum):
    """What happens when several rules fill one slot with different roles.

    `highest` takes the role that the rank puts first, `union` keeps all (slots that hold many), `error` leaves the
    slot empty, locked and flagged. A mapping's own list becomes the rank under `highest`.
    """

    HIGHEST = "highest"
    UNION = "union"
    ERROR = "error"


class Reach(StrEnum):
    """Into which projects a workspace role carries: every one, those the person belongs to, or none."""

    ALL = "all"
    OWN = "own"
    NONE = "none"


class ProjectOverride(StrEnum):
    """What a workspace role does to project roles where it reaches.

    `never`: it replaces them, they cannot override it. `both`: they stand beside it. `yields`: they win.
    """

    NEVER = "never"
    BOTH = "both"
    YIELDS = "yields"


class Assignable(StrEnum):
    """How a role can be given: by a rule or by hand (`yes`), or only in a way that we cannot carry out."""

    YES = "yes"
    NO = "no"
    TRANSFER = "transfer"
    SUPPORT_TICKET = "support_ticket"
    ACCOUNT_CREATION = "account_creation"
    PROVIDER = "provider"


class Sees(StrEnum):
    """Of the work of others in a project: all of it, or only that of the person's own team."""

    EVERYTHING = "everything"
    OWN_TEAM = "own_team"


@dataclass(frozen=True, slots=True)
class Role:
    """One value of one slot. `id` is unique in its slot only: a name may mean a role on two axes."""

    id: str
    name: str
    slot: str
    assignable: Assignable = Assignable.YES
    reach: Reach = Reach.NONE
    project_override: ProjectOverride = ProjectOverride.YIELDS
    inherits: tuple[str, ...] = ()
    """Not empty for `inherit`: access without a role of one's own; the slots that say, in order, what it becomes."""
    needs_work: bool = False
    """The holder sees nothing until work is assigned to them."""
    account_kinds: frozenset[str] = frozenset()
    """The account kinds that may hold it; empty means every kind."""
    parts: tuple[str, ...] = ()
    """For a combined value: the roles of the same slot that it is made of."""
    least: int = 0
    """How many must hold it at least; 0 where the platform does not say."""
    most: int = 0
    """How many may hold it at most; 0 for any number."""
    custom: bool = False
    description: str = ""
    """Of an organization's own role: what it is for, as the platform asks for it."""
    permissions: frozenset[str] = frozenset()
    """Of an organization's own role: what it permits, of the platform's list."""
    aliases: tuple[str, ...] = ()
    """Other names that files and commands may use for it; no other role of the slot has them."""
    sees: Sees = Sees.EVERYTHING

    @property
    def overrules(self) -> bool:
        """Return whether this role replaces the project roles where it reaches."""
        return self.reach is not Reach.NONE and self.project_override is ProjectOverride.NEVER

    @property
    def is_access(self) -> bool:
        """Return whether this is membership without a role of its own (`inherit`)."""
        return bool(self.inherits)


@dataclass(frozen=True, slots=True)
class Slot:
    """One independent role axis.

    `rank` runs from the highest role to the lowest and is empty where the platform states no order. `governs` lists
    the project slots that this workspace slot's overruling roles replace. `locks_access` says that mere access
    given by a rule is locked as well, not only a role. `neutral` is the role that means "none" on the platform: it
    is never granted, an empty slot is delivered as it.
    """

    id: str
    name: str
    level: Level
    cardinality: Cardinality
    roles: Mapping[str, Role]
    merge: Merge = Merge.ERROR
    rank: tuple[str, ...] = ()
    governs: tuple[str, ...] = ()
    locks_access: bool = False
    neutral: str | None = None

    @property
    def holds_many(self) -> bool:
        """Return whether the slot holds a set of roles."""
        return self.cardinality is Cardinality.MANY

    def named(self, word: str) -> Role | None:
        """Return the role that `word` means: its id, or one of its aliases."""
        return self.roles.get(word) or next((role for role in self.roles.values() if word in role.aliases), None)

    @property
    def access_role(self) -> Role | None:
        """Return the slot's role that is mere access, if it has one."""
        return next((role for role in self.roles.values() if role.is_access), None)


@dataclass(frozen=True, slots=True)
class Need:
    """That `slot`, at workspace level, holds one of `roles`, or any role at all when `roles` is empty."""

    slot: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """That a grant of one of `roles` in `slot` counts only when one of `needs` holds.

    An empty `roles` speaks of every role of the slot, an empty `account_kinds` of every account.
    """

    slot: str
    needs: tuple[Need, ...]
    roles: frozenset[str] = frozenset()
    account_kinds: frozenset[str] = frozenset()

    def covers(self, slot: str, role: str, account_kind: str) -> bool:
        """Return whether this prerequisite must hold for `role` in `slot` held by an account of `account_kind`."""
        return (
            slot == self.slot
            and (not self.roles or role in self.roles)
            and (not self.account_kinds or account_kind in self.account_kinds)
        )


@dataclass(frozen=True, slots=True)
class AccountKind:
    """A kind of account that a platform tells apart, and the attributes that a mapping must supply for it."""

    id: str
    name: str
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomRoles:
    """What a platform allows of an organization's own roles: in which slot, how many (None: no limit is known), and
    from which permissions, each with the platform's words.
    """

    slot: str
    limit: int | None
    permissions: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A platform's role model. `account_kinds[0]`, where there are any, is everyone that no mapping classifies."""

    id: str
    name: str
    slots: Mapping[str, Slot]
    prerequisites: tuple[Prerequisite, ...] = ()
    account_kinds: tuple[AccountKind, ...] = ()
    custom_roles: CustomRoles | None = None
    project_word: str = "project"
    """What the platform calls a project, for messages."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """What a tenant can switch on the platform, by id, as far as permissions hang on it."""
    matrices: tuple[Matrix, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    member_states: Mapping[str, str] = field(default_factory=dict)
    """What a member can be on the platform beside their roles, by id with its words: never granted by us."""
    digest: str = field(default="", compare=False)
    """SHA-256 of the file, hexadecimal: part of what a revision is bound to."""

    def role(self, slot: str, role: str) -> Role:
        """Return the role `role` of `slot`; KeyError when the catalogue has no such slot or role."""
        return self.slots[slot].roles[role]

    def with_custom_roles(self, roles: tuple[Role, ...]) -> Catalogue:
        """Return this catalogue with an organization's own roles added to their slots."""
        slots = dict(self.slots)
        for role in roles:
            slot = slots[role.slot]
            slots[role.slot] = replace(slot, roles={**slot.roles, role.id: role})
        return replace(self, slots=slots)

    def with_cells(self, cells: Mapping[str, Mapping[tuple[str, str], Cell]]) -> Catalogue:
        """Return this catalogue with a tenant's own cells in its matrices: matrix → (permission, column) → cell."""
        if not cells:
            return self
        return replace(self, matrices=tuple(matrix.with_cells(cells.get(matrix.id, {})) for matrix in self.matrices))
