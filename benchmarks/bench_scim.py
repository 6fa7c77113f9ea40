"""The SCIM door end to end: `rolebridge serve` on SQLite beside a floor of Flask and raw SQL, in one run.

Both answer over loopback from one process behind the same server, durably. What is compared is the CPU time of the
server per request, in interleaved turns; it hardly moves with the neighbours of a shared machine, wall time does. For
the rows that have no floor the comparison is with the same request on a small population or group.

    python benchmarks/bench_scim.py                 10,000 users, a group of 20,000 → as far as there are users
    USERS=1000 python benchmarks/bench_scim.py      the same ratios at another size; growth is bench_growth.py
    ROLEBRIDGE_DATABASE_URL=postgresql://… python benchmarks/bench_scim.py

PostgreSQL's own CPU is not counted then.
"""

from __future__ import annotations

import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

USERS = int(os.environ.get("USERS", "10000"))
SMALL = 100
ROUNDS, TURN = 9, 200
HERE = Path(__file__).parent
CORE, ENTERPRISE = (
    "urn:ietf:params:scim:schemas:core:2.0:User",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
)


def user(number: int, tag: str = "load") -> dict[str, Any]:
    """Return a user as an identity provider sends one."""
    name = f"person{number:07}.{tag}@acme.example"
    return {
        "schemas": [CORE, ENTERPRISE],
        "externalId": f"{tag}-{number}",
        "userName": name,
        "name": {"givenName": f"Given{number}", "familyName": f"Family{number}"},
        "displayName": f"Given{number} Family{number}",
        "active": True,
        "emails": [{"value": name, "type": "work", "primary": True}],
        ENTERPRISE: {"employeeNumber": str(number), "department": f"Department {number % 50}"},
    }


class Client:
    """One keep-alive connection, on a raw socket: the client must not cost more than the server."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self.connect()
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/scim+json\r\n"
        self._rest = b""

    def connect(self) -> None:
        """Open the connection, anew if a server has closed it for being idle."""
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send a request and return status and body of the answer."""
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        head = f"{method} /scim/v2{path} HTTP/1.1\r\n{self._head}Content-Length: {len(data)}\r\n\r\n"
        self._socket.sendall(head.encode() + data)
        return self._answer()

    def _answer(self) -> tuple[int, bytes]:
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            self._more()
        head, self._rest = self._rest[:end].decode("latin-1").lower(), self._rest[end + 4 :]
        status = int(head.split(" ", 2)[1])
        if "transfer-encoding: chunked" in head:
            return status, self._chunks()
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
        return status, self._take(length)

    def _chunks(self) -> bytes:
        parts = []
        while True:
            while b"\r\n" not in self._rest:
                self._more()
            size, _, self._rest = self._rest.partition(b"\r\n")
            block = self._take(int(size, 16) + 2)[:-2]
            if not block:
                return b"".join(parts)
            parts.append(block)

    def _take(self, length: int) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < length:
            received = self._socket.recv(1 << 20)
            if not received:
                raise SystemExit("a server closed the connection")
            parts.append(received)
            have += len(received)
        whole = b"".join(parts)
        self._rest = whole[length:]
        return whole[:length]

    def _more(self) -> None:
        received = self._socket.recv(65536)
        if not received:
            raise SystemExit("a server closed the connection")
        self._rest += received


@dataclass
class Contender:
    """A server, a connection to it, and what it holds."""

    name: str
    process: subprocess.Popen[bytes]
    client: Client
    ids: list[str] = field(default_factory=list)

    def cpu(self) -> float:
        """Return the CPU time of the server's processes so far, in microseconds."""
        return sum(_cpu(pid) for pid in _tree(self.process.pid))

    def memory(self) -> float:
        """Return the anonymous memory of the largest process, in MB."""
        return max(_anonymous(pid) for pid in _tree(self.process.pid))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _cpu(pid: int) -> float:
    # Nanoseconds that the scheduler counted: clock ticks of 10 ms are too coarse for a turn of 200 requests.
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1000


