"""Requests as values."""

from __future__ import annotations

import pytest

from rolebridge.web.requests import EnvironHeaders

ENVIRON = {"HTTP_IF_MATCH": 'W/"1"', "CONTENT_TYPE": "application/scim+json", "CONTENT_LENGTH": "", "PATH_INFO": "/x"}


def test_headers_are_read_by_their_lower_case_names() -> None:
    """What a client sent is found; what the server says of itself is no header."""
    headers = EnvironHeaders(ENVIRON)
    assert dict(headers) == {"if-match": 'W/"1"', "content-type": "application/scim+json"}
    assert len(headers) == 2
    assert headers.get("if-none-match") is None
    assert "path-info" not in headers


@pytest.mark.parametrize("name", ["If-Match", "PATH_INFO"])
def test_a_name_in_another_case_is_no_header(name: str) -> None:
    """Names are asked for in one spelling, so that a typing error shows in tests."""
    with pytest.raises(KeyError, match=name):
        EnvironHeaders(ENVIRON)[name]
