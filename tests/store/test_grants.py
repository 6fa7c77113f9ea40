"""Grants, assignments by hand, days to look again, revisions and the record."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.store.worlds import NOW, World, new_id

from rolebridge.core.assignment import ManualAssignment, Source
from rolebridge.core.errors import Invalid
from rolebridge.core.grants import Grant, GrantState
from rolebridge.store.records import CarriedOut, GrantCounts, Revision
from rolebridge.store.unit import Unit

LATER = NOW + timedelta(hours=1)


def grant(user_id: str, role: str = "labeler", **more: object) -> Grant:
    plain = Grant(
        user_id=user_id,
        workspace="acme",
        slot="project_role",
        project="cityscapes",
        role=role,
        state=GrantState.EFFECTIVE,
        source=Source.RULE,
        rule="teams",
        lock="group",
        reach="own",
        override="both",
        acts_as_slot="",
        acts_as_role="",
        valid_from=None,
        valid_until=None,
        revision=1,
        because='{"winners":[]}',
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def write(world: World, user_id: str, before: list[Grant], after: list[Grant]) -> None:
    world.store.transact(lambda unit: unit.grants(world.organization).replace_for_user(user_id, before, after))


def held(world: World, *user_ids: str, workspace: str | None = None) -> dict[str, list[Grant]]:
    with world.store.read() as unit:
        return unit.grants(world.organization).of_users(user_ids, workspace)


def test_grants_come_back_as_they_were_written(world: World) -> None:
    """Every field survives, days and holds included, in the order of the keys."""
    (ana, bo) = world.add_users(2)
    rows = [
        grant(ana, "reviewer", valid_from=date(2026, 12, 1), valid_until=date(2027, 1, 31), held_since=LATER),
        grant(
            ana,
            "admin",
            slot="workspace_role",
            project="",
            state=GrantState.CONFLICT,
            acts_as_slot="a",
            acts_as_role="b",
        ),
        grant(ana, "labeler", workspace="other", source=Source.MANUAL, rule="", lock=""),
    ]
    write(world, ana, [], rows)
    expected = sorted(rows, key=lambda row: row.key)
    assert held(world, ana, bo) == {ana: expected, bo: []}
    assert held(world, ana, workspace="other") == {ana: [rows[2]]}


def test_only_differences_are_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacing deletes what is gone, updates what differs, adds what is new and leaves the rest untouched."""
    (ana,) = world.add_users(1)
    stays, goes, changes = grant(ana, "a"), grant(ana, "b"), grant(ana, "c")
    write(world, ana, [], [stays, goes, changes])
    changed, comes = replace(changes, lock="rule", revision=2), grant(ana, "d")
    touched: list[str] = []

    def work(unit: Unit) -> None:
        run_many = type(unit.link).run_many

        def counted(link: object, statement: object, rows: object) -> int:
            listed = list(rows)  # type: ignore[call-overload]
            touched.extend(row.get("role") or row["of_role"] for row in listed)
            return run_many(link, statement, listed)  # type: ignore[arg-type]

        monkeypatch.setattr(type(unit.link), "run_many", counted)
        unit.grants(world.organization).replace_for_user(ana, [stays, goes, changes], [comes, changed, stays])

    world.store.transact(work)
    assert sorted(touched) == ["b", "c", "d"]
    assert held(world, ana) == {ana: [stays, changed, comes]}


def test_a_grant_of_somebody_else_is_a_mistake(world: World) -> None:
    """Writing one user's grants never touches another's."""
    with pytest.raises(ValueError, match="a grant of somebody else"):
        write(world, "ana", [], [grant("bo")])


def test_listings_page_by_key_and_name_people(world: World) -> None:
    """A listing goes on after the last row of the page before, under each condition, with the holders' names."""
    ids = sorted(world.add_users(5))
    for id_ in ids:
        write(
            world,
            id_,
            [],
            [grant(id_), grant(id_, "admin", slot="workspace_role", project=""), grant(id_, workspace="b")],
        )
    with world.store.read() as unit:
        grants = unit.grants(world.organization)
        for conditions in ({}, {"workspace": "acme"}, {"project": ""}, {"user_id": ids[2]}, {"project": "x\0"}):
            whole = grants.listing(**conditions)  # type: ignore[arg-type]
            pages: list[object] = []
            after = None
            while page := grants.listing(**conditions, after=after, limit=2):
                pages += page
                after = page[-1].grant
            assert pages == whole
        assert len(grants.listing()) == 15
        (own,) = grants.listing(workspace="b", project="cityscapes", user_id=ids[0])
        assert own.user_name.startswith("user")
        assert (own.active, own.display_name) == (True, "")
        assert [row.grant.user_id for row in grants.listing(workspace="acme", project="")] == ids


