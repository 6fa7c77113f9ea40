"""A disk that is full or only read: answered 503 in SCIM's form, nothing half done, and all is well when it is back."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.durability.running import USER, Said, Talker, bridge
from tests.hostile.doors import Door, door

pytestmark = pytest.mark.loopback

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def assert_unavailable(said: Said) -> None:
    """Assert that an answer is a SCIM Error that asks to come again (RFC 9110 §10.2.3)."""
    assert said.status == 503, said
    assert said.body["schemas"] == [ERROR]
    assert said.body["status"] == "503"
    assert int(said.headers["retry-after"]) >= 1


def fill(talker: Talker, most: int) -> tuple[int, Said]:
    """Create users until one is refused; return how many there are, and the refusal."""
    for number in range(most):
        body = {"schemas": [USER], "userName": f"user{number}@acme.example", "title": "x" * 20_000}
        said = talker.send("POST", "/Users", body)
        if said.status != 201:
            return number, said
    raise AssertionError(f"{most} users fitted")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Make a folder a disk of its own; machines on which that is not allowed skip the test."""
    said = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(said, check=False, capture_output=True).returncode:
        pytest.skip("a file system of a given size needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_writes_and_recovers(tmp_path: Path) -> None:
    """With no space left writes answer 503 and reads go on; with space again all works, nothing is half done."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, 8), bridge(tmp_path, f"sqlite:///{disk}/rolebridge.db") as running:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 5 * 1024 * 1024)
        talker = running.talker()
        made, refusal = fill(talker, 1_000)
        assert_unavailable(refusal)
        assert made
        assert talker.send("GET", "/Users?count=1").body["totalResults"] == made
        assert_unavailable(talker.send("POST", "/Users", {"schemas": [USER], "userName": "b@x", "title": "x" * 30_000}))
        ballast.unlink()
        talker.new_user("after@acme.example")
        assert talker.send("GET", "/Users?count=1").body["totalResults"] == made + 1
        running.assert_sound()


def test_a_full_database_refuses_writes_and_recovers(tmp_path: Path) -> None:
    """A database that may not grow (SQLITE_FULL) answers writes 503 in the same process that later takes them."""
    with door(f"sqlite:///{tmp_path}/rolebridge.db") as opened:

        def pages(most: int | None) -> None:
            def work(unit: object) -> None:
                link = unit.link  # type: ignore[attr-defined]
                pages = most or 2**30
                link.execute(f"PRAGMA max_page_count={pages}", ()).fetchall()

            opened.installation.store.transact(work)

        pages(1)  # SQLite takes the present size instead
        body = {"schemas": [USER], "userName": "full@acme.example", "title": "x" * 20_000}
        refused = opened.scim("POST", "/Users", body)
        assert refused.status_code == 503
        assert "database or disk is full" not in refused.text, "the log is told"
        assert int(refused.headers["Retry-After"]) >= 1
        assert opened.ask("/Users", filter='userName eq "full@acme.example"').get_json(force=True)["totalResults"] == 0
        pages(None)
        assert opened.scim("POST", "/Users", body).status_code == 201
        assert_sound(opened)


def test_a_database_that_is_only_read_refuses_writes(tmp_path: Path) -> None:
    """Writes to a database that the process may only read answer 503 without a traceback, reads go on."""
    with door(f"sqlite:///{tmp_path}/rolebridge.db") as opened:
        store = opened.installation.store
        store.transact(lambda unit: unit.link.execute("PRAGMA query_only=ON", ()).fetchall())
        refused = opened.scim("POST", "/Users", {"schemas": [USER], "userName": "eve@acme.example"})
        assert refused.status_code == 503
        assert opened.scim("GET", "/Users").status_code == 200


def test_a_lock_that_cannot_be_made_refuses_writes(tmp_path: Path) -> None:
    """Where the file of the writers' lock cannot be opened, writes answer 503 and do not say which file."""
    with door(f"sqlite:///{tmp_path}/rolebridge.db") as opened:
        opened.installation.store.close()
        lock = tmp_path / "rolebridge.db.writer-lock"
        lock.unlink()
        lock.mkdir()
        refused = opened.scim("POST", "/Users", {"schemas": [USER], "userName": "eve@acme.example"})
        assert refused.status_code == 503
        assert "writer-lock" not in refused.text, "paths of the server are not the client's matter"
        lock.rmdir()
        assert opened.scim("POST", "/Users", {"schemas": [USER], "userName": "eve@acme.example"}).status_code == 201


def test_a_database_that_another_program_holds_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds SQLite's own lock, writes answer 503; when it lets go, they work again."""
    monkeypatch.setattr("rolebridge.store.sqlite._PRAGMAS", ("PRAGMA busy_timeout=50",))
    with (
        door(f"sqlite:///{tmp_path}/rolebridge.db") as opened,
        closing(sqlite3.connect(tmp_path / "rolebridge.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        body = {"schemas": [USER], "userName": "eve@acme.example"}
        assert opened.scim("POST", "/Users", body).status_code == 503
        assert opened.scim("GET", "/Users").status_code == 200
        other.execute("ROLLBACK")
        assert opened.scim("POST", "/Users", body).status_code == 201


def assert_sound(opened: Door) -> None:
    organization = opened.installation.administration.organization(None)
    assert list(opened.installation.consistency.row_problems(organization.id)) == []
