"""`rolebridge requests` and `rolebridge status`: what identity providers sent, and how connections fare."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.cli.machine import Machine, process

from rolebridge.app import open_installation
from rolebridge.bridge.callers import Operator
from rolebridge.store.request_log import NOBODY, LoggedRequest


def log(machine: Machine, *rows: dict[str, Any], connection: str = "okta") -> None:
    """Log requests of a connection as a server does; a row says how many `minutes` ago it was."""
    installation = open_installation(machine.settings_of().settings, clock=lambda: machine.now)
    try:
        organization = installation.administration.organization(None)
        owner = installation.administration.connection(organization, connection)
        plain = LoggedRequest(organization.id, owner.id, machine.now, "", "GET", "/Users", 200, duration_us=1_234)
        for number, row in enumerate(rows):
            at = machine.now - timedelta(minutes=row.pop("minutes", 0))
            installation.request_log.note(replace(plain, at=at, **{"request_id": f"r{number}", **row}))
    finally:
        installation.close()


@pytest.fixture
def logged(acme: Machine) -> Machine:
    """A machine with three requests of okta, one refused, and one of nobody's."""
    log(
        acme,
        {"minutes": 90, "query": "filter=userName eq …"},
        {"minutes": 5, "method": "PATCH", "path": "/Groups/…", "unknown_members": 2,
         "tolerances": "capital-op path-keys"},
        {"minutes": 1, "method": "POST", "status": 409, "scim_type": "uniqueness", "detail": "userName `…` is taken",
         "shape": '{"userName":"string"}', "user_agent": "Okta", "peer": "192.0.2.7"},
        {"organization_id": NOBODY, "connection_id": NOBODY, "status": 401, "detail": "the token is not known"},
    )  # fmt: skip
    return acme


def lines(machine: Machine, *arguments: str) -> list[str]:
    """Return what `requests` prints below its head."""
    return machine.out("requests", *arguments).splitlines()[1:]


def test_requests_are_listed_with_the_newest_last(logged: Machine) -> None:
    """Time, connection, status, what was asked, what there is to say, and the id."""
    assert [re.split(" {2,}", line) for line in logged.out("requests").splitlines()] == [
        ["TIME (UTC)", "CONNECTION", "STATUS", "MS", "REQUEST", "WHAT", "REQUEST ID"],
        ["2026-11-20 07:44:30", "okta", "200", "1.2", "GET /Users?filter=userName eq …", "-", "r0"],
        ["2026-11-20 09:09:30", "okta", "200", "1.2", "PATCH /Groups/…",
         "2 unknown members; forgiven: capital-op, path-keys", "r1"],
        ["2026-11-20 09:13:30", "okta", "409", "1.2", "POST /Users", "uniqueness: userName `…` is taken", "r2"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (("okta",), ["r0", "r1", "r2"]),
        (("--since", "1h"), ["r1", "r2"]),
        (("--since", "2026-11-20T09:13"), ["r2"]),
        (("--errors",), ["r2"]),
        (("--status", "409"), ["r2"]),
        (("--status", "2xx"), ["r0", "r1"]),
        (("--path", "username"), ["r0"]),
        (("--limit", "1"), ["r2"]),
        (("list", "okta", "--errors"), ["r2"]),
        (("--unknown",), ["r3"]),
    ],
)
def test_requests_are_chosen(logged: Machine, arguments: Sequence[str], ids: list[str]) -> None:
    """By connection, age, status, path, number; with `--unknown` those of nobody's."""
    assert [line.split()[-1] for line in lines(logged, *arguments)] == ids


def test_requests_about_a_person(logged: Machine) -> None:
    """`--user` finds what was asked about somebody by id."""
    ana = logged.json("access", "--user", "ana.ruiz")["access"][0]["user"]["id"]
    log(logged, {"path": f"/Users/{ana}", "resource_id": ana, "request_id": "about-ana"})
    assert [line.split()[-1] for line in lines(logged, "--user", "ana.ruiz")] == ["about-ana"]
    assert "did you mean `ana.ruiz`?" in logged.refused("requests", "--user", "ana.ruis")


