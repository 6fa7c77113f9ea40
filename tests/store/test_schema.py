"""The schema: metadata and migrations agree, and every key begins with the organization."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Index, PrimaryKeyConstraint, UniqueConstraint, create_engine
from sqlalchemy.pool import NullPool

from rolebridge.store import migrations
from rolebridge.store.engine import Store
from rolebridge.store.tables import metadata

# Look-ups that find the organization, and the organizations themselves.
FINDING = {
    "uq_tokens_hash",
    "uq_keys_hash",
    "uq_clients_id",
    "uq_access_tokens_hash",
    "uq_applications_id",
    "uq_authorization_codes_hash",
    "uq_refresh_tokens_hash",
    "pk_organizations",
    "uq_organizations_name_key",
    "uq_sso_connections_connection_id",  # a connection's id in a URL of single sign-on
    "uq_login_domains_domain",  # the domain of an e-mail address; nobody else may claim it
    "uq_sessions_hash",
}


def test_head_is_the_last_revision() -> None:
    """The revision that the program asks for is the one that the migrations end at."""
    scripts = ScriptDirectory.from_config(migrations.config())
    assert scripts.get_current_head() == migrations.HEAD
    assert tuple(sorted(one.revision for one in scripts.walk_revisions())) == migrations.KNOWN


def test_the_migrations_make_what_the_metadata_says(store: Store) -> None:
    """After all revisions a database has the tables, columns, constraints and indexes of the metadata."""
    engine = create_engine(store._url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            # SQLite has no identity columns to compare.
            opts={"compare_type": True, "compare_server_default": store.dialect == "postgresql"},
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_every_key_and_index_begins_with_the_organization() -> None:
    """Rows can be placed by organization: only what finds the organization does without it."""
    others = set()
    for table in metadata.tables.values():
        keys = [item for item in table.constraints if isinstance(item, PrimaryKeyConstraint | UniqueConstraint)]
        for key in [*keys, *table.indexes]:
            assert isinstance(key, Index | PrimaryKeyConstraint | UniqueConstraint)
            if next(iter(key.columns)).name != "organization_id":
                others.add(str(key.name))
    assert others == FINDING


def test_tables_without_rowid_begin_with_their_key() -> None:
    """SQLite 3.40 takes a sound table whose key is in another order than its columns for damaged: no backup of it."""
    for table in metadata.tables.values():
        if table.dialect_options["sqlite"]["with_rowid"] is False:
            key = [column.name for column in table.primary_key.columns]
            assert [column.name for column in table.columns][: len(key)] == key, table.name


@pytest.mark.parametrize("table", metadata.tables.values(), ids=str)
def test_every_constraint_has_a_name(table: object) -> None:
    """What has a name can be dropped by a later migration on both databases."""
    unnamed = [item for item in table.constraints if item.name is None]  # type: ignore[attr-defined]
    assert unnamed == []
