"""Provisioning: what an IdP's connection does to the directory, and what follows for people's access.

Each write is one transaction: the resource, its memberships, the grants of exactly the users it affects, audit and
outbox. It is answered from inside that transaction, so the answer is what was committed. A write that changes nothing
leaves version and lastModified alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar, Unpack

from rolebridge.bridge.callers import Caller
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.extensions import Extensions
from rolebridge.bridge.identifiers import ordered_id
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.applications import EndedWhy
from rolebridge.core.directory import (
    Group,
    GroupChange,
    GroupDraft,
    MemberAction,
    MembershipSource,
    MemberStep,
    User,
    UserDraft,
)
from rolebridge.core.errors import NotFound, Unavailable, UnknownMembers, VersionMismatch
from rolebridge.core.filters import ResolvedFilter
from rolebridge.core.guardrails import Guarding
from rolebridge.core.versions import ANY_VERSION, Versions
from rolebridge.store.directory import Directory
from rolebridge.store.engine import Store
from rolebridge.store.records import GroupAnswer, Page, StoredGroup, StoredUser, UserAnswer
from rolebridge.store.search import Sequel
from rolebridge.store.unit import Unit

Clock = Callable[[], datetime]

_T = TypeVar("_T")


class Provisioning:
    """The directory as one connection may use it: it sees, counts, references and changes only what it owns."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Clock, scim_base: str) -> None:
        """`scim_base` is the public URL of the SCIM door, without a slash at its end; references begin with it."""
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock
        self.scim_base = scim_base
        self.extensions = Extensions(store)

    # --- users -----------------------------------------------------------------------------------------------

    def create_user(self, caller: Caller, draft: UserDraft) -> UserAnswer:
        """Create a user, active unless the draft says otherwise. Raises Taken."""

        def work(unit: Unit) -> UserAnswer:
            change = self.begin(unit, caller)
            user = change.directory.insert_user(caller.connection_id, draft, ordered_id(change.now), change.now)
            change.audit("user.created", user.id, None, user.body)
            if user.active and change.rulebook.concerns_user(core_user(caller, user)):
                change.recompute([user.id], f"user `{user.user_name}` created")
            return UserAnswer(user.id, user.body, user.version, "")  # a new id is in no group

        return self._store.transact(work)

    def change_user(
        self, caller: Caller, user_id: str, revise: Callable[[UserDraft], UserDraft], versions: Versions = ANY_VERSION
    ) -> UserAnswer:
        """Make a user what `revise` makes of them (PUT and PATCH alike). Raises NotFound, Taken, VersionMismatch.

        A draft whose `active` is None keeps the user as active or inactive as they are.
        """

        def work(unit: Unit) -> UserAnswer:
            change = self.begin(unit, caller)
            old = change.user(user_id, versions)
            was = old.draft()
            draft = revise(was)
            if draft.active is None:
                draft = replace(draft, active=old.active)
            if "active" not in draft.attributes:  # what says nothing of it is answered with what it is
                draft = replace(draft, attributes={**draft.attributes, "active": draft.active})
            if draft == was:
                return self._user_answer(unit, caller, user_id)
            new, answer = change.directory.update_and_answer(old, draft, change.now, was=was, prefix=self.scim_base)
            change.audit(what_happened(old, new), user_id, old.body, new.body)
            if old.active and not new.active:
                change.end_access(user_id, EndedWhy.DEACTIVATED)
            if may_matter(change.rulebook, old, new):
                change.recompute([user_id], _user_cause(old, new))
            return answer

        return self._store.transact(work)

    def delete_user(self, caller: Caller, user_id: str, versions: Versions = ANY_VERSION) -> None:
        """Delete a user: memberships and grants go with them, the id is never used again. Raises NotFound."""

        def work(unit: Unit) -> None:
            change = self.begin(unit, caller)
            old = _found("user", user_id, change.directory.user_to_delete(caller.connection_id, user_id))
            _check_version(old.version, versions)
            change.directory.delete_user(old, change.now)
            change.end_assignments(user_id, "the user was deleted")
            change.end_access(user_id, EndedWhy.DELETED)
            change.audit("user.deleted", user_id, old.body, None)
            change.recompute([user_id], f"user `{old.user_name}` deleted")

        self._store.transact(work)

    def user(self, caller: Caller, user_id: str) -> UserAnswer:
        """Return a user's stored answer. Raises NotFound."""
        with self._store.read() as unit:
            return self._user_answer(unit, caller, user_id)

    def find_users(
        self,
        caller: Caller,
        wanted: ResolvedFilter | None,
        *,
        offset: int,
        limit: int,
        with_groups: bool = True,
        **how: Unpack[Sequel],
    ) -> Page[UserAnswer]:
        """Return the users that `wanted` holds for, `limit` of them from `offset` (from 0), oldest first.

        `how` may name another order, and a position to go on after. Raises Invalid for an attribute without order.
        """
        with self._store.read() as unit:
            return unit.directory(caller.organization_id).find_users(
                caller.connection_id,
                wanted,
                offset=offset,
                limit=limit,
                prefix=self.scim_base,
                with_groups=with_groups,
                **how,
            )

    # --- groups ----------------------------------------------------------------------------------------------

    def create_group(
        self, caller: Caller, draft: GroupDraft, member_ids: Sequence[str], *, refuse_unknown: bool
    ) -> tuple[GroupAnswer, tuple[str, ...]]:
        """Create a group; returns its answer and the member ids that are no users or groups of the connection.

        Raises Taken, Invalid for groups too deep in groups, and UnknownMembers when `refuse_unknown` and there are any.
        """

        def work(unit: Unit, alone: bool) -> tuple[GroupAnswer, tuple[str, ...]]:
            change = self.begin(unit, caller, alone=alone)
            group = change.directory.insert_group(caller.connection_id, draft, ordered_id(change.now), change.now)
            steps = (MemberStep(MemberAction.ADD, tuple(member_ids)),) if member_ids else ()
            moved = change.move_members(group, steps, refuse_unknown=refuse_unknown)
            change.audit("group.created", group.id, None, with_moves(group, moved))
            change.recompute(change.affected(group, group, moved), f"group `{group.display}` created")
            return self._group_answer(unit, caller, group.id), tuple(moved.unknown)

        return self._nesting_or_not(work)

    def change_group(
        self,
        caller: Caller,
        group_id: str,
        wanted: GroupChange,
        *,
        refuse_unknown: bool,
        versions: Versions = ANY_VERSION,
    ) -> tuple[int, tuple[str, ...]]:
        """Apply a change to a group, all of it or none; the cost grows with the change, not with the group.

        Returns the group's version and the member ids that are no users or groups of the connection. Raises NotFound,
        Taken, VersionMismatch, Invalid for a group in itself, and UnknownMembers for those when `refuse_unknown`.
        """

        def work(unit: Unit, alone: bool) -> tuple[int, tuple[str, ...]]:
            change = self.begin(unit, caller, alone=alone)
            old = change.group(group_id, versions)
            new = old
            if wanted.revise is not None and (draft := wanted.revise(old.draft())) != old.draft():
                new = change.directory.update_group(old, draft, change.now)
            moved = change.move_members(new, wanted.steps, refuse_unknown=refuse_unknown)
            if new is old and not moved:
                return old.version, tuple(moved.unknown)
            change.audit("group.updated", group_id, old.body, with_moves(new, moved))
            affected, cause = change.affected(old, new, moved), _group_cause(old, new, moved)
            change.recompute(affected, cause, _guarding(old, new, moved))
            return change.directory.group_version(group_id), tuple(moved.unknown)

        return self._nesting_or_not(work)

    def delete_group(self, caller: Caller, group_id: str, versions: Versions = ANY_VERSION) -> None:
        """Delete a group; its members stay, and lose what only this group gave them. Raises NotFound."""

        def work(unit: Unit, alone: bool) -> None:
            change = self.begin(unit, caller, alone=alone)
            old = change.group(group_id, versions)
            concerned = change.concerned(old)
            below = change.leave_nesting(old) if old.nested else ()
            left = change.directory.delete_group(old, change.now)
            change.audit("group.deleted", group_id, old.body, None)
            if concerned:
                change.recompute({*below, *left}, f"group `{old.display}` deleted", Guarding.HELD)

        self._nesting_or_not(work)

    def group(self, caller: Caller, group_id: str, *, with_members: bool = True) -> GroupAnswer:
        """Return a group's stored answer, with its members' text in blocks unless not wanted. Raises NotFound."""
        with self._store.read(snapshot=with_members) as unit:
            return self._group_answer(unit, caller, group_id, with_members=with_members)

    def find_groups(
        self,
        caller: Caller,
        wanted: ResolvedFilter | None,
        *,
        offset: int,
        limit: int,
        with_members: bool = True,
        **how: Unpack[Sequel],
    ) -> Page[GroupAnswer]:
        """Return the groups that `wanted` holds for, `limit` of them from `offset` (from 0), oldest first.

        `how` is as for users. Raises Invalid for an attribute without order.
        """
        with self._store.read() as unit:
            return unit.directory(caller.organization_id).find_groups(
                caller.connection_id,
                wanted,
                offset=offset,
                limit=limit,
                prefix=self.scim_base,
                with_members=with_members,
                **how,
            )

    # --- shared ----------------------------------------------------------------------------------------------

    def _nesting_or_not(self, work: Callable[[Unit, bool], _T]) -> _T:
        """Run a change of a group, and again with the organization to itself if it turns out to move groups in groups.

        Whoever resolves a membership must see all of the nesting that it meets; and hardly anybody nests.
        """
        try:
            return self._store.transact(lambda unit: work(unit, False))
        except _Nests:
            return self._store.transact(lambda unit: work(unit, True))

    def begin(self, unit: Unit, caller: Caller, *, alone: bool = False) -> DirectoryChange:
        """Keep an apply from replacing the mapping under this change, and take up the mapping in force.

        With `alone`, nobody else changes the directory meanwhile.
        """
        directory = unit.directory(caller.organization_id)
        directory.lock_organization(exclusive=alone)
        rulebook = self._rulebooks.current(unit, caller.organization_id)
        if rulebook.schemas_version != caller.schemas_version:
            raise Unavailable("the organization's schemas have just changed")  # by which the request was read
        return DirectoryChange(unit, directory, caller, rulebook, self._clock(), alone)

    def _user_answer(self, unit: Unit, caller: Caller, user_id: str) -> UserAnswer:
        directory = unit.directory(caller.organization_id)
        return _found("user", user_id, directory.user_answer(caller.connection_id, user_id, prefix=self.scim_base))

    def _group_answer(self, unit: Unit, caller: Caller, group_id: str, *, with_members: bool = True) -> GroupAnswer:
        answer = unit.directory(caller.organization_id).group_answer(
            caller.connection_id, group_id, prefix=self.scim_base, with_members=with_members
        )
        return _found("group", group_id, answer)


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """One caller's change while its transaction runs."""

    unit: Unit
    directory: Directory
    caller: Caller
    rulebook: Rulebook
    now: datetime
    alone: bool = False

    def user(self, user_id: str, versions: Versions) -> StoredUser:
        """Return the user to be changed, locked."""
        found = _found("user", user_id, self.directory.user(self.caller.connection_id, user_id, lock=True))
        _check_version(found.version, versions)
        return found

    def group(self, group_id: str, versions: Versions) -> StoredGroup:
        """Return the group to be changed, locked."""
        found = _found("group", group_id, self.directory.group(self.caller.connection_id, group_id, lock=True))
        _check_version(found.version, versions)
        return found

    def move_members(self, group: StoredGroup, steps: Sequence[MemberStep], *, refuse_unknown: bool) -> _Moved:
        """Move members as the steps say, in order. Those whose grants may follow are locked first, all at once."""
        if self.concerned(group):
            self.directory.lock_users(sorted({user_id for step in steps for user_id in step.ids}))
        moved = _Moved()
        for step in steps:
            nested = group.nested or bool(moved.entered)
            if step.action is MemberAction.REMOVE:
                moved.removed.extend(self.directory.remove_members(group.id, step.ids, self.now))
                if nested:
                    self._remove_groups(group, self.directory.children_among(group.id, step.ids), moved)
                continue
            unknown = self._put_users(group, step, moved)
            children = set(self.directory.groups_among(self.caller.connection_id, unknown) if unknown else ())
            if nested and step.action is MemberAction.REPLACE:
                others = [id_ for id_ in self.directory.child_ids(group.id) if id_ not in children]
                self._remove_groups(group, others, moved)
            self._add_groups(group, sorted(children), moved)
            moved.unknown.extend(id_ for id_ in unknown if id_ not in children)
        if refuse_unknown and moved.unknown:
            raise UnknownMembers(tuple(moved.unknown))
        return moved

    def _put_users(self, group: StoredGroup, step: MemberStep, moved: _Moved) -> tuple[str, ...]:
        """Add users, or make them all there are; return the ids that are no users."""
        put = self.directory.add_members if step.action is MemberAction.ADD else self.directory.replace_members
        delta = put(
            group.id,
            step.ids,
            source=MembershipSource.SCIM,
            connection_id=self.caller.connection_id,
            now=self.now,
        )
        moved.added.extend(delta.added)
        moved.removed.extend(delta.removed)
        return delta.unknown

    def _add_groups(self, group: StoredGroup, ids: Sequence[str], moved: _Moved) -> None:
        known = set(self.directory.children_among(group.id, ids)) if ids else set()
        new = [id_ for id_ in ids if id_ not in known]
        if new:
            self._must_be_alone()
            moved.entered.extend(self.directory.add_children(group.id, new, self.now))

    def _remove_groups(self, group: StoredGroup, ids: Sequence[str], moved: _Moved) -> None:
        if ids:
            self._must_be_alone()
            moved.left.extend(self.directory.remove_children(group.id, ids, self.now))

    def _must_be_alone(self) -> None:
        if not self.alone:
            raise _Nests

    def leave_nesting(self, group: StoredGroup) -> tuple[str, ...]:
        """Take a group that is to be deleted out of the nesting; return the users who were in it, directly or not."""
        self._must_be_alone()
        below = tuple(self.directory.members_below(group.id))
        self.directory.leave_nesting(group.id, self.now)
        return below

    def concerned(self, group: StoredGroup) -> bool:
        """Return whether being in a group, or in what that is in, can change anyone's grants."""
        if self.rulebook.concerns(core_group(self.caller, group)):
            return True
        return group.nested and any(map(self.rulebook.concerns, self.directory.groups_above(group.id)))

    def affected(self, old: StoredGroup, new: StoredGroup, moved: _Moved) -> Iterable[str]:
        """Return whose grants may differ: who moved, or everyone in a renamed group, whose name their grants tell."""
        before, after = core_group(self.caller, old), core_group(self.caller, new)
        if not (self.concerned(old) or (before != after and self.rulebook.concerns(after))):
            return ()
        below = {user_id for id_ in (*moved.entered, *moved.left) for user_id in self.directory.members_below(id_)}
        if before == after:
            return moved.users | below
        return [*self.directory.members_below(new.id), *moved.removed, *below]

    def recompute(self, user_ids: Iterable[str], text: str, guarding: Guarding = Guarding.COUNTED) -> None:
        """Resolve users again because of what `text` says; only what takes people out of groups may be held."""
        cause = Cause(self.caller.actor, self.caller.request_id, text, guarding)
        recompute(self.unit, self.caller.organization_id, self.rulebook, user_ids, cause, self.now)

    def end_assignments(self, user_id: str, reason: str) -> None:
        """End what was given to a user by hand."""
        granted = self.unit.grants(self.caller.organization_id)
        for record in granted.manual_of_users([user_id])[user_id]:
            granted.end_manual(record.id, actor=self.caller.actor, reason=reason, now=self.now)

    def end_access(self, user_id: str, why: EndedWhy) -> None:
        """End a user's sessions and what they gave to applications; whoever never signed in costs one question."""
        Endings(self.unit, self.caller.organization_id, self.now).people([user_id], why)

    def audit(self, kind: str, subject_id: str, before: str | None, after: str | None) -> None:
        """Record what happened to a user or group; `kind` begins with which of the two it is."""
        self.unit.record(self.caller.organization_id).audit(
            kind=kind,
            actor=self.caller.actor,
            request_id=self.caller.request_id,
            subject_kind=kind.partition(".")[0],
            subject_id=subject_id,
            before=before,
            after=after,
            reason="",
            now=self.now,
        )


