"""The store: where a database is, who reads, who writes, and which schema it has.

Readers and writers have links of their own: a reader's refuses to write. Idle links wait in two stacks of the process
and are handed to one user at a time, so that a streamed answer may hold one while others are served. A forked child
leaves its parent's links alone and opens its own.
"""

from __future__ import annotations

import os
import random
import time
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from rolebridge.core.errors import Unavailable
from rolebridge.store import migrations, postgres, sqlite
from rolebridge.store.links import Link
from rolebridge.store.migrations import SchemaState
from rolebridge.store.problems import SchemaMismatch, StoreProblem
from rolebridge.store.statements import Database
from rolebridge.store.unit import Unit

T = TypeVar("T")

WRITE_DEADLINE: Final = 5.0
"""Seconds that a write waits for its turn on SQLite before it is refused."""
ATTEMPTS: Final = 8
"""How often a transaction runs that PostgreSQL calls off because of others."""
IDLE: Final = 8
"""Links kept open between uses, readers and writers each."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Whether a write would have its turn at once, and a number that changes when others commit."""

    writable: bool
    version: int


class _Backend(ABC):
    """What the kinds of database differ in."""

    database: Database

    @abstractmethod
    def open(self, *, writes: bool) -> Link:
        """Open a link."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the right to write, and give it back."""
        yield

    @abstractmethod
    def progress(self, watcher: Link) -> Progress:
        """Return how writing goes, seen from a link that does nothing else."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the database holds beside links."""

    @abstractmethod
    def renew(self) -> None:
        """Begin anew in a forked child."""

    @abstractmethod
    def checkpoint(self, writer: Link) -> None:
        """Move finished writes to their final place, where the database does not do that itself."""


class _Postgres(_Backend):
    database = Database.POSTGRES

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")

    def open(self, *, writes: bool) -> Link:
        return postgres.PostgresLink(self._url, writes=writes)

    def progress(self, watcher: Link) -> Progress:
        """Return whether the server takes writes: a standby takes none. Those that it takes do not queue."""
        row = watcher.execute("SELECT NOT pg_is_in_recovery()", ()).fetchone()
        return Progress(bool(row and row[0]), 0)

    def close(self) -> None:
        """Do nothing: there are only links."""

    def renew(self) -> None:
        """Do nothing: there are only links."""

    def checkpoint(self, writer: Link) -> None:
        """Do nothing: the server does it."""


class _Sqlite(_Backend):
    database = Database.SQLITE

    def __init__(self, path: Path, deadline: float) -> None:
        self._path = path
        self._lock = sqlite.WriterLock(path.with_name(path.name + ".writer-lock"), deadline)

    def open(self, *, writes: bool) -> Link:
        return sqlite.SqliteLink(self._path, writes=writes)

    @contextmanager
    def turn(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def progress(self, watcher: Link) -> Progress:
        # The number changes, on this link, whenever another one has committed.
        row = watcher.execute("PRAGMA data_version", ()).fetchone()
        return Progress(self._lock.is_free(), row[0] if row else 0)

    def close(self) -> None:
        self._lock.close()

    def renew(self) -> None:
        """Queue as a process of its own: a lock file opened by the parent would be locked for both."""
        self._lock = self._lock.anew()

    def checkpoint(self, writer: Link) -> None:
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)", ()).fetchall()


def _tell_nobody(seconds: float) -> None:
    """Keep to oneself how long a write waited."""


