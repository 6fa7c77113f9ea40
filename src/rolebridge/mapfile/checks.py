"""What rules do to each other: undecided conflicts, orders with gaps, rules that never win, denies without reach.

These checks look at rules that are sound by themselves. They warn of what the text alone shows; nothing here knows the
directory or the day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from rolebridge.core.catalogue import Catalogue, Level, Merge, Reach
from rolebridge.core.mapping import Boundary, MergeRule, Rule, WorkspaceMapping
from rolebridge.mapfile.given import Given, ReadRule, Scopes, given_by
from rolebridge.mapfile.never_wins import NeverWins
from rolebridge.mapfile.reading import Sink
from rolebridge.mapfile.yamlsource import Node

MAX_RULES = 1000
"""How many rules are compared with each other; a file with more is read, and only these warnings stop there."""


@dataclass(frozen=True, slots=True)
class ConflictOrder:
    """What `conflicts` says about one slot, and where."""

    rule: MergeRule
    node: Node


def check_rules(
    mapping: WorkspaceMapping,
    rules: Sequence[ReadRule],
    orders: Mapping[str, ConflictOrder],
    catalogue: Catalogue,
    sink: Sink,
) -> None:
    """Record what the rules of one workspace do to each other. `catalogue` has the custom roles in it."""
    scopes = Scopes(mapping.projects)
    given = [one for read in rules for one in given_by(read, catalogue)]
    merges = {
        slot.id: orders[slot.id].rule if slot.id in orders else MergeRule(slot.merge, slot.rank)
        for slot in catalogue.slots.values()
    }
    _check_orders(given, orders, merges, sink)
    _check_conflicts(given, merges, scopes, sink)
    NeverWins(rules[:MAX_RULES], given, merges, scopes, sink).check()
    _check_denies(mapping, rules, given, catalogue, sink)


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


def _check_conflicts(given: Sequence[Given], merges: Mapping[str, MergeRule], scopes: Scopes, sink: Sink) -> None:
    """Warn once for each slot in which rules can give one person different roles and no order decides."""
    by_slot: dict[str, list[Given]] = defaultdict(list)
    for one in given:
        if merges[one.slot.id].merge is Merge.ERROR and one.real_roles:
            by_slot[one.slot.id].append(one)
    for slot, candidates in by_slot.items():
        pair = _first_conflict(candidates[:MAX_RULES], scopes)
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


def _first_conflict(candidates: Sequence[Given], scopes: Scopes) -> tuple[Given, Given] | None:
    if len(frozenset().union(*(one.real_roles for one in candidates))) < 2:
        return None
    for index, second in enumerate(candidates):
        if len(second.real_roles) > 1 and not second.slot.holds_many:
            return second, second
        for first in candidates[:index]:
            if first.real_roles != second.real_roles and _can_meet(first, second, scopes):
                return first, second
    return None


def _can_meet(first: Given, second: Given, scopes: Scopes) -> bool:
    """Return whether both can speak of the same person, on the same day, in the same place."""
    if not _periods_meet(first.rule, second.rule):
        return False
    if first.slot.level is Level.PROJECT:
        places = scopes.of(first.rule), scopes.of(second.rule)
        if places[0] is not None and places[1] is not None and places[0].isdisjoint(places[1]):
            return False
    by_name = all(rule.users and not rule.groups for rule in (first.rule, second.rule))
    return not (by_name and first.rule.users.isdisjoint(second.rule.users))


def _periods_meet(first: Rule, second: Rule) -> bool:
    return _not_after(first.starts, second.ends) and _not_after(second.starts, first.ends)


def _not_after(start: Boundary, end: Boundary) -> bool:
    return not (isinstance(start, date) and isinstance(end, date) and start > end)


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
