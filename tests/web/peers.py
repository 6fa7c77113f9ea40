"""Peers for tests of outgoing calls: a server on the loopback that says just what it is told to, also over TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.ports import free_port

Say = Callable[[socket.socket], None]


@dataclass
class Peer:
    """A server that answers each connection with `say`, and keeps what it was sent."""

    say: Say
    port: int = field(default_factory=free_port)
    heard: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def answer(body: bytes = b"", status: str = "200 OK", *headers: str) -> Say:
    """Return what says a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def raw(data: bytes) -> Say:
    return lambda line: line.sendall(data)


@contextmanager
def peer(say: Say, identity: Path | None = None) -> Iterator[Peer]:
    """Run a server for the time of a test; with `identity` (a PEM file of key and certificate) over TLS."""
    here = Peer(say)
    context = None
    if identity is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity)
    listener = socket.create_server(("127.0.0.1", here.port))
    running = threading.Thread(target=_serve, args=(listener, here, context), daemon=True)
    running.start()
    try:
        yield here
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        running.join(5)


def _serve(listener: socket.socket, here: Peer, context: ssl.SSLContext | None) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        line.settimeout(5)
        with suppress(OSError), line:
            whole = context.wrap_socket(line, server_side=True) if context else line
            with whole:
                here.heard.append(_request(whole))
                here.say(whole)


def _request(line: socket.socket) -> bytes:
    """Return a request: its head, and the body that it announces."""
    head = b""
    while b"\r\n\r\n" not in head:
        block = line.recv(65_536)
        if not block:
            return head
        head += block
    before, _, body = head.partition(b"\r\n\r\n")
    length = next(
        (int(one.split(b":")[1]) for one in before.split(b"\r\n") if one.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += line.recv(65_536)
    return before + b"\r\n\r\n" + body


def identity(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for names or addresses; return its file, and the trust that accepts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    file = folder / "identity.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + pem)
    return file, ssl.create_default_context(cadata=pem.decode())


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
