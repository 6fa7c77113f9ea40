"""Databases with the present schema, without a walk through every revision for each."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from rolebridge.store.engine import Store

_SQLITE = "sqlite:///"


def with_schema(url: str) -> str:
    """Give the database at a URL the present schema, and return the URL. A new SQLite file is copied."""
    file = Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None
    if file is None or file.exists():
        _upgrade(url)
    else:
        file.touch(mode=0o600)
        file.write_bytes(_sqlite_file())
    return url


@cache
def _sqlite_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rolebridge.db"
        _upgrade(f"{_SQLITE}{file}")
        return file.read_bytes()


def _upgrade(url: str) -> None:
    store = Store.open(url, create=True)
    store.upgrade()
    store.close()
