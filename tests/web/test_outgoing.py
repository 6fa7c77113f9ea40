"""Calls to URLs that somebody else named: where they may go, and what an answer may cost."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.web.peers import Say, answer, identity, peer, raw

from rolebridge.core.errors import Invalid
from rolebridge.web.outgoing import Outgoing, OutgoingRefused, Reason
from rolebridge.web.reach import Reach, read_address

pytestmark = pytest.mark.loopback

LOCAL = Outgoing(Reach(loopback=True))
PUBLIC = Outgoing(Reach())


def refused(outgoing: Outgoing, url: str, **options: float) -> OutgoingRefused:
    """Return how a GET of `url` is refused."""
    with pytest.raises(OutgoingRefused) as caught:
        outgoing.get(url, **options)  # type: ignore[arg-type]
    return caught.value


class Names:
    """A resolver that says what it is told, one answer after the other, and counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


# --- what works --------------------------------------------------------------------------------------------------


def test_an_answer_comes_whole() -> None:
    """Status, headers by lower-case name, body; the request names the host and asks for no encoding."""
    with peer(answer(b"hello", "404 Not Found", "X-Kind: one", "Content-Type: text/plain")) as there:
        got = LOCAL.get(there.url("/keys?x=1"), headers={"Accept": "application/json"})
    assert (got.status, got.body, got.headers["x-kind"]) == (404, b"hello", "one")
    head = there.heard[0].decode().split("\r\n")
    assert head[0] == "GET /keys?x=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{there.port}" in head
    assert "Accept: application/json" in head
    assert "Accept-Encoding: identity" in head
    assert [line for line in head if line.lower().startswith("accept-encoding")] == ["Accept-Encoding: identity"]


def test_a_body_is_sent() -> None:
    """POST carries a body with its type."""
    with peer(answer(b"{}")) as there:
        got = LOCAL.post(there.url("/token"), b"grant_type=x", "application/x-www-form-urlencoded")
    assert got.status == 200
    assert there.heard[0].startswith(b"POST /token HTTP/1.1\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in there.heard[0]
    assert there.heard[0].endswith(b"\r\n\r\ngrant_type=x")


def test_a_chunked_answer_comes_whole() -> None:
    """Without Content-Length, in chunks."""
    with peer(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) as there:
        assert LOCAL.get(there.url()).body == b"abcde"


def test_a_host_proves_its_name_by_tls(tmp_path: Path) -> None:
    """The connection goes to the vetted address, the certificate is held to the name in the URL."""
    file, trust = identity(tmp_path, "idp.example")
    reach = Reach.read(["127.0.0.0/8"], loopback=False)
    with peer(answer(b"ok"), file) as there:
        outgoing = Outgoing(reach, Names(["127.0.0.1"]), lambda: trust)
        assert outgoing.get(there.url(host="idp.example", scheme="https")).body == b"ok"
        assert f"Host: idp.example:{there.port}".encode() in there.heard[0]
        wrong = refused(outgoing, there.url(host="other.example", scheme="https"))
    assert wrong.reason is Reason.TLS
    assert "`other.example` does not prove its name" in str(wrong)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """The system's authorities decide, as nothing else was said."""
    file, _ = identity(tmp_path, "idp.example")
    reach = Reach.read(["127.0.0.0/8"], loopback=False)
    with peer(answer(b"ok"), file) as there:
        wrong = refused(Outgoing(reach, Names(["127.0.0.1"])), there.url(host="idp.example", scheme="https"))
    assert wrong.reason is Reason.TLS


# --- where it may go ---------------------------------------------------------------------------------------------

HIDDEN = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.5",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.5",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2002:a00:5::1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", HIDDEN)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    """Private, own, link-local, shared, reserved, of a cloud's metadata, and IPv6 that stands for one of these."""
    outgoing = Outgoing(Reach(), Names([address]))
    wrong = refused(outgoing, "https://idp.example/metadata")
    assert wrong.reason is Reason.ADDRESS
    assert address not in str(wrong)
    assert "`outgoing_networks`" in str(wrong)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_not_refused(address: str) -> None:
    """IPv4, IPv6, the one within the other, and IPv4 through a network that has none."""
    assert Reach().forbids(read_address(address)) is None


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "168.63.129.16", "0.0.0.0", "fe80::1", "::ffff:169.254.169.254"]
)
def test_no_setting_opens_what_no_identity_provider_is_at(address: str) -> None:
    """Not even one that allows everything: metadata services and link-local addresses stay closed."""
    assert Reach.read(["0.0.0.0/0", "::/0"], loopback=True).forbids(read_address(address)) is not None


