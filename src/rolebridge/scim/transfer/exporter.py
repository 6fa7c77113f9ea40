"""An export: what a connection owns, as text that an import reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rolebridge.bridge.exporting import PortableGroup, Snapshot
from rolebridge.scim.transfer.tables import group_table, user_table


def lines(snapshot: Snapshot, format: str, only: str | None, delimiter: str) -> Iterator[str]:
    """Yield the lines of an export in the format `jsonl` or `csv`; `only` is `users`, `groups` or None for both.

    A table holds one of them. Raises Invalid for a table of too many columns.
    """
    if format == "csv":
        yield from user_table(snapshot, delimiter) if only == "users" else group_table(snapshot, delimiter)
        return
    if only != "groups":
        for user in snapshot.users():
            yield _line(user)
    if only != "users":
        for group in snapshot.groups():
            yield _line(portable(group))


def portable(group: PortableGroup) -> dict[str, Any]:
    """Return a group's resource with its members: users by userName, groups by displayName."""
    members = [{"value": name, "type": "User"} for name in group.members]
    members += [{"value": name, "type": "Group"} for name in group.children]
    return {**group.resource, "members": members} if members else group.resource


def _line(resource: dict[str, Any]) -> str:
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n"
