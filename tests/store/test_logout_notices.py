"""The end of authorizations, and notices of it, as they are stored."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.store.worlds import NOW, World, new_id

from rolebridge.store.endings import HOLDING, Ended
from rolebridge.store.logout_notices import LogoutNotice
from rolebridge.store.statements import Statement, insert_into
from rolebridge.store.tables.provider import applications, authorizations, refresh_tokens
from rolebridge.store.unit import Unit

LATER = NOW + timedelta(hours=1)
_APPLICATION = Statement(lambda db: insert_into(db, applications))
_AUTHORIZATION = Statement(lambda db: insert_into(db, authorizations))
_REFRESH = Statement(lambda db: insert_into(db, refresh_tokens))


class Given:
    """What people of a world gave to applications."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.scope = {"organization_id": world.organization}
        self.talking, self.deaf = self.application("https://app.example/out"), self.application(None)

    def application(self, uri: str | None) -> str:
        id_ = f"rbo_{new_id()}"
        row: dict[str, object] = {
            "id": id_,
            "name": "app",
            "name_key": "app",
            "kind": "public",
            "created": "x",
            "revoked_at": None,
        }
        settings = json.dumps({"backchannel_logout_uri": uri})
        self.world.store.transact(lambda unit: unit.link.run(_APPLICATION, **self.scope, **row, settings=settings))
        return id_

    def authorization(self, user: str, session: str = "s1", app: str = "", *, ends: datetime = LATER) -> str:
        id_ = new_id()
        row = {
            "id": id_, "application_id": app or self.talking, "user_id": user, "session_id": session,
            "scope": "openid", "authenticated_at": "x", "context": None, "created": "x",
            "expires_at": ends.isoformat()[:23] + "Z", "ended_at": None, "ended_why": None,
        }  # fmt: skip
        token: dict[str, object] = {
            "authorization_id": id_,
            "hash": secrets.token_bytes(8),
            "key_id": "k",
            "created": "x",
        }
        token |= {"expires_at": "x", "used_at": None}

        def work(unit: Unit) -> None:
            unit.link.run(_AUTHORIZATION, **self.scope, **row)
            unit.link.run(_REFRESH, **self.scope, **token)

        self.world.store.transact(work)
        return id_

    def holds(self, user: str, at: datetime = NOW) -> bool:
        with self.world.store.read() as unit:
            return unit.endings(self.world.organization).holding(["nobody", user], at) == [user]

    def end_of(self, *users: str) -> list[Ended]:
        return self.world.store.transact(
            lambda unit: unit.endings(self.world.organization).of_users(users, "deactivated", NOW)
        )


@pytest.fixture
def given(world: World) -> Given:
    return Given(world)


def test_what_people_gave_ends_once(given: Given) -> None:
    """Ending takes everything of exactly these people that had not ended or expired, and tells it the first time."""
    first, second = given.authorization("ana"), given.authorization("ana", "s2", given.deaf)
    given.authorization("ana", "s3", ends=NOW)
    other = given.authorization("ben")
    assert {one.id for one in given.end_of("ana", "nobody")} == {first, second}
    assert given.end_of("ana") == []
    assert [one.id for one in given.end_of("ben")] == [other]


def test_whoever_has_nothing_is_known_by_one_question(given: Given) -> None:
    """A person holds something as long as an authorization lives; in another organization they hold nothing."""
    assert not given.holds("ana")
    given.authorization("ana")
    assert given.holds("ana")
    assert not given.holds("ana", LATER)
    assert not Given(World(given.world.store).begin()).holds("ana")
    given.end_of("ana")
    assert not given.holds("ana")


def test_the_question_reads_two_indexes(given: Given) -> None:
    """On SQLite the plan of the question that every deactivation asks names an index on both sides, and no scan."""
    with given.world.store.read() as unit:
        if unit.link.database.value != "sqlite":
            pytest.skip("PostgreSQL plans by statistics, which a small table does not have")
        compiled = HOLDING.on(unit.link.database)
        values = {**given.scope, "of": '["ana"]', "now": "x"}
        rows = unit.link.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", compiled.parameters(values)).fetchall()
    said = " ".join(str(row) for row in rows)
    assert "ix_sessions_organization_id_user_id_begun_at" in said
    assert "ix_authorizations_organization_id_user_id" in said
    assert "SCAN sessions" not in said


