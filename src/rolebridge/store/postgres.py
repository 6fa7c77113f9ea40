"""PostgreSQL: psycopg connections with prepared statements, and what their errors mean for the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import psycopg
from psycopg import errors, pq
from psycopg.sql import SQL, Identifier
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL, Dialect

from rolebridge.core.errors import TooLong, Unavailable
from rolebridge.store import links
from rolebridge.store.links import Cursor, Link
from rolebridge.store.statements import Database, Parameters

# A statement is prepared when it runs for the third time on a link; a filter asked once is not.
PREPARE_AFTER: Final = 2
PREPARED: Final = 300
# Bounds on what a stuck neighbour can do to a request, in PostgreSQL's own words.
_SETTINGS: Final = {
    "application_name": "rolebridge",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    # Every statement here has an index. A plan that was made and kept while the tables were empty would read them whole
    # until the server's next ANALYZE: in the midst of the first sync that is a minute of ever slower requests.
    "enable_seqscan": "off",
}
_CONNECT: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_DIALECT: Final[Dialect] = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_AGAIN: Final = (errors.SerializationFailure, errors.DeadlockDetected)
_LATER: Final = (
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.TooManyConnections,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,
    errors.DiskFull,
    errors.OutOfMemory,
)


class PostgresLink(Link):
    """A psycopg connection in autocommit: transactions begin and end where we say so."""

    database = Database.POSTGRES

    def __init__(self, url: URL, *, writes: bool) -> None:
        self._url = url
        self._writes = writes
        self._driver = self._connect()
        self._cursor = self._driver.cursor()

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        positional, named = _DIALECT.create_connect_args(self._url)
        settings = dict(_SETTINGS)
        if not self._writes:
            settings["default_transaction_read_only"] = "on"
            settings["statement_timeout"] = f"{links.READ_SECONDS * 1000:.0f}ms"
        try:
            driver = psycopg.connect(*positional, autocommit=True, **{**_CONNECT, **named})
        except psycopg.OperationalError as error:
            raise Unavailable("PostgreSQL does not answer", cause=_line(error)) from error
        try:
            driver.prepare_threshold = PREPARE_AFTER
            driver.prepared_max = PREPARED
            # By statement, not as start-up options: those a connection pooler refuses.
            for name, value in settings.items():
                driver.execute("SELECT set_config(%s, %s, false)", (name, value), prepare=False)
        except psycopg.Error as error:
            driver.close()
            raise Unavailable("PostgreSQL does not answer", cause=_line(error)) from error
        return driver

    @property
    def _idle(self) -> bool:
        return self._driver.pgconn.transaction_status == pq.TransactionStatus.IDLE

    def execute(self, sql: str, parameters: Parameters) -> Cursor:
        """Run one statement; one that only reads and stands alone runs again if the link turns out to be dead."""
        stands_alone = not self._writes and self._idle
        try:
            return self._cursor.execute(sql, parameters)
        except psycopg.OperationalError as error:
            if not (stands_alone and self._driver.broken):
                raise self._refusal(error) or error from None
        self.close()
        self._driver = self._connect()
        self._cursor = self._driver.cursor()
        try:
            return self._cursor.execute(sql, parameters)
        except psycopg.OperationalError as error:
            raise self._refusal(error) or error from None

    def execute_many(self, sql: str, parameters: Sequence[Parameters]) -> int:
        """Run one statement for each set of parameters, in one pipeline."""
        try:
            self._cursor.executemany(sql, parameters)
            return self._cursor.rowcount
        except psycopg.OperationalError as error:
            raise self._refusal(error) or error from None

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Parameters]) -> None:
        """Insert rows by COPY: a row that an index refuses, refuses all of them."""
        names = SQL(", ").join(map(Identifier, columns))
        statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), names)
        try:
            with self._cursor.copy(statement) as stream:
                for row in rows:
                    stream.write_row(row)
        except psycopg.OperationalError as error:
            raise self._refusal(error) or error from None

    def _refusal(self, error: psycopg.OperationalError) -> Unavailable | None:
        """Return the refusal that an error amounts to; None for one to run again for, and for a mistake of ours."""
        if isinstance(error, errors.QueryCanceled) and not self._writes:
            return TooLong(links.READ_SECONDS)
        if isinstance(error, _LATER) or self._driver.broken:
            return Unavailable("PostgreSQL cannot do this now", cause=_line(error))
        return None

    def begin(self, *, snapshot: bool = False) -> None:
        """Begin: a snapshot for readers; READ COMMITTED with row locks for writers."""
        self.folded = False
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if snapshot else "BEGIN", ())

    def commit(self) -> None:
        """Commit; a link that breaks here leaves unknown whether it happened, and the caller is told to try again."""
        self.execute("COMMIT", ())

    def rollback(self) -> None:
        """Undo what was begun, on a link that still works."""
        if not self._driver.broken and not self._idle:
            self._driver.execute("ROLLBACK", prepare=False)

    def savepoint(self) -> None:
        """Mark: an error would otherwise spoil the whole transaction."""
        self.execute("SAVEPOINT refusable", ())

    def release(self) -> None:
        """Forget the mark."""
        self.execute("RELEASE SAVEPOINT refusable", ())

    def undo(self) -> None:
        """Return to the mark."""
        self.execute("ROLLBACK TO SAVEPOINT refusable", ())
        self.release()

    def is_duplicate(self, error: Exception) -> bool:
        """Return whether a unique index refused the row."""
        return isinstance(error, errors.UniqueViolation)

    @property
    def broken(self) -> bool:
        """Return whether the server hung up."""
        return self._driver.closed

    def close(self) -> None:
        """Hang up."""
        self._driver.close()


def runs_again(error: Exception) -> bool:
    """Return whether a transaction failed only because of others at the same time, and may simply run again."""
    return isinstance(error, _AGAIN)


def _line(error: psycopg.Error) -> str:
    return str(error).strip().split("\n", 1)[0]