def test_counts_and_holders_of_a_workspace(world: World) -> None:
    """People count once, states apart; a rule's people leave out the one who asks."""
    a, b, c = sorted(world.add_users(3))
    write(world, a, [], [grant(a), grant(a, "x", project="p2"), grant(a, "y", state=GrantState.BLOCKED)])
    write(world, b, [], [grant(b, rule="other"), grant(b, "z", state=GrantState.CONFLICT)])
    write(world, c, [], [grant(c, workspace="elsewhere")])
    with world.store.read() as unit:
        grants = unit.grants(world.organization)
        assert grants.counts("acme") == GrantCounts(people=2, effective=3, blocked=1, conflicts=1)
        assert grants.counts("nowhere") == GrantCounts(0, 0, 0, 0)
        assert grants.holders("acme") == [a, b]
        assert grants.workspaces() == ["acme", "elsewhere"]
        assert grants.people_through_rule("acme", "teams", except_user=a) == 0
        assert grants.people_through_rule("acme", "teams", except_user=b) == 1
        assert grants.people_through_rule("acme", "other", except_user=b) == 0


def test_people_through_a_rule_are_those_in_force_and_those_beside_another_rule(world: World) -> None:
    """A rule that is not the first of a grant's rules counts; one that a note only spells does not."""
    a, b, c, d = sorted(world.add_users(4))
    both = '{"winners":[{"rule":"first"},{"rule":"teams"}]}'
    noted = json.dumps({"winners": [{"note": '"rule":"teams"', "rule": "first"}]}, separators=(",", ":"))
    write(world, a, [], [grant(a)])
    write(world, b, [], [grant(b, rule="first", because=both)])
    write(world, c, [], [grant(c, rule="first", because=noted)])
    write(world, d, [], [grant(d, state=GrantState.CONFLICT)])
    with world.store.read() as unit:
        assert unit.grants(world.organization).people_through_rule("acme", "teams", except_user="") == 2


def test_assignments_by_hand_end_and_stay_on_record(world: World) -> None:
    """An ended assignment no longer counts, ends once, and belongs to its organization."""
    (ana,) = world.add_users(1)
    one = ManualAssignment(
        new_id(),
        ana,
        "acme",
        "project_role",
        None,
        "lead",
        by="key:ops",
        at=NOW,
        reason="o'k %",
        until=date(2027, 1, 1),
    )
    two = replace(one, id=new_id(), project="p", until=None)

    def work(unit: Unit) -> None:
        unit.grants(world.organization).add_manual(one)
        unit.grants(world.organization).add_manual(two)

    world.store.transact(work)
    with world.store.read() as unit:
        grants = unit.grants(world.organization)
        assert grants.manual_of_users([ana, "bo"]) == {ana: sorted([one, two], key=lambda m: m.id), "bo": []}
        assert grants.manual(one.id) == one
    other = World(world.store).begin()

    def end(unit: Unit) -> list[bool]:
        return [
            unit.grants(organization).end_manual(id_, actor="key:ops", reason="", now=LATER)
            for organization, id_ in (
                (other.organization, one.id), (world.organization, one.id), (world.organization, one.id),
                (world.organization, "a\0b"),
            )
        ]  # fmt: skip

    assert world.store.transact(end) == [False, True, False, False]
    with world.store.read() as unit:
        grants = unit.grants(world.organization)
        assert grants.manual(one.id) is None
        assert grants.manual_of_users([ana]) == {ana: [two]}
    with pytest.raises(Invalid, match="the reason holds a character"):
        world.store.transact(lambda unit: unit.grants(world.organization).add_manual(replace(two, reason="a\0b")))


