"""Opening, reading, writing in turn, retrying, forking, and surviving a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from tests.store.worlds import NOW, World, new_id, together, user_draft

from rolebridge.core.errors import Unavailable
from rolebridge.store.engine import ATTEMPTS, Store
from rolebridge.store.migrations import HEAD
from rolebridge.store.problems import SchemaMismatch, StoreProblem
from rolebridge.store.sqlite import file_system, refuse_network
from rolebridge.store.unit import Unit

# --- opening


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///file:x?mode=memory", "needs a file"),
        ("sqlite:////tmp/x.db?timeout=1", "takes no options"),
        ("mysql://host/db", "`sqlite` or `postgresql`, not `mysql`"),
        ("var/rolebridge.db", "not a URL"),
        ("sqlite:////nowhere/at/all.db", "the directory `/nowhere/at` of the database does not exist"),
    ],
)
def test_what_cannot_be_a_store_is_refused(url: str, why: str) -> None:
    """Each address that can never work is refused with what is wrong about it."""
    with pytest.raises(StoreProblem, match=why):
        Store.open(url, create=True)


def test_a_secret_in_a_bad_address_is_not_shown() -> None:
    """A message about an address does not repeat it: it may hold a password."""
    with pytest.raises(StoreProblem) as refused:
        Store.open("post gresql//bob:hunter2@host")
    assert "hunter2" not in str(refused.value)


def test_a_missing_file_is_made_only_on_request(tmp_path: Path) -> None:
    """Without `create` a missing database is refused; with it the file is the owner's alone."""
    path = tmp_path / "a b%20?#ü.db"
    url = f"sqlite:///{quote(str(path))}"
    with pytest.raises(StoreProblem, match=r"there is no database at .*; run `rolebridge init`"):
        Store.open(url)
    assert not path.exists()
    store = Store.open(url, create=True)
    store.upgrade()
    store.check_schema()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(StoreProblem, match="is not a file"):
        Store.open(f"sqlite:///{tmp_path}")
    store.close()


def test_another_file_is_not_taken_for_a_database(tmp_path: Path) -> None:
    """A file of other contents is refused and left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database" * 100)
    with pytest.raises(StoreProblem, match="is not a database"):
        Store.open(f"sqlite:///{path}")
    assert path.read_text() == "not a database" * 100


def test_postgres_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """A server that does not answer is a matter of time, not of configuration."""
    store = Store.open(f"postgresql:///x?host={tmp_path}")
    with pytest.raises(Unavailable, match="PostgreSQL does not answer"):
        store.check_schema()


MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /srv rw,relatime shared:2 - nfs4 filer:/srv rw,vers=4.2
31 30 254:1 / /srv/local rw - xfs /dev/vdb rw
32 22 0:41 / /mnt/my\040share rw - fuse.sshfs ana@host: rw
33 22 0:42 / /over rw - fuse.fuse-overlayfs none rw
34 22 0:43 / /win rw - cifs //host/share rw
35 22 0:44 / /hidden rw - nfs filer:/a rw
36 22 254:2 / /hidden rw - ext4 /dev/vdc rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind", "refused"),
    [
        ("/var/lib/rolebridge.db", "ext4", False),
        ("/srv/x.db", "nfs4", True),
        ("/srvx/x.db", "ext4", False),
        ("/srv/local/x.db", "xfs", False),
        ("/mnt/my share/x.db", "fuse.sshfs", True),
        ("/over/x.db", "fuse.fuse-overlayfs", False),
        ("/win/x.db", "cifs", True),
        ("/hidden/x.db", "ext4", False),
    ],
)
def test_network_file_systems_are_refused(path: str, kind: str, refused: bool) -> None:
    """SQLite's file must lie where its locks hold: the innermost mount decides."""
    assert file_system(Path(path), MOUNTS) == kind
    if refused:
        with pytest.raises(StoreProblem, match=rf"network file system \({kind}\).*a local disk, or PostgreSQL"):
            refuse_network(Path(path), MOUNTS)
    else:
        refuse_network(Path(path), MOUNTS)


