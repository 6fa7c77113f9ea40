"""Clients that stop in the middle, over the whole server: uploads that never end and readers that never read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from tests.durability.running import PATIENCE, Bridge

pytestmark = pytest.mark.loopback

STALLED = 5
PEOPLE = 3_000
"""Members of the group that stalled readers ask for: more than the kernel's buffers hold for a few answers."""


@pytest.fixture
def stalled(sqlite_serving: Bridge) -> Iterator[tuple[Bridge, str]]:
    """A bridge on SQLite with five uploads and five readers that stand still."""
    talker = sqlite_serving.talker()
    bulk = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
    user = "urn:ietf:params:scim:schemas:core:2.0:User"
    ids: list[str] = []
    for first in range(0, PEOPLE, 500):
        wanted = [
            {
                "method": "POST",
                "path": "/Users",
                "bulkId": str(n),
                "data": {"schemas": [user], "userName": f"user{n}@x"},
            }
            for n in range(first, first + 500)
        ]
        said = talker.send("POST", "/Bulk", {"schemas": [bulk], "Operations": wanted})
        assert said.status == 200, said
        ids += [operation["location"].rpartition("/")[2] for operation in said.body["Operations"]]
    group = talker.new_group("Everybody", *ids)
    with ExitStack() as stack:
        for _ in range(STALLED):
            upload = stack.enter_context(closing(_connect(sqlite_serving)))
            upload.sendall(_head(sqlite_serving, "POST", "/Users", "Content-Length: 1000") + b'{"schemas": [')
            reader = stack.enter_context(closing(_connect(sqlite_serving)))
            # The same large answer many times over on one connection: more than the buffers in between can take.
            reader.sendall(_head(sqlite_serving, "GET", f"/Groups/{group}") * 40)
        yield sqlite_serving, group


def _connect(bridge: Bridge) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", bridge.port))
    return made


def _head(bridge: Bridge, method: str, path: str, *more: str) -> bytes:
    lines = [
        f"{method} /scim/v2{path} HTTP/1.1",
        "Host: bridge",
        f"Authorization: Bearer {bridge.token}",
        "Content-Type: application/scim+json",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_stalled_clients_delay_nobody(stalled: tuple[Bridge, str]) -> None:
    """With five uploads and five readers that stand still, others read and write as if they were alone."""
    running, group = stalled
    longest = 0.0
    talkers = [running.talker() for _ in range(4)]  # on both workers, as the kernel spreads them
    for number in range(40):
        talker, began = talkers[number % len(talkers)], time.monotonic()
        user = talker.new_user(f"writer{number}@acme.example")
        step = {"op": "add", "path": "members", "value": [{"value": user}]}
        assert talker.patch(f"/Groups/{group}", step).status in (200, 204)
        assert talker.send("GET", f"/Users/{user}").status == 200
        longest = max(longest, time.monotonic() - began)
    # A stalled client is given 30 seconds: had anybody waited for one, it would show.
    assert longest < PATIENCE / 3
    running.assert_sound()
