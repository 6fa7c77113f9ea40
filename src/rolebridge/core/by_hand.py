"""Assignments by hand: what becomes of each, and why one would not hold.

A lock refuses an assignment instead of letting it lie in wait; but one that was made before the lock is kept, and
holds again when the lock goes. Both are read from the resolver's outcome, nothing is decided here a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rolebridge.core.assignment import (
    Assignment,
    Conflict,
    Lock,
    LockKind,
    Lost,
    ManualAssignment,
    Reason,
    Resolution,
    Source,
)
from rolebridge.core.catalogue import Catalogue, Level, Role, Slot
from rolebridge.core.directory import Membership, User
from rolebridge.core.errors import RolebridgeError
from rolebridge.core.explanation import Case, Release, releases
from rolebridge.core.mapping import Rule
from rolebridge.core.program import Program
from rolebridge.core.resolver import lock_at

IN_FORCE = "in force"
ENDED = "ended"
NO_MAPPING = "no mapping"


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of an assignment by hand.

    `state` is `in force`, `ended`, `no mapping` (no file speaks of its workspace), or the reason why it does not hold,
    which `detail` puts in one line. `lock` is what holds its place instead, where something does.
    """

    state: str
    detail: str = ""
    lock: Lock | None = None

    @property
    def in_force(self) -> bool:
        """Return whether it holds."""
        return self.state == IN_FORCE


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not be changed by hand: `reason` is the lock's kind, or another reason where nothing locks.

    `claims` are what stands in the way: the winners that hold the lock, rules in conflict, a denial. `releases` are the
    ways out, each with what the person would then be.
    """

    reason: LockKind | Reason
    slot: str
    project: str | None
    role: str
    detail: str = ""
    lock: Lock | None = None
    claims: tuple[Assignment, ...] = ()
    releases: tuple[Release, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """Whom and what a refusal is about. `affects` says for each rule how many others hold a role through it."""

    user: User
    program: Program
    revision: int
    affects: Mapping[str, int] = field(default_factory=dict)


class AssignmentRefused(RolebridgeError):
    """That a lock, or another reason, forbids a change by hand. Nothing was written."""

    def __init__(self, refusal: Refusal, context: Context) -> None:
        super().__init__(_sentence(refusal, context.program.catalogue))
        self.refusal = refusal
        self.context = context


def standing(program: Program, resolution: Resolution, record: ManualAssignment) -> Standing:
    """Return what `resolution`, made with `record`, says of it."""
    lost = _lost(resolution, record)
    if lost is None:
        return Standing(IN_FORCE)
    return Standing(lost.reason, lost.detail, _lock_over(program, resolution, record.slot, record.project, record.role))


def refusal_of(case: Case, record: ManualAssignment, replaced: frozenset[str]) -> Refusal | None:
    """Return why `record`, made in the place of those `replaced`, would not hold; None when it would.

    One that only lacks a prerequisite is not refused: it holds as soon as the person has what it needs.
    """
    others = tuple(one for one in case.manual if one.id not in replaced)
    resolution = replace(case, manual=(*others, record)).resolve()
    lost = _lost(resolution, record)
    if lost is None:
        return None
    place = (record.slot, record.project, record.role)
    match lost.reason:
        case Reason.BLOCKED:
            return _locked(case, resolution, place)
        case Reason.SHADOWED | Reason.OVERRULED | Reason.HELD_OUTSIDE:
            return _locked(case, resolution, place) or Refusal(lost.reason, *place, lost.detail)
        case Reason.DENIED:
            return _denied(case, place, lost)
        case reason:
            return Refusal(reason, *place, lost.detail)


def refusal_to_end(case: Case, slot: str, project: str | None, role: str | None) -> Refusal | None:
    """Return what keeps a person's role in a place from being taken by hand, where no hand gave it."""
    resolution = case.resolve()
    for lock in lock_at(case.program, resolution, slot, project):
        if role in {None, lock.role}:
            return Refusal(lock.kind, slot, project, lock.role, "", lock, lock.by, releases(case, lock))
    return _in_conflict(case, resolution, (slot, project, role or ""))


def find_roles(catalogue: Catalogue, level: Level, text: str, slot: str | None = None) -> list[tuple[Slot, Role]]:
    """Return the roles of a level (of one slot) that `text` may mean: an id, or apart from case an id, alias or name.

    In an id blanks and hyphens may stand for underscores, as people write it.
    """
    there = [
        (one, role)
        for one in catalogue.slots.values()
        if one.level is level and slot in {None, one.id}
        for role in one.roles.values()
    ]
    folded = " ".join(text.split()).casefold()
    spelt = folded.replace(" ", "_").replace("-", "_")
    return [pair for pair in there if pair[1].id == text] or [
        (one, role)
        for one, role in there
        if spelt in {word.casefold() for word in (role.id, *role.aliases)} or role.name.casefold() == folded
    ]