# --- schema


def test_the_schema_is_checked_before_use(tmp_path: Path) -> None:
    """An empty database says what to run; an upgraded one passes; upgrading twice changes nothing."""
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    with pytest.raises(
        SchemaMismatch, match=f"the database is empty and this version needs `{HEAD}`; run `rolebridge db"
    ):
        store.check_schema()
    assert store.upgrade().current is None
    store.check_schema()
    assert store.upgrade().is_current
    with sqlite3.connect(tmp_path / "x.db") as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    with pytest.raises(SchemaMismatch, match="is at `9999`"):
        store.check_schema()
    store.close()


# --- reading and writing


def test_a_reader_cannot_write(store: Store, world: World) -> None:
    """What `read` gives refuses to write on both databases."""
    with pytest.raises(Exception, match=r"(?i)read.?only"), store.read() as unit:
        unit.directory(world.organization).insert_user(world.okta, user_draft("ana"), new_id(), NOW)
    assert world.add_users(1)


def test_a_snapshot_stands_still(store: Store, world: World) -> None:
    """In a snapshot later statements see what the first one saw; without one they see what is committed."""
    world.add_users(1)
    with store.read(snapshot=True) as still, store.read() as moving:
        seen = [len(list(unit.directory(world.organization).all_core_users())) for unit in (still, moving)]
        world.add_users(1, "more")
        seen += [len(list(unit.directory(world.organization).all_core_users())) for unit in (still, moving)]
    assert seen == [1, 1, 1, 2]


def test_reads_may_interleave_on_one_thread(store: Store, world: World) -> None:
    """An answer that is streamed keeps its own link while others are served in between."""
    ids = world.add_users(3)
    group = world.add_group("team", ids)
    with store.read() as outer:
        blocks = outer.directory(world.organization).member_ids(group.id)
        first = next(blocks)
        with store.read() as inner:
            assert next(inner.directory(world.organization).member_ids(group.id)) == first
        assert [first, *blocks] == sorted(ids)


def test_a_write_inside_a_write_is_a_mistake(tmp_path: Path) -> None:
    """Instead of waiting for itself until the deadline, a nested write says so at once."""
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    with pytest.raises(RuntimeError, match="inside another write of the same thread"):
        store.transact(lambda _: store.transact(lambda _: None))
    store.transact(lambda _: None)
    store.close()


def test_a_write_waits_no_longer_than_its_deadline(tmp_path: Path) -> None:
    """While another thread writes, a write is refused after the deadline and works afterwards."""
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}", create=True, write_deadline=0.05)
    begun, done = threading.Event(), threading.Event()

    def slow(_: Unit) -> None:
        begun.set()
        assert done.wait(10)

    writer = threading.Thread(target=lambda: store.transact(slow))
    writer.start()
    assert begun.wait(10)
    with pytest.raises(Unavailable, match=r"another write has held the database for 0\.05 seconds"):
        store.transact(lambda _: None)
    done.set()
    writer.join()
    store.transact(lambda _: None)
    store.close()


def test_a_write_waits_for_another_process(tmp_path: Path) -> None:
    """The lock file keeps processes apart: while another holds it, a write is refused after the deadline."""
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}", create=True, write_deadline=0.05)
    script = (
        "import fcntl,sys; f=open(sys.argv[1],'a'); fcntl.flock(f,fcntl.LOCK_EX); print('held',flush=True); input()"
    )
    lock = str(tmp_path / "x.db.writer-lock")
    with subprocess.Popen(
        [sys.executable, "-c", script, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Unavailable, match="another write has held the database"):
            store.transact(lambda _: None)
        other.communicate("\n")
    store.transact(lambda _: None)
    store.close()


def test_a_stranger_on_the_file_makes_it_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's write lock becomes Unavailable, not an error of ours."""
    monkeypatch.setattr("rolebridge.store.sqlite._PRAGMAS", ("PRAGMA busy_timeout=20",))
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    stranger = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="the database is busy: another program is writing"):
        store.transact(lambda _: None)
    stranger.close()
    store.transact(lambda _: None)
    store.close()


