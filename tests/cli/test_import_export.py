"""`import` and `export` as commands: what they print, their files, a kill in the midst, another server over HTTP."""

from __future__ import annotations

import json
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.cli.machine import Machine, process
from tests.ports import free_port

from rolebridge.core.errors import Invalid, Unavailable
from rolebridge.scim.transfer.remote import ScimServer
from rolebridge.store.engine import Store


def people(count: int) -> str:
    rows = (
        {"userName": f"p{n}@acme.example", "externalId": f"e{n}", "name": {"familyName": f"P {n}"}}
        for n in range(count)
    )
    return "".join(json.dumps(row) + "\n" for row in rows)


def team(count: int) -> str:
    return json.dumps({"displayName": "Team", "members": [{"value": f"e{n}"} for n in range(count)]}) + "\n"


def test_import_tells_what_it_did(ready: Machine) -> None:
    """The summary counts what was made, names what was refused with its line, and the exit code is 1."""
    path = ready.write("all.jsonl", people(2) + "{}\n" + team(3))
    done = ready("import", "all.jsonl", "--rejects", "rejects.jsonl")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "users   2 created",
        "groups  1 created",
        "rows    1 refused",
        "members 2 added, 1 unknown",
        "forgiven schemas-incomplete 3×",
        "✗ all.jsonl:3  neither a user nor a group: no `schemas` and no `userName`",
        "✗ all.jsonl:4  members that nobody knows: `e2`",
    ]
    rejects = ready.home / "rejects.jsonl"
    assert rejects.read_text() == "{}\n"
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    path.write_text(people(2) + team(2))
    again = ready.json("import", "all.jsonl", "--rejects", "rejects.jsonl")
    assert again["users"] == {"unchanged": 2}
    assert again["complete"] is True
    assert not rejects.exists()


def test_dry_run_says_so(ready: Machine) -> None:
    """A dry run ends by saying that nothing was written."""
    ready.write("all.jsonl", people(1))
    assert ready.out("import", "all.jsonl", "--dry-run").splitlines()[-1] == "nothing was written: --dry-run"
    assert ready.json("import", "all.jsonl")["users"] == {"created": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["import", "missing.jsonl"],
        ["import", "-"],
        ["import", "--from-url", "https://x.example"],
        ["import", "a.jsonl", "--from-url", "https://x.example", "--token-file", "a.jsonl"],
        ["import", "a.jsonl", "--profile", "nobody"],
        ["export", "--format", "csv"],
    ],
)
def test_wrong_usage(ready: Machine, arguments: list[str]) -> None:
    """Files or a server, a server with its token, a table of one kind: anything else is wrong usage."""
    ready.write("a.jsonl", people(1))
    assert ready(*arguments).exit_code == 64


def test_format_and_connection_are_asked_for(ready: Machine) -> None:
    """A name that does not tell the format, and a choice of connections, are refused with what to say."""
    ready.write("people.txt", people(1))
    assert "`--format jsonl`" in ready.refused("import", "people.txt")
    assert ready.json("import", "people.txt", "--format", "jsonl")["users"] == {"created": 1}
    ready.out("connection", "add", "entra", "--profile", "entra")
    assert "say which one: --connection NAME" in ready.refused("import", "people.txt", "--format", "jsonl")
    assert "say which one: --connection NAME" in ready.refused("export")


def test_export_is_what_import_reads(ready: Machine) -> None:
    """An export on the standard output is lines and nothing else; to a file it is whole, private, and reported."""
    ready.write("all.jsonl", people(3) + team(2))
    ready.out("import", "all.jsonl")
    printed = ready.out("export")
    assert [json.loads(line).get("userName") for line in printed.splitlines()][:3] == [
        f"p{n}@acme.example" for n in range(3)
    ]
    assert ready.out("export", "--output", "out.jsonl") == "4 rows written to out.jsonl\n"
    written = ready.home / "out.jsonl"
    assert written.read_text() == printed
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert ready.out("export", "--format", "csv", "--only", "groups") == (
        "displayName,members\nTeam,p0@acme.example;p1@acme.example\n"
    )
    assert sorted(path.name for path in ready.home.glob("*out*")) == ["out.jsonl"]


