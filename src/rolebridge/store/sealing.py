"""The chain over the audit: what is to be sealed, what is, and what verifying reads.

On PostgreSQL rows become visible out of the order of their sequence. So a row is looked for by what has no place in
the chain yet, from `settled` on: a number below which nothing can appear any more. It is taken from a `mark`, the
newest number at some moment, once every transaction of that moment has ended (`horizon`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, delete, exists, func, literal_column, select, update
from sqlalchemy.sql import ClauseElement

from rolebridge.core.chain import Anchor
from rolebridge.store.documents import moment, stamp
from rolebridge.store.links import Row
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, insert_for, insert_into
from rolebridge.store.tables.record import audit
from rolebridge.store.tables.sealing import audit_chain as chain
from rolebridge.store.tables.sealing import audit_progress as progress
from rolebridge.store.tables.sealing import audit_seals as seals

_AUDIT: Final = tuple(column for column in audit.columns if column.name != "organization_id")
_PLACED: Final = (chain.c.organization_id == audit.c.organization_id) & (chain.c.entry == audit.c.sequence)


LOOKED_THROUGH: Final = 200_000
"""Numbers that one statement looks through for rows that are not sealed: a reader's statement may take seconds."""


@dataclass(frozen=True, slots=True)
class Sealable:
    """An audit row as the chain reads it: `head` are its columns up to `subject_id`, `payload` the rest."""

    head: tuple[Any, ...]
    payload: tuple[str | None, ...]

    @property
    def sequence(self) -> int:
        """Return the row's number."""
        return int(self.head[0])

    @property
    def at(self) -> datetime:
        """Return when it happened."""
        return moment(self.head[1])

    @property
    def kind(self) -> str:
        """Return what happened."""
        return str(self.head[2])

    @property
    def subject_id(self) -> str:
        """Return to whom or what."""
        return str(self.head[6])


@dataclass(frozen=True, slots=True)
class Link:
    """One place of the chain. `erased_by` is the number of the audit row that tells why texts are gone."""

    position: int
    sequence: int
    salts: bytes
    digest: bytes
    link: bytes
    erased_by: int | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """A stretch of the chain, from `first` to `anchor`, sealed at once; `mac` is empty where there was no key."""

    first: int
    anchor: Anchor
    at: datetime
    key_id: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """How far sealing is (see above)."""

    settled: int = 0
    mark: int | None = None
    horizon: int | None = None


@dataclass(frozen=True, slots=True)
class Tail:
    """Audit rows that are not sealed yet: how many, and the oldest."""

    rows: int
    oldest: datetime | None


def _unsealed(*columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).where(
        audit.c.organization_id == given("organization_id"),
        audit.c.sequence > given("after", audit.c.sequence),
        ~exists(select(literal_column("1")).select_from(chain).where(_PLACED).correlate(audit)),
    )


def _begin(database: Database) -> ClauseElement:
    values = {"organization_id": given("organization_id"), "settled": literal_column("0")}
    return insert_for(database, progress).values(values).on_conflict_do_nothing()


def _horizon(_: Database) -> ClauseElement:
    """Return the select of the oldest transaction that goes on, and of the first that has not begun (PostgreSQL)."""
    return select(
        literal_column("CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"),
        literal_column("CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)"),
    )


_OF: Final = chain.c.organization_id == given("organization_id")
_SEAL_OF: Final = seals.c.organization_id == given("organization_id")
_LINK: Final = (chain.c.position, chain.c.entry, chain.c.salts, chain.c.digest, chain.c.link, chain.c.erased_by)
_SEAL: Final = (seals.c.first, seals.c.position, seals.c.link, seals.c.at, seals.c.key_id, seals.c.mac)
_LIMIT: Final = given("limit", chain.c.position)

