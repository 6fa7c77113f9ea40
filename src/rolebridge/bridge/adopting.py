"""Adopting: users and groups of one connection become another's, as when an identity provider is replaced.

All of it in one transaction, or none; a preview is the same transaction, undone at its end, so that it tells exactly
what would happen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.applications import EndedWhy
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError
from rolebridge.core.guardrails import Guarding
from rolebridge.core.plan import Change
from rolebridge.store.adoption import Adoption, Collision, Parting
from rolebridge.store.engine import Store
from rolebridge.store.records import Connection
from rolebridge.store.scope import GROUP, USER
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to move: users and groups by name or id, or with `everything` all there is."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Adopted:
    """What moved: users and groups as (id, name), the memberships that ended, and what changed for people."""

    users: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, str], ...]
    partings: tuple[Parting, ...]
    changes: tuple[Change, ...]


class Collides(RolebridgeError):
    """That the target connection has other resources in the way of some; nothing was changed."""

    def __init__(self, collisions: Sequence[Collision], target: str) -> None:
        many = f"{len(collisions)} resources collide" if len(collisions) > 1 else "1 resource collides"
        super().__init__(f"{many} with what connection `{target}` has already; nothing was changed")
        self.collisions = tuple(collisions)


class _Undone(Exception):
    """Carries what would have happened out of a transaction that must not happen."""

    def __init__(self, adopted: Adopted) -> None:
        super().__init__()
        self.adopted = adopted


class Adopting:
    """Transfers of ownership between connections of one organization."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def preview(self, operator: Operator, source: Connection, target: Connection, wanted: Selection) -> Adopted:
        """Return what `adopt` would do. Raises what it raises."""

        def work(unit: Unit) -> None:
            raise _Undone(self._transfer(unit, operator, source, target, "preview").move(wanted))

        try:
            self._store.transact(work)
        except _Undone as undone:
            return undone.adopted
        raise AssertionError("unreachable")

    def adopt(
        self, operator: Operator, source: Connection, target: Connection, wanted: Selection, *, reason: str
    ) -> Adopted:
        """Make the selected resources of `source` the target's, with `reason` on record for each.

        Raises NotFound and Invalid for the selection, Collides when the target has what some of it would be.
        """
        return self._store.transact(lambda unit: self._transfer(unit, operator, source, target, reason).move(wanted))

    def _transfer(
        self, unit: Unit, operator: Operator, source: Connection, target: Connection, reason: str
    ) -> _Transfer:
        if source.organization_id != target.organization_id or source.id == target.id:
            raise Invalid("resources move between two connections of one organization", "target")
        unit.directory(source.organization_id).lock_organization(exclusive=True)
        rulebook = self._rulebooks.current(unit, source.organization_id)
        return _Transfer(unit, operator, source, target, rulebook, reason, self._clock())


@dataclass(frozen=True, slots=True)
class _Transfer:
    """One transfer while its transaction runs."""

    unit: Unit
    operator: Operator
    source: Connection
    target: Connection
    rulebook: Rulebook
    reason: str
    now: datetime

    @property
    def adoption(self) -> Adoption:
        return self.unit.adoption(self.source.organization_id)

    def move(self, wanted: Selection) -> Adopted:
        """Move what is selected, or raise."""
        users, groups = self.selected(wanted)
        if not users and not groups:
            raise Invalid(f"there is nothing of connection `{self.source.name}` to move", "selection")
        source, target, adoption = self.source.id, self.target.id, self.adoption
        user_ids, group_ids = [id_ for id_, _ in users], [id_ for id_, _ in groups]
        collisions = adoption.collisions(USER, user_ids, target) + adoption.collisions(GROUP, group_ids, target)
        if collisions:
            raise Collides(collisions, self.target.name)
        adoption.move(USER, user_ids, source, target, self.now)
        adoption.move(GROUP, group_ids, source, target, self.now)
        # Who vouched for these people vouches no more: they sign in by the other one.
        Endings(self.unit, self.source.organization_id, self.now).people(user_ids, EndedWhy.ADOPTED)
        partings = adoption.part(user_ids, group_ids, self.now)
        adoption.end_logins(user_ids, group_ids, self.now)
        self.unit.logins(self.source.organization_id).forget_users(user_ids)
        if groups:
            self.unit.directory(self.source.organization_id).rebuild_nesting()
        self.record(USER, user_ids)
        self.record(GROUP, group_ids)
        self.record_partings(partings)
        return Adopted(tuple(users), tuple(groups), tuple(partings), self.recompute(user_ids, bool(groups)))

    def selected(self, wanted: Selection) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Return the users and groups that are to move, as (id, name)."""
        if wanted.everything:
            return self.adoption.all_of(USER, self.source.id), self.adoption.all_of(GROUP, self.source.id)
        directory = self.unit.directory(self.source.organization_id)
        users = {}
        for name in wanted.users:
            found = [user for user in directory.user_by_name(name) if user.connection_id == self.source.id]
            if len(found) > 1:
                meant = " or ".join(f"`{user.user_name}`" for user in found)
                raise Invalid(f"`{name}` may be {meant}; say which", USER)
            if not found:
                raise NotFound(f"user of connection `{self.source.name}`", name)
            users[found[0].id] = found[0].user_name
        groups = {}
        for name in wanted.groups:
            matching = [group for group in directory.group_by_name(name) if group.connection_id == self.source.id]
            if not matching:
                raise NotFound(f"group of connection `{self.source.name}`", name)
            groups[matching[0].id] = matching[0].display
        return list(users.items()), list(groups.items())

    def recompute(self, user_ids: Sequence[str], groups_moved: bool) -> tuple[Change, ...]:
        """Resolve again whose grants may differ.

        Rules read a person's connection and groups. Where groups move, and groups are in groups, that can be anybody
        of the two connections; a transfer is rare enough to look at all of them.
        """
        affected = set(user_ids)
        if groups_moved:
            for connection in (self.source, self.target):
                affected.update(id_ for id_, _ in self.adoption.all_of(USER, connection.id))
        text = f"moved from connection `{self.source.name}` to `{self.target.name}`"
        cause = Cause(self.operator.actor, self.operator.request_id, text, Guarding.HELD)
        return recompute(self.unit, self.source.organization_id, self.rulebook, affected, cause, self.now)

    def record(self, kind: str, ids: Sequence[str]) -> None:
        """Record the move of each resource."""
        before, after = ({"connection": connection.name} for connection in (self.source, self.target))
        for id_ in ids:
            self.audit(f"{kind}.adopted", id_, before, after)

    def record_partings(self, partings: Sequence[Parting]) -> None:
        """Record of each group who left it."""
        left: dict[str, list[str]] = {}
        for parting in partings:
            left.setdefault(parting.group_id, []).append(parting.member_id)
        for group_id, members in left.items():
            self.audit("group.updated", group_id, None, {"removed": members})

    def audit(self, kind: str, subject_id: str, before: object, after: object) -> None:
        """Record what happened to a user or group; `kind` begins with which of the two it is."""
        self.unit.record(self.source.organization_id).audit(
            kind=kind,
            actor=self.operator.actor,
            request_id=self.operator.request_id,
            subject_kind=kind.partition(".")[0],
            subject_id=subject_id,
            before=None if before is None else json.dumps(before, ensure_ascii=False),
            after=json.dumps(after, ensure_ascii=False),
            reason=self.reason,
            now=self.now,
        )
