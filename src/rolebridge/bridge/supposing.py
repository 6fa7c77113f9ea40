"""What if: what the mapping in force would make of a directory in which something else were so. Nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from rolebridge.bridge.naming import the_user
from rolebridge.bridge.planning import SHOWN, Planned, later_trips
from rolebridge.bridge.resolving import outcome_under, read_people
from rolebridge.bridge.rulebooks import Rulebooks, mapping_table
from rolebridge.bridge.surveying import BLOCK, Comparison, effect_on
from rolebridge.core.attributes import AttributeType
from rolebridge.core.batches import batches
from rolebridge.core.directory import Group, Membership
from rolebridge.core.effects import Sums, Tally
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.filters import AttrPath, FilterError, parse_path
from rolebridge.core.guardrails import Trip, last_holders, revocations
from rolebridge.core.mapping import WorkspaceMapping
from rolebridge.core.nesting import effective, ways_up
from rolebridge.core.plan import Plan, PlannedChange, WorkspacePlan, digest_of
from rolebridge.core.supposing import (
    Activity,
    Gone,
    GroupGone,
    Has,
    Joins,
    Leaves,
    Renamed,
    Supposition,
    supposed,
)
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

MOST: Final = 20
"""How many things may be supposed at once."""
_LONGEST: Final = 4_000
FORMS: Final = (
    "user NAME joins group NAME",
    "user NAME leaves group NAME",
    "user NAME is deactivated (activated, deleted)",
    "user NAME has ATTRIBUTE = VALUE",
    "group NAME is deleted",
    "group NAME is renamed to NAME",
)
"""What can be supposed."""
_ACTIVITY: Final = {"deactivated": False, "inactive": False, "activated": True, "active": True}


@dataclass(frozen=True, slots=True)
class Supposed:
    """A plan of what was supposed, in its words."""

    sentences: tuple[str, ...]
    planned: Planned


class Supposing:
    """Answers what-if questions about an organization's directory, over the mapping in force."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def plan(
        self,
        organization_id: str,
        sentences: Sequence[str],
        *,
        shown: int | None = SHOWN,
        told: Callable[[PlannedChange], None] | None = None,
    ) -> Supposed:
        """Say what would change if all of `sentences` (see FORMS) came true, one after the other.

        `shown` and `told` are those of `Planning.plan`. Raises Invalid for what cannot be understood, and NotFound.
        """
        if not 0 < len(sentences) <= MOST:
            raise Invalid(f"suppose between 1 and {MOST} things", "what_if")
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            reader = _Reader(unit, organization_id)
            suppositions = [reader.read(sentence) for sentence in sentences]
            # What is in force decides: in an observed workspace that is less than its files intend.
            registry = replace(rulebook.registry, observed=frozenset())
            in_force = replace(rulebook, intended=rulebook.programs, registry=registry)
            comparison = Comparison(in_force, in_force, self._clock())
            tally = Tally(comparison.reasons(), shown=shown, told=told)
            for ids in batches(reader.affected(), BLOCK):
                _look(unit, organization_id, ids, suppositions, comparison, tally)
            plan = _plan(unit, organization_id, comparison, tally)
            catalogues = {program.workspace: program.catalogue for program in rulebook.programs}
        return Supposed(tuple(sentences), Planned(plan, (), {}, catalogues))


def _look(
    unit: Unit,
    organization_id: str,
    ids: Sequence[str],
    suppositions: Sequence[Supposition],
    comparison: Comparison,
    tally: Tally,
) -> None:
    """Add what becomes of people whom the suppositions concern."""
    for person in read_people(unit, organization_id, ids):
        if person.user is not None:
            user, memberships = supposed(suppositions, person.user, person.memberships)
            other = replace(person, user=user, memberships=memberships)
            outcome = outcome_under(comparison.candidate, other, comparison.now)
            effect = effect_on(other, outcome, comparison, tally.reasons, known_of=person)
            tally.add(person.user_id, person.user.user_name, effect)


