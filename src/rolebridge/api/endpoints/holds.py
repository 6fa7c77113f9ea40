"""What guard rails hold, released or discarded; and acts that wait for a second person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rolebridge.api.endpoints.access import USER, person_of
from rolebridge.api.parameters import PAGED, next_cursor, not_a_cursor, word
from rolebridge.api.proposals import or_proposed
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import DAY, GIVEN_TEXT, Schema, read_day, record
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.hold_documents import hold_document, proposal_document, settled_document
from rolebridge.bridge.holding import Chosen, HeldAccess, Settled
from rolebridge.bridge.permissions import Permission
from rolebridge.core.errors import NotFound
from rolebridge.store.holds import HoldKind, HoldPlace
from rolebridge.web.problems import Kind

_WHY: Final[Schema] = {"reason": {**GIVEN_TEXT, "description": "Why; it is kept in the audit."}}
_UNTIL: Final[Schema] = {"until": {**DAY, "description": "The last whole day (UTC) on which what was held is kept."}}
_IN_WORKSPACE: Final = "/workspaces/{workspace}/holds"


def _holds(use: UseCases, call: Call) -> Answer:
    said = call.query
    page = use.holds.listing(
        call.organization_id,
        workspace=call.workspace,
        user=person_of(use, call, said.text("user")),
        after=_place(call),
        limit=said.limit(),
    )
    last = page.after
    place = [last.workspace, last.user_id, last.kind] if last else None
    return Answer({"holds": [hold_document(one) for one in page.rows], "next_cursor": next_cursor(place)})


def _place(call: Call) -> HoldPlace | None:
    found = call.query.cursor(len(HoldPlace._fields))
    if found is None:
        return None
    workspace, user_id, kind = found
    if kind not in set(HoldKind):
        raise not_a_cursor()
    return HoldPlace(workspace, user_id, HoldKind(kind))


def _hold(use: UseCases, call: Call) -> Answer:
    return Answer(hold_document(_one(use, call)))


def _one(use: UseCases, call: Call) -> HeldAccess:
    """Return the hold of the path, which is of the key's workspace where it is for one."""
    found = use.holds.hold(call.organization_id, call.path["id"])
    if call.holder.workspace not in {None, found.hold.workspace}:
        raise NotFound("hold", call.path["id"])
    return found


def _release(use: UseCases, call: Call) -> Answer:
    chosen = Chosen(ids=(_one(use, call).hold.id,))
    return _settled(lambda: use.holds.release(call.operator, call.organization_id, chosen, reason=call.body["reason"]))


def _release_all(use: UseCases, call: Call) -> Answer:
    chosen = Chosen(workspace=call.the_workspace)
    return _settled(lambda: use.holds.release(call.operator, call.organization_id, chosen, reason=call.body["reason"]))


def _discard(use: UseCases, call: Call) -> Answer:
    return _thrown_away(use, call, Chosen(ids=(_one(use, call).hold.id,)))


def _discard_all(use: UseCases, call: Call) -> Answer:
    return _thrown_away(use, call, Chosen(workspace=call.the_workspace))


def _thrown_away(use: UseCases, call: Call, chosen: Chosen) -> Answer:
    until = read_day(call.body.get("until"))
    return _settled(
        lambda: use.holds.discard(call.operator, call.organization_id, chosen, reason=call.body["reason"], until=until)
    )


def _settled(settle: Callable[[], Settled]) -> Answer:
    return or_proposed(lambda: Answer(settled_document(settle())))


def _proposals(use: UseCases, call: Call) -> Answer:
    return Answer({"proposals": [proposal_document(one) for one in use.approvals.listing(call.organization_id)]})


def _approve(use: UseCases, call: Call) -> Answer:
    id_ = call.path["id"]
    if id_ not in {one.id for one in use.approvals.listing(call.organization_id)}:
        raise NotFound("open proposal", id_)  # by its whole id: a program has it
    return Answer(proposal_document(use.approvals.approve(call.operator, call.organization_id, id_)))


def _settling(path: str, summary: str, handler: Any, body: Schema, description: str) -> Endpoint:
    optional = tuple(name for name in body if name != "reason")
    return Endpoint(
        "POST",
        path,
        summary,
        Permission.DECIDE_HOLDS,
        "Settled",
        handler,
        body=record(body, optional=optional),
        proposes=True,
        problems=(Kind.REFUSED,),
        description=description,
    )


_RELEASED: Final = "The revocations take effect, and what was kept from being delivered is delivered."
_DISCARDED: Final = "What was held is kept, as assignments by hand in the key's name; deliveries are dropped."

ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/holds",
        "Revocations that a guard rail holds",
        Permission.READ_ACCESS,
        "Holds",
        _holds,
        query=(word("workspace", "Only in this workspace."), word("user", f"Only this person's. {USER}"), *PAGED),
    ),
    Endpoint("GET", "/holds/{id}", "One hold", Permission.READ_ACCESS, "Hold", _hold),
    _settling("/holds/{id}/release", "Let a held revocation take effect", _release, _WHY, _RELEASED),
    _settling("/holds/{id}/discard", "Throw a held revocation away", _discard, _WHY | _UNTIL, _DISCARDED),
    _settling(f"{_IN_WORKSPACE}/release", "Release every hold of a workspace", _release_all, _WHY, _RELEASED),
    _settling(f"{_IN_WORKSPACE}/discard", "Discard every hold of a workspace", _discard_all, _WHY | _UNTIL, _DISCARDED),
    Endpoint("GET", "/proposals", "What waits for a second person", Permission.READ_RECORD, "Proposals", _proposals),
    Endpoint(
        "POST",
        "/proposals/{id}/approval",
        "Agree to what somebody else proposed; it is carried out when it is asked for again",
        Permission.APPROVE,
        "Proposal",
        _approve,
        problems=(Kind.REFUSED,),
    ),
)
