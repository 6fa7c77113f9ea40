"""Provisioning: what an IdP's connection does to the directory, and what follows for people's access.

Each write is one transaction: the resource, its memberships, the grants of exactly the users it affects, audit and
outbox. It is answered from inside that transaction, so the answer is what was committed. A write that changes nothing
leaves version and lastModified alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

from rolebridge.bridge.callers import Caller
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.directory import (
    Group,
    GroupChange,
    GroupDraft,
    MemberAction,
    MembershipSource,
    MemberStep,
    UserDraft,
)
from rolebridge.core.errors import NotFound, UnknownMembers, VersionMismatch
from rolebridge.core.filters import ResolvedFilter
from rolebridge.store.engine import Store
from rolebridge.store.records import GroupAnswer, Page, StoredGroup, StoredUser, UserAnswer
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

    # --- users -----------------------------------------------------------------------------------------------

    def create_user(self, caller: Caller, draft: UserDraft) -> UserAnswer:
        """Create a user, active unless the draft says otherwise. Raises Taken."""

        def work(unit: Unit) -> UserAnswer:
            now = self._clock()
            rulebook = self._begin(unit, caller)
            user = unit.directory(caller.organization_id).insert_user(caller.connection_id, draft, str(uuid4()), now)
            self._audit_user(unit, caller, "user.created", None, user, now)
            if user.active and rulebook.concerns_user(user.user_name.casefold()):
                self._recompute(unit, caller, rulebook, [user.id], f"user `{user.user_name}` created", now)
            return self._user_answer(unit, caller, user.id)

        return self._store.transact(work)

    def change_user(
        self, caller: Caller, user_id: str, change: Callable[[UserDraft], UserDraft], if_match: int | None = None
    ) -> UserAnswer:
        """Make a user what `change` makes of them (PUT and PATCH alike). Raises NotFound, Taken, VersionMismatch.

        A draft whose `active` is None keeps the user as active or inactive as they are.
        """

        def work(unit: Unit) -> UserAnswer:
            now = self._clock()
            rulebook = self._begin(unit, caller)
            directory = unit.directory(caller.organization_id)
            old = _found("user", user_id, directory.user(caller.connection_id, user_id, lock=True))
            _check_version(old.version, if_match)
            draft = change(old.draft())
            if draft.active is None:
                draft = UserDraft(draft.user_name, draft.external_id, old.active, draft.attributes)
            if draft == old.draft():
                return self._user_answer(unit, caller, user_id)
            new = directory.update_user(old, draft, now)
            self._audit_user(unit, caller, _what_happened(old, new), old, new, now)
            if _may_matter(rulebook, old, new):
                self._recompute(unit, caller, rulebook, [user_id], _user_cause(old, new), now)
            return self._user_answer(unit, caller, user_id)

        return self._store.transact(work)

    def delete_user(self, caller: Caller, user_id: str, if_match: int | None = None) -> None:
        """Delete a user: memberships and grants go with them, the id is never used again. Raises NotFound."""

        def work(unit: Unit) -> None:
            now = self._clock()
            rulebook = self._begin(unit, caller)
            directory = unit.directory(caller.organization_id)
            old = _found("user", user_id, directory.user(caller.connection_id, user_id, lock=True))
            _check_version(old.version, if_match)
            directory.delete_user(old, now)
            self._audit_user(unit, caller, "user.deleted", old, None, now)
            self._recompute(unit, caller, rulebook, [user_id], f"user `{old.user_name}` deleted", now)

        self._store.transact(work)

    def user(self, caller: Caller, user_id: str) -> UserAnswer:
        """Return a user's stored answer. Raises NotFound."""
        with self._store.read() as unit:
            return self._user_answer(unit, caller, user_id)

    def find_users(
        self, caller: Caller, wanted: ResolvedFilter | None, *, offset: int, limit: int, with_groups: bool = True
    ) -> Page[UserAnswer]:
        """Return the users that `wanted` holds for, `limit` of them from `offset` (from 0), oldest first."""
        with self._store.read() as unit:
            return unit.directory(caller.organization_id).find_users(
                caller.connection_id, wanted, offset=offset, limit=limit, prefix=self.scim_base, with_groups=with_groups
            )

    # --- groups ----------------------------------------------------------------------------------------------

    def create_group(
        self, caller: Caller, draft: GroupDraft, member_ids: Sequence[str], *, refuse_unknown: bool
    ) -> tuple[GroupAnswer, tuple[str, ...]]:
        """Create a group; returns its answer and the member ids that are no users of the connection.

        Raises Taken, and UnknownMembers when `refuse_unknown` and there are any.
        """

        def work(unit: Unit) -> tuple[GroupAnswer, tuple[str, ...]]:
            now = self._clock()
            rulebook = self._begin(unit, caller)
            directory = unit.directory(caller.organization_id)
            group = directory.insert_group(caller.connection_id, draft, str(uuid4()), now)
            steps = (MemberStep(MemberAction.ADD, tuple(member_ids)),) if member_ids else ()
            moved = self._take_steps(unit, caller, rulebook, group, steps, now)
            _refuse(moved, refuse_unknown)
            self._audit_group(unit, caller, "group.created", None, group, moved, now)
            if moved.users and rulebook.concerns(_core_group(caller, group)):
                self._recompute(unit, caller, rulebook, moved.users, f"group `{group.display}` created", now)
            return self._group_answer(unit, caller, group.id), tuple(moved.unknown)

        return self._store.transact(work)

    def change_group(
        self,
        caller: Caller,
        group_id: str,
        change: GroupChange,
        *,
        refuse_unknown: bool,
        if_match: int | None = None,
    ) -> tuple[int, tuple[str, ...]]:
        """Apply a change to a group, all of it or none; the cost grows with the change, not with the group.

        Returns the group's version and the member ids that are no users of the connection. Raises NotFound, Taken,
        VersionMismatch, and UnknownMembers when `refuse_unknown` and there are any.
        """

        def work(unit: Unit) -> tuple[int, tuple[str, ...]]:
            now = self._clock()
            rulebook = self._begin(unit, caller)
            directory = unit.directory(caller.organization_id)
            old = _found("group", group_id, directory.group(caller.connection_id, group_id, lock=True))
            _check_version(old.version, if_match)
            new = old
            if change.revise is not None and (draft := change.revise(old.draft())) != old.draft():
                new = directory.update_group(old, draft, now)
            moved = self._take_steps(unit, caller, rulebook, new, change.steps, now)
            _refuse(moved, refuse_unknown)
            if new is old and not moved.happened:
                return old.version, tuple(moved.unknown)
            self._audit_group(unit, caller, "group.updated", old, new, moved, now)
            affected = self._affected(unit, caller, rulebook, old, new, moved)
            self._recompute(unit, caller, rulebook, affected, _group_cause(old, new, moved), now)
            return directory.group_version(group_id), tuple(moved.unknown)

        return self._store.transact(work)

    def delete_group(self, caller: Caller, group_id: str, if_match: int | None = None) -> None:
        """Delete a group; its members stay, and lose what only this group gave them. Raises NotFound."""

        def work(unit: Unit) -> None:
            now = self._clock()
            rulebook = self._begin(unit, caller)
            directory = unit.directory(caller.organization_id)
            old = _found("group", group_id, directory.group(caller.connection_id, group_id, lock=True))
            _check_version(old.version, if_match)
            concerned = rulebook.concerns(_core_group(caller, old))
            affected = list(directory.member_ids(group_id)) if concerned else []
            directory.delete_group(old, now)
            self._audit_group(unit, caller, "group.deleted", old, None, _Moved(), now)
            self._recompute(unit, caller, rulebook, affected, f"group `{old.display}` deleted", now)

        self._store.transact(work)

    def group(self, caller: Caller, group_id: str, *, with_members: bool = True) -> GroupAnswer:
        """Return a group's stored answer, with its members' text in blocks unless not wanted. Raises NotFound."""
        with self._store.read(snapshot=with_members) as unit:
            return self._group_answer(unit, caller, group_id, with_members=with_members)

    def find_groups(
        self, caller: Caller, wanted: ResolvedFilter | None, *, offset: int, limit: int, with_members: bool = True
    ) -> Page[GroupAnswer]:
        """Return the groups that `wanted` holds for, `limit` of them from `offset` (from 0), oldest first."""
        with self._store.read() as unit:
            return unit.directory(caller.organization_id).find_groups(
                caller.connection_id,
                wanted,
                offset=offset,
                limit=limit,
                prefix=self.scim_base,
                with_members=with_members,
            )

    # --- shared steps ----------------------------------------------------------------------------------------

    def _begin(self, unit: Unit, caller: Caller) -> Rulebook:
        """Keep an apply from replacing the mapping under this change, and return the mapping in force."""
        unit.directory(caller.organization_id).lock_organization(exclusive=False)
        return self._rulebooks.current(unit, caller.organization_id)

    def _recompute(
        self, unit: Unit, caller: Caller, rulebook: Rulebook, user_ids: Iterable[str], text: str, now: datetime
    ) -> None:
        cause = Cause(caller.actor, caller.request_id, text)
        recompute(unit, caller.organization_id, rulebook, user_ids, cause, now)

    def _user_answer(self, unit: Unit, caller: Caller, user_id: str) -> UserAnswer:
        directory = unit.directory(caller.organization_id)
        return _found("user", user_id, directory.user_answer(caller.connection_id, user_id, prefix=self.scim_base))

    def _group_answer(self, unit: Unit, caller: Caller, group_id: str, *, with_members: bool = True) -> GroupAnswer:
        directory = unit.directory(caller.organization_id)
        answer = directory.group_answer(
            caller.connection_id, group_id, prefix=self.scim_base, with_members=with_members
        )
        return _found("group", group_id, answer)

    def _take_steps(
        self,
        unit: Unit,
        caller: Caller,
        rulebook: Rulebook,
        group: StoredGroup,
        steps: Sequence[MemberStep],
        now: datetime,
    ) -> _Moved:
        """Move members as the steps say, in order. Those whose grants may follow are locked first, all at once."""
        directory = unit.directory(caller.organization_id)
        if rulebook.concerns(_core_group(caller, group)):
            directory.lock_users(sorted({user_id for step in steps for user_id in step.ids}))
        moved = _Moved()
        for step in steps:
            if step.action is MemberAction.REMOVE:
                moved.removed.extend(directory.remove_members(group.id, step.ids, now))
                continue
            put = directory.add_members if step.action is MemberAction.ADD else directory.replace_members
            delta = put(group.id, step.ids, source=MembershipSource.SCIM, connection_id=caller.connection_id, now=now)
            moved.added.extend(delta.added)
            moved.removed.extend(delta.removed)
            moved.unknown.extend(delta.unknown)
        return moved

    def _affected(
        self, unit: Unit, caller: Caller, rulebook: Rulebook, old: StoredGroup, new: StoredGroup, moved: _Moved
    ) -> Iterable[str]:
        """Return whose grants may differ: everyone in a group that rules now read differently, else who moved."""
        before, after = _core_group(caller, old), _core_group(caller, new)
        if new is not old and rulebook.tells_apart(before, after):
            return [*unit.directory(caller.organization_id).member_ids(new.id), *moved.removed]
        return moved.users if rulebook.concerns(after) else ()

    # --- audit -----------------------------------------------------------------------------------------------

    def _audit_user(
        self, unit: Unit, caller: Caller, kind: str, old: StoredUser | None, new: StoredUser | None, now: datetime
    ) -> None:
        subject = new or old
        assert subject is not None
        unit.record(caller.organization_id).audit(
            kind=kind,
            actor=caller.actor,
            request_id=caller.request_id,
            subject_kind="user",
            subject_id=subject.id,
            before=old.body if old else None,
            after=new.body if new else None,
            reason="",
            now=now,
        )

    def _audit_group(
        self,
        unit: Unit,
        caller: Caller,
        kind: str,
        old: StoredGroup | None,
        new: StoredGroup | None,
        moved: _Moved,
        now: datetime,
    ) -> None:
        subject = new or old
        assert subject is not None
        after = {"group": json.loads(new.body) if new else None, **moved.told()}
        unit.record(caller.organization_id).audit(
            kind=kind,
            actor=caller.actor,
            request_id=caller.request_id,
            subject_kind="group",
            subject_id=subject.id,
            before=old.body if old else None,
            after=json.dumps(after, ensure_ascii=False),
            reason="",
            now=now,
        )


