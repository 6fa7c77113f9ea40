"""Adding up what a plan does, person by person or many who fare alike at a time: memory stays flat."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.outcome import Outcome
from rolebridge.core.plan import (
    Change,
    ChangeKind,
    Counts,
    OnDay,
    PlannedChange,
    RuleEffect,
    Seats,
    Turn,
    WorkspacePlan,
    diff,
)
from rolebridge.core.reasons import Reasons

NAMED_PROJECTS: Final = 12
"""How many projects a summary names; the others are counted."""
_TURNS: Final = 6

_NO_KINDS: Final[Counter[str]] = Counter()

_Key = tuple[object, ...]
_Where = tuple[date | None, str | None, str | None]
"""Day (None: now), workspace, rule; None for all of them."""


@dataclass(frozen=True, slots=True)
class Later:
    """What changes at the beginning of one later day; `known` are the changes that the revision in force brings too."""

    day: date
    changes: tuple[Change, ...]
    known: frozenset[Change]
    after: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a plan does to one person, or to every one of many who fare alike.

    `now` are the changes of now and `later` those of later days; `tallied` is what one such person adds to the sums,
    `mark` the part of the digest that says what happens to them (empty: nothing). `felt` counts the changes that they
    feel, now and later, and `places` says in which workspace and when (the first of all days: now).
    """

    now: tuple[Change, ...]
    later: tuple[Later, ...]
    tallied: tuple[tuple[_Key, int], ...]
    mark: bytes
    felt: int
    places: tuple[tuple[str, date], ...]


def effect_of(
    before: Sequence[Grant],
    after: Sequence[Grant],
    now: tuple[Change, ...],
    later: tuple[Later, ...],
    observed: frozenset[str] = frozenset(),
) -> Effect:
    """Return the effect of a plan on somebody who holds `before` and would hold `after`, and later what follows.

    What happens in an `observed` workspace counts there and not among all.
    """
    tallied = Counter[_Key]()
    tallied.update(_people(before, "before"))
    tallied.update(_people(after, "after"))
    tallied.update(_changes(now, None, frozenset(), observed))
    steps = after
    for step in later:
        tallied.update(_changes(step.changes, step.day, step.known, observed))
        _move(tallied, steps, step)
        steps = step.after
    felt = [(change.workspace, date.min) for change in now if change.kind is not ChangeKind.PROVENANCE]
    felt += [(change.workspace, step.day) for step in later for change in step.changes]
    return Effect(now, later, tuple(tallied.items()), _mark(now, later), len(felt), tuple(dict.fromkeys(felt)))


def _people(grants: Sequence[Grant], when: str) -> Iterator[_Key]:
    """Yield, once for a person, each workspace and each role in which they hold something."""
    for workspace in {grant.workspace for grant in grants if grant.state is GrantState.EFFECTIVE}:
        yield (when, workspace)
    yield from ((when, *role) for role in _roles(grants))


def _roles(grants: Iterable[Grant]) -> set[tuple[str, str, str]]:
    return {(one.workspace, one.slot, one.role) for one in grants if one.state is GrantState.EFFECTIVE}


def _changes(
    changes: Sequence[Change], day: date | None, known: frozenset[Change], observed: frozenset[str]
) -> Iterator[_Key]:
    felt = [change for change in changes if change.kind is not ChangeKind.PROVENANCE]
    for change in changes:
        yield ("kind", day, change.workspace, change.rule, change.kind)
        if change.workspace not in observed:
            yield ("all", day, change.kind)
        if change in known:
            yield ("known", day, change.workspace, change.rule)
    for change in felt:
        if day is None:
            yield ("turn", change.workspace, change.rule, change.slot, _role(change.before), _role(change.after))
        elif change.project:
            yield ("project", day, change.workspace, change.rule, change.project)
    for workspace in {change.workspace for change in felt}:
        yield ("people", day, workspace)
    for workspace, rule in {(change.workspace, change.rule) for change in felt}:
        yield ("people", day, workspace, rule)
    if any(change.workspace not in observed for change in felt):
        yield ("people", day)
    for workspace in {change.workspace for change in felt if change.kind is ChangeKind.LOSE}:
        yield ("losing", day, workspace)


