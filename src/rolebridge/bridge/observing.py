"""Workspaces in use: observed first, then enforced. Nobody loses access on the first day.

In an observed workspace what holds is what a hand gave, above all the roles that people had and that were imported; its
rules are only compared with that. Enforcing it is an act of its own: planned, bound to the plan's digest, guarded.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

from rolebridge.bridge.approvals import Act, Approvals
from rolebridge.bridge.assigning import record_assignment
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.planning import SHOWN, GuardTripped, PlanMoved, trips_now
from rolebridge.bridge.resolving import Cause, Person, read_people, recompute
from rolebridge.bridge.role_import import RoleImport, RolesImported, RoleTaking
from rolebridge.bridge.role_table import read_role_table
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.bridge.surveying import Comparison, Touched, survey
from rolebridge.core.assignment import LockKind, ManualAssignment
from rolebridge.core.batches import batches
from rolebridge.core.by_hand import Standing, standing
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.guardrails import Trip
from rolebridge.core.holds import resolve_held
from rolebridge.core.plan import ChangeKind, Plan, PlannedChange, digest_of, moved
from rolebridge.core.program import Program
from rolebridge.core.registry import WELL_FORMED_ID, Mode
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class WorkspaceState:
    """How a workspace is run. `platform` is "" while no mapping speaks of it.

    `changed`, `changed_by` and `reason` are None and "" for one that always was enforced. `imported` counts assignments
    that were imported and not ended, `people` who holds something.
    """

    workspace: str
    mode: Mode
    platform: str
    imported: int
    people: int
    changed: datetime | None = None
    changed_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What enforcing a workspace would do: a plan as of an apply, and what would become of what was imported.

    `imported` counts assignments that would be `redundant` (rules give the same role), `shadowed` (rules give another),
    `kept` (no rule speaks: the hand's role holds on), or another reason for which one would not hold. `catalogue` is
    None while no mapping speaks of the workspace.
    """

    workspace: str
    plan: Plan
    imported: dict[str, int]
    catalogue: Catalogue | None


@dataclass(frozen=True, slots=True)
class Enforced:
    """What enforcing did; `new` is False for a workspace that was enforced already, and then nothing was done."""

    workspace: str
    new: bool
    enforcement: Enforcement | None = None
    forced: tuple[Trip, ...] = ()
    retired: int = 0


class _DryRun(Exception):
    """That everything was tried out, and is to be undone."""

    def __init__(self, done: RolesImported) -> None:
        super().__init__("nothing was written")
        self.done = done


