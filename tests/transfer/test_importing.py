"""Imports: what is matched, made, changed and refused, what follows for grants and audit, going on after a break."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.store.worlds import together
from tests.transfer.moving import Moving, counts, group, user

from rolebridge.bridge.consistency import Consistency
from rolebridge.core.schemas import ENTERPRISE_USER
from rolebridge.scim.transfer import batches, importer
from rolebridge.scim.transfer.rows import Mark, Source


def people(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        user(f"p{n}@acme.example", externalId=f"e{n}", emails=[{"value": f"p{n}@acme.example", "type": "work"}])
        for n in range(start, start + count)
    ]


def stored(moving: Moving, name: str) -> dict[str, Any]:
    return next(one for one in moving.resources() if one.get("userName") == name)


def test_everything_arrives_in_any_order(moving: Moving) -> None:
    """Groups may stand before their members and before the groups in them, which they name in every way there is."""
    rows = [
        group("All", "id-1", "p2@acme.example", "e3", "Inner"),
        user("p1@acme.example", id="id-1"),
        user("p2@acme.example"),
        group("Inner", "P1@ACME.example"),
        user("p3@acme.example", externalId="e3"),
    ]
    report = moving.take(moving.lines(rows))
    assert report.complete
    assert counts(report, "users") == {"created": 3}
    assert counts(report, "groups") == {"created": 2}
    assert report.members_added == 5
    groups = {one["displayName"]: one["members"] for one in moving.resources() if "displayName" in one}
    assert groups["All"] == [
        {"value": "p1@acme.example", "type": "User"},
        {"value": "p2@acme.example", "type": "User"},
        {"value": "p3@acme.example", "type": "User"},
        {"value": "Inner", "type": "Group"},
    ]
    assert groups["Inner"] == [{"value": "p1@acme.example", "type": "User"}]


def test_importing_twice_changes_nothing(moving: Moving) -> None:
    """The second import of a file finds everything as it is: no new version, no audit row."""
    path = moving.lines([*people(3), group("Team", "p0@acme.example", "Inner"), group("Inner")])
    moving.take(path)
    before = moving.give()
    audited = len(moving.world.audit())
    report = moving.take(path)
    assert counts(report, "users") == {"unchanged": 3}
    assert counts(report, "groups") == {"unchanged": 2}
    assert report.members_added == 0
    assert moving.give() == before
    assert len(moving.world.audit()) == audited


def test_what_is_said_replaces_and_the_rest_stays(moving: Moving) -> None:
    """Objects are merged, lists replaced, what a row does not say stays; matching is by externalId, then by name."""
    first = user(
        "old@acme.example", externalId="e1", title="Lead", active=False,
        name={"givenName": "Ana", "familyName": "Ruiz"}, emails=[{"value": "a@x.example"}, {"value": "b@x.example"}],
    )  # fmt: skip
    moving.take(moving.lines([first]))
    changed = user("new@acme.example", externalId="e1", name={"givenName": "Anna"}, emails=[{"value": "c@x.example"}])
    assert counts(moving.take(moving.lines([changed])), "users") == {"updated": 1}
    found = stored(moving, "new@acme.example")
    assert found["name"] == {"givenName": "Anna", "familyName": "Ruiz"}
    assert found["emails"] == [{"value": "c@x.example"}]
    assert (found["title"], found["active"]) == ("Lead", False)
    report = moving.take(moving.lines([user("NEW@acme.example", title="Head")]))
    assert counts(report, "users") == {"updated": 1}
    assert stored(moving, "NEW@acme.example")["externalId"] == "e1"


def test_create_only_leaves_alone_what_is_there(moving: Moving) -> None:
    """With create_only, users and groups that are there keep everything, members too."""
    moving.take(moving.lines([user("a@x.example", title="Old"), group("Team", "a@x.example")]))
    rows = [user("a@x.example", title="New"), user("b@x.example"), group("Team", "b@x.example"), group("New", "Team")]
    report = moving.take(moving.lines(rows), create_only=True)
    assert counts(report, "users") == {"skipped": 1, "created": 1}
    assert counts(report, "groups") == {"skipped": 1, "created": 1}
    assert stored(moving, "a@x.example")["title"] == "Old"
    team = next(one for one in moving.resources() if one.get("displayName") == "Team")
    assert [member["value"] for member in team["members"]] == ["a@x.example"]


def test_names_of_other_connections_are_refused(moving: Moving) -> None:
    """A userName of another connection refuses its row, naming who has it; the connection's own rows are imported."""
    moving.take(moving.lines([user("taken@x.example")]), caller=moving.world.entra)
    report = moving.take(moving.lines([user("Taken@x.example"), user("free@x.example")]))
    assert counts(report, "users") == {"refused": 1, "created": 1}
    assert "of connection `entra`; `rolebridge connection adopt` transfers it" in report.problems[0].text
    assert moving.rejected.decode() == json.dumps(user("Taken@x.example")) + "\n"


