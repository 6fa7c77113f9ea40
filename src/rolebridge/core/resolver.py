"""The resolver: who may do what, and why.

A pure function of (compiled mapping, user, memberships, assignments by hand, moment) → effective roles with
provenance. In four sentences:

1. **What counts.** A user who is inactive or denied holds nothing there, and a grant whose prerequisites are missing
   does not count; roles held outside are left alone.
2. **From above.** A workspace role reaches the projects that its catalogue entry says, and there overrules project
   roles, stands beside them or yields to them.
3. **Through rules.** A role given by a rule is locked against change by hand; several merge by the slot's strategy,
   and a slot that holds many locks each value, not the slot.
4. **By hand, then default.** Otherwise an assignment by hand holds; a default fills an empty slot only of someone who
   already holds something there.

The stages below are those sentences, in that order; each takes the claims still standing (`claims` gathers them) and
sets the losers aside with their reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rolebridge.core.assignment import (
    ActsAs,
    Assignment,
    Conflict,
    EffectiveRole,
    Finding,
    FindingKind,
    Lock,
    LockKind,
    Lost,
    ManualAssignment,
    Reason,
    Resolution,
    Source,
)
from rolebridge.core.catalogue import Merge, Need, Reach, Role, Slot
from rolebridge.core.claims import Claims, Subject, gather
from rolebridge.core.directory import Membership, User
from rolebridge.core.mapping import Rule
from rolebridge.core.program import Program


def resolve(
    program: Program,
    user: User,
    memberships: Sequence[Membership],
    manual: Sequence[ManualAssignment],
    at: datetime,
    held: Sequence[Assignment] = (),
) -> Resolution:
    """Return everything that holds for `user` in the program's workspace at `at` (aware), and why the rest does not.

    `manual` may hold assignments of other workspaces; they are not looked at. The order of memberships, rules and
    assignments does not matter. `held` are claims that only a guard rail keeps; `holds.resolve_held` finds them.
    """
    subject = Subject(program, user, memberships)
    work = _Work(subject, program, gather(subject, manual, at.astimezone(UTC).date(), held))
    if not user.active:
        work.drop_everything()
    else:
        work.apply_denials()
        work.fill_workspace_slots()
        work.overrule()
        work.fill_project_slots()
        work.drop_lonely_defaults()
    return work.resolution()


@dataclass(slots=True)
class _Work:
    """The state of one resolution: the claims still standing, and what has been decided so far."""

    subject: Subject
    program: Program
    claims: Claims
    roles: list[EffectiveRole] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    overruled: set[str] = field(default_factory=set)

    # --- what counts -----------------------------------------------------------------------------------------

    def drop_everything(self) -> None:
        """Leave an inactive user nothing; what the platform gave by itself is reported, since we cannot take it."""
        for claim in self.claims.standing:
            self.claims.lost.append(Lost(claim, Reason.INACTIVE, "the user is inactive"))
            if claim.source is Source.OUTSIDE:
                self._find(FindingKind.OUTSIDE_REMAINS, claim, "held on the platform; revoke it there")
        self.claims.standing = []

    def apply_denials(self) -> None:
        """Take away what a rule denies, whoever gave it."""
        if not self.claims.denials:
            return
        kept: list[Assignment] = []
        for claim in self.claims.standing:
            rule = self._denied_by(claim.slot, claim.project, claim.role)
            if rule is None:
                kept.append(claim)
            elif claim.source is Source.OUTSIDE:
                kept.append(claim)
                detail = f"rule {rule.id} denies it, but it is held on the platform"
                self._find(FindingKind.DENY_NOT_CARRIED_OUT, claim, detail)
            else:
                self.claims.lost.append(Lost(claim, Reason.DENIED, f"rule {rule.id} ({rule.place})"))
        self.claims.standing = kept

    def _denied_by(self, slot: str, project: str | None, role: str) -> Rule | None:
        found = [rule for denial, rule in self.claims.denials if denial.covers(slot, project, role)]
        return min(found, key=lambda rule: rule.id) if found else None

    def _set_blocked_aside(self, claims: Sequence[Assignment]) -> list[Assignment]:
        kept = []
        for claim in claims:
            missing = "" if claim.source is Source.OUTSIDE else self._missing(claim)
            if missing:
                self.claims.lost.append(Lost(claim, Reason.BLOCKED, missing))
            else:
                kept.append(claim)
        return kept

    def _missing(self, claim: Assignment) -> str:
        """Return what the claim lacks to count, or nothing."""
        catalogue = self.program.catalogue
        role = catalogue.role(claim.slot, claim.role)
        if not role.account_kinds and not catalogue.prerequisites and not self.program.mapping.accounts:
            return ""
        account = self.program.account(self.subject.resource)
        if account is not None and (lacking := account.lacks(self.subject.resource)):
            return f"an account of kind {account.kind} needs {lacking}"
        kind = self.program.account_kind(self.subject.resource)
        if role.account_kinds and kind not in role.account_kinds:
            return f"only for accounts of kind {' or '.join(sorted(role.account_kinds))}"
        for prerequisite in catalogue.prerequisites:
            if prerequisite.covers(claim.slot, claim.role, kind) and not any(
                self._holds(need, claim) for need in prerequisite.needs
            ):
                return "needs " + " or ".join(self._need_text(need.slot, need.roles) for need in prerequisite.needs)
        return ""

    def _holds(self, need: Need, claim: Assignment) -> bool:
        """Return whether the user holds what `claim` needs; what only a default gives serves other defaults alone."""
        return any(
            held.slot == need.slot
            and held.project is None
            and (not need.roles or held.role in need.roles)
            and (held.source is not Source.DEFAULT or claim.source is Source.DEFAULT)
            for held in self.roles
        )

    def _need_text(self, slot: str, roles: frozenset[str]) -> str:
        known = self.program.catalogue.slots[slot]
        if not roles:
            return f"a {known.name}"
        return " or ".join(role.name for role in known.roles.values() if role.id in roles)

    # --- filling slots ---------------------------------------------------------------------------------------

    def fill_workspace_slots(self) -> None:
        """Decide the slots that a person has once in the workspace, in the order of what needs what."""
        holds_something = bool(self.claims.standing)
        for slot in self.program.workspace_slots:
            self._fill(slot, None, self._set_blocked_aside(self._take(slot.id)))
            if holds_something:
                self._fill_default(slot, None)

    def overrule(self) -> None:
        """Let workspace roles that cannot be overridden replace the project roles where they reach."""
        above = [(ruler, self.program.catalogue.role(ruler.slot, ruler.role)) for ruler in self.roles]
        # Whoever is in every project has no projects of their own: the wider reach speaks first.
        for ruler, role in sorted(above, key=lambda pair: pair[1].reach is not Reach.ALL):
            governed = self.program.catalogue.slots[ruler.slot].governs
            if role.reach is Reach.ALL:
                self._report_unreachable_denials(governed, role)
            if role.overrules:
                self.overruled.update(governed)
                claims = self._take(*governed)
                if role.reach is Reach.ALL:
                    self._lose(claims, Reason.OVERRULED, f"{role.name} applies in every project")
                else:
                    self._overrule_own(ruler, role, claims)

    def _overrule_own(self, ruler: EffectiveRole, role: Role, claims: Sequence[Assignment]) -> None:
        """Where the person belongs to a project, their workspace role is what they are there; belonging stays."""
        for (slot_id, project), claims_there in _by_scope(claims):
            slot = self.program.catalogue.slots[slot_id]
            access = slot.access_role
            self._lose(
                [claim for claim in claims_there if access is None or claim.role != access.id],
                Reason.OVERRULED,
                f"{role.name} applies in this project",
            )
            if access is not None:
                winners = _strongest(claims_there)
                by_hand = [claim for claim in claims_there if claim.role == access.id and claim not in winners]
                self._lose(by_hand, Reason.SHADOWED, "a rule gives access here; it returns when the rule stops")
                lock = Lock(LockKind.WORKSPACE_WIDE, slot_id, project, role.id, ruler.winners)
                acts_as = ActsAs(ruler.slot, ruler.role)
                self.roles.append(EffectiveRole(slot_id, project, access.id, winners, lock, acts_as))

    def _report_unreachable_denials(self, governed: Sequence[str], role: Role) -> None:
        for denial, rule in self.claims.denials:
            if denial.slot in governed:
                detail = f"rule {rule.id} cannot keep a holder of {role.name} out of a project"
                self.findings.append(
                    Finding(FindingKind.DENY_NOT_CARRIED_OUT, denial.slot or "", denial.project, detail)
                )

    def fill_project_slots(self) -> None:
        """Decide the slots that a person has in each project, project by project."""
        for slot in self.program.project_slots:
            for (_, project), claims_there in _by_scope(self._take(slot.id)):
                self._fill(slot, project, self._set_blocked_aside(claims_there))
        belongs_to = sorted({role.project for role in self.roles if role.project is not None})
        for slot in self.program.project_slots:
            for project in belongs_to if slot.id not in self.overruled else ():
                self._fill_default(slot, project)

    def _fill(self, slot: Slot, project: str | None, claims: Sequence[Assignment]) -> None:
        if slot.holds_many:
            self._fill_many(slot, project, claims)
        else:
            self._fill_one(slot, project, claims)

    def _fill_many(self, slot: Slot, project: str | None, claims: Sequence[Assignment]) -> None:
        """Keep every value; one that both a rule and a hand give is the rule's, and locked."""
        by_role: dict[str, list[Assignment]] = defaultdict(list)
        for claim in claims:
            by_role[claim.role].append(claim)
        for role in sorted(by_role):
            self._fill_one(slot, project, by_role[role])

    def _fill_one(self, slot: Slot, project: str | None, claims: Sequence[Assignment]) -> None:
        outside = [claim for claim in claims if claim.source is Source.OUTSIDE]
        by_rule = [claim for claim in claims if claim.source is Source.RULE]
        by_hand = [claim for claim in claims if claim.source is Source.MANUAL]
        if outside:
            self._lose(by_rule + by_hand, Reason.HELD_OUTSIDE, "the platform's own assignment stands")
            self._win(slot, project, self._merge(slot, project, outside))
        elif by_rule:
            self._fill_by_rules(slot, project, by_rule, by_hand)
        else:
            self._fill_by_hand(slot, project, by_hand)

    def _fill_by_rules(
        self, slot: Slot, project: str | None, by_rule: list[Assignment], by_hand: list[Assignment]
    ) -> None:
        """Let rules decide. A role outranks mere access; unlocked access leaves the role to a hand."""
        access = [claim for claim in by_rule if slot.roles[claim.role].is_access]
        with_role = [claim for claim in by_rule if not slot.roles[claim.role].is_access]
        if with_role:
            self._lose(access, Reason.OUTRANKED, "a role outranks mere access")
            winners = self._merge(slot, project, with_role)
        elif by_hand and not slot.locks_access:
            self._lose(access, Reason.OUTRANKED, "a role given by hand outranks mere access")
            self._fill_by_hand(slot, project, by_hand)
            return
        else:
            winners = access
        self._lose(by_hand, Reason.SHADOWED, "a rule decides here; it returns when the rule no longer does")
        self._win(slot, project, winners)

    def _fill_by_hand(self, slot: Slot, project: str | None, by_hand: list[Assignment]) -> None:
        latest = sorted(by_hand, key=_recency)[-1:]
        self._lose([claim for claim in by_hand if claim not in latest], Reason.OUTRANKED, "a later one by hand")
        self._win(slot, project, latest)

    def _merge(self, slot: Slot, project: str | None, claims: list[Assignment]) -> list[Assignment]:
        """Return the claims of the winning role; none, with a conflict recorded, when nothing says which wins."""
        roles = {claim.role for claim in claims}
        if len(roles) == 1:
            return claims
        rule = self.program.merge_rule(slot)
        if rule.merge is not Merge.HIGHEST or not roles <= set(rule.rank):
            ordered = tuple(sorted(claims, key=Assignment.order))
            self.conflicts.append(Conflict(slot.id, project, ordered))
            self._lose(claims, Reason.CONFLICT, "rules disagree and nothing says which one wins")
            return []
        best = min(roles, key=rule.rank.index)
        name = slot.roles[best].name
        self._lose([claim for claim in claims if claim.role != best], Reason.OUTRANKED, f"{name} ranks higher")
        return [claim for claim in claims if claim.role == best]

    def _win(self, slot: Slot, project: str | None, winners: Sequence[Assignment]) -> None:
        if not winners:
            return
        ordered = tuple(sorted(winners, key=Assignment.order))
        role = slot.roles[ordered[0].role]
        acts_as = self._acts_as(slot, role) if role.is_access else None
        if role.is_access and acts_as is None:
            detail = f"no {' or '.join(self.program.catalogue.slots[s].name for s in role.inherits)} is set"
            self._find(FindingKind.INHERITS_NOTHING, ordered[0], detail)
        self.roles.append(
            EffectiveRole(slot.id, project, role.id, ordered, _lock(slot, project, role, ordered), acts_as)
        )

    def _acts_as(self, slot: Slot, role: Role) -> ActsAs | None:
        for source in role.inherits:
            for held in self.roles:
                if held.slot == source and held.project is None:
                    return ActsAs(source, held.role)
        return None

    # --- defaults --------------------------------------------------------------------------------------------

    def _fill_default(self, slot: Slot, project: str | None) -> None:
        """Fill the slot with its default, if it has one and is empty (a conflict keeps it locked, not empty)."""
        role = self.program.defaults.get(slot.id)
        decided: tuple[EffectiveRole | Conflict, ...] = (*self.roles, *self.conflicts)
        if role is None or any(one.slot == slot.id and one.project == project for one in decided):
            return
        claim = Assignment(slot.id, project, role, Source.DEFAULT)
        rule = self._denied_by(slot.id, project, role)
        if rule is not None:
            self.claims.lost.append(Lost(claim, Reason.DENIED, f"rule {rule.id} ({rule.place})"))
            return
        self._win(slot, project, self._set_blocked_aside([claim]))

    def drop_lonely_defaults(self) -> None:
        """Take defaults back when nothing else holds after all: a default never gives access."""
        if all(role.source is Source.DEFAULT for role in self.roles):
            self.roles = []

    # --- small tools -----------------------------------------------------------------------------------------

    def _take(self, *slots: str) -> list[Assignment]:
        taken = [claim for claim in self.claims.standing if claim.slot in slots]
        self.claims.standing = [claim for claim in self.claims.standing if claim.slot not in slots]
        return taken

    def _lose(self, claims: Iterable[Assignment], reason: Reason, detail: str) -> None:
        self.claims.lost.extend(Lost(claim, reason, detail) for claim in claims)

    def _find(self, kind: FindingKind, claim: Assignment, detail: str) -> None:
        self.findings.append(Finding(kind, claim.slot, claim.project, detail))

    def resolution(self) -> Resolution:
        """Return the outcome in an order that does not depend on the order of the input."""
        return Resolution(
            user_id=self.subject.user.id,
            workspace=self.program.workspace,
            roles=tuple(sorted(self.roles, key=lambda role: role.key)),
            lost=tuple(sorted(self.claims.lost, key=lambda lost: (*lost.assignment.order(), lost.reason, lost.detail))),
            conflicts=tuple(sorted(self.conflicts, key=lambda found: (found.slot, found.project or ""))),
            findings=tuple(sorted(set(self.findings), key=lambda f: (f.kind, f.slot, f.project or "", f.detail))),
            next_change=min(self.claims.boundaries, default=None),
        )


