"""Where settings are written, and how they are brought together."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rolebridge.settings.readers import KeyFile, read_file
from rolebridge.settings.table import CONFIG_VARIABLE, DEFAULT_FILE, PREFIX, SETTINGS
from rolebridge.settings.values import Settings, SettingsError

# In Kubernetes a Service called `rolebridge` or `rolebridge-…` puts its address into every pod's environment
# under these names; they are nobody's settings and nobody's mistake.
_SERVICE_LINK = re.compile(
    r"ROLEBRIDGE_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?"
    r"|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)


@dataclass(frozen=True, slots=True)
class _Written:
    """A text somebody wrote, and where: a variable, or a file and key."""

    text: str
    place: str
    from_environment: bool


def load(environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read every setting from `environ` and a TOML file; the environment wins.

    `file` is what the command line named; otherwise `ROLEBRIDGE_CONFIG`, otherwise `rolebridge.toml` in the
    working directory if it is there. Relative paths, also those inside the file, start at the working
    directory. Raises SettingsError with every problem found.
    """
    problems: list[str] = []
    written = _from_file(_chosen_file(environ, file), problems)
    written.update(_from_environment(environ, problems))
    _one_secret_key(written, problems)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        source = written.get(setting.key)
        text = setting.default if source is None else source.text
        try:
            values[setting.key] = None if text is None else setting.read(text)
        except ValueError as error:
            problems.append(f"{source.place if source else setting.variable}: {error}")
    if problems:
        raise SettingsError(tuple(problems))
    _one_ring(values)
    for key in ("trusted_proxies", "outgoing_networks"):
        values[key] = values[key] or ()
    values["base_url"] = values["base_url"] or f"http://{values['bind']}"
    return Settings(**values)


def _chosen_file(environ: Mapping[str, str], file: Path | None) -> Path | None:
    """The file to read: the explicit one, the variable's, or the default one if it exists."""
    if file is not None:
        return file
    if CONFIG_VARIABLE in environ:
        return Path(environ[CONFIG_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _from_file(file: Path | None, problems: list[str]) -> dict[str, _Written]:
    """Every known key of the file; unreadable files, unknown keys and odd values become problems."""
    if file is None:
        return {}
    try:
        document = tomllib.loads(read_file(file))
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{file}: not valid TOML: {error}")
        return {}
    except ValueError as error:
        problems.append(f"{file}: {error}")
        return {}
    known = {setting.key for setting in SETTINGS}
    written: dict[str, _Written] = {}
    for key, value in document.items():
        place = f"{file}: {key}"
        if key not in known:
            close = _closest(key, known)
            hint = f"; did you mean `{close}`?" if close else ""
            problems.append(f"{place}: there is no such setting{hint}")
        elif isinstance(value, bool):
            written[key] = _Written("yes" if value else "no", place, from_environment=False)
        elif not isinstance(value, str | int | float):
            problems.append(f"{place}: must be a text, a number, `true` or `false`")
        else:
            written[key] = _Written(str(value), place, from_environment=False)
    return written


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, _Written]:
    """Every known variable; an unknown one with our prefix is a problem: it may be a misspelt safeguard."""
    known = {setting.variable: setting.key for setting in SETTINGS}
    written: dict[str, _Written] = {}
    for name in sorted(environ):
        if name in known:
            written[known[name]] = _Written(environ[name], name, from_environment=True)
        elif name.startswith(PREFIX) and name != CONFIG_VARIABLE and not _SERVICE_LINK.fullmatch(name):
            # Compared without the prefix, which alone would make every name similar.
            close = _closest(name.removeprefix(PREFIX), {"CONFIG", *(key.upper() for key in known.values())})
            hint = f"; did you mean `{PREFIX}{close}`?" if close else ""
            problems.append(f"{name}: there is no such setting{hint}")
    return written


def _one_secret_key(written: dict[str, _Written], problems: list[str]) -> None:
    """Keep one of `secret_key` and `secret_key_file`: the environment's; two in one place are a problem."""
    key, file = written.get("secret_key"), written.get("secret_key_file")
    if key is None or file is None:
        return
    if key.from_environment == file.from_environment:
        problems.append(f"{file.place}: there is also {key.place}; keep one of them")
    del written["secret_key_file" if key.from_environment else "secret_key"]


def _one_ring(values: dict[str, Any]) -> None:
    """Make one key and those before it of what the environment, the file with settings and the file of keys hold."""
    file: KeyFile | None = values["secret_key_file"]
    of_file = file.keys if file else ()
    values["secret_key_file"] = file.path if file else None
    present = values["secret_key"] or (of_file[0] if of_file else None)
    before = dict.fromkeys((*(values["previous_secret_keys"] or ()), *of_file[1:]))
    before.pop(present, None)
    values["secret_key"], values["previous_secret_keys"] = present, tuple(before)


def _closest(name: str, known: set[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)), None)
