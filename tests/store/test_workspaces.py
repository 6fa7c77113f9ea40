"""Modes of workspaces and registered projects, and assignments by hand as they are listed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.store.worlds import NOW, World, new_id

from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.errors import Invalid
from rolebridge.core.mapping import Project
from rolebridge.core.registry import Mode, RegisteredProject
from rolebridge.store.manual import ManualKey
from rolebridge.store.unit import Unit

LATER = NOW + timedelta(hours=1)


def given(world: World, user_id: str, workspace: str = "acme", project: str | None = "p", **more: object) -> str:
    id_ = new_id()
    record = ManualAssignment(id_, user_id, workspace, "project_role", project, "labeler", "mia", NOW, **more)  # type: ignore[arg-type]
    world.store.transact(lambda unit: unit.grants(world.organization).add_manual(record))
    return id_


def test_projects_and_modes_come_back_as_they_were_put(world: World) -> None:
    """Tags, container and archive survive in any alphabet; every change counts the version up."""
    rome = RegisteredProject("acme", Project("rome", "Rōma 🏛", frozenset({"straße", "a,b"}), "box"), NOW)
    archived = RegisteredProject("acme", Project("oslo", "Oslo"), NOW, LATER)

    def work(unit: Unit) -> None:
        rows = unit.workspaces(world.organization)
        rows.put_project(rome)
        rows.put_project(archived)
        rows.set_mode("acme", Mode.OBSERVE, actor="os:mia", reason="SEC-9", now=NOW)

    world.store.transact(work)
    with world.store.read() as unit:
        registry = unit.workspaces(world.organization).registry()
        (mode,) = unit.workspaces(world.organization).modes()
        assert unit.revisions(world.organization).in_force() == (0, 0, 3)
    assert (registry.version, registry.observed) == (3, frozenset({"acme"}))
    assert registry.projects == (archived, rome)
    assert registry.known() == {"acme": {"rome": rome.project}}
    assert (mode.mode, mode.changed_by, mode.reason) == (Mode.OBSERVE, "os:mia", "SEC-9")
    world.store.transact(
        lambda unit: unit.workspaces(world.organization).set_mode(
            "acme", Mode.ENFORCE, actor="os:ben", reason="", now=LATER
        )
    )
    with world.store.read() as unit:
        assert unit.workspaces(world.organization).registry().observed == frozenset()


def test_a_registry_belongs_to_its_organization(world: World) -> None:
    """Another organization has neither the projects nor the version."""
    other = World(world.store).begin()
    world.store.transact(
        lambda unit: unit.workspaces(world.organization).put_project(
            RegisteredProject("acme", Project("rome", "Rome"), NOW)
        )
    )
    with world.store.read() as unit:
        registry = unit.workspaces(other.organization).registry()
    assert (registry.version, registry.projects) == (0, ())


@pytest.mark.parametrize("ended", [False, True])
def test_assignments_are_listed_in_pages(world: World, ended: bool) -> None:
    """In the order of workspace, project and id, every one once; the workspace's own come first."""
    ana, bo = world.add_users(2)
    ids = [given(world, ana, workspace, project) for workspace in ("a", "b") for project in (None, "p", "q")]
    gone = given(world, bo, "a", "p")
    world.store.transact(
        lambda unit: unit.grants(world.organization).end_manual(gone, actor="os:mia", reason="over", now=LATER)
    )
    found, after = [], None
    with world.store.read() as unit:
        rows = unit.grants(world.organization)
        while page := rows.list_manual(ended=ended, after=after, limit=2):
            found += page
            last = page[-1].assignment
            after = ManualKey(last.workspace, last.project or "", last.id)
        own = rows.list_manual(workspace="a", project="", limit=9)
        of_bo = rows.list_manual(user_id=bo, ended=True)
    places = [(one.assignment.workspace, one.assignment.project or "", one.assignment.id) for one in found]
    assert places == sorted(places)
    assert {one.assignment.id for one in found} == {*ids, *([gone] if ended else [])}
    assert [one.assignment.project for one in own] == [None]
    assert [(one.ended_by, one.ended_reason, one.ended_at) for one in of_bo] == [("os:mia", "over", LATER)]


def test_holders_by_hand_and_what_was_imported(world: World) -> None:
    """Ended ones no longer count."""
    ana, bo = sorted(world.add_users(2))
    given(world, ana, imported=True)
    ended = given(world, bo, project="q", imported=True)
    with world.store.read() as unit:
        rows = unit.grants(world.organization)
        assert rows.holders_by_hand("acme") == [ana, bo]
        assert rows.holders_by_hand("acme", "q") == [bo]
        assert rows.imported() == {"acme": 2}
    world.store.transact(
        lambda unit: unit.grants(world.organization).end_manual(ended, actor="os:mia", reason="", now=LATER)
    )
    with world.store.read() as unit:
        rows = unit.grants(world.organization)
        assert rows.holders_by_hand("acme") == [ana]
        assert rows.imported() == {"acme": 1}
        assert [one.id for one in rows.ended_of_user(bo)] == [ended]


def test_people_are_found_by_many_names_at_once(world: World) -> None:
    """In whatever case; a name that nobody has is left out."""
    ana, bo = world.add_user("Ana@acme.example").id, world.add_user("bo@acme.example", world.entra).id
    with world.store.read() as unit:
        found = unit.directory(world.organization).ids_named(
            ["ANA@acme.example", "ana@acme.example", "bo@acme.example", "x"]
        )
    assert found == {"ANA@acme.example": ana, "ana@acme.example": ana, "bo@acme.example": bo}


def test_a_reason_that_cannot_be_stored_is_invalid(world: World) -> None:
    """PostgreSQL has no NUL."""
    (ana,) = world.add_users(1)
    with pytest.raises(Invalid):
        given(world, ana, reason="a\0b")
