"""Access reviews: what a reviewer looks at to decide whether somebody should go on holding a role."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from rolebridge.bridge.access_then import people_then
from rolebridge.bridge.auditing import GRANTS_CHANGED
from rolebridge.bridge.past import Past, RecordedRole
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.bridge.titles import person_name
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.batches import batches
from rolebridge.core.chain import is_tombstone
from rolebridge.core.directory import User
from rolebridge.core.errors import NotFound
from rolebridge.core.moments import stamp
from rolebridge.core.schemas import ENTERPRISE_USER
from rolebridge.store.engine import Store
from rolebridge.store.records import AuditEntry
from rolebridge.store.unit import Unit

_CHUNK: Final = 200
_PEOPLE: Final = 20  # of a page at a time
_CHANGES: Final = ("user.created", "user.updated", "user.deactivated", "user.reactivated")


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One role of one person, for a reviewer.

    `group` and `rule` say through what it comes, `given_by` and `given_reason` who gave it by hand. `since` is when the
    person came to what gives it; `roles_changed` and `person_changed` when their roles, and what is known of them, last
    changed. `moved` tells of a mover what changed, and when.
    """

    person: str
    user_name: str
    user_id: str
    active: bool
    department: str
    manager: str
    workspace: str
    project: str
    slot: str
    role: str
    acts_as: str
    state: str
    lock: str
    source: str
    rule: str
    group: str
    given_by: str
    given_reason: str
    since: str
    until: str
    held_since: str
    revision: int | None
    roles_changed: datetime | None
    person_changed: datetime | None
    moved: str = ""
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """Some rows, and the id of the person to go on after; None when these were the last."""

    rows: tuple[ReviewRow, ...]
    after: str | None


COLUMNS: Final = tuple(field.name for field in fields(ReviewRow))
DECISION: Final = ("decision", "reviewer", "reviewed_at", "comment")
"""Columns that a review leaves empty, for whoever reviews."""


