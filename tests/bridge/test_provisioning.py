"""From a directory change to people's access, in one transaction."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from tests.bridge.worlds import MAPPING, World, add, remove, rename, user_draft

from rolebridge.core import holds
from rolebridge.core.assignment import Resolution
from rolebridge.core.directory import GroupDraft, User
from rolebridge.core.errors import NotFound, Taken, UnknownMembers, VersionMismatch
from rolebridge.core.program import Program
from rolebridge.core.resolver import resolve
from rolebridge.core.versions import Versions
from rolebridge.store import postgres

REVIEWER = ("project_role", "cityscapes", "reviewer")
LABELER = ("project_role", "cityscapes", "labeler")
ADMIN = ("workspace_role", "", "admin")
OLD = Versions(frozenset({1}))


def test_membership_of_a_named_group_grants_and_leaving_revokes(world: World) -> None:
    """Adding a member grants at once, removing them revokes at once, with the reason in audit and outbox."""
    world.apply()
    ana = world.user("ana")
    group = world.group("lbx-cityscapes-reviewers")
    world.change(group, add(ana))
    assert world.roles(ana) == {REVIEWER}
    world.change(group, remove(ana))
    assert world.grants(ana) == []
    told = [(entry.kind, entry.actor, entry.reason) for entry in world.audit(ana) if entry.kind == "grants.changed"]
    assert told == [
        ("grants.changed", "connection:okta", "group `lbx-cityscapes-reviewers`: 1 removed"),
        ("grants.changed", "connection:okta", "group `lbx-cityscapes-reviewers`: 1 added"),
    ]
    kinds = [(entry.kind, json.loads(entry.payload)["after"]) for entry in world.outbox()]
    assert ("grant.gain", "reviewer") in kinds
    assert ("grant.lose", None) in kinds


def test_a_grant_says_where_it_comes_from(world: World) -> None:
    """The row names rule, group, connection and lock, so that reading needs no resolver."""
    world.apply()
    ana = world.user("ana")
    group = world.group("lbx-cityscapes-reviewers", [ana])
    (grant,) = [grant for grant in world.grants(ana) if grant.slot == "project_role"]
    assert (grant.rule, grant.lock, grant.revision) == ("teams", "group", 1)
    (winner,) = json.loads(grant.because)["winners"]
    assert winner["group"] == {"id": group, "display": "lbx-cityscapes-reviewers"}
    assert winner["connection"] == "okta"
    assert winner["since"].startswith("2026-11-21T09:00")


def test_deactivation_revokes_at_once_and_reactivation_restores_whole(world: World) -> None:
    """Memberships and assignments by hand survive inactivity; roles do not, and all come back."""
    world.apply()
    ana = world.user("ana")
    world.assign_by_hand(ana, "labeler", "retail")
    world.group("lbx-cityscapes-reviewers", [ana])
    before = world.grants(ana)
    assert world.roles(ana) == {REVIEWER, ("project_role", "retail", "labeler")}
    world.activate(ana, False)
    assert world.grants(ana) == []
    world.activate(ana, True)
    assert world.grants(ana) == before
    kinds = [entry.kind for entry in world.audit(ana) if entry.kind.startswith("user.")]
    assert kinds == ["user.reactivated", "user.deactivated", "user.created"]


def test_deletion_leaves_no_grant_behind(world: World) -> None:
    """A deleted user holds nothing, is a member of nothing, and their id answers to nothing."""
    world.apply()
    ana = world.user("ana")
    group = world.group("lbx-cityscapes-reviewers", [ana])
    world.provisioning.delete_user(world.okta, ana)
    assert world.grants(ana) == []
    assert not world.provisioning.group(world.okta, group).members
    with pytest.raises(NotFound, match=f"there is no user `{ana}`"):
        world.provisioning.delete_user(world.okta, ana)


def test_a_rename_reads_the_rules_again_for_every_member(world: World) -> None:
    """Renaming a group moves its members from one rule to another and keeps them members."""
    world.apply()
    people = world.users(3)
    group = world.group("lbx-cityscapes-labelers", people)
    assert [world.roles(person) for person in people] == [{LABELER}] * 3
    world.change(group, rename("lbx-cityscapes-reviewers"))
    assert [world.roles(person) for person in people] == [{REVIEWER}] * 3
    world.change(group, rename("Somebody else's business"))
    assert [world.roles(person) for person in people] == [set()] * 3


def test_deleting_a_group_takes_only_what_it_gave(world: World) -> None:
    """Roles granted through another group stay."""
    world.apply()
    ana = world.user("ana")
    world.group("lbx-cityscapes-labelers", [ana])
    reviewers = world.group("lbx-cityscapes-reviewers", [ana])
    assert world.roles(ana) == {REVIEWER}
    world.provisioning.delete_group(world.okta, reviewers)
    assert world.roles(ana) == {LABELER}


def test_one_request_may_rename_and_move_members(world: World) -> None:
    """Rename, removal and addition in one change: those who left lose, the others gain by the new name."""
    world.apply()
    ana, ben, cara = world.user("ana"), world.user("ben"), world.user("cara")
    group = world.group("lbx-cityscapes-labelers", [ana, ben])
    steps = add(cara).steps + remove(ana).steps
    world.change(group, replace(rename("lbx-cityscapes-reviewers"), steps=steps))
    assert (world.roles(ana), world.roles(ben), world.roles(cara)) == (set(), {REVIEWER}, {REVIEWER})
    assert world.differing() == []


def test_only_affected_users_are_resolved(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member of a named group is resolved alone, whatever the group's size; an unnamed group resolves nobody."""
    world.apply()
    people = world.users(30)
    named = world.group("lbx-cityscapes-labelers", people[:25])
    unnamed = world.group("Book club", people)
    resolved: list[str] = []

    def watched(program: Program, user: User, *rest: Any) -> Resolution:
        resolved.append(user.id)
        return resolve(program, user, *rest)

    monkeypatch.setattr(holds, "resolve", watched)
    world.change(named, add(people[27]))
    assert resolved == [people[27]]
    resolved.clear()
    world.change(unnamed, remove(*people[:10]))
    world.change(unnamed, rename("Reading circle"))
    world.user("newcomer")
    assert resolved == []


