"""A naive oracle of the resolver: what the rules of roles say, done in the most literal way.

It shares no code with the resolver, its programs or the matching of patterns: only the value types. Nothing is
indexed or cached; every question is asked again of everything. Slow and obviously right is the point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Any

from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.catalogue import Cardinality, Catalogue, Level, Merge, Need, ProjectOverride, Reach, Role
from rolebridge.core.directory import Membership, User
from rolebridge.core.mapping import (
    AnyText,
    Capture,
    DateFrom,
    GroupRef,
    Literal,
    Pattern,
    Piece,
    Project,
    ProjectSelector,
    Rule,
    WorkspaceMapping,
)


@dataclass(frozen=True)
class Claim:
    """Somebody's claim that the user should have a role: through what, and where."""

    slot: str
    project: str | None
    role: str
    source: str
    rule: str = ""
    group: str = ""
    manual: str = ""


@dataclass(frozen=True)
class Row:
    """An effective role."""

    slot: str
    project: str | None
    role: str
    source: str
    lock: str | None
    acts_as: tuple[str, str] | None


@dataclass(frozen=True)
class Decision:
    """Everything that the oracle says of one user."""

    rows: frozenset[Row]
    winners: frozenset[Claim]
    lost: frozenset[tuple[Claim, str]]
    conflicts: frozenset[tuple[str, str | None]]


# --- group patterns --------------------------------------------------------------------------------------------


def decompositions(pieces: Sequence[Piece], name: str) -> list[tuple[tuple[str, str], ...]]:
    """Return the captures of every way to cut `name` into the pieces, one entry for each way."""
    if not pieces:
        return [()] if name == "" else []
    first, rest = pieces[0], pieces[1:]
    found: list[tuple[tuple[str, str], ...]] = []
    for cut in range(len(name) + 1):
        head, tail = name[:cut], name[cut:]
        if isinstance(first, Literal) and head == first.text.casefold():
            found += decompositions(rest, tail)
        if isinstance(first, AnyText):
            found += decompositions(rest, tail)
        if isinstance(first, Capture) and head in first.values:
            found += [((first.name, first.values[head]), *more) for more in decompositions(rest, tail)]
    return found


def captures(pattern: Pattern, name: str) -> set[tuple[tuple[str, str], ...]]:
    """Return every different set of captures under which the pattern fits the name."""
    return set(decompositions(pattern.pieces, name.casefold()))


# --- whom a rule speaks of, where and when ----------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One way in which a rule speaks of the user: through a group or not, and with which captures."""

    membership: Membership | None
    captured: tuple[tuple[str, str], ...] = ()


def trusted(mapping: WorkspaceMapping, memberships: Sequence[Membership]) -> list[Membership]:
    return [m for m in memberships if mapping.connections is None or m.group.connection in mapping.connections]


def believed(mapping: WorkspaceMapping, user: User) -> bool:
    """Return whether a rule may mean the user without a group: another connection can create users of any name."""
    return mapping.connections is None or user.connection in mapping.connections


def named(reference: GroupRef, membership: Membership) -> bool:
    group = membership.group
    return (
        (reference.connection is None or reference.connection == group.connection)
        and (reference.id is None or reference.id == group.id)
        and (reference.external_id is None or reference.external_id == group.external_id)
        and (reference.name is None or reference.name.casefold() == group.display.casefold())
    )


def ways(rule: Rule, mapping: WorkspaceMapping, user: User, memberships: Sequence[Membership]) -> set[Way]:
    """Return the ways in which a rule speaks of the user; an ambiguous pattern is no way."""
    found: set[Way] = set()
    named_or_everyone = user.user_name.casefold() in rule.users or not (rule.groups or rule.users)
    if named_or_everyone and (believed(mapping, user) or rule.deny or rule.deny_all):
        found.add(Way(None))
    for membership in trusted(mapping, memberships):
        found |= ways_through(rule, membership)
    return found


def ways_through(rule: Rule, membership: Membership) -> set[Way]:
    found: set[Way] = set()
    for reference in rule.groups:
        if isinstance(reference, GroupRef):
            if named(reference, membership):
                found.add(Way(membership))
        else:
            possible = captures(reference, membership.group.display)
            if len(possible) == 1:
                found.add(Way(membership, possible.pop()))
    return found


