"""Cases: what an administrator expects of a mapping, and whether the resolver agrees.

A case is a made-up person with groups, attributes and assignments by hand on a day, and the whole of what they should
hold in one workspace. Evaluating it is resolving that person; what differs is told as expected, got and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rolebridge.core.assignment import Assignment, EffectiveRole, Lost, ManualAssignment, Resolution
from rolebridge.core.claims import Subject, gather
from rolebridge.core.diagnostics import Place
from rolebridge.core.directory import Membership, User
from rolebridge.core.program import Program
from rolebridge.core.resolver import resolve


@dataclass(frozen=True, slots=True)
class ExpectedRole:
    """A role that the person should hold in `slot` at `project` (None: the workspace).

    None as `lock`, `rule`, `source` or `acts_as` means that the case does not say; "" as `lock` or `acts_as` means
    that there should be none.
    """

    place: Place
    slot: str
    project: str | None
    role: str
    lock: str | None = None
    rule: str | None = None
    source: str | None = None
    acts_as: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedLoss:
    """A claim that should not be in force, and why; None as `rule` means any rule, or none."""

    place: Place
    slot: str
    project: str | None
    role: str
    reason: str
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedConflict:
    """A slot that several rules should leave empty because nothing says which of them wins."""

    place: Place
    slot: str
    project: str | None


@dataclass(frozen=True, slots=True)
class MappingCase:
    """One case of a workspace. `roles` and `conflicts` are all there should be; `lost` is among what is lost."""

    workspace: str
    name: str
    place: Place
    user: User
    memberships: tuple[Membership, ...]
    manual: tuple[ManualAssignment, ...]
    at: datetime
    roles: tuple[ExpectedRole, ...]
    lost: tuple[ExpectedLoss, ...] = ()
    conflicts: tuple[ExpectedConflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference: what the case says, what the resolver says, and in one line why it says so ("" if nothing)."""

    place: Place
    expected: str
    got: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of a case. `exercised` are the ids of the rules that spoke of the person on that day."""

    case: MappingCase
    mismatches: tuple[Mismatch, ...]
    exercised: frozenset[str]

    @property
    def passed(self) -> bool:
        """Return whether the resolver agrees with the case."""
        return not self.mismatches


def evaluate(program: Program, case: MappingCase) -> CaseResult:
    """Resolve the person of a case with the program of its workspace, and compare."""
    resolution = resolve(program, case.user, case.memberships, case.manual, case.at)
    mismatches = (*_roles(case, resolution), *_losses(case, resolution), *_conflicts(case, resolution))
    return CaseResult(case, mismatches, _exercised(program, case))


def unexercised(program: Program, results: Iterable[CaseResult]) -> tuple[str, ...]:
    """Return the ids of the rules of a workspace that no case exercises, in the order of the file."""
    seen = {rule for result in results if result.case.workspace == program.workspace for rule in result.exercised}
    return tuple(rule.id for rule in program.mapping.rules if rule.id not in seen)


def _exercised(program: Program, case: MappingCase) -> frozenset[str]:
    claims = gather(Subject(program, case.user, case.memberships), case.manual, case.at.date())
    given = {claim.rule for claim in claims.standing if claim.rule}
    return frozenset(given | {rule.id for _, rule in claims.denials})


# --- roles -----------------------------------------------------------------------------------------------------


def _roles(case: MappingCase, resolution: Resolution) -> Iterator[Mismatch]:
    held = {role.key: role for role in resolution.roles}
    expected = {(one.slot, one.project or "", one.role): one for one in case.roles}
    missing = [one for key, one in expected.items() if key not in held]
    for one in missing:
        # What stands in the same slot and scope instead is told in one mismatch with it.
        instead = [role for role in resolution.at(one.slot, one.project) if role.key not in expected]
        got = " and ".join(_told(role) for role in instead) or "nothing there"
        why = "; ".join(_why(role) for role in instead) or _why_not(one, resolution)
        yield Mismatch(one.place, _wanted(one), got, why)
    told = {(one.slot, one.project) for one in missing}
    for key, role in held.items():
        if key in expected:
            yield from _details(expected[key], role)
        elif (role.slot, role.project) not in told:
            yield Mismatch(case.place, "nothing more", _told(role), _why(role))


def _details(expected: ExpectedRole, role: EffectiveRole) -> Iterator[Mismatch]:
    lock = role.lock.kind.value if role.lock else ""
    rules = sorted({winner.rule for winner in role.winners if winner.rule})
    acts_as = role.acts_as.role if role.acts_as else ""
    if expected.lock is not None and expected.lock != lock:
        yield _detail(expected, role, f"lock {expected.lock or 'none'}", f"lock {lock or 'none'}")
    if expected.rule is not None and expected.rule not in rules:
        yield _detail(expected, role, f"by rule {expected.rule}", _by(role))
    if expected.source is not None and expected.source != role.source:
        yield _detail(expected, role, f"source {expected.source}", f"source {role.source}")
    if expected.acts_as is not None and expected.acts_as != acts_as:
        yield _detail(expected, role, f"acts as {expected.acts_as or 'nothing'}", f"acts as {acts_as or 'nothing'}")


def _detail(expected: ExpectedRole, role: EffectiveRole, wanted: str, got: str) -> Mismatch:
    scope = _scope(role.slot, role.project, role.role)
    return Mismatch(expected.place, f"{scope}, {wanted}", f"{scope}, {got}", _why(role))


def _wanted(one: ExpectedRole) -> str:
    rule = f" by rule {one.rule}" if one.rule else ""
    return _scope(one.slot, one.project, one.role) + rule


def _told(role: EffectiveRole) -> str:
    return _scope(role.slot, role.project, role.role)


def _scope(slot: str, project: str | None, role: str) -> str:
    return f"{slot} {role}" + (f" in {project}" if project else "")


def _by(role: EffectiveRole) -> str:
    rules = sorted({winner.rule for winner in role.winners if winner.rule})
    return f"by rule {', '.join(rules)}" if rules else f"by no rule ({role.source})"


def _why(role: EffectiveRole) -> str:
    return "; ".join(dict.fromkeys(_origin(winner) for winner in role.winners))


def _origin(claim: Assignment) -> str:
    if claim.rule is None:
        return {"manual": "given by hand", "default": "the default", "outside": "held on the platform"}[claim.source]
    through = f" through group {claim.group.display}" if claim.group else ""
    return f"rule {claim.rule} ({claim.place}){through}"


def _why_not(one: ExpectedRole, resolution: Resolution) -> str:
    lost = [each for each in resolution.lost if _is_of(each, one.slot, one.project, one.role)]
    if lost:
        return "; ".join(dict.fromkeys(_lost_because(each) for each in lost))
    if any(conflict.slot == one.slot and conflict.project == one.project for conflict in resolution.conflicts):
        return "rules conflict there, and nothing says which one wins"
    return "no rule gives it to this person"


# --- what is lost, and conflicts -------------------------------------------------------------------------------


def _losses(case: MappingCase, resolution: Resolution) -> Iterator[Mismatch]:
    for one in case.lost:
        same = [lost for lost in resolution.lost if _is_of(lost, one.slot, one.project, one.role)]
        if one.rule is not None:
            same = [lost for lost in same if lost.assignment.rule == one.rule]
        if any(lost.reason == one.reason for lost in same):
            continue
        rule = f" of rule {one.rule}" if one.rule else ""
        wanted = f"{_scope(one.slot, one.project, one.role)}{rule} lost: {one.reason}"
        got = "; ".join(dict.fromkeys(_lost_because(lost) for lost in same)) or "no such claim was lost"
        yield Mismatch(one.place, wanted, got)


def _conflicts(case: MappingCase, resolution: Resolution) -> Iterator[Mismatch]:
    expected = {(one.slot, one.project): one for one in case.conflicts}
    found = {(conflict.slot, conflict.project): conflict for conflict in resolution.conflicts}
    for key, one in expected.items():
        if key not in found:
            yield Mismatch(one.place, f"a conflict in {_place_of(*key)}", "no conflict there")
    for key, conflict in found.items():
        if key not in expected:
            rules = "; ".join(f"{claim.role}: {_origin(claim)}" for claim in conflict.claims)
            yield Mismatch(case.place, "no conflict", f"a conflict in {_place_of(*key)}", rules)


def _place_of(slot: str, project: str | None) -> str:
    return slot + (f" of {project}" if project else "")


def _is_of(lost: Lost, slot: str, project: str | None, role: str) -> bool:
    claim = lost.assignment
    return (claim.slot, claim.project, claim.role) == (slot, project, role)


def _lost_because(lost: Lost) -> str:
    detail = f": {lost.detail}" if lost.detail else ""
    return f"{_origin(lost.assignment)} lost, {lost.reason}{detail}"
