"""Going through all whom a candidate can concern, in the order of their ids, to see what it does to each of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from rolebridge.bridge.alike import Likeness
from rolebridge.bridge.concerned import concern_of
from rolebridge.bridge.resolving import Person, as_known, outcome_under, read_people
from rolebridge.bridge.rulebooks import Rulebook
from rolebridge.core.effects import Effect, Expected, Tally, coming, effect_of, schedule
from rolebridge.core.grants import Grant
from rolebridge.core.outcome import Outcome
from rolebridge.core.plan import PlannedChange, diff
from rolebridge.core.reasons import Reasons
from rolebridge.store.crowd import Passer
from rolebridge.store.unit import Unit

HORIZON: Final = timedelta(days=366)
"""How far a plan looks ahead."""
BLOCK: Final = 1_000
"""How many people are read at a time."""
_FATES: Final = 4_000
"""How many kinds of people are remembered, 2 to 4 KB each; past this many the memory starts anew."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a plan compares: the rulebook in force and a candidate, as of a moment.

    People are compared with what the candidate *intends*. In a workspace that is only observed, less is then in force.
    Of one that is observed and that no mapping spoke of yet nothing is recorded: `arriving` says what holds there.
    """

    base: Rulebook
    candidate: Rulebook
    now: datetime
    intended: Rulebook = field(init=False)
    arriving: Rulebook = field(init=False)

    def __post_init__(self) -> None:
        """Note what the candidate intends, and which workspaces it is the first to speak of."""
        object.__setattr__(self, "intended", self.candidate.as_intended())
        known = {program.workspace for program in self.base.intended}
        new = [one for one in self.candidate.programs if one.workspace in self.observed - known]
        object.__setattr__(self, "arriving", replace(self.candidate, programs=tuple(new)))

    @property
    def day(self) -> date:
        """Return the day of the plan, in UTC."""
        return self.now.astimezone(UTC).date()

    @property
    def horizon(self) -> date:
        """Return the last day that the plan looks at."""
        return self.day + HORIZON

    @property
    def observed(self) -> frozenset[str]:
        """Return the workspaces of the candidate that are only observed."""
        return self.candidate.registry.observed & {program.workspace for program in self.candidate.intended}

    def held_by(self, person: Person) -> tuple[Grant, ...]:
        """Return what a person holds before the candidate: what is recorded, and what a hand gave where none was."""
        if not self.arriving.programs:
            return tuple(person.held)
        return (*person.held, *outcome_under(self.arriving, person, self.now).grants)

    def reasons(self) -> Reasons:
        """Return what says why something changes."""
        return Reasons(self.base.intended, self.base.revision, self.candidate.intended)


class Touched:
    """The ids of people for whom something is to be written, a block at a time in the order of the ids."""

    def __init__(self) -> None:
        self._blocks: list[str] = []

    def add(self, ids: Sequence[str]) -> None:
        """Add the ids of a block. As one text they take a byte a character: a million people fit in 37 MB."""
        if ids:
            self._blocks.append("\n".join(ids))

    def blocks(self) -> Iterator[list[str]]:
        """Yield the ids, block by block."""
        for block in self._blocks:
            yield block.split("\n")


def survey(
    unit: Unit,
    organization_id: str,
    comparison: Comparison,
    *,
    shown: int | None,
    told: Callable[[PlannedChange], None] | None = None,
    touched: Touched | None = None,
) -> Tally:
    """Return what becomes of everybody. `shown` and `told` are those of `Tally`; `touched` gets who is to be written.

    Only those are looked at whom the candidate can concern; the others keep what is recorded of them. Nothing is
    written, and no more than two blocks of people are in memory.
    """
    tally = Tally(comparison.reasons(), shown=shown, told=told)
    likeness = Likeness(unit, organization_id, (comparison.base, comparison.candidate))
    surveyor = _Surveyor(unit, organization_id, comparison, tally, touched, likeness)
    concern = concern_of(unit, organization_id, comparison.base, comparison.candidate)
    crowd = unit.crowd(organization_id)
    for ids in concern.blocks(crowd, BLOCK):
        surveyor.take(crowd.people(ids), ids)
    surveyor.settle()
    tally.complete(crowd.holders())
    return tally


@dataclass(slots=True)
class _Fate:
    """What becomes of people who fare alike: how many were passed by so far, and whether something is written."""

    effect: Effect
    written: bool
    passed: int = 0

    def of_others(self) -> _Fate:
        """Return what is remembered of it for others: the sums, without anybody's changes."""
        return _Fate(replace(self.effect, now=(), later=()), self.written)


