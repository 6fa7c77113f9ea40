"""The program itself: exit codes, errors, colours, help, and that every command and setting is documented."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.cli.machine import Machine, process

from rolebridge import settings
from rolebridge.cli.exits import Exit
from rolebridge.cli.main import cli
from rolebridge.cli.session import Session
from rolebridge.cli.terminal import safe, table, width

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command of the program with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


ALL = dict(commands())

# --- exit codes and errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["org"],
        ["org", "add"],
        ["access", "--nope"],
        ["explain"],
        ["key", "add", "x", "--role", "king"],
        ["--nope"],
        ["connection", "add", "x"],
    ],
)
def test_wrong_usage(machine: Machine, arguments: list[str]) -> None:
    """A command line that is wrong exits with 64, where click alone would use 2."""
    assert machine(*arguments).exit_code == 64


@pytest.mark.parametrize("arguments", [[], ["audit"]])
def test_a_missing_command_shows_which_there_are(machine: Machine, arguments: list[str]) -> None:
    """The help as `--help` prints it, line by line, and below it what was wrong."""
    result = machine(*arguments)
    told = machine(*arguments, "--help").stdout
    assert told.startswith("Usage: ")
    assert (result.exit_code, result.stdout) == (64, "")
    assert result.stderr == f"{told}\nerror: a command is missing\n"


def test_wrong_usage_as_json(machine: Machine) -> None:
    """With --json a usage error is JSON on the standard error too."""
    result = machine("access", "--nope", "--json")
    assert result.stdout == ""
    assert json.loads(result.stderr)["error"]["code"] == "usage"
    assert json.loads(result.stderr)["error"]["exit"] == 64


def test_wrong_settings_are_told_together(machine: Machine) -> None:
    """Settings that cannot be used exit with 1, every problem on a line of its own."""
    machine.environ |= {"ROLEBRIDGE_WORKERS": "many", "ROLEBRIDGE_BIND": "here"}
    said = machine.refused("org", "list")
    assert "error: the settings cannot be used" in said
    assert "  ROLEBRIDGE_WORKERS: must be" in said
    assert "  ROLEBRIDGE_BIND: must be" in said


def test_serve_refuses_unsafe_settings(ready: Machine) -> None:
    """The server does not start where tokens would cross a network in the clear."""
    ready.environ["ROLEBRIDGE_BIND"] = "0.0.0.0:8080"
    assert "listens to other machines" in ready.refused("serve")


def broken(machine: Machine, *arguments: str) -> tuple[int, str]:
    """Run a command on a machine where something unforeseen breaks."""

    def clock() -> None:
        raise KeyError("a secret thing")

    session = Session(environ=machine.environ, clock=clock)  # type: ignore[arg-type]
    result = CliRunner().invoke(cli, list(arguments), obj=session)
    return result.exit_code, result.stderr


def test_defect_is_one_line(ready: Machine) -> None:
    """An unexpected error exits with 70 and is told in one line with the request id; a traceback only on request."""
    code, said = broken(ready, "org", "add", "x")
    assert code == 70
    assert said.startswith("error: unexpected KeyError: 'a secret thing'\n")
    assert "Traceback" not in said
    assert re.search(r"request [0-9a-f]{32}", said)
    assert "Traceback" in broken(ready, "--traceback", "org", "add", "x")[1]


def test_interrupt(ready: Machine) -> None:
    """Ctrl-C exits with 130 and without a word."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    session = Session(environ=ready.environ, clock=interrupted)  # type: ignore[arg-type]
    result = CliRunner().invoke(cli, ["org", "add", "x"], obj=session)
    assert (result.exit_code, result.output.strip()) == (130, "")


def test_reader_that_stops_reading(acme: Machine) -> None:
    """Output into a pipe that nobody reads ends quietly with 141."""
    running = process(acme, "access")
    assert running.stdout is not None
    running.stdout.close()
    running.stdout = None
    _, err = running.communicate()
    assert (running.returncode, err) == (141, b"")


