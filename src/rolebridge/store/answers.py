"""What SCIM answers, from stored bytes: one indexed query for a resource, one or two for a page, blocks for members."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Final, Unpack, overload

from sqlalchemy import ColumnElement, Table, Text, case, exists, func, literal_column, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import ClauseElement

from rolebridge.core.filters import ResolvedFilter
from rolebridge.store.nesting import NESTS
from rolebridge.store.records import GroupAnswer, Page, UserAnswer
from rolebridge.store.scope import GROUP, USER, Scope, owned
from rolebridge.store.search import Part, Search, Sequel
from rolebridge.store.statements import Database, Statement, among, given, json_list, storable
from rolebridge.store.tables.directory import group_ancestors, group_children, groups, memberships, users

MEMBERS_BLOCK: Final = 5_000
"""Members per block: about 600 kB of text, made of 190 kB of ids."""

# --- text that SQL makes


def _quoted(text: str) -> ColumnElement[str]:
    """Return a constant text in SQL itself, so that it is no parameter of every run."""
    return literal_column("'" + text.replace("'", "''") + "'")


def _joined(
    database: Database, text: ColumnElement[str], order: ColumnElement[str], between: str
) -> ColumnElement[str]:
    """Return texts joined by `between`. SQLite takes them in the order of the index that finds them."""
    if database is Database.POSTGRES:
        return func.string_agg(text, aggregate_order_by(_quoted(between), order), type_=Text)
    return func.group_concat(text, _quoted(between), type_=Text)


def _group_text(table: Any, kind: str) -> ColumnElement[str]:
    """Return an element of a user's `groups`, as text. Ids need no escape: they are ours."""
    opening, display, closing = _quoted('{"value":"'), _quoted('","display":'), _quoted(f',"type":"{kind}"}}')
    made: ColumnElement[str] = (
        opening + table.c.id + given("reference") + table.c.id + display + table.c.display_json + closing
    )
    return made


def groups_text(database: Database) -> ColumnElement[str]:
    """Return the elements of a user's `groups`, as text: direct ones, then those through groups in groups."""
    element = _group_text(groups, "direct")
    held = (
        select(func.coalesce(_joined(database, element, memberships.c.group_id, ","), _quoted("")))
        .select_from(memberships)
        .join(
            groups,
            (groups.c.organization_id == memberships.c.organization_id) & (groups.c.id == memberships.c.group_id),
        )
        .where(memberships.c.organization_id == users.c.organization_id, memberships.c.user_id == users.c.id)
    )
    direct = held.correlate(users).scalar_subquery()
    # Asked once for a statement: who has no groups in groups pays for nothing else.
    return direct + case((NESTS, _indirect_text(database)), else_=_quoted(""))


def _indirect_text(database: Database) -> ColumnElement[str]:
    """Return the elements of a user's `groups` that follow from others, each after a comma."""
    above, mine, held = groups.alias("above"), memberships.alias("mine"), memberships.alias("held")
    reached = (
        select(group_ancestors.c.ancestor_id)
        .select_from(mine)
        .join(
            group_ancestors,
            (group_ancestors.c.organization_id == mine.c.organization_id)
            & (group_ancestors.c.group_id == mine.c.group_id),
        )
        .where(mine.c.organization_id == users.c.organization_id, mine.c.user_id == users.c.id)
        .correlate(users)
    )
    direct = exists(
        select(literal_column("1"))
        .where(held.c.organization_id == above.c.organization_id, held.c.group_id == above.c.id)
        .where(held.c.user_id == users.c.id)
        .correlate(above, users)
    )
    element = _quoted(",") + _group_text(above, "indirect")
    return (
        select(func.coalesce(_joined(database, element, above.c.id, ""), _quoted("")))
        .where(above.c.organization_id == users.c.organization_id, above.c.id.in_(reached), ~direct)
        .correlate(users)
        .scalar_subquery()
    )


def _members_text(database: Database, member_id: ColumnElement[str], kind: str = "User") -> ColumnElement[str]:
    """Return the elements of a group's `members`, as text, NULL for none.

    What is alike in all of them stands in the separator: half the time for a large group.
    """
    varying = member_id + given(f"to_{kind.lower()}") + member_id
    opening, closing = '{"value":"', f'","type":"{kind}"}}'
    joined = _joined(database, varying, member_id, f"{closing},{opening}")
    return _quoted(opening) + joined + _quoted(closing)


