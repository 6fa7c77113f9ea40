"""Exporting: the users and groups of a connection, as of one moment, without what only this installation knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rolebridge.store.bulk import Bulk
from rolebridge.store.engine import Store
from rolebridge.store.records import Connection


@dataclass(frozen=True, slots=True)
class PortableGroup:
    """A group to be written: its resource without members, and the names of who is in it, each list in order."""

    resource: dict[str, Any]
    members: tuple[str, ...]
    children: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a connection owns at one moment. Of no use after its `with` has ended."""

    _bulk: Bulk
    _connection_id: str

    def totals(self) -> tuple[int, int]:
        """Return how many users and groups there are."""
        return self._bulk.totals(self._connection_id)

    def users(self) -> Iterator[dict[str, Any]]:
        """Yield the users, oldest first, as SCIM resources without `id` and `meta`; each says whether it is active."""
        for body, active in self._bulk.exported_users(self._connection_id):
            resource = _portable(body)
            resource.setdefault("active", active)  # a client may have removed it; who reads it must not guess
            yield resource

    def groups(self) -> Iterator[PortableGroup]:
        """Yield the groups, oldest first."""
        for group in self._bulk.exported_groups(self._connection_id):
            yield PortableGroup(_portable(group.body), group.members, group.children)


class Exporting:
    """Exports of connections."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @contextmanager
    def snapshot(self, connection: Connection) -> Iterator[Snapshot]:
        """Give what a connection owns now; whatever is written meanwhile does not show."""
        with self._store.read(snapshot=True) as unit:
            yield Snapshot(unit.bulk(connection.organization_id), connection.id)


def _portable(body: str) -> dict[str, Any]:
    resource: dict[str, Any] = json.loads(body)
    del resource["id"], resource["meta"]
    return resource
