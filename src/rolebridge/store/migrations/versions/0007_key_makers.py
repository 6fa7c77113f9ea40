"""Who made an API key: two people take more than two keys of one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision adds; of keys that are there already nobody knows it."""
    op.add_column(
        "keys", sa.Column("made_by", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True)
    )
