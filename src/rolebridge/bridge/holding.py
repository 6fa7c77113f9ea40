"""Holds as administrators see them: listed, released or discarded.

A hold keeps a revocation from taking effect. To *release* it is to let the revocation happen: the person loses the
role. To *discard* it is to throw the revocation away: the person keeps the role, as an assignment by hand in the name
of whoever decided that, since no group gives it any more. (If the group is filled again the hold ends by itself.)
Where only deliveries are held (somebody who is gone), releasing delivers them and discarding drops them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

from rolebridge.bridge.approvals import Act, Approvals
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.guarding import end_hold
from rolebridge.bridge.naming import the_user
from rolebridge.bridge.resolving import Cause, outcome_under, read_people, recompute
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.errors import Invalid, NotFound, RolebridgeError
from rolebridge.core.grants import GrantState
from rolebridge.core.plan import Change
from rolebridge.store.engine import Store
from rolebridge.store.holds import Hold, HoldKind, HoldPlace, OpenHold
from rolebridge.store.unit import Unit

_PAGE = 500


@dataclass(frozen=True, slots=True)
class HeldRole:
    """One role that is held: its slot, its project ("" for the workspace), and the role."""

    slot: str
    project: str
    role: str


@dataclass(frozen=True, slots=True)
class HeldAccess:
    """An open hold, whose it is, and the roles that it keeps (or whose end it keeps from being delivered)."""

    hold: Hold
    user_name: str
    roles: tuple[HeldRole, ...]


@dataclass(frozen=True, slots=True)
class HoldPage:
    """Some holds, and the one to go on after; None when these were the last."""

    rows: tuple[HeldAccess, ...]
    after: Hold | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which holds are meant: those of a workspace, of a user, these ids (or what they begin with); or, said so, all."""

    workspace: str | None = None
    user: str | None = None
    ids: tuple[str, ...] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """The holds that were released or discarded, and what changed for people."""

    holds: tuple[HeldAccess, ...]
    changes: tuple[Change, ...]


class NotKept(RolebridgeError):
    """That roles of holds to be discarded cannot be given by hand; `roles` says of each whose, which and why not."""

    def __init__(self, roles: Sequence[str]) -> None:
        shown = "; ".join(roles[:5]) + (f"; and {len(roles) - 5} more" if len(roles) > 5 else "")
        super().__init__(f"what is discarded is kept by hand, and these roles cannot be: {shown}")
        self.roles = tuple(roles)


