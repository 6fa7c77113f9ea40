"""A WSGI application behind granian: slow clients, hostile requests, failures and stops, over real processes."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rolebridge.web.asgi import Limits, WSGIAdapter, environ_of, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

pytestmark = pytest.mark.loopback

SERVED = Path(__file__).with_name("served.py")
MIB = 1024 * 1024
PATIENCE = 20.0
"""Seconds until a test gives up. Nothing measures time; a test that passes never waits for this."""

BODY = 100_000
"""What the servers of these tests accept as one request's body, in bytes."""

BUFFERED = 250_000


@dataclass(frozen=True)
class Server:
    """A running `served.py`."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def ask(self, request: bytes, method: str = "GET") -> Answer:
        """Send the bytes of one request on a connection of its own, and read the answer."""
        with self.connect() as client:
            client.sendall(request)
            return receive(client, method)

    def get(self, path: str, *headers: str) -> Answer:
        """Send a GET."""
        return self.ask(get(path, *headers))

    def state(self) -> dict[str, Any]:
        """Return what the application tells about its process."""
        return self.get("/state").document()


@dataclass(frozen=True)
class Answer:
    """An answer as the client saw it; `cut` when the connection ended before the body did."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool

    def document(self) -> dict[str, Any]:
        """Return the JSON document of a successful answer."""
        assert self.status == 200, self
        document: dict[str, Any] = json.loads(self.body)
        return document


def get(path: str, *headers: str) -> bytes:
    """Return the bytes of a GET."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: here", *headers, "", ""]).encode("latin-1")


def post(length: int, body: bytes = b"") -> bytes:
    """Return the bytes of a POST whose body is announced with `length` bytes."""
    return b"POST /post HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%b" % (length, body)


def post_chunks(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Return the bytes of a POST whose body comes in chunks."""
    head = b"POST /post HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def receive(client: socket.socket, method: str = "GET") -> Answer:
    """Read one answer."""
    response = http.client.HTTPResponse(client, method=method)
    response.begin()
    cut = False
    try:
        body = response.read()
    except http.client.IncompleteRead as error:
        body, cut = error.partial, True
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, body, cut)


def is_waiting(client: socket.socket) -> bool:
    """Whether the server has neither answered nor closed."""
    client.setblocking(False)
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        client.settimeout(PATIENCE)
    return False


