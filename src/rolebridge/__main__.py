"""`python -m rolebridge` and the command `rolebridge`."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks must not stop the command that tells it.
            stream.reconfigure(errors="backslashreplace")
    from rolebridge.cli.main import cli

    cli.main()


if __name__ == "__main__":
    main()
