"""Effective roles, assignments by hand, and the days on which to look again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, PrimaryKeyConstraint, Table, false

from rolebridge.store.tables.columns import metadata, organization, text

grants: Final = Table(
    "grants",
    metadata,
    organization(),
    text("user_id"),
    text("workspace"),
    text("slot"),
    text("project"),
    text("role"),
    text("state"),
    text("source"),
    text("rule"),
    text("lock"),
    text("reach"),
    text("override"),
    text("acts_as_slot"),
    text("acts_as_role"),
    text("valid_from", null=True),
    text("valid_until", null=True),
    Column("revision", BigInteger, nullable=False),
    text("because"),
    text("held_since", null=True),
    PrimaryKeyConstraint("organization_id", "user_id", "workspace", "slot", "project", "role"),
    Index(None, "organization_id", "workspace", "project", "user_id"),
    Index(None, "organization_id", "workspace", "rule", "user_id"),
    sqlite_with_rowid=False,
)

manual_assignments: Final = Table(
    "manual_assignments",
    metadata,
    organization(),
    text("id"),
    text("user_id"),
    text("workspace"),
    text("slot"),
    text("project", null=True),
    text("role"),
    text("by"),
    text("at"),
    text("reason"),
    text("until", null=True),
    text("ended_at", null=True),
    text("ended_by", null=True),
    text("ended_reason", null=True),
    # Held when the workspace was taken over, and read from a file.
    Column("imported", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("organization_id", "id"),
    Index(None, "organization_id", "user_id", "workspace"),
    Index(None, "organization_id", "workspace", "project", "id"),
)

# The day on which a user is to be resolved again though nothing else changes.
rechecks: Final = Table(
    "rechecks",
    metadata,
    organization(),
    text("user_id"),
    text("workspace"),
    text("due"),
    PrimaryKeyConstraint("organization_id", "user_id", "workspace"),
    Index(None, "organization_id", "due", "user_id", "workspace"),
    sqlite_with_rowid=False,
)
