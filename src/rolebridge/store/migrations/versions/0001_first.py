"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=null)


# A dateTime of RFC 7643 §2.3.5 in UTC, as text to the microsecond; NULL for what is none. It says what
# `core.conditions.parse_datetime` says: no zone means UTC, a date alone its midnight, further digits are dropped.
# (On SQLite the function of this name is Python's own.)
INSTANT = r"""
CREATE FUNCTION rolebridge_instant(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    part text[] := regexp_match(given,
        '^([0-9]{4}-[0-9]{2}-[0-9]{2})'
        '(?:[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9])(?:(:[0-5][0-9])([.][0-9]{1,12})?)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))?)?$');
    ahead integer;
    utc timestamp;
BEGIN
    IF part IS NULL THEN
        RETURN NULL;
    END IF;
    ahead := coalesce(part[6]::integer * 60 + part[7]::integer, 0);
    IF ahead >= 1440 THEN
        RETURN NULL;
    END IF;
    utc := (part[1] || ' ' || coalesce(part[2], '00:00') || coalesce(part[3], ':00') || coalesce(left(part[4], 7), ''))
        ::timestamp - make_interval(mins => CASE part[5] WHEN '-' THEN -ahead ELSE ahead END);
    IF extract(year FROM utc) NOT BETWEEN 1 AND 9999 THEN
        RETURN NULL;
    END IF;
    RETURN to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
EXCEPTION
    WHEN data_exception OR datetime_field_overflow OR invalid_datetime_format THEN
        RETURN NULL;
END
$$
"""


