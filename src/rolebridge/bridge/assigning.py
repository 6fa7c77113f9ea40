"""Giving and taking roles by hand, where no lock holds; and what has become of everything that was given.

An assignment belongs to the user's id. A lock that comes later shadows it and never erases it, deactivation leaves it,
deletion ends it. Whatever is refused is refused here, at every door alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.delegating import Wish, require
from rolebridge.bridge.naming import the_program, the_role, the_user
from rolebridge.bridge.resolving import Cause, Person, read_people, recompute
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.by_hand import (
    ENDED,
    NO_MAPPING,
    AssignmentRefused,
    Context,
    Refusal,
    Standing,
    refusal_of,
    refusal_to_end,
    standing,
)
from rolebridge.core.catalogue import Level, Slot
from rolebridge.core.delegation import Act
from rolebridge.core.directory import User
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.explanation import Case
from rolebridge.core.holds import resolve_held
from rolebridge.core.plan import Change
from rolebridge.core.program import Program
from rolebridge.store.engine import Store
from rolebridge.store.manual import ManualKey
from rolebridge.store.records import ListedManual
from rolebridge.store.unit import Unit

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be given, or to end: names as people use them.

    `user` is a userName, an id, or the part of one userName before its `@`. `workspace` may be left out where only one
    can be meant, `slot` where only one has the role. `project` None means the workspace's own slots. An empty `role` is
    for ending only: whatever the slot has by hand. `until` is the last whole day (UTC). `on_behalf_of` is the user for
    whom somebody acts, "" for nobody: then the platform's own delegation rules must let that user do it, in `phase`
    where they tell phases apart.
    """

    user: str
    role: str = ""
    workspace: str | None = None
    project: str | None = None
    slot: str | None = None
    until: date | None = None
    on_behalf_of: str = ""
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What giving a role did. `new` is False when exactly this was given before; then nothing was written.

    `ended` are the assignments that it took the place of, `changes` what holds otherwise for the person.
    """

    user: User
    assignment: ManualAssignment
    new: bool
    standing: Standing
    ended: tuple[ManualAssignment, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Unassigned:
    """What ending did: the assignments that were ended (none when there was nothing to end), each as it stood."""

    user: User
    ended: tuple[tuple[ManualAssignment, Standing], ...]
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedAssignment:
    """An assignment by hand with the names of its holder, and what has become of it."""

    listed: ListedManual
    standing: Standing


@dataclass(frozen=True, slots=True)
class AssignmentPage:
    """Some assignments, and the place to go on after; None when these were the last."""

    rows: tuple[ListedAssignment, ...]
    after: ManualKey | None


class Assigning:
    """Assignments by hand of an organization."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    # --- giving and taking -----------------------------------------------------------------------------------

    def assign(self, operator: Operator, organization_id: str, wanted: Wanted, reason: str = "") -> Assigned:
        """Give a role by hand. In a slot that holds one role it takes the place of what a hand gave before.

        Raises AssignmentRefused when a lock or another reason forbids it, NotFound and Invalid for what the names do
        not mean. Giving exactly the same again changes nothing; where a lock came since, that is refused too.
        """

        def work(unit: Unit) -> Assigned:
            hand = self._hand(unit, operator, organization_id, wanted.user)
            program = the_program(hand.rulebook, wanted.workspace, wanted.project)
            level = Level.WORKSPACE if wanted.project is None else Level.PROJECT
            slot, role = the_role(program.catalogue, level, wanted.role, wanted.slot)
            if wanted.until is not None and wanted.until < hand.now.date():
                raise Invalid(f"`until` {wanted.until} lies in the past", "until")
            by = self._delegated(hand, program.workspace, wanted, Act.GRANT, slot.id, role.id)
            record = ManualAssignment(
                str(uuid4()),
                hand.user.id,
                program.workspace,
                slot.id,
                wanted.project,
                role.id,
                by=by,
                at=hand.now,
                reason=reason,
                until=wanted.until,
            )
            return hand.give(program, slot, record)

        return self._store.transact(work)

    def unassign(self, operator: Operator, organization_id: str, wanted: Wanted, reason: str = "") -> Unassigned:
        """End what was given by hand in a place: in every slot of it, or in one, or only one role.

        One that a lock shadows may be ended: that changes nothing now. Raises AssignmentRefused when the role there is
        not a hand's to take, Invalid when a slot holds several and `role` does not say which, and NotFound.
        """

        def work(unit: Unit) -> Unassigned:
            hand = self._hand(unit, operator, organization_id, wanted.user)
            records = _meant(hand.person.manual, wanted)
            if not records:
                hand.refuse_foreign(wanted)
                return Unassigned(hand.user, ())
            _only_one_each(records, wanted)
            for record in records:
                self._delegated(hand, record.workspace, wanted, Act.REVOKE, record.slot, record.role)
            return hand.take(records, reason)

        return self._store.transact(work)

    def _delegated(self, hand: _Hand, workspace: str, wanted: Wanted, act: Act, slot: str, role: str) -> str:
        """Return who gives or takes the role, as assignments name them. Raises NotDelegated."""
        if not wanted.on_behalf_of:
            return hand.operator.actor
        wish = Wish(wanted.on_behalf_of, act, role, hand.user.id, workspace, wanted.project, slot, wanted.phase)
        answered = require(hand.unit, hand.organization_id, self._rulebooks, hand.now, wish)
        return f"user:{answered.actor} ({hand.operator.actor})"

    def _hand(self, unit: Unit, operator: Operator, organization_id: str, user: str) -> _Hand:
        directory = unit.directory(organization_id)
        directory.lock_organization(exclusive=False)
        rulebook = self._rulebooks.current(unit, organization_id)
        user_id = the_user(unit, organization_id, user).id
        directory.lock_users([user_id])
        (person,) = read_people(unit, organization_id, [user_id])
        if person.user is None:
            raise NotFound("user", user)
        return _Hand(unit, organization_id, operator, rulebook, person, person.user, self._clock())

    # --- reading ---------------------------------------------------------------------------------------------

    def listing(
        self,
        organization_id: str,
        *,
        workspace: str | None = None,
        project: str | None = None,
        user: str | None = None,
        ended: bool = False,
        after: ManualKey | None = None,
        limit: int = _PAGE,
    ) -> AssignmentPage:
        """Return up to `limit` assignments in the order of (workspace, project, id), those after `after`.

        `project` "" means the workspaces' own slots, None all. With `ended`, those that were ended are listed too.
        Raises NotFound for an unknown user, Invalid when `user` may be several.
        """
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            user_id = None if user is None else the_user(unit, organization_id, user).id
            found = unit.grants(organization_id).list_manual(
                workspace=workspace, project=project, user_id=user_id, ended=ended, after=after, limit=limit + 1
            )
            rows = tuple(_with_standing(unit, organization_id, rulebook, found[:limit], self._clock()))
        last = rows[-1].listed.assignment if len(found) > limit else None
        return AssignmentPage(rows, ManualKey(last.workspace, last.project or "", last.id) if last else None)

    def rows(
        self,
        organization_id: str,
        *,
        workspace: str | None = None,
        project: str | None = None,
        user: str | None = None,
        ended: bool = False,
    ) -> Iterator[ListedAssignment]:
        """Yield all rows of `listing`, page by page: between two pages nothing is held open."""
        after: ManualKey | None = None
        while True:
            page = self.listing(
                organization_id, workspace=workspace, project=project, user=user, ended=ended, after=after
            )
            yield from page.rows
            if page.after is None:
                return
            after = page.after