def test_an_allowed_network_is_open_and_others_are_not() -> None:
    """Networks are allowed one by one, also where IPv6 stands for an address in one."""
    reach = Reach.read(["10.20.0.0/16", "fd12::/16"], loopback=False)
    assert [reach.forbids(read_address(text)) is None for text in ("10.20.1.1", "::ffff:10.20.1.1", "fd12::1")] == [
        True
    ] * 3
    assert reach.forbids(read_address("10.21.0.1")) is not None
    assert reach.forbids(read_address("127.0.0.1")) == "an address of this machine"


def test_a_network_that_is_none_is_told() -> None:
    """A mistake in the setting does not become an open door."""
    with pytest.raises(Invalid, match="is no network"):
        Reach.read(["10.0.0.0/33"], loopback=False)


def test_one_hidden_address_among_public_ones_refuses_them_all() -> None:
    """Otherwise a name with two addresses would be tried until the hidden one answers."""
    wrong = refused(Outgoing(Reach(), Names(["8.8.8.8", "127.0.0.1"])), "https://idp.example/")
    assert wrong.reason is Reason.ADDRESS


def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """DNS rebinding: asked once, and the connection goes to the very address that was looked at."""
    with peer(answer(b"first")) as there, peer(answer(b"hidden")) as hidden:
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        url = there.url(host="idp.example")
        assert Outgoing(Reach(loopback=True), names).get(url).body == b"first"
    assert names.asked == ["idp.example"]
    assert hidden.heard == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "017700000001", "127.1", "[::ffff:7f00:1]", "localhost"])
def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    """The system's resolver reads them; what it makes of them is what is looked at."""
    assert refused(PUBLIC, f"https://{host}/").reason in {Reason.ADDRESS, Reason.UNREACHABLE}


def test_plain_http_is_for_development_on_this_machine_only() -> None:
    """An installation that is not local calls by https; a local one by http, itself only."""
    assert refused(PUBLIC, "http://idp.example/").reason is Reason.URL
    wrong = refused(Outgoing(Reach(loopback=True), Names(["8.8.8.8"])), "http://idp.example/")
    assert (wrong.reason, "called by https only" in str(wrong)) == (Reason.ADDRESS, True)


def test_plain_http_to_an_allowed_network_is_refused() -> None:
    """To allow a network is not to send secrets over it in the clear."""
    reach = Reach.read(["10.0.0.0/8"], loopback=True)
    assert refused(Outgoing(reach, Names(["10.0.0.5"])), "http://idp.example/").reason is Reason.ADDRESS


