"""A bridge as it is in production: `rolebridge serve` in processes of its own, on a database of its own."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.databases import with_schema
from tests.idp.player import exchange
from tests.ports import free_port

from rolebridge.app.installation import Installation, open_installation
from rolebridge.bridge.callers import Operator
from rolebridge.settings import PREFIX, load
from rolebridge.store.records import Connection

PATIENCE = 30.0
"""Seconds until a server that does not stop fails its tests."""

_OPERATOR = Operator("os:tests", "tests")
_numbers = count(1)


@dataclass(frozen=True)
class Served:
    """A running bridge. `base` is its SCIM base URL; `log` holds what the server has written."""

    installation: Installation
    base: str
    log: Path

    def connection(self, profile: str) -> tuple[Connection, str]:
        """Return a new connection and its token, in an organization of its own; its provider speaks as `profile`."""
        administration = self.installation.administration
        organization = administration.add_organization(_OPERATOR, f"organization-{next(_numbers)}")
        connection, secret = administration.add_connection(_OPERATOR, organization, profile, profile)
        return connection, secret.text

    def token(self, profile: str) -> str:
        """Return the token of a new connection."""
        return self.connection(profile)[1]

    def client(self, connection: Connection) -> dict[str, str]:
        """Return what an OAuth client of a connection is given: `token_url`, `client_id` and `client_secret`."""
        clients = self.installation.clients
        client = clients.add(_OPERATOR, connection, "provider")
        _, secret = clients.add_secret(_OPERATOR, client, "first", None)
        return {
            "token_url": self.installation.token_endpoint,
            "client_id": client.id,
            "client_secret": secret.text,
        }


@contextmanager
def served(folder: Path, database_url: str, workers: int = 2) -> Iterator[Served]:
    """Serve a new database until the block ends; settings and log are in `folder`."""
    port = free_port()
    said = {
        "database_url": database_url,
        "secret_key": secrets.token_urlsafe(32),
        "bind": f"127.0.0.1:{port}",
        "base_url": f"http://127.0.0.1:{port}",
        "workers": str(workers),
    }
    environ = {f"{PREFIX}{name.upper()}": value for name, value in said.items()}
    environ[f"{PREFIX}CONFIG"] = str(folder / "rolebridge.toml")
    (folder / "rolebridge.toml").touch(mode=0o600)
    with_schema(database_url)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    installation = open_installation(load(environ))
    log = folder / "server.log"
    try:
        with (
            log.open("wb") as sink,
            subprocess.Popen(
                [sys.executable, "-m", "rolebridge", "serve"],
                stdout=subprocess.PIPE,
                stderr=sink,
                env={**inherited, **environ},
            ) as process,
        ):
            assert process.stdout is not None
            try:
                assert process.stdout.readline(), log.read_text()
                for _ in range(4 * workers):  # a worker that is still importing makes its clients wait
                    assert exchange("GET", f"{said['base_url']}/healthz", {}, None).status == 200
                yield Served(installation, installation.scim_base_url, log)
            finally:
                process.terminate()
                process.wait(PATIENCE)
    finally:
        installation.close()
