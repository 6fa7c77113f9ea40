"""What rules do to each other: undecided conflicts, orders with gaps, rules that never win, denies without reach.

These checks look at rules that are sound by themselves. They warn of what the text alone shows; nothing here knows the
directory or the day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from rolebridge.core.catalogue import Catalogue, Level, Merge, Reach, Slot
from rolebridge.core.mapping import (
    Boundary,
    Capture,
    GroupRef,
    MergeRule,
    Pattern,
    Project,
    ProjectSelector,
    Rule,
    SelectorKind,
    WorkspaceMapping,
)
from rolebridge.mapfile.reading import Sink
from rolebridge.mapfile.yamlsource import Node, Table

MAX_RULES = 1000
"""How many rules are compared with each other; a file with more is read, and only these warnings stop there."""

_MAX_RIVALS = 200


@dataclass(frozen=True, slots=True)
class ReadRule:
    """A sound rule and the part of the file that it was read from."""

    rule: Rule
    node: Table


@dataclass(frozen=True, slots=True)
class ConflictOrder:
    """What `conflicts` says about one slot, and where."""

    rule: MergeRule
    node: Node


@dataclass(frozen=True, slots=True)
class Given:
    """What one rule can give in one slot: the possible roles, and the projects (None: all, later ones included)."""

    read: ReadRule
    slot: Slot
    roles: frozenset[str]
    projects: frozenset[str] | None

    @property
    def rule(self) -> Rule:
        """Return the rule that gives."""
        return self.read.rule

    @property
    def real_roles(self) -> frozenset[str]:
        """Return the roles without mere access, which every role outranks."""
        return frozenset(role for role in self.roles if not self.slot.roles[role].is_access)


def check_rules(
    mapping: WorkspaceMapping,
    rules: Sequence[ReadRule],
    orders: Mapping[str, ConflictOrder],
    catalogue: Catalogue,
    sink: Sink,
) -> None:
    """Record what the rules of one workspace do to each other. `catalogue` has the custom roles in it."""
    scopes = _Scopes(mapping.projects)
    given = [one for read in rules[:MAX_RULES] for one in _given(read, catalogue, scopes)]
    merges = {
        slot.id: orders[slot.id].rule if slot.id in orders else MergeRule(slot.merge, slot.rank)
        for slot in catalogue.slots.values()
    }
    _check_orders(given, orders, merges, sink)
    _check_conflicts(given, merges, sink)
    _NeverWins(rules[:MAX_RULES], given, merges, scopes, sink).check()
    _check_denies(mapping, rules, given, catalogue, sink)


# --- what a rule gives, and where ---


class _Scopes:
    """The declared projects that selectors choose, worked out once for each different list of selectors."""

    def __init__(self, projects: Mapping[str, Project]) -> None:
        self._projects = projects
        self._known: dict[tuple[object, ...], frozenset[str] | None] = {}

    def of(self, rule: Rule) -> frozenset[str] | None:
        """Return the projects that a rule speaks of, under any captures; None means all, later ones included."""
        captured = {
            selector.value: frozenset(
                value for capture in _captures(rule, selector.value) for value in capture.values.values()
            )
            for selector in rule.projects
            if selector.kind is SelectorKind.CAPTURE
        }
        key = (rule.projects, tuple(sorted(captured.items(), key=lambda item: item[0])))
        if key not in self._known:
            self._known[key] = self._select(rule.projects, captured)
        return self._known[key]

    def _select(
        self, selectors: tuple[ProjectSelector, ...], captured: Mapping[str, frozenset[str]]
    ) -> frozenset[str] | None:
        chosen: set[str] = set()
        for selector in selectors:
            if selector.kind is SelectorKind.ALL:
                return None
            if selector.kind is SelectorKind.CAPTURE:
                chosen |= captured[selector.value]
            else:
                chosen |= {project.id for project in self._projects.values() if selector.selects(project, {})}
        return frozenset(chosen)


def _given(read: ReadRule, catalogue: Catalogue, scopes: _Scopes) -> Iterator[Given]:
    roles: dict[str, set[str]] = defaultdict(set)
    for term in read.rule.grant:
        if term.role is not None:
            roles[term.slot].add(term.role)
        for capture in _captures(read.rule, term.capture) if term.capture else ():
            roles[term.slot].update(capture.values.values())
    for slot_id, granted in roles.items():
        slot = catalogue.slots[slot_id]
        projects = scopes.of(read.rule) if slot.level is Level.PROJECT else None
        yield Given(read, slot, frozenset(granted), projects)


def _captures(rule: Rule, name: str) -> Iterator[Capture]:
    for group in rule.groups:
        if isinstance(group, Pattern):
            yield from (piece for piece in group.pieces if isinstance(piece, Capture) and piece.name == name)


# --- several rules, one slot ---


def _check_orders(
    given: Sequence[Given], orders: Mapping[str, ConflictOrder], merges: Mapping[str, MergeRule], sink: Sink
) -> None:
    """Check that every granted role has its place where one slot's roles are ranked."""
    missing: dict[str, dict[str, Given]] = defaultdict(dict)
    for one in given:
        merge = merges[one.slot.id]
        if merge.merge is Merge.HIGHEST and not one.slot.holds_many and merge.rank:
            for role in sorted(one.real_roles - set(merge.rank)):
                missing[one.slot.id].setdefault(role, one)
    for slot, roles in missing.items():
        named = " and ".join(f"`{role}`" for role in roles)
        first = next(iter(roles.values()))
        detail = f"the order of `{slot}` leaves out {named}, which rule `{first.rule.id}` grants"
        at = orders[slot].node if slot in orders else first.read.node
        sink.add("conflict-order-incomplete", at, detail, help_=f"list it under `conflicts: {{{slot}: […]}}`")


