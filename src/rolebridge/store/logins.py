"""Who people are at identity providers, what their logins stated of groups, and which assertions were used.

What logins state stands beside SCIM's memberships, in a table of its own: no login touches a row of SCIM's or a
group's version, and people who log in at the same moment meet in no row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Select, delete, exists, func, literal_column, select, update
from sqlalchemy.sql import ClauseElement

from rolebridge.core.directory import MembershipSource
from rolebridge.store.documents import exact_key, folded_key, moment, moment_or_none, stamp, stamp_or_none
from rolebridge.store.groups import GROUP_COLUMNS, stored_group
from rolebridge.store.history import Ending
from rolebridge.store.links import Row, in_batches
from rolebridge.store.records import Departed, StoredGroup
from rolebridge.store.scope import GROUP, USER, Scope
from rolebridge.store.statements import Database, Statement, among, given, insert_for, insert_into, json_list, storable
from rolebridge.store.tables.directory import departed, groups, users
from rolebridge.store.tables.logins import identities, login_assertions, login_memberships
from rolebridge.store.tables.sealing import past_memberships

EXPIRED_AT_ONCE: Final = 2_000
"""Used assertions that one transaction forgets."""


@dataclass(frozen=True, slots=True)
class StoredIdentity:
    """Who somebody is at a connection's provider: `key` is a digest of issuer and subject.

    `user_id` may be that of a user who is gone. `made_user`: a login made the user. `stated` are the groups of the
    last login that stated any, at `stated_at`; what they gave ends at `stated_until` (None: nothing, or ended).
    `overage_at` is set while the provider leaves groups out because there are too many.
    """

    connection_id: str
    key: str
    issuer: str
    subject: str
    user_id: str
    made_user: bool
    created: datetime
    last_login: datetime
    stated: tuple[str, ...] | None = None
    stated_at: datetime | None = None
    stated_until: datetime | None = None
    overage_at: datetime | None = None


_NAMES: Final = (
    "connection_id", "key", "issuer", "subject", "user_id", "made_user", "created", "last_login",
    "stated", "stated_at", "stated_until", "overage_at",
)  # fmt: skip
_IDENTITY: Final = tuple(identities.c[name] for name in _NAMES)
_CHANGING: Final = ("user_id", "made_user", "last_login", "stated", "stated_at", "stated_until", "overage_at")
_OF_CONNECTION: Final = (
    identities.c.organization_id == given("organization_id"),
    identities.c.connection_id == given("connection_id"),
)


def _identity_by_key(_: Database, *, lock: bool) -> Select[Any]:
    found = select(*_IDENTITY).where(*_OF_CONNECTION, identities.c.key == given("key"))
    return found.with_for_update() if lock else found


IDENTITY: Final = {lock: Statement(partial(_identity_by_key, lock=lock)) for lock in (False, True)}
IDENTITIES_OF: Final = Statement(
    lambda _: (
        select(*_IDENTITY)
        .where(identities.c.organization_id == given("organization_id"), among(identities.c.user_id, given("ids")))
        .order_by(identities.c.user_id, identities.c.connection_id)
    )
)
INSERT: Final = Statement(lambda db: insert_into(db, identities, unless_taken=True))
UPDATE: Final = Statement(
    lambda _: (
        update(identities)
        .where(
            identities.c.organization_id == given("organization_id"),
            identities.c.connection_id == given("of_connection"),
            identities.c.key == given("of"),
        )
        .values(**{name: given(name, identities.c[name]) for name in _CHANGING})
    )
)
DELETE: Final = Statement(lambda _: delete(identities).where(*_OF_CONNECTION, identities.c.key == given("key")))
DELETE_OF_USERS: Final = Statement(
    lambda _: delete(identities).where(
        identities.c.organization_id == given("organization_id"), among(identities.c.user_id, given("ids"))
    )
)
END_STATEMENTS: Final = Statement(
    lambda _: (
        update(identities)
        .where(
            identities.c.organization_id == given("organization_id"),
            identities.c.connection_id == given("of_connection"),
            identities.c.stated_until.is_not(None),
        )
        .values(stated_until=given("at"))
    )
)
DUE: Final = Statement(
    lambda _: (
        select(*_IDENTITY)
        .where(identities.c.organization_id == given("organization_id"), identities.c.stated_until <= given("now"))
        .order_by(identities.c.stated_until)
        .limit(given("limit", users.c.version))
    )
)
USE: Final = Statement(lambda db: insert_into(db, login_assertions, unless_taken=True))


def _forget(database: Database) -> ClauseElement:
    key = ("connection_id", "digest")
    of = (login_assertions.c.organization_id == given("organization_id"), login_assertions.c.usable_until < given("at"))
    old = select(*(login_assertions.c[name] for name in key)).where(*of).limit(literal_column(str(EXPIRED_AT_ONCE)))
    found = old.subquery("old")
    same = [login_assertions.c[name] == found.c[name] for name in key]
    if database is Database.POSTGRES:
        return delete(login_assertions).where(of[0], *same)
    one_of_them: Select[Any] = select(literal_column("1")).select_from(found).where(*same).correlate(login_assertions)
    return delete(login_assertions).where(*of, exists(one_of_them))


FORGET: Final = Statement(_forget)

# --- groups and memberships

_MINE: Final = (
    login_memberships.c.organization_id == given("organization_id"),
    login_memberships.c.user_id == given("user_id"),
)
MEMBERSHIPS: Final = Statement(
    lambda _: (
        select(*GROUP_COLUMNS)
        .join(
            login_memberships,
            (login_memberships.c.organization_id == groups.c.organization_id)
            & (login_memberships.c.group_id == groups.c.id),
        )
        .where(*_MINE)
        .order_by(groups.c.id)
    )
)
END: Final = Ending(
    login_memberships,
    past_memberships,
    "group_id",
    lambda _: (*_MINE, among(login_memberships.c.group_id, given("ids"))),
)
_OWN_GROUPS: Final = (
    groups.c.organization_id == given("organization_id"),
    groups.c.connection_id == given("connection_id"),
)
MEMBERSHIP_IDS: Final = Statement(lambda _: select(login_memberships.c.group_id).where(*_MINE))
IDS_NAMED: Final = Statement(
    lambda _: select(groups.c.display, groups.c.id).where(*_OWN_GROUPS, among(groups.c.display_key, given("keys")))
)
IDS_IDENTIFIED: Final = Statement(
    lambda _: select(groups.c.external_id, groups.c.id).where(*_OWN_GROUPS, among(groups.c.external_key, given("keys")))
)
GROUPS_NAMED: Final = Statement(
    lambda _: select(*GROUP_COLUMNS).where(*_OWN_GROUPS, among(groups.c.display_key, given("keys")))
)
GROUPS_IDENTIFIED: Final = Statement(
    lambda _: select(*GROUP_COLUMNS).where(*_OWN_GROUPS, among(groups.c.external_key, given("keys")))
)


def _enter(database: Database) -> ClauseElement:
    """Return the insert of a user into those of the groups that there are, which then cannot be deleted meanwhile."""
    there = (
        select(
            given("organization_id"),
            groups.c.id,
            given("user_id"),
            given("connection_id"),
            given("since"),
            literal_column(f"'{MembershipSource.LOGIN}'"),
        )
        .where(groups.c.organization_id == given("organization_id"), among(groups.c.id, given("ids")))
        .order_by(groups.c.id)
        .with_for_update(read=True, key_share=True)
    )
    made = insert_for(database, login_memberships).from_select(list(login_memberships.columns), there)
    return made.on_conflict_do_nothing().returning(login_memberships.c.group_id)


ENTER: Final = Statement(_enter)
HOLD: Final = Statement(
    lambda _: (
        select(groups.c.id)
        .where(groups.c.organization_id == given("organization_id"), among(groups.c.id, given("ids")))
        .order_by(groups.c.id)
        .with_for_update(read=True, key_share=True)
    )
)
DEPARTED: Final = Statement(
    lambda _: (
        select(*(departed.c[name] for name in ("id", "kind", "connection_id", "name", "external_id", "deleted")))
        .where(
            departed.c.organization_id == given("organization_id"),
            departed.c.kind == literal_column(f"'{USER}'"),
            departed.c.name_key == given("name_key"),
        )
        .order_by(departed.c.deleted.desc())
        .limit(literal_column("1"))
    )
)
DEPARTED_OF: Final = Statement(
    lambda _: (
        select(literal_column("1"))
        .where(
            departed.c.organization_id == given("organization_id"),
            departed.c.kind == literal_column(f"'{USER}'"),
            departed.c.name_key == given("name_key"),
            departed.c.connection_id == given("connection_id"),
        )
        .limit(literal_column("1"))
    )
)
FORGIVE: Final = Statement(
    lambda _: (
        update(departed)
        .where(
            departed.c.organization_id == given("organization_id"),
            departed.c.kind == literal_column(f"'{USER}'"),
            departed.c.name_key == given("of_key"),
        )
        .values(name_key=literal_column("NULL"))
    )
)
USER_NAMED: Final = Statement(
    lambda _: select(users.c.id, users.c.connection_id).where(
        users.c.organization_id == given("organization_id"), users.c.user_key == given("user_key")
    )
)
USER_IDENTIFIED: Final = Statement(
    lambda _: select(users.c.id).where(
        users.c.organization_id == given("organization_id"),
        users.c.connection_id == given("connection_id"),
        users.c.external_key == given("external_key"),
    )
)


def _known(_: Database) -> Select[Any]:
    return (
        select(
            identities.c.connection_id,
            func.count(),
            func.max(identities.c.last_login),
            func.count(identities.c.overage_at),
        )
        .where(identities.c.organization_id == given("organization_id"))
        .group_by(identities.c.connection_id)
    )


KNOWN: Final = Statement(_known)


@dataclass(frozen=True, slots=True)
class KnownIdentities:
    """How many people log in by a connection, when the last one did, and of how many groups were left out."""

    count: int
    last_login: datetime | None
    overages: int


class LoginRows(Scope):
    """The logins of one organization."""

    __slots__ = ()

    # --- identities

    def identity(self, connection_id: str, key: str, *, lock: bool = False) -> StoredIdentity | None:
        """Return who somebody is, by the digest of issuer and subject; on PostgreSQL locked if wanted."""
        row = self._one(IDENTITY[lock], connection_id=connection_id, key=key)
        return _identity(row) if row else None

    def identities_of(self, user_ids: Iterable[str]) -> dict[str, tuple[StoredIdentity, ...]]:
        """Return the identities of users, by user id; who has none is left out."""
        found: dict[str, list[StoredIdentity]] = {}
        for batch in in_batches(sorted(set(user_ids))):
            for row in self._all(IDENTITIES_OF, ids=json_list(batch)):
                one = _identity(row)
                found.setdefault(one.user_id, []).append(one)
        return {user_id: tuple(several) for user_id, several in found.items()}

    def insert_identity(self, identity: StoredIdentity) -> bool:
        """Add an identity; return False when it, or another one of its user, is there already."""
        row = {"connection_id": identity.connection_id, "key": identity.key, "created": stamp(identity.created)}
        own = {"issuer": identity.issuer, "subject": identity.subject}
        return self._run(INSERT, **row, **own, **_changing(identity)) > 0

    def update_identity(self, identity: StoredIdentity) -> None:
        """Keep what has changed of an identity."""
        self._run(UPDATE, of_connection=identity.connection_id, of=identity.key, **_changing(identity))

    def delete_identity(self, connection_id: str, key: str) -> None:
        """Forget an identity: its person is linked or made again, if the rules let them, at the next login."""
        self._run(DELETE, connection_id=connection_id, key=key)

    def forget_users(self, user_ids: Iterable[str]) -> int:
        """Forget the identities of users; return how many there were."""
        ids = sorted(set(user_ids))
        return sum(self._run(DELETE_OF_USERS, ids=json_list(batch)) for batch in in_batches(ids))

    def known(self) -> dict[str, KnownIdentities]:
        """Return by connection id how many people log in there."""
        return {
            id_: KnownIdentities(int(count), moment_or_none(last), int(overages))
            for id_, count, last, overages in self._all(KNOWN)
        }

    # --- who is meant

    def user_named(self, name: str) -> tuple[str, str] | None:
        """Return id and connection id of the user with a userName, in any case."""
        row = self._one(USER_NAMED, user_key=folded_key(name)) if storable(name) else None
        return (row[0], row[1]) if row else None

    def user_identified(self, connection_id: str, external_id: str) -> str | None:
        """Return the id of a connection's user with an externalId."""
        if not storable(external_id):
            return None
        row = self._one(USER_IDENTIFIED, connection_id=connection_id, external_key=exact_key(external_id))
        return str(row[0]) if row else None

    def departed_named(self, name: str) -> Departed | None:
        """Return the user deleted last who had this userName, in any case."""
        row = self._one(DEPARTED, name_key=folded_key(name)) if storable(name) else None
        if row is None:
            return None
        id_, kind, connection_id, called, external_id, deleted = row
        return Departed(id_, kind, connection_id, called, external_id, moment(deleted))

    def has_departed(self, connection_id: str, name: str) -> bool:
        """Return whether a connection had a user with this userName, in any case, who was deleted."""
        if not storable(name):
            return False
        return self._one(DEPARTED_OF, name_key=folded_key(name), connection_id=connection_id) is not None

    def forgive(self, name: str) -> None:
        """Let a login make a user of this name again, whoever was deleted that had it."""
        self._run(FORGIVE, of_key=folded_key(name))

    # --- assertions

    def use_assertion(self, connection_id: str, digest: bytes, usable_until: datetime) -> bool:
        """Use an assertion; return False when somebody has. Who asks at the same time waits for the first."""
        return self._run(USE, connection_id=connection_id, digest=digest, usable_until=stamp(usable_until)) > 0

    def forget_assertions(self, before: datetime) -> int:
        """Forget some of the assertions that ended before a moment; return how many."""
        return self._run(FORGET, at=stamp(before))

    # --- groups

    def group_count(self, connection_id: str) -> int:
        """Return how many groups a connection has."""
        return self._total(connection_id, GROUP)

    def groups_named(self, connection_id: str, names: Iterable[str]) -> list[StoredGroup]:
        """Return the connection's groups with these displayNames, in any case."""
        return self._groups(GROUPS_NAMED, connection_id, map(folded_key, names))

    def groups_identified(self, connection_id: str, external_ids: Iterable[str]) -> list[StoredGroup]:
        """Return the connection's groups with these externalIds."""
        return self._groups(GROUPS_IDENTIFIED, connection_id, map(exact_key, external_ids))

    def _groups(self, statement: Statement, connection_id: str, keys: Iterable[str]) -> list[StoredGroup]:
        return [
            stored_group(self._organization_id, row)
            for batch in in_batches(sorted(set(keys)))
            for row in self._all(statement, connection_id=connection_id, keys=json_list(batch))
        ]

    # --- memberships

    def membership_ids(self, user_id: str) -> set[str]:
        """Return the ids of the groups that logins have a user in."""
        return {row[0] for row in self._all(MEMBERSHIP_IDS, user_id=user_id)}

    def ids_named(self, connection_id: str, names: Iterable[str]) -> dict[str, str]:
        """Return by displayName the ids of the connection's groups with these displayNames, in any case."""
        return self._ids(IDS_NAMED, connection_id, map(folded_key, names))

    def ids_identified(self, connection_id: str, external_ids: Iterable[str]) -> dict[str, str]:
        """Return by externalId the ids of the connection's groups with these externalIds."""
        return self._ids(IDS_IDENTIFIED, connection_id, map(exact_key, external_ids))

    def _ids(self, statement: Statement, connection_id: str, keys: Iterable[str]) -> dict[str, str]:
        return {
            name: id_
            for batch in in_batches(sorted(set(keys)))
            for name, id_ in self._all(statement, connection_id=connection_id, keys=json_list(batch))
        }

    def memberships(self, user_id: str) -> list[StoredGroup]:
        """Return the groups that logins have a user in, in the order of their ids."""
        return [stored_group(self._organization_id, row) for row in self._all(MEMBERSHIPS, user_id=user_id)]

    def hold_groups(self, group_ids: Sequence[str]) -> None:
        """Keep groups from being deleted until the transaction ends (PostgreSQL): before the user's row is locked."""
        if self._link.database is Database.POSTGRES:
            for batch in in_batches(sorted(group_ids)):
                self._all(HOLD, ids=json_list(batch))

    def enter(self, user_id: str, connection_id: str, group_ids: Sequence[str], now: datetime) -> list[str]:
        """Have a user in groups by their login; return those that they were not in by it. A deleted one is none."""
        place = {"user_id": user_id, "connection_id": connection_id, "since": stamp(now)}
        return [
            row[0] for batch in in_batches(sorted(group_ids)) for row in self._all(ENTER, ids=json_list(batch), **place)
        ]

    def leave(self, user_id: str, group_ids: Sequence[str], now: datetime) -> list[str]:
        """Have a user no longer in groups by their login; return those that they were in by it."""
        place = {"organization_id": self._organization_id, "user_id": user_id}
        return [
            id_
            for batch in in_batches(sorted(group_ids))
            for id_ in END.end(self._link, now, **place, ids=json_list(batch))
        ]

    def end_statements(self, connection_id: str, now: datetime) -> int:
        """Have what all logins of a connection stated end now; return of how many people."""
        return self._run(END_STATEMENTS, of_connection=connection_id, at=stamp(now))

    def due(self, now: datetime, limit: int) -> list[StoredIdentity]:
        """Return identities whose statements have ended, the earliest first."""
        return [_identity(row) for row in self._all(DUE, now=stamp(now), limit=limit)]

    # --- shared

    def _one(self, statement: Statement, **values: Any) -> Row | None:
        return self._link.one(statement, organization_id=self._organization_id, **values)

    def _all(self, statement: Statement, **values: Any) -> list[Row]:
        return self._link.all(statement, organization_id=self._organization_id, **values)

    def _run(self, statement: Statement, **values: Any) -> int:
        return self._link.run(statement, organization_id=self._organization_id, **values)


def _changing(identity: StoredIdentity) -> dict[str, Any]:
    stated = None if identity.stated is None else json.dumps(identity.stated, ensure_ascii=False)
    return {
        "user_id": identity.user_id,
        "made_user": identity.made_user,
        "last_login": stamp(identity.last_login),
        "stated": stated,
        "stated_at": stamp_or_none(identity.stated_at),
        "stated_until": stamp_or_none(identity.stated_until),
        "overage_at": stamp_or_none(identity.overage_at),
    }


def _identity(row: Row) -> StoredIdentity:
    values = dict(zip(_NAMES, row, strict=True))
    for name in ("created", "last_login", "stated_at", "stated_until", "overage_at"):
        values[name] = moment_or_none(values[name])
    values["made_user"] = bool(values["made_user"])
    values["stated"] = None if values["stated"] is None else tuple(json.loads(values["stated"]))
    return StoredIdentity(**values)