def _lost(resolution: Resolution, record: ManualAssignment) -> Lost | None:
    mine = (one for one in resolution.lost if one.assignment.manual and one.assignment.manual.id == record.id)
    return next(mine, None)


def _lock_over(program: Program, resolution: Resolution, slot: str, project: str | None, role: str) -> Lock | None:
    """Return the lock of a place; in a slot that holds many, the one of that role."""
    known = program.catalogue.slots.get(slot)
    if known is None:
        return None
    locks = lock_at(program, resolution, slot, project)
    if known.holds_many:
        locks = tuple(lock for lock in locks if lock.kind is LockKind.WORKSPACE_WIDE or lock.role == role)
    return locks[0] if locks else None


def _locked(case: Case, resolution: Resolution, place: tuple[str, str | None, str]) -> Refusal | None:
    lock = _lock_over(case.program, resolution, *place)
    if lock is None:
        return _in_conflict(case, resolution, place)
    return Refusal(lock.kind, *place, "", lock, lock.by, releases(case, lock))


def _in_conflict(case: Case, resolution: Resolution, place: tuple[str, str | None, str]) -> Refusal | None:
    found: Conflict | None = next((one for one in resolution.conflicts if (one.slot, one.project) == place[:2]), None)
    if found is None:
        return None
    ways = _ways(case, place, found.claims)
    return Refusal(Reason.CONFLICT, *place, "rules disagree and nothing says which one wins", None, found.claims, ways)


def _denied(case: Case, place: tuple[str, str | None, str], lost: Lost) -> Refusal:
    """Return the refusal with the rule that denies, and the groups through which it speaks."""
    rule = next((one for one in case.program.mapping.rules if f"rule {one.id} ({one.place})" == lost.detail), None)
    claims = _denials(case, place, rule) if rule is not None else ()
    return Refusal(Reason.DENIED, *place, lost.detail, None, claims, _ways(case, place, claims))


def _denials(case: Case, place: tuple[str, str | None, str], rule: Rule) -> tuple[Assignment, ...]:
    through: list[Membership | None] = [
        membership
        for membership in case.memberships
        if any(speech.rule.id == rule.id for speech in case.program.for_group(membership.group))
    ]
    return tuple(
        Assignment(*place, Source.RULE, rule=rule.id, place=rule.place, note=rule.note, membership=membership)
        for membership in through or [None]
    )


def _ways(case: Case, place: tuple[str, str | None, str], claims: tuple[Assignment, ...]) -> tuple[Release, ...]:
    """Return the ways out of what is no lock, as if it were one."""
    return releases(case, Lock(LockKind.RULE, *place, claims))


def _sentence(refusal: Refusal, catalogue: Catalogue) -> str:
    by = _by(refusal.claims)
    match refusal.reason:
        case LockKind.GROUP | LockKind.RULE:
            return f"locked by {by}"
        case LockKind.WORKSPACE_WIDE:
            assert refusal.lock is not None  # this reason is a lock's
            ruler = next(iter(refusal.lock.by), None)
            name = catalogue.role(ruler.slot, refusal.lock.role).name if ruler else refusal.lock.role
            return f"locked workspace-wide: {name} applies in every project and cannot be overridden in one ({by})"
        case LockKind.OUTSIDE:
            return f"locked outside: it is held on {catalogue.name} itself, and can only be changed there"
        case Reason.DENIED:
            return f"denied by {by}" if refusal.claims else f"denied: {refusal.detail}"
        case Reason.CONFLICT:
            return f"rules are in conflict here, and the place stays empty until a rule decides: {by}"
        case Reason.INACTIVE:
            return "the user is inactive and holds nothing"
        case _:
            return f"{refusal.reason}: {refusal.detail}"


def _by(claims: tuple[Assignment, ...]) -> str:
    return "; ".join(dict.fromkeys(map(_blamed, claims)))


def _blamed(claim: Assignment) -> str:
    if claim.rule is None:
        return f"{claim.role} by hand" if claim.source is Source.MANUAL else f"{claim.role}, {claim.source}"
    if claim.membership is None:
        return f"rule {claim.rule}, {claim.place}"
    return f"group `{claim.membership.group.display}` (rule {claim.rule}, {claim.place})"
