"""What SCIM answers, from stored bytes: one indexed query for a resource, two for a page, blocks for many members."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from rolebridge.store.records import StoredAnswer
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, storable
from rolebridge.store.tables import groups, memberships, users

MEMBERS_BLOCK: Final = 5_000
"""Members per block of text: about 600 kB."""


def _quoted(text: str) -> ColumnElement[str]:
    """Return a constant text in SQL itself, so that it is no parameter of every run."""
    return literal_column("'" + text.replace("'", "''") + "'")


def _joined(database: Database, text: ColumnElement[str], order: ColumnElement[str]) -> ColumnElement[str]:
    """Return texts joined by commas, "" for none. SQLite takes them in the order of the index that finds them."""
    if database is Database.POSTGRES:
        return func.coalesce(func.string_agg(text, aggregate_order_by(_quoted(","), order)), _quoted(""))
    return func.coalesce(func.group_concat(text, _quoted(",")), _quoted(""))


def _groups_text(database: Database) -> ColumnElement[str]:
    """Return the elements of a user's `groups`, as text. Ids need no escape: they are ours."""
    element = (
        _quoted('{"value":"')
        + groups.c.id
        + _quoted('","$ref":"')
        + given("prefix")
        + groups.c.id
        + _quoted('","display":')
        + groups.c.display_json
        + _quoted(',"type":"direct"}')
    )
    return (
        select(_joined(database, element, memberships.c.group_id))
        .select_from(memberships)
        .join(
            groups,
            (groups.c.organization_id == memberships.c.organization_id) & (groups.c.id == memberships.c.group_id),
        )
        .where(
            memberships.c.organization_id == users.c.organization_id,
            memberships.c.user_id == users.c.id,
        )
        .correlate(users)
        .scalar_subquery()
    )


def _member_block(database: Database) -> Select[Any]:
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
    element = (
        _quoted('{"value":"')
        + block.c.user_id
        + _quoted('","$ref":"')
        + given("prefix")
        + block.c.user_id
        + _quoted('","type":"User"}')
    )
    return select(func.max(block.c.user_id), _joined(database, element, block.c.user_id))


def user_answers(database: Database, *, related: bool) -> Select[Any]:
    """Return the select of answers of a connection's users: id, body, version, and their groups if `related`."""
    columns: list[ColumnElement[Any]] = [users.c.id, users.c.body, users.c.version]
    if related:
        columns.append(_groups_text(database))
    return select(*columns).where(
        users.c.organization_id == given("organization_id"), users.c.connection_id == given("connection_id")
    )


def _user_answer(database: Database, *, related: bool) -> Select[Any]:
    return user_answers(database, related=related).where(users.c.id == given("id"))


USER: Final = {related: Statement(partial(_user_answer, related=related)) for related in (False, True)}
GROUP: Final = Statement(
    lambda _: select(groups.c.id, groups.c.body, groups.c.version).where(
        groups.c.organization_id == given("organization_id"),
        groups.c.connection_id == given("connection_id"),
        groups.c.id == given("id"),
    )
)
MEMBER_BLOCK: Final = Statement(_member_block)


class Answers(Scope):
    """Answers to one connection. `prefix` is the URL before a resource's id in a `$ref`; None leaves those out."""

    __slots__ = ()

    def user_answer(self, connection_id: str, id: str, prefix: str | None) -> StoredAnswer | None:
        """Return a user with their groups, whose URLs begin with `prefix` (None: without groups)."""
        if not storable(id):
            return None
        values = {"organization_id": self._organization_id, "connection_id": connection_id, "id": id}
        if prefix is not None:
            values["prefix"] = in_json(prefix)
        row = self._link.one(USER[prefix is not None], **values)
        return StoredAnswer(*row) if row else None

    def group_answer(self, connection_id: str, id: str) -> StoredAnswer | None:
        """Return a group without its members: `member_blocks` gives those."""
        if not storable(id):
            return None
        row = self._link.one(GROUP, organization_id=self._organization_id, connection_id=connection_id, id=id)
        return StoredAnswer(*row) if row else None

    def member_blocks(self, group_id: str, prefix: str) -> Iterator[str]:
        """Yield the elements of a group's `members` as JSON text, in blocks to be joined by commas.

        The users' URLs begin with `prefix`. In order of ids; all at one moment only within a snapshot.
        """
        after, escaped = "", in_json(prefix)
        while True:
            row = self._link.one(
                MEMBER_BLOCK,
                organization_id=self._organization_id,
                group_id=group_id,
                after=after,
                prefix=escaped,
            )
            if row is None or row[0] is None:
                return
            after, text = row
            yield text


def in_json(text: str) -> str:
    """Return a text as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