def _plan(unit: Unit, organization_id: str, comparison: Comparison, tally: Tally) -> Plan:
    sums, base = tally.sums(), comparison.base
    mappings = [program.mapping for program in base.programs]
    return Plan(
        base_revision=base.revision,
        candidate_digest=base.digest,
        digest=digest_of("0" * 64, "0" * 64, tally.effects),
        day=comparison.day,
        horizon=comparison.horizon,
        new=False,
        workspaces=tuple(_workspace(unit, organization_id, one, sums) for one in mappings),
        counts=sums.counts(),
        trips=tuple(trip for one in mappings for trip in _trips(unit, organization_id, one, sums)),
        later_trips=tuple(found for one in mappings for found in later_trips(one, sums)),
        changes=tally.changes(),
        total=tally.total,
    )


def _workspace(unit: Unit, organization_id: str, mapping: WorkspaceMapping, sums: Sums) -> WorkspacePlan:
    """Return what happens in a workspace; its seats are those of everybody, whom the suppositions concern or not."""
    plan = sums.workspace(mapping.workspace, seats=mapping.seats, observed=False)
    seats = plan.seats
    others = unit.grants(organization_id).counts(mapping.workspace).people - seats.before
    later = tuple((day, people + others) for day, people in seats.days)
    return replace(plan, seats=replace(seats, before=seats.before + others, after=seats.after + others, days=later))


def _trips(unit: Unit, organization_id: str, mapping: WorkspaceMapping, sums: Sums) -> Iterator[Trip]:
    """Yield the guard rails that what is supposed would pass: what the directory does past them is held."""
    workspace, guard = mapping.workspace, mapping.guard
    people = unit.grants(organization_id).counts(workspace).people
    mass = revocations(workspace, guard, sums.losing(workspace), people)
    if mass is not None:
        yield mass
    before, after = (found for day, found in sums.holders(workspace) if day is None)
    rows = unit.holds(organization_id)
    had = {(slot, role): rows.holders_of(workspace, slot, role) for slot, role, _ in guard.keep}
    has = {pair: number - before.get(pair, 0) + after.get(pair, 0) for pair, number in had.items()}
    yield from last_holders(workspace, guard, had, has)


# --- reading -----------------------------------------------------------------------------------------------------


