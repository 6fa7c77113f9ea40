"""`test`: the cases beside mapping files, and `apply`, which runs them first."""

from __future__ import annotations

import json

from tests.cli.machine import SOUND, Machine

CASES = """workspace: acme-vision
cases:
  - name: admins
    groups: [LBX Admins]
    on: 2026-12-01
    expect: [{default_role: labeler}, {workspace_role: admin, lock: group}]
"""


def test_test_needs_no_installation(machine: Machine) -> None:
    """Cases that pass are counted; nothing is made on the machine."""
    machine.write("mappings/acme-vision.yaml", SOUND)
    machine.write("mappings/acme-vision.test.yaml", CASES)
    assert machine.out("test", "mappings") == "✓ 1 case in 1 workspace, all pass\n"
    assert "✓ admins  acme-vision, mappings/acme-vision.test.yaml:3:5\n" in machine.out("test", "mappings", "-v")


def test_a_failing_case_shows_expected_got_and_why(machine: Machine) -> None:
    """And the exit code is 1; programs get the same as JSON."""
    machine.write("mappings/acme-vision.yaml", SOUND)
    machine.write("mappings/acme-vision.test.yaml", CASES.replace(", {workspace_role: admin, lock: group}", ""))
    result = machine("test", "mappings")
    assert result.exit_code == 1
    assert "    expected  nothing more  mappings/acme-vision.test.yaml:3:5\n" in result.stdout
    assert "    got       workspace_role admin\n" in result.stdout
    assert "through group LBX Admins\n✗ 1 case in 1 workspace, 1 fail\n" in result.stdout
    told = json.loads(machine("test", "mappings", "--json").stdout)
    assert told["passed"] is False
    assert told["cases"][0]["mismatches"][0]["got"] == "workspace_role admin"


def test_coverage_is_not_told_of_files_with_errors(machine: Machine) -> None:
    """Where no case ran, nothing says that every rule is exercised."""
    machine.write("mappings/acme-vision.yaml", SOUND)
    machine.write("mappings/acme-vision.test.yaml", "workspace: acme-vision\n")
    result = machine("test", "mappings", "--coverage")
    assert result.exit_code == 1
    assert "no case ran, 1 error" in result.stdout
    assert "exercise" not in result.stdout


def test_coverage_refuses_rules_that_no_case_exercises(machine: Machine) -> None:
    """Each is named with its place."""
    machine.write("mappings/acme-vision.yaml", SOUND)
    machine.write("mappings/acme-vision.test.yaml", CASES)
    result = machine("test", "mappings", "--coverage")
    assert result.exit_code == 1
    assert "! acme-vision: no case exercises rule " in result.stdout


def test_a_wrong_file_of_cases_is_told_by_check_and_test(machine: Machine) -> None:
    """With place, words and cure, as a mapping file is."""
    machine.write("mappings/acme-vision.yaml", SOUND)
    machine.write("mappings/acme-vision.test.yaml", CASES.replace("admin,", "admim,"))
    for command in ("check", "test"):
        result = machine(command, "mappings")
        assert result.exit_code == 1
        assert "--> mappings/acme-vision.test.yaml:6:56" in result.stdout
        assert "did you mean `admin`?" in result.stdout


def test_apply_runs_the_cases_first(ready: Machine) -> None:
    """A failing case keeps the mapping from being applied, and the revision that is applied keeps the cases."""
    ready.write("mappings/acme-vision.yaml", SOUND)
    ready.write("mappings/acme-vision.test.yaml", CASES.replace("lock: group", "lock: rule"))
    result = ready("apply", "mappings")
    assert result.exit_code == 1
    assert "expected  workspace_role admin, lock rule" in result.stderr
    assert "nothing was changed" in result.stderr
    ready.write("mappings/acme-vision.test.yaml", CASES)
    assert ready("apply", "mappings").exit_code == 0