class _Nests(Exception):
    """That a change moves groups in groups, for which it must have the organization to itself."""


class _Moved:
    """Who entered and left a group in one request, users and groups, and which ids nobody knows."""

    def __init__(self) -> None:
        self.added: list[str] = []
        self.removed: list[str] = []
        self.entered: list[str] = []
        self.left: list[str] = []
        self.unknown: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.entered or self.left)

    @property
    def users(self) -> set[str]:
        return {*self.added, *self.removed}


def with_moves(group: StoredGroup, moved: _Moved) -> str:
    """Return what an audit row says of a group after a change: the resource, and who came and went."""
    moves = {
        "added": moved.added,
        "removed": moved.removed,
        "groups_added": moved.entered,
        "groups_removed": moved.left,
        "unknown": moved.unknown,
    }
    told = {name: ids for name, ids in moves.items() if ids}
    return json.dumps({"group": json.loads(group.body), **told}, ensure_ascii=False)


def _found(kind: str, name: str, resource: _T | None) -> _T:
    if resource is None:
        raise NotFound(kind, name)
    return resource


def _check_version(current: int, versions: Versions) -> None:
    if not versions.include(current):
        raise VersionMismatch(current)


def core_user(caller: Caller, user: StoredUser) -> User:
    """Return a user of the caller's connection as rules see them."""
    return User(user.id, user.user_name, user.active, caller.connection_name, user.resource())


