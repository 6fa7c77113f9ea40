"""Commands and the schema of the database: nothing works with another version's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.cli.machine import Machine

CLI = Path(__file__).parents[2] / "src/rolebridge/cli"


def at(machine: Machine, revision: str) -> None:
    """Make the database say that it has another schema."""
    rows = sqlite3.connect(machine.home / "var/rolebridge.db")
    rows.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    rows.commit()
    rows.close()


COMMANDS = [
    ("serve",), ("worker",), ("worker", "--once"), ("access",), ("status",), ("fsck",), ("token", "list"),
    ("org", "list"), ("key", "recover"), ("apply", "mappings"), ("backup", "x.backup"), ("secret-key", "rotate"),
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_works_with_an_older_schema(ready: Machine, words: tuple[str, ...]) -> None:
    """Every command refuses a database that was not upgraded, with 3, and says what to run."""
    at(ready, "0001")
    said = ready.refused(*words, code=3)
    assert "the database is at `0001` and this version needs" in said
    assert "run `rolebridge db upgrade`" in said


@pytest.mark.parametrize("words", [*COMMANDS, ("db", "upgrade"), ("init",)], ids=" ".join)
def test_no_command_works_with_a_newer_schema(ready: Machine, words: tuple[str, ...]) -> None:
    """Nor one that a newer version has upgraded: there is no way back."""
    at(ready, "9999")
    said = ready.refused(*words, code=3)
    assert "the database is at `9999`, which a newer version of Rolebridge made" in said
    assert "run the newer version, or restore a backup from before" in said


def test_there_is_one_way_to_an_installation() -> None:
    """Commands open the installation where its schema is looked at, and nowhere else."""
    openers = {path.name for path in CLI.glob("*.py") if "open_installation(" in path.read_text(encoding="utf-8")}
    assert openers == {"session.py", "backups.py"}  # a restored database is looked at before it is in its place
