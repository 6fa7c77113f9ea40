"""Why not: what would have to change for a person to hold a role that they do not hold.

Each way is found by the resolver itself: a first step is taken (somebody enters a group, a hand assigns), the case is
resolved again, and whatever then keeps the role away is the next step, until it holds. So a way that is told is a way
that works; where none is found, the obstacles are told on which every attempt ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from rolebridge.core.assignment import Assignment, EffectiveRole, Lost, ManualAssignment, Reason, Resolution, Source
from rolebridge.core.catalogue import Assignable, Level
from rolebridge.core.diagnostics import Place
from rolebridge.core.directory import Group, Membership
from rolebridge.core.explanation import Case
from rolebridge.core.mapping import AnyText, Capture, GroupRef, Literal, Pattern, Project, Rule, WorkspaceMapping
from rolebridge.core.program import Program

MOST_WAYS: Final = 8
"""How many ways are told: the shortest."""
_MOST_STEPS: Final = 6
_MOST_GROUPS: Final = 200  # groups that are tried: those that a rule gives the role for
_NEEDS_DEEP: Final = 2  # prerequisites of prerequisites
_MOST_TRIED: Final = 2_000  # cases that one search resolves, steps to prerequisites included: each costs some 0.1 ms
_NEW: Final = "(new)"
_BY: Final = "(whoever assigns)"


class StepKind(StrEnum):
    """One thing to do on a way to a role."""

    JOIN_GROUP = "join_group"
    CREATE_GROUP = "create_group"
    ASSIGN = "assign"
    FULFIL_CONDITION = "fulfil_condition"
    CHANGE_DATES = "change_dates"
    REACTIVATE = "reactivate"
    LEAVE_GROUP = "leave_group"
    CHANGE_RULE = "change_rule"
    UNASSIGN = "unassign"
    CHANGE_ON_PLATFORM = "change_on_platform"
    ALLOW_BY_HAND = "allow_by_hand"
    DECLARE_PROJECT = "declare_project"


@dataclass(frozen=True, slots=True)
class Step:
    """A step, and what it is about: a group, a rule with its place, a role, or in words (`detail`) a condition."""

    do: StepKind
    detail: str = ""
    group: Group | None = None
    rule: str = ""
    place: Place | None = None
    slot: str = ""
    role: str = ""
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A role of a slot, in a project or (None) in the workspace."""

    slot: str
    role: str
    project: str | None

    def is_held(self, resolution: Resolution) -> bool:
        """Return whether the person has it, also as what mere access becomes."""
        return any(
            role.role == self.role or (role.acts_as is not None and role.acts_as.role == self.role)
            for role in resolution.at(self.slot, self.project)
        )

    def is_(self, claim: Assignment) -> bool:
        """Return whether a claim is one to this role."""
        return (claim.slot, claim.project, claim.role) == (self.slot, self.project, self.role)


@dataclass(frozen=True, slots=True)
class WhyNot:
    """What keeps a person from a role. `held` is true when nothing does.

    `lost` are the claims to it that do not count, with their reasons. `ways` lead to it, the shortest first, and
    `obstacles` tell where other attempts ended.
    """

    target: Target
    held: bool
    lost: tuple[Lost, ...] = ()
    ways: tuple[tuple[Step, ...], ...] = ()
    obstacles: tuple[str, ...] = ()


def why_not(case: Case, target: Target, groups: Iterable[Group]) -> WhyNot:
    """Return what would have to change; `groups` are those that there are, which the person may enter."""
    resolution = case.resolve()
    if target.is_held(resolution):
        return WhyNot(target, True)
    lost = tuple(one for one in resolution.lost if target.is_(one.assignment))
    search = _Search(target, tuple(groups))
    ways = sorted(search.ways(case), key=lambda way: (len(way), [step.do for step in way]))
    distinct = tuple(dict.fromkeys(ways))[:MOST_WAYS]
    return WhyNot(target, False, lost, distinct, tuple(dict.fromkeys(search.obstacles)))


@dataclass(slots=True)
class _Effort:
    """How many cases a search, with those inside it, may still resolve."""

    left: int = _MOST_TRIED

    def spend(self) -> bool:
        """Take one; return whether there was one."""
        self.left -= 1
        return self.left >= 0


