"""A mapping compiled against its catalogue: from a group, a user or nobody in particular to the rules that speak.

Compiling is done once for a revision. Afterwards a group is matched once, whatever the number of its members, and a
change touches only the users whose groups a rule names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rolebridge.core.catalogue import Catalogue, Level, Slot
from rolebridge.core.directory import Group, User
from rolebridge.core.mapping import (
    AccountRule,
    Capture,
    DateFrom,
    GroupRef,
    MergeRule,
    NoMatch,
    OutsideRole,
    Pattern,
    Piece,
    Project,
    Rule,
    WorkspaceMapping,
    selected,
)

_MATCHES_KEPT = 50_000  # a renamed group leaves its old entry behind; past this many the memory starts anew


@dataclass(frozen=True, slots=True)
class RuleGrant:
    """One thing that a rule gives: `role` in `slot` at `project` (None: the workspace)."""

    slot: str
    project: str | None
    role: str


@dataclass(frozen=True, slots=True)
class Denial:
    """One thing that a rule takes away: `roles` (empty: all) of `slot` (None: every slot) at `project` (None: all)."""

    slot: str | None
    project: str | None
    roles: frozenset[str]

    def covers(self, slot: str, project: str | None, role: str) -> bool:
        """Return whether this denial takes `role` in `slot` at `project` away."""
        return (
            (self.slot is None or self.slot == slot)
            and (self.project is None or self.project == project)
            and (not self.roles or role in self.roles)
        )


@dataclass(frozen=True, slots=True)
class Speech:
    """What a rule says to those it speaks of: grants, or denials, or that its pattern is ambiguous for a group."""

    rule: Rule
    grants: tuple[RuleGrant, ...] = ()
    denials: tuple[Denial, ...] = ()
    ambiguous: bool = False


@dataclass(slots=True)
class _Index:
    """The rules by what they name; every list is in the order of the file."""

    names: dict[str, list[tuple[GroupRef, Rule]]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[str, list[tuple[GroupRef, Rule]]] = field(default_factory=lambda: defaultdict(list))
    external_ids: dict[str, list[tuple[GroupRef, Rule]]] = field(default_factory=lambda: defaultdict(list))
    patterns: list[tuple[Pattern, Rule]] = field(default_factory=list)

    def add(self, rule: Rule) -> None:
        for matcher in rule.groups:
            if isinstance(matcher, Pattern):
                self.patterns.append((matcher, rule))
            elif matcher.id is not None:
                self.ids[matcher.id].append((matcher, rule))
            elif matcher.external_id is not None:
                self.external_ids[matcher.external_id].append((matcher, rule))
            elif matcher.name is not None:
                self.names[matcher.name.casefold()].append((matcher, rule))

    def references(self, group: Group) -> Iterable[Rule]:
        for reference, rule in (
            *self.names.get(group.display.casefold(), ()),
            *self.ids.get(group.id, ()),
            *self.external_ids.get(group.external_id or "", ()),
        ):
            if reference.names(group):
                yield rule


class Program:
    """One workspace's mapping, ready to resolve with. Immutable but for its memory of matched groups."""

    def __init__(
        self, catalogue: Catalogue, mapping: WorkspaceMapping, projects: Mapping[str, Project] | None = None
    ) -> None:
        """Compile `mapping`; `projects` are those that exist beside the ones that the file declares."""
        self.mapping = mapping
        self.catalogue = catalogue.with_custom_roles(mapping.custom_roles).with_cells(mapping.cells)
        self.projects: Mapping[str, Project] = {**(projects or {}), **mapping.projects}
        self._spellings = {id_.casefold(): id_ for id_ in self.projects}
        self.workspace_slots = _in_order_of_need(self.catalogue, Level.WORKSPACE)
        self.project_slots = _in_order_of_need(self.catalogue, Level.PROJECT)
        self.defaults = dict(mapping.defaults)
        self._outside: dict[str, list[OutsideRole]] = defaultdict(list)
        for outside in mapping.outside:
            for user_key in outside.users:
                self._outside[user_key].append(outside)
        self._index = _Index()
        self._for_users: dict[str, list[Speech]] = defaultdict(list)
        self._for_everyone: tuple[Speech, ...] = ()
        self._compile_rules(tuple(self._with_projects(rule) for rule in mapping.rules))
        self.condition_attributes = _attributes_read(mapping.rules, mapping.accounts)
        self._matched: dict[Group, tuple[Speech, ...]] = {}

    def _with_projects(self, rule: Rule) -> Rule:
        """Return the rule with patterns over the projects that there are, whichever there were when it was read."""
        groups = tuple(
            replace(group, pieces=tuple(map(self._with_spellings, group.pieces)))
            if isinstance(group, Pattern)
            else group
            for group in rule.groups
        )
        return rule if groups == rule.groups else replace(rule, groups=groups)

    def _with_spellings(self, piece: Piece) -> Piece:
        open_ = isinstance(piece, Capture) and piece.of_projects and piece.values != self._spellings
        return replace(piece, values=self._spellings) if isinstance(piece, Capture) and open_ else piece

    def _compile_rules(self, rules: tuple[Rule, ...]) -> None:
        everyone = []
        for rule in rules:
            self._index.add(rule)
            if rule.users or rule.names_nobody:
                speech = self._speech(rule, {})
                for user_key in rule.users:
                    self._for_users[user_key].append(speech)
                if rule.names_nobody:
                    everyone.append(speech)
        self._for_everyone = tuple(everyone)

    @property
    def workspace(self) -> str:
        """Return the workspace's id."""
        return self.mapping.workspace

    @property
    def reads_groups(self) -> bool:
        """Return whether a condition looks at the user's groups, so that any membership may matter."""
        return "groups" in self.condition_attributes

    @property
    def named_users(self) -> frozenset[str]:
        """Return the users, casefolded, whom a rule or a role held outside names."""
        return frozenset((*self._for_users, *self._outside))

    def trusts(self, sent: Group | User) -> bool:
        """Return whether the mapping listens to the connection that sent the group or user."""
        return self.mapping.connections is None or sent.connection in self.mapping.connections

    def for_group(self, group: Group) -> tuple[Speech, ...]:
        """Return what rules say to the members of `group`; remembered, since a group has many members."""
        found = self._matched.get(group)
        if found is None:
            if len(self._matched) >= _MATCHES_KEPT:
                self._matched.clear()
            found = self._matched[group] = self._match(group) if self.trusts(group) else ()
        return found

    def speaks_alike(self, other: Program, group: Group) -> bool:
        """Return whether another compilation says the same to the members of `group`, wherever in the file."""
        return _said(self.for_group(group)) == _said(other.for_group(group))

    def named_otherwise(self, other: Program) -> frozenset[str]:
        """Return the casefolded userNames of those to whom another compilation says something else by name."""
        named = self._for_users.keys() | other._for_users.keys()
        return frozenset(
            key for key in named if _said(self._for_users.get(key, ())) != _said(other._for_users.get(key, ()))
        )

    def everyone_alike(self, other: Program) -> bool:
        """Return whether another compilation says the same to everyone."""
        return _said(self._for_everyone) == _said(other._for_everyone)

    @property
    def for_everyone(self) -> tuple[Speech, ...]:
        """Return what rules that name neither groups nor users say."""
        return self._for_everyone

    def attributes_read(self, speeches: Iterable[Speech]) -> frozenset[str]:
        """Return the paths, casefolded, of what is read of somebody to whom only these speak: by them, by accounts."""
        return _attributes_read([speech.rule for speech in speeches], self.mapping.accounts)

    def weighs_alike(self, other: Program) -> bool:
        """Return whether another compilation makes the same of the same that rules say and a hand gives.

        Everything but what rules say and which projects there are: both have questions of their own.
        """
        mine, others = self.mapping, other.mapping
        return (
            self.catalogue == other.catalogue
            and mine.connections == others.connections
            and mine.accounts == others.accounts
            and mine.defaults == others.defaults
            and mine.conflicts == others.conflicts
            and mine.manual_forbidden == others.manual_forbidden
            and _held_outside(mine) == _held_outside(others)
        )

    def account(self, resource: Mapping[str, Any]) -> AccountRule | None:
        """Return what the mapping says of a user's account: the first that holds for it."""
        return next((account for account in self.mapping.accounts if account.when.holds(resource)), None)

    def account_kind(self, resource: Mapping[str, Any]) -> str:
        """Return the kind of a user's account: the first that the mapping recognises, else the platform's first."""
        account = self.account(resource)
        if account is not None:
            return account.kind
        kinds = self.catalogue.account_kinds
        return kinds[0].id if kinds else ""

    def for_user(self, user: User) -> tuple[Speech, ...]:
        """Return what rules say to the user without a group: by name, and to everyone.

        A connection that the mapping does not trust could create a user of any name: to its users only denials speak.
        """
        speeches = (*self._for_users.get(user.user_key, ()), *self._for_everyone)
        return speeches if self.trusts(user) else tuple(speech for speech in speeches if speech.rule.denies)

    def holds_outside(self, user: User) -> Sequence[OutsideRole]:
        """Return the roles that the mapping says the user holds on the platform itself."""
        return self._outside.get(user.user_key, ()) if self.trusts(user) else ()

    def concerns(self, group: Group) -> bool:
        """Return whether entering or leaving `group` can change anything in this workspace."""
        return bool(self.for_group(group)) or (self.reads_groups and self.trusts(group))

    def merge_rule(self, slot: Slot) -> MergeRule:
        """Return how several rules that fill `slot` are merged: the mapping's word, else the platform's."""
        return self.mapping.conflicts.get(slot.id) or MergeRule(slot.merge, slot.rank)

    def _match(self, group: Group) -> tuple[Speech, ...]:
        speeches = {rule.id: self._speech(rule, {}) for rule in self._index.references(group)}
        for pattern, rule in self._index.patterns:
            captured = pattern.match(group.display)
            if captured is NoMatch.DIFFERENT:
                continue
            speech = self._ambiguous(rule) if isinstance(captured, NoMatch) else self._speech(rule, dict(captured))
            speeches[rule.id] = _joined(speeches.get(rule.id), speech)
        return tuple(speeches.values())

    def _speech(self, rule: Rule, captured: Mapping[str, str]) -> Speech:
        if rule.deny_all:
            return Speech(rule, denials=(Denial(None, None, frozenset()),))
        chosen = selected(rule.projects, self.projects, captured) if rule.projects else ()
        grants = tuple(
            RuleGrant(term.slot, project, term.resolve(captured))
            for term in rule.grant
            for project in self._scopes(term.slot, chosen)
        )
        denials = tuple(
            Denial(term.slot, project, term.roles)
            for term in rule.deny
            for project in (self._scopes(term.slot, chosen) if rule.projects else (None,))
        )
        return Speech(rule, grants, denials)

    def _ambiguous(self, rule: Rule) -> Speech:
        """Return what a rule says when its pattern cannot tell which project or role is meant.

        It grants nothing. A denial must not fail open: it then holds in every project, and of every role.
        """
        if not rule.denies:
            return Speech(rule, ambiguous=True)
        slots = (None,) if rule.deny_all else tuple(term.slot for term in rule.deny)
        return Speech(rule, denials=tuple(Denial(slot, None, frozenset()) for slot in slots))

    def _scopes(self, slot: str, projects: tuple[str, ...]) -> tuple[str | None, ...]:
        return projects if self.catalogue.slots[slot].level is Level.PROJECT else (None,)


