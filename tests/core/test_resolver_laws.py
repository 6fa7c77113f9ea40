"""What holds of every resolution (the laws of roles), over random small worlds and against a naive oracle."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from tests.core import oracle
from tests.core.models import EVERYWHERE, PLACE, Case
from tests.core.oracle import Claim, Decision, Row
from tests.core.strategies import GROUPS, cases, grantable

from rolebridge.core.assignment import Assignment, LockKind, Reason, Resolution, Source
from rolebridge.core.catalogue import Cardinality, Level, Merge, Reach, Role, Slot
from rolebridge.core.directory import Group, Membership
from rolebridge.core.mapping import GroupRef, MergeRule, RoleTerm, Rule
from rolebridge.core.program import Program
from rolebridge.core.resolver import lock_at, resolve

# The comparison with the oracle is the strongest test that there is, and the cheapest example.
many = settings(max_examples=settings().max_examples * 12)
several = settings(max_examples=settings().max_examples * 3)


def as_claim(one: Assignment) -> Claim:
    return Claim(
        one.slot,
        one.project,
        one.role,
        str(one.source),
        rule=one.rule or "",
        group=one.group.id if one.group else "",
        manual=one.manual.id if one.manual else "",
    )


def as_decision(resolution: Resolution) -> Decision:
    """Say what the resolver says in the oracle's words. Of defaults only those that hold: an unmade one is no claim."""
    rows = frozenset(
        Row(
            role.slot,
            role.project,
            role.role,
            str(role.source),
            str(role.lock.kind) if role.lock else None,
            (role.acts_as.slot, role.acts_as.role) if role.acts_as else None,
        )
        for role in resolution.roles
    )
    winners = frozenset(as_claim(winner) for role in resolution.roles for winner in role.winners)
    lost = frozenset(
        (as_claim(lost.assignment), str(lost.reason))
        for lost in resolution.lost
        if lost.assignment.source is not Source.DEFAULT
    )
    conflicts = frozenset((conflict.slot, conflict.project) for conflict in resolution.conflicts)
    return Decision(rows, winners, lost, conflicts)


def judge(case: Case) -> Decision:
    return oracle.decide(case.catalogue, case.mapping, case.user, case.memberships, case.manual, case.day)


def reorder(data: st.DataObject, case: Case) -> Case:
    return replace(
        case,
        mapping=replace(case.mapping, rules=tuple(data.draw(st.permutations(case.mapping.rules)))),
        memberships=tuple(data.draw(st.permutations(case.memberships))),
        manual=tuple(data.draw(st.permutations(case.manual))),
    )


@many
@given(cases())
def test_the_resolver_agrees_with_the_naive_oracle(case: Case) -> None:
    """Roles, sources, locks, what access acts as, every winner, every loser's reason and every conflict are equal."""
    resolution = case.resolve()
    for lost in resolution.lost:
        event(f"lost: {lost.reason}")
    for role in resolution.roles:
        event(f"lock: {role.lock.kind if role.lock else None}")
    assert as_decision(resolution) == judge(case)


@given(cases(), st.data())
def test_the_order_of_groups_rules_and_assignments_never_matters(case: Case, data: st.DataObject) -> None:
    """However the input is ordered, the whole resolution (its order included) is the same."""
    assert reorder(data, case).resolve() == case.resolve()


@given(cases())
def test_equal_inputs_give_equal_resolutions(case: Case) -> None:
    """Nothing is remembered between resolutions that could change one, in one program or in two."""
    program = Program(case.catalogue, case.mapping)
    arguments = (program, case.user, case.memberships, case.manual, case.moment)
    assert [resolve(*arguments), resolve(*arguments)] == [case.resolve(), case.resolve()]


@given(cases())
def test_adding_a_group_that_no_rule_names_changes_nothing(case: Case) -> None:
    """A group that no rule names and no condition looks for leaves every part of the resolution as it was."""
    stranger = Membership(Group("g99", "Canteen p1-x t-", "okta", "e99"))
    assert replace(case, memberships=(*case.memberships, stranger)).resolve() == case.resolve()


@given(cases(), st.sampled_from(GROUPS))
def test_a_group_that_does_not_concern_the_program_changes_nothing(case: Case, group: Group) -> None:
    """Whoever skips a group because the program says that it does not concern it skips nothing."""
    assume(not Program(case.catalogue, case.mapping).concerns(group))
    others = tuple(membership for membership in case.memberships if membership.group != group)
    with_it = replace(case, memberships=(*others, Membership(group)))
    assert with_it.resolve() == replace(case, memberships=others).resolve()


