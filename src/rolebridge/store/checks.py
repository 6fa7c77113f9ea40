"""What must always be true of an organization's rows, asked of all of them: for `fsck`, never on a request's path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, and_, exists, func, literal_column, select

from rolebridge.core.nesting import closure
from rolebridge.store.documents import exact_key, folded_key, indexed_values, version_tag
from rolebridge.store.holds import HoldKind
from rolebridge.store.links import BLOCK
from rolebridge.store.scope import GROUP, USER, Scope
from rolebridge.store.statements import Statement, among, given, json_list
from rolebridge.store.tables.accounts import connections
from rolebridge.store.tables.directory import group_ancestors, group_children, groups, memberships, user_values, users
from rolebridge.store.tables.grants import grants, manual_assignments, rechecks
from rolebridge.store.tables.holds import holds
from rolebridge.store.tables.logins import identities, login_memberships
from rolebridge.store.tables.provider import authorization_codes, authorizations, refresh_tokens
from rolebridge.store.tables.sessions import sessions


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row, or a kind of rows, that says something which cannot be; `subject` is its id or table."""

    subject: str
    problem: str


def _orphans(table: Table, column: str, owner: Table) -> Statement:
    """Return the count of rows that refer to an owner which is not there."""
    there = exists(select(literal_column("1"))).where(
        and_(owner.c.organization_id == table.c.organization_id, owner.c.id == table.c[column])
    )
    return Statement(
        lambda _: (
            select(func.count()).select_from(table).where(table.c.organization_id == given("organization_id"), ~there)
        )
    )


# No foreign key holds these (docs/adr/0002-storage-layout.md says why): the code that writes them does.
_REFERENCES: Final = {
    (table.name, column, owner.name): _orphans(table, column, owner)
    for table, column, owner in (
        (memberships, "user_id", users),
        (memberships, "group_id", groups),
        (login_memberships, "user_id", users),
        (login_memberships, "group_id", groups),
        (group_children, "parent_id", groups),
        (group_children, "child_id", groups),
        (user_values, "user_id", users),
        (grants, "user_id", users),
        (rechecks, "user_id", users),
        (sessions, "user_id", users),
        (authorization_codes, "authorization_id", authorizations),
        (refresh_tokens, "authorization_id", authorizations),
    )
}


def _of_nobody() -> Select[Any]:
    """Return the count of assignments by hand that still count, of people who are gone: deletion ends them."""
    there = exists().where(
        users.c.organization_id == manual_assignments.c.organization_id, users.c.id == manual_assignments.c.user_id
    )
    return select(func.count()).where(
        manual_assignments.c.organization_id == given("organization_id"),
        manual_assignments.c.ended_at.is_(None),
        ~there,
    )


OF_NOBODY: Final = Statement(lambda _: _of_nobody())


def _still_entered() -> Select[Any]:
    """Return the count of what people gave to applications and has not ended, though they are gone or inactive."""
    active = exists().where(
        users.c.organization_id == authorizations.c.organization_id,
        users.c.id == authorizations.c.user_id,
        users.c.active,
    )
    return select(func.count()).where(
        authorizations.c.organization_id == given("organization_id"), authorizations.c.ended_at.is_(None), ~active
    )


STILL_ENTERED: Final = Statement(lambda _: _still_entered())


def _endless() -> Select[Any]:
    """Return the count of memberships by login that no identity's statement will end."""
    stated = exists().where(
        identities.c.organization_id == login_memberships.c.organization_id,
        identities.c.connection_id == login_memberships.c.connection_id,
        identities.c.user_id == login_memberships.c.user_id,
        identities.c.stated_until.is_not(None),
    )
    return select(func.count()).where(login_memberships.c.organization_id == given("organization_id"), ~stated)


ENDLESS: Final = Statement(lambda _: _endless())


def _held_grants() -> Select[Any]:
    return select(func.count()).where(
        grants.c.organization_id == given("organization_id"),
        grants.c.held_since.is_not(None),
        ~exists().where(*_SAME_HOLD),
    )


