"""What it costs that a slow client delays nobody: our server against granian's own WSGI mode, in one run.

Both serve one constant answer from one process with one thread for Python. Three parts, about 15 seconds:

* CPU of the server and wall time per request, in interleaved turns, for a GET and for a POST of 1,000 bytes, with 4
  and with 40 requests under way at a time; the ratio is ours to granian's WSGI mode. What ours costs more is the way
  of a request to asyncio's thread and back, which many requests under way share. CPU is the sum over the threads of
  the worker as the kernel counts it (Linux only), and hardly moves with the neighbours of a shared machine.
* the round trip of a GET while 5 clients have sent half a body and 5 do not read the 50 MiB they asked for
* memory of the worker while those 5 do not read
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROUNDS = 9
TURN = 2_000
"""Requests of one turn."""
UNDER_WAY = (4, 40)
"""Connections that send at the same time."""
MIB = 1024 * 1024

BODY = b'{"padding": "' + b"x" * 485 + b'"}'
HEADERS = [("Content-Type", "application/scim+json"), ("Content-Length", str(len(BODY)))]
HEAD = (
    b"Host: 127.0.0.1\r\nAccept: application/scim+json\r\nUser-Agent: bench\r\n"
    b"Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n"
)
GET = b"GET /scim/v2/Users/2819c223?attributes=userName HTTP/1.1\r\n" + HEAD + b"\r\n"
POST_HEAD = b"POST /scim/v2/Users HTTP/1.1\r\n" + HEAD + b"Content-Type: application/scim+json\r\n"
POST = POST_HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000
HALF = POST_HEAD + b"Content-Length: 10000\r\n\r\n" + b"x" * 5000
LONG = b"GET /long HTTP/1.1\r\n" + HEAD + b"\r\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a constant; read what was sent; stream 50 MiB at `/long`."""
    if environ["PATH_INFO"] == "/long":
        start_response("200 OK", [])
        return (b"x" * MIB for _ in range(50))
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
    start_response("200 OK", HEADERS)
    return [BODY]


def make() -> Any:
    """Return the application, as `run` asks for it."""
    return application


def serve(mode: str, port: int) -> None:
    """Be the server `mode`."""
    if mode == "ours":
        from rolebridge.cli.serving import Address, run

        run(make, Address(port=port))
        return
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.server.mp import MPServer

    server = MPServer(
        "bench",
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=1,
        loop=Loops.asyncio,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    )
    server.serve(target_loader=make, wrap_loader=False)


class Contender:
    """A server of one mode and the connections to it."""

    def __init__(self, mode: str, stack: ExitStack) -> None:
        self.mode = mode
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        command = [sys.executable, __file__, "serve", mode, str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        stack.callback(self._stop)
        self.clients = [stack.enter_context(self._connect()) for _ in range(max(UNDER_WAY))]
        self.clients[0].sendall(GET)
        self.size = len(self.clients[0].recv(65536))
        self.worker = max(children(self.process.pid), key=memory)
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def _connect(self) -> socket.socket:
        for _ in range(200):
            try:
                client = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return client
        raise SystemExit(f"the server `{self.mode}` does not start")

    def turn(self, request: bytes, under_way: int) -> None:
        """Send TURN requests and note what one cost, in microseconds."""
        clients = self.clients[:under_way]
        cpu, wall = cpu_us(self.worker), time.perf_counter()
        for _ in range(TURN // under_way):
            for client in clients:
                client.sendall(request)
            for client in clients:
                left = self.size
                while left > 0:
                    left -= len(client.recv(65536))
        self.wall.append((time.perf_counter() - wall) / TURN * 1e6)
        self.cpu.append((cpu_us(self.worker) - cpu) / TURN)

    def beside_slow_clients(self, requests: int = 300, patience: float = 2.0) -> str:
        """Say how long round trips took beside ten stalled clients, and what those cost in memory."""
        before = memory(self.worker)
        with ExitStack() as stack:
            for request in [HALF] * 5 + [LONG] * 5:
                stack.enter_context(slow := self._connect())
                slow.sendall(request)
            time.sleep(0.5)
            client = stack.enter_context(self._connect())
            client.settimeout(patience)
            taken = []
            try:
                for _ in range(requests):
                    start = time.perf_counter()
                    client.sendall(GET)
                    client.recv(65536)
                    taken.append((time.perf_counter() - start) * 1e3)
            except TimeoutError:
                return f"no answer within {patience:g} s"
            taken.sort()
            grown = (memory(self.worker) - before) / MIB
            return (
                f"p50 {taken[len(taken) // 2]:.2f} ms, p99 {taken[int(len(taken) * 0.99)]:.2f} ms, "
                f"memory +{grown:.0f} MiB for 250 MiB asked for"
            )

    def _stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            for child in children(self.process.pid):
                os.kill(child, signal.SIGKILL)
            self.process.kill()
            self.process.wait()


def children(pid: int) -> list[int]:
    """Return the processes that `pid` has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def cpu_us(pid: int) -> float:
    """Return the CPU time of all threads of a process so far, in microseconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e3


def memory(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def compare(floor: Contender, ours: Contender, request: bytes, under_way: int) -> None:
    """Print what a request costs each of the two, in alternating turns; the first turn warms up."""
    for number in range(ROUNDS + 1):
        for contender in (floor, ours) if number % 2 else (ours, floor):
            if number == 1:
                contender.cpu.clear()
                contender.wall.clear()
            contender.turn(request, under_way)
    name = request[:4].decode().strip()
    for what, figures in (
        ("CPU", (floor.cpu, ours.cpu)),
        ("wall", (floor.wall, ours.wall)),
    ):
        low, high = (statistics.median(each) for each in figures)
        print(
            f"{name:<4} {under_way:>3} under way  {what:<4}  granian WSGI {low:6.1f} us   ours {high:6.1f} us   "
            f"{high - low:+6.1f} us   ratio {high / low:.2f}"
        )


def main() -> None:
    """Run the comparison."""
    if not Path("/proc/self/schedstat").exists():
        raise SystemExit("this benchmark reads CPU times from /proc, which only Linux has")
    with ExitStack() as stack:
        floor, ours = (Contender(mode, stack) for mode in ("wsgi", "ours"))
        for under_way in UNDER_WAY:
            for request in (GET, POST):
                compare(floor, ours, request, under_way)
        for label, contender in (("granian WSGI", floor), ("ours", ours)):
            print(f"beside 5 stalled uploads and 5 stalled readers, {label}: {contender.beside_slow_clients()}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