def ambiguous(rule: Rule, membership: Membership) -> bool:
    """Return whether a pattern of the rule fits the group in two ways, and nothing else of the rule fits it."""
    return fits_in_two_ways(rule, membership) and not ways_through(rule, membership)


def fits_in_two_ways(rule: Rule, membership: Membership) -> bool:
    """Return whether a pattern of the rule fits the group in two ways."""
    patterns = [reference for reference in rule.groups if isinstance(reference, Pattern)]
    return any(len(captures(pattern, membership.group.display)) > 1 for pattern in patterns)


def resource(user: User, memberships: Sequence[Membership]) -> dict[str, Any]:
    """Return what a condition reads: the user, with the groups that the file trusts."""
    groups = [{"value": m.group.id, "display": m.group.display} for m in memberships]
    return {**user.attributes, "groups": groups}


def boundary(value: date | DateFrom, read: Mapping[str, Any]) -> date | None:
    """Return the day that a boundary means for this user, or None when the user brings none along."""
    if isinstance(value, date):
        return value
    text = value.read(read)
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


def obstacle(rule: Rule, read: Mapping[str, Any], day: date) -> str | None:
    """Return why a rule that speaks of the user does not hold for them on this day, or None when it does."""
    if rule.when is not None and not rule.when.holds(read):
        return "condition false"
    starts = boundary(rule.starts, read) if rule.starts is not None else date.min
    ends = boundary(rule.ends, read) if rule.ends is not None else date.max
    if starts is None or ends is None:
        if not (rule.deny or rule.deny_all):
            return "no date"
        # A denial must not fail open: a day that is absent does not limit it.
        starts, ends = starts or date.min, ends or date.max
    if day < starts:
        return "not yet"
    if day > ends:
        return "expired"
    return None


def chooses(selector: ProjectSelector, project: Project, captured: Mapping[str, str]) -> bool:
    return {
        "all": True,
        "id": project.id == selector.value,
        "glob": fnmatchcase(project.id, selector.value),
        "tag": selector.value in project.tags,
        "in": project.container == selector.value,
        "capture": captured.get(selector.value) == project.id,
    }[selector.kind.value]


def scopes(rule: Rule, slot: str, catalogue: Catalogue, mapping: WorkspaceMapping, way: Way) -> list[str | None]:
    """Return where a rule's word about a slot goes: to the workspace, or to each project it chooses.

    A grant in a project slot always chooses projects; a denial that chooses none is for every project.
    """
    if catalogue.slots[slot].level.value == "workspace":
        return [None]
    return [
        project.id
        for project in mapping.projects.values()
        if (rule.deny and not rule.projects)
        or any(chooses(selector, project, dict(way.captured)) for selector in rule.projects)
    ]


# --- the claims, and the denials ---------------------------------------------------------------------------------


def rule_claims(
    catalogue: Catalogue, mapping: WorkspaceMapping, user: User, memberships: Sequence[Membership], day: date
) -> Iterator[tuple[Claim, str | None]]:
    """Yield every claim of every rule, with the reason why it does not hold at all, if there is one."""
    read = resource(user, trusted(mapping, memberships))
    for rule in mapping.rules:
        for way in ways(rule, mapping, user, memberships):
            for term in rule.grant:
                role = term.role if term.role is not None else dict(way.captured)[term.capture or ""]
                group = way.membership.group.id if way.membership else ""
                for project in scopes(rule, term.slot, catalogue, mapping, way):
                    claim = Claim(term.slot, project, role, "rule", rule=rule.id, group=group)
                    yield claim, obstacle(rule, read, day)
        for membership in trusted(mapping, memberships):
            for term in rule.grant if ambiguous(rule, membership) else ():
                # Which project, and which captured role, is just what cannot be known.
                role = term.role or f"{{{term.capture}}}"
                yield Claim(term.slot, None, role, "rule", rule=rule.id, group=membership.group.id), "ambiguous-capture"


