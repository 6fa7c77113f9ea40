"""The request log's rows: found by connection, time, status, path and id, counted, and taken away in small steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.store.test_plans import plan, reads_a_whole_table
from tests.store.worlds import NOW, World, new_id

from rolebridge.store import request_log
from rolebridge.store.request_log import NOBODY, LoggedRequest, RequestLogRows, Traffic, Wanted
from rolebridge.store.unit import Unit

COUNT = 12


def rows_of(world: World) -> list[LoggedRequest]:
    """Return twelve requests of okta, one a minute, every fourth of them refused, the last one by its token."""
    first = LoggedRequest(world.organization, world.okta, NOW, "r00", "GET", "/Users", 200)
    found = []
    for number in range(COUNT):
        row = replace(first, at=NOW + timedelta(minutes=number), request_id=f"r{number:02}", duration_us=number)
        found.append(replace(row, status=409, detail="taken", method="POST") if number % 4 == 3 else row)
    found[5] = replace(found[5], path="/Groups/abc", query="filter=displayName eq …", tolerances="capital-op path-keys")
    found[6] = replace(found[6], tolerances="capital-op", resource_id="u1")
    found[11] = replace(found[11], status=401, credential_id="old-token")
    return found


@pytest.fixture
def logged(world: World) -> World:
    """A world with twelve requests, one of another connection and one of nobody's."""
    add(world, *rows_of(world))
    add(world, LoggedRequest(world.organization, world.entra, NOW, "e00", "GET", "/Users", 500, lost=0))
    add(world, LoggedRequest(NOBODY, NOBODY, NOW, new_id(), "GET", "/Users", 401))
    return world


def add(world: World, *rows: LoggedRequest) -> None:
    world.store.transact(lambda unit: unit.request_log(NOBODY).add(rows))


def ids(world: World, wanted: Wanted, before: tuple[datetime, str] | None = None, limit: int = 100) -> list[str]:
    with world.store.read() as unit:
        return [row.request_id for row in log_of(world, unit).newest(wanted, before=before, limit=limit)]


def log_of(world: World, unit: Unit) -> RequestLogRows:
    return unit.request_log(world.organization)


def test_a_row_comes_back_as_it_went_in(logged: World) -> None:
    """Every column is kept, moments to the millisecond."""
    with logged.store.read() as unit:
        assert log_of(logged, unit).by_id("r05") == rows_of(logged)[5]
        assert log_of(logged, unit).by_id("r\0") is None
        assert unit.request_log(new_id()).by_id("r05") is None


def test_the_same_row_twice_is_one(logged: World) -> None:
    """A batch that is written again, after an answer of the database was lost, counts once."""
    add(logged, *rows_of(logged))
    assert len(ids(logged, Wanted(connection_id=logged.okta))) == COUNT


def test_the_newest_come_first_and_pages_follow(logged: World) -> None:
    """A page goes on after a place, whatever has been added since."""
    first = ids(logged, Wanted(connection_id=logged.okta), limit=5)
    assert first == ["r11", "r10", "r09", "r08", "r07"]
    add(logged, replace(rows_of(logged)[0], request_id="new", at=NOW + timedelta(hours=1)))
    place = (NOW + timedelta(minutes=7), "r07")
    assert ids(logged, Wanted(connection_id=logged.okta), place, 3) == ["r06", "r05", "r04"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(since=NOW + timedelta(minutes=10)), ["r11", "r10"]),
        (Wanted(statuses=(400, 599)), ["r11", "r07", "r03", "e00"]),
        (Wanted(statuses=(401, 401)), ["r11"]),
        (Wanted(path="/groups/A"), ["r05"]),
        (Wanted(path="DISPLAYNAME"), ["r05"]),
        (Wanted(path="%"), []),
        (Wanted(path="a\0"), []),
        (Wanted(resource_id="u1"), ["r06"]),
        (Wanted(resource_id="u1", path="groups"), []),
    ],
)
def test_rows_are_chosen(logged: World, wanted: Wanted, found: list[str]) -> None:
    """By time, status, a part of path or query as it stands, and the resource that a request was about."""
    assert ids(logged, wanted) == found


def test_traffic_is_counted(logged: World) -> None:
    """By connection: requests, refusals, failures; what could not be logged is no request."""
    add(logged, LoggedRequest(logged.organization, logged.okta, NOW, "lost", "", "", 0, lost=7))
    with logged.store.read() as unit:
        log = log_of(logged, unit)
        assert log.traffic(NOW) == {logged.okta: Traffic(12, 3, 0, 7), logged.entra: Traffic(1, 1, 1, 0)}
        assert log.traffic(NOW + timedelta(minutes=11)) == {logged.okta: Traffic(1, 1, 0, 0)}
        assert log.tolerances(NOW) == {logged.okta: {"capital-op": 2, "path-keys": 1}}
        assert [(one.connection_id, one.credential_id, one.times) for one in log.tried(NOW)] == [
            (logged.okta, "old-token", 1)
        ]


def test_the_last_contact_is_one_that_opened(logged: World) -> None:
    """A request with a revoked token is a refusal and no contact."""
    with logged.store.read() as unit:
        accepted, refused = (log_of(logged, unit).last(logged.okta, refused=which) for which in (False, True))
    assert accepted is not None
    assert refused is not None
    assert (accepted.request_id, refused.request_id) == ("r10", "r11")


def test_old_rows_go_by_age(logged: World) -> None:
    """Everything before a moment, of the organization alone."""
    gone = logged.store.transact(lambda unit: log_of(logged, unit).delete_before(NOW + timedelta(minutes=9)))
    assert gone == 10
    assert ids(logged, Wanted()) == ["r11", "r10", "r09"]


def test_old_rows_go_by_number(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection keeps its newest rows; another's are not touched."""
    with logged.store.read() as unit:
        place = log_of(logged, unit).surplus(logged.okta, 4)
        assert log_of(logged, unit).surplus(logged.okta, COUNT) is None
    assert place is not None
    logged.store.transact(lambda unit: log_of(logged, unit).delete_through(logged.okta, place))
    assert ids(logged, Wanted()) == ["r11", "r10", "r09", "r08", "e00"]


def test_no_question_reads_the_whole_log(logged: World) -> None:
    """Listings, look-ups and retention begin at an index."""
    statements = [
        request_log.listing(frozenset()),
        request_log.listing(frozenset({"connection_id"})),
        request_log.listing(frozenset({"connection_id", "path", "resource_id"})),
        request_log.BY_ID,
        request_log.TRAFFIC,
        request_log.TOLERANCES,
        request_log.TRIED,
        request_log.LAST_ACCEPTED,
        request_log.LAST_REFUSED,
        request_log.DELETE_OLD,
        request_log.DELETE_SURPLUS,
        request_log.NEWEST_SURPLUS,
    ]
    values = {
        "organization_id": "o", "connection_id": "c", "request_id": "r", "resource_id": "u", "path": "p", "since": "",
        "before_at": "~", "before_id": "", "least": 0, "most": 999, "limit": 9, "until": "~", "until_id": "", "rows": 9,
    }  # fmt: skip
    with logged.store.read() as unit:
        for statement in statements:
            compiled = statement.on(logged.store.dialect)
            assert reads_a_whole_table(plan(unit.link, compiled.sql, compiled.parameters(values))) == [], compiled.sql
