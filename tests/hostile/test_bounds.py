"""Large and crafted requests: answered within bounds of time and memory that a quadratic step would break by far."""

from __future__ import annotations

import json
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from tests.hostile.doors import GROUP, PATCH, USER, Door
from werkzeug.test import TestResponse

SECONDS = 60
"""Of CPU, so that neighbours count for nothing. Each takes less than a tenth of it; a square would take minutes."""
MIB = 1024 * 1024
SIZES = 20_000


@contextmanager
def watchdog() -> Iterator[None]:
    """Fail what does not end."""

    def bark(*_: object) -> None:
        raise AssertionError(f"no answer within {SECONDS} seconds of CPU")

    before = signal.signal(signal.SIGPROF, bark)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def patched(*operations: dict[str, Any]) -> bytes:
    return json.dumps({"schemas": [PATCH], "Operations": list(operations)}).encode()


def asked(query: str, text: str) -> Callable[[Door], TestResponse]:
    return lambda door: door.scim("GET", f"/Users?{query}={quote(text)}")


def user(**attributes: Any) -> bytes:
    return json.dumps({"schemas": [USER], "userName": "big@acme.example", **attributes}).encode()


def group(count: int) -> bytes:
    members = [{"value": str(number)} for number in range(count)]
    return json.dumps({"schemas": [GROUP], "displayName": "big", "members": members}).encode()


ADD = {"op": "add", "path": "members", "value": [{"value": "x"}]}
NUMBER = {"op": "replace", "path": "externalId", "value": "x"}
NESTED = {"method": "POST", "path": "/Bulk"}
REMOVE = {"op": "remove", "path": "members", "value": [{"value": "x"}]}
BODIES: dict[str, tuple[str, str, bytes]] = {
    "brackets": ("POST", "/Groups", b"[" * MIB),
    "objects in objects": ("POST", "/Groups", b'{"a":' * 200_000),
    "members that are numbers": ("POST", "/Groups", b'{"displayName":"g","members":[' + b"1," * 199_999 + b"1]}"),
    "a million nulls": ("POST", "/Users", b"[" + b"null," * 999_999 + b"null]"),
    "many members": ("POST", "/Groups", group(50_000)),
    "many keys": ("POST", "/Groups", json.dumps({f"k{n}": n for n in range(100_000)}).encode()),
    "one key many times": ("POST", "/Groups", b"{" + b'"a":1,' * 200_000 + b'"a":1}'),
    "a number of a million digits": ("POST", "/Groups", b'{"displayName":' + b"9" * MIB + b"}"),
    "one string": ("POST", "/Groups", json.dumps({"displayName": "x" * 8 * MIB}).encode()),
    "backslashes": ("POST", "/Groups", b'{"displayName":"' + b"\\\\" * MIB + b'\\u0000"}'),
    "many schemas": ("POST", "/Users", user(schemas=["x"] * SIZES)),
    "many emails": ("POST", "/Users", user(emails=[{"value": f"{n}@x", "primary": True} for n in range(5_000)])),
    "many equal emails": ("POST", "/Users", user(emails=[{"value": "a@x", "type": "work"}] * 5_000)),
    "alternating members": ("PATCH", "/Groups/{group}", patched(*[ADD, REMOVE] * 5_000)),
    "too many operations": ("PATCH", "/Groups/{group}", patched(*[ADD] * 50_000)),
    "many names": ("PATCH", "/Groups/{group}", patched(*[NUMBER] * 10_000)),
    "a filter of ids": ("PATCH", "/Groups/{group}", patched(
        {"op": "remove", "path": "members[" + " or ".join(f'value eq "{n}"' for n in range(SIZES)) + "]"})),
    "many value paths": ("PATCH", "/Users/{user}", patched(
        *({"op": "add", "path": f'emails[type eq "t{n}"].value', "value": f"{n}@x"} for n in range(1_000)))),
    "one list many times": ("PATCH", "/Users/{user}", patched(
        *[{"op": "add", "path": "emails", "value": [{"value": f"{n}@x"} for n in range(20)]}] * 200)),
    "deep paths": ("PATCH", "/Users/{user}", patched({"op": "add", "path": "emails[" * SIZES, "value": 1})),
    "a bulk of bulks": ("POST", "/Bulk", json.dumps({"Operations": [NESTED] * 1_000}).encode()),
}  # fmt: skip
QUERIES: dict[str, Callable[[Door], TestResponse]] = {
    "or": asked("filter", " or ".join(f'userName eq "u{n}"' for n in range(SIZES))),
    "parentheses": asked("filter", "(" * SIZES + 'userName eq "x"' + ")" * SIZES),
    "open parentheses": asked("filter", "(" * SIZES),
    "not": asked("filter", "not (" * SIZES + "id pr" + ")" * SIZES),
    "value paths": asked("filter", "emails[" * SIZES),
    "a long string": asked("filter", 'userName co "' + "%_" * SIZES + '"'),
    "escapes": asked("filter", 'userName eq "' + "\\\\" * SIZES),
    "blanks": asked("filter", " " * SIZES + "x"),
    "a long number": asked("filter", "userName eq " + "9" * SIZES),
    "wildcards": asked("filter", 'userName co "' + "a%" * 500 + '" and displayName ew "' + "%" * 500 + '"'),
    "attributes": asked("attributes", ",".join(f"emails.x{n}" for n in range(SIZES))),
    "brackets in attributes": asked("attributes", "emails[" * SIZES),
    "dots": asked("attributes", "a." * SIZES),
    "a long count": asked("count", "9" * SIZES),
    "a cursor": asked("cursor", "A" * SIZES),
    "tags": lambda door: door.scim("GET", f"/Users/{door.user}", None, If_None_Match='W/"1", ' * SIZES),
    "quotes": lambda door: door.scim("GET", f"/Users/{door.user}", None, If_None_Match='W/"' * SIZES),
    "hops": lambda door: door.scim("GET", f"/Users/{door.user}", None, X_Forwarded_For="1.1.1.1," * SIZES),
    "slashes": lambda door: door.scim("GET", "/Users" + "/" * SIZES),
    "parameters": lambda door: door.scim("GET", "/Users?" + "&".join(f"p{n}=1" for n in range(SIZES))),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_are_bounded(attacked: Door, name: str) -> None:
    """Large bodies of every shape end in an answer of SCIM, in time, and within sixty times their size in memory."""
    method, path, body = BODIES[name]
    tracemalloc.start()
    try:
        with watchdog():
            said = attacked.scim(method, path.format(user=attacked.user, group=attacked.group), body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said.status_code in (200, 201, 204, 400, 413)
    assert peak < 16 * MIB + 60 * len(body), f"{peak / MIB:.0f} MiB for {len(body) / MIB:.1f}"
    if said.status_code == 201:
        kind = path.partition("/{")[0]
        assert attacked.scim("DELETE", f"{kind}/{said.get_json(force=True)['id']}").status_code == 204


@pytest.mark.parametrize("name", QUERIES)
def test_queries_are_bounded(attacked: Door, name: str) -> None:
    """Long filters, lists, tags and paths of every shape likewise."""
    with watchdog():
        said = QUERIES[name](attacked)
    assert said.status_code in (200, 304, 400, 404, 405)