class _Reader:
    """Reads suppositions, and remembers whom they concern."""

    def __init__(self, unit: Unit, organization_id: str) -> None:
        self._unit = unit
        self._organization_id = organization_id
        self._users: set[str] = set()
        self._groups: list[str] = []

    def affected(self) -> Iterator[str]:
        """Yield the ids of the people whom the suppositions concern, in order."""
        directory = self._unit.directory(self._organization_id)
        if len(self._groups) == 1 and not self._users:
            yield from directory.members_below(self._groups[0])
            return
        members = (id_ for group_id in self._groups for id_ in directory.members_below(group_id))
        yield from sorted(self._users.union(members))

    def read(self, sentence: str) -> Supposition:
        """Return what a sentence supposes. Raises Invalid and NotFound."""
        if len(sentence) > _LONGEST:
            raise Invalid("what is supposed is too long", "what_if")
        for pattern, make in _PATTERNS:
            found = pattern.fullmatch(sentence.strip())
            if found is not None:
                return make(self, *found.groups())
        raise Invalid(f"`{sentence}` is nothing that can be supposed: write {'; '.join(FORMS)}", "what_if")

    def joins(self, user: str, group: str) -> Supposition:
        """Return that somebody enters a group."""
        entered = self._group(group)
        parents = self._unit.directory(self._organization_id).parents_above([entered.id])
        # As of no moment: who joined some day has no day yet.
        direct = Membership(entered)
        above = effective([direct], {entered.id: ways_up(entered, parents)})
        others = tuple(replace(one, since=None) for one in above if one.via)
        return Joins(self._user(user), (direct, *others))

    def leaves(self, user: str, group: str) -> Supposition:
        """Return that somebody leaves a group."""
        return Leaves(self._user(user), self._group(group).id)

    def becomes(self, user: str, how: str) -> Supposition:
        """Return that somebody is active, is not, or is deleted."""
        user_id = self._user(user)
        return Gone(user_id) if how.lower() == "deleted" else Activity(user_id, _ACTIVITY[how.lower()])

    def has(self, user: str, attribute: str, value: str) -> Supposition:
        """Return that an attribute of somebody has a value."""
        user_id = self._user(user)
        try:
            path = parse_path(attribute)
            if not isinstance(path, AttrPath):
                raise Invalid("the path must name one attribute of the user", "what_if")
            found = mapping_table(self._unit, self._organization_id).resolve(path, compared=True)
        except FilterError as error:
            raise Invalid(f"{error.message} in `{attribute}`", "what_if") from error
        if found.multi_valued or found.target.type is AttributeType.COMPLEX:
            raise Invalid(f"`{attribute}` holds several values; suppose one that holds one", "what_if")
        meant = _value(value, found.target.type)
        return Activity(user_id, meant) if found.keys == ("active",) else Has(user_id, found.keys, meant)

    def deleted(self, group: str) -> Supposition:
        """Return that a group is deleted."""
        return GroupGone(self._members_of(group))

    def renamed(self, group: str, name: str) -> Supposition:
        """Return that a group has another name."""
        return Renamed(self._members_of(group), name)

    def _user(self, name: str) -> str:
        user = the_user(self._unit, self._organization_id, _unquoted(name))
        self._users.add(user.id)
        return user.id

    def _members_of(self, name: str) -> str:
        group = self._group(name)
        self._groups.append(group.id)
        return group.id

    def _group(self, name: str) -> Group:
        name = _unquoted(name)
        found = self._unit.directory(self._organization_id).group_by_name(name)
        if not found:
            raise NotFound("group", name)
        if len(found) > 1:
            ids = ", ".join(f"`{one.id}`" for one in found)
            raise Invalid(f"several groups are called `{name}`; use the id of one: {ids}", "what_if")
        connections = {one.id: one.name for one in self._unit.accounts.connections(self._organization_id)}
        group = found[0]
        return Group(group.id, group.display, connections[group.connection_id], group.external_id)


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name


def _value(text: str, kind: AttributeType) -> Any:
    text = _unquoted(text)
    if kind is AttributeType.BOOLEAN and text in {"true", "false"}:
        return text == "true"
    if kind in {AttributeType.INTEGER, AttributeType.DECIMAL}:
        try:
            return int(text) if kind is AttributeType.INTEGER else float(text)
        except ValueError:
            raise Invalid(f"`{text}` is no number", "what_if") from None
    if kind is AttributeType.BOOLEAN:
        raise Invalid(f"`{text}` is neither `true` nor `false`", "what_if")
    return text


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


_PATTERNS: Final[Sequence[tuple[re.Pattern[str], Callable[..., Supposition]]]] = (
    (_pattern(r"user (.+?) joins group (.+)"), _Reader.joins),
    (_pattern(r"user (.+?) leaves group (.+)"), _Reader.leaves),
    (_pattern(r"user (.+?) has ([^\s=]+)\s*=\s*(.*)"), _Reader.has),
    (_pattern(r"user (.+) is (deactivated|inactive|activated|active|deleted)"), _Reader.becomes),
    (_pattern(r"group (.+?) is renamed to (.+)"), _Reader.renamed),
    (_pattern(r"group (.+) is deleted"), _Reader.deleted),
)
_HELD: Final = frozenset({_Reader.leaves, _Reader.renamed, _Reader.deleted})


def is_held(sentences: Sequence[str]) -> bool:
    """Return whether guard rails hold losses of what `sentences` suppose: of memberships that end, and of nothing else.

    Losses by any other supposition take effect past a guard rail too: deactivation and deletion are never held.
    """
    found = (next((make for pattern, make in _PATTERNS if pattern.fullmatch(one.strip())), None) for one in sentences)
    return any(make in _HELD for make in found)
