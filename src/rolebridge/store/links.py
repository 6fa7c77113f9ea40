"""Links: driver connections to the database, and the one way in which statements run on them.

(A *connection* is an identity provider's; the line to the database is called a link.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final, Protocol

from rolebridge.core.batches import batches
from rolebridge.store.statements import Database, Parameters, Statement

Row = tuple[Any, ...]

READ_SECONDS: Final = 10.0
"""How long one statement of a reader may run: a filter may look at every resource of a connection."""

BLOCK: Final = 1_000
"""Rows, or ids, that one statement of many takes."""


class Cursor(Protocol):
    """What sqlite3 and psycopg cursors have in common, as far as we use it."""

    @property
    def rowcount(self) -> int:
        """How many rows a write touched."""

    def fetchone(self) -> Row | None:
        """The next row."""

    def fetchall(self) -> list[Row]:
        """The remaining rows."""


class Link(ABC):
    """One driver connection. A statement outside `begin` … `commit` stands alone."""

    database: ClassVar[Database]
    folded: bool = False
    """Whether the transaction has summed up counters; see `scope`."""

    @abstractmethod
    def execute(self, sql: str, parameters: Parameters) -> Cursor:
        """Run one statement. Raises `core.errors.Unavailable` when the database cannot do it now."""

    @abstractmethod
    def execute_many(self, sql: str, parameters: Sequence[Parameters]) -> int:
        """Run one statement for each set of parameters and return how many rows it touched altogether."""

    @abstractmethod
    def begin(self, *, snapshot: bool = False) -> None:
        """Begin a transaction; on a reading link a `snapshot`, in which every statement sees the same state."""

    @abstractmethod
    def commit(self) -> None:
        """Make the transaction durable. Raises `Unavailable` when it is not known to be."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction, if there is one; a link that cannot is broken and gets closed."""

    @abstractmethod
    def savepoint(self) -> None:
        """Mark where `undo` returns to, if a refused statement would spoil the transaction here."""

    @abstractmethod
    def release(self) -> None:
        """Forget the mark."""

    @abstractmethod
    def undo(self) -> None:
        """Return to the mark and forget it."""

    @abstractmethod
    def is_duplicate(self, error: Exception) -> bool:
        """Return whether a driver's error says that a unique index refused a row."""

    @property
    @abstractmethod
    def broken(self) -> bool:
        """Return whether the link is of no more use."""

    @abstractmethod
    def close(self) -> None:
        """Close the link; never raises."""

    # --- what the subjects of a unit use

    def run(self, statement: Statement, **values: Any) -> int:
        """Run a statement for its effect and return how many rows it touched."""
        compiled = statement.on(self.database)
        return self.execute(compiled.sql, compiled.parameters(values)).rowcount

    def run_many(self, statement: Statement, rows: Iterable[dict[str, Any]]) -> int:
        """Run a statement once for each of `rows`; nothing happens when there are none."""
        compiled = statement.on(self.database)
        parameters = [compiled.parameters(row) for row in rows]
        return self.execute_many(compiled.sql, parameters) if parameters else 0

    def one(self, statement: Statement, **values: Any) -> Row | None:
        """Return the first row of the answer, or None."""
        compiled = statement.on(self.database)
        return self.execute(compiled.sql, compiled.parameters(values)).fetchone()

    def all(self, statement: Statement, **values: Any) -> list[Row]:
        """Return all rows of the answer."""
        compiled = statement.on(self.database)
        return self.execute(compiled.sql, compiled.parameters(values)).fetchall()


def in_batches(texts: Iterable[str], size: int = BLOCK) -> Iterator[list[str]]:
    """Yield lists of at most `size`: of what one statement takes."""
    return batches(texts, size)
