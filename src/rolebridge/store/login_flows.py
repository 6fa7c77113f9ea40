"""Logins that are under way: each is taken once, by the browser that began it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, select, tuple_

from rolebridge.store.documents import moment, stamp
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Statement, given, insert_into, storable
from rolebridge.store.tables.directory import users
from rolebridge.store.tables.sessions import login_flows as flows


@dataclass(frozen=True, slots=True)
class StoredFlow:
    """A login that went to an identity provider. `browser` is an HMAC of the secret in the cookie it began with."""

    organization_id: str
    id: str
    connection_id: str
    browser: bytes = field(repr=False)
    begun_at: datetime
    expires_at: datetime
    sealed: bytes = field(repr=False)


_NAMES: Final = ("organization_id", "id", "connection_id", "browser", "begun_at", "expires_at", "sealed")
_SAME: Final = (flows.c.organization_id == given("organization_id"), flows.c.id == given("of"))
_OF_BROWSER: Final = (
    flows.c.organization_id == given("organization_id"),
    flows.c.browser == given("browser", flows.c.browser),
)

INSERT: Final = Statement(lambda db: insert_into(db, flows))
FIND: Final = Statement(lambda _: select(*(flows.c[name] for name in _NAMES)).where(*_SAME))
TAKE: Final = Statement(lambda _: delete(flows).where(*_SAME))


def _surplus() -> Select[Any]:
    found = select(flows.c.organization_id, flows.c.id).where(*_OF_BROWSER)
    found = found.order_by(flows.c.begun_at.desc(), flows.c.id.desc())
    # PostgreSQL wants no LIMIT with an OFFSET, SQLite does; the number is more than there can be.
    return found.limit(1_000).offset(given("most", users.c.version))


DELETE_SURPLUS: Final = Statement(
    lambda _: delete(flows).where(tuple_(flows.c.organization_id, flows.c.id).in_(_surplus()))
)
EXPIRE: Final = Statement(
    lambda _: delete(flows).where(
        flows.c.organization_id == given("organization_id"), flows.c.expires_at <= given("now")
    )
)


class LoginFlowRows(Scope):
    """The logins of one organization that are under way."""

    __slots__ = ()

    def add(self, flow: StoredFlow, most: int) -> None:
        """Add a login; of its browser the `most` newest stay."""
        scope = {"organization_id": self._organization_id, "browser": flow.browser}
        self._link.run(DELETE_SURPLUS, **scope, most=most - 1)
        moments = {"begun_at": stamp(flow.begun_at), "expires_at": stamp(flow.expires_at)}
        self._link.run(INSERT, **scope, id=flow.id, connection_id=flow.connection_id, sealed=flow.sealed, **moments)

    def flow(self, id: str) -> StoredFlow | None:
        """Return a login that is under way, expired or not."""
        row = self._link.one(FIND, organization_id=self._organization_id, of=id) if storable(id) else None
        if row is None:
            return None
        organization_id, id_, connection_id, browser, begun, expires, sealed = row
        moments = (moment(begun), moment(expires))
        return StoredFlow(organization_id, id_, connection_id, bytes(browser), *moments, bytes(sealed))

    def take(self, id: str) -> bool:
        """Take a login away; of several who do so at once one is told that it was there."""
        return self._link.run(TAKE, organization_id=self._organization_id, of=id) > 0

    def expire(self, now: datetime) -> int:
        """Delete the logins that nobody finished in time, and return how many those were."""
        return self._link.run(EXPIRE, organization_id=self._organization_id, now=stamp(now))