def _open_holds() -> Select[Any]:
    return select(func.count()).where(
        holds.c.organization_id == given("organization_id"),
        holds.c.kind == literal_column(f"'{HoldKind.REVOCATION}'"),
        ~exists().where(*_SAME_HOLD, grants.c.held_since.is_not(None)),
    )


_SAME_HOLD: Final = (
    holds.c.organization_id == grants.c.organization_id,
    holds.c.user_id == grants.c.user_id,
    holds.c.workspace == grants.c.workspace,
    holds.c.kind == literal_column(f"'{HoldKind.REVOCATION}'"),
)
_HOLDS: Final = {
    "grants are held without an open hold": Statement(lambda _: _held_grants()),
    "open holds keep no grant": Statement(lambda _: _open_holds()),
}
_CHILDREN: Final = Statement(
    lambda _: select(group_children.c.child_id, group_children.c.parent_id).where(
        group_children.c.organization_id == given("organization_id")
    )
)
_ANCESTORS: Final = Statement(
    lambda _: select(group_ancestors.c.group_id, group_ancestors.c.ancestor_id).where(
        group_ancestors.c.organization_id == given("organization_id")
    )
)


def _counted(table: Table) -> Statement:
    return Statement(
        lambda _: (
            select(func.count())
            .select_from(table)
            .where(table.c.organization_id == given("organization_id"), table.c.connection_id == given("connection_id"))
        )
    )


_COUNTED: Final = {USER: _counted(users), GROUP: _counted(groups)}
_CONNECTIONS: Final = Statement(
    lambda _: select(connections.c.id, connections.c.name).where(
        connections.c.organization_id == given("organization_id")
    )
)


def _page(table: Table, *columns: ColumnElement[Any]) -> Statement:
    return Statement(
        lambda _: (
            select(table.c.id, *columns)
            .where(table.c.organization_id == given("organization_id"), table.c.id > given("after"))
            .order_by(table.c.id)
            .limit(literal_column(str(BLOCK)))
        )
    )


_USERS: Final = _page(
    users, users.c.user_name, users.c.user_key, users.c.external_id, users.c.external_key, users.c.active,
    users.c.version, users.c.body,
)  # fmt: skip
_GROUPS: Final = _page(
    groups, groups.c.display, groups.c.display_key, groups.c.external_id, groups.c.external_key, groups.c.version,
    groups.c.body,
)  # fmt: skip
_VALUES: Final = Statement(
    lambda _: select(user_values.c.user_id, user_values.c.attribute, user_values.c.value).where(
        user_values.c.organization_id == given("organization_id"), among(user_values.c.user_id, given("ids"))
    )
)


