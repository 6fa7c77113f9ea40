"""A request and its answer as values: what a face's handlers work with, whatever framework carries them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


def new_request_id() -> str:
    """Return an id for a request: 32 hexadecimal digits that begin with the time.

    The request log is looked up by them; ids in the order of time keep one end of its index busy instead of all of it.
    """
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, whole. `path` is decoded and relative to the face; header names are in lower case.

    `peer` is the address that the connection comes from, "" where there is none.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    peer: str = ""

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. A `body` that is an iterator is streamed, block by block."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Iterator[bytes] = b""
