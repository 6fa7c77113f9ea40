"""What guard rails of the directory count and hold: windows, losses, holds, and deliveries that wait with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, delete, distinct, exists, func, literal_column, select, tuple_, update

from rolebridge.core.grants import GrantState
from rolebridge.core.guardrails import GuardKind
from rolebridge.store.documents import moment, stamp
from rolebridge.store.links import Row, in_batches
from rolebridge.store.scope import LOCK_EXCLUSIVE, Scope
from rolebridge.store.statements import Database, Statement, among, given, insert_into, json_list, storable
from rolebridge.store.tables.directory import users
from rolebridge.store.tables.grants import grants
from rolebridge.store.tables.holds import hold_losses, hold_windows, holds
from rolebridge.store.tables.record import outbox


class HoldKind(StrEnum):
    """What is held: that a role goes, or only that the platform is told of it."""

    REVOCATION = "revocation"
    DELIVERY = "delivery"


class LossKind(StrEnum):
    """Who lost something: an active person, or one whose account was deactivated or deleted."""

    LOST = "lost"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Loss:
    """What a person lost last within the window, as (slot, project, role)."""

    user_id: str
    kind: LossKind
    lost: frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Hold:
    """One person's open hold in one workspace: since when, by which limit, and what brought it about."""

    id: str
    workspace: str
    user_id: str
    kind: HoldKind
    since: datetime
    guard: GuardKind
    limit: str
    actual: str
    actor: str
    request_id: str
    cause: str


class HoldPlace(NamedTuple):
    """Where a hold stands in listings."""

    workspace: str
    user_id: str
    kind: HoldKind


@dataclass(frozen=True, slots=True)
class OpenHold:
    """A hold beside the name of its person ("" for one who was deleted)."""

    hold: Hold
    user_name: str


@dataclass(frozen=True, slots=True)
class HoldSum:
    """How many holds of a kind are open in a workspace, and since when the oldest is."""

    workspace: str
    kind: HoldKind
    count: int
    since: datetime


_HOLD: Final = (
    "id",
    "workspace",
    "user_id",
    "kind",
    "since",
    "guard",
    "limit",
    "actual",
    "actor",
    "request_id",
    "cause",
)
_COLUMNS: Final = tuple(holds.c[name] for name in _HOLD)
_PLACE: Final = ("workspace", "user_id", "kind")


def _of(table: Any, *names: str) -> tuple[ColumnElement[bool], ...]:
    return tuple(table.c[name] == given(name) for name in ("organization_id", *names))


WINDOW: Final = Statement(
    lambda _: select(hold_windows.c.began, hold_windows.c.holders).where(*_of(hold_windows, "workspace"))
)
DELETE_WINDOW: Final = Statement(lambda _: delete(hold_windows).where(*_of(hold_windows, "workspace")))
INSERT_WINDOW: Final = Statement(lambda db: insert_into(db, hold_windows))
_SINCE: Final = hold_losses.c.at >= given("start")
COUNTED: Final = Statement(
    lambda _: (
        select(hold_losses.c.kind, func.count())
        .where(*_of(hold_losses, "workspace"), _SINCE)
        .group_by(hold_losses.c.kind)
    )
)
# People of the window who hold nothing any more: they were holders when it began.
EMPTIED: Final = Statement(
    lambda _: select(func.count()).where(
        *_of(hold_losses, "workspace"),
        _SINCE,
        ~exists().where(
            grants.c.organization_id == hold_losses.c.organization_id,
            grants.c.user_id == hold_losses.c.user_id,
            grants.c.workspace == hold_losses.c.workspace,
            grants.c.state == GrantState.EFFECTIVE.value,
        ),
    )
)
LOSSES_OF: Final = Statement(
    lambda _: select(hold_losses.c.user_id, hold_losses.c.kind, hold_losses.c.lost).where(
        *_of(hold_losses, "workspace"), among(hold_losses.c.user_id, given("ids")), _SINCE
    )
)
DELETE_LOSSES: Final = Statement(
    lambda _: delete(hold_losses).where(*_of(hold_losses, "workspace"), among(hold_losses.c.user_id, given("ids")))
)
INSERT_LOSS: Final = Statement(lambda db: insert_into(db, hold_losses))
FORGET_LOSSES: Final = Statement(
    lambda _: delete(hold_losses).where(*_of(hold_losses), hold_losses.c.at < given("start"))
)
HOLDERS_OF: Final = Statement(
    lambda _: select(func.count(distinct(grants.c.user_id))).where(
        *_of(grants, "workspace", "slot", "role"), grants.c.state == GrantState.EFFECTIVE.value
    )
)

