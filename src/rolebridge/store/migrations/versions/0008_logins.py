"""Single sign-on: how connections log in, identities, memberships that a login asserts, the log of logins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rolebridge.store.documents import folded_key

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=null)


def _of_connection(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", "connection_id"],
        ["connections.organization_id", "connections.id"],
        name=op.f(f"fk_{table}_connections"),
    )


def upgrade() -> None:
    """Add what this revision adds."""
    _create_settings()
    _create_identities()
    _create_log()
    _key_the_departed()


def _create_settings() -> None:
    op.create_table(
        "sso_connections",
        _text("organization_id"),
        _text("connection_id"),
        _text("protocol"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        _text("settings"),
        _text("rules"),
        sa.Column("version", sa.Integer(), nullable=False),
        _text("changed"),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", name=op.f("pk_sso_connections")),
        sa.UniqueConstraint("connection_id", name=op.f("uq_sso_connections_connection_id")),
        _of_connection("sso_connections"),
    )
    op.create_table(
        "sso_secrets",
        _text("organization_id"),
        _text("connection_id"),
        _text("id"),
        _text("kind"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _text("public"),
        _text("created"),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", "id", name=op.f("pk_sso_secrets")),
        _of_connection("sso_secrets"),
    )
    op.create_table(
        "login_domains",
        _text("organization_id"),
        _text("domain"),
        _text("connection_id"),
        _text("declared"),
        _text("declared_by"),
        sa.PrimaryKeyConstraint("organization_id", "domain", name=op.f("pk_login_domains")),
        sa.UniqueConstraint("domain", name=op.f("uq_login_domains_domain")),
        _of_connection("login_domains"),
    )


def _create_identities() -> None:
    op.create_table(
        "identities",
        _text("organization_id"),
        _text("connection_id"),
        _text("key"),
        _text("issuer"),
        _text("subject"),
        _text("user_id"),
        sa.Column("made_user", sa.Boolean(), nullable=False),
        _text("created"),
        _text("last_login"),
        _text("stated", null=True),
        _text("stated_at", null=True),
        _text("stated_until", null=True),
        _text("overage_at", null=True),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", "key", name=op.f("pk_identities")),
        sa.UniqueConstraint(
            "organization_id",
            "connection_id",
            "user_id",
            name=op.f("uq_identities_organization_id_connection_id_user_id"),
        ),
    )
    op.create_index(op.f("ix_identities_organization_id_user_id"), "identities", ["organization_id", "user_id"])
    op.create_index(
        op.f("ix_identities_organization_id_stated_until"), "identities", ["organization_id", "stated_until"]
    )
    op.create_table(
        "login_memberships",
        _text("organization_id"),
        _text("group_id"),
        _text("user_id"),
        _text("connection_id"),
        _text("since"),
        _text("source"),
        sa.PrimaryKeyConstraint("organization_id", "group_id", "user_id", name=op.f("pk_login_memberships")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_login_memberships_organization_id_user_id_group_id"),
        "login_memberships",
        ["organization_id", "user_id", "group_id"],
    )


def _create_log() -> None:
    op.create_table(
        "login_assertions",
        _text("organization_id"),
        _text("connection_id"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _text("usable_until"),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", "digest", name=op.f("pk_login_assertions")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_login_assertions_organization_id_usable_until"),
        "login_assertions",
        ["organization_id", "usable_until"],
    )
    op.create_table(
        "login_log",
        _text("organization_id"),
        _text("connection_id"),
        _text("at"),
        _text("request_id"),
        _text("outcome"),
        _text("code"),
        _text("user_id", null=True),
        _text("detail"),
        _text("checks"),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", "at", "request_id", name=op.f("pk_login_log")),
    )
    op.create_index(
        op.f("ix_login_log_organization_id_connection_id_outcome_at"),
        "login_log",
        ["organization_id", "connection_id", "outcome", "at"],
    )
    op.create_index(op.f("ix_login_log_organization_id_user_id"), "login_log", ["organization_id", "user_id"])


def _key_the_departed() -> None:
    """Give those who were deleted before now the key by which a login finds them again."""
    op.add_column("departed", _text("name_key", null=True))
    op.create_index(
        op.f("ix_departed_organization_id_kind_name_key"), "departed", ["organization_id", "kind", "name_key"]
    )
    departed = sa.table(
        "departed", *(sa.column(name) for name in ("organization_id", "id", "kind", "name", "name_key"))
    )
    link = op.get_bind()
    found = sa.select(departed.c.organization_id, departed.c.id, departed.c.name).where(departed.c.name != "")
    for organization_id, id_, name in link.execute(found).fetchall():
        of = (departed.c.organization_id == organization_id, departed.c.id == id_)
        link.execute(sa.update(departed).where(*of).values(name_key=folded_key(name)))