# --- statements


def _columns(database: Database, table: Table, *, related: bool) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = [table.c.id, table.c.body, table.c.version]
    if related and table is users:
        columns.append(groups_text(database))
    return columns


def _one(database: Database, *, table: Table, related: bool) -> ClauseElement:
    found = select(*_columns(database, table, related=related)).where(
        table.c.organization_id == given("organization_id")
    )
    return found.where(table.c.id == given("id"), owned(table))


def _members_of(database: Database) -> ClauseElement:
    """Return the elements of groups' `members`, as text: those of users and those of groups, a row for each."""
    ids = given("ids")
    own, nested = memberships.c, group_children.c
    users_ = (
        select(own.group_id, _members_text(database, own.user_id))
        .where(own.organization_id == given("organization_id"), among(own.group_id, ids))
        .group_by(own.group_id)
    )
    groups_ = (
        select(nested.parent_id, _members_text(database, nested.child_id, "Group"))
        .where(nested.organization_id == given("organization_id"), among(nested.parent_id, ids))
        .group_by(nested.parent_id)
    )
    return union_all(users_, groups_)


def _children_of(database: Database) -> ClauseElement:
    """Return those elements of a group's `members` that are groups, as text."""
    nested = group_children.c
    return select(_members_text(database, nested.child_id, "Group")).where(
        nested.organization_id == given("organization_id"), nested.parent_id == given("group_id")
    )


def _member_block(database: Database) -> ClauseElement:
    """Return the user ids of a block of a group's members, joined by commas, and the id with which it ends."""
    block = (
        select(memberships.c.user_id)
        .where(
            memberships.c.organization_id == given("organization_id"),
            memberships.c.group_id == given("group_id"),
            memberships.c.user_id > given("after"),
        )
        .order_by(memberships.c.user_id)
        .limit(literal_column(str(MEMBERS_BLOCK)))
        .subquery("block")
    )
    ids = _joined(database, block.c.user_id, block.c.user_id, ",")
    return select(func.max(block.c.user_id), ids, NESTS)


ONE: Final = {
    (table.name, related): Statement(partial(_one, table=table, related=related))
    for table in (users, groups)
    for related in (False, True)
}
MEMBERS_OF: Final = Statement(_members_of)
MEMBER_BLOCK: Final = Statement(_member_block)
CHILDREN_OF: Final = Statement(_children_of)


class MemberBlocks(Sequence[str]):
    """A group's members as JSON text in blocks, each made when it is asked for.

    Between reading and the last byte that a slow reader takes, a member holds the 37 bytes of an id, and no read
    transaction stays open. `reference` is what stands between the two ids of an element, `nested` the text of those
    members that are groups.
    """

    __slots__ = ("_ids", "_nested", "_reference")

    def __init__(self, ids: tuple[str, ...], reference: str, nested: str | None) -> None:
        self._ids = ids
        self._reference = reference
        self._nested = nested

    def __len__(self) -> int:
        return len(self._ids) + (self._nested is not None)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...

    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        """Return a block, or several."""
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        at = range(len(self))[place]
        if at == len(self._ids):
            assert self._nested is not None  # or there would be one block less
            return self._nested
        middle = self._reference
        varying = [f"{id_}{middle}{id_}" for id_ in self._ids[at].split(",")]
        return f'{{"value":"{_USERS_BETWEEN.join(varying)}","type":"User"}}'


_USERS_BETWEEN: Final = '","type":"User"},{"value":"'


