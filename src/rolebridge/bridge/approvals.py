"""Four eyes: acts that a second, different person has to agree to before they happen.

Where the installation asks for it, the first call of such an act records a proposal and does nothing else. It is
carried out when a second person approves it and it is asked for again, or when a second person asks for exactly the
same. What "the same" is, a digest says: other people, other files, other holds make another act.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import uuid4

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.second_person import may_be_one
from rolebridge.core.errors import NotFound, RolebridgeError
from rolebridge.store.engine import Store
from rolebridge.store.proposals import Proposal
from rolebridge.store.unit import Unit

APPROVAL_TIME: Final = timedelta(hours=24)
"""How long a proposal can be approved and carried out."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that takes two people: `kind` (`hold.release`, …), what exactly it is, and that in one line."""

    kind: str
    what: tuple[str, ...]
    summary: str

    @property
    def binding(self) -> str:
        """Return SHA-256 over what would be done, hexadecimal; the order of its parts does not matter."""
        return hashlib.sha256(json.dumps([self.kind, sorted(self.what)]).encode()).hexdigest()


class ApprovalNeeded(RolebridgeError):
    """That nothing was done yet, because a second person has to agree to `proposal`."""

    def __init__(self, proposal: Proposal) -> None:
        super().__init__(
            f"a second person has to agree ({proposal.summary}): nothing was done; "
            f"proposal `{proposal.id}` waits until {proposal.expires_at:%Y-%m-%d %H:%M} UTC"
        )
        self.proposal = proposal


class SamePerson(RolebridgeError):
    """That whoever proposed an act, or could be them by a key, tried to be its second person too."""

    def __init__(self, proposal: Proposal, operator: Operator) -> None:
        text = f"`{proposal.actor}` proposed it and cannot approve it: that takes another person"
        if operator.actor != proposal.actor:
            text = f"{text}, and `{operator.actor}` may be the same one: one made the other's key, or one key made both"
        super().__init__(text)
        self.proposal = proposal


class _Unapproved(Exception):
    """That a transaction came to an act that has no second person yet; it is undone, and the proposal recorded."""

    def __init__(self, act: Act, reason: str, known: Proposal | None) -> None:
        super().__init__(act.kind)
        self.act = act
        self.reason = reason
        self.known = known


class Approvals:
    """Proposals of an installation; where it does not ask for four eyes, every act passes."""

    def __init__(self, store: Store, clock: Callable[[], datetime], *, needed: bool) -> None:
        self._store = store
        self._clock = clock
        self.needed = needed

    def transact(self, operator: Operator, organization_id: str, work: Callable[[Unit], _T]) -> _T:
        """Run `work` as a transaction in which acts may be demanded of two people. Raises ApprovalNeeded."""
        try:
            return self._store.transact(work)
        except _Unapproved as found:
            proposal = found.known or self._propose(operator, organization_id, found)
            raise ApprovalNeeded(proposal) from None

    def demand(self, unit: Unit, operator: Operator, organization_id: str, act: Act, reason: str) -> None:
        """Go on only if two people want the act; inside of `transact`, before anything is written that it causes."""
        if not self.needed:
            return
        now, rows = self._clock(), unit.proposals(organization_id)
        known = rows.open_for(act.kind, act.binding, now)
        for proposal in known:
            if proposal.approved_by is None:
                if may_be_one(unit, organization_id, proposal.actor, operator.actor):
                    continue
                self._approve(unit, operator, organization_id, proposal, now)
            if rows.use(proposal.id, now):
                _audit(unit, operator, organization_id, replace(proposal, reason=reason), "proposal.carried_out", now)
                return
        raise _Unapproved(act, reason, known[0] if known else None)

    def listing(self, organization_id: str) -> list[Proposal]:
        """Return what waits for a second person or to be carried out, oldest first."""
        with self._store.read() as unit:
            return unit.proposals(organization_id).open(self._clock())

    def approve(self, operator: Operator, organization_id: str, id: str) -> Proposal:
        """Agree to a proposal; the act is then carried out by asking for it again. `id` may be its beginning.

        Raises NotFound for one that is not open, SamePerson for one's own. Approving it twice changes nothing.
        """

        def work(unit: Unit) -> Proposal:
            now = self._clock()
            found = [one for one in unit.proposals(organization_id).open(now) if id and one.id.startswith(id)]
            if len(found) != 1:
                raise NotFound("open proposal", id)
            (proposal,) = found
            if may_be_one(unit, organization_id, proposal.actor, operator.actor):
                raise SamePerson(proposal, operator)
            if proposal.approved_by is not None:
                return proposal
            self._approve(unit, operator, organization_id, proposal, now)
            return replace(proposal, approved_by=operator.actor, approved_at=now)

        return self._store.transact(work)

    def _approve(self, unit: Unit, operator: Operator, organization_id: str, proposal: Proposal, now: datetime) -> None:
        if unit.proposals(organization_id).approve(proposal.id, operator.actor, now):
            _audit(unit, operator, organization_id, replace(proposal, reason=""), "proposal.approved", now)

    def _propose(self, operator: Operator, organization_id: str, found: _Unapproved) -> Proposal:
        now = self._clock()
        proposal = Proposal(
            id=str(uuid4()),
            act=found.act.kind,
            binding=found.act.binding,
            summary=found.act.summary,
            actor=operator.actor,
            request_id=operator.request_id,
            reason=found.reason,
            created=now,
            expires_at=now + APPROVAL_TIME,
        )

        def work(unit: Unit) -> None:
            unit.proposals(organization_id).add(proposal)
            _audit(unit, operator, organization_id, proposal, "proposal.made", now)

        self._store.transact(work)
        return proposal


def _audit(unit: Unit, operator: Operator, organization_id: str, proposal: Proposal, kind: str, now: datetime) -> None:
    """Record a step of a proposal, under the reason that whoever takes it gives."""
    told = {
        "proposal": proposal.id,
        "act": proposal.act,
        "summary": proposal.summary,
        "binding": proposal.binding,
        "proposed_by": proposal.actor,
        "approved_by": proposal.approved_by,
    }
    unit.record(organization_id).audit(
        kind=kind,
        actor=operator.actor,
        request_id=operator.request_id,
        subject_kind="proposal",
        subject_id=proposal.id,
        before=None,
        after=json.dumps(told, ensure_ascii=False),
        reason=proposal.reason,
        now=now,
    )
