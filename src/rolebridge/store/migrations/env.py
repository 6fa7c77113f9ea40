"""Alembic's entry: run the revisions on the connection that `rolebridge.store.migrations.upgrade` opened."""

from __future__ import annotations

from alembic import context

from rolebridge.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it; the same revisions serve both databases.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