def test_days_to_look_again_are_found_when_they_come(world: World) -> None:
    """Setting replaces all of a user's days; a user is due once, on the day and after it."""
    a, b = world.add_users(2)

    def work(unit: Unit) -> None:
        grants = unit.grants(world.organization)
        grants.set_rechecks({a: {"acme": "2026-12-01", "b": "2026-12-01", "c": "2027-01-01"}})
        grants.set_rechecks({b: {"acme": date(2026, 12, 2)}})
        grants.set_rechecks({a: {"acme": "2026-12-01", "b": "2026-12-03", "d": "2026-12-01"}})

    world.store.transact(work)
    with world.store.read() as unit:
        due = unit.grants(world.organization).due
        assert due(date(2026, 11, 30)) == []
        assert due(date(2026, 12, 1)) == [a]
        assert sorted(due(date(2026, 12, 2))) == sorted([a, b])
        assert len(due(date(2026, 12, 2), limit=1)) == 1
    world.store.transact(lambda unit: unit.grants(world.organization).set_rechecks({a: {}}))
    with world.store.read() as unit:
        assert unit.grants(world.organization).due(date(2030, 1, 1)) == [b]


# --- revisions


def test_revisions_count_from_one_and_keep_their_files(world: World) -> None:
    """The last revision is in force; older ones and their files stay; other organizations count on their own."""
    other = World(world.store).begin()
    files = {"a.yaml": "workspace: ä\n%", "b.yaml": ""}

    def work(unit: Unit) -> tuple[Revision, Revision]:
        revisions = unit.revisions(world.organization)
        assert (revisions.active(), revisions.active_number(), revisions.next_number()) == (None, 0, 1)
        first = revisions.add(files, "d1", connections=["okta"], actor="ops", reason="", now=NOW)
        return first, revisions.add({}, "d2", connections=[], actor="ops", reason="rollback", now=LATER)

    first, second = world.store.transact(work)
    assert (first.number, second) == (1, Revision(2, "d2", (), LATER, "ops", "rollback", CarriedOut()))
    assert first.connections == ("okta",)
    with world.store.read() as unit:
        revisions = unit.revisions(world.organization)
        assert revisions.active() == second
        assert revisions.active_number() == 2
        assert revisions.newest() == [second, first]
        assert revisions.revision(1) == first
        assert revisions.revision(3) is None
        assert (revisions.files(1), revisions.files(2), revisions.files(3)) == (files, {}, {})
        assert unit.revisions(other.organization).active_number() == 0
    with pytest.raises(Invalid, match="holds a character that cannot be stored"):
        world.store.transact(
            lambda unit: unit.revisions(world.organization).add(
                {"a": "\0"}, "d", connections=[], actor="", reason="", now=NOW
            )
        )


# --- record


def test_the_record_is_read_newest_first_in_pages(world: World) -> None:
    """Entries keep their order and every field; one subject's are found; the outbox is read oldest first."""

    def work(unit: Unit) -> None:
        record = unit.record(world.organization)
        for number in range(5):
            record.audit(
                kind="user.updated", actor="connection:okta", request_id=f"r{number}", subject_kind="user",
                subject_id=f"u{number % 2}", before=None, after='{"a":"\\u0000 ok"}', reason="because %s", now=NOW,
            )  # fmt: skip
        record.outbox("grant.added", "{}", NOW)
        record.outbox_many([("grant.removed", '{"n":1}'), ("grant.added", '{"n":2}')], LATER)

    world.store.transact(work)
    with world.store.read() as unit:
        record = unit.record(world.organization)
        entries = record.audit_entries()
        assert [entry.request_id for entry in entries] == ["r4", "r3", "r2", "r1", "r0"]
        assert (entries[0].at, entries[0].before, entries[0].after) == (NOW, None, '{"a":"\\u0000 ok"}')
        assert record.audit_entries(before=entries[2].sequence, limit=1) == entries[3:4]
        assert record.audit_entries(subject_id="u1") == [entries[1], entries[3]]
        told = record.outbox_entries()
        assert [(entry.kind, entry.payload) for entry in told] == [
            ("grant.added", "{}"), ("grant.removed", '{"n":1}'), ("grant.added", '{"n":2}'),
        ]  # fmt: skip
        assert record.outbox_entries(after=told[0].sequence, limit=1) == told[1:2]
        assert unit.record(new_id()).audit_entries() == []
