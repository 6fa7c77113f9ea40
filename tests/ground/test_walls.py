"""What the import contracts of pyproject.toml cannot say by themselves. `make check` runs the contracts."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "src/rolebridge/core").rglob("*.py"))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def imported(module: Path) -> set[str]:
    """The absolute names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("module", CORE, ids=lambda path: path.stem)
def test_core_imports_the_standard_library_only(module: Path) -> None:
    """Whatever third-party package is named next: core does not import it."""
    foreign = {
        name
        for name in imported(module)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("rolebridge.core")
    }
    assert foreign == set()


def test_every_runtime_dependency_has_one_home() -> None:
    """A library added to the project is named in a `One home` contract, or it would settle everywhere."""
    contracts = project()["tool"]["importlinter"]["contracts"]
    homed = {
        module
        for contract in contracts
        if contract["name"].startswith("One home")
        for module in contract["forbidden_modules"]
    }
    dependencies = {re.split(r"[^A-Za-z0-9_-]", text)[0].lower() for text in project()["project"]["dependencies"]}
    homeless = {
        distribution
        for distribution in dependencies
        if not any(
            distribution in [name.lower() for name in names] and module in homed
            for module, names in packages_distributions().items()
        )
    }
    assert homeless == set()


def test_every_module_has_a_floor_and_every_floor_is_optional() -> None:
    """The floors are exhaustive, and one that is not built yet breaks nothing."""
    floors = project()["tool"]["importlinter"]["contracts"][0]
    assert floors["exhaustive"] is True
    assert all(re.fullmatch(r"\(\w+\)", name) for layer in floors["layers"] for name in layer.split(" | "))
