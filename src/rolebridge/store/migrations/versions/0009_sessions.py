"""Sessions, and logins that are under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=null)


def _bytes(name: str, *, null: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def upgrade() -> None:
    """Add both tables, and what finds their rows."""
    op.create_table(
        "sessions",
        _text("organization_id"),
        _text("id"),
        _text("user_id"),
        _text("connection_id"),
        _bytes("hash"),
        _text("protocol"),
        _text("issuer"),
        _text("subject"),
        _text("idp_session", null=True),
        _text("context", null=True),
        _text("authenticated_at", null=True),
        _text("begun_at"),
        _text("seen_at"),
        _text("agent"),
        _text("address"),
        _bytes("logout_hint", null=True),
        _text("ends_at", null=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("hash", name=op.f("uq_sessions_hash")),
    )
    _index("sessions", "organization_id", "user_id", "begun_at")
    _index("sessions", "organization_id", "connection_id", "subject")
    _index("sessions", "organization_id", "ends_at")
    _index("sessions", "organization_id", "seen_at")
    _index("sessions", "organization_id", "begun_at")
    op.create_table(
        "login_flows",
        _text("organization_id"),
        _text("id"),
        _text("connection_id"),
        _bytes("browser"),
        _text("begun_at"),
        _text("expires_at"),
        _bytes("sealed"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_login_flows")),
    )
    _index("login_flows", "organization_id", "browser", "begun_at")
    _index("login_flows", "organization_id", "expires_at")


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=False)
