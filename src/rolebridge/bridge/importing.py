"""Importing: many users and groups at once, into a connection that then owns them.

The same invariants hold as at the SCIM door, and what is already there is matched and updated, never deleted. A batch
is one transaction with its audit, its grants and how far the import is; a row that cannot be refuses itself only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import uuid4

from rolebridge.bridge.callers import Caller
from rolebridge.bridge.provisioning import (
    DirectoryChange,
    Provisioning,
    core_user,
    may_matter,
    what_happened,
    with_moves,
)
from rolebridge.core.directory import GroupChange, GroupDraft, MemberAction, MemberStep, UserDraft
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError, Taken
from rolebridge.core.versions import ANY_VERSION
from rolebridge.store.bulk import Bulk, NameHolder, NewUser, new_user
from rolebridge.store.documents import exact_key, folded_key
from rolebridge.store.engine import Store
from rolebridge.store.groups import lock_groups
from rolebridge.store.records import StoredGroup, StoredUser
from rolebridge.store.unit import Unit

FORGOTTEN_AFTER: Final = timedelta(days=7)
"""How long an import that was broken off can be gone on with."""


class Fate(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row, why it was refused, how many members it added, and which ones nobody knows."""

    fate: Fate
    problem: str = ""
    added: int = 0
    unknown: tuple[str, ...] = ()


class Shape(Protocol):
    """What the schemas demand of what is made and changed."""

    def new_user(self, attributes: Mapping[str, Any]) -> UserDraft:
        """Return the draft of a user to be made. Raises Invalid."""

    def changed_user(self, old: UserDraft, attributes: Mapping[str, Any]) -> UserDraft:
        """Return what a user becomes of whom a row says `attributes`. Raises Invalid."""

    def new_group(self, attributes: Mapping[str, Any]) -> GroupDraft:
        """Return the draft of a group to be made. Raises Invalid."""

    def changed_group(self, old: GroupDraft, attributes: Mapping[str, Any]) -> GroupDraft:
        """Return what a group becomes of which a row says `attributes`. Raises Invalid."""