def _check_conflicts(given: Sequence[Given], merges: Mapping[str, MergeRule], sink: Sink) -> None:
    """Warn once for each slot in which rules can give one person different roles and no order decides."""
    by_slot: dict[str, list[Given]] = defaultdict(list)
    for one in given:
        if merges[one.slot.id].merge is Merge.ERROR and one.real_roles:
            by_slot[one.slot.id].append(one)
    for slot, candidates in by_slot.items():
        pair = _first_conflict(candidates)
        if pair is None:
            continue
        first, second = pair
        roles = sorted(first.real_roles | second.real_roles)
        listed = " and ".join(f"`{role}`" for role in roles[:3]) + (" …" if len(roles) > 3 else "")
        if first is second:
            who = f"rule `{first.rule.id}`"
        else:
            who = f"rules `{first.rule.id}` and `{second.rule.id}`"
        detail = f"{who} can give one person {listed} in `{slot}`, and nobody would win"
        help_ = f"say who wins: `conflicts: {{{slot}: [{', '.join(roles[:5])}]}}`, the highest first"
        sink.add("possible-conflict", second.read.node, detail, help_=help_)


def _first_conflict(candidates: Sequence[Given]) -> tuple[Given, Given] | None:
    if len(frozenset().union(*(one.real_roles for one in candidates))) < 2:
        return None
    for index, second in enumerate(candidates):
        if len(second.real_roles) > 1 and not second.slot.holds_many:
            return second, second
        for first in candidates[:index]:
            if first.real_roles != second.real_roles and _can_meet(first, second):
                return first, second
    return None


def _can_meet(first: Given, second: Given) -> bool:
    """Return whether both can speak of the same person, on the same day, in the same place."""
    apart = first.projects is not None and second.projects is not None and first.projects.isdisjoint(second.projects)
    if apart or not _periods_meet(first.rule, second.rule):
        return False
    by_name = all(rule.users and not rule.groups for rule in (first.rule, second.rule))
    return not (by_name and first.rule.users.isdisjoint(second.rule.users))


def _periods_meet(first: Rule, second: Rule) -> bool:
    return _not_after(first.starts, second.ends) and _not_after(second.starts, first.ends)


def _not_after(start: Boundary, end: Boundary) -> bool:
    return not (isinstance(start, date) and isinstance(end, date) and start > end)


# --- rules that never win ---


