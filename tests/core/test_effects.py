"""Adding up what a plan does: by workspace, rule and day, whoever they are and in whatever portions they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_plan import grant, grants

from rolebridge.core.effects import Effect, Later, Sums, Tally, effect_of
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.plan import Change, ChangeKind, Counts, OnDay, PlannedChange, Turn, diff
from rolebridge.core.reasons import Reasons

DAY = date(2026, 12, 1)


def tally(*effects: Effect, shown: int | None = 20) -> Tally:
    made = Tally(Reasons((), 1, ()), shown=shown)
    for number, effect in enumerate(effects):
        made.add(f"u{number}", f"person{number}@acme.example", effect)
    return made


def effect(before: Sequence[Grant], after: Sequence[Grant], *later: tuple[date, Sequence[Grant]]) -> Effect:
    steps = []
    held = after
    for day, then in later:
        steps.append(Later(day, diff(held, then), frozenset(), tuple(then)))
        held = then
    return effect_of(before, after, diff(before, after), tuple(steps))


def sums(*effects: Effect) -> Sums:
    return tally(*effects).sums()


def test_changes_are_counted_by_workspace_and_rule() -> None:
    """Each kind is counted for its rule, a person once for a rule, a workspace and altogether."""
    gains = effect([], [grant(project="p"), grant(project="q"), grant(project="r", rule="other")])
    found = sums(gains, effect([grant()], [grant("reviewer")]), effect([grant()], []), effect([grant()], [grant()]))
    assert found.counts() == Counts(gain=3, change=1, lose=1, people=3)
    assert found.counts("w") == found.counts()
    assert found.counts("w", "teams") == Counts(gain=2, change=1, lose=1, people=3)
    assert found.counts("w", "other") == Counts(gain=1, people=1)
    assert found.counts("elsewhere") == Counts()
    assert found.losing("w") == 1
    assert found.losing("elsewhere") == 0


def test_an_exchanged_role_is_no_loss() -> None:
    """Who becomes a reviewer instead of a labeler loses nothing; the turn is told."""
    found = sums(*[effect([grant()], [grant("reviewer")])] * 40)
    assert found.losing("w") == 0
    (rule,) = found.workspace("w", seats=None, observed=False).rules
    assert rule.turns == (Turn("project_role", "labeler", "reviewer", 40),)


def test_another_lock_is_felt_by_nobody() -> None:
    """A change of provenance counts as such and makes nobody one of the people who are concerned."""
    found = sums(effect([grant()], [grant(lock="rule")]))
    assert found.counts() == Counts(provenance=1)


def test_seats_count_people_and_not_roles() -> None:
    """Who holds something in a workspace has one seat there, now and from later days on."""
    leaves = effect([grant(project="p"), grant(project="q")], [grant(project="p")], (DAY, []))
    stays = effect([grant()], [grant()], (DAY, [grant("reviewer")]))
    comes = effect([], [], (DAY, [grant()]))
    blocked = effect([grant(state=GrantState.BLOCKED)], [])
    seats = sums(leaves, stays, comes, blocked).seats("w", 850)
    assert (seats.before, seats.after, seats.limit, seats.days) == (2, 2, 850, ())
    assert sums(leaves, stays).seats("w", None).days == ((DAY, 1),)


def test_later_days_tell_counts_and_projects() -> None:
    """What a later day brings is counted there, with the first projects by name."""
    many = [grant(project=f"p{number:02}") for number in range(14)]
    (day,) = sums(effect(many, many, (DAY, []))).workspace("w", seats=None, observed=False).days
    assert day == OnDay(DAY, Counts(lose=14, people=1), 0, tuple(f"p{number:02}" for number in range(12)), 2)


def test_holders_of_a_role_are_followed_from_day_to_day() -> None:
    """Before, after, and from each later day on: what the guard rail for last holders looks at."""
    found = sums(effect([grant()], [grant()], (DAY, [])), effect([grant()], []), effect([grant()], [grant("reviewer")]))
    labeler, reviewer = ("project_role", "labeler"), ("project_role", "reviewer")
    before, after, later = found.holders("w")
    assert before == (None, {labeler: 3})
    assert after == (None, {labeler: 1, reviewer: 1})
    assert later == (DAY, {labeler: 0, reviewer: 1})


def test_only_the_first_changes_are_kept() -> None:
    """Of very many the first by userName are kept, whatever the order of ids; all are counted and told."""
    heard: list[PlannedChange] = []
    made = Tally(Reasons((), 1, ()), shown=3, told=heard.append)
    for number in range(100, 0, -1):
        made.add(f"u{100 - number:03}", f"person{number:03}@acme.example", effect([], [grant()]))
    assert [one.user_name[:9] for one in made.changes()] == ["person001", "person002", "person003"]
    assert made.total == len(heard) == 100


@given(
    st.lists(
        st.tuples(st.lists(grants, unique_by=lambda g: g.key), st.lists(grants, unique_by=lambda g: g.key)), max_size=5
    )
)
def test_the_digest_is_of_who_is_changed_and_how(pairs: list[tuple[list[Grant], list[Grant]]]) -> None:
    """Equal effects on the same people give the same digest; one effect less gives another, unless it did nothing."""
    effects = [effect(before, after) for before, after in pairs]
    assert tally(*effects).effects == tally(*effects, shown=0).effects
    for left_out in range(len(effects)):
        others = [one for number, one in enumerate(effects) if number != left_out]
        if left_out == len(effects) - 1:
            assert (tally(*others).effects == tally(*effects).effects) is (not effects[left_out].mark)


@given(st.lists(grants, unique_by=lambda g: g.key), st.lists(grants, unique_by=lambda g: g.key), st.integers(1, 5))
def test_many_who_fare_alike_are_counted_at_once(before: list[Grant], after: list[Grant], people: int) -> None:
    """Counting an effect for so many people is counting it so often."""
    one = effect(before, after)
    at_once = Tally(Reasons((), 1, ()), shown=0)
    at_once.count(one, people)
    found, wanted = at_once.sums(), sums(*[one] * people)
    assert (found.counts(), found.seats("w", None)) == (wanted.counts(), wanted.seats("w", None))
    assert found.workspace("w", seats=None, observed=False) == wanted.workspace("w", seats=None, observed=False)


def test_every_change_has_its_reason() -> None:
    """A loss in a workspace without a file says so."""
    (change,) = Reasons((), 1, ()).told(diff([grant()], []), {})
    assert isinstance(change, Change)
    assert change.kind is ChangeKind.LOSE
    assert change.cause == "no mapping file speaks of the workspace"
