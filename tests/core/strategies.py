"""Hypothesis strategies of small resolver cases: closed worlds in which everything meets everything often."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import strategies as st
from tests.core.generated import catalogues
from tests.core.models import (
    CONTRACT_END,
    CONTRACT_START,
    EVERYWHERE,
    IN_BETA,
    IS_CONTRACTOR,
    NOT_FINANCE,
    PLACE,
    PROJECTS,
    Case,
    itag,
    label_studio,
    labelbox,
    pattern,
    teams,
)

from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.catalogue import Assignable, Cardinality, Catalogue, Level, Merge, Role, Slot
from rolebridge.core.directory import Group, Membership, User
from rolebridge.core.mapping import (
    AccountRule,
    Boundary,
    Condition,
    DenyTerm,
    GroupRef,
    MergeRule,
    OutsideRole,
    ProjectSelector,
    RoleTerm,
    Rule,
    SelectorKind,
    WorkspaceMapping,
)

TODAY = date(2026, 11, 15)

GROUPS = (
    Group("g1", "Alpha", "okta", "e1"),
    Group("g2", "Beta", "okta"),
    Group("g3", "P1-a", "okta"),
    Group("g4", "p2-B", "entra"),
    Group("g5", "t-ab", "okta"),
    Group("g6", "ALPHA", "entra", "e1"),
    Group("g7", "beta", "entra"),
)

REFERENCES = (
    GroupRef(name="alpha"),
    GroupRef(name="Beta"),
    GroupRef(name="Alpha", connection="entra"),
    GroupRef(id="g3"),
    GroupRef(external_id="e1"),
    GroupRef(external_id="e1", connection="okta"),
)

USERS = ("ana", "bo")

_ids = {project: project for project in PROJECTS}

CATALOGUES = (labelbox(), label_studio(), itag(), teams())

# Platforms that mirror real ones, and as often one that nobody has thought of.
any_catalogue = st.one_of(st.sampled_from(CATALOGUES), catalogues)


def grantable(slot: Slot) -> list[Role]:
    return [role for role in slot.roles.values() if role.assignable is Assignable.YES]


@st.composite
def boundaries(draw: st.DrawFn, attribute: Boundary) -> Boundary:
    kind = draw(st.sampled_from(("none",) * 6 + ("date", "attribute")))
    if kind == "date":
        return TODAY + timedelta(days=draw(st.integers(-3, 30)))
    return attribute if kind == "attribute" else None


conditions: st.SearchStrategy[Condition | None] = st.sampled_from(
    (None, None, None, None, None, None, IS_CONTRACTOR, NOT_FINANCE, IN_BETA)
)

selectors = st.lists(
    st.sampled_from(
        (
            *EVERYWHERE,
            *EVERYWHERE,
            *EVERYWHERE,
            ProjectSelector(SelectorKind.ID, "p1"),
            ProjectSelector(SelectorKind.ID, "p3"),
            ProjectSelector(SelectorKind.GLOB, "p[12]"),
            ProjectSelector(SelectorKind.TAG, "street"),
            ProjectSelector(SelectorKind.CONTAINER, "box"),
            ProjectSelector(SelectorKind.TAG, "of-no-project"),
        )
    ),
    min_size=1,
    max_size=2,
).map(tuple)


@st.composite
def terms(draw: st.DrawFn, catalogue: Catalogue, focus: Slot) -> tuple[RoleTerm, ...]:
    """One to three granted roles, often in one slot that all rules meet in; several there only where it holds many."""
    pairs = [(slot, role) for slot in (*catalogue.slots.values(), focus, focus) for role in grantable(slot)]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=3, unique_by=_slot_or_value))
    return tuple(RoleTerm(slot.id, role.id) for slot, role in chosen)


def _slot_or_value(pair: tuple[Slot, Role]) -> tuple[str, str]:
    slot, role = pair
    return (slot.id, role.id if slot.cardinality is Cardinality.MANY else "")


@st.composite
def named_grants(draw: st.DrawFn, catalogue: Catalogue, focus: Slot, number: int) -> Rule:
    """A grant to groups by name, to users by name, to both or to everyone."""
    granted = draw(terms(catalogue, focus))
    per_project = any(catalogue.slots[term.slot].level is Level.PROJECT for term in granted)
    to = draw(st.sampled_from(("groups", "groups", "groups", "users", "both", "everyone")))
    rule = Rule(f"r{number}", PLACE, grant=granted, projects=draw(selectors) if per_project else ())
    if to in ("groups", "both"):
        references = draw(st.lists(st.sampled_from(REFERENCES), min_size=1, max_size=2, unique=True))
        rule = replace(rule, groups=tuple(references))
    if to in ("users", "both"):
        rule = replace(rule, users=frozenset(draw(st.lists(st.sampled_from(USERS), min_size=1, unique=True))))
    return rule


@st.composite
def pattern_grants(draw: st.DrawFn, catalogue: Catalogue, focus: Slot, number: int) -> Rule:
    """A grant through captures: of the project, of the role, or of a team that fits in two ways."""
    per_project = [slot for slot in catalogue.slots.values() if slot.level is Level.PROJECT]
    slot = focus if focus in per_project else draw(st.sampled_from(per_project))
    one, two = draw(st.permutations([role.id for role in grantable(slot)]))[:2]
    team = {"a": one, "b": two, "ab": two}
    both = pattern("{project}-{team}", project=_ids, team=team)
    twice = pattern("t-{team}*", team=team)
    once = pattern("t-{team}", team=team)
    term = RoleTerm(slot.id, capture="team")
    if draw(st.booleans()):
        captured = (ProjectSelector(SelectorKind.CAPTURE, "project"),)
        return Rule(f"r{number}", PLACE, groups=(both,), grant=(term,), projects=captured)
    patterns = draw(st.sampled_from(((twice,), (once,), (twice, once), (once, twice), (both, twice))))
    return Rule(f"r{number}", PLACE, groups=patterns, grant=(term,), projects=draw(selectors))


@st.composite
def denials(draw: st.DrawFn, catalogue: Catalogue, focus: Slot, number: int) -> Rule:
    """A denial of everything, of a slot, or of some roles of one, everywhere or in some projects."""
    rule = Rule(f"r{number}", PLACE, groups=(draw(st.sampled_from(REFERENCES)),))
    if draw(st.integers(0, 5)) == 0:
        return replace(rule, deny_all=True)
    slot = draw(st.sampled_from((*catalogue.slots.values(), focus)))
    roles = draw(st.frozensets(st.sampled_from(sorted(slot.roles)), max_size=2))
    narrowed = slot.level is Level.PROJECT and draw(st.booleans())
    return replace(rule, deny=(DenyTerm(slot.id, roles),), projects=draw(selectors) if narrowed else ())


@st.composite
def rules(draw: st.DrawFn, catalogue: Catalogue, focus: Slot, number: int) -> Rule:
    kind = draw(st.sampled_from((*(named_grants,) * 6, *(pattern_grants,) * 2, denials)))
    rule = draw(kind(catalogue, focus, number))
    return replace(
        rule,
        when=draw(conditions),
        starts=draw(boundaries(CONTRACT_START)),
        ends=draw(boundaries(CONTRACT_END)),
    )


@st.composite
def merging(draw: st.DrawFn, slot: Slot) -> MergeRule | None:
    """The mapping's own word on conflicts: none, a rank (complete or not), or `error`."""
    kind = draw(st.sampled_from(("none", "rank", "rank", "part", "error")))
    if kind == "none" or slot.cardinality is Cardinality.MANY:
        return None
    if kind == "error":
        return MergeRule(Merge.ERROR)
    rank = draw(st.permutations([role.id for role in grantable(slot) if not role.is_access]))
    return MergeRule(Merge.HIGHEST, tuple(rank[1:] if kind == "part" else rank))