class Observing:
    """The modes of an organization's workspaces."""

    def __init__(
        self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime], approvals: Approvals | None = None
    ) -> None:
        """Without `approvals` one person alone may pass a guard rail."""
        self._store = store
        self._approvals = approvals or Approvals(store, clock, needed=False)
        self._rulebooks = rulebooks
        self._clock = clock

    def workspaces(self, organization_id: str) -> tuple[WorkspaceState, ...]:
        """Return the workspaces that mappings speak of or whose mode was said, in the order of their ids."""
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            said = {one.workspace: one for one in unit.workspaces(organization_id).modes()}
            granted = unit.grants(organization_id)
            imported = granted.imported()
            platforms = {program.workspace: program.mapping.platform for program in rulebook.intended}
            return tuple(
                WorkspaceState(
                    name,
                    Mode.OBSERVE if name in rulebook.registry.observed else Mode.ENFORCE,
                    platforms.get(name, ""),
                    imported.get(name, 0),
                    granted.counts(name).people,
                    said[name].changed if name in said else None,
                    said[name].changed_by if name in said else "",
                    said[name].reason if name in said else "",
                )
                for name in sorted({*platforms, *said, *imported})
            )

    def only_workspace(self, organization_id: str) -> str:
        """Return the only workspace there is. Raises Invalid when there are several, or none."""
        found = [state.workspace for state in self.workspaces(organization_id)]
        if len(found) != 1:
            names = ", ".join(f"`{name}`" for name in found)
            what = f"there are several workspaces ({names}); say which one" if found else "no workspace is known yet"
            raise Invalid(what, "workspace")
        return found[0]

    def import_roles(
        self, operator: Operator, organization_id: str, wanted: RoleImport, text: str, *, dry_run: bool = False
    ) -> RolesImported:
        """Take the roles that people hold today, a CSV text, as assignments by hand; the workspace is then observed.

        Everything or nothing; what was imported before is left as it is. With `dry_run` nothing is written. Raises
        TableRefused with every problem, Invalid for an enforced workspace or an unknown platform.
        """
        rows, problems = read_role_table(text)

        def work(unit: Unit) -> RolesImported:
            unit.directory(organization_id).lock_organization(exclusive=True)
            rulebook = self._rulebooks.current(unit, organization_id)
            taking = RoleTaking(unit, operator, organization_id, rulebook, wanted, self._clock())
            done = taking.take(rows, problems)
            if dry_run:
                raise _DryRun(done)
            return done

        try:
            return self._store.transact(work)
        except _DryRun as stopped:
            return stopped.done

    def observe(self, operator: Operator, organization_id: str, workspace: str, reason: str = "") -> bool:
        """Let a workspace be observed; return whether it was not before. A mapping for it may come later.

        Raises Invalid where that would change what anybody holds: an enforced workspace is not let go by this.
        """

        def work(unit: Unit) -> bool:
            unit.directory(organization_id).lock_organization(exclusive=True)
            rulebook = self._rulebooks.current(unit, organization_id)
            if workspace in rulebook.registry.observed:
                return False
            if not WELL_FORMED_ID.fullmatch(workspace):
                raise Invalid(f"`{workspace}` cannot be a workspace's id", "workspace")
            switch = _Switch(unit, operator, organization_id, rulebook, workspace, self._clock())
            switch.observe(reason)
            return True

        return self._store.transact(work)

    def enforcement(
        self,
        organization_id: str,
        workspace: str,
        *,
        shown: int | None = SHOWN,
        told: Callable[[PlannedChange], None] | None = None,
    ) -> Enforcement:
        """Return what enforcing a workspace would do now; nothing is written. `shown` and `told` are those of plans.

        Raises NotFound.
        """
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            _require(rulebook, workspace)
            comparison = _comparison(rulebook, workspace, self._clock())
            return _enforcement(unit, organization_id, comparison, workspace, shown=shown, told=told)

    def enforce(
        self,
        operator: Operator,
        organization_id: str,
        workspace: str,
        *,
        digest: str,
        reason: str = "",
        force_reason: str = "",
        retire_imported: bool = False,
    ) -> Enforced:
        """Let the rules of a workspace decide, as the plan with this digest said.

        With `retire_imported`, imported assignments in whose place a rule decides are ended: when the rule stops, they
        do not come back. Raises PlanMoved, GuardTripped when a guard rail is passed and `force_reason` is empty,
        where passing one takes two people ApprovalNeeded, and NotFound.
        """

        def work(unit: Unit) -> Enforced:
            unit.directory(organization_id).lock_organization(exclusive=True)
            rulebook = self._rulebooks.current(unit, organization_id)
            _require(rulebook, workspace)
            if workspace not in rulebook.registry.observed:
                return Enforced(workspace, False)
            comparison, touched = _comparison(rulebook, workspace, self._clock()), Touched()
            found = _enforcement(unit, organization_id, comparison, workspace, touched=touched)
            if differing := moved(digest, found.plan.digest):
                raise PlanMoved(differing, found.plan.digest, rulebook.revision)
            if found.plan.trips and not force_reason:
                raise GuardTripped(found.plan.trips)
            if found.plan.trips:
                summary = f"pass guard rails by enforcing {workspace} with plan {digest[:12]}"
                act = Act("workspace.force", (workspace, digest), summary)
                self._approvals.demand(unit, operator, organization_id, act, force_reason)
            switch = _Switch(unit, operator, organization_id, rulebook, workspace, comparison.now)
            return switch.enforce(found, touched, reason or force_reason, retire_imported)

        return self._approvals.transact(operator, organization_id, work)


@dataclass(frozen=True, slots=True)
class _Switch:
    """The change of one workspace's mode, while its transaction runs."""

    unit: Unit
    operator: Operator
    organization_id: str
    rulebook: Rulebook
    workspace: str
    now: datetime

    def observe(self, reason: str) -> None:
        self._say(Mode.OBSERVE, reason)
        if self.rulebook.intention(self.workspace) is not None:
            self._refuse_if_felt()
        self._audit("workspace.observed", {}, reason)

    def _refuse_if_felt(self) -> None:
        everyone = [user.id for user in self.unit.directory(self.organization_id).all_core_users()]
        changes = recompute(
            self.unit, self.organization_id, self._under(Mode.OBSERVE), everyone, self._cause("observed"), self.now
        )
        felt = {change.user_id for change in changes if change.kind is not ChangeKind.PROVENANCE}
        if felt:
            raise Invalid(
                f"{len(felt):,} people hold roles in `{self.workspace}` through rules or defaults, which observing it "
                "would take away; only a workspace in which nobody does can be observed",
                "workspace",
            )

    def enforce(self, found: Enforcement, touched: Touched, reason: str, retire: bool) -> Enforced:
        self._say(Mode.ENFORCE, reason)
        for ids in touched.blocks():
            recompute(
                self.unit, self.organization_id, self._under(Mode.ENFORCE), ids, self._cause("enforced"), self.now
            )
        retired = self._retire() if retire else 0
        told = {
            "plan": found.plan.digest,
            "changes": {kind: count for kind, count in asdict(found.plan.counts).items() if count},
            "imported": found.imported,
            "retired": retired,
            "forced": [str(trip) for trip in found.plan.trips],
        }
        self._audit("workspace.enforced", told, reason)
        return Enforced(self.workspace, True, found, found.plan.trips, retired)

    def _say(self, mode: Mode, reason: str) -> None:
        rows = self.unit.workspaces(self.organization_id)
        rows.set_mode(self.workspace, mode, actor=self.operator.actor, reason=reason, now=self.now)

    def _under(self, mode: Mode) -> Rulebook:
        """Return the rulebook of the new mode: not by way of the process's, since this may still be undone."""
        return self.rulebook.registering(self.rulebook.registry.with_mode(self.workspace, mode))

    def _cause(self, what: str) -> Cause:
        return Cause(self.operator.actor, self.operator.request_id, f"workspace `{self.workspace}` {what}")

    def _retire(self) -> int:
        """End the imported assignments in whose place a rule decides now; that changes nothing for anybody."""
        program = self.rulebook.intention(self.workspace)
        if program is None:
            return 0
        granted = self.unit.grants(self.organization_id)
        retired = 0
        for person in _people(self.unit, self.organization_id, granted.holders_by_hand(self.workspace)):
            for record, stood in _imported(program, person, self.now):
                if not stood.in_force and stood.lock is not None and stood.lock.kind is not LockKind.WORKSPACE_WIDE:
                    reason = "a rule decides in its place since the workspace is enforced"
                    granted.end_manual(record.id, actor=self.operator.actor, reason=reason, now=self.now)
                    record_assignment(
                        self.unit,
                        self.organization_id,
                        self.operator,
                        "assignment.ended",
                        record,
                        None,
                        reason,
                        self.now,
                    )
                    retired += 1
        return retired

    def _audit(self, kind: str, told: dict[str, object], reason: str) -> None:
        was = Mode.OBSERVE if self.workspace in self.rulebook.registry.observed else Mode.ENFORCE
        mode = Mode.ENFORCE if kind == "workspace.enforced" else Mode.OBSERVE
        self.unit.record(self.organization_id).audit(
            kind=kind,
            actor=self.operator.actor,
            request_id=self.operator.request_id,
            subject_kind="workspace",
            subject_id=self.workspace,
            before=json.dumps({"mode": was}),
            after=json.dumps({"mode": mode, **told}, ensure_ascii=False),
            reason=reason,
            now=self.now,
        )