@dataclass(slots=True)
class _Search:
    """One search for ways to a role."""

    target: Target
    groups: tuple[Group, ...]
    deep: int = 0
    obstacles: list[str] = field(default_factory=list)
    effort: _Effort = field(default_factory=_Effort)

    def ways(self, case: Case) -> Iterator[tuple[Step, ...]]:
        """Yield ways that work, each alone."""
        begun: tuple[Step, ...] = ()
        if self.target.project is not None and self.target.project not in case.program.projects:
            case, begun = _declared(case, self.target.project)
        yield from self._found(case, begun)

    def _found(self, case: Case, begun: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
        """Yield ways that work, after what was begun with, in a case whose projects are all declared."""
        for started, steps in self._starts(case):
            way = self._pursue(started, (*begun, *steps))
            if way is not None:
                yield way

    def _starts(self, case: Case) -> Iterator[tuple[Case, tuple[Step, ...]]]:
        """Yield cases in which something claims the role: as it is, in a group more, with an assignment by hand."""
        if any(self.target.is_(one.assignment) for one in case.resolve().lost):
            yield case, ()
        inside = {membership.group.id for membership in case.memberships}
        tried = 0
        for group in self.groups:
            rule = _rule_giving(case.program, group, self.target)
            if rule is not None and group.id not in inside and tried < _MOST_GROUPS:
                tried += 1
                step = Step(StepKind.JOIN_GROUP, group=group, rule=rule.id, place=rule.place)
                yield _with_group(case, group), (step,)
        if not tried:
            yield from self._with_new_groups(case)
        if self._is_assignable(case):
            step = Step(StepKind.ASSIGN, slot=self.target.slot, role=self.target.role, project=self.target.project)
            yield _with_hand(case, self.target), (step,)

    def _with_new_groups(self, case: Case) -> Iterator[tuple[Case, tuple[Step, ...]]]:
        known = {(group.display.casefold(), group.connection) for group in self.groups}
        for rule in case.program.mapping.rules:
            for name in _names_for(rule):
                group = Group(_NEW, name, case.user.connection)
                if (name.casefold(), group.connection) in known:
                    continue
                if _rule_giving(case.program, group, self.target) is rule:
                    step = Step(StepKind.CREATE_GROUP, name, group=group, rule=rule.id, place=rule.place)
                    yield _with_group(case, group), (step,)

    def _is_assignable(self, case: Case) -> bool:
        role = case.program.catalogue.role(self.target.slot, self.target.role)
        if role.assignable is Assignable.YES:
            return True
        self.obstacles.append(f"{role.name} cannot be assigned: {role.assignable}")
        return False

    def _pursue(self, case: Case, steps: tuple[Step, ...]) -> tuple[Step, ...] | None:
        """Return the steps after which the role holds, or None, with the obstacle told."""
        while len(steps) <= _MOST_STEPS and self.effort.spend():
            resolution = case.resolve()
            if self.target.is_held(resolution):
                return steps
            taken = self._next(case, resolution)
            if taken is None:
                return None
            case, more = taken
            steps = (*steps, *more)
        return None

    def _next(self, case: Case, resolution: Resolution) -> tuple[Case, tuple[Step, ...]] | None:
        """Return the case without what keeps the role away most immediately, and the steps that take it away."""
        if not case.user.active:
            return replace(case, user=replace(case.user, active=True)), (Step(StepKind.REACTIVATE),)
        for lost in sorted(resolution.lost, key=lambda one: _ORDER.get(one.reason, len(_ORDER))):
            if self.target.is_(lost.assignment):
                taken = self._without(case, resolution, lost)
                if taken is not None:
                    return taken
                self.obstacles.append(f"{lost.reason}: {lost.detail}" if lost.detail else str(lost.reason))
        return None

    def _without(self, case: Case, resolution: Resolution, lost: Lost) -> tuple[Case, tuple[Step, ...]] | None:
        claim = lost.assignment
        rule = next((one for one in case.program.mapping.rules if one.id == claim.rule), None)
        match lost.reason:
            case Reason.CONDITION_FALSE if rule is not None:
                step = Step(StepKind.FULFIL_CONDITION, lost.detail, rule=rule.id, place=rule.place)
                return _with_rule(case, replace(rule, when=None)), (step,)
            case Reason.NOT_YET | Reason.EXPIRED | Reason.NO_DATE if rule is not None:
                step = Step(StepKind.CHANGE_DATES, lost.detail, rule=rule.id, place=rule.place)
                return _with_rule(case, replace(rule, starts=None, ends=None)), (step,)
            case Reason.MANUAL_FORBIDDEN:
                forbidden = case.program.mapping.manual_forbidden - {self.target.slot}
                step = Step(StepKind.ALLOW_BY_HAND, slot=self.target.slot)
                return _under(case, replace(case.program.mapping, manual_forbidden=forbidden)), (step,)
            case Reason.DENIED:
                return _without_denial(case, lost)
            case Reason.BLOCKED:
                return self._with_need(case, lost)
            case Reason.OUTRANKED | Reason.SHADOWED | Reason.OVERRULED | Reason.CONFLICT | Reason.HELD_OUTSIDE:
                return _without_rivals(case, resolution, self.target)
            case _:
                return None

    def _with_need(self, case: Case, lost: Lost) -> tuple[Case, tuple[Step, ...]] | None:
        """Return the case in which the claim no longer lacks what it lacks: the person has a role that it needs."""
        if self.deep >= _NEEDS_DEEP:
            return None
        for way in self._ways_to_needs(case, lost.assignment):
            there = after(case, way)
            # A need may be met already, or by what does not count for this claim: then something else is lacking.
            if way and self.effort.spend() and not any(_is_same(lost, other) for other in there.resolve().lost):
                return there, way
        return None

    def _ways_to_needs(self, case: Case, claim: Assignment) -> Iterator[tuple[Step, ...]]:
        """Yield ways to roles that the claim needs."""
        for prerequisite in case.program.catalogue.prerequisites:
            if prerequisite.slot != claim.slot or (prerequisite.roles and claim.role not in prerequisite.roles):
                continue
            for need in prerequisite.needs:
                slot = case.program.catalogue.slots[need.slot]
                for role in [one for one in slot.roles if not need.roles or one in need.roles]:
                    inner = _Search(Target(need.slot, role, None), self.groups, self.deep + 1, effort=self.effort)
                    yield from inner._found(case)


def _is_same(lost: Lost, other: Lost) -> bool:
    return (lost.assignment, lost.reason, lost.detail) == (other.assignment, other.reason, other.detail)


_ORDER: Final = {
    reason: at
    for at, reason in enumerate(
        (Reason.CONDITION_FALSE, Reason.NOT_YET, Reason.EXPIRED, Reason.NO_DATE, Reason.MANUAL_FORBIDDEN)
    )
}


# --- cases with one thing changed ------------------------------------------------------------------------------


def _under(case: Case, mapping: WorkspaceMapping, projects: dict[str, Project] | None = None) -> Case:
    program = Program(case.program.catalogue, mapping, projects or case.program.projects)
    return replace(case, program=program)


def _with_rule(case: Case, changed: Rule) -> Case:
    rules = tuple(changed if rule.id == changed.id else rule for rule in case.program.mapping.rules)
    return _under(case, replace(case.program.mapping, rules=rules))


def _with_group(case: Case, group: Group) -> Case:
    return replace(case, memberships=(*case.memberships, Membership(group, case.at)))


def _with_hand(case: Case, target: Target) -> Case:
    record = ManualAssignment(
        _NEW,
        case.user.id,
        case.program.workspace,
        target.slot,
        target.project,
        target.role,
        by=_BY,
        at=datetime.max.replace(tzinfo=UTC),  # the latest by hand counts
    )
    return replace(case, manual=(*case.manual, record))


def _declared(case: Case, project: str) -> tuple[Case, tuple[Step, ...]]:
    mapping = case.program.mapping
    declared = replace(mapping, projects={**mapping.projects, project: Project(project, project)})
    return _under(case, declared), (Step(StepKind.DECLARE_PROJECT, project=project),)


def after(case: Case, way: Iterable[Step]) -> Case:
    """Return the case after all steps of a way."""
    for step in way:
        case = taken(case, step)
    return case


def taken(case: Case, step: Step) -> Case:  # noqa: PLR0911 - a line for each kind of step
    """Return the case after a step; one that fulfils a condition or changes dates is told as a rule without them."""
    rule = next((one for one in case.program.mapping.rules if one.id == step.rule), None)
    match step.do:
        case StepKind.JOIN_GROUP | StepKind.CREATE_GROUP if step.group is not None:
            return _with_group(case, step.group)
        case StepKind.ASSIGN:
            return _with_hand(case, Target(step.slot, step.role, step.project))
        case StepKind.REACTIVATE:
            return replace(case, user=replace(case.user, active=True))
        case StepKind.LEAVE_GROUP if step.group is not None:
            return case.without_group(step.group)
        case StepKind.FULFIL_CONDITION if rule is not None:
            return _with_rule(case, replace(rule, when=None))
        case StepKind.CHANGE_DATES if rule is not None:
            return _with_rule(case, replace(rule, starts=None, ends=None))
        case StepKind.CHANGE_RULE if rule is not None:
            return case.without_rule(rule.id)
        case StepKind.UNASSIGN:
            return case.without_manual(frozenset(step.detail.split()))
        case StepKind.CHANGE_ON_PLATFORM:
            return case.without_outside()
        case StepKind.ALLOW_BY_HAND:
            forbidden = case.program.mapping.manual_forbidden - {step.slot}
            return _under(case, replace(case.program.mapping, manual_forbidden=forbidden))
        case StepKind.DECLARE_PROJECT if step.project is not None:
            return _declared(case, step.project)[0]
        case _:
            return case


def _without_denial(case: Case, lost: Lost) -> tuple[Case, tuple[Step, ...]] | None:
    rule = next((one for one in case.program.mapping.rules if lost.detail.startswith(f"rule {one.id} (")), None)
    if rule is None:
        return None
    through = [m.entered for m in case.memberships if any(s.rule is rule for s in case.program.for_group(m.group))]
    steps = [Step(StepKind.LEAVE_GROUP, group=group, rule=rule.id, place=rule.place) for group in _each(through)]
    if not steps:
        steps = [Step(StepKind.CHANGE_RULE, rule=rule.id, place=rule.place)]
    return _all_taken(case, steps)


def _without_rivals(case: Case, resolution: Resolution, target: Target) -> tuple[Case, tuple[Step, ...]] | None:
    """Return the case without the claims that hold the role's place, or that overrule it from above."""
    slot = case.program.catalogue.slots[target.slot]
    holders: list[EffectiveRole] = [*resolution.at(target.slot, target.project)]
    if slot.level is Level.PROJECT:
        above = [role for role in resolution.roles if role.project is None]
        holders += [role for role in above if case.program.catalogue.role(role.slot, role.role).overrules]
    claims = [claim for role in holders for claim in role.winners]
    for conflict in resolution.conflicts:
        if (conflict.slot, conflict.project) == (target.slot, target.project):
            claims += [claim for claim in conflict.claims if claim.role != target.role]
    claims = [claim for claim in claims if not target.is_(claim) and claim.source is not Source.DEFAULT]
    entered = _each(claim.membership.entered for claim in claims if claim.membership is not None)
    steps = [Step(StepKind.LEAVE_GROUP, group=group) for group in entered]
    for claim in claims:
        if claim.rule is not None and claim.membership is None:
            steps.append(Step(StepKind.CHANGE_RULE, rule=claim.rule, place=claim.place))
        elif claim.manual is not None:
            steps.append(Step(StepKind.UNASSIGN, claim.manual.id, slot=claim.slot, role=claim.role))
        elif claim.source is Source.OUTSIDE:
            steps.append(Step(StepKind.CHANGE_ON_PLATFORM, slot=claim.slot, role=claim.role, place=claim.place))
    return _all_taken(case, list(dict.fromkeys(steps)))


def _all_taken(case: Case, steps: Sequence[Step]) -> tuple[Case, tuple[Step, ...]] | None:
    return (after(case, steps), tuple(steps)) if steps else None


def _each(groups: Iterable[Group]) -> list[Group]:
    return list({group.id: group for group in groups}.values())


# --- which groups would do -------------------------------------------------------------------------------------


def _rule_giving(program: Program, group: Group, target: Target) -> Rule | None:
    """Return the rule by which members of `group` would claim the role."""
    for speech in program.for_group(group):
        if any(
            (one.slot, one.project, one.role) == (target.slot, target.project, target.role) for one in speech.grants
        ):
            return speech.rule
    return None


def _names_for(rule: Rule) -> Iterator[str]:
    """Yield names of groups that the rule would speak to."""
    for matcher in rule.groups:
        if isinstance(matcher, GroupRef):
            if matcher.name is not None:
                yield matcher.name
        else:
            yield from _spelt(matcher)


def _spelt(pattern: Pattern) -> Iterator[str]:
    names = [""]
    for piece in pattern.pieces:
        match piece:
            case Literal(text):
                names = [name + text for name in names]
            case Capture(_, values):
                names = [name + spelling for name in names for spelling in values][:_MOST_GROUPS]
            case AnyText():
                pass
    yield from names
