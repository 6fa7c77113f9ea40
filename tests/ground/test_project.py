"""What a newcomer's machine and a built wheel rely on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rolebridge

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def pins(lock: str) -> dict[str, str]:
    """Distribution → pinned version (with its marker) of a lock."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(.+?) \\$", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_index(lock: str) -> None:
    """Every line is a pin with hashes; where packages come from is the machine's choice."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=[a-z])", text.partition("\n#    make lock\n")[2].strip())
    assert all(re.fullmatch(r"\S+==[^\n]+(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+", e) for e in entries)
    assert len(entries) == len(pins(lock))


def test_the_development_lock_contains_the_runtime_lock() -> None:
    """Tests run with exactly the versions that `make run` installs."""
    # What follows a version says where it is needed: for development that may be in more places.
    runtime, development = ({name: pin.partition(" ;")[0] for name, pin in pins(lock).items()} for lock in LOCKS)
    assert runtime.items() <= development.items()
    assert runtime["scim2-models"] == "0.12.3"


def test_make_refuses_an_old_python_before_it_touches_anything(tmp_path: Path) -> None:
    """Python 3.10 gets a sentence and the way out, not a traceback of some package."""
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.10.9" && exit 0\nexit 1\n')
    old.chmod(0o755)
    answer = subprocess.run(
        ["make", "run", f"VENV={tmp_path}/venv", f"PYTHON={old}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert answer.returncode == 2
    assert f"rolebridge needs Python 3.11 or newer, and `{old}` is Python 3.10.9." in answer.stderr
    assert "PYTHON=python3.12 make run" in answer.stderr
    assert not (tmp_path / "venv").exists()


def test_the_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    """Catalogues, migrations, schemas and the mappings behind a symlink are data that the code opens."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("rolebridge/")}
    package = ROOT / "src/rolebridge"
    there = {
        str(Path(folder, name).relative_to(package.parent))
        for folder, _, names in os.walk(package, followlinks=True)
        for name in names
        if "__pycache__" not in folder
    }
    assert packed == there


def test_the_version_is_that_of_the_installed_distribution() -> None:
    """One place says the version: pyproject.toml."""
    assert re.search(
        rf'^version = "{re.escape(rolebridge.__version__)}"$',
        (ROOT / "pyproject.toml").read_text(),
        re.MULTILINE,
    )