def denied(
    claim: Claim,
    catalogue: Catalogue,
    mapping: WorkspaceMapping,
    user: User,
    memberships: Sequence[Membership],
    day: date,
) -> bool:
    """Return whether any rule that holds denies the claim."""
    read = resource(user, trusted(mapping, memberships))
    for rule in mapping.rules:
        if obstacle(rule, read, day) is not None:
            continue
        if any(fits_in_two_ways(rule, membership) for membership in trusted(mapping, memberships)) and (
            rule.deny_all or any(term.slot == claim.slot for term in rule.deny)
        ):
            return True  # what it means cannot be known: a denial must not fail open
        for way in ways(rule, mapping, user, memberships):
            if rule.deny_all:
                return True
            for term in rule.deny:
                same_role = term.slot == claim.slot and (not term.roles or claim.role in term.roles)
                if same_role and claim.project in scopes(rule, term.slot, catalogue, mapping, way):
                    return True
    return False


def manual_claims(
    catalogue: Catalogue, mapping: WorkspaceMapping, manual: Sequence[ManualAssignment], day: date
) -> Iterator[tuple[Claim, str | None]]:
    """Yield every assignment by hand, with the reason why it does not hold at all, if there is one."""
    for one in manual:
        claim = Claim(one.slot, one.project, one.role, "manual", manual=one.id)
        if one.role == catalogue.slots[one.slot].neutral:
            yield claim, "not-assignable"  # it stands for nobody having one
        elif one.project is not None and one.project not in mapping.projects:
            yield claim, "unknown-scope"
        elif one.slot in mapping.manual_forbidden:
            yield claim, "manual-forbidden"
        elif catalogue.role(one.slot, one.role).assignable.value != "yes":
            yield claim, "not-assignable"
        elif one.until is not None and day > one.until:
            yield claim, "expired"
        else:
            yield claim, None


def instant(manual: Sequence[ManualAssignment], claim: Claim) -> tuple[datetime, str]:
    return next((one.at, one.id) for one in manual if one.id == claim.manual)


def outside_claims(mapping: WorkspaceMapping, user: User) -> set[Claim]:
    return {
        Claim(held.slot, None, held.role, "outside")
        for held in (mapping.outside if believed(mapping, user) else ())
        if user.user_name.casefold() in held.users
    }


# --- deciding ----------------------------------------------------------------------------------------------------


