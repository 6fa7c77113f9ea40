"""Canaille, an identity provider of other authors, pushes its users and groups to the bridge."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.alone import alone
from tests.idp.player import exchange
from tests.idp.served import Served

pytestmark = pytest.mark.loopback

LOCK = Path(__file__).with_name("canaille.lock")
PUSH = Path(__file__).with_name("canaille_push.py")
ENVIRONMENT = Path(__file__).parents[2] / ".venv-canaille"
PATIENCE = 30.0


@pytest.fixture(scope="module")
def canaille() -> Path:
    """The Python of an environment of its own: Canaille needs an older scim2-models than the bridge.

    Made from hash-pinned wheels the first time, and when the lock has changed.
    """
    python, made = ENVIRONMENT / "bin" / "python", ENVIRONMENT / ".made"
    wanted = f"{sys.version_info[:2]} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
    with alone(ENVIRONMENT):
        if not made.exists() or made.read_text() != wanted:
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
                [*pip, "install", "--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK)],
            ):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{' '.join(command)} failed: {done.stderr[-2000:]}"
            made.write_text(wanted)
    return python


class Pushing:
    """A running Canaille, and the bridge as its connection sees it."""

    def __init__(self, process: subprocess.Popen[str], base: str, token: str) -> None:
        self.process, self.base, self.token = process, base, token

    def happens(self, step: str) -> None:
        """Let a step of the story happen; what it pushes has been answered when this returns."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{step}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", step

    def found(self, endpoint: str, filter_: str) -> list[Any]:
        """Return the resources that the bridge has."""
        url = f"{self.base}{endpoint}?filter={quote(filter_)}"
        answer = exchange("GET", url, {"Authorization": f"Bearer {self.token}"}, None)
        assert answer.status == 200, answer
        resources: list[Any] = json.loads(answer.text)["Resources"]
        return resources

    def members(self) -> set[str]:
        """Return the ids of the members of the group."""
        (group,) = self.found("/Groups", 'displayName eq "Street"')
        return {member["value"] for member in group.get("members", [])}


@contextmanager
def pushing(python: Path, bridge: Served, profile: str, log: Path) -> Iterator[Pushing]:
    """Run Canaille against a new connection."""
    token = bridge.token(profile)
    command = [str(python), str(PUSH), bridge.base, token]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with (
        log.open("w") as sink,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True, env=clean
        ) as process,
    ):
        try:
            yield Pushing(process, bridge.base, token)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)


def test_canaille_pushes_its_directory(canaille: Path, bridge: Served, tmp_path: Path) -> None:
    """Users, changes of them, a group and its members, and deletions arrive; no push fails."""
    log = tmp_path / "canaille.log"
    with pushing(canaille, bridge, "canaille", log) as idp:
        idp.happens("hire")
        (ana,) = idp.found("/Users", 'userName eq "ana"')
        (ben,) = idp.found("/Users", 'userName eq "ben"')
        assert (ana["name"]["familyName"], ana["emails"][0]["value"]) == ("Diaz", "ana@example.com")
        assert ana["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["employeeNumber"] == "7"
        idp.happens("form_a_group")
        assert idp.members() == {ana["id"], ben["id"]}
        idp.happens("promote")
        (promoted,) = idp.found("/Users", 'title eq "Lead"')
        assert promoted["id"] == ana["id"]
        idp.happens("lock")
        assert [one["id"] for one in idp.found("/Users", "active eq false")] == [ana["id"]]
        idp.happens("leave_the_group")
        assert idp.members() == {ana["id"]}
        idp.happens("fire")
        assert idp.found("/Users", 'userName eq "ben"') == []
        idp.happens("disband")
        assert idp.found("/Groups", 'displayName eq "Street"') == []
    assert "failed" not in log.read_text(), log.read_text()


def test_canaille_needs_its_profile(canaille: Path, bridge: Served, tmp_path: Path) -> None:
    """It refuses what RFC 9865 has added to /ServiceProviderConfig, and says so only in its log."""
    log = tmp_path / "canaille.log"
    with pushing(canaille, bridge, "strict", log) as idp:
        idp.happens("hire")
        assert idp.found("/Users", 'userName eq "ana"') == []
    assert "SCIM protocol not supported by client Bridge" in log.read_text()