@st.composite
def mappings(draw: st.DrawFn, catalogue: Catalogue, focus: Slot) -> WorkspaceMapping:
    slots = list(catalogue.slots.values())
    count = draw(st.integers(2, 6))
    conflicts = {slot.id: draw(merging(slot)) for slot in slots}
    defaults = []
    for slot in slots:
        # A default is never mere access and never rules over projects: `rolebridge check` refuses the first.
        roles = [role.id for role in grantable(slot) if not role.is_access and not role.overrules]
        if roles and draw(st.integers(0, 2)) == 0:
            defaults.append((slot.id, draw(st.sampled_from(roles))))
    return WorkspaceMapping(
        "acme",
        catalogue.id,
        PLACE,
        connections=draw(st.sampled_from((None, None, frozenset({"okta"})))),
        projects=PROJECTS,
        rules=tuple(draw(rules(catalogue, focus, number)) for number in range(count)),
        defaults=tuple(defaults),
        conflicts={slot: rule for slot, rule in conflicts.items() if rule is not None},
        manual_forbidden=draw(st.sampled_from([frozenset[str]()] * 20 + [frozenset({slot.id}) for slot in slots])),
        outside=draw(held_outside(catalogue)),
        accounts=(AccountRule("external_account", IS_CONTRACTOR),) if catalogue.account_kinds else (),
    )


