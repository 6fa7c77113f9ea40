"""Groups in groups: who is in whom, what follows from it, and that there is no circle.

`group_children` holds what clients said, `group_ancestors` where that leads. Whoever changes either holds the
organization's exclusive lock: no membership is resolved meanwhile, and circles cannot close from two sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CompoundSelect, Select, Table, delete, exists, func, literal_column, or_, select, union
from sqlalchemy.sql import ClauseElement

from rolebridge.core.directory import Group
from rolebridge.core.errors import Invalid
from rolebridge.core.nesting import MAX_CHILDREN, MAX_DEPTH, MAX_REACH, Circle, Nested, closure
from rolebridge.store.asserted import users_of_both
from rolebridge.store.documents import moment, stamp
from rolebridge.store.groups import bump_groups
from rolebridge.store.history import Ending
from rolebridge.store.links import BLOCK, in_batches
from rolebridge.store.scope import Scope, owned
from rolebridge.store.statements import Database, Statement, among, given, insert_for, insert_into, json_list
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import group_ancestors, group_children, groups
from rolebridge.store.tables.sealing import past_children

_EDGES: Final = (group_children.c.organization_id == given("organization_id"),)
_IS_PARENT: Final = (groups.c.organization_id == group_children.c.organization_id) & (
    groups.c.id == group_children.c.parent_id
)
_IS_OWNER: Final = (connections.c.organization_id == groups.c.organization_id) & (
    connections.c.id == groups.c.connection_id
)
_PATHS: Final = (group_ancestors.c.organization_id == given("organization_id"),)

NESTS: Final = exists(select(literal_column("1")).where(*_PATHS)).label("nests")
"""Whether any group of the organization is in another: asked once for a statement, however many rows it has."""

GROUPS_AMONG: Final = Statement(
    lambda _: (
        select(groups.c.id)
        .where(groups.c.organization_id == given("organization_id"), among(groups.c.id, given("ids")), owned(groups))
        .order_by(groups.c.id)
    )
)
CHILDREN_AMONG: Final = Statement(
    lambda _: (
        select(group_children.c.child_id)
        .where(*_EDGES, group_children.c.parent_id == given("parent_id"))
        .where(among(group_children.c.child_id, given("ids")))
    )
)
CHILDREN: Final = Statement(
    lambda _: (
        select(group_children.c.child_id)
        .where(*_EDGES, group_children.c.parent_id == given("parent_id"))
        .order_by(group_children.c.child_id)
    )
)
PARENTS: Final = Statement(
    lambda _: (
        select(group_children.c.parent_id)
        .where(*_EDGES, group_children.c.child_id == given("child_id"))
        .order_by(group_children.c.parent_id)
    )
)
EDGES_UP: Final = Statement(
    lambda _: (
        select(group_children.c.child_id, group_children.c.parent_id)
        .where(*_EDGES, among(group_children.c.child_id, given("ids")))
        .order_by(group_children.c.child_id, group_children.c.parent_id)
    )
)
EDGES_DOWN: Final = Statement(
    lambda _: (
        select(group_children.c.parent_id, group_children.c.child_id)
        .where(*_EDGES, among(group_children.c.parent_id, given("ids")))
        .order_by(group_children.c.parent_id, group_children.c.child_id)
    )
)
ALL_CHILDREN: Final = Statement(
    lambda _: select(group_children.c.child_id).where(*_EDGES).union(select(group_ancestors.c.group_id).where(*_PATHS))
)
INSERT_CHILD: Final = Statement(lambda db: insert_into(db, group_children, unless_taken=True))
DELETE_CHILDREN: Final = Ending(
    group_children,
    past_children,
    "child_id",
    lambda _: (
        *_EDGES,
        group_children.c.parent_id == given("parent_id"),
        among(group_children.c.child_id, given("ids")),
    ),
)
DELETE_EDGES_OF: Final = Ending(
    group_children,
    past_children,
    "child_id",
    lambda _: (*_EDGES, or_(group_children.c.parent_id == given("of"), group_children.c.child_id == given("of"))),
)
INSERT_ANCESTOR: Final = Statement(lambda db: insert_into(db, group_ancestors, unless_taken=True))
DELETE_ANCESTORS: Final = Statement(
    lambda _: delete(group_ancestors).where(*_PATHS, among(group_ancestors.c.group_id, given("ids")))
)
DESCENDANTS: Final = Statement(
    lambda _: select(group_ancestors.c.group_id).where(*_PATHS, group_ancestors.c.ancestor_id == given("of"))
)
ANCESTORS: Final = Statement(
    lambda _: select(group_ancestors.c.ancestor_id).where(*_PATHS, group_ancestors.c.group_id == given("of"))
)
NAMES: Final = Statement(
    lambda _: select(groups.c.id, groups.c.display).where(
        groups.c.organization_id == given("organization_id"), among(groups.c.id, given("ids"))
    )
)


def _join(database: Database) -> ClauseElement:
    """Return the insert of all pairs that a new child brings: it and what is in it, the parent and what that is in."""
    lower = union(
        select(given("child_id").label("id")),
        select(group_ancestors.c.group_id).where(*_PATHS, group_ancestors.c.ancestor_id == given("child_id")),
    ).subquery("lower_ones")
    upper = union(
        select(given("parent_id").label("id")),
        select(group_ancestors.c.ancestor_id).where(*_PATHS, group_ancestors.c.group_id == given("parent_id")),
    ).subquery("upper_ones")
    pairs = select(given("organization_id"), lower.c.id, upper.c.id).where(literal_column("1") == literal_column("1"))
    made = insert_for(database, group_ancestors).from_select(list(group_ancestors.columns), pairs)
    return made.on_conflict_do_nothing()


def _members_below(_: Database) -> CompoundSelect[Any]:
    """Return a block of the users in a group or in any group below it, in the order of their ids."""
    below = select(group_ancestors.c.group_id).where(*_PATHS, group_ancestors.c.ancestor_id == given("of"))

    def inside(table: Table) -> Select[Any]:
        there = or_(table.c.group_id == given("of"), table.c.group_id.in_(below))
        of = (table.c.organization_id == given("organization_id"), table.c.user_id > given("after"))
        return select(table.c.user_id).where(*of, there)

    return users_of_both(inside, BLOCK)


def _edges_above(_: Database) -> Select[Any]:
    """Return every step upwards that begins at one of the groups or above them, with the group it leads to."""
    above = select(group_ancestors.c.ancestor_id).where(*_PATHS, among(group_ancestors.c.group_id, given("ids")))
    return (
        select(
            group_children.c.child_id,
            group_children.c.since,
            groups.c.id,
            groups.c.display,
            connections.c.name,
            groups.c.external_id,
        )
        .join(groups, _IS_PARENT)
        .join(connections, _IS_OWNER)
        .where(
            *_EDGES,
            or_(among(group_children.c.child_id, given("ids")), group_children.c.child_id.in_(above)),
        )
        .order_by(group_children.c.child_id, groups.c.id)
    )


JOIN: Final = Statement(_join)
MEMBERS_BELOW: Final = Statement(_members_below)
EDGES_ABOVE: Final = Statement(_edges_above)
REACH: Final = Statement(
    lambda _: select(
        select(func.count()).where(*_PATHS, group_ancestors.c.ancestor_id == given("child_id")).scalar_subquery(),
        select(func.count()).where(*_PATHS, group_ancestors.c.group_id == given("parent_id")).scalar_subquery(),
    )
)


class Nesting(Scope):
    """The nesting of one organization's groups."""

    __slots__ = ()

    # --- reading

    def groups_among(self, connection_id: str, ids: Iterable[str]) -> list[str]:
        """Return those ids that are groups of the connection, in order."""
        return [
            id_
            for batch in in_batches(sorted(set(ids)))
            for id_ in self._ids(GROUPS_AMONG, connection_id=connection_id, ids=json_list(batch))
        ]

    def children_among(self, parent_id: str, ids: Iterable[str]) -> list[str]:
        """Return those ids that are groups in the group."""
        return [
            id_
            for batch in in_batches(ids)
            for id_ in self._ids(CHILDREN_AMONG, parent_id=parent_id, ids=json_list(batch))
        ]

    def child_ids(self, parent_id: str) -> list[str]:
        """Return the groups that are in the group directly, in order."""
        return self._ids(CHILDREN, parent_id=parent_id)

    def members_below(self, group_id: str) -> Iterator[str]:
        """Yield the ids of the users in a group, directly or not, in order, read in blocks."""
        after = ""
        while block := self._ids(MEMBERS_BELOW, of=group_id, after=after):
            yield from block
            after = block[-1]

    def parents_above(self, ids: Iterable[str]) -> dict[str, list[Nested]]:
        """Return what each of the groups, and each of those above them, is in directly."""
        found: dict[str, list[Nested]] = {}
        seen: set[tuple[str, str]] = set()
        for batch in in_batches(sorted(set(ids))):
            rows = self._link.all(EDGES_ABOVE, organization_id=self._organization_id, ids=json_list(batch))
            for child_id, since, *group in rows:
                parent = Group(*group)
                if (child_id, parent.id) not in seen:
                    seen.add((child_id, parent.id))
                    found.setdefault(child_id, []).append(Nested(parent, moment(since)))
        return found

    def groups_above(self, group_id: str) -> list[Group]:
        """Return the groups that a group is in, directly or not, in the order of their ids."""
        above = {nested.parent.id: nested.parent for held in self.parents_above([group_id]).values() for nested in held}
        return [above[id_] for id_ in sorted(above)]

    # --- writing, under the exclusive lock

    def add_children(self, parent_id: str, ids: Iterable[str], now: datetime) -> tuple[str, ...]:
        """Put groups of the same connection into a group; return those that were not in it.

        Raises `Circle`, and `Invalid` for what is too deep or too much.
        """
        added = []
        for child_id in ids:
            if child_id == parent_id or self._is_below(parent_id, child_id):
                raise Circle(self._names(self._circle(parent_id, child_id)))
            edge = {"organization_id": self._organization_id, "parent_id": parent_id, "child_id": child_id}
            if self._link.run(INSERT_CHILD, **edge, since=stamp(now)):
                self._check_size(parent_id, child_id)
                self._link.run(JOIN, **edge)
                added.append(child_id)
        if added:
            bump_groups(self._link, self._organization_id, [parent_id], now)
        return tuple(added)

    def remove_children(self, parent_id: str, ids: Iterable[str], now: datetime) -> tuple[str, ...]:
        """Take groups out of a group; return those that were in it."""
        removed = [
            id_
            for batch in in_batches(ids)
            for id_ in self._end(DELETE_CHILDREN, now, parent_id=parent_id, ids=json_list(batch))
        ]
        if removed:
            self._settle(removed)
            bump_groups(self._link, self._organization_id, [parent_id], now)
        return tuple(sorted(removed))

    def leave_nesting(self, group_id: str, now: datetime) -> None:
        """Take a group that is to be deleted out of all that it is in, which get new versions, and all out of it."""
        parents, children = self._ids(PARENTS, child_id=group_id), self.child_ids(group_id)
        self._end(DELETE_EDGES_OF, now, of=group_id)
        self._settle([group_id, *children])
        bump_groups(self._link, self._organization_id, parents, now)

    def rebuild_nesting(self) -> None:
        """Follow all that is said to its end again, whatever was kept of that."""
        self._settle(self._ids(ALL_CHILDREN))

    # --- inside

    def _is_below(self, group_id: str, ancestor_id: str) -> bool:
        return ancestor_id in self._ids(ANCESTORS, of=group_id)

    def _check_size(self, parent_id: str, child_id: str) -> None:
        if len(self.child_ids(parent_id)) > MAX_CHILDREN:
            raise Invalid(f"the group would hold more than {MAX_CHILDREN} groups", "members")
        row = self._link.one(REACH, organization_id=self._organization_id, parent_id=parent_id, child_id=child_id)
        if row is not None and (row[0] + 1) * (row[1] + 1) > MAX_REACH:
            raise Invalid(f"the group would join more than {MAX_REACH} pairs of groups", "members")
        depth = self._height(EDGES_UP, parent_id) + self._height(EDGES_DOWN, child_id) + 1
        if depth > MAX_DEPTH:
            raise Invalid(f"groups in groups would be {depth} deep, the limit is {MAX_DEPTH}", "members")

    def _height(self, step: Statement, group_id: str) -> int:
        """Return how many groups stand one above (below) the other, seen from a group."""
        height, frontier = 0, [group_id]
        while height <= MAX_DEPTH and (frontier := self._next(step, frontier)):
            height += 1
        return height

    def _next(self, step: Statement, ids: Iterable[str]) -> list[str]:
        rows = self._link.all(step, organization_id=self._organization_id, ids=json_list(ids))
        return sorted({row[1] for row in rows})

    def _circle(self, parent_id: str, child_id: str) -> list[str]:
        """Return the groups on a shortest way from `parent_id` up to `child_id`, and back to where it began."""
        came_from = {parent_id: ""}
        frontier = [parent_id]
        while frontier and child_id not in came_from:
            rows = self._link.all(EDGES_UP, organization_id=self._organization_id, ids=json_list(frontier))
            frontier = []
            for below, above in rows:
                if above not in came_from:
                    came_from[above] = below
                    frontier.append(above)
        way = [child_id]
        while way[-1] != parent_id:
            way.append(came_from[way[-1]])
        return [*reversed(way), parent_id] if child_id != parent_id else [parent_id, parent_id]

    def _names(self, ids: list[str]) -> list[str]:
        rows = self._link.all(NAMES, organization_id=self._organization_id, ids=json_list(set(ids)))
        names = {row[0]: row[1] for row in rows}
        return [names[id_] for id_ in ids]

    def _settle(self, ids: Iterable[str]) -> None:
        """Find again what these groups, and all below them, are in."""
        moved = set(ids)
        for id_ in tuple(moved):
            moved.update(self._ids(DESCENDANTS, of=id_))
        parents = self._parents_of(moved)
        for batch in in_batches(sorted(moved)):
            self._link.run(DELETE_ANCESTORS, organization_id=self._organization_id, ids=json_list(batch))
        self._link.run_many(
            INSERT_ANCESTOR,
            (
                {"organization_id": self._organization_id, "group_id": id_, "ancestor_id": above}
                for id_, held in closure(parents, sorted(moved)).items()
                for above in sorted(held)
            ),
        )

    def _parents_of(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """Return every step upwards from these groups and from those above them."""
        found: dict[str, list[str]] = {}
        frontier = sorted(set(ids))
        while frontier:
            rows = [
                row
                for batch in in_batches(frontier)
                for row in self._link.all(EDGES_UP, organization_id=self._organization_id, ids=json_list(batch))
            ]
            for below, above in rows:
                found.setdefault(below, []).append(above)
            known = set(frontier) | found.keys()
            frontier = sorted({above for _, above in rows} - known)
        return found

    def _end(self, ending: Ending, now: datetime, **values: Any) -> list[str]:
        return ending.end(self._link, now, organization_id=self._organization_id, **values)

    def _ids(self, statement: Statement, **values: Any) -> list[str]:
        return [row[0] for row in self._link.all(statement, organization_id=self._organization_id, **values)]