def test_members_of_other_connections_are_unknown(moving: Moving) -> None:
    """A member is a user of the connection, whatever name it is called by."""
    moving.take(moving.lines([user("theirs@x.example", externalId="t")]), caller=moving.world.entra)
    theirs = moving.world.entra
    with moving.world.store.read() as unit:
        [known] = unit.directory(theirs.organization_id).user_by_name("theirs@x.example")
    report = moving.take(moving.lines([group("G", "theirs@x.example", "t", known.id)]))
    assert (report.members_added, report.members_unknown, report.complete) == (0, 3, False)
    assert report.problems[0].text.startswith("members that nobody knows: `theirs@x.example`, `t`, ")


def test_a_bad_row_refuses_itself_only(moving: Moving) -> None:
    """A row that is no resource, lacks a name or cannot be stored is told with its line, and stops no other."""
    good = json.dumps(user("good@x.example"))
    rows = [
        "{", "[]", '{"a": 1}', '{"userName": " "}', '{"userName": "n\\u0000l"}', '{"userName": "a", "active": "maybe"}',
        '{"userName": "a", "userName": "b"}', good, '{"displayName": ""}', "", "   ", '{"userName": "\\ud800"}',
    ]  # fmt: skip
    path = moving.file("\n".join(rows).encode() + b'\n{"userName": "\xff"}\n' + good.replace("good", "last").encode())
    report = moving.take(path)
    assert counts(report, "users")["created"] == 2
    assert report.refused == 10
    places = {problem.place.rpartition(":")[2]: problem.text for problem in report.problems}
    assert sorted(places, key=int) == ["1", "2", "3", "4", "5", "6", "7", "9", "12", "13"]
    assert places["2"] == "the line is not a JSON object"
    assert places["5"] == "the line holds the NUL character, which cannot be stored"
    assert "twice" in places["7"]
    assert "the line is not UTF-8 at byte" in places["13"]
    assert moving.rejected.count(b"\n") == 10


def test_problems_are_bounded(moving: Moving) -> None:
    """The first problems are kept, the rest is counted."""
    report = moving.take(moving.file("{\n" * 500))
    assert (len(report.problems), report.problem_count, report.refused) == (importer.MOST_PROBLEMS, 500, 500)


