"""The built wheel in a fresh environment, through the steps of every deployment: it needs nothing of the tree."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.files import ROOT
from tests.ports import free_port

pytestmark = pytest.mark.loopback

PATIENCE = 120.0
"""Seconds until a step that does not end fails its test."""
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as the Dockerfile does: without an index, by the locked backend."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    (built,) = folder.glob("*.whl")
    return built


@dataclass
class Place:
    """A machine with the wheel in an environment of its own, and nothing of ours else."""

    folder: Path
    python: Path
    environ: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        # As the console script does, whose interpreter's path may be too long for a first line.
        return [str(self.python), "-m", "rolebridge", *arguments]

    def run(self, *arguments: str) -> Any:
        """Run a command that works with `--json`."""
        done = subprocess.run(
            [*self.command(*arguments), "--json"],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    @contextmanager
    def serving(self, port: int, metrics: int) -> Iterator[None]:
        """Serve for the time of a `with`."""
        settings = {"ROLEBRIDGE_BIND": f"127.0.0.1:{port}", "ROLEBRIDGE_METRICS_BIND": str(metrics)}
        server = subprocess.Popen(
            self.command("serve"), cwd=self.folder, env={**self.environ, **settings}, stdout=subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith(b"SCIM ")
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=PATIENCE)
        assert server.returncode == 0


@pytest.fixture
def place(wheel: Path, tmp_path: Path) -> Place:
    """The environment. Its other packages are those of the tests', which come from the same locks."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "lib" / version / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)  # what installing a pure wheel is, but for the console script
    # A line of a .pth file adds a folder, and not what the .pth files in there add: our own sources stay unseen.
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    folder = tmp_path / "work"
    folder.mkdir()
    environ = {"PATH": os.environ["PATH"], "ROLEBRIDGE_SECRET_KEY": secrets.token_urlsafe(32), "HOME": str(tmp_path)}
    environ["ROLEBRIDGE_DATABASE_URL"] = f"sqlite:///{folder}/rolebridge.db"
    return Place(folder, home / "bin" / "python", environ)


def ask(port: int, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, str]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    client.request(method, path, None if body is None else json.dumps(body), headers)
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer.status, text


def test_the_wheel_holds_everything(place: Place) -> None:
    """Catalogues, profiles, revisions of the schema and the demo are in the wheel, and it is what is imported."""
    code = "import rolebridge, pathlib; print(pathlib.Path(rolebridge.__file__).parent)"
    done = subprocess.run([place.python, "-c", code], env=place.environ, capture_output=True, check=True)
    package = Path(done.stdout.decode().strip())
    assert package.is_relative_to(place.python.parent.parent)
    for suffix in ("*.py", "*.yaml", "*.json", "py.typed"):
        there = {path.relative_to(package) for path in package.rglob(suffix)}
        source = ROOT / "src" / "rolebridge"
        assert {path.relative_to(source) for path in source.rglob(suffix)} <= there


@pytest.mark.slow
def test_every_step_of_a_deployment(place: Place) -> None:
    """Upgrade, organization, connection, serve, probes, metrics, SCIM, backup, restore: one after the other."""
    upgraded = place.run("db", "upgrade")
    assert (upgraded["before"], upgraded["changed"]) == (None, True)
    assert place.run("db", "upgrade")["changed"] is False
    place.run("org", "add", "acme")
    token = place.run("connection", "add", "okta", "--profile", "okta")["token"]
    port, metrics = free_port(), free_port()
    with place.serving(port, metrics):
        assert ask(port, "GET", "/healthz") == (200, "ok\n")
        assert ask(port, "GET", "/readyz") == (200, "ready\n")
        person = {"schemas": [USER], "userName": "ana.ruiz@acme.example"}
        assert ask(port, "POST", "/scim/v2/Users", person, token)[0] == 201
        status, text = ask(metrics, "GET", "/metrics")
        assert status == 200
        assert 'rolebridge_requests_total{door="scim",method="POST",status="2xx"} 1\n' in text
        made = place.run("backup", "acme.backup")  # while it serves
        assert made["schema"] == upgraded["after"]
    place.environ["ROLEBRIDGE_DATABASE_URL"] = f"sqlite:///{place.folder}/again.db"
    assert place.run("restore", "acme.backup")["problems"] == []
    assert place.run("fsck")["rows"] == []
    with place.serving(port, metrics):
        status, text = ask(port, "GET", "/scim/v2/Users", token=token)
        assert (status, json.loads(text)["totalResults"]) == (200, 1)
