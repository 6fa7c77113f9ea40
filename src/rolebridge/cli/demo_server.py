"""The server that a demo starts: `rolebridge serve` in a process of its own, which ends with the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rolebridge.settings import CONFIG_VARIABLE, PREFIX

_STOP_SECONDS = 20.0
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class DemoServer:
    """A server with the settings of one file, and a log. Use it in a `with`."""

    def __init__(self, config: Path, log: Path, environ: Mapping[str, str]) -> None:
        """Start the server; what it logs is written to `log`, anew. Raises OSError."""
        self._log = log
        inherited = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
        with open(os.open(log, _WRITE, 0o600), "wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rolebridge.cli.demo_server"],
                # The child reads this pipe for nothing but its end, which comes however this process ends.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env={**inherited, CONFIG_VARIABLE: str(config)},
                # Ctrl-C is for this process alone, which then stops the server in its own time.
                start_new_session=True,
            )

    def accepts(self) -> bool:
        """Wait until requests are accepted; return False when the server ended instead: `words` say why."""
        assert self._process.stdout is not None
        if self._process.stdout.readline():
            return True
        self._process.wait()
        return False

    def words(self) -> str:
        """Return what the server has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace").rstrip()

    def wait(self) -> int:
        """Wait until the server ends by itself, and return its exit code."""
        return self._process.wait()

    def __enter__(self) -> Self:
        """Return the server; leaving stops it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and wait for its end."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def main() -> int:
    """Be the server: serve by the environment's settings until told to stop or the demo is gone."""
    threading.Thread(target=_stop_with_the_demo, daemon=True).start()
    from rolebridge.cli.main import cli

    return cli.main(["serve"], standalone_mode=False)


def _stop_with_the_demo() -> None:
    while os.read(sys.stdin.fileno(), 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
