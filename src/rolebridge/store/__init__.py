"""The store: accounts, directory, grants, mapping revisions and the record, on SQLite or PostgreSQL.

    store = Store.open("sqlite:///var/rolebridge.db", create=True)
    store.upgrade()
    with store.read() as unit: unit.accounts.token_by_hash(…)
    store.transact(lambda unit: unit.directory(organization_id).insert_user(…))

What is stored stands in `tables`, how statements reach the driver in `statements` and `links`, who may write when in
`engine`, `sqlite` and `postgres`; the other modules are the subjects of a `Unit`. The store has no clock and makes no
ids: both come from the caller. This is the only home of SQLAlchemy, Alembic and psycopg.
"""