def test_groups_of_a_connection_that_the_mapping_does_not_trust_grant_nothing(world: World) -> None:
    """Another connection may send a group of the same name: it means nothing here."""
    world.apply()
    eve = world.user("eve", world.entra)
    world.group("Admins", [eve], world.entra)
    assert world.roles(eve) == set()


def test_a_condition_is_asked_again_when_an_attribute_changes(world: World) -> None:
    """A contractor who becomes an employee loses what only contractors have."""
    world.apply()
    cleo = world.user("cleo", userType="Contractor")
    world.group("Contractors", [cleo])
    assert world.roles(cleo) == {("project_role", "cityscapes", "inherit"), ("project_role", "retail", "inherit")}
    world.provisioning.change_user(
        world.okta, cleo, lambda draft: replace(draft, attributes={**draft.attributes, "userType": "Employee"})
    )
    assert world.roles(cleo) == set()


def test_a_write_that_changes_nothing_leaves_the_version_alone(world: World) -> None:
    """The same user, members and name again: no new version, no audit row."""
    world.apply()
    ana = world.user("ana")
    group = world.group("lbx-cityscapes-reviewers", [ana])
    version, recorded = world.provisioning.group(world.okta, group).version, len(world.audit())
    world.change(group, add(ana))
    world.change(group, rename("lbx-cityscapes-reviewers"))
    world.activate(ana, True)
    assert world.provisioning.group(world.okta, group).version == version
    assert world.provisioning.user(world.okta, ana).version == 1
    assert len(world.audit()) == recorded


def test_unknown_members_are_reported_or_refused_whole(world: World) -> None:
    """Known members are taken and the others named; where the profile refuses, nothing happens at all."""
    world.apply()
    ana, stranger = world.user("ana"), world.user("eve", world.entra)
    group = world.group("lbx-cityscapes-reviewers")
    assert world.change(group, add(ana, stranger, "nobody")) == (stranger, "nobody")
    assert world.roles(ana) == {REVIEWER}
    ben = world.user("ben")
    with pytest.raises(UnknownMembers, match="1 members are not users or groups of this connection: `nobody`"):
        world.provisioning.change_group(world.okta, group, add(ben, "nobody"), refuse_unknown=True)
    assert world.roles(ben) == set()


def test_a_connection_touches_only_its_own(world: World) -> None:
    """What another connection created is not found, whatever is tried; its userName is taken, and named."""
    ana = world.user("ana")
    group = world.group("Team", [ana])
    for attempt in (
        lambda: world.provisioning.user(world.entra, ana),
        lambda: world.provisioning.change_user(world.entra, ana, lambda draft: draft),
        lambda: world.provisioning.delete_user(world.entra, ana),
        lambda: world.provisioning.group(world.entra, group),
        lambda: world.change(group, add(ana), world.entra),
        lambda: world.provisioning.delete_group(world.entra, group),
    ):
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(Taken, match="of connection `okta`; `rolebridge connection adopt` transfers it"):
        world.user("ANA", world.entra)