class Checks(Scope):
    """Questions that read every row of one organization, in blocks."""

    __slots__ = ()

    def problems(self) -> Iterator[RowProblem]:
        """Yield what is wrong: rows that refer to nothing, wrong nesting and counts, columns that belie their body."""
        yield from self._orphaned()
        yield from self._nesting()
        yield from self._miscounted()
        yield from self._holds()
        yield from self._by_hand()
        yield from self._logins()
        yield from self._users()
        yield from self._groups()

    def _orphaned(self) -> Iterator[RowProblem]:
        for (table, _, owner), statement in _REFERENCES.items():
            row = self._link.one(statement, organization_id=self._organization_id)
            if row and row[0]:
                yield RowProblem(table, f"{row[0]} rows refer to {owner} that are not there")

    def _holds(self) -> Iterator[RowProblem]:
        """Compare the open holds with the grants that say that they are held."""
        for problem, statement in _HOLDS.items():
            row = self._link.one(statement, organization_id=self._organization_id)
            if row and row[0]:
                yield RowProblem(holds.name, f"{row[0]} {problem}")

    def _by_hand(self) -> Iterator[RowProblem]:
        row = self._link.one(OF_NOBODY, organization_id=self._organization_id)
        if row and row[0]:
            yield RowProblem(manual_assignments.name, f"{row[0]} assignments by hand are of users that are not there")

    def _logins(self) -> Iterator[RowProblem]:
        row = self._link.one(ENDLESS, organization_id=self._organization_id)
        if row and row[0]:
            yield RowProblem(login_memberships.name, f"{row[0]} memberships by login would never end")
        row = self._link.one(STILL_ENTERED, organization_id=self._organization_id)
        if row and row[0]:
            yield RowProblem(authorizations.name, f"{row[0]} people are in at applications who may not sign in")

    def _nesting(self) -> Iterator[RowProblem]:
        """Compare what groups are in, through however many groups, with what follows from who is in whom."""
        said, kept = self._by_first(_CHILDREN), self._by_first(_ANCESTORS)
        follows = closure(said, said)
        for group_id in sorted(follows.keys() | kept.keys()):
            if group_id in follows.get(group_id, ()):
                yield RowProblem(group_id, "the group is in itself")
            if follows.get(group_id, frozenset()) != kept.get(group_id, set()):
                yield RowProblem(group_id, "what the group is in does not follow from who is in whom")

    def _by_first(self, statement: Statement) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for first, second in self._link.all(statement, organization_id=self._organization_id):
            found.setdefault(first, set()).add(second)
        return found

    def _miscounted(self) -> Iterator[RowProblem]:
        scope = {"organization_id": self._organization_id}
        for connection_id, name in self._link.all(_CONNECTIONS, **scope):
            for kind, statement in _COUNTED.items():
                row = self._link.one(statement, **scope, connection_id=connection_id)
                actual, counted = int(row[0]) if row else 0, self._total(connection_id, kind)
                if actual != counted:
                    yield RowProblem(f"connection {name}", f"counts {counted} {kind}s, but has {actual}")

    def _users(self) -> Iterator[RowProblem]:
        for block in self._blocks(_USERS):
            held: dict[str, set[tuple[str, str]]] = {row[0]: set() for row in block}
            found = self._link.all(_VALUES, organization_id=self._organization_id, ids=json_list(list(held)))
            for user_id, attribute, value in found:
                held[user_id].add((attribute, value))
            for id_, name, key, external_id, external_key, active, version, body in block:
                read = json.loads(body)
                # A body may leave `active` out: its value is unassigned, the column says what follows from that.
                yield from _differences(
                    f"user {id_}",
                    id=(id_, read["id"]),
                    userName=(name, read["userName"]),
                    key=(key, folded_key(name)),
                    externalId=(external_id, read.get("externalId")),
                    external_key=(external_key, _exact(external_id)),
                    active=(bool(active), read.get("active", bool(active))),
                    version=(version_tag(version), read["meta"]["version"]),
                    values=(held[id_], set(indexed_values(read))),
                )

    def _groups(self) -> Iterator[RowProblem]:
        for block in self._blocks(_GROUPS):
            for id_, display, key, external_id, external_key, version, body in block:
                read = json.loads(body)
                yield from _differences(
                    f"group {id_}",
                    id=(id_, read["id"]),
                    displayName=(display, read["displayName"]),
                    key=(key, folded_key(display)),
                    externalId=(external_id, read.get("externalId")),
                    external_key=(external_key, _exact(external_id)),
                    version=(version_tag(version), read["meta"]["version"]),
                )

    def _blocks(self, page: Statement) -> Iterator[list[tuple[Any, ...]]]:
        after = ""
        while block := self._link.all(page, organization_id=self._organization_id, after=after):
            yield block
            after = block[-1][0]


def _exact(external_id: str | None) -> str | None:
    return None if external_id is None else exact_key(external_id)


def _differences(subject: str, **pairs: tuple[object, object]) -> Iterator[RowProblem]:
    """Yield a problem for each name whose column and body disagree; no values, which may be personal."""
    for name, (column, body) in pairs.items():
        if column != body:
            yield RowProblem(subject, f"the column and the body disagree on {name}")
