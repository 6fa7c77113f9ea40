"""SQLite: one file, many readers, one writer at a time.

Writers of all processes queue at a lock file *before* they begin: SQLite's own waiting is a series of naps, and two
writing processes on it alone measured 450–937 ms at the 99th percentile, against 6–11 ms with the lock.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rolebridge.core.errors import TooLong, Unavailable
from rolebridge.core.filters import parse_datetime
from rolebridge.store import links
from rolebridge.store.documents import exact_stamp
from rolebridge.store.links import Cursor, Link, Row
from rolebridge.store.problems import StoreProblem
from rolebridge.store.statements import Database, Parameters, Statement

# Others (a backup, the sqlite3 shell) may still hold SQLite's own lock when we have ours.
BUSY_MS: Final = 5_000
# 16 MB of WAL: large enough that a burst of writes pays for few checkpoints, small enough to read through.
CHECKPOINT_PAGES: Final = 4_000
CACHED_STATEMENTS: Final = 512
# Steps of SQLite's machine between two looks at the clock, about a millisecond.
CLOCK_STEPS: Final = 20_000
# `synchronous=FULL`: a deprovisioning that was answered and is lost in a power cut is a security hole.
_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={BUSY_MS}",
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
    f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA cache_size=-16000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA trusted_schema=OFF",
)
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FAILING: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
)


class SqliteLink(Link):
    """A sqlite3 connection without the module's own idea of transactions."""

    database = Database.SQLITE

    def __init__(self, path: Path, *, writes: bool) -> None:
        self._began = 0.0
        try:
            # Links move between threads through the pool, one at a time.
            self._driver = sqlite3.connect(
                f"{path.as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=CACHED_STATEMENTS,
            )
        except sqlite3.OperationalError as error:
            raise Unavailable("the database cannot be opened", cause=f"`{path}`: {error}") from error
        try:
            self._driver.create_function("rolebridge_instant", 1, instant, deterministic=True)
            for pragma in _PRAGMAS:
                self.execute(pragma, ())
            if not writes:
                self.execute("PRAGMA query_only=ON", ())
                self._driver.set_progress_handler(self._is_late, CLOCK_STEPS)
        except BaseException:
            self._driver.close()
            raise

    def execute(self, sql: str, parameters: Parameters) -> Cursor:
        """Run one statement."""
        self._began = time.monotonic()
        try:
            return self._driver.execute(sql, parameters)
        except sqlite3.OperationalError as error:
            raise _unavailable(error) or error from None

    def execute_many(self, sql: str, parameters: Sequence[Parameters]) -> int:
        """Run one statement for each set of parameters."""
        try:
            return self._driver.executemany(sql, parameters).rowcount
        except sqlite3.OperationalError as error:
            raise _unavailable(error) or error from None

    def one(self, statement: Statement, **values: Any) -> Row | None:
        """Return the first row of the answer, or None."""
        compiled = statement.on(Database.SQLITE)
        try:
            return self.execute(compiled.sql, compiled.parameters(values)).fetchone()
        except sqlite3.OperationalError as error:  # SQLite finds rows as they are fetched
            raise _unavailable(error) or error from None

    def all(self, statement: Statement, **values: Any) -> list[Row]:
        """Return all rows of the answer."""
        compiled = statement.on(Database.SQLITE)
        try:
            return self.execute(compiled.sql, compiled.parameters(values)).fetchall()
        except sqlite3.OperationalError as error:
            raise _unavailable(error) or error from None

    def _is_late(self) -> bool:
        """Return whether the statement that runs is to be stopped."""
        return time.monotonic() - self._began > links.READ_SECONDS

    def begin(self, *, snapshot: bool = False) -> None:
        """Begin: readers at the state of their first statement, writers as the only one."""
        self.execute("BEGIN" if snapshot else "BEGIN IMMEDIATE", ())

    def commit(self) -> None:
        """Commit; the WAL is on disk when this returns."""
        self.execute("COMMIT", ())

    def rollback(self) -> None:
        """Undo what was begun; SQLite may have done it already (disk full)."""
        if self._driver.in_transaction:
            self.execute("ROLLBACK", ())

    def savepoint(self) -> None:
        """Do nothing: a refused statement undoes only itself."""

    def release(self) -> None:
        """Do nothing, as `savepoint` does."""

    def undo(self) -> None:
        """Do nothing, as `savepoint` does."""

    def is_duplicate(self, error: Exception) -> bool:
        """Return whether a unique index or a primary key refused the row."""
        return isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorcode in (
            sqlite3.SQLITE_CONSTRAINT_UNIQUE,
            sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        )

    @property
    def broken(self) -> bool:
        """Return False: a file does not hang up."""
        return False

    def close(self) -> None:
        """Close the file."""
        self._driver.close()


