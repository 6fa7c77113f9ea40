"""A SCIM server in memory, just large enough for the shipped traffic, that remembers every request."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass
class FakeSCIM:
    """The server's state: resources by type and id, and `METHOD /path?query status` of each request."""

    url: str = ""
    resources: dict[str, dict[str, Any]] = field(default_factory=lambda: {"Users": {}, "Groups": {}})
    requests: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    refuse: dict[str, int] = field(default_factory=dict)
    """`METHOD Type` → the status to answer instead."""

    @property
    def writes(self) -> list[str]:
        return [line for line in self.requests if not line.startswith("GET")]

    def named(self, name: str) -> Any:
        everything = [*self.resources["Users"].values(), *self.resources["Groups"].values()]
        (found,) = (one for one in everything if name in {one.get("userName"), one.get("displayName")})
        return found

    def members(self, group: str) -> set[str]:
        return {self.resources["Users"][id_]["userName"] for id_ in self.named(group)["members"]}

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(target)
        _, _, _, kind, *rest = parts.path.split("/")
        found = self.resources[kind]
        if f"{method} {kind}" in self.refuse:
            return self.refuse[f"{method} {kind}"], {"detail": "refused on purpose"}
        if method == "POST":
            id_ = f"{kind}-{len(found) + 1}"
            found[id_] = {**body, "id": id_, "members": dict.fromkeys(body.get("members", []))}
            return 201, found[id_]
        if not rest:
            return 200, listed(found, parse_qs(parts.query))
        if rest[0] not in found:
            return 404, {"detail": "there is none"}
        if method == "PUT":
            found[rest[0]] = body
        if method == "PATCH":
            patch(found[rest[0]], body)
            return 204, None
        return 200, found[rest[0]]


def listed(found: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    chosen = list(found.values())
    if "filter" in query:
        tests = re.findall(r'(\w+) eq "([^"]*)"', query["filter"][0])
        chosen = [one for one in chosen if all(one.get(name) == value for name, value in tests)]
    return {"totalResults": len(chosen), "Resources": chosen}


def patch(resource: dict[str, Any], body: dict[str, Any]) -> None:
    for operation in body["Operations"]:
        if operation.get("path") == "members":
            resource["members"].update({member["value"]: None for member in operation["value"]})
        elif operation.get("path") == "active":
            resource["active"] = operation["value"] != "False"


@pytest.fixture
def scim() -> Iterator[FakeSCIM]:
    fake = FakeSCIM()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one segment: apart, the second waits for the client's delayed ACK

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            status, document = fake.answer(self.command, self.path, body)
            fake.requests.append(f"{self.command} {self.path} {status}")
            fake.bodies.append(body)
            data = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the tests look at `requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}/scim/v2"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
