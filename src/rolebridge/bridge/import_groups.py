"""The groups of a batch, one after the other as requests would; their members are looked up in sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

from rolebridge.bridge.import_batches import Batch, given_texts, refused
from rolebridge.bridge.import_entries import Fate, GroupEntry, Outcome
from rolebridge.bridge.import_references import imagined_before, nesting_text, resolved_users
from rolebridge.bridge.provisioning import with_moves
from rolebridge.core.directory import MemberAction, MemberStep
from rolebridge.core.errors import Invalid, NotFound, Taken
from rolebridge.core.versions import ANY_VERSION
from rolebridge.store.documents import exact_key, folded_key
from rolebridge.store.groups import lock_groups
from rolebridge.store.records import StoredGroup


class GroupBatch:
    """A batch of groups, one after the other; their members are looked up in sets."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def take(self, entries: Sequence[GroupEntry]) -> list[Outcome]:
        """Create and update the groups, with those of their members who are users; the outcomes in their order."""
        batch, caller = self.batch, self.batch.caller
        names = batch.bulk.groups_by_name(caller.connection_id, (entry.display for entry in entries))
        externals = batch.bulk.groups_by_external(caller.connection_id, given_texts(one.external_id for one in entries))
        lock_groups(batch.unit.link, caller.organization_id, {*names.values(), *externals.values()})
        asked = [reference for entry in entries for reference in entry.members]
        users = resolved_users(batch.bulk, batch.wanted, asked)
        if batch.change.rulebook.programs:
            batch.change.directory.lock_users(users.values())
        outcomes = []
        for entry in entries:
            external = None if entry.external_id is None else exact_key(entry.external_id)
            known = None if external is None else externals.get(external)
            known = known or names.get(folded_key(entry.display))
            try:
                outcome, id_ = self._take(entry, known, users)
            except (Invalid, Taken, NotFound) as refusal:
                outcomes.append(refused(refusal))
                continue
            names[folded_key(entry.display)] = id_
            if external is not None:
                externals[external] = id_
            outcomes.append(outcome)
        return outcomes

    def _take(self, entry: GroupEntry, known: str | None, users: Mapping[str, str]) -> tuple[Outcome, str]:
        batch, change, caller = self.batch, self.batch.change, self.batch.caller
        unknown = tuple(reference.text for reference in entry.members if reference.text not in users)
        if batch.wanted.dry_run:
            unknown = tuple(text for text in unknown if not imagined_before(batch.wanted, text))
        if known is not None:
            batch.keep(entry.source_id, known)
            if batch.wanted.create_only:
                return Outcome(Fate.SKIPPED), known
            old = change.group(known, ANY_VERSION)
            new, fate = self._updated(old, entry)
        else:
            draft = batch.wanted.shape.new_group(entry.attributes)
            old = new = change.directory.insert_group(caller.connection_id, draft, str(uuid4()), change.now)
            fate = Fate.CREATED
            batch.keep(entry.source_id, new.id)
        ids = dict.fromkeys(users[reference.text] for reference in entry.members if reference.text in users)
        steps = (MemberStep(MemberAction.ADD, tuple(ids)),) if ids else ()
        moved = change.move_members(new, steps, refuse_unknown=False)
        if moved.users and fate is Fate.UNCHANGED:
            fate = Fate.UPDATED
        if fate is not Fate.UNCHANGED:
            created = fate is Fate.CREATED
            kind = "group.created" if created else "group.updated"
            change.audit(kind, new.id, None if created else old.body, with_moves(new, moved))
            batch.affected.update(change.affected(old, new, moved))
        if unknown:
            batch.kept[nesting_text(entry)] = new.id
        return Outcome(fate, added=len(moved.added), unknown=unknown), new.id

    def _updated(self, old: StoredGroup, entry: GroupEntry) -> tuple[StoredGroup, Fate]:
        change = self.batch.change
        was = old.draft()
        draft = self.batch.wanted.shape.changed_group(was, entry.attributes)
        if draft == was:
            return old, Fate.UNCHANGED
        return change.directory.update_group(old, draft, change.now), Fate.UPDATED
