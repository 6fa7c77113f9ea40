"""Ports for servers that tests start and stop."""

from __future__ import annotations

import fcntl
import random
import socket
import tempfile
from io import TextIOWrapper
from pathlib import Path
from typing import Final

_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST: Final = 15_000
_IN_A_ROW: Final = 4
_OURS: Final[dict[int, TextIOWrapper]] = {}
"""Every port that this process was given, with the lock that keeps it from other test processes on the machine."""


def free_port() -> int:
    """Return a port of the loopback that nobody listens on, and that no outgoing connection is given.

    The system takes the near end of an outgoing connection from its own range, in which `bind` to port 0 finds one
    too: a server that is killed and started again would now and then find its port taken by a client. The next three
    ports are the caller's as well: the demo takes three in a row.
    """
    highest = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    while True:
        port = random.randrange(_LOWEST, max(highest, _LOWEST + 1_000), _IN_A_ROW)
        if port not in _OURS and all(map(_is_free, range(port, port + _IN_A_ROW))) and _is_reserved(port):
            return port


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def _is_reserved(port: int) -> bool:
    """Return whether the port is ours now, for as long as this process lives."""
    folder = Path(tempfile.gettempdir()) / "rolebridge-test-ports"
    folder.mkdir(exist_ok=True)
    lock = (folder / str(port)).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _OURS[port] = lock
    return True
