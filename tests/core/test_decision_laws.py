"""What holds of every decision and of every question who may give what, over generated platforms."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.core.decision_oracle import decided, permitted
from tests.core.generated_permissions import (
    PERMISSIONS,
    PHASES,
    SETTINGS,
    held_roles,
    pairs_of,
    plain_platforms,
    platform,
    platforms,
)

from rolebridge.core.catalogue import Assignable, Catalogue
from rolebridge.core.delegation import Act, Request, may
from rolebridge.core.permissions import Answer, CellValue, Decision, HeldRole, decide, permissions_of

many = settings(max_examples=settings().max_examples * 20)
several = settings(max_examples=settings().max_examples * 3)
known_settings = st.dictionaries(st.sampled_from(SETTINGS), st.booleans())
BETTER = {Answer.ALLOWED: 3, Answer.QUALIFIED: 2}
"""What an answer is worth to whoever asks; unknown and denied are both nothing that one could act on."""


def asked(data: st.DataObject, made: Catalogue, least: int = 0) -> tuple[str, list[HeldRole], dict[str, bool]]:
    permission = data.draw(st.sampled_from(sorted(permissions_of(made)) or [""]))
    assume(permission)
    return permission, data.draw(held_roles(made, least)), data.draw(known_settings)


def cells_of(made: Catalogue, permission: str) -> set[CellValue]:
    rows = [matrix.rows[permission] for matrix in made.matrices if permission in matrix.rows]
    return {cell.value for row in rows for cell in row.cells.values()}


@many
@given(platforms, st.data())
def test_decisions_agree_with_the_naive_oracle(made: Catalogue, data: st.DataObject) -> None:
    """The answer, and every cell that speaks: tables that decide first, composite columns, custom roles, settings."""
    permission, roles, known = asked(data, made)
    custom = HeldRole(data.draw(st.sampled_from(sorted(made.slots))), "own", "p1", granted=frozenset({"listed"}))
    roles += data.draw(st.sampled_from(([], [], [custom])))
    decision = decide(made, permission, roles, known)
    said = frozenset((one.matrix, one.column, one.cell) for one in decision.found)
    assert (decision.answer, said) == decided(made, permission, roles, known)


@several
@given(plain_platforms, st.data())
def test_another_role_never_takes_away_what_was_allowed(made: Catalogue, data: st.DataObject) -> None:
    """Roles add up, where no table decides first and no column takes several slots: allowed stays allowed,
    and qualified becomes nothing less than qualified.

    A table that decides first denies what a project's table would allow, and somebody who comes to stand in a composite
    column stands in its narrower one no longer: of these the law does not speak.
    """
    permission, roles, known = asked(data, made, least=1)
    more = data.draw(held_roles(made))
    before = decide(made, permission, roles, known)
    after = decide(made, permission, [*roles, *more], known)
    assert BETTER.get(after.answer, 0) >= BETTER.get(before.answer, 0), (before, after)


@several
@given(platforms, st.data())
def test_nothing_is_guessed(made: Catalogue, data: st.DataObject) -> None:
    """A yes stands in a cell that says yes, or in a setting that is known to be on; a no in one that says no."""
    permission, roles, known = asked(data, made)
    decision = decide(made, permission, roles, known)
    if decision.answer is Answer.UNKNOWN:
        assert decision.cell.value in {CellValue.UNKNOWN, CellValue.ELSEWHERE}
    elif roles:
        assert decision.deciding
        for found in decision.deciding:
            assert found.cell.value is decision.cell.value
            assert stands(made, decision, known)


def stands(made: Catalogue, decision: Decision, known: dict[str, bool]) -> bool:
    """Return whether the deciding cells are the platform's own, or what a custom role lists."""
    for found in decision.deciding:
        if found.matrix == "custom_roles":
            continue
        table = next(matrix for matrix in made.matrices if matrix.id == found.matrix)
        cell = table.rows[decision.permission].cell(found.column)
        switched = CellValue.ALLOW if known.get(cell.setting) else CellValue.DENY
        if cell.value is CellValue.CONDITIONAL and cell.setting in known:
            if found.cell.value is not switched:
                return False
        elif found.cell != cell:
            return False
    return True


@given(platforms, st.data())
def test_the_order_of_roles_never_matters_to_a_decision(made: Catalogue, data: st.DataObject) -> None:
    """Nor does holding one twice."""
    permission, roles, known = asked(data, made)
    shuffled = data.draw(st.permutations([*roles, *roles[:1]]))
    first, second = decide(made, permission, roles, known), decide(made, permission, shuffled, known)
    assert first.answer is second.answer
    assert {(one.matrix, one.column) for one in first.found} == {(one.matrix, one.column) for one in second.found}


@given(platforms, st.data())
def test_a_setting_changes_only_what_hangs_on_it(made: Catalogue, data: st.DataObject) -> None:
    """Where no cell of the row is conditional, what is known of settings changes nothing."""
    permission, roles, known = asked(data, made)
    assume(CellValue.CONDITIONAL not in cells_of(made, permission))
    assert decide(made, permission, roles, known) == decide(made, permission, roles)


