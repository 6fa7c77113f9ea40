"""Bytes that no proper client sends, to the real server: refused or closed, and it serves others as before."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.durability.running import Bridge, bridge

pytestmark = pytest.mark.loopback

AUTH = "Authorization: Bearer {token}\r\n"
BODY = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"smuggled@acme.example"}'
POST = f"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\n{AUTH}"
GET = f"GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n{AUTH}"
INNER = f"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\n{AUTH}Content-Length: {len(BODY)}\r\n\r\n{BODY}"
RAW = {
    "two lengths": f"{POST}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
    "length and chunks": "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\n" + AUTH
        + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "unknown transfer coding": f"{POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding twice": f"{POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": f"{GET}Transfer-Encoding : chunked\r\n\r\n",
    "a folded header": f"{GET}X-A: b\r\n folded\r\n\r\n",
    "a negative length": f"{POST}Content-Length: -1\r\n\r\n",
    "a length of letters": f"{POST}Content-Length: 0x10\r\n\r\n",
    "a length without end": f"{POST}Content-Length: {'9' * 60}\r\n\r\n",
    "a chunk without size": f"{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a huge chunk": f"{POST}Transfer-Encoding: chunked\r\n\r\n{'f' * 17}\r\n",
    "no version": "GET /scim/v2/Users\r\n\r\n",
    "a wrong version": "GET /scim/v2/Users HTTP/9.9\r\n\r\n",
    "no line": "\r\n" * 200,
    "a NUL in the path": f"GET /scim/v2/Users\x00 HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n",
    "a NUL in a header": f"{GET}X-A: \x00\r\n\r\n",
    "bytes that are no ASCII": f"GET /scim/v2/Users?filter=\xff\xfe HTTP/1.1\r\nHost: x\r\n{AUTH}X-A: \xff\xfe\r\n\r\n",
    "a huge head": f"{GET}X-A: {'a' * 300_000}\r\n\r\n",
    "many headers": "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n" + AUTH + "X-A: b\r\n" * 5_000 + "\r\n",
    "an absolute target": f"GET http://other.example/scim/v2/Users HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n",
    "an asterisk": f"OPTIONS * HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n",
    "a tunnel": f"CONNECT other.example:443 HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n",
    "HTTP/2 at once": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade": f"{GET}Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
    "two credentials": f"GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer rbt_x\r\n{AUTH}\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge on SQLite."""
    folder = tmp_path_factory.mktemp("wire")
    with bridge(folder, f"sqlite:///{folder}/rolebridge.db", workers="1") as running:
        yield running


@pytest.mark.parametrize("name", RAW)
def test_broken_requests_break_nothing(served: Bridge, name: str) -> None:
    """No answer is a 5xx other than 501 or HTML, nothing is smuggled in, and the next request is answered."""
    with closing(socket.create_connection(("127.0.0.1", served.port), timeout=20)) as wire:
        try:
            wire.sendall(RAW[name].replace("{token}", served.token).encode("latin-1"))
            wire.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: wire.recv(65_536), b""))
        except TimeoutError:
            raise
        except OSError:
            answer = b""  # closed in the middle of it, which is an answer too
    status = int(answer[9:12]) if answer else 0
    assert status < 500 or status in (501, 505), answer[:300]
    assert b"<html" not in answer.lower()
    assert b"Traceback" not in answer
    talker = served.talker()
    assert talker.send("GET", "/Users").body["totalResults"] == 0, "something was smuggled in"
    talker.close()
    assert "Traceback" not in served.log.read_text()
