"""The server that a demo starts: `rolebridge serve` in a process of its own, which ends with the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rolebridge.settings import CONFIG_VARIABLE, PREFIX

_STOP_SECONDS = 20.0


class DemoServer:
    """A running server with the settings of one file. Use it in a `with`; `exit_code` is None while it runs."""

    def __init__(self, config: str, environ: Mapping[str, str]) -> None:
        """Start the server. Its messages go to the standard error."""
        inherited = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rolebridge.cli.demo_server"],
            # The child reads this pipe for nothing but its end, which comes however this process ends.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**inherited, CONFIG_VARIABLE: config},
            # Ctrl-C is for this process alone, which then stops the server in its own time.
            start_new_session=True,
        )

    @property
    def exit_code(self) -> int | None:
        """Return None while the server runs, then its exit code."""
        return self._process.poll()

    def accepts(self) -> bool:
        """Wait until requests are accepted; return False when the server ended instead, having said why."""
        assert self._process.stdout is not None
        if self._process.stdout.readline():
            return True
        self._process.wait()
        return False

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
