"""What SCIM answers, from stored bytes: one indexed query for a resource, one or two for a page, blocks for members."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Unpack

from sqlalchemy import ColumnElement, Table, Text, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import ClauseElement

from rolebridge.core.filters import ResolvedFilter
from rolebridge.store.records import GroupAnswer, Page, UserAnswer
from rolebridge.store.scope import GROUP, USER, Scope, owned
from rolebridge.store.search import Part, Search, Sequel
from rolebridge.store.statements import Database, Statement, among, given, json_list, storable
from rolebridge.store.tables import groups, memberships, users

MEMBERS_BLOCK: Final = 5_000
"""Members per block of text: about 600 kB."""

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


def _groups_text(database: Database) -> ColumnElement[str]:
    """Return the elements of a user's `groups`, as text. Ids need no escape: they are ours."""
    element = (
        _quoted('{"value":"')
        + groups.c.id
        + given("reference")
        + groups.c.id
        + _quoted('","display":')
        + groups.c.display_json
        + _quoted(',"type":"direct"}')
    )
    held = (
        select(func.coalesce(_joined(database, element, memberships.c.group_id, ","), _quoted("")))
        .select_from(memberships)
        .join(
            groups,
            (groups.c.organization_id == memberships.c.organization_id) & (groups.c.id == memberships.c.group_id),
        )
        .where(memberships.c.organization_id == users.c.organization_id, memberships.c.user_id == users.c.id)
    )
    return held.correlate(users).scalar_subquery()


def _members_text(database: Database, user_id: ColumnElement[str]) -> ColumnElement[str]:
    """Return the elements of a group's `members`, as text, NULL for none.

    What is alike in all of them stands in the separator: half the time for a large group.
    """
    varying = user_id + given("reference") + user_id
    opening, closing = '{"value":"', '","type":"User"}'
    joined = _joined(database, varying, user_id, f"{closing},{opening}")
    return _quoted(opening) + joined + _quoted(closing)


# --- statements


def _columns(database: Database, table: Table, *, related: bool) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = [table.c.id, table.c.body, table.c.version]
    if related and table is users:
        columns.append(_groups_text(database))
    return columns


def _one(database: Database, *, table: Table, related: bool) -> ClauseElement:
    found = select(*_columns(database, table, related=related)).where(
        table.c.organization_id == given("organization_id")
    )
    return found.where(table.c.id == given("id"), owned(table))


def _members_of(database: Database) -> ClauseElement:
    text = _members_text(database, memberships.c.user_id)
    return (
        select(memberships.c.group_id, text)
        .where(
            memberships.c.organization_id == given("organization_id"),
            among(memberships.c.group_id, given("ids")),
        )
        .group_by(memberships.c.group_id)
    )


def _member_block(database: Database) -> ClauseElement:
    """Return a block of the elements of a group's `members`, as text, and the id with which it ends."""
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
    return select(func.max(block.c.user_id), _members_text(database, block.c.user_id))


ONE: Final = {
    (table.name, related): Statement(partial(_one, table=table, related=related))
    for table in (users, groups)
    for related in (False, True)
}
MEMBERS_OF: Final = Statement(_members_of)
MEMBER_BLOCK: Final = Statement(_member_block)


class Answers(Scope):
    """Answers to one connection: it sees and counts what it owns. `prefix` is the URL that a `$ref` begins with,
    without a slash at its end: `https://host/scim/v2`.
    """

    __slots__ = ()

    def user_answer(self, connection_id: str, id: str, *, prefix: str, with_groups: bool = True) -> UserAnswer | None:
        """Return a user as answered."""
        row = self._answer(users, connection_id, id, _reference(prefix, "Groups") if with_groups else None)
        return UserAnswer(*row) if row else None

    def group_answer(
        self, connection_id: str, id: str, *, prefix: str, with_members: bool = True
    ) -> GroupAnswer | None:
        """Return a group as answered, all its members read at once; `member_blocks` reads them bit by bit."""
        row = self._answer(groups, connection_id, id, None)
        if row is None:
            return None
        members = tuple(self.member_blocks(id, prefix=prefix)) if with_members else None
        id_, body, version = row
        return GroupAnswer(id_, body, version, members)

    def member_blocks(self, group_id: str, *, prefix: str) -> Iterator[str]:
        """Yield the elements of a group's `members` as JSON text, in blocks to be joined by commas.

        In the order of ids, read as they are asked for: of one moment only within a snapshot or a transaction.
        """
        after, reference = "", _reference(prefix, "Users")
        while True:
            row = self._link.one(
                MEMBER_BLOCK,
                organization_id=self._organization_id,
                group_id=group_id,
                after=after,
                reference=reference,
            )
            if row is None or row[0] is None:
                return
            after, text = row
            yield text

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
        more = {"reference": _reference(prefix, "Groups")} if with_groups else {}
        part = Part(limit, offset, **how)
        search = Search(self._link, users, self._organization_id, connection_id, self._counted(connection_id, USER))
        found = search.find(wanted, part, prefix, _groups_text if with_groups else None, more)
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
        members = self._related(MEMBERS_OF, [row[0] for row in rows], _reference(prefix, "Users"))
        blocks = (((members[row[0]],) if row[0] in members else ()) for row in rows)
        answers = (
            GroupAnswer(id_, body, version, held) for (id_, body, version), held in zip(rows, blocks, strict=True)
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

    def _related(self, statement: Statement, ids: list[str], reference: str) -> dict[str, str]:
        """Return the text of `groups` or `members` for each of the ids that have any."""
        if not ids:
            return {}
        values = {"organization_id": self._organization_id, "ids": json_list(ids), "reference": reference}
        return dict(self._link.all(statement, **values))


def _reference(prefix: str, kind: str) -> str:
    """Return what stands between the two ids of an element: the end of `value`, and `$ref` up to the id."""
    return f'","$ref":{json.dumps(f"{prefix}/{kind}/", ensure_ascii=False)[:-1]}'
