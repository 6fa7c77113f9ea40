"""The worker's page: every chore of an installation, whoever brings it, is described there."""

from __future__ import annotations

import re
from pathlib import Path

from rolebridge.app.installation import open_installation
from rolebridge.app.worker import chores_of
from rolebridge.settings import PREFIX, load
from rolebridge.store.engine import Store

PAGE = Path(__file__).parents[2] / "docs/operations/worker.md"


def test_every_chore_is_documented(tmp_path: Path) -> None:
    """The page has a row for each, once, and for no other."""
    url = f"sqlite:///{tmp_path / 'rolebridge.db'}"
    Store.open(url, create=True).close()
    (tmp_path / "rolebridge.toml").touch(mode=0o600)
    said = {"database_url": url, "secret_key": "c" * 43, "config": str(tmp_path / "rolebridge.toml")}
    installation = open_installation(load({f"{PREFIX}{name.upper()}": value for name, value in said.items()}))
    try:
        names = sorted(chore.name for chore in chores_of(installation))
    finally:
        installation.close()
    rows: list[str] = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == names