@dataclass(frozen=True, slots=True)
class _Hand:
    """One person's change of another's roles by hand, while its transaction runs."""

    unit: Unit
    organization_id: str
    operator: Operator
    rulebook: Rulebook
    person: Person
    user: User
    now: datetime

    def give(self, program: Program, slot: Slot, record: ManualAssignment) -> Assigned:
        place = (record.workspace, record.slot, record.project)
        there = [one for one in self.person.manual if (one.workspace, one.slot, one.project) == place]
        if slot.holds_many:
            there = [one for one in there if one.role == record.role]
        replaced = frozenset(one.id for one in there)
        refusal = refusal_of(self._case(program), record, replaced)
        if refusal is not None:
            raise self._refused(program, refusal)
        same = next((one for one in there if _same(one, record)), None)
        if same is not None and len(there) == 1:
            return Assigned(self.user, same, False, self._standing(program, self.person.manual, same))
        for one in there:
            self._end(one, f"replaced by {record.role}")
        self.unit.grants(self.organization_id).add_manual(record)
        self._audit("assignment.made", None, record, record.reason)
        changes = self._recompute(f"{record.role} given by hand")
        kept = tuple(one for one in self.person.manual if one.id not in replaced)
        became = self._standing(program, (*kept, record), record)
        return Assigned(self.user, record, True, became, tuple(there), changes)

    def take(self, records: Sequence[ManualAssignment], reason: str) -> Unassigned:
        ended = tuple((one, self._stood(one)) for one in records)
        for one in records:
            self._end(one, reason)
        return Unassigned(self.user, ended, self._recompute("ended by hand"))

    def refuse_foreign(self, wanted: Wanted) -> None:
        """Refuse to end what a hand did not give, unless a hand's was ended there already: then that is repeated."""
        if _meant(self.unit.grants(self.organization_id).ended_of_user(self.user.id), wanted):
            return
        program = the_program(self.rulebook, wanted.workspace, wanted.project)
        level = Level.WORKSPACE if wanted.project is None else Level.PROJECT
        slots = program.workspace_slots if wanted.project is None else program.project_slots
        role = None
        if wanted.role:
            slot, known = the_role(program.catalogue, level, wanted.role, wanted.slot)
            slots, role = (slot,), known.id
        elif wanted.slot is not None:
            slots = tuple(one for one in slots if one.id == wanted.slot)
        for slot in slots:
            refusal = refusal_to_end(self._case(program), slot.id, wanted.project, role)
            if refusal is not None:
                raise self._refused(program, refusal)

    def _case(self, program: Program) -> Case:
        return Case(program, self.user, self.person.memberships, self.person.manual, self.now)

    def _standing(self, program: Program, manual: tuple[ManualAssignment, ...], record: ManualAssignment) -> Standing:
        return standing(program, replace(self._case(program), manual=manual).resolve(), record)

    def _stood(self, record: ManualAssignment) -> Standing:
        program = self.rulebook.program(record.workspace)
        return Standing(NO_MAPPING) if program is None else self._standing(program, self.person.manual, record)

    def _refused(self, program: Program, refusal: Refusal) -> AssignmentRefused:
        granted = self.unit.grants(self.organization_id)
        rules = sorted({release.rule for release in refusal.releases if release.rule})
        affects = {
            rule: granted.people_through_rule(program.workspace, rule, except_user=self.user.id) for rule in rules
        }
        return AssignmentRefused(refusal, Context(self.user, program, self.rulebook.revision, affects))

    def _end(self, record: ManualAssignment, reason: str) -> None:
        granted = self.unit.grants(self.organization_id)
        granted.end_manual(record.id, actor=self.operator.actor, reason=reason, now=self.now)
        self._audit("assignment.ended", record, None, reason)

    def _recompute(self, text: str) -> tuple[Change, ...]:
        cause = Cause(self.operator.actor, self.operator.request_id, text)
        return recompute(self.unit, self.organization_id, self.rulebook, [self.user.id], cause, self.now)

    def _audit(self, kind: str, before: ManualAssignment | None, after: ManualAssignment | None, reason: str) -> None:
        record_assignment(self.unit, self.organization_id, self.operator, kind, before, after, reason, self.now)