def test_requests_for_programs(logged: Machine) -> None:
    """JSON has every column, CSV one row each and no formula."""
    document = logged.json("requests", "--errors")
    (row,) = document["requests"]
    assert (document["organization"], row["scim_type"], row["duration_ms"]) == ("default", "uniqueness", 1.23)
    assert (row["body_shape"], row["user_agent"], row["peer"]) == ({"userName": "string"}, "Okta", "192.0.2.7")
    log(logged, {"user_agent": "=1+1", "request_id": "formula", "minutes": 2})
    rows = list(csv.DictReader(logged.out("requests", "--csv").splitlines()))
    assert [row["request_id"] for row in rows] == ["r0", "r1", "formula", "r2"]
    assert rows[2]["user_agent"] == "'=1+1"
    assert rows[1]["tolerances"] == "capital-op path-keys"


def test_nothing_is_logged_yet(ready: Machine) -> None:
    """An empty log says so; in JSON it is an empty list."""
    assert ready.out("requests") == "no such request is logged\n"
    assert ready.json("requests")["requests"] == []


def test_one_request_is_shown_whole(logged: Machine) -> None:
    """With the names and types of the body that was refused."""
    assert logged.out("requests", "show", "r2") == (
        "POST /Users 409\n"
        "  at          2026-11-20 09:13:30.000 UTC\n"
        "  connection  okta\n"
        "  from        192.0.2.7   Okta\n"
        "  took        1.23 ms\n"
        "  bytes       0 in, streamed out\n"
        "  refused     uniqueness: userName `…` is taken\n"
        "  the body had, without its values\n"
        "    {\n"
        '      "userName": "string"\n'
        "    }\n"
        "  request r2\n"
    )
    assert logged.json("requests", "show", "r3", "--unknown")["status"] == 401
    assert "there is no logged request `r3`" in logged.refused("requests", "show", "r3")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "0001-01-01T00:00+14:00"), "is neither a span (`90m`, `1h`, `2d`) nor a moment"),
        (("--since", "soon"), "`soon` is neither a span (`90m`, `1h`, `2d`) nor a moment"),
        (("--status", "4x"), "`4x` is neither a status (`409`) nor a class of them (`4xx`)"),
        (("--errors", "--status", "4xx"), "--errors and --status say two different things: choose one"),
        (("--csv", "--json"), "--csv and --json are two ways to print the same: choose one"),
        (("okta", "--unknown"), "--unknown are requests of no connection and about no user that is known"),
    ],
)
def test_contradictions_are_usage(ready: Machine, arguments: Sequence[str], words: str) -> None:
    """What cannot be meant is refused before anything is read."""
    assert words in ready.refused("requests", *arguments, code=64)


def test_an_unknown_connection_is_refused(ready: Machine) -> None:
    """Not an empty list, which would look like silence."""
    assert "there is no connection `entra`" in ready.refused("requests", "entra")


def test_following_shows_what_happens(logged: Machine) -> None:
    """`--follow` goes on with each new request once, as JSON one line each, until interrupted."""
    follower = process(logged, "requests", "--follow", "--json", "--limit", "1", "--since", "2020-01-01")
    try:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["request_id"] == "r2"
        later = replace(logged)
        later.now = datetime.now(UTC)
        log(later, {"request_id": "now"})
        readable, _, _ = select.select([follower.stdout], [], [], 20)
        assert readable
        assert json.loads(follower.stdout.readline())["request_id"] == "now"
        log(later, {"request_id": "then"})
        assert select.select([follower.stdout], [], [], 20)[0]
        assert json.loads(follower.stdout.readline())["request_id"] == "then"
    finally:
        os.kill(follower.pid, signal.SIGINT)
        _, words = follower.communicate(timeout=20)
    assert (follower.returncode, words.strip()) == (130, b"")


# --- status ----------------------------------------------------------------------------------------------------


def test_status_begins_with_what_needs_attention(logged: Machine) -> None:
    """Here a conflict of rules; then the connection, the refusal, what was forgiven, the mapping."""
    text = logged.out("status")
    assert text.startswith(
        "default at 2026-11-20 09:14 UTC: 1 thing needs attention\n"
        "  ! acme-vision: 2 claims are in conflict and give nothing until a rule decides\n"
        "\n"
        "okta, profile okta: 6 users, 6 groups\n"
        "  last contact  2026-11-20 09:13 UTC, silent for 1 min\n"
        "  last hour     2 requests, 1 refused\n"
        "  last day      3 requests, 1 refused\n"
        "  last refusal  2026-11-20 09:13 UTC 409 POST /Users: uniqueness: userName `…` is taken\n"
        "                rolebridge requests show r2\n"
        "  forgiven in the last day (docs/reference/tolerances.md):\n"
        "    TIMES  TOLERANCE   MEANING\n"
        "    1      capital-op  `Add`, `Replace` and `Remove` are the operations in lower case\n"
    )
    assert "mapping: revision 1, applied 2026-11-20 09:14 UTC\n  acme-vision: " in text
    assert text.endswith("1 request of the last day had no credential that is known: rolebridge requests --unknown\n")