@contextmanager
def serve(folder: Path, **options: Any) -> Iterator[Server]:
    """Run a server; its log is in `folder`."""
    log = folder / "server.log"
    with (
        log.open("wb") as sink,
        subprocess.Popen(
            [sys.executable, str(SERVED), json.dumps(options)], stdout=subprocess.PIPE, stderr=sink, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), log.read_text()
            yield Server(process, int(url.rpartition(":")[2]), log)
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker that gives clients all the time in the world."""
    limits = {"body": BODY, "buffered": BUFFERED, "body_seconds": 60, "write_seconds": 60}
    with serve(tmp_path_factory.mktemp("server"), limits=limits) as running:
        yield running


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker that waits half a second for a client."""
    limits = {"body": BODY, "buffered": BUFFERED, "body_seconds": 0.5, "write_seconds": 0.5}
    with serve(tmp_path_factory.mktemp("hasty"), limits=limits) as running:
        yield running


# ------------------------------------------------------------------------------------------ slow clients


def test_stalled_uploads_delay_nobody(server: Server) -> None:
    """While five clients have sent half a body and nothing more, the same process answers others."""
    with ExitStack() as stack:
        stalled = [stack.enter_context(server.connect()) for _ in range(5)]
        for client in stalled:
            client.sendall(post(10_000, b"x" * 5_000))
        for _ in range(20):
            assert server.ask(post(3, b"abc")).document()["body"] == "abc"
        assert all(is_waiting(client) for client in stalled)
        for client in stalled:
            client.sendall(b"x" * 5_000)
            assert receive(client).document()["body"] == 10_000


def test_stalled_readers_delay_nobody_and_fill_no_memory(server: Server) -> None:
    """While five clients do not read the 50 MiB they asked for, others are answered and nothing piles up."""
    before = server.state()["peak"]
    with ExitStack() as stack:
        stalled = [stack.enter_context(server.connect()) for _ in range(5)]
        for client in stalled:
            client.sendall(get("/fifty"))
            assert client.recv(1) == b"H"
        for _ in range(20):
            assert server.get("/state").status == 200
        state = server.state()
        assert "/fifty unfinished" not in state["closed"]
        assert state["peak"] - before < 100 * MIB


def test_a_body_that_does_not_arrive_in_time_is_refused(hasty: Server) -> None:
    """408 after the deadline for the whole body, however regularly its bytes drip in."""
    with hasty.connect() as client:
        client.sendall(post(1_000))
        while is_waiting(client):
            client.sendall(b"x")
            time.sleep(0.05)
        answer = receive(client)
        assert (answer.status, answer.headers["content-type"]) == (408, "text/plain")
        assert answer.body == b"408 at /post: the request's body did not arrive within 0.5 seconds"
        assert client.recv(1) == b""


def test_a_reader_that_stops_is_given_up(hasty: Server) -> None:
    """After the write deadline the answer's iterable is closed, and the client can tell that it has not got all."""
    with hasty.connect() as client:
        client.sendall(get("/fifty"))
        wait_until(lambda: hasty.state()["closed"].count("/fifty unfinished") == 1)
        assert "the client read nothing for 0.5 seconds" in hasty.log.read_text()
        answer = receive(client)
        assert answer.cut
        assert 0 < len(answer.body) < 50 * MIB


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this kernel cannot be told")
def test_readers_that_stop_for_good_do_not_add_up(hasty: Server) -> None:
    """The kernel drops connections whose clients take nothing; whoever then reads on is told by a reset."""
    before = hasty.state()["sockets"]
    with ExitStack() as stack:
        stalled = [stack.enter_context(hasty.connect()) for _ in range(5)]
        for client in stalled:
            client.sendall(get("/fifty"))
            assert client.recv(1) == b"H"
        assert hasty.state()["sockets"] == before + 5
        wait_until(lambda: hasty.state()["sockets"] == before)
        with pytest.raises(ConnectionResetError):
            read_to_the_end(stalled[0])


def test_a_client_that_leaves_ends_its_answer(server: Server) -> None:
    """Nobody produces the rest of a streamed answer for a client that has gone."""
    with server.connect() as client:
        client.sendall(get("/thousand"))
        assert client.recv(1000)
    wait_until(lambda: "/thousand unfinished" in server.state()["closed"])


# ---------------------------------------------------------------------------------------- bodies and memory


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    """413 as soon as the head is there."""
    answer = server.ask(post(BODY + 1))
    assert answer.status == 413
    assert answer.body == b"413 at /post: the request's body is larger than 100000 bytes"
    assert len(answer.headers["x-request-id"]) == 32


def test_a_client_that_asks_first_is_told_before_it_sends(server: Server) -> None:
    """`Expect: 100-continue` gets the go-ahead for a body that will be taken, and the refusal for one that will not."""
    expect = b"Host: here\r\nExpect: 100-continue"
    with server.connect() as client:
        client.sendall(post(3).replace(b"Host: here", expect))
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert receive(client).document()["body"] == "abc"
    assert server.ask(post(BODY + 1).replace(b"Host: here", expect)).status == 413


def test_a_body_that_grows_too_large_is_refused(server: Server) -> None:
    """413 for chunks beyond the cap, which announce nothing."""
    answer = server.ask(post_chunks(*[b"x" * 10_000] * 11))
    assert (answer.status, answer.body[:13]) == (413, b"413 at /post:")


def test_a_client_that_sends_everything_first_still_sees_the_refusal(server: Server) -> None:
    """The refused body is read on and thrown away, so that the connection is not reset under the answer."""
    with server.connect() as client:
        client.sendall(post(BODY + 50_000))
        time.sleep(0.1)
        client.sendall(b"x" * (BODY + 50_000))
        assert receive(client).status == 413
        client.sendall(get("/again"))
        assert receive(client).status == 200


def test_bodies_of_exactly_the_cap_are_accepted(server: Server) -> None:
    """The cap is inclusive, announced or not."""
    assert server.ask(post(BODY, b"x" * BODY)).document()["body"] == BODY
    assert server.ask(post_chunks(*[b"x" * 10_000] * 10)).document()["body"] == BODY


def test_all_bodies_together_are_bounded() -> None:
    """503 for the body that would fill the memory; those that came first complete, and then there is room again."""

    async def scenario() -> None:
        adapter = WSGIAdapter(application, Limits(body=BODY, buffered=BUFFERED))
        held = [Exchange(adapter, 90_000) for _ in range(3)]
        for exchange in held:
            await exchange.send(b"x" * 80_000)
        late = Exchange(adapter, 80_000)
        await late.send(b"x" * 80_000)
        assert (await late.answer())["status"] == 503
        assert (b"retry-after", b"5") in (await late.answer())["headers"]
        for exchange in held:
            await exchange.send(b"x" * 10_000)
            assert (await exchange.answer())["status"] == 200
        last = Exchange(adapter, 80_000)
        await last.send(b"x" * 80_000)
        assert (await last.answer())["status"] == 200

    asyncio.run(scenario())


class Exchange:
    """One POST to an adapter whose body arrives when the test says so."""

    def __init__(self, adapter: WSGIAdapter, length: int) -> None:
        self.left = length
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outgoing: list[dict[str, Any]] = []
        headers = [(b"host", b"here"), (b"content-length", b"%d" % length)]
        scope = {**SCOPE, "headers": headers}
        self.task = asyncio.ensure_future(adapter(scope, self._receive, self._keep))

    async def _receive(self) -> dict[str, Any]:
        if self.left == 0 and self.incoming.empty():
            return {"type": "http.request", "body": b"", "more_body": False}
        return await self.incoming.get()

    async def _keep(self, message: dict[str, Any]) -> None:
        self.outgoing.append(message)

    async def send(self, chunk: bytes) -> None:
        """Let a part of the body arrive and be taken."""
        self.left -= len(chunk)
        await self.incoming.put({"type": "http.request", "body": chunk, "more_body": self.left > 0})
        while not self.incoming.empty():
            await asyncio.sleep(0)

    async def answer(self) -> dict[str, Any]:
        """Return the head of the answer."""
        await self.task
        return self.outgoing[0]


SCOPE = {
    "type": "http",
    "method": "POST",
    "http_version": "1.1",
    "scheme": "http",
    "raw_path": b"/post",
    "path": "/post",
    "query_string": b"",
    "server": ("127.0.0.1", "80"),
    "client": ("127.0.0.1", "1234"),
}


def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer nothing in particular."""
    start_response("200 OK", [])
    return []


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post(10, b"abc"), id="less than announced"),
        pytest.param(post_chunks(b"abc", end=b""), id="no last chunk"),
        pytest.param(post_chunks(b"abc", end=b"zz\r\n"), id="a chunk of no size"),
    ],
)
def test_an_incomplete_body_never_reaches_the_application(server: Server, request_bytes: bytes) -> None:
    """400 where the client ends before its body does: half a change is none."""
    with server.connect() as client:
        client.sendall(request_bytes)
        client.shutdown(socket.SHUT_WR)
        answer = receive(client)
    assert (answer.status, answer.body) == (400, b"400 at /post: the request's body ended early")


def test_a_chunked_body_arrives_whole(server: Server) -> None:
    """The application sees one body with its length and no trace of the transfer coding."""
    document = server.ask(post_chunks(b"ab", b"c", b"def")).document()
    assert document["body"] == "abcdef"
    assert document["environ"]["CONTENT_LENGTH"] == "6"
    assert "HTTP_TRANSFER_ENCODING" not in document["environ"]


def test_a_transfer_coding_beats_a_length_and_ends_the_connection(server: Server) -> None:
    """What follows a request that two parties can read differently is never taken for another request."""
    both = post_chunks(b"abc").replace(b"Host: here", b"Host: here\r\nContent-Length: 3")
    with server.connect() as client:
        client.sendall(both + get("/smuggled"))
        assert receive(client).document()["body"] == "abc"
        assert client.recv(1) == b""


# ------------------------------------------------------------------------------------------ what is passed on


def test_the_environ_says_what_the_client_sent(server: Server) -> None:
    """The variables of PEP 3333, the query as it was sent, and nothing of the process's own environment."""
    environ = server.get("/a/b?x=%20%2F&x=", "Content-Type: text/x", "Accept: a", "Accept: b", "X-One: 1").document()
    given = environ["environ"]
    assert given.pop("SERVER_PORT") == str(server.port)
    assert given == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "x=%20%2F&x=",
        "CONTENT_TYPE": "text/x",
        "HTTP_HOST": "here",
        "HTTP_ACCEPT": "a,b",
        "HTTP_X_ONE": "1",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "rolebridge",
        "wsgi.url_scheme": "http",
    }