@st.composite
def held_outside(draw: st.DrawFn, catalogue: Catalogue) -> tuple[OutsideRole, ...]:
    if draw(st.integers(0, 4)):
        return ()
    slot = draw(st.sampled_from([slot for slot in catalogue.slots.values() if slot.level is Level.WORKSPACE]))
    role = draw(st.sampled_from(sorted(slot.roles)))
    return (OutsideRole(slot.id, role, frozenset({draw(st.sampled_from(USERS))}), PLACE),)


@st.composite
def manual_assignments(draw: st.DrawFn, catalogue: Catalogue, focus: Slot, number: int) -> ManualAssignment:
    slot = draw(st.sampled_from((*catalogue.slots.values(), focus, focus)))
    project = draw(st.sampled_from((*PROJECTS, *PROJECTS, *PROJECTS, "gone"))) if slot.level is Level.PROJECT else None
    return ManualAssignment(
        id=f"m{number}",
        user_id="u1",
        workspace=draw(st.sampled_from(("acme",) * 9 + ("other",))),
        slot=slot.id,
        project=project,
        role=draw(st.sampled_from(sorted(slot.roles))),
        by="mia",
        at=datetime(2026, 10, draw(st.integers(1, 3)), tzinfo=UTC),
        until=draw(st.sampled_from((None, None, None, *(TODAY + timedelta(days=days) for days in (-1, 0, 1, 9))))),
    )


contract_ends = st.sampled_from(
    (None, "2026-11-15", "2026-11-20T10:00:00Z", "2026-11-16", "2026-11-14", "soon", "9999-12-31", "")
)
contract_starts = st.sampled_from((None, "2026-11-15", "2026-11-16", "2026-11-01T23:59:59Z"))


@st.composite
def users(draw: st.DrawFn) -> User:
    attributes = {
        "userType": draw(st.sampled_from((None, "Employee", "Contractor"))),
        "department": draw(st.sampled_from((None, "Finance"))),
        "contractStart": draw(contract_starts),
        "contractEnd": draw(contract_ends),
    }
    present = {name: value for name, value in attributes.items() if value is not None}
    connection = draw(st.sampled_from(("okta", "okta", "okta", "entra")))
    return User("u1", draw(st.sampled_from(("ana", "Ana"))), draw(st.integers(0, 14)) > 0, connection, present)


# Around midnight elsewhere, so that a day taken in the wrong zone is a wrong day.
moments = st.builds(
    lambda hours, zone: (datetime(2026, 11, 15, tzinfo=UTC) + timedelta(hours=hours)).astimezone(zone),
    st.integers(0, 23),
    st.sampled_from((UTC, timezone(timedelta(hours=13)), timezone(timedelta(hours=-11)))),
)


@st.composite
def cases(draw: st.DrawFn, platforms: st.SearchStrategy[Catalogue] = any_catalogue) -> Case:
    """A whole case over one of the catalogues."""
    catalogue = draw(platforms)
    focus = draw(st.sampled_from(list(catalogue.slots.values())))
    groups = draw(st.lists(st.sampled_from(GROUPS), min_size=draw(st.integers(0, 3)), max_size=6, unique=True))
    return Case(
        catalogue=catalogue,
        mapping=draw(mappings(catalogue, focus)),
        user=draw(users()),
        memberships=tuple(Membership(group) for group in groups),
        manual=tuple(draw(manual_assignments(catalogue, focus, n)) for n in range(draw(st.integers(0, 3)))),
        moment=draw(moments),
    )