class Reviewing:
    """Access reviews of an organization's workspaces."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def review(self, organization_id: str, workspace: str, at: datetime | None = None) -> Iterator[ReviewRow]:
        """Yield what people hold in a workspace, or held at a moment: person by person, in the order of their ids.

        All of one state of the record. Raises NotFound for a workspace that no mapping names, and Invalid for a moment
        that the record does not reach.
        """
        with self._store.read(snapshot=True) as unit:
            reading = self._reading(unit, organization_id, workspace, at)
            for chunk in batches(reading.people(workspace), _CHUNK):
                yield from reading.rows(chunk, workspace)

    def page(
        self, organization_id: str, workspace: str, at: datetime | None = None, *, after: str = "", limit: int
    ) -> ReviewPage:
        """Return what `review` tells of people with ids after `after`: of whole people, at least `limit` rows if there.

        Raises NotFound for a workspace that no mapping names, and Invalid for a moment that the record does not reach.
        """
        found: list[ReviewRow] = []
        with self._store.read(snapshot=True) as unit:
            reading = self._reading(unit, organization_id, workspace, at)
            chunks = batches(reading.people(workspace, after), _PEOPLE)
            for chunk in chunks:
                found += reading.rows(chunk, workspace)
                if len(found) >= limit:
                    return ReviewPage(tuple(found), chunk[-1] if next(chunks, None) else None)
        return ReviewPage(tuple(found), None)

    def movers(self, organization_id: str, workspace: str) -> Iterator[ReviewRow]:
        """Yield assignments by hand that are older than their person's last change of department or manager."""
        with self._store.read(snapshot=True) as unit:
            reading = self._reading(unit, organization_id, workspace)
            for chunk in batches(unit.grants(organization_id).holders_by_hand(workspace), _CHUNK):
                yield from reading.movers(chunk, workspace)

    def _reading(self, unit: Unit, organization_id: str, workspace: str, at: datetime | None = None) -> _Reading:
        now = self._clock()
        past = Past(unit, organization_id, at or now, now)
        rulebook = self._rulebooks.current(unit, organization_id) if at is None else past.rulebook()
        if rulebook.program(workspace) is None:
            raise NotFound("workspace", workspace)
        return _Reading(unit, organization_id, past, present=at is None)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One review while it is read."""

    unit: Unit
    organization_id: str
    past: Past
    present: bool

    def people(self, workspace: str, after: str = "") -> Iterator[str]:
        """Yield the ids, after `after` in their order, of those who may hold something in a workspace."""
        if self.present:
            yield from (id_ for id_ in self.unit.grants(self.organization_id).holders(workspace) if id_ > after)
        else:
            yield from (id_ for id_, _, _ in people_then(self.unit, self.organization_id, self.past.at, after=after))

    def rows(self, ids: list[str], workspace: str) -> Iterator[ReviewRow]:
        held = {id_: [one for one in roles if one.workspace == workspace] for id_, roles in self._recorded(ids).items()}
        known = self._known([id_ for id_, roles in held.items() if roles])
        for id_, person in known.items():
            for role in held[id_]:
                yield ReviewRow(**person, **_of_role(role))

    def movers(self, ids: list[str], workspace: str) -> Iterator[ReviewRow]:
        by_hand = self.unit.grants(self.organization_id).manual_of_users(ids)
        changes = self.unit.audit(self.organization_id).of_subjects(_CHANGES, ids)
        known, held = self._known(ids), self._recorded(ids)
        for id_, person in known.items():
            moved = _last_move(changes.get(id_, []))
            for record in by_hand[id_] if moved else ():
                if moved and record.workspace == workspace and record.at < moved[0]:
                    role = _of_assignment(record, held.get(id_, ()))
                    yield ReviewRow(**person, **role, moved=moved[1], moved_at=moved[0])

    def _recorded(self, ids: list[str]) -> Mapping[str, tuple[RecordedRole, ...]]:
        return self.past.recorded(ids)

    def _known(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        """Return what the columns about persons say, in the order of their ids; those of nobody are left out."""
        audit = self.unit.audit(self.organization_id)
        roles_changed = audit.latest([GRANTS_CHANGED], ids) if self.present else {}
        person_changed = audit.latest(_CHANGES, ids) if self.present else {}
        users = {user.id: user for user in self._users(ids)}
        managers = self._names({_manager_id(user) for user in users.values()})
        return {
            id_: {
                "person": person_name(user),
                "user_name": user.user_name,
                "user_id": id_,
                "active": user.active,
                "department": str(_enterprise(user.attributes).get("department") or ""),
                "manager": managers.get(_manager_id(user)) or _manager_name(user),
                "roles_changed": roles_changed.get(id_),
                "person_changed": person_changed.get(id_),
            }
            for id_, user in sorted(users.items())
        }

    def _users(self, ids: list[str]) -> Iterator[User]:
        if self.present:
            yield from self.unit.directory(self.organization_id).core_users(ids)
        else:
            for id_ in ids:
                user = self.past.user(id_)
                # Who was erased still held what they held.
                yield user or User(id_, "", False, "", {"displayName": "(not known any more)"})

    def _names(self, ids: set[str]) -> dict[str, str]:
        users = self.unit.directory(self.organization_id).core_users(ids - {""})
        return {user.id: person_name(user) for user in users}


def _of_role(role: RecordedRole) -> dict[str, Any]:
    claims = [*role.because.get("winners", ()), *role.because.get("claims", ())]
    return {
        "workspace": role.workspace,
        "project": role.project,
        "slot": role.slot,
        "role": role.role,
        "acts_as": role.acts_as_role,
        "state": role.state,
        "lock": role.lock,
        "source": role.source,
        "rule": _each(claims, "rule"),
        "group": _each([claim.get("group", {}) for claim in claims], "display"),
        "given_by": _each(claims, "by"),
        "given_reason": _each(claims, "reason"),
        "since": min(
            (_moment(claim[name]) for claim in claims for name in ("since", "at") if name in claim), default=""
        ),
        "until": str(role.valid_until or ""),
        "held_since": role.held_since,
        "revision": role.revision,
    }


def _moment(text: str) -> str:
    return stamp(datetime.fromisoformat(text))


def _of_assignment(record: ManualAssignment, held: tuple[RecordedRole, ...]) -> dict[str, Any]:
    key = (record.workspace, record.slot, record.project or "", record.role)
    in_force = any(role.key == key and role.source == "manual" for role in held)
    return {
        "workspace": record.workspace,
        "project": record.project or "",
        "slot": record.slot,
        "role": record.role,
        "acts_as": "",
        "state": "effective" if in_force else "not in force",
        "lock": "",
        "source": "manual",
        "rule": "",
        "group": "",
        "given_by": record.by,
        "given_reason": record.reason,
        "since": stamp(record.at),
        "until": str(record.until or ""),
        "held_since": "",
        "revision": None,
    }


def _each(documents: list[dict[str, Any]], name: str) -> str:
    return "; ".join(dict.fromkeys(str(one[name]) for one in documents if one.get(name)))


# --- movers ----------------------------------------------------------------------------------------------------


def _last_move(changes: list[AuditEntry]) -> tuple[datetime, str] | None:
    """Return when department or manager changed last, and from what to what; `changes` are newest first."""
    for entry in changes:
        if entry.before is None or entry.after is None or is_tombstone(entry.before) or is_tombstone(entry.after):
            continue
        before, after = _enterprise(json.loads(entry.before)), _enterprise(json.loads(entry.after))
        moves = [
            f"{name}: {old or '-'} → {new or '-'}"
            for name, read in (("department", _department), ("manager", _manager))
            if (old := read(before)) != (new := read(after))
        ]
        if moves:
            return entry.at, "; ".join(moves)
    return None


def _enterprise(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    extension = resource.get(ENTERPRISE_USER)
    return extension if isinstance(extension, dict) else {}


def _department(extension: Mapping[str, Any]) -> str:
    return str(extension.get("department") or "")


def _manager(extension: Mapping[str, Any]) -> str:
    manager = extension.get("manager")
    return str(manager.get("displayName") or manager.get("value") or "") if isinstance(manager, dict) else ""


def _manager_id(user: User) -> str:
    manager = _enterprise(user.attributes).get("manager")
    return str(manager.get("value") or "") if isinstance(manager, dict) else ""


def _manager_name(user: User) -> str:
    return _manager(_enterprise(user.attributes))
