"""Checking mapping files, saying what they would do, and putting them in force: how a mapping changes access."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Final

from rolebridge.bridge.approvals import Act, Approvals
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks, compile_rulebook, mapping_table, read_mappings
from rolebridge.bridge.surveying import Comparison, Touched, survey
from rolebridge.bridge.testing import CaseRun, CasesFailed, check_files, read_and_run, run_cases
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.diagnostics import Diagnostic, has_errors
from rolebridge.core.effects import Sums, Tally
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError
from rolebridge.core.filters import AttributeTable
from rolebridge.core.guardrails import Trip, last_holders, revocations
from rolebridge.core.mapping import MappingSet, WorkspaceMapping
from rolebridge.core.plan import FileFate, Moved, Plan, PlannedChange, Undeclared, digest_of, files_differ, moved
from rolebridge.core.registry import Registry
from rolebridge.core.undeclared import undeclared_in
from rolebridge.store.engine import Store
from rolebridge.store.records import CarriedOut, Revision
from rolebridge.store.unit import Unit

SHOWN: Final = 20
"""How many changes of each workspace a plan keeps to show them."""
NAMED_UNDECLARED: Final = 100
"""How many undeclared projects a plan names."""
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_MOVED: Final = {
    Moved.FILES: "the mapping files are not those that were planned",
    Moved.REVISION: "another revision is in force than when it was planned",
    Moved.DIRECTORY: "users, groups or assignments by hand have changed since it was planned, or a day has passed",
}


class MappingRefused(RolebridgeError):
    """That mapping files have errors; `diagnostics` are all of them, warnings included."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("the mapping files have errors; nothing was changed")
        self.diagnostics = tuple(diagnostics)


class GuardTripped(RolebridgeError):
    """That the change passes guard rails, and nobody forced it."""

    def __init__(self, trips: Sequence[Trip]) -> None:
        super().__init__("; ".join(str(trip) for trip in trips))
        self.trips = tuple(trips)


class PlanMoved(RolebridgeError):
    """That a plan would not say any more what it said under the digest it is to be applied with.

    `moved` is what differs, `digest` the present plan's, `base_revision` the revision in force.
    """

    def __init__(self, moved: Sequence[Moved], digest: str, base_revision: int) -> None:
        super().__init__("; ".join(_MOVED[one] for one in moved))
        self.moved = tuple(moved)
        self.digest = digest
        self.base_revision = base_revision