def test_an_application_is_told_only_where_it_listens(given: Given) -> None:
    """Applications without an address for logouts are not among those that listen, nor are unknown ones."""
    with given.world.store.read() as unit:
        found = unit.endings(given.world.organization).listening([given.talking, given.deaf, "rbo_nobody"])
    assert found == {given.talking}


def test_what_has_expired_is_deleted_some_at_a_time(given: Given) -> None:
    """Retention takes expired authorizations with their tokens, no more at a time than it is told, and nothing else."""
    for _ in range(3):
        given.authorization("ana", ends=NOW)
    kept = given.authorization("ana")

    def expire(unit: Unit) -> int:
        return unit.endings(given.world.organization).expire(NOW, 2)

    assert [given.world.store.transact(expire) for _ in range(3)] == [2, 1, 0]
    assert [one.id for one in given.end_of("ana")] == [kept]


def test_erasing_leaves_nothing_of_a_person(given: Given) -> None:
    """Erasing takes a person's authorizations with their tokens and the notices about them, and nobody else's."""
    organization = given.world.organization
    given.authorization("ben")
    kept = given.authorization("cleo")

    def work(unit: Unit) -> int:
        unit.logout_notices(organization).add([replace(notice(), user_id="ben"), replace(notice(), user_id="cleo")])
        return unit.endings(organization).forget_user("ben")

    assert given.world.store.transact(work) == 3
    assert [one.id for one in given.end_of("ben", "cleo")] == [kept]
    with given.world.store.read() as unit:
        assert [one.user_id for one in unit.logout_notices(organization).page("rbo_a", 9)] == ["cleo"]


# --- notices


def notice(app: str = "rbo_a", at: datetime = NOW, **more: object) -> LogoutNotice:
    made = LogoutNotice(new_id(), app, "ana", "s1", at, next_at=at)
    return replace(made, **more)  # type: ignore[arg-type]


def test_one_of_two_takes_a_notice(world: World) -> None:
    """A notice is due once its moment has come, is taken by one of two who saw it, and is not due while taken."""
    waiting = notice()
    rows = world.store.transact
    rows(lambda unit: unit.logout_notices(world.organization).add([waiting]))
    with world.store.read() as unit:
        assert unit.logout_notices(world.organization).due(NOW - timedelta(seconds=1), 9) == []
        (seen,) = unit.logout_notices(world.organization).due(NOW, 9)
    assert seen == waiting
    taken = [rows(lambda unit: unit.logout_notices(world.organization).take(seen, LATER)) for _ in range(2)]
    assert taken == [True, False]
    with world.store.read() as unit:
        assert unit.logout_notices(world.organization).due(NOW, 9) == []
        (again,) = unit.logout_notices(world.organization).due(LATER, 9)
    assert again == replace(waiting, attempts=1, next_at=LATER)


def test_outcomes_are_kept_and_counted(world: World) -> None:
    """What came of a notice is listed newest first, page by page, and troubles are counted by application."""
    made = [
        notice(
            at=NOW + timedelta(minutes=minute), next_at=next_at, given_up_at=given_up, delivered_at=heard, problem=why
        )
        for minute, next_at, given_up, heard, why in (
            (0, None, LATER, None, "it answers 400"),
            (1, LATER, None, None, "it does not answer"),
            (2, None, None, LATER, None),
        )
    ]

    def work(unit: Unit) -> None:
        rows = unit.logout_notices(world.organization)
        rows.add(replace(one, delivered_at=None, given_up_at=None) for one in made)
        for one in made:
            rows.record(one)

    world.store.transact(work)
    with world.store.read() as unit:
        rows = unit.logout_notices(world.organization)
        assert rows.page("rbo_a", 9) == made[::-1]
        assert rows.page("rbo_a", 1, (made[2].created, made[2].id)) == [made[1]]
        assert rows.page("rbo_b", 9) == []
        assert rows.troubles(NOW) == [("rbo_a", 1, 1, "it does not answer")]
        assert rows.troubles(LATER) == []
    assert world.store.transact(lambda unit: unit.logout_notices(world.organization).expire(LATER)) == 2
