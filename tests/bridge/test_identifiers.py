"""Identifiers in the order in which they are made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from rolebridge.bridge.identifiers import ordered_id, ordered_ids

MILLISECONDS = st.integers(0, 7_000 * 31_556_952_000)
MOMENTS = MILLISECONDS.map(lambda number: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number))


@given(MOMENTS)
def test_in_the_order_in_which_they_are_made(now: datetime) -> None:
    """Each id is greater than the one before, as text, beyond what a millisecond counts; all are UUIDs, version 7."""
    ids = list(islice(ordered_ids(now), 5_000))
    assert ids == sorted(set(ids))
    assert {(UUID(id_).version, str(UUID(id_)) == id_) for id_ in ids[::97]} == {(7, True)}


@given(MOMENTS)
def test_begin_with_the_moment(now: datetime) -> None:
    """The first 48 bits are the milliseconds since 1970, so that a later batch comes after an earlier one."""
    first, later = next(ordered_ids(now)), next(ordered_ids(now + timedelta(milliseconds=1)))
    assert UUID(first).int >> 80 == (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert first < later


def test_two_batches_of_one_millisecond() -> None:
    """Two batches that begin in the same millisecond share no id: 62 bits of each are random."""
    now = datetime(2026, 11, 30, tzinfo=UTC)
    assert not set(islice(ordered_ids(now), 1_000)) & set(islice(ordered_ids(now), 1_000))


def test_one_id_of_each_moment() -> None:
    """Ids of single requests begin with their moments, too, and no two of one moment are the same."""
    moments = [datetime(2026, 11, 30, 9, 0, second, tzinfo=UTC) for second in range(3)]
    ids = [ordered_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert len({ordered_id(moments[0]) for _ in range(100)}) == 100
