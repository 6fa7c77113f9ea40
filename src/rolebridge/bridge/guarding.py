"""Guard rails while the directory changes: losses counted over a sliding window, and what is past the limit held.

Identity providers send one request per person, so the window reaches across requests and processes. Whoever loses
something is counted under the workspace's lock, which is taken only then.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from rolebridge.bridge.rulebooks import Rulebook
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.guardrails import Guarding, Losses, Pair, Trip, Verdict, Window, judge
from rolebridge.core.holds import holdable
from rolebridge.core.mapping import Guard
from rolebridge.core.plan import ChangeKind, diff
from rolebridge.store.holds import Hold, HoldKind, HoldRows, Loss, LossKind
from rolebridge.store.unit import Unit

if TYPE_CHECKING:  # `resolving` works with the guards, and says what a cause is
    from rolebridge.bridge.resolving import Cause, Person, Resolved

logger = logging.getLogger("rolebridge.bridge")


@dataclass(slots=True)
class _Seen:
    """Who loses something in one workspace by the change that is judged."""

    active: dict[str, frozenset[Pair]] = field(default_factory=dict)
    gone: dict[str, frozenset[Pair]] = field(default_factory=dict)
    holdable: set[str] = field(default_factory=set)


class DirectoryGuard:
    """The guard rails of one change of the directory, for as long as its transaction lasts.

    It is told of everybody whom the change touches (`see`), then it decides (`decide`), then it says what each of them
    is left with (`kept`).
    """

    def __init__(self, unit: Unit, organization_id: str, rulebook: Rulebook, cause: Cause, now: datetime) -> None:
        self._unit = unit
        self._organization_id = organization_id
        self._rulebook = rulebook
        self._cause = cause
        self._now = now
        self._guards: dict[str, Guard] = {}
        if cause.guarding is not Guarding.NONE:
            self._guards = {
                program.workspace: program.mapping.guard
                for program in rulebook.programs
                if program.mapping.guard.hold_revocations or program.mapping.guard.keep
            }
        self._seen: dict[str, _Seen] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._had_windows: dict[str, bool] = {}
        self.withheld: dict[tuple[str, str], str] = {}
        """The hold of each (user, workspace) whose deliveries are held."""

    @property
    def is_awake(self) -> bool:
        """Return whether any guard rail may speak to this change."""
        return bool(self._guards)

    @property
    def holds(self) -> bool:
        """Return whether this change may be held, so that all of it must be seen before any of it is written."""
        return bool(self._guards) and self._cause.guarding is Guarding.HELD

    @property
    def _rows(self) -> HoldRows:
        return self._unit.holds(self._organization_id)

    @property
    def _start(self) -> datetime:
        return self._now - self._rulebook.hold_window

    # --- before anything is written

    def see(self, people: Iterable[tuple[Person, Resolved]]) -> None:
        """Take note of what people would lose."""
        for person, resolved in people:
            self._see(person, resolved)

    def _see(self, person: Person, resolved: Resolved) -> None:
        for workspace, lost in _lost(resolved.before, resolved.after, self._guards).items():
            seen = self._seen.setdefault(workspace, _Seen())
            pairs = _pairs_lost(resolved, workspace)
            if person.user is None or not person.user.active:
                seen.gone[resolved.user_id] = pairs
                continue
            seen.active[resolved.user_id] = pairs
            if self._cause.guarding is Guarding.HELD and any(_may_hold(grant, resolved) for grant in lost):
                seen.holdable.add(resolved.user_id)

    def decide(self) -> None:
        """Judge what was seen, workspace by workspace, each under its lock until the transaction ends."""
        for workspace in sorted(self._seen):
            guard, seen = self._guards[workspace], self._seen[workspace]
            self._rows.lock_workspace(workspace)
            losses = Losses(seen.active, seen.gone, frozenset(seen.holdable))
            verdict = judge(workspace, guard, self._window(workspace, guard, seen), losses)
            self._verdicts[workspace] = verdict
            for trip in verdict.told:
                self._tell(trip, "guard.passed")
        self._seen = {}

    def _window(self, workspace: str, guard: Guard, seen: _Seen) -> Window:
        pairs = {pair for lost in (*seen.active.values(), *seen.gone.values()) for pair in lost}
        kept = {
            (slot, role): self._rows.holders_of(workspace, slot, role)
            for slot, role, _ in guard.keep
            if (slot, role) in pairs
        }
        if guard.hold_revocations is None:
            return Window(0, kept=kept)
        counted = self._rows.counted(workspace, self._start)
        known = self._rows.losses_of(workspace, {*seen.active, *seen.gone}, self._start)
        lost = counted.get(LossKind.LOST, 0)
        return Window(
            holders=self._holders_at_start(workspace),
            lost=lost,
            people=lost + counted.get(LossKind.GONE, 0),
            known_lost=frozenset(id_ for id_, loss in known.items() if loss.kind is LossKind.LOST),
            known=frozenset(known),
            kept=kept,
        )

    def _holders_at_start(self, workspace: str) -> int:
        """Return how many held something when the window began; the first loss after a quiet hour begins one."""
        window = self._rows.window(workspace)
        if window is not None and window[0] >= self._start:
            return window[1]
        holders = self._unit.grants(self._organization_id).counts(workspace).people
        holders += self._rows.emptied(workspace, self._start)
        self._rows.begin_window(workspace, self._now, holders)
        return holders

    # --- what each person is left with

    def kept(
        self, people: Sequence[tuple[Person, Resolved]], again: Callable[[Person], Resolved]
    ) -> list[tuple[Person, Resolved]]:
        """Return what becomes of people: resolved `again` with their revocations held, where that was decided.

        What is lost after all is counted.
        """
        outcome = [(person, self._kept(person, resolved, again)) for person, resolved in people]
        self._count(outcome)
        return outcome

    def _kept(self, person: Person, resolved: Resolved, again: Callable[[Person], Resolved]) -> Resolved:
        trips = {
            workspace: verdict.held[resolved.user_id]
            for workspace, verdict in self._verdicts.items()
            if resolved.user_id in verdict.held
        }
        if not trips:
            return resolved
        recorded = tuple(
            replace(grant, held_since=self._now)
            if grant.workspace in trips and grant.held_since is None and _may_hold(grant, resolved)
            else grant
            for grant in resolved.before
        )
        result = again(replace(person, held=recorded))
        for workspace, trip in trips.items():
            if any(grant.held_since == self._now and grant.workspace == workspace for grant in result.after):
                self._begin(resolved.user_id, HoldKind.REVOCATION, trip)
        return replace(result, before=resolved.before)

    def _count(self, people: Sequence[tuple[Person, Resolved]]) -> None:
        """Count what is lost after all, and forget what is back."""
        noted: dict[str, list[Loss]] = {}
        for person, resolved in people:
            gone = person.user is None or not person.user.active
            for workspace, lost in _lost(resolved.before, resolved.after, self._guards).items():
                keys = frozenset((grant.slot, grant.project, grant.role) for grant in lost)
                kind = LossKind.GONE if gone else LossKind.LOST
                noted.setdefault(workspace, []).append(Loss(resolved.user_id, kind, keys))
                verdict = self._verdicts.get(workspace)
                if verdict is not None and resolved.user_id in verdict.withheld:
                    trip = verdict.withheld[resolved.user_id]
                    self.withheld[resolved.user_id, workspace] = self._begin(resolved.user_id, HoldKind.DELIVERY, trip)
        for workspace, losses in noted.items():
            if self._guards[workspace].hold_revocations is not None:
                self._note(workspace, losses)
        self._forget_returned([resolved for _, resolved in people])

    def _note(self, workspace: str, losses: Sequence[Loss]) -> None:
        known = self._rows.losses_of(workspace, [loss.user_id for loss in losses], self._start)
        merged = []
        for loss in losses:
            before = known.get(loss.user_id)
            if before is not None:
                # Whoever was active when they lost something counts as such to the end of the window.
                kind = LossKind.LOST if LossKind.LOST in {before.kind, loss.kind} else LossKind.GONE
                merged.append(Loss(loss.user_id, kind, before.lost | loss.lost))
            else:
                merged.append(loss)
        self._rows.note_losses(workspace, merged, self._now)

    def _forget_returned(self, people: Sequence[Resolved]) -> None:
        """Count those no more who have back what they lost, and end the holds on the delivery of what is back."""
        for workspace in self._guards:
            gaining = {
                one.user_id: {
                    (grant.slot, grant.project, grant.role)
                    for grant in one.after
                    if grant.workspace == workspace and _in_force(grant)
                }
                for one in people
                if _gains(one, workspace)
            }
            if not gaining or not self._has_window(workspace):
                continue
            known = self._rows.losses_of(workspace, gaining, self._start)
            back = [user_id for user_id, loss in known.items() if loss.lost <= gaining[user_id]]
            self._rows.forget_losses(workspace, back)
            for user_id, holds in self._rows.of_users(gaining).items():
                for hold in holds:
                    if hold.workspace == workspace and hold.kind is HoldKind.DELIVERY:
                        self._settle_delivery(hold, gaining[user_id])

    def _has_window(self, workspace: str) -> bool:
        if workspace not in self._had_windows:
            self._had_windows[workspace] = self._rows.window(workspace) is not None
        return self._had_windows[workspace]

    def _settle_delivery(self, hold: Hold, has: set[tuple[str, str, str]]) -> None:
        """End a hold on deliveries to somebody who is back: what they have again was never to be taken away."""
        for number, payload in self._rows.withheld(hold.id):
            lost = json.loads(payload)
            if (lost["slot"], lost["project"], lost["before"]) not in has:
                self._rows.deliver_one(number)
        end_hold(
            self._unit,
            self._organization_id,
            hold,
            self._cause,
            self._now,
            kind="hold.ended",
            reason="the person is back",
        )

    # --- the record

    def _begin(self, user_id: str, kind: HoldKind, trip: Trip) -> str:
        """Record a hold, unless the person has one of the kind in the workspace already; return its id."""
        for hold in self._rows.of_users([user_id]).get(user_id, ()):
            if (hold.workspace, hold.kind) == (trip.workspace, kind):
                return hold.id
        if not self._rows.any(trip.workspace, kind):
            self._tell(trip, "guard.tripped")
        cause = self._cause
        hold = Hold(
            id=str(uuid4()),
            workspace=trip.workspace,
            user_id=user_id,
            kind=kind,
            since=self._now,
            guard=trip.kind,
            limit=trip.limit,
            actual=trip.actual,
            actor=cause.actor,
            request_id=cause.request_id,
            cause=cause.text,
        )
        self._rows.add(hold)
        audit_hold(self._unit, self._organization_id, hold, cause, self._now, kind="hold.began", reason=str(trip))
        return hold.id

    def _tell(self, trip: Trip, kind: str) -> None:
        """Leave a trip where people see it: the log, and the audit of the workspace."""
        happened = "nothing was held" if kind == "guard.passed" else "what goes past it is held"
        told = ("guard rail: %s; %s (request %s)", str(trip), happened, self._cause.request_id)
        self._unit.afterwards(lambda: logger.warning(*told, extra={"event": kind}))
        self._unit.record(self._organization_id).audit(
            kind=kind,
            actor=self._cause.actor,
            request_id=self._cause.request_id,
            subject_kind="workspace",
            subject_id=trip.workspace,
            before=None,
            after=json.dumps(
                {"guard": trip.kind, "limit": trip.limit, "actual": trip.actual, "cause": self._cause.text}
            ),
            reason=str(trip),
            now=self._now,
        )


def end_holds(unit: Unit, organization_id: str, people: Iterable[Resolved], cause: Cause, now: datetime) -> None:
    """End the holds whose grants are held no more: the membership is back, or something else decides.

    Whatever resolves people calls it; who released or discarded a hold has ended it already.
    """
    ended: dict[tuple[str, str], str] = {}
    for one in people:
        still = {grant.workspace for grant in one.after if grant.held_since}
        for workspace in {grant.workspace for grant in one.before if grant.held_since} - still:
            ended[one.user_id, workspace] = _why_ended(one, workspace, cause)
    if not ended:
        return
    found = unit.holds(organization_id).of_users({user_id for user_id, _ in ended})
    for hold in (hold for holds in found.values() for hold in holds):
        if hold.kind is HoldKind.REVOCATION and (hold.user_id, hold.workspace) in ended:
            why = ended[hold.user_id, hold.workspace]
            end_hold(unit, organization_id, hold, cause, now, kind="hold.ended", reason=why)


def end_hold(
    unit: Unit, organization_id: str, hold: Hold, cause: Cause, now: datetime, *, kind: str, reason: str
) -> None:
    """Take a hold away and record how it ended (`kind`) and why."""
    unit.holds(organization_id).remove(hold.id)
    audit_hold(unit, organization_id, hold, cause, now, kind=kind, reason=reason)


def audit_hold(
    unit: Unit, organization_id: str, hold: Hold, cause: Cause, now: datetime, *, kind: str, reason: str
) -> None:
    """Record that a hold began or ended, under its person."""
    told = {
        "hold": hold.id,
        "held": hold.kind,
        "workspace": hold.workspace,
        "since": hold.since.isoformat(),
        "guard": hold.guard,
        "limit": hold.limit,
        "actual": hold.actual,
        "cause": hold.cause,
    }
    text = json.dumps(told, ensure_ascii=False)
    unit.record(organization_id).audit(
        kind=kind,
        actor=cause.actor,
        request_id=cause.request_id,
        subject_kind="user",
        subject_id=hold.user_id,
        before=None if kind == "hold.began" else text,
        after=text if kind == "hold.began" else None,
        reason=reason,
        now=now,
    )


def _why_ended(one: Resolved, workspace: str, cause: Cause) -> str:
    held = {grant.key for grant in one.before if grant.workspace == workspace and grant.held_since}
    back = {grant.key for grant in one.after if _in_force(grant)}
    return "what was held is given again" if held <= back else cause.text


def _lost(before: Iterable[Grant], after: Iterable[Grant], guards: Mapping[str, Guard]) -> dict[str, list[Grant]]:
    """Return by workspace what is lost where guard rails are, exchanged roles left out."""
    has = {grant.key for grant in after if _in_force(grant)}
    if all(grant.key in has or grant.workspace not in guards or not _in_force(grant) for grant in before):
        return {}  # hardly anybody ever loses anything, and comparing costs more
    lost: dict[str, list[Grant]] = {}
    for change in diff(before, after):
        if change.kind is ChangeKind.LOSE and change.before is not None and change.workspace in guards:
            lost.setdefault(change.workspace, []).append(change.before)
    return lost


def _may_hold(grant: Grant, resolved: Resolved) -> bool:
    """Return whether a grant is lost altogether, so that holding it is what keeps it; what is blocked has its claim."""
    return holdable(grant) and grant.held_since is None and all(one.key != grant.key for one in resolved.after)


def _pairs_lost(resolved: Resolved, workspace: str) -> frozenset[Pair]:
    had, has = (
        {(grant.slot, grant.role) for grant in grants if grant.workspace == workspace and _in_force(grant)}
        for grants in (resolved.before, resolved.after)
    )
    return frozenset(had - has)


def _gains(one: Resolved, workspace: str) -> bool:
    had = {grant.key for grant in one.before if _in_force(grant)}
    return any(grant.workspace == workspace and _in_force(grant) and grant.key not in had for grant in one.after)


def _in_force(grant: Grant) -> bool:
    return grant.state is GrantState.EFFECTIVE
