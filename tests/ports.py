"""Ports for servers that tests start and stop."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST: Final = 15_000


def free_port(following: int = 0) -> int:
    """Return a port of the loopback that nobody listens on, and that no outgoing connection is given.

    So many `following` ones are free, too.

    The system takes the near end of an outgoing connection from its own range, in which `bind` to port 0 finds one
    too: a server that is killed and started again would now and then find its port taken by a client.
    """
    highest = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    while True:
        port = random.randrange(_LOWEST, max(highest - following, _LOWEST + 1_000))
        try:
            for one in range(port, port + following + 1):
                socket.create_server(("127.0.0.1", one)).close()
        except OSError:
            continue
        return port
