"""What the holder of an API key may do: the one table of roles and permissions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class KeyRole(StrEnum):
    """What the holder of an API key may do: everything, change access, read all the record, or read access."""

    OWNER = "owner"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    READER = "reader"


class Permission(StrEnum):
    """One kind of act.

    `READ_ACCESS` is who holds what and why; `READ_RECORD` what happened: requests, status, later the audit.
    """

    READ_ACCESS = "read-access"
    READ_RECORD = "read-record"


PERMISSIONS: Final[Mapping[KeyRole, frozenset[Permission]]] = MappingProxyType(
    {
        KeyRole.OWNER: frozenset(Permission),
        KeyRole.OPERATOR: frozenset(Permission),
        KeyRole.AUDITOR: frozenset({Permission.READ_ACCESS, Permission.READ_RECORD}),
        KeyRole.READER: frozenset({Permission.READ_ACCESS}),
    }
)

OF_ONE_WORKSPACE: Final = frozenset({Permission.READ_ACCESS})
"""What can be permitted for one workspace alone; everything else is of the whole organization."""
