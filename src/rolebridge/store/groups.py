"""Groups and memberships: rows, deltas on them, and versions that say that something changed.

A group's row is locked before its memberships change and before any user's row; so two changes of one group queue.
Adding locks the users that it refers to against deletion, and nothing ever reads the members that a change does not
name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, delete, exists, func, literal_column, or_, select, update
from sqlalchemy.sql import ClauseElement

from rolebridge.core.directory import GroupDraft, MembershipSource
from rolebridge.core.errors import NotFound, Taken, Unavailable
from rolebridge.store.documents import exact_key, folded, folded_key, group_body, moment, restamped, stamp, text_json
from rolebridge.store.history import Ending
from rolebridge.store.links import BLOCK, Link, Row, in_batches
from rolebridge.store.records import MemberDelta, StoredGroup
from rolebridge.store.scope import GROUP, Scope, owned, update_unless_taken
from rolebridge.store.statements import Database, Statement, among, given, insert_for, insert_into, json_list, storable
from rolebridge.store.tables.directory import departed, group_children, groups, memberships, users
from rolebridge.store.tables.logins import login_memberships
from rolebridge.store.tables.sealing import past_memberships


def _is_nested(end: str) -> ColumnElement[bool]:
    """Return whether the group is at one end of a nesting: two questions, as SQLite finds an OR by no index."""
    edge = group_children.alias(f"with_{end}")
    here = (edge.c.organization_id == groups.c.organization_id) & (edge.c[end] == groups.c.id)
    return exists(select(literal_column("1")).where(here).correlate(groups))


GROUP_COLUMNS: Final = (
    groups.c.id,
    groups.c.connection_id,
    groups.c.display,
    groups.c.external_id,
    groups.c.version,
    groups.c.created,
    groups.c.last_modified,
    groups.c.body,
    or_(_is_nested("parent_id"), _is_nested("child_id")).label("nested"),
)
_CHANGING: Final = (
    "display", "display_key", "display_json", "external_id", "external_key", "last_modified", "body", "folded",
)  # fmt: skip


def _by_id(_: Database, *, of_connection: bool, lock: bool) -> Select[Any]:
    found = select(*GROUP_COLUMNS).where(groups.c.organization_id == given("organization_id"))
    found = found.where(groups.c.id == given("id"))
    if of_connection:
        found = found.where(owned(groups))
    return found.with_for_update(key_share=True) if lock else found


BY_ID: Final = {
    (of_connection, lock): Statement(partial(_by_id, of_connection=of_connection, lock=lock))
    for of_connection in (False, True)
    for lock in (False, True)
}
LOCKED: Final = Statement(
    lambda _: (
        select(*GROUP_COLUMNS)
        .where(groups.c.organization_id == given("organization_id"), among(groups.c.id, given("ids")))
        .order_by(groups.c.id)
        .with_for_update(key_share=True)
    )
)
VERSION: Final = Statement(
    lambda _: select(groups.c.version).where(
        groups.c.organization_id == given("organization_id"), groups.c.id == given("id")
    )
)
INSERT: Final = Statement(lambda db: insert_into(db, groups, unless_taken=True))
UPDATE: Final = Statement(
    lambda _: (
        update(groups)
        .where(
            groups.c.organization_id == given("organization_id"),
            groups.c.id == given("of"),
            groups.c.version == given("known", groups.c.version),
        )
        .values(
            version=given("known", groups.c.version) + 1, **{name: given(name, groups.c[name]) for name in _CHANGING}
        )
    )
)
BUMP: Final = Statement(
    lambda _: (
        update(groups)
        .where(
            groups.c.organization_id == given("organization_id"),
            groups.c.id == given("of"),
            groups.c.version == given("known", groups.c.version),
        )
        .values(version=given("known", groups.c.version) + 1, last_modified=given("at"), body=given("text"))
    )
)
DELETE: Final = Statement(
    lambda _: delete(groups).where(groups.c.organization_id == given("organization_id"), groups.c.id == given("id"))
)
INSERT_DEPARTED: Final = Statement(lambda db: insert_into(db, departed))
NAME_OWNER: Final = Statement(
    lambda _: select(groups.c.id).where(
        groups.c.organization_id == given("organization_id"),
        groups.c.connection_id == given("connection_id"),
        groups.c.display_key == given("display_key"),
    )
)
EXTERNAL_OWNER: Final = Statement(
    lambda _: select(groups.c.id).where(
        groups.c.organization_id == given("organization_id"),
        groups.c.connection_id == given("connection_id"),
        groups.c.external_key == given("external_key"),
    )
)

# --- memberships

_OF_GROUP: Final = (
    memberships.c.organization_id == given("organization_id"),
    memberships.c.group_id == given("group_id"),
)


def _known(_: Database) -> Select[Any]:
    """Return the select of those ids that are users of the connection, who then cannot be deleted meanwhile."""
    return (
        select(users.c.id)
        .where(
            users.c.organization_id == given("organization_id"),
            among(users.c.id, given("ids")),
            owned(users),
        )
        .order_by(users.c.id)
        .with_for_update(read=True, key_share=True)
    )


def _add(database: Database) -> ClauseElement:
    """Return the insert of those ids that are users of the connection, who then cannot be deleted meanwhile."""
    known = _known(database).with_only_columns(
        given("organization_id"), given("group_id"), users.c.id, given("source"), given("since")
    )
    insert = insert_for(database, memberships).from_select(list(memberships.columns), known)
    return insert.on_conflict_do_nothing().returning(memberships.c.user_id)


def _others_of(database: Database) -> Sequence[ColumnElement[bool]]:
    """Return the conditions of all members but the listed ones.

    SQLite puts the list into a table of its own for NOT IN; PostgreSQL does so only for an anti-join.
    """
    if database is Database.POSTGRES:
        row = func.each_text(given("ids")).table_valued("value")
        other = ~exists(select(literal_column("1")).select_from(row).where(row.c.value == memberships.c.user_id))
    else:
        other = ~among(memberships.c.user_id, given("ids"))
    return (*_OF_GROUP, other)


KNOWN: Final = Statement(_known)
ADD: Final = Statement(_add)
REMOVE: Final = Ending(
    memberships, past_memberships, "user_id", lambda _: (*_OF_GROUP, among(memberships.c.user_id, given("ids")))
)
REMOVE_OTHERS: Final = Ending(memberships, past_memberships, "user_id", _others_of)
REMOVE_ALL: Final = Ending(memberships, past_memberships, "user_id", lambda _: _OF_GROUP)
END_LOGINS: Final = Ending(
    login_memberships,
    past_memberships,
    "user_id",
    lambda _: (
        login_memberships.c.organization_id == given("organization_id"),
        login_memberships.c.group_id == given("group_id"),
    ),
)
MEMBER_IDS: Final = Statement(
    lambda _: (
        select(memberships.c.user_id)
        .where(*_OF_GROUP, memberships.c.user_id > given("after"))
        .order_by(memberships.c.user_id)
        .limit(literal_column(str(BLOCK)))
    )
)


class Groups(Scope):
    """The writing of groups and memberships."""

    __slots__ = ()

    def insert_group(self, connection_id: str, draft: GroupDraft, id: str, now: datetime) -> StoredGroup:
        """Create a group without members.

        Raises `Taken` when the connection has the displayName (in any case) or the externalId, and `Invalid` for
        text that cannot be stored.
        """
        created = stamp(now)
        body = group_body(id, draft, 1, created, created)
        inserted = self._link.run(
            INSERT,
            organization_id=self._organization_id,
            id=id,
            connection_id=connection_id,
            version=1,
            created=created,
            **_row(draft, created, body),
        )
        if not inserted:
            raise self._group_taken(connection_id, draft, id)
        self._count(connection_id, GROUP, 1)
        values = (id, connection_id, draft.display, draft.external_id, 1, created, created, body, False)
        return stored_group(self._organization_id, values)

    def group(self, connection_id: str | None, id: str, *, lock: bool = False) -> StoredGroup | None:
        """Return a group of the connection (None: of any), on PostgreSQL locked until the transaction ends."""
        if not storable(id):
            return None
        values = {"organization_id": self._organization_id, "id": id}
        if connection_id is not None:
            values["connection_id"] = connection_id
        row = self._link.one(BY_ID[connection_id is not None, lock], **values)
        return stored_group(self._organization_id, row) if row else None

    def update_group(self, stored: StoredGroup, draft: GroupDraft, now: datetime) -> StoredGroup:
        """Make a group what the draft says, one version later; its members stay.

        Raises `Taken` and `Invalid` as `insert_group` does, with nothing changed, and `Unavailable` when the group
        has changed since `stored` was read without a lock.
        """
        version, modified, created = stored.version + 1, stamp(now), stamp(stored.created)
        body = group_body(stored.id, draft, version, created, modified)
        values = {
            "organization_id": self._organization_id,
            "of": stored.id,
            "known": stored.version,
            **_row(draft, modified, body),
        }
        keys_stay = draft.display == stored.display and draft.external_id == stored.external_id
        if not update_unless_taken(self._link, UPDATE, values, refusable=not keys_stay):
            taken = self._group_taken(stored.connection_id, draft, stored.id)
            raise _changed(stored) if keys_stay or taken.attribute == "id" else taken
        keys = (stored.id, stored.connection_id, draft.display, draft.external_id)
        return stored_group(self._organization_id, (*keys, version, created, modified, body, stored.nested))

    def delete_group(self, stored: StoredGroup, now: datetime) -> tuple[str, ...]:
        """Delete a group and its memberships; return the ids of those who were members, in order."""
        scope = {"organization_id": self._organization_id}
        self._link.all(BY_ID[False, True], **scope, id=stored.id)
        left = sorted(REMOVE_ALL.end(self._link, now, **scope, group_id=stored.id))
        if not self._link.run(DELETE, **scope, id=stored.id):
            raise _changed(stored)
        # A login that is about to enter somebody holds the row until it is done, and none begins after this.
        left = sorted({*left, *END_LOGINS.end(self._link, now, **scope, group_id=stored.id)})
        self._link.run(
            INSERT_DEPARTED,
            **scope,
            id=stored.id,
            kind=GROUP,
            connection_id=stored.connection_id,
            name=stored.display,
            name_key=folded_key(stored.display),
            external_id=stored.external_id,
            deleted=stamp(now),
        )
        self._count(stored.connection_id, GROUP, -1)
        return tuple(left)

    # --- memberships

    def add_members(
        self, group_id: str, ids: Iterable[str], *, source: MembershipSource, connection_id: str, now: datetime
    ) -> MemberDelta:
        """Add users of the connection, who may be members already: a membership keeps its first `since`.

        Raises `NotFound` for the group.
        """
        asked = tuple(ids)
        group = self._locked(group_id)
        added = self._add(group_id, connection_id, asked, source, now)
        if added:
            bump_group(self._link, group, now)
        return MemberDelta(added=added, unknown=self._unknown(connection_id, asked, added))

    def remove_members(self, group_id: str, ids: Iterable[str], now: datetime) -> tuple[str, ...]:
        """Remove members and return those that were any. Raises `NotFound` for the group."""
        group = self._locked(group_id)
        removed: list[str] = []
        for batch in in_batches(ids, _MEMBERS):
            scope = {"organization_id": self._organization_id, "group_id": group_id}
            removed += REMOVE.end(self._link, now, **scope, ids=json_list(batch))
        if removed:
            bump_group(self._link, group, now)
        return tuple(sorted(removed))

    def replace_members(
        self, group_id: str, ids: Iterable[str], *, source: MembershipSource, connection_id: str, now: datetime
    ) -> MemberDelta:
        """Make users of the connection the only members; who stays keeps `since`. Raises `NotFound` for the group."""
        asked = tuple(ids)
        group = self._locked(group_id)
        known = self._known(connection_id, asked)
        scope = {"organization_id": self._organization_id, "group_id": group_id}
        removed = REMOVE_OTHERS.end(self._link, now, **scope, ids=json_list(known))
        added = self._add(group_id, connection_id, known, source, now)
        if added or removed:
            bump_group(self._link, group, now)
        return MemberDelta(added, tuple(sorted(removed)), _others(asked, known))

    def group_version(self, group_id: str) -> int:
        """Return the version of a group. Raises `NotFound`."""
        row = self._link.one(VERSION, organization_id=self._organization_id, id=group_id)
        if row is None:
            raise NotFound("group", group_id)
        return int(row[0])

    def member_ids(self, group_id: str) -> Iterator[str]:
        """Yield the ids of a group's members in order, read in blocks."""
        after = ""
        while block := self._column(MEMBER_IDS, group_id=group_id, after=after):
            yield from block
            after = block[-1]

    def _locked(self, group_id: str) -> StoredGroup:
        """Return a group whose changes queue from here on, until the transaction ends."""
        group = self.group(None, group_id, lock=True)
        if group is None:
            raise NotFound("group", group_id)
        return group

    def _known(self, connection_id: str, ids: Iterable[str]) -> list[str]:
        known: list[str] = []
        for batch in in_batches(sorted(set(ids)), _MEMBERS):
            known += self._column(KNOWN, connection_id=connection_id, ids=json_list(batch))
        return known

    def _add(
        self, group_id: str, connection_id: str, ids: Iterable[str], source: MembershipSource, now: datetime
    ) -> tuple[str, ...]:
        """Insert those of the ids that are users of the connection and no members; return them, in order."""
        added: list[str] = []
        into = {"group_id": group_id, "connection_id": connection_id, "source": str(source), "since": stamp(now)}
        for batch in in_batches(sorted(set(ids)), _MEMBERS):
            added += self._column(ADD, **into, ids=json_list(batch))
        return tuple(sorted(added))

    def _unknown(self, connection_id: str, asked: Sequence[str], added: Sequence[str]) -> tuple[str, ...]:
        """Return which of the ids asked for are no users of the connection; those that were added are."""
        rest = _others(asked, added)
        return _others(rest, self._known(connection_id, rest)) if rest else ()

    def _column(self, statement: Statement, **values: Any) -> list[str]:
        return [row[0] for row in self._link.all(statement, organization_id=self._organization_id, **values)]

    def _group_taken(self, connection_id: str, draft: GroupDraft, id: str) -> Taken:
        """Return what a unique index refused, as the winner of a race may have changed again: at worst the id."""
        scope = {"organization_id": self._organization_id, "connection_id": connection_id}
        owner = self._link.one(NAME_OWNER, **scope, display_key=folded_key(draft.display))
        if owner and owner[0] != id:
            return Taken("group", "displayName", draft.display)
        if draft.external_id is not None:
            owner = self._link.one(EXTERNAL_OWNER, **scope, external_key=exact_key(draft.external_id))
            if owner and owner[0] != id:
                return Taken("group", "externalId", draft.external_id)
        return Taken("group", "id", id)