def upgrade() -> None:  # noqa: PLR0915 - a statement for each table and index
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(INSTANT)
    op.create_table(
        "audit",
        _text("organization_id"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _text("at"),
        _text("kind"),
        _text("actor"),
        _text("request_id"),
        _text("subject_kind"),
        _text("subject_id"),
        _text("before", null=True),
        _text("after", null=True),
        _text("reason"),
        sa.PrimaryKeyConstraint("organization_id", "sequence", name=op.f("pk_audit")),
    )
    op.create_index(
        op.f("ix_audit_organization_id_subject_id_sequence"),
        "audit",
        ["organization_id", "subject_id", "sequence"],
        unique=False,
    )
    op.create_table(
        "access_tokens",
        _text("organization_id"),
        _text("client_id"),
        _text("expires_at"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        _text("credential_id"),
        sa.PrimaryKeyConstraint("organization_id", "client_id", "expires_at", "hash", name=op.f("pk_access_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_access_tokens_hash")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "used_assertions",
        _text("organization_id"),
        _text("client_id"),
        sa.Column("jti", sa.LargeBinary(), nullable=False),
        _text("expires_at"),
        sa.PrimaryKeyConstraint("organization_id", "client_id", "jti", name=op.f("pk_used_assertions")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_used_assertions_organization_id_client_id_expires_at"),
        "used_assertions",
        ["organization_id", "client_id", "expires_at"],
        unique=False,
    )
    op.create_table(
        "counts",
        _text("organization_id"),
        _text("connection_id"),
        _text("kind"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", "kind", "sequence", name=op.f("pk_counts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "departed",
        _text("organization_id"),
        _text("id"),
        _text("kind"),
        _text("connection_id"),
        _text("name"),
        _text("external_id", null=True),
        _text("deleted"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_departed")),
    )
    op.create_table(
        "grants",
        _text("organization_id"),
        _text("user_id"),
        _text("workspace"),
        _text("slot"),
        _text("project"),
        _text("role"),
        _text("state"),
        _text("source"),
        _text("rule"),
        _text("lock"),
        _text("reach"),
        _text("override"),
        _text("acts_as_slot"),
        _text("acts_as_role"),
        _text("valid_from", null=True),
        _text("valid_until", null=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        _text("because"),
        _text("held_since", null=True),
        sa.PrimaryKeyConstraint(
            "organization_id", "user_id", "workspace", "slot", "project", "role", name=op.f("pk_grants")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_grants_organization_id_workspace_project_user_id"),
        "grants",
        ["organization_id", "workspace", "project", "user_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_grants_organization_id_workspace_rule_user_id"),
        "grants",
        ["organization_id", "workspace", "rule", "user_id"],
        unique=False,
    )
    op.create_table(
        "keys",
        _text("organization_id"),
        _text("id"),
        _text("name"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        _text("key_id"),
        _text("hint"),
        _text("created"),
        _text("expires_at", null=True),
        _text("revoked_at", null=True),
        _text("last_used_at", null=True),
        _text("role"),
        _text("workspace", null=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_keys_hash")),
    )
    op.create_table(
        "manual_assignments",
        _text("organization_id"),
        _text("id"),
        _text("user_id"),
        _text("workspace"),
        _text("slot"),
        _text("project", null=True),
        _text("role"),
        _text("by"),
        _text("at"),
        _text("reason"),
        _text("until", null=True),
        _text("ended_at", null=True),
        _text("ended_by", null=True),
        _text("ended_reason", null=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_manual_assignments")),
    )
    op.create_index(
        op.f("ix_manual_assignments_organization_id_user_id_workspace"),
        "manual_assignments",
        ["organization_id", "user_id", "workspace"],
        unique=False,
    )
    op.create_table(
        "memberships",
        _text("organization_id"),
        _text("group_id"),
        _text("user_id"),
        _text("source"),
        _text("since"),
        sa.PrimaryKeyConstraint("organization_id", "group_id", "user_id", name=op.f("pk_memberships")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_memberships_organization_id_user_id_group_id"),
        "memberships",
        ["organization_id", "user_id", "group_id"],
        unique=False,
    )
    op.create_table(
        "group_children",
        _text("organization_id"),
        _text("parent_id"),
        _text("child_id"),
        _text("since"),
        sa.PrimaryKeyConstraint("organization_id", "parent_id", "child_id", name=op.f("pk_group_children")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_group_children_organization_id_child_id_parent_id"),
        "group_children",
        ["organization_id", "child_id", "parent_id"],
        unique=False,
    )
    op.create_table(
        "imports",
        _text("organization_id"),
        _text("id"),
        _text("connection_id"),
        _text("touched"),
        _text("progress"),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_imports")),
    )
    op.create_table(
        "import_ids",
        _text("organization_id"),
        _text("import_id"),
        _text("source_key"),
        _text("resource_id"),
        sa.PrimaryKeyConstraint("organization_id", "import_id", "source_key", name=op.f("pk_import_ids")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_ancestors",
        _text("organization_id"),
        _text("group_id"),
        _text("ancestor_id"),
        sa.PrimaryKeyConstraint("organization_id", "group_id", "ancestor_id", name=op.f("pk_group_ancestors")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_group_ancestors_organization_id_ancestor_id_group_id"),
        "group_ancestors",
        ["organization_id", "ancestor_id", "group_id"],
        unique=False,
    )
    op.create_table(
        "organizations",
        _text("id"),
        _text("name"),
        _text("name_key"),
        _text("created"),
        sa.Column("schemas_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("name_key", name=op.f("uq_organizations_name_key")),
    )
    op.create_table(
        "extension_schemas",
        _text("organization_id"),
        _text("urn_key"),
        _text("extends"),
        sa.Column("required", sa.Boolean(), nullable=False),
        _text("document"),
        _text("created"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_extension_schemas_organizations")
        ),
        sa.PrimaryKeyConstraint("organization_id", "urn_key", name=op.f("pk_extension_schemas")),
    )
    op.create_table(
        "outbox",
        _text("organization_id"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _text("at"),
        _text("kind"),
        _text("payload"),
        sa.PrimaryKeyConstraint("organization_id", "sequence", name=op.f("pk_outbox")),
    )
    op.create_table(
        "rechecks",
        _text("organization_id"),
        _text("user_id"),
        _text("workspace"),
        _text("due"),
        sa.PrimaryKeyConstraint("organization_id", "user_id", "workspace", name=op.f("pk_rechecks")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_rechecks_organization_id_due_user_id_workspace"),
        "rechecks",
        ["organization_id", "due", "user_id", "workspace"],
        unique=False,
    )
    op.create_table(
        "request_log",
        _text("organization_id"),
        _text("connection_id"),
        _text("at"),
        _text("request_id"),
        _text("credential_id"),
        _text("resource_id"),
        _text("method"),
        _text("path"),
        _text("query"),
        sa.Column("status", sa.Integer(), nullable=False),
        _text("scim_type", null=True),
        _text("detail"),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        _text("peer"),
        _text("user_agent"),
        _text("tolerances"),
        sa.Column("unknown_members", sa.Integer(), nullable=False),
        sa.Column("request_bytes", sa.BigInteger(), nullable=False),
        sa.Column("answer_bytes", sa.BigInteger(), nullable=True),
        _text("shape", null=True),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "connection_id", "at", "request_id", name=op.f("pk_request_log")),
    )
    op.create_index(
        op.f("ix_request_log_organization_id_at_request_id"),
        "request_log",
        ["organization_id", "at", "request_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_request_log_organization_id_request_id"),
        "request_log",
        ["organization_id", "request_id"],
        unique=False,
    )
    op.create_table(
        "revisions",
        _text("organization_id"),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("digest"),
        _text("connections"),
        _text("created"),
        _text("actor"),
        _text("reason"),
        sa.PrimaryKeyConstraint("organization_id", "number", name=op.f("pk_revisions")),
    )
    op.create_table(
        "connections",
        _text("organization_id"),
        _text("id"),
        _text("name"),
        _text("name_key"),
        _text("profile"),
        _text("created"),
        _text("rate_limit", null=True),
        _text("allowed"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_connections_organizations")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_connections")),
        sa.UniqueConstraint("organization_id", "name_key", name=op.f("uq_connections_organization_id_name_key")),
    )
    op.create_table(
        "clients",
        _text("organization_id"),
        _text("connection_id"),
        _text("id"),
        _text("name"),
        sa.Column("token_minutes", sa.Integer(), nullable=False),
        _text("created"),
        _text("revoked_at", null=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "connection_id"],
            ["connections.organization_id", "connections.id"],
            name=op.f("fk_clients_connections"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_clients")),
        sa.UniqueConstraint("id", name=op.f("uq_clients_id")),
    )
    op.create_table(
        "client_credentials",
        _text("organization_id"),
        _text("client_id"),
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
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name=op.f("fk_client_credentials_clients"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_client_credentials")),
        sa.UniqueConstraint(
            "organization_id", "client_id", "hash", name=op.f("uq_client_credentials_organization_id_client_id_hash")
        ),
    )
    op.create_table(
        "revision_files",
        _text("organization_id"),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("name"),
        _text("content"),
        sa.ForeignKeyConstraint(
            ["organization_id", "number"],
            ["revisions.organization_id", "revisions.number"],
            name=op.f("fk_revision_files_revisions"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "number", "name", name=op.f("pk_revision_files")),
    )
    op.create_table(
        "groups",
        _text("organization_id"),
        _text("id"),
        _text("connection_id"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _text("display"),
        _text("display_key"),
        _text("display_json"),
        _text("external_id", null=True),
        _text("external_key", null=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _text("created"),
        _text("last_modified"),
        _text("body"),
        _text("folded", null=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "connection_id"],
            ["connections.organization_id", "connections.id"],
            name=op.f("fk_groups_connections"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_groups")),
        sa.UniqueConstraint(
            "organization_id",
            "connection_id",
            "display_key",
            name=op.f("uq_groups_organization_id_connection_id_display_key"),
        ),
        sa.UniqueConstraint(
            "organization_id",
            "connection_id",
            "external_key",
            name=op.f("uq_groups_organization_id_connection_id_external_key"),
        ),
    )
    op.create_index(
        op.f("ix_groups_organization_id_connection_id_sequence"),
        "groups",
        ["organization_id", "connection_id", "sequence"],
        unique=False,
    )
    op.create_index(
        op.f("ix_groups_organization_id_display_key"), "groups", ["organization_id", "display_key"], unique=False
    )
    op.create_table(
        "tokens",
        _text("organization_id"),
        _text("connection_id"),
        _text("user_id", null=True),
        _text("id"),
        _text("name"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        _text("key_id"),
        _text("hint"),
        _text("created"),
        _text("expires_at", null=True),
        _text("revoked_at", null=True),
        _text("last_used_at", null=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "connection_id"],
            ["connections.organization_id", "connections.id"],
            name=op.f("fk_tokens_connections"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_table(
        "users",
        _text("organization_id"),
        _text("id"),
        _text("connection_id"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _text("user_name"),
        _text("user_key"),
        _text("external_id", null=True),
        _text("external_key", null=True),
        _text("display_name", null=True),
        _text("display_key", null=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _text("created"),
        _text("last_modified"),
        _text("body"),
        _text("folded", null=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "connection_id"],
            ["connections.organization_id", "connections.id"],
            name=op.f("fk_users_connections"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_users")),
        sa.UniqueConstraint(
            "organization_id",
            "connection_id",
            "external_key",
            name=op.f("uq_users_organization_id_connection_id_external_key"),
        ),
        sa.UniqueConstraint("organization_id", "user_key", name=op.f("uq_users_organization_id_user_key")),
    )
    op.create_index(
        op.f("ix_users_organization_id_connection_id_display_key"),
        "users",
        ["organization_id", "connection_id", "display_key"],
        unique=False,
    )
    op.create_index(
        op.f("ix_users_organization_id_connection_id_created_sequence"),
        "users",
        ["organization_id", "connection_id", "created", "sequence"],
        unique=False,
    )
    op.create_index(
        op.f("ix_users_organization_id_connection_id_last_modified_sequence"),
        "users",
        ["organization_id", "connection_id", "last_modified", "sequence"],
        unique=False,
    )
    op.create_index(
        op.f("ix_users_organization_id_connection_id_sequence"),
        "users",
        ["organization_id", "connection_id", "sequence"],
        unique=False,
    )
    op.create_table(
        "user_values",
        _text("organization_id"),
        _text("user_id"),
        _text("attribute"),
        _text("value"),
        sa.PrimaryKeyConstraint("organization_id", "user_id", "attribute", "value", name=op.f("pk_user_values")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_user_values_organization_id_attribute_value_user_id"),
        "user_values",
        ["organization_id", "attribute", "value", "user_id"],
        unique=False,
    )