def _anonymous(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def connect(port: int, token: str) -> Client:
    """Return a connection to a server that may still be starting."""
    for _ in range(300):
        try:
            return Client(port, token)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("a server does not start")


def start_floor(folder: Path, stack: ExitStack) -> Contender:
    """Start the floor."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "scim_floor.py"), str(folder), str(port)])
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return Contender("floor", process, connect(port, ""))


def start_ours(folder: Path, stack: ExitStack) -> Contender:
    """Set an installation up in `folder` and serve it with one worker."""
    port = free_port()
    environ = {"ROLEBRIDGE_BIND": f"127.0.0.1:{port}", "ROLEBRIDGE_WORKERS": "1"} | dict(os.environ)
    command = [sys.executable, "-m", "rolebridge"]

    def out(*words: str) -> bytes:
        return subprocess.run([*command, *words], cwd=folder, env=environ, check=True, stdout=subprocess.PIPE).stdout

    out("init")
    token = json.loads(out("connection", "add", "bench", "--profile", "entra", "--json"))["token"]
    out("connection", "limit", "bench", "none")
    process = subprocess.Popen([*command, "serve"], cwd=folder, env=environ, stdout=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return Contender("ours", process, connect(port, token))


def create(one: Contender, count: int, tag: str) -> float:
    """Create users; return the server's CPU time for each, in microseconds."""
    before = one.cpu()
    for number in range(count):
        status, body = one.client.send("POST", "/Users", user(number, tag))
        if status != 201:
            raise SystemExit(f"{one.name}: {status} {body[:300]!r}")
        one.ids.append(json.loads(body)["id"])
    return (one.cpu() - before) / count


Turn = Callable[[Contender, random.Random], Sequence[tuple[str, str, Any]]]


def turn(one: Contender, requests: Sequence[tuple[str, str, Any]]) -> float:
    """Send requests; return the server's CPU time for each, in microseconds."""
    before = one.cpu()
    for method, path, body in requests:
        status, answer = one.client.send(method, path, body)
        if not 200 <= status < 300:
            raise SystemExit(f"{one.name}: {method} {path}: {status} {answer[:300]!r}")
    return (one.cpu() - before) / len(requests)


def gets(one: Contender, chance: random.Random) -> Sequence[tuple[str, str, Any]]:
    """Return GETs of users."""
    return [("GET", f"/Users/{chance.choice(one.ids)}", None) for _ in range(TURN)]


def hits(one: Contender, chance: random.Random) -> Sequence[tuple[str, str, Any]]:
    """Return filters that find someone."""
    names = [f"person{chance.randrange(len(one.ids)):07}.load@acme.example" for _ in range(TURN)]
    return [("GET", "/Users?filter=" + quote(f'userName eq "{name}"'), None) for name in names]


def misses(_: Contender, chance: random.Random) -> Sequence[tuple[str, str, Any]]:
    """Return filters that find nobody, as an identity provider sends one before each creation."""
    names = [f"nobody{chance.random()}@acme.example" for _ in range(TURN)]
    return [("GET", "/Users?filter=" + quote(f'userName eq "{name}"'), None) for name in names]


def lists(one: Contender, chance: random.Random) -> Sequence[tuple[str, str, Any]]:
    """Return pages of 100, from anywhere."""
    starts = [chance.randrange(1, max(2, len(one.ids) - 100)) for _ in range(TURN // 10)]
    return [("GET", f"/Users?startIndex={start}&count=100", None) for start in starts]


def patches(one: Contender, chance: random.Random) -> Sequence[tuple[str, str, Any]]:
    """Return deactivations and activations."""
    made = []
    for _ in range(TURN // 2):
        id_ = chance.choice(one.ids)
        for active in (False, True):
            operation = {"op": "replace", "path": "active", "value": active}
            made.append(("PATCH", f"/Users/{id_}", {"schemas": [PATCH], "Operations": [operation]}))
    return made


def posts(one: Contender, _: random.Random) -> Sequence[tuple[str, str, Any]]:
    """Return creations."""
    tag = uuid4().hex[:8]
    return [("POST", "/Users", user(number, tag)) for number in range(TURN)]


PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def joins(group_id: str, person: str) -> Turn:
    """Return somebody joining a group and leaving it, again and again."""

    def made(_: Contender, __: random.Random) -> Sequence[tuple[str, str, Any]]:
        value = [{"value": person}]
        pair = [
            (
                "PATCH",
                f"/Groups/{group_id}",
                {"schemas": [PATCH], "Operations": [{"op": op, "path": "members", "value": value}]},
            )
            for op in ("add", "remove")
        ]
        return pair * (TURN // 4)

    return made


def compare(name: str, goal: str, first: tuple[Contender, Turn], second: tuple[Contender, Turn]) -> None:
    """Print what a request costs in two ways, in interleaved turns, and the ratio of the first to the second."""
    chance = random.Random(7)
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for kept, (one, made) in zip(costs, (first, second), strict=True):
            kept.append(turn(one, made(one, chance)))
    ours, floor = (statistics.median(kept) for kept in costs)
    print(f"{name:<34}{ours:9.0f}{floor:9.0f}   speed {floor / ours:5.2f}x   goal {goal}", flush=True)


def group(one: Contender, members: Sequence[str]) -> str:
    """Create a group, add members in batches of 100, and return its id."""
    name = f"group-{uuid4().hex[:6]}"
    schema = "urn:ietf:params:scim:schemas:core:2.0:Group"
    status, body = one.client.send("POST", "/Groups", {"schemas": [schema], "displayName": name})
    if status != 201:
        raise SystemExit(f"{status} {body[:300]!r}")
    id_: str = json.loads(body)["id"]
    before, started = one.cpu(), time.perf_counter()
    for start in range(0, len(members), 100):
        value = [{"value": member} for member in members[start : start + 100]]
        operation = {"op": "add", "path": "members", "value": value}
        one.client.send("PATCH", f"/Groups/{id_}", {"schemas": [PATCH], "Operations": [operation]})
    if len(members) > SMALL:
        spent, wall = (one.cpu() - before) / len(members), (time.perf_counter() - started) / len(members) * 1e6
        print(f"{'a member, in batches of 100':<34}{spent:9.1f}{'':9}   {wall:.1f} us of wall time   goal <= 10 us")
    return id_


def large_group(ours: Contender) -> None:
    """Compare one person joining a large and a small group, and read the large one whole."""
    large, small = group(ours, ours.ids[: USERS - 1]), group(ours, ours.ids[:SMALL])
    newcomer = ours.ids[USERS - 1]
    compare(
        f"join, leave: {USERS - 1} against {SMALL}",
        ">= 0.83x",
        (ours, joins(large, newcomer)),
        (ours, joins(small, newcomer)),
    )
    before, started = ours.memory(), time.perf_counter()
    _, body = ours.client.send("GET", f"/Groups/{large}")
    wall, members = (time.perf_counter() - started) * 1000, len(json.loads(body)["members"])
    print(
        f"GET group of {members}: {wall:.0f} ms, {len(body) / 1e6:.1f} MB sent, {ours.memory() - before:+.0f} MB held"
    )


def main() -> None:
    """Run every comparison."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        floor, ours = start_floor(Path(name), stack), start_ours(Path(name), stack)
        print(f"CPU of the server, us a request{'ours':>12}{'floor':>9}   ({USERS} users)")
        costs = [create(one, USERS, "load") for one in (ours, floor)]
        ratio = costs[1] / costs[0]
        print(f"{'POST user, while growing':<34}{costs[0]:9.0f}{costs[1]:9.0f}   speed {ratio:5.2f}x   goal >= 0.5x")
        rows: tuple[tuple[str, str, Turn], ...] = (
            ("GET user", ">= 0.85x", gets),
            ("filter userName eq, hit", ">= 0.85x", hits),
            ("filter userName eq, miss", ">= 0.85x", misses),
            ("list of 100, anywhere", ">= 0.3x of a constant", lists),
            ("PATCH active", ">= 0.8x", patches),
            ("POST user", ">= 0.5x", posts),
        )
        for label, goal, made in rows:
            compare(label, goal, (ours, made), (floor, made))
        large_group(ours)
        print(
            f"memory of a process: {ours.memory():.0f} MB (floor {floor.memory():.0f} MB)   goal <= 150 MB at 100,000"
        )


if __name__ == "__main__":
    main()
