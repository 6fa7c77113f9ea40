"""People as the resolver reads them, and as people are named on a command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Select, Table, literal_column, select

from rolebridge.core.directory import Group, Membership, MembershipSource, User
from rolebridge.core.nesting import effective, ways_up
from rolebridge.store.asserted import from_both
from rolebridge.store.documents import folded_key, moment
from rolebridge.store.groups import BY_ID as GROUP_BY_ID
from rolebridge.store.groups import GROUP_COLUMNS, stored_group
from rolebridge.store.links import BLOCK, Row, in_batches
from rolebridge.store.nesting import NESTS, Nesting
from rolebridge.store.records import Departed, StoredGroup, StoredUser
from rolebridge.store.statements import Statement, among, given, json_list, storable
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import departed, groups, users
from rolebridge.store.users import BY_ID as USER_BY_ID
from rolebridge.store.users import USER_COLUMNS, stored_user

_OWNER = (connections.c.organization_id == users.c.organization_id) & (connections.c.id == users.c.connection_id)
_GROUP_OWNER = (connections.c.organization_id == groups.c.organization_id) & (
    connections.c.id == groups.c.connection_id
)


def _core() -> Select[Any]:
    return (
        select(users.c.id, users.c.user_name, users.c.active, connections.c.name, users.c.body)
        .join(connections, _OWNER)
        .where(users.c.organization_id == given("organization_id"))
        .order_by(users.c.id)
    )


CORE: Final = Statement(lambda _: _core().where(among(users.c.id, given("ids"))))
CORE_AFTER: Final = Statement(
    lambda _: _core().where(users.c.id > given("after")).limit(given("limit", users.c.version))
)


def _memberships(table: Table) -> Select[Any]:
    return (
        select(
            table.c.user_id,
            groups.c.id,
            groups.c.display,
            connections.c.name,
            groups.c.external_id,
            table.c.since,
            table.c.source,
            NESTS,
        )
        .join(groups, (groups.c.organization_id == table.c.organization_id) & (groups.c.id == table.c.group_id))
        .join(connections, _GROUP_OWNER)
        .where(table.c.organization_id == given("organization_id"), among(table.c.user_id, given("ids")))
    )


MEMBERSHIPS: Final = Statement(lambda _: from_both(_memberships, 1, 2))
USER_NAMED: Final = Statement(
    lambda _: select(*USER_COLUMNS).where(
        users.c.organization_id == given("organization_id"), users.c.user_key == given("user_key")
    )
)
# The keys that begin with a local part and its `@` lie between it and the next character after `@`.
USERS_BETWEEN: Final = Statement(
    lambda _: (
        select(*USER_COLUMNS)
        .where(
            users.c.organization_id == given("organization_id"),
            users.c.user_key >= given("from_key"),
            users.c.user_key < given("to_key"),
        )
        .order_by(users.c.user_key)
        .limit(literal_column("20"))
    )
)
GROUPS_NAMED: Final = Statement(
    lambda _: (
        select(*GROUP_COLUMNS)
        # Ordered by whoever asks: an order here would make SQLite read all groups in that order.
        .where(groups.c.organization_id == given("organization_id"), groups.c.display_key == given("display_key"))
    )
)
IDS_NAMED: Final = Statement(
    lambda _: select(users.c.user_key, users.c.id).where(
        users.c.organization_id == given("organization_id"), among(users.c.user_key, given("keys"))
    )
)
GROUPS_AFTER: Final = Statement(
    lambda _: (
        select(groups.c.id, groups.c.display, connections.c.name, groups.c.external_id)
        .join(connections, _GROUP_OWNER)
        .where(groups.c.organization_id == given("organization_id"), groups.c.id > given("after"))
        .order_by(groups.c.id)
        .limit(literal_column(str(BLOCK)))
    )
)
DEPARTED: Final = Statement(
    lambda _: select(
        departed.c.id,
        departed.c.kind,
        departed.c.connection_id,
        departed.c.name,
        departed.c.external_id,
        departed.c.deleted,
    ).where(departed.c.organization_id == given("organization_id"), departed.c.id == given("id"))
)


class People(Nesting):
    """Users, groups and memberships as values of `core.directory`, connections by their names."""

    __slots__ = ()

    def core_users(self, ids: Iterable[str]) -> list[User]:
        """Return the users with these ids that there are, in the order of their ids."""
        return [
            _user(row)
            for batch in in_batches(sorted(set(ids)))
            for row in self._link.all(CORE, organization_id=self._organization_id, ids=json_list(batch))
        ]

    def all_core_users(self, batch: int = BLOCK, *, after: str = "") -> Iterator[User]:
        """Yield all users with ids after `after` in the order of their ids, reading `batch` at a time."""
        while rows := self._link.all(CORE_AFTER, organization_id=self._organization_id, after=after, limit=batch):
            yield from map(_user, rows)
            after = rows[-1][0]

    def all_core_groups(self) -> Iterator[Group]:
        """Yield all groups in the order of their ids, read in blocks."""
        after = ""
        while rows := self._link.all(GROUPS_AFTER, organization_id=self._organization_id, after=after):
            for row in rows:
                yield Group(*row)
            after = rows[-1][0]

    def ids_named(self, names: Iterable[str]) -> dict[str, str]:
        """Return by name the id of the user who has it as their userName, in whatever case; nobody's is left out."""
        keys: dict[str, list[str]] = {}
        for name in names:
            keys.setdefault(folded_key(name), []).append(name)
        return {
            name: id_
            for batch in in_batches(sorted(keys))
            for key, id_ in self._link.all(IDS_NAMED, organization_id=self._organization_id, keys=json_list(batch))
            for name in keys[key]
        }

    def memberships(self, user_ids: Iterable[str]) -> dict[str, tuple[Membership, ...]]:
        """Return the memberships of each of the users, in the order of the groups' ids; none is an empty tuple.

        Those through groups in groups are among them.
        """
        ids = sorted(set(user_ids))
        found: dict[str, list[Membership]] = {id_: [] for id_ in ids}
        seen: dict[str, Group] = {}
        nests = False
        for batch in in_batches(ids):
            for row in self._link.all(MEMBERSHIPS, organization_id=self._organization_id, ids=json_list(batch)):
                group = seen.get(row[1]) or seen.setdefault(row[1], Group(*row[1:5]))
                one = Membership(group, moment(row[5]), MembershipSource(row[6]))
                held = found[row[0]]
                if held and held[-1].group is group:  # SCIM and a login say so
                    held[-1] = one if one.source is MembershipSource.SCIM else held[-1]
                else:
                    held.append(one)
                nests = bool(row[7])
        if not nests:
            return {id_: tuple(held) for id_, held in found.items()}
        parents = self.parents_above(seen)
        ways = {id_: ways_up(group, parents) for id_, group in seen.items()}
        return {id_: effective(held, ways) for id_, held in found.items()}

    def user_by_name(self, name: str) -> list[StoredUser]:
        """Return whom a person may mean by `name`.

        That is the user with this userName or id, else those whose userName has it before the `@` (at most 20).
        """
        if not storable(name):
            return []
        scope = {"organization_id": self._organization_id}
        key = folded_key(name)
        rows = self._link.all(USER_NAMED, **scope, user_key=key) or self._link.all(
            USER_BY_ID[False, False], **scope, id=name
        )
        if not rows and name:
            rows = self._link.all(USERS_BETWEEN, **scope, from_key=f"{key}@", to_key=f"{key}A")
        return [stored_user(self._organization_id, row) for row in rows]

    def group_by_name(self, name: str) -> list[StoredGroup]:
        """Return the group with this id, or those with this displayName, at most one of each connection."""
        if not storable(name):
            return []
        scope = {"organization_id": self._organization_id}
        rows = self._link.all(GROUPS_NAMED, **scope, display_key=folded_key(name))
        rows = rows or self._link.all(GROUP_BY_ID[False, False], **scope, id=name)
        found = [stored_group(self._organization_id, row) for row in rows]
        return sorted(found, key=lambda group: group.connection_id)

    def departed(self, id: str) -> Departed | None:
        """Return what is left of a deleted user or group."""
        row = self._link.one(DEPARTED, organization_id=self._organization_id, id=id) if storable(id) else None
        if row is None:
            return None
        id_, kind, connection_id, called, external_id, deleted = row
        return Departed(id_, kind, connection_id, called, external_id, moment(deleted))


def _user(row: Row) -> User:
    return User(row[0], row[1], bool(row[2]), row[3], json.loads(row[4]))
