"""Guard rails of what a person does to a whole workspace at once: refused past the limit, unless they say why not."""

from __future__ import annotations

from collections.abc import Sequence

from rolebridge.bridge.planning import GuardTripped
from rolebridge.core.guardrails import Trip, last_holders, revocations
from rolebridge.core.mapping import Guard
from rolebridge.core.plan import Change, ChangeKind
from rolebridge.store.unit import Unit


class Rails:
    """A workspace's guard rails around a change: made before it, asked after it, in one transaction.

    What passes them is undone with the transaction, so that the change may be carried out first and judged whole.
    """

    def __init__(self, unit: Unit, organization_id: str, workspace: str, guard: Guard) -> None:
        self._unit = unit
        self._organization_id = organization_id
        self._workspace = workspace
        self._guard = guard
        self._people = unit.grants(organization_id).counts(workspace).people
        self._before = self._kept()

    def passed(self, changes: Sequence[Change]) -> tuple[Trip, ...]:
        """Return the guard rails that `changes`, already written, pass."""
        losing = {one.user_id for one in changes if one.kind is ChangeKind.LOSE and one.workspace == self._workspace}
        held = revocations(self._workspace, self._guard, len(losing), self._people)
        kept = last_holders(self._workspace, self._guard, self._before, self._kept())
        return (*((held,) if held is not None else ()), *kept)

    def require(self, changes: Sequence[Change], force_reason: str) -> tuple[Trip, ...]:
        """Return what was passed on purpose. Raises GuardTripped when something is passed and nobody says why."""
        trips = self.passed(changes)
        if trips and not force_reason:
            raise GuardTripped(trips)
        return trips

    def _kept(self) -> dict[tuple[str, str], int]:
        rows = self._unit.holds(self._organization_id)
        return {(slot, role): rows.holders_of(self._workspace, slot, role) for slot, role, _ in self._guard.keep}
