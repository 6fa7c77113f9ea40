"""An installation as a worker process serves it, called without a network: everything but the sockets is there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.databases import with_schema

from rolebridge.app import Installation, open_installation
from rolebridge.app.metrics import Metrics
from rolebridge.app.wsgi import error_body, serving_application
from rolebridge.bridge.callers import Operator
from rolebridge.settings import ServingSettings, load
from rolebridge.web.asgi import Limits, WSGIAdapter
from rolebridge.web.metrics import Shared

KEY = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"
MAY_I = Operator("os:test", "test")


@dataclass(frozen=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Worker:
    """One worker process's application behind the adapter that granian calls."""

    def __init__(self, settings: ServingSettings, counted: Shared | None = None, limits: Limits | None = None) -> None:
        self.served = serving_application(settings, None, counted)
        self.adapter = WSGIAdapter(
            self.served.application,
            limits or Limits(),
            error_body,
            self.served.refused,
            answered=self.served.answered,
            headers=self.served.headers,
        )

    def send(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a request; `target` is in a URL's form, `headers` have underscores where theirs have hyphens."""
        return asyncio.run(self._send(method, target, body, headers))

    async def _send(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        path, _, query = target.partition("?")
        named = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"bridge.example"), (b"content-length", str(len(body)).encode()), *named],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8080),
        }
        arriving = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if arriving:
                return arriving.pop()
            await asyncio.Event().wait()
            raise AssertionError("nothing else comes")

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.adapter(scope, receive, send)
        begun = sent[0]
        found = {name.decode(): value.decode() for name, value in begun["headers"]}
        return Answer(begun["status"], found, b"".join(one["body"] for one in sent[1:]))

    def close(self) -> None:
        self.served.close()


def serving(folder: Path, **variables: str) -> ServingSettings:
    """Make an installation of one organization, and return its settings."""
    url = f"sqlite:///{folder}/rolebridge.db"
    with_schema(url)
    environ = {"ROLEBRIDGE_DATABASE_URL": url, "ROLEBRIDGE_SECRET_KEY": KEY}
    environ |= {f"ROLEBRIDGE_{name.upper()}": value for name, value in variables.items()}
    return load(environ, Path("/dev/null")).for_serving()


def opened(settings: ServingSettings) -> Installation:
    """Return the installation of some settings, for acts beside the server. Metrics of it are nobody's."""
    return open_installation(settings, waited=Metrics().waited)