def test_check_tells_by_its_exit_code(logged: Machine) -> None:
    """0 when nothing needs attention, 1 when something does; without --check always 0."""
    assert logged("status", "--check").exit_code == 1
    assert logged("status").exit_code == 0


def test_a_silent_connection_is_told_where_silence_means_something(ready: Machine) -> None:
    """Entra comes every 40 minutes, Okta when something changes."""
    ready.out("connection", "add", "entra", "--profile", "entra")
    for name in ("okta", "entra"):
        log(ready, {"minutes": 180, "request_id": name}, connection=name)
    notices = ready.json("status")["notices"]
    assert notices == [{"concern": "silent", "subject": "entra", "text": "silent for 3 h; usual are 2 h at most"}]
    assert ready("status", "--check").exit_code == 1


def test_a_connection_that_never_came_is_told(ready: Machine) -> None:
    """A set-up that was not finished looks like this."""
    assert [one["concern"] for one in ready.json("status")["notices"]] == ["never-connected"]


def test_secrets_are_told_before_they_end(ready: Machine) -> None:
    """A token that ends within 30 days, one that has ended, and neither the others nor a revoked one."""
    log(ready, {"minutes": 1})
    for name, days in (("soon", "20d"), ("later", "90d"), ("short", "2d")):
        ready.out("token", "add", name, "--expires", days)
    ready.out("key", "add", "monitor", "--role", "auditor", "--expires", "10d")
    ready.now += timedelta(days=3)
    status = ready.json("status")
    told = [(one["name"], one["kind"], one["connection"], one["usable"]) for one in status["secrets"]]
    assert told == [
        ("short", "token", "okta", False),
        ("monitor", "key", None, True),
        ("soon", "token", "okta", True),
    ]
    assert [(one["concern"], one["subject"]) for one in status["notices"]] == [
        ("expired", "okta"),
        ("expiring", "API"),
        ("expiring", "okta"),
    ]
    assert "token `soon` …" in status["notices"][2]["text"]
    assert "expires on 2026-12-10, in 17 d" in status["notices"][2]["text"]
    assert "KIND   CONNECTION  NAME" in ready.out("status")


def test_an_ended_secret_that_is_still_shown_is_urgent(ready: Machine) -> None:
    """Whoever still has the old token in their provider is told how often it was tried."""
    ready.out("token", "add", "old")
    installation = open_installation(ready.settings_of().settings, clock=lambda: ready.now)
    try:
        organization = installation.administration.organization(None)
        connection = installation.administration.connection(organization, "okta")
        token = installation.administration.tokens(connection)[-1]
        installation.administration.revoke_token(Operator("os:test", "t"), connection, token.credential.id)
    finally:
        installation.close()
    log(ready, {"minutes": 3}, *({"status": 401, "credential_id": token.credential.id, "minutes": n} for n in (1, 2)))
    (notice,) = [one for one in ready.json("status")["notices"] if one["concern"] == "dead-secret-tried"]
    assert notice["text"].endswith(
        "works no more and is still shown: 2 times in the last day, last at 2026-11-20 09:13 UTC"
    )


def test_failures_and_floods_are_told(ready: Machine) -> None:
    """Requests that failed here, a share of refusals that is no accident, and what could not be logged."""
    log(
        ready,
        {"minutes": 30},
        *({"minutes": 2, "status": 400, "request_id": f"bad{n}"} for n in range(6)),
        {"minutes": 1, "status": 500, "request_id": "broken"},
        {"minutes": 1, "status": 0, "method": "", "path": "", "lost": 40, "request_id": "lost"},
    )
    assert [(one["concern"], one["text"]) for one in ready.json("status")["notices"]] == [
        ("failing", "1 requests of the last hour failed here (5xx)"),
        ("refused", "7 of the 8 requests of the last hour were refused"),
        ("requests-not-logged", "40 requests of the last day came too fast to be logged"),
    ]
