"""The demo's own applications on this machine: served from threads, and gone with the block."""

from __future__ import annotations

import socket

import httpx
import pytest
from flask import Flask
from tests.ports import free_port

from rolebridge.demo.serving import LocalServer

pytestmark = pytest.mark.loopback


def application() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "here")
    return app


def test_it_answers_until_the_block_ends(capfd: pytest.CaptureFixture[str]) -> None:
    """Requests are answered, nothing is printed, and the address is free again afterwards."""
    port = free_port()
    for _ in range(2):
        with LocalServer(application(), "127.0.0.1", port):
            assert httpx.get(f"http://127.0.0.1:{port}/").text == "here"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")
    assert capfd.readouterr() == ("", "")


def test_an_address_that_is_taken_is_an_error() -> None:
    """The program goes on, and says what it has to say."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match="in use"):
        LocalServer(application(), "127.0.0.1", port)
