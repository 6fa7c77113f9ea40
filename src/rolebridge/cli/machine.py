"""The files that `init` puts on the machine: settings and the secret key, readable by their owner only."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rolebridge.settings import CONFIG_VARIABLE, DEFAULT_FILE, KEY_BYTES, PREFIX

_FOLDER = "var"
_KEY = "secret.key"
_DATABASE = "rolebridge.db"

_TEXT = """\
# Settings of this installation, made by `rolebridge init`. Every setting: docs/reference/settings.md; the environment
# (ROLEBRIDGE_DATABASE_URL, …) wins over this file.
database_url = {database}

# Who has this key can make tokens that this installation accepts, and who loses it makes all of them worthless: back
# it up, apart from the database.
secret_key_file = {key}

# How identity providers reach this installation (a proxy in front ends TLS), and where it listens.
# base_url = "https://rolebridge.example"
# bind = "127.0.0.1:8080"
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A file, and whether it was made now or was there before."""

    path: Path
    new: bool


def config_path(environ: Mapping[str, str], chosen: Path | None) -> Path:
    """Return where the settings file is or will be: as the command line says, the environment, or by default."""
    return chosen or Path(environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)


def make_files(environ: Mapping[str, str], config: Path) -> tuple[Made, Made] | None:
    """Make the settings file and the secret key unless they are there; return both, settings first.

    Returns None, and makes nothing, when there is a settings file already, or when the environment brings the secret
    key: then nothing is missing. Raises OSError.
    """
    if config.exists() or {f"{PREFIX}SECRET_KEY", f"{PREFIX}SECRET_KEY_FILE"} & environ.keys():
        return None
    # Beside the default file everything is found from the working directory; another file is used from anywhere.
    home = Path() if config == DEFAULT_FILE else config.absolute().parent
    folder = home / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = folder / _KEY
    # The key first: settings without their key would look finished.
    made_key = _make(key, secrets.token_urlsafe(KEY_BYTES) + "\n")
    url = f"sqlite:///{(folder / _DATABASE).as_posix()}"
    text = _TEXT.format(database=_quoted(url), key=_quoted(key.as_posix()))
    return Made(config, _make(config, text)), Made(key, made_key)


def make_database_folder(database_url: str) -> None:
    """Make the folder that a SQLite file is to lie in. Raises OSError."""
    if database_url.startswith("sqlite:///"):
        Path(database_url.removeprefix("sqlite:///")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _make(path: Path, text: str) -> bool:
    """Write a file that only its owner reads, and return True; one that is there already is left alone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    return True


def _quoted(text: str) -> str:
    """Return the text as a TOML basic string, whose escapes are JSON's."""
    return json.dumps(text, ensure_ascii=False)
