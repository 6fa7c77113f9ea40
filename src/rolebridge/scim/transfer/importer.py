"""An import from beginning to end: phases over the sources, batches of rows, problems, and where to go on.

First all users, then all groups with the users in them, then, only if members were left over, groups in groups. So
the rows of a source may come in any order, and no phase holds more than a batch.
"""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, BinaryIO, Final

from rolebridge.bridge.import_entries import (
    Fate,
    GroupEntry,
    Import,
    Named,
    Outcome,
    Reference,
)
from rolebridge.bridge.importing import Importing
from rolebridge.scim.errors import ScimError
from rolebridge.scim.tolerances import Reading
from rolebridge.scim.transfer.batches import GROUPS_AT_ONCE, in_batches, read_group, user_batches
from rolebridge.scim.transfer.rows import Mark, Row, Source

MOST_PROBLEMS: Final = 20
"""Problems that are told one by one; the others are counted."""

_PHASES: Final = (Named.USER, Named.GROUP, Named.EITHER)
_SETTLED: Final = frozenset({2, 10, 50, 250, 1_000})
"""After how many batches of users the database takes note of what it holds."""
_KINDS: Final = {Named.USER: "users", Named.GROUP: "groups", Named.EITHER: "rows"}
_UNKNOWN_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row, and where it stands."""

    place: str
    text: str


@dataclass(slots=True)
class Report:
    """What an import did: rows by kind and fate, members, tolerances used, and the first problems of all."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    members_added: int = 0
    members_unknown: int = 0
    tolerances: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    resumed_at: str = ""
    restarted: str = ""
    """Which source is not where an import was broken off, so that everything is read from the beginning."""

    @property
    def refused(self) -> int:
        """Return how many rows were refused."""
        return sum(number for (_, fate), number in self.counts.items() if fate == Fate.REFUSED)

    @property
    def complete(self) -> bool:
        """Return whether every row and every member arrived."""
        return not (self.refused or self.members_unknown)

    def add_problem(self, place: str, text: str) -> None:
        """Count a problem, and keep it if it is one of the first."""
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(place, text))

    def document(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        kinds: dict[str, dict[str, int]] = {"users": {}, "groups": {}}
        for (kind, fate), number in sorted(self.counts.items()):
            kinds.setdefault(kind, {})[fate] = number
        return {
            **kinds,
            "members": {"added": self.members_added, "unknown": self.members_unknown},
            "tolerances": dict(sorted(self.tolerances.items())),
            "problems": [{"place": problem.place, "text": problem.text} for problem in self.problems],
            "problem_count": self.problem_count,
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Report:
        """Return the report whose `document` this is."""
        counts = {
            (kind, fate): number for kind in ("users", "groups", "rows") for fate, number in kept.get(kind, {}).items()
        }
        return cls(
            Counter(counts),
            kept["members"]["added"],
            kept["members"]["unknown"],
            Counter(kept["tolerances"]),
            [Problem(**problem) for problem in kept["problems"]],
            kept["problem_count"],
        )


@dataclass(slots=True)
class _At:
    """Where an import is: the phase, the source, and the place in it."""

    phase: int = 0
    source: int = 0
    mark: Mark = field(default_factory=Mark)
    rejects: int = 0
    leftover: bool = False
    groups: dict[str, list[int]] = field(default_factory=dict)
    """Where the first row about groups is in each source (by its number) that has any: row and offset before it."""

    def document(self) -> dict[str, Any]:
        return {
            "phase": self.phase, "source": self.source, "row": self.mark.row, "offset": self.mark.offset,
            "token": self.mark.token,
            "rejects": self.rejects, "leftover": self.leftover,
            "groups": self.groups,
        }  # fmt: skip

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> _At:
        mark = Mark(kept["row"], kept["offset"], kept.get("token", ""))
        return cls(kept["phase"], kept["source"], mark, kept["rejects"], kept["leftover"], kept["groups"])


Watcher = Callable[[str, Source, Mark], None]
"""Told after each batch: what is imported (`users`, …), from where, and how far it is."""


class Importer:
    """One import of some sources. `run` it once."""

    def __init__(
        self,
        importing: Importing,
        wanted: Import,
        reading: Callable[[], Reading],
        sources: Sequence[Source],
        *,
        rejects: BinaryIO | None = None,
        watch: Watcher = lambda _kind, _source, _mark: None,
    ) -> None:
        """`reading` makes a reading for one row, `rejects` receives the rows that are refused as they stand."""
        self._importing = importing
        self._wanted = wanted
        self._reading = reading
        self._sources = sources
        self._rejects = rejects
        self._watch = watch
        self._at = _At()
        self.report = Report()

    def run(self, now: datetime, *, afresh: bool = False) -> Report:
        """Import everything, from where the same import was broken off unless `afresh`. Raises Unavailable."""
        kept = self._importing.begin(self._wanted, now)
        if kept is not None and not self._wanted.dry_run and (afresh or not self._resume(json.loads(kept))):
            self._importing.forget(self._wanted)
        if self._rejects is not None:
            self._rejects.truncate(self._at.rejects)
            self._rejects.seek(self._at.rejects)
        with _seldom_collected():
            while self._at.phase < len(_PHASES):
                if _PHASES[self._at.phase] is not Named.EITHER or self._at.leftover:
                    self._phase()
                self._at = replace(self._at, phase=self._at.phase + 1, source=0, mark=Mark())
        if not self._wanted.dry_run:
            self._importing.forget(self._wanted)
        return self.report

    def _resume(self, kept: dict[str, Any]) -> bool:
        """Go on from there; return False where that place is gone."""
        at = _At.read(kept["at"])
        source, kind = self._sources[at.source], _PHASES[at.phase]
        if not source.stands(kind, at.mark):
            self.report.restarted = source.name
            return False
        self._at, self.report = at, Report.read(kept["report"])
        if at != _At():
            place = f":{at.mark.row}" if source.mixed else f", after {at.mark.row:,} of the {_KINDS[kind]}"
            self.report.resumed_at = f"{source.name}{place}" if at.mark.row else source.name
        return True

    def _phase(self) -> None:
        take = (self._users, self._groups, self._nested)[self._at.phase]
        for number in range(self._at.source, len(self._sources)):
            if number != self._at.source:
                self._at.source, self._at.mark = number, Mark()
            take(self._sources[number])

    # --- phases

    def _users(self, source: Source) -> None:
        for number, batch in enumerate(user_batches(source, self._at.mark, self._reading), 1):
            if batch.groups is not None:
                self._at.groups.setdefault(str(self._at.source), [batch.groups.row, batch.groups.offset])
            if not batch.rows:
                continue
            self.report.tolerances.update(batch.used)
            entries = batch.entries
            outcomes = iter(self._importing.users(self._wanted, entries, self._progress()) if entries else ())
            for place, row in enumerate(batch.rows):  # in their order, in which they are told and rejected
                if place in batch.refused:
                    self._refuse(_KINDS[row.named], row, batch.refused[place])
                else:
                    self._count("users", row, next(outcomes))
            self._done("users", source, batch.rows[-1])
            if number in _SETTLED and not self._wanted.dry_run:
                self._importing.settle(self._wanted)

    def _groups(self, source: Source) -> None:
        for rows in in_batches(self._group_rows(source), GROUPS_AT_ONCE):
            entries: list[GroupEntry] = []
            of: list[list[Row]] = []
            places: dict[str, int] = {}
            for row in rows:
                if row.groups:
                    self._join(row, entries, of, places)
                    continue
                try:
                    entries.append(self._group(row))
                    of.append([row])
                except ScimError as error:
                    self._refuse("groups", row, str(error))
            outcomes = self._importing.groups(self._wanted, entries, self._progress()) if entries else []
            for held, outcome in zip(of, outcomes, strict=True):
                self._at.leftover |= bool(outcome.unknown)
                self._count("groups", held[0], outcome)
            self._done("groups", source, rows[-1])

    def _group_rows(self, source: Source) -> Iterator[Row]:
        after = self._at.mark
        if source.mixed:  # a file, every row of which was seen among the users
            first = self._at.groups.get(str(self._at.source))
            if first is None:
                return
            after = max(after, Mark(first[0], first[1]), key=lambda mark: mark.offset)
        for row in source.rows(Named.GROUP, after):
            if row.groups or (not row.problem and row.named is Named.GROUP):
                yield row

    def _nested(self, source: Source) -> None:
        for row in self._group_rows(source):
            entries: list[GroupEntry] = []
            if row.groups:
                self._join(row, entries, [], {})
            else:
                try:
                    entries.append(self._group(row, again=True))
                except ScimError:
                    continue  # told in the phase before
            for entry in entries:
                left = self._importing.unresolved(self._wanted, entry.members)
                if left:
                    outcome = self._importing.nested(self._wanted, entry, left)
                    self._count_nested(row, outcome)
            self._done("nested groups", source, row)

    # --- rows

    def _group(self, row: Row, *, again: bool = False) -> GroupEntry:
        """Return what a row says of a group; read `again`, it uses no tolerance that was not counted."""
        reading = self._reading()
        entry = read_group(row, reading)
        if reading.used and not again:
            self.report.tolerances.update(map(str, reading.used))
        return entry

    def _join(self, row: Row, entries: list[GroupEntry], of: list[list[Row]], places: dict[str, int]) -> None:
        """Add a user to the groups that their row names; rows of one batch that name the same group become one."""
        user = (row.resource or {}).get("userName")
        member = (Reference(user, Named.USER),) if isinstance(user, str) and user else ()
        for display in row.groups:
            place = places.setdefault(display, len(entries))
            if place == len(entries):
                entries.append(GroupEntry(display, None, {"displayName": display}, member))
                of.append([row])
            else:
                entry = entries[place]
                entries[place] = GroupEntry(display, None, entry.attributes, (*entry.members, *member))
                of[place].append(row)

    # --- accounts

    def _count(self, kind: str, row: Row, outcome: Outcome) -> None:
        if outcome.fate is Fate.REFUSED:
            self._refuse(kind, row, outcome.problem)
            return
        self.report.counts[kind, outcome.fate] += 1
        self.report.members_added += outcome.added

    def _count_nested(self, row: Row, outcome: Outcome) -> None:
        self.report.members_added += outcome.added
        self.report.members_unknown += len(outcome.unknown)
        if outcome.fate is Fate.REFUSED:
            self.report.counts["groups", Fate.REFUSED] += 1
            self.report.add_problem(row.place, outcome.problem)
        if outcome.unknown:
            shown = ", ".join(f"`{text[:100]}`" for text in outcome.unknown[:_UNKNOWN_SHOWN])
            more = len(outcome.unknown) - _UNKNOWN_SHOWN
            rest = f" and {more} more" if more > 0 else ""
            self.report.add_problem(row.place, f"members that nobody knows: {shown}{rest}")

    def _refuse(self, kind: str, row: Row, text: str) -> None:
        self.report.counts[kind, Fate.REFUSED] += 1
        self.report.add_problem(row.place, text)
        if self._rejects is not None and row.raw:
            if self._rejects.tell() == 0:
                self._rejects.write(self._sources[self._at.source].header)
            self._rejects.write(row.raw if row.raw.endswith(b"\n") else row.raw + b"\n")

    def _done(self, kind: str, source: Source, last: Row) -> None:
        """Go on after a row. What was rejected so far is on the disk before a later batch says that it is done."""
        self._at.mark = last.after
        if self._rejects is not None:
            self._rejects.flush()
            self._at.rejects = self._rejects.tell()
        gc.collect(0)  # what a batch leaves behind in circles: refusals with their tracebacks
        self._watch(kind, source, last.after)

    def _progress(self) -> str:
        return json.dumps({"at": self._at.document(), "report": self.report.document()}, ensure_ascii=False)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let nobody look for circles among the objects of a batch: there are none, and looking costs an eighth."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