def test_cookies_in_several_headers_are_one_cookie_header(server: Server) -> None:
    """A cookie's value may hold a comma, so `; ` joins them (RFC 9113 §8.2.3)."""
    environ = server.get("/", "Cookie: a=1,2", "Cookie: b=3").document()["environ"]
    assert environ["HTTP_COOKIE"] == "a=1,2; b=3"


def test_a_header_with_an_underscore_is_dropped(server: Server) -> None:
    """`X_Real_User` cannot pass for the `X-Real-User` that a proxy sets."""
    environ = server.get("/", "X_Real_User: mallory", "Content_Length: 7").document()["environ"]
    assert not {"HTTP_X_REAL_USER", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"} & environ.keys()
    environ = server.get("/", "X_Real_User: mallory", "X-Real-User: ana").document()["environ"]
    assert environ["HTTP_X_REAL_USER"] == "ana"


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        pytest.param("/a%20b+c", "/a b+c", id="percent only, a plus is a plus"),
        pytest.param("/%C3%A9/é", "/é/é", id="UTF-8, encoded or not"),
        pytest.param("/a%2Fb%2fc", "/a/b/c", id="an encoded slash is a slash, as in all of WSGI"),
        pytest.param("/a%252Fb", "/a%2Fb", id="decoded once"),
        pytest.param("/100%/%zz", "/100%/%zz", id="no escape"),
        pytest.param("//host//a/", "//host//a/", id="slashes are kept"),
        pytest.param("/a/../b/./%2e%2e/", "/a/../b/./../", id="dots are kept"),
        pytest.param("http://elsewhere/a%20b", "/a b", id="absolute form"),
    ],
)
def test_a_path_is_decoded_and_nothing_else(server: Server, sent: str, path: str) -> None:
    """PATH_INFO holds the decoded bytes as Latin-1; no segment is resolved, so none is reached in a roundabout way."""
    request = get(sent).decode("latin-1").encode()
    assert server.ask(request).document()["environ"]["PATH_INFO"] == path.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("request_bytes", "status", "reason"),
    [
        pytest.param(get("/a%00b"), 400, "the request's path contains a control character", id="NUL"),
        pytest.param(get("/a%0d%0ab"), 400, "the request's path contains a control character", id="line break"),
        pytest.param(get("/a%7F"), 400, "the request's path contains a control character", id="DEL"),
        pytest.param(get("/a%FFb"), 400, "the request's path is not UTF-8", id="Latin-1"),
        pytest.param(get("/%C0%AF"), 400, "the request's path is not UTF-8", id="overlong slash"),
        pytest.param(get("*"), 400, "the request's target is not a path", id="asterisk"),
        pytest.param(
            b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n",
            400,
            "the request's target is not a path",
            id="authority",
        ),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, "the request has no Host header", id="no host"),
        pytest.param(get("/", "Host: there"), 400, "the header `host` is given twice", id="two hosts"),
        pytest.param(
            get("/", "Authorization: Bearer a", "Authorization: Bearer b"),
            400,
            "the header `authorization` is given twice",
            id="two credentials",
        ),
        pytest.param(get("/", f"{'x' * 129}: 1"), 431, "a header's name is too long", id="long name"),
        pytest.param(
            post_chunks(b"abc").replace(b"chunked", b"gzip, chunked"),
            501,
            "the only transfer coding that is understood is `chunked`",
            id="transfer coding",
        ),
    ],
)
def test_a_request_that_nobody_sends_in_good_faith_is_refused(
    server: Server, request_bytes: bytes, status: int, reason: str
) -> None:
    """Such requests end here with the reason and never reach the application."""
    answer = server.ask(request_bytes)
    assert answer.status == status
    assert answer.body.decode().partition(": ")[2] == reason


