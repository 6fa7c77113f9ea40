"""The pipelines of docs/guides/mappings-in-git.md: they are YAML, and pass and fail with the plan's exit codes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

GUIDE = (Path(__file__).parents[2] / "docs/guides/mappings-in-git.md").read_text()
PIPELINES: list[dict[Any, Any]] = [yaml.safe_load(text) for text in re.findall(r"```yml\n(.*?)```", GUIDE, re.DOTALL)]
GITHUB, GITLAB = PIPELINES


def scripts() -> dict[str, tuple[str, str]]:
    """Return of each service what it runs to check and to plan."""
    jobs = GITHUB["jobs"]
    checks = "\n".join(step["run"] for step in jobs["check"]["steps"] if "run" in step)
    plans = "\n".join(step["run"] for step in jobs["plan"]["steps"] if step.get("name") == "Plan")
    lab = {name: "\n".join(GITLAB[name]["script"]) for name in ("check", "plan")}
    return {"github": (checks, plans), "gitlab": (lab["check"], lab["plan"])}


def run(script: str, folder: Path, codes: dict[str, int]) -> tuple[int, list[str]]:
    """Run a script whose `rolebridge` exits as `codes` say by its command; return the exit code and what was run."""
    fake = "".join(f'[ "$1" = {command} ] && exit {code}\n' for command, code in codes.items())
    for name, body in (
        ("rolebridge", f'echo "$@" >> ran\n{fake}exit 0'),
        ("pip", "exit 0"),
        ("curl", "exit 0"),
    ):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}"}
    result = subprocess.run(["/bin/sh", "-e", "-c", script], cwd=folder, env=environ, check=False, timeout=20)
    return result.returncode, (folder / "ran").read_text().splitlines()


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_check_runs_check_and_test(service: str, tmp_path: Path) -> None:
    """Errors and failed cases stop the pipeline."""
    script, _ = scripts()[service]
    assert run(script, tmp_path, {}) == (0, ["check mappings", "test mappings --coverage"])
    (tmp_path / "ran").unlink()
    assert run(script, tmp_path, {"check": 1}) == (1, ["check mappings"])


@pytest.mark.parametrize(("code", "passes"), [(0, True), (2, True), (1, False), (3, False)])
@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_plan_with_changes_passes_and_one_with_errors_fails(
    service: str, code: int, passes: bool, tmp_path: Path
) -> None:
    """Exit code 2 says that there are changes, which is what a pull request is for."""
    _, script = scripts()[service]
    found, ran = run(script, tmp_path, {"plan": code})
    assert (found == 0, ran) == (passes, ["plan mappings --markdown"])