def _said(speeches: Iterable[Speech]) -> set[tuple[object, ...]]:
    """Return what rules say, in whatever order and at whatever place of the file."""
    return {
        (
            one.rule.id,
            one.rule.when,
            one.rule.starts,
            one.rule.ends,
            one.rule.note,
            frozenset(one.grants),
            frozenset(one.denials),
            one.ambiguous,
        )
        for one in speeches
    }


def _held_outside(mapping: WorkspaceMapping) -> set[tuple[str, str, frozenset[str]]]:
    return {(one.slot, one.role, one.users) for one in mapping.outside}


def _joined(known: Speech | None, speech: Speech) -> Speech:
    """Return what a rule says through two of its matchers: one that is ambiguous does not silence the other."""
    if known is None or known.ambiguous:
        return speech
    if speech.ambiguous:
        return known
    return Speech(
        known.rule,
        tuple(dict.fromkeys(known.grants + speech.grants)),
        tuple(dict.fromkeys(known.denials + speech.denials)),
    )


def _attributes_read(rules: Sequence[Rule], accounts: tuple[AccountRule, ...]) -> frozenset[str]:
    read: set[str] = set()
    for condition in (*(rule.when for rule in rules if rule.when), *(account.when for account in accounts)):
        read |= condition.attributes
    for rule in rules:
        for boundary in (rule.starts, rule.ends):
            if isinstance(boundary, DateFrom):
                read.add(boundary.attribute.casefold())
    read |= {source.attribute.casefold() for account in accounts for _, source in account.attributes}
    return frozenset(read)


def _in_order_of_need(catalogue: Catalogue, level: Level) -> tuple[Slot, ...]:
    """Return the level's slots, each after those that its prerequisites and its mere access look at.

    Checking refuses a catalogue in which these go round in a circle.
    """
    placed: dict[str, Slot] = {}

    def place(slot: Slot, path: tuple[str, ...]) -> None:
        if slot.id in placed or slot.id in path:
            return
        for prerequisite in catalogue.prerequisites:
            if prerequisite.slot == slot.id:
                for need in prerequisite.needs:
                    place(catalogue.slots[need.slot], (*path, slot.id))
        for source in slot.access_role.inherits if slot.access_role else ():
            place(catalogue.slots[source], (*path, slot.id))
        placed[slot.id] = slot

    for slot in catalogue.slots.values():
        place(slot, ())
    return tuple(slot for slot in placed.values() if slot.level is level)