class Answers(Scope):
    """Answers to one connection: it sees and counts what it owns. `prefix` is the URL that a `$ref` begins with,
    without a slash at its end: `https://host/scim/v2`.
    """

    __slots__ = ()

    def user_answer(self, connection_id: str, id: str, *, prefix: str, with_groups: bool = True) -> UserAnswer | None:
        """Return a user as answered."""
        row = self._answer(users, connection_id, id, groups_reference(prefix) if with_groups else None)
        return UserAnswer(*row) if row else None

    def group_answer(
        self, connection_id: str, id: str, *, prefix: str, with_members: bool = True
    ) -> GroupAnswer | None:
        """Return a group as answered. Of its members the ids are read at once, their text is made when asked for."""
        row = self._answer(groups, connection_id, id, None)
        if row is None:
            return None
        members = self._all_members(id, prefix) if with_members else None
        id_, body, version = row
        return GroupAnswer(id_, body, version, members)

    def _all_members(self, group_id: str, prefix: str) -> MemberBlocks:
        """Return a group's members: users in the order of ids, then groups.

        Of one moment only within a snapshot or a transaction.
        """
        after, scope = "", {"organization_id": self._organization_id, "group_id": group_id}
        blocks: list[str] = []
        while True:
            row = self._link.one(MEMBER_BLOCK, **scope, after=after)
            assert row is not None  # an aggregate has a row
            if row[0] is None:
                break
            after = row[0]
            blocks.append(row[1])
        nested = self._link.one(CHILDREN_OF, **scope, to_group=groups_reference(prefix)) if row[2] else None
        return MemberBlocks(tuple(blocks), _reference(prefix, "Users"), nested[0] if nested else None)

    def find_users(
        self,
        connection_id: str,
        wanted: ResolvedFilter | None,
        *,
        offset: int,
        limit: int,
        prefix: str,
        with_groups: bool = True,
        **how: Unpack[Sequel],
    ) -> Page[UserAnswer]:
        """Return at most `limit` of the users for whom the filter holds, in order, the first `offset` left out.

        Raises `Unsortable`.
        """
        more = {"reference": groups_reference(prefix)} if with_groups else {}
        part = Part(limit, offset, **how)
        search = Search(self._link, users, self._organization_id, connection_id, self._counted(connection_id, USER))
        found = search.find(wanted, part, prefix, groups_text if with_groups else None, more)
        return Page(found.total, tuple(UserAnswer(*row) for row in found.rows), found.next)

    def find_groups(
        self,
        connection_id: str,
        wanted: ResolvedFilter | None,
        *,
        offset: int,
        limit: int,
        prefix: str,
        with_members: bool = True,
        **how: Unpack[Sequel],
    ) -> Page[GroupAnswer]:
        """Return at most `limit` of the groups for which the filter holds, in order, the first `offset` left out.

        Raises `Unsortable`.
        """
        part = Part(limit, offset, **how)
        search = Search(self._link, groups, self._organization_id, connection_id, self._counted(connection_id, GROUP))
        found = search.find(wanted, part, prefix, None, {})
        rows = found.rows
        if not with_members:
            return Page(found.total, tuple(GroupAnswer(*row) for row in rows), found.next)
        held = self._members([row[0] for row in rows], prefix)
        blocks = (tuple(held.get(row[0], ())) for row in rows)
        answers = (
            GroupAnswer(id_, body, version, block) for (id_, body, version), block in zip(rows, blocks, strict=True)
        )
        return Page(found.total, tuple(answers), found.next)

    def _counted(self, connection_id: str, kind: str) -> Callable[[], int]:
        return partial(self._total, connection_id, kind)

    def _answer(self, table: Table, connection_id: str, id: str, reference: str | None) -> tuple[Any, ...] | None:
        if not storable(id):
            return None
        values = {"organization_id": self._organization_id, "connection_id": connection_id, "id": id}
        if reference is not None:
            values["reference"] = reference
        return self._link.one(ONE[table.name, reference is not None], **values)

    def _members(self, ids: list[str], prefix: str) -> dict[str, list[str]]:
        """Return the text of `members`, in blocks, for each of the groups that has any."""
        found: dict[str, list[str]] = {}
        if ids:
            ends = {"to_user": _reference(prefix, "Users"), "to_group": groups_reference(prefix)}
            rows = self._link.all(MEMBERS_OF, organization_id=self._organization_id, ids=json_list(ids), **ends)
            for id_, text in rows:
                found.setdefault(id_, []).append(text)
        return found


def groups_reference(prefix: str) -> str:
    """Return what `groups_text` takes as `reference`; `prefix` is the URL that a `$ref` begins with."""
    return _reference(prefix, "Groups")


@lru_cache(maxsize=64)
def _reference(prefix: str, kind: str) -> str:
    """Return what stands between the two ids of an element: the end of `value`, and `$ref` up to the id."""
    return f'","$ref":{json.dumps(f"{prefix}/{kind}/", ensure_ascii=False)[:-1]}'