# --- what enforcing would do -----------------------------------------------------------------------------------


def _comparison(rulebook: Rulebook, workspace: str, now: datetime) -> Comparison:
    """Return the comparison of what is in force with the same, this one workspace enforced."""
    enforced = rulebook.registering(rulebook.registry.with_mode(workspace, Mode.ENFORCE))
    # What is meant to hold is what will: other workspaces that are observed stay so.
    return Comparison(rulebook, replace(enforced, intended=enforced.programs), now)


def _enforcement(
    unit: Unit,
    organization_id: str,
    comparison: Comparison,
    workspace: str,
    *,
    shown: int | None = SHOWN,
    told: Callable[[PlannedChange], None] | None = None,
    touched: Touched | None = None,
) -> Enforcement:
    base, program = comparison.base, comparison.candidate.program(workspace)
    candidate = _digest(json.dumps([base.digest, Mode.ENFORCE, workspace]))
    if program is None:
        digest = digest_of(_digest(json.dumps([base.revision, base.digest])), candidate, "0" * 64)
        plan = Plan(base.revision, candidate, digest, comparison.day, comparison.horizon)
        return Enforcement(workspace, plan, {}, None)
    tally = survey(unit, organization_id, comparison, shown=shown, told=told, touched=touched)
    sums = tally.sums()
    plan = Plan(
        base_revision=base.revision,
        candidate_digest=candidate,
        digest=digest_of(_digest(json.dumps([base.revision, base.digest])), candidate, tally.effects),
        day=comparison.day,
        horizon=comparison.horizon,
        workspaces=(sums.workspace(workspace, seats=program.mapping.seats, observed=False),),
        counts=sums.counts(),
        trips=tuple(trips_now(program.mapping, sums)),
        changes=tally.changes(),
        total=tally.total,
    )
    fates = Counter(
        _fate(record, stood)
        for person in _people(unit, organization_id, unit.grants(organization_id).holders_by_hand(workspace))
        for record, stood in _imported(program, person, comparison.now)
    )
    return Enforcement(workspace, plan, dict(sorted(fates.items())), program.catalogue)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _people(unit: Unit, organization_id: str, user_ids: Iterable[str]) -> Iterator[Person]:
    for ids in batches(user_ids, _BATCH):
        yield from read_people(unit, organization_id, ids)


def _imported(program: Program, person: Person, now: datetime) -> Iterator[tuple[ManualAssignment, Standing]]:
    """Yield a person's imported assignments in the program's workspace, each as it stands under the program."""
    mine = [one for one in person.manual if one.imported and one.workspace == program.workspace]
    if mine and person.user is not None:
        resolution, _ = resolve_held(program, person.user, person.memberships, person.manual, now, person.held)
        for one in mine:
            yield one, standing(program, resolution, one)


def _fate(record: ManualAssignment, stood: Standing) -> str:
    if stood.in_force:
        return "kept"
    if stood.lock is None:
        return stood.state
    return "redundant" if stood.lock.role == record.role else "shadowed"


def _require(rulebook: Rulebook, workspace: str) -> None:
    if rulebook.intention(workspace) is None and workspace not in rulebook.registry.observed:
        raise NotFound("workspace", workspace)
