"""The users of a batch: looked up in sets, created in sets, changed one by one as a request would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rolebridge.bridge.identifiers import ordered_ids
from rolebridge.bridge.import_batches import Batch, given_texts, refused
from rolebridge.bridge.import_entries import Fate, Outcome, UserEntry
from rolebridge.bridge.provisioning import core_user, may_matter, what_happened
from rolebridge.core.applications import EndedWhy
from rolebridge.core.errors import Invalid, Taken
from rolebridge.store.bulk import NameHolder, NewUser, new_user
from rolebridge.store.documents import exact_key, folded_key
from rolebridge.store.records import StoredUser


class UserBatch:
    """A batch of users: looked up in sets, created in sets, changed one by one."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.outcomes: list[Outcome] = []
        self.ids = ordered_ids(batch.change.now)

    def take(self, entries: Sequence[UserEntry]) -> list[Outcome]:
        """Create and update the users; the outcomes in their order."""
        for run in _without_twins(entries):
            self.outcomes.extend(self._take(run))
        return self.outcomes

    def _take(self, entries: Sequence[UserEntry]) -> list[Outcome]:
        """Take entries of which no two have the same userName or externalId."""
        caller, bulk = self.batch.caller, self.batch.bulk
        holders = bulk.name_holders(entry.user_name for entry in entries)
        externals = bulk.users_by_external(caller.connection_id, given_texts(entry.external_id for entry in entries))
        outcomes: dict[int, Outcome] = {}
        new: dict[int, NewUser] = {}
        matched: dict[int, str] = {}
        for place, entry in enumerate(entries):
            holder = holders.get(folded_key(entry.user_name))
            id_ = externals.get(exact_key(entry.external_id)) if entry.external_id is not None else None
            if id_ is None and holder is not None:
                if holder.connection_id != caller.connection_id:
                    outcomes[place] = refused(self._taken(entry, holder))
                    continue
                id_ = holder.id
            if id_ is not None:
                matched[place] = id_
                continue
            try:
                draft = self.batch.wanted.shape.new_user(entry.attributes)
                new[place] = new_user(draft, next(self.ids), self.batch.change.now)
            except Invalid as refusal:
                outcomes[place] = refused(refusal)
        outcomes |= self._create(entries, new)
        outcomes |= self._match(entries, matched)
        return [outcomes[place] for place in range(len(entries))]

    def _create(self, entries: Sequence[UserEntry], new: Mapping[int, NewUser]) -> dict[int, Outcome]:
        caller, change, bulk = self.batch.caller, self.batch.change, self.batch.bulk
        made = bulk.insert_users(caller.connection_id, list(new.values()), change.now)
        bulk.audit_many(
            kind="user.created",
            actor=caller.actor,
            request_id=caller.request_id,
            subject_kind="user",
            reason="",
            rows=[(user.id, user.body) for user in new.values() if user.id in made],
            now=change.now,
        )
        outcomes = {place: Outcome(Fate.CREATED) for place, user in new.items() if user.id in made}
        lost = [place for place, user in new.items() if user.id not in made]
        if lost:  # somebody else took the name between the look-up and the insert (PostgreSQL)
            holders = bulk.name_holders(entries[place].user_name for place in lost)
            for place in lost:
                entry = entries[place]
                outcomes[place] = refused(self._taken(entry, holders.get(folded_key(entry.user_name))))
        for place, user in new.items():
            if user.id in made:
                self.batch.keep(entries[place].source_id, user.id)
        if change.rulebook.programs:
            self._note_concerned([user for user in new.values() if user.id in made and user.active])
        return outcomes

    def _taken(self, entry: UserEntry, holder: NameHolder | None) -> Taken:
        """Return why a user cannot be made: the name has a holder, or else the externalId has."""
        if holder is None:
            return Taken("user", "externalId", entry.external_id or "")
        theirs = holder.connection_id != self.batch.caller.connection_id
        owner = self.batch.bulk.connection_name(holder.connection_id) if theirs else None
        return Taken("user", "userName", entry.user_name, owner)

    def _note_concerned(self, made: Iterable[NewUser]) -> None:
        batch, now = self.batch, self.batch.change.now
        caller = batch.caller
        for user in made:
            name, external = user.row["user_name"], user.row["external_id"]
            ours = (caller.organization_id, user.id, caller.connection_id, name, external, True, 1, now, now, user.body)
            if batch.change.rulebook.concerns_user(core_user(caller, StoredUser(*ours))):
                batch.affected.add(user.id)

    def _match(self, entries: Sequence[UserEntry], matched: Mapping[int, str]) -> dict[int, Outcome]:
        for place, id_ in matched.items():
            self.batch.keep(entries[place].source_id, id_)
        if self.batch.wanted.create_only or not matched:
            return dict.fromkeys(matched, Outcome(Fate.SKIPPED))
        self.batch.change.directory.lock_users(matched.values())
        stored = self.batch.bulk.stored_users(self.batch.caller.connection_id, matched.values())
        outcomes = {}
        for place, id_ in matched.items():
            old = stored.get(id_)
            if old is None:
                outcomes[place] = Outcome(Fate.REFUSED, f"the user `{entries[place].user_name}` was just deleted")
                continue
            try:
                outcomes[place], now_is = self._update(old, entries[place])
            except (Invalid, Taken) as refusal:
                outcomes[place] = refused(refusal)
                continue
            stored[id_] = now_is  # another entry may mean the same user by the other name
        return outcomes

    def _update(self, old: StoredUser, entry: UserEntry) -> tuple[Outcome, StoredUser]:
        change = self.batch.change
        was = old.draft()
        draft = self.batch.wanted.shape.changed_user(was, entry.attributes)
        if draft == was:
            return Outcome(Fate.UNCHANGED), old
        new = change.directory.update_user(old, draft, change.now)
        change.audit(what_happened(old, new), old.id, old.body, new.body)
        if old.active and not new.active:
            change.end_access(old.id, EndedWhy.DEACTIVATED)
        if may_matter(change.rulebook, old, new):
            self.batch.affected.add(old.id)
        return Outcome(Fate.UPDATED), new


def _without_twins(entries: Sequence[UserEntry]) -> Iterator[list[UserEntry]]:
    """Yield the entries in runs in which no two are of one name, so that the later one finds what the earlier made."""
    run: list[UserEntry] = []
    names: set[str] = set()
    externals: set[str] = set()
    for entry in entries:
        name, external = folded_key(entry.user_name), entry.external_id
        if name in names or (external is not None and external in externals):
            yield run
            run, names, externals = [], set(), set()
        run.append(entry)
        names.add(name)
        if external is not None:
            externals.add(external)
    if run:
        yield run
