"""Programs on Node that tests run: packages from `node/package-lock.json`, in a folder of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.alone import alone

HERE = Path(__file__).with_name("node")
INSTALLED = Path(__file__).parents[2] / ".node-idps"
PATIENCE = 30.0


def installed() -> Path:
    """Return the folder with the packages, which are fetched the first time and when the lock has changed.

    Skips the test on a machine without Node: nothing else excuses it.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not on this machine")
    with alone(INSTALLED):
        _install(npm)
    return INSTALLED


def _install(npm: str) -> None:
    made = INSTALLED / ".made"
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if not made.exists() or made.read_text() != wanted:
        INSTALLED.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, INSTALLED)
        words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(words, cwd=INSTALLED, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)} failed: {done.stderr[-2000:]}"
        made.write_text(wanted)
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, INSTALLED)


@contextmanager
def running(program: list[str], log: Path, ready: str, environ: dict[str, str] | None = None) -> Iterator[Path]:
    """Run a program until the block ends; it is ready when `ready` (a URL) answers. What it says is in `log`."""
    with (
        log.open("wb") as sink,
        subprocess.Popen(program, stdout=sink, stderr=sink, env={**os.environ, **(environ or {})}) as process,
    ):
        try:
            _await(process, ready, log)
            yield log
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    """Wait until a URL answers anything at all."""
    for attempt in range(600):
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(ready, timeout=PATIENCE)
        except httpx.ConnectError:
            _pause(attempt)
        else:
            return
    raise AssertionError(f"{ready} does not answer: {log.read_text()}")


def _pause(attempt: int) -> None:
    import time

    time.sleep(0.05 if attempt else 0.01)