def record_assignment(  # noqa: PLR0917 - the columns of an audit row
    unit: Unit,
    organization_id: str,
    operator: Operator,
    kind: str,
    before: ManualAssignment | None,
    after: ManualAssignment | None,
    reason: str,
    now: datetime,
) -> None:
    """Record that somebody gave or ended an assignment; its subject is the user."""
    one = after or before
    assert one is not None  # something was given, or ended
    unit.record(organization_id).audit(
        kind=kind,
        actor=operator.actor,
        request_id=operator.request_id,
        subject_kind="user",
        subject_id=one.user_id,
        before=_told(before),
        after=_told(after),
        reason=reason,
        now=now,
    )


def _told(record: ManualAssignment | None) -> str | None:
    if record is None:
        return None
    told: dict[str, Any] = {
        "id": record.id,
        "workspace": record.workspace,
        "project": record.project,
        "slot": record.slot,
        "role": record.role,
        "until": record.until.isoformat() if record.until else None,
        "reason": record.reason,
        "imported": record.imported,
    }
    return json.dumps({"assignment": told}, ensure_ascii=False)


def _same(one: ManualAssignment, other: ManualAssignment) -> bool:
    return (one.role, one.until, one.reason, one.imported) == (other.role, other.until, other.reason, other.imported)