@given(cases())
def test_groups_of_a_connection_that_the_file_does_not_trust_change_nothing(case: Case) -> None:
    """Not through a name, an id, a pattern or a condition that reads groups."""
    trusting = replace(case, mapping=replace(case.mapping, connections=frozenset({"okta"})))
    ours = tuple(membership for membership in case.memberships if membership.group.connection == "okta")
    assert trusting.resolve() == replace(trusting, memberships=ours).resolve()


@given(cases())
def test_removing_and_adding_a_membership_restores_the_same_result(case: Case) -> None:
    """Leaving every group and returning gives back the same roles, those by hand included."""
    ours = {one for one in case.manual if one.workspace == case.mapping.workspace}
    before = case.resolve()
    away = replace(case, memberships=()).resolve()
    for resolution in (before, away):
        claims = [lost.assignment for lost in resolution.lost]
        claims += [winner for role in resolution.roles for winner in role.winners]
        assert {claim.manual for claim in claims if claim.manual is not None} == ours
    assert case.resolve() == before


@given(cases())
def test_an_inactive_user_holds_nothing_and_is_whole_again_when_reactivated(case: Case) -> None:
    """Inactive means no role, no lock and no conflict; coming back restores everything."""
    active = replace(case, user=replace(case.user, active=True))
    before = active.resolve()
    gone = replace(case, user=replace(case.user, active=False)).resolve()
    assert gone.roles == ()
    assert gone.conflicts == ()
    held = {as_claim(winner) for role in before.roles for winner in role.winners if winner.source is not Source.DEFAULT}
    assert held <= {as_claim(lost.assignment) for lost in gone.lost if lost.reason is Reason.INACTIVE}
    assert active.resolve() == before


@several
@given(cases())
def test_a_denial_beats_every_grant(case: Case) -> None:
    """Nothing that a rule denies is among the winners, whoever gave it; only the platform's own roles remain."""
    for role in case.resolve().roles:
        for winner in role.winners:
            if winner.source is not Source.OUTSIDE:
                assert not oracle.denied(
                    as_claim(winner), case.catalogue, case.mapping, case.user, case.memberships, case.day
                )


@given(cases())
def test_whoever_is_denied_everything_keeps_only_what_is_held_outside(case: Case) -> None:
    """One rule `deny: all` leaves roles held on the platform, and says of each that it could not carry it out."""
    everyone = Rule("zz-suspended", PLACE, deny_all=True)
    mapping = replace(case.mapping, rules=(*case.mapping.rules, everyone))
    resolution = replace(case, mapping=mapping, user=replace(case.user, active=True)).resolve()
    assert {role.source for role in resolution.roles} <= {Source.OUTSIDE}
    reported = {(finding.slot, finding.project) for finding in resolution.findings}
    assert {(role.slot, role.project) for role in resolution.roles} <= reported


@several
@given(cases())
def test_every_claim_ends_exactly_once(case: Case) -> None:
    """Each claim is a winner or lost for one reason; nothing vanishes and nothing is counted twice.

    One claim is both by its meaning: a project role of someone whose workspace role rules in their own projects. As
    a role it is overruled, as belonging it is what makes the project theirs.
    """
    resolution = case.resolve()
    lost = Counter(as_claim(one.assignment) for one in resolution.lost if one.assignment.source is not Source.DEFAULT)
    won = Counter(
        as_claim(winner) for role in resolution.roles for winner in role.winners if winner.source is not Source.DEFAULT
    )
    belonging = {
        as_claim(winner)
        for role in resolution.roles
        if role.lock is not None and role.lock.kind is LockKind.WORKSPACE_WIDE
        for winner in role.winners
        if winner.role != role.role
    }
    for claim in belonging:
        assert any(as_claim(one.assignment) == claim and one.reason is Reason.OVERRULED for one in resolution.lost)
        lost[claim] -= 1
    arguments = (case.catalogue, case.mapping, case.user, case.memberships, case.day)
    ours = [one for one in case.manual if one.workspace == case.mapping.workspace]
    expected = {claim for claim, _ in oracle.rule_claims(*arguments)}
    expected |= {claim for claim, _ in oracle.manual_claims(case.catalogue, case.mapping, ours, case.day)}
    expected |= oracle.outside_claims(case.mapping, case.user)
    assert won + lost == Counter(expected)


