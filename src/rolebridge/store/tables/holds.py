"""Guard rails of the directory: what they count, what they hold, and what waits for a second person."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, UniqueConstraint

from rolebridge.store.tables.columns import metadata, organization, text

# How many people held something in a workspace when its present window began; no row before the first loss.
hold_windows: Final = Table(
    "hold_windows",
    metadata,
    organization(),
    text("workspace"),
    text("began"),
    Column("holders", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "workspace"),
)

# Who lost something last when, and what: `kind` is "lost" for one who was active, "gone" for one who is not any more.
hold_losses: Final = Table(
    "hold_losses",
    metadata,
    organization(),
    text("workspace"),
    text("user_id"),
    text("kind"),
    text("at"),
    text("lost"),
    PrimaryKeyConstraint("organization_id", "workspace", "user_id"),
    Index(None, "organization_id", "workspace", "at"),
    sqlite_with_rowid=False,
)

# An open hold: of a person's revocations (whose grants have `held_since`), or of their delivery (outbox.hold_id).
holds: Final = Table(
    "holds",
    metadata,
    organization(),
    text("workspace"),
    text("user_id"),
    text("kind"),
    text("id"),
    text("since"),
    text("guard"),
    text("limit"),
    text("actual"),
    text("actor"),
    text("request_id"),
    text("cause"),
    PrimaryKeyConstraint("organization_id", "workspace", "user_id", "kind"),
    UniqueConstraint("organization_id", "id"),
)

# Acts that need a second person; `binding` is a digest of exactly what would be done.
proposals: Final = Table(
    "proposals",
    metadata,
    organization(),
    text("id"),
    text("act"),
    text("binding"),
    text("summary"),
    text("actor"),
    text("request_id"),
    text("reason"),
    text("created"),
    text("expires_at"),
    text("approved_by", null=True),
    text("approved_at", null=True),
    text("used_at", null=True),
    PrimaryKeyConstraint("organization_id", "id"),
    Index(None, "organization_id", "binding", "expires_at"),
)

# How the worker's chores went last; the organization is "": they are the installation's.
chores: Final = Table(
    "chores",
    metadata,
    organization(),
    text("name"),
    text("began"),
    text("ended"),
    text("succeeded", null=True),
    Column("done", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    text("error"),
    text("worker"),
    PrimaryKeyConstraint("organization_id", "name"),
)
