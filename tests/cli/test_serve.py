"""`serve`: a real server from the settings of a machine."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.cli.machine import Machine, process

pytestmark = pytest.mark.loopback


@contextmanager
def taken_port() -> Iterator[int]:
    """Listen on a free port for a while, so that nobody else can."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_serves(ready: Machine) -> None:
    """The server says where it is, answers at every face, and ends with 0 when told to stop."""
    with taken_port() as port:
        pass
    token = ready.json("token", "add", "new")["token"]
    server = process(ready, "serve", ROLEBRIDGE_BIND=f"127.0.0.1:{port}", ROLEBRIDGE_WORKERS="1")
    try:
        assert server.stdout is not None
        first = server.stdout.readline().decode()
        assert first.startswith(f"SCIM http://127.0.0.1:{port}/scim/v2 ")
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        answers = {}
        for path in ("/healthz", "/nope", "/scim/v2/Users"):
            client.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = client.getresponse()
            answers[path] = (response.status, response.read())
        client.close()
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert answers["/healthz"] == (200, b"ok\n")
    assert json.loads(answers["/nope"][1])["status"] == 404
    assert json.loads(answers["/scim/v2/Users"][1])["totalResults"] == 0
    assert server.returncode == 0


def test_address_in_use(ready: Machine) -> None:
    """A server whose address is taken ends with 3 and says how to choose another."""
    with taken_port() as port:
        server = process(ready, "serve", ROLEBRIDGE_BIND=f"127.0.0.1:{port}")
        out, err = server.communicate(timeout=60)
    assert (server.returncode, out) == (3, b"")
    assert f"error: cannot listen on 127.0.0.1:{port}: address already in use\n" in err.decode()
    assert "ROLEBRIDGE_BIND" in err.decode()
