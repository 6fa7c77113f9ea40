"""A request and what became of it, as the request log keeps it: redacted here, before anybody else sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import TypeAlias

from rolebridge.bridge.callers import CredentialOwner
from rolebridge.scim.errors import ScimError
from rolebridge.scim.redaction import HIDDEN, BodyShape, logged_path, redacted_detail, redacted_query
from rolebridge.scim.tolerances import Tolerance
from rolebridge.store.request_log import NOBODY, LoggedRequest
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.scim")

Observer: TypeAlias = Callable[[LoggedRequest], None]
"""Is told of every request of the SCIM door, refused ones included."""

_LONGEST_AGENT = 120
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def log_refusal(row: LoggedRequest) -> None:
    """Write a line to the process's log for a request that was refused; what was answered is not news."""
    if row.refused:
        logger.info("request %s: %s %s -> %d %s", row.request_id, row.method, row.path, row.status, row.detail)


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request from its beginning: whose it is (None: nobody's that we know) and when it began."""

    request: Request
    owner: CredentialOwner | None
    at: datetime
    began: float

    @classmethod
    def begin(cls, request: Request, owner: CredentialOwner | None, clock: Callable[[], datetime] = now) -> Exchange:
        """Begin to measure."""
        return cls(request, owner, clock(), perf_counter())

    def end(
        self,
        response: Response,
        refusal: ScimError | None = None,
        *,
        forgiven: Collection[Tolerance] = (),
        unknown_members: int = 0,
        words: Iterable[str] = (),
    ) -> LoggedRequest:
        """Return what is logged. `words` are names in the refusal's detail that may be told."""
        request, owner = self.request, self.owner
        shape = BodyShape(request.body) if refusal else None
        detail = redacted_detail(refusal.detail, request, shape.names, words) if refusal and shape else ""
        path, resource_id = logged_path(request.path)
        return LoggedRequest(
            organization_id=owner.organization_id if owner else NOBODY,
            connection_id=owner.connection_id if owner else NOBODY,
            at=self.at,
            request_id=request.request_id,
            method=request.method if request.method in _METHODS else HIDDEN,
            path=path,
            status=response.status,
            query=redacted_query(request.query) if request.query else "",
            scim_type=refusal.scim_type if refusal else None,
            detail=detail,
            duration_us=round((perf_counter() - self.began) * 1_000_000),
            credential_id=owner.credential_id if owner else "",
            resource_id=resource_id or _created(response),
            peer=request.peer[:_LONGEST_AGENT],
            user_agent=_printable(request.headers.get("user-agent", "")),
            tolerances=" ".join(sorted(forgiven)) if forgiven else "",
            unknown_members=unknown_members,
            request_bytes=len(request.body),
            answer_bytes=len(response.body) if isinstance(response.body, bytes) else None,
            shape=shape.text if shape else None,
        )


def _created(response: Response) -> str:
    """Return the id of what a request made."""
    if response.status != 201:
        return ""
    location = next((value for name, value in response.headers if name == "Location"), "")
    return location.rpartition("/")[2]


def _printable(text: str) -> str:
    cut = text[:_LONGEST_AGENT]
    return cut if cut.isprintable() else "".join(one if one.isprintable() else "?" for one in cut)
