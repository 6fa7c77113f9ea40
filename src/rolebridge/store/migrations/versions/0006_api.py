"""What the API keeps: idempotency keys, the feed of changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=null)


def upgrade() -> None:
    """Add what this revision adds."""
    op.create_table(
        "feeds",
        _text("organization_id"),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("purged_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_feeds")),
    )
    op.create_table(
        "idempotency_keys",
        _text("organization_id"),
        _text("key_id"),
        _text("idempotency_key"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _text("attempt"),
        _text("at"),
        sa.Column("status", sa.Integer(), nullable=True),
        _text("headers", null=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "key_id", "idempotency_key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_organization_id_at"), "idempotency_keys", ["organization_id", "at"])
    op.add_column("outbox", sa.Column("position", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_outbox_organization_id_position"), "outbox", ["organization_id", "position"])
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["organization_id", "sequence"],
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    )