def _move(tallied: Counter[_Key], before: Sequence[Grant], step: Later) -> None:
    """Count who begins and ends to hold something, and each role, on a later day."""
    for sign, here, there in ((1, step.after, before), (-1, before, step.after)):
        in_force = [{one.workspace for one in side if one.state is GrantState.EFFECTIVE} for side in (here, there)]
        for workspace in in_force[0] - in_force[1]:
            tallied["seat", step.day, workspace] += sign
        for role in _roles(here) - _roles(there):
            tallied[("holder", step.day, *role)] += sign


def _role(grant: Grant | None) -> str:
    return grant.role if grant is not None and grant.state is GrantState.EFFECTIVE else ""


def _mark(now: Sequence[Change], later: Sequence[Later]) -> bytes:
    lines = [[str(step.day), *map(_line, step.changes)] for step in later]
    shown = [_line(change) for change in now if not _same_shape(change)]
    if not lines and not shown:
        return b""
    text = json.dumps([shown, lines], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _line(change: Change) -> list[object]:
    return [change.kind, change.workspace, change.slot, change.project, shape(change.before), shape(change.after)]


def _same_shape(change: Change) -> bool:
    return shape(change.before) == shape(change.after)


def shape(grant: Grant | None) -> tuple[str, ...]:
    """Return what a plan shows of a grant: everything but whose it is and through which memberships it came."""
    if grant is None:
        return ()
    return (
        grant.role,
        grant.state,
        grant.source,
        grant.rule,
        grant.lock,
        grant.reach,
        grant.override,
        grant.acts_as_slot,
        grant.acts_as_role,
        str(grant.valid_from or ""),
        str(grant.valid_until or ""),
        "held" if grant.held_since else "",
    )


# --- adding up -------------------------------------------------------------------------------------------------


class Tally:
    """The sums of a plan. People are to be added in the order of their ids."""

    def __init__(
        self, reasons: Reasons, *, shown: int | None, told: Callable[[PlannedChange], None] | None = None
    ) -> None:
        """Begin with nothing.

        `shown` bounds the changes that are kept of each workspace (None: all of them), `told` hears of every one.
        """
        self.reasons = reasons
        self._shown = shown
        self._told = told
        self._sums: Counter[_Key] = Counter()
        self._digest = hashlib.sha256()
        self._kept: dict[str, list[PlannedChange]] = {}
        self._last: dict[str, tuple[date, str]] = {}
        self.total = 0

    def add(self, user_id: str, user_name: str, effect: Effect) -> None:
        """Add what happens to one person."""
        self.count(effect, 1)
        if effect.mark or effect.now:
            self.change(user_id, user_name, effect)

    def count(self, effect: Effect, people: int) -> None:
        """Add what happens to so many people to the sums."""
        for key, number in effect.tallied:
            self._sums[key] += number * people

    def complete(self, holders: Mapping[tuple[str, ...], int]) -> None:
        """Add those whom nothing happens to, given how many people hold something in each workspace, and each role.

        `holders` is by (workspace,) and by (workspace, slot, role), everybody included who was counted before.
        """
        for what, number in holders.items():
            others = number - self._sums["before", *what]
            for when in ("before", "after"):
                self._sums[when, *what] += others

    def change(self, user_id: str, user_name: str, effect: Effect) -> None:
        """Add what happens to a person to the digest and to what is told; their part of the sums is counted apart."""
        if effect.mark:
            self._digest.update(user_id.encode())
            self._digest.update(effect.mark)
        for planned in self._planned(user_name, effect):
            self.total += 1
            if self._told is not None:
                self._told(planned)
            self._keep(planned)

    def pass_by(self, user_id: str, effect: Effect) -> None:
        """Add what happens to a person who is not shown to the digest and the number of changes, not to the sums."""
        if effect.mark:
            self._digest.update(user_id.encode())
            self._digest.update(effect.mark)
        self.total += effect.felt

    def shows(self, user_name: str, effect: Effect) -> bool:
        """Return whether a change of a person may be among those that are told or kept."""
        if not effect.felt or self._told is not None or self._shown is None:
            return effect.felt > 0
        if not self._shown:
            return False
        name = user_name.casefold()
        for workspace, day in effect.places:
            last = self._last.get(workspace)
            if last is None or (day, name) <= last:
                return True
        return False

    def _planned(self, user_name: str, effect: Effect) -> Iterator[PlannedChange]:
        steps = [(None, effect.now, frozenset[Change]()), *((s.day, s.changes, s.known) for s in effect.later)]
        for day, changes, known in steps:
            for change in changes:
                if change.kind is not ChangeKind.PROVENANCE:
                    place = self.reasons.place(change.workspace, change.rule)
                    yield PlannedChange(change, user_name, day, place, change in known)

    def _keep(self, planned: PlannedChange) -> None:
        kept = self._kept.setdefault(planned.change.workspace, [])
        kept.append(planned)
        if self._shown is not None and len(kept) > 4 * self._shown + 16:
            kept.sort(key=_listed)
            del kept[self._shown :]
            if kept:
                last = kept[-1]
                self._last[planned.change.workspace] = (last.on or date.min, last.user_name.casefold())

    @property
    def effects(self) -> str:
        """Return SHA-256 (hexadecimal) over who is changed and how."""
        return self._digest.hexdigest()

    def changes(self) -> tuple[PlannedChange, ...]:
        """Return the changes that were kept, by workspace: those of now, then those of later days, by userName."""
        return tuple(
            planned
            for workspace in sorted(self._kept)
            for planned in sorted(self._kept[workspace], key=_listed)[: self._shown]
        )

    def sums(self) -> Sums:
        """Return the sums, in the form in which they are asked for."""
        return Sums(self._sums, self.reasons)


class Sums:
    """What a tally added up: by workspace, rule and day, each found at once."""

    def __init__(self, tallied: Mapping[_Key, int], reasons: Reasons) -> None:
        self._reasons = reasons
        self._tallied = tallied
        self._kinds: dict[_Where, Counter[str]] = defaultdict(Counter)
        self._known: Counter[_Where] = Counter()
        self._projects: dict[_Where, set[str]] = defaultdict(set)
        self._turns: dict[tuple[str, str], list[Turn]] = defaultdict(list)
        self._days: dict[tuple[str, str | None], set[date]] = defaultdict(set)
        self._rules: dict[str, set[str]] = defaultdict(set)
        self._moves: dict[str, dict[date, int]] = defaultdict(dict)
        for key, number in tallied.items():
            if number:
                self._take(key, number)

    def _take(self, key: Any, number: int) -> None:
        match key:
            case ("kind", day, workspace, rule, kind):
                for where in ((day, workspace, rule), (day, workspace, None)):
                    self._kinds[where][kind.value] += number
                self._rules[workspace].add(rule)
                if day is not None:
                    self._days[workspace, rule].add(day)
                    self._days[workspace, None].add(day)
            case ("all", day, kind):
                self._kinds[day, None, None][kind.value] += number
            case ("known", day, workspace, rule):
                for where in ((day, workspace, rule), (day, workspace, None)):
                    self._known[where] += number
            case ("project", day, workspace, rule, project):
                for where in ((day, workspace, rule), (day, workspace, None)):
                    self._projects[where].add(project)
            case ("turn", workspace, rule, slot, before, after):
                self._turns[workspace, rule].append(Turn(slot, before, after, number))
            case ("seat", day, workspace):
                self._moves[workspace][day] = number

    def counts(self, workspace: str | None = None, rule: str | None = None, day: date | None = None) -> Counts:
        """Return how much happens now or on a day: everywhere, in a workspace, or through one of its rules."""
        where = tuple(part for part in (workspace, rule) if part is not None)
        people = self._tallied.get(("people", day, *where), 0)
        return Counts(**self._kinds.get((day, workspace, rule), _NO_KINDS), people=people)

    def losing(self, workspace: str, day: date | None = None) -> int:
        """Return how many people lose a role in a workspace now, or on a day."""
        return self._tallied.get(("losing", day, workspace), 0)

    def days(self, workspace: str, rule: str | None = None) -> list[date]:
        """Return the later days on which something changes in a workspace (through a rule), in order."""
        return sorted(self._days.get((workspace, rule), ()))

    def seats(self, workspace: str, limit: int | None) -> Seats:
        """Return how many people hold something in a workspace, now and later."""
        held = after = self._tallied.get(("after", workspace), 0)
        days = []
        for day, number in sorted(self._moves.get(workspace, {}).items()):
            held += number
            days.append((day, held))
        return Seats(self._tallied.get(("before", workspace), 0), after, limit, tuple(days))

    def holders(self, workspace: str) -> Iterator[tuple[date | None, dict[tuple[str, str], int]]]:
        """Yield how many people hold each (slot, role): before an apply (under None), after it (None again), and from
        each later day on.
        """
        found = {when: Counter[tuple[str, str]]() for when in ("before", "after")}
        moves: dict[date, Counter[tuple[str, str]]] = defaultdict(Counter)
        for key, number in self._tallied.items():
            match key:
                case ("before" | "after" as when, here, slot, role) if here == workspace:
                    found[str(when)][str(slot), str(role)] += number
                case ("holder", date() as day, here, slot, role) if here == workspace:
                    moves[day][str(slot), str(role)] += number
        yield None, dict(found["before"])
        held = found["after"]
        yield None, dict(held)
        for day in sorted(moves):
            held.update(moves[day])
            yield day, dict(held)

    def workspace(self, workspace: str, *, seats: int | None, observed: bool) -> WorkspacePlan:
        """Return what happens in a workspace. `seats` is how many people it may hold, if that is known."""
        return WorkspacePlan(
            workspace=workspace,
            seats=self.seats(workspace, seats),
            now=self.counts(workspace),
            rules=tuple(self._rule(workspace, rule) for rule in sorted(self._rules.get(workspace, ()))),
            days=tuple(self._on_day(workspace, None, day) for day in self.days(workspace)),
            observed=observed,
        )

    def _rule(self, workspace: str, rule: str) -> RuleEffect:
        turns = sorted(
            self._turns.get((workspace, rule), ()),
            key=lambda turn: (-turn.count, turn.slot, turn.before, turn.after),
        )
        return RuleEffect(
            rule=rule,
            place=self._reasons.place(workspace, rule),
            now=self.counts(workspace, rule),
            turns=tuple(turns[:_TURNS]),
            days=tuple(self._on_day(workspace, rule, day) for day in self.days(workspace, rule)),
        )

    def _on_day(self, workspace: str, rule: str | None, day: date) -> OnDay:
        projects = sorted(self._projects.get((day, workspace, rule), ()))
        return OnDay(
            day,
            self.counts(workspace, rule, day),
            self._known[day, workspace, rule],
            tuple(projects[:NAMED_PROJECTS]),
            max(0, len(projects) - NAMED_PROJECTS),
        )


def _listed(planned: PlannedChange) -> tuple[object, ...]:
    change = planned.change
    return (
        planned.on or date.min,
        planned.user_name.casefold(),
        change.user_id,
        change.project,
        change.slot,
        _role(change.before),
        _role(change.after),
    )


Expected = frozenset[tuple[date, ChangeKind, str, str, str, str, str]]
"""Changes that are to come anyway: day, kind, workspace, slot, project, role before and after."""


def schedule(
    start: Sequence[Grant],
    outcomes: Iterable[tuple[date, Outcome]],
    why: Reasons,
    expected: Callable[[], Expected] = frozenset,
) -> tuple[Later, ...]:
    """Return what changes from day to day, from `start` on, given the outcome at each day on which one may differ.

    `expected` is asked when there is anything.
    """
    steps: list[Later] = []
    held = start
    for day, outcome in outcomes:
        changes = tuple(one for one in diff(held, outcome.grants) if one.kind is not ChangeKind.PROVENANCE)
        held = outcome.grants
        if changes:
            steps.append(Later(day, why.told(changes, outcome.lost), frozenset(), held))
    if not steps:
        return ()
    coming = expected()
    return tuple(
        replace(step, known=frozenset(one for one in step.changes if _coming(step.day, one) in coming))
        for step in steps
    )


def coming(steps: Iterable[Later]) -> Expected:
    """Return the changes of a schedule as another one compares its own with them."""
    return frozenset(_coming(step.day, change) for step in steps for change in step.changes)


def _coming(day: date, change: Change) -> tuple[date, ChangeKind, str, str, str, str, str]:
    scope = (change.workspace, change.slot, change.project)
    return (day, change.kind, *scope, _role(change.before), _role(change.after))
