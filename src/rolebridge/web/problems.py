"""Problem documents (RFC 9457): how the API refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from rolebridge.web.requests import Response

PROBLEM_TYPE: Final = "application/problem+json"
_PREFIX: Final = "urn:rolebridge:problem:"


class Kind(StrEnum):
    """A kind of problem: the end of its `type`, which programs may go by. docs/reference/api.md lists them."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"

    @property
    def status(self) -> int:
        """Return the HTTP status of the kind."""
        return _STATUS[self]

    @property
    def heading(self) -> str:
        """Return what is the same for all problems of the kind."""
        return _TITLE[self]


_STATUS: Final = {
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.INVALID: 400,
    Kind.UNAVAILABLE: 503,
}
_TITLE: Final = {
    Kind.UNAUTHENTICATED: "No API key that works",
    Kind.FORBIDDEN: "The key may not do this",
    Kind.NOT_FOUND: "There is no such thing",
    Kind.METHOD_NOT_ALLOWED: "The method is not possible here",
    Kind.INVALID: "The request cannot be understood",
    Kind.UNAVAILABLE: "Not possible at this time",
}


class Problem(Exception):
    """A refusal of the API: `detail` is one line for people, `more` are further members of the document."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.more = dict(more or {})

    def response(self, request_id: str) -> Response:
        """Return the answer that says so."""
        document = {
            "type": _PREFIX + self.kind,
            "title": self.kind.heading,
            "status": self.kind.status,
            "detail": self.detail,
            **self.more,
            "request_id": request_id,
        }
        body = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
        return Response(self.kind.status, (("Content-Type", PROBLEM_TYPE), *self.headers), body)