def test_line_without_end(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is too long is passed over without being held, and the next one is read."""
    monkeypatch.setattr("rolebridge.scim.transfer.rows.MAX_LINE", 10_000)
    text = json.dumps(user("x" * 50_000)) + "\n" + json.dumps(user("next@x.example")) + "\n"
    report = moving.take(moving.file(text))
    assert report.problems[0].text.startswith("the line is longer than")
    assert (counts(report, "rows"), counts(report, "users")) == ({"refused": 1}, {"created": 1})


def test_user_without_bounds(moving: Moving) -> None:
    """A user's row is bounded as a user's body at the SCIM door is."""
    report = moving.take(moving.lines([user("x@x.example", title="t" * 300_000)]))
    assert "the limit is 262,144" in report.problems[0].text


def test_one_name_twice_in_a_file(moving: Moving) -> None:
    """The later row of one name changes what the earlier made, within a batch as across batches."""
    rows = [user("a@x.example", title="One"), user("A@x.example", title="Two"), group("G"), group("g", externalId="x")]
    report = moving.take(moving.lines(rows))
    assert counts(report, "users") == {"created": 1, "updated": 1}
    assert counts(report, "groups") == {"created": 1, "updated": 1}
    assert stored(moving, "A@x.example")["title"] == "Two"


def test_tolerances_are_counted_and_may_be_refused(moving: Moving) -> None:
    """What a row is forgiven is counted; a strict profile refuses the row instead."""
    row = user("a@x.example", active="True")
    assert moving.take(moving.lines([row])).tolerances == {"string-boolean": 1}
    report = moving.take(moving.lines([row]), profile_name="strict", afresh=True)
    assert "does not forgive `string-boolean`" in report.problems[0].text


def test_grants_audit_and_counters_follow(moving: Moving) -> None:
    """Grants of those concerned are recorded with the import, every change has its audit row."""
    world = moving.world
    world.apply()
    moving.take(moving.lines([*people(5), group("Admins", "e0", "e1"), group("Lunch", "e2")]))
    with world.store.read() as unit:
        ids = {one.user_name: one.id for n in range(5) for one in unit.directory(world.id).user_by_name(f"p{n}")}
        assert unit.bulk(world.id).totals(world.okta.connection_id) == (5, 2)
    assert ("workspace_role", "", "admin") in world.roles(ids["p0@acme.example"])
    assert world.roles(ids["p2@acme.example"]) == set()
    assert world.differing() == []
    kinds = [entry.kind for entry in world.audit() if entry.actor == "os:mia"]
    assert (kinds.count("user.created"), kinds.count("group.created"), kinds.count("grants.changed")) == (5, 2, 2)
    moving.take(moving.lines([user("p0@acme.example", active=False)]))
    assert world.roles(ids["p0@acme.example"]) == set()
    assert world.audit(ids["p0@acme.example"])[-1].kind == "user.created"
    assert "user.deactivated" in {entry.kind for entry in world.audit(ids["p0@acme.example"])}
    consistency = Consistency(world.store, world.rulebooks, world.clock)
    assert [*consistency.row_problems(world.id), *consistency.grant_problems(world.id)] == []


def test_dry_run_writes_nothing(moving: Moving) -> None:
    """A dry run says what would happen, members of new groups and users included, and leaves everything as it was."""
    moving.take(moving.lines([user("p0@acme.example")]))
    before, audited = moving.give(), len(moving.world.audit())
    rows = [*people(3), "p", group("Team", "e1", "Inner", "nobody"), group("Inner")]
    path = moving.lines([row for row in rows if isinstance(row, dict)])
    report = moving.take(path, dry_run=True)
    assert counts(report, "users") == {"updated": 1, "created": 2}
    assert counts(report, "groups") == {"created": 2}
    assert report.members_unknown == 1
    assert (moving.give(), len(moving.world.audit())) == (before, audited)


class Broken(Exception):
    """Pulls the plug."""


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_goes_on_where_it_was_broken_off(moving: Moving, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Wherever an import breaks off, the same one goes on: everything is there once, refused rows are told once."""
    monkeypatch.setattr(batches, "USERS_AT_ONCE", 4)
    monkeypatch.setattr(importer, "GROUPS_AT_ONCE", 1)
    rows = [json.dumps(row) for row in [*people(9), group("A", "e1", "B"), group("B", "e2")]]
    path = moving.file("\n".join([rows[0], "{", *rows[1:]]))
    calls = 0

    def watch(_kind: str, _source: Source, _mark: Mark) -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise Broken

    with pytest.raises(Broken):
        moving.take(path, watch=watch)
    report = moving.take(path)
    assert bool(report.resumed_at) == (after > 1)
    assert (counts(report, "rows"), report.problem_count) == ({"refused": 1}, 1)
    assert sum(counts(report, "users").values()) == 9
    names = [one.get("userName") for one in moving.resources() if "userName" in one]
    assert names == [f"p{n}@acme.example" for n in range(9)]
    assert [m["value"] for m in moving.resources()[-2]["members"]] == ["p1@acme.example", "B"]
    assert not moving.take(path).resumed_at


def test_a_forgotten_import_begins_anew(moving: Moving) -> None:
    """After a week nobody goes on with an import; nor does one that is to begin anew."""

    def stop(_kind: str, _source: Source, mark: Mark) -> None:
        if mark.row == 3:
            raise Broken

    path = moving.lines([*people(2), group("A")])
    with pytest.raises(Broken):
        moving.take(path, watch=stop)
    assert not moving.take(path, afresh=True).resumed_at


def test_extension_attributes_are_merged(moving: Moving) -> None:
    """A row that says one attribute of an extension leaves the others."""
    moving.take(moving.lines([user("a@x.example", **{ENTERPRISE_USER: {"department": "D", "costCenter": "C"}})]))
    moving.take(moving.lines([user("a@x.example", **{ENTERPRISE_USER: {"department": "E"}})]))
    assert stored(moving, "a@x.example")[ENTERPRISE_USER] == {"department": "E", "costCenter": "C"}


def test_two_imports_of_the_same_people_at_once(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two imports that race for the same userNames, each user is made by one of them, once."""
    monkeypatch.setattr(batches, "USERS_AT_ONCE", 50)
    rows = people(400)
    paths = [moving.lines(rows), moving.lines(rows[::-1])]
    made: list[dict[str, int]] = []

    def task(number: int) -> None:
        made.append(counts(moving.take(paths[number]), "users"))

    assert together(task, 2) == [None, None]
    assert sum(told.get("created", 0) for told in made) == 400
    assert all(sum(told.values()) == 400 for told in made)
    assert len(moving.resources()) == 400
    consistency = Consistency(moving.world.store, moving.world.rulebooks, moving.world.clock)
    assert list(consistency.row_problems(moving.world.id)) == []
