"""What is exported, imported into an empty organization and exported again is the same; memory does not grow."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.transfer.moving import Moving, group, user
from tests.transfer.test_tables import resources

from rolebridge.store.engine import Store


@st.composite
def directories(draw: st.DrawFn) -> list[dict[str, Any]]:
    people = draw(st.lists(resources, max_size=5, unique_by=lambda one: str(one["userName"]).casefold()))
    names = [str(one["userName"]) for one in people]
    groups = draw(
        st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).filter(str.strip),
            st.lists(st.sampled_from(names), unique=True, max_size=4) if names else st.just([]),
            max_size=3,
        )
    )
    kept = {name.casefold(): (name, members) for name, members in groups.items()}
    made = [user(str(one["userName"]), **{name: one[name] for name in one if name != "userName"}) for one in people]
    return made + [
        {**group(name), "members": [{"value": member, "type": "User"} for member in members]}
        for name, members in kept.values()
    ]


@given(directories())
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(store: Store, directory: list[dict[str, Any]]) -> None:
    """export → import → export is the same text as JSON lines, and the same resources as tables."""
    with TemporaryDirectory() as name:
        first, second, third = (Moving(store, Path(name)) for _ in range(3))
        report = first.take(first.lines(directory))
        assert report.complete, report.problems
        exported = first.give()
        again = second.take(second.file(exported), profile_name="strict")
        assert again.complete, again.problems
        assert second.give() == exported
        tables = [third.file(first.give("csv", kind), ".csv") for kind in ("users", "groups")]
        of_tables = third.take(*tables)
        assert of_tables.complete, of_tables.problems
        assert [_sorted(one) for one in third.resources()] == [_sorted(one) for one in first.resources()]
        assert third.give("csv", "users") == first.give("csv", "users")


def _sorted(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource with its lists in one order: columns have their own."""
    return {
        name: sorted(value, key=lambda item: json.dumps(item, sort_keys=True)) if isinstance(value, list) else value
        for name, value in resource.items()
    }


def test_inactive_stays_inactive(moving: Moving) -> None:
    """A user who is inactive without saying so is exported as inactive: nobody comes to life on the way."""
    world = moving.world
    id_ = world.user("quiet")
    world.activate(id_, False)
    assert moving.resources()[0]["active"] is False


def test_memory_does_not_grow(moving: Moving) -> None:
    """Five times the rows take no more memory, in an import as in an export."""

    def peak(path: Path) -> float:
        tracemalloc.start()
        try:
            moving.take(path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    moving.take(moving.lines([user("warm")]))
    small = peak(moving.lines([user(f"s{n}@x.example") for n in range(1_200)]))
    large = peak(moving.lines([user(f"l{n}@x.example") for n in range(6_000)]))
    assert large < small * 1.3 + 500_000
