"""Revocations that guard rails hold, and what they count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=null)


def upgrade() -> None:
    """Add windows, losses, holds, the mark of a held delivery, proposals, and how the worker's chores went."""
    _guard_rails()
    _second_persons()
    op.create_table(
        "chores",
        _text("organization_id"),
        _text("name"),
        _text("began"),
        _text("ended"),
        _text("succeeded", null=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _text("error"),
        _text("worker"),
        sa.PrimaryKeyConstraint("organization_id", "name", name="pk_chores"),
    )


def _guard_rails() -> None:
    op.create_table(
        "hold_windows",
        _text("organization_id"),
        _text("workspace"),
        _text("began"),
        sa.Column("holders", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "workspace", name="pk_hold_windows"),
    )
    op.create_table(
        "hold_losses",
        _text("organization_id"),
        _text("workspace"),
        _text("user_id"),
        _text("kind"),
        _text("at"),
        _text("lost"),
        sa.PrimaryKeyConstraint("organization_id", "workspace", "user_id", name="pk_hold_losses"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_hold_losses_organization_id_workspace_at", "hold_losses", ["organization_id", "workspace", "at"]
    )
    op.create_table(
        "holds",
        *map(_text, ("organization_id", "workspace", "user_id", "kind", "id", "since", "guard", "limit", "actual")),
        *map(_text, ("actor", "request_id", "cause")),
        sa.PrimaryKeyConstraint("organization_id", "workspace", "user_id", "kind", name="pk_holds"),
        sa.UniqueConstraint("organization_id", "id", name="uq_holds_organization_id_id"),
    )
    op.add_column("outbox", _text("hold_id", null=True))
    op.create_index("ix_outbox_organization_id_hold_id", "outbox", ["organization_id", "hold_id"])


def _second_persons() -> None:
    op.create_table(
        "proposals",
        *map(_text, ("organization_id", "id", "act", "binding", "summary", "actor", "request_id", "reason")),
        *map(_text, ("created", "expires_at")),
        *(_text(name, null=True) for name in ("approved_by", "approved_at", "used_at")),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_proposals"),
    )
    op.create_index(
        "ix_proposals_organization_id_binding_expires_at", "proposals", ["organization_id", "binding", "expires_at"]
    )