def test_a_checkpoint_empties_the_log(tmp_path: Path) -> None:
    """After a checkpoint everything stands in the database file itself."""
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    store.upgrade()
    log = tmp_path / "x.db-wal"
    assert log.stat().st_size > 0
    store.checkpoint()
    assert log.stat().st_size == 0
    store.close()


def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    """When SQLite cannot grow, the write is refused whole and the next one works."""
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    store.upgrade()
    world = World(store).begin()

    def work(unit: Unit) -> None:
        (pages,) = unit.link.execute("PRAGMA page_count", ()).fetchone() or (0,)
        unit.link.execute(f"PRAGMA max_page_count={pages}", ()).fetchall()
        directory = unit.directory(world.organization)
        for number in range(500):
            directory.insert_user(world.okta, user_draft(f"u{number}", title="x" * 2_000), new_id(), NOW)

    with pytest.raises(Unavailable, match="cannot be read or written: database or disk is full") as refused:
        store.transact(work)
    assert refused.value.retry_after == 10
    with store.read() as unit:
        assert list(unit.directory(world.organization).all_core_users()) == []
    store.transact(lambda unit: unit.link.execute("PRAGMA max_page_count=1000000", ()).fetchall())
    world.add_users(1)
    store.close()


# --- PostgreSQL's ways of saying no


@pytest.fixture
def postgres(postgres_database: str) -> Iterator[Store]:
    store = Store.open(postgres_database)
    store.upgrade()
    yield store
    store.close()


@pytest.mark.parametrize("error", [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected])
def test_a_called_off_transaction_runs_again(postgres: Store, error: type[Exception]) -> None:
    """What PostgreSQL calls off because of others runs again, from the beginning, and leaves one result."""
    world = World(postgres).begin()
    attempts: list[int] = []

    def work(unit: Unit) -> int:
        unit.directory(world.organization).insert_user(world.okta, user_draft("ana"), new_id(), NOW)
        attempts.append(1)
        if len(attempts) < 3:
            raise error("called off")
        return len(attempts)

    assert postgres.transact(work) == 3
    with postgres.read() as unit:
        assert len(list(unit.directory(world.organization).all_core_users())) == 1


