"""Whatever the documentation names exists: commands, settings, codes, modules, files, make targets, floors."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest
from tests.docs.pages import PAGES, ROOT, code_of, name_of, text_of

import rolebridge
from rolebridge.cli.main import cli
from rolebridge.core.diagnostics import REGISTER
from rolebridge.mapfile import shipped_catalogues
from rolebridge.scim.profile import profiles
from rolebridge.settings import CONFIG_VARIABLE, SETTINGS

PACKAGES = sorted(
    path.stem
    for path in Path(rolebridge.__file__).parent.iterdir()
    if path.suffix in {"", ".py"} and not path.stem.startswith("__")
)


# --- commands --------------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[str]:
    """Yield what a page shows to be typed, from `rolebridge` on."""
    for code in code_of(page):
        found = re.match(r"(?:\$ |\s*)(rolebridge(?: [^#|;&…→]*)?)$", code.split("   ")[0].rstrip())
        if found:
            yield found[1]


def problem_of(command: str) -> str | None:
    """Return what the command line would not understand: an unknown command or option, or None."""
    words = shlex.split(command)[1:]
    here: click.Command = cli
    context = click.Context(cli)
    while words and isinstance(here, click.Group) and not words[0].startswith("-"):
        found = here.get_command(context, words[0])
        if found is None and hasattr(here, "default"):
            break
        words.pop(0)
        if found is None:
            return f"`{here.name}` has no such command"
        here = found
    if isinstance(here, click.Group) and hasattr(here, "default"):
        here = here.commands[here.default]
    options = [option for one in (cli, here) for option in one.params]
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    return f"{here.name}: no option {unknown[0]}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_shown_is_one(page: Path) -> None:
    """Name and options exist, as the command line itself has them."""
    found = {command: problem_of(command) for command in commands(page)}
    assert {command: problem for command, problem in found.items() if problem} == {}


def test_every_command_is_in_the_changelog() -> None:
    """Users find each command named."""
    text = text_of(ROOT / "CHANGELOG.md")
    missing = [name for name in cli.commands if f"`rolebridge {name}" not in text]
    assert missing == []


def test_every_metric_is_documented() -> None:
    """The page on monitoring names every metric, and no other."""
    sources = (ROOT / "src/rolebridge/app" / name for name in ("metrics.py", "monitor.py"))
    metrics = {name for path in sources for name in re.findall(r'"(rolebridge_[a-z_]+)"', path.read_text("utf-8"))}
    page = (ROOT / "docs/operations/monitoring.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(rolebridge_[a-z_]+)`", page, re.MULTILINE)) == metrics


def test_commands_are_found_at_all() -> None:
    """The reading of the pages that the tests above rely on sees what it should."""
    assert any("explain ana.ruiz --project" in command for page in PAGES for command in commands(page))
    assert problem_of("rolebridge explian ana") is not None
    assert problem_of("rolebridge explain ana --proyect x") is not None


# --- settings, codes, profiles, platforms ----------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_setting_named_exists(page: Path) -> None:
    """A variable that nobody reads would be set in vain."""
    known = {setting.variable for setting in SETTINGS} | {CONFIG_VARIABLE}
    assert set(re.findall(r"ROLEBRIDGE_[A-Z_]*[A-Z]", text_of(page))) <= known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_diagnostic_named_exists(page: Path) -> None:
    """A code is named as a link to its section, and the register has it."""
    found = re.findall(r"\[`([^`]+)`\]\([^)]*diagnostics\.md#([\w-]+)\)", text_of(page))
    wrong = [code for code, anchor in found if code not in REGISTER or anchor != f"{code}-{REGISTER[code].severity}"]
    assert wrong == []


def test_every_profile_and_platform_is_in_the_documentation() -> None:
    """Whoever asks "do you speak with mine?" finds the answer."""
    changelog = text_of(ROOT / "CHANGELOG.md").lower()
    assert [name for name in profiles() if name not in changelog] == []
    assert [one.name for one in shipped_catalogues().values() if one.name.lower() not in changelog] == []


# --- modules, functions, files ---------------------------------------------------------------------------------


def exists(name: str) -> bool:
    """Return whether a dotted name below the package is a module, or something in one."""
    try:
        import_module(f"rolebridge.{name}")
    except ImportError:
        try:
            resolve_name(f"rolebridge.{name}")
        except (ImportError, AttributeError):
            return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_and_function_named_exists(page: Path) -> None:
    """`bridge.resolving.recompute` is where the page says it is."""
    dotted = re.compile(rf"(?:rolebridge\.)?((?:{'|'.join(PACKAGES)})(?:\.\w+)+)")
    names = {found[1] for code in code_of(page) if (found := dotted.fullmatch(code.strip()))}
    assert sorted(name for name in names if not exists(name)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_named_exists(page: Path) -> None:
    """Paths from the root of the repository; `<…>` and `*` stand for any."""
    paths = {
        code.strip()
        for code in code_of(page)
        if re.fullmatch(r"(?:src|tests|docs|benchmarks|mappings|deploy)/[\w./<>*-]*", code.strip())
    }
    wrong = [path for path in paths if not list(ROOT.glob(re.sub(r"<[^>]*>", "*", path).rstrip("/")))]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_named_exists(page: Path) -> None:
    """`make run` is one of the Makefile's."""
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = {
        found[1] for code in code_of(page) if (found := re.fullmatch(r"(?:\$ )?(?:\w+=\S+ )*make ([a-z]+).*", code))
    }
    assert named <= targets


# --- walls -----------------------------------------------------------------------------------------------------


def test_the_floors_are_those_that_are_checked() -> None:
    """docs/design.md draws the layers of the import contract, in its order."""
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    layers = [re.sub(r"[()]", "", layer) for layer in project["tool"]["importlinter"]["contracts"][0]["layers"]]
    drawn = re.search(r"^## Floors\n\n```\n(.*?)```", text_of(ROOT / "docs" / "design.md"), re.MULTILINE | re.DOTALL)
    assert drawn is not None
    assert drawn[1].splitlines() == layers


def test_no_platform_is_named_in_code() -> None:
    """What ADR 5 decided: a platform is data, and no line of Python knows one."""
    named = re.compile("|".join(map(re.escape, shipped_catalogues())))
    code = sorted(Path(rolebridge.__file__).parent.rglob("*.py"))
    assert [path.name for path in code if named.search(path.read_text(encoding="utf-8"))] == []