class Oracle:
    """Decides one user in one workspace on one day, with or without the mapping's defaults."""

    def __init__(
        self,
        catalogue: Catalogue,
        mapping: WorkspaceMapping,
        user: User,
        memberships: Sequence[Membership],
        manual: Sequence[ManualAssignment],
        day: date,
        *,
        defaults: bool,
    ) -> None:
        self.catalogue = catalogue.with_custom_roles(mapping.custom_roles)
        self.mapping = mapping
        self.user = user
        self.memberships = memberships
        self.manual = [one for one in manual if one.workspace == mapping.workspace]
        self.day = day
        self.defaults = dict(mapping.defaults) if defaults else {}
        self.rows: set[Row] = set()
        self.winners: set[Claim] = set()
        self.lost: set[tuple[Claim, str]] = set()
        self.conflicts: set[tuple[str, str | None]] = set()

    def decide(self) -> Decision:
        """Go through the four sentences in their order."""
        alive = self.what_counts()
        for slot in self.in_order_of_need():
            if self.catalogue.slots[slot].level is Level.WORKSPACE:
                self.fill(slot, None, {claim for claim in alive if claim.slot == slot})
                self.default(slot, None)
        project_slots = [slot.id for slot in self.catalogue.slots.values() if slot.level is Level.PROJECT]
        for project in self.mapping.projects:
            for slot in project_slots:
                here = {claim for claim in alive if claim.slot == slot and claim.project == project}
                self.project(slot, project, here)
            if any(row.project == project for row in self.rows):
                for slot in project_slots:
                    if not self.above(slot):
                        self.default(slot, project)
        return Decision(frozenset(self.rows), frozenset(self.winners), frozenset(self.lost), frozenset(self.conflicts))

    # 1. What counts

    def what_counts(self) -> set[Claim]:
        """Give every claim that does not count at all its reason, and return the others."""
        alive = {claim for claim in outside_claims(self.mapping, self.user) if self.user.active}
        self.lose(outside_claims(self.mapping, self.user) - alive, "inactive")
        for claim, reason in (
            *rule_claims(self.catalogue, self.mapping, self.user, self.memberships, self.day),
            *manual_claims(self.catalogue, self.mapping, self.manual, self.day),
        ):
            if reason is not None:
                self.lose({claim}, reason)
            elif not self.user.active:
                self.lose({claim}, "inactive")
            elif self.denied(claim):
                self.lose({claim}, "denied")
            else:
                alive.add(claim)
        return alive

    def denied(self, claim: Claim) -> bool:
        return denied(claim, self.catalogue, self.mapping, self.user, self.memberships, self.day)

    def account_kind(self) -> str:
        read = resource(self.user, trusted(self.mapping, self.memberships))
        for account in self.mapping.accounts:
            if account.when.holds(read):
                return account.kind
        return self.catalogue.account_kinds[0].id if self.catalogue.account_kinds else ""

    def blocked(self, claim: Claim) -> bool:
        """Return whether something that the claim's role needs is missing."""
        if claim.source == "outside":
            return False
        kind = self.account_kind()
        allowed = self.role(claim).account_kinds
        if allowed and kind not in allowed:
            return True
        for needed in self.catalogue.prerequisites:
            speaks_of_role = needed.slot == claim.slot and (not needed.roles or claim.role in needed.roles)
            speaks_of_kind = not needed.account_kinds or kind in needed.account_kinds
            if speaks_of_role and speaks_of_kind and not any(self.holds(need, claim) for need in needed.needs):
                return True
        return False

    def holds(self, need: Need, claim: Claim) -> bool:
        """A default never gives access, so what only a default gives is nothing that a real claim may build on."""
        return any(
            row.slot == need.slot and row.project is None and (not need.roles or row.role in need.roles)
            for row in self.rows
            if row.source != "default" or claim.source == "default"
        )

    def in_order_of_need(self) -> list[str]:
        """Return the slots, each after all slots that something in it needs."""
        order: list[str] = []
        while len(order) < len(self.catalogue.slots):
            for slot in self.catalogue.slots:
                needs = {n.slot for p in self.catalogue.prerequisites if p.slot == slot for n in p.needs}
                needs |= {source for role in self.catalogue.slots[slot].roles.values() for source in role.inherits}
                if slot not in order and needs <= set(order):
                    order.append(slot)
        return order

    # 2. From above

    def above(self, slot: str) -> list[Row]:
        """Return the workspace roles that overrule project roles in this slot where they reach."""
        return [
            row
            for row in sorted(self.rows, key=lambda row: (row.slot, row.role))
            if row.project is None
            and slot in self.catalogue.slots[row.slot].governs
            and self.catalogue.role(row.slot, row.role).project_override is ProjectOverride.NEVER
            and self.catalogue.role(row.slot, row.role).reach is not Reach.NONE
        ]

    def project(self, slot: str, project: str, claims: set[Claim]) -> None:
        """Decide a project slot: overruled from above, or filled in its own right."""
        above = self.above(slot)
        if any(self.catalogue.role(row.slot, row.role).reach is Reach.ALL for row in above):
            self.lose(claims, "overruled")
        elif above:
            self.belong(slot, project, above[0], claims)
        else:
            self.fill(slot, project, claims)

    def belong(self, slot: str, project: str, ruler: Row, claims: set[Claim]) -> None:
        """Where the person belongs to a project the ruling role is what they are; any claim there means belonging.

        A role that is claimed there is overruled as a role, and at the same time what makes the person belong.
        """
        access = next((role.id for role in self.catalogue.slots[slot].roles.values() if role.inherits), None)
        self.lose({claim for claim in claims if claim.role != access}, "overruled")
        if not claims or access is None:
            return
        rules = {claim for claim in claims if claim.source == "rule"}
        strongest = rules or claims
        self.lose({claim for claim in claims - strongest if claim.role == access}, "shadowed")
        self.winners |= strongest
        source = next(iter(strongest)).source
        self.rows.add(Row(slot, project, access, source, "workspace-wide", (ruler.slot, ruler.role)))

    # 3. Through rules; 4. by hand, then default

    def fill(self, slot: str, project: str | None, claims: set[Claim]) -> None:
        """Decide one slot in one scope; a slot that holds many decides each value on its own."""
        blocked = {claim for claim in claims if self.blocked(claim)}
        self.lose(blocked, "blocked")
        claims = claims - blocked
        if self.catalogue.slots[slot].cardinality is Cardinality.MANY:
            for role in {claim.role for claim in claims}:
                self.fill_one(slot, project, {claim for claim in claims if claim.role == role})
        else:
            self.fill_one(slot, project, claims)

    def fill_one(self, slot: str, project: str | None, claims: set[Claim]) -> None:
        outside = {claim for claim in claims if claim.source == "outside"}
        rules = {claim for claim in claims if claim.source == "rule"}
        hands = {claim for claim in claims if claim.source == "manual"}
        access = {claim for claim in rules if self.role(claim).inherits}
        if outside:
            self.win(outside)
            self.lose(rules | hands, "held outside")
        elif rules - access:  # a role outranks mere access, without a rank
            self.lose(access, "outranked")
            self.lose(hands, "shadowed")
            self.merge(slot, project, rules - access)
        elif access and (not hands or self.catalogue.slots[slot].locks_access):
            self.lose(hands, "shadowed")
            self.win(access)
        elif hands:
            latest = max(hands, key=lambda claim: instant(self.manual, claim))
            self.lose(access | (hands - {latest}), "outranked")
            self.win({latest})

    def merge(self, slot: str, project: str | None, claims: set[Claim]) -> None:
        """Several rules: one role if they agree, the highest if a rank says so of all of them, else a conflict."""
        roles = {claim.role for claim in claims}
        declared = self.mapping.conflicts.get(slot)
        merge = declared.merge if declared else self.catalogue.slots[slot].merge
        rank = declared.rank if declared else self.catalogue.slots[slot].rank
        if len(roles) > 1 and (merge is not Merge.HIGHEST or any(role not in rank for role in roles)):
            self.conflicts.add((slot, project))
            self.lose(claims, "conflict")
            return
        best = next(iter(roles)) if len(roles) == 1 else next(role for role in rank if role in roles)
        self.lose({claim for claim in claims if claim.role != best}, "outranked")
        self.win({claim for claim in claims if claim.role == best})

    def default(self, slot: str, project: str | None) -> None:
        """Fill an empty slot; one that a conflict keeps empty is locked."""
        if slot not in self.defaults or (slot, project) in self.conflicts:
            return
        if any(row.slot == slot and row.project == project for row in self.rows):
            return
        claim = Claim(slot, project, self.defaults[slot], "default")
        if not self.denied(claim) and not self.blocked(claim):
            self.win({claim})

    # bookkeeping

    def role(self, claim: Claim) -> Role:
        return self.catalogue.slots[claim.slot].roles[claim.role]

    def lose(self, claims: set[Claim], reason: str) -> None:
        self.lost |= {(claim, reason) for claim in claims}

    def win(self, claims: set[Claim]) -> None:
        """Make a row of claims that say one role, and lock it."""
        self.winners |= claims
        one = next(iter(claims))
        role = self.role(one)
        lock = None
        if one.source == "outside":
            lock = "outside"
        elif one.source == "rule" and (not role.inherits or self.catalogue.slots[one.slot].locks_access):
            lock = "group" if any(claim.group for claim in claims) else "rule"
        self.rows.add(Row(one.slot, one.project, one.role, one.source, lock, self.acts_as(role)))

    def acts_as(self, role: Role) -> tuple[str, str] | None:
        for slot in role.inherits:
            held = sorted(row.role for row in self.rows if row.slot == slot and row.project is None)
            if held:
                return (slot, held[0])
        return None


def decide(
    catalogue: Catalogue,
    mapping: WorkspaceMapping,
    user: User,
    memberships: Sequence[Membership],
    manual: Sequence[ManualAssignment],
    day: date,
) -> Decision:
    """Return what the rules say of the user on that day: without defaults, and with them if anything holds at all."""
    without = Oracle(catalogue, mapping, user, memberships, manual, day, defaults=False).decide()
    if not without.rows:
        return without
    return Oracle(catalogue, mapping, user, memberships, manual, day, defaults=True).decide()