class DigestNeeded(RolebridgeError):
    """That this installation applies only what was planned, and no digest of a plan was given."""

    def __init__(self) -> None:
        super().__init__("only a reviewed plan is applied here: give the digest of one")


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan found, the warnings on the files, their texts, and the catalogues of the workspaces, by id."""

    plan: Plan
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[str, str]
    catalogues: Mapping[str, Catalogue]


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did: the revision in force, the plan that was carried out, and warnings worth showing.

    `new` is False when the files are the revision already in force; then nothing was written. `files` are their texts
    and `catalogues` those of the workspaces, by id. `restores` is the revision that a rollback went back to.
    """

    revision: int
    new: bool
    plan: Plan
    diagnostics: tuple[Diagnostic, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    catalogues: Mapping[str, Catalogue] = field(default_factory=dict)
    forced: tuple[Trip, ...] = ()
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class FilesInForce:
    """The number of the revision in force, and how files differ from it."""

    revision: int
    differing: tuple[tuple[str, FileFate], ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """Under what an apply goes ahead: the digest of the plan that was reviewed (None: of none), the reason for which
    guard rails may be passed ("": they may not), and why at all, if somebody says so.
    """

    digest: str | None
    force_reason: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Files that were read and checked without errors."""

    files: Mapping[str, str]
    mappings: MappingSet
    diagnostics: tuple[Diagnostic, ...]
    connections: Sequence[str]
    table: AttributeTable
    registry: Registry
    restores: int | None = None


class Planning:
    """Mapping sets of an organization: checked, compared with what is in force, applied and taken back.

    With `needs_digest` only what was planned is applied: an apply without a digest raises DigestNeeded.
    """

    def __init__(
        self,
        store: Store,
        rulebooks: Rulebooks,
        clock: Callable[[], datetime],
        *,
        needs_digest: bool = False,
        approvals: Approvals | None = None,
    ) -> None:
        """Without `approvals` one person alone may pass a guard rail."""
        self._store = store
        self._approvals = approvals or Approvals(store, clock, needed=False)
        self._rulebooks = rulebooks
        self._clock = clock
        self._needs_digest = needs_digest

    # --- files

    def check(
        self, organization_id: str | None, files: Mapping[str, str]
    ) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
        """Check files, against the organization's connections when one is given; nothing is written."""
        if organization_id is None:
            return check_files(files)
        with self._store.read() as unit:
            connections = [connection.name for connection in unit.accounts.connections(organization_id)]
            table = mapping_table(unit, organization_id)
            registry = unit.workspaces(organization_id).registry()
        return check_files(files, connections, table, registry)

    def run_cases(self, organization_id: str, files: Mapping[str, str]) -> CaseRun:
        """Run the cases among `files`, as an apply to the organization would; nothing is written."""
        with self._store.read() as unit:
            connections = [connection.name for connection in unit.accounts.connections(organization_id)]
            table = mapping_table(unit, organization_id)
            registry = unit.workspaces(organization_id).registry()
        return read_and_run(files, connections, table, registry)

    def difference(self, organization_id: str, files: Mapping[str, str]) -> FilesInForce:
        """Return how files differ from those of the revision in force."""
        with self._store.read(snapshot=True) as unit:
            revisions = unit.revisions(organization_id)
            number = revisions.active_number()
            return FilesInForce(number, files_differ(revisions.files(number), files))

    # --- revisions

    def revisions(self, organization_id: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        """Return the revisions (before the number `before`), newest first; the first of all is in force."""
        with self._store.read() as unit:
            return unit.revisions(organization_id).newest(limit, before=before)

    def revision(self, organization_id: str, number: int) -> tuple[Revision, Mapping[str, str]]:
        """Return a revision and its files. Raises NotFound."""
        with self._store.read(snapshot=True) as unit:
            return _revision(unit, organization_id, number)

    # --- plan

    def plan(
        self,
        organization_id: str,
        files: Mapping[str, str],
        *,
        shown: int | None = SHOWN,
        told: Callable[[PlannedChange], None] | None = None,
    ) -> Planned:
        """Say what an apply of `files` would do, now and later; nothing is written.

        The plan keeps `shown` changes of each workspace (None: all), `told` hears of every one, in the order of the
        users' ids. Raises MappingRefused.
        """
        with self._store.read(snapshot=True) as unit:
            candidate = _read(unit, organization_id, files)
            return self._planned(unit, organization_id, candidate, shown, told)

    def plan_rollback(
        self,
        organization_id: str,
        number: int,
        *,
        shown: int | None = SHOWN,
        told: Callable[[PlannedChange], None] | None = None,
    ) -> Planned:
        """Say what a rollback to the revision `number` would do, as `plan` does. Raises NotFound too."""
        with self._store.read(snapshot=True) as unit:
            _, files = _revision(unit, organization_id, number)
            candidate = _read(unit, organization_id, files, restores=number)
            return self._planned(unit, organization_id, candidate, shown, told)

    def _planned(
        self,
        unit: Unit,
        organization_id: str,
        candidate: _Candidate,
        shown: int | None,
        told: Callable[[PlannedChange], None] | None,
    ) -> Planned:
        comparison = self._comparison(unit, organization_id, candidate)
        plan = _plan(unit, organization_id, comparison, candidate, shown=shown, told=told)
        return Planned(plan, candidate.diagnostics, candidate.files, _catalogues(comparison))

    # --- apply

    def apply(
        self,
        operator: Operator,
        organization_id: str,
        files: Mapping[str, str],
        *,
        digest: str | None = None,
        force_reason: str = "",
        reason: str = "",
        shown: int | None = SHOWN,
    ) -> Applied:
        """Make `files` the mapping in force: all effects in one transaction, or none.

        With the `digest` of a plan only if a plan of now has the same. `reason` says why, `force_reason` why guard
        rails are passed. Raises MappingRefused when the files have errors, CasesFailed when a case beside them fails,
        PlanMoved, DigestNeeded, GuardTripped when a guard rail is passed and `force_reason` is empty, and where that
        takes two people ApprovalNeeded.
        """
        approval = self._approval(digest, force_reason, reason)

        def work(unit: Unit) -> Applied:
            unit.directory(organization_id).lock_organization(exclusive=True)
            return self._apply(unit, operator, organization_id, _read(unit, organization_id, files), approval, shown)

        return self._approvals.transact(operator, organization_id, work)

    def rollback(
        self,
        operator: Operator,
        organization_id: str,
        to: int | None = None,
        *,
        digest: str | None = None,
        force_reason: str = "",
        reason: str = "",
        shown: int | None = SHOWN,
    ) -> Applied:
        """Apply the files of the revision `to` again (None: of the one before the last); it becomes a new revision.

        Raises what `apply` does, and NotFound.
        """
        approval = self._approval(digest, force_reason, reason)

        def work(unit: Unit) -> Applied:
            unit.directory(organization_id).lock_organization(exclusive=True)
            number = unit.revisions(organization_id).active_number() - 1 if to is None else to
            _, files = _revision(unit, organization_id, number)
            candidate = _read(unit, organization_id, files, restores=number)
            return self._apply(unit, operator, organization_id, candidate, approval, shown)

        return self._approvals.transact(operator, organization_id, work)

    def _approval(self, digest: str | None, force_reason: str, reason: str) -> Approval:
        if digest is None and self._needs_digest:
            raise DigestNeeded
        if digest is not None and not _DIGEST.fullmatch(digest):
            raise Invalid("a plan's digest has 64 hexadecimal digits", "digest")
        return Approval(digest, force_reason, force_reason or reason)

    def _apply(
        self,
        unit: Unit,
        operator: Operator,
        organization_id: str,
        candidate: _Candidate,
        approval: Approval,
        shown: int | None,
    ) -> Applied:
        _require_cases(candidate)
        comparison = self._comparison(unit, organization_id, candidate)
        touched = Touched()
        shown_with = (candidate.diagnostics, candidate.files, _catalogues(comparison))
        plan = _plan(unit, organization_id, comparison, candidate, shown=shown, touched=touched)
        if approval.digest is not None and (differing := moved(approval.digest, plan.digest)):
            raise PlanMoved(differing, plan.digest, plan.base_revision)
        if not plan.new:
            return Applied(plan.base_revision, False, plan, *shown_with)
        if plan.forbidding and not approval.force_reason:
            raise GuardTripped(plan.forbidding)
        if plan.forbidding:
            act = Act("mapping.force", (plan.digest,), f"pass guard rails with plan {plan.digest[:12]}")
            self._approvals.demand(unit, operator, organization_id, act, approval.force_reason)
        rulebook = comparison.candidate
        unit.revisions(organization_id).add(
            candidate.files,
            rulebook.digest,
            connections=candidate.connections,
            actor=operator.actor,
            reason=approval.reason,
            now=comparison.now,
            carried_out=CarriedOut(plan.digest, asdict(plan.counts), candidate.restores),
        )
        applied = Applied(rulebook.revision, True, plan, *shown_with, plan.forbidding, candidate.restores)
        _audit_apply(unit, organization_id, operator, applied, approval.reason, comparison.now)
        cause = Cause(operator.actor, operator.request_id, f"revision {rulebook.revision} applied")
        for ids in touched.blocks():
            recompute(unit, organization_id, rulebook, ids, cause, comparison.now)
        return applied

    def _comparison(self, unit: Unit, organization_id: str, candidate: _Candidate) -> Comparison:
        base = self._rulebooks.current(unit, organization_id)
        number = unit.revisions(organization_id).next_number()
        rulebook = compile_rulebook(number, candidate.mappings, candidate.files, candidate.registry)
        return Comparison(base, rulebook, self._clock())


def _read(unit: Unit, organization_id: str, files: Mapping[str, str], *, restores: int | None = None) -> _Candidate:
    """Read and check files. Raises MappingRefused."""
    connections = [connection.name for connection in unit.accounts.connections(organization_id)]
    table = mapping_table(unit, organization_id)
    registry = unit.workspaces(organization_id).registry()
    mappings, diagnostics = read_mappings(files, connections, table, registry)
    if mappings is None:
        raise MappingRefused(diagnostics)
    return _Candidate(files, mappings, diagnostics, connections, table, registry, restores)


def _catalogues(comparison: Comparison) -> dict[str, Catalogue]:
    programs = (*comparison.base.intended, *comparison.candidate.intended)
    return {program.workspace: program.catalogue for program in programs}


def _revision(unit: Unit, organization_id: str, number: int) -> tuple[Revision, Mapping[str, str]]:
    revisions = unit.revisions(organization_id)
    found = revisions.revision(number) if 0 < number < 2**62 else None
    if found is None:
        raise NotFound("revision", str(number))
    return found, revisions.files(number)


def _require_cases(candidate: _Candidate) -> None:
    """Run the cases among the files. Raises MappingRefused when they cannot be read, CasesFailed when one fails."""
    programs = compile_rulebook(0, candidate.mappings, candidate.files, candidate.registry).intended
    run = run_cases(candidate.files, candidate.mappings, programs, candidate.table)
    if has_errors(run.diagnostics):
        raise MappingRefused(run.diagnostics)
    if run.failed:
        raise CasesFailed(run)


# --- what a plan says ------------------------------------------------------------------------------------------


def _plan(
    unit: Unit,
    organization_id: str,
    comparison: Comparison,
    candidate: _Candidate,
    *,
    shown: int | None,
    told: Callable[[PlannedChange], None] | None = None,
    touched: Touched | None = None,
) -> Plan:
    base, rulebook = comparison.base, comparison.candidate
    new = rulebook.digest != base.digest and bool(candidate.files or base.files)
    if not new and not comparison.observed:
        return _nothing(comparison)
    tally = survey(unit, organization_id, comparison, shown=shown, told=told, touched=touched)
    sums = tally.sums()
    undeclared = _undeclared(unit, organization_id, rulebook)
    guarded = list(_guarded(base, candidate.mappings))
    return Plan(
        base_revision=base.revision,
        candidate_digest=rulebook.digest,
        digest=_bound(comparison, tally),
        day=comparison.day,
        horizon=comparison.horizon,
        new=new,
        files=files_differ(base.files, candidate.files),
        workspaces=tuple(
            sums.workspace(mapping.workspace, seats=mapping.seats, observed=mapping.workspace in comparison.observed)
            for mapping in sorted(guarded, key=lambda one: one.workspace)
        ),
        counts=sums.counts(),
        trips=tuple(trip for mapping in guarded for trip in trips_now(mapping, sums)),
        later_trips=tuple(found for mapping in guarded for found in later_trips(mapping, sums)),
        changes=tally.changes(),
        total=tally.total,
        undeclared=tuple(undeclared[:NAMED_UNDECLARED]),
        more_undeclared=max(0, len(undeclared) - NAMED_UNDECLARED),
    )


def _nothing(comparison: Comparison) -> Plan:
    """Return the plan of what is in force already."""
    base = comparison.base
    digest = _bound(comparison, None)
    return Plan(base.revision, comparison.candidate.digest, digest, comparison.day, comparison.horizon, new=False)


def _bound(comparison: Comparison, tally: Tally | None) -> str:
    base = comparison.base
    in_force = hashlib.sha256(json.dumps([base.revision, base.digest]).encode()).hexdigest()
    return digest_of(in_force, comparison.candidate.digest, tally.effects if tally else "0" * 64)


def _guarded(base: Rulebook, mappings: MappingSet) -> Iterator[WorkspaceMapping]:
    """Yield the mappings whose guard rails apply: the candidate's, and those of workspaces that it removes."""
    yield from mappings.mappings
    for program in base.intended:
        if mappings.workspace(program.workspace) is None:
            yield program.mapping


def trips_now(mapping: WorkspaceMapping, sums: Sums) -> Iterator[Trip]:
    """Yield the guard rails of a workspace that a plan passes now."""
    workspace, guard = mapping.workspace, mapping.guard
    mass = revocations(workspace, guard, sums.losing(workspace), sums.seats(workspace, None).before)
    if mass is not None:
        yield mass
    before, after = (found for day, found in sums.holders(workspace) if day is None)
    yield from last_holders(workspace, guard, before, after)


def later_trips(mapping: WorkspaceMapping, sums: Sums) -> Iterator[tuple[date, Trip]]:
    """Yield the guard rails of a workspace that later days will pass, each with its day."""
    workspace, guard = mapping.workspace, mapping.guard
    seats = sums.seats(workspace, None)
    held = seats.after
    people = dict(seats.days)
    for day in sums.days(workspace):
        mass = revocations(workspace, guard, sums.losing(workspace, day), held)
        if mass is not None:
            yield day, mass
        held = people.get(day, held)
    for (_, before), (later, after) in pairwise(list(sums.holders(workspace))[1:]):
        if later is not None:
            yield from ((later, trip) for trip in last_holders(workspace, guard, before, after))


def _undeclared(unit: Unit, organization_id: str, rulebook: Rulebook) -> list[Undeclared]:
    """Return the projects that groups speak of and that no workspace of the rulebook has, in order."""
    found = {
        one
        for group in unit.directory(organization_id).all_core_groups()
        for program in rulebook.intended
        for one in undeclared_in(program, group)
    }
    return sorted(found, key=lambda one: (one.workspace, one.project.casefold(), one.group, one.rule))


def _audit_apply(
    unit: Unit, organization_id: str, operator: Operator, applied: Applied, reason: str, now: datetime
) -> None:
    plan = applied.plan
    after = {
        "revision": applied.revision,
        "digest": plan.candidate_digest,
        "plan": plan.digest,
        "changes": {kind: count for kind, count in asdict(plan.counts).items() if count and kind != "people"},
        "people": plan.counts.people,
        "forced": [str(trip) for trip in applied.forced],
    }
    if applied.restores is not None:
        after["restores"] = applied.restores
    unit.record(organization_id).audit(
        kind="mapping.applied" if applied.restores is None else "mapping.rolled-back",
        actor=operator.actor,
        request_id=operator.request_id,
        subject_kind="organization",
        subject_id=organization_id,
        before=json.dumps({"revision": plan.base_revision}),
        after=json.dumps(after),
        reason=reason,
        now=now,
    )
