"""Checking and applying mapping files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from tests.bridge.worlds import MAPPING, OPERATOR, World

from rolebridge.bridge import rulebooks
from rolebridge.bridge.planning import GuardTripped, MappingRefused
from rolebridge.core.plan import ChangeKind, Counts
from rolebridge.mapfile.catalogue import shipped_catalogues
from rolebridge.store.engine import Store

REVIEWER = ("project_role", "cityscapes", "reviewer")
LABELER = ("project_role", "cityscapes", "labeler")
GUARDED = MAPPING + "guard: {hold_revocations: {over: 25%, and_at_least: 3}, keep: {workspace_role: {admin: 1}}}\n"


def test_a_first_apply_grants_what_the_directory_already_says(world: World) -> None:
    """People who were provisioned before any mapping get their roles from the first revision."""
    people = world.users(3)
    world.group("lbx-cityscapes-reviewers", people)
    assert world.roles(people[0]) == set()
    applied = world.apply()
    assert (applied.revision, applied.new) == (1, True)
    assert applied.plan.counts == Counts(gain=6, people=3)
    assert Counter(planned.change.kind for planned in applied.plan.changes) == {ChangeKind.GAIN: 6}
    assert [world.roles(person) for person in people] == [{REVIEWER}] * 3
    (entry,) = [entry for entry in world.audit() if entry.kind == "mapping.applied"]
    assert entry.actor == "os:mia"
    assert json.loads(entry.after or "")["changes"] == {"gain": 6}


def test_the_same_files_again_change_nothing(world: World) -> None:
    """No new revision, no audit row."""
    world.apply()
    recorded = len(world.audit())
    applied = world.apply()
    assert (applied.revision, applied.new, applied.plan.changes) == (1, False, ())
    assert len(world.audit()) == recorded


def test_a_comment_makes_a_revision_but_changes_nobody(world: World) -> None:
    """Lines that move change neither grants nor the record of any person."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    world.apply()
    before, recorded = world.grants(ana), len(world.audit(ana))
    applied = world.apply("# reviewed by Mia\n" + MAPPING)
    assert (applied.revision, applied.plan.changes) == (2, ())
    assert world.grants(ana) == before
    assert len(world.audit(ana)) == recorded


def test_files_with_errors_change_nothing_and_all_errors_are_told(world: World) -> None:
    """Two mistakes in two files are both reported; the old mapping stays in force."""
    world.apply()
    ana = world.user("ana")
    broken = MAPPING.replace("labelers: labeler", "labelers: labeller")
    other = "workspace: text\nplatform: label_studioo\n"
    with pytest.raises(MappingRefused) as refused:
        world.planning.apply(OPERATOR, world.id, {"mappings/vision.yaml": broken, "mappings/text.yaml": other})
    assert {found.code for found in refused.value.diagnostics} >= {"unknown-role", "unknown-platform"}
    world.group("lbx-cityscapes-labelers", [ana])
    assert world.roles(ana) == {LABELER}


def test_a_connection_that_the_organization_does_not_have_is_an_error(world: World) -> None:
    """The check knows the organization's connections."""
    with pytest.raises(MappingRefused) as refused:
        world.apply(MAPPING.replace("[okta]", "[okto]"))
    (found,) = refused.value.diagnostics
    assert (found.code, found.help) == ("unknown-connection", "did you mean `okta`?")


def test_removing_a_file_revokes_its_workspace(world: World) -> None:
    """A revision is the whole set."""
    ana = world.user("ana")
    world.group("lbx-cityscapes-reviewers", [ana])
    world.apply()
    world.planning.apply(OPERATOR, world.id, {})
    assert world.grants(ana) == []


