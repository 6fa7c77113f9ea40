"""Whole databases to a file and back: SQLite by its online backup, PostgreSQL by its own programs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url

from rolebridge.core.errors import RolebridgeError, Unavailable
from rolebridge.store import sqlite
from rolebridge.store.engine import WRITE_DEADLINE, Store
from rolebridge.store.problems import StoreProblem
from rolebridge.store.statements import Database

_BESIDE: Final = ("-wal", "-shm")


class NotEmpty(RolebridgeError):
    """That a database, into which a backup is to be restored, holds something."""

    def __init__(self) -> None:
        super().__init__("the database is not empty; a backup is restored into an empty one only")


class ToolMissing(RolebridgeError):
    """That a program of PostgreSQL's is not on this machine; `command` is what to run where it is."""

    def __init__(self, tool: str, command: str) -> None:
        super().__init__(f"there is no `{tool}` on this machine")
        self.command = command


def dump(store: Store, url: str, to: Path) -> None:
    """Write a consistent copy of a database into a file that is not there yet, while it is in use.

    Raises Unavailable, and ToolMissing.
    """
    if store.dialect is Database.SQLITE:
        sqlite.copy(sqlite_path(url), to)
    else:
        _run("pg_dump", make_url(url), ["--format=custom", "--no-owner", "--no-privileges", f"--file={to}"])


def dump_command(url: str) -> str:
    """Return what somebody would type to dump a PostgreSQL database."""
    return _typed("pg_dump", make_url(url), ["--format=custom", "--no-owner", "--no-privileges", "--file=FILE"])


class Target:
    """An empty database that a copy is put into. Raises NotEmpty, StoreProblem and Unavailable when it cannot be."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.is_sqlite = make_url(url).get_backend_name() == Database.SQLITE
        if self.is_sqlite:
            path = sqlite_path(url)
            if not path.parent.is_dir():
                raise StoreProblem(f"the directory `{path.parent}` of the database does not exist")
            sqlite.refuse_network(path.resolve())
        if not _is_empty(url):
            raise NotEmpty

    def fill(self, copy: Path) -> str:
        """Load a copy, and return the URL of the database to look at before `keep`; PostgreSQL has nothing between."""
        if self.is_sqlite:
            return f"sqlite:///{copy}"
        options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
        _run("pg_restore", make_url(self._url), [*options, str(copy)])
        return self._url

    def strange(self, copy: Path) -> list[str]:
        """Return what a copy holds that no database of ours does, one sentence each; what PostgreSQL runs it has run.

        Raises StoreProblem for a file that is damaged, or is no database.
        """
        return sqlite.strange(copy) if self.is_sqlite else []

    @property
    def folder(self) -> Path | None:
        """Return where a copy must lie, so that it can be moved into its place."""
        return sqlite_path(self._url).parent if self.is_sqlite else None

    def keep(self, copy: Path) -> None:
        """Put a copy that was looked at into its place."""
        if not self.is_sqlite:
            return
        sqlite.fold(copy)
        path = sqlite_path(self._url)
        lock = sqlite.WriterLock(path.with_name(path.name + ".writer-lock"), WRITE_DEADLINE)
        lock.acquire()
        try:
            if not _is_empty(self._url):
                raise NotEmpty
            for name in ("", *_BESIDE):
                path.with_name(path.name + name).unlink(missing_ok=True)
            copy.rename(path)
            _sync(path.parent)
        finally:
            lock.release()
            lock.close()


def _sync(folder: Path) -> None:
    """Make a rename in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_empty(url: str) -> bool:
    if make_url(url).get_backend_name() == Database.SQLITE:
        path = sqlite_path(url)
        if not path.exists() or path.stat().st_size == 0:
            return True
        question = "SELECT 1 FROM sqlite_master LIMIT 1"
    else:
        question = "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() LIMIT 1"
    store = Store.open(url)
    try:
        with store.read() as unit:
            return unit.link.execute(question, ()).fetchone() is None
    finally:
        store.close()


def sqlite_path(url: str) -> Path:
    """Return the file of a SQLite database."""
    return Path(make_url(url).database or "").absolute()


# --- PostgreSQL's programs -------------------------------------------------------------------------------------


def _run(tool: str, url: URL, options: list[str]) -> None:
    program = shutil.which(tool)
    if program is None:
        raise ToolMissing(tool, _typed(tool, url, options))
    # The password goes by the environment: everybody on the machine can read a command line.
    environ = dict(os.environ)
    if url.password:
        environ["PGPASSWORD"] = str(url.password)
    done = subprocess.run(  # noqa: S603 - a program of this name, and no shell
        [program, *options[:-1], f"--dbname={_address(url)}", options[-1]],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unavailable(f"`{tool}` failed", cause=said[0] if said else f"exit code {done.returncode}")


def _typed(tool: str, url: URL, options: list[str]) -> str:
    return shlex.join([tool, *options[:-1], f"--dbname={_address(url)}", options[-1]])


def _address(url: URL) -> str:
    """Return the URL as libpq reads it, without the password."""
    bare = url.set(drivername="postgresql")
    return URL.create(
        bare.drivername, bare.username, None, bare.host, bare.port, bare.database, bare.query
    ).render_as_string()