class Store:
    """A database, opened. Safe to share between threads; `close` it when done."""

    def __init__(self, backend: _Backend, url: URL, waited: Callable[[float], None] = _tell_nobody) -> None:
        self._backend = backend
        self._url = url
        self._waited = waited
        self._readers: deque[Link] = deque()
        self._writers: deque[Link] = deque()
        self._watcher: Link | None = None
        self._open = True
        _stores.add(self)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        create: bool = False,
        write_deadline: float = WRITE_DEADLINE,
        waited: Callable[[float], None] = _tell_nobody,
    ) -> Store:
        """Open `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user@host/name`.

        With `create`, a SQLite file that is missing is made (empty: `upgrade` gives it the schema). `waited` is told
        the seconds that each write waits until its transaction has begun. Raises `StoreProblem` for what can never
        work and `Unavailable` for what does not work now.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise StoreProblem("the store's address is not a URL such as `sqlite:///var/rolebridge.db`") from None
        kind = parsed.get_backend_name()
        if kind == Database.SQLITE:
            path = _sqlite_path(parsed)
            sqlite.prepare_file(path, create=create)
            return cls(_Sqlite(path, write_deadline), parsed.set(database=str(path)), waited)
        if kind == Database.POSTGRES:
            return cls(_Postgres(parsed), parsed.set(drivername="postgresql+psycopg"), waited)
        raise StoreProblem(f"a store is `sqlite` or `postgresql`, not `{kind}`")

    @property
    def dialect(self) -> Database:
        """Return which kind of database this is."""
        return self._backend.database

    def close(self) -> None:
        """Close every idle link. Links in use are closed when they come back."""
        self._open = False
        for links in (self._readers, self._writers):
            while links:
                links.pop().close()
        if self._watcher is not None:
            self._watcher.close()
        self._backend.close()

    # --- work

    def read(self, *, snapshot: bool = False) -> Reading:
        """Return a context manager that gives a `Unit` for reading.

        Each statement sees what is committed when it runs; in a `snapshot` all see the same state.
        """
        return Reading(self, snapshot)

    def transact(self, work: Callable[[Unit], T]) -> T:
        """Run `work` in one transaction and return its result when it is durable; undo everything when it raises.

        On PostgreSQL `work` runs again after a deadlock or a serialization failure, so it must do nothing but use
        the unit. Raises `Unavailable` when the database cannot take the work now.
        """
        for attempt in range(1, ATTEMPTS + 1):
            asked = time.perf_counter()
            try:
                with self._backend.turn():
                    return self._write_once(work, asked)
            except Exception as error:
                if not postgres.runs_again(error):
                    raise
                if attempt == ATTEMPTS:
                    raise Unavailable("the write met other writes too often") from error
            time.sleep(random.uniform(0.5, 1) * min(0.005 * 2**attempt, 0.3))  # noqa: S311 - keeps rivals apart
        raise AssertionError("unreachable")

    @contextmanager
    def attended(
        self, *, before: Callable[[Unit], None] | None = None, after: Callable[[Unit], None] | None = None
    ) -> Iterator[None]:
        """Have something done in the next transaction that commits inside the block, whoever runs it.

        `before` is the first thing in it and `after` the last; what they raise undoes it. They run again when it does.
        """
        earlier = _attending.get()
        token = _attending.set((*earlier, _Attendance(self, before, after)))
        try:
            yield
        finally:
            _attending.reset(token)

    def _write_once(self, work: Callable[[Unit], T], asked: float) -> T:
        link = self._begin_write()
        try:
            self._waited(time.perf_counter() - asked)
            attending = [one for one in _attending.get() if one.store is self and not one.over]
            unit = Unit(link)
            for one in attending:
                one.begin(unit)
            result = work(unit)
            for one in attending:
                one.end(unit)
            link.commit()
            for one in attending:
                one.over = True
            unit.tell()
        except BaseException:
            _give_up(link)
            raise
        finally:
            self._give_back(link, self._writers)
        return result

    def _begin_write(self) -> Link:
        """Return a link in a fresh transaction; one that died while idle is replaced."""
        while True:
            idle = self._take(self._writers)
            link = idle or self._backend.open(writes=True)
            try:
                link.begin()
                return link
            except BaseException as error:
                dead = link.broken
                link.close()
                if not (isinstance(error, Unavailable) and dead and idle):
                    raise

    def checkpoint(self) -> None:
        """Fold SQLite's write-ahead log into the database file, as far as readers allow; nothing on PostgreSQL."""
        with self._backend.turn():
            link = self._take(self._writers) or self._backend.open(writes=True)
            try:
                self._backend.checkpoint(link)
            finally:
                self._give_back(link, self._writers)

    def progress(self) -> Progress:
        """Return whether a write would have its turn now, and what changes whenever one is committed."""
        if self._watcher is None or self._watcher.broken:
            self._watcher = self._backend.open(writes=False)
        try:
            return self._backend.progress(self._watcher)
        except BaseException:
            self._watcher.close()
            self._watcher = None
            raise

    # --- schema

    def schema_state(self) -> SchemaState:
        """Return which schema the database has and which one this version works with."""
        with self.read() as unit:
            return migrations.state(unit.link)

    def check_schema(self) -> None:
        """Raise `SchemaMismatch` unless the database has exactly the schema that this version works with."""
        state = self.schema_state()
        if not state.is_current:
            raise SchemaMismatch(state.current, state.head, newer=state.is_newer)

    def upgrade(self) -> SchemaState:
        """Bring the schema to this version's, and return what it was before. Two at a time do it once.

        Raises `SchemaMismatch` for the schema of a newer version: nothing goes back.
        """
        before = self.schema_state()
        if before.is_newer:
            raise SchemaMismatch(before.current, before.head, newer=True)
        if not before.is_current:
            with self._backend.turn():
                migrations.upgrade(self._url)
        return before

    # --- links

    def _take(self, links: deque[Link]) -> Link | None:
        try:
            return links.pop()
        except IndexError:
            return None

    def _give_back(self, link: Link, links: deque[Link]) -> None:
        if link.broken or len(links) >= IDLE or not self._open:
            link.close()
        else:
            links.append(link)

    def _take_reader(self) -> Link:
        return self._take(self._readers) or self._backend.open(writes=False)

    def _abandon(self) -> None:
        """Forget the links of the parent process: closing them here would end them there."""
        _inherited.extend((*self._readers, *self._writers))
        self._readers, self._writers = deque(), deque()
        if self._watcher is not None:
            _inherited.append(self._watcher)
            self._watcher = None
        self._backend.renew()


