"""Assignments by hand, observed workspaces, registered projects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=null)


def upgrade() -> None:
    """Add what is registered at run time, which assignments were imported, and how they are listed."""
    op.add_column("organizations", sa.Column("registry_version", sa.Integer(), server_default="0", nullable=False))
    op.add_column("manual_assignments", sa.Column("imported", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        op.f("ix_manual_assignments_organization_id_workspace_project_id"),
        "manual_assignments",
        ["organization_id", "workspace", "project", "id"],
        unique=False,
    )
    op.create_table(
        "workspaces",
        _text("organization_id"),
        _text("workspace"),
        _text("mode"),
        _text("changed"),
        _text("changed_by"),
        _text("reason"),
        sa.PrimaryKeyConstraint("organization_id", "workspace", name=op.f("pk_workspaces")),
    )
    op.create_table(
        "projects",
        _text("organization_id"),
        _text("workspace"),
        _text("id"),
        _text("name"),
        _text("tags"),
        _text("container", null=True),
        _text("created"),
        _text("archived_at", null=True),
        sa.PrimaryKeyConstraint("organization_id", "workspace", "id", name=op.f("pk_projects")),
    )
