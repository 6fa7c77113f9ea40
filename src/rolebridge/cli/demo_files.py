"""Where a demo keeps what it needs: a settings file and a secret key, in `var/` or in a folder that goes with it."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from rolebridge.cli.machine import make_database_folder
from rolebridge.settings import KEY_BYTES, SETTINGS, Bind, SettingsError

SERVED_AT = Bind("127.0.0.1", 8080)
"""Where `demo --serve` listens unless told otherwise."""

KEPT_IN = Path("var")
"""The folder in which `demo --serve` keeps its data, below the working directory."""

_READ_BIND = next(setting.read for setting in SETTINGS if setting.key == "bind")

_SETTINGS = """\
# Settings of the demo, written anew by every `rolebridge demo --serve`. Use them in another terminal:
#   export ROLEBRIDGE_CONFIG={path}
database_url = {database_url}
secret_key_file = {key}
bind = {bind}
base_url = {base_url}
workers = 1
"""


class LoopbackAddress(click.ParamType[Bind]):
    """Where the demo listens. Everybody can know how the demo is set up, so only this machine may reach it."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Bind:
        """Return the host and port, of this machine."""
        try:
            bind = _READ_BIND(str(value))
        except ValueError as error:
            self.fail(f"`{value}` {error}", param, ctx)
        assert isinstance(bind, Bind)
        if not _is_loopback(bind.host):
            self.fail(f"`{value}` is not an address of this machine only, such as {SERVED_AT}", param, ctx)
        return bind


@contextmanager
def settings_file(*, kept: bool, database_url: str | None, address: Bind | None) -> Iterator[Path]:
    """Write the demo's settings and yield their file.

    `kept` puts them, the key and the database into `var/`; otherwise all of it goes away at the end, and a port is
    taken that is free. Raises SettingsError when a file cannot be made.
    """
    if kept:
        yield _written(KEPT_IN, database_url, address or SERVED_AT)
        return
    with tempfile.TemporaryDirectory(prefix="rolebridge-demo-") as folder:
        yield _written(Path(folder), database_url, address or Bind("127.0.0.1", _free_port()))


def _written(folder: Path, database_url: str | None, address: Bind) -> Path:
    key, path = folder / "demo.key", folder / "demo.toml"
    url = database_url or f"sqlite:///{(folder / 'demo.db').as_posix()}"
    values = {
        "database_url": url,
        "key": key.as_posix(),
        "bind": str(address),
        "base_url": f"http://{address}",
    }
    text = _SETTINGS.format(path=path.as_posix(), **{name: _quoted(value) for name, value in values.items()})
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_database_folder(url)
        if not key.exists():
            _write(key, secrets.token_urlsafe(KEY_BYTES) + "\n")
        _write(path, text)
    except OSError as error:
        raise SettingsError((f"{error.filename or folder}: cannot be made: {error.strerror}",)) from error
    return path


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner reads: whole, or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(path)


def _quoted(text: str) -> str:
    """Return the text as a TOML basic string, whose escapes are JSON's."""
    return json.dumps(text, ensure_ascii=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