def core_group(caller: Caller, group: StoredGroup) -> Group:
    """Return a group of the caller's connection as rules see it."""
    return Group(group.id, group.display, caller.connection_name, group.external_id)


def what_happened(old: StoredUser, new: StoredUser) -> str:
    """Return the kind of the audit row of a user's change."""
    if old.active != new.active:
        return "user.reactivated" if new.active else "user.deactivated"
    return "user.updated"


def _user_cause(old: StoredUser, new: StoredUser) -> str:
    return f"user `{new.user_name}` {what_happened(old, new).removeprefix('user.')}"


def _group_cause(old: StoredGroup, new: StoredGroup, moved: _Moved) -> str:
    parts = [f"renamed from `{old.display}`"] if old.display != new.display else []
    parts += [f"{len(moved.added)} added"] if moved.added else []
    parts += [f"{len(moved.removed)} removed"] if moved.removed else []
    parts += [f"{len(moved.entered)} groups added"] if moved.entered else []
    parts += [f"{len(moved.left)} groups removed"] if moved.left else []
    return f"group `{new.display}`: {', '.join(parts) or 'changed'}"


def _guarding(old: StoredGroup, new: StoredGroup, moved: _Moved) -> Guarding:
    """Return what guard rails do about a group's change: who is only added loses nothing by it that is held."""
    taken = bool(moved.removed or moved.left) or (old.display, old.external_id) != (new.display, new.external_id)
    return Guarding.HELD if taken else Guarding.COUNTED


def may_matter(rulebook: Rulebook, old: StoredUser, new: StoredUser) -> bool:
    """Return whether a user's change can change their grants."""
    if not rulebook.programs:
        return False
    return old.active != new.active or old.user_name != new.user_name or rulebook.reads_attributes
