"""What the reference says of the API, made of the tables that the API is made of."""

from __future__ import annotations

from rolebridge.api.endpoints import ENDPOINTS
from rolebridge.bridge.permissions import OF_ONE_WORKSPACE, PERMISSIONS, KeyRole, Permission
from rolebridge.web.problems import MEANINGS, Kind


def endpoint_rows() -> list[str]:
    """Return the rows of the table of endpoints."""
    return [
        f"| `{one.method} {one.path}` | {f'`{one.permission}`' if one.permission else 'any key'} | {one.summary} |"
        for one in ENDPOINTS
    ]


def permission_rows() -> list[str]:
    """Return the rows of the table of permissions."""
    return [
        f"| `{permission}` | "
        + " | ".join("yes" if permission in PERMISSIONS[role] else "no" for role in KeyRole)
        + f" | {'yes' if permission in OF_ONE_WORKSPACE else 'no'} |"
        for permission in Permission
    ]


def problem_sections() -> list[str]:
    """Return the section of each kind of problem."""
    return [_section(kind) for kind in Kind]


def _section(kind: Kind) -> str:
    meaning = MEANINGS[kind]
    lines = [f"## {kind}", "", f"{kind.status} · {meaning.title}", "", meaning.text]
    if meaning.members:
        lines += ["", "| member | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {what} |" for name, what in meaning.members.items()]
    return "\n".join(lines) + "\n"
