"""A request and its answer as values: what a face's handlers work with, whatever framework carries them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
"""The id of the request that is answered now, "" for none: lines of the log carry it."""


def new_request_id() -> str:
    """Return an id for a request: 32 hexadecimal digits that begin with the time.

    The request log is looked up by them; ids in the order of time keep one end of its index busy instead of all of it.
    They are names and no secrets: the kernel's randomness would cost more than the rest of some requests.
    """
    return f"{time.time_ns():016x}{random.getrandbits(64):016x}"


def begin_request() -> str:
    """Return an id for the request that is answered from now on; the log's lines carry it."""
    request_id = new_request_id()
    current_request_id.set(request_id)
    return request_id


class EnvironHeaders(Mapping[str, str]):
    """A WSGI request's headers by their lower-case names, read where they are: most are never asked for."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        """Return the header's value. Raises KeyError, also for a name that is not in lower case."""
        value: str = self._environ[_variable(name)]
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Return the header's value, or `default`; `Mapping` would come to it by raising and catching."""
        return self._environ.get(_variable(name), default)

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the headers that were sent."""
        for key in self._environ:
            if key.startswith("HTTP_") or (key in _UNPREFIXED and self._environ[key]):
                yield key.removeprefix("HTTP_").lower().replace("_", "-")

    def __len__(self) -> int:
        """Return how many headers were sent."""
        return sum(1 for _ in self)


_UNPREFIXED: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


@lru_cache(maxsize=64)
def _variable(name: str) -> str:
    """Return where an environ holds a header (PEP 3333)."""
    if name != name.lower():
        raise KeyError(name)
    key = name.upper().replace("-", "_")
    return key if key in _UNPREFIXED else f"HTTP_{key}"


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


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. A `body` that is an iterator is streamed, block by block."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Iterator[bytes] = b""
