"""Serving the demo's own applications from threads of the demo: they are for one person at a time, on this machine."""

from __future__ import annotations

import logging
import socket
import threading
from types import TracebackType
from typing import Self

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

logger = logging.getLogger("rolebridge.demo")


class _Handler(WSGIRequestHandler):
    """Answers requests, and says nothing of them: the terminal is the demo's."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Hand a line on to the process's log, where nobody sees it who has not asked for it."""
        logger.debug(message, *args)


class LocalServer:
    """An application at an address of this machine, as long as the `with` lasts."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        """Listen at once, so that an address that is taken is known. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Not by werkzeug, which ends the process where the address is taken.
        with socket.create_server((host, port), family=family) as listener:
            self._server = make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listener.fileno())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        """Answer requests; leaving stops that."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more, and give the address back."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
