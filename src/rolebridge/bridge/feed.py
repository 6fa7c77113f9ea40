"""The feed of changes: what an application reads to follow who holds what, without missing one.

A cursor is a position in the feed and the moment of the row there, which tells whether it is still the same feed: a
database that was restored from a backup gives its positions to other rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from rolebridge.core.errors import RolebridgeError
from rolebridge.core.moments import stamp_ms
from rolebridge.store.engine import Store
from rolebridge.store.feed import FeedRows
from rolebridge.store.records import FeedEntry

BLOCK: Final = 1_000
"""Rows that are numbered or taken away in one transaction, and that one page looks through."""


class FeedGone(RolebridgeError):
    """That the feed cannot be followed from there: its rows were taken away, or it is another feed by now."""

    def __init__(self) -> None:
        super().__init__("the changes after this cursor are not kept any more; read everything again")


class FeedPlace(NamedTuple):
    """After which row to go on; `at` is its moment as JSON has it, "" where there is no row."""

    position: int
    at: str


BEGINNING: Final = FeedPlace(0, "")


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Changes in order, after which place to go on, and whether there is more already."""

    entries: Sequence[FeedEntry]
    place: FeedPlace
    more: bool


class Feed:
    """Reading and keeping the feeds of organizations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(
        self, organization_id: str, since: FeedPlace | None, *, workspace: str | None = None, limit: int = 100
    ) -> FeedPage:
        """Return up to `limit` changes (of one workspace) after a place, from the oldest kept without one.

        Everything committed before the call is in the feed. At most BLOCK rows are looked through, so that a page of
        one workspace may be empty though there is more. Raises FeedGone.
        """
        self._number(organization_id)
        with self._store.read(snapshot=True) as unit:
            rows = unit.feed(organization_id)
            start = _start(rows, since)
            found = rows.page(start.position, BLOCK if workspace else limit)
            last = rows.state().last
        chosen = [row for row in found if workspace is None or _workspace(row) == workspace]
        if len(chosen) > limit:
            chosen, found = chosen[:limit], [row for row in found if row.position <= chosen[limit - 1].position]
        place = _place(found[-1]) if found else start
        return FeedPage(chosen, place, place.position < last)

    def now(self, organization_id: str) -> FeedPlace:
        """Return the place after everything that was committed before the call."""
        self._number(organization_id)
        with self._store.read(snapshot=True) as unit:
            rows = unit.feed(organization_id)
            return _at(rows, rows.state().last)

    def purge(self, organization_id: str, before: datetime) -> int:
        """Take away what was written before a moment, also where nobody follows, and return how much that was."""
        self._number(organization_id)
        taken = 0
        while count := self._store.transact(lambda unit: unit.feed(organization_id).purge(before, BLOCK)):
            taken += count
        return taken

    def _number(self, organization_id: str) -> None:
        """Give every committed row its position."""
        with self._store.read() as unit:
            waiting = unit.feed(organization_id).waiting()
        while waiting:
            waiting = self._store.transact(lambda unit: unit.feed(organization_id).number(BLOCK)) == BLOCK


def change_document(entry: FeedEntry) -> dict[str, object]:
    """Return a change as JSON has it: whose role in which scope goes from what to what, and why."""
    payload = json.loads(entry.payload)
    return {
        "at": stamp_ms(entry.at),
        "kind": payload["kind"],
        "user_id": payload["user_id"],
        "workspace": payload["workspace"],
        "project": payload["project"] or None,
        "slot": payload["slot"],
        "before": payload["before"],
        "after": payload["after"],
        "cause": payload["cause"],
        "delivery_held": entry.held,
    }


def _start(rows: FeedRows, since: FeedPlace | None) -> FeedPlace:
    """Return where to begin. Raises FeedGone when rows after `since` are missing or it is of another feed."""
    state = rows.state()
    if since is None:
        return _at(rows, state.purged)
    if not state.purged <= since.position <= state.last:
        raise FeedGone
    known = _at(rows, since.position)
    if known.at and since.at and known.at != since.at:
        raise FeedGone
    return since


def _at(rows: FeedRows, position: int) -> FeedPlace:
    at = rows.at(position)
    return FeedPlace(position, stamp_ms(at) if at else "")


def _place(entry: FeedEntry) -> FeedPlace:
    return FeedPlace(entry.position, stamp_ms(entry.at))


def _workspace(entry: FeedEntry) -> str | None:
    found: str | None = json.loads(entry.payload).get("workspace")
    return found
