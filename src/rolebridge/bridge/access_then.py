"""Who held what at a moment, from the record: for the auditor who asks about a day that has passed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rolebridge.bridge.past import Past, RecordedRole
from rolebridge.core.batches import batches
from rolebridge.core.catalogue import Reach
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

_CHUNK: Final = 500
_PEOPLE: Final = 50  # of a page at a time


@dataclass(frozen=True, slots=True)
class HeldThen:
    """A role that somebody held; `user_name` is what they are called now, or were last, "" when that was erased."""

    user_id: str
    user_name: str
    deleted: bool
    role: RecordedRole


@dataclass(frozen=True, slots=True)
class PageThen:
    """Some rows, and the id of the person to go on after; None when these were the last."""

    rows: tuple[HeldThen, ...]
    after: str | None


class AccessThen:
    """The recorded roles of organizations as they were."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def rows(
        self,
        organization_id: str,
        at: datetime,
        *,
        workspace: str | None = None,
        project: str | None = None,
        user_id: str | None = None,
    ) -> Iterator[HeldThen]:
        """Yield what people held at a moment, person by person in the order of their ids, deleted ones included.

        With `project` those too whose role reached every project of its workspace. Everything is of one state of the
        record. Raises Invalid for a moment that the record does not reach.
        """
        with self._store.read(snapshot=True) as unit:
            past = Past(unit, organization_id, at, self._clock())
            for chunk in batches(people_then(unit, organization_id, at, user_id), _CHUNK):
                yield from _held_by(past, chunk, workspace, project)

    def page(
        self,
        organization_id: str,
        at: datetime,
        *,
        workspace: str | None = None,
        project: str | None = None,
        user_id: str | None = None,
        after: str = "",
        limit: int,
    ) -> PageThen:
        """Return the rows of people with ids after `after`: those of whole people, at least `limit` if there.

        Two pages may be of two states of the record, which tells the same of a past moment unless somebody was erased.
        Raises Invalid for a moment that the record does not reach.
        """
        found: list[HeldThen] = []
        with self._store.read(snapshot=True) as unit:
            past = Past(unit, organization_id, at, self._clock())
            chunks = batches(people_then(unit, organization_id, at, user_id, after=after), _PEOPLE)
            for chunk in chunks:
                found += _held_by(past, chunk, workspace, project)
                if len(found) >= limit:
                    return PageThen(tuple(found), chunk[-1][0] if next(chunks, None) else None)
        return PageThen(tuple(found), None)


def people_then(
    unit: Unit, organization_id: str, at: datetime, user_id: str | None = None, *, after: str = ""
) -> Iterator[tuple[str, str, bool]]:
    """Yield who can have held anything, with ids after `after` in their order: who is there, who was deleted since."""
    directory = unit.directory(organization_id)
    if user_id is not None:
        found = next(iter(directory.core_users([user_id])), None)
        gone = None if found else directory.departed(user_id)
        if user_id > after:
            yield user_id, found.user_name if found else gone.name if gone else "", found is None
        return
    here = ((user.id, user.user_name, False) for user in directory.all_core_users(_CHUNK, after=after))
    yield from heapq.merge(here, _departed(unit, organization_id, at, after))


def _departed(unit: Unit, organization_id: str, at: datetime, after: str) -> Iterator[tuple[str, str, bool]]:
    history = unit.history(organization_id)
    while page := history.departed_after(at, after=after, limit=_CHUNK):
        yield from ((id_, name, True) for id_, name in page)
        after = page[-1][0]


def _held_by(
    past: Past, people: Sequence[tuple[str, str, bool]], workspace: str | None, project: str | None
) -> Iterator[HeldThen]:
    roles = past.recorded(id_ for id_, _, _ in people)
    for id_, name, deleted in people:
        for role in roles[id_]:
            if _wanted(role, workspace, project):
                yield HeldThen(id_, name, deleted, role)


def _wanted(role: RecordedRole, workspace: str | None, project: str | None) -> bool:
    if workspace is not None and role.workspace != workspace:
        return False
    return project is None or role.project == project or (not role.project and role.reach == Reach.ALL)


def held_then_document(row: HeldThen) -> dict[str, Any]:
    """Return a role that was held as JSON has it."""
    role = row.role
    return {
        "user": {"id": row.user_id, "user_name": row.user_name or None, "deleted": row.deleted},
        "workspace": role.workspace,
        "project": role.project or None,
        "slot": role.slot,
        "role": role.role,
        "acts_as": role.acts_as_role or None,
        "state": role.state,
        "lock": role.lock or None,
        "source": role.source,
        "rule": role.rule or None,
        "revision": role.revision,
        "valid_until": str(role.valid_until) if role.valid_until else None,
        "held_since": role.held_since or None,
        "because": role.because,
    }
