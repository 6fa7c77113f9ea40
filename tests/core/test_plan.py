"""Comparing grants: nothing for equals, and a difference that can be carried out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.assignment import Source
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.plan import Change, ChangeKind, FileFate, Moved, applied, diff, digest_of, files_differ, moved


def grant(role: str = "labeler", **fields: object) -> Grant:
    given_fields: dict[str, object] = {
        "user_id": "u1",
        "workspace": "w",
        "slot": "project_role",
        "project": "p",
        "role": role,
        "state": GrantState.EFFECTIVE,
        "source": Source.RULE,
        "rule": "teams",
        "lock": "group",
        "reach": "none",
        "override": "yields",
        "acts_as_slot": "",
        "acts_as_role": "",
        "valid_from": None,
        "valid_until": None,
        "revision": 1,
        "because": "{}",
        **fields,
    }
    return Grant(**given_fields)  # type: ignore[arg-type]


grants = st.builds(
    grant,
    st.sampled_from(["labeler", "reviewer", "lead"]),
    user_id=st.sampled_from(["u1", "u2"]),
    slot=st.sampled_from(["project_role", "workspace_role"]),
    project=st.sampled_from(["", "p", "q"]),
    state=st.sampled_from(list(GrantState)),
    rule=st.sampled_from(["teams", "other"]),
    revision=st.integers(1, 2),
)
grant_sets = st.lists(grants, unique_by=lambda one: one.key).map(frozenset)


@given(grant_sets)
def test_nothing_changes_between_equals(a: frozenset[Grant]) -> None:
    """diff(a, a) is empty."""
    assert diff(a, a) == ()


@given(grant_sets, grant_sets)
def test_a_difference_can_be_carried_out(a: frozenset[Grant], b: frozenset[Grant]) -> None:
    """Applying diff(a, b) to a gives b."""
    assert applied(a, diff(a, b)) == b


@given(grant_sets, grant_sets, st.randoms())
def test_the_order_of_rows_never_matters(a: frozenset[Grant], b: frozenset[Grant], random: st.DrawFn) -> None:
    """The same rows in another order give the same changes in the same order."""
    shuffled_a, shuffled_b = list(a), list(b)
    random.shuffle(shuffled_a)  # type: ignore[attr-defined]
    random.shuffle(shuffled_b)  # type: ignore[attr-defined]
    assert diff(shuffled_a, shuffled_b) == diff(sorted(a, key=lambda g: g.key), sorted(b, key=lambda g: g.key))


@given(grant_sets, grant_sets)
def test_what_is_lost_one_way_is_gained_the_other(a: frozenset[Grant], b: frozenset[Grant]) -> None:
    """Losses from a to b are the gains from b to a."""

    def counted(changes: Sequence[Change], kind: ChangeKind) -> int:
        return sum(change.kind is kind for change in changes)

    there, back = diff(a, b), diff(b, a)
    assert counted(there, ChangeKind.LOSE) == counted(back, ChangeKind.GAIN)
    assert counted(there, ChangeKind.CHANGE) == counted(back, ChangeKind.CHANGE)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ([], [grant()], ChangeKind.GAIN),
        ([grant()], [], ChangeKind.LOSE),
        ([grant()], [grant("reviewer")], ChangeKind.CHANGE),
        ([grant()], [grant(rule="other")], ChangeKind.PROVENANCE),
        ([grant()], [grant(lock="")], ChangeKind.PROVENANCE),
        ([grant()], [grant(state=GrantState.BLOCKED)], ChangeKind.LOSE),
        ([grant(state=GrantState.BLOCKED)], [grant()], ChangeKind.GAIN),
        ([], [grant(state=GrantState.CONFLICT)], ChangeKind.PROVENANCE),
    ],
)
def test_each_kind_of_change(before: list[Grant], after: list[Grant], kind: ChangeKind) -> None:
    """A role that comes, goes, is exchanged, or holds for another reason is told as just that."""
    assert [change.kind for change in diff(before, after)] == [kind]


def test_a_slot_that_holds_many_gains_what_is_left_over() -> None:
    """One role exchanged and one more makes a change and a gain."""
    changes = diff([grant("labeler")], [grant("lead"), grant("reviewer")])
    assert sorted(change.kind for change in changes) == [ChangeKind.CHANGE, ChangeKind.GAIN]


def test_a_change_is_blamed_on_the_rule_that_gives_and_a_loss_on_the_one_that_gave() -> None:
    """`rule` is the winner's after the change, or before it when nothing follows."""
    assert diff([grant(rule="old")], [grant("reviewer", rule="new")])[0].rule == "new"
    assert diff([grant(rule="old")], [])[0].rule == "old"


def test_a_digest_tells_what_moved() -> None:
    """Files and the revision in force are told apart; people are blamed only when neither has moved."""
    base, candidate, effects = "b" * 64, "c" * 64, "e" * 64
    planned = digest_of(base, candidate, effects)
    assert len(planned) == 64
    assert moved(planned, planned) == ()
    assert moved(planned, digest_of(base, candidate, "f" * 64)) == (Moved.DIRECTORY,)
    assert moved(planned, digest_of("a" * 64, candidate, "f" * 64)) == (Moved.REVISION,)
    assert moved(planned, digest_of("a" * 64, "d" * 64, "f" * 64)) == (Moved.FILES, Moved.REVISION)


def test_files_that_differ_are_told_with_their_fate() -> None:
    """Added, changed and removed files, in the order of their names; equal ones are not told."""
    active = {"m/a.yaml": "1", "m/b.yaml": "1", "m/d.yaml": "1"}
    found = files_differ(active, {"m/a.yaml": "1", "m/b.yaml": "2", "m/c.yaml": "1"})
    assert found == (
        ("m/b.yaml", FileFate.CHANGED),
        ("m/c.yaml", FileFate.ADDED),
        ("m/d.yaml", FileFate.REMOVED),
    )