# Ids per statement: a parameter of 200 kB, and few enough rounds that a round trip does not count.
_MEMBERS: Final = 5_000


def lock_groups(link: Link, organization_id: str, ids: Iterable[str]) -> None:
    """Lock groups' rows in the order of their ids (PostgreSQL)."""
    if link.database is Database.POSTGRES:
        for batch in in_batches(sorted(ids)):
            link.all(LOCKED, organization_id=organization_id, ids=json_list(batch))


def bump_group(link: Link, group: StoredGroup, now: datetime) -> None:
    """Give a locked group its next version because its members changed."""
    at = stamp(now)
    body = restamped(group.body, group.version + 1, at)
    if not link.run(BUMP, organization_id=group.organization_id, of=group.id, known=group.version, at=at, text=body):
        raise _changed(group)


def bump_groups(link: Link, organization_id: str, ids: Iterable[str], now: datetime) -> None:
    """Give groups, given in the order of their ids, their next versions."""
    for batch in in_batches(ids):
        for row in link.all(LOCKED, organization_id=organization_id, ids=json_list(batch)):
            bump_group(link, stored_group(organization_id, row), now)


def _changed(group: StoredGroup) -> Unavailable:
    return Unavailable(f"the group `{group.id}` was changed at the same time")


def _others(ids: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that are not known, each once, in the order in which they came."""
    taken = set(known)
    return tuple(id_ for id_ in dict.fromkeys(ids) if id_ not in taken)


def _row(draft: GroupDraft, modified: str, body: str) -> dict[str, Any]:
    """Return the columns that a draft decides. The body has proved that its texts can be stored."""
    return {
        "display": draft.display,
        "display_key": folded_key(draft.display),
        "display_json": text_json(draft.display),
        "external_id": draft.external_id,
        "external_key": None if draft.external_id is None else exact_key(draft.external_id),
        "last_modified": modified,
        "body": body,
        "folded": folded(body),
    }


def stored_group(organization_id: str, row: Row) -> StoredGroup:
    """Return the record of a row of `GROUP_COLUMNS`."""
    id_, connection_id, display, external_id, version, created, modified, body, nested = row
    times = (moment(created), moment(modified))
    return StoredGroup(organization_id, id_, connection_id, display, external_id, version, *times, body, bool(nested))
