"""Mapping revisions: the sets of files that were in force, numbered from 1; the last one is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import func, literal_column, select

from rolebridge.core.errors import Invalid
from rolebridge.store.documents import moment, stamp
from rolebridge.store.links import Row
from rolebridge.store.records import CarriedOut, Revision
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Statement, given, insert_into, storable
from rolebridge.store.tables.accounts import organizations
from rolebridge.store.tables.revisions import revision_files, revisions

_NAMES: Final = ("number", "digest", "connections", "created", "actor", "reason", "plan", "counts", "restores")
_COLUMNS: Final = tuple(revisions.c[name] for name in _NAMES)

INSERT: Final = Statement(lambda db: insert_into(db, revisions))
INSERT_FILE: Final = Statement(lambda db: insert_into(db, revision_files))
# Asked by every write: one step into the primary key, from its end.
ACTIVE_NUMBER: Final = Statement(
    lambda _: select(func.coalesce(func.max(revisions.c.number), literal_column("0"))).where(
        revisions.c.organization_id == given("organization_id")
    )
)
# The same with what else decides what the revision means: the organization's schemas, and what is registered.
IN_FORCE: Final = Statement(
    lambda _: select(
        select(func.max(revisions.c.number))
        .where(revisions.c.organization_id == given("organization_id"))
        .scalar_subquery(),
        organizations.c.schemas_version,
        organizations.c.registry_version,
    ).where(organizations.c.id == given("organization_id"))
)
REVISION: Final = Statement(
    lambda _: select(*_COLUMNS).where(
        revisions.c.organization_id == given("organization_id"),
        revisions.c.number == given("number", revisions.c.number),
    )
)
NEWEST: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(
            revisions.c.organization_id == given("organization_id"),
            revisions.c.number < given("before", revisions.c.number),
        )
        .order_by(revisions.c.number.desc())
        .limit(given("limit", revisions.c.number))
    )
)
AT: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(revisions.c.organization_id == given("organization_id"), revisions.c.created <= given("at"))
        .order_by(revisions.c.number.desc())
        .limit(literal_column("1"))
    )
)
FILES: Final = Statement(
    lambda _: (
        select(revision_files.c.name, revision_files.c.content)
        .where(
            revision_files.c.organization_id == given("organization_id"),
            revision_files.c.number == given("number", revision_files.c.number),
        )
        .order_by(revision_files.c.name)
    )
)

_UNPLANNED: Final = CarriedOut()
_LAST: Final = 2**62
"""A number after every other one."""


class Revisions(Scope):
    """The mapping revisions of one organization."""

    __slots__ = ()

    def active_number(self) -> int:
        """Return the number of the revision in force, 0 before the first one."""
        row = self._link.one(ACTIVE_NUMBER, organization_id=self._organization_id)
        return int(row[0]) if row else 0

    def in_force(self) -> tuple[int, int, int]:
        """Return the number of the revision in force, and the versions of the schemas and the registry beside it."""
        row = self._link.one(IN_FORCE, organization_id=self._organization_id)
        return (int(row[0] or 0), int(row[1]), int(row[2])) if row else (0, 0, 0)

    def next_number(self) -> int:
        """Return the number that the next revision will have."""
        return self.active_number() + 1

    def active(self) -> Revision | None:
        """Return the revision in force."""
        newest = self.newest(1)
        return newest[0] if newest else None

    def revision(self, number: int) -> Revision | None:
        """Return the revision with this number."""
        row = self._link.one(REVISION, organization_id=self._organization_id, number=number)
        return _revision(row) if row else None

    def newest(self, limit: int = 50, *, before: int | None = None) -> list[Revision]:
        """Return the last revisions (before the number `before`), newest first."""
        values = {"limit": limit, "before": _LAST if before is None else before}
        return [_revision(row) for row in self._link.all(NEWEST, organization_id=self._organization_id, **values)]

    def at(self, moment_: datetime) -> Revision | None:
        """Return the revision that was in force at a moment."""
        row = self._link.one(AT, organization_id=self._organization_id, at=stamp(moment_))
        return _revision(row) if row else None

    def files(self, number: int) -> dict[str, str]:
        """Return a revision's files: name → text. Empty for a number that there is not."""
        return dict(self._link.all(FILES, organization_id=self._organization_id, number=number))

    def add(
        self,
        files: Mapping[str, str],
        digest: str,
        *,
        connections: Sequence[str],
        actor: str,
        reason: str,
        now: datetime,
        carried_out: CarriedOut = _UNPLANNED,
    ) -> Revision:
        """Put a new revision in force. Takes the organization's exclusive lock. Raises `Invalid`."""
        if not all(map(storable, (reason, *files, *files.values()))):
            raise Invalid("a mapping file or the reason holds a character that cannot be stored", "files")
        self.lock_organization(exclusive=True)
        known = json.dumps(sorted(connections), ensure_ascii=False)
        done = json.dumps(dict(carried_out.counts), sort_keys=True)
        how = (carried_out.plan, done, carried_out.restores)
        row = (self.next_number(), digest, known, stamp(now), actor, reason, *how)
        self._link.run(INSERT, organization_id=self._organization_id, **dict(zip(_NAMES, row, strict=True)))
        scope = {"organization_id": self._organization_id, "number": row[0]}
        self._link.run_many(INSERT_FILE, ({**scope, "name": name, "content": text} for name, text in files.items()))
        return _revision(row)


def _revision(row: Row) -> Revision:
    number, digest, connections, created, actor, reason, plan, counts, restores = row
    done = CarriedOut(plan, json.loads(counts or "{}"), restores)
    return Revision(number, digest, tuple(json.loads(connections)), moment(created), actor, reason, done)
