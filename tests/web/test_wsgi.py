"""WSGI without a framework: what the environ says, and what the server is told."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from rolebridge.web.requests import Response
from rolebridge.web.wsgi import BodyRefused, body_of, mounted, path_below, query_of, send


def sent(answer: Response, method: str = "GET") -> tuple[str, dict[str, str], bytes]:
    """Return what a server is told: status line, headers, body."""
    told: list[Any] = []
    body = b"".join(send(answer, "r1", method, lambda status, headers: told.extend((status, headers))))
    return told[0], dict(told[1]), body


def asked(path: str) -> tuple[str, str]:
    """Return which application answers at a path, and the path that it is given."""

    def application(name: str) -> Any:
        return lambda environ, _: [name.encode(), environ["PATH_INFO"].encode()]

    both: Any = mounted(application("door"), "/door", application("else"))
    name, given = both({"PATH_INFO": path}, None)
    return name.decode(), given.decode()


def test_an_application_answers_at_its_path_and_below() -> None:
    """Not where a longer name begins alike; slashes too many at the beginning mean nothing."""
    assert [asked(path)[0] for path in ("/door", "/door/", "/door/x", "/door//x")] == ["door"] * 4
    assert [asked(path)[0] for path in ("/doors", "/", "", "/else/door", "/Door")] == ["else"] * 5
    assert asked("//door/x") == ("door", "/door/x")


@pytest.mark.parametrize(
    ("path", "below"),
    [("/door", "/"), ("/door/", "/"), ("/door//x", "//x"), ("/door/b\xc3\xbcro", "/büro"), ("/door/\xfc", "/\ufffd")],
)
def test_a_path_is_relative_and_decoded(path: str, below: str) -> None:
    """PEP 3333 gives the path's bytes as Latin-1; what is no UTF-8 becomes U+FFFD."""
    assert path_below({"PATH_INFO": path}, "/door") == below


def test_parameters_are_decoded_in_their_order() -> None:
    """Both spellings of a blank, empty values, names given twice, bytes that are no UTF-8."""
    query = "filter=a+eq%20%22%C3%BC%22&b=&a=1&a=2&c&d=%FC&e=\xc3\xbc"
    pairs = [("filter", 'a eq "ü"'), ("b", ""), ("a", "1"), ("a", "2"), ("c", ""), ("d", "\ufffd"), ("e", "ü")]
    assert query_of({"QUERY_STRING": query}) == tuple(pairs)
    assert query_of({}) == ()


class Slow(BytesIO):
    """A stream that gives a byte at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return one byte."""
        return super().read(1 if size else 0)


class Gone(BytesIO):
    """A stream whose client went away."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail."""
        raise ConnectionResetError


@pytest.mark.parametrize(
    ("environ", "body"),
    [
        ({"CONTENT_LENGTH": "4"}, b"body"),
        ({"CONTENT_LENGTH": "2"}, b"bo"),
        ({"CONTENT_LENGTH": "4", "wsgi.input": Slow(b"body")}, b"body"),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, b"body"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, b""),
        ({"CONTENT_LENGTH": "-1"}, b""),
        ({"CONTENT_LENGTH": "0"}, b""),
        ({"CONTENT_LENGTH": "", "wsgi.input_terminated": True}, b""),
        ({"wsgi.input_terminated": True}, b""),
    ],
)
def test_a_body_is_as_long_as_was_announced(environ: dict[str, Any], body: bytes) -> None:
    """Read in as many pieces as it comes in; of no announced length only where the server says where it ends."""
    assert body_of({"wsgi.input": BytesIO(b"body"), **environ}, 4) == body


@pytest.mark.parametrize(
    ("environ", "status", "said"),
    [
        ({"CONTENT_LENGTH": "5"}, 413, "larger than 4 bytes"),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, 413, "larger than 4 bytes"),
        ({"CONTENT_LENGTH": "4", "wsgi.input": BytesIO(b"bod")}, 400, "ended early"),
        ({"CONTENT_LENGTH": "4", "wsgi.input": Gone()}, 400, "could not be read"),
    ],
)
def test_a_body_is_refused(environ: dict[str, Any], status: int, said: str) -> None:
    """One that is too large, and one that does not come whole."""
    with pytest.raises(BodyRefused, match=said) as refused:
        body_of({"wsgi.input": BytesIO(b"bodies"), **environ}, 4)
    assert refused.value.status == status


def test_an_answer_says_its_length_and_its_request() -> None:
    """A whole body has a length, a streamed one none, and what HTTP allows no body has neither (RFC 9110 §8.6)."""
    assert sent(Response(200, (("ETag", "x"),), b"body")) == (
        "200 OK",
        {"ETag": "x", "X-Request-Id": "r1", "Content-Length": "4"},
        b"body",
    )
    assert sent(Response(404, (), b"no"), "HEAD")[1:] == ({"X-Request-Id": "r1", "Content-Length": "2"}, b"")
    assert sent(Response(200, (), iter([b"a", b"b"])))[1:] == ({"X-Request-Id": "r1"}, b"ab")
    for status in (204, 304):
        assert sent(Response(status))[1:] == ({"X-Request-Id": "r1"}, b"")
