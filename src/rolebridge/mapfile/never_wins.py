"""Rules that can never win: whatever they give is always denied, overruled or outranked by one other rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from rolebridge.core.catalogue import Level, Merge, Reach
from rolebridge.core.mapping import Boundary, Capture, GroupRef, MergeRule, Pattern, Rule, SelectorKind
from rolebridge.mapfile.given import Given, ReadRule, Scopes
from rolebridge.mapfile.reading import Sink

_MAX_RIVALS = 200
"""With how many rules that name the same group one rule is compared."""


class NeverWins:
    """Finds rules whose every grant is always beaten by one other rule that speaks of the same people, or of more."""

    def __init__(
        self,
        rules: Sequence[ReadRule],
        given: Sequence[Given],
        merges: Mapping[str, MergeRule],
        scopes: Scopes,
        sink: Sink,
    ) -> None:
        self._rules = rules
        self._merges = merges
        self._scopes = scopes
        self._sink = sink
        self._fingerprints: dict[int, frozenset[tuple[str, str]]] = {}
        self._targets = {read.rule.id: self._targets_of(read.rule) for read in rules}
        self._given: dict[str, list[Given]] = defaultdict(list)
        for one in given:
            self._given[one.rule.id].append(one)
        self._by_target: dict[object, list[ReadRule]] = defaultdict(list)
        for read in rules:
            for target in self._targets[read.rule.id] or [None]:
                self._by_target[target].append(read)

    def check(self) -> None:
        """Warn of each rule whose every grant is beaten."""
        for read in self._rules:
            if not read.rule.grant:
                continue
            verdicts = [self._beaten(one) for one in self._given[read.rule.id]]
            if verdicts and all(verdicts):
                self._sink.add("rule-never-wins", read.node, f"rule `{read.rule.id}` never counts: {verdicts[0]}")

    def _beaten(self, one: Given) -> str | None:
        """Return how a grant is always beaten, or None."""
        targets = list(self._targets[one.rule.id])
        rivals = [*self._by_target[None], *(self._by_target[targets[0]] if targets else ())]
        for rival in rivals[:_MAX_RIVALS]:
            if rival.rule is not one.rule and self._speaks_whenever(rival.rule, one.rule):
                how = self._how(rival, one)
                if how is not None:
                    return how
        return None

    def _how(self, rival: ReadRule, one: Given) -> str | None:
        other = rival.rule
        if other.deny_all or (
            any(term.slot == one.slot.id and (not term.roles or one.roles <= term.roles) for term in other.deny)
            and self._reaches(other, one)
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
        if given.slot.id != one.slot.id or one.slot.holds_many or not self._reaches(given.rule, one):
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

    def _reaches(self, rival: Rule, one: Given) -> bool:
        """Return whether `rival` speaks of every project in which the other grant counts."""
        if one.slot.level is Level.WORKSPACE:
            return True
        if any(selector.kind is SelectorKind.CAPTURE for selector in rival.projects):
            # For one group a capture means one project only, so nothing but the same selection is covered for sure.
            return rival.projects == one.rule.projects
        wide, narrow = self._scopes.of(rival), self._scopes.of(one.rule)
        return wide is None or (narrow is not None and narrow <= wide)

    # --- whom a rule speaks of ---

    def _targets_of(self, rule: Rule) -> dict[object, None]:
        """Return whom a rule names, in a form that is equal exactly when the same is named; in the rule's order."""
        groups = [
            self._pattern_key(group) if isinstance(group, Pattern) else _group_key(group) for group in rule.groups
        ]
        return dict.fromkeys([*groups, *(("user", user) for user in sorted(rule.users))])

    def _pattern_key(self, pattern: Pattern) -> object:
        captures = (piece for piece in pattern.pieces if isinstance(piece, Capture))
        return (pattern.text.casefold(), *(self._fingerprint(capture.values) for capture in captures))

    def _fingerprint(self, values: Mapping[str, str]) -> frozenset[tuple[str, str]]:
        # The values of `{project}` are one mapping for all rules, and may be long.
        found = self._fingerprints.get(id(values))
        if found is None:
            found = self._fingerprints[id(values)] = frozenset(values.items())
        return found

    def _speaks_whenever(self, rival: Rule, rule: Rule) -> bool:
        """Return whether `rival` speaks of everybody of whom `rule` speaks, whenever it does."""
        targets, rival_targets = self._targets[rule.id], self._targets[rival.id]
        if rival_targets and not (targets and rival_targets.keys() >= targets.keys()):
            return False
        if rival.when is not None and rival.when != rule.when:
            return False
        return _begins_by(rival.starts, rule.starts) and _lasts_to(rival.ends, rule.ends)


def _group_key(group: GroupRef) -> object:
    return (group.name.casefold() if group.name else None, group.id, group.external_id, group.connection)


def _begins_by(rival: Boundary, start: Boundary) -> bool:
    if isinstance(rival, date) and isinstance(start, date):
        return rival <= start
    return rival is None or rival == start


def _lasts_to(rival: Boundary, end: Boundary) -> bool:
    if isinstance(rival, date) and isinstance(end, date):
        return rival >= end
    return rival is None or rival == end
