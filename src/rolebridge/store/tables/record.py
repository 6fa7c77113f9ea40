"""What happened: audit, outbox, request log."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, literal_column

from rolebridge.store.tables.columns import metadata, organization, sequence, text

audit: Final = Table(
    "audit",
    metadata,
    organization(),
    sequence(),
    text("at"),
    text("kind"),
    text("actor"),
    text("request_id"),
    text("subject_kind"),
    text("subject_id"),
    text("before", null=True),
    text("after", null=True),
    text("reason"),
    PrimaryKeyConstraint("organization_id", "sequence"),
    Index(None, "organization_id", "subject_id", "sequence"),
    Index(None, "organization_id", "request_id"),
)

# `position` is the row's place in the feed of changes: given after the commit, in the order of commits (store.feed).
# `hold_id` names the hold that keeps the row from being delivered to a platform.
outbox: Final = Table(
    "outbox",
    metadata,
    organization(),
    sequence(),
    text("at"),
    text("kind"),
    text("payload"),
    Column("position", BigInteger, nullable=True),
    text("hold_id", null=True),
    PrimaryKeyConstraint("organization_id", "sequence"),
    Index(None, "organization_id", "position"),
    Index(None, "organization_id", "hold_id"),
    Index(
        "ix_outbox_waiting",
        "organization_id",
        "sequence",
        sqlite_where=literal_column("position IS NULL"),
        postgresql_where=literal_column("position IS NULL"),
    ),
)

# What clients asked, redacted; "" stands for no organization, connection, credential or resource that is known.
request_log: Final = Table(
    "request_log",
    metadata,
    organization(),
    text("connection_id"),
    text("at"),
    text("request_id"),
    text("credential_id"),
    text("resource_id"),
    text("method"),
    text("path"),
    text("query"),
    Column("status", Integer, nullable=False),
    text("scim_type", null=True),
    text("detail"),
    Column("duration_us", BigInteger, nullable=False),
    text("peer"),
    text("user_agent"),
    text("tolerances"),
    Column("unknown_members", Integer, nullable=False),
    Column("request_bytes", BigInteger, nullable=False),
    Column("answer_bytes", BigInteger, nullable=True),
    text("shape", null=True),
    Column("lost", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "connection_id", "at", "request_id"),
    Index(None, "organization_id", "at", "request_id"),
    Index(None, "organization_id", "request_id"),
)
