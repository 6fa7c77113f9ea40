"""The body of a PATCH → its operations, in the order in which they run (RFC 7644 §3.5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from scim2_models import PatchOp

from rolebridge.core.filter_tree import shown
from rolebridge.scim.errors import ScimError, invalid_syntax, invalid_value, no_target
from rolebridge.scim.tolerances import Reading, Tolerance

PATCH_SCHEMA: Final = str(PatchOp.__schema__)

MAX_OPERATIONS: Final = 10_000
"""Operations of one PATCH; some clients send one for every member."""


class Op(StrEnum):
    """What an operation does."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `number` counts from 1; `path` is None when the keys of `value` are the paths."""

    number: int
    op: Op
    path: str | None
    value: Any

    def refused(self, error: ScimError) -> ScimError:
        """Return a refusal that says which operation it is about."""
        path = f" {shown(self.path)}" if self.path else ""
        return error.within(f"operation {self.number} ({self.op}{path})")


def read_operations(body: Any, reading: Reading) -> tuple[Operation, ...]:
    """Read the body of a PATCH. Raises `ScimError` (invalidSyntax, invalidValue, noTarget)."""
    if not isinstance(body, dict):
        raise invalid_syntax("the body is not a JSON object")
    members = {key.lower(): value for key, value in body.items()}
    _check_schemas(members.get("schemas"), reading)
    listed = members.get("operations")
    if not isinstance(listed, list) or not listed:
        raise invalid_syntax("`Operations` is not a list of at least one operation")
    if len(listed) > MAX_OPERATIONS:
        raise invalid_value(f"the PATCH has {len(listed)} operations, the limit is {MAX_OPERATIONS}")
    return tuple(_operation(number, item, reading) for number, item in enumerate(listed, 1))


def _check_schemas(listed: Any, reading: Reading) -> None:
    urns: Sequence[Any] = listed if isinstance(listed, list) else (listed,)
    if not any(isinstance(urn, str) and urn.lower() == PATCH_SCHEMA.lower() for urn in urns):
        reading.forgive(Tolerance.SCHEMAS_INCOMPLETE, invalid_syntax, f"`schemas` lacks `{PATCH_SCHEMA}`")


def _operation(number: int, item: Any, reading: Reading) -> Operation:
    if not isinstance(item, dict):
        raise invalid_syntax(f"operation {number} is not an object")
    members = item if "op" in item else {key.lower(): value for key, value in item.items()}
    path = members.get("path")
    if path is not None and not isinstance(path, str):
        raise invalid_syntax(f"the path of operation {number} is not a string")
    operation = Operation(number, _op(number, members.get("op"), reading), path or None, members.get("value"))
    if operation.op is Op.REMOVE and operation.path is None:
        raise operation.refused(no_target("a remove needs a path"))
    if operation.op is not Op.REMOVE and "value" not in members:
        raise operation.refused(invalid_value("there is no `value`"))
    return operation


def _op(number: int, word: Any, reading: Reading) -> Op:
    op = _OPS.get(word) if isinstance(word, str) else None
    if op is not None:
        return op
    op = _OPS.get(word.lower()) if isinstance(word, str) else None
    if op is None:
        said = shown(word) if isinstance(word, str) else "missing or no string"
        raise invalid_syntax(f"the `op` of operation {number} is {said}; it is add, remove or replace")
    reading.forgive(
        Tolerance.CAPITAL_OP, invalid_syntax, f"the `op` of operation {number} is {shown(word)}, not `{op}`"
    )
    return op


_OPS: Final = {op.value: op for op in Op}
