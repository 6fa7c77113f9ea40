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

    `READ_ACCESS` is who holds what and why, `READ_RECORD` what happened: requests, status, revisions, the audit. `PLAN`
    is to ask what mapping files would do, `APPLY` to put them in force, `FORCE` to do so past a guard rail,
    `APPROVE` to be the second person of what takes two, `END_SESSIONS` to sign people out, `MANAGE_LOGINS` to settle
    whom logins let in, `MANAGE_APPLICATIONS` to settle who is told of people, `ERASE` to take a deleted person's data
    out of the record.
    """

    READ_ACCESS = "read-access"
    READ_RECORD = "read-record"
    PLAN = "plan"
    ASSIGN = "assign"
    MANAGE_PROJECTS = "manage-projects"
    DECIDE_HOLDS = "decide-holds"
    APPROVE = "approve"
    APPLY = "apply"
    FORCE = "force"
    END_SESSIONS = "end-sessions"
    MANAGE_LOGINS = "manage-logins"
    MANAGE_APPLICATIONS = "manage-applications"
    MANAGE_KEYS = "manage-keys"
    ERASE = "erase"


_AUDITOR: Final = frozenset({Permission.READ_ACCESS, Permission.READ_RECORD, Permission.PLAN})

PERMISSIONS: Final[Mapping[KeyRole, frozenset[Permission]]] = MappingProxyType(
    {
        KeyRole.OWNER: frozenset(Permission),
        KeyRole.OPERATOR: frozenset(Permission)
        - {
            Permission.FORCE,
            Permission.MANAGE_LOGINS,
            Permission.MANAGE_APPLICATIONS,
            Permission.MANAGE_KEYS,
            Permission.ERASE,
        },
        KeyRole.AUDITOR: _AUDITOR,
        KeyRole.READER: frozenset({Permission.READ_ACCESS}),
    }
)

OF_ONE_WORKSPACE: Final = frozenset(
    {Permission.READ_ACCESS, Permission.ASSIGN, Permission.MANAGE_PROJECTS, Permission.DECIDE_HOLDS}
)
"""What can be permitted for one workspace alone; everything else is of the whole organization."""
