"""The feed as applications follow it: cursors, one workspace, what is kept, and a way back when it is gone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.bridge.worlds import World, add, remove

from rolebridge.bridge.feed import BEGINNING, Feed, FeedGone, change_document


@pytest.fixture
def feed(world: World) -> Feed:
    world.apply()
    return Feed(world.store)


def test_changes_are_followed_from_cursor_to_cursor(world: World, feed: Feed) -> None:
    """Each page goes on after the one before; the last one says that there is no more, and where to go on later."""
    ana = world.user("ana")
    group = world.group("lbx-cityscapes-reviewers", [ana])
    first = feed.page(world.id, None, limit=1)
    (only,) = first.entries
    assert (only.position, json.loads(only.payload)["user_id"], first.more) == (1, ana, True)
    assert feed.page(world.id, first.place).entries == feed.page(world.id, None).entries[1:]
    place = feed.page(world.id, None).place
    nothing = feed.page(world.id, place)
    assert (nothing.entries, nothing.place, nothing.more) == ([], place, False)
    world.change(group, remove(ana))
    world.change(group, add(ana))
    later = feed.page(world.id, place)
    told = [one for one in map(change_document, later.entries) if one["slot"] == "project_role"]
    assert [(one["kind"], one["before"], one["after"]) for one in told] == [
        ("lose", "reviewer", None),
        ("gain", None, "reviewer"),
    ]
    assert {(one["user_id"], one["workspace"], one["project"]) for one in told} == {(ana, "vision", "cityscapes")}


def test_a_workspace_s_changes_alone(world: World, feed: Feed) -> None:
    """Other workspaces' rows are passed over, and the cursor passes them too."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    whole = feed.page(world.id, None)
    other = feed.page(world.id, None, workspace="lab")
    assert (other.entries, other.place, other.more) == ([], whole.place, False)
    mine = feed.page(world.id, None, workspace="vision", limit=1)
    assert (len(mine.entries), mine.place.position, mine.more) == (1, 1, len(whole.entries) > 1)


def test_now_is_after_everything_committed(world: World, feed: Feed) -> None:
    """Who takes the place first and reads everything then misses nothing that comes after."""
    assert feed.now(world.id) == BEGINNING
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    place = feed.now(world.id)
    assert place.position > 0
    assert feed.page(world.id, place).entries == []
    world.group("lbx-retail-labelers", [ana])
    assert feed.page(world.id, place).entries


def test_what_is_gone_is_said(world: World, feed: Feed) -> None:
    """Behind what was taken away, ahead of the feed, and in another feed: all that lead to reading all again."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    place = feed.page(world.id, None).place
    with pytest.raises(FeedGone):
        feed.page(world.id, place._replace(position=place.position + 1))
    with pytest.raises(FeedGone):
        feed.page(world.id, place._replace(at="2020-01-01T00:00:00.000Z"))
    world.now += timedelta(days=30)
    world.group("lbx-retail-labelers", [ana])
    taken = feed.purge(world.id, world.now - timedelta(days=1))
    assert taken == place.position
    with pytest.raises(FeedGone):
        feed.page(world.id, BEGINNING)
    kept = feed.page(world.id, None).entries
    assert kept
    assert feed.page(world.id, place).entries == kept