class _NeverWins:
    """Finds rules whose every grant is always beaten by one other rule that speaks of the same people, or of more."""

    def __init__(
        self,
        rules: Sequence[ReadRule],
        given: Sequence[Given],
        merges: Mapping[str, MergeRule],
        scopes: _Scopes,
        sink: Sink,
    ) -> None:
        self._rules = rules
        self._merges = merges
        self._scopes = scopes
        self._sink = sink
        self._given: dict[str, list[Given]] = defaultdict(list)
        for one in given:
            self._given[one.rule.id].append(one)
        self._by_target: dict[object, list[ReadRule]] = defaultdict(list)
        for read in rules:
            for target in _targets(read.rule) or [None]:
                self._by_target[target].append(read)

    def check(self) -> None:
        for read in self._rules:
            if not read.rule.grant:
                continue
            verdicts = [self._beaten(one) for one in self._given[read.rule.id]]
            if verdicts and all(verdicts):
                self._sink.add("rule-never-wins", read.node, f"rule `{read.rule.id}` never counts: {verdicts[0]}")

    def _beaten(self, one: Given) -> str | None:
        """Return how a grant is always beaten, or None."""
        targets = _targets(one.rule)
        rivals = [*self._by_target[None], *(self._by_target[targets[0]] if targets else ())]
        for rival in rivals[:_MAX_RIVALS]:
            if rival.rule is not one.rule and _speaks_whenever(rival.rule, one.rule):
                how = self._how(rival, one)
                if how is not None:
                    return how
        return None

    def _how(self, rival: ReadRule, one: Given) -> str | None:
        other = rival.rule
        if other.deny_all or (
            any(term.slot == one.slot.id and (not term.roles or one.roles <= term.roles) for term in other.deny)
            and (one.slot.level is Level.WORKSPACE or _covers(self._scopes.of(other), one.projects))
        ):
            return f"rule `{other.id}` denies the same people what it grants"
        for given in self._given[other.id]:
            if self._overrules(given, one):
                return f"rule `{other.id}` gives the same people a workspace-wide role in `{given.slot.id}`"
            if self._outranks(given, one):
                return f"rule `{other.id}` gives the same people a higher role in `{one.slot.id}`"
        return None

    def _outranks(self, given: Given, one: Given) -> bool:
        merge = self._merges[one.slot.id]
        if given.slot.id != one.slot.id or one.slot.holds_many or not _covers(given.projects, one.projects):
            return False
        if not one.real_roles:
            return given.real_roles == given.roles
        if merge.merge is not Merge.HIGHEST or not given.roles or given.real_roles != given.roles:
            return False
        rank = {role: position for position, role in enumerate(merge.rank)}
        if not (one.real_roles | given.roles) <= rank.keys():
            return False
        return max(rank[role] for role in given.roles) < min(rank[role] for role in one.real_roles)

    def _overrules(self, given: Given, one: Given) -> bool:
        roles = [given.slot.roles[role] for role in given.roles]
        return one.slot.id in given.slot.governs and all(r.overrules and r.reach is Reach.ALL for r in roles)


def _targets(rule: Rule) -> list[object]:
    """Return whom a rule names, in a form that is equal exactly when the same is named."""
    groups: list[object] = [
        ("pattern", group.text.casefold(), group.pieces.__repr__()) if isinstance(group, Pattern) else _group_key(group)
        for group in rule.groups
    ]
    return groups + [("user", user) for user in sorted(rule.users)]


def _group_key(group: GroupRef) -> object:
    return (group.name.casefold() if group.name else None, group.id, group.external_id, group.connection)


def _speaks_whenever(rival: Rule, rule: Rule) -> bool:
    """Return whether `rival` speaks of everybody of whom `rule` speaks, whenever it does."""
    targets, rival_targets = _targets(rule), set(_targets(rival))
    everyone = not rival_targets
    if not everyone and not (targets and rival_targets.issuperset(targets)):
        return False
    if rival.when is not None and rival.when != rule.when:
        return False
    return _begins_by(rival.starts, rule.starts) and _lasts_to(rival.ends, rule.ends)


def _begins_by(rival: Boundary, start: Boundary) -> bool:
    if isinstance(rival, date) and isinstance(start, date):
        return rival <= start
    return rival is None or rival == start


def _lasts_to(rival: Boundary, end: Boundary) -> bool:
    if isinstance(rival, date) and isinstance(end, date):
        return rival >= end
    return rival is None or rival == end


def _covers(wide: frozenset[str] | None, narrow: frozenset[str] | None) -> bool:
    return wide is None or (narrow is not None and narrow <= wide)


# --- denies ---


def _check_denies(
    mapping: WorkspaceMapping, rules: Sequence[ReadRule], given: Sequence[Given], catalogue: Catalogue, sink: Sink
) -> None:
    """Warn of project denies that cannot reach people with an all-projects role, which no project can be taken from."""
    held = {(one.slot.id, role) for one in given for role in one.roles}
    held |= {(outside.slot, outside.role) for outside in mapping.outside}
    reaching: dict[str, list[str]] = defaultdict(list)
    for slot, role in sorted(held):
        found = catalogue.role(slot, role)
        if found.overrules and found.reach is Reach.ALL:
            for governed in catalogue.slots[slot].governs:
                reaching[governed].append(role)
    for read in rules:
        denied_slots = {term.slot for term in read.rule.deny if not term.roles}
        for term in read.rule.deny:
            above = {slot.id for slot in catalogue.slots.values() if term.slot in slot.governs}
            if reaching[term.slot] and not above & denied_slots:
                listed = " and ".join(f"`{role}`" for role in dict.fromkeys(reaching[term.slot]))
                detail = f"who holds {listed} keeps every project: the platform cannot take one away"
                help_ = "deny the workspace role as well, or use `deny: all`"
                sink.add("deny-not-carried-out", read.node, detail, help_=help_)
