"""Explaining: what the resolver decided for one person in one scope, and what would have to happen to change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from rolebridge.core.assignment import (
    Conflict,
    EffectiveRole,
    Finding,
    Lock,
    Lost,
    ManualAssignment,
    Resolution,
    Source,
)
from rolebridge.core.diagnostics import Place
from rolebridge.core.directory import Group, Membership, User
from rolebridge.core.grants import Grant
from rolebridge.core.holds import resolve_held
from rolebridge.core.mapping import WorkspaceMapping
from rolebridge.core.program import Program
from rolebridge.core.resolver import lock_at


class ReleaseKind(StrEnum):
    """A way out of a lock."""

    LEAVE_GROUP = "leave_group"
    CHANGE_RULE = "change_rule"
    UNASSIGN = "unassign"
    CHANGE_DEFAULT = "change_default"
    CHANGE_ON_PLATFORM = "change_on_platform"
    RELEASE_HOLD = "release_hold"


@dataclass(frozen=True, slots=True)
class Release:
    """One way out of a lock: what to do, and the roles that the person then has in the locked slot and scope."""

    do: ReleaseKind
    then: tuple[str, ...]
    group: Group | None = None
    rule: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class LockedSlot:
    """A lock in the explained scope, with the ways out of it."""

    lock: Lock
    releases: tuple[Release, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that bears on a person's roles in one scope of a workspace.

    `roles` are those held in the scope; for a project also `from_above`, the workspace roles, which may reach into it.
    `project` None explains the whole workspace, every project included.
    """

    user: User
    workspace: str
    project: str | None
    roles: tuple[EffectiveRole, ...]
    from_above: tuple[EffectiveRole, ...]
    locks: tuple[LockedSlot, ...]
    lost: tuple[Lost, ...]
    conflicts: tuple[Conflict, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """The inputs of one resolution, kept together so that an explanation can ask "and without this?".

    `held` are recorded grants; of those that a guard rail holds, what still stands takes part.
    """

    program: Program
    user: User
    memberships: tuple[Membership, ...]
    manual: tuple[ManualAssignment, ...]
    at: datetime
    held: tuple[Grant, ...] = ()

    def resolve(self) -> Resolution:
        """Return what the resolver says of this case."""
        resolution, _ = resolve_held(self.program, self.user, self.memberships, self.manual, self.at, self.held)
        return resolution

    def without_group(self, group: Group) -> Case:
        """Return the case in which the person has left `group`, and what they were in only through it."""
        left = (m for m in self.memberships if m.group.id != group.id and (not m.via or m.via[0].id != group.id))
        return replace(self, memberships=tuple(left))

    def without_rule(self, rule_id: str) -> Case:
        """Return the case in which the mapping lacks the rule."""
        rules = self.program.mapping.rules
        return self._under(replace(self.program.mapping, rules=tuple(rule for rule in rules if rule.id != rule_id)))

    def without_manual(self, ids: frozenset[str]) -> Case:
        """Return the case in which those assignments by hand have ended."""
        return replace(self, manual=tuple(record for record in self.manual if record.id not in ids))

    def without_outside(self) -> Case:
        """Return the case in which nothing is held on the platform itself."""
        return self._under(replace(self.program.mapping, outside=()))

    def without_holds(self) -> Case:
        """Return the case in which no guard rail holds anything."""
        return replace(self, held=())

    def without_defaults(self) -> Case:
        """Return the case in which the mapping has no defaults."""
        return self._under(replace(self.program.mapping, defaults=()))

    def _under(self, mapping: WorkspaceMapping) -> Case:
        return replace(self, program=Program(self.program.catalogue, mapping, self.program.projects))


def explain(case: Case, project: str | None) -> Explanation:
    """Explain the person's roles in `project`, or in the whole workspace when `project` is None."""
    resolution = case.resolve()
    return Explanation(
        user=case.user,
        workspace=resolution.workspace,
        project=project,
        roles=tuple(role for role in resolution.roles if _concerns(role.project, project)),
        from_above=tuple(role for role in resolution.roles if project is not None and role.project is None),
        locks=tuple(_locks(case, resolution, project)),
        lost=tuple(lost for lost in resolution.lost if _concerns(lost.assignment.project, project, above=True)),
        conflicts=tuple(found for found in resolution.conflicts if _concerns(found.project, project, above=True)),
        findings=tuple(found for found in resolution.findings if _concerns(found.project, project, above=True)),
    )


def _concerns(at: str | None, project: str | None, *, above: bool = False) -> bool:
    return project is None or at == project or (above and at is None)


def _locks(case: Case, resolution: Resolution, project: str | None) -> Iterator[LockedSlot]:
    for slot, scope in _scopes(case.program, resolution, project):
        for lock in lock_at(case.program, resolution, slot, scope):
            yield LockedSlot(lock, releases(case, lock))


def _scopes(program: Program, resolution: Resolution, project: str | None) -> Sequence[tuple[str, str | None]]:
    if project is not None:
        return [(slot.id, project) for slot in program.project_slots]
    return sorted({(role.slot, role.project) for role in resolution.roles}, key=lambda at: (at[0], at[1] or ""))


def releases(case: Case, lock: Lock) -> tuple[Release, ...]:
    """Return the ways out of `lock`, each with what the person would then be.

    Each way is taken alone: someone whom two groups make reviewer stays reviewer on leaving one, and is told so.
    """
    ways: list[Release] = []
    sources = {winner.source for winner in lock.by}
    if Source.OUTSIDE in sources:
        ways.append(Release(ReleaseKind.CHANGE_ON_PLATFORM, _held(case.without_outside(), lock)))
    if Source.MANUAL in sources:
        by_hand = frozenset(winner.manual.id for winner in lock.by if winner.manual is not None)
        ways.append(Release(ReleaseKind.UNASSIGN, _held(case.without_manual(by_hand), lock)))
    if Source.DEFAULT in sources:
        ways.append(Release(ReleaseKind.CHANGE_DEFAULT, _held(case.without_defaults(), lock)))
    entered = [winner.membership.entered for winner in lock.by if winner.membership is not None]
    for group in {group.id: group for group in entered}.values():
        then = _held(case.without_group(group), lock)
        ways.append(Release(ReleaseKind.LEAVE_GROUP, then, group=group))
    if any(winner.held_since for winner in lock.by):
        ways.append(Release(ReleaseKind.RELEASE_HOLD, _held(case.without_holds(), lock)))
    rules = {winner.rule: winner.place for winner in lock.by if winner.rule and not winner.held_since}
    for rule, place in rules.items():
        then = _held(case.without_rule(rule), lock)
        ways.append(Release(ReleaseKind.CHANGE_RULE, then, rule=rule, place=place))
    return tuple(ways)


def _held(case: Case, lock: Lock) -> tuple[str, ...]:
    """Return the roles in the lock's slot and scope, mere access told as the role that it becomes."""
    return tuple(
        role.acts_as.role if role.acts_as else role.role for role in case.resolve().at(lock.slot, lock.project)
    )
