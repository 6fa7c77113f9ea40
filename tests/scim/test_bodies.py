"""Bytes to JSON: what is refused before anything else looks at it."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.scim.bodies import MAX_CONTAINERS, MAX_DEPTH, parse_body
from rolebridge.scim.errors import ScimError


@pytest.mark.parametrize(
    ("body", "scim_type", "detail"),
    [
        (b"", "invalidSyntax", "the body is not JSON"),
        (b"{", "invalidSyntax", "the body is not JSON"),
        (b'{"a":1}x', "invalidSyntax", "the body is not JSON"),
        (b'{"userName":"\xff"}', "invalidSyntax", "the body is not UTF-8 at byte 13"),
        (b'{"active":true,"active":false}', "invalidSyntax", "the key `active` twice"),
        (b'{"a":NaN}', "invalidSyntax", "`NaN` is not JSON"),
        (b'{"a":-Infinity}', "invalidSyntax", "`-Infinity` is not JSON"),
        (b'{"a":' + b"1" * 5000 + b"}", "invalidSyntax", "a number that is too long"),
        (b"[" * 65 + b"]" * 65, "invalidSyntax", "more than 64 levels"),
        (b"[" * 100_000, "invalidSyntax", "more than 64 levels"),
        (b'{"a":"x\\u0000y"}', "invalidValue", "the NUL character"),
        (b'{"a":"\\ud800"}', "invalidValue", "half of a surrogate pair"),
        (b'{"\\udc00":1}', "invalidValue", "half of a surrogate pair"),
        (b'{"a":"\x00"}', "invalidSyntax", "the body is not JSON"),
    ],
)
def test_a_body_that_cannot_be_stored_or_is_ambiguous_is_refused(body: bytes, scim_type: str, detail: str) -> None:
    """Each refusal has its keyword and says what is wrong."""
    with pytest.raises(ScimError) as refused:
        parse_body(body)
    assert (refused.value.status, refused.value.scim_type) == (400, scim_type)
    assert detail in refused.value.detail


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a":"\\\\u0000"}', {"a": "\\u0000"}),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
    ],
)
def test_what_only_looks_odd_is_read(body: bytes, value: object) -> None:
    """A byte order mark, a whole surrogate pair, an escaped backslash and the deepest nesting are fine."""
    assert parse_body(body) == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but ScimError ever leaves the parser."""
    with suppress(ScimError):
        parse_body(body)


def test_more_objects_and_lists_than_any_message_has_are_not_read() -> None:
    """Small in bytes and large in memory: refused by counting, before anything is built."""
    body = b"[" + b"[]," * MAX_CONTAINERS + b"[]]"
    tracemalloc.start()
    try:
        with pytest.raises(ScimError, match=f"the limit is {MAX_CONTAINERS}") as refused:
            parse_body(body)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
    finally:
        tracemalloc.stop()
    assert refused.value.status == 413