class Named(StrEnum):
    """What a member reference says that it names."""

    USER = "User"
    GROUP = "Group"
    EITHER = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A member as a source names it: by the source's id, a userName (displayName), an externalId or an id of ours."""

    text: str
    named: Named = Named.EITHER


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A user of the source; `source_id` is the id that it has there, None where it has none."""

    user_name: str
    external_id: str | None
    attributes: Mapping[str, Any]
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """A group of the source with its members."""

    display: str
    external_id: str | None
    attributes: Mapping[str, Any]
    members: tuple[Reference, ...] = ()
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """One import: into whose directory, under which id it is gone on with, and what it may do.

    `imagined` are hashes of what a dry run would have made, so that members of it are not unknown.
    """

    caller: Caller
    id: str
    shape: Shape
    create_only: bool = False
    dry_run: bool = False
    imagined: set[int] = field(default_factory=set)

    def imagine(self, *names: str | None) -> None:
        """Remember under which names something would have been made."""
        self.imagined.update(hash(name) for name in names if name is not None)


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

        def work(batch: _Batch) -> list[Outcome]:
            return _Users(batch).take(entries)

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

        def work(batch: _Batch) -> list[Outcome]:
            return _Groups(batch).take(entries)

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
            parent = bulk.source_ids(wanted.id, [_nesting(entry)]).get(exact_key(_nesting(entry)))
            found = _resolved_groups(bulk, wanted, unknown)
            directory = unit.directory(caller.organization_id)
            before = directory.group_version(parent) if parent is not None else 0
        missing = tuple(reference.text for reference in unknown if reference.text not in found)
        if wanted.dry_run:
            missing = tuple(text for text in missing if not _imagined(wanted, text))
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
            found = _resolved_users(unit.bulk(wanted.caller.organization_id), wanted, asked)
        return tuple(reference for reference in asked if reference.text not in found)

    def _transact(self, wanted: Import, work: Any, progress: str, cause: str) -> list[Outcome]:
        def whole(unit: Unit) -> list[Outcome]:
            change = self._provisioning.begin(unit, wanted.caller)
            batch = _Batch(wanted, unit, change, unit.bulk(wanted.caller.organization_id))
            outcomes: list[Outcome] = work(batch)
            change.recompute(batch.affected, cause)
            if wanted.dry_run:
                raise _Undone(outcomes)
            batch.bulk.keep_source_ids(wanted.id, batch.kept)
            batch.bulk.keep_import(wanted.id, wanted.caller.connection_id, progress, change.now)
            return outcomes

        try:
            return self._store.transact(whole)
        except _Undone as undone:
            return undone.outcomes


@dataclass(slots=True)
class _Batch:
    """One batch while its transaction runs: whose grants may differ, and which source ids to remember."""

    wanted: Import
    unit: Unit
    change: DirectoryChange
    bulk: Bulk
    affected: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        return self.wanted.caller

    def keep(self, source_id: str | None, id_: str) -> None:
        if source_id is not None:
            self.kept[_id(source_id)] = id_


# --- users ---------------------------------------------------------------------------------------------------


class _Users:
    """A batch of users: looked up in sets, created in sets, changed one by one."""

    def __init__(self, batch: _Batch) -> None:
        self.batch = batch
        self.outcomes: list[Outcome] = []
        self.changed = 0

    def take(self, entries: Sequence[UserEntry]) -> list[Outcome]:
        for run in _without_twins(entries):
            self.outcomes.extend(self._take(run))
        return self.outcomes

    def _take(self, entries: Sequence[UserEntry]) -> list[Outcome]:
        """Take entries of which no two have the same userName or externalId."""
        caller, bulk = self.batch.caller, self.batch.bulk
        holders = bulk.name_holders(entry.user_name for entry in entries)
        externals = bulk.users_by_external(caller.connection_id, _given(entry.external_id for entry in entries))
        outcomes: dict[int, Outcome] = {}
        new: dict[int, NewUser] = {}
        matched: dict[int, str] = {}
        for place, entry in enumerate(entries):
            holder = holders.get(folded_key(entry.user_name))
            id_ = externals.get(exact_key(entry.external_id)) if entry.external_id is not None else None
            if id_ is None and holder is not None:
                if holder.connection_id != caller.connection_id:
                    outcomes[place] = _refused(self._taken(entry, holder))
                    continue
                id_ = holder.id
            if id_ is not None:
                matched[place] = id_
                continue
            try:
                draft = self.batch.wanted.shape.new_user(entry.attributes)
                new[place] = new_user(draft, str(uuid4()), self.batch.change.now)
            except Invalid as refusal:
                outcomes[place] = _refused(refusal)
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
                outcomes[place] = _refused(self._taken(entry, holders.get(folded_key(entry.user_name))))
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
                outcomes[place] = _refused(refusal)
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


# --- groups --------------------------------------------------------------------------------------------------


class _Groups:
    """A batch of groups, one after the other; their members are looked up in sets."""

    def __init__(self, batch: _Batch) -> None:
        self.batch = batch

    def take(self, entries: Sequence[GroupEntry]) -> list[Outcome]:
        batch, caller = self.batch, self.batch.caller
        names = batch.bulk.groups_by_name(caller.connection_id, (entry.display for entry in entries))
        externals = batch.bulk.groups_by_external(caller.connection_id, _given(one.external_id for one in entries))
        lock_groups(batch.unit.link, caller.organization_id, {*names.values(), *externals.values()})
        asked = [reference for entry in entries for reference in entry.members]
        users = _resolved_users(batch.bulk, batch.wanted, asked)
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
                outcomes.append(_refused(refusal))
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
            unknown = tuple(text for text in unknown if not _imagined(batch.wanted, text))
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
            batch.kept[_nesting(entry)] = new.id
        return Outcome(fate, added=len(moved.added), unknown=unknown), new.id

    def _updated(self, old: StoredGroup, entry: GroupEntry) -> tuple[StoredGroup, Fate]:
        change = self.batch.change
        was = old.draft()
        draft = self.batch.wanted.shape.changed_group(was, entry.attributes)
        if draft == was:
            return old, Fate.UNCHANGED
        return change.directory.update_group(old, draft, change.now), Fate.UPDATED


# --- who is meant --------------------------------------------------------------------------------------------


def _resolved_users(bulk: Bulk, wanted: Import, references: Iterable[Reference]) -> dict[str, str]:
    """Return which users references name: text → id, for those that name any.

    The source's own ids come first, then userNames, externalIds, and ids of ours.
    """
    left = dict.fromkeys(one.text for one in references if one.named is not Named.GROUP)
    connection_id = wanted.caller.connection_id
    found: dict[str, str] = {}

    def take(named: Mapping[str, str]) -> None:
        found.update(named)
        for text in named:
            left.pop(text)

    ids = bulk.source_ids(wanted.id, map(_id, left))
    sources = {text: ids[key] for text in left if (key := exact_key(_id(text))) in ids}
    owned = bulk.owned_users(connection_id, sources.values()) if sources else set()
    take({text: id_ for text, id_ in sources.items() if id_ in owned})
    holders = bulk.name_holders(left)
    take(
        {
            text: holder.id
            for text in left
            if (holder := holders.get(folded_key(text))) is not None and holder.connection_id == connection_id
        }
    )
    externals = bulk.users_by_external(connection_id, left)
    take({text: externals[key] for text in left if (key := exact_key(text)) in externals})
    ours = bulk.owned_users(connection_id, left)
    take({text: text for text in left if text in ours})
    return found


def _resolved_groups(bulk: Bulk, wanted: Import, references: Iterable[Reference]) -> dict[str, str]:
    """Return which groups references name, as `_resolved_users` does."""
    texts = [one.text for one in references if one.named is not Named.USER]
    connection_id = wanted.caller.connection_id
    ids = bulk.source_ids(wanted.id, map(_id, texts))
    owned = bulk.owned_groups(connection_id, [*ids.values(), *texts])
    names = bulk.groups_by_name(connection_id, texts)
    externals = bulk.groups_by_external(connection_id, texts)
    found = {}
    for text in texts:
        source = ids.get(exact_key(_id(text)))
        known = source if source in owned else None
        known = known or names.get(folded_key(text)) or externals.get(exact_key(text))
        known = known or (text if text in owned else None)
        if known is not None:
            found[text] = known
    return found


def _imagined(wanted: Import, text: str) -> bool:
    return hash(text) in wanted.imagined or hash(folded_key(text)) in wanted.imagined


def _id(text: str) -> str:
    """Return under which text an id of the source is remembered."""
    return f"id {text}"


def _nesting(entry: GroupEntry) -> str:
    """Return under which text it is remembered that a group has members who are no users."""
    return f"nesting {folded_key(entry.display)}"


def _given(texts: Iterable[str | None]) -> list[str]:
    return [text for text in texts if text is not None]


def _refused(refusal: RolebridgeError) -> Outcome:
    return Outcome(Fate.REFUSED, str(refusal))