class Holds:
    """The open holds of an organization."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime], approvals: Approvals) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock
        self._approvals = approvals

    def listing(
        self,
        organization_id: str,
        *,
        workspace: str | None = None,
        user: str | None = None,
        after: Hold | HoldPlace | None = None,
        limit: int = _PAGE,
    ) -> HoldPage:
        """Return up to `limit` open holds in the order of (workspace, user, kind), those after `after`.

        `user` is a userName, an id, or the part of one userName before its `@`. Raises NotFound and Invalid for it.
        """
        with self._store.read(snapshot=True) as unit:
            user_id = None if user is None else the_user(unit, organization_id, user).id
            found = unit.holds(organization_id).listing(
                workspace=workspace, user_id=user_id, after=after, limit=limit + 1
            )
            rows = tuple(_with_roles(unit, organization_id, found[:limit]))
        return HoldPage(rows, rows[-1].hold if len(found) > limit else None)

    def hold(self, organization_id: str, id: str) -> HeldAccess:
        """Return one open hold. Raises NotFound."""
        with self._store.read(snapshot=True) as unit:
            found = unit.holds(organization_id).listing(id=id, limit=1)
            if not found:
                raise NotFound("hold", id)
            return next(_with_roles(unit, organization_id, found))

    def release(self, operator: Operator, organization_id: str, chosen: Chosen, *, reason: str) -> Settled:
        """Let the held revocations take effect, and the held deliveries go.

        Raises NotFound when there is no such hold, Invalid without a reason, ApprovalNeeded.
        """

        def work(unit: Unit) -> Settled:
            settling = self._begin(unit, operator, organization_id, chosen, "hold.release", reason)
            for one in settling.found:
                if one.hold.kind is HoldKind.DELIVERY:
                    unit.holds(organization_id).deliver(one.hold.id)
            return settling.end("hold.released")

        return self._approvals.transact(operator, organization_id, work)

    def discard(
        self,
        operator: Operator,
        organization_id: str,
        chosen: Chosen,
        *,
        reason: str,
        until: date | None = None,
    ) -> Settled:
        """Throw the held revocations away: what was held is kept by hand, `until` a last day; deliveries are dropped.

        Raises NotKept when a role cannot be given by hand, and what `release` raises.
        """

        def work(unit: Unit) -> Settled:
            if until is not None and until < self._clock().date():
                raise Invalid(f"`until` {until} lies in the past", "until")
            settling = self._begin(unit, operator, organization_id, chosen, "hold.discard", reason, until=until)
            given = settling.give_by_hand(until)
            settled = settling.end("hold.discarded")
            settling.require(given)
            return settled

        return self._approvals.transact(operator, organization_id, work)

    def _begin(
        self,
        unit: Unit,
        operator: Operator,
        organization_id: str,
        chosen: Chosen,
        kind: str,
        reason: str,
        *,
        until: date | None = None,
    ) -> _Settling:
        if not reason.strip():
            raise Invalid("say why: the reason is kept with the record", "reason")
        unit.directory(organization_id).lock_organization(exclusive=False)
        rulebook = self._rulebooks.current(unit, organization_id)
        found = _choose(unit, organization_id, chosen, rulebook)
        people = sorted({one.hold.user_id for one in found})
        unit.directory(organization_id).lock_users(people)
        # Somebody may have settled one of them before the users were ours.
        still = {hold.id for holds in unit.holds(organization_id).of_users(people).values() for hold in holds}
        gone = [one.hold.id for one in found if one.hold.id not in still]
        if gone:
            raise NotFound("hold", gone[0])
        rows = tuple(_with_roles(unit, organization_id, found))
        act = Act(kind, tuple(_bound(rows, until)), _summary(kind, found, until))
        self._approvals.demand(unit, operator, organization_id, act, reason)
        return _Settling(unit, organization_id, operator, rulebook, rows, reason, self._clock())


@dataclass(frozen=True, slots=True)
class _Settling:
    """The end of some holds while its transaction runs."""

    unit: Unit
    organization_id: str
    operator: Operator
    rulebook: Rulebook
    found: tuple[HeldAccess, ...]
    reason: str
    now: datetime

    def give_by_hand(self, until: date | None) -> dict[str, str]:
        """Give every held role by hand; return by the assignment's id what to call it."""
        given = {}
        for one in self.found:
            if one.hold.kind is not HoldKind.REVOCATION:
                continue
            for role in one.roles:
                record = ManualAssignment(
                    str(uuid4()),
                    one.hold.user_id,
                    one.hold.workspace,
                    role.slot,
                    role.project or None,
                    role.role,
                    by=self.operator.actor,
                    at=self.now,
                    reason=self.reason,
                    until=until,
                )
                self.unit.grants(self.organization_id).add_manual(record)
                scope = f"{one.hold.workspace}/{role.project}" if role.project else one.hold.workspace
                given[record.id] = f"{role.role} of `{one.user_name}` in {scope}"
        return given

    def end(self, kind: str) -> Settled:
        """End the holds and resolve their people without them."""
        holds = self.unit.holds(self.organization_id)
        text = f"{kind.replace('.', ' ')}: {self.reason}"
        cause = Cause(self.operator.actor, self.operator.request_id, text)
        for one in self.found:
            if one.hold.kind is HoldKind.REVOCATION:
                holds.unhold(one.hold.user_id, one.hold.workspace)
            end_hold(self.unit, self.organization_id, one.hold, cause, self.now, kind=kind, reason=self.reason)
        people = {one.hold.user_id for one in self.found if one.hold.kind is HoldKind.REVOCATION}
        changes = recompute(self.unit, self.organization_id, self.rulebook, people, cause, self.now)
        return Settled(self.found, changes)

    def require(self, given: dict[str, str]) -> None:
        """Raise NotKept unless every assignment by hand holds."""
        refused = []
        people = sorted({one.hold.user_id for one in self.found})
        for person in read_people(self.unit, self.organization_id, people):
            for lost in outcome_under(self.rulebook, person, self.now).lost.values():
                for one in lost:
                    if one.assignment.manual is not None and one.assignment.manual.id in given:
                        detail = f": {one.detail}" if one.detail else ""
                        refused.append(f"{given[one.assignment.manual.id]} ({one.reason}{detail})")
        if refused:
            raise NotKept(sorted(refused))


