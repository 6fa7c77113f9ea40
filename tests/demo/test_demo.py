"""`rolebridge demo` as a person runs it: a process, a server, real HTTP, a real database."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port

pytestmark = pytest.mark.loopback

SOURCE = Path(__file__).parents[2] / "src"
SECONDS = 90


def environment() -> dict[str, str]:
    """A newcomer's environment: nothing of Rolebridge in it, and no colour."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROLEBRIDGE_")}
    return {**kept, "PYTHONPATH": str(SOURCE), "NO_COLOR": "1"}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "rolebridge", *words]


def run(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(
        command(*words), cwd=folder, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer


def line(output: str, *words: str) -> str:
    """The one line that has all the words."""
    found = [one for one in output.splitlines() if all(word in one for word in words)]
    assert len(found) == 1, f"{words}: {found}\n{output}"
    return found[0]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one demo prints."""
    folder = tmp_path_factory.mktemp("demo")
    answer = run(folder, "demo")
    assert answer.stderr == ""
    assert list(folder.iterdir()) == []
    return answer.stdout


def test_both_providers_are_answered_as_recorded(told: str) -> None:
    """Each replay tells its requests and whom it made."""
    assert re.search(r"replay +okta-demo +\d+ requests, all answered as recorded +12 users +17 groups$", told, re.M)
    assert re.search(r"replay +entra-demo +\d+ requests, all answered as recorded +24 users +29 groups$", told, re.M)
    assert re.search(r"apply +mappings/ +revision 1, 5 files, 41 cases pass +\d+ grants to 32 people$", told, re.M)


def test_the_table_shows_who_holds_what_and_why(told: str) -> None:
    """Workspace-wide roles, roles through groups, access that becomes a role, and a claim that is blocked."""
    assert line(told, "breakglass ", "Admin", "workspace-wide", "rule break-glass")
    assert line(told, "ben.okafor ", "(all)", "Admin", "workspace-wide", "rule admins, group LBX Admins")
    assert line(told, "grace.kim ", "acme-text", "Administrator", "group LS Administrators")
    assert line(told, "cara.lind ", "acme-text", "privacy-requests", "blocked", "needs Owner or Administrator")
    assert line(told, "olivia.owner ", "acme-text", "Owner", "held on the platform")
    assert line(told, " people, ", "grants, 5 blocked, 0 conflicts")


def test_it_is_told_who_holds_nothing_and_why(told: str) -> None:
    """A denial, a false condition, an absent date and a departure are reasons, not silence."""
    assert line(told, "lena.vogt ", "denied", "rule suspended")
    assert line(told, "omar.haddad ", "condition false", 'department is "Finance"')
    assert line(told, "lucia.rossi ", "no date", "contractEnd is absent")
    assert line(told, "peter.novak ", "acme-text", "inactive", "the user is inactive")


def test_a_later_push_changes_roles_and_says_so(told: str) -> None:
    """After the mappings are in force, one new member and one departure change two people's roles."""
    assert line(told, "later", "okta-demo", "Max joined lbx-cityscapes-reviewers, Tom left the company")
    assert line(told, "+ ", "max.adler", "cityscapes", "Project-based reviewer", "group lbx-cityscapes-reviewers")
    assert line(told, "- ", "tom.becker", "parking-lots", "Project-based team manager", "inactive")


def test_one_lock_is_explained(told: str) -> None:
    """Ana is reviewer through a group, with two losing claims and two ways out."""
    assert "Ana Ruiz" in line(told, "Cityscapes 2026", "acme-vision")
    assert re.search(r"lock +group: ", told)
    assert line(told, 'condition false: userType is "Employee"')
    assert line(told, "outranked: Project-based reviewer ranks higher")
    assert "lbx-cityscapes-reviewers" in line(told, "1.", "remove")


def test_it_is_the_same_on_postgresql(tmp_path: Path, postgres_database: str, told: str) -> None:
    """Another database is used when one is named, with the same outcome, and the sample stays in it."""
    document = json.loads(run(tmp_path, "demo", "--database-url", postgres_database, "--json").stdout)
    totals = document["totals"]
    assert line(told, f"{totals['people']} people, {totals['grants']} grants, {totals['blocked']} blocked")
    assert document["example"]["user"]["user_name"] == "ana.ruiz@acme.example"
    second = json.loads(run(tmp_path, "demo", "--database-url", postgres_database, "--json").stdout)
    assert (second["totals"], second["new_revision"], second["changes_later"]) == (totals, False, [])


def test_mapping_files_with_errors_are_told_with_their_places(tmp_path: Path) -> None:
    """Another folder of mapping files is applied instead, or refused as `apply` would."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "w.yaml").write_text("workspace: w\nplatform: labelbocks\n")
    answer = run(tmp_path, "demo", "--mappings", "mine", code=1)
    assert "mine/w.yaml:2:11" in answer.stderr


def test_another_machines_address_is_refused(tmp_path: Path) -> None:
    """The demo is for this machine: its data and its key are everybody's."""
    answer = run(tmp_path, "demo", "--address", "0.0.0.0:8080", code=64)
    assert "`0.0.0.0:8080` is not an address of this machine only" in answer.stderr


class Served:
    """`demo --serve` in a folder, until it is told to stop."""

    def __init__(self, folder: Path, port: int) -> None:
        self.process = subprocess.Popen(
            command("demo", "--serve", "--json", "--address", f"127.0.0.1:{port}"),
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = f"http://127.0.0.1:{port}"

    def document(self) -> dict[str, Any]:
        """The JSON document that is printed before serving goes on."""
        assert self.process.stdout is not None
        lines = []
        while line := self.process.stdout.readline():
            lines.append(line)
            if line == "}\n":
                break
        document: dict[str, Any] = json.loads("".join(lines))
        return document

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=SECONDS)
        return self.process.returncode


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    one = Served(tmp_path, free_port())
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate()


def again(folder: Path) -> dict[str, Any]:
    """A second run on the same data, which is killed: it leaves no server behind that holds the port."""
    one = Served(folder, free_port())
    try:
        document = one.document()
    finally:
        one.end(signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while one.answers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not one.answers()
    return document


def test_it_keeps_serving_and_a_second_run_finds_everything(tmp_path: Path, served: Served) -> None:
    """The same data again: the same totals, nobody twice, no new revision, no token that still works."""
    first = served.document()
    assert served.answers()
    assert served.end(signal.SIGTERM) == 0
    assert not served.answers()

    second = again(tmp_path)

    made = [(replay["connection"], replay["made"], replay["found"]) for replay in second["replays"]]
    assert made == [
        ("okta-demo", {}, {"users": 12, "groups": 17}),
        ("entra-demo", {}, {"users": 24, "groups": 29}),
        ("okta-demo", {}, {}),
    ]
    assert (second["revision"], second["new_revision"]) == (1, False)
    assert second["changes_later"] == []
    assert second["totals"] == first["totals"]
    assert second["access"] == first["access"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "var").iterdir())

    asked = {**environment(), "ROLEBRIDGE_CONFIG": "var/demo.toml"}
    listed = subprocess.run(
        command("token", "list", "--connection", "okta-demo", "--json"),
        cwd=tmp_path,
        env=asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"state": "active"' not in listed.stdout


@pytest.mark.parametrize("at", [0, 1, 2], ids=["server", "identity provider", "application"])
def test_a_taken_port_is_said_so(tmp_path: Path, at: int) -> None:
    """Exit code 3, the address, and what to do; nothing is made, nor written over the settings of whoever is there."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port + at)) as listener:
        answer = run(tmp_path, "demo", "--serve", "--address", f"127.0.0.1:{port}", code=3)
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert f"cannot listen on 127.0.0.1:{port + at}: address already in use" in answer.stderr
    assert f"rolebridge demo --serve --address 127.0.0.1:{port + 100}` listens elsewhere" in answer.stderr
    assert not (tmp_path / "var").exists()


def test_three_ports_are_needed(tmp_path: Path) -> None:
    """Ports end at 65535: where three do not fit, that is said."""
    answer = run(tmp_path, "demo", "--serve", "--address", "127.0.0.1:65534", code=1)
    assert "the demo takes 3 ports, and there are no 3 from 65534 on" in answer.stderr
