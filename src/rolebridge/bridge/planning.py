"""Checking mapping files and putting them in force: the only way in which a mapping changes anybody's access."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.resolving import Cause, recompute, resolve_users
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks, compile_rulebook, mapping_table, read_mappings
from rolebridge.bridge.testing import CaseRun, CasesFailed, check_files, read_and_run, run_cases
from rolebridge.core.diagnostics import Diagnostic, has_errors
from rolebridge.core.errors import RolebridgeError
from rolebridge.core.filters import AttributeTable
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.guardrails import Trip, last_holders, revocations
from rolebridge.core.mapping import MappingSet, WorkspaceMapping
from rolebridge.core.plan import Change, Plan, diff
from rolebridge.core.registry import Registry
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

_BATCH = 500


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


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did: the revision in force, the plan that was carried out, and warnings worth showing.

    `new` is False when the files are the revision already in force; then nothing was written.
    """

    revision: int
    new: bool
    plan: Plan
    diagnostics: tuple[Diagnostic, ...]
    forced: tuple[Trip, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Files that were read and checked without errors."""

    files: Mapping[str, str]
    mappings: MappingSet
    diagnostics: tuple[Diagnostic, ...]
    connections: Sequence[str]
    registry: Registry


class Planning:
    """Mapping sets of an organization: checked, compared with what is in force, and applied."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

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

    def apply(
        self, operator: Operator, organization_id: str, files: Mapping[str, str], *, force_reason: str = ""
    ) -> Applied:
        """Make `files` the mapping in force: all effects in one transaction, or none.

        Raises MappingRefused when the files have errors, CasesFailed when a case beside them fails, and GuardTripped
        when a guard rail is passed and `force_reason` is empty.
        """

        def work(unit: Unit) -> Applied:
            unit.directory(organization_id).lock_organization(exclusive=True)
            connections = [connection.name for connection in unit.accounts.connections(organization_id)]
            table = mapping_table(unit, organization_id)
            registry = unit.workspaces(organization_id).registry()
            mappings, diagnostics = read_mappings(files, connections, table, registry)
            if mappings is None:
                raise MappingRefused(diagnostics)
            _require_cases(files, mappings, table, registry)
            candidate = _Candidate(files, mappings, diagnostics, connections, registry)
            return self._apply(unit, operator, organization_id, candidate, force_reason)

        return self._store.transact(work)

    def _apply(
        self, unit: Unit, operator: Operator, organization_id: str, candidate: _Candidate, force_reason: str
    ) -> Applied:
        now = self._clock()
        active = self._rulebooks.current(unit, organization_id)
        mappings, revisions = candidate.mappings, unit.revisions(organization_id)
        rulebook = compile_rulebook(revisions.next_number(), mappings, candidate.files, candidate.registry)
        if rulebook.digest == active.digest or not (candidate.files or active.files):
            plan = Plan(active.revision, mappings.digest, ())
            return Applied(active.revision, False, plan, candidate.diagnostics)
        plan, trips = self._plan(unit, organization_id, active, rulebook, mappings, now)
        if trips and not force_reason:
            raise GuardTripped(trips)
        revisions.add(
            candidate.files,
            rulebook.digest,
            connections=candidate.connections,
            actor=operator.actor,
            reason=force_reason,
            now=now,
        )
        applied = Applied(rulebook.revision, True, plan, candidate.diagnostics, trips)
        _audit_apply(unit, organization_id, operator, applied, force_reason, now)
        cause = Cause(operator.actor, operator.request_id, f"revision {rulebook.revision} applied")
        everyone = (user.id for user in unit.directory(organization_id).all_core_users())
        recompute(unit, organization_id, rulebook, everyone, cause, now)
        return applied

    def _plan(
        self,
        unit: Unit,
        organization_id: str,
        active: Rulebook,
        candidate: Rulebook,
        mappings: MappingSet,
        now: datetime,
    ) -> tuple[Plan, tuple[Trip, ...]]:
        changes: list[Change] = []
        people: Counter[str] = Counter()
        before: Counter[tuple[str, str, str]] = Counter()
        after: Counter[tuple[str, str, str]] = Counter()
        for chunk in _chunks(user.id for user in unit.directory(organization_id).all_core_users(_BATCH)):
            for resolved in resolve_users(unit, organization_id, candidate, chunk, now):
                changes.extend(diff(resolved.before, resolved.after))
                people.update({grant.workspace for grant in resolved.before if _in_force(grant)})
                before.update({_held(grant) for grant in resolved.before if _in_force(grant)})
                after.update({_held(grant) for grant in resolved.after if _in_force(grant)})
        trips = [
            trip
            for guarded in _guarded(active, mappings)
            for trip in _trips(guarded, changes, people[guarded.workspace], before, after)
        ]
        plan = Plan(active.revision, mappings.digest, tuple(changes), dict(people))
        return plan, tuple(trips)


def _require_cases(files: Mapping[str, str], mappings: MappingSet, table: AttributeTable, registry: Registry) -> None:
    """Run the cases among `files`. Raises MappingRefused when they cannot be read, CasesFailed when one fails."""
    run = run_cases(files, mappings, compile_rulebook(0, mappings, files, registry).intended, table)
    if has_errors(run.diagnostics):
        raise MappingRefused(run.diagnostics)
    if run.failed:
        raise CasesFailed(run)


def _guarded(active: Rulebook, mappings: MappingSet) -> Iterator[WorkspaceMapping]:
    """Yield the mappings whose guard rails apply: the candidate's, and those of workspaces that it removes."""
    yield from mappings.mappings
    for program in active.programs:
        if mappings.workspace(program.workspace) is None:
            yield program.mapping


def _trips(
    mapping: WorkspaceMapping,
    changes: Sequence[Change],
    people: int,
    before: Mapping[tuple[str, str, str], int],
    after: Mapping[tuple[str, str, str], int],
) -> Iterator[Trip]:
    held = revocations(mapping.workspace, mapping.guard, changes, people)
    if held is not None:
        yield held
    yield from last_holders(
        mapping.workspace, mapping.guard, _in_workspace(before, mapping), _in_workspace(after, mapping)
    )


def _in_workspace(counts: Mapping[tuple[str, str, str], int], mapping: WorkspaceMapping) -> dict[tuple[str, str], int]:
    return {(slot, role): count for (workspace, slot, role), count in counts.items() if workspace == mapping.workspace}


def _in_force(grant: Grant) -> bool:
    return grant.state is GrantState.EFFECTIVE


def _held(grant: Grant) -> tuple[str, str, str]:
    return (grant.workspace, grant.slot, grant.role)


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(ids)
    while chunk := list(islice(remaining, _BATCH)):
        yield chunk


def _audit_apply(
    unit: Unit, organization_id: str, operator: Operator, applied: Applied, force_reason: str, now: datetime
) -> None:
    counted = Counter(change.kind for change in applied.plan.changes)
    after = {
        "revision": applied.revision,
        "digest": applied.plan.candidate_digest,
        "plan": applied.plan.digest,
        "changes": {kind.value: count for kind, count in sorted(counted.items())},
        "forced": [str(trip) for trip in applied.forced],
    }
    unit.record(organization_id).audit(
        kind="mapping.applied",
        actor=operator.actor,
        request_id=operator.request_id,
        subject_kind="organization",
        subject_id=organization_id,
        before=json.dumps({"revision": applied.plan.base_revision}),
        after=json.dumps(after),
        reason=force_reason,
        now=now,
    )