BAD_URLS = [
    "",
    "idp.example",
    "//idp.example/",
    "ftp://idp.example/",
    "file:///etc/passwd",
    "gopher://idp.example/",
    "https://",
    "https:///path",
    "https://user@idp.example/",
    "https://user:secret@idp.example/",
    "https://@idp.example/",
    "https://idp.example@127.0.0.1/",
    "https://idp.example\\@127.0.0.1/",
    "https://idp.example/#@127.0.0.1",
    "https://idp.example/#",
    "https://idp.example:0/",
    "https://idp.example:65536/",
    "https://idp.example:port/",
    "https://idp.example /",
    "https://idp.example/a b",
    "https://idp.example/\r\nHost: other",
    "https://idp.example/\x00",
    "https://idp.exämple/",
    "https://idp.example%2f@127.0.0.1/",
    "https://[fe80::1%25eth0]/",
    "https://[::1/",
    "https://idp.example/" + "a" * 2_048,
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_hides_where_it_leads_is_refused(url: str) -> None:
    """Users, fragments, odd characters, other schemes, broken ports: refused before anybody is asked."""
    names = Names(["8.8.8.8"])
    wrong = refused(Outgoing(Reach(loopback=True), names), url)
    assert (wrong.reason, names.asked) == (Reason.URL, [])
    with pytest.raises(OutgoingRefused):
        PUBLIC.check(url)


def test_a_url_can_be_looked_at_without_calling_it() -> None:
    """What is written into settings is refused there when it could never be called."""
    PUBLIC.check("https://idp.example/metadata")
    with pytest.raises(OutgoingRefused, match="https"):
        PUBLIC.check("http://127.0.0.1/metadata")
    LOCAL.check("http://127.0.0.1/metadata")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_not_followed(status: int) -> None:
    """Wherever it leads: nobody looked at that place."""
    moved = answer(b"", f"{status} Moved", f"Location: http://127.0.0.1:{free_port()}/")
    with peer(moved) as there:
        wrong = refused(LOCAL, there.url())
    assert wrong.reason is Reason.REDIRECT
    assert len(there.heard) == 1


def test_the_environment_gives_no_proxy_and_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable meant for other programs does not send our secrets through a third party."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    with peer(answer(b"proxy")) as proxy, peer(answer(b"there")) as there:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        assert LOCAL.get(there.url()).body == b"there"
    assert b"authorization" not in there.heard[0].lower()


# --- what an answer may cost -----------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_huge_is_not_read() -> None:
    """Content-Length beyond the limit is enough."""
    with peer(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")) as there:
        assert refused(LOCAL, there.url()).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_without_end_is_cut(head: bytes) -> None:
    """Whoever sends for ever is hung up on at the limit."""
    sent: list[int] = []

    def pour(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        block = b"x" * 4_096
        framed = b"1000\r\n" + block + b"\r\n" if head else block
        while True:
            line.sendall(framed)
            sent.append(len(block))

    with peer(pour) as there:
        assert refused(LOCAL, there.url(), most_bytes=10_000).reason is Reason.TOO_LARGE
    assert sum(sent) < 64 * 1024 * 1024


def test_headers_without_end_are_cut() -> None:
    """A head is a hundred lines at most."""

    def pour(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            line.sendall(b"X-More: " + b"x" * 1_000 + b"\r\n")

    with peer(pour) as there:
        assert refused(LOCAL, there.url()).reason is Reason.BROKEN


def test_nothing_is_decompressed() -> None:
    """A bomb is refused as it stands, though nobody asked for an encoding."""
    bomb = gzip.compress(b"\0" * 1_000_000)
    with peer(answer(bomb, "200 OK", "Content-Encoding: gzip")) as there:
        wrong = refused(LOCAL, there.url())
    assert (wrong.reason, "compresses" in str(wrong)) == (Reason.BROKEN, True)


def dripping(before: bytes, drop: bytes, drops: list[int], over: threading.Event) -> Say:
    """Return what says `before`, and then little by little, never silent for long."""

    def drip(line: socket.socket) -> None:
        line.sendall(before)
        while not over.wait(0.01):
            line.sendall(drop)
            drops.append(1)

    return drip


@pytest.mark.parametrize(
    ("before", "drop"),
    [(b"HTTP/1.1 200 OK\r\nX: ", b"y"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"z"), (b"", b"")],
    ids=["head", "body", "silence"],
)
def test_a_slow_peer_stretches_nothing(before: bytes, drop: bytes) -> None:
    """The time is for the whole exchange: a byte now and then does not begin it anew."""
    drops: list[int] = []
    over = threading.Event()
    with peer(dripping(before, drop, drops, over)) as there:
        wrong = refused(LOCAL, there.url(), seconds=0.3)
        over.set()
    assert wrong.reason is Reason.TOO_SLOW
    assert drops


def test_a_resolver_that_does_not_answer_is_left() -> None:
    """Looking up the name is part of the time."""
    over = threading.Event()

    def never(host: str, port: int) -> list[str]:
        over.wait(10)
        return []

    wrong = refused(Outgoing(Reach(loopback=True), never), "https://idp.example/", seconds=0.1)
    over.set()
    assert wrong.reason is Reason.TOO_SLOW


def test_a_peer_that_never_finishes_its_handshake_is_left() -> None:
    """TLS is part of the time too."""
    over = threading.Event()
    reach = Reach(loopback=True)

    def wait(line: socket.socket) -> None:
        over.wait(5)

    with peer(wait) as there:
        wrong = refused(Outgoing(reach), there.url(scheme="https"), seconds=0.2)
        over.set()
    assert wrong.reason is Reason.TOO_SLOW


# --- what is no answer -------------------------------------------------------------------------------------------

BROKEN = {
    "no http": b"SSH-2.0-OpenSSH\r\n",
    "nothing": b"",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
    "a chunk without size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a hint": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "a long line": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_whole_answer_is_refused(data: bytes) -> None:
    """Never half an answer."""
    with peer(raw(data)) as there:
        assert refused(LOCAL, there.url()).reason in {Reason.BROKEN, Reason.UNREACHABLE}


def test_nobody_there_is_told() -> None:
    """A closed port, a name without address."""
    assert refused(LOCAL, f"http://127.0.0.1:{free_port()}/").reason is Reason.UNREACHABLE
    assert refused(Outgoing(Reach(), Names([])), "https://idp.example/").reason is Reason.UNREACHABLE

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    wrong = refused(Outgoing(Reach(), unknown), "https://idp.example/")
    assert str(wrong) == "`idp.example` does not answer: its name has no address"


def test_the_next_address_is_tried() -> None:
    """Of several addresses the first that answers is used."""
    with peer(answer(b"second")) as there:
        outgoing = Outgoing(Reach(loopback=True), Names(["::1", "127.0.0.1"]))
        assert outgoing.get(there.url(host="idp.example")).body == b"second"
