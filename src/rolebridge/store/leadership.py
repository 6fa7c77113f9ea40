"""Who of several processes leads: the one that holds a lock which ends with its process.

On PostgreSQL a session's advisory lock, on a link of its own: where a pooler hands sessions around there is no such
thing, so the worker must reach the server itself. On SQLite `flock` on a file beside the database.
"""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url

from rolebridge.core.errors import Unavailable
from rolebridge.store import postgres
from rolebridge.store.statements import Database

# "rolebridge worker" in ASCII, cut to eight bytes of its end, which no other lock of ours has.
_WORKING: Final = int.from_bytes(b"e worker", "big")
_GIVE: Final = f"SELECT pg_advisory_unlock({_WORKING})"
_TAKE: Final = f"SELECT pg_try_advisory_lock({_WORKING})"


class Leadership(ABC):
    """The right to be the one worker of an installation. Not for several threads."""

    @abstractmethod
    def take(self) -> bool:
        """Return whether this process leads now: it did already, or nobody else does. Never waits."""

    @abstractmethod
    def close(self) -> None:
        """Give the lead up, if it is held."""


class _FileLeadership(Leadership):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> bool:
        if self._descriptor >= 0:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable("the worker's lock cannot be taken", cause=str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _SessionLeadership(Leadership):
    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._link: postgres.PostgresLink | None = None
        self._leads = False

    def take(self) -> bool:
        # A link that writes never connects anew by itself: as long as it answers, its session has its locks.
        if self._link is None:
            self._link = postgres.PostgresLink(self._url, writes=True)
        try:
            row = self._link.execute("SELECT true" if self._leads else _TAKE, ()).fetchone()
        except BaseException:
            self.close()
            raise
        self._leads = bool(row and row[0])
        return self._leads

    def close(self) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        if self._leads:
            # Hanging up does it as well, but only when the server notices; a session that is gone has no lock.
            with suppress(Unavailable):
                link.execute(_GIVE, ())
        self._leads = False
        link.close()


def leadership(database_url: str) -> Leadership:
    """Return the leadership of the installation that keeps everything in a database, not taken yet."""
    url = make_url(database_url)
    if url.get_backend_name() == Database.POSTGRES:
        return _SessionLeadership(url)
    path = Path(url.database or "").absolute()
    return _FileLeadership(path.with_name(path.name + ".worker-lock"))
