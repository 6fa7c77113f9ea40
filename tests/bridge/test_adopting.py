"""Adopting: what moves between connections, what follows for people, and what is refused whole."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.bridge.worlds import OPERATOR, World, user_draft

from rolebridge.bridge.adopting import Adopted, Adopting, Collides, Selection
from rolebridge.core.directory import GroupDraft
from rolebridge.core.errors import Invalid, NotFound, Taken
from rolebridge.store.records import Connection

EVERYTHING = Selection(everything=True)


@pytest.fixture
def adopting(world: World) -> Adopting:
    """The use case, on the world's store."""
    return Adopting(world.store, world.rulebooks, world.clock)


def connection(world: World, name: str) -> Connection:
    return world.administration.connection(world.organization, name)


def adopt(world: World, adopting: Adopting, wanted: Selection, source: str = "okta", target: str = "entra") -> Adopted:
    return adopting.adopt(OPERATOR, connection(world, source), connection(world, target), wanted, reason="new IdP")


def preview(world: World, adopting: Adopting, wanted: Selection) -> Adopted:
    return adopting.preview(OPERATOR, connection(world, "okta"), connection(world, "entra"), wanted)


def owned(world: World, name: str) -> tuple[set[str], set[str]]:
    """Return the userNames and group names that a connection sees."""
    caller = world.okta if name == "okta" else world.entra
    users = world.provisioning.find_users(caller, None, offset=0, limit=100)
    groups = world.provisioning.find_groups(caller, None, offset=0, limit=100)
    assert users.total == len(users.answers)
    assert groups.total == len(groups.answers)
    return (
        {json.loads(user.body)["userName"] for user in users.answers},
        {json.loads(group.body)["displayName"] for group in groups.answers},
    )


def members(world: World, group_id: str) -> set[str]:
    with world.store.read() as unit:
        return set(unit.directory(world.id).member_ids(group_id))


def test_everything_moves_and_stays_together(world: World, adopting: Adopting) -> None:
    """Users, groups and memberships become the target's under the same ids; the source has nothing left."""
    ana, ben = world.user("ana"), world.user("ben")
    group = world.group("Admins", [ana, ben])
    adopted = adopt(world, adopting, EVERYTHING)
    assert [id_ for id_, _ in adopted.users] == [ana, ben]
    assert adopted.groups == ((group, "Admins"),)
    assert adopted.partings == ()
    assert owned(world, "okta") == (set(), set())
    assert owned(world, "entra") == ({"ana@acme.example", "ben@acme.example"}, {"Admins"})
    assert members(world, group) == {ana, ben}
    with pytest.raises(NotFound):
        world.provisioning.user(world.okta, ana)
    assert world.provisioning.user(world.entra, ana).version == 2


def test_what_moves_comes_after_what_is_there(world: World, adopting: Adopting) -> None:
    """Pages of the target keep their beginning: the moved come last, in the order in which they were created."""
    moved = [world.user(f"moved{number}") for number in range(3)]
    there = [world.user(f"there{number}", world.entra) for number in range(3)]
    adopt(world, adopting, EVERYTHING)
    later = world.user("later", world.entra)
    page = world.provisioning.find_users(world.entra, None, offset=0, limit=100)
    assert [user.id for user in page.answers] == [*there, *moved, later]


def test_rules_trust_connections(world: World, adopting: Adopting) -> None:
    """A mapping that trusts the source's groups gives nothing for them under the target, and back again."""
    ana = world.user("ana")
    world.group("Admins", [ana])
    world.apply()
    held = world.roles(ana)
    assert ("workspace_role", "", "admin") in held
    adopted = adopt(world, adopting, EVERYTHING)
    assert {change.user_id for change in adopted.changes} == {ana}
    assert ("workspace_role", "", "admin") not in world.roles(ana)
    assert world.differing() == []
    adopt(world, adopting, EVERYTHING, "entra", "okta")
    assert world.roles(ana) == held
    assert world.differing() == []


def test_a_preview_tells_and_changes_nothing(world: World, adopting: Adopting) -> None:
    """A preview says what adopting then does, to the last membership; nothing of it is written."""
    ana, ben = world.user("ana"), world.user("ben")
    group = world.group("Admins", [ana, ben])
    world.apply()
    recorded, told = len(world.audit()), len(world.outbox())
    seen = preview(world, adopting, Selection(users=("ana",)))
    assert (len(world.audit()), len(world.outbox())) == (recorded, told)
    assert owned(world, "entra") == (set(), set())
    assert members(world, group) == {ana, ben}
    done = adopt(world, adopting, Selection(users=("ana",)))
    assert (seen.users, seen.partings) == (done.users, done.partings)
    assert [(one.user_id, one.kind) for one in seen.changes] == [(one.user_id, one.kind) for one in done.changes]


def test_a_user_moves_alone(world: World, adopting: Adopting) -> None:
    """A user leaves the groups that stay behind, which get a new version, and keeps nothing that they gave."""
    ana, ben = world.user("ana"), world.user("ben")
    group = world.group("Admins", [ana, ben])
    world.apply()
    version = world.provisioning.group(world.okta, group).version
    adopted = adopt(world, adopting, Selection(users=("ana@acme.example",)))
    assert [(one.group_id, one.member_id) for one in adopted.partings] == [(group, ana)]
    assert members(world, group) == {ben}
    assert world.provisioning.group(world.okta, group).version == version + 1
    assert ("workspace_role", "", "admin") not in world.roles(ana)
    assert ("workspace_role", "", "admin") in world.roles(ben)
    assert world.differing() == []


