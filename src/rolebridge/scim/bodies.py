"""The bytes of a SCIM request → JSON values, refused in SCIM's words where `web.bodies` refuses them."""

from __future__ import annotations

from typing import Any, Final

from rolebridge.scim.errors import invalid_syntax, invalid_value, too_large
from rolebridge.web.bodies import MAX_CONTAINERS, MAX_DEPTH, BodyRefused, Fault, read_json

__all__ = ["MAX_CONTAINERS", "MAX_DEPTH", "parse_body"]

_REFUSALS: Final = {Fault.SYNTAX: invalid_syntax, Fault.VALUE: invalid_value, Fault.SIZE: too_large}


def parse_body(body: bytes | str) -> Any:
    """Read one JSON value. Raises `ScimError` (invalidSyntax, invalidValue, 413) for what `read_json` refuses."""
    try:
        return read_json(body)
    except BodyRefused as refused:
        raise _REFUSALS[refused.fault](refused.detail) from refused