def _lock(slot: Slot, project: str | None, role: Role, winners: tuple[Assignment, ...]) -> Lock | None:
    source = winners[0].source
    if source is Source.OUTSIDE:
        return Lock(LockKind.OUTSIDE, slot.id, project, role.id, winners)
    if source is not Source.RULE or (role.is_access and not slot.locks_access):
        return None
    kind = LockKind.GROUP if any(winner.membership for winner in winners) else LockKind.RULE
    return Lock(kind, slot.id, project, role.id, winners)


def _by_scope(claims: Iterable[Assignment]) -> list[tuple[tuple[str, str], list[Assignment]]]:
    """Return the claims of each (slot, project), sorted; project claims always have a project."""
    grouped: dict[tuple[str, str], list[Assignment]] = defaultdict(list)
    for claim in claims:
        grouped[claim.slot, claim.project or ""].append(claim)
    return sorted(grouped.items())


def _strongest(claims: Sequence[Assignment]) -> tuple[Assignment, ...]:
    """Return the claims through which a person belongs to a project: rules' before those by hand."""
    by_rule = [claim for claim in claims if claim.source is Source.RULE]
    return tuple(sorted(by_rule or claims, key=Assignment.order))


def _recency(claim: Assignment) -> tuple[datetime, str]:
    assert claim.manual is not None
    return claim.manual.at, claim.manual.id


def lock_at(program: Program, resolution: Resolution, slot: str, project: str | None) -> tuple[Lock, ...]:
    """Return the locks that hold in `slot` at `project`: one, or one for each value of a slot that holds many.

    A project slot is locked workspace-wide by a role that overrules it in every project, whether or not the person
    has anything in that project.
    """
    if project is not None:
        for ruler in resolution.roles:
            role = program.catalogue.role(ruler.slot, ruler.role)
            governs = program.catalogue.slots[ruler.slot].governs
            if role.overrules and role.reach is Reach.ALL and slot in governs:
                return (Lock(LockKind.WORKSPACE_WIDE, slot, project, ruler.role, ruler.winners),)
    return tuple(role.lock for role in resolution.at(slot, project) if role.lock is not None)
