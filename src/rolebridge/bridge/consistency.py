"""Proving the record: that recorded grants are what the resolver says now, and that no row contradicts another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.resolving import Cause, recompute, resolve_users
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.core.batches import batches
from rolebridge.core.plan import Change, diff
from rolebridge.store.checks import RowProblem
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class GrantProblem:
    """A user whose recorded grants are not what the resolver says now: the changes that would make them so."""

    user_id: str
    user_name: str
    changes: tuple[Change, ...]


class Consistency:
    """Checks of a whole organization. They read one state of the database and can run while it is in use."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def row_problems(self, organization_id: str) -> Iterator[RowProblem]:
        """Yield what rows say that cannot be."""
        with self._store.read(snapshot=True) as unit:
            yield from unit.checks(organization_id).problems()

    def grant_problems(self, organization_id: str) -> Iterator[GrantProblem]:
        """Yield the users whose grants would differ if they were all computed again; nothing is written.

        Besides a defect there is one innocent reason: a rule or assignment began or ended since the person was last
        looked at.
        """
        with self._store.read(snapshot=True) as unit:
            rulebook, now = self._rulebooks.current(unit, organization_id), self._clock()
            for users in _blocks(unit, organization_id):
                names = dict(users)
                for resolved in resolve_users(unit, organization_id, rulebook, list(names), now):
                    if changes := diff(resolved.before, resolved.after):
                        yield GrantProblem(resolved.user_id, names[resolved.user_id], changes)

    def repair_grants(self, operator: Operator, organization_id: str) -> int:
        """Compute everyone's grants again and write what differs, audited; return how many people it touched."""

        def work(unit: Unit) -> int:
            unit.directory(organization_id).lock_organization(exclusive=True)
            rulebook = self._rulebooks.current(unit, organization_id)
            cause = Cause(operator.actor, operator.request_id, "grants computed again by fsck")
            everyone = (user_id for users in _blocks(unit, organization_id) for user_id, _ in users)
            changes = recompute(unit, organization_id, rulebook, everyone, cause, self._clock())
            return len({change.user_id for change in changes})

        return self._store.transact(work)


def _blocks(unit: Unit, organization_id: str, size: int = 500) -> Iterator[list[tuple[str, str]]]:
    """Yield the organization's users as (id, userName), in blocks."""
    return batches(((user.id, user.user_name) for user in unit.directory(organization_id).all_core_users()), size)
