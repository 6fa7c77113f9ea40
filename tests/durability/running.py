"""A bridge that is killed and started again: `rolebridge serve` on one database, and how requests are put to it."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.databases import with_schema
from tests.ports import free_port

from rolebridge.app.installation import Installation, open_installation
from rolebridge.bridge.callers import Operator
from rolebridge.settings import PREFIX, load

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds until an answer, a start or a stop that does not come fails its test."""
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
OPERATOR = Operator("os:tests", "tests")

MAPPING = """\
workspace: vision
platform: labelbox
connections: [okta]
projects: {cityscapes: {name: Cityscapes}, retail: {name: Retail}}
rules:
  - id: teams
    groups: {match: "lbx-{project}-{team}"}
    values: {team: {reviewers: reviewer, labelers: labeler}}
    projects: "{project}"
    grant: {project_role: "{team}"}
"""


@dataclass(frozen=True)
class Said:
    """An answer: its status, its headers by lower-case name, and its JSON (None where there is no body)."""

    status: int
    headers: dict[str, str]
    body: Any


class Unanswered(Exception):
    """That a request got no answer: the server was killed. Whether it was done is open."""


class Talker:
    """One client with one connection at a time, which it opens anew when the server is gone."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._http: http.client.HTTPConnection | None = None

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Said:
        """Send one request below the SCIM door. Raises Unanswered."""
        raw = None if body is None else json.dumps(body)
        said = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/scim+json", **(headers or {})}
        try:
            if self._http is None:
                self._http = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
            self._http.request(method, f"/scim/v2{path}", raw, said)
            response = self._http.getresponse()
            text = response.read()
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unanswered from error
        found = {name.lower(): value for name, value in response.getheaders()}
        return Said(response.status, found, json.loads(text) if text else None)

    def patch(self, path: str, *operations: dict[str, Any]) -> Said:
        """Send a PATCH of these operations."""
        return self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    def new_user(self, name: str, **attributes: Any) -> str:
        """Create a user and return the id."""
        said = self.send("POST", "/Users", {"schemas": [USER], "userName": name, **attributes})
        assert said.status == 201, said
        id_: str = said.body["id"]
        return id_

    def new_group(self, display: str, *ids: str) -> str:
        """Create a group and return the id."""
        members = [{"value": id_} for id_ in ids]
        said = self.send("POST", "/Groups", {"schemas": [GROUP], "displayName": display, "members": members})
        assert said.status == 201, said
        id_: str = said.body["id"]
        return id_

    def members(self, group_id: str) -> set[str]:
        """Return the ids of a group's members."""
        return {member["value"] for member in self.send("GET", f"/Groups/{group_id}").body.get("members", [])}

    def close(self) -> None:
        """Close the connection."""
        if self._http is not None:
            self._http.close()
            self._http = None


@dataclass
class Bridge:
    """A bridge on one database and one port, serving or not.

    `token` is that of the connection `okta` of the organization `organization`, which has a mapping in force.
    """

    installation: Installation
    environ: dict[str, str]
    log: Path
    port: int
    organization: str = ""
    token: str = ""
    process: subprocess.Popen[bytes] | None = None
    talkers: list[Talker] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """Return the file of a bridge on SQLite."""
        return Path(self.environ[f"{PREFIX}DATABASE_URL"].removeprefix("sqlite:///"))

    def begin(self) -> None:
        """Go on in a new organization."""
        administration = self.installation.administration
        made = administration.add_organization(OPERATOR, f"acme-{secrets.token_hex(4)}")
        _, secret = administration.add_connection(OPERATOR, made, "okta", "generic")
        self.installation.planning.apply(OPERATOR, made.id, {"mappings/vision.yaml": MAPPING}, force_reason="")
        self.organization, self.token = made.name, secret.text

    def talker(self, token: str = "") -> Talker:
        """Return a new client, which is closed with the bridge."""
        new = Talker(self.port, token or self.token)
        self.talkers.append(new)
        return new

    def start(self) -> None:
        """Start the server and wait until it listens."""
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rolebridge", "serve"],
                stdout=subprocess.PIPE,
                stderr=sink,
                env=self.environ,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), self.log.read_text()

    def stop(self) -> None:
        """Stop the server as an operator does, if it runs; it must end well."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(PATIENCE) == 0, self.log.read_text()
            self._gone()

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self._gone()

    def kill_worker(self, number: int) -> None:
        """End one of the workers; the server replaces it."""
        workers = self.workers()
        if workers:
            os.kill(workers[number % len(workers)], signal.SIGKILL)

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in _command(pid)]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command on the same database."""
        return subprocess.run(
            [sys.executable, "-m", "rolebridge", *arguments],
            env=self.environ, cwd=self.log.parent, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip

    def assert_sound(self) -> None:
        """Assert that `fsck` has nothing to say and that nobody met a defect."""
        checked = self.command("fsck", "--org", self.organization)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "Traceback" not in self.log.read_text()

    def assert_no_problems(self) -> None:
        """Assert what `assert_sound` does, without a process for it."""
        organization = self.installation.administration.organization(self.organization)
        consistency = self.installation.consistency
        problems = [*consistency.row_problems(organization.id), *consistency.grant_problems(organization.id)]
        assert problems == []

    def hang_up(self) -> None:
        """Close every client's connection."""
        while self.talkers:
            self.talkers.pop().close()

    def _gone(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None


@contextmanager
def bridge(folder: Path, database_url: str, **said: str) -> Iterator[Bridge]:
    """Make a bridge with one organization, serve it until the block ends; its log is in `folder`."""
    port = free_port()
    settings = {
        "database_url": database_url,
        "secret_key": secrets.token_urlsafe(32),
        "bind": f"127.0.0.1:{port}",
        "base_url": f"http://127.0.0.1:{port}",
        "workers": "2",
        "rate_limit": "none",
        **said,
    }
    ours = {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    ours[f"{PREFIX}CONFIG"] = str(folder / "rolebridge.toml")
    (folder / "rolebridge.toml").touch(mode=0o600)
    with_schema(database_url)
    installation = open_installation(load(ours))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    running = Bridge(installation, {**inherited, **ours}, folder / "server.log", port)
    try:
        running.begin()
        running.start()
        yield running
        running.hang_up()
        running.stop()
    finally:
        running.hang_up()
        if running.process is not None:
            running.kill()
        installation.close()


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run every work in a thread of its own, all begun at the same moment, and return what they return."""
    results: list[Any] = [None] * len(works)
    failures: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(number: int, work: Callable[[], T]) -> None:
        try:
            barrier.wait(PATIENCE)
            results[number] = work()
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's, below
            failures.append(error)

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
        assert not thread.is_alive(), "a request has no answer"
    if failures:
        raise failures[0]
    return results


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
