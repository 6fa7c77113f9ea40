"""The sealed chain of the audit, and the memberships that have ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=null)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=null)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def upgrade() -> None:
    """Add the chain, its seals and how far it is, what has ended, and the way from a request to its audit rows."""
    op.create_index(
        op.f("ix_audit_organization_id_request_id"), "audit", ["organization_id", "request_id"], unique=False
    )
    op.create_table(
        "audit_chain",
        _text("organization_id"),
        _number("position"),
        _number("entry"),
        _bytes("salts"),
        _bytes("digest"),
        _bytes("link"),
        _number("erased_by", null=True),
        sa.PrimaryKeyConstraint("organization_id", "position", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("organization_id", "entry", name=op.f("uq_audit_chain_organization_id_entry")),
    )
    op.create_table(
        "audit_seals",
        _text("organization_id"),
        _number("position"),
        _number("first"),
        _text("at"),
        _bytes("link"),
        _text("key_id"),
        _bytes("mac"),
        sa.PrimaryKeyConstraint("organization_id", "position", name=op.f("pk_audit_seals")),
    )
    op.create_index(op.f("ix_audit_seals_organization_id_at"), "audit_seals", ["organization_id", "at"], unique=False)
    op.create_table(
        "audit_progress",
        _text("organization_id"),
        _number("settled"),
        _number("mark", null=True),
        _number("horizon", null=True),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_audit_progress")),
    )
    _create_past("past_memberships", "user_id", "group_id", "source")
    _create_past("past_children", "child_id", "parent_id")


def _create_past(table: str, who: str, where: str, *more: str) -> None:
    op.create_table(
        table,
        _text("organization_id"),
        _text(who),
        _text("until"),
        _text(where),
        _text("since"),
        *map(_text, more),
        sa.PrimaryKeyConstraint("organization_id", who, "until", where, "since", name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f(f"ix_{table}_organization_id_until"), table, ["organization_id", "until"], unique=False)
