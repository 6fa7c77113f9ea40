"""Assignments, and what becomes of them: effective roles, the reasons others lost, and locks.

An assignment is somebody's claim that a person should have a role in a scope. The resolver turns all the claims on
a person into effective roles; each keeps its provenance, so that `explain` reads what was decided instead of
deciding it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from rolebridge.core.diagnostics import Place
from rolebridge.core.directory import Group, Membership


class Source(StrEnum):
    """Where an assignment comes from."""

    RULE = "rule"
    MANUAL = "manual"
    DEFAULT = "default"
    OUTSIDE = "outside"


class LockKind(StrEnum):
    """Why an assignment may not be changed where someone tries to."""

    WORKSPACE_WIDE = "workspace-wide"
    GROUP = "group"
    RULE = "rule"
    OUTSIDE = "outside"


class Reason(StrEnum):
    """Why an assignment is not an effective role. Reasons are data for people, never control flow."""

    OUTRANKED = "outranked"
    OVERRULED = "overruled"
    SHADOWED = "shadowed"
    BLOCKED = "blocked"
    DENIED = "denied"
    EXPIRED = "expired"
    NOT_YET = "not yet"
    CONDITION_FALSE = "condition false"
    CONFLICT = "conflict"
    INACTIVE = "inactive"
    MANUAL_FORBIDDEN = "manual-forbidden"
    NOT_ASSIGNABLE = "not-assignable"
    HELD_OUTSIDE = "held outside"
    UNKNOWN_SCOPE = "unknown-scope"
    AMBIGUOUS_CAPTURE = "ambiguous-capture"
    NO_DATE = "no date"


@dataclass(frozen=True, slots=True)
class ManualAssignment:
    """A role given by hand. It belongs to the user's id, is shadowed but never erased by locks, and survives
    deactivation. `until` is the last whole day (UTC) on which it holds.
    """

    id: str
    user_id: str
    workspace: str
    slot: str
    project: str | None
    role: str
    by: str
    at: datetime
    reason: str = ""
    until: date | None = None
    imported: bool = False
    """Whether it was read from a file of what people held when the workspace was taken over."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Principal × slot × scope × role × source. The principal is the user being resolved; `project` None means the
    workspace.

    For a rule, `membership` is the one through which it speaks, or None when it names the user or speaks of
    everyone. For an assignment by hand, `manual` is the record. `starts` and `ends` are the days, both included,
    between which it holds. `held_since` is set for a claim that stands only because a guard rail holds its revocation.
    """

    slot: str
    project: str | None
    role: str
    source: Source
    rule: str | None = None
    place: Place | None = None
    note: str = ""
    membership: Membership | None = None
    manual: ManualAssignment | None = None
    starts: date | None = None
    ends: date | None = None
    held_since: datetime | None = None

    @property
    def group(self) -> Group | None:
        """Return the group through which the assignment comes, if it comes through one."""
        return self.membership.group if self.membership else None

    def order(self) -> tuple[str, ...]:
        """Return a total order that does not depend on where the assignment stood among others."""
        group = self.membership.group.id if self.membership else ""
        by_hand = self.manual.id if self.manual else ""
        via = [one.id for one in self.membership.via] if self.membership else []
        return (self.slot, self.project or "", self.role, self.source, self.rule or "", group, by_hand, *via)


@dataclass(frozen=True, slots=True)
class Lost:
    """An assignment that is not in force, why, and in one line what decided it."""

    assignment: Assignment
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """Why a role may not be changed by hand in `slot` at `project`, and what holds it.

    For `workspace-wide`, `by` are the winners of the workspace slot whose role overrules; for the other kinds they
    are the winners of the locked slot itself.
    """

    kind: LockKind
    slot: str
    project: str | None
    role: str
    by: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class ActsAs:
    """The role that a holder of mere access works with, and the slot that it comes from."""

    slot: str
    role: str


@dataclass(frozen=True, slots=True)
class EffectiveRole:
    """What holds after precedence, with its provenance.

    `winners` are in a fixed order and all say this role. Only where a workspace role replaces the project role of
    someone who belongs to the project, they are the claims through which the person belongs there. `acts_as` is set
    for mere access (`inherit`): the role that it becomes, or None when the slots it could come from are empty.
    """

    slot: str
    project: str | None
    role: str
    winners: tuple[Assignment, ...]
    lock: Lock | None = None
    acts_as: ActsAs | None = None

    @property
    def source(self) -> Source:
        """Return the source of the winners (they share one)."""
        return self.winners[0].source

    @property
    def key(self) -> tuple[str, str, str]:
        """Return (slot, project or "", role): unique among a person's effective roles in a workspace."""
        return (self.slot, self.project or "", self.role)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A slot that several rules fill with different roles and nothing says which wins: empty, locked and alerted."""

    slot: str
    project: str | None
    claims: tuple[Assignment, ...]


class FindingKind(StrEnum):
    """Something that a person should know and that no role row can say."""

    DENY_NOT_CARRIED_OUT = "deny-not-carried-out"
    OUTSIDE_REMAINS = "outside-remains"
    INHERITS_NOTHING = "inherits-nothing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One such thing, in one line."""

    kind: FindingKind
    slot: str
    project: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """Everything that the resolver says of one user in one workspace at one moment.

    `next_change` is the first later day on which the outcome may differ though nothing else changes, because a rule
    or an assignment begins or ends.
    """

    user_id: str
    workspace: str
    roles: tuple[EffectiveRole, ...] = ()
    lost: tuple[Lost, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    findings: tuple[Finding, ...] = ()
    next_change: date | None = None

    def at(self, slot: str, project: str | None) -> tuple[EffectiveRole, ...]:
        """Return the effective roles in one slot and scope."""
        return tuple(role for role in self.roles if role.slot == slot and role.project == project)
