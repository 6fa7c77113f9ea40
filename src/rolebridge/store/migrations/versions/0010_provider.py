"""The OpenID Provider: applications, codes, refresh tokens, signing keys, notices of logout."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=null)


def upgrade() -> None:
    """Add what this revision adds."""
    op.create_table(
        "applications",
        _text("organization_id"),
        _text("id"),
        _text("name"),
        _text("name_key"),
        _text("kind"),
        _text("settings"),
        _text("created"),
        _text("revoked_at", null=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_applications")),
        sa.UniqueConstraint("id", name=op.f("uq_applications_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_applications_organizations")),
    )
    op.create_index(op.f("ix_applications_organization_id_name_key"), "applications", ["organization_id", "name_key"])
    op.create_table(
        "application_credentials",
        _text("organization_id"),
        _text("application_id"),
        _text("id"),
        _text("name"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        _text("key_id"),
        _text("hint"),
        _text("created"),
        _text("expires_at", null=True),
        _text("revoked_at", null=True),
        _text("last_used_at", null=True),
        _text("jwk", null=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_application_credentials")),
        sa.UniqueConstraint(
            "organization_id",
            "application_id",
            "hash",
            name=op.f("uq_application_credentials_organization_id_application_id_hash"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "application_id"],
            ["applications.organization_id", "applications.id"],
            name=op.f("fk_application_credentials_applications"),
        ),
    )
    op.create_table(
        "authorizations",
        _text("organization_id"),
        _text("id"),
        _text("application_id"),
        _text("user_id"),
        _text("session_id"),
        _text("scope"),
        _text("authenticated_at", null=True),
        _text("context", null=True),
        _text("created"),
        _text("expires_at"),
        _text("ended_at", null=True),
        _text("ended_why", null=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_authorizations")),
    )
    op.create_index(
        op.f("ix_authorizations_organization_id_application_id"),
        "authorizations",
        ["organization_id", "application_id"],
    )
    op.create_index(
        op.f("ix_authorizations_organization_id_expires_at"), "authorizations", ["organization_id", "expires_at"]
    )
    op.create_index(
        op.f("ix_authorizations_organization_id_session_id"), "authorizations", ["organization_id", "session_id"]
    )
    op.create_index(op.f("ix_authorizations_organization_id_user_id"), "authorizations", ["organization_id", "user_id"])
    op.create_table(
        "authorization_codes",
        _text("organization_id"),
        _text("authorization_id"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        _text("redirect_uri"),
        _text("challenge"),
        _text("nonce", null=True),
        _text("expires_at"),
        _text("used_at", null=True),
        sa.PrimaryKeyConstraint("organization_id", "authorization_id", name=op.f("pk_authorization_codes")),
        sa.UniqueConstraint("hash", name=op.f("uq_authorization_codes_hash")),
    )
    op.create_table(
        "refresh_tokens",
        _text("organization_id"),
        _text("authorization_id"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        _text("key_id"),
        _text("created"),
        _text("expires_at"),
        _text("used_at", null=True),
        sa.PrimaryKeyConstraint("organization_id", "authorization_id", "hash", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_refresh_tokens_hash")),
    )
    op.create_table(
        "signing_keys",
        _text("organization_id"),
        _text("id"),
        _text("algorithm"),
        _text("public"),
        sa.Column("private", sa.LargeBinary(), nullable=False),
        _text("created"),
        _text("active_at", null=True),
        _text("retired_at", null=True),
        _text("gone_at", null=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "logout_notices",
        _text("organization_id"),
        _text("id"),
        _text("application_id"),
        _text("user_id"),
        _text("session_id"),
        _text("created"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("next_at", null=True),
        _text("delivered_at", null=True),
        _text("given_up_at", null=True),
        _text("problem", null=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_logout_notices")),
    )
    op.create_index(
        op.f("ix_logout_notices_organization_id_application_id_created"),
        "logout_notices",
        ["organization_id", "application_id", "created"],
    )
    op.create_index(op.f("ix_logout_notices_organization_id_next_at"), "logout_notices", ["organization_id", "next_at"])
