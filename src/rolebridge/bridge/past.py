"""The past, from the record: a person, a mapping and grants as they were at a moment.

Every change tells in the audit what was before it. So what was at a moment is what stood before the first change after
it; and where there was none since, what stands now. Memberships and assignments by hand keep their own beginnings and
ends. Of the three accounts of somebody's roles, what they were by rule is resolved again, and what was recorded is
taken back from the grants of today, change by change: where they differ, that is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from rolebridge.bridge.auditing import GRANTS_CHANGED
from rolebridge.bridge.rulebooks import MappingUnreadable, Rulebook, compile_rulebook, mapping_table, read_mappings
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.chain import is_tombstone
from rolebridge.core.directory import Group, Membership, User
from rolebridge.core.errors import Invalid
from rolebridge.core.grants import Grant
from rolebridge.core.mapping import Project
from rolebridge.core.moments import stamp
from rolebridge.core.nesting import Nested, effective, ways_up
from rolebridge.core.registry import Mode, RegisteredProject, Registry
from rolebridge.store.records import AuditEntry
from rolebridge.store.unit import Unit

_BODIES: Final = {
    "user": ("user.created", "user.updated", "user.deactivated", "user.reactivated", "user.deleted"),
    "group": ("group.created", "group.updated", "group.deleted"),
}
_MODES: Final = ("workspace.observed", "workspace.enforced")
_PROJECTS: Final = ("project.changed", "project.archived", "project.restored")


@dataclass(frozen=True, slots=True)
class RecordedRole:
    """A role as the audit recorded it: what of a grant tells who held what, and why."""

    workspace: str
    slot: str
    project: str
    role: str
    state: str
    source: str
    rule: str
    lock: str
    revision: int
    because: Mapping[str, Any]
    acts_as_role: str = ""
    reach: str = ""
    valid_until: date | None = None
    held_since: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return (workspace, slot, project, role)."""
        return (self.workspace, self.slot, self.project, self.role)

    def in_force(self, day: date) -> bool:
        """Return whether it was, or told why it was not, on a day: what has ended holds no longer."""
        return self.valid_until is None or day <= self.valid_until


@dataclass(frozen=True, slots=True)
class PersonThen:
    """A person as they were; `user` None when there was nobody. `gaps` tell what the record does not hold any more."""

    user_id: str
    user: User | None
    memberships: tuple[Membership, ...]
    manual: tuple[ManualAssignment, ...]
    recorded: tuple[RecordedRole, ...]
    gaps: tuple[str, ...]


