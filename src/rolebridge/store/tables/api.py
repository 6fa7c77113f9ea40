"""What the API keeps: where the feed of changes is, and the answers to writes that carried an idempotency key."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table

from rolebridge.store.tables.columns import metadata, organization, text

# One row for each organization whose outbox was ever numbered: the last position given, and the last one taken away.
feeds: Final = Table(
    "feeds",
    metadata,
    organization(),
    Column("last_position", BigInteger, nullable=False),
    Column("purged_position", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id"),
)

# `status` is null while the first request with the key is at work; `attempt` names that request.
idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    organization(),
    text("key_id"),
    text("idempotency_key"),
    Column("digest", LargeBinary, nullable=False),
    text("attempt"),
    text("at"),
    Column("status", Integer, nullable=True),
    text("headers", null=True),
    Column("body", LargeBinary, nullable=True),
    PrimaryKeyConstraint("organization_id", "key_id", "idempotency_key"),
    Index(None, "organization_id", "at"),
)