UNSEALED: Final = Statement(lambda _: _unsealed(*_AUDIT).order_by(audit.c.sequence).limit(_LIMIT))
TAIL: Final = Statement(
    lambda _: _unsealed(func.count(), func.min(audit.c.at)).where(
        audit.c.sequence <= given("through", audit.c.sequence)
    )
)
LEFT_OUT: Final = Statement(
    lambda _: (
        _unsealed(audit.c.sequence)
        .where(audit.c.sequence <= given("through", audit.c.sequence))
        .order_by(audit.c.sequence)
        .limit(literal_column("1"))
    )
)
WAITS: Final = Statement(lambda _: _unsealed(literal_column("1")).limit(literal_column("1")))
NEWEST: Final = Statement(
    lambda _: select(func.max(audit.c.sequence)).where(audit.c.organization_id == given("organization_id"))
)
BEGIN: Final = Statement(_begin)


def _progress(_: Database, *, lock: bool) -> ClauseElement:
    found = select(progress.c.settled, progress.c.mark, progress.c.horizon).where(
        progress.c.organization_id == given("organization_id")
    )
    return found.with_for_update() if lock else found


PROGRESS: Final = {lock: Statement(partial(_progress, lock=lock)) for lock in (False, True)}
ADVANCE: Final = Statement(
    lambda _: (
        update(progress)
        .where(progress.c.organization_id == given("organization_id"))
        .values(
            settled=given("through", progress.c.settled),
            mark=given("newest", progress.c.mark),
            horizon=given("until", progress.c.horizon),
        )
    )
)
HORIZON: Final = Statement(_horizon)
HEAD: Final = Statement(
    lambda _: select(chain.c.position, chain.c.link).where(_OF).order_by(chain.c.position.desc()).limit(_LIMIT)
)
FIRST: Final = Statement(lambda _: select(func.min(chain.c.position)).where(_OF))
LINK_AT: Final = Statement(
    lambda _: select(chain.c.link).where(_OF, chain.c.position == given("position", chain.c.position))
)
INSERT: Final = Statement(lambda db: insert_into(db, chain))
INSERT_SEAL: Final = Statement(lambda db: insert_into(db, seals))
WALK: Final = Statement(
    lambda _: (
        select(*_LINK, *_AUDIT)
        .select_from(chain.outerjoin(audit, _PLACED))
        .where(_OF, chain.c.position > given("after", chain.c.position))
        .order_by(chain.c.position)
        .limit(_LIMIT)
    )
)
SEALS: Final = Statement(
    lambda _: (
        select(*_SEAL)
        .where(_SEAL_OF, seals.c.position >= given("after", seals.c.position))
        .order_by(seals.c.position)
        .limit(_LIMIT)
    )
)
SEALED_BEFORE: Final = Statement(
    lambda _: (
        select(*_SEAL).where(_SEAL_OF, seals.c.at < given("until")).order_by(seals.c.position.desc()).limit(_LIMIT)
    )
)
OF_KIND: Final = Statement(
    lambda _: (
        select(*_AUDIT)
        .select_from(audit.join(chain, _PLACED))
        .where(
            audit.c.organization_id == given("organization_id"),
            audit.c.subject_id == given("subject_id"),
            audit.c.kind == given("kind"),
        )
        .order_by(audit.c.sequence.desc())
        .limit(_LIMIT)
    )
)
SEALED_OF: Final = Statement(
    lambda _: (
        select(*_LINK, *_AUDIT)
        .select_from(audit.join(chain, _PLACED))
        .where(
            audit.c.organization_id == given("organization_id"),
            audit.c.subject_id == given("subject_id"),
            audit.c.sequence > given("after", audit.c.sequence),
        )
        .order_by(audit.c.sequence)
        .limit(_LIMIT)
    )
)
NEWEST_OF: Final = Statement(
    lambda _: select(func.max(audit.c.sequence)).where(
        audit.c.organization_id == given("organization_id"), audit.c.subject_id == given("subject_id")
    )
)
BLANK: Final = Statement(
    lambda _: (
        update(audit)
        .where(audit.c.organization_id == given("organization_id"), audit.c.sequence == given("of", audit.c.sequence))
        .values(before=given("was"), after=given("is"), reason=given("why"))
    )
)
MARK_ERASED: Final = Statement(
    lambda _: (
        update(chain)
        .where(_OF, chain.c.entry == given("of", chain.c.entry))
        .values(salts=given("left", chain.c.salts), erased_by=given("by", chain.c.erased_by))
    )
)