INSERT_HOLD: Final = Statement(lambda db: insert_into(db, holds))
HOLDS_OF: Final = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(*_of(holds), among(holds.c.user_id, given("ids")))
        .order_by(*(holds.c[name] for name in _PLACE))
    )
)
DELETE_HOLD: Final = Statement(lambda _: delete(holds).where(*_of(holds, "id")))
ANY_HOLD: Final = Statement(
    lambda _: select(literal_column("1")).where(*_of(holds, "workspace", "kind")).limit(literal_column("1"))
)
HOLD_COUNTS: Final = Statement(
    lambda _: (
        select(holds.c.workspace, holds.c.kind, func.count(), func.min(holds.c.since))
        .where(*_of(holds))
        .group_by(holds.c.workspace, holds.c.kind)
        .order_by(holds.c.workspace, holds.c.kind)
    )
)
DELIVER: Final = Statement(
    lambda _: update(outbox).where(*_of(outbox), outbox.c.hold_id == given("id")).values(hold_id=literal_column("NULL"))
)
WITHHELD: Final = Statement(
    lambda _: (
        select(outbox.c.sequence, outbox.c.payload)
        .where(*_of(outbox), outbox.c.hold_id == given("id"))
        .order_by(outbox.c.sequence)
    )
)
DELIVER_ONE: Final = Statement(
    lambda _: (
        update(outbox)
        .where(*_of(outbox), outbox.c.sequence == given("number", outbox.c.sequence))
        .values(hold_id=literal_column("NULL"))
    )
)
UNHOLD: Final = Statement(
    lambda _: update(grants).where(*_of(grants, "user_id", "workspace")).values(held_since=literal_column("NULL"))
)


class HoldRows(Scope):
    """Windows, losses and holds of one organization."""

    __slots__ = ()

    # --- the window

    def lock_workspace(self, workspace: str) -> None:
        """Wait until nobody else counts a loss in the workspace. Lasts until the transaction ends.

        Who loses something locks users first and then workspaces, in the order of their names.
        """
        if self._link.database is Database.POSTGRES:
            self._link.all(LOCK_EXCLUSIVE, key=_advisory_key(self._organization_id, workspace))

    def window(self, workspace: str) -> tuple[datetime, int] | None:
        """Return when the present window of a workspace began, and how many held something; None before any loss."""
        row = self._link.one(WINDOW, **self._at(workspace))
        return None if row is None else (moment(row[0]), int(row[1]))

    def begin_window(self, workspace: str, began: datetime, holders: int) -> None:
        """Set the window of a workspace."""
        self._link.run(DELETE_WINDOW, **self._at(workspace))
        self._link.run(INSERT_WINDOW, **self._at(workspace), began=stamp(began), holders=holders)

    def counted(self, workspace: str, start: datetime) -> Mapping[LossKind, int]:
        """Return how many people lost something since `start`, and how many are gone."""
        rows = self._link.all(COUNTED, **self._at(workspace), start=stamp(start))
        return {LossKind(kind): int(count) for kind, count in rows}

    def emptied(self, workspace: str, start: datetime) -> int:
        """Return how many of the people who lost something since `start` hold nothing there now."""
        row = self._link.one(EMPTIED, **self._at(workspace), start=stamp(start))
        return int(row[0]) if row else 0

    def losses_of(self, workspace: str, user_ids: Iterable[str], start: datetime) -> dict[str, Loss]:
        """Return what each of the people lost since `start`; those who lost nothing are missing."""
        found = {}
        for batch in in_batches(user_ids):
            rows = self._link.all(LOSSES_OF, **self._at(workspace), start=stamp(start), ids=json_list(batch))
            for user_id, kind, lost in rows:
                keys = frozenset((slot, project, role) for slot, project, role in json.loads(lost))
                found[user_id] = Loss(user_id, LossKind(kind), keys)
        return found

    def note_losses(self, workspace: str, losses: Sequence[Loss], now: datetime) -> None:
        """Count what people lost now, in place of what was counted of them before."""
        self.forget_losses(workspace, [loss.user_id for loss in losses])
        scope = {**self._at(workspace), "at": stamp(now)}
        self._link.run_many(
            INSERT_LOSS,
            (
                {**scope, "user_id": loss.user_id, "kind": str(loss.kind), "lost": json.dumps(sorted(loss.lost))}
                for loss in losses
            ),
        )

    def forget_losses(self, workspace: str, user_ids: Iterable[str]) -> None:
        """Count no more what these people lost: it is back."""
        for batch in in_batches(user_ids):
            self._link.run(DELETE_LOSSES, **self._at(workspace), ids=json_list(batch))

    def forget_before(self, start: datetime) -> int:
        """Delete what no window reaches back to; return how many rows went."""
        return self._link.run(FORGET_LOSSES, organization_id=self._organization_id, start=stamp(start))

    def holders_of(self, workspace: str, slot: str, role: str) -> int:
        """Return how many people hold a role of a workspace, in whatever scope."""
        row = self._link.one(HOLDERS_OF, **self._at(workspace), slot=slot, role=role)
        return int(row[0]) if row else 0

    # --- holds

    def add(self, hold: Hold) -> None:
        """Record an open hold."""
        row = {name: getattr(hold, name) for name in _HOLD}
        row |= {"kind": str(hold.kind), "guard": str(hold.guard), "since": stamp(hold.since)}
        self._link.run(INSERT_HOLD, organization_id=self._organization_id, **row)

    def of_users(self, user_ids: Iterable[str]) -> dict[str, list[Hold]]:
        """Return the open holds of each of the people who have any."""
        found: dict[str, list[Hold]] = {}
        for batch in in_batches(sorted(set(user_ids))):
            for row in self._link.all(HOLDS_OF, organization_id=self._organization_id, ids=json_list(batch)):
                found.setdefault(row[2], []).append(_hold(row))
        return found

    def remove(self, hold_id: str) -> None:
        """End a hold; its grants and deliveries are the caller's business."""
        self._link.run(DELETE_HOLD, organization_id=self._organization_id, id=hold_id)

    def any(self, workspace: str, kind: HoldKind) -> bool:
        """Return whether anything of that kind is held in a workspace."""
        return self._link.one(ANY_HOLD, **self._at(workspace), kind=str(kind)) is not None

    def counts(self) -> list[HoldSum]:
        """Return by workspace and kind how many holds are open, and since when the oldest is."""
        rows = self._link.all(HOLD_COUNTS, organization_id=self._organization_id)
        return [HoldSum(workspace, HoldKind(kind), int(count), moment(since)) for workspace, kind, count, since in rows]

    def listing(
        self,
        *,
        workspace: str | None = None,
        user_id: str | None = None,
        id: str | None = None,
        after: Hold | HoldPlace | None = None,
        limit: int = 100,
    ) -> list[OpenHold]:
        """Return open holds in the order of (workspace, user, kind), the next ones after `after`."""
        wanted = {"workspace": workspace, "user_id": user_id, "id": id}
        values: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
        if not all(storable(value) for value in values.values()):
            return []
        shape = tuple(values)
        if after is not None:
            values |= {f"after_{name}": str(getattr(after, name)) for name in _PLACE}
        rows = self._link.all(
            LISTINGS[shape, after is not None], organization_id=self._organization_id, limit=limit, **values
        )
        return [OpenHold(_hold(row[:-1]), row[-1] or "") for row in rows]

    def unhold(self, user_id: str, workspace: str) -> None:
        """Let nothing keep a person's grants in a workspace but what the resolver says."""
        self._link.run(UNHOLD, **self._at(workspace), user_id=user_id)

    # --- deliveries

    def deliver(self, hold_id: str) -> int:
        """Let what a hold keeps from being delivered be delivered; return how much there was."""
        return self._link.run(DELIVER, organization_id=self._organization_id, id=hold_id)

    def withheld(self, hold_id: str) -> list[tuple[int, str]]:
        """Return number and payload of each delivery that a hold keeps."""
        rows = self._link.all(WITHHELD, organization_id=self._organization_id, id=hold_id)
        return [(int(number), payload) for number, payload in rows]

    def deliver_one(self, number: int) -> None:
        """Let one delivery go."""
        self._link.run(DELIVER_ONE, organization_id=self._organization_id, number=number)

    def _at(self, workspace: str) -> dict[str, Any]:
        return {"organization_id": self._organization_id, "workspace": workspace}


