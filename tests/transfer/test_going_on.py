"""An import from another SCIM server that breaks off, and is run again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.transfer.moving import Moving, counts, user

from rolebridge.core.errors import Unavailable
from rolebridge.scim.transfer import batches, remote
from rolebridge.scim.transfer.importer import Report
from rolebridge.scim.transfer.remote import ScimServer

pytestmark = pytest.mark.loopback


@dataclass
class Source:
    """Another SCIM server: its users, whether it has cursors and which of them expire, and how many pages it gives."""

    users: list[dict[str, Any]]
    cursors: bool
    pages: int = 1_000
    expired: set[str] = field(default_factory=set)
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Return the answer to a request."""
        if path == "/ServiceProviderConfig":
            return 200, {"pagination": {"cursor": self.cursors}}
        if path == "/Groups":
            return 200, {"totalResults": 0, "Resources": []}
        place = query.get("cursor", query.get("startIndex", ""))
        self.asked.append(place)
        if len(self.asked) > self.pages:
            return 500, {}
        if place in self.expired:
            self.expired.remove(place)
            return 400, {"scimType": "expiredCursor"}
        begin = int(place or "1") - 1
        count = int(query["count"])
        more = {"nextCursor": str(begin + count + 1)} if self.cursors and begin + count < len(self.users) else {}
        return 200, {"totalResults": len(self.users), "Resources": self.users[begin : begin + count], **more}


@pytest.fixture(params=["by cursor", "by index"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """A server of twenty users, three to a page; an import takes four in one transaction."""
    monkeypatch.setattr(remote, "PAGE", 3)
    monkeypatch.setattr(batches, "USERS_AT_ONCE", 4)
    there = Source([{"id": f"s{n}", **user(f"p{n}")} for n in range(20)], request.param == "by cursor")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, document = there.answer(parts.path, dict(parse_qsl(parts.query)))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        there.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield there
        server.shutdown()
        thread.join()


def take(moving: Moving, source: Source) -> Report:
    """Import from the source."""
    with closing(ScimServer(source.url, "token", lambda _: None)) as server:
        return moving.take(sources=[server])


def broken_off(moving: Moving, source: Source) -> None:
    """Import until the source breaks: of five pages, 12 users are written, the progress after 8 of them is kept."""
    source.pages = 5
    with pytest.raises(Unavailable, match="the server answers 500"):
        take(moving, source)
    source.pages, source.asked = 1_000, []


def test_goes_on_where_it_was(moving: Moving, source: Source) -> None:
    """Pages before the place are not asked for again, no user is made twice, and the report counts both runs."""
    broken_off(moving, source)
    report = take(moving, source)
    assert report.resumed_at == f"{source.url}, after 8 of the users"
    assert set(source.asked) == {"7", "10", "13", "16", "19"}
    assert counts(report, "users") == {"created": 16, "unchanged": 4}
    assert [one["userName"] for one in moving.resources()] == [one["userName"] for one in source.users]


def test_begins_anew_where_the_place_is_gone(moving: Moving, source: Source) -> None:
    """When users before the place have gone, everything is read from the beginning, said so, and nobody is missed."""
    broken_off(moving, source)
    del source.users[0]
    report = take(moving, source)
    assert (report.restarted, report.resumed_at) == (source.url, "")
    assert counts(report, "users") == {"created": 8, "unchanged": 11}
    assert {one["userName"] for one in moving.resources()} > {one["userName"] for one in source.users}


def test_begins_anew_where_it_pages_otherwise(moving: Moving, source: Source) -> None:
    """A place in pages by cursor is none in pages by index, and the other way round."""
    broken_off(moving, source)
    source.cursors = not source.cursors
    report = take(moving, source)
    assert report.restarted == source.url
    assert counts(report, "users") == {"created": 8, "unchanged": 12}


@pytest.mark.parametrize("source", ["by cursor"], indirect=True)
def test_begins_anew_when_the_cursor_has_expired(moving: Moving, source: Source) -> None:
    """A server that takes its cursor no more (RFC 9865 §2) is read from the beginning."""
    broken_off(moving, source)
    source.expired = {"7"}
    report = take(moving, source)
    assert report.restarted == source.url
    assert source.asked == ["7", "", "4", "7", "10", "13", "16", "19"]
    assert counts(report, "users") == {"created": 8, "unchanged": 12}