def _pruned(_: Database) -> ClauseElement:
    places = select(chain.c.entry).where(_OF, chain.c.position <= given("through", chain.c.position))
    return delete(audit).where(audit.c.organization_id == given("organization_id"), audit.c.sequence.in_(places))


PRUNE: Final = (
    Statement(_pruned),
    Statement(lambda _: delete(chain).where(_OF, chain.c.position <= given("through", chain.c.position))),
    Statement(lambda _: delete(seals).where(_SEAL_OF, seals.c.position < given("through", seals.c.position))),
)


class Sealing(Scope):
    """The chain of one organization."""

    __slots__ = ()

    # --- sealing

    def waits(self) -> bool:
        """Return whether any row waits to be sealed."""
        return bool(self._all(WAITS, after=self.progress().settled))

    def left_out(self, after: int, through: int) -> int | None:
        """Return the first number after one, and up to another, whose row is not sealed."""
        rows = self._all(LEFT_OUT, after=after, through=through)
        return int(rows[0][0]) if rows else None

    def lock(self) -> Progress:
        """Return how far sealing is, and let nobody else seal until the transaction ends."""
        self._link.run(BEGIN, organization_id=self._organization_id)
        return self._progress(lock=True)

    def progress(self) -> Progress:
        """Return how far sealing is."""
        return self._progress(lock=False)

    def _progress(self, *, lock: bool) -> Progress:
        row = self._link.one(PROGRESS[lock], organization_id=self._organization_id)
        return Progress(*row) if row else Progress()

    def advance(self, to: Progress) -> None:
        """Record how far sealing is."""
        self._link.run(
            ADVANCE, organization_id=self._organization_id, through=to.settled, newest=to.mark, until=to.horizon
        )

    def horizon(self) -> tuple[int, int] | None:
        """Return the oldest transaction that goes on and the first that has not begun; None where only one writes."""
        if self._link.database is Database.SQLITE:
            return None
        row = self._link.one(HORIZON)
        assert row is not None  # a select without a table has a row
        return int(row[0]), int(row[1])

    def newest(self) -> int:
        """Return the number of the newest audit row, 0 for none."""
        row = self._link.one(NEWEST, organization_id=self._organization_id)
        return int(row[0] or 0) if row else 0

    def unsealed(self, after: int, limit: int) -> list[Sealable]:
        """Return rows that have no place in the chain, in the order of their numbers."""
        return [_sealable(row) for row in self._all(UNSEALED, after=after, limit=limit)]

    def head(self) -> Anchor | None:
        """Return the end of the chain."""
        rows = self._all(HEAD, limit=1)
        return Anchor(int(rows[0][0]), bytes(rows[0][1])) if rows else None

    def add(self, links: Iterable[Link]) -> None:
        """Put rows at the end of the chain."""
        self._link.run_many(
            INSERT,
            (
                {
                    "organization_id": self._organization_id,
                    "position": one.position,
                    "entry": one.sequence,
                    "salts": one.salts,
                    "digest": one.digest,
                    "link": one.link,
                    "erased_by": one.erased_by,
                }
                for one in links
            ),
        )

    def add_seal(self, seal: Seal) -> None:
        """Record that a stretch was sealed."""
        self._link.run(
            INSERT_SEAL,
            organization_id=self._organization_id,
            position=seal.anchor.position,
            first=seal.first,
            at=stamp(seal.at),
            link=seal.anchor.link,
            key_id=seal.key_id,
            mac=seal.mac,
        )

    # --- verifying

    def first_position(self) -> int | None:
        """Return where what is kept of the chain begins."""
        row = self._link.one(FIRST, organization_id=self._organization_id)
        return None if row is None or row[0] is None else int(row[0])

    def link_at(self, position: int) -> bytes | None:
        """Return the link at a place of the chain."""
        row = self._link.one(LINK_AT, organization_id=self._organization_id, position=position)
        return bytes(row[0]) if row else None

    def walk(self, after: int, limit: int) -> list[tuple[Link, Sealable | None]]:
        """Return places of the chain in order, each with its audit row, None where that is gone."""
        rows = self._all(WALK, after=after, limit=limit)
        return [(_link(row), None if row[6] is None else _sealable(row[6:])) for row in rows]

    def seals(self, after: int, limit: int) -> list[Seal]:
        """Return seals in order, from the one that ends at `after` on."""
        return [_seal(row) for row in self._all(SEALS, after=after, limit=limit)]

    def tail(self) -> Tail:
        """Return what is not sealed yet, of all rows: nothing is so old that it is not looked for."""
        newest, at, rows, oldest = self.newest(), -1, 0, [""]
        while at < newest:
            ((found, first),) = self._all(TAIL, after=at, through=at + LOOKED_THROUGH)
            rows, at = rows + int(found), at + LOOKED_THROUGH
            oldest += [first] if first else []
        return Tail(rows, moment(min(oldest[1:])) if rows else None)

    def sealed_of_kind(self, subject_id: str, kind: str) -> Sealable | None:
        """Return the newest sealed row of a kind about a subject."""
        rows = self._all(OF_KIND, subject_id=subject_id, kind=kind, limit=1)
        return _sealable(rows[0]) if rows else None

    # --- erasing and pruning

    def sealed_of(self, subject_id: str, after: int, limit: int) -> list[tuple[Link, Sealable]]:
        """Return the sealed rows about a subject, oldest first, after a number."""
        rows = self._all(SEALED_OF, subject_id=subject_id, after=after, limit=limit)
        return [(_link(row), _sealable(row[6:])) for row in rows]

    def newest_of(self, subject_id: str) -> int:
        """Return the number of the newest row about a subject, 0 for none."""
        ((newest,),) = self._all(NEWEST_OF, subject_id=subject_id)
        return int(newest or 0)

    def blank(self, rows: Iterable[tuple[int, list[str | None], bytes]], by: int) -> None:
        """Put these texts and salts in the place of what was erased; `by` is the number of the row that tells why."""
        scope = {"organization_id": self._organization_id}
        listed = list(rows)
        self._link.run_many(
            BLANK, ({**scope, "of": of, "was": was, "is": is_, "why": why} for of, (was, is_, why), _ in listed)
        )
        self._link.run_many(MARK_ERASED, ({**scope, "of": of, "left": left, "by": by} for of, _, left in listed))

    def sealed_before(self, until: datetime) -> Seal | None:
        """Return the last seal older than a moment: what it covers, and all before it, is older too."""
        rows = self._all(SEALED_BEFORE, until=stamp(until), limit=1)
        return _seal(rows[0]) if rows else None

    def prune(self, through: int) -> int:
        """Delete what is sealed up to a seal, which stays and stands for it. Returns how many rows went."""
        scope = {"organization_id": self._organization_id, "through": through}
        rows, *_ = [self._link.run(statement, **scope) for statement in PRUNE]
        return rows

    def _all(self, statement: Statement, **values: Any) -> list[Row]:
        return self._link.all(statement, organization_id=self._organization_id, **values)


def _sealable(row: Row) -> Sealable:
    return Sealable(tuple(row[:7]), tuple(row[7:10]))


def _link(row: Row) -> Link:
    position, sequence, salts, digest, link, erased_by = row[:6]
    return Link(int(position), int(sequence), bytes(salts), bytes(digest), bytes(link), erased_by)


def _seal(row: Row) -> Seal:
    first, position, link, at, key_id, mac = row
    return Seal(int(first), Anchor(int(position), bytes(link)), moment(at), key_id, bytes(mac))