def _listing(shape: Sequence[str], *, after: bool) -> Statement:
    conditions = list(_of(holds, *shape))
    if after:
        place = tuple_(*(holds.c[name] for name in _PLACE))
        conditions.append(place > tuple_(*(given(f"after_{name}") for name in _PLACE)))
    same = (users.c.organization_id == holds.c.organization_id) & (users.c.id == holds.c.user_id)
    return Statement(
        lambda _: (
            select(*_COLUMNS, users.c.user_name)
            .join(users, same, isouter=True)
            .where(*conditions)
            .order_by(*(holds.c[name] for name in _PLACE))
            .limit(given("limit", hold_windows.c.holders))
        )
    )


LISTINGS: Final[Mapping[tuple[tuple[str, ...], bool], Statement]] = {
    (shape, after): _listing(shape, after=after)
    for shape in ((), ("workspace",), ("user_id",), ("workspace", "user_id"), ("id",))
    for after in (False, True)
}


def _hold(row: Row) -> Hold:
    id_, workspace, user_id, kind, since, guard, *texts = row
    limit, actual, actor, request_id, cause = texts
    return Hold(
        id_,
        workspace,
        user_id,
        HoldKind(kind),
        moment(since),
        GuardKind(guard),
        limit,
        actual,
        actor,
        request_id,
        cause,
    )


def _advisory_key(organization_id: str, workspace: str) -> int:
    digest = hashlib.sha256(f"rolebridge workspace {organization_id} {workspace}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