@dataclass(frozen=True, slots=True)
class _Surveyor:
    """One survey while it goes on."""

    unit: Unit
    organization_id: str
    comparison: Comparison
    tally: Tally
    touched: Touched | None
    likeness: Likeness
    fates: dict[Hashable, _Fate] = field(default_factory=dict)

    def take(self, people: Sequence[Passer], ids: str) -> None:
        """Look at a block of people: at one of each kind, and at those who are to be shown or are like nobody."""
        keys = self.likeness.of_block(people, ids, due=self.touched is not None)
        first = {key: one.id for one, key in zip(reversed(people), reversed(keys), strict=True)}
        looked = self._look_at(
            one.id
            for one, key in zip(people, keys, strict=True)
            if key is None or (key not in self.fates and first[key] == one.id)
        )
        for key, user_id in first.items():
            if key is not None and user_id in looked:
                self.fates[key] = looked[user_id].of_others()
        # Who is to be shown is looked at in person: whose moments a grant tells is known of nobody else.
        looked |= self._look_at(
            one.id
            for one, key in zip(people, keys, strict=True)
            if one.id not in looked and self.tally.shows(one.user_name, self.fates[key].effect)
        )
        written: list[str] = []
        for one, key in zip(people, keys, strict=True):
            fate = looked.get(one.id)
            if fate is not None:
                self.tally.add(one.id, one.user_name, fate.effect)
            else:
                fate = self.fates[key]
                fate.passed += 1
                self.tally.pass_by(one.id, fate.effect)
            if fate.written:
                written.append(one.id)
        if self.touched is not None:
            self.touched.add(written)
        if len(self.fates) > _FATES:
            self.settle()

    def _look_at(self, user_ids: Iterable[str]) -> dict[str, _Fate]:
        """Return what becomes of each of these people, worked out for themselves."""
        ids = list(user_ids)
        due = self.unit.grants(self.organization_id).rechecks(ids) if self.touched is not None else {}
        people = read_people(self.unit, self.organization_id, ids)
        return {person.user_id: self._look(person, due.get(person.user_id, {})) for person in people}

    def _look(self, person: Person, due: Mapping[str, str]) -> _Fate:
        outcome = outcome_under(self.comparison.intended, person, self.comparison.now)
        effect = effect_on(person, outcome, self.comparison, self.tally.reasons)
        return _Fate(effect, self.touched is not None and self._is_written(person, outcome, due))

    def settle(self) -> None:
        """Count those who were passed by, and forget whom they were like."""
        for fate in self.fates.values():
            if fate.passed:
                self.tally.count(fate.effect, fate.passed)
        self.fates.clear()

    def _is_written(self, person: Person, intended: Outcome, due: Mapping[str, str]) -> bool:
        """Return whether an apply changes what is recorded of a person."""
        comparison = self.comparison
        outcome = outcome_under(comparison.candidate, person, comparison.now) if comparison.observed else intended
        days = {workspace: str(day) for workspace, day in outcome.due.items()}
        return due != days or set(as_known(person.held, outcome.grants)) != set(person.held)


def effect_on(
    person: Person, outcome: Outcome, comparison: Comparison, reasons: Reasons, *, known_of: Person | None = None
) -> Effect:
    """Return what a candidate does to one person, of whom it makes `outcome` now.

    `known_of` is the person as they are, where `person` is as they are supposed to be.
    """
    held = comparison.held_by(person)
    after = as_known(held, outcome.grants)
    now = reasons.told(diff(held, after), outcome.lost)
    later = schedule(
        outcome.grants,
        _outcomes(comparison.intended, person, outcome, comparison.horizon),
        reasons,
        lambda: _expected(comparison, known_of or person, reasons),
    )
    return effect_of(held, after, now, later, comparison.observed)


def _outcomes(rulebook: Rulebook, person: Person, outcome: Outcome, horizon: date) -> Iterator[tuple[date, Outcome]]:
    """Yield what a rulebook makes of a person on each later day, up to the horizon, on which that may differ."""
    while (day := outcome.next_change) is not None and day <= horizon:
        outcome = outcome_under(rulebook, person, datetime.combine(day, time(), UTC))
        yield day, outcome


def _expected(comparison: Comparison, person: Person, reasons: Reasons) -> Expected:
    """Return what would happen to a person later under the revision in force."""
    base = comparison.base.as_intended()
    outcome = outcome_under(base, person, comparison.now)
    outcomes = _outcomes(base, person, outcome, comparison.horizon)
    return coming(schedule(outcome.grants, outcomes, reasons))