def test_running_again_has_an_end(postgres: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that is called off each time is given up as Unavailable."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    attempts: list[int] = []

    def work(_: Unit) -> None:
        attempts.append(1)
        raise psycopg.errors.SerializationFailure("called off")

    with pytest.raises(Unavailable, match="met other writes too often"):
        postgres.transact(work)
    assert len(attempts) == ATTEMPTS


def _hang_up(store: Store) -> None:
    """End every other session of the database, as a restart of the server would."""
    with psycopg.connect(
        store._url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    ) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


def test_idle_links_that_died_are_replaced(postgres: Store) -> None:
    """After the server hung up, the next read and the next write work as if nothing had happened."""
    world = World(postgres).begin()
    with postgres.read() as unit:
        unit.accounts.organizations()
    _hang_up(postgres)
    with postgres.read() as unit:
        assert unit.accounts.organization(world.organization) is not None
    _hang_up(postgres)
    world.add_users(1)


def test_a_transaction_whose_link_dies_is_unavailable_and_undone(postgres: Store) -> None:
    """A write that lost its link in the middle is refused, and the store goes on."""
    world = World(postgres).begin()

    def work(unit: Unit) -> None:
        unit.directory(world.organization).insert_user(world.okta, user_draft("ana"), new_id(), NOW)
        _hang_up(postgres)
        unit.directory(world.organization).insert_user(world.okta, user_draft("bo"), new_id(), NOW)

    with pytest.raises(Unavailable, match="PostgreSQL cannot do this now"):
        postgres.transact(work)
    with postgres.read() as unit:
        assert list(unit.directory(world.organization).all_core_users()) == []


def test_a_lock_that_nobody_gives_up_is_unavailable(postgres: Store) -> None:
    """Waiting for a row ends, and becomes Unavailable."""
    world = World(postgres).begin()
    ana = world.add_user("ana")

    def work(unit: Unit) -> None:
        unit.directory(world.organization).lock_users([ana.id])

        def other(inner: Unit) -> None:
            inner.link.execute("SET LOCAL lock_timeout = '20ms'", ())
            inner.directory(world.organization).lock_users([ana.id])

        with pytest.raises(Unavailable, match="lock timeout"):
            postgres.transact(other)

    postgres.transact(work)


def test_two_upgrades_at_once_make_one_schema(postgres_database: str) -> None:
    """Replicas that start together upgrade once, and both go on."""
    stores = [Store.open(postgres_database) for _ in range(3)]
    together(lambda number: stores[number].upgrade(), 3)
    for store in stores:
        store.check_schema()
        store.close()


# --- processes


CHILD = """
import sys
from rolebridge.store.engine import Store
from tests.store.worlds import World, NOW, new_id, user_draft
url, organization, connection, prefix = sys.argv[1:]
store = Store.open(url)
print("ready", flush=True)
sys.stdin.readline()
number = 0
def work(unit):
    directory = unit.directory(organization)
    for half in "ab":
        directory.insert_user(connection, user_draft(f"{prefix}{number}{half}"), new_id(), NOW)
while number < 40 or prefix == "endless":
    store.transact(work)
    number += 1
    if number == 5:
        print("going", flush=True)
"""


def child(store: Store, world: World, prefix: str) -> subprocess.Popen[str]:
    url = store._url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url, world.organization, world.okta, prefix],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in ["src", ".", *sys.path] if path)},
    )


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_write_without_losing_anything(store: Store, world: World) -> None:
    """Two processes that write at once both finish, and everything that they wrote is there."""
    with child(store, world, "x") as one, child(store, world, "y") as two:
        assert [_hear(one), _hear(two)] == ["ready", "ready"]
        _say(one, "go\n")
        _say(two, "go\n")
        one.communicate(timeout=60)
        two.communicate(timeout=60)
        assert (one.returncode, two.returncode) == (0, 0)
    with store.read() as unit:
        found = [user.user_name for user in unit.directory(world.organization).all_core_users()]
    assert sorted(found) == sorted(f"{who}{number}{half}" for who in "xy" for number in range(40) for half in "ab")


def test_a_killed_process_leaves_nothing_half(store: Store, world: World) -> None:
    """After kill -9 in the midst of writing, every transaction is there whole or not at all, and writing goes on."""
    with child(store, world, "endless") as process:
        assert _hear(process) == "ready"
        _say(process, "go\n")
        assert _hear(process) == "going"
        time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with store.read() as unit:
        directory = unit.directory(world.organization)
        found = sorted(user.user_name for user in directory.all_core_users())
        total = directory.find_users(world.okta, None, offset=0, limit=0, prefix="").total
    assert len(found) >= 10
    assert [name[:-1] for name in found[::2]] == [name[:-1] for name in found[1::2]]
    assert total == len(found)
    world.add_users(1)


def test_a_forked_child_has_links_of_its_own(store: Store, world: World) -> None:
    """A child neither uses nor closes its parent's links, and both go on reading and writing."""
    world.add_users(1)
    with store.read() as unit:
        unit.accounts.organizations()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            world.add_users(1, "child")
            with store.read() as unit:
                status = 0 if len(list(unit.directory(world.organization).all_core_users())) == 2 else 2
            store.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    world.add_users(1, "parent")
    with store.read() as unit:
        assert len(list(unit.directory(world.organization).all_core_users())) == 3
