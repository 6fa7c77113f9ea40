"""The demo as a newcomer runs it, for somebody with a browser and a second terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

SOURCE = Path(__file__).parents[2] / "src"
SECONDS = 90


@dataclass(frozen=True)
class Demo:
    """`rolebridge demo --serve` in a folder: where its programs are, and a second terminal."""

    folder: Path
    bridge: str
    app: str
    idp: str

    def type(self, *words: str) -> str:
        """What a command of a second terminal prints."""
        program = [sys.executable, "-m", "rolebridge", *words]
        environ = {**_environment(), "ROLEBRIDGE_CONFIG": "var/demo.toml"}
        done = subprocess.run(
            program, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROLEBRIDGE_")}
    return {**kept, "PYTHONPATH": str(SOURCE), "NO_COLOR": "1"}


@contextmanager
def demo_in(folder: Path) -> Iterator[Demo]:
    """Run a demo until the block ends; then Ctrl-C ends all of it, and it has said nothing of any failure."""
    port = free_port()
    program = [sys.executable, "-m", "rolebridge", "demo", "--serve", "--json", "--address", f"127.0.0.1:{port}"]
    with (
        (folder / "stderr").open("w+") as errors,
        subprocess.Popen(
            program, cwd=folder, env=_environment(), stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if line == "}\n":
                    break
            assert lines, (folder / "stderr").read_text()
            told = json.loads("".join(lines))
            yield Demo(folder, f"http://127.0.0.1:{port}", told["sign_in"]["app_url"], told["sign_in"]["idp_url"])
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 0
            errors.seek(0)
            said = errors.read()
            assert said == ""
        finally:
            process.kill()