def test_an_export_that_fails_leaves_the_old_file(ready: Machine) -> None:
    """A file that cannot be written whole is not written at all."""
    ready.write("out.csv", "old")
    rows = (
        {"userName": f"u{n}", "emails": [{"value": "x", "type": f"t{n}-{m}"} for m in range(400)]} for n in range(3)
    )
    ready.write("all.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    ready.out("import", "all.jsonl")
    said = ready.refused("export", "--format", "csv", "--only", "users", "--output", "out.csv")
    assert "more than 1000 columns" in said
    assert (ready.home / "out.csv").read_text() == "old"
    assert not list(ready.home.glob(".out*"))


# --- killed in the midst -------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_killed_and_run_again(machine: Machine, database: str, request: pytest.FixtureRequest) -> None:
    """kill -9 in the midst loses nothing and doubles nothing: the same command goes on, and every row is there once."""
    if database == "postgresql":
        machine.environ["ROLEBRIDGE_DATABASE_URL"] = request.getfixturevalue("postgres_database")
    machine.out("init")
    machine.environ.setdefault("ROLEBRIDGE_DATABASE_URL", f"sqlite:///{machine.home}/var/rolebridge.db")
    machine.out("connection", "add", "okta", "--profile", "okta")
    machine.write("all.jsonl", people(8_000) + "{\n" + team(8_000))
    running = process(machine, "import", "all.jsonl", "--rejects", "rejects.jsonl", **machine.environ)
    try:
        _wait_until(lambda: _users(machine) >= 2_000)
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
    assert 2_000 <= _users(machine) <= 8_000
    done = machine("import", "all.jsonl", "--rejects", "rejects.jsonl")
    assert done.exit_code == 1
    assert done.stdout.startswith("gone on with from all.jsonl")
    assert (machine.home / "rejects.jsonl").read_text() == "{\n"
    exported = [json.loads(line) for line in machine.out("export").splitlines()]
    assert [row.get("userName") for row in exported[:-1]] == [f"p{n}@acme.example" for n in range(8_000)]
    assert len(exported[-1]["members"]) == 8_000
    machine.out("fsck")


def _users(machine: Machine) -> int:
    store = Store.open(machine.environ["ROLEBRIDGE_DATABASE_URL"])
    try:
        with store.read() as unit:
            [organization] = unit.accounts.organizations()
            [connection] = unit.accounts.connections(organization.id)
            return unit.bulk(organization.id).totals(connection.id)[0]
    finally:
        store.close()


def _wait_until(reached: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until, "nothing happens"
        time.sleep(0.02)


# --- from another server -------------------------------------------------------------------------------------


@contextmanager
def serving(machine: Machine) -> Iterator[str]:
    """Serve a machine's installation; gives the base URL of its SCIM door."""
    port = free_port()
    server = process(machine, "serve", ROLEBRIDGE_BIND=f"127.0.0.1:{port}", ROLEBRIDGE_WORKERS="1")
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"http://127.0.0.1:{port}/scim/v2"
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


@pytest.mark.loopback
@pytest.mark.parametrize("profile", ["generic", "google"])
def test_from_another_bridge(machine: Machine, tmp_path: Path, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of another bridge arrives over HTTP, groups in groups too, and a second import finds it unchanged."""
    machine.out("init")
    token = machine.json("connection", "add", "source", "--profile", profile)["token"]
    machine.write("all.jsonl", people(350) + team(250) + '{"displayName": "Outer", "members": ["Team"]}\n')
    machine.out("import", "all.jsonl")
    exported = machine.out("export")
    machine.write("token.txt", token + "\n")
    with serving(machine) as url:
        home = tmp_path / "other"
        home.mkdir()
        monkeypatch.chdir(home)
        other = Machine(home)
        other.out("init")
        other.out("connection", "add", "target", "--profile", "okta")
        arguments = ("import", "--from-url", url, "--token-file", str(machine.home / "token.txt"))
        first, second = other.json(*arguments), other.json(*arguments)
    assert (first["users"], first["groups"]) == ({"created": 350}, {"created": 2})
    assert first["members"] == {"added": 251, "unknown": 0}
    assert (second["users"], second["groups"]) == ({"unchanged": 350}, {"unchanged": 2})
    assert [json.loads(line) for line in other.out("export").splitlines()] == [
        json.loads(line) for line in exported.splitlines()
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://scim.example/v2", "over https only"),
        ("ftp://127.0.0.1/v2", "over https only"),
        ("https://mia@scim.example/v2", "no base URL"),
        ("https://scim.example/v2?x=1", "no base URL"),
        ("https://", "no base URL"),
        ("https://scim.example:port/", "no URL"),
    ],
)
def test_urls_that_are_refused(url: str, said: str) -> None:
    """A token goes to a plain base URL only, and never in the clear to another machine."""
    with pytest.raises(Invalid, match=said):
        ScimServer(url, "token")


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ü"])
def test_tokens_that_are_refused(token: str) -> None:
    """What no bearer token can be never becomes a header."""
    with pytest.raises(Invalid, match="no bearer token"):
        ScimServer("https://scim.example", token)


class Answers:
    """A server of prepared answers, one for each request, on a line of its own."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers

    @contextmanager
    def url(self) -> Iterator[str]:
        import threading

        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                for answer in self.answers:
                    line, _ = listener.accept()
                    with line:
                        line.recv(65536)
                        line.sendall(answer)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            thread.join(10)


def answer(status: int, body: str = "", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body.encode())}", "Connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def taken(*answers: bytes) -> tuple[list[str], list[float]]:
    """Return the userNames that a server's answers hold, and how long was waited."""
    from rolebridge.bridge.import_entries import Named
    from rolebridge.scim.transfer.rows import Mark

    waited: list[float] = []
    with Answers(*answers).url() as url, closing(ScimServer(url, "token", waited.append)) as server:
        return [str((row.resource or {}).get("userName")) for row in server.rows(Named.USER, Mark())], waited


CURSORS = answer(200, '{"pagination": {"cursor": true}}')
NO_CONFIG = answer(404)


@pytest.mark.loopback
def test_pages_by_cursor() -> None:
    """Cursors are followed to their end, where the server says that it has them."""
    first = answer(200, '{"Resources": [{"userName": "a"}], "nextCursor": "x"}')
    last = answer(200, '{"Resources": [{"userName": "b"}]}')
    assert taken(CURSORS, first, last) == (["a", "b"], [])


@pytest.mark.loopback
def test_pages_by_index_and_patience() -> None:
    """Without cursors pages go by index; a server that puts off is asked again after the time it names."""
    first = answer(200, '{"totalResults": 2, "Resources": [{"userName": "a"}]}')
    last = answer(200, '{"totalResults": 2, "Resources": [{"userName": "b"}]}')
    assert taken(NO_CONFIG, answer(429, "", "Retry-After: 7"), first, answer(503), last) == (["a", "b"], [7, 1])


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("hostile", "error", "said"),
    [
        (answer(302, "", "Location: https://elsewhere.example/"), Invalid, "redirects are not followed"),
        (answer(401), Invalid, "the token is not accepted"),
        (answer(500), Unavailable, "the server answers 500"),
        (answer(200, "<html>"), Invalid, "the answer is not JSON"),
        (answer(200, '{"Resources": {}}'), Invalid, "`Resources` is not a list"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n", Unavailable, "does not answer"),
        (b"nonsense", Unavailable, "does not answer"),
    ],
)
def test_answers_that_are_refused(hostile: bytes, error: type[Exception], said: str) -> None:
    """Whatever a server answers but a page of resources ends the import with what it answered."""
    with pytest.raises(error, match=said):
        taken(NO_CONFIG, hostile)


@pytest.mark.loopback
def test_cursors_in_a_circle() -> None:
    """A cursor that comes twice ends the import: it would never end by itself."""
    page = answer(200, '{"Resources": [{"userName": "a"}], "nextCursor": "x"}')
    with pytest.raises(Invalid, match="same cursor twice"):
        taken(CURSORS, page, page)


@pytest.mark.loopback
def test_answer_without_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is read up to its limit only."""
    monkeypatch.setattr("rolebridge.scim.transfer.remote.MAX_ANSWER", 1_000)
    with pytest.raises(Invalid, match="more than 1,000 bytes"):
        taken(NO_CONFIG, answer(200, "x" * 5_000))