class _Moved:
    """Who entered and left a group in one request, and which ids nobody knows."""

    def __init__(self) -> None:
        self.added: list[str] = []
        self.removed: list[str] = []
        self.unknown: list[str] = []

    @property
    def happened(self) -> bool:
        return bool(self.added or self.removed)

    @property
    def users(self) -> set[str]:
        return {*self.added, *self.removed}

    def told(self) -> dict[str, list[str]]:
        parts = {"added": self.added, "removed": self.removed, "unknown": self.unknown}
        return {name: ids for name, ids in parts.items() if ids}


def _found(kind: str, name: str, resource: _T | None) -> _T:
    if resource is None:
        raise NotFound(kind, name)
    return resource


def _check_version(current: int, if_match: int | None) -> None:
    if if_match is not None and if_match != current:
        raise VersionMismatch(current)


def _refuse(moved: _Moved, refuse_unknown: bool) -> None:
    if refuse_unknown and moved.unknown:
        raise UnknownMembers(tuple(moved.unknown))


def _core_group(caller: Caller, group: StoredGroup) -> Group:
    return Group(group.id, group.display, caller.connection_name, group.external_id)


def _what_happened(old: StoredUser, new: StoredUser) -> str:
    if old.active != new.active:
        return "user.reactivated" if new.active else "user.deactivated"
    return "user.updated"


def _user_cause(old: StoredUser, new: StoredUser) -> str:
    return f"user `{new.user_name}` {_what_happened(old, new).removeprefix('user.')}"


def _group_cause(old: StoredGroup, new: StoredGroup, moved: _Moved) -> str:
    parts = [f"renamed from `{old.display}`"] if old.display != new.display else []
    parts += [f"{len(moved.added)} added"] if moved.added else []
    parts += [f"{len(moved.removed)} removed"] if moved.removed else []
    return f"group `{new.display}`: {', '.join(parts) or 'changed'}"


def _may_matter(rulebook: Rulebook, old: StoredUser, new: StoredUser) -> bool:
    """Return whether a user's change can change their grants."""
    return old.active != new.active or old.user_name != new.user_name or rulebook.reads_attributes