@given(platforms, st.data())
def test_a_role_of_which_no_table_speaks_is_no_permission(made: Catalogue, data: st.DataObject) -> None:
    """Whoever holds nothing is denied; whoever holds only what no table names gets no answer that is a yes."""
    permission, _, known = asked(data, made)
    assert decide(made, permission, [], known).answer is Answer.DENIED
    assert decide(made, permission, [HeldRole("nowhere", "nobody")], known).answer is Answer.UNKNOWN


# --- who may give what -------------------------------------------------------------------------------------------


def requests(made: Catalogue) -> st.SearchStrategy[Request]:
    return st.builds(
        lambda act, pair, actor, target, kind, phase, holders: Request(
            act, pair[0], pair[1], tuple(actor), tuple(target), kind, phase, holders
        ),
        st.sampled_from(Act),
        st.sampled_from(pairs_of(made)),
        held_roles(made),
        held_roles(made),
        st.sampled_from(["", *(kind.id for kind in made.account_kinds)]),
        st.sampled_from(["", *PHASES]),
        st.sampled_from([None, 0, 1, 2, 3]),
    )


def answerable(made: Catalogue) -> Catalogue:
    """Return the platform without delegations that read a permission that no table has."""
    has = permissions_of(made)
    return replace(
        made, delegations=tuple(rule for rule in made.delegations if not rule.permission or rule.permission in has)
    )


@many
@given(platforms, st.data())
def test_delegation_agrees_with_the_naive_oracle(made: Catalogue, data: st.DataObject) -> None:
    """Whoever asks, for whatever act, role, target, account kind, phase and number of holders."""
    made = answerable(made)
    request = data.draw(requests(made))
    assert may(made, request).answer is permitted(made, request)


@several
@given(platforms, st.data())
def test_nobody_may_give_what_cannot_be_given(made: Catalogue, data: st.DataObject) -> None:
    """Not a role that is not assignable, not one more than may hold it, not to an account of another kind."""
    made = answerable(made)
    request = data.draw(requests(made))
    role = made.role(request.slot, request.role)
    verdict = may(made, request)
    if request.act in {Act.GRANT, Act.REVOKE} and role.assignable is not Assignable.YES:
        assert verdict.answer is Answer.DENIED
    if request.act is Act.GRANT and role.most and request.holders is not None and request.holders >= role.most:
        assert verdict.answer is Answer.DENIED
    if request.act is Act.GRANT and role.account_kinds and request.target_kind not in role.account_kinds:
        assert verdict.answer is Answer.DENIED
    if request.act is Act.REVOKE and role.least and request.holders is not None and request.holders <= role.least:
        assert verdict.answer is Answer.DENIED


@several
@given(platforms, st.data())
def test_what_may_be_done_is_what_a_rule_of_the_platform_says(made: Catalogue, data: st.DataObject) -> None:
    """A yes names the rule that says it, which speaks of the act and the slot and leaves nothing open."""
    made = answerable(made)
    request = data.draw(requests(made))
    verdict = may(made, request)
    assert verdict.answer in {Answer.ALLOWED, Answer.DENIED, Answer.UNKNOWN}
    assert verdict.why
    if verdict.answer is Answer.ALLOWED:
        assert verdict.rule is not None
        assert request.act in verdict.rule.acts
        assert not verdict.rule.slots or request.slot in verdict.rule.slots
        assert not verdict.rule.roles or request.role in verdict.rule.roles
        assert request.role not in verdict.rule.except_roles
        assert not verdict.rule.phases or request.phase in verdict.rule.phases
        assert not verdict.rule.unknown
        assert request.actor


@given(platforms, st.data())
def test_who_holds_nothing_may_give_nothing(made: Catalogue, data: st.DataObject) -> None:
    """No rule speaks of an actor without roles, and the order of rules never matters to the answer."""
    made = answerable(made)
    request = data.draw(requests(made))
    assert may(made, replace(request, actor=())).answer is Answer.DENIED
    turned = replace(made, delegations=made.delegations[::-1])
    assert may(turned, request).answer is may(made, request).answer


@given(platforms, st.data())
def test_another_rule_never_takes_away_what_may_be_done(made: Catalogue, data: st.DataObject) -> None:
    """Delegations add up: with fewer of them nobody may do more."""
    made = answerable(made)
    request = data.draw(requests(made))
    fewer = (
        replace(made, delegations=tuple(data.draw(st.lists(st.sampled_from(made.delegations), unique=True))))
        if (made.delegations)
        else made
    )
    if may(fewer, request).answer is Answer.ALLOWED:
        assert may(made, request).answer is Answer.ALLOWED


def test_the_tables_of_generated_platforms_say_everything() -> None:
    """Every value of a cell is generated, so that no law holds of nothing."""
    said = {
        value
        for number in range(40)
        for name in PERMISSIONS
        for value in cells_of(platform(number, composite=True), name)
    }
    assert said == set(CellValue)