def instant(text: object) -> str | None:
    """Return a dateTime as a text that is in order; None for what is none. PostgreSQL has a function of this name."""
    moment = parse_datetime(text) if isinstance(text, str) else None
    return None if moment is None else exact_stamp(moment)


def _unavailable(error: sqlite3.OperationalError) -> Unavailable | None:
    """Return the refusal that an error of SQLite amounts to, None for a mistake of ours."""
    # Extended codes carry the primary one in the low byte.
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_INTERRUPT:
        return TooLong(links.READ_SECONDS)
    if primary in _BUSY:
        return Unavailable("the database is busy: another program is writing to it")
    if primary in _FAILING:
        return Unavailable("the database cannot be read or written", retry_after=10, cause=str(error))
    return None


class WriterLock:
    """The right to write, held by one thread of one process: a mutex in here, `flock` on a file between processes.

    The file stays: removing it would let two processes lock two files of the same name.
    """

    def __init__(self, path: Path, deadline: float) -> None:
        self._path = path
        self._deadline = deadline
        self._mutex = threading.Lock()
        self._descriptor = -1
        self._owner: int | None = None

    def acquire(self) -> None:
        """Wait for the right to write. Raises `Unavailable` after the deadline."""
        if self._owner == threading.get_ident():
            raise RuntimeError("a write began inside another write of the same thread")
        until = time.monotonic() + self._deadline
        if not self._mutex.acquire(timeout=self._deadline):
            raise self._busy()
        try:
            self._acquire_file(until)
        except BaseException:
            self._mutex.release()
            raise
        self._owner = threading.get_ident()

    def release(self) -> None:
        """Let the next one write."""
        self._owner = None
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._mutex.release()

    def is_free(self) -> bool:
        """Return whether nobody holds the right at this moment, in this process or another."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Shared: two who look at once are not in each other's way.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Forget the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def anew(self) -> WriterLock:
        """Return the same right for a forked child, which must not share the open file."""
        self.close()
        return WriterLock(self._path, self._deadline)

    def _acquire_file(self, until: float) -> None:
        if self._descriptor < 0:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:  # a full or read-only disk, a folder of somebody else
                raise Unavailable("the database cannot be written", retry_after=10, cause=str(error)) from error
        nap = 0.000_2
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise self._busy() from None
            # Short naps, not a blocking flock: that one has no deadline. A durable write takes 0.1–2 ms.
            time.sleep(nap * random.uniform(0.5, 1))  # noqa: S311 - keeps processes out of step
            nap = min(nap * 1.5, 0.002)

    def _busy(self) -> Unavailable:
        return Unavailable(f"another write has held the database for {self._deadline:g} seconds")


# --- copies ----------------------------------------------------------------------------------------------------


def copy(path: Path, to: Path) -> None:
    """Copy a database that is in use: one state of it, in one file. Raises `Unavailable`.

    SQLite's online backup reads a snapshot, so writers go on, and the write-ahead log grows until it is done.
    """
    source = SqliteLink(path, writes=False)
    try:
        os.close(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        target = sqlite3.connect(to, isolation_level=None)
        try:
            target.create_function("rolebridge_instant", 1, instant, deterministic=True)
            source._driver.backup(target)  # noqa: SLF001 - this module's own
            target.execute("PRAGMA journal_mode=DELETE")
            found = target.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            target.close()
    except sqlite3.DatabaseError as error:
        raise Unavailable("the database cannot be copied", cause=str(error)) from error
    finally:
        source.close()
    if found is None or found[0] != "ok":
        raise StoreProblem(f"the database `{path}` is damaged: {found and found[0]}")


_OURS: Final = """
    SELECT type, name FROM sqlite_schema
    WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' ORDER BY type, name LIMIT 20
