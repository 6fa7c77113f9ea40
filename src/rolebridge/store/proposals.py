"""Acts that wait for a second person, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from rolebridge.core.errors import Invalid
from rolebridge.store.documents import moment, moment_or_none, stamp
from rolebridge.store.links import Row
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Statement, given, insert_into, storable
from rolebridge.store.tables.holds import proposals

_NAMES: Final = (
    "id",
    "act",
    "binding",
    "summary",
    "actor",
    "request_id",
    "reason",
    "created",
    "expires_at",
    "approved_by",
    "approved_at",
)
_COLUMNS: Final = tuple(proposals.c[name] for name in _NAMES)


@dataclass(frozen=True, slots=True)
class Proposal:
    """An act that somebody asked for and a second person has to agree to.

    `binding` is a digest of exactly what would be done, `summary` that in one line. It can be carried out until
    `expires_at`, once.
    """

    id: str
    act: str
    binding: str
    summary: str
    actor: str
    request_id: str
    reason: str
    created: datetime
    expires_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None


_OPEN: Final = (
    proposals.c.organization_id == given("organization_id"),
    proposals.c.used_at.is_(None),
    proposals.c.expires_at > given("now"),
)
INSERT: Final = Statement(lambda db: insert_into(db, proposals))
OPEN: Final = Statement(lambda _: select(*_COLUMNS).where(*_OPEN).order_by(proposals.c.created, proposals.c.id))
OPEN_FOR: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(*_OPEN, proposals.c.binding == given("of_binding"), proposals.c.act == given("of_act"))
        .order_by(proposals.c.created, proposals.c.id)
    )
)
APPROVE: Final = Statement(
    lambda _: (
        update(proposals)
        .where(*_OPEN, proposals.c.id == given("of"), proposals.c.approved_by.is_(None))
        .values(approved_by=given("by"), approved_at=given("now"))
    )
)
USE: Final = Statement(
    lambda _: update(proposals).where(*_OPEN, proposals.c.id == given("of")).values(used_at=given("now"))
)


class Proposals(Scope):
    """The proposals of one organization."""

    __slots__ = ()

    def add(self, proposal: Proposal) -> None:
        """Record a proposal. Raises `Invalid` for a reason that cannot be stored."""
        if not storable(proposal.reason):
            raise Invalid("the reason holds a character that cannot be stored", "reason")
        row = {name: getattr(proposal, name) for name in _NAMES}
        row |= {"created": stamp(proposal.created), "expires_at": stamp(proposal.expires_at)}
        self._link.run(INSERT, organization_id=self._organization_id, **row, used_at=None)

    def open(self, now: datetime) -> list[Proposal]:
        """Return what can still be approved or carried out, oldest first."""
        rows = self._link.all(OPEN, organization_id=self._organization_id, now=stamp(now))
        return [_proposal(row) for row in rows]

    def open_for(self, act: str, binding: str, now: datetime) -> list[Proposal]:
        """Return the open proposals of exactly one act."""
        values = {"of_act": act, "of_binding": binding, "now": stamp(now)}
        return [_proposal(row) for row in self._link.all(OPEN_FOR, organization_id=self._organization_id, **values)]

    def approve(self, id: str, by: str, now: datetime) -> bool:
        """Note that a second person agrees; return False when somebody has already, or it is not open any more."""
        return self._link.run(APPROVE, organization_id=self._organization_id, of=id, by=by, now=stamp(now)) > 0

    def use(self, id: str, now: datetime) -> bool:
        """Note that the act is carried out; return False when it was, or is too old."""
        return self._link.run(USE, organization_id=self._organization_id, of=id, now=stamp(now)) > 0


def _proposal(row: Row) -> Proposal:
    values = dict(zip(_NAMES, row, strict=True))
    values |= {name: moment(values[name]) for name in ("created", "expires_at")}
    values["approved_at"] = moment_or_none(values["approved_at"])
    return Proposal(**values)
