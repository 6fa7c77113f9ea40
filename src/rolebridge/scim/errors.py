"""What the SCIM face refuses, and the bytes that say so (RFC 7644 §3.12).

Status and `scimType` of every kind come from scim2-models, so that they cannot drift from the RFC's table.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Final, TypeAlias

from scim2_models import Error
from scim2_models.exceptions import (
    ExpiredCursorException,
    ForbiddenException,
    InvalidCursorException,
    InvalidFilterException,
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    MutabilityException,
    NoTargetException,
    NotFoundException,
    PayloadTooLargeException,
    PreconditionFailedException,
    SCIMException,
    TooManyException,
    UniquenessException,
)

from rolebridge.core import errors

logger = logging.getLogger("rolebridge.scim")

ERROR_SCHEMA: Final = str(Error.__schema__)


class ScimError(Exception):
    """A refusal as SCIM answers it: HTTP status, `scimType` where the RFC has one, and one line for people."""

    def __init__(
        self, status: int, scim_type: str | None, detail: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.scim_type = scim_type
        self.detail = detail
        self.headers = headers

    def within(self, where: str) -> ScimError:
        """Return the same refusal with its place in front, such as the operation of a PATCH."""
        return ScimError(self.status, self.scim_type, f"{where}: {self.detail}", self.headers)

    def body(self) -> bytes:
        """Return the answer's body; `status` is a JSON string (RFC 7644 §3.12)."""
        message: dict[str, object] = {"schemas": [ERROR_SCHEMA], "status": str(self.status)}
        if self.scim_type is not None:
            message["scimType"] = self.scim_type
        message["detail"] = self.detail
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")  # half a character that was quoted from a path


Refusal: TypeAlias = Callable[[str], ScimError]


def _refusal(kind: type[SCIMException]) -> Refusal:
    status, scim_type = kind.status, kind.scim_type or None
    return lambda detail: ScimError(status, scim_type, detail)


invalid_filter: Final = _refusal(InvalidFilterException)
invalid_path: Final = _refusal(InvalidPathException)
invalid_syntax: Final = _refusal(InvalidSyntaxException)
invalid_value: Final = _refusal(InvalidValueException)
mutability: Final = _refusal(MutabilityException)
no_target: Final = _refusal(NoTargetException)
uniqueness: Final = _refusal(UniquenessException)
forbidden: Final = _refusal(ForbiddenException)
not_found: Final = _refusal(NotFoundException)
precondition_failed: Final = _refusal(PreconditionFailedException)
too_many: Final = _refusal(TooManyException)
too_large: Final = _refusal(PayloadTooLargeException)
invalid_cursor: Final = _refusal(InvalidCursorException)
expired_cursor: Final = _refusal(ExpiredCursorException)


def invalid_count(detail: str) -> ScimError:
    """Return the refusal of a `count` (RFC 9865 §3; scim2-models does not have it)."""
    return ScimError(400, "invalidCount", detail)


TRANSLATED: Final = (
    errors.NotFound,
    errors.Taken,
    errors.VersionMismatch,
    errors.UnknownMembers,
    errors.Invalid,
    errors.Unavailable,
)
"""The refusals that are answers to a client; any other error is a defect or the operator's matter."""


def translated(error: errors.RolebridgeError) -> ScimError:
    """Return a refusal of the use cases (one of `TRANSLATED`) in SCIM's form."""
    match error:
        case errors.NotFound():
            return not_found(str(error))
        case errors.Taken():
            return uniqueness(str(error))
        case errors.VersionMismatch():
            return precondition_failed(str(error))
        case errors.TooLong():
            return too_many(str(error))
        case errors.Unavailable(told=told, retry_after=seconds):
            if error.cause:  # nobody else hears of it: the client is not told
                logger.error("%s", error)
            return ScimError(503, None, told, (("Retry-After", str(seconds)),))
        case errors.Invalid(field="filter"):
            return invalid_filter(str(error))
        case _:
            return invalid_value(str(error))
