"""What happens at the same time, with real threads on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.store.test_grants import grant
from tests.store.worlds import CROWD, NOW, World, group_draft, new_id, together, user_draft

from rolebridge.core.directory import MembershipSource
from rolebridge.core.errors import Taken
from rolebridge.store.unit import Unit

LATER = NOW + timedelta(hours=1)


def test_one_of_many_takes_a_user_name(world: World) -> None:
    """Of 20 creations of one userName, from two connections, exactly one succeeds; the others hear why."""

    def create(number: int) -> None:
        world.add_user("ANA" if number % 2 else "ana", world.okta if number % 3 else world.entra)

    raised = together(create)
    assert raised.count(None) == 1
    refused = [error for error in raised if error is not None]
    assert {type(error) for error in refused} == {Taken}
    assert {error.attribute for error in refused if isinstance(error, Taken)} == {"userName"}


def test_one_of_many_takes_a_name_by_update(world: World) -> None:
    """Of 20 users renamed to one name at once, exactly one gets it, and the others keep theirs."""
    people = [world.add_user(f"user{number}") for number in range(CROWD)]

    def rename(number: int) -> None:
        world.store.transact(
            lambda unit: unit.directory(world.organization).update_user(people[number], user_draft("same"), LATER)
        )

    raised = together(rename)
    assert raised.count(None) == 1
    assert {type(error) for error in raised if error is not None} == {Taken}
    with world.store.read() as unit:
        found = sorted(user.user_name for user in unit.directory(world.organization).all_core_users())
    assert (len(found), found.count("same")) == (CROWD, 1)


def test_one_of_many_takes_a_group_name(world: World) -> None:
    """The same holds for groups of one connection."""
    raised = together(lambda _: world.add_group("Team"))
    assert raised.count(None) == 1
    assert {type(error) for error in raised if error is not None} == {Taken}


def test_parallel_changes_of_one_group_lose_nothing(world: World) -> None:
    """20 additions and removals on one group at once all happen, and the version counts them."""
    ids = world.add_users(2 * CROWD)
    group = world.add_group("team", ids[CROWD:])

    def change(number: int) -> None:
        def work(unit: Unit) -> None:
            directory = unit.directory(world.organization)
            directory.add_members(
                group.id, [ids[number]], source=MembershipSource.SCIM, connection_id=world.okta, now=LATER
            )
            directory.remove_members(group.id, [ids[CROWD + number]], LATER)

        world.store.transact(work)

    assert together(change) == [None] * CROWD
    assert world.members(group.id) == sorted(ids[:CROWD])
    with world.store.read() as unit:
        assert unit.directory(world.organization).group_version(group.id) == 2 + 2 * CROWD


def test_nobody_is_a_member_after_deletion(world: World) -> None:
    """Users who are added to groups while they are deleted leave no membership behind."""
    ids = world.add_users(CROWD // 2)
    groups = [world.add_group(f"team{number}", ids[:3]) for number in range(3)]

    def change(number: int) -> None:
        id_ = ids[number // 2]

        def work(unit: Unit) -> None:
            directory = unit.directory(world.organization)
            if number % 2:
                user = directory.user_to_delete(world.okta, id_)
                assert user is not None
                directory.delete_user(user, LATER)
            else:
                directory.add_members(
                    groups[number % 3].id, [id_], source=MembershipSource.SCIM, connection_id=world.okta, now=LATER
                )

        world.store.transact(work)

    assert together(change) == [None] * CROWD
    assert [world.members(group.id) for group in groups] == [[], [], []]


def test_grants_follow_from_all_memberships(world: World) -> None:
    """Whoever recomputes a user's grants sees the others' changes: in the end grants equal memberships."""
    (ana,) = world.add_users(1)
    groups = [world.add_group(f"team{number}") for number in range(CROWD)]

    def join(number: int) -> None:
        def work(unit: Unit) -> None:
            directory, grants = unit.directory(world.organization), unit.grants(world.organization)
            directory.lock_organization(exclusive=False)
            directory.group(world.okta, groups[number].id, lock=True)
            directory.lock_users([ana])
            directory.add_members(
                groups[number].id, [ana], source=MembershipSource.SCIM, connection_id=world.okta, now=LATER
            )
            held = directory.memberships([ana])[ana]
            after = [grant(ana, membership.group.display) for membership in held]
            grants.replace_for_user(ana, grants.of_users([ana])[ana], after)

        world.store.transact(work)

    assert together(join) == [None] * CROWD
    with world.store.read() as unit:
        roles = [row.role for row in unit.grants(world.organization).of_users([ana])[ana]]
    assert sorted(roles) == sorted(f"team{number}" for number in range(CROWD))


def test_an_apply_waits_for_changes_and_changes_wait_for_it(world: World) -> None:
    """Revisions that are added at once are numbered without gaps, each by one."""

    def add(number: int) -> None:
        world.store.transact(
            lambda unit: unit.revisions(world.organization).add(
                {"a.yaml": str(number)}, str(number), connections=[], actor="ops", reason="", now=NOW
            )
        )

    assert together(add) == [None] * CROWD
    with world.store.read() as unit:
        assert unit.revisions(world.organization).active_number() == CROWD


def test_totals_are_right_after_a_crowd(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting and folding at once loses and invents nobody."""
    monkeypatch.setattr("rolebridge.store.scope.FOLD_EVERY", 3)

    def change(number: int) -> None:
        def work(unit: Unit) -> None:
            directory = unit.directory(world.organization)
            made = [
                directory.insert_user(world.okta, user_draft(f"u{number}-{copy}"), new_id(), NOW) for copy in range(4)
            ]
            directory.delete_user(made[0], LATER)
            directory.insert_group(world.okta, group_draft(f"g{number}"), new_id(), NOW)

        world.store.transact(work)

    assert together(change) == [None] * CROWD
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        assert directory.find_users(world.okta, None, offset=0, limit=0, prefix="").total == 3 * CROWD
        assert directory.find_groups(world.okta, None, offset=0, limit=0, prefix="").total == CROWD


def test_users_are_locked_in_one_order(world: World) -> None:
    """Transactions that lock the same people in any order wait for each other instead of deadlocking."""
    ids = world.add_users(30)

    def lock(number: int) -> None:
        mixed = ids[number:] + ids[:number]
        world.store.transact(lambda unit: unit.directory(world.organization).lock_users(mixed))

    assert together(lock) == [None] * CROWD
