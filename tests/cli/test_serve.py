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
from tests.ports import free_port

pytestmark = pytest.mark.loopback


@contextmanager
def taken_port() -> Iterator[int]:
    """Listen on a free port for a while, so that nobody else can."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_serves(ready: Machine) -> None:
    """The server says where it is, answers at every face, and ends with 0 when told to stop."""
    port = free_port()
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


def test_metrics_of_all_workers(ready: Machine) -> None:
    """The address of the metrics answers what all worker processes counted; it logs as the settings say."""
    port, metrics = free_port(), free_port()
    settings = {"ROLEBRIDGE_BIND": f"127.0.0.1:{port}", "ROLEBRIDGE_METRICS_BIND": str(metrics)}
    server = process(ready, "serve", **settings, ROLEBRIDGE_WORKERS="2", ROLEBRIDGE_LOG_FORMAT="json")
    try:
        assert server.stdout is not None
        server.stdout.readline()
        for _ in range(20):  # each connection goes to whichever worker the kernel chooses
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            client.request("GET", "/scim/v2/Users")
            assert client.getresponse().read()
            client.close()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        client.request("GET", "/readyz")
        assert client.getresponse().read() == b"ready\n"
        client.close()
        client = http.client.HTTPConnection("127.0.0.1", metrics, timeout=30)
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
        client.close()
    finally:
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=60)
    assert 'rolebridge_requests_total{door="scim",method="GET",status="4xx"} 20\n' in text
    assert "rolebridge_worker_process_starts_total 2\n" in text
    refusals = [json.loads(line) for line in err.decode().splitlines()]
    assert len([one for one in refusals if one["logger"] == "rolebridge.scim"]) == 20
    assert all(one["request_id"] for one in refusals if one["logger"] == "rolebridge.scim")


def test_address_of_metrics_in_use(ready: Machine) -> None:
    """A server that cannot answer metrics where it was told to ends with 3 and says how to choose another address."""
    with taken_port() as port:
        server = process(ready, "serve", ROLEBRIDGE_METRICS_BIND=str(port), ROLEBRIDGE_BIND="127.0.0.1:1")
        out, err = server.communicate(timeout=60)
    assert (server.returncode, out) == (3, b"")
    assert f"error: cannot listen on 127.0.0.1:{port}: address already in use\n" in err.decode()
    assert "ROLEBRIDGE_METRICS_BIND" in err.decode()
