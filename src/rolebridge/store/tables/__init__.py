"""The tables of the store as SQLAlchemy metadata: the one statement of what is stored and how it is found.

The organization stands first in every key and every index, so that a distributed PostgreSQL can place rows by it; only
the hashes of credentials, which *find* the organization, stand alone. Moments are text, `2026-11-30T09:00:00.000Z`:
alike on both databases, in order, readable, and ready to be spliced into an answer. Text is compared as bytes
(collation "C" on PostgreSQL, BINARY on SQLite); whatever compares without case has a column of its own, folded in
Python (`documents.key`).
"""

from rolebridge.store.tables import (
    accounts,
    api,
    directory,
    grants,
    holds,
    logins,
    provider,
    record,
    revisions,
    sealing,
    sessions,
    workspaces,
)
from rolebridge.store.tables.columns import metadata

__all__ = [
    "accounts",
    "api",
    "directory",
    "grants",
    "holds",
    "logins",
    "metadata",
    "provider",
    "record",
    "revisions",
    "sealing",
    "sessions",
    "workspaces",
]
