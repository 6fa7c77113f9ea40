"""Importing: many users and groups at once, into a connection that then owns them.

The same invariants hold as at the SCIM door, and what is already there is matched and updated, never deleted. A batch
is one transaction with its audit, its grants and how far the import is; a row that cannot be refuses itself only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from rolebridge.bridge.import_batches import Batch
from rolebridge.bridge.import_entries import (
    Fate,
    GroupEntry,
    Import,
    Outcome,
    Reference,
    UserEntry,
)
from rolebridge.bridge.import_groups import GroupBatch
from rolebridge.bridge.import_references import imagined_before, nesting_text, resolved_groups, resolved_users
from rolebridge.bridge.import_users import UserBatch
from rolebridge.bridge.provisioning import Provisioning
from rolebridge.core.directory import GroupChange, MemberAction, MemberStep
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.guardrails import Guarding
from rolebridge.store.documents import exact_key, folded_key
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

FORGOTTEN_AFTER: Final = timedelta(days=7)
"""How long an import that was broken off can be gone on with."""


class _Undone(Exception):
    """That a dry run is over: its transaction is undone, its outcomes count."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__()
        self.outcomes = outcomes


class Importing:
    """Imports into connections."""

    def __init__(self, store: Store, provisioning: Provisioning) -> None:
        self._store = store
        self._provisioning = provisioning

    def begin(self, wanted: Import, now: datetime) -> str | None:
        """Return how far an import of this id came (what was given as `progress`), None for a new one.

        What nobody has gone on with for a week is forgotten.
        """
        organization_id = wanted.caller.organization_id
        with self._store.read() as unit:
            bulk = unit.bulk(organization_id)
            progress, stale = bulk.import_progress(wanted.id), bulk.untouched_imports(now - FORGOTTEN_AFTER)
        for id_ in stale:
            self.forget(replace(wanted, id=id_))
        return None if wanted.id in stale else progress

    def forget(self, wanted: Import) -> None:
        """Forget how far an import came, because it is finished or to begin anew."""
        self._store.transact(lambda unit: unit.bulk(wanted.caller.organization_id).forget_import(wanted.id))

    def settle(self, wanted: Import) -> None:
        """Let the database take note of how much it holds now: plans for empty tables are slow ones for full ones."""
        self._store.transact(lambda unit: unit.bulk(wanted.caller.organization_id).analyse())

    def users(self, wanted: Import, entries: Sequence[UserEntry], progress: str) -> list[Outcome]:
        """Create and update users in one transaction, which keeps `progress` too; the outcomes are in their order.

        Raises Unavailable.
        """

        def work(batch: Batch) -> list[Outcome]:
            return UserBatch(batch).take(entries)

        outcomes = self._transact(wanted, work, progress, f"{len(entries)} users imported")
        if wanted.dry_run:
            for entry, outcome in zip(entries, outcomes, strict=True):
                if outcome.fate is Fate.CREATED:
                    wanted.imagine(folded_key(entry.user_name), entry.external_id, entry.source_id)
        return outcomes

    def groups(self, wanted: Import, entries: Sequence[GroupEntry], progress: str) -> list[Outcome]:
        """Create and update groups with those of their members who are users, in one transaction.

        An outcome's `unknown` are the other ones, which may be groups that come later: `nested` takes them up.
        """

        def work(batch: Batch) -> list[Outcome]:
            return GroupBatch(batch).take(entries)

        outcomes = self._transact(wanted, work, progress, f"{len(entries)} groups imported")
        if wanted.dry_run:
            for entry, outcome in zip(entries, outcomes, strict=True):
                if outcome.fate is Fate.CREATED:
                    wanted.imagine(folded_key(entry.display), entry.external_id, entry.source_id)
        return outcomes

    def nested(self, wanted: Import, entry: GroupEntry, unknown: Sequence[Reference]) -> Outcome:
        """Add to a group those groups that are its members, a transaction of its own; `unknown` names nobody else.

        Only a group that this import made or updated is touched.
        """
        caller = wanted.caller
        with self._store.read() as unit:
            bulk = unit.bulk(caller.organization_id)
            parent = bulk.source_ids(wanted.id, [nesting_text(entry)]).get(exact_key(nesting_text(entry)))
            found = resolved_groups(bulk, wanted, unknown)
            directory = unit.directory(caller.organization_id)
            before = directory.group_version(parent) if parent is not None else 0
        missing = tuple(reference.text for reference in unknown if reference.text not in found)
        if wanted.dry_run:
            missing = tuple(text for text in missing if not imagined_before(wanted, text))
            return Outcome(Fate.UNCHANGED, unknown=missing)
        if parent is None:  # refused, or left alone
            return Outcome(Fate.SKIPPED)
        if not found:
            return Outcome(Fate.UNCHANGED, unknown=missing)
        change = GroupChange(steps=(MemberStep(MemberAction.ADD, tuple(sorted(set(found.values())))),))
        try:
            version, odd = self._provisioning.change_group(caller, parent, change, refuse_unknown=False)
        except (Invalid, NotFound) as refusal:  # a circle, too many levels; or it was deleted meanwhile
            return Outcome(Fate.REFUSED, str(refusal), unknown=missing)
        lost = tuple(text for text, id_ in found.items() if id_ in odd)
        added = len(found) - len(lost) if version != before else 0
        return Outcome(Fate.UNCHANGED, added=added, unknown=(*missing, *lost))

    def unresolved(self, wanted: Import, references: Iterable[Reference]) -> tuple[Reference, ...]:
        """Return the references that name no user."""
        asked = tuple(references)
        with self._store.read() as unit:
            found = resolved_users(unit.bulk(wanted.caller.organization_id), wanted, asked)
        return tuple(reference for reference in asked if reference.text not in found)

    def _transact(
        self, wanted: Import, work: Callable[[Batch], list[Outcome]], progress: str, cause: str
    ) -> list[Outcome]:
        def whole(unit: Unit) -> list[Outcome]:
            change = self._provisioning.begin(unit, wanted.caller)
            batch = Batch(wanted, unit, change, unit.bulk(wanted.caller.organization_id))
            outcomes = work(batch)
            change.recompute(batch.affected, cause, Guarding.HELD)
            if wanted.dry_run:
                raise _Undone(outcomes)
            batch.bulk.keep_source_ids(wanted.id, batch.kept)
            batch.bulk.keep_import(wanted.id, wanted.caller.connection_id, progress, change.now)
            return outcomes

        try:
            return self._store.transact(whole)
        except _Undone as undone:
            return undone.outcomes
