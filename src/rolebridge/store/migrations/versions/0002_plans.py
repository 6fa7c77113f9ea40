"""Revisions know the plan that they carried out, what it did, and which revision they restore."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a revision's plan was, what it did, and which revision it repeats; unknown of those before."""
    op.add_column("revisions", sa.Column("plan", sa.Text(), nullable=True))
    op.add_column("revisions", sa.Column("counts", sa.Text(), nullable=True))
    op.add_column("revisions", sa.Column("restores", sa.BigInteger(), nullable=True))
