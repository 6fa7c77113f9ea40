"""Gathering: every claim on a person's roles, from whichever source, and the denials that speak against them.

Nothing is decided here but whether a claim stands at all: whether its rule speaks of this person, on this day. What
stands is weighed by `resolver`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from rolebridge.core.assignment import Assignment, Lost, ManualAssignment, Reason, Source
from rolebridge.core.catalogue import Assignable, Level
from rolebridge.core.directory import Membership, User
from rolebridge.core.mapping import Boundary, DateFrom, Rule
from rolebridge.core.program import Denial, Program, Speech


class Subject:
    """Whom one resolution is about, and the resource that conditions read."""

    __slots__ = ("_resource", "memberships", "program", "user")

    def __init__(self, program: Program, user: User, memberships: Sequence[Membership]) -> None:
        self.program = program
        self.user = user
        self.memberships = memberships
        self._resource: Mapping[str, Any] | None = None

    @property
    def resource(self) -> Mapping[str, Any]:
        """Return what conditions read: the user's attributes, with their groups when a condition asks for groups.

        Only groups that the mapping trusts, in an order of their own.
        """
        if self._resource is None:
            self._resource = self.user.attributes
            if self.program.reads_groups:
                found = {m.group.id: m.group.display for m in self.memberships if self.program.trusts(m.group)}
                groups = [{"value": id_, "display": display} for id_, display in sorted(found.items())]
                self._resource = {**self.user.attributes, "groups": groups}
        return self._resource


@dataclass(slots=True)
class Claims:
    """What stands, what speaks against it, what does not stand and why, and the days on which that may change."""

    standing: list[Assignment] = field(default_factory=list)
    denials: list[tuple[Denial, Rule]] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    boundaries: set[date] = field(default_factory=set)


def gather(subject: Subject, manual: Sequence[ManualAssignment], day: date, held: Sequence[Assignment] = ()) -> Claims:
    """Collect what rules say through groups, by name and to everyone, what is given by hand or held outside.

    `held` are claims whose revocation a guard rail holds (see `holds`): they end with their own last day.
    """
    hearing = _Hearing(subject, day, Claims())
    hearing.listen(manual)
    hearing.keep(held)
    return hearing.claims


@dataclass(frozen=True, slots=True)
class _Hearing:
    """One person's claims while they are being collected."""

    subject: Subject
    day: date
    claims: Claims

    def listen(self, manual: Sequence[ManualAssignment]) -> None:
        program, user = self.subject.program, self.subject.user
        for membership in self.subject.memberships:
            for speech in program.for_group(membership.group):
                self._hear(speech, membership)
        for speech in program.for_user(user):
            self._hear(speech, None)
        for record in manual:
            if record.workspace == program.workspace:
                self._gather_manual(record)
        for outside in program.holds_outside(user):
            held = Assignment(outside.slot, None, outside.role, Source.OUTSIDE, place=outside.place)
            self.claims.standing.append(held)

    def keep(self, held: Sequence[Assignment]) -> None:
        for claim in held:
            if self._in_force(None, claim.ends, [claim]):
                self.claims.standing.append(claim)

    def _hear(self, speech: Speech, membership: Membership | None) -> None:
        rule = speech.rule
        claims = list(self._claims_of(speech, membership))
        if speech.ambiguous:
            detail = f"`{membership.group.display}` fits the pattern in two ways" if membership else ""
            self._lose(claims, Reason.AMBIGUOUS_CAPTURE, detail)
            return
        if rule.when is not None and not rule.when.holds(self.subject.resource):
            self._lose(claims, Reason.CONDITION_FALSE, rule.when.why_false(self.subject.resource) or rule.when.text)
            return
        starts, ends, missing = self._period(rule)
        if missing and not rule.denies:
            self._lose(claims, Reason.NO_DATE, f"{missing} is absent")
            return
        if not self._in_force(starts, ends, claims):
            return
        # A denial must not fail open: one whose day is absent holds.
        self.claims.denials.extend((denial, rule) for denial in speech.denials)
        self.claims.standing.extend(claims)

    def _claims_of(self, speech: Speech, membership: Membership | None) -> Iterator[Assignment]:
        rule = speech.rule
        starts, ends, _ = self._period(rule)
        grants = [(grant.slot, grant.project, grant.role) for grant in speech.grants]
        if speech.ambiguous:
            grants = [(term.slot, None, term.role or f"{{{term.capture}}}") for term in rule.grant]
        for slot, project, role in grants:
            yield Assignment(
                slot,
                project,
                role,
                Source.RULE,
                rule=rule.id,
                place=rule.place,
                note=rule.note,
                membership=membership,
                starts=starts,
                ends=ends,
            )

    def _gather_manual(self, record: ManualAssignment) -> None:
        claim = Assignment(record.slot, record.project, record.role, Source.MANUAL, manual=record, ends=record.until)
        refused = self._not_by_hand(claim)
        if refused is not None:
            self.claims.lost.append(Lost(claim, *refused))
        elif self._in_force(None, record.until, [claim]):
            self.claims.standing.append(claim)

    def _not_by_hand(self, claim: Assignment) -> tuple[Reason, str] | None:
        slot = self.subject.program.catalogue.slots.get(claim.slot)
        role = slot.roles.get(claim.role) if slot else None
        if slot is None or role is None or role.id == slot.neutral:
            return Reason.NOT_ASSIGNABLE, f"`{claim.slot}` has no role `{claim.role}`"
        if (slot.level is Level.PROJECT) != (claim.project is not None):
            return Reason.UNKNOWN_SCOPE, f"`{claim.slot}` is held per {slot.level}"
        if claim.project is not None and claim.project not in self.subject.program.projects:
            return Reason.UNKNOWN_SCOPE, f"project `{claim.project}` is not declared"
        if claim.slot in self.subject.program.mapping.manual_forbidden:
            return Reason.MANUAL_FORBIDDEN, f"the mapping forbids assignments by hand in `{claim.slot}`"
        if role.assignable is not Assignable.YES:
            return Reason.NOT_ASSIGNABLE, f"{role.name}: {role.assignable}"
        return None

    def _period(self, rule: Rule) -> tuple[date | None, date | None, str]:
        starts, missing_start = self._day_of(rule.starts)
        ends, missing_end = self._day_of(rule.ends)
        return starts, ends, missing_start or missing_end

    def _day_of(self, boundary: Boundary) -> tuple[date | None, str]:
        if not isinstance(boundary, DateFrom):
            return boundary, ""
        try:
            return date.fromisoformat((boundary.read(self.subject.resource) or "")[:10]), ""
        except ValueError:
            return None, boundary.attribute

    def _in_force(self, starts: date | None, ends: date | None, claims: Sequence[Assignment]) -> bool:
        """Set the claims aside unless today lies in the period; remember when that will change."""
        if starts is not None and self.day < starts:
            self.claims.boundaries.add(starts)
            self._lose(claims, Reason.NOT_YET, f"begins on {starts}")
            return False
        if ends is not None and ends < self.day:
            self._lose(claims, Reason.EXPIRED, f"ended with {ends}")
            return False
        if ends is not None and ends < date.max:  # 9999-12-31 means "for ever", and has no day after
            self.claims.boundaries.add(ends + timedelta(days=1))
        return True

    def _lose(self, claims: Sequence[Assignment], reason: Reason, detail: str) -> None:
        self.claims.lost.extend(Lost(claim, reason, detail) for claim in claims)