def _bound(rows: Iterable[HeldAccess], until: date | None) -> Iterator[str]:
    """Yield what two people agree to: the holds, the roles that each holds by then, the day to which they are kept."""
    for row in rows:
        yield row.hold.id
        yield from (f"{row.hold.id} {role.slot} {role.project} {role.role}" for role in row.roles)
    if until is not None:
        yield f"until {until}"


def _choose(unit: Unit, organization_id: str, chosen: Chosen, rulebook: Rulebook) -> list[OpenHold]:
    """Return the holds that are meant. Raises NotFound when there are none, Invalid when nothing says which."""
    if not (chosen.workspace or chosen.user or chosen.ids or chosen.everything):
        raise Invalid("say which holds: a workspace, a user, ids, or all", "holds")
    user_id = None if chosen.user is None else the_user(unit, organization_id, chosen.user).id
    found = list(_all(unit, organization_id, chosen.workspace, user_id))
    if chosen.ids:
        found = [hold for id_ in dict.fromkeys(chosen.ids) for hold in _by_id(found, id_)]
    if not found:
        raise _nothing_held(chosen, {program.workspace for program in rulebook.programs})
    return list({one.hold.id: one for one in found}.values())


def _nothing_held(chosen: Chosen, workspaces: Collection[str]) -> NotFound | Invalid:
    """Return that nothing is held where holds were looked for; a workspace that is not there is told first."""
    if chosen.workspace and chosen.workspace not in workspaces:
        return NotFound("workspace", chosen.workspace)
    if chosen.user:
        return NotFound("open hold of user", chosen.user)
    return NotFound("open hold of workspace", chosen.workspace) if chosen.workspace else Invalid("nothing is held")


def _by_id(found: Sequence[OpenHold], id_: str) -> list[OpenHold]:
    meant = [one for one in found if id_ and one.hold.id.startswith(id_)]
    if not meant:
        raise NotFound("hold", id_)
    if len(meant) > 1:
        raise Invalid(f"several holds begin with `{id_}`", "id")
    return meant


def _all(unit: Unit, organization_id: str, workspace: str | None, user_id: str | None) -> Iterator[OpenHold]:
    after: Hold | None = None
    while page := unit.holds(organization_id).listing(workspace=workspace, user_id=user_id, after=after, limit=_PAGE):
        yield from page
        after = page[-1].hold


def _with_roles(unit: Unit, organization_id: str, found: Sequence[OpenHold]) -> Iterator[HeldAccess]:
    grants = unit.grants(organization_id).of_users({one.hold.user_id for one in found})
    for one in found:
        hold = one.hold
        if hold.kind is HoldKind.REVOCATION:
            roles = [
                HeldRole(grant.slot, grant.project, grant.role)
                for grant in grants[hold.user_id]
                if grant.workspace == hold.workspace and grant.held_since and grant.state is GrantState.EFFECTIVE
            ]
        else:
            payloads = [json.loads(payload) for _, payload in unit.holds(organization_id).withheld(hold.id)]
            roles = [HeldRole(lost["slot"], lost["project"], lost["before"]) for lost in payloads]
        yield HeldAccess(hold, one.user_name, tuple(roles))


def _summary(kind: str, found: Sequence[OpenHold], until: date | None) -> str:
    people = len({one.hold.user_id for one in found})
    workspaces = sorted({one.hold.workspace for one in found})
    shown = ", ".join(workspaces[:3]) + (" …" if len(workspaces) > 3 else "")
    verb = kind.partition(".")[2]
    holds, persons = "hold" if len(found) == 1 else "holds", "person" if people == 1 else "people"
    kept = f", kept by hand until {until}" if until else ""
    return f"{verb} {len(found)} {holds} of {people} {persons} in {shown}{kept}"