"""


def strange(path: Path) -> list[str]:
    """Return what a database file holds that none of ours does, one sentence each: triggers, views, virtual tables.

    A trigger would go on acting, on whatever is written later. Raises StoreProblem for a file that is damaged.
    """
    driver = sqlite3.connect(path, isolation_level=None)
    try:
        driver.execute("PRAGMA trusted_schema=OFF")
        driver.create_function("rolebridge_instant", 1, instant, deterministic=True)
        found = [f"it holds the {kind} `{name}`, which is not ours" for kind, name in driver.execute(_OURS)]
        if found:
            return found
        sound = driver.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise StoreProblem(f"the file holds no SQLite database: {error}") from error
    finally:
        driver.close()
    return [] if sound and sound[0] == "ok" else [f"the database is damaged: {sound and sound[0]}"]


def fold(path: Path) -> None:
    """Make a database that nobody else uses one single file."""
    driver = sqlite3.connect(path, isolation_level=None)
    try:
        driver.execute("PRAGMA journal_mode=DELETE")
    finally:
        driver.close()


# --- where the file may be -------------------------------------------------------------------------------------

# SQLite's locks and shared memory do not hold across the machines that such a file system serves.
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre", "gpfs", "ocfs2", "gfs2",
     "9p", "coda", "davfs", "orangefs", "beegfs"}
)  # fmt: skip
# What rootless containers run on: a union of local directories.
_LOCAL_FUSE: Final = frozenset({"fuse.fuse-overlayfs", "fuse.overlayfs", "fuse.lxcfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")


def file_system(path: Path, mountinfo: str) -> str:
    """Return the type of the file system that holds `path`, by the text of /proc/self/mountinfo ("" if unknown)."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        columns = fields.split(" ")
        if len(columns) < 5 or not rest:
            continue
        # proc(5): space, tab, newline and backslash stand there as octal escapes.
        mount = Path(columns[4].encode().decode("unicode_escape"))
        # A later mount on the same point hides the earlier one.
        if path.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), rest.split(" ", 1)[0]
    return kind


def refuse_network(path: Path, mountinfo: str | None = None) -> None:
    """Raise `StoreProblem` when `path` lies on a network file system (Linux only: elsewhere nothing is known)."""
    if mountinfo is None:
        mountinfo = _MOUNTS.read_text(errors="surrogateescape") if _MOUNTS.exists() else ""
    kind = file_system(path, mountinfo)
    if kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE):
        raise StoreProblem(
            f"`{path}` lies on a network file system ({kind}), where SQLite loses data; use a local disk, or PostgreSQL"
        )


def prepare_file(path: Path, *, create: bool) -> None:
    """Check that the database file can be used, making it if `create`. Raises `StoreProblem`."""
    if not path.parent.is_dir():
        raise StoreProblem(f"the directory `{path.parent}` of the database does not exist")
    refuse_network(path.resolve())
    if not path.exists():
        if not create:
            raise StoreProblem(f"there is no database at `{path}`; run `rolebridge init`")
        # Personal data: nobody but the owner reads it. WAL and shared memory take the file's mode over.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if not path.is_file():
        raise StoreProblem(f"`{path}` is not a file")
    _use_wal(path)


def _use_wal(path: Path) -> None:
    try:
        link = SqliteLink(path, writes=True)
        try:
            found = link.execute("PRAGMA journal_mode=WAL", ()).fetchone()
        finally:
            link.close()
    except sqlite3.DatabaseError as error:
        raise StoreProblem(f"`{path}` is not a database: {error}") from None
    if found is None or found[0] != "wal":
        raise StoreProblem(f"`{path}` lies where SQLite cannot share memory between processes (no WAL)")
