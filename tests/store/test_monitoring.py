"""What waits in a database, counted over all organizations."""

from __future__ import annotations

import pytest
from tests.store.worlds import NOW, World

from rolebridge.store import monitoring
from rolebridge.store.engine import Store
from rolebridge.store.monitoring import Backlog, backlog
from rolebridge.store.unit import Unit


def counted(store: Store) -> Backlog:
    with store.read() as unit:
        return backlog(unit.link)


def act(unit: Unit, organization: str) -> None:
    unit.record(organization).audit(
        kind="user.created", actor="scim:okta", request_id="r", subject_kind="user", subject_id="u",
        before=None, after=None, reason="", now=NOW,
    )  # fmt: skip


def test_backlogs(world: World) -> None:
    """Audit rows that are not sealed, changes that are not in the feed, and those that a hold keeps."""
    before = counted(world.store)

    def work(unit: Unit) -> None:
        for _ in range(3):
            act(unit, world.organization)
        unit.record(world.organization).outbox("grant.gained", "{}", NOW)
        unit.record(world.organization).outbox_many([("grant.lost", "{}")] * 2, NOW, hold_id="hold-1")

    world.store.transact(work)
    after = counted(world.store)
    assert after.unsealed_audit_rows - before.unsealed_audit_rows == 3
    assert after.unnumbered_outbox_rows - before.unnumbered_outbox_rows == 3
    assert after.held_outbox_rows - before.held_outbox_rows == 2


def test_chores(world: World) -> None:
    """How the worker's chores went is told by their names."""
    insert = (
        "INSERT INTO chores (organization_id, name, began, ended, succeeded, done, failures, error, worker) VALUES "
        "('', '{0}', '{1}', '{1}', {2}, 0, {3}, '', 'w')"
    )
    stamp = "2026-11-20T09:00:00.000Z"
    world.store.transact(lambda unit: unit.link.execute("DELETE FROM chores", ()))
    for row in (("seal", stamp, f"'{stamp}'", 0), ("retain", stamp, "NULL", 7)):
        statement = insert.format(*row)
        world.store.transact(lambda unit, statement=statement: unit.link.execute(statement, ()))  # type: ignore[misc]
    chores = counted(world.store).chores
    assert {name: (one.succeeded is not None, one.failures) for name, one in chores.items()} == {
        "seal": (True, 0),
        "retain": (False, 7),
    }


def test_holds(world: World) -> None:
    """Open holds are counted, and the oldest one's beginning is told."""
    assert counted(world.store).oldest_hold is None
    columns = 'organization_id, workspace, user_id, kind, id, since, guard, "limit", actual, actor, request_id, cause'
    values = (
        f"'{world.organization}', 'w', 'u', 'grants', 'h1', '2026-11-20T09:00:00.000Z', 'g', 'l', 'a', 'x', 'r', 'c'"
    )
    insert = f"INSERT INTO holds ({columns}) VALUES ({values})"
    world.store.transact(lambda unit: unit.link.execute(insert, ()))
    found = counted(world.store)
    world.store.transact(lambda unit: unit.link.execute("DELETE FROM holds", ()))
    assert found.open_holds == 1
    assert found.oldest_hold is not None
    assert found.oldest_hold.hour == 9


def test_counting_ends_somewhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog is counted up to a bound, so that asking for it never becomes a load."""
    monkeypatch.setattr(monitoring, "MOST", 5)

    def work(unit: Unit) -> None:
        for _ in range(9):
            act(unit, world.organization)

    world.store.transact(work)
    assert counted(world.store).unsealed_audit_rows == 5