def test_a_mass_revocation_is_refused_with_limit_and_count(world: World) -> None:
    """Past both bounds an apply stops, says by how much, and has changed nothing; with a reason it goes through."""
    people = world.users(8)
    world.group("lbx-cityscapes-reviewers", people[:4])
    world.group("lbx-cityscapes-labelers", people[4:])
    world.apply(GUARDED)
    drastic = GUARDED.replace("labelers: labeler", "labeleers: labeler")
    with pytest.raises(GuardTripped) as refused:
        world.apply(drastic)
    assert "4 of 8 people (50.0%) lose a role" in str(refused.value)
    assert world.roles(people[7]) == {LABELER}
    applied = world.apply(drastic, force="season is over")
    assert [trip.count for trip in applied.forced] == [4]
    assert world.roles(people[7]) == set()
    (entry, _) = [entry for entry in world.audit() if entry.kind == "mapping.applied"]
    assert entry.reason == "season is over"


def test_the_last_administrator_is_kept(world: World) -> None:
    """A mapping that leaves nobody in a kept role is refused."""
    ben = world.user("ben")
    world.group("Admins", [ben])
    world.apply(GUARDED)
    with pytest.raises(GuardTripped, match="0 of 1 holders of admin in workspace_role remain"):
        world.apply(GUARDED.replace("[Admins]", "[Chiefs]"))


def test_dropping_a_guarded_workspace_trips_its_own_guard(world: World) -> None:
    """The guard rails of a file that is removed still count."""
    people = world.users(4)
    world.group("lbx-cityscapes-reviewers", people)
    world.apply(GUARDED)
    with pytest.raises(GuardTripped, match="4 of 4 people"):
        world.planning.apply(OPERATOR, world.id, {})


def test_checking_writes_nothing_and_needs_no_organization(world: World) -> None:
    """`check` reads files alone, or against an organization's connections."""
    mappings, found = world.planning.check(None, {"vision.yaml": MAPPING})
    assert mappings is not None
    assert found == ()
    mappings, found = world.planning.check(world.id, {"vision.yaml": MAPPING.replace("[okta]", "[ping]")})
    assert mappings is None
    assert [one.code for one in found] == ["unknown-connection"]
    assert world.apply().revision == 1


def test_another_organization_s_mapping_never_reaches_in(world: World) -> None:
    """Two organizations with groups of the same name have nothing to do with each other."""
    other = World(world.store)
    eve = other.user("eve")
    other.group("Admins", [eve])
    ben = world.user("ben")
    world.group("Admins", [ben])
    world.apply()
    assert world.roles(ben) == {("workspace_role", "", "admin")}
    assert other.grants(eve) == []


def test_a_file_that_names_no_connection_trusts_only_the_one_there_was(store: Store) -> None:
    """A connection that is added later cannot give itself roles through a mapping that does not name it."""
    world = World(store, connections=("okta",))
    ben = world.user("ben")
    world.group("Admins", [ben])
    world.apply(MAPPING.replace("connections: [okta]\n", ""))
    later = world.connect("entra")
    fresh = World.of(world)  # another process, which reads the revision back
    eve = fresh.user("eve", later)
    fresh.group("Admins", [eve], later)
    assert fresh.roles(eve) == set()
    assert fresh.roles(ben) == {("workspace_role", "", "admin")}
    with pytest.raises(MappingRefused) as refused:
        world.apply(MAPPING.replace("connections: [okta]\n", "") + "# again\n")
    assert [found.code for found in refused.value.diagnostics] == ["connections-missing"]


def test_a_rule_that_names_a_user_means_no_other_connection_s(world: World) -> None:
    """A connection that the file does not trust cannot create the break-glass user and become an administrator."""
    named = MAPPING + "  - id: break-glass\n    users: [bg@acme.example]\n    grant: {workspace_role: admin}\n"
    world.apply(named)
    assert world.roles(world.user("bg", world.entra)) == set()


def test_another_catalogue_makes_the_same_files_another_revision(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update of the package the same files are applied again, since they may mean something else."""
    world.apply()
    newer = {name: replace(one, digest=f"newer {name}") for name, one in shipped_catalogues().items()}
    monkeypatch.setattr(rulebooks, "shipped_catalogues", lambda: newer)
    assert world.apply().revision == 2