@pytest.mark.parametrize(
    ("peer", "address"),
    [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7")],
)
def test_an_ipv4_client_has_one_address(peer: str, address: str) -> None:
    """A client is known by the same address whether or not the server listens for IPv6 as well."""
    scope = {**SCOPE, "headers": [(b"host", b"here")], "client": (peer, "1234")}
    assert environ_of(scope)["REMOTE_ADDR"] == address


def test_http_1_0_needs_no_host(server: Server) -> None:
    """A probe that speaks HTTP/1.0 is answered; the application sees no Host."""
    environ = server.ask(b"GET /health HTTP/1.0\r\n\r\n").document()["environ"]
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert "HTTP_HOST" not in environ


# ------------------------------------------------------------------------------------------------- answers


def test_a_connection_serves_one_request_after_another(server: Server) -> None:
    """Connections are kept alive, after refusals as well."""
    with server.connect() as client:
        for path in ("/one", "/two", "/%00", "/raises", "/three", "/four"):
            client.sendall(get(path))
            status = receive(client).status
            assert status == {"/%00": 400, "/raises": 500}.get(path, 200)


def test_a_generator_is_streamed_and_closed(server: Server) -> None:
    """All blocks arrive in order, the body has no announced length, and the iterable is closed."""
    answer = server.get("/three")
    assert (answer.status, answer.body, answer.cut) == (200, b"x" * 3 * MIB, False)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "/three finished" in server.state()["closed"]


def test_one_block_of_the_announced_length_is_not_streamed(server: Server) -> None:
    """An application that calls start_response as late as it may, and one block that is all, go out in one piece."""
    answer = server.get("/late-start")
    assert (answer.status, answer.body) == (201, b"late")
    assert answer.headers["content-length"] == "4"


def test_the_old_write_function_comes_before_the_blocks(server: Server) -> None:
    """What is passed to `write` precedes what is returned (PEP 3333)."""
    assert server.get("/written").body == b"written, returned"


def test_head_and_204_have_no_body(server: Server) -> None:
    """HEAD announces the length of the body that GET has and sends none; 204 does not even announce one."""
    with server.connect() as client:
        client.sendall(get("/state").replace(b"GET", b"HEAD") + get("/nothing") + get("/last"))
        head = receive(client, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert int(head.headers["content-length"]) > 100
    with server.connect() as client:
        client.sendall(get("/nothing") + get("/last"))
        nothing = http.client.HTTPResponse(client)
        nothing.begin()
        assert (nothing.status, nothing.getheader("content-length")) == (204, None)
    with server.connect() as client:
        client.sendall(get("/fifty").replace(b"GET", b"HEAD"))
        assert receive(client, "HEAD").body == b""


# ------------------------------------------------------------------------------------------------ failures


def test_an_exception_is_answered_in_the_words_of_the_face_and_logged(server: Server) -> None:
    """500 tells the client the request id, the log tells the rest; neither repeats credentials."""
    answer = server.get("/raises", "Authorization: Bearer open-sesame")
    request_id = answer.headers["x-request-id"]
    assert answer.status == 500
    assert answer.body.decode() == (
        f"500 at /raises: an unexpected error; the server's log tells it under request id `{request_id}`"
    )
    log = server.log.read_text()
    assert f"request {request_id}: GET failed\nTraceback" in log
    assert "ValueError: the-secret-of-the-application" in log
    assert "open-sesame" not in log


def test_a_failure_replaces_what_was_not_sent_yet(server: Server) -> None:
    """Nothing that the application wrote before it failed gets into the answer."""
    answer = server.get("/written-then-raises")
    assert answer.status == 500
    assert answer.body.startswith(b"500 at /written-then-raises: ")


def test_an_exception_after_the_first_block_cuts_the_answer(server: Server) -> None:
    """The client can tell that an answer is incomplete, and the iterable is closed."""
    answer = server.get("/breaks-midway")
    assert (answer.status, answer.cut) == (200, True)
    assert answer.body == b"x" * MIB
    assert "/breaks-midway unfinished" in server.state()["closed"]


def test_the_default_refusal_is_a_problem_document() -> None:
    """A path of no particular face is refused as RFC 9457 says."""
    headers, body = problem(408, "too slow", "/anywhere")
    assert headers == [("Content-Type", "application/problem+json")]
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Request Timeout",
        "status": 408,
        "detail": "too slow",
    }


# ----------------------------------------------------------------------------------------------- processes


def test_a_stop_lets_the_running_request_finish(tmp_path: Path) -> None:
    """After SIGTERM a running request is answered, idle connections end, and the server exits with 0."""
    with serve(tmp_path) as server, server.connect() as idle, server.connect() as busy:
        idle.sendall(get("/state"))
        receive(idle)
        busy.sendall(get("/slow"))
        wait_until(lambda: "the slow request has begun" in server.log.read_text())
        server.process.send_signal(signal.SIGTERM)
        assert receive(busy).document()["environ"]["PATH_INFO"] == "/slow"
        assert idle.recv(1) == b""
        assert server.process.wait(PATIENCE) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()
    assert "panicked" not in server.log.read_text()


def test_two_workers_share_one_address_and_one_survives_the_other(tmp_path: Path) -> None:
    """Two processes answer on one port; the death of one leaves the other, and a third takes its place."""
    with serve(tmp_path, workers=2) as server:
        first = server.state()["pid"]
        wait_until(lambda: server.state()["pid"] != first)
        second = server.state()["pid"]
        os.kill(second, signal.SIGKILL)
        wait_until(lambda: server.state()["pid"] not in {first, second})


def test_workers_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    """When the supervisor is killed outright, its workers stop, and the port is free again."""
    with serve(tmp_path) as server:
        assert server.get("/state").status == 200
        server.process.kill()
        wait_until(lambda: refuses_connections(server))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_address_in_use_is_an_error(server: Server, workers: int) -> None:
    """A second server on the same port says so and exits instead of taking half of the requests."""
    second = start_in_vain(port=server.port, workers=workers)
    assert second.returncode == 1
    assert "Address already in use" in second.stderr


def test_an_application_that_cannot_be_made_ends_the_server() -> None:
    """The log says why, once for each worker, and nothing is tried again."""
    server = start_in_vain(workers=2, fails=True)
    assert server.returncode == 1
    assert 1 <= server.stderr.count("a worker cannot start") <= 2
    assert "ValueError: the-secret-of-the-application" in server.stderr


def start_in_vain(**options: Any) -> subprocess.CompletedProcess[str]:
    """Run a server that is not going to serve."""
    command = [sys.executable, str(SERVED), json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def wait_until(condition: Callable[[], object]) -> None:
    """Ask again and again until `condition` holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def refuses_connections(server: Server) -> bool:
    """Whether nobody listens any more."""
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def read_to_the_end(client: socket.socket) -> None:
    """Read whatever comes."""
    while client.recv(MIB):
        pass