def test_terminal_without_our_letters(acme: Machine) -> None:
    """Where the output's encoding lacks a letter it is written out, and the command works."""
    running = process(acme, "explain", "ana.ruiz", "--project", "cityscapes", PYTHONIOENCODING="latin-1")
    out, err = running.communicate()
    assert (running.returncode, err) == (0, b"")
    assert b"\\u2192 Project-based labeler" in out


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour(ready: Machine, environ: dict[str, str], coloured: bool) -> None:
    """A terminal gets colours, unless NO_COLOR is set or the terminal is dumb; a pipe never does."""
    unset: dict[str, str | None] = {"NO_COLOR": None, "TERM": "xterm"}
    for terminal in (True, False):
        session = Session(environ={}, clock=lambda: ready.now)
        result = CliRunner().invoke(
            cli, ["org", "list"], obj=session, env=unset | environ, color=terminal and not environ
        )
        assert ("\x1b[1m" in result.stdout) == (terminal and coloured)


# --- text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u202e", "\r", "\x00", "\x1b[31;5m", "\ud800"]
)
def test_nothing_hostile_is_printed(hostile: str) -> None:
    """Escape sequences, controls, marks of direction and lone surrogates are written out."""
    shown = safe(f"a{hostile}b")
    assert shown.isprintable()
    assert shown.startswith("a\\u")


def test_our_own_words_stay() -> None:
    """Colours of ours, line breaks, tabs and letters of every script stay as they are."""
    text = f"{click.style('bold', bold=True)}\n\tüñ 都市 → ✓"
    assert safe(text) == text


def test_columns_of_wide_letters() -> None:
    """Letters that take two columns, or none, count as such in tables."""
    assert [width(text) for text in ("ab", "都市", "e\u0301", click.style("ab", bold=True))] == [2, 4, 1, 2]
    lines = click.unstyle(table(("A", "B"), [("都市", "x"), ("ab", "")])).splitlines()
    assert lines == ["A     B", "都市  x", "ab    -"]


# --- help and documentation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ALL)
def test_every_command_has_help(words: str) -> None:
    """Every command says what it is for, and every option of it as well."""
    command = ALL[words]
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    result = CliRunner().invoke(cli, [*words.split(), "--help"])
    assert result.exit_code == 0


@pytest.mark.parametrize("words", [words for words in ALL if words != "serve"])
def test_every_command_speaks_json(words: str) -> None:
    """Every command has --json."""
    assert any("--json" in option.opts for option in ALL[words].params)


LISTS = [words for words in ALL if words.split()[-1] in {"list", "access", "status"}]


@pytest.mark.parametrize("words", LISTS)
def test_every_list_speaks_csv(words: str) -> None:
    """Every command that lists has --csv."""
    assert any("--csv" in option.opts for option in ALL[words].params)


def section(words: str) -> str:
    """Return the part of the commands' page that is about a command."""
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    found = re.search(rf"^### `rolebridge {re.escape(words)}`\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"`rolebridge {words}` is not documented"
    return found[1]


@pytest.mark.parametrize("words", ALL)
def test_every_command_is_documented(words: str) -> None:
    """Every command has a section on its page, which names its arguments and options."""
    text = section(words)
    for parameter in ALL[words].params:
        named = parameter.opts[-1] if isinstance(parameter, click.Option) else str(parameter.metavar or parameter.name)
        assert named in {"--json", "--csv"} or named.lower() in text.lower(), f"{named} is missing"


def test_no_other_command_is_documented() -> None:
    """The page documents no command that is not there."""
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### `rolebridge ([a-z -]+)`$", page, re.MULTILINE)) == set(ALL)


def test_every_exit_code_is_documented() -> None:
    """The page of exit codes is the list in the program."""
    page = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", page, re.MULTILINE))
    assert rows == {str(int(code)): code.meaning for code in Exit}


def test_every_setting_is_documented() -> None:
    """The page of settings holds the table that the program gives."""
    assert settings.markdown_table() in (DOCS / "settings.md").read_text(encoding="utf-8")


def test_help_needs_no_database() -> None:
    """Help, usage errors and the version come without importing database, SCIM library or web framework."""
    code = (
        "import sys; from rolebridge.cli.main import cli; cli.main(['--help'], standalone_mode=False); "
        "print(sorted({'sqlalchemy', 'flask', 'scim2_models', 'granian', 'yaml'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
