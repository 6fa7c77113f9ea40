"""Upgrades of the schema: once, whole or not at all, and never backwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command, op
from sqlalchemy import inspect
from sqlalchemy.engine import make_url
from tests.store.worlds import NOW, new_id, together

from rolebridge.store import migrations
from rolebridge.store.engine import Store
from rolebridge.store.migrations import HEAD
from rolebridge.store.problems import SchemaMismatch


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A database of the first version."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'rolebridge.db'}"
    else:
        url = request.getfixturevalue("postgres_database")
    store = Store.open(url, create=True)
    _upgrade_to(store, "0001")
    yield store
    store.close()


def _upgrade_to(store: Store, revision: str) -> None:
    engine = migrations._engine(store._url)
    with engine.begin() as connection:
        settings = migrations.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)
    engine.dispose()


def tables(store: Store) -> set[str]:
    engine = migrations._engine(make_url(store._url))
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def another(store: Store) -> Store:
    return Store.open(store._url.render_as_string(hide_password=False))


def test_upgrades_at_once_happen_once(old: Store) -> None:
    """Several servers that upgrade an old database at the same moment all succeed, and it is upgraded once."""
    stores = [another(old) for _ in range(4)]
    assert together(lambda number: stores[number].upgrade(), len(stores)) == [None] * len(stores)
    for store in stores:
        store.check_schema()
        store.close()


def test_what_was_there_stays(old: Store) -> None:
    """Rows of the first version are there after all revisions."""
    id_ = new_id()
    insert = (
        "INSERT INTO organizations (id, name, name_key, created, schemas_version) VALUES ('{0}', 'a', 'a', '{1}', 0)"
    )
    statement = insert.format(id_, NOW.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    old.transact(lambda unit: unit.link.execute(statement, ()))
    assert old.upgrade().current == "0001"
    with old.read() as unit:
        found = unit.accounts.organization(id_)
    assert found is not None
    assert found.name == "a"


def test_an_upgrade_that_breaks_off_leaves_nothing(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a revision fails, those before it are undone too, and the next attempt begins where this one did."""
    before = tables(old)
    made: list[str] = []
    real = op.create_table

    def breaks(name: str, *columns: Any, **more: Any) -> object:
        made.append(name)
        if len(made) == 5:
            raise OSError("the disk is full")
        return real(name, *columns, **more)

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_table", breaks)
        with pytest.raises(OSError, match="the disk is full"):
            old.upgrade()
    assert old.schema_state().current == "0001"
    assert tables(old) == before
    old.upgrade()
    old.check_schema()


def test_nothing_goes_back(old: Store) -> None:
    """The schema of a newer version is neither worked with nor changed, and the refusal says what is left to do."""
    old.upgrade()
    old.transact(lambda unit: unit.link.execute("UPDATE alembic_version SET version_num = '9999'", ()))
    for attempt in (old.check_schema, old.upgrade):
        with pytest.raises(SchemaMismatch, match="run the newer version, or restore a backup from before") as refused:
            attempt()
        assert (refused.value.current, refused.value.head) == ("9999", HEAD)
    assert old.schema_state().current == "9999"


def test_an_old_schema_says_what_to_run(old: Store) -> None:
    """A database of an older version is not worked with before it was upgraded."""
    with pytest.raises(SchemaMismatch, match=rf"is at `0001` and this version needs `{HEAD}`; run `rolebridge db upgr"):
        old.check_schema()