@given(cases())
def test_a_single_valued_slot_holds_at_most_one_role_in_a_scope(case: Case) -> None:
    """No person has two roles where the catalogue knows one, and no row stands twice; a conflict leaves it empty."""
    resolution = case.resolve()
    keys = [role.key for role in resolution.roles]
    assert len(keys) == len(set(keys))
    single = [role for role in resolution.roles if not case.catalogue.slots[role.slot].holds_many]
    assert all(count == 1 for count in Counter((role.slot, role.project) for role in single).values())
    for conflict in resolution.conflicts:
        assert resolution.at(conflict.slot, conflict.project) == ()
        assert len({claim.role for claim in conflict.claims}) > 1


@several
@given(cases())
def test_a_default_never_gives_access(case: Case) -> None:
    """Without the defaults the same other roles hold, in the same projects; with nothing else there is no default."""
    resolution = case.resolve()
    without = replace(case, mapping=replace(case.mapping, defaults=())).resolve()
    real = {(role.key, role.winners) for role in resolution.roles if role.source is not Source.DEFAULT}
    assert real == {(role.key, role.winners) for role in without.roles}
    assert {role.project for role in resolution.roles} - {None} == {role.project for role in without.roles} - {None}
    if not without.roles:
        assert resolution.roles == ()


@given(cases())
def test_the_outcome_changes_only_on_the_days_that_next_change_names(case: Case) -> None:
    """Over two months: the same every day before `next_change`, and asking again on it shows the next one."""
    today = case.resolve()
    for days in range(1, 60):
        moment = case.moment + timedelta(days=days)
        day = case.day + timedelta(days=days)
        then = case.resolve(moment)
        assert today.next_change is None or today.next_change > day - timedelta(days=1)
        if today.next_change is None or day < today.next_change:
            assert then == today
        today = then


def strength(program: Program, resolution: Resolution, slot: Slot, project: str | None) -> dict[str, int]:
    """Return how strongly each value of the slot is locked; a lock on a slot of one role, or from above, is on all."""
    order = {LockKind.RULE: 1, LockKind.OUTSIDE: 2, LockKind.GROUP: 2, LockKind.WORKSPACE_WIDE: 3}
    found = dict.fromkeys(slot.roles, 0)
    for lock in lock_at(program, resolution, slot.id, project):
        values = [lock.role] if slot.holds_many and lock.kind is not LockKind.WORKSPACE_WIDE else list(slot.roles)
        for value in values:
            found[value] = max(found[value], order[lock.kind])
    return found


def ranked(case: Case) -> Case:
    """Return the case with every slot ranked as overruling goes: the widest ruler first, so that nothing conflicts.

    A rank that puts a role that yields above one that rules would free what was locked; so would a rule that gives
    such a role in place of a ruler given by hand. The law does not speak of either.
    """
    conflicts = {
        slot.id: MergeRule(Merge.HIGHEST, tuple(role.id for role in sorted(slot.roles.values(), key=_rule_over)))
        for slot in case.catalogue.slots.values()
        if slot.cardinality is not Cardinality.MANY
    }
    manual = tuple(one for one in case.manual if not case.catalogue.role(one.slot, one.role).overrules)
    return replace(case, mapping=replace(case.mapping, conflicts=conflicts), manual=manual)


def _rule_over(role: Role) -> tuple[int, str]:
    width = {Reach.ALL: 0, Reach.OWN: 1, Reach.NONE: 2}[role.reach] if role.overrules else 2
    return width, role.id


@several
@given(cases(), st.data())
def test_adding_a_group_grant_never_weakens_a_lock(case: Case, data: st.DataObject) -> None:
    """In slots without prerequisites, one more grant through a group leaves every lock at least as strong."""
    case = ranked(case)
    slot = data.draw(st.sampled_from(list(case.catalogue.slots.values())))
    role = data.draw(st.sampled_from([role.id for role in grantable(slot)]))
    rule = Rule(
        "zz-more",
        PLACE,
        groups=(GroupRef(id="g50"),),
        grant=(RoleTerm(slot.id, role),),
        projects=EVERYWHERE if slot.level is Level.PROJECT else (),
    )
    case = replace(case, mapping=replace(case.mapping, rules=(*case.mapping.rules, rule)))
    more = replace(case, memberships=(*case.memberships, Membership(Group("g50", "More", "okta"))))
    program = Program(case.catalogue, case.mapping)
    before, after = case.resolve(), more.resolve()
    needy = {prerequisite.slot for prerequisite in case.catalogue.prerequisites}
    for watched in case.catalogue.slots.values():
        scopes = case.mapping.projects if watched.level is Level.PROJECT else (None,)
        for project in scopes if watched.id not in needy else ():
            was, now = (strength(program, one, watched, project) for one in (before, after))
            assert all(now[value] >= was[value] for value in was), (watched.id, project, was, now)
