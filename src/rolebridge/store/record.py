"""The record: what happened (audit) and what is to be told to others (outbox), in the transaction of the change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select

from rolebridge.store.documents import moment, stamp
from rolebridge.store.links import Row
from rolebridge.store.records import AuditEntry, OutboxEntry
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Statement, given, insert_into
from rolebridge.store.tables.record import audit, outbox

INSERT_AUDIT: Final = Statement(lambda db: insert_into(db, audit))
INSERT_OUTBOX: Final = Statement(lambda db: insert_into(db, outbox))

_LAST: Final = 2**62
"""A sequence number after every other one."""


def _newest() -> Select[Any]:
    columns = (column for column in audit.columns if column.name != "organization_id")
    return (
        select(*columns)
        .where(
            audit.c.organization_id == given("organization_id"),
            audit.c.sequence < given("before_sequence", audit.c.sequence),
        )
        .order_by(audit.c.sequence.desc())
        .limit(given("limit", audit.c.sequence))
    )


AUDIT: Final = Statement(lambda _: _newest())
AUDIT_OF: Final = Statement(lambda _: _newest().where(audit.c.subject_id == given("subject_id")))
OUTBOX: Final = Statement(
    lambda _: (
        select(outbox.c.sequence, outbox.c.at, outbox.c.kind, outbox.c.payload)
        .where(
            outbox.c.organization_id == given("organization_id"),
            outbox.c.sequence > given("after", outbox.c.sequence),
        )
        .order_by(outbox.c.sequence)
        .limit(given("limit", outbox.c.sequence))
    )
)


class Record(Scope):
    """The audit and the outbox of one organization."""

    __slots__ = ()

    def audit(  # noqa: PLR0913 - one for each column, by name
        self,
        *,
        kind: str,
        actor: str,
        request_id: str,
        subject_kind: str,
        subject_id: str,
        before: str | None,
        after: str | None,
        reason: str,
        now: datetime,
    ) -> None:
        """Record that something happened. `before` and `after` are JSON text."""
        self._link.run(
            INSERT_AUDIT,
            organization_id=self._organization_id,
            at=stamp(now),
            kind=kind,
            actor=actor,
            request_id=request_id,
            subject_kind=subject_kind,
            subject_id=subject_id,
            before=before,
            after=after,
            reason=reason,
        )

    def outbox(self, kind: str, payload: str, now: datetime) -> None:
        """Record something to be told to others. `payload` is JSON text."""
        self.outbox_many([(kind, payload)], now)

    def outbox_many(self, entries: Iterable[tuple[str, str]], now: datetime, *, hold_id: str | None = None) -> None:
        """Record several things to be told to others, in their order, as (kind, payload).

        What has the id of a hold is in the feed like everything else, but delivered to no platform while it has it.
        """
        scope = {"organization_id": self._organization_id, "at": stamp(now), "position": None, "hold_id": hold_id}
        self._link.run_many(INSERT_OUTBOX, ({**scope, "kind": kind, "payload": payload} for kind, payload in entries))

    def audit_entries(
        self, *, subject_id: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """Return what was recorded (of one subject), newest first, only entries before the number `before`."""
        values: dict[str, Any] = {"before_sequence": _LAST if before is None else before, "limit": limit}
        if subject_id is not None:
            values["subject_id"] = subject_id
        statement = AUDIT if subject_id is None else AUDIT_OF
        return [_entry(row) for row in self._link.all(statement, organization_id=self._organization_id, **values)]

    def outbox_entries(self, *, after: int = -1, limit: int = 100) -> list[OutboxEntry]:
        """Return what is to be told, oldest first, only entries after the number `after`."""
        rows = self._link.all(OUTBOX, organization_id=self._organization_id, after=after, limit=limit)
        return [OutboxEntry(sequence, moment(at), kind, payload) for sequence, at, kind, payload in rows]


def _entry(row: Row) -> AuditEntry:
    sequence, at, kind, actor, request_id, subject_kind, subject_id, before, after, reason = row
    return AuditEntry(sequence, moment(at), kind, actor, request_id, subject_kind, subject_id, before, after, reason)
