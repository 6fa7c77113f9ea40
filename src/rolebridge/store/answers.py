"""What SCIM answers, from stored bytes: one indexed query for a resource, one or two for a page, blocks for members."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, Text, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import ClauseElement

from rolebridge.core.filters import Predicate, ResolvedFilter, compile_filter
from rolebridge.store.filters import Narrowed, UnsupportedFilter, conditions, in_creation_order, narrow
from rolebridge.store.links import BLOCK
from rolebridge.store.records import GroupAnswer, Page, UserAnswer
from rolebridge.store.scope import GROUP, USER, Scope, owned
from rolebridge.store.statements import Database, Statement, among, given, json_list, storable
from rolebridge.store.tables import groups, memberships, users

MEMBERS_BLOCK: Final = 5_000
"""Members per block of text: about 600 kB."""
EXAMINED: Final = 200_000
"""Bodies that one filter may have read for it, a second or two of work; beyond that it is refused."""

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


def _first(_: Database, *, table: Table) -> ClauseElement:
    """Return the select of the number with which a page of everything begins: it reads the index only."""
    return (
        select(table.c.sequence)
        .where(*conditions(table, ()))
        .order_by(table.c.sequence)
        .limit(literal_column("1"))
        .offset(given("offset", table.c.sequence))
    )


def _page(database: Database, *, table: Table, shape: tuple[str, ...], related: bool) -> ClauseElement:
    """Return the select of some rows of a shape; with no shape, from the number `first`, else from an offset."""
    found = (
        select(*_columns(database, table, related=related))
        .where(*conditions(table, shape))
        .order_by(in_creation_order(table, shape))
        .limit(given("limit", table.c.sequence))
    )
    if not shape:
        return found.where(table.c.sequence >= given("first", table.c.sequence))
    return found.offset(given("offset", table.c.sequence))


def _count(_: Database, *, table: Table, shape: tuple[str, ...]) -> ClauseElement:
    return select(func.count()).select_from(table).where(*conditions(table, shape))


def _examined(_: Database, *, table: Table, shape: tuple[str, ...]) -> ClauseElement:
    """Return the select of the next bodies of a shape, for the rest of a filter to be asked of them."""
    return (
        select(table.c.sequence, table.c.id, table.c.body, table.c.version)
        .where(*conditions(table, shape), table.c.sequence > given("after", table.c.sequence))
        .order_by(in_creation_order(table, shape))
        .limit(literal_column(str(BLOCK)))
    )


def _groups_of(database: Database) -> ClauseElement:
    found = select(users.c.id, _groups_text(database))
    return found.where(users.c.organization_id == given("organization_id"), among(users.c.id, given("ids")))


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
GROUPS_OF: Final = Statement(_groups_of)
MEMBERS_OF: Final = Statement(_members_of)
MEMBER_BLOCK: Final = Statement(_member_block)


@lru_cache(maxsize=256)
def _statement(build: Callable[..., ClauseElement], table: Table, **how: Any) -> Statement:
    return Statement(partial(build, table=table, **how))


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
    ) -> Page[UserAnswer]:
        """Return at most `limit` of the users for whom the filter holds, the oldest `offset` of them left out.

        Raises `UnsupportedFilter`.
        """
        reference = _reference(prefix, "Groups") if with_groups else None
        question = _Question(self, users, USER, connection_id, reference)
        total, rows = question.page(wanted, offset, limit)
        return Page(total, tuple(map(UserAnswer._make, rows)))

    def find_groups(
        self,
        connection_id: str,
        wanted: ResolvedFilter | None,
        *,
        offset: int,
        limit: int,
        prefix: str,
        with_members: bool = True,
    ) -> Page[GroupAnswer]:
        """Return at most `limit` of the groups for which the filter holds, the oldest `offset` of them left out.

        Raises `UnsupportedFilter`.
        """
        question = _Question(self, groups, GROUP, connection_id, None)
        total, rows = question.page(wanted, offset, limit)
        if not with_members:
            return Page(total, tuple(GroupAnswer(*row) for row in rows))
        members = self._related(MEMBERS_OF, [row[0] for row in rows], _reference(prefix, "Users"))
        blocks = (((members[row[0]],) if row[0] in members else ()) for row in rows)
        answers = (
            GroupAnswer(id_, body, version, held) for (id_, body, version), held in zip(rows, blocks, strict=True)
        )
        return Page(total, tuple(answers))

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


class _Question:
    """A filter with an offset and a limit, asked of one connection's users or groups."""

    def __init__(self, answers: Answers, table: Table, kind: str, connection_id: str, reference: str | None) -> None:
        self._answers = answers
        self._link = answers._link  # noqa: SLF001 - the other half of `Answers`
        self._table = table
        self._kind = kind
        self._reference = reference
        self._scope = {
            "organization_id": answers._organization_id,  # noqa: SLF001 - the other half of `Answers`
            "connection_id": connection_id,
        }

    def page(self, wanted: ResolvedFilter | None, offset: int, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """Return how many there are, and the columns of the answers."""
        narrowed = narrow(self._table, wanted)
        if narrowed.rest is not None:
            return self._examine(narrowed, compile_filter(narrowed.rest), offset, limit)
        if not narrowed.shape:
            return self._everything(offset, limit)
        return self._indexed(narrowed, offset, limit)

    def _run(self, build: Callable[..., ClauseElement], values: Mapping[str, Any], **how: Any) -> list[tuple[Any, ...]]:
        return self._link.all(_statement(build, self._table, **how), **self._scope, **values)

    def _everything(self, offset: int, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        total = self._answers._total(self._scope["connection_id"], self._kind)  # noqa: SLF001 - as above
        first = self._run(_first, {"offset": offset}) if limit else []
        if not first:
            return total, []
        values = self._related_values | {"first": first[0][0], "limit": limit}
        return total, self._run(_page, values, shape=(), related=self._reference is not None)

    def _indexed(self, narrowed: Narrowed, offset: int, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        values = narrowed.values
        rows: list[tuple[Any, ...]] = []
        if limit:
            place = self._related_values | {"offset": offset, "limit": limit}
            rows = self._run(_page, values | place, shape=narrowed.shape, related=self._reference is not None)
            if len(rows) < limit and (rows or not offset):
                # The last page says how many there are.
                return offset + len(rows), rows
        ((total,),) = self._run(_count, values, shape=narrowed.shape)
        return int(total), rows

    def _examine(
        self, narrowed: Narrowed, holds: Predicate, offset: int, limit: int
    ) -> tuple[int, list[tuple[Any, ...]]]:
        """Ask the rest of a filter of each body that the indexes leave."""
        total, page = 0, []
        for id_, body, version in self._bodies(narrowed):
            if holds(json.loads(body)):
                if offset <= total < offset + limit:
                    page.append((id_, body, version))
                total += 1
        if self._reference is None:
            return total, page
        held = self._answers._related(GROUPS_OF, [row[0] for row in page], self._reference)  # noqa: SLF001 - as above
        return total, [(*row, held[row[0]]) for row in page if row[0] in held]

    def _bodies(self, narrowed: Narrowed) -> Iterator[tuple[Any, ...]]:
        after, examined = -1, 0
        while rows := self._run(_examined, narrowed.values | {"after": after}, shape=narrowed.shape):
            examined += len(rows)
            if examined > EXAMINED:
                raise UnsupportedFilter(
                    f"the filter has no indexed term that narrows the {self._kind}s below {EXAMINED}; add one,"
                    " such as `userName`, `externalId` or `emails.value`"
                )
            yield from (row[1:] for row in rows)
            after = rows[-1][0]

    @property
    def _related_values(self) -> dict[str, Any]:
        return {} if self._reference is None else {"reference": self._reference}


def _reference(prefix: str, kind: str) -> str:
    """Return what stands between the two ids of an element: the end of `value`, and `$ref` up to the id."""
    return f'","$ref":{json.dumps(f"{prefix}/{kind}/", ensure_ascii=False)[:-1]}'