class _Attendance:
    """What is to be done in one transaction of a store beside its work."""

    __slots__ = ("_after", "_before", "over", "store")

    def __init__(
        self, store: Store, before: Callable[[Unit], None] | None, after: Callable[[Unit], None] | None
    ) -> None:
        self.store = store
        self._before = before
        self._after = after
        self.over = False

    def begin(self, unit: Unit) -> None:
        if self._before is not None:
            self._before(unit)

    def end(self, unit: Unit) -> None:
        if self._after is not None:
            self._after(unit)


_attending: ContextVar[tuple[_Attendance, ...]] = ContextVar("attending", default=())


class Reading:
    """One use of a reading link."""

    __slots__ = ("_link", "_snapshot", "_store")

    def __init__(self, store: Store, snapshot: bool) -> None:
        self._store = store
        self._snapshot = snapshot

    def __enter__(self) -> Unit:
        link = self._link = self._store._take_reader()  # noqa: SLF001 - the store's own other half
        if self._snapshot:
            try:
                link.begin(snapshot=True)
            except BaseException:
                link.close()
                raise
        return Unit(link)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        link = self._link
        if self._snapshot or error is not None:
            _give_up(link)
        self._store._give_back(link, self._store._readers)  # noqa: SLF001 - the store's own other half


def _give_up(link: Link) -> None:
    try:
        link.rollback()
    except Exception:  # noqa: BLE001 - whatever is wrong with the link, closing it undoes the transaction
        link.close()


def _sqlite_path(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreProblem("a store on SQLite needs a file: `sqlite:///var/rolebridge.db`")
    if url.query:
        raise StoreProblem("a store on SQLite takes no options in its URL")
    return Path(url.database).absolute()


_stores: weakref.WeakSet[Store] = weakref.WeakSet()
# Never closed, never collected: see `Store._abandon`.
_inherited: Final[list[Link]] = []


def _after_fork() -> None:
    for store in list(_stores):
        store._abandon()  # noqa: SLF001 - a store of this process


os.register_at_fork(after_in_child=_after_fork)