def test_a_group_moves_alone(world: World, adopting: Adopting) -> None:
    """A group's members who stay behind leave it, and lose what it gave them."""
    ana = world.user("ana")
    group = world.group("Admins", [ana])
    world.apply()
    adopt(world, adopting, Selection(groups=("admins",)))
    assert members(world, group) == set()
    assert ("workspace_role", "", "admin") not in world.roles(ana)
    assert owned(world, "entra") == (set(), {"Admins"})
    assert world.differing() == []


def test_a_clash_names_this_and_is_solved_by_it(world: World, adopting: Adopting) -> None:
    """The 409 of a userName that another connection owns points here; after it the new connection owns the user."""
    ana = world.user("ana")
    with pytest.raises(Taken, match="of connection `okta`; `rolebridge connection adopt` transfers it"):
        world.user("ana", world.entra)
    adopt(world, adopting, Selection(users=(ana,)))
    assert world.provisioning.user(world.entra, ana).id == ana


def test_a_collision_refuses_all(world: World, adopting: Adopting) -> None:
    """An externalId or a group name that the target has refuses the whole transfer, with every collision listed."""
    world.user("fine")
    world.provisioning.create_user(world.okta, replace(user_draft("ana@acme.example"), external_id="x1"))
    world.provisioning.create_user(world.entra, replace(user_draft("zoe@acme.example"), external_id="x1"))
    world.group("ADMINS")
    world.group("Admins", caller=world.entra)
    world.provisioning.create_group(
        world.okta, GroupDraft("One", "g1", {"displayName": "One"}), (), refuse_unknown=False
    )
    world.provisioning.create_group(
        world.entra, GroupDraft("Two", "g1", {"displayName": "Two"}), (), refuse_unknown=False
    )
    before = owned(world, "okta"), owned(world, "entra"), len(world.audit())
    for attempt in (adopt, preview):
        with pytest.raises(Collides, match="3 resources collide with what connection `entra` has") as refused:
            attempt(world, adopting, EVERYTHING)
        assert [(one.kind, one.name, one.attribute, one.other) for one in refused.value.collisions] == [
            ("user", "ana@acme.example", "externalId", "zoe@acme.example"),
            ("group", "ADMINS", "displayName", "Admins"),
            ("group", "One", "externalId", "Two"),
        ]
    assert (owned(world, "okta"), owned(world, "entra"), len(world.audit())) == before


def test_each_move_is_on_record(world: World, adopting: Adopting) -> None:
    """Every resource has an audit row with both connections, the reason and who did it."""
    ana = world.user("ana")
    group = world.group("Admins", [ana])
    adopt(world, adopting, EVERYTHING)
    for id_, kind in ((ana, "user.adopted"), (group, "group.adopted")):
        entry = next(entry for entry in world.audit(id_) if entry.kind == kind)
        assert (entry.actor, entry.reason) == ("os:mia", "new IdP")
        assert (entry.before, entry.after) == ('{"connection": "okta"}', '{"connection": "entra"}')


def test_who_left_a_group_is_on_record(world: World, adopting: Adopting) -> None:
    """A group that loses a member to a transfer has an audit row that says whom."""
    ana = world.user("ana")
    group = world.group("Admins", [ana])
    adopt(world, adopting, Selection(users=(ana,)))
    assert json.loads(world.audit(group)[0].after or "") == {"removed": [ana]}


def test_only_the_sources_own(world: World, adopting: Adopting) -> None:
    """What is not the source's is not found there, and nothing selected is not everything."""
    world.user("zoe", world.entra)
    world.group("Theirs", caller=world.entra)
    with pytest.raises(NotFound, match=r"there is no user of connection `okta` `zoe@acme.example`"):
        adopt(world, adopting, Selection(users=("zoe@acme.example",)))
    with pytest.raises(NotFound, match="there is no group of connection `okta` `Theirs`"):
        adopt(world, adopting, Selection(groups=("Theirs",)))
    with pytest.raises(Invalid, match="there is nothing of connection `okta` to move"):
        adopt(world, adopting, EVERYTHING)
    with pytest.raises(Invalid, match="between two connections of one organization"):
        adopt(world, adopting, EVERYTHING, "entra", "entra")


def test_not_across_organizations(world: World, adopting: Adopting) -> None:
    """Nothing crosses from one organization to another."""
    other = World(world.store)
    world.user("ana")
    with pytest.raises(Invalid, match="of one organization"):
        adopting.adopt(OPERATOR, connection(world, "okta"), connection(other, "entra"), EVERYTHING, reason="x")
    assert owned(other, "entra") == (set(), set())


def test_an_ambiguous_name(world: World, adopting: Adopting) -> None:
    """A local part that several users have moves none of them."""
    for domain in ("acme.example", "acme.test"):
        world.provisioning.create_user(world.okta, user_draft(f"ana@{domain}"))
    with pytest.raises(Invalid, match=r"`ana` may be `ana@acme.example` or `ana@acme.test`; say which"):
        adopt(world, adopting, Selection(users=("ana",)))


def test_groups_in_groups_part_too(world: World, adopting: Adopting) -> None:
    """A group that stays behind leaves a group that moves, and the other way round."""
    ana = world.user("ana")
    child = world.group("Child", [ana])
    parent = world.group("Parent", [child])
    adopted = adopt(world, adopting, Selection(groups=("Parent",)))
    assert [(one.group_id, one.member_id, one.kind) for one in adopted.partings] == [(parent, child, "group")]
    with world.store.read() as unit:
        directory = unit.directory(world.id)
        assert directory.child_ids(parent) == []
        assert [held.group.id for held in directory.memberships([ana])[ana]] == [child]
