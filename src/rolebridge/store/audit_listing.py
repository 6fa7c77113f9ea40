"""Reading the audit: pages of it by what was asked for, and where in it a moment lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, func, literal_column, or_, select

from rolebridge.store.documents import moment, stamp
from rolebridge.store.links import Row, in_batches
from rolebridge.store.records import AuditEntry
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Statement, among, given, json_list, storable
from rolebridge.store.tables.record import audit
from rolebridge.store.tables.sealing import audit_chain as chain

_AUDIT: Final = tuple(column for column in audit.columns if column.name != "organization_id")
_OF: Final = audit.c.organization_id == given("organization_id")
_LIMIT: Final = given("limit", audit.c.sequence)
_PLACED: Final = (chain.c.organization_id == audit.c.organization_id) & (chain.c.entry == audit.c.sequence)
LAST: Final = 2**62
"""A number after every other one."""
DISORDER: Final = timedelta(hours=1)
"""By how much what stands later in the audit can have happened earlier: no transaction takes that long."""
_EXACT: Final = ("kind", "actor", "request_id", "subject_kind", "subject_id")


@dataclass(frozen=True, slots=True)
class WantedAudit:
    """Which audit rows: of a kind (`user.updated`; `user.` means all that begin so), about a subject, by an actor, of
    a request, from `since` on and before `until`. None means any.
    """

    kind: str | None = None
    subject_kind: str | None = None
    subject_id: str | None = None
    actor: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """An audit row's place in the chain: position, salts, digest and link; `erased` when texts of it are gone."""

    position: int
    salts: bytes
    digest: bytes
    link: bytes
    erased: bool


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An audit row, and its place in the chain; None while it waits to be sealed."""

    entry: AuditEntry
    sealed: Sealed | None


@lru_cache(maxsize=64)
def listing(shape: frozenset[str], *, forward: bool) -> Statement:
    """Return the statement that lists rows in one direction under the conditions that `shape` names."""
    return Statement(lambda _: _listing(shape, forward=forward))


def _listing(shape: frozenset[str], *, forward: bool) -> Select[Any]:
    conditions = [audit.c[name] == given(name) for name in _EXACT if name in shape]
    if "kinds" in shape:
        conditions.append(func.substr(audit.c.kind, 1, func.length(given("kinds"))) == given("kinds"))
    if "since" in shape:
        conditions.append(audit.c.at >= given("since"))
    if "until" in shape:
        conditions.append(audit.c.at < given("until"))
    within = (
        audit.c.sequence > given("above", audit.c.sequence),
        audit.c.sequence < given("below", audit.c.sequence),
    )
    return (
        select(*_AUDIT, chain.c.position, chain.c.salts, chain.c.digest, chain.c.link, chain.c.erased_by.is_not(None))
        .select_from(audit.outerjoin(chain, _PLACED))
        .where(_OF, *within, *conditions)
        .order_by(audit.c.sequence if forward else audit.c.sequence.desc())
        .limit(_LIMIT)
    )


# The place so many rows further on, by numbers alone: what tells how far a page may look.
SKIP: Final = Statement(
    lambda _: (
        select(audit.c.sequence)
        .where(_OF, audit.c.sequence < given("below", audit.c.sequence))
        .order_by(audit.c.sequence.desc())
        .limit(literal_column("1"))
        .offset(given("skipped", audit.c.sequence))
    )
)
ENDS: Final = Statement(lambda _: select(func.min(audit.c.sequence), func.max(audit.c.sequence)).where(_OF))
FROM: Final = Statement(
    lambda _: (
        select(audit.c.sequence, audit.c.at)
        .where(_OF, audit.c.sequence >= given("number", audit.c.sequence))
        .order_by(audit.c.sequence)
        .limit(literal_column("1"))
    )
)
FIRST_AFTER: Final = Statement(
    lambda _: (
        select(*_AUDIT)
        .where(
            _OF,
            audit.c.subject_id == given("subject_id"),
            audit.c.sequence > given("above", audit.c.sequence),
            audit.c.at > given("at"),
            among(audit.c.kind, given("kinds")),
            or_(audit.c.before.is_not(None), audit.c.kind.like(literal_column("'%.created'"))),
        )
        .order_by(audit.c.sequence)
        .limit(literal_column("1"))
    )
)
OF_SUBJECTS: Final = Statement(
    lambda _: (
        select(*_AUDIT)
        .where(
            _OF,
            among(audit.c.subject_id, given("ids")),
            audit.c.sequence > given("above", audit.c.sequence),
            among(audit.c.kind, given("kinds")),
        )
        .order_by(audit.c.subject_id, audit.c.sequence.desc())
    )
)
LATEST: Final = Statement(
    lambda _: (
        select(audit.c.subject_id, func.max(audit.c.at))
        .where(_OF, among(audit.c.subject_id, given("ids")), among(audit.c.kind, given("kinds")))
        .group_by(audit.c.subject_id)
        .order_by(audit.c.subject_id)
    )
)
MENTIONING: Final = Statement(
    lambda database: (
        select(audit.c.sequence)
        .where(
            _OF,
            audit.c.sequence > given("above", audit.c.sequence),
            audit.c.sequence <= given("through", audit.c.sequence),
            _mentions(database),
        )
        .order_by(audit.c.sequence)
    )
)


def _mentions(database: Any) -> Any:
    place = func.instr if str(database) == "sqlite" else func.strpos
    texts = [func.coalesce(audit.c[name], "") for name in ("before", "after", "reason")]
    whole = texts[0].concat("\n").concat(texts[1]).concat("\n").concat(texts[2])
    return place(func.lower(whole), given("text")) > 0


class AuditListing(Scope):
    """The audit of one organization, read."""

    __slots__ = ()

    def page(
        self, wanted: WantedAudit, *, after: int = -1, before: int = LAST, limit: int, forward: bool = False
    ) -> list[AuditRow]:
        """Return rows whose numbers lie between `after` and `before`, newest first or with `forward` oldest first."""
        values = _values(wanted)
        if not all(storable(value) for value in values.values()):
            return []
        scope = {"organization_id": self._organization_id, "above": after, "below": before, "limit": limit}
        rows = self._link.all(listing(frozenset(values), forward=forward), **scope, **values)
        return [_audit_row(row) for row in rows]

    def floor(self, before: int, rows: int) -> int:
        """Return the number of the row that stands so many rows before a number; -1 when there are not as many."""
        row = self._link.one(SKIP, organization_id=self._organization_id, below=before, skipped=rows)
        return int(row[0]) if row else -1

    def ends(self) -> tuple[int, int]:
        """Return the numbers of the oldest and the newest row, 0 for none."""
        row = self._link.one(ENDS, organization_id=self._organization_id)
        return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)

    def place_before(self, moment_: datetime) -> int:
        """Return a number before every row that happened after a moment, and not long before the first of them.

        Found by halving: rows stand about in the order in which they happened, and no index has to say so. A row may
        stand behind one that happened later, by as long as a transaction takes: less than `DISORDER`.
        """
        low, high = self.ends()
        low, high, at = low - 1, high + 1, stamp(moment_ - DISORDER)
        while high - low > 1:
            middle = (low + high) // 2
            row = self._link.one(FROM, organization_id=self._organization_id, number=middle)
            if row is None or row[1] > at:
                high = middle
            else:
                low = int(row[0])
        return low

    def begins(self) -> datetime | None:
        """Return when the oldest row that is kept happened."""
        row = self._link.one(FROM, organization_id=self._organization_id, number=0)
        return moment(row[1]) if row else None

    def first_after(self, subject_id: str, kinds: Iterable[str], at: datetime, *, place: int) -> AuditEntry | None:
        """Return the first thing of these kinds that happened to a subject after a moment, and tells what was before.

        `place` is a number before it.
        """
        row = self._link.one(
            FIRST_AFTER,
            organization_id=self._organization_id,
            subject_id=subject_id,
            kinds=json_list(kinds),
            at=stamp(at),
            above=place,
        )
        return audit_entry(row) if row else None

    def of_subjects(self, kinds: Iterable[str], ids: Iterable[str], *, after: int = -1) -> dict[str, list[AuditEntry]]:
        """Return what of these kinds happened to each of the subjects after a number, newest first."""
        listed = json_list(kinds)
        found: dict[str, list[AuditEntry]] = {}
        for batch in in_batches(sorted(set(ids))):
            scope = {"organization_id": self._organization_id, "ids": json_list(batch)}
            for row in self._link.all(OF_SUBJECTS, **scope, kinds=listed, above=after):
                entry = audit_entry(row)
                found.setdefault(entry.subject_id, []).append(entry)
        return found

    def latest(self, kinds: Iterable[str], ids: Iterable[str]) -> dict[str, datetime]:
        """Return when something of these kinds happened last to each of the subjects."""
        listed, found = json_list(kinds), dict[str, datetime]()
        for batch in in_batches(sorted(set(ids))):
            scope = {"organization_id": self._organization_id, "ids": json_list(batch)}
            found |= {id_: moment(at) for id_, at in self._link.all(LATEST, **scope, kinds=listed)}
        return found

    def mentioning(self, text: str, *, after: int, through: int) -> list[int]:
        """Return the numbers of rows whose texts hold `text`, without regard to ASCII case."""
        scope = {"organization_id": self._organization_id, "text": text.lower()}
        return [int(row[0]) for row in self._link.all(MENTIONING, **scope, above=after, through=through)]


def _values(wanted: WantedAudit) -> dict[str, str]:
    values = {name: value for name in _EXACT if (value := getattr(wanted, name)) is not None}
    if wanted.kind is not None and wanted.kind.endswith("."):
        values["kinds"] = values.pop("kind")
    if wanted.since is not None:
        values["since"] = stamp(wanted.since)
    if wanted.until is not None:
        values["until"] = stamp(wanted.until)
    return values


def _audit_row(row: Row) -> AuditRow:
    position, salts, digest, link, erased = row[10:]
    sealed = None
    if position is not None:
        sealed = Sealed(int(position), bytes(salts), bytes(digest), bytes(link), bool(erased))
    return AuditRow(audit_entry(row[:10]), sealed)


def audit_entry(row: Row) -> AuditEntry:
    """Return the record of a row of the audit's columns."""
    sequence, at, kind, actor, request_id, subject_kind, subject_id, before, after, reason = row
    return AuditEntry(sequence, moment(at), kind, actor, request_id, subject_kind, subject_id, before, after, reason)