class Past:
    """One organization at one moment. Of no use after the reading that it was made in."""

    def __init__(self, unit: Unit, organization_id: str, at: datetime, now: datetime) -> None:
        """Raises Invalid for a moment to come, and for one before the record begins."""
        self._unit = unit
        self._organization_id = organization_id
        self.at = at
        self._audit = unit.audit(organization_id)
        begins = self._audit.begins()
        if at > now:
            raise Invalid(f"{stamp(at)} is still to come; the record tells of what was", "at")
        if begins is None or at < begins:
            known = f"begins at {stamp(begins)}" if begins else "is empty"
            raise Invalid(f"the record does not reach back to {stamp(at)}: it {known}", "at")
        self._place = self._audit.place_before(at)
        self._names = {one.id: one.name for one in unit.accounts.connections(organization_id)}

    # --- people

    def person(self, user_id: str) -> PersonThen:
        """Return a person as they were."""
        gaps: list[str] = []
        user = self._user(user_id, gaps)
        recorded = self.recorded([user_id]).get(user_id, ())
        if user is None:
            return PersonThen(user_id, None, (), (), recorded, tuple(gaps))
        manual = tuple(self._unit.grants(self._organization_id).manual_at(user_id, self.at))
        memberships = self._memberships(user_id)
        return PersonThen(user_id, user, memberships, manual, recorded, tuple(gaps))

    def user(self, user_id: str) -> User | None:
        """Return a user as they were, None for nobody."""
        return self._user(user_id, [])

    def _user(self, user_id: str, gaps: list[str]) -> User | None:
        now = next(iter(self._unit.directory(self._organization_id).core_users([user_id])), None)
        first = self._first("user", user_id)
        if first is None:
            return now and replace(now, connection=self._connection("user", user_id, now.connection))
        if first.kind == "user.created":
            return None
        if is_tombstone(first.before):
            gaps.append("what was recorded of the person was erased")
            return None
        body: dict[str, Any] = json.loads(first.before or "{}")
        connection = self._connection("user", user_id, now.connection if now else "")
        active = body.get("active")
        if active is None:
            active = self._was_active(user_id, now)
        return User(user_id, str(body.get("userName", "")), bool(active), connection, body)

    def _was_active(self, user_id: str, now: User | None) -> bool:
        """Return whether somebody whose client said nothing of it was active."""
        turned = self._after(user_id, ("user.deactivated", "user.reactivated"))
        if turned is not None:
            return turned.kind == "user.deactivated"
        return now is None or now.active

    def _connection(self, kind: str, id_: str, present: str) -> str:
        moved = self._after(id_, (f"{kind}.adopted",))
        if moved is not None:
            return str(json.loads(moved.before or "{}").get("connection", ""))
        if present:
            return present
        gone = self._unit.directory(self._organization_id).departed(id_)
        return self._names.get(gone.connection_id, "") if gone else ""

    # --- groups

    def _memberships(self, user_id: str) -> tuple[Membership, ...]:
        history = self._unit.history(self._organization_id)
        held = history.memberships_at([user_id], self.at).get(user_id, [])
        edges: dict[str, list[tuple[str, datetime]]] = {}
        seen = frontier = {one.group_id for one in held}
        while frontier:
            found = history.nestings_at(frontier, self.at)
            for edge in found:
                edges.setdefault(edge.child_id, []).append((edge.parent_id, edge.since))
            frontier = {edge.parent_id for edge in found} - seen
            seen = seen | frontier
        groups = {id_: group for id_ in sorted(seen) if (group := self._group(id_)) is not None}
        parents = {
            child: [Nested(groups[parent], since) for parent, since in sorted(above) if parent in groups]
            for child, above in edges.items()
        }
        direct = [Membership(groups[one.group_id], one.since, one.source) for one in held if one.group_id in groups]
        return effective(direct, {id_: ways_up(group, parents) for id_, group in groups.items()})

    def _group(self, group_id: str) -> Group | None:
        first = self._first("group", group_id)
        if first is None:
            now = self._unit.directory(self._organization_id).group(None, group_id)
            if now is None:
                return None
            connection = self._connection("group", group_id, self._names.get(now.connection_id, ""))
            return Group(group_id, now.display, connection, now.external_id)
        if first.kind == "group.created":
            return None
        body: dict[str, Any] = json.loads(first.before or "{}")
        now = self._unit.directory(self._organization_id).group(None, group_id)
        connection = self._connection("group", group_id, self._names.get(now.connection_id, "") if now else "")
        return Group(group_id, str(body.get("displayName", "")), connection, body.get("externalId"))

    # --- grants

    def recorded(self, user_ids: Iterable[str]) -> dict[str, tuple[RecordedRole, ...]]:
        """Return what each of the users held, as recorded: today's grants, with every change since taken back."""
        ids = sorted(set(user_ids))
        present = self._unit.grants(self._organization_id).of_users(ids)
        changes = self._audit.of_subjects([GRANTS_CHANGED], ids, after=self._place)
        found: dict[str, tuple[RecordedRole, ...]] = {}
        for id_ in ids:
            held = {role.key: role for role in map(_role_of, present.get(id_, ()))}
            later = changes.get(id_, [])
            oldest = max((at for at, entry in enumerate(later) if entry.at > self.at), default=-1)
            for entry in later[: oldest + 1]:  # newest first
                for role in _roles(entry.after):
                    held.pop(role.key, None)
                held.update((role.key, role) for role in _roles(entry.before))
            found[id_] = tuple(held[key] for key in sorted(held) if held[key].in_force(self.at.date()))
        return found

    # --- mappings

    def rulebook(self) -> Rulebook:
        """Return what was in force. Raises Invalid when that revision cannot be read any more."""
        revision = self._unit.revisions(self._organization_id).at(self.at)
        registry = self._registry()
        if revision is None:
            return Rulebook(registry=registry)
        files = self._unit.revisions(self._organization_id).files(revision.number)
        table = mapping_table(self._unit, self._organization_id)
        mappings, diagnostics = read_mappings(files, revision.connections, table, None)
        if mappings is None:
            raise Invalid(str(MappingUnreadable(revision, files, diagnostics)), "at")
        return replace(compile_rulebook(revision.number, mappings, files, registry), digest=revision.digest)

    def _registry(self) -> Registry:
        rows = self._unit.workspaces(self._organization_id)
        observed = frozenset(one.workspace for one in rows.modes() if self._was_observed(one.workspace, one.mode))
        return Registry(0, observed, tuple(filter(None, map(self._project, rows.projects()))))

    def _was_observed(self, workspace: str, now: Mode) -> bool:
        turned = self._after(workspace, _MODES)
        return (json.loads(turned.before or "{}").get("mode") if turned else now) == Mode.OBSERVE

    def _project(self, one: RegisteredProject) -> RegisteredProject | None:
        if one.created > self.at:
            return None
        changed = self._after(f"{one.workspace}/{one.project.id}", _PROJECTS)
        if changed is None or changed.before is None:
            return one
        was: dict[str, Any] = json.loads(changed.before)
        project = Project(one.project.id, str(was.get("name", "")), frozenset(was.get("tags", ())), was.get("in"))
        return replace(one, project=project, archived_at=self.at if was.get("archived") else None)

    # --- small tools

    def _first(self, kind: str, id_: str) -> AuditEntry | None:
        return self._after(id_, _BODIES[kind])

    def _after(self, id_: str, kinds: Iterable[str]) -> AuditEntry | None:
        return self._audit.first_after(id_, kinds, self.at, place=self._place)


def _role_of(grant: Grant) -> RecordedRole:
    return RecordedRole(
        grant.workspace,
        grant.slot,
        grant.project,
        grant.role,
        grant.state,
        grant.source,
        grant.rule,
        grant.lock,
        grant.revision,
        json.loads(grant.because),
        grant.acts_as_role,
        grant.reach,
        grant.valid_until,
        stamp(grant.held_since) if grant.held_since else "",
    )


def _roles(text: str | None) -> Iterator[RecordedRole]:
    for told in json.loads(text or "[]"):
        until = told.get("valid_until")
        yield RecordedRole(
            told["workspace"],
            told["slot"],
            told["project"],
            told["role"],
            told["state"],
            told["source"],
            told["rule"],
            told["lock"],
            told["revision"],
            told["because"],
            (told.get("acts_as") or {}).get("role", ""),
            told.get("reach", ""),
            date.fromisoformat(until) if until else None,
            told.get("held_since", ""),
        )