def test_another_version_than_asked_for_changes_nothing(world: World) -> None:
    """If-Match with an old version is refused before anything is written."""
    ana = world.user("ana")
    world.activate(ana, False)
    with pytest.raises(VersionMismatch, match="now at version 2"):
        world.provisioning.change_user(world.okta, ana, lambda draft: replace(draft, active=True), OLD)
    with pytest.raises(VersionMismatch):
        world.provisioning.delete_user(world.okta, ana, OLD)


def test_a_refused_change_leaves_no_trace(world: World) -> None:
    """A rename onto a name in use fails whole: members, audit and grants are as before."""
    world.apply()
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers")
    group = world.group("lbx-cityscapes-labelers", [ana])
    recorded, sent = len(world.audit()), len(world.outbox())
    with pytest.raises(Taken):
        world.change(group, replace(rename("LBX-cityscapes-REVIEWERS"), steps=remove(ana).steps))
    assert world.roles(ana) == {LABELER}
    assert (len(world.audit()), len(world.outbox())) == (recorded, sent)


def test_parallel_changes_of_one_person_lose_no_grant(world: World) -> None:
    """Two requests that put one person into two mapped groups at once: both roles are there afterwards."""
    world.apply()
    people = world.users(4)
    groups = [world.group(name) for name in ("lbx-cityscapes-reviewers", "lbx-retail-labelers", "Book club")]
    with ThreadPoolExecutor(6) as pool:
        tasks = [pool.submit(world.change, group, add(person)) for person in people for group in groups]
        for task in tasks:
            task.result()
    expected = {REVIEWER, ("project_role", "retail", "labeler")}
    assert [world.roles(person) for person in people] == [expected] * 4
    assert world.differing() == []


def test_an_apply_amid_changes_leaves_everyone_right(world: World) -> None:
    """While memberships change, a mapping is replaced twice; every grant is the last mapping's in the end."""
    world.apply()
    people = world.users(12)
    group = world.group("lbx-cityscapes-reviewers")
    with ThreadPoolExecutor(4) as pool:
        changes = [pool.submit(world.change, group, add(person)) for person in people]
        applies = [
            pool.submit(world.apply, MAPPING.replace("reviewers: reviewer", f"reviewers: {role}") + note)
            for role, note in (("labeler", ""), ("reviewer", "# again\n"), ("labeler", "# at last\n"))
        ]
    for task in changes:
        task.result()
    assert [task.result().new for task in applies] == [True] * 3
    assert world.differing() == []


def test_inactive_newcomers_hold_nothing(world: World) -> None:
    """A user who is created inactive has no roles, though a rule names them."""
    world.apply()
    answer = world.provisioning.create_user(world.okta, user_draft("ina@acme.example", active=False))
    world.group("Admins", [answer.id])
    assert world.grants(answer.id) == []
    world.activate(answer.id, True)
    assert world.roles(answer.id) == {ADMIN}


def test_a_group_created_with_members_grants_at_once(world: World) -> None:
    """POST with members is one transaction like PATCH."""
    world.apply()
    ben = world.user("ben")
    answer, unknown = world.provisioning.create_group(
        world.okta, GroupDraft("Admins", None, {"displayName": "Admins"}), [ben, "ghost"], refuse_unknown=False
    )
    assert unknown == ("ghost",)
    assert answer.version >= 1
    assert world.roles(ben) == {ADMIN}


def test_a_rename_that_rules_read_alike_still_tells_the_new_name(world: World) -> None:
    """What a grant says of its group is what the group is called now."""
    world.apply(MAPPING.replace("[Admins]", "[admins]"))
    ben = world.user("ben")
    group = world.group("Admins", [ben])
    world.change(group, rename("ADMINS"))
    assert json.loads(world.grants(ben)[-1].because)["winners"][0]["group"]["display"] == "ADMINS"
    assert world.differing() == []


def test_deletion_ends_assignments_by_hand(world: World) -> None:
    """They end with the user, and say why."""
    world.apply()
    ana = world.user("ana")
    world.assign_by_hand(ana, "labeler", "retail")
    world.provisioning.delete_user(world.okta, ana)
    with world.store.read() as unit:
        assert unit.grants(world.id).manual_of_users([ana])[ana] == []


def test_deleting_people_while_their_group_changes_makes_nobody_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both take the group's row first: no deadlock for the database to find, each pair done in its turn."""
    met: list[Exception] = []
    again = postgres.runs_again

    def seen(error: Exception) -> bool:
        met.append(error)
        return again(error)

    monkeypatch.setattr(postgres, "runs_again", seen)
    world.apply()
    people = world.users(12)
    group = world.group("lbx-cityscapes-reviewers", people)
    with ThreadPoolExecutor(2) as pool:
        for person in people:
            change = pool.submit(world.change, group, remove(person))
            deletion = pool.submit(world.provisioning.delete_user, world.okta, person)
            change.result()
            deletion.result()
    assert met == []
    assert world.differing() == []
