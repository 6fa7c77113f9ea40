"""README.md and docs/first-ten-minutes.md show what is really printed: what they show as typed is typed here again."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ports import free_port

from rolebridge.cli.main import cli
from rolebridge.cli.session import Session

pytestmark = pytest.mark.loopback

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/first-ten-minutes.md"
LAST_LINE = "connection add my-idp"
SECONDS = 90

_PROGRAM = f"""\
#!{sys.executable}
from rolebridge.__main__ import main
main()
"""

_MASKS = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"rbt_\S+", "TOKEN"),
    (r"[0-9a-f]{64}", "DIGEST"),
    # The season of the contractors in the example ends one day, and two people hold less.
    (r"\d+ (people|grants?)", r"N \1"),
    (r" +", " "),
)


# What the season of the contractors says, until it is over.
_SEASON = re.compile(r"until 2027-03-31|2027-04-01|later: ")


def normal(line: str) -> str:
    """A line without what differs from run to run, or by the width of a column."""
    for pattern, mask in _MASKS:
        line = re.sub(pattern, mask, line)
    return line.strip()


def typed(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Each command of a page's console blocks, with the lines below it."""
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ (?!\.venv)", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            yield command, lines


class Terminal:
    """A folder like a clone's, in which `make run` and the commands of a second terminal work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: subprocess.Popen[str] | None = None
        shutil.copytree(ROOT / "mappings", folder / "mappings")
        program = folder / ".venv/bin/rolebridge"
        program.parent.mkdir(parents=True)
        program.write_text(_PROGRAM)
        program.chmod(0o755)
        self.address = f"127.0.0.1:{free_port()}"
        self.environ = {"PATH": "/usr/bin:/bin", "NO_COLOR": "1", "LANG": "C.UTF-8", "HOME": str(folder)}
        self.environ["PYTHONPATH"] = str(ROOT / "src")

    def type(self, command: str) -> list[str]:
        """The lines that a command prints; those of `make run` until it waits."""
        if command == "make run":
            return list(self._run())
        if command.startswith("export "):
            self.environ["ROLEBRIDGE_CONFIG"] = "var/demo.toml"
            return []
        if command.startswith("rolebridge "):
            return self._rolebridge(command)
        answer = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return answer.stdout.splitlines()

    def _rolebridge(self, command: str) -> list[str]:
        """Run a command in this process, which has everything imported; `make run` is a process of its own."""
        with contextlib.chdir(self.folder):
            session = Session(environ=self.environ)
            return CliRunner().invoke(cli, shlex.split(command)[1:], obj=session).output.splitlines()

    def _run(self) -> Iterator[str]:
        self.stop()
        environ = {name: value for name, value in self.environ.items() if name != "ROLEBRIDGE_CONFIG"}
        self.running = subprocess.Popen(
            [".venv/bin/rolebridge", "demo", "--serve", "--address", self.address],
            cwd=self.folder,
            env={**environ, "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.running.stdout is not None
        for line in self.running.stdout:
            yield line.rstrip("\n")
            if LAST_LINE in line:
                return

    def stop(self) -> None:
        """Press Ctrl-C in the first terminal."""
        if self.running is not None:
            self.running.send_signal(signal.SIGINT)
            rest, _ = self.running.communicate(timeout=SECONDS)
            assert (self.running.returncode, rest) == (0, "")
            self.running = None


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[str, list[str], list[str]]]]:
    """Every command of the page, with what the page shows and what was printed now."""
    terminal = Terminal(tmp_path_factory.mktemp("clone"))
    try:
        yield [(command, shown, terminal.type(command)) for command, shown in typed(PAGE)]
        terminal.stop()
    finally:
        if terminal.running is not None:
            terminal.running.kill()
            terminal.running.communicate()


def missing(shown: list[str], real: list[str]) -> list[str]:
    """The lines shown that were not printed; `…` stands for some that are left out."""
    printed = {normal(line) for line in real} | {"", "…"}
    return [line for line in shown if normal(line) not in printed and not _SEASON.search(line)]


def test_the_page_shows_what_is_printed(printed: list[tuple[str, list[str], list[str]]]) -> None:
    """Every command of the first ten minutes prints the lines that the page shows."""
    assert len(printed) > 8
    wrong = {command: lost for command, shown, real in printed if (lost := missing(shown, real))}
    assert wrong == {}, "\n".join(line for _, _, real in printed for line in real)


def test_the_readme_shows_a_part_of_the_same(printed: list[tuple[str, list[str], list[str]]]) -> None:
    """What the first screen shows of `make run` is printed, with some rows left out."""
    ((_, shown),) = [one for one in typed(ROOT / "README.md") if one[0] == "make run"]
    real = next(real for command, _, real in printed if command == "make run")
    assert missing(shown, real) == []
