"""`rolebridge fsck`, as its user sees it."""

from __future__ import annotations

import json
import sqlite3

from tests.cli.machine import Machine

HEALTHY = "✓ grants are what the resolver says, and no row contradicts another\n"


def damage(machine: Machine, sql: str) -> None:
    """Do to the database what no code of ours does."""
    with sqlite3.connect(machine.home / "var/rolebridge.db") as database:
        database.execute(sql)
    database.close()


def test_a_healthy_record_is_called_so(acme: Machine) -> None:
    """Exit code 0 and one line; JSON has empty lists."""
    assert acme.out("fsck") == HEALTHY
    assert acme.json("fsck") == {"organization": "default", "rows": [], "grants": [], "repaired": None}


def test_a_wrong_grant_is_told_and_repaired(acme: Machine) -> None:
    """Exit code 1 with what is recorded and what would be right; --repair puts it right and says for how many."""
    damage(acme, "UPDATE grants SET role = 'labeler' WHERE role = 'reviewer'")
    told = acme("fsck")
    assert told.exit_code == 1
    assert told.stdout == (
        "✗ ana.ruiz@acme.example: acme-vision cityscapes project_role: recorded is labeler (effective),"
        " right would be reviewer (effective)\n"
    )
    (problem,) = json.loads(acme("fsck", "--json").stdout)["grants"]
    assert problem["changes"][0]["resolved"] == "reviewer (effective)"
    assert acme.out("fsck", "--repair").endswith("✓ grants of 1 person computed again\n")
    assert acme.out("fsck") == HEALTHY


def test_a_row_that_contradicts_itself_is_not_repaired_by_guessing(acme: Machine) -> None:
    """Columns that disagree with the stored resource stay told, with --repair too."""
    damage(acme, "UPDATE users SET external_id = 'other' WHERE user_key LIKE 'nora%'")
    told = acme("fsck", "--repair")
    assert told.exit_code == 1
    assert "the column and the body disagree on externalId" in told.stdout
