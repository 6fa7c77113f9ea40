"""Memberships whoever asserted them: SCIM's rows, and beside them those of logins.

SCIM's clients read and write `memberships` alone. What decides about roles reads both; where both say that somebody is
in a group, SCIM's row is the one that counts, as it does not end by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import ColumnElement, CompoundSelect, Select, Table, literal_column, union, union_all

from rolebridge.store.tables.directory import memberships
from rolebridge.store.tables.logins import login_memberships

ASSERTED: Final = (memberships, login_memberships)
"""The tables of memberships. They share the columns of the first."""


def from_both(build: Callable[[Table], Select[Any]], *order: int) -> CompoundSelect[Any]:
    """Return the rows that `build` selects of either table, in the order of columns by their numbers."""
    return union_all(*map(build, ASSERTED)).order_by(*(literal_column(str(number)) for number in order))


def users_of_both(build: Callable[[Table], Select[Any]], limit: int) -> CompoundSelect[Any]:
    """Return the first so many user ids that `build` selects of either table, each once and in order.

    Each table is asked for so many, so that a block of a large group does not read the rest of it.
    """
    bound: ColumnElement[int] = literal_column(str(limit))
    parts = (build(table).distinct().order_by(table.c.user_id).limit(bound).subquery() for table in ASSERTED)
    return union(*(part.select() for part in parts)).order_by(literal_column("1")).limit(bound)