def _meant(records: Iterable[ManualAssignment], wanted: Wanted) -> list[ManualAssignment]:
    """Return the assignments that `wanted` speaks of. A role is compared as it is recorded: its id, apart from case."""
    role = wanted.role.strip().casefold()
    return [
        one
        for one in records
        if one.project == wanted.project
        and wanted.workspace in {None, one.workspace}
        and wanted.slot in {None, one.slot}
        and role in {"", one.role.casefold()}
    ]


def _only_one_each(records: Sequence[ManualAssignment], wanted: Wanted) -> None:
    """Raise Invalid unless it is clear what is meant: one workspace, and of each slot one role."""
    workspaces = sorted({one.workspace for one in records})
    if len(workspaces) > 1:
        names = ", ".join(f"`{name}`" for name in workspaces)
        raise Invalid(f"something is given by hand in several workspaces ({names}); say which one", "workspace")
    slots = [one.slot for one in records]
    several = sorted({slot for slot in slots if slots.count(slot) > 1})
    if several and not wanted.role:
        roles = ", ".join(f"`{one.role}`" for one in records if one.slot == several[0])
        raise Invalid(f"several roles are given by hand in `{several[0]}` ({roles}); say which one", "role")


def _with_standing(
    unit: Unit, organization_id: str, rulebook: Rulebook, found: Sequence[ListedManual], now: datetime
) -> Iterator[ListedAssignment]:
    """Yield the rows with what has become of each; a person is resolved once in each workspace."""
    live = sorted({one.assignment.user_id for one in found if one.ended_at is None})
    people = {person.user_id: person for person in read_people(unit, organization_id, live)}
    known: dict[tuple[str, str], dict[str, Standing]] = {}
    for one in found:
        record = one.assignment
        person = people.get(record.user_id)
        if one.ended_at is not None or person is None or person.user is None:
            yield ListedAssignment(one, Standing(ENDED, one.ended_reason))
            continue
        key = (record.user_id, record.workspace)
        if key not in known:
            known[key] = _standings(rulebook.program(record.workspace), person, person.user, now)
        yield ListedAssignment(one, known[key].get(record.id, Standing(NO_MAPPING)))


def _standings(program: Program | None, person: Person, user: User, now: datetime) -> dict[str, Standing]:
    if program is None:
        return {}
    resolution, _ = resolve_held(program, user, person.memberships, person.manual, now, person.held)
    return {one.id: standing(program, resolution, one) for one in person.manual if one.workspace == program.workspace}
