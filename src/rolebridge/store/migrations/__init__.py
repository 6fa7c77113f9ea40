"""The schema's history: Alembic revisions, run from the program itself; no alembic.ini, no command of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rolebridge.store.links import Link
from rolebridge.store.statements import Database

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import URL, Connection, Engine

HEAD: Final = "0010"
"""The revision that this version works with: the last one in `versions/` (a test says so)."""

KNOWN: Final = tuple(f"{number:04}" for number in range(1, int(HEAD) + 1))
"""All revisions, from the first one to `HEAD`."""

# "rolebridge schema" in ASCII, cut to eight bytes: who upgrades holds this advisory lock on PostgreSQL.
_UPGRADING: Final = int.from_bytes(b"rolebrid", "big")


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema that a database has (None: none yet) and the one that this version works with."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """Return whether they are the same."""
        return self.current == self.head

    @property
    def is_newer(self) -> bool:
        """Return whether a version made the schema that this one does not know."""
        return self.current is not None and self.current not in KNOWN


def state(link: Link) -> SchemaState:
    """Return the state of a database, without loading Alembic: every start of the program asks."""
    if link.database is Database.SQLITE:
        there = link.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'", ()).fetchone()
    else:
        there = link.execute("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL", ()).fetchone()
    row = link.execute("SELECT version_num FROM alembic_version", ()).fetchone() if there else None
    return SchemaState(row[0] if row else None, HEAD)


def config() -> Config:
    """Return what Alembic needs to find the revisions."""
    from alembic.config import Config  # noqa: PLC0415 - only upgrades pay for loading it

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


def upgrade(url: URL) -> None:
    """Run the missing revisions in one transaction: all of them or none. The caller holds SQLite's writer lock."""
    from alembic import command  # noqa: PLC0415 - only upgrades pay for loading it

    engine = _engine(url)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == Database.POSTGRES:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADING})")
            settings = config()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    finally:
        engine.dispose()


def _engine(url: URL) -> Engine:
    from sqlalchemy import create_engine, event  # noqa: PLC0415 - only upgrades pay for loading it
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    if url.get_backend_name() != Database.SQLITE:
        return create_engine(url, poolclass=NullPool)
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None})

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver would begin at the first INSERT only, and leave DDL outside.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
