"""A server for tests/web/test_asgi.py: `python served.py '{"workers": 1, …}'`, an application with a path per habit."""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rolebridge.cli.serving import Address, Processes, run
from rolebridge.web.asgi import Headers, Limits

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("served")

MIB = 1024 * 1024
SECRET = "the-secret-of-the-application"

BLOCKS = {"/three": 3, "/fifty": 50, "/thousand": 1000, "/breaks-midway": 3}

closed: list[str] = []
"""Paths of streamed answers whose iterable was closed in this process."""


class Stream:
    """Counts down `blocks` of a mebibyte and remembers that it was closed."""

    def __init__(self, path: str, blocks: int) -> None:
        self.path, self.left = path, blocks

    def __iter__(self) -> Iterator[bytes]:
        while self.left:
            self.left -= 1
            if self.path == "/thousand":
                time.sleep(0.002)  # like a database that takes its time
            yield b"x" * MIB
            if self.path == "/breaks-midway":
                raise ValueError(SECRET)

    def close(self) -> None:
        closed.append(f"{self.path} {'finished' if self.left == 0 else 'unfinished'}")


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer by path; every other path describes the request it got."""
    path: str = environ["PATH_INFO"]
    if path == "/raises":
        raise ValueError(SECRET)
    if path in BLOCKS:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Stream(path, BLOCKS[path])
    if path == "/nothing":
        start_response("204 No Content", [])
        return [b"not to be sent"]
    if path.startswith("/written"):
        start_response("200 OK", [])(b"written, ")  # the old way of PEP 3333
        if path == "/written":
            return [b"returned"]
        raise ValueError(SECRET)
    if path == "/late-start":
        return late(start_response)
    if path == "/slow":
        logger.info("the slow request has begun")
        time.sleep(0.7)
    return described(environ, start_response)


def late(start_response: StartResponse) -> Iterator[bytes]:
    """Call start_response only when the first block is asked for."""
    start_response("201 Created", [("Content-Length", "4")])
    yield b"late"


def described(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Tell what the application was given, and the state of its process."""
    body = environ["wsgi.input"].read()
    document = {
        "environ": {key: value for key, value in environ.items() if isinstance(value, str)},
        "body": body.decode("latin-1") if len(body) < 1000 else len(body),
        "pid": os.getpid(),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "sockets": len(open_sockets()),
        "closed": closed,
    }
    data = json.dumps(document).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return iter([data])


def open_sockets() -> list[str]:
    """Return the sockets of this process, where the system tells."""
    folder = Path("/proc/self/fd")
    links = []
    for fd in folder.iterdir() if folder.exists() else ():
        with suppress(FileNotFoundError):  # the server's own threads may close one meanwhile
            links.append(os.readlink(fd))
    return [link for link in links if link.startswith("socket:")]


def refusal(status: int, detail: str, path: str) -> tuple[Headers, bytes]:
    """Word a refusal unlike the default does."""
    return [("Content-Type", "text/plain")], f"{status} at {path}: {detail}".encode()


def make(fails: bool = False, made: str = "") -> WSGIApplication:
    """Make the application in a worker, and leave a file in the folder `made` when done."""
    logging.basicConfig(level=logging.INFO)
    if fails:
        raise ValueError(SECRET)
    if made:
        time.sleep(0.2)  # as an application does that has much to import
        (Path(made) / str(os.getpid())).touch()
    return application


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    run(
        partial(make, options.get("fails", False), options.get("made", "")),
        Address(port=options.get("port", 0)),
        Processes(workers=options.get("workers", 1), stop_seconds=5),
        Limits(**options.get("limits", {})),
        refusal,
        announce=partial(print, flush=True),
    )
