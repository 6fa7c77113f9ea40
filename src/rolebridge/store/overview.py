"""How large an organization is, from counters that writes keep: never by counting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from rolebridge.store.scope import GROUP, USER, Scope
from rolebridge.store.statements import Statement, given
from rolebridge.store.tables.directory import counts


@dataclass(frozen=True, slots=True)
class Size:
    """How many users and groups a connection has."""

    users: int = 0
    groups: int = 0


SIZES: Final = Statement(
    lambda _: (
        select(counts.c.connection_id, counts.c.kind, func.sum(counts.c.delta))
        .where(counts.c.organization_id == given("organization_id"))
        .group_by(counts.c.connection_id, counts.c.kind)
    )
)


class Overview(Scope):
    """The sizes of one organization."""

    __slots__ = ()

    def sizes(self) -> Mapping[str, Size]:
        """Return how large each connection is, by its id; one that never had anybody is missing."""
        found: dict[str, dict[str, int]] = {}
        for connection_id, kind, total in self._link.all(SIZES, organization_id=self._organization_id):
            found.setdefault(connection_id, {})[kind] = int(total)
        return {id_: Size(kinds.get(USER, 0), kinds.get(GROUP, 0)) for id_, kinds in found.items()}
