"""Other SCIM servers beside ours, asked the same in one run: PEERS=1 installs and starts them; else nothing is done.

scim2-server and scim2-flask (in memory, behind granian), django-scim2 (SQLite, as durable as ours, behind granian) and
SCIMMY with its Express routers (in memory, node). They are installed from the registries into `var/peers` when they are
missing, and are no dependency of anything. Ours is durable, checks a token at each request, logs and audits; theirs are
as their documentation sets them up and admit everybody.

    PEERS=1 python benchmarks/bench_peers.py            1,000 users
    PEERS=1 USERS=10000 SECONDS=60 python benchmarks/bench_peers.py

Each phase ends after SECONDS (10) at most, and the median of its requests counts; `-` is what a peer refuses. Numbers
are CPU microseconds of the server per request; in brackets how many times ours.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench_scim import PATCH, Contender, connect, free_port, start_ours, user

USERS = int(os.environ.get("USERS", "1000"))
SECONDS = float(os.environ.get("SECONDS", "10"))
HERE = Path(__file__).parent / "peers"
PLACE = Path(os.environ.get("PEERS_PLACE", "var/peers")).absolute()
PYTHON_PEERS = ("scim2-server==0.8.3", "scim2-flask==0.1.1", "django-scim2==0.23.0", "granian")
NODE_PEERS = ("scimmy@1.3.5", "scimmy-routers@1.3.2", "express@5")
BATCH = 100

Request = tuple[str, str, Any]


def install() -> dict[str, Callable[[Path, ExitStack], Contender]]:
    """Install what is missing; return how each peer that could be installed is started."""
    PLACE.mkdir(parents=True, exist_ok=True)
    python = PLACE / "python" / "bin" / "python"
    peers: dict[str, Callable[[Path, ExitStack], Contender]] = {}
    steps = [[sys.executable, "-m", "venv", str(PLACE / "python")]] if not python.exists() else []
    steps.append([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYTHON_PEERS])
    if _done(steps):
        peers["scim2-server"] = lambda folder, stack: _granian("scim2-server", "scim2_apps:plain", folder, stack)
        peers["scim2-flask"] = lambda folder, stack: _granian("scim2-flask", "scim2_apps:flask", folder, stack)
        peers["django-scim2"] = lambda folder, stack: _granian("django-scim2", "django_app:app", folder, stack)
    node = PLACE / "node"
    node.mkdir(exist_ok=True)
    shutil.copy(HERE / "scimmy.mjs", node)
    npm = ["npm", "install", "--prefix", str(node), "--no-audit", "--no-fund", "--silent", *NODE_PEERS]
    if shutil.which("npm") and _done([npm]):
        peers["scimmy-routers"] = lambda folder, stack: _node(node, folder, stack)
    return peers


def _done(steps: list[list[str]]) -> bool:
    for step in steps:
        done = subprocess.run(step, check=False, capture_output=True, text=True)
        if done.returncode:
            print(f"not installed: {' '.join(step)}: {done.stderr.strip()[-300:]}")
            return False
    return True


def _granian(name: str, target: str, folder: Path, stack: ExitStack) -> Contender:
    port = free_port()
    command = [str(PLACE / "python" / "bin" / "granian"), "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--blocking-threads", "1", "--no-ws", target]
    environ = dict(os.environ) | {"PYTHONPATH": str(HERE), "PEER_DATABASE": str(folder / f"{name}.db")}
    return _started(name, command, port, stack, environ)


def _node(place: Path, _: Path, stack: ExitStack) -> Contender:
    port = free_port()
    environ = dict(os.environ) | {"NODE_ENV": "production"}
    return _started("scimmy-routers", ["node", str(place / "scimmy.mjs"), str(port)], port, stack, environ)


def _started(name: str, command: list[str], port: int, stack: ExitStack, environ: dict[str, str]) -> Contender:
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return Contender(name, process, connect(port, "peer"))


class Phases:
    """What a contender is asked, phase by phase; `None` is what it refuses."""

    def __init__(self, one: Contender) -> None:
        self.one = one
        self.chance = random.Random(7)

    def run(self) -> dict[str, float | None]:
        """Run every phase and return the CPU time of each request."""
        found = {"create a user": self.create()}
        names = {"hit": lambda n: f"person{n:07}.load@acme.example", "miss": lambda n: f"nobody{n}@acme.example"}
        some = lambda: self.chance.randrange(len(self.one.ids))  # noqa: E731
        asked: dict[str, Callable[[], Request]] = {
            "GET a user": lambda: ("GET", f"/Users/{self.one.ids[some()]}", None),
            "filter userName eq, hit": lambda: self.filtered(names["hit"](some())),
            "filter userName eq, miss": lambda: self.filtered(names["miss"](some())),
            "list of 100": lambda: ("GET", f"/Users?startIndex={self.chance.randrange(1, 900)}&count=100", None),
            "PATCH active": lambda: self.active(self.one.ids[some()]),
        }
        for name, made in asked.items():
            found[name] = self.measure(self.repeated(made))
        for size in (100, 1_000, 10_000):
            if size < len(self.one.ids):
                found |= self.membership(size)
        return found

    def create(self) -> float | None:
        made = ((("POST", "/Users", user(number)), True) for number in range(USERS))
        return self.measure(made, SECONDS * 6)

    def filtered(self, name: str) -> Request:
        return "GET", "/Users?filter=" + quote(f'userName eq "{name}"'), None

    def active(self, id_: str) -> Request:
        operation = {"op": "replace", "path": "active", "value": self.chance.random() < 0.5}
        return "PATCH", f"/Users/{id_}", {"schemas": [PATCH], "Operations": [operation]}

    def repeated(self, made: Callable[[], Request]) -> Iterator[tuple[Request, bool]]:
        for _ in range(400):
            yield made(), False

    def membership(self, size: int) -> dict[str, float | None]:
        """Fill a group, and let one more in and out."""
        label = f"join, leave a group of {size:,}"
        schema = "urn:ietf:params:scim:schemas:core:2.0:Group"
        status, body = self.one.client.send("POST", "/Groups", {"schemas": [schema], "displayName": f"g{size}"})
        if status != 201:
            return {label: None}
        group = _id(body)
        fill = (
            (self.move(group, "add", self.one.ids[start : start + BATCH]), False) for start in range(0, size, BATCH)
        )
        began = self.one.cpu()
        if self.measure(fill, SECONDS * 3) is None:
            return {label: None}
        filled = (self.one.cpu() - began) / size
        if self.members(group) != size:
            return {label: None}
        newcomer = self.one.ids[size]
        leave = {"op": "remove", "path": f'members[value eq "{newcomer}"]'}
        pair = [
            self.move(group, "add", [newcomer]),
            ("PATCH", f"/Groups/{group}", {"schemas": [PATCH], "Operations": [leave]}),
        ]
        return {
            f"a member of {size:,}, by hundreds": filled,
            label: self.measure((request, False) for _ in range(100) for request in pair),
        }

    def members(self, group: str) -> int:
        return self.one.client.send("GET", f"/Groups/{group}")[1].count(b'"value"')

    def move(self, group: str, op: str, ids: list[str]) -> Request:
        operation = {"op": op, "path": "members", "value": [{"value": id_} for id_ in ids]}
        return "PATCH", f"/Groups/{group}", {"schemas": [PATCH], "Operations": [operation]}

    def measure(self, requests: Iterator[tuple[Request, bool]], seconds: float = SECONDS) -> float | None:
        """Send until they end or time is up; return the median cost of ten or fewer turns, None when refused."""
        costs: list[float] = []
        end = time.monotonic() + seconds
        before, sent = self.one.cpu(), 0
        for (method, path, body), creates in requests:
            status, answer = self.one.client.send(method, path, body)
            if not 200 <= status < 300:
                print(f"{self.one.name}: {method} {path[:60]}: {status} {answer[:160]!r}")
                return None
            if creates:
                self.one.ids.append(_id(answer))
            sent += 1
            if sent == 20:
                costs.append((self.one.cpu() - before) / sent)
                before, sent = self.one.cpu(), 0
            if time.monotonic() > end:
                break
        if sent:
            costs.append((self.one.cpu() - before) / sent)
        return statistics.median(costs)


def _id(body: bytes) -> str:
    return str(json.loads(body)["id"])


def main() -> None:
    """Install, start, ask, print."""
    if not os.environ.get("PEERS"):
        print("PEERS=1 installs other SCIM servers and asks them the same; nothing done")
        return
    starts = install()
    results: dict[str, dict[str, float | None]] = {}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        for peer, start in {"ours": start_ours, **starts}.items():
            try:
                one = start(Path(name), stack)
                results[peer] = Phases(one).run()
            except (SystemExit, OSError) as error:
                print(f"{peer}: stopped: {error}")
                continue
            memory[peer] = one.memory()
    show(results, memory)


def show(results: dict[str, dict[str, float | None]], memory: dict[str, float]) -> None:
    """Print a line for each phase and a column for each contender."""
    print(f"{'CPU us a request, times ours':<32}" + "".join(f"{name:>20}" for name in results))
    ours = results["ours"]
    for phase, base in ours.items():
        cells = []
        for found in results.values():
            cost = found.get(phase)
            cells.append("-" if cost is None or base is None else f"{cost:,.0f} ({cost / base:.1f}x)")
        print(f"{phase:<32}" + "".join(f"{cell:>20}" for cell in cells))
    print(f"{'memory, MB':<32}" + "".join(f"{memory[name]:>20.0f}" for name in results))


if __name__ == "__main__":
    main()
